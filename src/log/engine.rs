//! The writing side of the log: who stages, who writes, who syncs, and who holds which lock.
//!
//! Lock order: `sync` before `flush` before `stage`. `stage` guards the append position and what is decided under
//! it; `flush` guards the mapping's writer and what is folded; `sync` keeps two background syncs apart.
//!
//! At `Synced` a writer stages under `stage` alone, and whoever gets `flush` writes and syncs for all: a lone writer
//! itself, the flusher thread where several wait. At the other levels a writer holds both and stores through the
//! mapping.

use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;

use super::durability::Durability;
use super::fill::{Filler, Ways};
use super::flush::Flush;
use super::fold::{Draft, Fold, FoldNotes, Kept, RollGate, Rolled};
use super::kick::Kick;
use super::manifest_file::ManifestFile;
use super::marks::Marks;
use super::open::OpenedLog;
use super::stage::{Lineage, Stage};
use crate::error::{Error, Result};
use crate::format::manifest::State;
use crate::storage::{Disk, Entropy, ForkMark, Lock, TimeSource};
use crate::trace;
use crate::types::Seq;

/// What the engine needs from outside.
pub(crate) struct Parts<F: Fold> {
    pub(crate) fold: F,
    pub(crate) decisions: F::Decisions,
    pub(crate) gate: Box<dyn RollGate>,
    pub(crate) clock: TimeSource,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) marks: Arc<Marks>,
    pub(crate) level: Durability,
    /// Longest segment that is begun from now on.
    pub(crate) segment_bytes_max: u64,
}

/// What an append returns: the seqs of its frames, and the marks that applying them left.
#[derive(Debug, Default)]
pub(crate) struct Appended {
    pub(crate) first: Seq,
    pub(crate) notes: Vec<(Seq, FoldNotes)>,
}

pub(super) struct Inner<F: Fold> {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) manifest: Arc<ManifestFile>,
    pub(super) clock: TimeSource,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) gate: Box<dyn RollGate>,
    pub(super) level: Durability,
    /// Whether frames are stored through the mapping; else they are staged and written with pwrite.
    pub(super) mapped: bool,
    pub(super) sync: Mutex<()>,
    pub(super) flush: Mutex<Flush<F>>,
    pub(super) stage: Mutex<Stage<F>>,
    pub(super) filler: Filler,
    pub(super) marks: Arc<Marks>,
    pub(super) kick: Kick,
    pub(super) fork_mark: ForkMark,
    /// Notes of frames that another thread applied, until the one that appended them asks.
    pub(super) notes: Mutex<Vec<(Seq, FoldNotes)>>,
}

/// The log of a store that is open for writing. Dropping it closes it.
pub(crate) struct Log<F: Fold> {
    inner: Arc<Inner<F>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Held while the log is closed, so that nobody returns before it is.
    closing: Mutex<()>,
    /// Held until the log is closed.
    lock: Mutex<Option<Lock>>,
}

/// A log stops taking appends when a thread panics while it holds a lock of it.
pub(crate) struct PoisonOnPanic<'a> {
    marks: &'a Marks,
    /// A host's thread that unwinds may still append; that panic is not ours.
    was_panicking: bool,
}

impl<'a> PoisonOnPanic<'a> {
    pub(crate) fn new(marks: &'a Marks) -> Self {
        Self { marks, was_panicking: std::thread::panicking() }
    }
}

impl Drop for PoisonOnPanic<'_> {
    fn drop(&mut self) {
        if !self.was_panicking && std::thread::panicking() {
            self.marks.poison();
        }
    }
}

impl<F: Fold> Log<F> {
    /// Takes over an opened log and starts its threads.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where a thread cannot be started.
    pub(crate) fn start(opened: OpenedLog, manifest: Arc<ManifestFile>, parts: Parts<F>) -> Result<Self> {
        let (Some(active), Some(writer)) = (opened.tail.last(), opened.active) else {
            return Err(Error::ReadOnly);
        };
        let header = *active.segment.header();
        let current = manifest.current();
        let lineage = Lineage {
            store_id: current.store_id,
            epoch: current.epoch(),
            header_len: header.header_len,
            segment_bytes_max: parts.segment_bytes_max,
        };
        let marked_open = current.state == State::Open;
        let next_id = opened.next_segment;
        let mapped = !parts.level.is_synced() && opened.disk.mapped_writes();
        let segment = Arc::clone(&active.segment);
        let filled = active.file_len;
        let file = segment.file()?;
        let filler = Filler::new(
            Arc::clone(&opened.disk),
            (&segment, Arc::clone(&file)),
            (filled, &writer),
            parts.segment_bytes_max,
            Ways { mapped, synced: parts.level.is_synced() },
            next_id,
        );
        let position = (opened.next_seq, opened.last_received_at);
        let stage = Stage::new(
            (segment, Arc::clone(&file)),
            (active.end, filled, writer.capacity()),
            position,
            lineage,
            marked_open,
            parts.decisions,
        );
        let inner = Arc::new(Inner {
            disk: opened.disk,
            manifest,
            clock: parts.clock,
            entropy: parts.entropy,
            gate: parts.gate,
            level: parts.level,
            mapped,
            sync: Mutex::new(()),
            flush: Mutex::new(Flush::new(parts.fold, writer, (Arc::clone(&active.segment), file))?),
            stage: Mutex::new(stage),
            filler,
            marks: parts.marks,
            kick: Kick::default(),
            fork_mark: ForkMark::new(),
            notes: Mutex::new(Vec::new()),
        });
        let log = Self {
            inner,
            threads: Mutex::new(Vec::new()),
            closing: Mutex::new(()),
            lock: Mutex::new(Some(opened.lock)),
        };
        log.spawn("envelog-fill", |inner| inner.filler.run())?;
        if parts.level != Durability::Buffered {
            log.spawn("envelog-flush", Inner::run_flusher)?;
        }
        Ok(log)
    }

