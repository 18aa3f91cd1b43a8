//! The plot: how many times better envelog is, or worse, a bar for each row.

use std::fmt::Write as _;

use crate::report::{Held, Row};

const WIDTH: f64 = 860.0;
const LABELS: f64 = 340.0;
const VALUES: f64 = 170.0;
const HEAD: f64 = 56.0;
const ROW: f64 = 22.0;
const BAR: f64 = 12.0;

const STYLE: &str = "text { font: 12px sans-serif; fill: #1f2328; }
.head { font-weight: bold; }
.paper { fill: #ffffff; stroke: #d0d7de; }
.soft { fill: #59636e; }
.axis { stroke: #59636e; }
.goal { fill: #2f6f9f; }
.floor { fill: #8fb8d6; }
.missed { fill: #b35900; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; }
.paper { fill: #0d1117; stroke: #30363d; }
.soft { fill: #9198a1; }
.axis { stroke: #9198a1; }
.goal { fill: #58a6ff; }
.floor { fill: #33618c; }
.missed { fill: #d18616; }
}";

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Draws the rows that have a ratio, on a scale of powers of ten with one in the middle or at the left.
pub fn draw(rows: &[Row]) -> String {
    let bars: Vec<(&Row, f64)> =
        rows.iter().filter_map(|row| Some((row, row.ratio.filter(|ratio| *ratio > 0.0)?.log10()))).collect();
    let least = bars.iter().map(|(_, log)| log.floor()).fold(0.0, f64::min);
    let greatest = bars.iter().map(|(_, log)| log.ceil()).fold(1.0, f64::max);
    let room = WIDTH - LABELS - VALUES;
    let at = |log: f64| LABELS + (log - least) / (greatest - least) * room;
    let height = HEAD + ROW * bars.len() as f64 + 16.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">\n\
         <title>envelog beside other embedded stores</title>\n<style>\n{STYLE}\n</style>\n\
         <rect class=\"paper\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"8\"/>\n\
         <text class=\"head\" x=\"20\" y=\"26\">Times better than the other store (right of 1) or worse (left)</text>\n",
        WIDTH - 1.0,
        height - 1.0
    );
    #[expect(clippy::cast_possible_truncation, reason = "a few powers of ten")]
    for power in least as i32..=greatest as i32 {
        let x = at(f64::from(power));
        let _ = writeln!(
            svg,
            "<line class=\"axis\" x1=\"{x:.1}\" y1=\"{}\" x2=\"{x:.1}\" y2=\"{}\" stroke-width=\"{}\"/>\n\
             <text class=\"soft\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            HEAD - 6.0,
            height - 10.0,
            if power == 0 { "1" } else { "0.3" },
            HEAD - 10.0,
            10_f64.powi(power),
        );
    }
    for (number, (row, log)) in bars.iter().enumerate() {
        let top = HEAD + ROW * number as f64;
        let base = top + BAR - 2.0;
        let (from, to) = (at(log.min(0.0)), at(log.max(0.0)));
        let class = match row.held {
            Some(Held::Goal) => "goal",
            Some(Held::Floor) => "floor",
            _ => "missed",
        };
        let ratio = row.ratio.unwrap_or_default();
        let decimals = if ratio >= 10.0 { 0 } else { 2 };
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{base}\" text-anchor=\"end\">{}</text>\n\
             <rect class=\"bar {class}\" x=\"{from:.1}\" y=\"{top}\" width=\"{:.1}\" height=\"{BAR}\" rx=\"2\"/>\n\
             <text class=\"soft\" x=\"{:.1}\" y=\"{base}\">{ratio:.decimals$} x {}</text>",
            LABELS - 10.0,
            escaped(row.title),
            (to - from).max(1.0),
            to + 8.0,
            escaped(&row.to),
        );
    }
    svg.push_str("</svg>\n");
    svg
}
