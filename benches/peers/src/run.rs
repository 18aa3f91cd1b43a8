//! The rounds: every store does every task in a process of its own, one after the other.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::peer::Level;
use crate::result::{Measured, Results};
use crate::{peers, raw, task};

/// What is measured.
#[derive(Debug, Args)]
pub struct Options {
    /// Rounds; the report takes medians
    #[arg(long, default_value_t = 5)]
    pub rounds: u32,
    /// Events of a filled store
    #[arg(long, default_value_t = 1_000_000)]
    pub events: u64,
    /// Only these stores
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub peers: Vec<String>,
    /// Only these tasks
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub tasks: Vec<String>,
    /// Where the results are written, after each round anew
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Where the stores' files are for a while, on the disk that is meant; the system's temporary directory otherwise
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

impl Options {
    fn names(&self) -> Result<Vec<&str>> {
        if let Some(name) = self.peers.iter().find(|name| !peers::NAMES.contains(&name.as_str())) {
            bail!("no store is called {name}; there are {}", peers::NAMES.join(", "));
        }
        let known = [task::FRESH, task::FILLED, task::OURS, &[task::FILL]].concat();
        if let Some(name) = self.tasks.iter().find(|name| !known.contains(&name.as_str())) {
            bail!("no task is called {name}; there are {}", known.join(", "));
        }
        let is_asked = |name: &&str| self.peers.is_empty() || self.peers.iter().any(|asked| asked == name);
        Ok(peers::NAMES.iter().copied().filter(is_asked).collect())
    }

    fn wants(&self, task: &str) -> bool {
        self.tasks.is_empty() || self.tasks.iter().any(|asked| asked == task)
    }

    fn directory(&self) -> Result<tempfile::TempDir> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("peers-");
        Ok(match &self.dir {
            Some(dir) => builder.tempdir_in(dir)?,
            None => builder.tempdir()?,
        })
    }
}

/// Runs all rounds.
pub fn run(options: &Options) -> Result<()> {
    let names = options.names()?;
    let mut results = Results { events: options.events, rounds: options.rounds, ..Results::default() };
    for name in &names {
        if let (Some(buffered), Some(durable)) =
            (peers::promise(name, Level::Buffered), peers::promise(name, Level::Durable))
        {
            let kept = [buffered.kill, buffered.power, durable.kill, durable.power].map(str::to_owned);
            results.promises.insert((*name).to_owned(), kept);
        }
    }
    for round in 0..options.rounds {
        // Another store begins each time.
        let mut order = names.clone();
        let first = round as usize % order.len().max(1);
        order.rotate_left(first);
        let mut round = Round { options, number: round, results: &mut results };
        round.fresh(&order)?;
        round.filled(&order)?;
        std::fs::write(&options.out, serde_json::to_vec_pretty(&results)?)?;
    }
    Ok(())
}

struct Round<'a> {
    options: &'a Options,
    number: u32,
    results: &'a mut Results,
}

impl Round<'_> {
    /// Task by task, all stores.
    fn fresh(&mut self, names: &[&str]) -> Result<()> {
        for task in task::FRESH.iter().chain(task::OURS).filter(|task| self.options.wants(task)) {
            let is_ours = task::OURS.contains(task);
            let limit = task::RAW.contains(task).then_some(raw::NAME);
            for peer in names.iter().copied().chain(limit) {
                if is_ours && peer != peers::OURS {
                    continue;
                }
                let directory = self.options.directory()?;
                if *task == "killed" {
                    kill_when_ready(&mut self.child(peer, task, directory.path())?)?;
                    self.measure(peer, task::AFTER_KILL, directory.path())?;
                } else {
                    self.measure(peer, task, directory.path())?;
                }
            }
        }
        Ok(())
    }

    /// Store by store, all tasks that read, so that the files of one store are there at a time.
    fn filled(&mut self, names: &[&str]) -> Result<()> {
        let tasks: Vec<&str> = task::FILLED.iter().copied().filter(|task| self.options.wants(task)).collect();
        if tasks.is_empty() && !self.options.wants(task::FILL) {
            return Ok(());
        }
        for peer in names {
            let directory = self.options.directory()?;
            self.measure(peer, task::FILL, directory.path())?;
            for task in &tasks {
                self.measure(peer, task, directory.path())?;
            }
        }
        Ok(())
    }

    fn child(&self, peer: &str, task: &str, directory: &Path) -> Result<Command> {
        eprintln!("round {}: {peer}, {task}", self.number + 1);
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["child", "--peer", peer, "--task", task, "--events", &self.options.events.to_string()]);
        command.arg("--directory").arg(directory).stdin(Stdio::null()).stderr(Stdio::inherit());
        Ok(command)
    }

    fn measure(&mut self, peer: &str, task: &str, directory: &Path) -> Result<()> {
        let output = self.child(peer, task, directory)?.stdout(Stdio::piped()).spawn()?.wait_with_output()?;
        if !output.status.success() {
            bail!("{peer} could not do {task}: {}", output.status);
        }
        let mut measured: Measured = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("{peer} did {task} and did not say how"))?;
        measured.round = self.number;
        self.results.measured.push(measured);
        Ok(())
    }
}

/// Kills the process when it says that all is stored.
fn kill_when_ready(command: &mut Command) -> Result<()> {
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    if let Some(stdout) = child.stdout.take() {
        BufReader::new(stdout).read_line(&mut line)?;
    }
    child.kill()?;
    child.wait()?;
    anyhow::ensure!(line.trim() == "ready", "the process to be killed ended by itself");
    Ok(())
}
