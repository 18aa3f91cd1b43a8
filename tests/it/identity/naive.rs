//! A naive model of identity, written from the rules alone.
//!
//! It keeps the events of one project in a vector and, for every question, folds all
//! facts from the beginning. It has no index, no cache and no incremental step: where it
//! and an implementation differ, this one is the easier to check against the text.

mod facts;
mod fold;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use fold::{Graph, Landing};

pub(crate) use facts::{digest, is_no_id};

/// One stored event of the project, validated and without addresses.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NaiveEvent {
    pub(crate) seq: u64,
    /// Nanoseconds since 1970.
    pub(crate) timestamp: i64,
    pub(crate) event_type: String,
    pub(crate) user_id: Option<String>,
    pub(crate) anonymous_id: Option<String>,
    pub(crate) message_id: Option<String>,
    pub(crate) properties: Option<Value>,
    pub(crate) context: Option<Value>,
}

/// A reference to a person. Users come before devices, each by the bytes of the id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Person {
    User(String),
    Anonymous(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum NaiveState {
    Anonymous,
    Identified,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NaiveProfile {
    /// The canonical person, which is not always the one that was asked for.
    pub(crate) person: Person,
    /// Sorted, the canonical person included.
    pub(crate) members: Vec<Person>,
    pub(crate) state: NaiveState,
    /// The value of each trait, with the timestamp of the fact that set it.
    pub(crate) traits: BTreeMap<String, (Value, i64)>,
}

/// Why a fact had no effect, in the order in which the rules list the kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ConflictKind {
    AlreadyIdentified,
    NoPlace,
    BoundToAnother,
    Unlinked,
    CannotMergeIdentified,
    Cycle,
    NotBound,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NaiveConflict {
    pub(crate) kind: ConflictKind,
    pub(crate) event_type: String,
    pub(crate) timestamp: i64,
    pub(crate) message_id: Option<String>,
    /// The device of a link, the "from" of an alias, the member of an unlink.
    pub(crate) member: Option<Person>,
    pub(crate) user: String,
}

/// All events of one project, in any order.
pub(crate) struct Naive {
    pub(crate) events: Vec<NaiveEvent>,
    pub(crate) members_max: usize,
}

impl Naive {
    /// The seqs of the person's events, by timestamp and then seq.
    pub(crate) fn timeline(&self, person: &Person) -> Vec<u64> {
        let graph = self.graph();
        let person = graph.canonical(person);
        let mut mine = Vec::new();
        for event in &self.events {
            if owner_of(&graph, event).as_ref() == Some(&person) {
                mine.push((event.timestamp, event.seq));
            }
        }
        mine.sort_unstable();
        mine.into_iter().map(|(_, seq)| seq).collect()
    }

    /// The canonical person whose the event is; none for an event without ids.
    pub(crate) fn owner(&self, seq: u64) -> Option<Person> {
        let event = self.events.iter().find(|event| event.seq == seq)?;
        owner_of(&self.graph(), event)
    }

    /// The person that the reference names.
    pub(crate) fn canonical(&self, person: &Person) -> Person {
        self.graph().canonical(person)
    }

    /// The members of the person that the reference names, sorted.
    pub(crate) fn members(&self, person: &Person) -> Vec<Person> {
        let graph = self.graph();
        members_of(&graph, &graph.canonical(person))
    }

    /// The profile of the person that the reference names, if it has one.
    pub(crate) fn profile(&self, person: &Person) -> Option<NaiveProfile> {
        let graph = self.graph();
        profile_of(&graph, graph.canonical(person))
    }

    /// All profiles, in the order of their persons.
    pub(crate) fn profiles(&self) -> Vec<NaiveProfile> {
        let graph = self.graph();
        let mut persons = BTreeSet::new();
        for fact in facts::facts(&self.events) {
            for person in fact.named() {
                persons.insert(graph.canonical(&person));
            }
        }
        persons.into_iter().filter_map(|person| profile_of(&graph, person)).collect()
    }

    /// The profile as the facts up to that time (included) make it.
    pub(crate) fn profile_at(&self, person: &Person, time: i64) -> Option<NaiveProfile> {
        let events = self.events.iter().filter(|event| event.timestamp <= time).cloned().collect();
        let then = Naive { events, members_max: self.members_max };
        then.profile(person)
    }

    /// The facts that had no effect, in the total order of facts and then by kind.
    pub(crate) fn conflicts(&self) -> Vec<NaiveConflict> {
        // The fold walks the facts in that order, and one fact has one conflict at most.
        self.graph().conflicts
    }

    /// The timelines of all persons, from one fold.
    pub(crate) fn timelines(&self) -> BTreeMap<Person, Vec<u64>> {
        let graph = self.graph();
        let mut keyed: BTreeMap<Person, Vec<(i64, u64)>> = BTreeMap::new();
        for event in &self.events {
            if let Some(owner) = owner_of(&graph, event) {
                keyed.entry(owner).or_default().push((event.timestamp, event.seq));
            }
        }
        let sorted = |mut events: Vec<(i64, u64)>| {
            events.sort_unstable();
            events.into_iter().map(|(_, seq)| seq).collect()
        };
        keyed.into_iter().map(|(person, events)| (person, sorted(events))).collect()
    }

    /// The persons that references name, from one fold.
    pub(crate) fn canonicals(&self, references: &[Person]) -> Vec<Person> {
        let graph = self.graph();
        references.iter().map(|person| graph.canonical(person)).collect()
    }

    fn graph(&self) -> Graph {
        fold::fold(&facts::facts(&self.events), self.members_max)
    }
}

fn owner_of(graph: &Graph, event: &NaiveEvent) -> Option<Person> {
    if let Some(user) = &event.user_id {
        return Some(Person::User(graph.root(user)));
    }
    let device = event.anonymous_id.as_ref()?;
    let own = Person::Anonymous(device.clone());
    match graph.parent.get(&own) {
        Some(user) if !graph.in_window(device, event.timestamp) => Some(Person::User(graph.root(user))),
        _ => Some(own),
    }
}

/// The members of a canonical person.
fn members_of(graph: &Graph, person: &Person) -> Vec<Person> {
    let mut members = BTreeSet::from([person.clone()]);
    if let Person::User(root) = person {
        for (member, parent) in &graph.parent {
            if graph.root(parent) == *root {
                members.insert(member.clone());
            }
        }
    }
    members.into_iter().collect()
}

/// The profile of a canonical person.
fn profile_of(graph: &Graph, person: Person) -> Option<NaiveProfile> {
    let members = members_of(graph, &person);
    let joined: Vec<&Landing> = graph
        .landings
        .iter()
        .filter(|landing| members.contains(&landing.row) && belongs(graph, &person, landing))
        .collect();
    let made = members.iter().any(|member| match member {
        Person::User(user) => graph.made.contains(user),
        Person::Anonymous(_) => false,
    });
    if joined.is_empty() && !made {
        return None;
    }
    let state = match &person {
        Person::User(user) if graph.identified.contains(user) => NaiveState::Identified,
        _ => NaiveState::Anonymous,
    };
    Some(NaiveProfile { traits: join(&joined), person, members, state })
}

/// Whether what landed on the row of a member of the person counts for that person.
fn belongs(graph: &Graph, person: &Person, landing: &Landing) -> bool {
    let Person::Anonymous(device) = &landing.row else {
        return true;
    };
    let shared = graph.in_window(device, landing.timestamp);
    match person {
        Person::User(_) => !shared,
        Person::Anonymous(_) => shared || !graph.parent.contains_key(&landing.row),
    }
}

/// Joins traits that landed, which are given in the order of their facts.
fn join(landings: &[&Landing]) -> BTreeMap<String, (Value, i64)> {
    let mut once: BTreeMap<String, (Value, i64)> = BTreeMap::new();
    let mut plain: BTreeMap<String, (Value, i64)> = BTreeMap::new();
    for landing in landings {
        for (name, value) in &landing.once {
            if !once.contains_key(name) {
                once.insert(name.clone(), (value.clone(), landing.timestamp));
            }
        }
        for (name, value) in &landing.plain {
            plain.insert(name.clone(), (value.clone(), landing.timestamp));
        }
    }
    let mut traits = once;
    traits.extend(plain);
    traits.retain(|_, (value, _)| !value.is_null());
    traits
}
