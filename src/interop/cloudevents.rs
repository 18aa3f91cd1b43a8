//! `CloudEvents` 1.0 in their JSON form (structured mode), both ways.
//!
//! | attribute | of the envelope |
//! |---|---|
//! | `specversion` | always `1.0` |
//! | `id` | `messageId` |
//! | `source` | `/orgs/{orgId}/projects/{projectId}/{module}`, the module percent-encoded (RFC 3986) |
//! | `type` | `eventType` |
//! | `time` | `timestamp` |
//! | `subject` | `userId` |
//! | `anonymousid` (extension) | `anonymousId` |
//! | `generatedid` (extension) | `true` where the envelope has no `messageId` |
//! | `datacontenttype` | `application/json` where there are data |
//! | `data` | `{"properties": .., "context": ..}`, either left out where it is absent |
//!
//! An envelope that is written and read is the same again, every field of it.
//!
//! **Ids.** A `CloudEvent` must have an id, an envelope need not. [`write_event`] then writes the event's position,
//! such as `1.42`, and [`write_envelope`] what the host gives; both set `generatedid`, and reading such an event gives
//! an envelope without a `messageId`, as it was.
//!
//! **Other attributes** than these are kept in `context.cloudevents`, `dataschema` among them. They are not written as
//! attributes again, but with the rest of the context.
//!
//! **Other sources** than those above are refused, unless [`CloudEvents::others`] says where their events belong. The
//! `source` of such an event is kept in `context.cloudevents`. Its `data` are the properties, those that are no object
//! become the property `data`. Its `subject` is the user and its `id` the `messageId`, as in every event: ids of two
//! sources that are equal are one `messageId`.

mod read;
mod source;
mod write;

use uuid::Uuid;

use crate::envelope::Envelope;
use crate::error::Result;

pub use write::{write_envelope, write_event};

/// Reads `CloudEvents` into envelopes.
///
/// # Examples
///
/// ```
/// use envelog::interop::cloudevents::CloudEvents;
/// use envelog::{Store, Uuid};
///
/// let store = Store::in_memory()?;
/// let placed = CloudEvents::new().read(
///     br#"{"specversion":"1.0","id":"m_1","type":"order.placed","time":"2024-03-13T10:21:14Z","subject":"u_1",
///          "source":"/orgs/00000000-0000-0000-0000-000000000001/projects/00000000-0000-0000-0000-000000000002/billing",
///          "data":{"properties":{"amount":4200}}}"#,
/// )?;
/// store.append(placed)?;
///
/// let timeline = store.project(Uuid::from_u128(2)).timeline("u_1", 1)?;
/// assert_eq!(timeline[0].module(), "billing");
/// assert_eq!(timeline[0].message_id(), Some("m_1"));
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CloudEvents {
    others: Option<Home>,
}

/// Where the events of other sources belong.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Home {
    org_id: Uuid,
    project_id: Uuid,
    module: String,
}

impl CloudEvents {
    /// A reader of events whose sources name organisation, project and module.
    ///
    /// Who takes events from a network checks whether the sender may write to the project that an envelope names.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes events of other sources too, into this project and module.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::Uuid;
    /// use envelog::interop::cloudevents::CloudEvents;
    ///
    /// let pushed = br#"{"specversion":"1.0","id":"7","type":"repo.pushed","source":"https://example.org/git",
    ///     "time":"2024-03-13T10:21:14Z","data":{"commits":3},"ref":"main"}"#;
    /// assert!(CloudEvents::new().read(pushed).is_err());
    ///
    /// let reader = CloudEvents::new().others(Uuid::from_u128(1), Uuid::from_u128(2), "git");
    /// let envelope = reader.read(pushed)?;
    /// assert_eq!(envelope.properties.unwrap().to_string(), r#"{"commits":3}"#);
    /// let kept = r#"{"cloudevents":{"ref":"main","source":"https://example.org/git"}}"#;
    /// assert_eq!(envelope.context.unwrap().to_string(), kept);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    #[must_use]
    pub fn others(mut self, org_id: Uuid, project_id: Uuid, module: impl Into<String>) -> Self {
        self.others = Some(Home { org_id, project_id, module: module.into() });
        self
    }

    /// Reads one event.
    ///
    /// An event without a time gives an envelope without one, which takes that of the store's clock.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`](crate::Error::Invalid) with the attribute, for malformed JSON, another version than 1.0,
    /// attributes that are missing or of the wrong kind, a name that is none of an attribute, a source that is not
    /// known, and data that are not JSON. Lengths, depth and what an id may be are left to the acceptance of the
    /// envelope.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::interop::cloudevents::CloudEvents;
    ///
    /// let refused = CloudEvents::new().read(br#"{"specversion":"0.3"}"#).unwrap_err();
    /// assert_eq!(refused.to_string(), "specversion: must be 1.0");
    /// ```
    pub fn read(&self, json: &[u8]) -> Result<Envelope> {
        read::read(self.others.as_ref(), json)
    }
}
