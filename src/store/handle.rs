//! What a view pins: segments with their indexes, how far they may be read, and the profiles of that moment.

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

use super::people::PeopleCache;
use crate::error::{Error, Result};
use crate::format::manifest::{EpochStart, GapRange};
use crate::index::{ActiveIndex, SealedIndex, SegmentIndex, TimeRange};
use crate::log::segment::Segment;
use crate::profile::ProfileMap;
use crate::types::{Nanos, Ordinal, Seq};

/// A segment and its index.
#[derive(Debug)]
pub(crate) struct SegmentHandle {
    pub(crate) segment: Arc<Segment>,
    index: HandleIndex,
}

#[derive(Debug)]
enum HandleIndex {
    Active(Arc<ActiveIndex>),
    Sealed(SegmentIndex),
}

impl SegmentHandle {
    /// A segment that is being written, or whose index file is not in place yet.
    pub(crate) fn active(segment: Arc<Segment>, index: Arc<ActiveIndex>) -> Self {
        Self { segment, index: HandleIndex::Active(index) }
    }

    /// A segment that was written to its end, with its index file.
    pub(crate) fn sealed(segment: Arc<Segment>, index: Arc<SealedIndex>) -> Self {
        Self { segment, index: HandleIndex::Sealed(SegmentIndex::sealed(index)) }
    }

    pub(crate) fn is_sealed(&self) -> bool {
        self.sealed_index().is_some()
    }

    /// The index, if it does not grow any more.
    #[inline]
    fn sealed_index(&self) -> Option<&SegmentIndex> {
        match &self.index {
            HandleIndex::Active(_) => None,
            HandleIndex::Sealed(index) => Some(index),
        }
    }

    /// The index of what a view sees that sees everything up to `visible`.
    pub(crate) fn index_until(&self, visible: Seq) -> SegmentIndex {
        let bound = self.ordinals_below(visible.next());
        match &self.index {
            HandleIndex::Active(index) => SegmentIndex::active(Arc::clone(index), bound),
            HandleIndex::Sealed(index) => index.below(bound),
        }
    }

    /// How many frames of the segment, if it were endless, have a seq below `seq`.
    #[inline]
    pub(crate) fn ordinals_below(&self, seq: Seq) -> u32 {
        let distance = seq.get().saturating_sub(self.segment.base_seq().get());
        u32::try_from(distance).unwrap_or(u32::MAX)
    }

    /// The error of a frame whose checksum holds and whose content does not.
    #[cold]
    pub(crate) fn corrupt(&self, ordinal: Ordinal, offset: u32, reason: &'static str) -> Error {
        Error::Corrupt {
            file: self.segment.name().to_owned(),
            offset: offset.into(),
            seq: Some(self.segment.seq_of(ordinal)),
            reason: reason.into(),
        }
    }
}

/// All segments of a store in seq order.
#[derive(Debug)]
pub(crate) struct Segments {
    handles: Vec<Arc<SegmentHandle>>,
    /// How many of the first handles are sealed.
    sealed: usize,
    /// For each of these, the greatest timestamp in it and in all before it.
    latest_until: Vec<Nanos>,
    /// For each of these, the least timestamp in it and in all of these after it.
    earliest_from: Vec<Nanos>,
}

impl Segments {
    /// The segments, which are in seq order.
    pub(crate) fn new(handles: Vec<Arc<SegmentHandle>>) -> Self {
        // The range of no event is wide the wrong way round, that of an index that cannot be read the right way.
        let of_none = TimeRange { min: Nanos::new(i64::MAX), max: Nanos::new(i64::MIN) };
        let of_any = TimeRange { min: of_none.max, max: of_none.min };
        let times: Vec<TimeRange> = handles
            .iter()
            .map_while(|handle| handle.sealed_index())
            .map(|index| index.times().map_or(of_any, |times| times.unwrap_or(of_none)))
            .collect();
        let mut latest = of_none.max;
        let mut raise = |times: &TimeRange| {
            latest = latest.max(times.max);
            latest
        };
        let latest_until = times.iter().map(&mut raise).collect();
        let mut earliest = of_none.min;
        let mut lower = |times: &TimeRange| {
            earliest = earliest.min(times.min);
            earliest
        };
        let mut earliest_from: Vec<_> = times.iter().rev().map(&mut lower).collect();
        earliest_from.reverse();
        let sealed = times.len();
        Self { handles, sealed, latest_until, earliest_from }
    }

    /// How many of the first segments are sealed.
    pub(crate) fn sealed(&self) -> usize {
        self.sealed
    }

