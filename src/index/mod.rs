//! What each segment's events are about, so that a query touches only the records that it returns.
//!
//! A segment has one index. While the segment is written the index is an [`ActiveIndex`] in memory, appended to by
//! one thread and read by any number; once the segment is sealed it is a file, a [`SealedIndex`]. [`SegmentIndex`]
//! is either of them behind one interface.
//!
//! An event is known by its ordinal, the number of its frame in the segment; frames that are no events take an
//! ordinal and have no entries. Ids of users and devices are known by keyed hashes only, so that whoever reads a
//! record that was found by one compares the id.

mod active;
mod bits;
mod chunks;
mod column;
mod filter;
mod hash;
mod layout;
mod postings;
mod seal;
mod sealed;
mod segment;

#[cfg(test)]
mod tests;

use crate::types::{Nanos, Ordinal};

pub(crate) use active::{ActiveIndex, ActiveWriter};
pub(crate) use hash::{IdHash, IdHashes, IdKind, id_hash};
pub(crate) use layout::{Origin, RULES};
pub(crate) use postings::Postings;
#[cfg(test)]
pub(crate) use seal::build;
pub(crate) use seal::{IndexFile, seal};
pub(crate) use sealed::SealedIndex;
pub(crate) use segment::{ColumnReader, IdPostings, SegmentIndex};

/// Ordinals in a block: the unit of zone maps and of columns that are read in bulk.
pub(crate) const BLOCK: usize = 1024;

/// What a bulk read gives where an event has no such number, or where the frame is no event.
pub(crate) const NONE: u32 = u32::MAX;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) struct $name(u32);

        impl $name {
            pub(crate) const fn new(raw: u32) -> Self {
                Self(raw)
            }

            pub(crate) const fn get(self) -> u32 {
                self.0
            }

            pub(crate) const fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

number! {
    /// The number of a project within one index.
    ProjectNo
}
number! {
    /// The number of an event type of one project within one index.
    TypeNo
}
number! {
    /// The number of a module of one project within one index.
    ModuleNo
}
number! {
    /// The number of a user or of a device within one index, each kind counted on its own.
    IdNo
}

/// The earliest and the latest timestamp of some events, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeRange {
    pub(crate) min: Nanos,
    pub(crate) max: Nanos,
}

impl TimeRange {
    /// The range of no event, which any [`TimeRange::widen`] replaces.
    const EMPTY: Self = Self { min: Nanos::new(i64::MAX), max: Nanos::new(i64::MIN) };

    fn widen(&mut self, time: Nanos) {
        self.min = self.min.min(time);
        self.max = self.max.max(time);
    }

    fn merge(&mut self, other: Self) {
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// The range, or `None` if it is of no event.
    fn some(self) -> Option<Self> {
        (self.min <= self.max).then_some(self)
    }
}

/// The events of a project in one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProjectSummary {
    pub(crate) no: ProjectNo,
    pub(crate) id: [u8; 16],
    pub(crate) events: u32,
    pub(crate) times: TimeRange,
}

/// The events of a type or of a module in one segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NameSummary<No> {
    pub(crate) no: No,
    pub(crate) name: Box<str>,
    pub(crate) count: u32,
    pub(crate) times: TimeRange,
}

/// The events of a user or of a device in one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IdSummary {
    pub(crate) no: IdNo,
    pub(crate) hash: IdHash,
    pub(crate) count: u32,
    pub(crate) times: TimeRange,
    /// The last event in (timestamp, ordinal) order, whose record holds the text of the id.
    pub(crate) last: Ordinal,
}

/// One event of a user or of a device; ordered by timestamp, then ordinal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct IdPosting {
    pub(crate) timestamp: Nanos,
    pub(crate) ordinal: Ordinal,
}

/// The upper half of a word.
#[inline]
const fn high(word: u64) -> u32 {
    (word >> 32) as u32
}

/// The lower half of a word.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the lower half is what is wanted")]
const fn low(word: u64) -> u32 {
    word as u32
}

/// The word made of two halves.
#[inline]
const fn join(high: u32, low: u32) -> u64 {
    ((high as u64) << 32) | low as u64
}

/// A count of things of one segment, of which there are fewer than 2^32.
fn count32(count: usize) -> u32 {
    debug_assert!(u32::try_from(count).is_ok(), "a segment has fewer than 2^32 frames");
    u32::try_from(count).unwrap_or(u32::MAX)
}
