//! `import`: NDJSON in, good lines into the store, bad ones into the rejects file.

use std::num::NonZero;
use std::time::Instant;
use std::{io, thread};

use envelog::{Durability, Error, Options, Store};

use crate::args::{Cli, DurabilityChoice, ImportArgs};
use crate::failure::{Failure, Outcome};
use crate::input::{self, Block, Blocks, Input, Next, is_stdin};
use crate::output::grouped;
use crate::progress::Progress;
use crate::reading;
use crate::rejects::Rejects;
use crate::summary::Summary;

mod pipeline;
mod prepare;

use pipeline::{Pipeline, WorkerLost};
use prepare::{Part, Prepared, Refusal, is_about_the_line, prepare};

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
    cli.without_project("every line names its own")?;
    let directory = cli.store()?;
    let name = if is_stdin(&arguments.file) {
        "standard input".to_owned()
    } else {
        arguments.file.display().to_string()
    };
    let unreadable = |error: io::Error| Failure::io(&name, &error);
    let file = input::open(&arguments.file).map_err(unreadable)?;
    let rejects = arguments.rejects.clone().unwrap_or_else(|| Rejects::default_path(&arguments.file));
    let rejects = Rejects::new(rejects, &file.metadata().map_err(unreadable)?, directory)?;
    let input = Input::of(file, &arguments.file).map_err(unreadable)?;
    let options = Options::new().durability(durability(arguments.durability));
    let store = options.on_corruption(cli.on_corruption()).open(directory)?;
    reading::tell_damage(&store);

    let start = Instant::now();
    let progress = Progress::of(&input);
    let mut import = Import { store: &store, rejects, summary: Summary::default(), settled: 0 };
    let batch_max = usize::try_from(arguments.batch).unwrap_or(usize::MAX);
    let blocks = Blocks::of(input, batch_max.max(BLOCK_LINES_LEAST));
    let taken = import.take_all(&blocks, batch_max, &name, &progress);
    progress.end();
    import.rejects.end();
    import.summary.rejected = import.rejects.count();
    let Import { summary, rejects, settled, .. } = import;
    // Closing syncs: only after it the events are there for good, at every level.
    let closed = store.close();
    if let Err(failure) = taken {
        return Err(stopped(&failure, summary.stored, settled));
    }
    closed?;
    summary.write(cli.format, rejects.file(), start.elapsed())?;
    if summary.rejected > 0 && summary.stored + summary.duplicates == 0 {
        return Err(Failure::Message(format!("{name}: no line of it is an envelope")));
    }
    Ok(())
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

/// The failure of an import that ended early, with what it had done by then.
fn stopped(failure: &Failure, stored: u64, settled: u64) -> Failure {
    let reason = failure.text().unwrap_or_default();
    Failure::Message(format!(
        "{reason}\nthe import stopped early; {} events of the first {} lines are stored",
        grouped(i128::from(stored)),
        grouped(i128::from(settled))
    ))
}

/// An import under way.
struct Import<'s> {
    store: &'s Store,
    rejects: Rejects,
    summary: Summary,
    /// Lines from the first on that are stored, refused or blank, without a gap.
    settled: u64,
}

