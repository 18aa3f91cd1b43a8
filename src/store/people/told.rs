//! All facts of members of whom the rows do not say enough: read from the log once, and then what was told since.

use hashbrown::HashMap;
use parking_lot::Mutex;

use super::facts::{ViewFacts, pair_of, person_of};
use crate::envelope::EventType;
use crate::error::{Error, Result};
use crate::identity::{Fact, MemberId, Told};
use crate::index::{IdKind, id_hash};
use crate::limits::IDENTITY_FACTS_MAX;
use crate::profile::{PersonRow, RestsOn};
use crate::store::event::EventRef;
use crate::store::handle::SegmentView;
use crate::types::{Ordinal, Seq};

/// Most facts and ids of all entries together that are kept.
const SIZE_MAX: usize = 100_000;

/// Most events of the types of facts that are looked at for what was told since. Behind more of them all facts are read
/// anew, which takes as long as there are facts of the member.
const LOOKED_AT_MAX: usize = 16_384;

type Key = ([u8; 16], MemberId);

/// What is known of all facts of members.
///
/// An entry has every fact up to and with a seq. No fact of the member was told between the version of the rows at which
/// it was kept and any other one, as long as the mark of the member was not set in between: then it serves views of both.
/// Where it was set, a later view looks for what was told since.
#[derive(Debug, Default)]
pub(super) struct ToldCache(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    entries: HashMap<Key, Entry>,
    /// Of all entries.
    size: usize,
}

#[derive(Debug, Clone)]
struct Entry {
    told: Told,
    through: Seq,
    version: u64,
}

impl Entry {
    fn size(&self) -> usize {
        1 + self.told.facts.len() + self.told.places.as_ref().map_or(0, |places| places.len())
    }
}

impl ToldCache {
    fn get(&self, key: &Key) -> Option<Entry> {
        self.0.lock().entries.get(key).cloned()
    }

    fn put(&self, key: Key, entry: Entry) {
        let size = entry.size();
        if size > SIZE_MAX / 16 {
            return;
        }
        let mut kept = self.0.lock();
        // What a later view found out stays.
        if kept.entries.get(&key).is_some_and(|old| old.through > entry.through) {
            return;
        }
        if kept.size + size > SIZE_MAX {
            *kept = Kept::default();
        }
        if let Some(old) = kept.entries.insert(key, entry) {
            kept.size -= old.size();
        }
        kept.size += size;
    }
}

impl ViewFacts<'_> {
    /// All facts of a member from what was kept of them; `None` where they must be read.
    pub(super) fn recalled(self, member: &MemberId) -> Result<Option<Told>> {
        let pinned = self.0.pinned();
        let (snapshot, project_id) = (&pinned.snapshot, pinned.project_id);
        let (rows, cache) = (&snapshot.profiles, &snapshot.people.told);
        let key = (project_id, member.clone());
        let Some(Entry { told, through, version }) = cache.get(&key) else { return Ok(None) };
        let facts = [rows.mark(project_id, person_of(member))].into();
        if rows.is_as_of(version, &RestsOn { rows: Box::default(), facts }) {
            return Ok(Some(told));
        }
        if through > snapshot.visible || !self.has_lost_none(member)? {
            return Ok(None);
        }
        let told = self.told_since(member, through)?.and_then(|since| told.with(since));
        if let Some(told) = &told {
            self.put(key, told);
        }
        Ok(told)
    }

    /// Keeps all facts of a member.
    pub(super) fn keep_told(self, member: &MemberId, told: &Told) {
        if matches!(self.has_lost_none(member), Ok(true)) {
            self.put((self.0.pinned().project_id, member.clone()), told);
        }
    }

    fn put(self, key: Key, told: &Told) {
        let snapshot = &self.0.pinned().snapshot;
        let (through, version) = (snapshot.visible, snapshot.profiles.version());
        snapshot.people.told.put(key, Entry { told: told.clone(), through, version });
    }

    /// Whether a row has the least fact of every kind and other id: one of very many ids may not, and then goes by other
    /// facts of the log when others arrive.
    fn has_lost_none(self, member: &MemberId) -> Result<bool> {
        let pinned = self.0.pinned();
        let row = pinned.snapshot.profiles.row(pinned.project_id, person_of(member))?;
        let facts = row.as_ref().map_or(0, PersonRow::fact_count);
        Ok(usize::try_from(facts).is_ok_and(|facts| facts < IDENTITY_FACTS_MAX))
    }

    /// The facts of a member behind a seq; `None` where too many events would have to be looked at.
    fn told_since(self, member: &MemberId, since: Seq) -> Result<Option<Vec<Fact>>> {
        let (mut facts, mut left) = (Vec::new(), LOOKED_AT_MAX);
        for segment in self.0.pinned().segments().rev() {
            if !self.add_told(segment, member, since, &mut left, &mut facts)? {
                return Ok(None);
            }
            if segment.handle.segment.base_seq() <= since {
                break;
            }
        }
        Ok(Some(facts))
    }

    /// Adds those of one segment; says whether there were no more events than are left to look at.
    fn add_told(
        self,
        segment: SegmentView<'_>,
        member: &MemberId,
        since: Seq,
        left: &mut usize,
        facts: &mut Vec<Fact>,
    ) -> Result<bool> {
        let (pinned, index) = (self.0.pinned(), segment.index);
        let (snapshot, project_id) = (&pinned.snapshot, &pinned.project_id);
        let Some(project) = index.project(project_id)? else { return Ok(true) };
        let from = Ordinal::new(segment.handle.ordinals_below(since.next()));
        let device = if member.is_user() {
            None
        } else {
            let hash = id_hash(&snapshot.hash_key, project_id, IdKind::Device, &member.id);
            index.id_no(project, IdKind::Device, hash)?
        };
        for event_type in [EventType::IDENTIFY, EventType::ALIASED, EventType::UNLINKED] {
            let is_link = event_type == EventType::IDENTIFY;
            if is_link && device.is_none() {
                continue;
            }
            let Some(type_no) = index.type_no(project, event_type)? else { continue };
            let mut postings = index.postings(type_no)?;
            postings.seek(from);
            match left.checked_sub(postings.len()) {
                Some(rest) => *left = rest,
                None => return Ok(false),
            }
            for ordinal in postings {
                if is_link && index.id_of(IdKind::Device, ordinal)? != device {
                    continue;
                }
                let offset = index.offset(ordinal)?;
                let event = match EventRef::read(segment.handle, &snapshot.epochs, ordinal, offset) {
                    Err(Error::Gap { .. }) => continue,
                    event => event?,
                };
                let fact =
                    event.and_then(|event| event.fact()).and_then(|(fact, order)| pair_of(&fact, order));
                facts.extend(fact.filter(|fact| fact.member == *member));
            }
        }
        Ok(true)
    }
}
