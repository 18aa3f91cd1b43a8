//! When rows last changed in what identity rests on, for those who remember what came of it.

use std::sync::atomic::{AtomicU64, Ordering};

/// Rows share marks; a mark that another row set costs a fold and changes no answer.
const MARKS: usize = 4_096;

/// The mark of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark(u16);

/// What an answer rests on.
#[derive(Debug, Clone, Default)]
pub(crate) struct RestsOn {
    /// What these rows say of identity.
    pub(crate) rows: Box<[Mark]>,
    /// Every fact in which these are the member, also those that a row need not keep.
    pub(crate) facts: Box<[Mark]>,
}

impl RestsOn {
    /// How many marks there are.
    pub(crate) const fn len(&self) -> usize {
        self.rows.len() + self.facts.len()
    }
}

/// The versions of the rows' identity at which each mark was set last. Written by whoever holds the rows' lock.
#[derive(Debug)]
pub(super) struct Changes {
    /// A row changed.
    changed: Box<[AtomicU64]>,
    /// A fact was told in which the row's id is the member, whether or not that changed the row.
    told: Box<[AtomicU64]>,
}

impl Changes {
    pub(super) fn new() -> Self {
        let marks = || (0..MARKS).map(|_| AtomicU64::new(0)).collect();
        Self { changed: marks(), told: marks() }
    }

    pub(super) fn mark_of(hash: u64) -> Mark {
        // Another part of the hash than the one that finds the row.
        Mark(u16::try_from(hash % MARKS as u64).unwrap_or(0))
    }

    pub(super) fn set_changed(&self, mark: Mark, version: u64) {
        set(&self.changed, mark, version);
    }

    pub(super) fn set_told(&self, mark: Mark, version: u64) {
        set(&self.told, mark, version);
    }

    /// Whether nothing of this changed behind a version.
    pub(super) fn none_since(&self, version: u64, rests_on: &RestsOn) -> bool {
        let is_before = |last: &[AtomicU64], mark: &Mark| {
            last.get(usize::from(mark.0)).is_some_and(|last| last.load(Ordering::Relaxed) <= version)
        };
        rests_on.rows.iter().all(|mark| is_before(&self.changed, mark))
            && rests_on.facts.iter().all(|mark| is_before(&self.told, mark))
    }
}

fn set(last: &[AtomicU64], mark: Mark, version: u64) {
    if let Some(last) = last.get(usize::from(mark.0)) {
        // Relaxed: who compares it has taken the lock since, or knows of the version from one who has.
        last.store(version, Ordering::Relaxed);
    }
}
