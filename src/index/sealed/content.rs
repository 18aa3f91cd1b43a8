//! The content of an index file, of which nothing is read unchecked.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};
use crate::index::layout::{CHECKED_BLOCK, FIXED_LEN};
use crate::storage::Map;

/// The bytes of a whole file.
#[derive(Debug)]
pub(super) enum Bytes {
    Mapped(Map),
    Owned(Vec<u8>),
}

impl Bytes {
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Mapped(map) => map.committed(),
            Self::Owned(bytes) => bytes.len() as u64,
        }
    }

    #[inline]
    pub(super) fn get(&self, range: Range<u64>) -> Option<&[u8]> {
        match self {
            Self::Mapped(map) => map.bytes(range),
            Self::Owned(bytes) => {
                bytes.get(usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?)
            }
        }
    }
}

/// The error of a damaged index file.
#[cold]
pub(super) fn corrupt(name: &str, offset: u64, reason: &'static str) -> Error {
    Error::Corrupt { file: name.to_owned(), offset, seq: None, reason: Cow::Borrowed(reason) }
}

/// The content, and which of its blocks were found to be as they were written.
#[derive(Debug)]
pub(super) struct Content {
    name: Box<str>,
    bytes: Bytes,
    start: u64,
    len: u64,
    /// A bit for each block. It is set by whoever checked the block first; a check made twice does no harm, so that
    /// no order is needed.
    checked: Box<[AtomicU64]>,
}

impl Content {
    pub(super) fn new(name: &str, bytes: Bytes, start: u64, len: u64) -> Self {
        let blocks = len.div_ceil(CHECKED_BLOCK).div_ceil(64);
        Self {
            name: name.into(),
            bytes,
            start,
            len,
            checked: (0..blocks).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// The same bytes again, with nothing checked yet.
    #[cfg(test)]
    pub(super) fn reopened(&self) -> Result<Self> {
        let bytes = self.bytes.get(0..self.bytes.len()).map(<[u8]>::to_vec);
        let bytes = bytes.ok_or_else(|| self.corrupt(0, "the bytes are gone"))?;
        Ok(Self::new(&self.name, Bytes::Owned(bytes), self.start, self.len))
    }

    /// `len` bytes from `start` on, the blocks that they lie in checked.
    #[inline]
    pub(super) fn get(&self, start: u64, len: u64) -> Result<&[u8]> {
        let end = start.saturating_add(len);
        let (first, last) = (start / CHECKED_BLOCK, end.saturating_sub(1) / CHECKED_BLOCK);
        if !self.is_checked(first) || first < last {
            self.check_blocks(first, end.div_ceil(CHECKED_BLOCK))?;
        }
        let range = self.start.saturating_add(start)..self.start.saturating_add(end);
        self.bytes.get(range).ok_or_else(|| self.corrupt(start, "an entry leads out of the file"))
    }

    #[inline]
    fn is_checked(&self, block: u64) -> bool {
        let word = usize::try_from(block / 64).ok().and_then(|word| self.checked.get(word));
        word.is_some_and(|word| word.load(Ordering::Relaxed) >> (block % 64) & 1 != 0)
    }

    #[inline(never)]
    fn check_blocks(&self, from: u64, to: u64) -> Result<()> {
        (from..to).filter(|block| !self.is_checked(*block)).try_for_each(|block| self.check_block(block))
    }

    /// Checks a block against its checksum, and notes that it was right.
    #[cold]
    pub(super) fn check_block(&self, block: u64) -> Result<()> {
        let start = block.saturating_mul(CHECKED_BLOCK);
        let end = start.saturating_add(CHECKED_BLOCK).min(self.len);
        let bytes = (start < end)
            .then(|| self.bytes.get(self.start.saturating_add(start)..self.start.saturating_add(end)))
            .flatten();
        let at = (FIXED_LEN as u64).saturating_add(block.saturating_mul(4));
        let expected = self.bytes.get(at..at.saturating_add(4)).and_then(|bytes| bytes.first_chunk());
        match (bytes, expected) {
            (Some(bytes), Some(expected)) if crc32fast::hash(bytes) == u32::from_le_bytes(*expected) => {}
            _ => return Err(self.corrupt(start, "the checksum of a block does not match")),
        }
        if let Some(word) = usize::try_from(block / 64).ok().and_then(|word| self.checked.get(word)) {
            word.fetch_or(1 << (block % 64), Ordering::Relaxed);
        }
        Ok(())
    }

    /// The error of damage at an offset of the content.
    #[cold]
    pub(super) fn corrupt(&self, offset: u64, reason: &'static str) -> Error {
        corrupt(&self.name, self.start.saturating_add(offset), reason)
    }
}
