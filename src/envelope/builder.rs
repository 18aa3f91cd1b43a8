//! The envelope as a host builds it: plain data, checked when it is accepted.

use std::fmt::{self, Write as _};

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::accept::fields::{Field, Fields};
use super::json::{self, Reader};
use super::tree::{Kind, TreeBuilder};
use super::value::{Object, Value};
use super::{accept, time};
use crate::error::{Error, Result};
use crate::limits::Limits;

/// One product event as the host gives it.
///
/// Nothing is checked and no address is hashed before the store accepts it. `Debug` shows neither ids nor the
/// contents of `properties` and `context`.
///
/// # Examples
///
/// ```
/// use envelog::{Envelope, Store, Uuid};
///
/// let store = Store::in_memory()?;
/// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
/// let placed = Envelope::new(org, project, "billing", "order.placed")
///     .user("u_1")
///     .property("amount", 4200)
///     .property("currency", "EUR")
///     .context("ip", "203.0.113.7");
/// store.append(&placed)?;
///
/// let timeline = store.project(project).timeline("u_1", 10)?;
/// let stored = timeline[0].context().expect("given above");
/// assert!(stored.get("ip").is_none(), "an address is never stored raw");
/// assert!(stored.get("ipHash").is_some());
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Envelope {
    /// The organisation that the project belongs to.
    pub org_id: Uuid,
    /// The project; identity, queries and limits are per project.
    pub project_id: Uuid,
    /// The product module it belongs to, such as `analytics`.
    pub module: String,
    /// The dotted name of what happened, such as `order.placed`.
    pub event_type: String,
    /// When it happened, years 1970 to 2261, kept to the nanosecond; `None` takes the store's clock.
    pub timestamp: Option<DateTime<Utc>>,
    /// The identified user. A word that stands for no id, such as `null` or `guest`, is stored and identifies nobody.
    pub user_id: Option<String>,
    /// The anonymous device, in a name space of its own.
    pub anonymous_id: Option<String>,
    /// The producer's own id of this event, which makes a retry harmless; see [`Dedupe`](crate::Dedupe).
    pub message_id: Option<String>,
    /// What happened, free-form.
    pub properties: Option<Object>,
    /// Around it: `userAgent`, `referrer`, `page`, `locale`, `traits`, `ip` and whatever else the producer adds.
    pub context: Option<Object>,
    /// The timestamp, where it was made of times that a retry has anew. A repeat is then told whatever its time is.
    pub(crate) time_of_sending: Option<DateTime<Utc>>,
}

impl Envelope {
    /// An envelope with the required fields and nothing else.
    ///
    /// It has no timestamp, and so takes the time of the store's clock when it is accepted.
    pub fn new(
        org_id: Uuid,
        project_id: Uuid,
        module: impl Into<String>,
        event_type: impl Into<String>,
    ) -> Self {
        Self {
            org_id,
            project_id,
            module: module.into(),
            event_type: event_type.into(),
            timestamp: None,
            user_id: None,
            anonymous_id: None,
            message_id: None,
            properties: None,
            context: None,
            time_of_sending: None,
        }
    }

    /// Sets the identified user.
    #[must_use]
    pub fn user(mut self, user_id: impl Into<String>) -> Self {
        self.user_id = Some(user_id.into());
        self
    }

    /// Sets the anonymous device.
    #[must_use]
    pub fn anonymous(mut self, anonymous_id: impl Into<String>) -> Self {
        self.anonymous_id = Some(anonymous_id.into());
        self
    }

    /// Sets when it happened, instead of the store's clock.
    #[must_use]
    pub fn at(mut self, timestamp: DateTime<Utc>) -> Self {
        self.timestamp = Some(timestamp);
        self
    }

    /// Sets the producer's own id of this event.
    #[must_use]
    pub fn message_id(mut self, message_id: impl Into<String>) -> Self {
        self.message_id = Some(message_id.into());
        self
    }

    /// Sets one property, replacing one of the same key.
    #[must_use]
    pub fn property(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.properties.get_or_insert_default().insert(key, value);
        self
    }

