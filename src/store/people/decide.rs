//! Acts of identity are decided against everything that is stored or on its way.
//!
//! What they rest on is read before the log's lock is taken, up to some seq. Under it only what was told since is looked at:
//!
//! ```text
//! lock: view, facts on their way -- read and fold --> | lock: none of it changed --> placed and stored, or refused
//!   ^                                                 |
//!   +-------------------------------------------------+ something changed
//! ```

use std::collections::VecDeque;
use std::sync::Arc;

use super::command::check_ids;
use super::facts::{RowFacts, ViewFacts};
use super::resolve::rests_on;
use crate::envelope::codec;
use crate::envelope::fact::{Fact, FactOrder};
use crate::error::{Error, Result};
use crate::format::keys::EventKeys;
use crate::identity::{self, Command, FactSource, Graph, MemberId, OwnFacts, Told};
use crate::profile::{Fragment, ProfileMap, RestsOn};
use crate::store::handle::Snapshot;
use crate::store::view::View;
use crate::types::{Nanos, Seq};

/// Facts that have their place and that no view shows yet, which there are where a commit waits for its sync.
#[derive(Debug, Default)]
pub(in crate::store) struct StagedFacts(VecDeque<Arc<StagedFact>>);

#[derive(Debug)]
struct StagedFact {
    seq: Seq,
    keys: Box<[u8]>,
    body: Box<[u8]>,
}

impl StagedFact {
    /// Joins the fact in where it is one of the project.
    fn apply(&self, profiles: &mut ProfileMap, project_id: [u8; 16]) {
        let Some(keys) = EventKeys::parse(&self.keys).filter(|keys| keys.project_id == project_id) else {
            return;
        };
        for fragment in Fragment::of_frame(&keys, &self.body) {
            let _ = profiles.apply(&fragment);
        }
    }

    /// What it states about two ids of the project.
    fn pair(&self, project_id: [u8; 16]) -> Option<identity::Fact> {
        let keys = EventKeys::parse(&self.keys).filter(|keys| keys.project_id == project_id)?;
        let body = codec::decode(&self.body).ok()?;
        let fact = Fact::of(keys.event_type, keys.user_id, keys.anonymous_id, &body)?;
        let message_id = keys.message_id.unwrap_or_default().into();
        let order = FactOrder { timestamp: keys.timestamp, message_id, digest: fact.digest() };
        super::facts::pair_of(&fact, order)
    }
}

impl StagedFacts {
    /// Takes in the frame of an event that states a fact.
    pub(in crate::store) fn push(&mut self, seq: Seq, keys: &[u8], body: &[u8]) {
        self.0.push_back(Arc::new(StagedFact { seq, keys: keys.into(), body: body.into() }));
    }

    /// The seq of the last of them; 0 where there is none.
    pub(in crate::store) fn last_seq(&self) -> Seq {
        self.0.back().map_or(Seq::ZERO, |fact| fact.seq)
    }

    /// Forgets what a view shows.
    pub(in crate::store) fn shown(&mut self, visible: Seq) {
        while self.0.front().is_some_and(|fact| fact.seq <= visible) {
            self.0.pop_front();
        }
    }

    fn behind(&self, visible: Seq) -> impl Iterator<Item = &Arc<StagedFact>> {
        self.0.iter().filter(move |fact| fact.seq > visible)
    }
}

/// The facts of a project, those on their way included.
struct AllFacts<'a> {
    view: &'a View,
    profiles: &'a ProfileMap,
    project_id: [u8; 16],
    /// Those about two ids that no view shows yet.
    staged: Vec<identity::Fact>,
}

impl AllFacts<'_> {
    fn staged_of(&self, member: &MemberId) -> impl Iterator<Item = identity::Fact> {
        self.staged.iter().filter(move |fact| fact.member == *member).cloned()
    }
}

