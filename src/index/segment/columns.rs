//! The columns of an index: what is known of the event with an ordinal.

use super::{SegmentIndex, Source};
use crate::error::Result;
use crate::index::active::ActiveIndex;
use crate::index::column::Entry;
use crate::index::layout::Section;
use crate::index::sealed::{SealedIndex, pair_of};
use crate::index::{BLOCK, IdHash, IdKind, IdNo, ModuleNo, NONE, TypeNo};
use crate::types::{Nanos, Ordinal};

impl SegmentIndex {
    /// The offset of a frame in the segment's file; of a frame beyond the bound, zero.
    #[inline]
    pub(crate) fn offset(&self, ordinal: Ordinal) -> Result<u32> {
        if !self.shows(ordinal) {
            return Ok(0);
        }
        match &self.source {
            Source::Active(index) => Ok(index.row(ordinal.get()).offset),
            Source::Sealed(index) => index.number(Section::Offsets, ordinal.get()).map(number32),
        }
    }

    /// The timestamp of an event, `None` for a frame that is none.
    #[inline]
    pub(crate) fn timestamp(&self, ordinal: Ordinal) -> Result<Option<Nanos>> {
        if !self.shows(ordinal) {
            return Ok(None);
        }
        match &self.source {
            Source::Active(index) => {
                let row = index.row(ordinal.get());
                Ok(row.pair.map(|_| Nanos::new(row.time)))
            }
            Source::Sealed(index) if index.number(Section::PairColumn, ordinal.get())? == 0 => Ok(None),
            Source::Sealed(index) => {
                index.number(Section::Times, ordinal.get()).map(|time| Some(Nanos::new(time)))
            }
        }
    }

    /// The type and the module of an event, `None` for a frame that is none.
    #[inline]
    pub(crate) fn type_and_module(&self, ordinal: Ordinal) -> Result<Option<(TypeNo, ModuleNo)>> {
        if !self.shows(ordinal) {
            return Ok(None);
        }
        match &self.source {
            Source::Active(index) => Ok(index.row(ordinal.get()).pair.map(|pair| index.pair(pair))),
            Source::Sealed(index) => index.pair(index.number(Section::PairColumn, ordinal.get())?),
        }
    }

    /// The user or the device of an event, if it has one.
    #[inline]
    pub(crate) fn id_of(&self, kind: IdKind, ordinal: Ordinal) -> Result<Option<IdNo>> {
        if !self.shows(ordinal) {
            return Ok(None);
        }
        match &self.source {
            Source::Active(index) => Ok(index.ids(kind).id_of(ordinal.get())),
            Source::Sealed(index) => {
                let number = index.number(index.ids(kind).column(), ordinal.get())?;
                Ok(number32(number).checked_sub(1).map(IdNo::new))
            }
        }
    }

    /// The hash of an id.
    #[inline]
    pub(crate) fn id_hash(&self, kind: IdKind, id: IdNo) -> Result<IdHash> {
        match &self.source {
            Source::Active(index) => Ok(index.ids(kind).hash(id)),
            Source::Sealed(index) => index.ids(kind).hash(id),
        }
    }

    /// Frames of a block of [`BLOCK`] ordinals below the bound.
    pub(super) fn block(&self, block: usize) -> std::ops::Range<u32> {
        let start = u32::try_from(block.saturating_mul(BLOCK)).unwrap_or(u32::MAX).min(self.bound);
        start..start.saturating_add(crate::index::count32(BLOCK)).min(self.bound)
    }

    /// Reads a block of a sealed column, or what `row` gives for each ordinal of an active index.
    fn fill<T>(
        &self,
        block: usize,
        out: &mut [T; BLOCK],
        section: impl Fn(&SealedIndex) -> Section,
        sealed: impl Fn(i64) -> T,
        active: impl Fn(&ActiveIndex, u32) -> T,
    ) -> Result<usize> {
        let range = self.block(block);
        let len = range.len();
        match &self.source {
            Source::Active(index) => {
                for (out, ordinal) in out.iter_mut().zip(range) {
                    *out = active(index, ordinal);
                }
            }
            Source::Sealed(index) => {
                let mut numbers = [0i64; BLOCK];
                index.fill(section(index), block, &mut numbers)?;
                for (out, number) in out.iter_mut().zip(numbers.get(..len).unwrap_or_default()) {
                    *out = sealed(*number);
                }
            }
        }
        Ok(len)
    }

