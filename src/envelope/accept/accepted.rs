//! An envelope that has passed every rule.

use std::fmt;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::fields::TextField;
use super::texts::Texts;
use crate::envelope::builder::{Envelope, Hidden};
use crate::envelope::codec::{self, Body};
#[cfg(test)]
use crate::envelope::fact::{Digest16, Fact};
use crate::envelope::notes::Notes;
use crate::envelope::time;
use crate::envelope::tree::ValueRef;
use crate::envelope::value::{Object, Value};
use crate::types::Nanos;

/// An envelope that has passed every rule: all that a frame is written from, and no address.
///
/// Only the store makes one, with [`Store::accept`](crate::Store::accept). `Debug` shows neither ids nor the contents
/// of `properties` and `context`.
///
/// # Examples
///
/// ```
/// use envelog::{Envelope, Store, Uuid};
///
/// let store = Store::in_memory()?;
/// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
/// let envelope = Envelope::new(org, project, "analytics", "page.viewed").user("u_1").context("ip", "203.0.113.7");
///
/// let accepted = store.accept(&envelope)?;
/// assert_eq!(accepted.user_id(), Some("u_1"));
/// assert!(!accepted.to_envelope().to_json().contains("203.0.113.7"));
///
/// store.append_accepted(&accepted)?;
/// assert_eq!(store.project(project).view()?.events().count()?, 1);
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Accepted {
    pub(super) org_id: Uuid,
    pub(super) project_id: Uuid,
    pub(super) timestamp: Nanos,
    pub(super) stamped: bool,
    pub(super) texts: Texts,
    pub(super) body: Vec<u8>,
    pub(super) body_crc: u32,
    pub(super) notes: Notes,
}

impl Default for Accepted {
    fn default() -> Self {
        Self {
            org_id: Uuid::nil(),
            project_id: Uuid::nil(),
            timestamp: Nanos::new(0),
            stamped: false,
            texts: Texts::default(),
            body: Vec::new(),
            body_crc: 0,
            notes: Notes::NONE,
        }
    }
}

impl Accepted {
    /// The organisation.
    pub const fn org_id(&self) -> Uuid {
        self.org_id
    }

    /// The project.
    pub const fn project_id(&self) -> Uuid {
        self.project_id
    }

    /// When it happened, to the nanosecond; the time of accepting where none was given.
    pub fn timestamp(&self) -> DateTime<Utc> {
        time::to_datetime(self.timestamp)
    }

    /// The product module.
    pub fn module(&self) -> &str {
        self.texts.get(TextField::Module)
    }

    /// The name of what happened.
    pub fn event_type(&self) -> &str {
        self.texts.get(TextField::EventType)
    }

    /// The identified user.
    pub fn user_id(&self) -> Option<&str> {
        self.text(TextField::UserId)
    }

    /// The anonymous device.
    pub fn anonymous_id(&self) -> Option<&str> {
        self.text(TextField::AnonymousId)
    }

    /// The producer's own id of this event.
    pub fn message_id(&self) -> Option<&str> {
        self.text(TextField::MessageId)
    }

    /// What accepting found that the host may care to know. What storing it adds is in the [`Ack`](crate::Ack) only.
    pub const fn notes(&self) -> Notes {
        self.notes
    }

    /// The envelope as it is stored, addresses hashed. Its timestamp counts as given, also where it was stamped.
    ///
    /// Accepting it again, by the same store or one with the same secret, gives the same content.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Envelope, Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let envelope = Envelope::new(Uuid::from_u128(1), Uuid::from_u128(2), "analytics", "page.viewed")
    ///     .user("u_1")
    ///     .context("ip", "203.0.113.7");
    /// let stored = store.accept(&envelope)?.to_envelope();
    /// let context = stored.context.as_ref().expect("given above");
    /// assert!(context.get("ipHash").and_then(|hash| hash.as_str()).is_some_and(|hash| hash.starts_with("iph1:")));
    /// assert_eq!(store.accept(&stored)?.to_envelope(), stored);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn to_envelope(&self) -> Envelope {
        let body = self.trees();
        let object = |value: Option<ValueRef<'_>>| match value?.to_value() {
            Value::Object(object) => Some(object),
            _ => None::<Object>,
        };
        let mut envelope = Envelope::new(self.org_id, self.project_id, self.module(), self.event_type());
        envelope.timestamp = Some(self.timestamp());
        envelope.user_id = self.user_id().map(str::to_owned);
        envelope.anonymous_id = self.anonymous_id().map(str::to_owned);
        envelope.message_id = self.message_id().map(str::to_owned);
        envelope.properties = object(body.properties);
        envelope.context = object(body.context);
        envelope
    }

    fn text(&self, which: TextField) -> Option<&str> {
        Some(self.texts.get(which)).filter(|text| !text.is_empty())
    }

    /// When it happened, as it is stored.
    pub(crate) const fn time(&self) -> Nanos {
        self.timestamp
    }

    /// Tells whether a clock gave the timestamp that a retry of the event has another one of. Such timestamps are not
    /// compared where a message id comes again.
    pub(crate) const fn is_stamped(&self) -> bool {
        self.stamped
    }

    /// The record.
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    /// CRC-32 (ISO-HDLC, as in zlib) of the record.
    pub(crate) const fn body_crc(&self) -> u32 {
        self.body_crc
    }

    /// The objects in the record.
    pub(crate) fn trees(&self) -> Body<'_> {
        codec::decode(&self.body).unwrap_or(Body { properties: None, context: None })
    }

    /// The digest of the fact that the event states, where the store acts upon its type.
    #[cfg(test)]
    pub(crate) fn fact_digest(&self) -> Option<Digest16> {
        let fact = Fact::of(self.event_type(), self.user_id(), self.anonymous_id(), &self.trees())?;
        Some(fact.digest())
    }

    pub(super) fn clear(&mut self) {
        self.texts.clear();
        self.body.clear();
        self.notes = Notes::NONE;
    }
}

impl fmt::Debug for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accepted")
            .field("org_id", &self.org_id)
            .field("project_id", &self.project_id)
            .field("module", &self.module())
            .field("event_type", &self.event_type())
            .field("timestamp", &self.timestamp())
            .field("stamped", &self.stamped)
            .field("user_id", &Hidden::of(self.user_id()))
            .field("anonymous_id", &Hidden::of(self.anonymous_id()))
            .field("message_id", &Hidden::of(self.message_id()))
            .field("body", &Hidden::bytes(&self.body))
            .field("notes", &self.notes)
            .finish_non_exhaustive()
    }
}
