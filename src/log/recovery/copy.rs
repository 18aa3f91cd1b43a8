//! A fresh segment: frames of an old one under another id, epoch and salt.

use std::sync::Arc;

use super::super::scan::Piece;
use super::super::scan::files::TailFile;
use super::super::scan::window::Window;
use super::super::segment::{corrupt, fault_error};
use crate::error::{Error, Result};
use crate::format::frame::{self, FrameFlags, FrameHeader, FrameKind, Seed};
use crate::format::segment::{Roll, SegmentHeader, Slot};
use crate::storage::{self, File};
use crate::types::{Nanos, SegmentId, Seq};

/// Bytes gathered for one write.
const WRITE_BYTES: usize = 1024 * 1024;

/// A segment as it stands in its file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Written {
    /// Where its first frame begins.
    pub(crate) first: u64,
    /// Where its frames end.
    pub(crate) end: u64,
    pub(crate) file_len: u64,
    /// Its last frame is a roll frame.
    pub(crate) rolled: bool,
}

/// A segment that was just written and synced.
#[derive(Debug)]
pub(crate) struct Fresh {
    pub(crate) header: SegmentHeader,
    pub(crate) file: Arc<dyn File>,
    pub(crate) written: Written,
}

/// The writing of one fresh segment.
pub(crate) struct Copy<'a> {
    file: &'a dyn File,
    header: SegmentHeader,
    seed: Seed,
    buffer: Vec<u8>,
    /// Where the buffer goes in the file.
    at: u64,
    frames: u32,
    received_at: Option<Nanos>,
    rolled: bool,
}

impl<'a> Copy<'a> {
    /// An empty segment in a new file. `received_at` is that of the last frame before it.
    pub(crate) fn new(file: &'a dyn File, header: SegmentHeader, received_at: Option<Nanos>) -> Self {
        Self {
            file,
            header,
            seed: header.seed(),
            buffer: Vec::new(),
            at: u64::from(header.header_len),
            frames: 0,
            received_at,
            rolled: false,
        }
    }

    /// When the last frame so far was received.
    pub(crate) const fn received_at(&self) -> Option<Nanos> {
        self.received_at
    }

    /// Copies the frames of a piece; `next` is the segment behind it, which its roll frame names.
    pub(crate) fn frames(
        &mut self,
        piece: &Piece,
        source: Option<&TailFile>,
        next: Option<(SegmentId, Seq)>,
    ) -> Result<()> {
        let roll = next.map(|(next_id, next_seq)| Roll { next_id, next_seq }.encode());
        if let Some(source) = source {
            self.copy(piece, source, roll.as_deref())?;
        }
        if piece.cut
            && let Some(roll) = roll
        {
            let header = FrameHeader {
                seq: piece.next_seq(),
                received_at: self.received_at.unwrap_or(Nanos::new(0)),
                durable_lag: 0,
                kind: FrameKind::Roll,
                flags: FrameFlags::ALONE,
            };
            self.put(&header, &[], (&roll, crc32fast::hash(&roll)))?;
        }
        Ok(())
    }

    fn copy(&mut self, piece: &Piece, source: &TailFile, roll: Option<&[u8]>) -> Result<()> {
        let mut window = Window::new(&*source.file, piece.end);
        let mut offset = piece.from;
        let mut seq = piece.base_seq;
        while offset < piece.end {
            let (view, body_crc) = match window.frame_with_crc(offset, source.seed)? {
                Ok(Some(found)) if found.0.seq() == seq => found,
                Ok(_) => return Err(changed(source, offset, seq)),
                Err(fault) => return Err(fault_error(&source.name, offset, seq, fault)),
            };
            // Lag 0: nothing names the fresh file before it is synced.
            let header = FrameHeader { durable_lag: 0, ..*view.header() };
            let body = match roll.filter(|_| header.kind == FrameKind::Roll) {
                Some(roll) => (roll, crc32fast::hash(roll)),
                None => (view.body(), body_crc),
            };
            self.put(&header, view.keys(), body)?;
            offset += view.stride();
            seq = seq.next();
        }
        if self.frames == piece.frames { Ok(()) } else { Err(changed(source, offset, seq)) }
    }

    fn put(&mut self, header: &FrameHeader, keys: &[u8], body: (&[u8], u32)) -> Result<()> {
        frame::encode(header, keys, body, self.seed, &mut self.buffer).ok_or(Error::TooLarge {
            what: "a frame",
            bytes: body.0.len() as u64,
            bytes_max: u64::from(u32::MAX),
        })?;
        self.frames = self.frames.saturating_add(1);
        self.received_at = self.received_at.max(Some(header.received_at));
        self.rolled = header.kind == FrameKind::Roll;
        if self.buffer.len() >= WRITE_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        self.file.write_at(self.at, &self.buffer)?;
        self.at += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Writes what is gathered, zeros up to the length that `file_len` makes of the end of the frames, and the
    /// header page with a slot that says all of it is durable; then syncs the file.
    pub(crate) fn finish(mut self, file_len: impl FnOnce(u64) -> u64) -> Result<Written> {
        self.flush()?;
        let end = self.at;
        let file_len = file_len(end).max(end);
        storage::fill_zeros(self.file, end, file_len)?;
        let last = self.header.base_seq.get().saturating_add(u64::from(self.frames)).saturating_sub(1);
        let slot = Slot { generation: 1, durable: Seq::new(last), end };
        let mut page = self.header.encode();
        let slot_at = usize::try_from(slot.offset()).unwrap_or(usize::MAX);
        if let Some(place) =
            page.get_mut(slot_at..).and_then(|rest| rest.get_mut(..slot.encode(self.seed).len()))
        {
            place.copy_from_slice(&slot.encode(self.seed));
        }
        self.file.write_at(0, &page)?;
        self.file.sync()?;
        Ok(Written { first: u64::from(self.header.header_len), end, file_len, rolled: self.rolled })
    }
}

fn changed(source: &TailFile, offset: u64, seq: Seq) -> Error {
    corrupt(&source.name, offset, Some(seq), "the frame was there a moment ago and is not now")
}
