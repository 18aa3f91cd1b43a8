//! The postings of types in a sealed index.

use super::SealedIndex;
use super::names::NameEntry;
use crate::error::Result;
use crate::format::bytes::ByteReader;
use crate::index::TypeNo;
use crate::index::active::Mark;
use crate::index::bits::{self, SLACK};
use crate::index::layout::{SKIP_LEN, Section, TYPE_LEN};
use crate::index::postings::POSTINGS_BLOCK;

/// An entry of the types.
#[derive(Debug, Clone, Copy)]
pub(in crate::index) struct TypeEntry {
    pub(in crate::index) name: NameEntry,
    first_skip: u32,
    first_late: u32,
    pub(in crate::index) late_count: u32,
}

/// What is known of a block of postings.
#[derive(Debug, Clone, Copy)]
struct Skip {
    first: u32,
    /// Where the block's gaps begin.
    gaps: u32,
    late_before: u32,
    width: u8,
    /// The greatest timestamp of the type up to the block's end.
    greatest: i64,
}

impl Skip {
    fn parse(bytes: [u8; SKIP_LEN]) -> Option<Self> {
        let mut reader = ByteReader::new(&bytes);
        let (first, gaps, late_before) = (reader.u32()?, reader.u32()?, reader.u32()?);
        let [width, _, _, _] = reader.array()?;
        Some(Self { first, gaps, late_before, width: width.min(64), greatest: reader.i64()? })
    }
}

/// The postings of a type, checked.
#[derive(Debug, Clone, Copy)]
pub(in crate::index) struct SealedList<'a> {
    skips: &'a [[u8; SKIP_LEN]],
    /// The gaps of the type's blocks and whatever follows them, slack included.
    gaps: &'a [u8],
    gaps_start: u32,
}

impl SealedList<'_> {
    fn skip(&self, block: usize) -> Option<Skip> {
        self.skips.get(block).and_then(|bytes| Skip::parse(*bytes))
    }

    pub(in crate::index) fn first_of(&self, block: usize) -> u32 {
        self.skip(block).map_or(u32::MAX, |skip| skip.first)
    }

    pub(in crate::index) fn fill(&self, block: usize, out: &mut [u32]) {
        let Some(skip) = self.skip(block) else { return };
        let start = skip.gaps.wrapping_sub(self.gaps_start) as usize;
        let gaps = self.gaps.get(start..).unwrap_or_default();
        let Some((first, rest)) = out.split_first_mut() else { return };
        *first = skip.first;
        let mut ordinal = skip.first;
        for (at, out) in rest.iter_mut().enumerate() {
            let gap = bits::unpack(gaps, skip.width, at).unwrap_or(0);
            ordinal = ordinal.wrapping_add(crate::index::low(gap)).wrapping_add(1);
            *out = ordinal;
        }
    }

    /// What is known up to the end of a whole block, its late postings left out.
    pub(in crate::index) fn greatest(&self, block: usize) -> i64 {
        self.skip(block).map_or(i64::MAX, |skip| skip.greatest)
    }

    /// What is known before a block.
    pub(in crate::index) fn mark_before(&self, block: usize) -> Mark {
        let greatest = block.checked_sub(1).map_or(i64::MIN, |before| self.greatest(before));
        let late = self.skip(block).map_or(0, |skip| skip.late_before);
        Mark { max: greatest, late, ..Mark::START }
    }
}

impl SealedIndex {
    pub(in crate::index) fn type_entry(&self, no: TypeNo) -> Result<TypeEntry> {
        let mut reader = ByteReader::new(self.item::<TYPE_LEN>(Section::Types, u64::from(no.get()))?);
        let mut parse = || {
            Some(TypeEntry {
                name: NameEntry::parse(&mut reader)?,
                first_skip: reader.u32()?,
                first_late: reader.u32()?,
                late_count: reader.u32()?,
            })
        };
        parse().ok_or_else(|| self.nonsense(Section::Types, "the entry of a type makes no sense"))
    }

    /// The postings of a type. All of them are checked here, so that walking them cannot fail.
    pub(in crate::index) fn list(&self, entry: &TypeEntry) -> Result<SealedList<'_>> {
        let blocks = (entry.name.count as usize).div_ceil(POSTINGS_BLOCK);
        let skips = self.bytes(
            Section::Skips,
            u64::from(entry.first_skip) * SKIP_LEN as u64,
            (blocks * SKIP_LEN) as u64,
        )?;
        let mut list = SealedList { skips: skips.as_chunks().0, gaps: &[], gaps_start: 0 };
        if let (Some(first), Some(last)) =
            (list.skip(0), blocks.checked_sub(1).and_then(|last| list.skip(last)))
        {
            let in_last = entry.name.count as usize - (blocks - 1) * POSTINGS_BLOCK;
            let last_len = bits::packed_len(in_last - 1, last.width) + SLACK;
            let len = u64::from(last.gaps.saturating_sub(first.gaps)).saturating_add(last_len as u64);
            list.gaps = self.bytes(Section::Gaps, u64::from(first.gaps), len)?;
            list.gaps_start = first.gaps;
        }
        Ok(list)
    }

    /// How many of a type's late postings have a timestamp before `time`.
    pub(in crate::index) fn late_before(&self, entry: &TypeEntry, time: i64) -> Result<u32> {
        let (mut from, mut to) = (0, entry.late_count);
        while from < to {
            let middle = from + (to - from) / 2;
            let at = entry.first_late.saturating_add(middle);
            let ordinal = self.packed(Section::Late, self.frames(), at)?;
            if self.number(Section::Times, ordinal)? < time {
                from = middle + 1;
            } else {
                to = middle;
            }
        }
        Ok(from)
    }
}

const _: () = assert!(POSTINGS_BLOCK == 128, "the format says 128");
