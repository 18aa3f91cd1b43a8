//! A file read front to back in pieces.

use super::super::segment::frame_stride;
use crate::error::Result;
use crate::format::frame::{FrameFault, FrameView, Seed};
use crate::storage::File;

/// Bytes of one read, unless a frame needs more.
const PIECE_BYTES: u64 = 256 * 1024;

/// Part of a file in memory, which moves forward with the reading.
pub(crate) struct Window<'a> {
    file: &'a dyn File,
    /// Length of the file; nothing beyond it is read.
    len: u64,
    start: u64,
    bytes: Vec<u8>,
    bytes_read: u64,
}

impl<'a> Window<'a> {
    pub(crate) fn new(file: &'a dyn File, len: u64) -> Self {
        Self { file, len, start: 0, bytes: Vec::new(), bytes_read: 0 }
    }

    /// How many bytes were read from the file so far.
    pub(crate) const fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// The bytes from `offset` on that are at hand: at least `wanted`, unless the file ends before.
    pub(crate) fn at(&mut self, offset: u64, wanted: u64) -> Result<&[u8]> {
        let end = self.start + self.bytes.len() as u64;
        let is_here = offset >= self.start && offset.saturating_add(wanted).min(self.len) <= end;
        if !is_here {
            let piece = wanted.max(PIECE_BYTES).min(self.len.saturating_sub(offset));
            self.bytes.resize(usize::try_from(piece).unwrap_or(0), 0);
            let read = self.file.read_at(offset, &mut self.bytes)?;
            self.bytes.truncate(read);
            self.start = offset;
            self.bytes_read += read as u64;
        }
        let skip = usize::try_from(offset.saturating_sub(self.start)).unwrap_or(usize::MAX);
        Ok(self.bytes.get(skip..).unwrap_or_default())
    }

    /// The frame at `offset`, checked; `Ok(Ok(None))` where there is none.
    ///
    /// # Errors
    ///
    /// Those of the medium.
    pub(crate) fn frame(
        &mut self,
        offset: u64,
        seed: Seed,
    ) -> Result<Result<Option<FrameView<'_>>, FrameFault>> {
        let found = self.frame_with_crc(offset, seed)?;
        Ok(found.map(|found| found.map(|(view, _)| view)))
    }

    /// The same with the CRC-32 of the frame's body.
    ///
    /// # Errors
    ///
    /// Those of the medium.
    pub(crate) fn frame_with_crc(
        &mut self,
        offset: u64,
        seed: Seed,
    ) -> Result<Result<Option<(FrameView<'_>, u32)>, FrameFault>> {
        let room = self.len.saturating_sub(offset);
        let needed = frame_stride(self.at(offset, 4)?);
        // A frame that cannot be whole here is a fault of its length, found without reading it.
        let wanted = if needed <= room { needed.max(4) } else { 4 };
        let bytes = self.at(offset, wanted)?;
        let whole = usize::try_from(wanted).ok().and_then(|wanted| bytes.get(..wanted)).unwrap_or(bytes);
        Ok(FrameView::parse_with_crc(whole, seed))
    }
}
