//! The numbers that cross modules, each a type of its own.

use std::fmt;

/// The place of a frame in the order of the whole store: 1, 2, 3 and on, one for every frame of the log.
///
/// Frames are events and cursors, and what the log writes for itself, such as the end of a segment. So the seqs of
/// the events of one project rise, and not by one at a time.
///
/// # Examples
///
/// ```
/// use envelog::Seq;
///
/// let first = Seq::new(1);
/// assert!(Seq::ZERO < first);
/// assert_eq!(first.next(), Seq::new(2));
/// assert_eq!(first.plus(41).to_string(), "42");
/// assert_eq!(first.get(), 1);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Seq(u64);

impl Seq {
    /// The seq before the first frame.
    pub const ZERO: Self = Self(0);

    /// The seq `raw`.
    pub const fn new(raw: u64) -> Self {
        Self(raw)
    }

    /// The number itself.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The seq `count` frames later, saturating.
    #[must_use]
    pub const fn plus(self, count: u64) -> Self {
        Self(self.0.saturating_add(count))
    }

    /// The seq after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        self.plus(1)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The life of a store between two unclean openings, counted from 1.
///
/// An opening that finds the store closed goes on in the same epoch; one that has to recover begins the next. The
/// seqs that it had to give up are used again, in the new epoch.
///
/// # Examples
///
/// ```
/// use envelog::{Epoch, Store, Uuid};
///
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("data");
/// let store = Store::open(&path)?;
/// store.close()?;
///
/// let store = Store::open(&path)?;
/// let shop = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing");
/// let ack = shop.track("order.placed").user("u_1").append()?;
/// assert_eq!(ack.position.epoch, Epoch::FIRST);
/// assert_eq!(Epoch::FIRST.next(), Epoch::new(2));
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(u32);

impl Epoch {
    /// The epoch of a new store.
    pub const FIRST: Self = Self(1);

    /// The epoch `raw`.
    pub const fn new(raw: u32) -> Self {
        Self(raw)
    }

    /// The number itself.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The epoch after this one, saturating.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// Where an event stands, for good: a seq used again for other content has another epoch.
///
/// A host may keep positions as long as it likes: asked for one whose event an unclean end took back, the store says
/// so with [`Error::TakenBack`](crate::Error::TakenBack) and never gives the event that stands there now. Positions
/// are ordered by seq and then by epoch, and print as `epoch.seq`.
///
/// # Examples
///
/// ```
/// use envelog::{Store, Uuid};
///
/// let store = Store::in_memory()?;
/// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
/// let ack = store.scope(org, project, "billing").track("order.placed").user("u_1").append()?;
/// assert_eq!(ack.position.to_string(), "1.1");
///
/// let event = store.project(project).get(ack.position)?.expect("appended above");
/// assert_eq!(event.event_type(), "order.placed");
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The seq of the frame.
    pub seq: Seq,
    /// The epoch in which the frame was first written.
    pub epoch: Epoch,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch.0, self.seq.0)
    }
}

/// The number of a segment, which its file is named after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SegmentId(u32);

impl SegmentId {
    pub(crate) const FIRST: Self = Self(1);

    pub(crate) const fn new(raw: u32) -> Self {
        Self(raw)
    }

    pub(crate) const fn get(self) -> u32 {
        self.0
    }

    /// The id after this one; ids are never used twice.
    pub(crate) const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The place of a frame in its segment: its seq minus the segment's base seq.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Ordinal(u32);

impl Ordinal {
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

/// A time as nanoseconds since 1970-01-01T00:00:00Z; years 1970 to 2261.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Nanos(i64);

impl Nanos {
    pub(crate) const fn new(raw: i64) -> Self {
        Self(raw)
    }

    pub(crate) const fn get(self) -> i64 {
        self.0
    }
}
