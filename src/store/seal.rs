//! Sealing, off the append path: a rolled segment gets its index file, its facts a run, and both a line in the
//! manifest. One thread does this, in the order of the segments. It also writes the derived files that were found
//! damaged, see [`super::shelf`].

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::derive::{self, Derived};
use super::handle::SegmentHandle;
use super::repeats::MessageIds;
use super::shelf::{Mending, Shelved};
use super::state::ReadState;
use crate::error::{Error, Result};
use crate::format::manifest::SealedSegment;
use crate::format::names::FileName;
use crate::index::ActiveIndex;
use crate::limits::UNSEALED_ROLLED_MAX;
use crate::log::manifest_file::ManifestFile;
use crate::log::{Marks, PoisonOnPanic, RollGate, Rolled, sync_rolled};
use crate::profile::{self, Frozen, Run};
use crate::storage::{self, Disk};
use crate::trace;

/// How long the sealer waits before it tries again what failed.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// A rolled segment that waits for its index and its run.
#[derive(Debug)]
pub(super) struct SealJob {
    pub(super) rolled: Rolled,
    pub(super) index: Arc<ActiveIndex>,
    pub(super) frozen: Frozen,
}

/// What the sealer does next.
enum Work {
    Seal(Arc<SealJob>),
    Mend(Arc<Mending>),
}

#[derive(Default)]
struct State {
    /// The first one may be under way.
    jobs: VecDeque<Arc<SealJob>>,
    /// Files to put in their place. The first one may be under way.
    mending: VecDeque<Arc<Mending>>,
    error: Option<Error>,
    stopping: bool,
    /// The sealer is gone, and nothing more is sealed.
    ended: bool,
    waits: u64,
}

/// Rolled segments on their way to be sealed.
#[derive(Default)]
pub(super) struct SealQueue {
    state: Mutex<State>,
    work: Condvar,
    done: Condvar,
}

impl SealQueue {
    pub(super) fn push(&self, job: SealJob) {
        self.state.lock().jobs.push_back(Arc::new(job));
        self.work.notify_one();
    }

    /// Puts a derived file in its place soon.
    pub(super) fn mend(&self, mending: Mending) {
        let mut state = self.state.lock();
        // A view that outlives the writer has the bytes in memory, and the next opening finds the damage again.
        if !state.ended {
            state.mending.push_back(Arc::new(mending));
            self.work.notify_one();
        }
    }

    /// How often an append waited for a segment to be sealed.
    pub(super) fn waits(&self) -> u64 {
        self.state.lock().waits
    }

    /// Rolled segments that wait for their index, and damaged files that wait to be replaced.
    pub(super) fn backlog(&self) -> (usize, usize) {
        let state = self.state.lock();
        (state.jobs.len(), state.mending.len())
    }

    /// Waits until every rolled segment is sealed and every damaged file was replaced, or sealing fails.
    pub(super) fn drain(&self) -> Result<()> {
        let mut state = self.state.lock();
        state.error = None;
        self.work.notify_one();
        while !(state.jobs.is_empty() && state.mending.is_empty()) {
            if let Some(error) = &state.error {
                return Err(error.summary());
            }
            if state.ended {
                return Err(Error::Closed);
            }
            self.done.wait(&mut state);
        }
        Ok(())
    }

    /// Ends the sealer once the queue is empty or sealing fails; what is left is sealed after the next opening.
    pub(super) fn stop(&self) {
        self.state.lock().stopping = true;
        self.work.notify_all();
    }

    /// Whether someone waits for the sealer to end.
    fn is_stopping(&self) -> bool {
        self.state.lock().stopping
    }

    /// The next job, which stays in the queue until it is finished; `None` at the end.
    fn next(&self) -> Option<Work> {
        let mut state = self.state.lock();
        loop {
            if let Some(mending) = state.mending.front() {
                return Some(Work::Mend(Arc::clone(mending)));
            }
            if state.stopping && (state.jobs.is_empty() || state.error.is_some()) {
                return None;
            }
            if state.error.is_some() {
                // Tried again after a while, or when someone waits for it.
                if self.work.wait_for(&mut state, RETRY_AFTER).timed_out() {
                    state.error = None;
                }
            } else if let Some(job) = state.jobs.front() {
                return Some(Work::Seal(Arc::clone(job)));
            } else {
                self.work.wait(&mut state);
            }
        }
    }

    fn finish(&self, outcome: Result<()>) {
        let mut state = self.state.lock();
        match outcome {
            Ok(()) => {
                state.jobs.pop_front();
            }
            Err(error) => state.error = Some(error),
        }
        self.done.notify_all();
    }

    /// Whatever came of it: the bytes are in memory, and the next opening finds what is still damaged.
    fn finish_mending(&self) {
        self.state.lock().mending.pop_front();
        self.done.notify_all();
    }
}

