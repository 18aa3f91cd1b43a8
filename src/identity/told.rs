//! Every fact of one member, without those that say nothing.

use std::sync::Arc;

use super::fact::{Fact, FactSource, MemberId};
use super::graph::Graph;
use crate::envelope::fact::FactOrder;
use crate::error::Result;

/// All facts in which an id is the member, as they are known up to some moment.
///
/// Of a device facts may be left out that changed nothing at their places: those that stand here come to the same, at
/// every place in the order, as long as
///
/// - (T1) no fact turns up that stands before the last one and is not here, and
/// - (T2) the users have places for the device as they had when it was found out.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    /// Sorted, each once.
    pub(crate) facts: Arc<[Fact]>,
    /// The greatest of all, those that were left out among them.
    pub(crate) last: Option<FactOrder>,
    /// Where facts may have been left out: the users who were asked for a place for the device, and whether they had one.
    pub(crate) places: Option<Arc<[(MemberId, bool)]>>,
}

impl Told {
    /// All facts, in any order; some may be there twice.
    pub(crate) fn whole(mut facts: Vec<Fact>) -> Self {
        facts.sort_unstable();
        facts.dedup();
        let last = facts.last().map(|fact| fact.order.clone());
        Self { facts: facts.into(), last, places: None }
    }

    /// The same with facts that were told since; `None` where one of them stands before some that may have been left out.
    pub(crate) fn with(&self, since: impl IntoIterator<Item = Fact>) -> Option<Self> {
        let mut new: Vec<Fact> =
            since.into_iter().filter(|fact| self.facts.binary_search(fact).is_err()).collect();
        if new.is_empty() {
            return Some(self.clone());
        }
        let is_late = |fact: &Fact| self.last.as_ref().is_some_and(|last| fact.order < *last);
        if self.places.is_some() && new.iter().any(is_late) {
            return None;
        }
        new.extend(self.facts.iter().cloned());
        let with = Self::whole(new);
        Some(Self { last: with.last.max(self.last.clone()), places: self.places.clone(), ..with })
    }
}

impl<S: FactSource> Graph<S> {
    /// All facts in which an id is the member, those of its row among them.
    ///
    /// While nothing takes it from anybody, the least of each act for each user say all, which its row has. Behind an
    /// unlink a later one counts as well, and the log has it.
    pub(super) fn read_all(&mut self, member: &MemberId) -> Result<Told> {
        let row = self.row(member)?;
        let mut facts = row.facts.as_member.clone();
        let mut users: Vec<MemberId> = facts.iter().map(|fact| fact.user.clone()).collect();
        users.sort_unstable();
        users.dedup();
        facts.extend(self.source.all_facts(member, &users)?);
        Ok(Told::whole(facts))
    }

    /// The same as far as it is known without reading the log, where facts that changed nothing still change nothing.
    pub(super) fn recall(&mut self, member: &MemberId) -> Result<Option<Told>> {
        let Some(told) = self.source.recall(member)? else { return Ok(None) };
        for (user, had_place) in told.places.iter().flat_map(|places| places.iter()) {
            // T2.
            if self.has_place_below(member, user)? != *had_place {
                return Ok(None);
            }
        }
        Ok(Some(told))
    }

    /// Notes what all facts of a member are, which answers rest on from now on.
    pub(super) fn note(&mut self, member: &MemberId, told: Told, is_new: bool) {
        // What is known of all time may be kept for others.
        if is_new && self.until.is_none() {
            self.source.keep(member, &told);
        }
        self.told.insert(member.clone(), told);
    }

    /// The facts of these that count.
    pub(super) fn counting(&self, told: &Told) -> Vec<Fact> {
        told.facts.iter().filter(|fact| self.counts(&fact.order)).cloned().collect()
    }

    /// All facts in which a user is the member that count.
    pub(super) fn told_of_user(&mut self, user: &MemberId) -> Result<Vec<Fact>> {
        if !self.told.contains_key(user) {
            let (told, is_new) = match self.recall(user)? {
                Some(told) => (told, false),
                None => (self.read_all(user)?, true),
            };
            self.note(user, told, is_new);
        }
        Ok(self.told.get(user).map(|told| self.counting(told)).unwrap_or_default())
    }

    /// Sees to it that answers rest on all facts of a member.
    pub(super) fn rest_on_all(&mut self, member: &MemberId) -> Result<()> {
        if self.told.contains_key(member) {
            return Ok(());
        }
        if member.is_user() {
            self.told_of_user(member).map(drop)
        } else {
            self.fold_all_of_device(member).map(drop)
        }
    }
}
