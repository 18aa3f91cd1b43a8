//! The chart: bars of measured figures, a panel for each kind.

use std::error::Error;

use crate::svg::{Fill, Svg, escaped};

/// One bar.
#[derive(Debug)]
pub struct Figure {
    panel: String,
    label: String,
    /// As it is written, with its decimals.
    text: String,
    /// In the unit that figures of its kind are compared in.
    value: f64,
    unit: String,
}

/// Reads `panel,label,value,unit,"row of the README's table"`, a heading first.
///
/// # Errors
///
/// A line that is none of these.
pub fn read(text: &str) -> Result<Vec<Figure>, Box<dyn Error>> {
    let mut figures = Vec::new();
    for line in text.lines().skip(1) {
        let parts: Vec<&str> = line.splitn(5, ',').collect();
        let &[panel, label, value, unit, _row] = parts.as_slice() else {
            return Err(format!("not five fields: {line}").into());
        };
        figures.push(Figure {
            panel: panel.to_owned(),
            label: label.to_owned(),
            text: value.to_owned(),
            value: value.parse::<f64>()? * scale(unit),
            unit: unit.to_owned(),
        });
    }
    Ok(figures)
}

/// What a time in this unit is in nanoseconds.
fn scale(unit: &str) -> f64 {
    match unit {
        "us" => 1e3,
        "ms" => 1e6,
        _ => 1.0,
    }
}

const WIDTH: u32 = 840;
const LABELS: u32 = 250;
/// Room for the figure behind the longest bar.
const VALUES: u32 = 190;
const ROW: u32 = 24;
const HEAD: u32 = 40;
const BAR: u32 = 14;
const MARGIN: u32 = 20;

const STYLE: &str = "text { font: 13px sans-serif; }\n.head { font-weight: bold; }";
const FILLS: &[Fill] =
    &[("ink", "#1f2328", "#e6edf3"), ("soft", "#59636e", "#9198a1"), ("bar", "#2f6f9f", "#58a6ff")];

/// Draws all panels one below the other; each has its own scale, which begins at nothing.
pub fn draw(figures: &[Figure]) -> String {
    let panels: Vec<&[Figure]> = figures.chunk_by(|a, b| a.panel == b.panel).collect();
    let rows = u32::try_from(figures.len()).unwrap_or(0);
    let heads = u32::try_from(panels.len()).unwrap_or(0);
    let height = rows * ROW + heads * HEAD + MARGIN;
    let mut svg = Svg::new(WIDTH, height, "Measured figures", STYLE, FILLS);
    let mut top = 0;
    for panel in panels {
        let title = panel.first().map_or("", |figure| figure.panel.as_str());
        svg.add(&format!(
            "<text class=\"ink head\" x=\"{MARGIN}\" y=\"{}\">{}</text>",
            top + 28,
            escaped(title)
        ));
        top += HEAD;
        let most = panel.iter().map(|figure| figure.value).fold(f64::MIN_POSITIVE, f64::max);
        for figure in panel {
            bar(&mut svg, figure, most, top);
            top += ROW;
        }
    }
    svg.finish()
}

fn bar(svg: &mut Svg, figure: &Figure, most: f64, top: u32) {
    let room = f64::from(WIDTH - LABELS - VALUES - MARGIN);
    // A bar that would be no longer than a hair is still seen.
    let length = (figure.value / most * room).max(1.5);
    let base = top + BAR - 2;
    svg.add(&format!(
        "<text class=\"ink\" x=\"{}\" y=\"{base}\" text-anchor=\"end\">{}</text>",
        LABELS - 10,
        escaped(&figure.label)
    ));
    svg.add(&format!(
        "<rect class=\"bar\" x=\"{LABELS}\" y=\"{top}\" width=\"{length:.1}\" height=\"{BAR}\" rx=\"2\"/>"
    ));
    svg.add(&format!(
        "<text class=\"soft\" x=\"{:.1}\" y=\"{base}\">{} {}</text>",
        f64::from(LABELS) + length + 8.0,
        grouped(&figure.text),
        escaped(&figure.unit)
    ));
}

/// The digits before the point in groups of three.
fn grouped(text: &str) -> String {
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut out = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_figures_give_the_same_bytes_and_a_bar_each() {
        let text = "panel,label,value,unit,row\nA,one,1425000,events/s,\"x, y\"\nB,two <&>,0.2,ms,\"z\"\n";
        let figures = read(text).unwrap();
        let svg = draw(&figures);
        assert_eq!(svg, draw(&figures));
        assert_eq!(svg.matches("class=\"bar\"").count(), 2);
        assert!(svg.contains("1,425,000 events/s") && svg.contains("two &lt;&amp;&gt;"), "{svg}");
    }

    #[test]
    fn times_are_compared_in_one_unit() {
        let text =
            "panel,label,value,unit,row\nA,one,500,ns,\"x\"\nA,two,1,us,\"x\"\nA,three,0.002,ms,\"x\"\n";
        let values: Vec<_> = read(text).unwrap().iter().map(|figure| figure.value).collect();
        assert!((values[0] * 2.0 - values[1]).abs() < 1e-6 && (values[1] * 2.0 - values[2]).abs() < 1e-6);
    }

    #[test]
    fn digits_are_grouped_before_the_point() {
        assert_eq!(grouped("1425000"), "1,425,000");
        assert_eq!(grouped("999"), "999");
        assert_eq!(grouped("1234.5678"), "1,234.5678");
    }
}