    fn spawn(&self, name: &str, body: impl FnOnce(&Inner<F>) + Send + 'static) -> Result<()> {
        let inner = Arc::clone(&self.inner);
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(trace::inherit(move || {
            let _guard = PoisonOnPanic::new(&inner.marks);
            body(&inner);
        }));
        self.threads.lock().push(thread.map_err(|error| Error::io("spawn", name, error))?);
        Ok(())
    }

    /// Appends frames, all or none, and returns when they are what the level promises.
    ///
    /// There is a hint for every frame. `check` decides under the lock, against all that is staged, whether the frames
    /// are taken, and `keep` records what was decided once they have their place. `None` where they are not taken.
    ///
    /// # Errors
    ///
    /// What `check` says; [`Error::NoSpace`] and [`Error::TooLarge`] with nothing stored; [`Error::SyncFailed`] with
    /// the outcome unknown; [`Error::Poisoned`], [`Error::Closed`].
    pub(crate) fn append(
        &self,
        drafts: &[Draft<'_>],
        hints: &[F::Hint],
        check: impl FnOnce(&mut F::Decisions) -> Result<bool>,
        keep: impl FnOnce(&mut F::Decisions, Kept),
    ) -> Result<Option<Appended>> {
        let inner = &*self.inner;
        if drafts.is_empty() {
            inner.marks.check_running()?;
            let last = inner.marks.visible();
            return Ok(Some(Appended { first: last.next(), notes: Vec::new() }));
        }
        let check =
            |decisions: &mut F::Decisions| inner.marks.check_running().and_then(|()| check(decisions));
        if inner.mapped {
            return inner.append_mapped(drafts, hints, check, keep);
        }
        inner.wait_for_room_in_stage();
        let Some((first, last)) = inner.stage(drafts, hints, check, keep)? else { return Ok(None) };
        if !inner.level.is_synced() {
            // Written with pwrite for want of a mapping: visible when written, durable later.
            inner.flush_staged(&mut inner.flush.lock())?;
            if inner.marks.visible() < last {
                // Another thread took these frames along, and could not write them.
                return Err(Error::SyncFailed { durable: inner.marks.durable() });
            }
        } else if let Some(mut flush) = inner.flush.try_lock() {
            inner.flush_staged(&mut flush)?;
        } else {
            inner.kick.kick();
        }
        inner.settle(first, last).map(Some)
    }

    /// Stages frames, all or none, and returns a ticket to wait on. At the levels other than `Synced` there is
    /// nothing to wait for.
    ///
    /// # Errors
    ///
    /// As [`Log::append`], but for those of a sync, which the ticket gives.
    pub(crate) fn submit(
        &self,
        drafts: &[Draft<'_>],
        hints: &[F::Hint],
        check: impl FnOnce(&mut F::Decisions) -> Result<bool>,
        keep: impl FnOnce(&mut F::Decisions, Kept),
    ) -> Result<Option<Pending>> {
        let inner = &*self.inner;
        if !inner.level.is_synced() || drafts.is_empty() {
            let appended = self.append(drafts, hints, check, keep)?;
            return Ok(appended.map(Pending::Done));
        }
        let check =
            |decisions: &mut F::Decisions| inner.marks.check_running().and_then(|()| check(decisions));
        inner.wait_for_room_in_stage();
        let Some((first, last)) = inner.stage(drafts, hints, check, keep)? else { return Ok(None) };
        inner.kick.kick();
        Ok(Some(Pending::Staged { first, last }))
    }

    /// Waits for a ticket.
    ///
    /// # Errors
    ///
    /// [`Error::SyncFailed`] with the outcome unknown.
    pub(crate) fn wait(&self, pending: Pending) -> Result<Appended> {
        match pending {
            Pending::Done(appended) => Ok(appended),
            Pending::Staged { first, last } => self.inner.settle(first, last),
        }
    }

    /// Whether appends are taken by this process; asked before anything else that an append does takes a lock.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`], [`Error::Poisoned`], and [`Error::Io`] in a process that was forked.
    #[inline]
    pub(crate) fn check_running(&self) -> Result<()> {
        self.inner.check_process()?;
        self.inner.marks.check_running()
    }

    /// Looks at what is decided under the lock.
    pub(crate) fn decide<T>(&self, look: impl FnOnce(&mut F::Decisions) -> T) -> T {
        let mut stage = self.inner.stage.lock();
        let _guard = PoisonOnPanic::new(&self.inner.marks);
        look(&mut stage.decisions)
    }

    /// Waits until a frame that was staged is what the level promises: visible and, at `Synced`, durable.
    ///
    /// # Errors
    ///
    /// [`Error::SyncFailed`]: whether it is stored is unknown.
    pub(crate) fn wait_kept(&self, seq: Seq) -> Result<()> {
        let inner = &*self.inner;
        if inner.level.is_synced() {
            return inner.marks.wait_durable(seq);
        }
        if inner.marks.visible() < seq {
            // Staged for want of a mapping, and shown by whoever holds the lock.
            inner.flush_staged(&mut inner.flush.lock())?;
        }
        let is_visible = inner.marks.visible() >= seq;
        if is_visible { Ok(()) } else { Err(Error::SyncFailed { durable: inner.marks.durable() }) }
    }

    /// Makes everything that was appended before the call durable, and returns the last durable seq.
    ///
    /// # Errors
    ///
    /// [`Error::SyncFailed`], after which the log is poisoned; [`Error::Poisoned`].
    pub(crate) fn sync(&self) -> Result<Seq> {
        self.inner.sync_now()
    }

    /// Whether frames are stored through the mapping.
    pub(crate) fn is_mapped(&self) -> bool {
        self.inner.mapped
    }

    /// How often an append waited for zeros or for the next segment.
    pub(crate) fn waits(&self) -> u64 {
        self.inner.filler.waits()
    }

    /// Takes no more appends, syncs, marks the end as clean and ends the threads. A second call does nothing.
    ///
    /// `before` is called once no append is taken, everything staged is folded and the last long segment is rolled.
    ///
    /// # Errors
    ///
    /// Those of the sync, of the last frame and of the manifest; the next opening then recovers.
    pub(crate) fn close(&self, before: impl FnOnce()) -> Result<()> {
        let inner = &*self.inner;
        // A forked child has none of the threads, and the log is not its own to close.
        inner.disk.check_process()?;
        let _closing = self.closing.lock();
        let outcome = if inner.marks.close() {
            let written = inner.flush_staged(&mut inner.flush.lock());
            let written = written.and_then(|()| inner.roll_at_close());
            before();
            written.and_then(|()| inner.mark_closed())
        } else {
            before();
            // What was not durable when the log stopped may be lost, and nothing marks this end as clean.
            if inner.marks.is_poisoned() { Err(Error::Poisoned) } else { Ok(()) }
        };
        inner.marks.end();
        if let Some(prepared) = inner.filler.stop() {
            super::fill::discard(&*inner.disk, &prepared);
        }
        inner.kick.stop();
        for thread in std::mem::take(&mut *self.threads.lock()) {
            // A thread never joins itself: the last handle may be dropped by one of ours.
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join();
            }
        }
        // Whoever was past its check when the log stopped is done with the files before the lock goes.
        drop(inner.sync.lock());
        drop(inner.flush.lock());
        drop(inner.stage.lock());
        *self.lock.lock() = None;
        outcome
    }
}

/// Makes a rolled segment durable, and with it everything up to its last frame. The segments before it were made
/// durable before. Takes no lock of the log, so that a writer may wait for it.
///
/// # Errors
///
/// [`Error::SyncFailed`], after which the log is poisoned.
pub(crate) fn sync_rolled(rolled: &Rolled, marks: &Marks) -> Result<()> {
    if marks.durable() >= rolled.last_seq {
        return Ok(());
    }
    if marks.is_poisoned() {
        return Err(Error::Poisoned);
    }
    rolled.segment.release_pages();
    if rolled.segment.file().and_then(|file| file.sync()).is_err() {
        marks.poison();
        return Err(Error::SyncFailed { durable: marks.durable() });
    }
    marks.set_synced();
    marks.set_durable(rolled.last_seq);
    marks.wake();
    Ok(())
}

/// An append that was staged, and may wait for its sync.
#[derive(Debug)]
pub(crate) enum Pending {
    Done(Appended),
    Staged { first: Seq, last: Seq },
}

impl<F: Fold> Drop for Log<F> {
    fn drop(&mut self) {
        // An error has nobody to go to; the next opening recovers.
        let _ = self.close(|| {});
    }
}

#[cfg(test)]
mod tests;
