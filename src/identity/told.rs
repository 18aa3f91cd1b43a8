//! Every fact of one member, without those that say nothing.

use std::sync::Arc;

use super::fact::{Fact, MemberId};
use crate::envelope::fact::FactOrder;

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
