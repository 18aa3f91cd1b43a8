//! Whether a user is identified: a fold of the user's own facts.

use super::conflict::Conflict;
use super::fact::{MemberId, OwnFacts};
use crate::envelope::EventType;
use crate::envelope::fact::FactOrder;
use crate::error::IdentityRule;

/// The state of one user.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    /// The fact that made the user identified, and whether it is a sign-up.
    pub(crate) identified_by: Option<FactOrder>,
    pub(crate) has_signed_up: bool,
}

impl State {
    pub(crate) fn of(facts: &OwnFacts) -> Self {
        let made = facts.created.iter().min();
        // A user who was made anonymous is identified by a sign-up only.
        let identify = facts.identified.as_ref().filter(|identify| made.is_none_or(|made| made > *identify));
        let sign_up = facts.signed_up.iter().min();
        let has_signed_up = sign_up.is_some_and(|sign_up| identify.is_none_or(|identify| sign_up < identify));
        let identified_by = if has_signed_up { sign_up } else { identify };
        Self { identified_by: identified_by.cloned(), has_signed_up }
    }

    /// Whether the user is identified at a place in the order.
    pub(crate) fn is_identified_before(&self, order: &FactOrder) -> bool {
        self.identified_by.as_ref().is_some_and(|identified| identified < order)
    }

    /// The facts of the user alone that have no effect.
    pub(crate) fn conflicts(&self, user: &MemberId, facts: &OwnFacts) -> Vec<Conflict> {
        let broken = |order: &FactOrder, event_type| Conflict {
            order: order.clone(),
            rule: IdentityRule::AlreadyIdentified,
            event_type,
            member: None,
            user: user.clone(),
        };
        let sign_ups = facts.signed_up.iter().filter(|order| self.is_identified_before(order));
        let made = facts.created.iter().min().filter(|order| self.is_identified_before(order));
        sign_ups
            .map(|order| broken(order, EventType::SIGNED_UP))
            .chain(made.map(|order| broken(order, EventType::ANONYMOUS_CREATED)))
            .collect()
    }
}
