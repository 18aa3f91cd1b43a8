//! The facts that events state, their digest and their total order.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{NaiveEvent, Person};

/// What a fact says, one act at a time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Act {
    /// An identify of a user.
    Identified(String),
    /// An identify of a device alone.
    DeviceIdentified(String),
    /// An identify with both ids.
    Linked {
        device: String,
        user: String,
    },
    Created(String),
    SignedUp(String),
    Aliased {
        from: Person,
        to: String,
    },
    Unlinked {
        member: Person,
        user: String,
    },
}

/// The place of a fact in the total order: timestamp, messageId or "", digest.
pub(crate) type Key = (i64, String, [u8; 16]);

#[derive(Clone, Debug)]
pub(crate) struct Fact {
    pub(crate) key: Key,
    pub(crate) event_type: String,
    pub(crate) timestamp: i64,
    pub(crate) message_id: Option<String>,
    pub(crate) acts: Vec<Act>,
    pub(crate) plain: Map<String, Value>,
    pub(crate) once: Map<String, Value>,
}

impl Fact {
    /// Every person that an act of the fact names.
    pub(crate) fn named(&self) -> Vec<Person> {
        let mut named = Vec::new();
        for act in &self.acts {
            match act {
                Act::Identified(user) | Act::Created(user) | Act::SignedUp(user) => {
                    named.push(Person::User(user.clone()));
                }
                Act::DeviceIdentified(device) => named.push(Person::Anonymous(device.clone())),
                Act::Linked { device, user } => {
                    named.push(Person::Anonymous(device.clone()));
                    named.push(Person::User(user.clone()));
                }
                Act::Aliased { from, to } => {
                    named.push(from.clone());
                    named.push(Person::User(to.clone()));
                }
                Act::Unlinked { member, user } => {
                    named.push(member.clone());
                    named.push(Person::User(user.clone()));
                }
            }
        }
        named
    }
}

/// All facts of the events in their total order, each once.
pub(crate) fn facts(events: &[NaiveEvent]) -> Vec<Fact> {
    let mut facts: Vec<Fact> = events.iter().filter(|event| is_fact(&event.event_type)).map(fact).collect();
    facts.sort_by(|a, b| a.key.cmp(&b.key));
    facts.dedup_by(|a, b| a.key == b.key);
    facts
}

fn is_fact(event_type: &str) -> bool {
    matches!(
        event_type,
        "identify"
            | "identity.anonymous_created"
            | "identity.signed_up"
            | "identity.aliased"
            | "identity.unlinked"
    )
}

fn fact(event: &NaiveEvent) -> Fact {
    let message = event.message_id.clone().unwrap_or_default();
    Fact {
        key: (event.timestamp, message, digest(event)),
        event_type: event.event_type.clone(),
        timestamp: event.timestamp,
        message_id: event.message_id.clone(),
        acts: acts(event),
        plain: trait_object(event, "traits").cloned().unwrap_or_default(),
        // Setting is all that it does, and a null sets nothing.
        once: trait_object(event, "traitsOnce")
            .into_iter()
            .flatten()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
    }
}

/// The acts that an event states, without those that name an id that is no id.
fn acts(event: &NaiveEvent) -> Vec<Act> {
    let user = event.user_id.clone();
    let device = event.anonymous_id.clone();
    let mut acts = Vec::new();
    if event.event_type == "identify" {
        match (user, device) {
            (Some(user), device) => {
                if !is_no_id(&user) {
                    acts.push(Act::Identified(user.clone()));
                    if let Some(device) = device
                        && !is_no_id(&device)
                    {
                        acts.push(Act::Linked { device, user });
                    }
                }
            }
            (None, Some(device)) => {
                if !is_no_id(&device) {
                    acts.push(Act::DeviceIdentified(device));
                }
            }
            (None, None) => {}
        }
        return acts;
    }
    let Some(user) = user else {
        return acts;
    };
    if is_no_id(&user) {
        return acts;
    }
    match event.event_type.as_str() {
        "identity.anonymous_created" => acts.push(Act::Created(user)),
        "identity.signed_up" => acts.push(Act::SignedUp(user)),
        "identity.aliased" => {
            // An alias of a user onto itself states nothing.
            if let Some(from) = member(event)
                && !person_is_no_id(&from)
                && from != Person::User(user.clone())
            {
                acts.push(Act::Aliased { from, to: user });
            }
        }
        "identity.unlinked" => {
            if let Some(member) = member(event)
                && !person_is_no_id(&member)
            {
                acts.push(Act::Unlinked { member, user });
            }
        }
        _ => {}
    }
    acts
}

