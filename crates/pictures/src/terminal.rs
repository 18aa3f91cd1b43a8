//! The terminal: runs the tool in a pseudo-terminal of a fixed size, and draws what it shows.

use std::error::Error;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Command;
use std::{env, fmt::Write as _, fs};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use vt100::{Cell, Color, Parser, Screen};

use crate::svg::{Fill, Svg, escaped};

/// What is shown, one command after the other in one directory.
const COMMANDS: &[&str] = &[
    "envelog demo --keep ./data | head -n 9",
    "export ENVELOG_STORE=./data",
    "envelog timeline user_001425 --limit 6",
    "envelog profile user_001425",
];
const COLUMNS: u16 = 108;
/// More than is ever shown.
const ROWS: u16 = 120;

/// Runs the commands and returns what stands on the screen at the end.
///
/// # Errors
///
/// Where a terminal cannot be had or a command fails.
pub fn record(tool: &Path) -> Result<Screen, Box<dyn Error>> {
    let directory = env::temp_dir().join(format!("envelog-pictures-{}", std::process::id()));
    fs::create_dir(&directory)?;
    let outcome = record_in(&directory, tool);
    fs::remove_dir_all(&directory)?;
    outcome
}

fn record_in(directory: &Path, tool: &Path) -> Result<Screen, Box<dyn Error>> {
    let mut parser = Parser::new(ROWS, COLUMNS, 0);
    let mut exports = String::new();
    for command in COMMANDS {
        if !exports.is_empty() || parser.screen().cursor_position() != (0, 0) {
            parser.process(b"\r\n");
        }
        parser.process(format!("\x1b[1;32m$\x1b[0m \x1b[1m{command}\x1b[0m\r\n").as_bytes());
        if command.starts_with("export ") {
            exports = format!("{command}; ");
            continue;
        }
        parser.process(&shown_by(&format!("{exports}{command}"), directory, tool)?);
    }
    Ok(parser.screen().clone())
}

/// All bytes that a command sends to its terminal.
fn shown_by(command: &str, directory: &Path, tool: &Path) -> Result<Vec<u8>, Box<dyn Error>> {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
    grantpt(&ours)?;
    unlockpt(&ours)?;
    let name = ptsname(&ours, Vec::new())?;
    let theirs = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
    tcsetwinsize(&theirs, Winsize { ws_row: ROWS, ws_col: COLUMNS, ws_xpixel: 0, ws_ypixel: 0 })?;
    let tools = tool.parent().ok_or("the tool is in no directory")?;
    let path = format!("{}:{}", tools.display(), env::var("PATH")?);
    let mut child = Command::new("sh")
        .args(["-c", command])
        .current_dir(directory)
        .env_clear()
        .envs([("PATH", path.as_str()), ("TERM", "xterm-256color"), ("LC_ALL", "C.UTF-8")])
        .stdin(theirs.try_clone()?)
        .stdout(theirs.try_clone()?)
        .stderr(theirs)
        .spawn()?;
    let bytes = read_to_hangup(ours);
    if !child.wait()?.success() {
        return Err(format!("failed: {command}\n{}", String::from_utf8_lossy(&bytes)).into());
    }
    Ok(bytes)
}

/// Reads until nobody has the other end open, which Linux tells as an error.
fn read_to_hangup(terminal: OwnedFd) -> Vec<u8> {
    let mut file = File::from(terminal);
    let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
    while let Ok(count @ 1..) = file.read(&mut part) {
        bytes.extend_from_slice(&part[..count]);
    }
    bytes
}

const CELL: f64 = 7.8;
const LINE: f64 = 18.0;
const MARGIN: f64 = 16.0;
const STYLE: &str =
    "text { font: 13px monospace; white-space: pre; }\n.bold { font-weight: bold; }\n.dim { opacity: 0.7; }";
const FILLS: &[Fill] = &[
    ("ink", "#1f2328", "#e6edf3"),
    ("c1", "#b3261e", "#ff7b72"),
    ("c2", "#1a7f37", "#56d364"),
    ("c3", "#8a5a00", "#e3b341"),
    ("c4", "#0969da", "#79c0ff"),
    ("c5", "#8250df", "#d2a8ff"),
    ("c6", "#1b7c83", "#76e3ea"),
];

