//! `import`: NDJSON in, good lines into the store, bad ones into the rejects file.

use std::num::NonZero;
use std::time::Instant;
use std::{io, thread};

use envelog::{Ack, Batch, Durability, Error, Options, Store};

use crate::args::Cli;
use crate::failure::{Failure, Outcome, tell};
use crate::input::{Block, Blocks, Input, Next, Place};
use crate::output::grouped;
use crate::progress::Progress;
use crate::reading;
use crate::rejects::Rejects;
use crate::summary::{Summary, Whole};

mod args;
mod cursor;
mod dry;
mod form;
mod opened;
mod pipeline;
mod prepare;
mod sort;
mod stop;

pub(crate) use args::{DurabilityChoice, ImportArgs};

use cursor::{Cursor, Done};
use form::Form;
use opened::Opened;
use pipeline::{Pipeline, WorkerLost};
use prepare::{Part, Prepared, Refusal, Refused, is_about_the_line, prepare};
use stop::Stop;

/// Blocks have at least so many lines where there are any, so that small batches do not cost a hand-over each. More
/// would cost memory: a block may become as many batches as it has lines.
const BLOCK_LINES_LEAST: usize = 64;
/// Most threads that parse; a thread that commits has no use for more.
const WORKERS_MAX: usize = 8;

/// Time between two syncs at the level `interval`, in milliseconds.
const SYNC_INTERVAL_MS: u64 = 100;
/// Bytes after which such a sync does not wait for its time.
const SYNC_INTERVAL_BYTES: u64 = 16 * 1024 * 1024;

/// Stores the lines of the input.
pub(crate) fn run(cli: &Cli, arguments: &ImportArgs) -> Outcome {
    let form = Form::of(cli, arguments)?;
    let options = Options::new().durability(durability(arguments.durability)).dedupe(arguments.dedupe.into());
    let options = arguments.secret.apply(options.scrub_text(arguments.scrub_text))?;
    if arguments.dry_run {
        return dry::run(cli, options, form, arguments);
    }
    let directory = cli.store()?;
    let opened = Opened::of(&arguments.file)?;
    let rejects = opened.rejects(arguments.rejects.as_deref(), directory)?;
    let mut input = opened.input()?;
    let cursor = opened.cursor(form.number(), &rejects)?;
    let options = options.on_corruption(cli.on_corruption());
    let store = options.clone().open(directory)?;
    reading::tell_damage(&store);

    let start = Instant::now();
    let mut import = Import::new(&store, form, rejects, cursor, arguments)?;
    if let Err(failure) = import.resume(&mut input, &opened) {
        // Nothing of this import was begun.
        let _ = store.close();
        return Err(failure);
    }
    let ended = import.take_input(input, &opened, arguments);
    import.rejects.end();
    match ended {
        Ok(Ended::AtTheEnd) => import.finish(cli, &opened, start, || options.open(directory)),
        Ok(Ended::Interrupted) => {
            store.close()?;
            Err(import.stopped("interrupted; ", &opened))
        }
        Err(failure) => {
            // The first failure is the one to tell.
            let _ = store.close();
            let is_damage = failure.is_damage();
            let reason = match failure {
                // Of this call nothing was stored, of the import everything before it.
                Failure::Store(Error::NoSpace { file }) => {
                    format!("no space left for {file}; free some space")
                }
                failure => failure.text().unwrap_or_default(),
            };
            let stopped = import.stopped(&format!("{reason}\nthe import stopped early; "), &opened);
            Err(if is_damage { stopped.as_damage() } else { stopped })
        }
    }
}

fn durability(choice: DurabilityChoice) -> Durability {
    match choice {
        DurabilityChoice::Buffered => Durability::Buffered,
        DurabilityChoice::Interval => {
            Durability::Interval { ms: SYNC_INTERVAL_MS, bytes: SYNC_INTERVAL_BYTES }
        }
        DurabilityChoice::Synced => Durability::Synced,
    }
}

/// How an import ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    AtTheEnd,
    Interrupted,
}

/// An import under way.
struct Import<'s> {
    store: &'s Store,
    form: Form,
    rejects: Rejects,
    /// None for an input that cannot be resumed.
    cursor: Option<Cursor>,
    stop: Stop,
    is_synced: bool,
    is_restarted: bool,
    /// The input itself could not be read to its end.
    is_broken_off: bool,
    /// What to try where no line is of the form.
    hint: &'static str,
    /// What an earlier import had done.
    before: Done,
    summary: Summary,
    /// All lines before it are stored, refused or blank.
    place: Place,
}

impl<'s> Import<'s> {
    fn new(
        store: &'s Store,
        form: Form,
        rejects: Rejects,
        cursor: Option<Cursor>,
        arguments: &ImportArgs,
    ) -> Outcome<Self> {
        let stop = Stop::listen().map_err(|error| Failure::io("taking over signals", &error))?;
        Ok(Self {
            store,
            form,
            rejects,
            cursor,
            stop,
            is_synced: arguments.durability == DurabilityChoice::Synced,
            is_restarted: arguments.restart,
            is_broken_off: false,
            hint: "",
            before: Done::default(),
            summary: Summary::default(),
            place: Place::default(),
        })
    }

