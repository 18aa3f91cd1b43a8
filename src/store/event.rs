//! One stored event: borrowed from the log, or owned.

mod owned;

use std::fmt;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::handle::SegmentHandle;
use crate::envelope::fact::{Fact, FactOrder};
use crate::envelope::json::write::{write_string, write_u64};
use crate::envelope::{ValueRef, codec, time};
use crate::error::Result;
use crate::format::frame::{FrameKind, FrameView};
use crate::format::keys::EventKeys;
use crate::format::manifest::{EpochStart, epoch_of};
use crate::profile::PersonRef;
use crate::types::{Nanos, Ordinal, Position, Seq};

pub use owned::Event;

/// An event where it lies in the log: borrowed from a view, only its keys parsed.
///
/// Properties and context are decoded when they are asked for, each time anew. [`EventRef::to_event`] makes a copy
/// that outlives the view. `Debug` shows no id and nothing of properties and context.
///
/// # Examples
///
/// ```
/// use envelog::{PersonRef, Store, Uuid};
///
/// let store = Store::in_memory()?;
/// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
/// let shop = store.scope(org, project, "billing");
/// shop.track("order.placed").user("u_1").property("amount", 4200).append()?;
///
/// let view = store.project(project).view()?;
/// for event in view.events().of_type("order.placed").iter() {
///     let event = event?;
///     assert_eq!(event.module(), "billing");
///     assert_eq!(event.person(), Some(PersonRef::User("u_1")));
///     assert_eq!(event.property("amount").and_then(|amount| amount.as_i64()), Some(4200));
/// }
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct EventRef<'v> {
    frame: FrameView<'v>,
    keys: EventKeys<'v>,
    epochs: &'v [EpochStart],
}

impl<'v> EventRef<'v> {
    /// The event with this ordinal, whose frame begins at `offset`; `None` where the frame is no event.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`](crate::Error::Corrupt) where no such frame stands there or its keys are malformed.
    #[inline]
    pub(crate) fn read(
        handle: &'v SegmentHandle,
        epochs: &'v [EpochStart],
        ordinal: Ordinal,
        offset: u32,
    ) -> Result<Option<Self>> {
        let frame = handle.segment.frame(ordinal, offset)?;
        if frame.kind() != FrameKind::Event {
            return Ok(None);
        }
        match EventKeys::parse(frame.keys()) {
            Some(keys) => Ok(Some(Self { frame, keys, epochs })),
            None => Err(handle.corrupt(ordinal, offset, "the keys of the event are malformed")),
        }
    }

    /// Where the event stands in the log, for good.
    pub fn position(&self) -> Position {
        Position { seq: self.seq(), epoch: epoch_of(self.epochs, self.seq()) }
    }

    /// The event's place in the order of the whole store.
    pub const fn seq(&self) -> Seq {
        self.frame.seq()
    }

    /// When the store took the event in, by its own clock, to the nanosecond; never falling in seq order.
    pub fn received_at(&self) -> DateTime<Utc> {
        time::to_datetime(self.frame.received_at())
    }

    /// The organisation that the project belongs to.
    pub const fn org_id(&self) -> Uuid {
        Uuid::from_bytes(self.keys.org_id)
    }

    /// The project.
    pub const fn project_id(&self) -> Uuid {
        Uuid::from_bytes(self.keys.project_id)
    }