/// Holds a roll back while two rolled segments wait.
pub(super) struct SealGate(pub(super) Arc<SealQueue>);

impl RollGate for SealGate {
    fn pass(&self) -> Result<()> {
        let mut state = self.0.state.lock();
        if state.jobs.len() < UNSEALED_ROLLED_MAX {
            return Ok(());
        }
        state.waits += 1;
        state.error = None;
        self.0.work.notify_one();
        let watch = trace::Stopwatch::start();
        while state.jobs.len() >= UNSEALED_ROLLED_MAX && !state.stopping && !state.ended {
            if let Some(error) = &state.error {
                // The sealer keeps its error and tries again on its own; this call must not wait for that.
                let error = error.summary();
                return Err(error);
            }
            self.0.done.wait(&mut state);
        }
        drop(state);
        trace::debug!(SEAL, waited_ms = watch.millis(); "an append waited for a segment to be sealed");
        Ok(())
    }
}

/// Nobody waits for a sealer that is gone, whatever ended it.
struct EndOfSealer<'a>(&'a SealQueue);

impl Drop for EndOfSealer<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.ended = true;
        state.mending.clear();
        self.0.done.notify_all();
    }
}

/// What the sealer works with. It never holds a store.
pub(super) struct Sealer {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) manifest: Arc<ManifestFile>,
    pub(super) marks: Arc<Marks>,
    pub(super) state: Arc<ReadState>,
    pub(super) queue: Arc<SealQueue>,
    /// None where message ids are not looked up.
    pub(super) ids: Option<Arc<MessageIds>>,
}

impl Sealer {
    /// The body of the sealer's thread.
    pub(super) fn run(&self) {
        let _guard = PoisonOnPanic::new(&self.marks);
        let _end = EndOfSealer(&self.queue);
        while let Some(work) = self.queue.next() {
            match work {
                Work::Seal(job) => {
                    let outcome = self.seal(&job);
                    if let Err(error) = &outcome {
                        let file = job.rolled.segment.name();
                        trace::warn!(SEAL, file = file, error = trace::shown(error); "a segment could not be sealed");
                    }
                    self.queue.finish(outcome);
                }
                Work::Mend(mending) => {
                    let file = trace::shown(mending.file);
                    match self.mend(&mending) {
                        Ok(()) => trace::info!(SEAL, file = file; "a damaged file was replaced"),
                        Err(error) => {
                            let error = trace::shown(&error);
                            trace::warn!(SEAL, file = file, error = error; "a damaged file could not be replaced");
                        }
                    }
                    self.queue.finish_mending();
                }
            }
        }
    }