    /// Stores what is left of the input.
    fn take_input(&mut self, input: Input, opened: &Opened<'_>, arguments: &ImportArgs) -> Outcome<Ended> {
        self.hint = self.form.hint(input.first_line());
        let progress = Progress::of(&input);
        let batch_max = usize::try_from(arguments.batch).unwrap_or(usize::MAX);
        let blocks = Blocks::of(input, batch_max.max(BLOCK_LINES_LEAST));
        let taken = self.take_all(&blocks, batch_max, opened, &progress);
        progress.end();
        taken
    }

    /// Goes where an unfinished import of the input stopped.
    fn resume(&mut self, input: &mut Input, opened: &Opened<'_>) -> Outcome {
        let Some(cursor) = self.cursor.as_ref().filter(|_| !self.is_restarted) else { return Ok(()) };
        let Some(unfinished) = cursor.unfinished(self.store, &opened.name)? else { return Ok(()) };
        let before = unfinished.done;
        input.go_to(before.place).map_err(|error| opened.failure(&error))?;
        tell(format_args!(
            "envelog: {}: going on with line {}, where an earlier import stopped with {} events stored",
            opened.name,
            grouped(i128::from(before.place.lines) + 1),
            grouped(i128::from(before.stored))
        ));
        if !unfinished.is_same_rejects && before.rejected > 0 {
            tell(format_args!(
                "envelog: {} lines before that were refused; why is in the file that was named then",
                grouped(i128::from(before.rejected))
            ));
        }
        let rejects_len = if unfinished.is_same_rejects { before.rejects_len } else { 0 };
        self.rejects.resume(rejects_len, before.rejected);
        self.before = before;
        self.place = before.place;
        Ok(())
    }

    /// Stores the lines of the input in their order, while other threads read and parse ahead.
    fn take_all(
        &mut self,
        blocks: &Blocks,
        batch_max: usize,
        opened: &Opened<'_>,
        progress: &Progress,
    ) -> Outcome<Ended> {
        let (store, form) = (self.store, self.form.clone());
        let work = |block| prepare(store, &form, block, batch_max);
        thread::scope(|scope| {
            let mut pipeline = Pipeline::start(scope, workers(), &work)
                .map_err(|error| Failure::io("starting a thread", &error))?;
            let taken = self.take_prepared(blocks, &mut pipeline, progress);
            pipeline.end();
            taken?.map_err(|error| {
                self.is_broken_off = true;
                opened.failure(&error)
            })
        })
    }

    /// Stores what the pipeline makes of the blocks; tells how the input ended.
    fn take_prepared(
        &mut self,
        blocks: &Blocks,
        pipeline: &mut Pipeline<'_, Block, Prepared>,
        progress: &Progress,
    ) -> Outcome<io::Result<Ended>> {
        let mut end = None;
        loop {
            while end.is_none() && pipeline.has_room() {
                match blocks.next(pipeline.is_empty()) {
                    Next::Block(block) => pipeline.put(block),
                    Next::NotYet => break,
                    Next::End(result) => end = Some(result),
                }
            }
            match pipeline.take() {
                Ok(Some(prepared)) => {
                    let (block, ended) = self.take(prepared)?;
                    if let Some(ended) = ended {
                        return Ok(Ok(ended));
                    }
                    progress.show(self.place.lines - self.before.place.lines);
                    blocks.give_back(block);
                }
                // Nothing is under way: the input is at its end, or has nothing yet.
                Ok(None) => match end.take() {
                    Some(Ok(place)) => {
                        self.place = place;
                        return Ok(Ok(Ended::AtTheEnd));
                    }
                    Some(Err(error)) => return Ok(Err(error)),
                    None if self.stop.is_asked() => return Ok(Ok(Ended::Interrupted)),
                    None => {}
                },
                Err(WorkerLost) => {
                    return Err(Failure::Message("a thread of the import ended unexpectedly".to_owned()));
                }
            }
        }
    }

    /// Stores the lines of a block, batch by batch, until it is asked to stop.
    fn take(&mut self, prepared: Prepared) -> Outcome<(Block, Option<Ended>)> {
        let Prepared { block, parts, failure } = prepared;
        for part in parts {
            if self.stop.is_asked() {
                return Ok((block, Some(Ended::Interrupted)));
            }
            self.take_part(&block, part)?;
        }
        match failure {
            Some(error) => Err(error.into()),
            None => Ok((block, None)),
        }
    }

