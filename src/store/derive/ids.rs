//! Runs of message ids: how they are made from the log, written, listed and merged.

use std::sync::Arc;

use super::{Derived, first_offset};
use crate::dedupe::{self, Entry, MessageHasher, Run};
use crate::error::{Error, Result};
use crate::format::frame::{FrameKind, FrameView};
use crate::format::keys::EventKeys;
use crate::format::manifest::{DerivedFile, GapRange, IdsRun, Manifest, SealedSegment};
use crate::format::names::FileName;
use crate::log::OnCorruption;
use crate::log::open::salvage;
use crate::log::segment::Segment;
use crate::storage::{File, MemoryFile};
use crate::store::repeats::MessageIds;
use crate::store::shelf::{RemakeIds, Shelved};
use crate::trace;
use crate::types::Seq;

/// So many runs are merged also where a close waits for it, and before a store is open.
pub(in crate::store) const RUNS_MANY: usize = 16;
/// Ids that are merged between two questions whether to go on.
const IDS_AT_ONCE: u64 = 4096;

/// The id of an event, if the frame is one and has one.
#[inline]
pub(in crate::store) fn entry_of(hasher: &MessageHasher, frame: &FrameView<'_>) -> Option<Entry> {
    let is_event = frame.kind() == FrameKind::Event;
    let keys = EventKeys::parse(frame.keys()).filter(|_| is_event)?;
    Some(Entry { hash: hasher.of(&keys)?, seq: frame.seq() })
}

/// Adds the ids of a segment's frames up to `end`.
///
/// # Errors
///
/// [`Error::Corrupt`] where a frame does not read back.
pub(in crate::store) fn gather(
    segment: &Segment,
    end: u64,
    hasher: &MessageHasher,
    entries: &mut Vec<Entry>,
) -> Result<()> {
    for item in segment.scan(first_offset(segment), end) {
        let (_, _, frame) = item?;
        entries.extend(entry_of(hasher, &frame));
    }
    Ok(())
}

/// Writes the run of these entries, in any order, into an empty file.
///
/// # Errors
///
/// Those of the medium.
pub(in crate::store) fn write(
    file: &dyn File,
    origin: &dedupe::Origin,
    entries: &mut [Entry],
) -> Result<IdsRun> {
    entries.sort_unstable();
    dedupe::write(file, origin, entries.len() as u64, entries.iter().copied().map(Ok))
}

/// Lists a run. Of neighbours without ids one line is left.
pub(in crate::store) fn list(manifest: &mut Manifest, run: IdsRun) {
    manifest.next_run = manifest.next_run.max(run.number.saturating_add(1));
    let at = manifest.ids.partition_point(|old| old.first_seq < run.first_seq);
    let before = at.checked_sub(1).and_then(|before| manifest.ids.get_mut(before));
    if let Some(before) = before
        && !before.has_file()
        && !run.has_file()
        && before.last_seq.next() == run.first_seq
    {
        before.last_seq = run.last_seq;
        return;
    }
    manifest.ids.insert(at, run);
}

/// What the run that a line of the manifest describes is made for.
pub(in crate::store) fn origin(store_id: [u8; 16], hasher: &MessageHasher, run: &IdsRun) -> dedupe::Origin {
    dedupe::Origin {
        store_id,
        hash_check: hasher.check(),
        number: run.number,
        first_seq: run.first_seq,
        last_seq: run.last_seq,
    }
}

/// The run of the ids of frames from one seq to another, in memory only; its number is 0.
///
/// # Errors
///
/// [`Error::TooLarge`] where there are more than the format holds.
pub(in crate::store) fn in_memory(
    store_id: [u8; 16],
    hasher: &MessageHasher,
    (first_seq, last_seq): (Seq, Seq),
    entries: &mut [Entry],
) -> Result<Run> {
    let file = DerivedFile { len: 0, crc: 0, rules: dedupe::RULES };
    let run = IdsRun { number: 0, first_seq, last_seq, file };
    let file = MemoryFile::new(FileName::IdsRun(0).to_string());
    let listed = write(&file, &origin(store_id, hasher, &run), entries)?;
    Run::in_memory(file, &listed, store_id, hasher.check())
}

