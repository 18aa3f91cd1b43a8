//! From an envelope or a stored event to a `CloudEvent`.

use chrono::{DateTime, SecondsFormat, Utc};
use uuid::Uuid;

use super::source;
use crate::envelope::json::write::write_string;
use crate::envelope::{Envelope, Object, ValueRef};
use crate::store::EventRef;

/// What is written, wherever it comes from.
struct Parts<'a> {
    org_id: Uuid,
    project_id: Uuid,
    module: &'a str,
    event_type: &'a str,
    timestamp: Option<DateTime<Utc>>,
    user_id: Option<&'a str>,
    anonymous_id: Option<&'a str>,
    message_id: Option<&'a str>,
    properties: Option<Json<'a>>,
    context: Option<Json<'a>>,
}

enum Json<'a> {
    Built(&'a Object),
    Stored(ValueRef<'a>),
}

/// Appends a stored event as a `CloudEvent`: compact JSON on one line. The position is the id of an event that has no
/// `messageId`.
///
/// # Examples
///
/// ```
/// use envelog::interop::cloudevents::{CloudEvents, write_event};
/// use envelog::{Store, Uuid};
///
/// let store = Store::in_memory()?;
/// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
/// let placed = store.scope(org, project, "billing").track("order.placed").user("u_1").append()?;
///
/// let view = store.project(project).view()?;
/// let mut json = Vec::new();
/// write_event(&view.get(placed.position)?.expect("appended above"), &mut json);
/// let text = String::from_utf8(json.clone()).unwrap();
/// assert!(text.starts_with(r#"{"specversion":"1.0","id":"1.1","generatedid":true,"source":"/orgs/"#));
/// assert_eq!(CloudEvents::new().read(&json)?.message_id, None);
/// # Ok::<(), envelog::Error>(())
/// ```
pub fn write_event(event: &EventRef<'_>, out: &mut Vec<u8>) {
    let parts = Parts {
        org_id: event.org_id(),
        project_id: event.project_id(),
        module: event.module(),
        event_type: event.event_type(),
        timestamp: Some(event.timestamp()),
        user_id: event.user_id(),
        anonymous_id: event.anonymous_id(),
        message_id: event.message_id(),
        properties: event.properties().map(Json::Stored),
        context: event.context().map(Json::Stored),
    };
    parts.write(|| event.position().to_string(), out);
}

/// Appends an envelope as a `CloudEvent`: compact JSON on one line. `id` is the id of an envelope that has no
/// `messageId`; for one source it must not be used twice.
///
/// Addresses come out as they are: an envelope that comes from a store has none.
///
/// # Examples
///
/// ```
/// use envelog::interop::cloudevents::{CloudEvents, write_envelope};
/// use envelog::{Envelope, Uuid};
///
/// let viewed = Envelope::new(Uuid::from_u128(1), Uuid::from_u128(2), "site/main", "page.viewed").anonymous("d_1");
/// let mut json = Vec::new();
/// write_envelope(&viewed, "view-1", &mut json);
/// assert!(String::from_utf8(json.clone()).unwrap().contains(r#"-000000000002/site%2Fmain""#));
/// assert_eq!(CloudEvents::new().read(&json)?, viewed);
/// # Ok::<(), envelog::Error>(())
/// ```
pub fn write_envelope(envelope: &Envelope, id: &str, out: &mut Vec<u8>) {
    let parts = Parts {
        org_id: envelope.org_id,
        project_id: envelope.project_id,
        module: &envelope.module,
        event_type: &envelope.event_type,
        timestamp: envelope.timestamp,
        user_id: envelope.user_id.as_deref(),
        anonymous_id: envelope.anonymous_id.as_deref(),
        message_id: envelope.message_id.as_deref(),
        properties: envelope.properties.as_ref().map(Json::Built),
        context: envelope.context.as_ref().map(Json::Built),
    };
    parts.write(|| id.to_owned(), out);
}

impl Parts<'_> {
    /// Appends the `CloudEvent`; `id` makes one where there is no message id.
    fn write(&self, id: impl FnOnce() -> String, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"specversion\":\"1.0\"");
        if let Some(id) = self.message_id {
            attribute(out, "id", id);
        } else {
            attribute(out, "id", &id());
            out.extend_from_slice(b",\"generatedid\":true");
        }
        let mut from = String::with_capacity(128);
        source::write(self.org_id, self.project_id, self.module, &mut from);
        attribute(out, "source", &from);
        attribute(out, "type", self.event_type);
        if let Some(time) = self.timestamp {
            attribute(out, "time", &time.to_rfc3339_opts(SecondsFormat::AutoSi, true));
        }
        for (name, id) in [("subject", self.user_id), ("anonymousid", self.anonymous_id)] {
            if let Some(id) = id {
                attribute(out, name, id);
            }
        }
        self.write_data(out);
        out.push(b'}');
    }

    fn write_data(&self, out: &mut Vec<u8>) {
        if self.properties.is_none() && self.context.is_none() {
            return;
        }
        attribute(out, "datacontenttype", "application/json");
        out.extend_from_slice(b",\"data\":");
        let mut before = b'{';
        for (name, object) in [("properties", &self.properties), ("context", &self.context)] {
            let Some(object) = object else { continue };
            out.push(before);
            before = b',';
            write_string(out, name);
            out.push(b':');
            match object {
                Json::Built(object) => object.write_json(out),
                Json::Stored(value) => value.write_json(out),
            }
        }
        out.push(b'}');
    }
}

fn attribute(out: &mut Vec<u8>, name: &str, text: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    write_string(out, text);
}