    fn take_part(&mut self, block: &Block, mut part: Part) -> Outcome {
        self.summary.more += part.more;
        for refused in &part.refused {
            self.refuse(block, refused);
        }
        let end = block.place_before(part.end());
        match self.commit(&mut part.batch, end) {
            Ok(()) => Ok(()),
            Err(error) if is_about_the_line(&error) => self.sort_out(block, part),
            Err(error) => Err(error.into()),
        }
    }

    fn refuse(&mut self, block: &Block, Refused { line, call, why }: &Refused) {
        let Some(line) = block.lines().get(*line) else { return };
        match why {
            Refusal::TooLong => self.rejects.add_too_long(line),
            Refusal::Broken(error) => self.rejects.add(line, *call, error),
            Refusal::SameId(first) => self.rejects.add_same_id(line, *call, *first),
            Refusal::TooMany => {
                let reason =
                    "the calls of the line are too many to be stored at once; make more lines of them";
                self.rejects.add_reason(line, *call, None, reason);
            }
        }
    }

    /// Stores a batch, and with it that all lines before the place are done. Their rejects were added, and stand in
    /// their file before; where the batch is refused they are taken back.
    fn commit(&mut self, batch: &mut Batch, place: Place) -> envelog::Result<()> {
        match self.try_commit(batch, place) {
            Ok(acks) => {
                self.rejects.keep();
                self.summary.count(&acks);
                self.place = place;
                Ok(())
            }
            Err(error) => {
                // The outcome of a failed sync is unknown; what stands in the file may be needed.
                if !matches!(error, Error::SyncFailed { .. }) {
                    self.rejects.forget();
                }
                Err(error)
            }
        }
    }

    fn try_commit(&mut self, batch: &mut Batch, place: Place) -> envelog::Result<Vec<Ack>> {
        if let Some(cursor) = &self.cursor {
            self.rejects.write(self.is_synced);
            let done = Done { place, stored: self.stored() + batch.len() as u64, ..self.done() };
            batch.set_cursor(cursor.key(), &cursor.state(done, false))?;
        }
        if batch.is_empty() { Ok(Vec::new()) } else { batch.commit_and_clear() }
    }

    /// Events of the input that are stored, the earlier import's and those that were stored before included.
    fn stored(&self) -> u64 {
        self.before.stored + self.summary.taken()
    }

    /// What is done of the input, the rejects that wait for a batch included.
    fn done(&self) -> Done {
        Done {
            place: self.place,
            stored: self.stored(),
            rejected: self.rejects.count_with_pending(),
            rejects_len: self.rejects.len(),
        }
    }

    /// Closes the store, tells what was done, and has it remembered that nothing is left to resume.
    fn finish(
        mut self,
        cli: &Cli,
        opened: &Opened<'_>,
        start: Instant,
        reopen: impl FnOnce() -> envelog::Result<Store>,
    ) -> Outcome {
        // At every level the events are there for good before that is told.
        self.store.close()?;
        if self.place == Place::default() {
            tell(format_args!("envelog: {}: it is empty", opened.name));
        }
        opened.tell_growth(self.place.lines);
        let done = self.done();
        self.summary.rejected = done.rejected - self.before.rejected;
        self.summary.set_blank(done.place.lines - self.before.place.lines);
        let whole = Whole { lines: done.place.lines, stored: done.stored, rejected: done.rejected };
        let resumed = (self.before.place != Place::default()).then_some(whole);
        let told = self.summary.write(cli.format, self.rejects.file(), start.elapsed(), resumed);
        // Only now, when nothing that takes a while is left to do: an import that is killed before its end was told
        // and its store was closed does not begin anew.
        self.mark_done(reopen)?;
        told?;
        if done.rejected > 0 && done.stored == 0 {
            return Err(opened.has_no_line_of(&self.form, self.hint));
        }
        Ok(())
    }

    /// Remembers in the closed store that nothing is left to resume.
    fn mark_done(&self, reopen: impl FnOnce() -> envelog::Result<Store>) -> Outcome {
        let is_needed = self.place != Place::default() || self.is_restarted;
        let Some(cursor) = self.cursor.as_ref().filter(|_| is_needed) else { return Ok(()) };
        let store = match reopen() {
            Ok(store) => store,
            // Somebody else writes already. The same import finds that it was at its end.
            Err(Error::Locked) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let mut batch = store.batch();
        batch.set_cursor(cursor.key(), &cursor.state(self.done(), true))?;
        batch.commit()?;
        Ok(store.close()?)
    }

    /// The failure of an import that ended early, with what it had done by then.
    fn stopped(&self, reason: &str, opened: &Opened<'_>) -> Failure {
        Failure::Message(format!(
            "{reason}{} events of the first {} lines are stored; {}",
            grouped(i128::from(self.stored())),
            grouped(i128::from(self.place.lines)),
            if self.is_broken_off { opened.how_it_goes_on() } else { opened.whether_it_resumes() }
        ))
    }
}

/// Threads that parse: as many as there are cores.
fn workers() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get).min(WORKERS_MAX)
}
