//! The store gives the answers of the table, and those of the naive model on random histories: in any order of arrival,
//! with repeats, in batches, over sealed segments, reopenings and power losses.

use std::collections::BTreeMap;

use envelog::testing::{SimDisk, SimRng};
use envelog::{
    DateTime, Dedupe, Durability, Envelope, IdentityRule, Limits, Object, OnIdConflict, Options, PersonId,
    PersonRef, Position, Profile, ProfileState, Store, Value, View,
};

use super::cases::{self, Answers};
use super::histories::{SplitMix64, history, renumber, without_retries};
use super::naive::{ConflictKind, Naive, NaiveConflict, NaiveEvent, NaiveProfile, NaiveState, Person};
use crate::support::{LEVELS, Suite, Tally, count, index, options, org_id, project_id};

/// The store's answers, in the seqs of the model.
pub(super) struct Stored {
    pub(super) view: View,
    /// Where the event of each seq of the model stands.
    pub(super) positions: BTreeMap<u64, Position>,
}

fn value_of(value: &serde_json::Value) -> Value {
    serde_json::from_value(value.clone()).unwrap()
}

fn object_of(value: Option<&serde_json::Value>) -> Option<Object> {
    match value.map(value_of) {
        Some(Value::Object(object)) => Some(object),
        _ => None,
    }
}

pub(crate) fn envelope(event: &NaiveEvent) -> Envelope {
    let mut envelope = Envelope::new(org_id(), project_id(0), "profiles", event.event_type.clone())
        .at(DateTime::from_timestamp_nanos(event.timestamp));
    envelope.user_id.clone_from(&event.user_id);
    envelope.anonymous_id.clone_from(&event.anonymous_id);
    envelope.message_id.clone_from(&event.message_id);
    envelope.properties = object_of(event.properties.as_ref());
    envelope.context = object_of(event.context.as_ref());
    envelope
}

pub(crate) fn reference(person: &Person) -> PersonRef<'_> {
    match person {
        Person::User(id) => PersonRef::User(id),
        Person::Anonymous(id) => PersonRef::Anonymous(id),
    }
}

fn person(id: &PersonId) -> Person {
    match id {
        PersonId::User(id) => Person::User(id.clone()),
        PersonId::Anonymous(id) => Person::Anonymous(id.clone()),
    }
}

pub(crate) fn told(profile: &Profile) -> NaiveProfile {
    let of = |reference: PersonRef<'_>| person(&reference.into());
    NaiveProfile {
        person: of(profile.person()),
        members: profile.members().map(of).collect(),
        state: match profile.state() {
            ProfileState::Identified => NaiveState::Identified,
            _ => NaiveState::Anonymous,
        },
        traits: profile
            .traits()
            .map(|each| {
                let value = serde_json::to_value(each.value.to_value()).unwrap();
                (each.name.to_owned(), (value, each.at.timestamp_nanos_opt().unwrap()))
            })
            .collect(),
    }
}

fn kind(rule: IdentityRule) -> ConflictKind {
    match rule {
        IdentityRule::AlreadyIdentified => ConflictKind::AlreadyIdentified,
        IdentityRule::NoPlace => ConflictKind::NoPlace,
        IdentityRule::BoundToAnother => ConflictKind::BoundToAnother,
        IdentityRule::Unlinked => ConflictKind::Unlinked,
        IdentityRule::CannotMergeIdentified => ConflictKind::CannotMergeIdentified,
        IdentityRule::Cycle => ConflictKind::Cycle,
        IdentityRule::NotBound => ConflictKind::NotBound,
        other => panic!("{other} is a rule that the model does not know"),
    }
}

pub(crate) fn conflicts(view: &View) -> Vec<NaiveConflict> {
    let conflicts = view.identity_conflicts().unwrap();
    let conflict = |each: &envelog::IdentityConflict| NaiveConflict {
        kind: kind(each.rule),
        event_type: each.event_type.to_owned(),
        timestamp: each.timestamp.timestamp_nanos_opt().unwrap(),
        message_id: each.message_id.clone(),
        member: each.member.as_ref().map(person),
        user: each.user.id().to_owned(),
    };
    conflicts.iter().map(conflict).collect()
}

impl Answers for Stored {
    fn timeline(&self, person: &Person) -> Vec<u64> {
        let seq_of: BTreeMap<Position, u64> = self.positions.iter().map(|(seq, at)| (*at, *seq)).collect();
        let forward: Vec<u64> = self
            .view
            .timeline(reference(person))
            .iter()
            .map(|event| seq_of[&event.unwrap().position()])
            .collect();
        let mut back: Vec<u64> = self
            .view
            .timeline(reference(person))
            .newest_first()
            .iter()
            .map(|event| seq_of[&event.unwrap().position()])
            .collect();
        back.reverse();
        assert_eq!(forward, back);
        let activity = self.view.activity(reference(person)).unwrap();
        assert_eq!(activity.map_or(0, |activity| activity.events), forward.len() as u64);
        forward
    }