    /// Replaces all properties by the fields of a struct or map.
    ///
    /// Limits are checked when the envelope is accepted.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where `properties` does not serialize to an object, or a part of it has no JSON form; see
    /// [`Value::from_serialize`].
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Envelope, Uuid};
    ///
    /// #[derive(serde::Serialize)]
    /// struct Order {
    ///     amount: u32,
    ///     currency: &'static str,
    /// }
    ///
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// let placed = Envelope::new(org, project, "billing", "order.placed")
    ///     .properties_from(&Order { amount: 4200, currency: "EUR" })?;
    /// assert_eq!(placed.properties.unwrap().to_string(), r#"{"amount":4200,"currency":"EUR"}"#);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn properties_from(mut self, properties: &(impl Serialize + ?Sized)) -> Result<Self> {
        let Value::Object(object) = Value::from_serialize(properties)? else {
            return Err(Error::invalid("properties", accept::NOT_AN_OBJECT));
        };
        self.properties = Some(object);
        Ok(self)
    }

    /// Sets one entry of the context, replacing one of the same key.
    #[must_use]
    pub fn context(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.context.get_or_insert_default().insert(key, value);
        self
    }

    /// Sets one trait in `context.traits`; with the event type `identify` it lands on the profile. `Value::Null`
    /// unsets it there.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Envelope, EventType, Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// let identify = Envelope::new(org, project, "profiles", EventType::IDENTIFY)
    ///     .user("u_1")
    ///     .with_trait("plan", "pro")
    ///     .with_trait_once("firstSeen", "2024-03-13");
    /// store.append(identify)?;
    ///
    /// let profile = store.project(project).profile("u_1")?.expect("identified above");
    /// assert_eq!(profile.traits_json(), r#"{"firstSeen":"2024-03-13","plan":"pro"}"#);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    #[must_use]
    pub fn with_trait(self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.nested_context("traits", key, value)
    }

    /// Sets one trait in `context.traitsOnce`, which a profile takes only while no plain set or unset has touched it,
    /// at whatever time; among several the earliest by event time stays. A null sets nothing.
    #[must_use]
    pub fn with_trait_once(self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.nested_context("traitsOnce", key, value)
    }

    fn nested_context(mut self, name: &str, key: impl Into<String>, value: impl Into<Value>) -> Self {
        let context = self.context.get_or_insert_default();
        let mut inner = match context.insert(name, Value::Null) {
            Some(Value::Object(object)) => object,
            _ => Object::new(),
        };
        inner.insert(key, value);
        context.insert(name, Value::Object(inner));
        self
    }

    /// Reads one envelope from its JSON form: UTF-8, strict JSON (RFC 8259), white space around it or not.
    ///
    /// The names are those of the README's table; null is the same as absent, and `timestamp` must be there, in RFC
    /// 3339 with an offset. `seq` and `receivedAt`, which an export has, are passed over. The shape is checked here,
    /// limits and the rules for ids when the envelope is accepted; nesting deeper than 128 levels is refused here
    /// already.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] with the field for malformed JSON, an unknown, missing or wrongly typed field, a bad UUID
    /// or time and a key that occurs twice in one object.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Envelope, Error};
    ///
    /// let json = br#"{"orgId":"00000000-0000-0000-0000-000000000001",
    ///     "projectId":"00000000-0000-0000-0000-000000000002","module":"billing",
    ///     "eventType":"order.placed","timestamp":"2024-03-13T12:21:14+02:00",
    ///     "userId":"u_1","properties":{"amount":4200}}"#;
    /// let placed = Envelope::from_json(json)?;
    /// assert_eq!(placed.event_type, "order.placed");
    /// assert_eq!(placed.timestamp.unwrap().to_rfc3339(), "2024-03-13T10:21:14+00:00");
    ///
    /// let refused = Envelope::from_json(br#"{"orgId":"acme"}"#);
    /// assert!(matches!(refused, Err(Error::Invalid { field, .. }) if field == "orgId"));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn from_json(json: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(json)?;
        let mut text = String::new();
        let mut trees = TreeBuilder::new(&unlimited());
        let mut fields = Fields::begin(&mut reader)?;
        let (mut org_id, mut project_id) = (None, None);
        let mut texts: [Option<String>; 5] = Default::default();
        let (mut timestamp, mut properties, mut context) = (None, None, None);
        while let Some(field) = fields.next(&mut reader, &mut text)? {
            match field {
                Field::OrgId => org_id = Some(field.uuid(&mut reader, &mut text)?),
                Field::ProjectId => project_id = Some(field.uuid(&mut reader, &mut text)?),
                Field::Timestamp => {
                    timestamp = Some(time::to_datetime(field.time(&mut reader, &mut text)?));
                }
                Field::Text(which) => {
                    if let Some(place) = texts.get_mut(which as usize) {
                        *place = Some(field.string(&mut reader, &mut text)?.to_owned());
                    }
                }
                Field::Properties => properties = Some(object(field, &mut reader, &mut trees)?),
                Field::Context => context = Some(object(field, &mut reader, &mut trees)?),
            }
        }
        reader.end()?;
        let [module, event_type, user_id, anonymous_id, message_id] = texts;
        Ok(Self {
            org_id: org_id.ok_or_else(|| Field::OrgId.missing())?,
            project_id: project_id.ok_or_else(|| Field::ProjectId.missing())?,
            module: module.ok_or_else(|| Field::MODULE.missing())?,
            event_type: event_type.ok_or_else(|| Field::EVENT_TYPE.missing())?,
            timestamp: Some(timestamp.ok_or_else(|| Field::Timestamp.missing())?),
            user_id,
            anonymous_id,
            message_id,
            properties,
            context,
            time_of_sending: None,
        })
    }

    /// Writes the envelope in its JSON form (RFC 8259), compact, absent fields left out. Addresses come out as they
    /// are.
    ///
    /// [`Envelope::from_json`] reads it back, where it has a timestamp.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{DateTime, Envelope, Uuid};
    ///
    /// let placed = Envelope::new(Uuid::from_u128(1), Uuid::from_u128(2), "billing", "order.placed")
    ///     .user("u_1")
    ///     .at(DateTime::from_timestamp(1_710_325_274, 0).unwrap());
    /// let json = placed.to_json();
    /// assert!(json.ends_with(r#""timestamp":"2024-03-13T10:21:14Z","userId":"u_1"}"#));
    /// assert_eq!(Envelope::from_json(json.as_bytes())?, placed);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn to_json(&self) -> String {
        let mut out = format!("{{\"orgId\":\"{}\",\"projectId\":\"{}\"", self.org_id, self.project_id);
        let text = |out: &mut String, key: &str, value: &str| {
            let mut quoted = Vec::with_capacity(value.len() + 2);
            json::write::write_string(&mut quoted, value);
            // A formatted write to a string cannot fail.
            let _ = write!(out, ",\"{key}\":{}", String::from_utf8_lossy(&quoted));
        };
        text(&mut out, "module", &self.module);
        text(&mut out, "eventType", &self.event_type);
        if let Some(timestamp) = self.timestamp {
            text(&mut out, "timestamp", &timestamp.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true));
        }
        let ids = [("userId", &self.user_id), ("anonymousId", &self.anonymous_id)];
        for (key, id) in ids.into_iter().chain([("messageId", &self.message_id)]) {
            if let Some(id) = id {
                text(&mut out, key, id);
            }
        }
        for (key, object) in [("properties", &self.properties), ("context", &self.context)] {
            if let Some(object) = object {
                let _ = write!(out, ",\"{key}\":{object}");
            }
        }
        out.push('}');
        out
    }
}

