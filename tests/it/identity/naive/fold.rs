//! The sequential fold of all facts of a project.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::facts::{Act, Fact};
use super::{ConflictKind, NaiveConflict, Person};

/// A stretch of event time in which a device is shared: from the start on, before the end.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    pub(crate) start: i64,
    /// None while the window is open.
    pub(crate) end: Option<i64>,
}

/// An identify, or a sign-up that had an effect, on the row of one id.
#[derive(Clone, Debug)]
pub(crate) struct Landing {
    pub(crate) row: Person,
    pub(crate) timestamp: i64,
    pub(crate) plain: Map<String, Value>,
    pub(crate) once: Map<String, Value>,
}

/// What the facts come to.
#[derive(Default)]
pub(crate) struct Graph {
    /// The user to which a member is directly bound. A free member is not in it.
    pub(crate) parent: BTreeMap<Person, String>,
    /// The windows of each device, ended ones included.
    pub(crate) windows: BTreeMap<String, Vec<Window>>,
    /// The users that are identified.
    pub(crate) identified: BTreeSet<String>,
    /// The users that were created, signed up, or made by an alias to them.
    pub(crate) made: BTreeSet<String>,
    /// What landed on rows, in the order of the facts.
    pub(crate) landings: Vec<Landing>,
    pub(crate) conflicts: Vec<NaiveConflict>,
    /// The users that have a created fact.
    created: BTreeSet<String>,
    /// The pairs that an unlink has barred for links.
    bars: BTreeSet<(Person, String)>,
    /// The conflicts of links that were listed since the last effective unlink of the member.
    listed: BTreeSet<(ConflictKind, Person, String)>,
    /// The pairs of which an alias was listed since the last effective unlink of the member.
    listed_aliases: BTreeSet<(Person, String)>,
}

impl Graph {
    /// The canonical id of a user.
    pub(crate) fn root(&self, user: &str) -> String {
        let mut at = user.to_owned();
        while let Some(parent) = self.parent.get(&Person::User(at.clone())) {
            at.clone_from(parent);
        }
        at
    }

    /// The person that a reference names.
    pub(crate) fn canonical(&self, reference: &Person) -> Person {
        match reference {
            Person::User(user) => Person::User(self.root(user)),
            Person::Anonymous(device) => match self.parent.get(reference) {
                Some(user) if !self.windows.contains_key(device) => Person::User(self.root(user)),
                _ => reference.clone(),
            },
        }
    }

    pub(crate) fn in_window(&self, device: &str, timestamp: i64) -> bool {
        let Some(windows) = self.windows.get(device) else {
            return false;
        };
        windows.iter().any(|window| window.start <= timestamp && window.end.is_none_or(|end| timestamp < end))
    }

    fn list(&mut self, kind: ConflictKind, fact: &Fact, member: Option<&Person>, user: &str) {
        self.conflicts.push(NaiveConflict {
            kind,
            event_type: fact.event_type.clone(),
            timestamp: fact.timestamp,
            message_id: fact.message_id.clone(),
            member: member.cloned(),
            user: user.to_owned(),
        });
    }

    /// Lists the conflict of a link, unless the pair has one of that kind in this stretch.
    fn list_link(&mut self, kind: ConflictKind, fact: &Fact, member: &Person, user: &str) {
        if self.listed.insert((kind, member.clone(), user.to_owned())) {
            self.list(kind, fact, Some(member), user);
        }
    }

    fn open_window(&mut self, member: &Person, timestamp: i64) {
        let Person::Anonymous(device) = member else {
            return;
        };
        let windows = self.windows.entry(device.clone()).or_default();
        if windows.iter().all(|window| window.end.is_some()) {
            windows.push(Window { start: timestamp, end: None });
        }
    }

    fn close_window(&mut self, member: &Person, timestamp: i64) {
        let Person::Anonymous(device) = member else {
            return;
        };
        for window in self.windows.get_mut(device).into_iter().flatten() {
            if window.end.is_none() {
                window.end = Some(timestamp);
            }
        }
    }

    fn land(&mut self, row: Person, fact: &Fact) {
        self.landings.push(Landing {
            row,
            timestamp: fact.timestamp,
            plain: fact.plain.clone(),
            once: fact.once.clone(),
        });
    }

    fn signed_up(&mut self, fact: &Fact, user: &str) {
        self.made.insert(user.to_owned());
        if self.identified.contains(user) {
            self.list(ConflictKind::AlreadyIdentified, fact, None, user);
        } else {
            self.identified.insert(user.to_owned());
            self.land(Person::User(user.to_owned()), fact);
        }
    }

