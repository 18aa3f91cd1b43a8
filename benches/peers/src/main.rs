//! The same work for envelog and for the stores that one would take otherwise: a process for each store and task, in
//! interleaved rounds, and a table of ratios out of them.

mod latency;
mod measure;
mod peer;
mod peers;
mod plot;
mod raw;
mod record;
mod report;
mod result;
mod run;
mod task;
#[cfg(test)]
mod tests;
mod workload;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::{Args, Parser, Subcommand};

use crate::result::Results;

/// Compares envelog with other embedded stores
#[derive(Debug, Parser)]
#[command(name = "peers")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure, and write the results to a file
    Run(run::Options),
    /// Make a table and a plot of the results
    Report(Report),
    /// Do one task with one store and print what was measured
    #[command(hide = true)]
    Child(Child),
}

#[derive(Debug, Args)]
struct Report {
    /// What `run` has written
    results: PathBuf,
    /// Write the table to this file instead of printing it
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Write the plot to this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Child {
    #[arg(long)]
    peer: String,
    #[arg(long)]
    task: String,
    #[arg(long)]
    events: u64,
    #[arg(long)]
    directory: PathBuf,
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Run(options) => run::run(&options),
        Command::Report(files) => {
            let text = std::fs::read_to_string(&files.results).context("the results cannot be read")?;
            let results: Results = serde_json::from_str(&text).context("the file has no results")?;
            let rows = report::rows(&results)?;
            let markdown = report::markdown(&results, &rows);
            match files.markdown {
                Some(path) => std::fs::write(path, markdown)?,
                None => print!("{markdown}"),
            }
            if let Some(path) = files.svg {
                std::fs::write(path, plot::draw(&rows))?;
            }
            Ok(())
        }
        Command::Child(Child { peer, task, events, directory }) => {
            let measured = task::run(&task::Order { peer, task, events, directory })?;
            println!("{}", serde_json::to_string(&measured)?);
            Ok(())
        }
    }
}
