//! To whom a device belongs: a fold of the facts that name it as the member.

use std::sync::Arc;

use hashbrown::HashSet;

use super::conflict::Conflict;
use super::fact::{Act, Fact, FactSource, MemberId};
use super::graph::{Binding, Graph, Window};
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
}

impl<S: FactSource> Graph<S> {
    /// The binding of a device.
    pub(super) fn fold_device(&mut self, device: &MemberId) -> Result<Binding> {
        let row = self.row(device)?;
        let is_unlinked = row.facts.as_member.iter().any(|fact| fact.act == Act::Unlinked);
        let all = if is_unlinked { Some(self.all_facts(device)?) } else { None };
        let mut fold = Fold::default();
        for fact in all.as_deref().unwrap_or(&row.facts.as_member) {
            if fact.act == Act::Unlinked {
                fold.unlink(fact);
            } else if !self.is_listing && fold.is_moot(fact) {
                // It would change nothing, and whether the user has a place for the device need not be known.
            } else if self.has_place(fact)? {
                fold.join(fact);
            } else if fold.without_place.insert(Arc::clone(&fact.user.id)) {
                fold.list(fact, IdentityRule::NoPlace);
            }
        }
        Ok(fold.binding)
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

    fn join(&mut self, fact: &Fact) {
        let is_link = fact.act == Act::Linked;
        match self.parent() {
            Some(parent) if parent.user == fact.user => {}
            Some(_) => {
                if self.open_window().is_none() {
                    self.binding.windows.push(Window { from: fact.order.timestamp, to: None });
                }
                self.list_join(fact, IdentityRule::BoundToAnother);
            }
            None if is_link && self.barred.contains(&fact.user.id) => {
                self.list_join(fact, IdentityRule::Unlinked);
            }
            None => {
                if !is_link {
                    self.binding.aliased_to.push(fact.user.clone());
                }
                self.binding.by = Some(fact.clone());
            }
        }
    }

    fn list_join(&mut self, fact: &Fact, rule: IdentityRule) {
        if self.listed.insert((fact.act, rule, Arc::clone(&fact.user.id))) {
            self.list(fact, rule);
        }
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
