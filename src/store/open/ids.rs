//! The message ids of sealed segments, as a store that is opened for writing finds them.

use std::sync::Arc;

use super::rebuild::{Rebuild, doubt};
use crate::error::Result;
use crate::format::manifest::{IdsRun, SealedSegment};
use crate::format::names::FileName;
use crate::log::{OnCorruption, Rebuilt, Segment};
use crate::store::derive::ids::{Made, RUNS_MANY};
use crate::store::repeats::MessageIds;

impl Rebuild<'_> {
    /// Opens the listed runs of message ids, and makes anew those of segments that none covers and that are looked at.
    pub(super) fn ids(&mut self, sealed: &[Arc<Segment>], ids: &MessageIds) -> Result<()> {
        let current = self.derived.manifest.current();
        let mut segments = Vec::with_capacity(sealed.len());
        for segment in sealed {
            let listed = current.segments.iter().find(|listed| listed.id == segment.id());
            segments.extend(listed.map(|footer| (segment, footer)));
        }
        let sealed = segments;
        if self.on_corruption == OnCorruption::Quarantine {
            ids.salvage_from(Arc::clone(self.derived.shelf), current.gaps.clone());
        }
        let doubted = self.open_listed(ids)?;
        let passed_over = ids.passed_over(sealed.len());
        for (segment, footer) in sealed.iter().skip(passed_over) {
            let listed = self.derived.manifest.current();
            let covers = |run: &IdsRun| run.first_seq <= footer.base_seq && footer.last_seq() <= run.last_seq;
            if !listed.ids.iter().any(covers) {
                let was_doubted = doubted.iter().any(covers);
                self.write_ids(segment, footer, ids, was_doubted)?;
            }
        }
        for (_, footer) in &sealed {
            ids.add_segment(footer.base_seq, footer.last_seq());
        }
        // A few more than there should be are left to the sealer: an opening does not wait for them.
        let is_many = self.derived.manifest.current().ids.len() > RUNS_MANY;
        if is_many { self.derived.compact_ids(ids, || true) } else { Ok(()) }
    }

    /// Opens the listed runs; takes those that are not believed off the list and gives them.
    fn open_listed(&mut self, ids: &MessageIds) -> Result<Vec<IdsRun>> {
        let derived = self.derived;
        let listed = &derived.manifest.current().ids;
        let mut doubted = Vec::new();
        for run in listed.iter().filter(|run| run.has_file()) {
            match derived.open_ids(&ids.hasher, run) {
                Ok(open) => ids.relist(listed, Some((run.number, Arc::new(open)))),
                Err(error) => {
                    let reason = doubt(&error).ok_or(error)?;
                    self.rebuilt.push(Rebuilt { file: FileName::IdsRun(run.number).to_string(), reason });
                    doubted.push(*run);
                }
            }
        }
        if !doubted.is_empty() {
            let is_believed = |run: &IdsRun| !doubted.iter().any(|doubted| doubted.number == run.number);
            derived.manifest.update(|manifest| manifest.ids.retain(is_believed))?;
            for run in &doubted {
                let _ = derived.disk.remove(&FileName::IdsRun(run.number).to_string());
            }
        }
        Ok(doubted)
    }

    /// Writes and lists the run of one segment.
    fn write_ids(
        &mut self,
        segment: &Arc<Segment>,
        footer: &SealedSegment,
        ids: &MessageIds,
        was_doubted: bool,
    ) -> Result<()> {
        let made = self.derived.make_ids_of_segment(segment, footer, ids, self.on_corruption)?;
        if let Made::Listed(listed) = made
            && listed.has_file()
            && !was_doubted
        {
            let reason = "the manifest lists none for the segment".to_owned();
            self.rebuilt.push(Rebuilt { file: FileName::IdsRun(listed.number).to_string(), reason });
        }
        Ok(())
    }
}
