//! The ids of segments that are not sealed, in memory.
//!
//! Most ids that are looked for are new, so that what counts is how soon that is known: a filter that the processor's
//! cache holds says so without a look at the entries. Entries are written in their order, behind each other, and
//! found through short chains:
//!
//! ```text
//! hash -- line of the filter -- "no" nearly always
//!     \-- head of its chain -- entry -- the entry before it in the chain -- ..
//! ```
//!
//! Filter and heads are shared with those who do not hold the lock yet, so that they can ask the processor for them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::filter::{self, LINE};
use super::hash::MessageHash;
use super::sought::Sought;
use crate::storage::prefetch_item;
use crate::types::Seq;

/// Entries that the first part of a segment has room for, where the segment before had fewer.
const ROOM_MIN: usize = 8192;
/// So many times as many entries as a segment has by now are expected to come.
const GROWTH: usize = 3;
/// Most entries of a part, so that making one ready does not keep a writer waiting.
const ROOM_MAX: usize = 1 << 18;
/// Entries to a chain, where a part is full.
const CHAIN: usize = 4;
/// Parts that are kept to be used again: fresh memory is dearer than what is written into it.
const SPARE_PARTS: usize = 2;

#[derive(Debug, Clone, Copy)]
struct Entry {
    hash: MessageHash,
    /// The seq minus the base seq.
    number: u32,
    /// One more than the place of the entry before it in its chain; 0 where there is none.
    before: u32,
}

/// A line of a filter, and a cache line.
#[derive(Debug)]
#[repr(align(64))]
struct Line([AtomicU64; LINE / 8]);

impl Line {
    const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; LINE / 8])
    }

    fn word(&self, bit: u64) -> Option<&AtomicU64> {
        self.0.get(place(bit / 64))
    }

    #[inline]
    fn insert(&self, hash: MessageHash) {
        for bit in filter::bits_of(hash.get()) {
            if let Some(word) = self.word(bit) {
                word.store(word.load(Ordering::Relaxed) | 1 << (bit % 64), Ordering::Relaxed);
            }
        }
    }

    #[inline]
    fn may_hold(&self, sought: &Sought) -> bool {
        sought.pattern.may_be_in(self.0.iter().map(|word| word.load(Ordering::Relaxed)))
    }
}

/// Where to look first for some ids. Written and believed under the log's lock only, and atomic only so that its
/// addresses can be taken elsewhere: no order is needed.
#[derive(Debug)]
pub(crate) struct Signs {
    filter: Box<[Line]>,
    /// One more than the place of the last entry of each chain; 0 where there is none.
    heads: Box<[AtomicU32]>,
}

impl Signs {
    fn with_room(room: usize) -> Self {
        // A quarter more bits than in a run: what a wrong answer costs here is a chain.
        let lines = filter::lines(room as u64 * 5 / 4);
        Self {
            filter: (0..lines).map(|_| Line::new()).collect(),
            heads: (0..room.div_ceil(CHAIN)).map(|_| AtomicU32::new(0)).collect(),
        }
    }

    fn clear(&self) {
        let words = self.filter.iter().flat_map(|line| &line.0);
        words.for_each(|word| word.store(0, Ordering::Relaxed));
        self.heads.iter().for_each(|head| head.store(0, Ordering::Relaxed));
    }

    #[inline]
    fn line(&self, hash: MessageHash) -> Option<&Line> {
        self.filter.get(place(filter::line_of(hash.get(), self.filter.len() as u64)))
    }

    #[inline]
    fn head(&self, hash: MessageHash) -> Option<&AtomicU32> {
        self.heads.get(place(filter::line_of(hash.get(), self.heads.len() as u64)))
    }

    /// Asks the processor for what is looked at first, for a use that comes a little later.
    #[inline]
    pub(crate) fn prefetch(&self, hash: MessageHash) {
        if let (Some(line), Some(head)) = (self.line(hash), self.head(hash)) {
            prefetch_item(line);
            prefetch_item(head);
        }
    }
}

