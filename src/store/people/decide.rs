//! Acts of identity are decided under the log's lock, against everything that is stored or on its way.

use std::collections::VecDeque;

use super::command::check_ids;
use super::facts::{RowFacts, ViewFacts};
use crate::envelope::codec;
use crate::envelope::fact::{Fact, FactOrder};
use crate::error::{Error, Result};
use crate::format::keys::EventKeys;
use crate::identity::{self, Command, FactSource, Graph, MemberId, OwnFacts};
use crate::profile::{Fragment, ProfileMap};
use crate::store::handle::Snapshot;
use crate::store::view::View;
use crate::types::{Nanos, Seq};

/// Facts that have their place and that no view shows yet, which there are where a commit waits for its sync.
#[derive(Debug, Default)]
pub(in crate::store) struct StagedFacts(VecDeque<StagedFact>);

#[derive(Debug)]
struct StagedFact {
    seq: Seq,
    keys: Box<[u8]>,
    body: Box<[u8]>,
}

impl StagedFacts {
    /// Takes in the frame of an event that states a fact.
    pub(in crate::store) fn push(&mut self, seq: Seq, keys: &[u8], body: &[u8]) {
        self.0.push_back(StagedFact { seq, keys: keys.into(), body: body.into() });
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
}

/// The facts of a project, those on their way included.
struct AllFacts<'a> {
    view: &'a View,
    profiles: &'a ProfileMap,
    project_id: [u8; 16],
    /// Those about two ids that no view shows yet.
    staged: Vec<identity::Fact>,
}

impl FactSource for AllFacts<'_> {
    fn facts(&self, of: &MemberId) -> Result<OwnFacts> {
        RowFacts { profiles: self.profiles, project_id: self.project_id }.facts(of)
    }

    fn all_facts(&self, member: &MemberId, users: &[MemberId]) -> Result<Vec<identity::Fact>> {
        let mut facts = ViewFacts(self.view).all_facts(member, users)?;
        facts.extend(self.staged.iter().filter(|fact| fact.member == *member).cloned());
        Ok(facts)
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

/// Decides an act that is stamped with `time`.
///
/// # Errors
///
/// [`Error::Identity`] for one that breaks a rule; those of reading rows and the log.
pub(in crate::store) fn decide(
    command: Command<'_>,
    time: Nanos,
    snapshot: Snapshot,
    project_id: [u8; 16],
    staged: &StagedFacts,
) -> Result<Decided> {
    check_ids(command)?;
    let (visible, mut profiles) = (snapshot.visible, snapshot.profiles.apart());
    let mut pairs = Vec::new();
    for StagedFact { keys, body, .. } in staged.0.iter().filter(|fact| fact.seq > visible) {
        let Some(keys) = EventKeys::parse(keys).filter(|keys| keys.project_id == project_id) else {
            continue;
        };
        pairs.extend(pair_of(&keys, body));
        for fragment in Fragment::of_frame(&keys, body) {
            let _ = profiles.apply(&fragment);
        }
    }
    let view = View::new(snapshot, project_id);
    let source = AllFacts { view: &view, profiles: &profiles, project_id, staged: pairs };
    let mut graph = Graph::new(source, profiles.limits().members_max);
    if let Some(rule) = graph.check(command)? {
        return Err(Error::Identity { rule });
    }
    match graph.newest() {
        Some(newest) if newest >= time => Ok(Decided::Later(newest)),
        _ => Ok(Decided::Taken),
    }
}

/// What an event states about two ids.
fn pair_of(keys: &EventKeys<'_>, body: &[u8]) -> Option<identity::Fact> {
    let body = codec::decode(body).ok()?;
    let fact = Fact::of(keys.event_type, keys.user_id, keys.anonymous_id, &body)?;
    let message_id = keys.message_id.unwrap_or_default().into();
    let order = FactOrder { timestamp: keys.timestamp, message_id, digest: fact.digest() };
    super::facts::pair_of(&fact, order)
}

#[cfg(test)]
mod tests;
