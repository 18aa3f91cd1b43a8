//! Bytes into files, syncs, and frames to the fold: what happens under the flush lock.

use std::sync::Arc;
use std::time::Duration;

use super::durability::Durability;
use super::engine::{Inner, PoisonOnPanic};
use super::fold::{Draft, Fold, FoldNotes, Placed, Rolled};
use super::marks::Marks;
use super::segment::Segment;
use super::stage::{Chunk, RolledTo, Sealed, Stage, batch_marks};
use crate::error::{Error, Result};
use crate::format::frame::{self, FrameKind, FrameView};
use crate::format::segment::Slot;
use crate::storage::{File, MapWriter};
use crate::trace;
use crate::types::{Nanos, Seq};

/// Nanoseconds between two writes of a header slot, at least.
const SLOT_INTERVAL_NANOS: i64 = 100_000_000;
/// Bytes written through a mapping since its pages were released, from which on they are released again.
const RELEASE_BYTES_MIN: u64 = 1024 * 1024;
const ZEROS: [u8; frame::ALIGN] = [0; frame::ALIGN];

/// Notes that are kept for callers who have not asked for them yet.
const NOTES_KEPT: usize = 64 * 1024;

/// The writing side of the files and what is folded from them. Guarded by the log's flush lock.
pub(super) struct Flush<F> {
    pub(super) fold: F,
    writer: MapWriter,
    segment: Arc<Segment>,
    pub(super) file: Arc<dyn File>,
    /// Files behind the active one that hold frames which no sync of the log covers, with the last seq of each.
    pub(super) unsynced: Vec<(Seq, Arc<dyn File>)>,
    /// Places of the frames of the commit at hand.
    placed: Vec<Sealed>,
    slot_generation: u64,
    slot_at: i64,
    pub(super) bytes_since_sync: u64,
    /// Where the frames of the active segment ended when its pages were released.
    released_end: u64,
}

impl<F: Fold> Flush<F> {
    /// The writing side of `segment`, whose header page says how often its slots were written.
    pub(super) fn new(
        fold: F,
        writer: MapWriter,
        (segment, file): (Arc<Segment>, Arc<dyn File>),
    ) -> Result<Self> {
        let header = *segment.header();
        let mut page = vec![0; header.header_len as usize];
        file.read_at(0, &mut page)?;
        let slot_generation = Slot::newest(&page, header.seed()).map_or(0, |slot| slot.generation);
        Ok(Self {
            fold,
            segment,
            file,
            writer,
            unsynced: Vec::new(),
            placed: Vec::new(),
            slot_generation,
            slot_at: 0,
            bytes_since_sync: 0,
            released_end: 0,
        })
    }

    /// Lets the mapping's writer reach `limit` where `end` lies behind the limit that it has.
    pub(super) fn reach(&mut self, limit: u64, end: u64) -> Result<()> {
        if end > self.writer.limit() { self.writer.set_limit(limit) } else { Ok(()) }
    }

