//! Counting the events of a type without walking them.

use super::{SegmentIndex, Source};
use crate::error::Result;
use crate::index::active::{ActiveIndex, Mark, TypeList};
use crate::index::layout::Section;
use crate::index::postings::{POSTINGS_BLOCK, Postings, TypePostings};
use crate::index::sealed::{Names, SealedIndex, SealedList, TypeEntry};
use crate::index::{TimeRange, TypeNo};
use crate::types::{Nanos, Ordinal};

impl SegmentIndex {
    /// How many events a type has.
    pub(crate) fn count(&self, no: TypeNo) -> Result<u32> {
        match &self.source {
            Source::Active(index) => Ok(index.list(no).map_or(0, |list| list.rank(self.bound))),
            Source::Sealed(index) => {
                let count = index.name_entry(Names::Types, no.get())?.count;
                if self.is_whole(index) {
                    return Ok(count);
                }
                let list = index.list(&index.type_entry(no)?)?;
                Ok(Postings::rank(TypePostings::Sealed(list), count, self.bound))
            }
        }
    }

    /// Least and greatest timestamp of a type, `None` without events.
    pub(crate) fn type_times(&self, no: TypeNo) -> Result<Option<TimeRange>> {
        match &self.source {
            Source::Active(index) => Ok(index.type_times(no, self.bound)),
            Source::Sealed(index) if self.is_whole(index) => {
                Ok(index.name_entry(Names::Types, no.get())?.times.some())
            }
            Source::Sealed(_) => self.scan_times(self.postings(no)?.map(Ordinal::get)),
        }
    }

    /// How many events of a type have a timestamp of at least `from` and less than `to`.
    pub(crate) fn count_between(&self, no: TypeNo, from: Nanos, to: Nanos) -> Result<u32> {
        if from >= to {
            return Ok(0);
        }
        Ok(self.count_before(no, to.get())? - self.count_before(no, from.get())?)
    }

    /// How many events of a type have a timestamp before `time`.
    ///
    /// Events that are not late are in order of time, so that those before `time` are the first ones, and the block
    /// in which they end is found by halves. Late ones, of which there are few, are counted apart.
    fn count_before(&self, no: TypeNo, time: i64) -> Result<u32> {
        match &self.source {
            Source::Active(index) => {
                let Some(list) = index.list(no) else { return Ok(0) };
                let counted = ActiveCounted { segment: self, index, list: &list, len: list.rank(self.bound) };
                count_before(&counted, time)
            }
            Source::Sealed(index) if self.is_whole(index) => {
                let entry = index.type_entry(no)?;
                let times = entry.name.times;
                if time > times.max.get() {
                    return Ok(entry.name.count);
                }
                if time <= times.min.get() {
                    return Ok(0);
                }
                let list = index.list(&entry)?;
                count_before(&SealedCounted { segment: self, index, entry, list }, time)
            }
            Source::Sealed(index) => {
                let mut count = 0;
                for ordinal in self.postings(no)? {
                    count += u32::from(index.number(Section::Times, ordinal.get())? < time);
                }
                Ok(count)
            }
        }
    }
}

/// The postings of a type, as counting sees them.
trait Counted {
    fn len(&self) -> u32;
    /// The greatest timestamp up to the end of a whole block.
    fn greatest(&self, block: usize) -> i64;
    /// What is known before a block.
    fn mark_before(&self, block: usize) -> Mark;
    fn fill(&self, block: usize, out: &mut [u32]);
    fn segment(&self) -> &SegmentIndex;
    /// How many late postings have a timestamp before `time`.
    fn late_before(&self, time: i64) -> Result<u32>;
}

fn count_before(postings: &impl Counted, time: i64) -> Result<u32> {
    let len = postings.len() as usize;
    let (mut from, mut to) = (0, len / POSTINGS_BLOCK);
    while from < to {
        let middle = from + (to - from) / 2;
        if postings.greatest(middle) < time {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    // The first event at or after `time` that is not late is in this block, or there is none.
    let start = from * POSTINGS_BLOCK;
    let mut ordinals = [0; POSTINGS_BLOCK];
    let ordinals = ordinals.get_mut(..(len - start).min(POSTINGS_BLOCK)).unwrap_or_default();
    postings.fill(from, ordinals);
    let Mark { max: mut greatest, late, .. } = postings.mark_before(from);
    let mut times = postings.segment().timestamps();
    let mut in_order = crate::index::count32(start).saturating_sub(late);
    for ordinal in ordinals.iter() {
        let each = times.get(Ordinal::new(*ordinal))?;
        if each >= greatest {
            if each >= time {
                break;
            }
            greatest = each;
            in_order += 1;
        }
    }
    Ok(in_order.saturating_add(postings.late_before(time)?))
}

struct ActiveCounted<'a> {
    segment: &'a SegmentIndex,
    index: &'a ActiveIndex,
    list: &'a TypeList,
    len: u32,
}

impl Counted for ActiveCounted<'_> {
    fn len(&self) -> u32 {
        self.len
    }

    fn greatest(&self, block: usize) -> i64 {
        self.list.mark(block).max
    }

    fn mark_before(&self, block: usize) -> Mark {
        block.checked_sub(1).map_or(Mark::START, |before| self.list.mark(before))
    }

    fn fill(&self, block: usize, out: &mut [u32]) {
        self.list.copy(crate::index::count32(block * POSTINGS_BLOCK), out);
    }

    fn segment(&self) -> &SegmentIndex {
        self.segment
    }

    fn late_before(&self, time: i64) -> Result<u32> {
        let late = self.list.late(self.len).filter(|ordinal| self.index.row(*ordinal).time < time);
        Ok(crate::index::count32(late.count()))
    }
}

struct SealedCounted<'a> {
    segment: &'a SegmentIndex,
    index: &'a SealedIndex,
    entry: TypeEntry,
    list: SealedList<'a>,
}

impl Counted for SealedCounted<'_> {
    fn len(&self) -> u32 {
        self.entry.name.count
    }

    fn greatest(&self, block: usize) -> i64 {
        self.list.greatest(block)
    }

    fn mark_before(&self, block: usize) -> Mark {
        self.list.mark_before(block)
    }

    fn fill(&self, block: usize, out: &mut [u32]) {
        self.list.fill(block, out);
    }

    fn segment(&self) -> &SegmentIndex {
        self.segment
    }

    fn late_before(&self, time: i64) -> Result<u32> {
        self.index.late_before(&self.entry, time)
    }
}
