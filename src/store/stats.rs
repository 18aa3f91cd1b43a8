//! Figures of an open store.

use std::time::Duration;

use super::Store;
use crate::error::Result;
use crate::format::manifest::epoch_of;
use crate::log::StoreState;
use crate::types::{Position, Seq};

/// Figures of an open store at one moment.
///
/// # Examples
///
/// ```
/// use envelog::{Seq, Store, StoreState, Uuid};
///
/// let store = Store::in_memory()?;
/// let shop = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing");
/// let ack = shop.track("order.placed").user("u_1").append()?;
///
/// let stats = store.stats()?;
/// assert_eq!(stats.state, StoreState::Open);
/// assert_eq!((stats.events, stats.projects, stats.segments), (1, 1, 1));
/// assert_eq!((stats.visible, stats.visible_position), (Seq::new(1), ack.position));
/// assert!(stats.durable <= stats.visible);
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Whether appends are taken, and if not, why.
    pub state: StoreState,
    /// Visible events.
    pub events: u64,
    /// Projects with events.
    pub projects: u64,
    /// Segments, the active one included.
    pub segments: u64,
    /// Segments that have their index on the disk.
    pub sealed_segments: u64,
    /// Full segments that wait for their index, or have it being made. With two, an append that needs a new segment
    /// waits.
    pub unsealed_segments: u64,
    /// Bytes of frames and headers in all segments; the zeros ahead of the active one do not count.
    pub log_bytes: u64,
    /// Bytes of index files.
    pub index_bytes: u64,
    /// Bytes of profile runs.
    pub profile_bytes: u64,
    /// Bytes of the runs of message ids of sealed segments.
    pub ids_bytes: u64,
    /// Profile runs. Merging keeps them few: about as many as the logarithm of the number of segments.
    pub profile_runs: u64,
    /// Damaged derived files that wait to be replaced.
    pub unmended: u64,
    /// The last visible seq.
    pub visible: Seq,
    /// The last durable seq.
    pub durable: Seq,
    /// The last visible position, for good; seq 0 in an empty store.
    pub visible_position: Position,
    /// The last durable position, for good; seq 0 in an empty store.
    pub durable_position: Position,
    /// How long ago the last sync ended, of an append, of the background or of a seal; `None` before the first since
    /// the store was opened.
    pub since_last_sync: Option<Duration>,
    /// How often an append waited for the file to be filled or for the next segment.
    pub fill_waits: u64,
    /// How often an append waited for a segment to be sealed.
    pub seal_waits: u64,
    /// Derived files that a query found damaged since the store was opened, and that were made anew from the log; those
    /// that opening itself made anew are in the [`RecoveryReport`](crate::RecoveryReport).
    pub rebuilt: u64,
    /// Whether frames are stored through a mapping, else with writes; see [`Durability`](crate::Durability).
    pub mapped_writes: bool,
}

impl Store {
    /// Figures of the store now. Costs a look at the index of each segment, and holds no append up.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`](crate::Error::Corrupt) where an index is damaged together with the segment it is of, and
    /// [`Error::Io`](crate::Error::Io).
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Durability, Options, Seq, Uuid};
    ///
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("data");
    /// let store = Options::new().durability(Durability::Buffered).open(path)?;
    /// store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing").track("order.placed").append()?;
    /// let stats = store.stats()?;
    /// assert_eq!((stats.events, stats.visible), (1, Seq::new(1)));
    ///
    /// store.sync()?;
    /// let stats = store.stats()?;
    /// assert_eq!(stats.durable, stats.visible);
    /// assert!(stats.since_last_sync.is_some());
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn stats(&self) -> Result<Stats> {
        let inner = &*self.inner;
        let snapshot = super::handle::SnapshotSource::snapshot(&*inner.state)?;
        let manifest = inner.manifest.current();
        let marks = &inner.state.marks;
        let durable = marks.durable();
        let position = |seq: Seq| Position { seq, epoch: epoch_of(&inner.state.epochs, seq) };
        let mut stats = Stats {
            state: StoreState::ReadOnly,
            events: 0,
            projects: inner.state.projects()?.len() as u64,
            segments: snapshot.segments.len() as u64,
            sealed_segments: manifest.segments.len() as u64,
            unsealed_segments: 0,
            log_bytes: 0,
            index_bytes: manifest
                .segments
                .iter()
                .filter_map(|segment| segment.index)
                .map(|file| file.len)
                .sum(),
            profile_bytes: manifest.runs.iter().map(|run| run.file.len).sum(),
            ids_bytes: manifest.ids.iter().map(|run| run.file.len).sum(),
            profile_runs: manifest.runs.len() as u64,
            unmended: 0,
            visible: snapshot.visible,
            durable,
            visible_position: position(snapshot.visible),
            durable_position: position(durable),
            since_last_sync: marks.since_last_sync(),
            fill_waits: 0,
            seal_waits: 0,
            rebuilt: inner.state.shelf.rebuilt(),
            mapped_writes: false,
        };
        for handle in snapshot.segments.iter() {
            for project in handle.index_until(snapshot.visible).projects()? {
                stats.events += u64::from(project.events);
            }
            let segment = &handle.segment;
            let frames = segment.committed().saturating_sub(segment.first_offset());
            stats.log_bytes += frames + u64::from(segment.header().header_len);
        }
        if let Some(writer) = &inner.writer {
            stats.state = marks.state();
            let (unsealed, unmended) = writer.queue.backlog();
            (stats.unsealed_segments, stats.unmended) = (unsealed as u64, unmended as u64);
            stats.fill_waits = writer.log.waits();
            stats.seal_waits = writer.queue.waits();
            stats.mapped_writes = writer.log.is_mapped();
        }
        Ok(stats)
    }
}