    fn derived(&self) -> Derived<'_> {
        Derived { disk: &self.disk, manifest: &self.manifest, shelf: &self.state.shelf }
    }

    /// Replaces a damaged file by the same bytes as they were written, and reads from it again.
    fn mend(&self, mending: &Mending) -> Result<()> {
        let (derived, manifest) = (self.derived(), self.manifest.current());
        let Some(bytes) = &mending.bytes else { return self.split_lost(mending.file) };
        let write = || storage::write_file_atomic(&*self.disk, &mending.file.to_string(), bytes);
        match mending.file {
            FileName::Index(id) => {
                let listed = manifest.segments.iter().find(|listed| listed.id == id);
                let shelved = self.state.shelf.find(id);
                let (Some(footer), Some(Shelved { segment, .. })) = (listed, shelved) else { return Ok(()) };
                write()?;
                if let Some(index) = derived.open_index(&segment, footer)? {
                    self.state.replace(id, SegmentHandle::sealed(segment, Arc::new(index)));
                }
            }
            FileName::ProfileRun(number) => {
                // Merged into another one meanwhile, it is wanted no more.
                let Some(listed) = manifest.runs.iter().find(|run| run.number == number) else {
                    return Ok(());
                };
                write()?;
                self.state.profiles.lock().renewed(&Arc::new(derived.open_run(listed)?));
            }
            FileName::IdsRun(number) => {
                // As above.
                let listed = manifest.ids.iter().find(|run| run.number == number);
                let (Some(listed), Some(ids)) = (listed, &self.ids) else { return Ok(()) };
                write()?;
                let run = Arc::new(derived.open_ids(&ids.hasher, listed)?);
                ids.relist(&manifest.ids, Some((number, run)));
            }
            FileName::Segment(_) => {}
        }
        Ok(())
    }

    /// Takes a run of message ids off the list that cannot be made anew, and writes those of its segments.
    fn split_lost(&self, file: FileName) -> Result<()> {
        let (FileName::IdsRun(number), Some(ids)) = (file, &self.ids) else { return Ok(()) };
        let manifest = self.manifest.current();
        let listed = manifest.ids.iter().find(|run| run.number == number);
        listed.map_or(Ok(()), |listed| self.derived().split_lost_ids(listed, ids))
    }

    fn seal(&self, job: &SealJob) -> Result<()> {
        let _span = trace::span!(SEAL, "seal", segment = job.rolled.segment.name());
        let watch = trace::Stopwatch::start();
        // No derived thing runs ahead of the durable log.
        sync_rolled(&job.rolled, &self.marks)?;
        let derived = self.derived();
        let mut entries = Vec::new();
        let footer = derive::footer_with(&job.rolled.segment, job.rolled.end, |frame| {
            if let Some(ids) = &self.ids {
                entries.extend(derive::ids::entry_of(&ids.hasher, frame));
            }
        })?;
        self.state.shelf.put(footer, &job.rolled.segment);
        let (listed_index, index) = derived.write_index(&job.rolled.segment, &footer, &job.index)?;
        let first_seq = job.rolled.segment.base_seq();
        let (listed_run, run) = derived.write_run(first_seq, job.rolled.last_seq, &job.frozen.delta)?;
        let seqs = (first_seq, job.rolled.last_seq);
        let ids = self.ids.as_deref();
        let written = ids.map(|ids| derived.write_ids(&ids.hasher, seqs, &mut entries, listed_run.number));
        let listed_ids = written.transpose()?;
        self.disk.sync_dir()?;
        self.manifest.update(|manifest| {
            let mut footer = footer;
            footer.index = Some(listed_index);
            manifest.segments.push(footer);
            manifest.next_segment = manifest.next_segment.max(footer.id.next());
            manifest.next_run = listed_run.number + 1;
            manifest.runs.push(listed_run);
            if let Some((listed, _)) = listed_ids.as_ref() {
                derive::ids::list(manifest, *listed);
            }
        })?;
        if let (Some(ids), Some((listed, run))) = (ids, listed_ids) {
            ids.relist(&self.manifest.current().ids, run.map(|run| (listed.number, run)));
        }
        let segment = Arc::clone(&job.rolled.segment);
        let id = segment.id();
        segment.release_file();
        self.state.replace(id, SegmentHandle::sealed(segment, Arc::new(index)));
        self.state.profiles.lock().flushed(Arc::new(run));
        if let Some(ids) = ids {
            ids.add_segment(first_seq, job.rolled.last_seq);
        }
        trace::info!(
            SEAL, file = job.rolled.segment.name(), frames = footer.frames, bytes = footer.end,
            took_ms = watch.millis();
            "a segment was sealed"
        );
        if let Err(error) = self.compact(&derived) {
            // It costs nothing but the room; the next one tries again.
            trace::warn!(SEAL, error = trace::shown(&error); "profile runs could not be merged");
        }
        if let Some(Err(error)) = ids.map(|ids| derived.compact_ids(ids, || !self.queue.is_stopping())) {
            // As above.
            trace::warn!(SEAL, error = trace::shown(&error); "runs of message ids could not be merged");
        }
        Ok(())
    }

    /// The last runs between which there is no segment without one. A run over such a segment would be believed to have
    /// its facts.
    fn without_hole<'r>(&self, runs: &'r [Arc<Run>]) -> &'r [Arc<Run>] {
        let manifest = self.manifest.current();
        let is_hole = |older: &Run, newer: &Run| {
            let is_between = |segment: &SealedSegment| {
                older.last_seq() < segment.base_seq && segment.last_seq() < newer.first_seq()
            };
            manifest.segments.iter().any(is_between)
        };
        let holes = runs.windows(2).rposition(|two| matches!(two, [older, newer] if is_hole(older, newer)));
        runs.get(holes.map_or(0, |hole| hole + 1)..).unwrap_or_default()
    }

    /// Merges runs until there are few.
    fn compact(&self, derived: &Derived<'_>) -> Result<()> {
        loop {
            let runs = self.state.profiles.lock().runs().to_vec();
            let runs = self.without_hole(&runs);
            let lengths: Vec<u64> = runs.iter().map(|run| run.file_len()).collect();
            let Some(inputs) = profile::choose(&lengths).and_then(|range| runs.get(range)) else {
                return Ok(());
            };
            let _span = trace::span!(SEAL, "compact", runs = inputs.len());
            let watch = trace::Stopwatch::start();
            let (listed, run) = derived.compact_runs(inputs)?;
            self.disk.sync_dir()?;
            let replaced: Vec<u64> = inputs.iter().map(|run| run.number()).collect();
            self.manifest.update(|manifest| {
                manifest.runs.retain(|old| !replaced.contains(&old.number));
                let at = manifest.runs.partition_point(|old| old.first_seq < listed.first_seq);
                manifest.runs.insert(at, listed);
                manifest.next_run = listed.number + 1;
            })?;
            self.state.profiles.lock().compacted(Arc::new(run));
            for number in replaced {
                derived.remove_run(number);
            }
            let bytes = listed.file.len;
            trace::info!(SEAL, bytes = bytes, took_ms = watch.millis(); "profile runs were merged");
        }
    }
}
