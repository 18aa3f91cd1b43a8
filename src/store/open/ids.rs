//! The message ids of sealed segments, as a store that is opened for writing finds them.

use std::sync::Arc;

use super::rebuild::{Rebuild, doubt};
use crate::error::Result;
use crate::format::manifest::{IdsRun, SealedSegment};
use crate::format::names::FileName;
use crate::log::open::salvage;
use crate::log::{Rebuilt, Segment};
use crate::store::derive::ids::{gather, list};
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
        self.derived.compact_ids(ids)
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
        let derived = self.derived;
        let mut entries = Vec::new();
        match gather(segment, footer.end, &ids.hasher, &mut entries) {
            Ok(()) => {}
            // No run is written: it would be believed also where the segment is whole again.
            Err(error) if self.goes_on_after(&error) => {
                for part in salvage(segment, footer, &derived.manifest.current().gaps)?.0 {
                    ids.add_in_memory(derived.ids_in_memory(&ids.hasher, &part)?);
                }
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        let seqs = (footer.base_seq, footer.last_seq());
        let (listed, run) = derived.write_ids(&ids.hasher, seqs, &mut entries, 0)?;
        if run.is_some() {
            derived.disk.sync_dir()?;
            if !was_doubted {
                let reason = "the manifest lists none for the segment".to_owned();
                self.rebuilt.push(Rebuilt { file: FileName::IdsRun(listed.number).to_string(), reason });
            }
        }
        derived.manifest.update(|manifest| list(manifest, listed))?;
        ids.relist(&derived.manifest.current().ids, run.map(|run| (listed.number, run)));
        Ok(())
    }
}