    fn owner(&self, seq: u64) -> Option<Person> {
        let explanation = self.view.explain(self.positions[&seq]).unwrap()?;
        Some(person(&explanation.person))
    }

    fn canonical(&self, asked: &Person) -> Person {
        person(&self.view.person(reference(asked)).unwrap())
    }

    fn members(&self, asked: &Person) -> Vec<Person> {
        self.view.members(reference(asked)).unwrap().iter().map(person).collect()
    }

    fn profile(&self, person: &Person) -> Option<NaiveProfile> {
        self.view.profile(reference(person)).unwrap().as_ref().map(told)
    }

    fn profile_at(&self, person: &Person, time: i64) -> Option<NaiveProfile> {
        let time = DateTime::from_timestamp_nanos(time);
        self.view.profile_at(reference(person), time).unwrap().as_ref().map(told)
    }

    fn profiles(&self) -> Vec<NaiveProfile> {
        self.view.profiles().unwrap().map(|each| told(&each.unwrap())).collect()
    }

    fn conflicts(&self) -> Vec<NaiveConflict> {
        conflicts(&self.view)
    }
}

/// The traits that an event sets or unsets.
fn traits_of(event: &NaiveEvent) -> usize {
    let of = |key| {
        event
            .context
            .as_ref()
            .and_then(|context| context.get(key)?.as_object())
            .map_or(0, serde_json::Map::len)
    };
    of("traits") + of("traitsOnce")
}

pub(super) fn limits(members_max: usize) -> Limits {
    let mut limits = Limits::default();
    limits.members_max = members_max;
    limits
}

#[test]
fn the_store_gives_the_answers_of_the_table() {
    cases::check_all(|events, members_max| {
        // Repeats are kept, so that each step has its own position.
        let options = Options::new().dedupe(Dedupe::Off).limits(limits(members_max));
        let store = options.open_in_memory().unwrap();
        let acks = store.append_batch(events.iter().map(envelope)).unwrap();
        let positions = events.iter().zip(acks).map(|(event, ack)| (event.seq, ack.position)).collect();
        Stored { view: store.project(project_id(0)).view().unwrap(), positions }
    });
}

/// Stores a history in pieces: alone and in batches, with rolls, seals, reopenings and power losses in between.
fn store_in_pieces(
    events: &[NaiveEvent],
    limits: &Limits,
    dedupe: Dedupe,
    rng: &mut SimRng,
    tally: &Tally,
) -> (Store, BTreeMap<u64, Position>) {
    let open = |disk: &SimDisk, rng: &mut SimRng| {
        let level = if rng.chance(500) { Durability::Synced } else { LEVELS[index(rng, 3)] };
        let segment_bytes = 4096 << rng.below(3);
        let options = options(rng, level, segment_bytes).dedupe(dedupe).limits(limits.clone());
        (options.on_id_conflict(OnIdConflict::Store).open_on(disk).unwrap(), level)
    };
    let mut disk = SimDisk::default();
    let (mut store, mut level) = open(&disk, rng);
    let mut positions = BTreeMap::new();
    let mut rest = events;
    while !rest.is_empty() {
        let (now, later) = rest.split_at((1 + index(rng, 6)).min(rest.len()));
        rest = later;
        if rng.chance(500) {
            let acks = store.append_batch(now.iter().map(envelope)).unwrap();
            positions.extend(now.iter().zip(acks).map(|(event, ack)| (event.seq, ack.position)));
        } else {
            for event in now {
                positions.insert(event.seq, store.append(envelope(event)).unwrap().position);
            }
        }
        match rng.below(12) {
            0 => store.wait_sealed().unwrap(),
            1 => {
                store.close().unwrap();
                tally.add("reopenings");
                (store, level) = open(&disk, rng);
            }
            2 => {
                if level != Durability::Synced {
                    store.sync().unwrap();
                }
                disk = disk.crash(rng);
                tally.add("power losses");
                (store, level) = open(&disk, rng);
            }
            _ => {}
        }
    }
    (store, positions)
}

/// Everything that can be asked of one history.
pub(super) fn compare(stored: &Stored, naive: &Naive, rng: &mut SimRng) {
    assert_eq!(stored.profiles(), naive.profiles());
    assert_eq!(stored.conflicts(), naive.conflicts());
    let mut references: Vec<Person> = Vec::new();
    for event in &naive.events {
        references.extend(event.user_id.clone().map(Person::User));
        references.extend(event.anonymous_id.clone().map(Person::Anonymous));
    }
    references.push(Person::User("nobody".to_owned()));
    references.sort();
    references.dedup();
    let (timelines, canonicals) = (naive.timelines(), naive.canonicals(&references));
    for (person, canonical) in references.iter().zip(canonicals) {
        assert_eq!(stored.canonical(person), canonical, "{person:?}");
        assert_eq!(
            stored.timeline(person),
            timelines.get(&canonical).cloned().unwrap_or_default(),
            "{person:?}"
        );
        assert_eq!(stored.members(person), naive.members(person), "{person:?}");
        assert_eq!(stored.profile(person), naive.profile(person), "{person:?}");
    }
    for _ in 0..4 {
        let event = &naive.events[index(rng, naive.events.len())];
        let asked = &references[index(rng, references.len())];
        let time = event.timestamp - i64::try_from(rng.below(2)).unwrap();
        assert_eq!(stored.profile_at(asked, time), naive.profile_at(asked, time), "{asked:?} at {time}");
        assert_eq!(stored.owner(event.seq), naive.owner(event.seq));
    }
    history_ends_in_the_profile(stored, &references[index(rng, references.len())]);
}