impl Import<'_> {
    /// Stores the lines of the input in their order, while other threads read and parse ahead.
    fn take_all(&mut self, blocks: &Blocks, batch_max: usize, name: &str, progress: &Progress) -> Outcome {
        let store = self.store;
        let work = |block| prepare(store, block, batch_max);
        thread::scope(|scope| {
            let mut pipeline = Pipeline::start(scope, workers(), &work)
                .map_err(|error| Failure::io("starting a thread", &error))?;
            let taken = self.take_prepared(blocks, &mut pipeline, progress);
            pipeline.end();
            taken?.map_err(|error| Failure::io(name, &error))
        })
    }

    /// Stores what the pipeline makes of the blocks; tells how the input ended.
    fn take_prepared(
        &mut self,
        blocks: &Blocks,
        pipeline: &mut Pipeline<'_, Block, Prepared>,
        progress: &Progress,
    ) -> Outcome<io::Result<()>> {
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
                    let block = self.take(prepared)?;
                    progress.show(self.settled);
                    blocks.give_back(block);
                }
                // Nothing is under way, and there was nothing to wait for: the input is at its end.
                Ok(None) => return Ok(end.unwrap_or(Ok(()))),
                Err(WorkerLost) => {
                    return Err(Failure::Message("a thread of the import ended unexpectedly".to_owned()));
                }
            }
        }
    }

    /// Stores the lines of a block, batch by batch.
    fn take(&mut self, prepared: Prepared) -> Outcome<Block> {
        let Prepared { block, parts, failure } = prepared;
        for part in parts {
            let taken = self.take_part(&block, part);
            self.summary.rejected = self.rejects.count();
            taken?;
        }
        if let Some(error) = failure {
            return Err(error.into());
        }
        self.summary.blank += block.blank;
        self.settled = self.summary.lines();
        Ok(block)
    }

    fn take_part(&mut self, block: &Block, mut part: Part) -> Outcome {
        match part.commit() {
            Ok(acks) => self.summary.count(&acks),
            Err(error) if is_about_the_line(&error) => return self.sort_out(block, part),
            Err(error) => return Err(error.into()),
        }
        self.refuse(block, &part.refused);
        self.settled = part.last(block);
        Ok(())
    }

    fn refuse(&mut self, block: &Block, refused: &[(usize, Refusal)]) {
        for (index, why) in refused {
            let Some(line) = block.lines().get(*index) else { continue };
            match why {
                Refusal::TooLong => self.rejects.add_too_long(line),
                Refusal::Broken(error) => self.rejects.add(line, error),
            }
        }
    }

    /// Stores the lines of a part whose batch was refused as a whole, all but those that are to blame.
    fn sort_out(&mut self, block: &Block, part: Part) -> Outcome {
        let (left, mut refused) = part.into_doubtful();
        let last = refused.last().map_or(0, |(index, _)| block.number(*index));
        let sorted = self.store_but_the_bad(block, &left, &mut refused);
        if sorted.is_ok() {
            self.settled = self.settled.max(last);
        }
        refused.retain(|(index, _)| block.number(*index) <= self.settled);
        refused.sort_by_key(|(index, _)| *index);
        self.refuse(block, &refused);
        sorted
    }

    /// Stores lines, by their index in the block, and tells which were refused.
    ///
    /// A batch that fails is cut before the line that is named; one that succeeds lets the next be twice as large. So
    /// a few bad lines cost a few commits, and nothing but bad lines costs one push each.
    fn store_but_the_bad(
        &mut self,
        block: &Block,
        lines: &[usize],
        refused: &mut Vec<(usize, Refusal)>,
    ) -> Outcome {
        let mut left = lines;
        let mut most = lines.len();
        while let Some(first) = left.first() {
            let (now, later) = left.split_at(most.clamp(1, left.len()));
            match self.store_batch(block, now) {
                Ok(acks) => {
                    self.summary.count(&acks);
                    self.settled = now.last().map_or(self.settled, |last| block.number(*last));
                    left = later;
                    most = most.saturating_mul(2);
                }
                Err(error) if !is_about_the_line(&error) => return Err(error.into()),
                Err(Error::InBatch { index, .. }) if index > 0 && index < now.len() => most = index,
                Err(error) if now.len() == 1 || matches!(error, Error::InBatch { .. }) => {
                    refused.push((*first, Refusal::Broken(error)));
                    self.settled = block.number(*first);
                    left = left.get(1..).unwrap_or_default();
                    most = (most / 2).max(1);
                }
                Err(_) => most = now.len() / 2,
            }
        }
        Ok(())
    }

    fn store_batch(&self, block: &Block, lines: &[usize]) -> envelog::Result<Vec<envelog::Ack>> {
        let mut batch = self.store.batch();
        for (index, line) in lines.iter().filter_map(|index| block.lines().get(*index)).enumerate() {
            batch
                .push_json(block.text(line))
                .map_err(|source| Error::InBatch { index, source: Box::new(source) })?;
        }
        batch.commit()
    }
}

/// Threads that parse: as many as there are cores.
fn workers() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get).min(WORKERS_MAX)
}
