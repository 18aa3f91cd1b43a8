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

/// Most acts of anybody that are looked at for what was told of one member since. Behind more of them all its facts are
/// read anew, which takes as long as there are facts of the member.
const ACTS_MAX: usize = 16_384;

/// Most identifies of a segment that are looked at for those of one device. Where there are more, the device's own events
/// are.
const IDENTIFIES_MAX: usize = 1_024;

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
        let (mut facts, mut acts_left) = (Vec::new(), ACTS_MAX);
        for segment in self.0.pinned().segments().rev() {
            let from = Ordinal::new(segment.handle.ordinals_below(since.next()));
            if !member.is_user() {
                self.add_links(segment, from, member, &mut facts)?;
            }
            if !self.add_acts(segment, from, member, &mut acts_left, &mut facts)? {
                return Ok(None);
            }
            if segment.handle.segment.base_seq() <= since {
                break;
            }
        }
        Ok(Some(facts))
    }

    /// Adds the links of a device in one segment, from an ordinal on.
    fn add_links(
        self,
        segment: SegmentView<'_>,
        from: Ordinal,
        device: &MemberId,
        facts: &mut Vec<Fact>,
    ) -> Result<()> {
        let (pinned, index) = (self.0.pinned(), segment.index);
        let hash = id_hash(&pinned.snapshot.hash_key, &pinned.project_id, IdKind::Device, &device.id);
        let Some(project) = index.project(&pinned.project_id)? else { return Ok(()) };
        let Some(id) = index.id_no(project, IdKind::Device, hash)? else { return Ok(()) };
        let Some(identify) = index.type_no(project, EventType::IDENTIFY)? else { return Ok(()) };
        let mut identifies = index.postings(identify)?;
        identifies.seek(from);
        if identifies.len() <= IDENTIFIES_MAX {
            for ordinal in identifies {
                if index.id_of(IdKind::Device, ordinal)? == Some(id) {
                    self.add_fact(segment, ordinal, device, facts)?;
                }
            }
            return Ok(());
        }
        let mut own = index.postings_of(IdKind::Device, id)?;
        while let Some(posting) = own.next_back().transpose()? {
            let is_identify = |(type_no, _)| type_no == identify;
            if posting.ordinal >= from && index.type_and_module(posting.ordinal)?.is_some_and(is_identify) {
                self.add_fact(segment, posting.ordinal, device, facts)?;
            }
        }
        Ok(())
    }

    /// Adds the aliases and unlinks of a member in one segment; says whether there were no more acts of anybody than are
    /// left to look at.
    fn add_acts(
        self,
        segment: SegmentView<'_>,
        from: Ordinal,
        member: &MemberId,
        left: &mut usize,
        facts: &mut Vec<Fact>,
    ) -> Result<bool> {
        let index = segment.index;
        let Some(project) = index.project(&self.0.pinned().project_id)? else { return Ok(true) };
        for event_type in [EventType::ALIASED, EventType::UNLINKED] {
            let Some(type_no) = index.type_no(project, event_type)? else { continue };
            let mut acts = index.postings(type_no)?;
            acts.seek(from);
            match left.checked_sub(acts.len()) {
                Some(rest) => *left = rest,
                None => return Ok(false),
            }
            for ordinal in acts {
                self.add_fact(segment, ordinal, member, facts)?;
            }
        }
        Ok(true)
    }

    /// Adds what one event says of a member.
    fn add_fact(
        self,
        segment: SegmentView<'_>,
        ordinal: Ordinal,
        member: &MemberId,
        facts: &mut Vec<Fact>,
    ) -> Result<()> {
        let offset = segment.index.offset(ordinal)?;
        let epochs = &self.0.pinned().snapshot.epochs;
        let event = match EventRef::read(segment.handle, epochs, ordinal, offset) {
            Err(Error::Gap { .. }) => return Ok(()),
            event => event?,
        };
        let fact = event.and_then(|event| event.fact()).and_then(|(fact, order)| pair_of(&fact, order));
        facts.extend(fact.filter(|fact| fact.member == *member));
        Ok(())
    }
}