    /// Reads the timestamps of a block, and returns how many of its frames lie below the bound. A frame that is no
    /// event has any timestamp.
    pub(crate) fn fill_times(&self, block: usize, out: &mut [i64; BLOCK]) -> Result<usize> {
        let active = |index: &ActiveIndex, ordinal| index.row(ordinal).time;
        self.fill(block, out, |_| Section::Times, |time| time, active)
    }

    /// Reads the numbers of the types of a block, [`NONE`] for a frame that is no event, and returns how many of its
    /// frames lie below the bound.
    pub(crate) fn fill_types(&self, block: usize, out: &mut [u32; BLOCK]) -> Result<usize> {
        self.fill_pairs(block, out, |(type_no, _)| type_no.get())
    }

    /// Reads the numbers of the modules of a block, as [`SegmentIndex::fill_types`] does for types.
    pub(crate) fn fill_modules(&self, block: usize, out: &mut [u32; BLOCK]) -> Result<usize> {
        self.fill_pairs(block, out, |(_, module)| module.get())
    }

    fn fill_pairs(
        &self,
        block: usize,
        out: &mut [u32; BLOCK],
        part: impl Fn((TypeNo, ModuleNo)) -> u32,
    ) -> Result<usize> {
        let pairs = match &self.source {
            Source::Active(_) => &[][..],
            Source::Sealed(index) => index.pairs()?,
        };
        let sealed = |number: i64| {
            let at = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
            at.and_then(|at| pairs.get(at)).map_or(NONE, |pair| part(pair_of(*pair)))
        };
        let active = |index: &ActiveIndex, ordinal| {
            index.row(ordinal).pair.map_or(NONE, |pair| part(index.pair(pair)))
        };
        self.fill(block, out, |_| Section::PairColumn, sealed, active)
    }

    /// Reads offsets of many frames, fastest by rising or falling ordinals.
    pub(crate) fn offsets(&self) -> ColumnReader<'_> {
        ColumnReader {
            index: self,
            section: Section::Offsets,
            block: usize::MAX,
            entry: Entry::NOTHING,
            data: &[],
        }
    }

    /// Reads timestamps of many events, as [`SegmentIndex::offsets`] does for offsets.
    pub(crate) fn timestamps(&self) -> ColumnReader<'_> {
        ColumnReader { section: Section::Times, ..self.offsets() }
    }
}

/// Reads numbers of one column, remembering the block that it read last.
#[derive(Debug)]
pub(crate) struct ColumnReader<'a> {
    index: &'a SegmentIndex,
    section: Section,
    block: usize,
    entry: Entry,
    data: &'a [u8],
}

impl ColumnReader<'_> {
    /// The offset or the timestamp of an event below the bound.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`](crate::Error) where a sealed index is damaged.
    #[inline]
    pub(crate) fn get(&mut self, ordinal: Ordinal) -> Result<i64> {
        match &self.index.source {
            Source::Active(index) => {
                let row = index.row(ordinal.get());
                Ok(if self.section == Section::Times { row.time } else { i64::from(row.offset) })
            }
            Source::Sealed(index) => {
                let (block, at) = (ordinal.index() / BLOCK, ordinal.index() % BLOCK);
                if block != self.block {
                    (self.entry, self.data) = index.block(self.section, block)?;
                    self.block = block;
                }
                match self.entry.get(self.data, at) {
                    Some(number) => Ok(number),
                    None => index.number(self.section, ordinal.get()),
                }
            }
        }
    }
}

/// The number of a column that holds numbers of 32 bits.
#[inline]
fn number32(number: i64) -> u32 {
    crate::index::low(number.cast_unsigned())
}
