//! `import`: NDJSON in, good lines into the store, bad ones into the rejects file.

use std::fs;
use std::path::Path;
use std::time::Instant;

use envelog::{Durability, Error, Options, Store};

use crate::args::{Cli, DurabilityChoice, ImportArgs};
use crate::failure::{Failure, Outcome};
use crate::input::{self, Block, Blocks, Line, is_stdin};
use crate::output::grouped;
use crate::progress::Progress;
use crate::rejects::Rejects;
use crate::summary::Summary;

/// A batch is committed when its envelopes have this many bytes, so that it fits into the smallest segment together
/// with one more of the largest envelopes.
const BATCH_BYTES_MAX: usize = 256 * 1024;

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
    let rejects = rejects_path(arguments)?;
    let input = input::open(&arguments.file).map_err(|error| Failure::io(&name, &error))?;
    let store = Options::new().durability(durability(arguments.durability)).open(directory)?;

    let start = Instant::now();
    let progress = Progress::of(&input);
    let mut import = Import {
        store: &store,
        rejects: Rejects::new(rejects),
        summary: Summary::default(),
        batch_max: usize::try_from(arguments.batch).unwrap_or(usize::MAX),
    };
    let taken = import.take_all(&Blocks::of(input), &name, &progress);
    progress.end();
    import.rejects.flush();
    import.summary.rejected = import.rejects.count();
    let Import { summary, rejects, .. } = import;
    // Closing syncs: only after it the events are there for good, at every level.
    let closed = store.close();
    if let Err(failure) = taken {
        return Err(stopped(&failure, &summary));
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

/// Where rejects go; never over the input.
fn rejects_path(arguments: &ImportArgs) -> Outcome<std::path::PathBuf> {
    let Some(path) = &arguments.rejects else {
        return Ok(Rejects::default_path(&arguments.file));
    };
    let real = |path: &Path| fs::canonicalize(path).ok();
    if real(path).is_some_and(|rejects| real(&arguments.file) == Some(rejects)) {
        return Err(Failure::Usage("--rejects names the input itself".to_owned()));
    }
    Ok(path.clone())
}

/// The failure of an import that ended early, with what it had done by then.
fn stopped(failure: &Failure, summary: &Summary) -> Failure {
    let reason = failure.text().unwrap_or_default();
    Failure::Message(format!(
        "{reason}\nthe import stopped early; {} events of the first {} lines are stored",
        grouped(i128::from(summary.stored)),
        grouped(i128::from(summary.lines()))
    ))
}

/// An import under way.
struct Import<'s> {
    store: &'s Store,
    rejects: Rejects,
    summary: Summary,
    batch_max: usize,
}

impl Import<'_> {
    fn take_all(&mut self, blocks: &Blocks, name: &str, progress: &Progress) -> Outcome {
        while let Some(block) = blocks.next().map_err(|error| Failure::io(name, &error))? {
            let taken = self.take(&block);
            self.summary.rejected = self.rejects.count();
            taken?;
            self.summary.blank += block.blank;
            progress.show(self.summary.lines());
            blocks.give_back(block);
        }
        Ok(())
    }

    /// Stores the lines of a block, batch by batch.
    fn take(&mut self, block: &Block) -> Outcome {
        let mut lines = block.lines();
        while !lines.is_empty() {
            let mut batch = self.store.batch();
            let mut pushed = Vec::with_capacity(lines.len().min(self.batch_max));
            while let Some((line, rest)) = lines.split_first() {
                if batch.len() >= self.batch_max || batch.bytes() >= BATCH_BYTES_MAX {
                    break;
                }
                lines = rest;
                if line.is_too_long() {
                    self.rejects.add_too_long(line);
                    continue;
                }
                match batch.push_json(block.text(line)) {
                    Ok(()) => pushed.push(line),
                    Err(error) if is_about_the_line(&error) => self.rejects.add(line, &error),
                    Err(error) => return Err(error.into()),
                }
            }
            if pushed.is_empty() {
                continue;
            }
            match batch.commit() {
                Ok(acks) => self.summary.count(&acks),
                Err(error) if is_about_the_line(&error) => self.sort_out(block, &pushed)?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Stores the lines of a batch that was refused as a whole, all but those that are to blame.
    ///
    /// A batch that fails is cut before the line that is named; one that succeeds lets the next be twice as large. So
    /// a few bad lines cost a few commits, and nothing but bad lines costs one push each.
    fn sort_out(&mut self, block: &Block, pushed: &[&Line]) -> Outcome {
        let mut left = pushed;
        let mut most = pushed.len();
        while let Some(first) = left.first() {
            let (now, later) = left.split_at(most.clamp(1, left.len()));
            match self.store_batch(block, now) {
                Ok(acks) => {
                    self.summary.count(&acks);
                    left = later;
                    most = most.saturating_mul(2);
                }
                Err(error) if !is_about_the_line(&error) => return Err(error.into()),
                Err(Error::InBatch { index, .. }) if index > 0 && index < now.len() => most = index,
                Err(error) if now.len() == 1 || matches!(error, Error::InBatch { .. }) => {
                    self.rejects.add(first, &error);
                    left = left.get(1..).unwrap_or_default();
                    most = (most / 2).max(1);
                }
                Err(_) => most = now.len() / 2,
            }
        }
        Ok(())
    }

    fn store_batch(&self, block: &Block, lines: &[&Line]) -> envelog::Result<Vec<envelog::Ack>> {
        let mut batch = self.store.batch();
        for (index, line) in lines.iter().enumerate() {
            batch
                .push_json(block.text(line))
                .map_err(|source| Error::InBatch { index, source: Box::new(source) })?;
        }
        batch.commit()
    }
}

/// Whether the error is the line's, and not the store's or the disk's.
fn is_about_the_line(error: &Error) -> bool {
    match error {
        Error::Invalid { .. } | Error::TooLarge { .. } | Error::IdConflict { .. } => true,
        Error::InBatch { source, .. } => is_about_the_line(source),
        _ => false,
    }
}