/// The ids of some frames of one segment, as many as there is room for.
#[derive(Debug)]
struct Part {
    signs: Arc<Signs>,
    entries: Vec<Entry>,
    room: usize,
}

impl Part {
    fn with_room(room: usize) -> Self {
        Self { signs: Arc::new(Signs::with_room(room)), entries: Vec::with_capacity(room), room }
    }

    fn clear(&mut self) {
        self.signs.clear();
        self.entries.clear();
    }

    #[inline]
    fn push(&mut self, hash: MessageHash, number: u32) {
        if let (Some(line), Some(head)) = (self.signs.line(hash), self.signs.head(hash)) {
            line.insert(hash);
            self.entries.push(Entry { hash, number, before: head.load(Ordering::Relaxed) });
            head.store(u32::try_from(self.entries.len()).unwrap_or(0), Ordering::Relaxed);
        }
    }

    #[inline]
    fn find(&self, sought: &Sought, take: impl FnMut(u32)) {
        if self.signs.line(sought.hash).is_some_and(|line| line.may_hold(sought)) {
            self.find_entries(sought.hash, take);
        }
    }

    #[inline(never)]
    fn find_entries(&self, hash: MessageHash, mut take: impl FnMut(u32)) {
        let mut next = self.signs.head(hash).map_or(0, |head| head.load(Ordering::Relaxed));
        // Ends, as each entry leads to an earlier one.
        while let Some(entry) = next.checked_sub(1).and_then(|at| self.entries.get(at as usize)) {
            if entry.hash == hash {
                take(entry.number);
            }
            next = entry.before;
        }
    }
}

#[inline]
fn place(at: u64) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}

/// The ids of one segment.
#[derive(Debug)]
struct Segment {
    base_seq: Seq,
    /// All of them full but the last.
    parts: Vec<Part>,
}

impl Segment {
    fn len(&self) -> usize {
        self.parts.iter().map(|part| part.entries.len()).sum()
    }
}

/// The ids of everything behind some seq. Guarded by the log's lock, and ahead of what is visible.
///
/// (D1) Segments are in the order of their seqs; a seq belongs to the last one that begins at or before it.
/// (D2) Every id of a frame at or behind `first_seq` is here.
#[derive(Debug)]
pub(crate) struct Recent {
    first_seq: Seq,
    segments: VecDeque<Segment>,
    /// The greatest seq that has an id here.
    last_seq: Seq,
    /// Parts of segments that are sealed by now.
    spare: Vec<Part>,
}

impl Recent {
    /// No ids, of a log that goes on with `first_seq`.
    pub(crate) const fn new(first_seq: Seq) -> Self {
        Self { first_seq, segments: VecDeque::new(), last_seq: Seq::ZERO, spare: Vec::new() }
    }

    /// All ids of frames with this seq or a later one are here.
    pub(crate) const fn first_seq(&self) -> Seq {
        self.first_seq
    }

    /// The greatest seq that has an id here; 0 where none has.
    pub(crate) const fn last_seq(&self) -> Seq {
        self.last_seq
    }

    /// Adds the id of a frame in the segment that begins with `base_seq`. Seqs only rise. Returns whether
    /// [`Recent::signs`] are others now.
    #[inline]
    pub(crate) fn insert(&mut self, base_seq: Seq, hash: MessageHash, seq: Seq) -> bool {
        let number = u32::try_from(seq.get().saturating_sub(base_seq.get())).unwrap_or(u32::MAX);
        let last = self.segments.back_mut().filter(|last| last.base_seq >= base_seq);
        let part = last.and_then(|last| last.parts.last_mut()).filter(|part| part.entries.len() < part.room);
        let is_full = part.is_none();
        match part {
            Some(part) => part.push(hash, number),
            None => self.new_part(base_seq).push(hash, number),
        }
        self.last_seq = self.last_seq.max(seq);
        is_full
    }