/// Adds the ids of the frames of a damaged segment that can be read.
///
/// # Errors
///
/// Those of [`salvage`].
pub(in crate::store) fn gather_readable(
    segment: &Segment,
    footer: &SealedSegment,
    gaps: &[GapRange],
    hasher: &MessageHasher,
    entries: &mut Vec<Entry>,
) -> Result<()> {
    for part in salvage(segment, footer, gaps)?.0 {
        gather(&part, part.committed(), hasher, entries)?;
    }
    Ok(())
}

/// What became of the ids of a segment.
pub(in crate::store) enum Made {
    /// They are listed.
    Listed(IdsRun),
    /// The segment is damaged: those that can be read are in memory only.
    InMemory,
}

impl Derived<'_> {
    fn ids_origin(&self, hasher: &MessageHasher, run: &IdsRun) -> dedupe::Origin {
        origin(self.shelf.store_id, hasher, run)
    }

    /// Writes and lists the run of one sealed segment, and looks into it from now on. Of a damaged segment no run is
    /// written, as it would be believed also where the segment is whole again.
    ///
    /// # Errors
    ///
    /// Those of the medium, and [`Error::Corrupt`] where a frame does not read back, unless damage is quarantined.
    pub(in crate::store) fn make_ids_of_segment(
        &self,
        segment: &Segment,
        footer: &SealedSegment,
        ids: &MessageIds,
        on_corruption: OnCorruption,
    ) -> Result<Made> {
        let seqs = (footer.base_seq, footer.last_seq());
        let mut entries = Vec::new();
        match gather(segment, footer.end, &ids.hasher, &mut entries) {
            Ok(()) => {}
            Err(Error::Corrupt { .. }) if on_corruption == OnCorruption::Quarantine => {
                entries.clear();
                let gaps = &self.manifest.current().gaps;
                gather_readable(segment, footer, gaps, &ids.hasher, &mut entries)?;
                ids.add_in_memory(in_memory(self.shelf.store_id, &ids.hasher, seqs, &mut entries)?);
                return Ok(Made::InMemory);
            }
            Err(error) => return Err(error),
        }
        let (listed, run) = self.write_ids(&ids.hasher, seqs, &mut entries, 0)?;
        if run.is_some() {
            self.disk.sync_dir()?;
        }
        self.manifest.update(|manifest| list(manifest, listed))?;
        ids.relist(&self.manifest.current().ids, run.map(|run| (listed.number, run)));
        Ok(Made::Listed(listed))
    }

    /// Takes a run off the list that is damaged and cannot be made anew as a whole, and makes those of its segments.
    ///
    /// # Errors
    ///
    /// Those of the medium. What is not made yet is made when the store is opened next.
    pub(in crate::store) fn split_lost_ids(&self, lost: &IdsRun, ids: &MessageIds) -> Result<()> {
        self.manifest.update(|manifest| manifest.ids.retain(|run| run.number != lost.number))?;
        let _ = self.disk.remove(&FileName::IdsRun(lost.number).to_string());
        let salvaged = ids.in_memory_of(lost);
        for Shelved { footer, segment } in self.shelf.between(lost.first_seq, lost.last_seq) {
            self.make_ids_of_segment(&segment, &footer, ids, OnCorruption::Quarantine)?;
        }
        ids.drop_in_memory(&salvaged);
        Ok(())
    }

    /// Writes and syncs the run of the ids of frames from one seq to another; no file where there are none. It is not
    /// listed yet, its name not durable. `after` is the number of the last derived file that is not listed either.
    ///
    /// # Errors
    ///
    /// Those of the medium.
    pub(in crate::store) fn write_ids(
        &self,
        hasher: &MessageHasher,
        (first_seq, last_seq): (Seq, Seq),
        entries: &mut [Entry],
        after: u64,
    ) -> Result<(IdsRun, Option<Arc<Run>>)> {
        let number = self.manifest.current().next_run.max(after + 1);
        let file = DerivedFile { len: 0, crc: 0, rules: dedupe::RULES };
        let run = IdsRun { number, first_seq, last_seq, file };
        if entries.is_empty() {
            return Ok((run, None));
        }
        let origin = self.ids_origin(hasher, &run);
        let (listed, open) = self.make_ids(hasher, number, |file| write(file, &origin, entries))?;
        Ok((listed, Some(open)))
    }

    /// Makes the file of a run and opens it. Where that fails nothing is left of it: on a full disk it would be in the way.
    fn make_ids(
        &self,
        hasher: &MessageHasher,
        number: u64,
        write: impl FnOnce(&dyn File) -> Result<IdsRun>,
    ) -> Result<(IdsRun, Arc<Run>)> {
        let name = FileName::IdsRun(number).to_string();
        let make = || {
            let listed = write(&*self.create(&name)?)?;
            let run = self.open_ids(hasher, &listed)?;
            // Here, and not by the appends that come next. Damage is told to whoever reads what it hit.
            let _ = run.check();
            Ok((listed, Arc::new(run)))
        };
        make().inspect_err(|_| {
            let _ = self.disk.remove(&name);
        })
    }

    /// Opens a run that the manifest lists and that has a file.
    ///
    /// # Errors
    ///
    /// Any mismatch, and those of the medium.
    pub(in crate::store) fn open_ids(&self, hasher: &MessageHasher, listed: &IdsRun) -> Result<Run> {
        let (shelf, hasher) = (Arc::clone(self.shelf), *hasher);
        let source =
            self.source(FileName::IdsRun(listed.number), RemakeIds { shelf, hasher, listed: *listed });
        Run::open(source, listed, self.shelf.store_id, hasher.check())
    }

    /// Merges runs until there are few. A merge of many ids is given up where `goes_on` says no, unless there are so many
    /// runs that looking for an id takes long.
    ///
    /// # Errors
    ///
    /// Those of the medium, and [`Error::Corrupt`] where an input does not read back.
    pub(in crate::store) fn compact_ids(&self, ids: &MessageIds, goes_on: impl Fn() -> bool) -> Result<()> {
        loop {
            let current = self.manifest.current();
            let goes_on = || current.ids.len() > RUNS_MANY || goes_on();
            let Some(inputs) = dedupe::choose(&current.ids).and_then(|range| current.ids.get(range)) else {
                return Ok(());
            };
            let (Some(first), Some(last)) = (inputs.first(), inputs.last()) else { return Ok(()) };
            let runs = ids.runs_of(inputs);
            if runs.len() != inputs.iter().filter(|run| run.has_file()).count() {
                // One of them is not open, as segments so old are not looked at.
                return Ok(());
            }
            let watch = trace::Stopwatch::start();
            let (first_seq, last_seq) = (first.first_seq, last.last_seq);
            let file = DerivedFile { len: 0, crc: 0, rules: dedupe::RULES };
            let mut listed = IdsRun { number: current.next_run, first_seq, last_seq, file };
            let mut new = None;
            if !runs.is_empty() {
                let count = runs.iter().map(|run| run.count()).sum();
                let origin = self.ids_origin(&ids.hasher, &listed);
                let merged = dedupe::merge(&runs).zip(1_u64..).map(|(entry, number)| {
                    if number.is_multiple_of(IDS_AT_ONCE) && !goes_on() { Err(Error::Closed) } else { entry }
                });
                let write = |file: &dyn File| dedupe::write(file, &origin, count, merged);
                let (made, open) = match self.make_ids(&ids.hasher, listed.number, write) {
                    Ok(made) => made,
                    Err(Error::Closed) => return Ok(()),
                    Err(error) if ids.go_on_without(&runs, &error)? => continue,
                    Err(error) => return Err(error),
                };
                self.disk.sync_dir()?;
                (listed, new) = (made, Some((made.number, open)));
            }
            self.manifest.update(|manifest| {
                manifest.ids.retain(|old| !inputs.iter().any(|input| input.number == old.number));
                list(manifest, listed);
            })?;
            ids.relist(&self.manifest.current().ids, new);
            for input in inputs.iter().filter(|input| input.has_file()) {
                // One that stays is removed by the next opening.
                let _ = self.disk.remove(&FileName::IdsRun(input.number).to_string());
            }
            let bytes = listed.file.len;
            trace::info!(SEAL, bytes = bytes, took_ms = watch.millis(); "runs of message ids were merged");
        }
    }
}

#[cfg(test)]
mod tests;
