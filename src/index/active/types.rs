//! The postings of one event type while its segment is written.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::index::chunks::List;
use crate::index::postings::POSTINGS_BLOCK;
use crate::index::{high, join, low};

/// Postings that a type holds without further memory, so that many rare types stay small.
const INLINE: usize = 6;

/// The postings of a type, in rising order.
///
/// An event is *late* if an earlier posting of its type has a greater timestamp. The other events are in time order,
/// which is what counting in a range of time rests on.
#[derive(Debug, Default)]
pub(in crate::index) struct TypeList {
    len: AtomicU32,
    inline: [AtomicU32; INLINE],
    more: OnceLock<Box<More>>,
}

#[derive(Debug)]
struct More {
    postings: List<AtomicU32>,
    /// Number and ordinal of each late posting.
    late: List<AtomicU64>,
    late_len: AtomicU32,
    /// For each whole block of postings [`MARK_WORDS`] words: the greatest and the least timestamp up to its end,
    /// and how many postings up to its end are late.
    marks: List<AtomicU64>,
}

const MARK_WORDS: usize = 3;

/// What is known of the postings up to the end of a block.
#[derive(Debug, Clone, Copy)]
pub(in crate::index) struct Mark {
    pub(in crate::index) max: i64,
    pub(in crate::index) min: i64,
    pub(in crate::index) late: u32,
}

impl Mark {
    pub(in crate::index) const START: Self = Self { max: i64::MIN, min: i64::MAX, late: 0 };
}

impl TypeList {
    fn more(&self) -> &More {
        self.more.get_or_init(|| {
            Box::new(More {
                postings: List::new(),
                late: List::new(),
                late_len: AtomicU32::new(0),
                marks: List::new(),
            })
        })
    }

    /// Postings written so far.
    #[inline]
    pub(in crate::index) fn len(&self) -> u32 {
        // Acquire: the postings are in place before the length that exposes them.
        self.len.load(Ordering::Acquire)
    }

    /// The ordinal of a posting.
    #[inline]
    pub(in crate::index) fn get(&self, at: u32) -> u32 {
        let at = at as usize;
        match self.inline.get(at) {
            Some(cell) => cell.load(Ordering::Acquire),
            None => self.more.get().map_or(0, |more| more.postings.get(at - INLINE)),
        }
    }

    /// Copies postings from `at` on into `out`.
    pub(in crate::index) fn copy(&self, at: u32, out: &mut [u32]) {
        let mut at = at as usize;
        let mut out = out;
        while let Some(cell) = self.inline.get(at) {
            let Some((first, rest)) = out.split_first_mut() else { return };
            *first = cell.load(Ordering::Acquire);
            out = rest;
            at += 1;
        }
        if let Some(more) = self.more.get() {
            more.postings.copy(at - INLINE, out);
        }
    }

    /// How many postings are below an ordinal.
    pub(in crate::index) fn rank(&self, ordinal: u32) -> u32 {
        let (mut from, mut to) = (0, self.len());
        // Most readers ask for all there are.
        if to > 0 && self.get(to - 1) < ordinal {
            return to;
        }
        while from < to {
            let middle = from + (to - from) / 2;
            if self.get(middle) < ordinal {
                from = middle + 1;
            } else {
                to = middle;
            }
        }
        from
    }

    /// What is known up to the end of a block of which all postings are written.
    pub(in crate::index) fn mark(&self, block: usize) -> Mark {
        let Some(more) = self.more.get() else { return Mark::START };
        let word = |at| more.marks.get(block * MARK_WORDS + at);
        Mark { max: word(0).cast_signed(), min: word(1).cast_signed(), late: low(word(2)) }
    }

    /// The ordinals of the late ones among the first `len` postings.
    pub(in crate::index) fn late(&self, len: u32) -> impl Iterator<Item = u32> {
        let more = self.more.get();
        let written = more.map_or(0, |more| more.late_len.load(Ordering::Acquire));
        (0..written as usize)
            .map_while(move |at| more.map(|more| more.late.get(at)))
            .take_while(move |word| high(*word) < len)
            .map(low)
    }
}

/// What the writer knows of a type without asking the list.
#[derive(Debug)]
pub(super) struct TypeWriter {
    len: u32,
    mark: Mark,
}

impl TypeWriter {
    pub(super) const fn new() -> Self {
        Self { len: 0, mark: Mark::START }
    }

    /// Appends a posting.
    #[inline]
    pub(super) fn push(&mut self, list: &TypeList, ordinal: u32, time: i64) {
        let at = self.len;
        if time < self.mark.max {
            let more = list.more();
            more.late.set(self.mark.late as usize, join(at, ordinal));
            self.mark.late += 1;
            more.late_len.store(self.mark.late, Ordering::Release);
        }
        self.mark.max = self.mark.max.max(time);
        self.mark.min = self.mark.min.min(time);
        match list.inline.get(at as usize) {
            Some(cell) => cell.store(ordinal, Ordering::Release),
            None => list.more().postings.set(at as usize - INLINE, ordinal),
        }
        self.len = at + 1;
        if (self.len as usize).is_multiple_of(POSTINGS_BLOCK) {
            let first = at as usize / POSTINGS_BLOCK * MARK_WORDS;
            let marks = &list.more().marks;
            marks.set(first, self.mark.max.cast_unsigned());
            marks.set(first + 1, self.mark.min.cast_unsigned());
            marks.set(first + 2, u64::from(self.mark.late));
        }
        // Release: posting, mark and late entry are in place before the length that exposes them.
        list.len.store(self.len, Ordering::Release);
    }
}
