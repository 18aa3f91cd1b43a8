//! What both pictures share: a frame that can be read on light and dark pages.

use std::fmt::Write as _;

/// A picture under construction.
pub struct Svg {
    body: String,
    width: u32,
    height: u32,
}

/// One class of the style: its name, and its fill by day and by night.
pub type Fill = (&'static str, &'static str, &'static str);

const PAPER: Fill = ("paper", "#ffffff", "#0d1117");
const EDGE: (&str, &str) = ("#d0d7de", "#30363d");

impl Svg {
    /// An empty picture with a panel behind everything that is drawn later.
    pub fn new(width: u32, height: u32, title: &str, style: &str, fills: &[Fill]) -> Self {
        let mut body = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" role=\"img\">\n<title>{}</title>\n<style>\n{style}\n",
            escaped(title)
        );
        for night in [false, true] {
            if night {
                body.push_str("@media (prefers-color-scheme: dark) {\n");
            }
            for (name, day_fill, night_fill) in [PAPER].iter().chain(fills) {
                let fill = if night { night_fill } else { day_fill };
                let _ = writeln!(body, ".{name} {{ fill: {fill}; }}");
            }
            let edge = if night { EDGE.1 } else { EDGE.0 };
            let _ = writeln!(body, ".paper {{ stroke: {edge}; }}");
        }
        body.push_str("}\n</style>\n");
        let _ = writeln!(
            body,
            "<rect class=\"paper\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"8\"/>",
            width - 1,
            height - 1
        );
        Self { body, width, height }
    }

    /// Adds an element.
    pub fn add(&mut self, element: &str) {
        self.body.push_str(element);
        self.body.push('\n');
    }

    /// The whole text of the picture.
    pub fn finish(mut self) -> String {
        debug_assert!(self.width > 0 && self.height > 0);
        self.body.push_str("</svg>\n");
        self.body
    }
}

/// The text with what XML gives a meaning written out.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
