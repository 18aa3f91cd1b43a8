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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Durability {
    /// Synced when a segment is sealed, when the store is closed and when it is asked for.
    Buffered,
    /// Synced in the background.
    Interval {
        /// Milliseconds between two syncs, at most.
        ms: u64,
        /// Bytes after which a sync begins before its time.
        bytes: u64,
    },
    /// Synced before `append` returns.
    #[default]
    Synced,
}

impl Durability {
    /// Whether events become visible only after their sync.
    pub(crate) const fn is_synced(self) -> bool {
        matches!(self, Self::Synced)
    }
}