/// Draws a screen down to its last row with text.
pub fn draw(screen: &Screen) -> String {
    let rows: Vec<Vec<Run>> = (0..ROWS).map(|row| runs(screen, row)).collect();
    let count = rows.iter().rposition(|row| !row.is_empty()).map_or(0, |last| last + 1);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few hundred pixels")]
    let size = |pixels: f64| pixels.ceil() as u32;
    let lines = f64::from(u32::try_from(count).unwrap_or(0));
    let (width, height) = (size(f64::from(COLUMNS) * CELL + 2.0 * MARGIN), size(lines * LINE + 2.0 * MARGIN));
    let mut svg = Svg::new(width, height, "envelog in a terminal", STYLE, FILLS);
    let mut base = MARGIN + 13.0;
    for row in rows.iter().take(count) {
        for run in row {
            let mut classes = run.look.fill.to_owned();
            for (is_on, name) in [(run.look.bold, " bold"), (run.look.dim, " dim")] {
                classes.push_str(if is_on { name } else { "" });
            }
            let mut text = String::new();
            // The length keeps columns in line whatever font there is.
            let _ = write!(
                text,
                "<text class=\"{classes}\" x=\"{:.1}\" y=\"{base:.0}\" textLength=\"{:.1}\" \
                 lengthAdjust=\"spacingAndGlyphs\">{}</text>",
                MARGIN + f64::from(run.column) * CELL,
                f64::from(run.cells) * CELL,
                escaped(&run.text)
            );
            svg.add(&text);
        }
        base += LINE;
    }
    svg.finish()
}

#[derive(Clone, Copy, PartialEq)]
struct Look {
    fill: &'static str,
    bold: bool,
    dim: bool,
}

/// Neighbouring cells that look the same, without spaces at either end.
struct Run {
    column: u16,
    cells: u16,
    text: String,
    look: Look,
}

fn runs(screen: &Screen, row: u16) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut spaces = 0;
    for column in 0..COLUMNS {
        let Some(cell) = screen.cell(row, column).filter(|cell| !cell.is_wide_continuation()) else {
            continue;
        };
        if cell.contents().trim().is_empty() {
            spaces += 1;
            continue;
        }
        let (look, cells) = (look(cell), if cell.is_wide() { 2 } else { 1 });
        match runs.last_mut() {
            // Far apart they are two runs, so that each column of a table begins where it should.
            Some(run) if run.look == look && spaces < 2 => {
                run.text.extend(std::iter::repeat_n(' ', usize::from(spaces)));
                run.text.push_str(cell.contents());
                run.cells += spaces + cells;
            }
            _ => runs.push(Run { column, cells, text: cell.contents().to_owned(), look }),
        }
        spaces = 0;
    }
    runs
}

fn look(cell: &Cell) -> Look {
    let fill = match cell.fgcolor() {
        Color::Idx(1 | 9) => "c1",
        Color::Idx(2 | 10) => "c2",
        Color::Idx(3 | 11) => "c3",
        Color::Idx(4 | 12) => "c4",
        Color::Idx(5 | 13) => "c5",
        Color::Idx(6 | 14) => "c6",
        _ => "ink",
    };
    Look { fill, bold: cell.bold(), dim: cell.dim() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_bytes_give_the_same_picture_with_colours_and_columns() {
        let mut parser = Parser::new(ROWS, COLUMNS, 0);
        parser.process(b"\x1b[1;32m$\x1b[0m a < b\r\nx   y\rz\r\n");
        let svg = draw(parser.screen());
        assert_eq!(svg, draw(parser.screen()));
        assert!(svg.contains("class=\"c2 bold\""), "{svg}");
        assert!(svg.contains(">a &lt; b</text>"), "{svg}");
        assert!(
            svg.contains(">z</text>") && svg.contains(">y</text>") && !svg.contains(">x</text>"),
            "{svg}"
        );
    }
}
