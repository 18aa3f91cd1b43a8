//! Derived files that are not believed when a store is opened, and are made anew.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::format::manifest::{GapRange, SealedSegment};
use crate::format::names::FileName;
use crate::index::SealedIndex;
use crate::log::open::salvage;
use crate::log::{OnCorruption, Rebuilt, Segment};
use crate::profile::{ProfileMap, Run};
use crate::storage;
use crate::store::derive::{self, Derived};
use crate::store::handle::SegmentHandle;
use crate::types::Seq;

/// Opens what is derived from sealed segments, and makes anew what is missing, stale or damaged.
pub(super) struct Rebuild<'a> {
    pub(super) derived: Derived<'a>,
    pub(super) on_corruption: OnCorruption,
    /// Whether files are written; else all is kept in memory.
    repair: bool,
    /// What was made anew.
    pub(super) rebuilt: Vec<Rebuilt>,
    /// What is left out of segments that are damaged themselves, in rising order.
    pub(super) gaps: Vec<GapRange>,
}

impl<'a> Rebuild<'a> {
    pub(super) fn new(derived: Derived<'a>, on_corruption: OnCorruption, repair: bool) -> Self {
        Self { derived, on_corruption, repair, rebuilt: Vec::new(), gaps: Vec::new() }
    }

    /// A sealed segment with its index. Where the index has to be made anew and the segment is damaged, the damage is
    /// an error or, in quarantine, the readable parts of the segment are segments of their own, with indexes in memory
    /// and gaps between them.
    pub(super) fn handles(
        &mut self,
        segment: &Arc<Segment>,
        footer: &SealedSegment,
    ) -> Result<Vec<SegmentHandle>> {
        match self.index(segment, footer) {
            Ok(index) => return Ok(vec![SegmentHandle::sealed(Arc::clone(segment), Arc::new(index))]),
            Err(error) if self.goes_on_after(&error) => {}
            Err(error) => return Err(error),
        }
        let (parts, gaps) = salvage(segment, footer, &self.derived.manifest.current().gaps)?;
        self.gaps.extend(gaps);
        let handle = |part: Arc<Segment>| {
            let footer = derive::footer(&part, part.committed())?;
            let index = self.derived.index_in_memory(&part, &footer)?;
            Ok(SegmentHandle::sealed(part, Arc::new(index)))
        };
        parts.into_iter().map(handle).collect()
    }

    pub(super) fn goes_on_after(&self, error: &Error) -> bool {
        self.on_corruption == OnCorruption::Quarantine && matches!(error, Error::Corrupt { .. })
    }

    /// The index of a sealed segment: the listed file, or one made anew.
    fn index(&mut self, segment: &Arc<Segment>, footer: &SealedSegment) -> Result<SealedIndex> {
        let derived = self.derived;
        let reason = match derived.open_index(segment, footer) {
            Ok(Some(index)) => return Ok(index),
            Ok(None) => "the manifest lists none".to_owned(),
            Err(error) => doubt(&error).ok_or(error)?,
        };
        self.rebuilt.push(Rebuilt { file: FileName::Index(footer.id).to_string(), reason });
        if !self.repair {
            return derived.index_in_memory(segment, footer);
        }
        let (listed, index) = derived.rebuild_index(segment, footer)?;
        derived.disk.sync_dir()?;
        derived.manifest.update(|manifest| {
            if let Some(entry) = manifest.segments.iter_mut().find(|entry| entry.id == footer.id) {
                entry.index = Some(listed);
            }
        })?;
        Ok(index)
    }

    /// The profiles of all sealed segments: the listed runs, and folds of the segments that no believed run covers.
    pub(super) fn profiles(&mut self, sealed: &[Arc<Segment>]) -> Result<ProfileMap> {
        let derived = self.derived;
        let current = derived.manifest.current();
        let (mut runs, doubted) = self.believed_runs()?;
        let covering = runs.clone();
        let is_covered = |footer: &SealedSegment| {
            let covers =
                |run: &Arc<Run>| run.first_seq() <= footer.base_seq && footer.last_seq() <= run.last_seq();
            covering.iter().any(covers)
        };
        let (mut in_memory, mut is_salvaged) = (self.no_facts(), false);
        for segment in sealed {
            let listed = current.segments.iter().find(|listed| listed.id == segment.id());
            let Some(footer) = listed.filter(|footer| !is_covered(footer)) else { continue };
            let mut facts = self.no_facts();
            let into = if self.repair { &mut facts } else { &mut in_memory };
            match derive::fold_facts(segment, footer.end, into) {
                Ok(()) if self.repair => runs.push(Arc::new(self.write_run(footer, &mut facts)?)),
                Ok(()) => {}
                // No run is written: it would be believed also where the segment is whole again.
                Err(error) if self.goes_on_after(&error) => {
                    is_salvaged = true;
                    for part in salvage(segment, footer, &current.gaps)?.0 {
                        derive::fold_facts(&part, part.committed(), &mut in_memory)?;
                    }
                }
                Err(error) => return Err(error),
            }
        }
        if self.repair && !doubted.is_empty() {
            derived.manifest.update(|manifest| manifest.runs.retain(|run| !doubted.contains(&run.number)))?;
            for number in doubted {
                derived.remove_run(number);
            }
        }
        runs.sort_by_key(|run| run.first_seq());
        if self.repair && is_salvaged {
            // A layer that no run takes in: a run has the facts of its own segments and no others, so that it can be
            // made anew.
            let _ = in_memory.freeze(Seq::new(u64::MAX));
        }
        Ok(in_memory.with_runs(runs))
    }

    fn no_facts(&self) -> ProfileMap {
        let shelf = self.derived.shelf;
        ProfileMap::new(Vec::new(), shelf.hash_key, Arc::clone(&shelf.limits))
    }

    /// The listed runs, and the numbers of those that are not believed.
    fn believed_runs(&mut self) -> Result<(Vec<Arc<Run>>, Vec<u64>)> {
        let mut runs = Vec::new();
        let mut doubted = Vec::new();
        for listed in &self.derived.manifest.current().runs {
            match self.derived.open_run(listed) {
                Ok(run) => runs.push(Arc::new(run)),
                Err(error) => {
                    let reason = doubt(&error).ok_or(error)?;
                    let file = FileName::ProfileRun(listed.number).to_string();
                    self.rebuilt.push(Rebuilt { file, reason });
                    doubted.push(listed.number);
                }
            }
        }
        Ok((runs, doubted))
    }

    /// Writes and lists the run of one segment.
    fn write_run(&self, footer: &SealedSegment, facts: &mut ProfileMap) -> Result<Run> {
        let derived = self.derived;
        let frozen = facts.freeze(footer.last_seq());
        let (listed, run) = derived.write_run(footer.base_seq, footer.last_seq(), &frozen.delta)?;
        derived.disk.sync_dir()?;
        derived.manifest.update(|manifest| {
            manifest.next_run = listed.number + 1;
            let at = manifest.runs.partition_point(|old| old.first_seq < listed.first_seq);
            manifest.runs.insert(at, listed);
        })?;
        Ok(run)
    }
}

/// Why a derived file is not believed and is made anew; `None` for any other error.
pub(super) fn doubt(error: &Error) -> Option<String> {
    match error {
        error if storage::is_not_found(error) => Some("it is missing".to_owned()),
        Error::Corrupt { reason, .. } | Error::UnsupportedFormat { reason, .. } => {
            Some(reason.clone().into_owned())
        }
        error if storage::is_damage(error) => Some("the disk cannot read it".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
