//! The columns of a sealed index.

use super::SealedIndex;
use crate::error::Result;
use crate::index::column::{self, ENTRY_LEN, Entry};
use crate::index::layout::{PAIR_LEN, Section, ZONE_LEN};
use crate::index::{BLOCK, ModuleNo, TimeRange, TypeNo};

impl SealedIndex {
    /// Ordinals of a block that exist.
    pub(in crate::index) fn block_len(&self, block: usize) -> usize {
        (self.frames() as usize).saturating_sub(block.saturating_mul(BLOCK)).min(BLOCK)
    }

    fn entry(&self, section: Section, block: usize) -> Result<Entry> {
        let bytes = self.item::<ENTRY_LEN>(section, block as u64)?;
        Entry::parse(bytes).ok_or_else(|| self.nonsense(section, "a block of a column makes no sense"))
    }

    /// The number of an ordinal in a column.
    #[inline]
    pub(in crate::index) fn number(&self, section: Section, ordinal: u32) -> Result<i64> {
        let (block, at) = (ordinal as usize / BLOCK, ordinal as usize % BLOCK);
        let entry = self.entry(section, block)?;
        let (start, _) = entry.data(0);
        let (byte, shift) = entry.place(at);
        let word = self.word(section, start.saturating_add(byte as u64))?;
        match entry.code(word, shift) {
            Some(code) => Ok(entry.number(at, code)),
            None => self.exception(section, &entry, block, at),
        }
    }

    #[cold]
    fn exception(&self, section: Section, entry: &Entry, block: usize, at: usize) -> Result<i64> {
        let (data, _) = entry.data(0);
        let (start, len) = entry.exceptions(self.block_len(block));
        let bytes = self.bytes(section, data.saturating_add(start as u64), len as u64)?;
        column::exception(bytes, at)
            .ok_or_else(|| self.nonsense(section, "an exception of a column is missing"))
    }

    /// How a block of a column is packed, and its data with slack.
    pub(in crate::index) fn block(&self, section: Section, block: usize) -> Result<(Entry, &[u8])> {
        let entry = self.entry(section, block)?;
        let (start, len) = entry.data(self.block_len(block));
        Ok((entry, self.bytes(section, start, len as u64)?))
    }

    /// Reads a block of a column into the start of `out`, which is at least as long as the block.
    pub(in crate::index) fn fill(&self, section: Section, block: usize, out: &mut [i64]) -> Result<()> {
        let len = self.block_len(block).min(out.len());
        let Some(out) = out.get_mut(..len).filter(|out| !out.is_empty()) else { return Ok(()) };
        let (entry, data) = self.block(section, block)?;
        entry.fill(data, out).ok_or_else(|| self.nonsense(section, "a block of a column makes no sense"))
    }

    /// The type and the module of a pair, which is counted from 1.
    #[inline]
    pub(in crate::index) fn pair(&self, pair: i64) -> Result<Option<(TypeNo, ModuleNo)>> {
        let Some(at) = u64::try_from(pair).ok().and_then(|pair| pair.checked_sub(1)) else { return Ok(None) };
        Ok(Some(pair_of(*self.item::<PAIR_LEN>(Section::Pairs, at)?)))
    }

    /// All pairs, as they stand in the file.
    pub(in crate::index) fn pairs(&self) -> Result<&[[u8; PAIR_LEN]]> {
        let len = self.header.section(Section::Pairs).len;
        Ok(self.bytes(Section::Pairs, 0, len)?.as_chunks().0)
    }

    /// Least and greatest timestamp of a block.
    pub(in crate::index) fn zone(&self, block: usize) -> Result<Option<TimeRange>> {
        let bytes = self.item::<ZONE_LEN>(Section::Zones, block as u64)?;
        let times = super::times_of(&mut crate::format::bytes::ByteReader::new(bytes));
        Ok(times.and_then(TimeRange::some))
    }
}

/// The type and the module of an entry of the pairs.
pub(in crate::index) fn pair_of([a, b, c, d, module @ ..]: [u8; PAIR_LEN]) -> (TypeNo, ModuleNo) {
    (TypeNo::new(u32::from_le_bytes([a, b, c, d])), ModuleNo::new(u32::from_le_bytes(module)))
}
