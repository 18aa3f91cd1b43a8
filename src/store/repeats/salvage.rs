//! Runs of message ids that are damaged and cannot be made anew, as the log is damaged too.
//!
//! Where damage is quarantined, such a run keeps nobody from writing: the ids of the frames that can be read are gathered
//! in memory by whoever meets the damage, and the sealer takes the run off the list. An id whose only record cannot be
//! read is then no longer known, and its event may be stored again.

use std::sync::Arc;

use super::MessageIds;
use crate::dedupe::Run;
use crate::error::{Error, Result};
use crate::format::manifest::{GapRange, IdsRun};
use crate::format::names::FileName;
use crate::store::derive::ids::{gather, gather_readable, in_memory};
use crate::store::shelf::{Shelf, Shelved};

impl MessageIds {
    /// Goes on after damage that is met: the ids of a lost run are gathered from these segments.
    pub(in crate::store) fn salvage_from(&self, shelf: Arc<Shelf>, gaps: Vec<GapRange>) {
        let _ = self.salvage.set((shelf, gaps));
    }

    /// As [`MessageIds::go_on_without`], of the runs of one moment.
    pub(super) fn go_on_without_lost(&self, runs: &[(u64, Arc<Run>)], error: &Error) -> Result<bool> {
        let runs: Vec<Arc<Run>> = runs.iter().map(|(_, run)| Arc::clone(run)).collect();
        self.go_on_without(&runs, error)
    }

    /// Replaces those of some runs that are lost by what their segments still tell. False where none is, or where damage
    /// is not quarantined: `error`, which reading one of them gave, stands then.
    ///
    /// # Errors
    ///
    /// Those of reading the segments.
    #[cold]
    pub(in crate::store) fn go_on_without(&self, runs: &[Arc<Run>], error: &Error) -> Result<bool> {
        let Some((shelf, gaps)) = self.salvage.get() else { return Ok(false) };
        if !matches!(error, Error::Corrupt { .. }) || !runs.iter().any(|run| run.is_lost()) {
            return Ok(false);
        }
        let _one_at_a_time = self.salvaging.lock();
        for run in runs.iter().filter(|run| run.is_lost()) {
            let sealed = Arc::clone(&self.sealed.read());
            // Another thread may have met it first.
            let Some((number, _)) = sealed.runs.iter().find(|(_, known)| Arc::ptr_eq(known, run)) else {
                continue;
            };
            let readable = self.readable(run, shelf, gaps)?;
            self.change(|sealed| {
                sealed.runs.retain(|(_, known)| !Arc::ptr_eq(known, run));
                sealed.runs.push((0, Arc::new(readable)));
            });
            shelf.lost(FileName::IdsRun(*number));
        }
        Ok(true)
    }

    /// The ids of a run's segments, as far as they can be read.
    fn readable(&self, run: &Run, shelf: &Shelf, gaps: &[GapRange]) -> Result<Run> {
        let seqs = (run.first_seq(), run.last_seq());
        let mut entries = Vec::new();
        for Shelved { footer, segment } in shelf.between(seqs.0, seqs.1) {
            let before = entries.len();
            match gather(&segment, footer.end, &self.hasher, &mut entries) {
                Err(Error::Corrupt { .. }) => {
                    entries.truncate(before);
                    gather_readable(&segment, &footer, gaps, &self.hasher, &mut entries)?;
                }
                gathered => gathered?,
            }
        }
        in_memory(shelf.store_id, &self.hasher, seqs, &mut entries)
    }

    /// The runs in memory that stand for a lost one.
    pub(in crate::store) fn in_memory_of(&self, lost: &IdsRun) -> Vec<Arc<Run>> {
        let is_of = |run: &Run| (run.first_seq(), run.last_seq()) == (lost.first_seq, lost.last_seq);
        let sealed = Arc::clone(&self.sealed.read());
        let runs = sealed.runs.iter().filter(|(number, run)| *number == 0 && is_of(run));
        runs.map(|(_, run)| Arc::clone(run)).collect()
    }

    /// Looks no more into these runs, whose ids stand in others.
    pub(in crate::store) fn drop_in_memory(&self, gone: &[Arc<Run>]) {
        self.change(|sealed| {
            sealed.runs.retain(|(_, run)| !gone.iter().any(|gone| Arc::ptr_eq(gone, run)));
        });
    }
}

#[cfg(test)]
mod tests;
