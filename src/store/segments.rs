//! Figures of each segment of an open store.

use chrono::{DateTime, Utc};

use super::Store;
use super::handle::{SegmentHandle, SnapshotSource as _};
use crate::envelope::time;
use crate::error::Result;
use crate::types::Seq;

/// Figures of one segment at one moment.
///
/// # Examples
///
/// ```
/// use envelog::{Seq, Store, Uuid};
///
/// let store = Store::in_memory()?;
/// store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing").track("order.placed").append()?;
///
/// let active = store.segments()?.pop().expect("there is always one");
/// assert_eq!((active.id, active.base_seq, active.events), (1, Seq::new(1), 1));
/// assert!(!active.sealed && active.first == active.last);
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SegmentStats {
    /// Its number, which its file is named after.
    pub id: u32,
    /// The seq of its first frame.
    pub base_seq: Seq,
    /// Visible events.
    pub events: u64,
    /// Bytes of its frames and its header; the zeros ahead of the active one do not count.
    pub bytes: u64,
    /// Whether it was written to its end and has its index on the disk.
    pub sealed: bool,
    /// The least timestamp of its visible events, if it has any.
    pub first: Option<DateTime<Utc>>,
    /// The greatest timestamp of its visible events, if it has any.
    pub last: Option<DateTime<Utc>>,
}

impl Store {
    /// Figures of all segments now, in seq order; the last one is the active one.
    ///
    /// A segment that was set aside because it is damaged is not among them.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`](crate::Error::Corrupt) where an index is damaged together with the segment it is of, and
    /// [`Error::Io`](crate::Error::Io).
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let shop = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing");
    /// shop.track("order.placed").user("u_1").append()?;
    /// shop.track("order.paid").user("u_1").append()?;
    ///
    /// let segments = store.segments()?;
    /// assert_eq!(segments.iter().map(|segment| segment.events).sum::<u64>(), store.stats()?.events);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn segments(&self) -> Result<Vec<SegmentStats>> {
        let snapshot = self.inner.state.snapshot()?;
        snapshot.segments.iter().map(|handle| stats_of(handle, snapshot.visible)).collect()
    }
}

impl SegmentHandle {
    /// Bytes of the segment's frames and its header.
    pub(super) fn bytes(&self) -> u64 {
        let frames = self.segment.committed().saturating_sub(self.segment.first_offset());
        frames + u64::from(self.segment.header().header_len)
    }
}

fn stats_of(handle: &SegmentHandle, visible: Seq) -> Result<SegmentStats> {
    let index = handle.index_until(visible);
    let times = index.times()?;
    Ok(SegmentStats {
        id: handle.segment.id().get(),
        base_seq: handle.segment.base_seq(),
        events: index.projects()?.iter().map(|project| u64::from(project.events)).sum(),
        bytes: handle.bytes(),
        sealed: handle.is_sealed(),
        first: times.map(|times| time::to_datetime(times.min)),
        last: times.map(|times| time::to_datetime(times.max)),
    })
}

#[cfg(test)]
mod tests {
    use crate::store::{Options, Store};
    use crate::types::Seq;
    use crate::{DateTime, Uuid};

    const EVENTS: i64 = 300;

    /// A store of several segments whose events are a second apart.
    fn filled() -> (tempfile::TempDir, Store) {
        let directory = tempfile::tempdir().unwrap();
        let store = Options::new().tiny_segments(16 * 1024).open(directory.path().join("data")).unwrap();
        let scope = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "analytics");
        for second in 0..EVENTS {
            let time = DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap();
            scope.track("page.viewed").user("u").property("text", "x".repeat(100)).at(time).append().unwrap();
        }
        store.wait_sealed().unwrap();
        (directory, store)
    }

    #[test]
    fn the_segments_add_up_to_the_store() {
        let (_directory, store) = filled();
        let (segments, stats) = (store.segments().unwrap(), store.stats().unwrap());
        assert!(segments.len() >= 3, "{}", segments.len());
        assert_eq!(segments.len() as u64, stats.segments);
        assert_eq!(segments.iter().map(|each| each.events).sum::<u64>(), stats.events);
        assert_eq!(segments.iter().map(|each| each.bytes).sum::<u64>(), stats.log_bytes);
        let sealed = segments.iter().filter(|each| each.sealed).count();
        assert_eq!(sealed as u64, stats.sealed_segments);
        assert_eq!(sealed, segments.len() - 1, "only the active one is not");
        assert!(!segments.last().unwrap().sealed);
    }

    #[test]
    fn segments_follow_each_other_in_seq_and_time() {
        let (_directory, store) = filled();
        let segments = store.segments().unwrap();
        assert_eq!((segments[0].id, segments[0].base_seq), (1, Seq::new(1)));
        for pair in segments.windows(2) {
            assert_eq!(pair[1].id, pair[0].id + 1);
            // A roll frame stands at the end of the first one.
            assert_eq!(pair[1].base_seq, pair[0].base_seq.plus(pair[0].events + 1));
            assert!(pair[0].first < pair[0].last && pair[0].last < pair[1].first);
        }
    }

    #[test]
    fn a_segment_without_events_has_no_times() {
        let store = Options::new().open(tempfile::tempdir().unwrap().path().join("data")).unwrap();
        let segments = store.segments().unwrap();
        assert_eq!(segments.len(), 1);
        assert_eq!((segments[0].events, segments[0].first, segments[0].last), (0, None, None));
    }
}
