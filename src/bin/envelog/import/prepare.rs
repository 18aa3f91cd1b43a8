//! From the lines of a block to batches that only have to be committed.

use std::ops::Range;

use envelog::{Batch, Error, Store};

use crate::input::Block;

/// A batch is committed when its envelopes have this many bytes, so that it fits into the smallest segment together
/// with one more of the largest envelopes.
const BATCH_BYTES_MAX: usize = 512 * 1024;

/// A block whose lines were read as envelopes.
pub(crate) struct Prepared {
    pub(crate) block: Block,
    /// Its lines in their order, as many as there are before the failure.
    pub(crate) parts: Vec<Part>,
    /// An error that is not about a line, which ended the reading.
    pub(crate) failure: Option<Error>,
}

/// Some lines of a block: what is stored at once, and what is refused.
pub(crate) struct Part {
    pub(crate) batch: Batch,
    lines: Range<usize>,
    /// Lines by their index in the block, in rising order.
    pub(crate) refused: Vec<(usize, Refusal)>,
}

/// Why a line is refused.
pub(crate) enum Refusal {
    /// It was too long to be kept in memory.
    TooLong,
    /// It is no envelope.
    Broken(Error),
}

/// Reads the lines of a block as envelopes, at most so many in a batch.
pub(crate) fn prepare(store: &Store, block: Block, batch_max: usize) -> Prepared {
    let mut parts = Vec::with_capacity(1);
    let mut failure = None;
    let mut start = 0;
    while start < block.lines().len() && failure.is_none() {
        let mut part = Part { batch: store.batch(), lines: start..start, refused: Vec::new() };
        match part.fill(&block, batch_max) {
            Ok(()) => {
                start = part.lines.end;
                parts.push(part);
            }
            // What was read of its part is dropped, and not said to be stored.
            Err(error) => failure = Some(error),
        }
    }
    Prepared { block, parts, failure }
}

impl Part {
    /// Takes lines until the batch is full or the block ends.
    fn fill(&mut self, block: &Block, batch_max: usize) -> envelog::Result<()> {
        for line in block.lines().get(self.lines.end..).unwrap_or_default() {
            if self.batch.len() >= batch_max || self.batch.bytes() >= BATCH_BYTES_MAX {
                break;
            }
            let index = self.lines.end;
            if line.is_too_long() {
                self.refused.push((index, Refusal::TooLong));
            } else {
                match self.batch.push_json(block.text(line)) {
                    Ok(()) => {}
                    Err(error) if is_about_the_line(&error) => {
                        self.refused.push((index, Refusal::Broken(error)));
                    }
                    Err(error) => return Err(error),
                }
            }
            self.lines.end += 1;
        }
        Ok(())
    }

    /// After a commit that was refused: the lines that may yet be stored, and those that were no envelopes.
    pub(crate) fn into_doubtful(self) -> (Vec<usize>, Vec<(usize, Refusal)>) {
        let mut refused = self.refused.iter().map(|(index, _)| *index).peekable();
        let lines = self.lines.filter(|index| refused.next_if_eq(index).is_none()).collect();
        (lines, self.refused)
    }

    /// Where in the block it ends.
    pub(crate) fn end(&self) -> usize {
        self.lines.end
    }
}

/// Whether the error is the line's, and not the store's or the disk's.
pub(crate) fn is_about_the_line(error: &Error) -> bool {
    match error {
        Error::Invalid { .. } | Error::TooLarge { .. } | Error::IdConflict { .. } => true,
        Error::InBatch { source, .. } => is_about_the_line(source),
        _ => false,
    }
}
