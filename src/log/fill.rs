//! Zero-filling ahead: windows of the active segment, and the next segment's file.
//!
//! A full disk shows here, as an error of a write in the background, and never as a signal or a half-written frame.

use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use super::segment::Segment;
use super::sticky::StickyFile;
use crate::error::{Error, Result};
use crate::format::names::FileName;
use crate::limits::{FILL_WINDOW_BYTES_MAX, FILL_WINDOW_BYTES_MIN};
use crate::storage::{Disk, File, MapWriter, Pages, fill_zeros};
use crate::trace;
use crate::types::SegmentId;

/// A file for the next segment: its first window filled, its name durable, its header not yet written.
pub(crate) struct Prepared {
    pub(crate) id: SegmentId,
    pub(crate) file: Arc<dyn File>,
    pub(crate) filled: u64,
    pub(crate) writer: MapWriter,
}

/// The active segment as the filler sees it.
struct Target {
    id: SegmentId,
    file: Arc<dyn File>,
    /// Its pages, where frames are stored through a mapping.
    pages: Option<Pages>,
    capacity: u64,
    filled: u64,
    window: u64,
    /// Fill at least this far.
    wanted: u64,
}

struct State {
    target: Target,
    prepared: Option<Prepared>,
    prepare: bool,
    next_id: SegmentId,
    /// The last attempt's error, until someone asks again.
    error: Option<Error>,
    stopping: bool,
    waits: u64,
}

/// What the filler does beside writing zeros.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ways {
    /// Pages are entered into the page table ahead of the first store.
    pub(crate) mapped: bool,
    /// Zeros are synced before a frame replaces them, so that a commit's sync has no metadata to write. Where no
    /// commit waits for a sync that would only write every byte twice.
    pub(crate) synced: bool,
}

/// What the writer and the background thread share.
pub(crate) struct Filler {
    disk: Arc<dyn Disk>,
    /// Longest segment that is begun from now on.
    segment_bytes_max: u64,
    /// Where frames begin in a segment's file.
    header_len: u32,
    ways: Ways,
    state: Mutex<State>,
    /// Signalled when there is work.
    work: Condvar,
    /// Signalled when work is done.
    done: Condvar,
}

