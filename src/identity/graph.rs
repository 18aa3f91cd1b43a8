//! The questions that are asked of the facts.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::conflict::Conflict;
use super::fact::{Act, Fact, FactSource, MemberId, OwnFacts};
use super::state::State;
use super::told::Told;
use crate::envelope::fact::FactOrder;
use crate::error::Result;
use crate::types::Nanos;

/// A time in which people shared a device: what the device did then is nobody's but its own. The end is not in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) from: Nanos,
    pub(crate) to: Option<Nanos>,
}

impl Window {
    pub(crate) fn contains(&self, time: Nanos) -> bool {
        self.from <= time && self.to.is_none_or(|to| time < to)
    }
}

/// Which of the events of an id alone belong to a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scope {
    All,
    Outside(Arc<[Window]>),
    Inside(Arc<[Window]>),
}

impl Scope {
    pub(crate) fn contains(&self, time: Nanos) -> bool {
        match self {
            Self::All => true,
            Self::Outside(windows) => !windows.iter().any(|window| window.contains(time)),
            Self::Inside(windows) => windows.iter().any(|window| window.contains(time)),
        }
    }
}

/// One id of a person.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) id: MemberId,
    /// Which events of the id alone are the person's.
    pub(crate) scope: Scope,
    /// Whether a sign-up of this user had an effect.
    pub(crate) has_signed_up: bool,
    /// Whether anything may be said of its traits: an identify landed on its row, or that sign-up did.
    pub(crate) may_have_traits: bool,
}

/// A person: what came of all facts.
#[derive(Debug, Clone)]
pub(crate) struct Who {
    /// The canonical id first, then each user's members in the order of ids.
    pub(crate) members: Vec<Member>,
    /// The time of the fact that made the user of the canonical id identified.
    pub(crate) identified_at: Option<Nanos>,
    /// Whether some user of the person has a row of its own; see [`Graph::is_made`].
    pub(crate) is_made: bool,
}

impl Who {
    /// A person of one id that no fact names together with another.
    pub(crate) fn alone(id: MemberId) -> Self {
        let members = vec![Member { id, scope: Scope::All, has_signed_up: false, may_have_traits: true }];
        Self { members, identified_at: None, is_made: false }
    }
}

/// What became of a member.
#[derive(Debug, Clone, Default)]
pub(crate) struct Binding {
    /// The fact that binds it now, and that names its parent; none where it is free.
    pub(crate) by: Option<Fact>,
    /// Only devices have any: in the order of time, the last one may be open.
    pub(crate) windows: Vec<Window>,
    /// The users onto whom an alias of it had an effect at its place.
    pub(super) aliased_to: Vec<MemberId>,
    /// Whole where the graph is listing.
    pub(super) conflicts: Vec<Conflict>,
}

impl Binding {
    pub(crate) fn parent(&self) -> Option<&MemberId> {
        self.by.as_ref().map(|fact| &fact.user)
    }
}

/// The members that a user has places for.
#[derive(Debug)]
enum Places {
    All,
    Only(HashSet<MemberId>),
}

/// The facts of one id, sorted, and what follows from them alone.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) facts: OwnFacts,
    pub(super) state: State,
    places: Places,
}

/// The facts of a project at a moment, and what was found out about them so far.
pub(crate) struct Graph<S> {
    pub(super) source: S,
    members_max: usize,
    /// Facts after this time do not count.
    pub(super) until: Option<Nanos>,
    pub(super) is_listing: bool,
    rows: HashMap<MemberId, Arc<Row>>,
    pub(super) bindings: HashMap<MemberId, Arc<Binding>>,
    /// All facts of members of whom the rows do not say enough.
    pub(super) told: HashMap<MemberId, Told>,
}

impl<S: FactSource> Graph<S> {
    pub(crate) fn new(source: S, members_max: usize) -> Self {
        Self {
            source,
            members_max,
            until: None,
            is_listing: false,
            rows: HashMap::new(),
            bindings: HashMap::new(),
            told: HashMap::new(),
        }
    }

    /// The graph of the facts up to and with this time.
    pub(crate) fn until(mut self, time: Nanos) -> Self {
        self.until = Some(time);
        self
    }

    /// A graph that finds every conflict, at the cost of looking at every fact.
    pub(crate) fn listing(mut self) -> Self {
        self.is_listing = true;
        self
    }

