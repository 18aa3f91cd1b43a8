//! Storing the lines of a batch that was refused as a whole, all but those that are to blame.

use envelog::{Batch, Error};

use super::prepare::{Part, Refusal, is_about_the_line};
use super::{Import, Outcome};
use crate::input::Block;

impl Import<'_> {
    /// Stores what can be stored of a part, and refuses the rest, in the order of the lines.
    ///
    /// A batch that fails is cut before the line that is named; one that succeeds lets the next be twice as large. So
    /// a few bad lines cost a few commits, and nothing but bad lines costs one push each.
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
                    kept = refused.partition_point(|(index, _)| *index < until);
                    left = later;
                    most = most.saturating_mul(2);
                }
                Err(error) if !is_about_the_line(&error) => return Err(error.into()),
                Err(Error::InBatch { index, .. }) if index > 0 && index < now.len() => most = index,
                Err(error) if now.len() == 1 || matches!(error, Error::InBatch { .. }) => {
                    let place = refused.partition_point(|(index, _)| index < first);
                    refused.insert(place, (*first, Refusal::Broken(error)));
                    left = left.get(1..).unwrap_or_default();
                    most = (most / 2).max(1);
                }
                Err(_) => most = now.len() / 2,
            }
        }
        if self.place != block.place_before(end) {
            self.store_lines(block, &[], refused.get(kept..).unwrap_or_default(), end)?;
        }
        Ok(())
    }

    /// Stores lines, and refuses others, so that all lines of the block before `until` are done.
    fn store_lines(
        &mut self,
        block: &Block,
        lines: &[usize],
        refused: &[(usize, Refusal)],
        until: usize,
    ) -> envelog::Result<()> {
        let mut batch = self.filled(block, lines)?;
        for (index, why) in refused.iter().take_while(|(index, _)| *index < until) {
            self.refuse(block, *index, why);
        }
        self.commit(&mut batch, block.place_before(until))
    }

    fn filled(&self, block: &Block, lines: &[usize]) -> envelog::Result<Batch> {
        let mut batch = self.store.batch();
        for (index, line) in lines.iter().filter_map(|index| block.lines().get(*index)).enumerate() {
            batch
                .push_json(block.text(line))
                .map_err(|source| Error::InBatch { index, source: Box::new(source) })?;
        }
        Ok(batch)
    }
}
