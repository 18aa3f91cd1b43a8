//! Storing the lines of a batch that was refused as a whole, all but those that are to blame.

use envelog::{Batch, Error};

use super::prepare::{Part, Refusal, Refused, is_about_the_line};
use super::{Import, Outcome};
use crate::input::Block;

/// Where an envelope of a batch came from: the index of its line among those that were tried, and its call.
type Origin = (usize, Option<u64>);

/// A commit that was refused.
struct Failed {
    error: Error,
    /// What is to blame, where that is known.
    origin: Option<Origin>,
    /// All that was tried.
    origins: Vec<Origin>,
}

impl Import<'_> {
    /// Stores what can be stored of a part, and refuses the rest, in the order of the lines.
    ///
    /// A batch that fails is cut before the line that is named; one that succeeds lets the next be twice as large. So
    /// a few bad lines cost a few commits, and nothing but bad lines costs one push each. What a line has is stored at
    /// once, so a bad call of a line costs that line once more.
    pub(super) fn sort_out(&mut self, block: &Block, part: Part) -> Outcome {
        let end = part.end();
        let (lines, mut refused) = part.into_doubtful();
        let mut left = lines.as_slice();
        let mut most = left.len();
        // Refused lines before this one are kept.
        let mut kept = 0;
        while let Some(first) = left.first() {
            let (now, later) = left.split_at(most.clamp(1, left.len()));
            let until = later.first().copied().unwrap_or(end);
            match self.store_lines(block, now, refused.get(kept..).unwrap_or_default(), until) {
                Ok(()) => {
                    kept = refused.partition_point(|refused| refused.line < until);
                    left = later;
                    most = most.saturating_mul(2);
                }
                Err(failed) if !is_about_the_line(&failed.error) => return Err(failed.error.into()),
                Err(Failed { origin: Some((line, _)), .. }) if line > 0 => most = line,
                Err(Failed { error, origin: Some((_, call)), .. }) => {
                    self.summary.conflicts += u64::from(is_conflict(&error));
                    put(&mut refused, Refused { line: *first, call, why: Refusal::Broken(error) });
                    if call.is_none() {
                        left = left.get(1..).unwrap_or_default();
                    }
                    most = (most / 2).max(1);
                }
                Err(Failed { error, origin: None, origins }) if now.len() == 1 => {
                    let calls = origins.iter().map(|(_, call)| *call);
                    match origins.as_slice() {
                        [] | [(_, None)] => {
                            put(
                                &mut refused,
                                Refused { line: *first, call: None, why: Refusal::Broken(error) },
                            );
                        }
                        _ => calls.for_each(|call| {
                            put(&mut refused, Refused { line: *first, call, why: Refusal::TooMany });
                        }),
                    }
                    left = left.get(1..).unwrap_or_default();
                    most = (most / 2).max(1);
                }
                Err(_) => most = now.len() / 2,
            }
        }
        if self.place != block.place_before(end) {
            let rest = refused.get(kept..).unwrap_or_default();
            self.store_lines(block, &[], rest, end).map_err(|failed| failed.error)?;
        }
        Ok(())
    }

    /// Stores lines, and refuses others, so that all lines of the block before `until` are done.
    fn store_lines(
        &mut self,
        block: &Block,
        lines: &[usize],
        refused: &[Refused],
        until: usize,
    ) -> Result<(), Failed> {
        let mut origins = Vec::with_capacity(lines.len());
        let filled = self.filled(block, lines, refused, &mut origins);
        let mut batch = match filled {
            Ok(batch) => batch,
            // The last one that was tried is to blame.
            Err(error) => {
                let origin = origins.last().copied();
                return Err(Failed { error, origin, origins });
            }
        };
        for refused in refused.iter().take_while(|refused| refused.line < until) {
            self.refuse(block, refused);
        }
        self.commit(&mut batch, block.place_before(until)).map_err(|error| {
            let origin = match &error {
                Error::InBatch { index, .. } => origins.get(*index).copied(),
                _ => None,
            };
            Failed { error, origin, origins }
        })
    }

    /// The envelopes of the lines but for those that are refused, and where each came from.
    fn filled(
        &self,
        block: &Block,
        lines: &[usize],
        refused: &[Refused],
        origins: &mut Vec<Origin>,
    ) -> envelog::Result<Batch> {
        let mut batch = self.store.batch();
        for (number, index) in lines.iter().enumerate() {
            let Some(line) = block.lines().get(*index) else { continue };
            let text = block.text(line);
            let Some(calls) = self.form.read(text).inspect_err(|_| origins.push((number, None)))? else {
                origins.push((number, None));
                batch.push_json(text)?;
                continue;
            };
            let count = calls.len();
            for (call, envelope) in (0_u64..).zip(calls) {
                let call = (count > 1).then_some(call);
                let is_refused = refused.binary_search_by_key(&(*index, call), Refused::place).is_ok();
                if !is_refused {
                    origins.push((number, call));
                    batch.push(&envelope?)?;
                }
            }
        }
        Ok(batch)
    }
}

/// Puts it among the others in its place.
fn put(refused: &mut Vec<Refused>, one: Refused) {
    let place = refused.partition_point(|refused| refused.place() < one.place());
    refused.insert(place, one);
}

/// Whether the line's message id was stored before with other content.
fn is_conflict(error: &Error) -> bool {
    match error {
        Error::IdConflict { .. } => true,
        Error::InBatch { source, .. } => is_conflict(source),
        _ => false,
    }
}
