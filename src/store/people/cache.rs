//! Persons that were folded before, kept as long as no row changed that they rest on.

use std::sync::Arc;

use hashbrown::HashMap;
use parking_lot::Mutex;

use crate::identity::{MemberId, Who};
use crate::profile::{Mark, ProfileMap};

/// Most ids of all persons together that are kept.
const IDS_MAX: usize = 100_000;

/// What came of the facts about persons, by an id that names them.
///
/// An entry knows at which version of the rows it was made and which rows it rests on. It serves a view of any other
/// version, earlier or later, as long as none of those rows changed in between.
#[derive(Debug, Default)]
pub(crate) struct PeopleCache(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    persons: HashMap<([u8; 16], MemberId), Entry>,
    /// Ids of all entries, and one for each entry.
    ids: usize,
}

#[derive(Debug)]
struct Entry {
    who: Arc<Who>,
    version: u64,
    rests_on: Box<[Mark]>,
}

impl PeopleCache {
    /// The person whom an id names, as the rows have it.
    pub(super) fn get(&self, project_id: [u8; 16], id: &MemberId, rows: &ProfileMap) -> Option<Arc<Who>> {
        let kept = self.0.lock();
        let entry = kept.persons.get(&(project_id, id.clone()))?;
        rows.is_as_of(entry.version, &entry.rests_on).then(|| Arc::clone(&entry.who))
    }

    /// Keeps a person that was folded from these rows.
    pub(super) fn put(
        &self,
        project_id: [u8; 16],
        id: &MemberId,
        rows: &ProfileMap,
        who: &Arc<Who>,
        rests_on: Box<[Mark]>,
    ) {
        let ids = 1 + who.members.len() + rests_on.len();
        if ids > IDS_MAX / 16 {
            return;
        }
        let mut kept = self.0.lock();
        if kept.ids + ids > IDS_MAX {
            // All are as good as new after one fold each; keeping count of their use would cost every read.
            *kept = Kept::default();
        }
        let entry = Entry { who: Arc::clone(who), version: rows.version(), rests_on };
        if let Some(old) = kept.persons.insert((project_id, id.clone()), entry) {
            kept.ids -= 1 + old.who.members.len() + old.rests_on.len();
        }
        kept.ids += ids;
    }
}
