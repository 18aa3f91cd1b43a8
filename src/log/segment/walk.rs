//! The frames of a segment in order.

use std::sync::atomic::Ordering as Order;

use super::{Segment, corrupt};
use crate::error::Result;
use crate::format::frame::FrameView;
use crate::types::{Ordinal, Seq};

/// How much of a segment is checked at a time, in bytes.
const PIECE_BYTES: u64 = 256 * 1024;

/// Iterates `(ordinal, offset, frame)` over a part of a segment.
///
/// Where the segment was not checked as a whole, each piece is read and checked by `pread` before the mapping is
/// trusted. After an error it ends.
#[derive(Debug)]
pub(crate) struct Scan<'a> {
    segment: &'a Segment,
    offset: u64,
    end: u64,
    /// Up to where the mapping may be trusted.
    checked_to: u64,
    /// The seq of the frame at `offset`, known from the second frame on.
    expected: Option<Seq>,
    /// Whether it began with the first frame, so that at the end the whole segment is known to be checked.
    is_whole: bool,
    buffer: Vec<u8>,
}

impl<'a> Scan<'a> {
    pub(super) fn new(segment: &'a Segment, from: u64, end: u64) -> Self {
        let committed = segment.committed();
        let end = end.min(committed);
        let trusted = segment.all_checked.load(Order::Relaxed);
        let is_whole = from == segment.first_offset() && end == committed;
        Self {
            segment,
            offset: from,
            end,
            checked_to: if trusted { end } else { from },
            expected: (from == segment.first_offset()).then(|| segment.base_seq()),
            is_whole: is_whole && !trusted,
            buffer: Vec::new(),
        }
    }

    fn read(&mut self) -> Result<(Ordinal, u32, FrameView<'a>)> {
        let segment = self.segment;
        let offset = self.offset;
        if offset >= self.checked_to {
            self.check_piece()?;
        }
        let bytes = segment.map().bytes(offset..self.end);
        let view = match bytes.map(FrameView::trusted) {
            Some(Ok(Some(view))) => view,
            Some(Err(fault)) => {
                return Err(corrupt(segment.name(), offset, self.expected, fault.to_string()));
            }
            _ => return Err(segment.corrupt(offset, self.expected, "there is no frame")),
        };
        let ordinal = segment.ordinal_of(view.seq());
        let (Some(ordinal), Ok(at)) = (ordinal, u32::try_from(offset)) else {
            return Err(segment.corrupt(offset, self.expected, "a frame of another segment stands here"));
        };
        if self.expected.is_some_and(|expected| expected != view.seq()) {
            return Err(segment.corrupt(offset, self.expected, "another frame stands here")); // L2
        }
        self.expected = Some(view.seq().next());
        self.offset = offset + view.stride();
        Ok((ordinal, at, view))
    }

    fn check_piece(&mut self) -> Result<()> {
        let segment = self.segment;
        segment.read_frames(self.offset, self.end, PIECE_BYTES, &mut self.buffer)?;
        let seq = match self.expected {
            Some(seq) => seq,
            // The start is in the middle: the frame says its own seq, and its checksum vouches for it.
            None => {
                FrameView::trusted(&self.buffer).ok().flatten().map_or(segment.base_seq(), |view| view.seq())
            }
        };
        self.checked_to = segment.check_frames(&self.buffer, self.offset, seq)?;
        Ok(())
    }
}

impl<'a> Iterator for Scan<'a> {
    type Item = Result<(Ordinal, u32, FrameView<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.offset >= self.end {
            if self.is_whole {
                self.segment.all_checked.store(true, Order::Relaxed);
            }
            return None;
        }
        let read = self.read();
        if read.is_err() {
            self.is_whole = false;
            self.offset = self.end;
        }
        Some(read)
    }
}

impl std::iter::FusedIterator for Scan<'_> {}
