//! Walking the postings of one event type, in an active index and in a sealed one.

use std::sync::Arc;

use super::active::TypeList;
use super::sealed::SealedList;
use crate::types::Ordinal;

/// Postings in a block: the unit in which they are packed, skipped and counted.
pub(super) const POSTINGS_BLOCK: usize = 128;

/// Where the postings of a type stand.
#[derive(Debug, Clone)]
pub(super) enum TypePostings<'a> {
    Active(Arc<TypeList>),
    Sealed(SealedList<'a>),
}

impl TypePostings<'_> {
    /// The first posting of a block.
    fn first_of(&self, block: usize) -> u32 {
        match self {
            Self::Active(list) => list.get(super::count32(block * POSTINGS_BLOCK)),
            Self::Sealed(list) => list.first_of(block),
        }
    }

    /// Reads the first postings of a block into `out`.
    pub(super) fn fill(&self, block: usize, out: &mut [u32]) {
        match self {
            Self::Active(list) => list.copy(super::count32(block * POSTINGS_BLOCK), out),
            Self::Sealed(list) => list.fill(block, out),
        }
    }
}

/// One block of postings, read.
#[derive(Debug, Clone)]
struct Decoded {
    block: usize,
    ordinals: [u32; POSTINGS_BLOCK],
}

impl Decoded {
    const NOTHING: Self = Self { block: usize::MAX, ordinals: [0; POSTINGS_BLOCK] };

    /// Posting `at` of `len`.
    #[inline]
    fn get(&mut self, source: &TypePostings<'_>, at: u32, len: u32) -> u32 {
        let (block, place) = (at as usize / POSTINGS_BLOCK, at as usize % POSTINGS_BLOCK);
        if self.block != block {
            self.read(source, block, len);
        }
        self.ordinals.get(place).copied().unwrap_or(0)
    }

    fn read(&mut self, source: &TypePostings<'_>, block: usize, len: u32) {
        let filled = (len as usize - block * POSTINGS_BLOCK).min(POSTINGS_BLOCK);
        source.fill(block, self.ordinals.get_mut(..filled).unwrap_or_default());
        self.block = block;
    }
}

/// The events of a type by rising ordinal, from both ends.
#[derive(Debug, Clone)]
pub(crate) struct Postings<'a> {
    source: TypePostings<'a>,
    /// Postings of the type below the bound.
    len: u32,
    from: u32,
    to: u32,
    front: Decoded,
    back: Decoded,
}

impl<'a> Postings<'a> {
    /// All of the first `len` postings.
    pub(super) fn new(source: TypePostings<'a>, len: u32) -> Self {
        Self { source, len, from: 0, to: len, front: Decoded::NOTHING, back: Decoded::NOTHING }
    }

    /// How many are below `bound` among the first `len`.
    pub(super) fn rank(source: TypePostings<'a>, len: u32, bound: u32) -> u32 {
        Self::new(source, len).place(bound)
    }

    /// Leaves out those below `ordinal` that were not passed yet.
    pub(crate) fn seek(&mut self, ordinal: Ordinal) {
        let place = self.place(ordinal.get());
        self.from = self.from.max(place).min(self.to);
    }

    /// Leaves out those at or above `ordinal` that were not passed yet.
    pub(crate) fn seek_back(&mut self, ordinal: Ordinal) {
        let place = self.place(ordinal.get());
        self.to = self.to.min(place).max(self.from);
    }

    /// The number of postings below an ordinal.
    fn place(&mut self, ordinal: u32) -> u32 {
        let len = self.len;
        let (mut from, mut to) = (0, (len as usize).div_ceil(POSTINGS_BLOCK));
        while from < to {
            let middle = from + (to - from) / 2;
            if self.source.first_of(middle) < ordinal {
                from = middle + 1;
            } else {
                to = middle;
            }
        }
        let Some(block) = from.checked_sub(1) else { return 0 };
        if self.front.block != block {
            self.front.read(&self.source, block, len);
        }
        let start = block * POSTINGS_BLOCK;
        let filled = (len as usize - start).min(POSTINGS_BLOCK);
        let ordinals = self.front.ordinals.get(..filled).unwrap_or_default();
        super::count32(start + ordinals.partition_point(|each| *each < ordinal))
    }
}

impl Iterator for Postings<'_> {
    type Item = Ordinal;

    #[inline]
    fn next(&mut self) -> Option<Ordinal> {
        if self.from == self.to {
            return None;
        }
        let ordinal = self.front.get(&self.source, self.from, self.len);
        self.from += 1;
        Some(Ordinal::new(ordinal))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = (self.to - self.from) as usize;
        (left, Some(left))
    }
}

impl DoubleEndedIterator for Postings<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Ordinal> {
        if self.from == self.to {
            return None;
        }
        self.to -= 1;
        Some(Ordinal::new(self.back.get(&self.source, self.to, self.len)))
    }
}

impl ExactSizeIterator for Postings<'_> {}
impl std::iter::FusedIterator for Postings<'_> {}
