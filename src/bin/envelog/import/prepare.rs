//! From the lines of a block to batches that only have to be committed.

use std::ops::Range;

use envelog::{Batch, Error, Store};

use super::form::{Form, Read};
use crate::input::Block;

/// A batch is committed when its envelopes have this many bytes, so that it fits into the smallest segment together
/// with one more of the largest envelopes.
const BATCH_BYTES_MAX: usize = 512 * 1024;
/// What the calls of one line may take together: they are stored at once, so that no line is stored by half.
const LINE_CALLS_BYTES_MAX: usize = 8 * 1024 * 1024;

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
    /// In rising order.
    pub(crate) refused: Vec<Refused>,
    /// Envelopes, refused ones included, that are more than one for their line.
    pub(crate) more: u64,
}

/// What is refused: a line by its index in the block, or one call of a line that is a batch of them.
pub(crate) struct Refused {
    pub(crate) line: usize,
    pub(crate) call: Option<u64>,
    pub(crate) why: Refusal,
}

impl Refused {
    /// Rises with the input.
    pub(crate) fn place(&self) -> (usize, Option<u64>) {
        (self.line, self.call)
    }
}

/// Why a line is refused.
pub(crate) enum Refusal {
    /// It was too long to be kept in memory.
    TooLong,
    /// It is no envelope, or one that the store refuses.
    Broken(Error),
    /// Its message id has other content in the line of this number, which is stored.
    SameId(u64),
    /// It cannot be stored together with the other calls of its line.
    TooMany,
}

impl Refusal {
    /// Whether its message id was used before with other content.
    pub(crate) const fn is_conflict(&self) -> bool {
        matches!(self, Self::SameId(_) | Self::Broken(Error::IdConflict { .. }))
    }
}

/// Reads the lines of a block as envelopes, at most so many in a batch.
pub(crate) fn prepare(store: &Store, form: &Form, block: Block, batch_max: usize) -> Prepared {
    let mut parts = Vec::with_capacity(1);
    let mut failure = None;
    let mut start = 0;
    while start < block.lines().len() && failure.is_none() {
        let mut part = Part { batch: store.batch(), lines: start..start, refused: Vec::new(), more: 0 };
        match part.fill(&block, form, batch_max) {
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
    fn fill(&mut self, block: &Block, form: &Form, batch_max: usize) -> envelog::Result<()> {
        for line in block.lines().get(self.lines.end..).unwrap_or_default() {
            if self.batch.len() >= batch_max || self.batch.bytes() >= BATCH_BYTES_MAX {
                break;
            }
            if line.is_too_long() {
                self.refuse(None, Refusal::TooLong);
            } else {
                let text = block.text(line);
                match form.read(text) {
                    Ok(None) => {
                        let pushed = self.batch.push_json(text);
                        self.check(None, pushed)?;
                    }
                    Ok(Some(calls)) => self.take_calls(calls)?,
                    Err(error) => self.check(None, Err(error))?,
                }
            }
            self.lines.end += 1;
        }
        Ok(())
    }

    /// Takes what one line has.
    fn take_calls(&mut self, calls: Read) -> envelog::Result<()> {
        let count = calls.len() as u64;
        self.more += count.saturating_sub(1);
        let bytes_max = self.batch.bytes().saturating_add(LINE_CALLS_BYTES_MAX);
        let mut calls = (0..count).zip(calls);
        for (number, envelope) in calls.by_ref() {
            let call = (count > 1).then_some(number);
            let pushed = envelope.and_then(|envelope| self.batch.push(&envelope));
            self.check(call, pushed)?;
            if self.batch.bytes() > bytes_max {
                (number + 1..count).for_each(|number| self.refuse(Some(number), Refusal::TooMany));
                break;
            }
        }
        Ok(())
    }

    /// Refuses what is to blame itself for its error.
    fn check(&mut self, call: Option<u64>, pushed: envelog::Result<()>) -> envelog::Result<()> {
        match pushed {
            Err(error) if is_about_the_line(&error) => {
                self.refuse(call, Refusal::Broken(error));
                Ok(())
            }
            pushed => pushed,
        }
    }

    fn refuse(&mut self, call: Option<u64>, why: Refusal) {
        self.refused.push(Refused { line: self.lines.end, call, why });
    }

    /// After a commit that was refused: the lines that may yet be stored, but for what is refused of them.
    pub(crate) fn into_doubtful(self) -> (Vec<usize>, Vec<Refused>) {
        let whole = self.refused.iter().filter(|refused| refused.call.is_none());
        let mut refused = whole.map(|refused| refused.line).peekable();
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
