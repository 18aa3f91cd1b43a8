//! The two copies of a segment's identity, and which of them counts.
//!
//! Both are written by one call before the file's first frame, and the first sync of the file covers both. So a power
//! loss can leave either without the other in a file that was never synced, and in no other.

use super::{FIXED_LEN, HEADER_LEN, HEADER_LEN_SMALL, SegmentHeader, corrupt, is_checked};
use crate::error::Error;
use crate::format::bytes::ByteWriter;
use crate::format::head::FileKind;
use crate::types::SegmentId;

/// Bytes that are written whole or torn.
const SECTOR: u32 = 512;
/// Bytes that every header of one store and id begins with: head, store id, segment id.
const KNOWN_LEN: usize = 36;

/// Where the second copy stands: in the last sector of the header page.
pub(crate) const fn second_at(header_len: u32) -> usize {
    header_len.saturating_sub(SECTOR) as usize
}

/// What one copy is, given that the other one can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeaderCopy {
    /// It says the same.
    Whole,
    /// A crash can leave that of it where the file was never synced.
    Unsynced,
    /// No crash leaves that.
    Damaged,
}

/// The identity of a segment, and what its copies are; one of them is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) header: SegmentHeader,
    pub(crate) first: HeaderCopy,
    pub(crate) second: HeaderCopy,
}

impl Identity {
    /// Reads the header in a page: the first copy if it is whole and `fits`, else the second.
    ///
    /// `page` is the beginning of the file, [`HEADER_LEN`] bytes or what there is.
    ///
    /// # Errors
    ///
    /// Those of [`SegmentHeader::parse`] for the first copy, where neither can be used; [`Error::UnsupportedFormat`]
    /// also where one of them is whole and of a later version.
    pub(crate) fn read(
        file: &str,
        page: &[u8],
        fits: impl Fn(&SegmentHeader) -> bool,
    ) -> Result<Self, Error> {
        let first = Self::parse(file, copy_at(page, 0))?;
        if let Ok(header) = first
            && fits(&header)
        {
            let second = state_of(copy_at(page, second_at(header.header_len)), &header);
            return Ok(Self { header, first: HeaderCopy::Whole, second });
        }
        // The short page first: there a long one has zeros, and where a long one has its copy a short one has frames.
        for len in [HEADER_LEN_SMALL, HEADER_LEN] {
            if let Ok(header) = Self::parse(file, copy_at(page, second_at(len)))?
                && header.header_len == len
                && fits(&header)
            {
                let first = state_of(copy_at(page, 0), &header);
                return Ok(Self { header, first, second: HeaderCopy::Whole });
            }
        }
        Err(first.err().unwrap_or_else(|| corrupt(file, "the header is of another segment")))
    }

    /// Reads one copy; the outer error says that a later version wrote it, the inner one that it cannot be used.
    fn parse(file: &str, copy: &[u8]) -> Result<Result<SegmentHeader, Error>, Error> {
        match SegmentHeader::parse(file, copy) {
            Err(error @ Error::UnsupportedFormat { .. }) if is_checked(copy) => Err(error),
            parsed => Ok(parsed),
        }
    }
}

/// Whether a crash can leave this of a header page that was written once and never synced: of each copy its beginning,
/// or nothing.
pub(crate) fn is_torn_page(page: &[u8], store_id: [u8; 16], id: SegmentId, header_len: u32) -> bool {
    [0, second_at(header_len)].iter().all(|at| is_torn(copy_at(page, *at), store_id, id))
}

fn copy_at(page: &[u8], at: usize) -> &[u8] {
    let rest = page.get(at..).unwrap_or_default();
    rest.get(..FIXED_LEN).unwrap_or(rest)
}

fn state_of(copy: &[u8], header: &SegmentHeader) -> HeaderCopy {
    if copy == header.encode_fixed() {
        return HeaderCopy::Whole;
    }
    // A roll that failed and was tried again wrote another salt before.
    let is_earlier = |other: SegmentHeader| other.store_id == header.store_id && other.id == header.id;
    if is_torn(copy, header.store_id, header.id) || SegmentHeader::parse("", copy).is_ok_and(is_earlier) {
        HeaderCopy::Unsynced
    } else {
        HeaderCopy::Damaged
    }
}

/// Whether a crash can leave this of one copy that was never synced.
///
/// A copy stands in one sector of a file that was zeros or had no bytes, so a crash leaves the first part of it or
/// nothing, and a length that was not synced may end anywhere.
fn is_torn(copy: &[u8], store_id: [u8; 16], id: SegmentId) -> bool {
    let written = copy.iter().rposition(|byte| *byte != 0).map_or(0, |last| last.saturating_add(1));
    // A file that ends inside the copy never had all of it durable.
    let lacks_crc = written <= FIXED_LEN.saturating_sub(size_of::<u32>()) || copy.len() < FIXED_LEN;
    let mut known = Vec::with_capacity(KNOWN_LEN);
    FileKind::Segment.put_head(&mut known);
    known.put(&store_id);
    known.put_u32(id.get());
    let both = written.min(KNOWN_LEN);
    lacks_crc && copy.get(..both) == known.get(..both)
}

#[cfg(test)]
mod tests;
