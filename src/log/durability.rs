//! What an acknowledgement means.

/// When `append` returns, and what survives then. Chosen when a store is opened.
///
/// | level | `append` returns when | after panic or kill -9 | after power loss |
/// |---|---|---|---|
/// | `Buffered` | the bytes are in the page cache | all acknowledged | a suffix may be gone |
/// | `Interval` | as above; a background sync at most `ms` apart | all acknowledged | at most the last interval |
/// | `Synced` | a sync covers it; concurrent appends share one | all acknowledged | all acknowledged |
///
/// A lost suffix is possible where the table says so, a hole never is, and batches are whole or absent.
///
/// What was acknowledged is visible to every view that is taken from then on, at each level. At `Synced` nothing is
/// visible before it is durable; at the other levels [`Store::durable`](crate::Store::durable) tells how far that is,
/// and [`Store::wait_durable`](crate::Store::wait_durable) waits for one event.
///
/// # Examples
///
/// ```
/// use envelog::{Durability, Options, Uuid};
///
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("data");
/// let level = Durability::Interval { ms: 100, bytes: 1 << 20 };
/// let store = Options::new().durability(level).open(path)?;
/// let shop = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing");
///
/// // Survives a kill of the process from here on.
/// let ack = shop.track("order.placed").user("u_1").append()?;
/// // Survives a power loss from here on, without waiting for the interval.
/// store.wait_durable(ack.position)?;
/// assert!(store.durable() >= ack.position.seq);
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Durability {
    /// Synced when a segment is sealed, when the store is closed and when it is asked for.
    Buffered,
    /// Synced in the background, and where `Buffered` is.
    Interval {
        /// Milliseconds from the end of one sync to the beginning of the next, at most; at least 1. What may be lost
        /// is what was appended in that time and while the sync ran.
        ms: u64,
        /// Bytes of frames after which a sync begins before its time.
        bytes: u64,
    },
    /// Synced before `append` returns, and before the event is visible.
    #[default]
    Synced,
}

impl Durability {
    /// Whether events become visible only after their sync.
    pub(crate) const fn is_synced(self) -> bool {
        matches!(self, Self::Synced)
    }
}
