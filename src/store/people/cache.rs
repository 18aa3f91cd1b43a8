//! Persons that were folded before, kept as long as nothing changed that they rest on.

use std::sync::Arc;

use hashbrown::HashMap;
use parking_lot::Mutex;

use super::told::ToldCache;
use crate::identity::{MemberId, Who};
use crate::profile::{ProfileMap, RestsOn};

/// Most ids and marks of all entries together that are kept.
const SIZE_MAX: usize = 100_000;

/// What came of the facts about persons.
///
/// An entry knows at which version of the rows it was made and what it rests on: rows and, of members that were unlinked,
/// all facts. It serves a view of any other version, earlier or later, as long as none of those rows changed in between,
/// and no fact of those members was told.
#[derive(Debug, Default)]
pub(crate) struct PeopleCache {
    people: Mutex<Kept>,
    pub(super) told: ToldCache,
}

type Key = ([u8; 16], MemberId);

#[derive(Debug, Default)]
struct Kept {
    /// By the canonical id.
    persons: HashMap<Key, Entry<Arc<Who>>>,
    /// The canonical id of every other id.
    canonical: HashMap<Key, Entry<MemberId>>,
    /// Of all entries.
    size: usize,
}

#[derive(Debug)]
struct Entry<T> {
    outcome: T,
    version: u64,
    rests_on: RestsOn,
    size: usize,
}

impl<T: Clone> Entry<T> {
    fn outcome(&self, rows: &ProfileMap) -> Option<T> {
        rows.is_as_of(self.version, &self.rests_on).then(|| self.outcome.clone())
    }
}

impl PeopleCache {
    /// The person with this canonical id, as the rows have it; `None` where it is not known, or the id another's.
    pub(super) fn person(
        &self,
        project_id: [u8; 16],
        canonical: &MemberId,
        rows: &ProfileMap,
    ) -> Option<Arc<Who>> {
        self.people.lock().persons.get(&(project_id, canonical.clone()))?.outcome(rows)
    }

    /// The canonical id of the person whom an id names that is not canonical itself, as the rows have it.
    pub(super) fn canonical(
        &self,
        project_id: [u8; 16],
        id: &MemberId,
        rows: &ProfileMap,
    ) -> Option<MemberId> {
        self.people.lock().canonical.get(&(project_id, id.clone()))?.outcome(rows)
    }

    /// Keeps a person that was folded from these rows.
    pub(super) fn put_person(
        &self,
        project_id: [u8; 16],
        canonical: MemberId,
        rows: &ProfileMap,
        who: &Arc<Who>,
        rests_on: RestsOn,
    ) {
        let size = who.members.len();
        self.put((project_id, canonical), Arc::clone(who), size, rows, rests_on, |kept| &mut kept.persons);
    }

    /// Keeps to whom an id belongs.
    pub(super) fn put_canonical(
        &self,
        project_id: [u8; 16],
        id: MemberId,
        rows: &ProfileMap,
        canonical: MemberId,
        rests_on: RestsOn,
    ) {
        self.put((project_id, id), canonical, 1, rows, rests_on, |kept| &mut kept.canonical);
    }

    fn put<T>(
        &self,
        key: Key,
        outcome: T,
        size: usize,
        rows: &ProfileMap,
        rests_on: RestsOn,
        of: impl Fn(&mut Kept) -> &mut HashMap<Key, Entry<T>>,
    ) {
        let size = 1 + size + rests_on.len();
        if size > SIZE_MAX / 16 {
            return;
        }
        let mut kept = self.people.lock();
        if kept.size + size > SIZE_MAX {
            // All are as good as new after one fold each; keeping count of their use would cost every read.
            *kept = Kept::default();
        }
        let entry = Entry { outcome, version: rows.version(), rests_on, size };
        if let Some(old) = of(&mut kept).insert(key, entry) {
            kept.size -= old.size;
        }
        kept.size += size;
    }
}
