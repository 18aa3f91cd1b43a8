//! Storing the lines of a batch that was refused as a whole, all but those that are to blame.

use envelog::{Batch, Error, FirstUse};

use super::prepare::{Part, Refusal, Refused, is_about_the_line};
use super::{Import, Outcome};
use crate::input::Block;

/// Where an envelope of a batch came from: the index of its line among those that were tried, and its call.
type Origin = (usize, Option<u64>);

/// A commit that was refused.
struct Failed {
    error: Error,
    /// All that the store refused, in rising order, where that is known.
    refused: Box<[(Origin, Refusal)]>,
    /// Whether all could be read again; else what was tried last is to blame.
    is_read: bool,
    /// All that was tried.
    origins: Vec<Origin>,
}

impl Failed {
    /// What could not be read again.
    fn unread(&self) -> Option<Origin> {
        self.origins.last().copied().filter(|_| !self.is_read)
    }

    /// Refuses the call of a line that could not be read, or all of a line that cannot be stored.
    fn refuse_line(self, line: usize, unread: Option<Origin>, refused: &mut Vec<Refused>) {
        let calls: Vec<Option<u64>> = self.origins.iter().map(|(_, call)| *call).collect();
        match (unread, calls.as_slice()) {
            (Some((_, call)), _) => put(refused, Refused { line, call, why: Refusal::Broken(self.error) }),
            (None, [] | [None]) => {
                put(refused, Refused { line, call: None, why: Refusal::Broken(self.error) });
            }
            (None, calls) => {
                for call in calls {
                    put(refused, Refused { line, call: *call, why: Refusal::TooMany });
                }
            }
        }
    }
}

impl Import<'_> {
    /// Stores what can be stored of a part, and refuses the rest, in the order of the lines.
    ///
    /// The store tells all events that it refuses for one reason, and without them the batch is tried again: so many bad
    /// lines cost as much as one. A batch that fails without them being known is cut; one that succeeds lets the next be
    /// twice as large. What a line has is stored at once, so a bad call of a line costs that line once more.
    pub(super) fn sort_out(&mut self, block: &Block, part: Part) -> Outcome {
        let end = part.end();
        let (mut left, mut refused) = part.into_doubtful();
        let mut most = left.len();
        // Refused lines before this one are kept.
        let mut kept = 0;
        while let Some(&first) = left.first() {
            let (now, later) = left.split_at(most.clamp(1, left.len()));
            let until = later.first().copied().unwrap_or(end);
            match self.store_lines(block, now, refused.get(kept..).unwrap_or_default(), until) {
                Ok(()) => {
                    kept = refused.partition_point(|refused| refused.line < until);
                    left.drain(..now.len());
                    most = most.saturating_mul(2);
                }
                Err(failed) if !is_about_the_line(&failed.error) => return Err(failed.error.into()),
                Err(failed) if !failed.refused.is_empty() => {
                    for ((line, call), why) in failed.refused {
                        let Some(&line) = now.get(line) else { continue };
                        self.summary.conflicts += u64::from(why.is_conflict());
                        refused.push(Refused { line, call, why });
                    }
                    refused.sort_by_key(Refused::place);
                    left.retain(|line| !is_refused(&refused, *line, None));
                }
                Err(failed) => match failed.unread() {
                    Some((line, _)) if line > 0 => most = line,
                    None if now.len() > 1 => most = now.len() / 2,
                    unread => {
                        let call = unread.and_then(|(_, call)| call);
                        failed.refuse_line(first, unread, &mut refused);
                        if call.is_none() {
                            left.remove(0);
                        }
                        most = (most / 2).max(1);
                    }
                },
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
                return Err(Failed { error, refused: Box::default(), is_read: false, origins });
            }
        };
        for refused in refused.iter().take_while(|refused| refused.line < until) {
            self.refuse(block, refused);
        }
        self.commit(&mut batch, block.place_before(until)).map_err(|error| {
            let number = |at: usize| {
                let (line, _) = origins.get(at)?;
                Some(block.lines().get(*lines.get(*line)?)?.number)
            };
            let why = |error: Error| match error {
                // Its place in the batch says nothing to who has the file.
                Error::IdConflict { first: FirstUse::InBatch(at) } => {
                    number(at).map_or(Refusal::Broken(error), Refusal::SameId)
                }
                error => Refusal::Broken(error),
            };
            let refused = batch.refused().filter_map(|(at, error)| Some((*origins.get(at)?, why(error))));
            Failed { error, refused: refused.collect(), is_read: true, origins }
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
                if !is_refused(refused, *index, call) {
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

/// Whether it is among these, which rise.
fn is_refused(refused: &[Refused], line: usize, call: Option<u64>) -> bool {
    refused.binary_search_by_key(&(line, call), Refused::place).is_ok()
}

#[cfg(test)]
mod tests;
