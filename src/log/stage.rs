//! Where the next frame goes: seqs, offsets and, at `Synced`, the bytes that wait for the next sync.

use std::sync::Arc;

use super::fill::Filler;
use super::fold::{Draft, Fold, Rolled};
use super::segment::{FRAME_BYTES_MAX, Segment};
use crate::error::{Error, Result};
use crate::format::frame::{self, FrameFlags, FrameHeader, FrameKind, Seed};
use crate::format::segment::{Roll, SegmentHeader};
use crate::storage::{File, MapWriter};
use crate::types::{Epoch, Nanos, Seq};

/// Bytes that every segment keeps free for its roll frame.
const ROLL_BYTES: u64 = ((frame::HEADER_LEN + Roll::LEN) as u64).next_multiple_of(frame::ALIGN as u64);

/// Frames of one segment that were given their place and are not yet in the file.
pub(crate) struct Chunk<H> {
    pub(crate) segment: Arc<Segment>,
    pub(crate) file: Arc<dyn File>,
    /// Where the bytes go.
    pub(crate) offset: u64,
    pub(crate) bytes: Vec<u8>,
    /// One for each frame.
    pub(crate) hints: Vec<H>,
    /// How far the segment's file is filled.
    pub(crate) limit: u64,
    /// The last frame that holds an event.
    pub(crate) last_event: Option<Seq>,
    /// Set on the last chunk of a segment: the seq of its roll frame.
    pub(crate) roll: Option<Seq>,
    /// Set on the first chunk of a segment that follows a roll.
    pub(crate) writer: Option<MapWriter>,
}

/// What every segment of the store shares.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lineage {
    pub(crate) store_id: [u8; 16],
    pub(crate) epoch: Epoch,
    pub(crate) header_len: u32,
    /// Longest segment that is begun from now on.
    pub(crate) segment_bytes_max: u64,
}

/// The append position. Guarded by the log's stage lock.
///
/// (S1) `end` is 8-byte aligned, and `end + ROLL_BYTES <= capacity`: a segment can always roll.
/// (S2) Everything below `end` has its place; everything below `limit` exists in the file as zeros or frames.
pub(crate) struct Stage<F: Fold> {
    pub(crate) next_seq: Seq,
    pub(crate) last_received_at: Nanos,
    segment: Arc<Segment>,
    file: Arc<dyn File>,
    pub(crate) end: u64,
    /// Longest that this segment may become.
    capacity: u64,
    limit: u64,
    /// From this end on the filler is asked for more.
    ask_at: u64,
    seed: Seed,
    lineage: Lineage,
    /// Whether the manifest says that a writer is at work.
    pub(crate) marked_open: bool,
    /// Frames staged for the next sync, in order; empty where the log is written through the mapping.
    pub(crate) chunks: Vec<Chunk<F::Hint>>,
    pub(crate) staged_bytes: u64,
    /// An emptied buffer to use again.
    pub(crate) spare: Vec<u8>,
    pub(crate) decisions: F::Decisions,
}

/// A roll that happened while room was made.
pub(crate) struct RolledTo {
    pub(crate) rolled: Rolled,
    pub(crate) next: Arc<Segment>,
    pub(crate) next_file: Arc<dyn File>,
    /// The writer of the next segment; `None` where it went into a chunk.
    pub(crate) writer: Option<MapWriter>,
    /// The roll frame, for a log that is written through the mapping.
    pub(crate) frame: Vec<u8>,
    pub(crate) frame_offset: u64,
}

/// One frame on its way: everything but the copying is done.
pub(crate) struct Sealed {
    pub(crate) head: [u8; frame::HEADER_LEN],
    pub(crate) header: FrameHeader,
    pub(crate) offset: u64,
}

impl<F: Fold> Stage<F> {
    pub(crate) fn new(
        (segment, file): (Arc<Segment>, Arc<dyn File>),
        (end, limit, capacity): (u64, u64, u64),
        (next_seq, last_received_at): (Seq, Nanos),
        lineage: Lineage,
        marked_open: bool,
        decisions: F::Decisions,
    ) -> Self {
        let seed = segment.header().seed();
        Self {
            next_seq,
            last_received_at,
            segment,
            file,
            end,
            capacity,
            limit,
            ask_at: 0,
            seed,
            lineage,
            marked_open,
            chunks: Vec::new(),
            staged_bytes: 0,
            spare: Vec::new(),
            decisions,
        }
    }

