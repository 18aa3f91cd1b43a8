//! An event that was copied out of the log.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use uuid::Uuid;

use super::EventRef;
use crate::envelope::{Object, Value, time};
use crate::profile::PersonRef;
use crate::types::{Nanos, Position, Seq};

/// An event as the store gives it back, owned.
///
/// It serializes in the envelope's own names, `seq` and `receivedAt` last, times as RFC 3339 in UTC. `Debug` shows no
/// id and nothing of properties and context.
///
/// # Examples
///
/// ```
/// use envelog::{Event, Store, Uuid, Value};
///
/// let store = Store::in_memory()?;
/// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
/// let shop = store.scope(org, project, "billing");
/// shop.track("order.placed").user("u_1").property("amount", 4200).append()?;
///
/// let events: Vec<Event> = store.project(project).timeline("u_1", 50)?;
/// assert_eq!(events[0].event_type(), "order.placed");
/// assert_eq!(events[0].property("amount").and_then(Value::as_i64), Some(4200));
///
/// let json = serde_json::to_string(&events[0]).unwrap();
/// assert!(json.contains(r#""userId":"u_1","properties":{"amount":4200},"seq":1,"receivedAt":"#));
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "the envelope says eventType")]
pub struct Event {
    position: Position,
    received_at: Nanos,
    org_id: Uuid,
    project_id: Uuid,
    timestamp: Nanos,
    module: Box<str>,
    event_type: Box<str>,
    user_id: Option<Box<str>>,
    anonymous_id: Option<Box<str>>,
    message_id: Option<Box<str>>,
    properties: Option<Object>,
    context: Option<Object>,
}

impl Event {
    pub(super) fn of(event: &EventRef<'_>) -> Self {
        let object = |value: Option<crate::envelope::ValueRef<'_>>| match value?.to_value() {
            Value::Object(object) => Some(object),
            _ => None,
        };
        let body = event.body();
        Self {
            position: event.position(),
            received_at: event.frame.received_at(),
            org_id: event.org_id(),
            project_id: event.project_id(),
            timestamp: event.timestamp_nanos(),
            module: event.module().into(),
            event_type: event.event_type().into(),
            user_id: event.user_id().map(Box::from),
            anonymous_id: event.anonymous_id().map(Box::from),
            message_id: event.message_id().map(Box::from),
            properties: object(body.properties),
            context: object(body.context),
        }
    }

    /// Where the event stands in the log, for good.
    pub const fn position(&self) -> Position {
        self.position
    }

    /// The event's place in the order of the whole store.
    pub const fn seq(&self) -> Seq {
        self.position.seq
    }

    /// When the store took the event in, by its own clock, to the nanosecond; never falling in seq order.
    pub fn received_at(&self) -> DateTime<Utc> {
        time::to_datetime(self.received_at)
    }

    /// The organisation that the project belongs to.
    pub const fn org_id(&self) -> Uuid {
        self.org_id
    }

    /// The project.
    pub const fn project_id(&self) -> Uuid {
        self.project_id
    }

    /// The product module that the event belongs to.
    pub fn module(&self) -> &str {
        &self.module
    }

    /// What happened: a dotted name such as `order.placed`.
    pub fn event_type(&self) -> &str {
        &self.event_type
    }

    /// When it happened, to the nanosecond: as the producer said, or else by the store's clock.
    pub fn timestamp(&self) -> DateTime<Utc> {
        time::to_datetime(self.timestamp)
    }

    /// The identified user.
    pub fn user_id(&self) -> Option<&str> {
        self.user_id.as_deref()
    }

    /// The anonymous device.
    pub fn anonymous_id(&self) -> Option<&str> {
        self.anonymous_id.as_deref()
    }

    /// The producer's id for this event.
    pub fn message_id(&self) -> Option<&str> {
        self.message_id.as_deref()
    }

    /// Whom the event belongs to: its user, or else its device.
    pub fn person(&self) -> Option<PersonRef<'_>> {
        self.user_id().map(PersonRef::User).or(self.anonymous_id().map(PersonRef::Anonymous))
    }

    /// The properties, if the event has any.
    pub const fn properties(&self) -> Option<&Object> {
        self.properties.as_ref()
    }

    /// The context, if the event has any.
    pub const fn context(&self) -> Option<&Object> {
        self.context.as_ref()
    }

    /// One property: under this name, or at this path of names joined by points, such as `page.url`.
    ///
    /// A property whose whole name is `page.url` comes before one at that path.
    pub fn property(&self, path: &str) -> Option<&Value> {
        let properties = self.properties.as_ref()?;
        properties.get(path).or_else(|| {
            let (first, rest) = path.split_once('.')?;
            properties.get(first)?.get_path(rest)
        })
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rfc3339 = |time: Nanos| {
            let mut text = Vec::with_capacity(30);
            time::write_rfc3339(time, &mut text);
            String::from_utf8(text).unwrap_or_default()
        };
        let mut uuid = Uuid::encode_buffer();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("orgId", &*self.org_id.hyphenated().encode_lower(&mut uuid))?;
        map.serialize_entry("projectId", &*self.project_id.hyphenated().encode_lower(&mut uuid))?;
        map.serialize_entry("module", &self.module)?;
        map.serialize_entry("eventType", &self.event_type)?;
        map.serialize_entry("timestamp", &rfc3339(self.timestamp))?;
        let ids =
            [("userId", &self.user_id), ("anonymousId", &self.anonymous_id), ("messageId", &self.message_id)];
        for (name, id) in ids {
            if let Some(id) = id {
                map.serialize_entry(name, id)?;
            }
        }
        for (name, object) in [("properties", &self.properties), ("context", &self.context)] {
            if let Some(object) = object {
                map.serialize_entry(name, object)?;
            }
        }
        map.serialize_entry("seq", &self.seq().get())?;
        map.serialize_entry("receivedAt", &rfc3339(self.received_at))?;
        map.end()
    }
}

impl fmt::Debug for Event {
    /// Shows no id and nothing of properties and context.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("seq", &self.seq())
            .field("event_type", &self.event_type)
            .field("timestamp", &self.timestamp())
            .finish_non_exhaustive()
    }
}