/// The "from" of an alias, the "member" of an unlink.
fn member(event: &NaiveEvent) -> Option<Person> {
    let name = match event.event_type.as_str() {
        "identity.aliased" => "from",
        "identity.unlinked" => "member",
        _ => return None,
    };
    let member = event.properties.as_ref()?.get(name)?;
    let id = member.get("id")?.as_str()?.to_owned();
    match member.get("kind")?.as_str()? {
        "user" => Some(Person::User(id)),
        "anonymous" => Some(Person::Anonymous(id)),
        _ => None,
    }
}

fn trait_object<'a>(event: &'a NaiveEvent, name: &str) -> Option<&'a Map<String, Value>> {
    event.context.as_ref()?.get(name)?.as_object()
}

fn person_is_no_id(person: &Person) -> bool {
    match person {
        Person::User(id) | Person::Anonymous(id) => is_no_id(id),
    }
}

/// Whether the text is one of those that producers send where they have no id.
pub(crate) fn is_no_id(id: &str) -> bool {
    let mut bare = id;
    for quote in ['"', '\''] {
        let inner = id.strip_prefix(quote).and_then(|s| s.strip_suffix(quote));
        if let Some(inner) = inner {
            bare = inner;
        }
    }
    let lower = bare.to_ascii_lowercase();
    let words = [
        "anonymous",
        "guest",
        "null",
        "none",
        "undefined",
        "nan",
        "true",
        "false",
        "0",
        "-1",
        "[object object]",
    ];
    words.contains(&lower.as_str()) || bare.chars().all(|c| c == '0' || c == '-')
}

/// The first 16 bytes of SHA-256 over the canonical bytes of the fact.
pub(crate) fn digest(event: &NaiveEvent) -> [u8; 16] {
    let mut bytes = Vec::new();
    put_text(&mut bytes, &event.event_type);
    for id in [&event.user_id, &event.anonymous_id] {
        match id {
            None => bytes.push(0),
            Some(id) => {
                bytes.push(1);
                put_text(&mut bytes, id);
            }
        }
    }
    match member(event) {
        None => bytes.push(0),
        Some(Person::User(id)) => {
            bytes.extend([1, b'u']);
            put_text(&mut bytes, &id);
        }
        Some(Person::Anonymous(id)) => {
            bytes.extend([1, b'a']);
            put_text(&mut bytes, &id);
        }
    }
    for name in ["traits", "traitsOnce"] {
        match trait_object(event, name) {
            None => bytes.push(0),
            Some(map) => {
                bytes.push(1);
                put_object(&mut bytes, map);
            }
        }
    }
    let hash = Sha256::digest(&bytes);
    let mut first = [0; 16];
    first.copy_from_slice(&hash[..16]);
    first
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    let length = u32::try_from(text.len()).expect("texts of events are short");
    bytes.extend(length.to_le_bytes());
    bytes.extend(text.as_bytes());
}

fn put_object(bytes: &mut Vec<u8>, map: &Map<String, Value>) {
    let mut keys: Vec<&String> = map.keys().collect();
    keys.sort();
    bytes.push(b'{');
    for key in keys {
        bytes.push(b':');
        put_text(bytes, key);
        put_value(bytes, &map[key]);
    }
    bytes.push(b'}');
}

fn put_value(bytes: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => bytes.push(b'n'),
        Value::Bool(true) => bytes.push(b't'),
        Value::Bool(false) => bytes.push(b'f'),
        Value::Number(number) => {
            // The test data has small integers, whose canonical text is the decimal form.
            bytes.push(b'#');
            put_text(bytes, &number.to_string());
        }
        Value::String(text) => {
            bytes.push(b's');
            put_text(bytes, text);
        }
        Value::Array(items) => {
            bytes.push(b'[');
            for item in items {
                put_value(bytes, item);
            }
            bytes.push(b']');
        }
        Value::Object(map) => put_object(bytes, map),
    }
}