    /// Moves to the next segment where `bytes` do not fit into this one. Nothing of them is placed yet.
    ///
    /// `before_roll` is called before the log moves on, and gives the next segment its salt.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] where no segment could hold them, [`Error::NoSpace`] where the disk is full; the position
    /// is then as it was.
    pub(crate) fn roll_for(
        &mut self,
        bytes: u64,
        filler: &Filler,
        durable: Seq,
        staged: bool,
        before_roll: &mut dyn FnMut() -> Result<u64>,
    ) -> Result<Option<RolledTo>> {
        let bytes_max = room(self.lineage.segment_bytes_max, self.lineage.header_len);
        if bytes > bytes_max {
            return Err(Error::TooLarge {
                what: "what is appended at once, which must fit into one segment,",
                bytes,
                bytes_max,
            });
        }
        if self.end + bytes + ROLL_BYTES <= self.capacity {
            return Ok(None);
        }
        self.roll_now(filler, durable, staged, before_roll).map(Some)
    }

    /// Moves to the next segment, as [`Stage::roll_for`] does.
    ///
    /// # Errors
    ///
    /// [`Error::NoSpace`] where the disk is full; the position is then as it was.
    pub(crate) fn roll_now(
        &mut self,
        filler: &Filler,
        durable: Seq,
        staged: bool,
        before_roll: &mut dyn FnMut() -> Result<u64>,
    ) -> Result<RolledTo> {
        self.ensure_filled(0, filler)?;
        self.roll(filler, durable, staged, before_roll)
    }

    /// Bytes of the frames of this segment.
    pub(crate) fn frame_bytes(&self) -> u64 {
        self.end.saturating_sub(u64::from(self.lineage.header_len))
    }

    /// Longest segment that is begun from now on, in bytes.
    pub(crate) fn segment_bytes_max(&self) -> u64 {
        self.lineage.segment_bytes_max
    }

    /// Makes sure that `bytes`, and a roll frame behind them, find zeros to replace (S2).
    ///
    /// # Errors
    ///
    /// [`Error::NoSpace`] where the disk is full; the position is as it was.
    pub(crate) fn ensure_filled(&mut self, bytes: u64, filler: &Filler) -> Result<()> {
        let wanted = self.end + bytes + ROLL_BYTES;
        if wanted > self.ask_at {
            (self.limit, self.ask_at) = filler.ask(wanted);
        }
        if wanted > self.limit {
            self.limit = filler.wait_filled(wanted)?;
        }
        Ok(())
    }

    fn roll(
        &mut self,
        filler: &Filler,
        durable: Seq,
        staged: bool,
        before_roll: &mut dyn FnMut() -> Result<u64>,
    ) -> Result<RolledTo> {
        let salt = before_roll()?;
        let (id, file) = filler.prepared_file()?;
        let disk = filler.disk();
        let roll_seq = self.next_seq;
        let header = SegmentHeader {
            store_id: self.lineage.store_id,
            id,
            epoch: self.lineage.epoch,
            salt,
            base_seq: roll_seq.next(),
            header_len: self.lineage.header_len,
        };
        // A header without a roll frame before it means nothing, so that this may fail and be tried again.
        // The whole page in one write, the slots still zero: both copies, and one sync that covers both.
        file.write_at(0, &header.encode())?;
        let prepared = filler.take_prepared()?;
        let next_limit = prepared.filled;
        let next_file = prepared.file;
        let map = prepared.writer.map();
        let next = Segment::checked(Arc::clone(disk), Arc::clone(&next_file), header, map);
        let next = Arc::new(next);

        let body = Roll { next_id: header.id, next_seq: header.base_seq }.encode();
        let draft = Draft {
            kind: FrameKind::Roll,
            flags: FrameFlags::ALONE,
            keys: &[],
            body: &body,
            body_crc: crc32fast::hash(&body),
        };
        let sealed = self.place(&draft, FrameFlags::ALONE, self.last_received_at, durable);
        let mut frame_bytes = Vec::new();
        put(&mut frame_bytes, &sealed.head, &draft);
        let rolled = Rolled { segment: Arc::clone(&self.segment), end: self.end, last_seq: roll_seq };
        let mut writer = Some(prepared.writer);
        if staged {
            let chunk = self.chunk();
            chunk.bytes.extend_from_slice(&frame_bytes);
            chunk.hints.push(F::Hint::default());
            chunk.roll = Some(roll_seq);
        }
        self.segment = Arc::clone(&next);
        self.file = Arc::clone(&next_file);
        self.seed = header.seed();
        self.end = u64::from(self.lineage.header_len);
        self.capacity = self.lineage.segment_bytes_max;
        self.limit = next_limit;
        self.ask_at = 0;
        if staged {
            self.push_chunk(writer.take());
        }
        let frame_offset = sealed.offset;
        Ok(RolledTo { rolled, next, next_file, writer, frame: frame_bytes, frame_offset })
    }