    /// Where ids are looked for first.
    pub(crate) fn signs(&self) -> Vec<Arc<Signs>> {
        let parts = self.segments.iter().flat_map(|segment| &segment.parts);
        parts.map(|part| Arc::clone(&part.signs)).collect()
    }

    /// An empty part of the segment that begins with `base_seq`.
    #[cold]
    fn new_part(&mut self, base_seq: Seq) -> &mut Part {
        let last = self.segments.back();
        let is_new = last.is_none_or(|last| last.base_seq < base_seq);
        // A new segment has as many as the one before.
        let expected = last.map_or(0, Segment::len) * if is_new { 1 } else { GROWTH };
        let room = expected.next_multiple_of(ROOM_MIN).clamp(ROOM_MIN, ROOM_MAX);
        if is_new {
            self.segments.push_back(Segment { base_seq, parts: Vec::new() });
        }
        let spare = self.spare.iter().position(|part| (room..=2 * room).contains(&part.room));
        let part = spare.map_or_else(
            || Part::with_room(room),
            |spare| {
                let mut part = self.spare.swap_remove(spare);
                part.clear();
                part
            },
        );
        let end = self.segments.len() - 1;
        let parts = &mut self.segments[end].parts;
        parts.push(part);
        let end = parts.len() - 1;
        &mut parts[end]
    }

    /// The seqs behind `after` of frames whose id has this hash, in no order.
    #[inline]
    pub(crate) fn find(&self, hash: MessageHash, after: Seq, mut take: impl FnMut(Seq)) {
        if after >= self.last_seq {
            return;
        }
        let sought = Sought::of(hash);
        for Segment { base_seq, parts } in &self.segments {
            for part in parts {
                part.find(&sought, |number| {
                    let seq = base_seq.plus(u64::from(number));
                    if seq > after {
                        take(seq);
                    }
                });
            }
        }
    }

    /// Lets the ids go of all segments that end at or before `through`: they are in runs.
    #[inline]
    pub(crate) fn forget(&mut self, through: Seq) {
        if through >= self.first_seq {
            self.forget_through(through);
        }
    }