    /// Forgets what was found out about more than so many ids, which bounds the memory of a walk over all rows.
    pub(crate) fn forget_beyond(&mut self, ids_max: usize) {
        if self.rows.len() > ids_max || self.bindings.len() > ids_max {
            self.rows.clear();
            self.bindings.clear();
            self.told.clear();
        }
    }

    pub(super) const fn members_max(&self) -> usize {
        self.members_max
    }

    /// The greatest time of the facts that the answers so far rest on.
    pub(crate) fn newest(&self) -> Option<Nanos> {
        let told = self.told.values().filter_map(|told| told.last.as_ref()).map(|last| last.timestamp);
        self.rows.values().filter_map(|row| row.facts.newest()).chain(told).max()
    }

    pub(super) fn counts(&self, order: &FactOrder) -> bool {
        self.until.is_none_or(|until| order.timestamp <= until)
    }

    pub(super) fn row(&mut self, of: &MemberId) -> Result<Arc<Row>> {
        if let Some(row) = self.rows.get(of) {
            return Ok(Arc::clone(row));
        }
        let mut facts = self.source.facts(of)?;
        if self.until.is_some() {
            facts.identified = facts.identified.take().filter(|order| self.counts(order));
            facts.created.retain(|order| self.counts(order));
            facts.signed_up.retain(|order| self.counts(order));
            facts.as_member.retain(|fact| self.counts(&fact.order));
            facts.as_user.retain(|fact| self.counts(&fact.order));
        }
        facts.as_member.sort_unstable();
        facts.as_user.sort_unstable();
        let row = Arc::new(Row { state: State::of(&facts), places: self.places(&facts), facts });
        self.rows.insert(of.clone(), Arc::clone(&row));
        Ok(row)
    }

    /// Places go by the least fact that names a member, whatever came of it: so they are the same in every order of
    /// arrival. A fact that arrives late may take the place of one that is greater.
    fn places(&self, facts: &OwnFacts) -> Places {
        // A row with so many may have lost others.
        if facts.as_user.len() < self.members_max {
            return Places::All;
        }
        let mut places = HashSet::new();
        for fact in facts.as_user.iter().filter(|fact| fact.act != Act::Unlinked) {
            if places.len() >= self.members_max {
                break;
            }
            places.insert(fact.member.clone());
        }
        Places::Only(places)
    }

    pub(super) fn has_place(&mut self, fact: &Fact) -> Result<bool> {
        self.has_place_below(&fact.member, &fact.user)
    }

    pub(super) fn has_place_below(&mut self, member: &MemberId, user: &MemberId) -> Result<bool> {
        Ok(match &self.row(user)?.places {
            Places::All => true,
            Places::Only(places) => places.contains(member),
        })
    }

    /// Whether somebody took an id from somebody, so that its row does not have all facts that count.
    pub(super) fn was_unlinked(&mut self, member: &MemberId) -> Result<bool> {
        Ok(self.row(member)?.facts.as_member.iter().any(|fact| fact.act == Act::Unlinked))
    }

    /// What became of a member.
    ///
    /// # Errors
    ///
    /// What the source reports.
    pub(crate) fn binding(&mut self, member: &MemberId) -> Result<Arc<Binding>> {
        if let Some(binding) = self.bindings.get(member) {
            return Ok(Arc::clone(binding));
        }
        if member.is_user() {
            self.fold_user(member)?;
        } else {
            let binding = self.fold_device(member)?;
            self.bindings.insert(member.clone(), Arc::new(binding));
        }
        Ok(self.bindings.get(member).cloned().unwrap_or_default())
    }

    /// The state of a user.
    ///
    /// # Errors
    ///
    /// What the source reports.
    pub(crate) fn state(&mut self, user: &MemberId) -> Result<State> {
        Ok(self.row(user)?.state.clone())
    }

    /// The user at the top of the tree that a user is in.
    fn root(&mut self, user: &MemberId) -> Result<MemberId> {
        let mut root = user.clone();
        // G1: parents form no circle.
        while let Some(parent) = self.binding(&root)?.parent() {
            root = parent.clone();
        }
        Ok(root)
    }