    /// Copies frames into the mapping; they are not visible yet.
    pub(super) fn write_mapped(
        &mut self,
        stage: &mut Stage<F>,
        drafts: &[Draft<'_>],
        hints: &[F::Hint],
        received_at: Nanos,
        durable: Seq,
    ) -> Result<()> {
        self.placed.clear();
        for (at, draft) in drafts.iter().enumerate() {
            let sealed = stage.place(draft, batch_marks(at, drafts.len()), received_at, durable);
            if at == 0 {
                self.fold.approach(hints);
            }
            let keys_at = sealed.offset + frame::HEADER_LEN as u64;
            self.writer.write(sealed.offset, &sealed.head)?;
            self.writer.write(keys_at, draft.keys)?;
            let body_at = keys_at + draft.keys.len() as u64;
            self.writer.write(body_at, draft.body)?;
            // Zeros already, unless something else wrote there while the store was closed.
            let padding_at = body_at + draft.body.len() as u64;
            let padding = stage.end.saturating_sub(padding_at);
            self.writer.write(padding_at, ZEROS.get(..offset_usize(padding)).unwrap_or_default())?;
            self.placed.push(sealed);
        }
        self.writer.publish(stage.end);
        Ok(())
    }

    /// Folds the frames that were just written, and shows them.
    pub(super) fn fold_mapped(
        &mut self,
        (drafts, hints): (&[Draft<'_>], &[F::Hint]),
        last: Seq,
        marks: &Marks,
        notes: &mut Vec<(Seq, FoldNotes)>,
    ) {
        let frames = self.placed.iter().zip(drafts).map(|(sealed, draft)| Placed {
            seq: sealed.header.seq,
            kind: draft.kind,
            offset: offset_u32(sealed.offset),
            keys: draft.keys,
            body: draft.body,
        });
        self.fold.apply(frames, hints, || marks.set_visible(last), notes);
        let event = drafts.iter().rposition(|draft| draft.kind == FrameKind::Event);
        if let Some(sealed) = event.and_then(|at| self.placed.get(at)) {
            marks.set_event(sealed.header.seq);
        }
    }

    /// Ends the active segment, of a log that is written through the mapping, with its roll frame.
    pub(super) fn roll_mapped(&mut self, to: RolledTo, marks: &Marks) -> Result<()> {
        let end = to.rolled.end;
        self.reach(end, end)?;
        self.writer.write(to.frame_offset, &to.frame)?;
        self.writer.publish(end);
        self.fold_bytes(
            to.frame_offset,
            &to.frame,
            &[F::Hint::default()],
            || marks.set_visible(to.rolled.last_seq),
            &mut Vec::new(),
        );
        let Some(writer) = to.writer else { return Ok(()) };
        self.enter(to.rolled, (&to.next, to.next_file), writer, marks.durable());
        Ok(())
    }

    /// Folds frames from their bytes, of which the first stands at `offset`.
    fn fold_bytes(
        &mut self,
        offset: u64,
        bytes: &[u8],
        hints: &[F::Hint],
        show: impl FnOnce(),
        notes: &mut Vec<(Seq, FoldNotes)>,
    ) {
        self.fold.apply(placed_frames(offset, bytes), hints, show, notes);
    }

    fn enter(
        &mut self,
        rolled: Rolled,
        (next, file): (&Arc<Segment>, Arc<dyn File>),
        writer: MapWriter,
        durable: Seq,
    ) {
        trace::debug!(
            LOG, segment = rolled.segment.name(), bytes = rolled.end, last_seq = rolled.last_seq.get();
            "a segment is full, and the log moved on"
        );
        // The sealer syncs rolled segments as well.
        self.unsynced.retain(|(last_seq, _)| *last_seq > durable);
        self.unsynced.push((rolled.last_seq, std::mem::replace(&mut self.file, file)));
        self.segment = Arc::clone(next);
        self.writer = writer;
        self.slot_generation = 0;
        self.released_end = 0;
        self.fold.rolled(rolled, next);
    }

    /// Shows and folds a chunk that stands in its file.
    fn publish(
        &mut self,
        chunk: &mut Chunk<F::Hint>,
        previous: Option<Rolled>,
        marks: &Marks,
        durable: bool,
        notes: &mut Vec<(Seq, FoldNotes)>,
    ) -> Result<Option<Rolled>> {
        if let (Some(writer), Some(rolled)) = (chunk.writer.take(), previous) {
            self.enter(rolled, (&chunk.segment, Arc::clone(&chunk.file)), writer, marks.durable());
            if durable {
                self.unsynced.clear();
            }
        }
        let end = chunk.offset + chunk.bytes.len() as u64;
        if end > self.writer.limit() {
            self.writer.set_limit(chunk.limit)?;
        }
        self.writer.publish(end);
        let Some(first) = placed_frames(chunk.offset, &chunk.bytes).next() else { return Ok(None) };
        let last = Seq::new(first.seq.get() + chunk.hints.len() as u64 - 1);
        self.fold_bytes(chunk.offset, &chunk.bytes, &chunk.hints, || marks.set_visible(last), notes);
        if let Some(event) = chunk.last_event {
            marks.set_event(event);
        }
        let segment = Arc::clone(&chunk.segment);
        Ok(chunk.roll.map(|last_seq| Rolled { segment, end, last_seq }))
    }

    /// Takes the pages of a mapping that is written to out of the page table, before a sync that would else protect
    /// very many of them one by one and interrupt the writer for each.
    fn release_pages(&mut self) {
        let end = self.writer.committed();
        if end.saturating_sub(self.released_end) >= RELEASE_BYTES_MIN {
            self.released_end = end;
            self.segment.release_pages();
        }
    }

    /// Writes a header slot that says what is durable, if the last one is old enough. The next sync carries it.
    pub(super) fn write_slot(&mut self, now: i64, durable: Seq, at_once: bool) -> Result<()> {
        if !at_once && now.saturating_sub(self.slot_at) < SLOT_INTERVAL_NANOS {
            return Ok(());
        }
        let header = self.segment.header();
        if durable < header.base_seq {
            return Ok(());
        }
        self.slot_at = now;
        self.slot_generation += 1;
        let slot = Slot { generation: self.slot_generation, durable, end: self.writer.committed() };
        self.file.write_at(slot.offset(), &slot.encode(header.seed()))
    }
}

/// The frames in bytes that this process just encoded.
fn placed_frames(offset: u64, bytes: &[u8]) -> impl Iterator<Item = Placed<'_>> {
    let mut at = 0usize;
    std::iter::from_fn(move || {
        let frame = FrameView::trusted(bytes.get(at..)?).ok().flatten()?;
        let offset = offset_u32(offset + at as u64);
        at = at.checked_add(usize::try_from(frame.stride()).ok()?)?;
        Some(Placed { seq: frame.seq(), kind: frame.kind(), offset, keys: frame.keys(), body: frame.body() })
    })
}

/// The same number; the crate is for 64-bit machines only.
fn offset_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Offsets are below the largest segment, which is below 4 GiB.
fn offset_u32(offset: u64) -> u32 {
    debug_assert!(u32::try_from(offset).is_ok(), "segments are at most 1 GiB");
    u32::try_from(offset).unwrap_or(u32::MAX)
}

impl<F: Fold> Inner<F> {
    /// Writes what is staged, syncs it at `Synced`, and shows it.
    ///
    /// A failure poisons the log: what was written may or may not survive.
    pub(super) fn flush_staged(&self, flush: &mut Flush<F>) -> Result<()> {
        let _guard = PoisonOnPanic::new(&self.marks);
        let (mut chunks, last) = {
            let mut stage = self.stage.lock();
            stage.staged_bytes = 0;
            (std::mem::take(&mut stage.chunks), stage.next_seq.get().saturating_sub(1))
        };
        if chunks.is_empty() {
            return Ok(());
        }
        if self.marks.is_poisoned() {
            return Err(Error::SyncFailed { durable: self.marks.durable() });
        }
        let synced = self.level.is_synced();
        let bytes = chunks.iter().map(|chunk| chunk.bytes.len() as u64).sum();
        let mut notes = Vec::new();
        let outcome = self.write_chunks(flush, &mut chunks, synced, &mut notes);
        if !notes.is_empty() {
            let mut left = self.notes.lock();
            // Notes of tickets that nobody waits for must not pile up.
            if left.len() > NOTES_KEPT {
                left.drain(..NOTES_KEPT / 2);
            }
            left.append(&mut notes);
        }
        if let Some(chunk) = chunks.pop() {
            let mut bytes = chunk.bytes;
            bytes.clear();
            self.stage.lock().spare = bytes;
        }
        // Frames that were taken and are not shown would be waited for without end.
        if outcome.is_err() || self.marks.visible().get() < last {
            self.marks.poison();
            return Err(Error::SyncFailed { durable: self.marks.durable() });
        }
        if synced {
            self.marks.set_synced();
            // Behind the frames and their notes: who waits for this returns with both.
            self.marks.set_durable(self.marks.visible());
        } else {
            self.count_towards_sync(flush, bytes);
        }
        self.marks.wake();
        Ok(())
    }

    /// Wakes the background sync before its time where many bytes wait for it.
    pub(super) fn count_towards_sync(&self, flush: &mut Flush<F>, bytes: u64) {
        if let Durability::Interval { bytes: bytes_max, .. } = self.level {
            flush.bytes_since_sync += bytes;
            if flush.bytes_since_sync >= bytes_max {
                flush.bytes_since_sync = 0;
                self.kick.kick();
            }
        }
    }

    fn write_chunks(
        &self,
        flush: &mut Flush<F>,
        chunks: &mut [Chunk<F::Hint>],
        synced: bool,
        notes: &mut Vec<(Seq, FoldNotes)>,
    ) -> Result<()> {
        for chunk in &*chunks {
            chunk.file.write_at(chunk.offset, &chunk.bytes)?;
        }
        if synced {
            flush.write_slot(self.clock.now(), self.marks.durable(), false)?;
            // In order: a later segment is never durable before an earlier one is.
            for chunk in &*chunks {
                chunk.file.sync()?;
            }
        }
        let mut rolled = None;
        for chunk in chunks {
            rolled = flush.publish(chunk, rolled, &self.marks, synced, notes)?;
        }
        Ok(())
    }

    /// The body of the flusher thread: shared syncs at `Synced`, background ones at `Interval`.
    pub(super) fn run_flusher(&self) {
        let timeout = match self.level {
            Durability::Interval { ms, .. } => Some(Duration::from_millis(ms.max(1))),
            Durability::Buffered | Durability::Synced => None,
        };
        while self.kick.wait(timeout) {
            // A failure poisons the log, and is told to everyone who waits.
            let _ = if self.level.is_synced() {
                self.flush_staged(&mut self.flush.lock())
            } else {
                self.sync_now().map(drop)
            };
        }
    }

    /// Makes everything that is visible durable.
    pub(super) fn sync_now(&self) -> Result<Seq> {
        if self.level.is_synced() {
            self.flush_staged(&mut self.flush.lock())?;
            if self.marks.is_poisoned() {
                return Err(Error::Poisoned);
            }
            return Ok(self.marks.durable());
        }
        let _one_at_a_time = self.sync.lock();
        let (through, files) = {
            let mut flush = self.flush.lock();
            flush.bytes_since_sync = 0;
            let through = self.marks.visible();
            if self.marks.is_poisoned() {
                return Err(Error::Poisoned);
            }
            if through == self.marks.durable() {
                return Ok(through);
            }
            if self.marks.is_closed() {
                // Closing failed to make the rest durable, and the lock is gone.
                return Err(Error::Closed);
            }
            let mut files: Vec<_> = flush.unsynced.iter().map(|(_, file)| Arc::clone(file)).collect();
            files.push(Arc::clone(&flush.file));
            flush.release_pages();
            (through, files)
        };
        // Not under the lock: appends go on while the disk works.
        if files.iter().try_for_each(|file| file.sync()).is_err() {
            self.marks.poison();
            return Err(Error::SyncFailed { durable: self.marks.durable() });
        }
        self.marks.set_synced();
        self.marks.set_durable(through);
        let mut flush = self.flush.lock();
        flush.unsynced.retain(|(last_seq, _)| *last_seq > through);
        let slot = flush.write_slot(self.clock.now(), through, false);
        drop(flush);
        self.marks.wake();
        slot.inspect_err(|_| self.marks.poison())?;
        Ok(through)
    }
}
