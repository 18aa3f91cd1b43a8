//! To whom a device belongs: a fold of the facts that name it as the member.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::conflict::Conflict;
use super::fact::{Act, Fact, FactSource, MemberId};
use super::graph::{Binding, Graph, Window};
use super::told::Told;
use crate::envelope::EventType;
use crate::error::{IdentityRule, Result};

/// A device on its way through its facts.
#[derive(Default)]
struct Fold {
    binding: Binding,
    /// Users from whom the device was unlinked. An alias may join it to one again; it is free only when it is taken from
    /// that one again.
    barred: HashSet<Arc<str>>,
    /// Users whose links or aliases were listed since the device was last unlinked, and the rules.
    listed: HashSet<(Act, IdentityRule, Arc<str>)>,
    without_place: HashSet<Arc<str>>,
    /// The facts so far that changed something in the above, or would where conflicts are listed.
    changing: Vec<Fact>,
    /// The users who were asked for a place where it decided anything but what is listed.
    asked: HashMap<Arc<str>, bool>,
}

impl<S: FactSource> Graph<S> {
    /// The binding of a device.
    pub(super) fn fold_device(&mut self, device: &MemberId) -> Result<Binding> {
        let row = self.row(device)?;
        if row.facts.as_member.iter().any(|fact| fact.act == Act::Unlinked) {
            return self.fold_all_of_device(device);
        }
        Ok(self.fold_of(&row.facts.as_member)?.binding)
    }

    /// The same from all facts of the device, where its row does not say enough.
    pub(super) fn fold_all_of_device(&mut self, device: &MemberId) -> Result<Binding> {
        let (told, is_new) = match self.recall(device)? {
            Some(told) => (told, false),
            None => (self.read_all(device)?, true),
        };
        let fold = self.fold_of(&self.counting(&told))?;
        let before = told.places.iter().flat_map(|places| places.iter().cloned());
        let asked = fold.asked.into_iter().map(|(id, had_place)| (MemberId::user(id), had_place));
        let places: HashMap<_, _> = before.chain(asked).collect();
        let is_less = fold.changing.len() < told.facts.len();
        let told = Told { facts: fold.changing.into(), places: Some(places.into_iter().collect()), ..told };
        self.note(device, told, is_new || is_less);
        Ok(fold.binding)
    }

    /// What facts about one device come to, which are sorted.
    fn fold_of(&mut self, facts: &[Fact]) -> Result<Fold> {
        let mut fold = Fold::default();
        for fact in facts {
            let is_moot = fold.is_moot(fact);
            let is_changing = if fact.act == Act::Unlinked {
                fold.unlink(fact);
                true
            } else if is_moot && !self.is_listing {
                // Whether the user has a place for the device need not be known.
                fold.may_be_listed(fact)
            } else {
                let has_place = self.has_place(fact)?;
                if !is_moot {
                    fold.asked.insert(Arc::clone(&fact.user.id), has_place);
                }
                if has_place { fold.join(fact) } else { fold.list_without_place(fact) }
            };
            if is_changing {
                fold.changing.push(fact.clone());
            }
        }
        Ok(fold)
    }
}

impl Fold {
    fn parent(&self) -> Option<&Fact> {
        self.binding.by.as_ref()
    }

    fn open_window(&self) -> Option<&Window> {
        self.binding.windows.last().filter(|window| window.to.is_none())
    }

    /// Whether a fact that joins comes to nothing but a line in the list of conflicts.
    fn is_moot(&self, fact: &Fact) -> bool {
        self.parent().is_some_and(|parent| parent.user == fact.user) || self.open_window().is_some()
    }

    /// Whether a fact that is moot would be the first one of its kind in the list.
    fn may_be_listed(&mut self, fact: &Fact) -> bool {
        self.parent().is_none_or(|parent| parent.user != fact.user)
            && self.listed.insert((fact.act, IdentityRule::BoundToAnother, Arc::clone(&fact.user.id)))
    }

    fn unlink(&mut self, fact: &Fact) {
        if self.parent().is_none_or(|parent| parent.user != fact.user) {
            self.list(fact, IdentityRule::NotBound);
            return;
        }
        self.binding.by = None;
        self.barred.insert(Arc::clone(&fact.user.id));
        self.listed.clear();
        if let Some(window) = self.binding.windows.last_mut().filter(|window| window.to.is_none()) {
            window.to = Some(fact.order.timestamp);
        }
    }

    /// Returns whether anything changed.
    fn join(&mut self, fact: &Fact) -> bool {
        let is_link = fact.act == Act::Linked;
        match self.parent() {
            Some(parent) if parent.user == fact.user => false,
            Some(_) => {
                if self.open_window().is_none() {
                    self.binding.windows.push(Window { from: fact.order.timestamp, to: None });
                }
                // What opens a window is the first one to be listed since the last unlink.
                self.list_join(fact, IdentityRule::BoundToAnother)
            }
            None if is_link && self.barred.contains(&fact.user.id) => {
                self.list_join(fact, IdentityRule::Unlinked)
            }
            None => {
                if !is_link {
                    self.binding.aliased_to.push(fact.user.clone());
                }
                self.binding.by = Some(fact.clone());
                true
            }
        }
    }

    fn list_join(&mut self, fact: &Fact, rule: IdentityRule) -> bool {
        let is_first = self.listed.insert((fact.act, rule, Arc::clone(&fact.user.id)));
        if is_first {
            self.list(fact, rule);
        }
        is_first
    }

    fn list_without_place(&mut self, fact: &Fact) -> bool {
        let is_first = self.without_place.insert(Arc::clone(&fact.user.id));
        if is_first {
            self.list(fact, IdentityRule::NoPlace);
        }
        is_first
    }

    fn list(&mut self, fact: &Fact, rule: IdentityRule) {
        self.binding.conflicts.push(conflict(fact, rule));
    }
}

pub(super) fn conflict(fact: &Fact, rule: IdentityRule) -> Conflict {
    let event_type = match fact.act {
        Act::Linked => EventType::IDENTIFY,
        Act::Aliased => EventType::ALIASED,
        Act::Unlinked => EventType::UNLINKED,
    };
    Conflict {
        order: fact.order.clone(),
        rule,
        event_type,
        member: Some(fact.member.clone()),
        user: fact.user.clone(),
    }
}
