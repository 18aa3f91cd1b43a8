//! `import --dry-run`: every line is read and checked, and nothing is stored.

use std::path::Path;
use std::time::{Instant, SystemTime};

use envelog::{Checker, Envelope, Error, Notes, Options, Store};

use super::form::Form;
use super::prepare::is_about_the_line;
use super::{ImportArgs, Opened};
use crate::args::Cli;
use crate::failure::{Failure, Outcome, tell};
use crate::input::{Block, Blocks, Line, Next, Place};
use crate::progress::Progress;
use crate::reading;
use crate::rejects::Rejects;
use crate::summary::Summary;

/// Checks the lines of the input.
pub(super) fn run(cli: &Cli, options: Options, form: Form, arguments: &ImportArgs) -> Outcome {
    let directory = cli.store().ok();
    let opened = Opened::of(&arguments.file)?;
    let rejects = match &arguments.rejects {
        Some(path) => opened.rejects(Some(path), directory.map_or(Path::new(""), |store| store))?,
        None => Rejects::told(),
    };
    let input = opened.input()?;
    let store = existing(cli, &options)?;
    let checker = options.checker(store.as_ref())?;

    let hint = form.hint(input.first_line());
    let start = Instant::now();
    let progress = Progress::of(&input);
    let blocks = Blocks::of(input, usize::MAX);
    let mut check = Check { checker, form, rejects, summary: Summary::dry() };
    let place = check.take_all(&blocks, &opened, &progress);
    progress.end();
    check.rejects.end();
    let Place { lines, offset } = place?;
    if offset == 0 {
        tell(format_args!("envelog: {}: it is empty", opened.name));
    }
    opened.tell_growth(lines);
    let Check { form, rejects, mut summary, .. } = check;
    summary.rejected = rejects.count();
    summary.set_blank(lines);
    summary.write(cli.format, rejects.file(), start.elapsed(), None)?;
    if summary.rejected > 0 && summary.stored == 0 {
        return Err(opened.has_no_line_of(&form, hint));
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
        Err(error @ Error::NotFound { .. }) => match Failure::from(error).judged(Some(directory)) {
            Failure::Store(_) => Ok(None),
            damage => Err(damage),
        },
        Err(error) => Err(error.into()),
    }
}

/// A check under way.
struct Check {
    checker: Checker,
    form: Form,
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
            let text = block.text(line);
            match self.form.read(text) {
                Ok(None) => {
                    let checked = self.checker.check_json(text);
                    self.count(line, None, checked)?;
                }
                Ok(Some(calls)) => {
                    let count = calls.len() as u64;
                    self.summary.more += count.saturating_sub(1);
                    for (number, envelope) in (0..count).zip(calls) {
                        let checked = envelope.and_then(|envelope| self.check(envelope));
                        self.count(line, (count > 1).then_some(number), checked)?;
                    }
                }
                Err(error) => self.count(line, None, Err(error))?,
            }
        }
        self.rejects.keep();
        Ok(())
    }

    fn check(&mut self, mut envelope: Envelope) -> envelog::Result<Notes> {
        // As the store stamps one that has no time.
        envelope.timestamp.get_or_insert_with(|| SystemTime::now().into());
        self.checker.check_json(envelope.to_json().as_bytes())
    }

    /// Counts a line, or a call of one.
    fn count(&mut self, line: &Line, call: Option<u64>, checked: envelog::Result<Notes>) -> Outcome {
        match checked {
            Ok(notes) => self.summary.count_one(notes),
            Err(error) if is_about_the_line(&error) => self.rejects.add(line, call, &error),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}
