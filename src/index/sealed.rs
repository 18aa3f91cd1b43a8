//! The index of a sealed segment: a mapped file of which each query touches a few cache lines.
//!
//! Opening it checks the header and the block checksums against the checksum in the manifest, without reading the
//! content. The content is checked by blocks of 4,096 bytes, each when it is first read; both by `pread`.
//!
//! A file that was damaged is never believed: the read that touches the damage makes the file anew from the segment
//! and answers from that, or returns [`Error::Corrupt`] where the segment is damaged as well. Bytes that were never written by this crate and have right
//! checksums all the same can give wrong answers; they cannot make a read leave the file or panic.

mod columns;
mod ids;
mod names;
mod types;

use std::borrow::Cow;

use super::TimeRange;
use super::layout::{CHECKED_BLOCK, FIXED_LEN, Header, Origin, RULES, Section};
use crate::error::{Error, Result};
use crate::format::bytes::ByteReader;
use crate::format::head::{FileKind, HEAD_LEN};
use crate::format::manifest::DerivedFile;
use crate::storage::{self, Access, BLOCK_BYTES, Blocks, Body, DerivedSource, File};
use crate::types::Nanos;

pub(super) use self::columns::pair_of;
pub(super) use self::ids::SealedIds;
pub(super) use self::names::Names;
pub(super) use self::types::{SealedList, TypeEntry};

/// The index of a sealed segment.
#[derive(Debug)]
pub(crate) struct SealedIndex {
    content: Blocks,
    header: Header,
}

impl SealedIndex {
    /// Opens a file that the manifest lists as `listed`, if it was made from `origin`.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] where the file is not the one that was listed, was made from something else, or is damaged
    /// before its content; [`Error::UnsupportedFormat`] where a later version wrote it; [`Error::Io`] where it cannot
    /// be read or mapped. The store then rebuilds it.
    pub(crate) fn open(source: DerivedSource, listed: &DerivedFile, origin: &Origin) -> Result<Self> {
        let name = &source.name;
        let file = source.disk.open(name, Access::Read)?;
        let header = read_header(&*file, listed, origin)?;
        let map = file.map_whole()?;
        if map.committed() != listed.len {
            return Err(corrupt(name, map.committed(), "the file is not as long as the manifest says"));
        }
        Ok(Self { content: Blocks::of_file(source, map, body(&header)), header })
    }

    /// Checks a file up to its content, as opening does and without a mapping, and tells where its blocks stand.
    ///
    /// # Errors
    ///
    /// As [`SealedIndex::open`].
    pub(crate) fn check_header(file: &dyn File, listed: &DerivedFile, origin: &Origin) -> Result<Body> {
        read_header(file, listed, origin).map(|header| body(&header))
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
        let fixed = bytes.get(..FIXED_LEN).unwrap_or(&bytes);
        let header = parse(name, fixed, bytes.len() as u64, listed, origin)?;
        let start = usize::try_from(header.content_start()).ok();
        let prefix = start.and_then(|start| bytes.get(..start)).unwrap_or_default();
        let mut whole = crc32fast::Hasher::new();
        whole.update(prefix);
        check_whole(name, whole, &header, listed)?;
        Ok(Self { content: Blocks::of_bytes(name, bytes.into(), body(&header)), header })
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
        self.content.check_all()
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

/// Reads and checks everything before the content.
fn read_header(file: &dyn File, listed: &DerivedFile, origin: &Origin) -> Result<Header> {
    let name = file.name();
    let mut fixed = [0; FIXED_LEN];
    let read = file.read_at(0, &mut fixed)?;
    let header = parse(name, fixed.get(..read).unwrap_or_default(), file.len()?, listed, origin)?;
    let mut whole = crc32fast::Hasher::new();
    storage::read_pieces(file, 0..header.content_start(), |piece| whole.update(piece))?;
    check_whole(name, whole, &header, listed)?;
    Ok(header)
}

/// Reads the first bytes of a file of `len` bytes.
fn parse(name: &str, fixed: &[u8], len: u64, listed: &DerivedFile, origin: &Origin) -> Result<Header> {
    if len != listed.len {
        return Err(corrupt(name, len.min(listed.len), "the file is not as long as the manifest says"));
    }
    if listed.rules != RULES {
        return Err(corrupt(name, 0, "the index was made by other rules"));
    }
    if fixed.len() < FIXED_LEN {
        return Err(corrupt(name, 0, "the file is shorter than its header"));
    }
    let mut reader = ByteReader::new(fixed);
    FileKind::Index.check_head(name, &mut reader)?;
    let header = Header::parse(&mut reader)
        .ok_or_else(|| corrupt(name, HEAD_LEN as u64, "the header makes no sense"))?;
    if header.rules != listed.rules || header.origin != *origin {
        let reason = "the index was made from something else than this segment";
        return Err(corrupt(name, HEAD_LEN as u64, reason));
    }
    if header.content_start().checked_add(header.content_len) != Some(len) {
        return Err(corrupt(name, 128, "the content is not as long as the header says"));
    }
    Ok(header)
}

/// Checks the checksum of the whole file, without reading the content: what the header says of it is part of what
/// `prefix` was taken over, so that both are right or the sum is wrong.
fn check_whole(
    name: &str,
    mut prefix: crc32fast::Hasher,
    header: &Header,
    listed: &DerivedFile,
) -> Result<()> {
    prefix.combine(&crc32fast::Hasher::new_with_initial_len(header.content_crc, header.content_len));
    if prefix.finalize() == listed.crc {
        return Ok(());
    }
    Err(corrupt(name, 0, "the header does not match the checksum in the manifest"))
}

/// Where the content of a file stands.
fn body(header: &Header) -> Body {
    Body { start: header.content_start(), len: header.content_len, crcs_at: FIXED_LEN as u64 }
}

#[cold]
fn corrupt(name: &str, offset: u64, reason: &'static str) -> Error {
    Error::Corrupt { file: name.to_owned(), offset, seq: None, reason: Cow::Borrowed(reason) }
}

/// The two timestamps at the start of `bytes`.
fn times_of(reader: &mut ByteReader<'_>) -> Option<TimeRange> {
    Some(TimeRange { min: Nanos::new(reader.i64()?), max: Nanos::new(reader.i64()?) })
}

/// Blocks are pages, so that a check reads no page more than it must.
const _: () = assert!(CHECKED_BLOCK == 4096 && BLOCK_BYTES == CHECKED_BLOCK);