/// The changes of a person's traits, one after another, come to what the traits are.
fn history_ends_in_the_profile(stored: &Stored, asked: &Person) {
    let mut traits: BTreeMap<String, Value> = BTreeMap::new();
    for change in stored.view.profile_history(reference(asked)).unwrap() {
        assert_eq!(traits.get(&change.name), change.before.as_ref());
        match change.after {
            Some(value) => traits.insert(change.name, value),
            None => traits.remove(&change.name),
        };
    }
    let profile = stored.view.profile(reference(asked)).unwrap();
    let now = profile.iter().flat_map(|profile| {
        profile.traits().map(|each| (each.name.to_owned(), each.value.to_value())).collect::<Vec<_>>()
    });
    assert_eq!(traits, now.collect());
}

#[test]
fn the_store_agrees_with_the_naive_model_on_random_histories() {
    let cases = count(512, 1_500, 50_000);
    let suite = Suite {
        name: "identity",
        wanted: cases,
        least: cases.min(512),
        cap: std::time::Duration::from_mins(if cases > 5_000 { 600 } else { 4 }),
    };
    let tally = Tally::default();
    suite.run(|_, rng| {
        let mut events = history(rng.next_u64());
        let members_max = if rng.chance(300) { 2 } else { 1_000 };
        let dedupe = if rng.chance(500) { Dedupe::All } else { Dedupe::Off };
        if dedupe == Dedupe::All {
            events = without_retries(&events);
        }
        let (store, positions) = store_in_pieces(&events, &limits(members_max), dedupe, rng, &tally);
        let stored = Stored { view: store.project(project_id(0)).view().unwrap(), positions };
        compare(&stored, &Naive { events, members_max }, rng);
        tally.add("histories");
        1
    });
    tally.print(suite.name);
    assert!(tally.get("power losses") > cases / 4 && tally.get("reopenings") > cases / 4);
}

#[test]
fn any_permutation_duplication_and_split_gives_the_same_profiles_byte_for_byte() {
    let cases = count(1_000, 2_000, 50_000);
    let suite = Suite {
        name: "permutations",
        wanted: cases,
        least: cases.min(1_000),
        cap: std::time::Duration::from_mins(if cases > 5_000 { 600 } else { 4 }),
    };
    let tally = Tally::default();
    suite.run(|_, rng| {
        let mut events = history(rng.next_u64());
        if rng.chance(300) {
            // One id on several contents: with dedupe off, and where conflicts are stored, each is a fact.
            for event in events.iter_mut().filter(|event| event.message_id.is_some()) {
                event.message_id = Some("m".to_owned());
            }
        }
        let mut limits = limits(if rng.chance(300) { 2 } else { 1_000 });
        if rng.chance(300) {
            // Rows that come near their limit, and over it.
            limits.traits_max = 3;
            events.retain(|event| traits_of(event) <= limits.traits_max);
            tally.add("small limits");
        }
        if events.is_empty() {
            return 1;
        }
        let over = std::cell::Cell::new(0);
        let json = |events: &[NaiveEvent], rng: &mut SimRng| {
            let dedupe = if rng.chance(500) { Dedupe::All } else { Dedupe::Off };
            let (store, _) = store_in_pieces(events, &limits, dedupe, rng, &tally);
            let view = store.project(project_id(0)).view().unwrap();
            let over_limit = view.profiles().unwrap().map(|profile| profile.unwrap().is_over_limit());
            let over_limit: Vec<bool> = over_limit.collect();
            over.set(over.get() + over_limit.iter().filter(|over| **over).count());
            (view.profiles_canonical_json().unwrap(), over_limit)
        };
        let one = json(&events, rng);
        let mut other = events.clone();
        for _ in 0..rng.below(8) {
            other.push(events[index(rng, events.len())].clone());
        }
        SplitMix64(rng.next_u64()).shuffle(&mut other);
        renumber(&mut other);
        assert_eq!(one, json(&other, rng));
        if over.get() > 0 {
            tally.add("over their limits");
        }
        1
    });
    tally.print(suite.name);
    assert!(tally.get("over their limits") > 20);
}