impl FactSource for AllFacts<'_> {
    fn facts(&self, of: &MemberId) -> Result<OwnFacts> {
        RowFacts { profiles: self.profiles, project_id: self.project_id }.facts(of)
    }

    fn all_facts(&self, member: &MemberId, users: &[MemberId]) -> Result<Vec<identity::Fact>> {
        let mut facts = ViewFacts(self.view).all_facts(member, users)?;
        facts.extend(self.staged_of(member));
        Ok(facts)
    }

    fn recall(&self, member: &MemberId) -> Result<Option<Told>> {
        let told = ViewFacts(self.view).recall(member)?;
        Ok(told.and_then(|told| told.with(self.staged_of(member))))
    }

    fn keep(&self, member: &MemberId, told: &Told) {
        // What is on its way is in no view yet.
        if self.staged_of(member).next().is_none() {
            ViewFacts(self.view).keep(member, told);
        }
    }
}

/// What became of an act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Decided {
    /// It may be stored.
    Taken,
    /// It rests on a fact of this time, and must be stamped later.
    Later(Nanos),
}

/// Everything that is stored or on its way at one moment, seen from inside one project.
pub(super) struct Basis {
    snapshot: Snapshot,
    staged: Vec<Arc<StagedFact>>,
    /// The last fact on its way.
    through: Seq,
    project_id: [u8; 16],
}

/// What an act comes to by the facts of one moment.
pub(super) struct Decision {
    /// The rule that it breaks is an error.
    pub(super) outcome: Result<Decided>,
    rests_on: RestsOn,
    version: u64,
    through: Seq,
    project_id: [u8; 16],
}

impl Basis {
    /// Both are of a moment at which the log's lock is held.
    pub(super) fn new(snapshot: Snapshot, staged: &StagedFacts, project_id: [u8; 16]) -> Self {
        let on_their_way = staged.behind(snapshot.visible).cloned().collect();
        Self { snapshot, staged: on_their_way, through: staged.last_seq(), project_id }
    }

    /// Decides an act that is stamped with `time`.
    pub(super) fn decide(self, command: Command<'_>, time: Nanos) -> Decision {
        let Self { snapshot, staged, through, project_id } = self;
        let version = snapshot.profiles.version();
        let mut profiles = snapshot.profiles.clone();
        if !staged.is_empty() {
            profiles = profiles.apart();
            for fact in &staged {
                fact.apply(&mut profiles, project_id);
            }
        }
        let view = View::new(snapshot, project_id);
        let staged = staged.iter().filter_map(|fact| fact.pair(project_id)).collect();
        let source = AllFacts { view: &view, profiles: &profiles, project_id, staged };
        let mut graph = Graph::new(source, profiles.limits().members_max);
        let outcome = outcome(&mut graph, command, time);
        let rests_on = rests_on(&graph, &profiles, project_id);
        Decision { outcome, rests_on, version, through, project_id }
    }
}

fn outcome(graph: &mut Graph<AllFacts<'_>>, command: Command<'_>, time: Nanos) -> Result<Decided> {
    check_ids(command)?;
    if let Some(rule) = graph.check(command)? {
        return Err(Error::Identity { rule });
    }
    match graph.newest() {
        Some(newest) if newest >= time => Ok(Decided::Later(newest)),
        _ => Ok(Decided::Taken),
    }
}

impl Decision {
    /// Whether nothing that the decision rests on was told since; both arguments are of a moment at which the log's lock
    /// is held.
    ///
    /// A fact that was on its way when it was decided may have become visible in between, and then counts as told since.
    pub(super) fn holds(&self, now: &Snapshot, staged: &StagedFacts) -> bool {
        if !now.profiles.is_as_of(self.version, &self.rests_on) {
            return false;
        }
        if staged.last_seq() <= self.through.max(now.visible) {
            return true;
        }
        let mut profiles = now.profiles.apart();
        for known in staged.behind(now.visible).filter(|fact| fact.seq <= self.through) {
            known.apply(&mut profiles, self.project_id);
        }
        let version = profiles.version();
        for new in staged.behind(now.visible.max(self.through)) {
            new.apply(&mut profiles, self.project_id);
        }
        profiles.is_as_of(version, &self.rests_on)
    }
}

#[cfg(test)]
mod tests;