    #[cold]
    fn forget_through(&mut self, through: Seq) {
        self.first_seq = through.next();
        let is_all = self.last_seq <= through;
        // A segment without ids is not here, so that the one before may seem to reach farther than it does.
        while is_all || self.segments.get(1).is_some_and(|next| next.base_seq <= self.first_seq) {
            let Some(sealed) = self.segments.pop_front() else { break };
            self.spare.extend(sealed.parts);
        }
        let surplus = self.spare.len().saturating_sub(SPARE_PARTS);
        self.spare.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(recent: &Recent, hash: u64, after: u64) -> Vec<u64> {
        let mut seqs = Vec::new();
        recent.find(MessageHash::new(hash << 40), Seq::new(after), |seq| seqs.push(seq.get()));
        seqs.sort_unstable();
        seqs
    }

    #[test]
    fn what_is_sealed_is_forgotten_and_what_is_not_stays() {
        let mut recent = Recent::new(Seq::new(1));
        for seq in 1..=30_u64 {
            recent.insert(
                Seq::new((seq - 1) / 10 * 10 + 1),
                MessageHash::new((seq % 10) << 40),
                Seq::new(seq),
            );
        }
        assert_eq!(found(&recent, 3, 0), [3, 13, 23]);
        assert_eq!(found(&recent, 3, 3), [13, 23]);
        recent.forget(Seq::new(10));
        assert_eq!((found(&recent, 3, 0), recent.first_seq()), (vec![13, 23], Seq::new(11)));
        recent.forget(Seq::new(10));
        recent.forget(Seq::new(5));
        assert_eq!(recent.first_seq(), Seq::new(11));
        recent.forget(Seq::new(30));
        assert!(found(&recent, 3, 0).is_empty());
        recent.insert(Seq::new(31), MessageHash::new(3 << 40), Seq::new(33));
        assert_eq!((found(&recent, 3, 0), recent.last_seq()), (vec![33], Seq::new(33)));
    }

    #[test]
    fn every_id_is_found_and_few_others_are_looked_for_however_many_there_are() {
        let spread = |n: u64| {
            let mixed = (n ^ (n >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            MessageHash::new((mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) ^ (mixed >> 31))
        };
        let mut recent = Recent::new(Seq::new(1));
        let count = 4 * ROOM_MIN as u64 + 7;
        let segments = [1, count + 1, 2 * count + 1, 3 * count + 1];
        for (base, seq) in segments.iter().flat_map(|base| (*base..base + count).map(move |seq| (base, seq)))
        {
            recent.insert(Seq::new(*base), spread(seq), Seq::new(seq));
            recent.insert(Seq::new(*base), spread(seq / 2), Seq::new(seq));
            if seq % count == 0 {
                recent.forget(Seq::new((seq - 1) / count * count));
            }
        }
        let rooms =
            |at: usize| -> Vec<usize> { recent.segments[at].parts.iter().map(|part| part.room).collect() };
        assert_eq!(rooms(0).len(), 1, "as many as the one before had");
        assert_eq!(recent.segments.len(), 1);
        assert_eq!((recent.spare.len(), recent.signs().len()), (2, 1));
        let kept = 3 * count + 1..=4 * count;
        for number in 3 * count / 2..=4 * count {
            let mut seqs = Vec::new();
            recent.find(spread(number), Seq::ZERO, |seq| seqs.push(seq.get()));
            seqs.sort_unstable();
            let expected = [number, 2 * number, 2 * number + 1].into_iter().filter(|seq| kept.contains(seq));
            assert_eq!(seqs, expected.collect::<Vec<_>>(), "{number}");
        }
        let parts = || recent.segments.iter().flat_map(|segment| &segment.parts);
        let may = |hash: MessageHash| {
            parts().filter(|part| part.signs.line(hash).unwrap().may_hold(&Sought::of(hash))).count()
        };
        let wrong: usize = (0..20_000).map(|n| may(spread(n + 10 * count))).sum();
        assert!(wrong < 20_000 * parts().count() / 200, "{wrong}");
    }

    #[test]
    fn a_segment_goes_when_its_last_frame_is_sealed_and_not_before() {
        let mut recent = Recent::new(Seq::new(1));
        let hash = MessageHash::new(7 << 40);
        // The second segment has one frame.
        for (base_seq, seq) in [(1, 1), (1, 10), (11, 11), (12, 12)] {
            recent.insert(Seq::new(base_seq), hash, Seq::new(seq));
        }
        recent.forget(Seq::new(9));
        assert_eq!((found(&recent, 7, 9), recent.first_seq()), (vec![10, 11, 12], Seq::new(10)));
        recent.forget(Seq::new(10));
        assert_eq!((found(&recent, 7, 0), recent.first_seq()), (vec![11, 12], Seq::new(11)));
        recent.forget(Seq::new(11));
        assert_eq!((found(&recent, 7, 0), recent.first_seq()), (vec![12], Seq::new(12)));
    }

    #[test]
    fn a_segment_without_ids_takes_none_of_the_next_with_it() {
        let mut recent = Recent::new(Seq::new(1));
        recent.insert(Seq::new(1), MessageHash::new(7 << 40), Seq::new(2));
        // The segment from 11 on has no ids.
        recent.insert(Seq::new(21), MessageHash::new(7 << 40), Seq::new(25));
        recent.forget(Seq::new(10));
        assert_eq!(found(&recent, 7, 10), [25]);
        recent.forget(Seq::new(20));
        assert_eq!(found(&recent, 7, 0), [25]);
    }
}