impl Filler {
    /// A filler for a log whose active segment is `active`, of which `filled` bytes exist.
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        (active, file): (&Segment, Arc<dyn File>),
        (filled, writer): (u64, &MapWriter),
        segment_bytes_max: u64,
        ways: Ways,
        next_id: SegmentId,
    ) -> Self {
        let capacity = writer.capacity();
        let target = Target {
            id: active.header().id,
            file,
            pages: if ways.mapped { writer.pages() } else { None },
            capacity,
            filled,
            window: FILL_WINDOW_BYTES_MIN.min(capacity),
            wanted: 0,
        };
        let state =
            State { target, prepared: None, prepare: false, next_id, error: None, stopping: false, waits: 0 };
        let header_len = active.header().header_len;
        Self {
            disk,
            segment_bytes_max,
            header_len,
            ways,
            state: Mutex::new(state),
            work: Condvar::new(),
            done: Condvar::new(),
        }
    }

    pub(crate) fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// Asks for zeros ahead of `end`, and for the next segment once the active one is half full. Does not wait.
    ///
    /// Returns how far the file is filled, and from which end on it wants to be asked again.
    pub(crate) fn ask(&self, end: u64) -> (u64, u64) {
        let mut state = self.state.lock();
        let (window, capacity) = (state.target.window, state.target.capacity);
        let wanted = end.saturating_add(window).min(capacity);
        state.target.wanted = state.target.wanted.max(wanted);
        let half = end >= capacity / 2;
        if half && state.prepared.is_none() {
            state.prepare = true;
        }
        if state.has_work() {
            self.work.notify_one();
        }
        let filled = state.target.filled;
        let again = if filled >= capacity {
            if half { u64::MAX } else { capacity / 2 }
        } else {
            filled.saturating_sub(window / 2)
        };
        (filled, again.max(end.saturating_add(1)))
    }

    /// Waits until the active segment is filled up to `end`, and returns how far it is.
    ///
    /// # Errors
    ///
    /// The error of the background write: [`Error::NoSpace`] where the disk is full.
    pub(crate) fn wait_filled(&self, end: u64) -> Result<u64> {
        let mut state = self.state.lock();
        state.target.wanted = state.target.wanted.max(end.min(state.target.capacity));
        if state.target.filled >= end {
            state.error = None;
            return Ok(state.target.filled);
        }
        state.waits += 1;
        let watch = trace::Stopwatch::start();
        let filled =
            self.wait_until(&mut state, |state| (state.target.filled >= end).then_some(state.target.filled));
        drop(state);
        trace::debug!(LOG, waited_ms = watch.millis(); "an append waited for its segment to be filled ahead");
        filled
    }

    /// Waits for the next segment's file, and leaves it where it is.
    ///
    /// # Errors
    ///
    /// As [`Filler::wait_filled`].
    pub(crate) fn prepared_file(&self) -> Result<(SegmentId, Arc<dyn File>)> {
        let mut state = self.state.lock();
        let watch = state.prepared.is_none().then(trace::Stopwatch::start);
        if watch.is_some() {
            state.prepare = true;
            state.waits += 1;
        }
        let prepared = self.wait_until(&mut state, |state| {
            state.prepared.as_ref().map(|prepared| (prepared.id, Arc::clone(&prepared.file)))
        });
        drop(state);
        if let Some(watch) = watch {
            trace::debug!(LOG, waited_ms = watch.millis(); "an append waited for the next segment's file");
        }
        prepared
    }

    /// Takes the next segment's file, which is there; the filler then works for that one.
    ///
    /// # Errors
    ///
    /// As [`Filler::wait_filled`]; the log has not rolled then, and may be asked again.
    pub(crate) fn take_prepared(&self) -> Result<Prepared> {
        let mut state = self.state.lock();
        let prepared = self.wait_until(&mut state, |state| state.prepared.take())?;
        state.target = Target {
            id: prepared.id,
            file: Arc::clone(&prepared.file),
            pages: if self.ways.mapped { prepared.writer.pages() } else { None },
            capacity: self.segment_bytes_max,
            filled: prepared.filled,
            window: state.target.window,
            wanted: 0,
        };
        Ok(prepared)
    }

    fn wait_until<T>(
        &self,
        state: &mut parking_lot::MutexGuard<'_, State>,
        mut ready: impl FnMut(&mut State) -> Option<T>,
    ) -> Result<T> {
        // An error of an earlier attempt is not an answer to this call: try anew.
        state.error = None;
        loop {
            if let Some(value) = ready(state) {
                return Ok(value);
            }
            if let Some(error) = state.error.take() {
                return Err(error);
            }
            if state.stopping {
                return Err(Error::Closed);
            }
            self.work.notify_one();
            self.done.wait(state);
        }
    }

    /// How often an append had to wait for zeros or for the next segment.
    pub(crate) fn waits(&self) -> u64 {
        self.state.lock().waits
    }

    /// Ends the background thread, and hands out a prepared file that nobody needs any more.
    pub(crate) fn stop(&self) -> Option<Prepared> {
        let mut state = self.state.lock();
        state.stopping = true;
        self.work.notify_all();
        self.done.notify_all();
        state.prepared.take()
    }

    /// The body of the background thread.
    pub(crate) fn run(&self) {
        let _end = EndOfFiller(self);
        loop {
            let mut state = self.state.lock();
            while !state.stopping && (state.error.is_some() || !state.has_work()) {
                self.work.wait(&mut state);
            }
            if state.stopping {
                return;
            }
            let step = state.next_step(self.segment_bytes_max);
            drop(state);
            let target = step.target();
            let outcome = self.step(step);
            let mut state = self.state.lock();
            match outcome {
                // The log may have rolled meanwhile; what was filled is then of no interest.
                Ok(Done::Filled(id, _)) if id != state.target.id => {}
                Ok(Done::Filled(_, to)) => {
                    state.target.filled = state.target.filled.max(to);
                    state.target.window = (state.target.window * 2).min(FILL_WINDOW_BYTES_MAX);
                }
                Ok(Done::Prepared(prepared)) => {
                    state.prepare = false;
                    state.prepared = Some(prepared);
                }
                // Nor is what went wrong with it.
                Err(_) if target.is_some_and(|id| id != state.target.id) => {}
                Err(error) => {
                    trace::warn!(LOG, error = trace::shown(&error); "no room could be made ahead of the log");
                    state.error = Some(error);
                }
            }
            let unwanted = if state.stopping { state.prepared.take() } else { None };
            self.done.notify_all();
            drop(state);
            if let Some(prepared) = unwanted {
                discard(&*self.disk, &prepared);
                return;
            }
        }
    }

    fn step(&self, step: Step) -> Result<Done> {
        match step {
            Step::Fill { id, file, pages, from, to } => {
                self.fill(&*file, from, to)?;
                if let Some(pages) = pages {
                    pages.populate(from..to)?;
                }
                Ok(Done::Filled(id, to))
            }
            Step::Prepare { id, bytes } => self.prepare(id, bytes).map(Done::Prepared),
        }
    }

    fn fill(&self, file: &dyn File, from: u64, to: u64) -> Result<()> {
        fill_zeros(file, from, to)?;
        if self.ways.synced { file.sync() } else { Ok(()) }
    }

    fn prepare(&self, id: SegmentId, bytes: u64) -> Result<Prepared> {
        let name = FileName::Segment(id).to_string();
        let file = StickyFile::wrap(self.disk.create(&name)?);
        let made = self
            .fill(&*file, 0, bytes)
            .and_then(|()| self.disk.sync_dir())
            .and_then(|()| self.map(&file, bytes));
        match made {
            Ok(writer) => Ok(Prepared { id, file, filled: bytes, writer }),
            Err(error) => {
                let _ = self.disk.remove(&name);
                Err(error)
            }
        }
    }

    fn map(&self, file: &Arc<dyn File>, filled: u64) -> Result<MapWriter> {
        let floor = u64::from(self.header_len);
        let (mut writer, _map) = file.map_log(floor, floor, self.segment_bytes_max)?;
        writer.set_limit(filled)?;
        if let (true, Some(pages)) = (self.ways.mapped, writer.pages()) {
            pages.populate(floor..filled)?;
        }
        Ok(writer)
    }
}

