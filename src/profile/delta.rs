//! The rows since the last run, in memory.

use std::ops::Bound;
use std::sync::Arc;

use rpds::RedBlackTreeMapSync;

use super::fragment::Fragment;
use super::join::Joiner;
use super::key::RowKey;
use super::row::RowRef;
use crate::types::Nanos;

/// What holds for every row of a layer, so that most facts are judged without looking into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Bounds {
    /// The greatest event time of a fact; none where there are cursors only.
    pub(crate) newest: Option<Nanos>,
    /// The most live traits of a row.
    pub(crate) live_traits: u32,
    /// The most live bytes of a row.
    pub(crate) live_bytes: u32,
}

impl Bounds {
    /// Takes in a person's row.
    pub(crate) fn include(&mut self, row: &RowRef<'_>) {
        self.newest = self.newest.max(row.newest().map(|order| order.timestamp));
        self.live_traits = self.live_traits.max(row.live_traits());
        self.live_bytes = self.live_bytes.max(row.live_bytes());
    }
}

/// Rows by key. A clone is O(1) and does not see what is applied later.
#[derive(Debug, Clone)]
pub(crate) struct Delta {
    rows: RedBlackTreeMapSync<RowKey, Arc<[u8]>>,
    bounds: Bounds,
    bytes: usize,
    joiner: Joiner,
    joined: Joined,
}

/// The row under construction, memory that is used again. A clone is empty.
#[derive(Debug, Default)]
struct Joined(Vec<u8>);

impl Clone for Joined {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// A guess at what a row costs beside its key and bytes: nodes, counters, allocation.
const ROW_OVERHEAD_BYTES: usize = 160;

impl Delta {
    pub(crate) fn new() -> Self {
        Self {
            rows: RedBlackTreeMapSync::new_sync(),
            bounds: Bounds::default(),
            bytes: 0,
            joiner: Joiner::default(),
            joined: Joined::default(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Rows in it.
    pub(crate) fn len(&self) -> usize {
        self.rows.size()
    }

    /// About how many bytes of memory it holds.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) const fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// The row of an encoded key.
    pub(crate) fn get(&self, key: &[u8]) -> Option<&Arc<[u8]>> {
        self.rows.get(key)
    }

    /// The rows from a key on, in the order of keys.
    pub(crate) fn range(&self, from: Bound<RowKey>) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.rows
            .range::<RowKey, _>((from, Bound::Unbounded))
            .map(|(key, row)| (key.as_bytes(), row.as_ref()))
    }

    /// Joins a fragment in; `outdated` tells whether a row here was newer than one of its plain traits.
    ///
    /// Returns the row as it is now.
    pub(crate) fn apply(&mut self, fragment: &Fragment, outdated: &mut bool) -> &[u8] {
        let is_person = fragment.timestamp.is_some();
        let out = &mut self.joined.0;
        if let Some(row) = self.rows.get_mut(fragment.key.as_slice()) {
            if is_person && let (Some(present), Some(fact)) = (RowRef::new(row), RowRef::new(&fragment.row)) {
                *outdated |= present.outdates(&fact);
            }
            self.joiner.join(&fragment.key, row, &fragment.row, out);
            if **row != **out {
                self.bytes = (self.bytes + out.len()).saturating_sub(row.len());
                *row = Arc::from(out.as_slice());
            }
        } else {
            self.bytes += fragment.key.len() + fragment.row.len() + ROW_OVERHEAD_BYTES;
            self.rows.insert_mut(RowKey::new(&fragment.key), Arc::from(fragment.row.as_slice()));
            out.clone_from(&fragment.row);
        }
        if is_person && let Some(row) = RowRef::new(out) {
            self.bounds.include(&row);
        }
        out
    }
}
