//! The index of a sealed segment: a mapped file of which each query touches a few cache lines.
//!
//! Opening it checks the header and the block checksums against the checksum in the manifest, without reading the
//! content. The content is checked by blocks of 4,096 bytes, each when it is first read.
//!
//! A file that was damaged is never believed: the read that touches the damage returns [`Error::Corrupt`], upon
//! which the store rebuilds the index from the segment. Bytes that were never written by this crate and have right
//! checksums all the same can give wrong answers; they cannot make a read leave the file or panic.

mod columns;
mod content;
mod ids;
mod names;
mod types;

use self::content::Content;
use super::TimeRange;
use super::layout::{CHECKED_BLOCK, Header, Origin, RULES, Section};
use crate::error::{Error, Result};
use crate::format::bytes::ByteReader;
use crate::format::head::{FileKind, HEAD_LEN};
use crate::format::manifest::DerivedFile;
use crate::storage::File;
use crate::types::Nanos;

pub(super) use self::columns::pair_of;
pub(super) use self::ids::SealedIds;
pub(super) use self::names::Names;
pub(super) use self::types::{SealedList, TypeEntry};

/// The index of a sealed segment.
#[derive(Debug)]
pub(crate) struct SealedIndex {
    content: Content,
    header: Header,
}

impl SealedIndex {
    /// Opens a file that the manifest lists as `listed`, if it was made from `origin`.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] where the file is not the one that was listed, was made from something else, or is damaged
    /// before its content; [`Error::UnsupportedFormat`] where a later version wrote it; [`Error::Io`] where it cannot
    /// be mapped. The store then rebuilds it.
    pub(crate) fn open(file: &dyn File, listed: &DerivedFile, origin: &Origin) -> Result<Self> {
        let map = file.map_whole()?;
        Self::parse(content::Bytes::Mapped(map), file.name(), listed, origin)
    }

    /// Takes the bytes of a file that could not be written, as a reader does that finds an index missing.
    ///
    /// # Errors
    ///
    /// As [`SealedIndex::open`].
    pub(crate) fn from_bytes(
        bytes: Vec<u8>,
        name: &str,
        listed: &DerivedFile,
        origin: &Origin,
    ) -> Result<Self> {
        Self::parse(content::Bytes::Owned(bytes), name, listed, origin)
    }

    fn parse(bytes: content::Bytes, name: &str, listed: &DerivedFile, origin: &Origin) -> Result<Self> {
        let corrupt = |offset, reason| content::corrupt(name, offset, reason);
        let len = bytes.len();
        if len != listed.len {
            return Err(corrupt(len.min(listed.len), "the file is not as long as the manifest says"));
        }
        if listed.rules != RULES {
            return Err(corrupt(0, "the index was made by other rules"));
        }
        let fixed = bytes
            .get(0..super::layout::FIXED_LEN as u64)
            .ok_or_else(|| corrupt(0, "the file is shorter than its header"))?;
        let mut reader = ByteReader::new(fixed);
        FileKind::Index.check_head(name, &mut reader)?;
        let header = Header::parse(&mut reader)
            .ok_or_else(|| corrupt(HEAD_LEN as u64, "the header makes no sense"))?;
        if header.rules != listed.rules || header.origin != *origin {
            return Err(corrupt(HEAD_LEN as u64, "the index was made from something else than this segment"));
        }
        let start = header.content_start();
        if start.checked_add(header.content_len) != Some(len) {
            return Err(corrupt(128, "the content is not as long as the header says"));
        }
        // The checksum of the whole file, without reading the content: what the header says of it is part of what is
        // read here, so that both are right or the sum is wrong.
        let prefix = bytes.get(0..start).ok_or_else(|| corrupt(0, "the file is shorter than its header"))?;
        let mut whole = crc32fast::Hasher::new();
        whole.update(prefix);
        whole.combine(&crc32fast::Hasher::new_with_initial_len(header.content_crc, header.content_len));
        if whole.finalize() != listed.crc {
            return Err(corrupt(0, "the header does not match the checksum in the manifest"));
        }
        Ok(Self { content: Content::new(name, bytes, start, header.content_len), header })
    }

    /// The same bytes again, with nothing checked yet.
    #[cfg(test)]
    pub(super) fn reopened(&self) -> Result<Self> {
        let content = self.content.reopened()?;
        Ok(Self { content, header: self.header.clone() })
    }

    /// Frames of the segment.
    pub(crate) fn frames(&self) -> u32 {
        self.header.origin.frames
    }

    /// Least and greatest timestamp, or `None` without events.
    pub(crate) fn times(&self) -> Option<TimeRange> {
        self.header.times.some()
    }

    /// Reads the whole file and checks every checksum.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] at the first damaged block.
    #[cfg(test)]
    pub(crate) fn verify(&self) -> Result<()> {
        (0..self.header.blocks()).try_for_each(|block| self.content.check_block(block))
    }

    /// Some bytes of a section, checked.
    #[inline]
    fn bytes(&self, section: Section, start: u64, len: u64) -> Result<&[u8]> {
        let extent = self.header.section(section);
        match start.checked_add(len) {
            Some(end) if end <= extent.len => self.content.get(extent.start + start, len),
            _ => Err(self.nonsense(section, "an entry leads out of its section")),
        }
    }

    /// Item `at` of a section of items of `N` bytes, checked.
    #[inline]
    fn item<const N: usize>(&self, section: Section, at: u64) -> Result<&[u8; N]> {
        let bytes = self.bytes(section, at.saturating_mul(N as u64), N as u64)?;
        bytes.first_chunk().ok_or_else(|| self.nonsense(section, "an entry leads out of its section"))
    }

    /// The eight bytes from `start` on of a section, as a word, checked.
    #[inline]
    fn word(&self, section: Section, start: u64) -> Result<u64> {
        let bytes = self.bytes(section, start, 8)?;
        Ok(bytes.first_chunk().map_or(0, |word| u64::from_le_bytes(*word)))
    }

    /// Number `at` of a section of packed numbers that are at most `max`, checked.
    #[inline]
    fn packed(&self, section: Section, max: u32, at: u32) -> Result<u32> {
        let width = super::bits::width_of(u64::from(max));
        let (byte, shift) = super::bits::place(width, at as usize);
        let word = self.word(section, byte as u64)?;
        Ok(super::low((word >> shift) & super::bits::mask(width)))
    }

    /// The error of content that has the right checksum and makes no sense.
    #[cold]
    fn nonsense(&self, section: Section, reason: &'static str) -> Error {
        self.content.corrupt(self.header.section(section).start, reason)
    }
}

/// The two timestamps at the start of `bytes`.
fn times_of(reader: &mut ByteReader<'_>) -> Option<TimeRange> {
    Some(TimeRange { min: Nanos::new(reader.i64()?), max: Nanos::new(reader.i64()?) })
}

/// Blocks are pages, so that a check reads no page more than it must.
const _: () = assert!(CHECKED_BLOCK == 4096);
