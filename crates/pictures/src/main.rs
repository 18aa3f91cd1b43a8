//! Draws the pictures of the README.
//!
//! ```sh
//! cd crates/pictures
//! cargo run -- figures                      # svg/figures.svg from figures.csv
//! cargo run -- check                        # fails where svg/figures.svg is not what figures.csv gives
//! cargo run -- terminal ../../target/release/envelog   # svg/terminal.svg: runs the built tool in a terminal
//! ```
//!
//! The chart is the same bytes for the same figures. What the tool shows holds times that it measured, so that
//! another run gives another picture.

mod figures;
mod svg;
mod terminal;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        ["figures"] => draw_figures().and_then(|svg| Ok(fs::write(figures_svg(), svg)?)),
        ["check"] => check(),
        ["terminal", tool] => draw_terminal(Path::new(tool)),
        _ => Err("usage: envelog-pictures figures | check | terminal PATH_OF_ENVELOG".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn figures_svg() -> PathBuf {
    root().join("svg/figures.svg")
}

fn draw_figures() -> Result<String, Box<dyn Error>> {
    let text = fs::read_to_string(root().join("figures.csv"))?;
    Ok(figures::draw(&figures::read(&text)?))
}

fn check() -> Result<(), Box<dyn Error>> {
    if fs::read_to_string(figures_svg())? == draw_figures()? {
        return Ok(());
    }
    Err("svg/figures.svg is not what figures.csv gives: run `cargo run -- figures`".into())
}

fn draw_terminal(tool: &Path) -> Result<(), Box<dyn Error>> {
    let screen = terminal::record(&fs::canonicalize(tool)?)?;
    fs::write(root().join("svg/terminal.svg"), terminal::draw(&screen))?;
    Ok(())
}
