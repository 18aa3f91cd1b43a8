//! The facts that have no effect.

use super::fact::MemberId;
use crate::envelope::fact::FactOrder;
use crate::error::IdentityRule;

/// A fact that has no effect, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Conflict {
    pub(crate) order: FactOrder,
    pub(crate) rule: IdentityRule,
    /// The type of the event that states the fact.
    pub(crate) event_type: &'static str,
    /// The device or user that was to be joined or taken; none where the fact is about the user alone.
    pub(crate) member: Option<MemberId>,
    pub(crate) user: MemberId,
}
