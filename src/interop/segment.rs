//! The calls of Segment's libraries: track, identify, page, screen, group, alias and batches of them.
//!
//! The form is the one of Segment's HTTP API, which `RudderStack` and others share.
//!
//! | call | `eventType` | module |
//! |---|---|---|
//! | track | the call's `event`, as it is | `analytics` |
//! | page | `page.viewed` | `analytics` |
//! | screen | `screen.viewed` | `analytics` |
//! | group | `group.identified` | `analytics` |
//! | identify | `identify` | `profiles` |
//! | alias | `identity.aliased` | `profiles` |
//!
//! `type` is read in any letter case. All calls:
//!
//! - **Ids**: `userId`, `anonymousId` and `messageId` are kept. An empty id counts as absent, a number becomes its
//!   decimal text, anything else is refused; the same holds for `previousId` and `groupId`.
//! - **Traits** become `context.traits`, those of the call on top of those of its `context`, key by key. Group traits
//!   are no person's: they become `properties.traits`.
//! - **Everything else** at the top of a call is kept in `context.segment`, `request_ip` among it, which is hashed when
//!   the envelope is accepted, as every address is.
//! - **Null** is the same as absent.
//!
//! Some calls:
//!
//! - **page, screen**: `name` and `category` become properties, unless there are such properties already.
//! - **group**: `groupId` becomes a property.
//! - **alias**: `userId` takes in `previousId`, which is a device where it equals the call's `anonymousId`, and a user
//!   else. Without a `previousId` it takes in the device of the call's `anonymousId`, as Segment's own libraries do.
//!   What is no alias of this store's rules, of one identified user to another say, is stored and listed as a
//!   conflict.
//!
//! A property or an entry of the context in whose place something else is put (a property `groupId` of a group call,
//! say) is kept in `context.segment.properties` or `context.segment.context`.
//!
//! # Time
//!
//! Where a call has `originalTimestamp`, `sentAt` and `receivedAt`, it happened at receivedAt - (sentAt -
//! originalTimestamp), which no wrong clock of a device disturbs. Else the first of `timestamp`, `originalTimestamp`,
//! `sentAt` and `receivedAt` is taken. A time that cannot be read or has no offset does not count, and stays in
//! `context.segment`; a call where none counts is refused. The times that count are not kept beside the one that was
//! made of them: `sentAt` is another at each retry, and a retry must stay the same event. So where a time of sending or
//! of receipt took part, a call whose `messageId` was stored before is compared with the first one without their times.
//!
//! A host that takes calls from devices itself may say when it received them. That counts as `receivedAt` where a
//! call has none, so that the formula holds and no call is without a time.
//!
//! # Trust
//!
//! `event` becomes the event's type as it is. So a producer of track calls can state what the store acts upon, such as
//! `identity.unlinked`, just as one of identify and alias calls can: the store takes no call for more than what its
//! sender says.

mod batch;
mod call;
mod time;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::fields;
use crate::envelope::{Envelope, Object};
use crate::error::{Error, Result};

pub use batch::Calls;

/// Reads calls into envelopes of one project.
///
/// # Examples
///
/// ```
/// use envelog::interop::segment::Segment;
/// use envelog::{Store, Uuid};
///
/// let store = Store::in_memory()?;
/// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
/// let segment = Segment::new(org, project);
/// let call = br#"{"type":"identify","userId":97980,"traits":{"plan":"pro"},"timestamp":"2024-03-13T10:21:14Z"}"#;
/// store.append(segment.read(call, None)?)?;
///
/// let profile = store.project(project).profile("97980")?.expect("identified above");
/// assert_eq!(profile.traits_json(), r#"{"plan":"pro"}"#);
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    org_id: Uuid,
    project_id: Uuid,
    module: String,
}

impl Segment {
    /// A reader whose envelopes belong to that organisation and project.
    pub fn new(org_id: Uuid, project_id: Uuid) -> Self {
        Self { org_id, project_id, module: "analytics".to_owned() }
    }

    /// Sets the module of track, page, screen and group calls, instead of `analytics`. Identify and alias calls
    /// always belong to `profiles`.
    #[must_use]
    pub fn module(mut self, module: impl Into<String>) -> Self {
        self.module = module.into();
        self
    }

    /// Reads one call. `received_at` is when the host received it, where it was the first to; see the module's
    /// documentation of time.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] with the field, by its name in the call, for malformed JSON, an unknown type, a call without
    /// a time, and fields that are missing or of the wrong kind. Lengths, depth and what an id may be are left to the
    /// acceptance of the envelope.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::interop::segment::Segment;
    /// use envelog::{DateTime, Uuid};
    ///
    /// let segment = Segment::new(Uuid::from_u128(1), Uuid::from_u128(2)).module("site");
    /// // Sent four seconds after it happened, by a clock that is years behind.
    /// let call = br#"{"type":"Page","anonymousId":"d_1","name":"Pricing",
    ///     "originalTimestamp":"2019-03-13T10:00:00Z","sentAt":"2019-03-13T10:00:04Z"}"#;
    /// let received_at = DateTime::from_timestamp(1_710_325_274, 0);
    /// let viewed = segment.read(call, received_at)?;
    /// assert_eq!(viewed.event_type, "page.viewed");
    /// assert_eq!(viewed.module, "site");
    /// assert_eq!(viewed.timestamp, DateTime::from_timestamp(1_710_325_270, 0));
    ///
    /// let refused = segment.read(br#"{"type":"page"}"#, None).unwrap_err();
    /// assert!(refused.to_string().starts_with("timestamp: is required"));
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn read(&self, json: &[u8], received_at: Option<DateTime<Utc>>) -> Result<Envelope> {
        let fields = fields::parse(json, "call")?;
        if batch::is_batch(&fields) {
            return Err(Error::invalid("batch", "stands where one call belongs; read it with read_all"));
        }
        call::read(self, fields, Object::new(), received_at)
    }

    /// Reads a call or a batch of calls, each when the iterator comes to it.
    ///
    /// A batch is an object with a list `batch`. Its `sentAt`, `receivedAt`, and the entries of its `context` and
    /// `integrations` count for each call that has none of its own; what else stands beside the list is kept in each
    /// call's `context.segment`. So a short text can stand for long envelopes: a host that takes batches from a
    /// network bounds what it stores of one.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where nothing of it can be read: for malformed JSON, and a batch whose `batch`, `context` or
    /// `integrations` is of the wrong kind. Each call has an answer of its own, as [`Segment::read`] gives it.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::interop::segment::Segment;
    /// use envelog::{Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let segment = Segment::new(Uuid::from_u128(1), Uuid::from_u128(2));
    /// let body = br#"{"sentAt":"2024-03-13T10:21:14Z","batch":[
    ///     {"type":"track","event":"order.placed","userId":"u_1"},
    ///     {"type":"track","event":{"name":"order.placed"},"userId":"u_1"}]}"#;
    /// let mut refused = Vec::new();
    /// for (index, call) in segment.read_all(body, None)?.enumerate() {
    ///     match call {
    ///         Ok(envelope) => drop(store.append(envelope)?),
    ///         Err(error) => refused.push(format!("call {index}: {error}")),
    ///     }
    /// }
    /// assert_eq!(store.stats()?.events, 1);
    /// assert_eq!(refused, ["call 1: event: must be a string"]);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn read_all(&self, json: &[u8], received_at: Option<DateTime<Utc>>) -> Result<Calls> {
        Calls::new(self.clone(), fields::parse(json, "call")?, received_at)
    }
}
