//! Runs of message ids: how they are made from the log, written, listed and merged.

use std::sync::Arc;

use super::{Derived, first_offset};
use crate::dedupe::{self, Entry, MessageHasher, Run};
use crate::error::Result;
use crate::format::frame::{FrameKind, FrameView};
use crate::format::keys::EventKeys;
use crate::format::manifest::{DerivedFile, IdsRun, Manifest};
use crate::format::names::FileName;
use crate::log::segment::Segment;
use crate::storage::{File, MemoryFile};
use crate::store::repeats::MessageIds;
use crate::store::shelf::RemakeIds;
use crate::trace;
use crate::types::Seq;

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
/// [`Error::Corrupt`](crate::Error::Corrupt) where a frame does not read back.
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

impl Derived<'_> {
    fn ids_origin(&self, hasher: &MessageHasher, run: &IdsRun) -> dedupe::Origin {
        dedupe::Origin {
            store_id: self.shelf.store_id,
            hash_check: hasher.check(),
            number: run.number,
            first_seq: run.first_seq,
            last_seq: run.last_seq,
        }
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
            Ok((listed, Arc::new(self.open_ids(hasher, &listed)?)))
        };
        make().inspect_err(|_| {
            let _ = self.disk.remove(&name);
        })
    }

    /// The run of a part of a segment that is damaged, in memory only.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`](crate::Error::Corrupt) where a frame does not read back.
    pub(in crate::store) fn ids_in_memory(&self, hasher: &MessageHasher, part: &Segment) -> Result<Run> {
        let mut entries = Vec::new();
        gather(part, part.committed(), hasher, &mut entries)?;
        let last_seq = entries.iter().map(|entry| entry.seq).max().unwrap_or(part.base_seq());
        let file = DerivedFile { len: 0, crc: 0, rules: dedupe::RULES };
        let run = IdsRun { number: 0, first_seq: part.base_seq(), last_seq, file };
        let file = MemoryFile::new(FileName::IdsRun(0).to_string());
        let listed = write(&file, &self.ids_origin(hasher, &run), &mut entries)?;
        Run::in_memory(file, &listed, self.shelf.store_id, hasher.check())
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

    /// Merges runs until there are few.
    ///
    /// # Errors
    ///
    /// Those of the medium, and [`Error::Corrupt`](crate::Error::Corrupt) where an input does not read back.
    pub(in crate::store) fn compact_ids(&self, ids: &MessageIds) -> Result<()> {
        loop {
            let current = self.manifest.current();
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
                let write = |file: &dyn File| dedupe::write(file, &origin, count, dedupe::merge(&runs));
                let (made, open) = self.make_ids(&ids.hasher, listed.number, write)?;
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
