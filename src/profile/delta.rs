//! The rows since the last run, in memory.

use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;

use rpds::HashTrieMapSync;

use super::fragment::Fragment;
use super::join::Joiner;
use super::key::{RowKey, RowKind, kind_of};
use super::row::RowRef;
use super::run::KeyHash;
use crate::types::Nanos;

/// What holds for every row of a layer, so that most facts are judged without looking into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Bounds {
    /// The greatest event time of a fact, and so of any trait; none where there are cursors only.
    pub(crate) newest: Option<Nanos>,
    /// The most live traits of a row.
    pub(crate) live_traits: u32,
    /// The most live bytes of a row.
    pub(crate) live_bytes: u32,
    /// The most facts of identity of a row.
    pub(crate) facts: u32,
    /// Whether one of them names another id.
    pub(crate) has_links: bool,
}

impl Bounds {
    /// Takes in a person's row.
    pub(crate) fn include(&mut self, row: &RowRef<'_>) {
        self.newest = self.newest.max(row.newest().map(|order| order.timestamp));
        self.live_traits = self.live_traits.max(row.live_traits());
        self.live_bytes = self.live_bytes.max(row.live_bytes());
        self.facts = self.facts.max(row.fact_count());
        self.has_links |= row.link_count() > 0;
    }
}

/// A key with its hash, which is taken once for all layers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HashedKey {
    pub(crate) hash: KeyHash,
    pub(crate) key: RowKey,
}

impl HashedKey {
    pub(crate) fn new(hash_key: &[u8; 16], key: RowKey) -> Self {
        Self { hash: KeyHash::of(hash_key, key.as_bytes()), key }
    }
}

impl Hash for HashedKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash.get());
    }
}

/// Hands on the one number that a [`HashedKey`] writes.
#[derive(Debug, Clone, Default)]
struct Through(u64);

impl Hasher for Through {
    fn write(&mut self, _bytes: &[u8]) {}

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Children of a node of the trie, as wide as the map allows.
const TRIE_DEGREE: u8 = 64;

type Rows = HashTrieMapSync<HashedKey, Arc<[u8]>, BuildHasherDefault<Through>>;

/// Rows by key. A clone is O(1) and does not see what is applied later.
#[derive(Debug, Clone)]
pub(crate) struct Delta {
    rows: Rows,
    bounds: Bounds,
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

impl Delta {
    pub(crate) fn new() -> Self {
        Self {
            rows: Rows::new_with_hasher_and_degree_and_ptr_kind(BuildHasherDefault::default(), TRIE_DEGREE),
            bounds: Bounds::default(),
            joiner: Joiner::default(),
            joined: Joined::default(),
        }
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(crate) const fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// The row of a key.
    pub(crate) fn get(&self, key: &HashedKey) -> Option<&Arc<[u8]>> {
        self.rows.get(key)
    }

    /// The rows whose keys are at or after `from` and begin with `prefix`, in the order of keys.
    ///
    /// They are sorted here: the delta is small, and being found fast matters more.
    pub(crate) fn sorted(
        &self,
        from: &[u8],
        prefix: &[u8],
    ) -> impl Iterator<Item = (&[u8], &[u8])> + use<'_> {
        let mut rows: Vec<(&[u8], &[u8])> = self
            .rows
            .iter()
            .map(|(key, row)| (key.key.as_bytes(), row.as_ref()))
            .filter(|(key, _)| *key >= from && key.starts_with(prefix))
            .collect();
        rows.sort_unstable_by_key(|(key, _)| *key);
        rows.into_iter()
    }

    /// Whether a row says already all that a fragment does: most links are those of a device whose user signed in on it
    /// before.
    fn knows(&self, key: &HashedKey, fragment: &Fragment) -> bool {
        let rows = self.rows.get(key).and_then(|row| Some((RowRef::new(row)?, RowRef::new(&fragment.row)?)));
        rows.is_some_and(|(row, fragment)| row.knows(&fragment))
    }

    /// Whether a fragment says something of identity that the row here does not say.
    pub(crate) fn would_change_identity(&self, key: &HashedKey, fragment: &Fragment) -> bool {
        if !kind_of(key.key.as_bytes()).is_some_and(RowKind::is_person) {
            return false;
        }
        let row = self.rows.get(key).and_then(|row| RowRef::new(row));
        row.is_none_or(|row| {
            RowRef::new(&fragment.row).is_some_and(|fragment| !row.knows_identity(&fragment))
        })
    }

    /// Joins a fragment in; `outdated` tells whether a row here was newer than one of its plain traits.
    ///
    /// Returns the row as it is now.
    pub(crate) fn apply(&mut self, key: &HashedKey, fragment: &Fragment, outdated: &mut bool) -> &[u8] {
        let is_person = kind_of(key.key.as_bytes()).is_some_and(RowKind::is_person);
        if is_person && fragment.identified_at.is_none() && self.knows(key, fragment) {
            return self.rows.get(key).map_or(&[], |row| row);
        }
        let out = &mut self.joined.0;
        if let Some(row) = self.rows.get_mut(key) {
            if is_person && let (Some(present), Some(fact)) = (RowRef::new(row), RowRef::new(&fragment.row)) {
                *outdated |= present.outdates(&fact);
            }
            self.joiner.join(key.key.as_bytes(), row, &fragment.row, out);
            if **row != **out {
                *row = Arc::from(out.as_slice());
            }
        } else {
            self.rows.insert_mut(key.clone(), Arc::from(fragment.row.as_slice()));
            out.clone_from(&fragment.row);
        }
        if is_person && let Some(row) = RowRef::new(out) {
            self.bounds.include(&row);
        }
        out
    }
}
