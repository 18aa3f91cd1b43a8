//! A row as readers hold it: its bytes, wherever they are.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::facts::Facts;
use super::row::{OrderRef, RowRef};
use super::run::Run;

/// What is kept of one id, all layers joined. A clone is cheap. `Debug` shows neither ids nor traits.
///
/// Accessors are total: bytes that are no row give less, never a panic.
#[derive(Clone)]
pub(crate) struct PersonRow(Bytes);

#[derive(Clone)]
enum Bytes {
    /// From the place on.
    Memory(Arc<[u8]>, usize),
    Run(Arc<Run>, Range<u64>),
}

impl PersonRow {
    /// The row of these bytes.
    pub(super) const fn of_bytes(bytes: Arc<[u8]>) -> Self {
        Self(Bytes::Memory(bytes, 0))
    }

    /// The row at a place of a run.
    pub(super) const fn of_run(run: Arc<Run>, row: Range<u64>) -> Self {
        Self(Bytes::Run(run, row))
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        match &self.0 {
            Bytes::Memory(bytes, start) => bytes.get(*start..).unwrap_or_default(),
            Bytes::Run(run, range) => run.slice(range).unwrap_or_default(),
        }
    }

    pub(super) fn parsed(&self) -> RowRef<'_> {
        RowRef::new(self.as_slice()).unwrap_or(RowRef::EMPTY)
    }

    /// Whether there are facts of identity.
    pub(crate) fn has_facts(&self) -> bool {
        self.fact_count() > 0
    }

    /// Whether a fact of identity names another id: without any the row's id is free, and has no members.
    pub(crate) fn has_links(&self) -> bool {
        self.parsed().link_count() > 0
    }

    /// How many facts of identity the row says it has.
    pub(crate) fn fact_count(&self) -> u32 {
        self.parsed().fact_count()
    }

    /// The facts of identity by act, side, other id and order.
    pub(crate) fn facts(&self) -> Facts<'_> {
        self.parsed().facts()
    }

    /// The least identify whose traits landed on the row.
    pub(crate) fn identify(&self) -> Option<OrderRef<'_>> {
        self.parsed().identify()
    }

    /// Whether anything is known of traits, set or unset.
    pub(crate) fn has_traits(&self) -> bool {
        !self.parsed().entry_bytes().is_empty()
    }

    /// What the least sign-up says of traits, as a row to be joined with others; `None` where it says nothing.
    pub(crate) fn signed_up_traits(&self) -> Option<Self> {
        // It is what the row ends with.
        let len = self.parsed().sign_up().len();
        let bytes = match &self.0 {
            _ if len == 0 => return None,
            Bytes::Memory(bytes, _) => Bytes::Memory(Arc::clone(bytes), bytes.len().checked_sub(len)?),
            Bytes::Run(run, row) => Bytes::Run(Arc::clone(run), row.end.checked_sub(len as u64)?..row.end),
        };
        Some(Self(bytes))
    }
}

impl fmt::Debug for PersonRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = self.parsed();
        f.debug_struct("PersonRow")
            .field("traits", &row.live_traits())
            .field("facts", &row.fact_count())
            .finish_non_exhaustive()
    }
}