    /// The product module that the event belongs to.
    pub const fn module(&self) -> &'v str {
        self.keys.module
    }

    /// What happened: a dotted name such as `order.placed`.
    pub const fn event_type(&self) -> &'v str {
        self.keys.event_type
    }

    /// When it happened, to the nanosecond: as the producer said, or else by the store's clock.
    pub fn timestamp(&self) -> DateTime<Utc> {
        time::to_datetime(self.keys.timestamp)
    }

    pub(crate) const fn timestamp_nanos(&self) -> Nanos {
        self.keys.timestamp
    }

    pub(crate) const fn keys(&self) -> &EventKeys<'v> {
        &self.keys
    }

    /// The identified user.
    pub const fn user_id(&self) -> Option<&'v str> {
        self.keys.user_id
    }

    /// The anonymous device.
    pub const fn anonymous_id(&self) -> Option<&'v str> {
        self.keys.anonymous_id
    }

    /// The producer's id for this event.
    pub const fn message_id(&self) -> Option<&'v str> {
        self.keys.message_id
    }

    /// Whom the event belongs to: its user, or else its device.
    ///
    /// In a timeline this is the member of the person that the event came from.
    pub const fn person(&self) -> Option<PersonRef<'v>> {
        match (self.keys.user_id, self.keys.anonymous_id) {
            (Some(user), _) => Some(PersonRef::User(user)),
            (None, Some(device)) => Some(PersonRef::Anonymous(device)),
            (None, None) => None,
        }
    }

    /// The properties, if the event has any.
    pub fn properties(&self) -> Option<ValueRef<'v>> {
        self.body().properties
    }

    /// The context, if the event has any.
    pub fn context(&self) -> Option<ValueRef<'v>> {
        self.body().context
    }

    /// One property: under this name, or at this path of names joined by points, such as `page.url`.
    ///
    /// A property whose whole name is `page.url` comes before one at that path.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Object, Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// let page = Object::from([("url", "/pricing")]);
    /// let viewed = store.scope(org, project, "analytics").track("page.viewed").property("page", page).append()?;
    ///
    /// let view = store.project(project).view()?;
    /// let event = view.get(viewed.position)?.expect("appended above");
    /// assert_eq!(event.property("page.url").and_then(|url| url.as_str()), Some("/pricing"));
    /// assert!(event.property("page.title").is_none());
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn property(&self, path: &str) -> Option<ValueRef<'v>> {
        property_at(self.properties()?, path)
    }

    /// The record, which was checked with its frame; one that cannot be read has no objects.
    /// What the event says that the store acts upon, and its place among such facts; none of another type.
    pub(crate) fn fact(&self) -> Option<(Fact<'v>, FactOrder)> {
        let EventKeys { event_type, user_id, anonymous_id, timestamp, message_id, .. } = self.keys;
        let fact = Fact::of(event_type, user_id, anonymous_id, &self.body())?;
        let message_id = message_id.unwrap_or_default().into();
        let order = FactOrder { timestamp, message_id, digest: fact.digest() };
        Some((fact, order))
    }

    /// The record, as the log has it.
    pub(crate) const fn record(&self) -> &'v [u8] {
        self.frame.body()
    }

    fn body(&self) -> codec::Body<'v> {
        codec::decode(self.frame.body()).unwrap_or(codec::Body { properties: None, context: None })
    }

    /// An owned copy, which outlives the view.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Event, Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// store.scope(org, project, "billing").track("order.placed").user("u_1").append()?;
    ///
    /// let newest: Option<Event> = {
    ///     let view = store.project(project).view()?;
    ///     view.timeline("u_1").newest_first().iter().next().transpose()?.map(|event| event.to_event())
    /// };
    /// assert_eq!(newest.unwrap().event_type(), "order.placed");
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn to_event(&self) -> Event {
        Event::of(self)
    }

    /// Appends the event as JSON (RFC 8259) in the envelope's own names, compact, times as RFC 3339 in UTC.
    ///
    /// It imports again to the same envelope, into this store or one with the same secret; under another secret the
    /// tokens in it are no tokens, and are hashed again.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{DateTime, Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// let placed = store
    ///     .scope(org, project, "billing")
    ///     .track("order.placed")
    ///     .user("u_1")
    ///     .at(DateTime::from_timestamp(1_710_325_274, 0).unwrap())
    ///     .append()?;
    ///
    /// let view = store.project(project).view()?;
    /// let mut line = Vec::new();
    /// view.get(placed.position)?.expect("appended above").to_json(&mut line);
    /// let json = String::from_utf8(line).unwrap();
    /// assert!(json.ends_with(r#""eventType":"order.placed","timestamp":"2024-03-13T10:21:14Z","userId":"u_1"}"#));
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn to_json(&self, out: &mut Vec<u8>) {
        self.write_json(out, false);
    }

    /// Appends the event as JSON with `seq` and `receivedAt`, which an import accepts and assigns anew.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// let placed = store.scope(org, project, "billing").track("order.placed").user("u_1").append()?;
    ///
    /// let view = store.project(project).view()?;
    /// let mut line = Vec::new();
    /// view.get(placed.position)?.expect("appended above").to_json_with_meta(&mut line);
    /// assert!(String::from_utf8(line.clone()).unwrap().contains(r#""userId":"u_1","seq":1,"receivedAt":""#));
    /// assert_eq!(store.append_json(&line)?.position.seq.get(), 2);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn to_json_with_meta(&self, out: &mut Vec<u8>) {
        self.write_json(out, true);
    }

    fn write_json(&self, out: &mut Vec<u8>, with_meta: bool) {
        let mut uuid = Uuid::encode_buffer();
        out.extend_from_slice(b"{\"orgId\":\"");
        out.extend_from_slice(self.org_id().hyphenated().encode_lower(&mut uuid).as_bytes());
        out.extend_from_slice(b"\",\"projectId\":\"");
        out.extend_from_slice(self.project_id().hyphenated().encode_lower(&mut uuid).as_bytes());
        out.extend_from_slice(b"\",\"module\":");
        write_string(out, self.module());
        out.extend_from_slice(b",\"eventType\":");
        write_string(out, self.event_type());
        out.extend_from_slice(b",\"timestamp\":\"");
        time::write_rfc3339(self.keys.timestamp, out);
        out.push(b'"');
        for (name, id) in [
            (&b",\"userId\":"[..], self.user_id()),
            (b",\"anonymousId\":", self.anonymous_id()),
            (b",\"messageId\":", self.message_id()),
        ] {
            if let Some(id) = id {
                out.extend_from_slice(name);
                write_string(out, id);
            }
        }
        let body = self.body();
        for (name, object) in [(&b",\"properties\":"[..], body.properties), (b",\"context\":", body.context)]
        {
            if let Some(object) = object {
                out.extend_from_slice(name);
                object.write_json(out);
            }
        }
        if with_meta {
            out.extend_from_slice(b",\"seq\":");
            write_u64(out, self.seq().get());
            out.extend_from_slice(b",\"receivedAt\":\"");
            time::write_rfc3339(self.frame.received_at(), out);
            out.push(b'"');
        }
        out.push(b'}');
    }
}

/// The value under a key, or at a path of keys joined by points.
#[inline]
pub(crate) fn property_at<'v>(object: ValueRef<'v>, path: &str) -> Option<ValueRef<'v>> {
    object.get(path).or_else(|| if path.contains('.') { object.get_path(path) } else { None })
}

impl fmt::Debug for EventRef<'_> {
    /// Shows no id and nothing of properties and context.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventRef")
            .field("seq", &self.seq())
            .field("event_type", &self.event_type())
            .field("timestamp", &self.timestamp())
            .finish_non_exhaustive()
    }
}
