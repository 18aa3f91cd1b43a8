//! To whom a user belongs, who was merged into another one.
//!
//! Whether an alias closes a circle depends on the parents of the user that it is onto, at that place in the order. So
//! the facts of all users that may ever have been above the one in question are folded together.

use hashbrown::{HashMap, HashSet};

use super::device::conflict;
use super::fact::{Act, Fact, FactSource, MemberId};
use super::graph::{Binding, Graph};
use crate::error::{IdentityRule, Result};

impl<S: FactSource> Graph<S> {
    /// The bindings of a user and of all users that facts name above it.
    pub(super) fn fold_user(&mut self, user: &MemberId) -> Result<HashMap<MemberId, Binding>> {
        let mut bindings = HashMap::new();
        let mut facts = Vec::new();
        let mut next = vec![user.clone()];
        while let Some(user) = next.pop() {
            if bindings.contains_key(&user) {
                continue;
            }
            let row = self.row(&user)?;
            facts.extend(row.facts.as_member.iter().cloned());
            next.extend(row.facts.as_member.iter().map(|fact| fact.user.clone()));
            bindings.insert(user, Binding::default());
        }
        facts.sort_unstable();
        let mut without_place = HashSet::new();
        for fact in facts {
            let broken = match fact.act {
                Act::Unlinked => unlink(&mut bindings, &fact),
                Act::Aliased if !self.has_place(&fact)? => {
                    let is_first = without_place.insert((fact.member.clone(), fact.user.clone()));
                    is_first.then_some(IdentityRule::NoPlace)
                }
                Act::Aliased if self.row(&fact.member)?.state.is_identified_before(&fact.order) => {
                    Some(IdentityRule::CannotMergeIdentified)
                }
                Act::Aliased => join(&mut bindings, &fact),
                // Only devices are linked.
                Act::Linked => None,
            };
            if let (Some(rule), Some(binding)) = (broken, bindings.get_mut(&fact.member)) {
                binding.conflicts.push(conflict(&fact, rule));
            }
        }
        Ok(bindings)
    }
}

fn parent<'b>(bindings: &'b HashMap<MemberId, Binding>, user: &MemberId) -> Option<&'b MemberId> {
    bindings.get(user)?.by.as_ref().map(|fact| &fact.user)
}

fn unlink(bindings: &mut HashMap<MemberId, Binding>, fact: &Fact) -> Option<IdentityRule> {
    if parent(bindings, &fact.member) != Some(&fact.user) {
        return Some(IdentityRule::NotBound);
    }
    bindings.get_mut(&fact.member)?.by = None;
    None
}

fn join(bindings: &mut HashMap<MemberId, Binding>, fact: &Fact) -> Option<IdentityRule> {
    match parent(bindings, &fact.member) {
        Some(bound_to) if *bound_to == fact.user => return None,
        Some(_) => return Some(IdentityRule::BoundToAnother),
        None => {}
    }
    // G1: parents form no circle, so that the walk ends.
    let mut above = Some(&fact.user);
    while let Some(user) = above {
        if *user == fact.member {
            return Some(IdentityRule::Cycle);
        }
        above = parent(bindings, user);
    }
    let binding = bindings.get_mut(&fact.member)?;
    binding.aliases.push(fact.order.clone());
    binding.by = Some(fact.clone());
    None
}