    /// The id that stands for the person whom an id names.
    ///
    /// # Errors
    ///
    /// What the source reports.
    pub(crate) fn canonical(&mut self, member: &MemberId) -> Result<MemberId> {
        if member.is_user() {
            return self.root(member);
        }
        let binding = self.binding(member)?;
        match binding.parent() {
            Some(parent) if binding.windows.is_empty() => self.root(parent),
            _ => Ok(member.clone()),
        }
    }

    /// The ids of a person by its canonical id, that one first and then each user's members in the order of ids.
    ///
    /// # Errors
    ///
    /// What the source reports.
    pub(crate) fn members(&mut self, canonical: &MemberId) -> Result<Vec<Member>> {
        if !canonical.is_user() {
            let binding = self.binding(canonical)?;
            let scope = match &binding.by {
                Some(_) => Scope::Inside(binding.windows.as_slice().into()),
                None => Scope::All,
            };
            return Ok(vec![self.member(canonical, scope)?]);
        }
        let mut members = vec![self.member(canonical, Scope::All)?];
        let mut at = 0;
        while let Some(user) = members.get(at).map(|member| member.id.clone()) {
            at += 1;
            if !user.is_user() {
                continue;
            }
            let row = self.row(&user)?;
            let mut named: Vec<&MemberId> = row.facts.as_user.iter().map(|fact| &fact.member).collect();
            named.sort_unstable();
            named.dedup();
            for id in named {
                let binding = self.binding(id)?;
                if binding.parent() == Some(&user) {
                    let scope = match binding.windows.as_slice() {
                        [] => Scope::All,
                        windows => Scope::Outside(windows.into()),
                    };
                    members.push(self.member(id, scope)?);
                }
            }
        }
        Ok(members)
    }

    fn member(&mut self, id: &MemberId, scope: Scope) -> Result<Member> {
        let row = self.row(id)?;
        let has_signed_up = id.is_user() && row.state.has_signed_up;
        let may_have_traits = has_signed_up || row.facts.identified.is_some();
        Ok(Member { id: id.clone(), scope, has_signed_up, may_have_traits })
    }

    /// The person of a canonical id.
    ///
    /// # Errors
    ///
    /// What the source reports.
    pub(crate) fn who(&mut self, canonical: &MemberId) -> Result<Who> {
        let members = self.members(canonical)?;
        let mut is_made = false;
        for member in members.iter().filter(|member| member.id.is_user()) {
            is_made = is_made || self.is_made(&member.id)?;
        }
        let identified_by = if canonical.is_user() { self.state(canonical)?.identified_by } else { None };
        Ok(Who { members, identified_at: identified_by.map(|order| order.timestamp), is_made })
    }

    /// The ids whose rows the answers so far rest on.
    pub(crate) fn rests_on_rows(&self) -> impl Iterator<Item = &MemberId> {
        self.rows.keys()
    }

    /// The members all of whose facts the answers so far rest on, also those that change nothing in their rows.
    pub(crate) fn rests_on_all(&self) -> impl Iterator<Item = &MemberId> {
        self.told.keys()
    }

    /// Whether facts about a user itself, or an alias onto it that had an effect, made it a row.
    ///
    /// # Errors
    ///
    /// What the source reports.
    pub(crate) fn is_made(&mut self, user: &MemberId) -> Result<bool> {
        let row = self.row(user)?;
        let OwnFacts { identified, created, signed_up, as_user, .. } = &row.facts;
        if identified.is_some() || !created.is_empty() || !signed_up.is_empty() {
            return Ok(true);
        }
        for fact in as_user.iter().filter(|fact| fact.act == Act::Aliased) {
            if self.binding(&fact.member)?.aliased_to.contains(user) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The facts without effect in which an id is the member, or which are about it alone. The graph must be listing.
    ///
    /// # Errors
    ///
    /// What the source reports.
    pub(crate) fn conflicts(&mut self, member: &MemberId) -> Result<Vec<Conflict>> {
        let mut conflicts = self.binding(member)?.conflicts.clone();
        if member.is_user() {
            conflicts.extend(self.state_conflicts(member)?);
        }
        Ok(conflicts)
    }

    /// The facts without effect that are about a user alone.
    ///
    /// # Errors
    ///
    /// What the source reports.
    pub(crate) fn state_conflicts(&mut self, user: &MemberId) -> Result<Vec<Conflict>> {
        let row = self.row(user)?;
        Ok(row.state.conflicts(user, &row.facts))
    }
}
