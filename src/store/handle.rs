//! What a view pins: segments with their indexes, how far they may be read, and the profiles of that moment.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::format::manifest::{EpochStart, GapRange};
use crate::index::SegmentIndex;
use crate::log::Segment;
use crate::profile::ProfileMap;
use crate::types::{Epoch, Nanos, Ordinal, Seq};

/// A segment and its index.
#[derive(Debug)]
pub(crate) struct SegmentHandle {
    pub(crate) segment: Arc<Segment>,
    pub(crate) index: SegmentIndex,
}

impl SegmentHandle {
    /// The first ordinal that a view which sees everything up to `visible` may not read.
    #[inline]
    pub(crate) fn bound(&self, visible: Seq) -> u32 {
        self.ordinals_below(visible.next()).min(self.index.frames())
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
    /// How many of the first handles have an index that does not grow any more.
    sealed: usize,
    /// For each of these, the greatest timestamp in it and in all before it.
    latest_until: Vec<Nanos>,
    /// For each of these, the least timestamp in it and in all of these after it.
    earliest_from: Vec<Nanos>,
}

impl Segments {
    /// The segments, which are in seq order.
    pub(crate) fn new(handles: Vec<Arc<SegmentHandle>>) -> Self {
        let times = |handle: &Arc<SegmentHandle>| handle.index.sealed_times();
        let sealed = handles.iter().take_while(|handle| handle.index.is_sealed()).count();
        let before_all = Nanos::new(i64::MIN);
        let after_all = Nanos::new(i64::MAX);
        let mut latest = before_all;
        let latest_until = handles.iter().take(sealed).map(|handle| {
            latest = latest.max(times(handle).map_or(before_all, |times| times.max));
            latest
        });
        let latest_until = latest_until.collect();
        let mut earliest = after_all;
        let mut earliest_from: Vec<Nanos> = handles
            .iter()
            .take(sealed)
            .rev()
            .map(|handle| {
                earliest = earliest.min(times(handle).map_or(after_all, |times| times.min));
                earliest
            })
            .collect();
        earliest_from.reverse();
        Self { handles, sealed, latest_until, earliest_from }
    }

    /// How many of the first segments have an index that does not grow any more.
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

    /// The segment that a seq would stand in, if it is in any.
    pub(crate) fn place_of(&self, seq: Seq) -> Option<&Arc<SegmentHandle>> {
        let after = self.handles.partition_point(|handle| handle.segment.base_seq() <= seq);
        self.handles.get(after.checked_sub(1)?)
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

/// Where a project takes its snapshots from: the store.
pub(crate) trait SnapshotSource: Send + Sync {
    fn snapshot(&self) -> Result<Snapshot>;
}

/// The epoch in which the frame with this seq was first written.
pub(crate) fn epoch_of(epochs: &[EpochStart], seq: Seq) -> Epoch {
    let after = epochs.partition_point(|start| start.first_seq <= seq);
    after.checked_sub(1).and_then(|at| epochs.get(at)).map_or(Epoch::FIRST, |start| start.epoch)
}
