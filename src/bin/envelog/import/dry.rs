//! `import --dry-run`: every line is read and checked, and nothing is stored.

use std::path::Path;
use std::time::Instant;

use envelog::{Checker, Error, Options, Store};

use super::prepare::is_about_the_line;
use super::{ImportArgs, Opened};
use crate::args::Cli;
use crate::failure::{Failure, Outcome, tell};
use crate::input::{Block, Blocks, Next, Place};
use crate::progress::Progress;
use crate::reading;
use crate::rejects::Rejects;
use crate::summary::Summary;

/// Checks the lines of the input.
pub(super) fn run(cli: &Cli, options: Options, arguments: &ImportArgs) -> Outcome {
    let directory = cli.store().ok();
    let opened = Opened::of(&arguments.file)?;
    let rejects = match &arguments.rejects {
        Some(path) => opened.rejects(Some(path), directory.map_or(Path::new(""), |store| store))?,
        None => Rejects::told(),
    };
    let input = opened.input()?;
    let store = existing(cli, &options)?;
    let checker = options.checker(store.as_ref())?;

    let start = Instant::now();
    let progress = Progress::of(&input);
    let blocks = Blocks::of(input, usize::MAX);
    let mut check = Check { checker, rejects, summary: Summary::dry() };
    let place = check.take_all(&blocks, &opened, &progress);
    progress.end();
    check.rejects.end();
    let Place { lines, offset } = place?;
    if offset == 0 {
        tell(format_args!("envelog: {}: it is empty", opened.name));
    }
    let Check { rejects, mut summary, .. } = check;
    summary.rejected = rejects.count();
    summary.blank = lines - summary.stored - summary.rejected;
    summary.write(cli.format, rejects.file(), start.elapsed(), None)?;
    if summary.rejected > 0 && summary.stored == 0 {
        return Err(Failure::Message(format!("{}: no line of it is an envelope", opened.name)));
    }
    Ok(())
}

/// The store, open for reading, where there is one.
fn existing(cli: &Cli, options: &Options) -> Outcome<Option<Store>> {
    let Ok(directory) = cli.store() else { return Ok(None) };
    match options.clone().on_corruption(cli.on_corruption()).open_read_only(directory) {
        Ok(store) => {
            reading::tell_damage(&store);
            Ok(Some(store))
        }
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A check under way.
struct Check {
    checker: Checker,
    rejects: Rejects,
    summary: Summary,
}

impl Check {
    /// Checks all lines, and tells where the input ends.
    fn take_all(&mut self, blocks: &Blocks, opened: &Opened<'_>, progress: &Progress) -> Outcome<Place> {
        loop {
            match blocks.next(true) {
                Next::Block(block) => {
                    self.take(&block)?;
                    progress.show(block.end().lines);
                    blocks.give_back(block);
                }
                Next::NotYet => {}
                Next::End(end) => return end.map_err(|error| opened.failure(&error)),
            }
        }
    }

    fn take(&mut self, block: &Block) -> Outcome {
        for line in block.lines() {
            if line.is_too_long() {
                self.rejects.add_too_long(line);
                continue;
            }
            match self.checker.check_json(block.text(line)) {
                Ok(notes) => self.summary.count_one(notes),
                Err(error) if is_about_the_line(&error) => self.rejects.add(line, &error),
                Err(error) => return Err(error.into()),
            }
        }
        self.rejects.keep();
        Ok(())
    }
}
