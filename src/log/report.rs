//! What opening a store does about damage, and what it tells about it.

use std::ops::RangeInclusive;

use crate::types::Seq;

/// What opening a store does where bytes that were once durable do not read back as they were written.
///
/// # Examples
///
/// ```
/// use envelog::{Error, OnCorruption, Options, Seq, Store, Uuid};
///
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("data");
/// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
/// let store = Store::open(&path)?;
/// let shop = store.scope(org, project, "billing");
/// shop.track("order.placed").user("u_1").append()?;
/// shop.track("order.paid").user("u_1").append()?;
/// shop.track("order.shipped").user("u_1").append()?;
/// store.close()?;
/// # drop((store, shop));
/// # let log = path.join("seg-1.log");
/// # let mut bytes = std::fs::read(&log).unwrap();
/// # let at = bytes.windows(10).position(|part| part == b"order.paid").unwrap();
/// # bytes[at] ^= 1;
/// # std::fs::write(&log, bytes).unwrap();
///
/// // A byte of the second event changes on the disk.
/// assert!(matches!(Store::open(&path), Err(Error::Corrupt { .. })));
///
/// let store = Options::new().on_corruption(OnCorruption::Quarantine).open(&path)?;
/// assert_eq!(store.gaps(), [Seq::new(2)..=Seq::new(2)]);
/// assert_eq!(store.project(project).view()?.events().count()?, 2);
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnCorruption {
    /// Refuse to open, with the place of the damage. Nothing is changed.
    #[default]
    Fail,
    /// Set the damaged files aside and open without the damaged range, widened to whole batches.
    ///
    /// Every later record is kept, and readers that cross the range are told, with [`Error::Gap`](crate::Error::Gap).
    ///
    /// Damage inside a sealed segment is found when it is first read, and is a gap from then on; nothing is set aside,
    /// and nothing of the segment is changed. Where its index has to be made anew, it is made of the readable part, in
    /// memory, each time the store is opened, and the gap is in the [`RecoveryReport`].
    ///
    /// Such damage keeps nobody from writing, whatever else is damaged that was made of the segment. An event whose
    /// `messageId` stands only in what cannot be read is not known any more and is stored when it is given again.
    Quarantine,
}

/// What opening a store found and did; given by [`Store::recovery`](crate::Store::recovery).
///
/// # Examples
///
/// ```
/// use envelog::{Store, Uuid};
///
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("data");
/// let store = Store::open(&path)?;
/// assert!(store.recovery().created);
/// store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing").track("order.placed").append()?;
/// store.close()?;
///
/// let store = Store::open(&path)?;
/// let report = store.recovery();
/// assert!(report.clean && !report.created);
/// // The event, and the frame that says that the store was closed.
/// assert_eq!(report.frames_kept, 2);
/// assert!(report.gaps.is_empty() && report.quarantined.is_empty());
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RecoveryReport {
    /// The store was made by this opening.
    pub created: bool,
    /// The last writer had closed the store, or it was just made, and nothing had to be recovered.
    pub clean: bool,
    /// Frames kept in the part of the log that was read, which is all that is not sealed.
    pub frames_kept: u64,
    /// Whole frames that were dropped: they stood behind the end of the log, or in a batch that was cut short, and
    /// had never been promised to survive a power loss.
    pub frames_dropped: u64,
    /// Ranges of seqs that this opening gave up because they are damaged, in the tail of the log, whole segments, and
    /// parts of sealed segments whose index had to be made anew.
    pub gaps: Vec<RangeInclusive<Seq>>,
    /// Segments of which one of the two copies of the header is damaged, and the other whole. Nothing is lost by that.
    ///
    /// Damage of the first copy is told here with [`OnCorruption::Quarantine`] only, and else refused.
    pub damaged_headers: Vec<DamagedHeader>,
    /// Files that were put into the store's `quarantine` directory, by their names in the store's directory.
    pub quarantined: Vec<String>,
    /// Files of the store that were removed: left-overs of an interrupted write or of an earlier recovery, derived
    /// files that do not count, and segments that were copied.
    pub removed: Vec<String>,
    /// Derived files, of indexes and profiles, that were missing or damaged and were made anew from the log. A store
    /// that is open for reading holds them in memory.
    ///
    /// Damage that opening does not read is found by the query that reads it; [`Stats`](crate::Stats) counts the files
    /// that were made anew then.
    pub rebuilt: Vec<Rebuilt>,
    /// Bytes read to find the end of the log. What is sealed is not read for that.
    pub bytes_scanned: u64,
}

/// A segment of which one of the two copies of the header is damaged.
///
/// # Examples
///
/// ```
/// use envelog::{Store, Uuid};
///
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("data");
/// let store = Store::open(&path)?;
/// store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing").track("order.placed").append()?;
/// store.close()?;
/// # drop(store);
/// # let log = path.join("seg-1.log");
/// # let mut bytes = std::fs::read(&log).unwrap();
/// # bytes[4096 - 512 + 20] ^= 1;
/// # std::fs::write(&log, bytes).unwrap();
///
/// // A byte of the second copy changes on the disk.
/// let store = Store::open(&path)?;
/// let damaged = &store.recovery().damaged_headers;
/// assert_eq!(damaged.len(), 1);
/// assert_eq!(damaged[0].file, "seg-1.log");
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DamagedHeader {
    /// The name of its file in the store's directory.
    pub file: String,
    /// Which copy it is.
    pub reason: String,
}

/// A derived file that was made anew.
///
/// # Examples
///
/// ```
/// use envelog::{Durability, Options, Store, Uuid};
///
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("data");
/// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
/// let store = Options::new().durability(Durability::Buffered).segment_bytes_max(1 << 20).open(&path)?;
/// let shop = store.scope(org, project, "billing");
/// for number in 0..2_000 {
///     shop.track("order.placed").user(format!("u_{number}")).append()?;
/// }
/// store.close()?;
/// # drop((store, shop));
///
/// // The index of the first segment is lost.
/// std::fs::remove_file(path.join("seg-1.idx")).expect("it was made at the close");
/// let store = Store::open(&path)?;
/// let rebuilt = &store.recovery().rebuilt;
/// assert_eq!(rebuilt.len(), 1);
/// assert_eq!(rebuilt[0].file, "seg-1.idx");
/// assert_eq!(store.project(project).view()?.events().count()?, 2_000);
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rebuilt {
    /// Its name in the store's directory.
    pub file: String,
    /// What was wrong with it.
    pub reason: String,
}
