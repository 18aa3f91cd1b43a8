//! Why an event is on a person.

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};

use super::facts::member_of;
use super::id::PersonId;
use crate::envelope::{EventType, time};
use crate::error::Result;
use crate::identity::{Act, Fact, Window};
use crate::profile::PersonRef;
use crate::store::view::View;
use crate::types::Position;

/// Whose an event is, and why; given by [`View::explain`]. `Display` gives one line for each reason.
///
/// # Examples
///
/// ```
/// use envelog::{Store, Uuid};
///
/// let store = Store::in_memory()?;
/// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
/// let shop = store.scope(org, project, "shop");
/// let view = shop.track("page.viewed").anonymous("phone").append()?;
///
/// let explanation = store.project(project).explain(view.position)?.expect("it was stored");
/// assert_eq!(
///     explanation.to_string(),
///     "anonymous phone\n  the event has the anonymousId of anonymous phone and no userId\n  anonymous phone belongs to nobody else",
/// );
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// The person on whose timeline the event is.
    pub person: PersonId,
    /// The id by which the event came: its `userId` or, where it has none, its `anonymousId`.
    pub member: PersonId,
    /// From the event's own id to the person.
    pub reasons: Vec<Reason>,
}

/// A step from an event to its person.
///
/// # Examples
///
/// ```
/// use envelog::{PersonId, Reason, Store, Uuid};
///
/// let store = Store::in_memory()?;
/// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
/// let shop = store.scope(org, project, "shop");
/// let view = shop.track("page.viewed").user("anna").append()?;
///
/// let reasons = store.project(project).explain(view.position)?.expect("it was stored").reasons;
/// let anna = PersonId::User("anna".to_owned());
/// assert_eq!(reasons, [Reason::HasUserId(anna.clone()), Reason::Free(anna)]);
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The event has the `userId` of this user.
    HasUserId(PersonId),
    /// The event has the `anonymousId` of this device and no `userId`.
    HasAnonymousId(PersonId),
    /// An event joined the member to the user.
    Joined {
        /// Who was joined.
        member: PersonId,
        /// To whom.
        user: PersonId,
        /// `identify` or `identity.aliased`.
        event_type: &'static str,
        /// The time of that event.
        timestamp: DateTime<Utc>,
        /// The message id of that event.
        message_id: Option<String>,
    },
    /// At the time of the event several people used the device, so that what it did is its own.
    Shared {
        /// The device.
        device: PersonId,
        /// From this time on: that of the first fact that named another user.
        from: DateTime<Utc>,
        /// Up to this time, at which the device was unlinked; none where it still is shared.
        to: Option<DateTime<Utc>>,
    },
    /// The device or user belongs to nobody else.
    Free(PersonId),
}

/// Shows no id.
impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HasUserId(user) => f.debug_tuple("HasUserId").field(user).finish(),
            Self::HasAnonymousId(device) => f.debug_tuple("HasAnonymousId").field(device).finish(),
            Self::Joined { member, user, event_type, timestamp, .. } => f
                .debug_struct("Joined")
                .field("member", member)
                .field("user", user)
                .field("event_type", event_type)
                .field("timestamp", timestamp)
                .finish_non_exhaustive(),
            Self::Shared { device, from, to } => {
                f.debug_struct("Shared").field("device", device).field("from", from).field("to", to).finish()
            }
            Self::Free(person) => f.debug_tuple("Free").field(person).finish(),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |time: &DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        match self {
            Self::HasUserId(user) => write!(f, "the event has the userId of {user}"),
            Self::HasAnonymousId(device) => {
                write!(f, "the event has the anonymousId of {device} and no userId")
            }
            Self::Joined { member, user, event_type, timestamp, message_id } => {
                write!(f, "{member} was joined to {user} by {event_type} of {}", text(timestamp))?;
                match message_id {
                    Some(id) => write!(f, ", messageId {id}"),
                    None => Ok(()),
                }
            }
            Self::Shared { device, from, to } => {
                write!(f, "{device} was shared from {}", text(from))?;
                match to {
                    Some(to) => write!(f, " to {}", text(to)),
                    None => Ok(()),
                }
            }
            Self::Free(person) => write!(f, "{person} belongs to nobody else"),
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.person)?;
        self.reasons.iter().try_for_each(|reason| write!(f, "\n  {reason}"))
    }
}

impl Reason {
    fn joined(fact: &Fact) -> Self {
        Self::Joined {
            member: PersonId::of(&fact.member),
            user: PersonId::of(&fact.user),
            event_type: if fact.act == Act::Aliased { EventType::ALIASED } else { EventType::IDENTIFY },
            timestamp: time::to_datetime(fact.order.timestamp),
            message_id: (!fact.order.message_id.is_empty()).then(|| fact.order.message_id.to_string()),
        }
    }

    fn shared(device: PersonId, window: Window) -> Self {
        let (from, to) = (time::to_datetime(window.from), window.to.map(time::to_datetime));
        Self::Shared { device, from, to }
    }
}

impl View {
    /// Whose the event at a position is, and why; `None` where there is no event of this project, or one without ids.
    ///
    /// # Errors
    ///
    /// As [`View::get`].
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{PersonId, Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// let scope = store.scope(org, project, "analytics");
    /// let visit = scope.track("page.viewed").anonymous("phone").append()?;
    /// scope.identify("anna").anonymous("phone").append()?;
    ///
    /// let explanation = store.project(project).view()?.explain(visit.position)?.expect("it was stored");
    /// assert_eq!(explanation.person, PersonId::User("anna".to_owned()));
    /// assert_eq!(explanation.member, PersonId::Anonymous("phone".to_owned()));
    /// assert!(explanation.reasons[1].to_string().starts_with("anonymous phone was joined to user anna by identify"));
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn explain(&self, position: Position) -> Result<Option<Explanation>> {
        let Some(event) = self.get(position)? else { return Ok(None) };
        let Some(person) = event.person() else { return Ok(None) };
        let mut graph = self.graph();
        let mut at = member_of(person);
        let member = PersonId::of(&at);
        let mut reasons = vec![match person {
            PersonRef::User(_) => Reason::HasUserId(member.clone()),
            PersonRef::Anonymous(_) => Reason::HasAnonymousId(member.clone()),
        }];
        loop {
            let binding = graph.binding(&at)?;
            let time = event.timestamp_nanos();
            if let Some(window) = binding.windows.iter().find(|window| window.contains(time)) {
                reasons.push(Reason::shared(PersonId::of(&at), *window));
                break;
            }
            let Some(fact) = &binding.by else { break };
            reasons.push(Reason::joined(fact));
            at = fact.user.clone();
        }
        if reasons.len() == 1 {
            reasons.push(Reason::Free(member.clone()));
        }
        Ok(Some(Explanation { person: PersonId::of(&at), member, reasons }))
    }
}