/// Reads one object without any limit but that on depth.
fn object(field: Field, reader: &mut Reader<'_>, trees: &mut TreeBuilder) -> Result<Object> {
    if reader.peek()? != Kind::Object {
        return Err(Error::invalid(field.name(), accept::NOT_AN_OBJECT));
    }
    let mut writer = trees.begin(field.name(), None);
    reader.value_into(&mut writer)?;
    let span = writer.finish()?;
    match super::tree::ValueRef::new(trees.tree(span)).to_value() {
        Value::Object(object) => Ok(object),
        _ => Err(Error::invalid(field.name(), accept::NOT_AN_OBJECT)),
    }
}

fn unlimited() -> Limits {
    Limits {
        depth_max: usize::MAX,
        keys_max: usize::MAX,
        key_bytes_max: usize::MAX,
        string_bytes_max: usize::MAX,
        ..Limits::default()
    }
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope")
            .field("org_id", &self.org_id)
            .field("project_id", &self.project_id)
            .field("module", &self.module)
            .field("event_type", &self.event_type)
            .field("timestamp", &self.timestamp)
            .field("user_id", &Hidden::of(self.user_id.as_deref()))
            .field("anonymous_id", &Hidden::of(self.anonymous_id.as_deref()))
            .field("message_id", &Hidden::of(self.message_id.as_deref()))
            .field("properties", &self.properties.as_ref().map(Hidden::object))
            .field("context", &self.context.as_ref().map(Hidden::object))
            .finish_non_exhaustive()
    }
}

/// Says how much there is and not what.
pub(super) struct Hidden(usize, &'static str);

impl Hidden {
    pub(super) fn of(text: Option<&str>) -> Option<Self> {
        text.map(|text| Self(text.len(), "bytes"))
    }

    pub(super) fn bytes(bytes: &[u8]) -> Self {
        Self(bytes.len(), "bytes")
    }

    fn object(object: &Object) -> Self {
        Self(object.len(), "keys")
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} {}>", self.0, self.1)
    }
}

#[cfg(test)]
mod tests;
