//! What a graph is folded from.

use std::fmt;
use std::sync::Arc;

use super::told::Told;
use crate::envelope::fact::{FactOrder, MemberKind};
use crate::error::Result;
use crate::types::Nanos;

/// A user or a device of a project, owned.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct MemberId {
    pub(crate) kind: MemberKind,
    pub(crate) id: Arc<str>,
}

impl MemberId {
    pub(crate) fn user(id: impl Into<Arc<str>>) -> Self {
        Self { kind: MemberKind::User, id: id.into() }
    }

    pub(crate) fn device(id: impl Into<Arc<str>>) -> Self {
        Self { kind: MemberKind::Anonymous, id: id.into() }
    }

    pub(crate) const fn is_user(&self) -> bool {
        matches!(self.kind, MemberKind::User)
    }
}

impl fmt::Debug for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({} bytes)", self.kind, self.id.len())
    }
}

/// What a fact about two ids does. The numbers decide nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Act {
    /// An identify with both ids.
    Linked,
    /// `identity.aliased`.
    Aliased,
    /// `identity.unlinked`.
    Unlinked,
}

/// A fact about a member and a user. Facts sort by their total order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fact {
    pub(crate) order: FactOrder,
    pub(crate) act: Act,
    pub(crate) member: MemberId,
    /// The user that the member is joined to, or taken from.
    pub(crate) user: MemberId,
}

/// The facts that one row keeps.
#[derive(Debug, Clone, Default)]
pub(crate) struct OwnFacts {
    /// The least identify that landed on the row.
    pub(crate) identified: Option<FactOrder>,
    pub(crate) created: Vec<FactOrder>,
    pub(crate) signed_up: Vec<FactOrder>,
    /// Facts in which the id is the member: the least of each act for each user.
    pub(crate) as_member: Vec<Fact>,
    /// Facts in which the id is the user: the least of each act for each member.
    pub(crate) as_user: Vec<Fact>,
}

impl OwnFacts {
    /// The greatest time of any of them.
    pub(super) fn newest(&self) -> Option<Nanos> {
        let alone = self.identified.iter().chain(&self.created).chain(&self.signed_up);
        let pairs = self.as_member.iter().chain(&self.as_user).map(|fact| &fact.order);
        alone.chain(pairs).map(|order| order.timestamp).max()
    }
}

/// Where a graph gets its facts from: the rows of one project at one moment.
pub(crate) trait FactSource {
    /// The facts that name an id; nothing where it has no row.
    ///
    /// # Errors
    ///
    /// What reading the row reports.
    fn facts(&self, of: &MemberId) -> Result<OwnFacts>;

    /// Every fact in which an id is the member, where its row has the least of each act for each of these users only.
    /// Facts of the row may be missing.
    ///
    /// # Errors
    ///
    /// What reading the log reports.
    fn all_facts(&self, member: &MemberId, users: &[MemberId]) -> Result<Vec<Fact>>;

    /// The same facts from what was kept of them, with all that were told since; `None` where they must be read.
    ///
    /// # Errors
    ///
    /// What reading the log reports.
    fn recall(&self, _member: &MemberId) -> Result<Option<Told>> {
        Ok(None)
    }

    /// Takes what was found out of all facts of a member, for [`FactSource::recall`].
    fn keep(&self, _member: &MemberId, _told: &Told) {}
}
