//! The facts of identity that have no effect.

use std::fmt;

use chrono::{DateTime, Utc};

use super::facts::member_of;
use super::id::PersonId;
use super::profiles::IDS_KEPT_MAX;
use crate::envelope::time;
use crate::error::{IdentityRule, Result};
use crate::identity::Conflict;
use crate::store::view::View;

/// A fact of identity that broke a rule and has no effect; listed by [`View::identity_conflicts`].
///
/// `Debug` shows no id.
///
/// # Examples
///
/// ```
/// use envelog::{IdentityRule, PersonId, Store, Uuid};
///
/// let store = Store::in_memory()?;
/// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
/// let shop = store.scope(org, project, "shop");
/// shop.identify("ben").anonymous("tablet").append()?;
/// shop.identify("cleo").anonymous("tablet").message_id("m-2").append()?;
///
/// let conflict = store.project(project).identity_conflicts()?.remove(0);
/// assert_eq!((conflict.event_type, conflict.rule), ("identify", IdentityRule::BoundToAnother));
/// assert_eq!(conflict.member, Some(PersonId::Anonymous("tablet".to_owned())));
/// assert_eq!(conflict.message_id.as_deref(), Some("m-2"));
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IdentityConflict {
    /// The rule.
    pub rule: IdentityRule,
    /// The type of the event that states the fact.
    pub event_type: &'static str,
    /// The event's time.
    pub timestamp: DateTime<Utc>,
    /// The event's message id.
    pub message_id: Option<String>,
    /// The device or user that was to be joined or taken; none for a sign-up and for the making of a user.
    pub member: Option<PersonId>,
    /// The `userId` of the event.
    pub user: PersonId,
}

impl IdentityConflict {
    fn of(conflict: &Conflict) -> Self {
        let Conflict { order, rule, event_type, member, user } = conflict;
        Self {
            rule: *rule,
            event_type,
            timestamp: time::to_datetime(order.timestamp),
            message_id: (!order.message_id.is_empty()).then(|| order.message_id.to_string()),
            member: member.as_ref().map(PersonId::of),
            user: PersonId::of(user),
        }
    }
}

impl fmt::Debug for IdentityConflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentityConflict")
            .field("rule", &self.rule)
            .field("event_type", &self.event_type)
            .field("timestamp", &self.timestamp)
            .field("member", &self.member)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

impl View {
    /// The facts of identity that have no effect because a rule forbids it, in the order of facts.
    ///
    /// They are stored and wait for nothing: what they ask for needs another fact, an alias or an unlink, say. Of the
    /// identifies that link one device to one user, the first one that broke a rule is listed, and again where the device
    /// was unlinked from somebody since. This looks at all rows of the project that facts of identity name.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`](crate::Error::Corrupt) where a profile run or the log is damaged.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{IdentityRule, Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// let scope = store.scope(org, project, "profiles");
    /// for user in ["anna", "ben"] {
    ///     scope.identify(user).anonymous("tablet").append()?;
    /// }
    ///
    /// let conflicts = store.project(project).view()?.identity_conflicts()?;
    /// assert_eq!(conflicts.len(), 1);
    /// assert_eq!(conflicts[0].rule, IdentityRule::BoundToAnother);
    /// assert_eq!(conflicts[0].user.id(), "ben");
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn identity_conflicts(&self) -> Result<Vec<IdentityConflict>> {
        let pinned = self.pinned();
        let profiles = &pinned.snapshot.profiles;
        let mut conflicts = Vec::new();
        if !profiles.may_have_facts() {
            return Ok(Vec::new());
        }
        let mut graph = self.graph().listing();
        for row in profiles.rows_with_facts(pinned.project_id)? {
            let (person, _) = row?;
            graph.forget_beyond(IDS_KEPT_MAX);
            conflicts.extend(graph.conflicts(&member_of(person))?);
        }
        conflicts.sort_unstable_by(|one, other| (&one.order, one.rule).cmp(&(&other.order, other.rule)));
        Ok(conflicts.iter().map(IdentityConflict::of).collect())
    }
}