    /// No event of the first `count` segments, which are sealed, has a greater timestamp.
    #[inline]
    pub(crate) fn latest_of_first(&self, count: usize) -> Nanos {
        let last = count.checked_sub(1).and_then(|last| self.latest_until.get(last));
        last.copied().unwrap_or(Nanos::new(i64::MIN))
    }

    /// No event of the sealed segments from `from` on has a lesser timestamp.
    #[inline]
    pub(crate) fn earliest_of_rest(&self, from: usize) -> Nanos {
        self.earliest_from.get(from).copied().unwrap_or(Nanos::new(i64::MAX))
    }

    /// The sealed segments between the first and the last that can have an event in a range of times, both included.
    pub(crate) fn sealed_between(&self, from: Nanos, to: Nanos) -> Range<u32> {
        let number = |place: usize| u32::try_from(place).unwrap_or(u32::MAX);
        let start = self.latest_until.partition_point(|latest| *latest < from);
        let end = self.earliest_from.partition_point(|earliest| *earliest <= to);
        number(start)..number(end)
    }

    /// How many segments begin at or before a seq.
    pub(crate) fn begun_by(&self, seq: Seq) -> u32 {
        let begun = self.handles.partition_point(|handle| handle.segment.base_seq() <= seq);
        u32::try_from(begun).unwrap_or(u32::MAX)
    }
}

impl Deref for Segments {
    type Target = [Arc<SegmentHandle>];

    fn deref(&self) -> &Self::Target {
        &self.handles
    }
}

/// The whole store at one moment: cheap to take, and never changing.
#[derive(Clone)]
pub(crate) struct Snapshot {
    pub(crate) segments: Arc<Segments>,
    /// The last seq that may be read.
    pub(crate) visible: Seq,
    pub(crate) profiles: ProfileMap,
    /// Persons that were folded before.
    pub(crate) people: Arc<PeopleCache>,
    /// In rising order.
    pub(crate) epochs: Arc<[EpochStart]>,
    /// Seqs that repair set aside, in rising order.
    pub(crate) gaps: Arc<[GapRange]>,
    /// Key of the hashes of ids.
    pub(crate) hash_key: [u8; 16],
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("visible", &self.visible).finish_non_exhaustive()
    }
}

/// One segment as a view sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SegmentView<'v> {
    pub(crate) handle: &'v SegmentHandle,
    pub(crate) index: &'v SegmentIndex,
}

/// What a view is made of: a moment of the store, seen from inside one project.
pub(crate) struct Pinned {
    pub(crate) snapshot: Snapshot,
    pub(crate) project_id: [u8; 16],
    /// Segments from this place on are still written to, or reach beyond what is visible.
    first_open: usize,
    /// The indexes of these, cut off where the view ends.
    open: Vec<SegmentIndex>,
}

impl fmt::Debug for Pinned {
    /// Not the indexes, which are as large as what was written lately.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pinned").field("visible", &self.snapshot.visible).finish_non_exhaustive()
    }
}

impl Pinned {
    pub(crate) fn new(snapshot: Snapshot, project_id: [u8; 16]) -> Self {
        let segments = &snapshot.segments;
        // A sealed segment begins before all that is visible ends, and the next one says where it ends itself.
        let ends_in_view = |at: usize| match segments.get(at + 1) {
            Some(next) => next.segment.base_seq() <= snapshot.visible.next(),
            None => false,
        };
        let mut first_open = segments.sealed();
        while let Some(last) = first_open.checked_sub(1)
            && !ends_in_view(last)
        {
            first_open = last;
        }
        let open = segments.iter().skip(first_open).map(|handle| handle.index_until(snapshot.visible));
        let open = open.collect();
        Self { snapshot, project_id, first_open, open }
    }

    /// The segment at a place of the list.
    #[inline]
    pub(crate) fn segment(&self, at: u32) -> Option<SegmentView<'_>> {
        let at = at as usize;
        let handle = self.snapshot.segments.get(at)?;
        let index = match at.checked_sub(self.first_open) {
            Some(open) => self.open.get(open)?,
            None => handle.sealed_index()?,
        };
        Some(SegmentView { handle, index })
    }

    /// How many of the first segments are sealed and seen whole.
    #[inline]
    pub(crate) fn first_open(&self) -> u32 {
        u32::try_from(self.first_open).unwrap_or(u32::MAX)
    }

    /// The number of segments.
    #[inline]
    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.snapshot.segments.len()).unwrap_or(u32::MAX)
    }

    /// All segments in seq order.
    pub(crate) fn segments(&self) -> impl DoubleEndedIterator<Item = SegmentView<'_>> {
        (0..self.len()).filter_map(|at| self.segment(at))
    }
}

/// Where a project takes its snapshots from: the store.
pub(crate) trait SnapshotSource: Send + Sync {
    fn snapshot(&self) -> Result<Snapshot>;
}
