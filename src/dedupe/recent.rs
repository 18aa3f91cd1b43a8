//! The ids of segments that are not sealed: a table for each, in memory.

use std::collections::VecDeque;

use super::hash::MessageHash;
use super::table::IdTable;
use crate::types::Seq;

/// The ids of one segment.
#[derive(Debug)]
struct Segment {
    base_seq: Seq,
    /// By hash, the seq minus the base seq.
    table: IdTable,
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
}

impl Recent {
    /// No ids, of a log that goes on with `first_seq`.
    pub(crate) const fn new(first_seq: Seq) -> Self {
        Self { first_seq, segments: VecDeque::new(), last_seq: Seq::ZERO }
    }

    /// All ids of frames with this seq or a later one are here.
    pub(crate) const fn first_seq(&self) -> Seq {
        self.first_seq
    }

    /// The greatest seq that has an id here; 0 where none has.
    pub(crate) const fn last_seq(&self) -> Seq {
        self.last_seq
    }

    /// Adds the id of a frame in the segment that begins with `base_seq`. Seqs only rise.
    pub(crate) fn insert(&mut self, base_seq: Seq, hash: MessageHash, seq: Seq) {
        if self.segments.back().is_none_or(|last| last.base_seq < base_seq) {
            // As many as the one before, so that the table need not grow while a writer waits.
            let room = self.segments.back().map_or(0, |last| last.table.len());
            self.segments.push_back(Segment { base_seq, table: IdTable::with_room(room) });
        }
        if let Some(Segment { base_seq, table }) = self.segments.back_mut() {
            let number = u32::try_from(seq.get().saturating_sub(base_seq.get())).unwrap_or(u32::MAX);
            table.insert(hash, number);
        }
        self.last_seq = self.last_seq.max(seq);
    }

    /// The seqs behind `after` of frames whose id has this hash.
    #[inline]
    pub(crate) fn find(&self, hash: MessageHash, after: Seq, mut take: impl FnMut(Seq)) {
        if after >= self.last_seq {
            return;
        }
        for Segment { base_seq, table } in &self.segments {
            for number in table.get(hash) {
                let seq = base_seq.plus(u64::from(number));
                if seq > after {
                    take(seq);
                }
            }
        }
    }

    /// Lets the ids go of all segments that end at or before `through`: they are in runs.
    pub(crate) fn forget(&mut self, through: Seq) {
        if through < self.first_seq {
            return;
        }
        self.first_seq = through.next();
        // A segment without ids has no table, so that the one before may seem to reach farther than it does.
        while let Some(next) = self.segments.get(1)
            && next.base_seq <= self.first_seq
        {
            self.segments.pop_front();
        }
        if self.last_seq <= through {
            self.segments.clear();
        }
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