    fn created(&mut self, fact: &Fact, user: &str) {
        self.made.insert(user.to_owned());
        let first = self.created.insert(user.to_owned());
        if first && self.identified.contains(user) {
            self.list(ConflictKind::AlreadyIdentified, fact, None, user);
        }
    }

    fn linked(&mut self, fact: &Fact, member: &Person, user: &str) {
        let pair = (member.clone(), user.to_owned());
        match self.parent.get(member) {
            Some(parent) if parent == user => {}
            Some(_) => {
                self.list_link(ConflictKind::BoundToAnother, fact, member, user);
                self.open_window(member, fact.timestamp);
            }
            None if self.bars.contains(&pair) => {
                self.list_link(ConflictKind::Unlinked, fact, member, user);
            }
            None => {
                self.parent.insert(member.clone(), user.to_owned());
            }
        }
    }

    fn aliased(&mut self, fact: &Fact, from: &Person, to: &str) {
        let parent = self.parent.get(from);
        if parent.map(String::as_str) == Some(to) {
            return;
        }
        let is_identified = matches!(from, Person::User(user) if self.identified.contains(user));
        let broken = match parent {
            _ if is_identified => Some(ConflictKind::CannotMergeIdentified),
            Some(_) => Some(ConflictKind::BoundToAnother),
            None => (*from == Person::User(self.root(to))).then_some(ConflictKind::Cycle),
        };
        if let Some(kind) = broken {
            if self.listed_aliases.insert((from.clone(), to.to_owned())) {
                self.list(kind, fact, Some(from), to);
            }
            if kind == ConflictKind::BoundToAnother {
                self.open_window(from, fact.timestamp);
            }
            return;
        }
        self.parent.insert(from.clone(), to.to_owned());
        self.bars.remove(&(from.clone(), to.to_owned()));
        self.made.insert(to.to_owned());
    }

    fn unlinked(&mut self, fact: &Fact, member: &Person, user: &str) {
        if self.parent.get(member).map(String::as_str) != Some(user) {
            self.list(ConflictKind::NotBound, fact, Some(member), user);
            return;
        }
        self.parent.remove(member);
        self.bars.insert((member.clone(), user.to_owned()));
        self.close_window(member, fact.timestamp);
        self.listed.retain(|(_, listed, _)| listed != member);
        self.listed_aliases.retain(|(listed, _)| listed != member);
    }
}

/// Folds the facts, which are given in their total order.
pub(crate) fn fold(facts: &[Fact], members_max: usize) -> Graph {
    let placed = places(facts, members_max);
    let mut graph = Graph::default();
    let mut without_place = BTreeSet::new();
    for fact in facts {
        for act in &fact.acts {
            if let Some((member, user)) = pair(act) {
                let pair = (member.clone(), user.clone());
                if !placed.contains(&pair) {
                    if without_place.insert(pair) {
                        graph.list(ConflictKind::NoPlace, fact, Some(&member), &user);
                    }
                    continue;
                }
            }
            match act {
                Act::Identified(user) => {
                    if !graph.created.contains(user) {
                        graph.identified.insert(user.clone());
                    }
                    graph.land(Person::User(user.clone()), fact);
                }
                Act::DeviceIdentified(device) => {
                    graph.land(Person::Anonymous(device.clone()), fact);
                }
                Act::Linked { device, user } => {
                    graph.linked(fact, &Person::Anonymous(device.clone()), user);
                }
                Act::Created(user) => graph.created(fact, user),
                Act::SignedUp(user) => graph.signed_up(fact, user),
                Act::Aliased { from, to } => graph.aliased(fact, from, to),
                Act::Unlinked { member, user } => graph.unlinked(fact, member, user),
            }
        }
    }
    graph
}

/// The member and the user that a link or an alias names.
fn pair(act: &Act) -> Option<(Person, String)> {
    match act {
        Act::Linked { device, user } => Some((Person::Anonymous(device.clone()), user.clone())),
        Act::Aliased { from, to } => Some((from.clone(), to.clone())),
        _ => None,
    }
}

/// The pairs that have a place: of each user, the members that facts name first.
fn places(facts: &[Fact], members_max: usize) -> BTreeSet<(Person, String)> {
    let mut named: BTreeMap<String, Vec<Person>> = BTreeMap::new();
    for fact in facts {
        for act in &fact.acts {
            if let Some((member, user)) = pair(act) {
                let members = named.entry(user).or_default();
                if !members.contains(&member) {
                    members.push(member);
                }
            }
        }
    }
    let mut placed = BTreeSet::new();
    for (user, members) in named {
        for member in members.into_iter().take(members_max) {
            placed.insert((member, user.clone()));
        }
    }
    placed
}
