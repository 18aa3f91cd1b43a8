//! To whom a user belongs, who was merged into another one.
//!
//! Whether an alias closes a circle depends on the parents of the user that it is onto, at that place in the order. So
//! the facts of users that facts name above each other in a circle are folded together; all others are folded alone, those
//! above first.

use hashbrown::{HashMap, HashSet};

use std::sync::Arc;

use super::device::conflict;
use super::fact::{Act, Fact, FactSource, MemberId};
use super::graph::{Binding, Graph};
use crate::error::{IdentityRule, Result};

/// A user on the way through all that facts name above the one that is asked for.
#[derive(Debug)]
struct Node {
    id: MemberId,
    /// The least number of a user in whose circle this one may be.
    low: usize,
    /// Whether it has no circle yet.
    is_open: bool,
}

impl<S: FactSource> Graph<S> {
    /// Finds the bindings of a user and of all users that facts name above it.
    pub(super) fn fold_user(&mut self, user: &MemberId) -> Result<()> {
        for circle in self.circles_above(user)? {
            let bindings = self.fold_circle(&circle)?;
            self.bindings.extend(bindings.into_iter().map(|(user, binding)| (user, Arc::new(binding))));
        }
        Ok(())
    }

    /// The users above one whose bindings are not known, itself included: those that facts name above each other together,
    /// and each behind all that are above it.
    ///
    /// These are the strongly connected components by Tarjan's algorithm (1972), without recursion.
    fn circles_above(&mut self, user: &MemberId) -> Result<Vec<Vec<MemberId>>> {
        let mut circles = Vec::new();
        let mut nodes: Vec<Node> = Vec::new();
        let mut numbers: HashMap<MemberId, usize> = HashMap::new();
        let mut open: Vec<usize> = Vec::new();
        let mut path: Vec<(usize, Vec<MemberId>)> = Vec::new();
        let mut next = Some(user.clone());
        loop {
            if let Some(id) = next.take() {
                let number = nodes.len();
                let row = self.row(&id)?;
                let mut above: Vec<_> = row.facts.as_member.iter().map(|fact| fact.user.clone()).collect();
                above.retain(|user| !self.bindings.contains_key(user));
                numbers.insert(id.clone(), number);
                nodes.push(Node { id, low: number, is_open: true });
                open.push(number);
                path.push((number, above));
            }
            let Some((at, above)) = path.last_mut() else { return Ok(circles) };
            let at = *at;
            if let Some(user) = above.pop() {
                match numbers.get(&user) {
                    None => next = Some(user),
                    Some(number) if nodes.get(*number).is_some_and(|node| node.is_open) => {
                        lower(&mut nodes, at, *number);
                    }
                    Some(_) => {}
                }
                continue;
            }
            path.pop();
            let low = nodes.get(at).map_or(at, |node| node.low);
            if let Some((below, _)) = path.last() {
                lower(&mut nodes, *below, low);
            }
            if low == at {
                let first = open.iter().rposition(|number| *number == at).unwrap_or(0);
                let mut circle = Vec::new();
                for number in open.drain(first..) {
                    let Some(node) = nodes.get_mut(number) else { continue };
                    node.is_open = false;
                    circle.push(node.id.clone());
                }
                circles.push(circle);
            }
        }
    }

    fn fold_circle(&mut self, users: &[MemberId]) -> Result<HashMap<MemberId, Binding>> {
        let mut facts = Vec::new();
        for user in users {
            facts.extend(self.row(user)?.facts.as_member.iter().cloned());
        }
        if facts.iter().any(|fact| fact.act == Act::Unlinked) {
            facts.clear();
            for user in users {
                facts.extend(self.told_of_user(user)?);
            }
        }
        facts.sort_unstable();
        let mut bindings: HashMap<_, _> =
            users.iter().map(|user| (user.clone(), Binding::default())).collect();
        let mut without_place = HashSet::new();
        // By member, the users of whom an alias was listed since the member was last unlinked.
        let mut listed: HashMap<MemberId, HashSet<MemberId>> = HashMap::new();
        for fact in facts {
            let broken = match fact.act {
                Act::Unlinked => {
                    let broken = unlink(&mut bindings, &fact);
                    if broken.is_none() {
                        listed.remove(&fact.member);
                    }
                    broken
                }
                Act::Aliased if !self.has_place(&fact)? => {
                    let is_first = without_place.insert((fact.member.clone(), fact.user.clone()));
                    is_first.then_some(IdentityRule::NoPlace)
                }
                Act::Aliased => {
                    let is_identified = self.row(&fact.member)?.state.is_identified_before(&fact.order);
                    join(&mut bindings, &fact, is_identified)
                        .filter(|_| listed.entry(fact.member.clone()).or_default().insert(fact.user.clone()))
                }
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

/// Enters that a user may be in the circle of another one.
fn lower(nodes: &mut [Node], at: usize, low: usize) {
    if let Some(node) = nodes.get_mut(at) {
        node.low = node.low.min(low);
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

fn join(bindings: &mut HashMap<MemberId, Binding>, fact: &Fact, is_identified: bool) -> Option<IdentityRule> {
    match parent(bindings, &fact.member) {
        Some(bound_to) if *bound_to == fact.user => return None,
        _ if is_identified => return Some(IdentityRule::CannotMergeIdentified),
        Some(_) => return Some(IdentityRule::BoundToAnother),
        None => {}
    }
    // G1: parents form no circle, so that the walk ends. Beyond these users none is below the member.
    let mut above = Some(&fact.user);
    while let Some(user) = above {
        if *user == fact.member {
            return Some(IdentityRule::Cycle);
        }
        above = parent(bindings, user);
    }
    let binding = bindings.get_mut(&fact.member)?;
    binding.aliased_to.push(fact.user.clone());
    binding.by = Some(fact.clone());
    None
}