/// Removes a prepared file. One that stays is removed by the next opening, as it has no header.
pub(crate) fn discard(disk: &dyn Disk, prepared: &Prepared) {
    let _ = disk.remove(&FileName::Segment(prepared.id).to_string());
}

enum Step {
    Fill { id: SegmentId, file: Arc<dyn File>, pages: Option<Pages>, from: u64, to: u64 },
    Prepare { id: SegmentId, bytes: u64 },
}

impl Step {
    /// The segment that the step fills, if it fills one.
    fn target(&self) -> Option<SegmentId> {
        match self {
            Self::Fill { id, .. } => Some(*id),
            Self::Prepare { .. } => None,
        }
    }
}

/// Nobody waits for a filler that is gone, whatever ended it.
struct EndOfFiller<'a>(&'a Filler);

impl Drop for EndOfFiller<'_> {
    fn drop(&mut self) {
        self.0.state.lock().stopping = true;
        self.0.done.notify_all();
    }
}

enum Done {
    Filled(SegmentId, u64),
    Prepared(Prepared),
}

impl State {
    fn has_work(&self) -> bool {
        self.target.filled < self.target.wanted || (self.prepare && self.prepared.is_none())
    }

    fn next_step(&mut self, segment_bytes_max: u64) -> Step {
        let Target { id, file, pages, capacity, filled, window, wanted } = &self.target;
        if filled < wanted {
            // One window at a time, so that commits do not wait behind a long sync.
            let to = filled.saturating_add(*window).min(*capacity);
            let (id, file, pages) = (*id, Arc::clone(file), pages.clone());
            return Step::Fill { id, file, pages, from: *filled, to };
        }
        let id = self.next_id;
        self.next_id = id.next();
        Step::Prepare { id, bytes: (*window).min(segment_bytes_max) }
    }
}
