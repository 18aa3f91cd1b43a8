//! When rows last changed in what identity rests on, for those who remember what came of it.

use std::sync::atomic::{AtomicU64, Ordering};

/// Rows share marks; a mark that another row set costs a fold and changes no answer.
const MARKS: usize = 4_096;

/// The mark of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark(u16);

/// The version of the rows' identity at which each mark was set last. Written by whoever holds the rows' lock.
#[derive(Debug)]
pub(super) struct Changes(Box<[AtomicU64]>);

impl Changes {
    pub(super) fn new() -> Self {
        Self((0..MARKS).map(|_| AtomicU64::new(0)).collect())
    }

    pub(super) fn mark_of(hash: u64) -> Mark {
        // Another part of the hash than the one that finds the row.
        Mark(u16::try_from(hash % MARKS as u64).unwrap_or(0))
    }

    pub(super) fn set(&self, mark: Mark, version: u64) {
        if let Some(last) = self.0.get(usize::from(mark.0)) {
            // Relaxed: who compares it has taken the lock since, or knows of the version from one who has.
            last.store(version, Ordering::Relaxed);
        }
    }

    /// Whether no row of these marks changed behind a version.
    pub(super) fn none_since(&self, version: u64, marks: &[Mark]) -> bool {
        let last = |mark: &Mark| {
            self.0.get(usize::from(mark.0)).map_or(u64::MAX, |last| last.load(Ordering::Relaxed))
        };
        marks.iter().all(|mark| last(mark) <= version)
    }
}