    /// Gives a frame its place. The room was made before (S1, S2).
    pub(crate) fn place(
        &mut self,
        draft: &Draft<'_>,
        batch: FrameFlags,
        received_at: Nanos,
        durable: Seq,
    ) -> Sealed {
        let seq = self.next_seq;
        let lag = u32::try_from(seq.get().saturating_sub(durable.get())).unwrap_or(u32::MAX);
        let header = FrameHeader {
            seq,
            received_at,
            durable_lag: lag,
            kind: draft.kind,
            flags: draft.flags.with(batch),
        };
        let len = frame::frame_len(draft.keys.len(), draft.body.len()).unwrap_or(u32::MAX);
        let head = frame::encode_header(&header, len, draft.keys, draft.body_crc, self.seed);
        let offset = self.end;
        self.end += frame::stride(len);
        self.next_seq = seq.next();
        self.last_received_at = received_at;
        debug_assert!(self.end <= self.limit, "room was made"); // S2
        Sealed { head, header, offset }
    }

    /// Places a frame and appends its bytes to the chunk that the next sync writes.
    pub(crate) fn stage(
        &mut self,
        (draft, hint): (&Draft<'_>, F::Hint),
        batch: FrameFlags,
        received_at: Nanos,
        durable: Seq,
    ) {
        let chunk_at = self.end;
        let sealed = self.place(draft, batch, received_at, durable);
        if self.chunks.is_empty() {
            self.push_chunk_at(chunk_at, None);
        }
        let limit = self.limit;
        if let Some(chunk) = self.chunks.last_mut() {
            put(&mut chunk.bytes, &sealed.head, draft);
            chunk.hints.push(hint);
            chunk.limit = limit;
            if draft.kind == FrameKind::Event {
                chunk.last_event = Some(sealed.header.seq);
            }
        }
        self.staged_bytes += self.end - chunk_at;
    }

    fn chunk(&mut self) -> &mut Chunk<F::Hint> {
        if self.chunks.is_empty() {
            // The roll frame has its place already; the chunk begins there.
            let roll_at = self.end - ROLL_BYTES;
            self.push_chunk_at(roll_at, None);
        }
        let last = self.chunks.len() - 1;
        &mut self.chunks[last]
    }

    fn push_chunk(&mut self, writer: Option<MapWriter>) {
        self.push_chunk_at(self.end, writer);
    }

    fn push_chunk_at(&mut self, offset: u64, writer: Option<MapWriter>) {
        let bytes = std::mem::take(&mut self.spare);
        let (segment, file) = (Arc::clone(&self.segment), Arc::clone(&self.file));
        let (limit, hints) = (self.limit, Vec::new());
        self.chunks.push(Chunk {
            segment,
            file,
            offset,
            bytes,
            hints,
            limit,
            last_event: None,
            roll: None,
            writer,
        });
    }

    /// Seq of the first frame of the active segment.
    pub(crate) fn base_seq(&self) -> Seq {
        self.segment.base_seq()
    }

    /// Offset and limit of the active segment, for the writer of the mapping.
    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }
}

/// Bytes that a segment has for frames, its roll frame aside.
const fn room(segment_bytes_max: u64, header_len: u32) -> u64 {
    segment_bytes_max.saturating_sub(header_len as u64 + ROLL_BYTES)
}

/// Bytes of keys and body that a frame may have, so that a segment of `segment_bytes_max` has room for it.
pub(crate) fn frame_room(segment_bytes_max: u64, header_len: u32) -> u64 {
    let longest = room(segment_bytes_max, header_len).min(FRAME_BYTES_MAX.into());
    longest.saturating_sub((frame::HEADER_LEN + frame::ALIGN) as u64)
}

/// Appends a frame with its padding to a buffer.
fn put(out: &mut Vec<u8>, head: &[u8; frame::HEADER_LEN], draft: &Draft<'_>) {
    let len = frame::HEADER_LEN + draft.keys.len() + draft.body.len();
    out.reserve(len + frame::ALIGN);
    out.extend_from_slice(head);
    out.extend_from_slice(draft.keys);
    out.extend_from_slice(draft.body);
    let padding = len.next_multiple_of(frame::ALIGN) - len;
    out.extend_from_slice(&[0; frame::ALIGN][..padding]);
}

/// The bytes that frames take in the log.
///
/// # Errors
///
/// [`Error::TooLarge`] where one is longer than a reader takes.
pub(crate) fn batch_bytes(drafts: &[Draft<'_>]) -> Result<u64> {
    drafts.iter().try_fold(0u64, |sum, draft| match frame::frame_len(draft.keys.len(), draft.body.len()) {
        Some(len) if len <= FRAME_BYTES_MAX => Ok(sum.saturating_add(frame::stride(len))),
        _ => Err(Error::TooLarge {
            what: "a frame",
            bytes: (draft.keys.len() + draft.body.len()) as u64,
            bytes_max: u64::from(FRAME_BYTES_MAX),
        }),
    })
}

/// The batch marks of frame `at` of `count`.
pub(crate) fn batch_marks(at: usize, count: usize) -> FrameFlags {
    let mut marks = FrameFlags::default();
    if at == 0 {
        marks = marks.with(FrameFlags::BATCH_FIRST);
    }
    if at + 1 == count {
        marks = marks.with(FrameFlags::BATCH_LAST);
    }
    marks
}
