//! One call: from its fields to an envelope.

use chrono::{DateTime, Utc};

use super::Segment;
use super::time::{self, Happened};
use crate::envelope::{Envelope, EventType, Object, Value};
use crate::error::{Error, Result};
use crate::interop::fields::{missing, take, take_id, take_object, take_string};

const UNKNOWN_TYPE: &str = "must be track, identify, page, screen, group or alias";

/// The module of identify and alias calls.
const PROFILES: &str = "profiles";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Track,
    Identify,
    Page,
    Screen,
    Group,
    Alias,
}

impl Kind {
    const ALL: [(&'static str, Self); 6] = [
        ("track", Self::Track),
        ("identify", Self::Identify),
        ("page", Self::Page),
        ("screen", Self::Screen),
        ("group", Self::Group),
        ("alias", Self::Alias),
    ];

    fn take(fields: &mut Object) -> Result<Self> {
        let name = take_string(fields, "type")?.ok_or_else(|| Error::invalid("type", "is required"))?;
        Self::ALL
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(&name))
            .map(|(_, kind)| *kind)
            .ok_or_else(|| Error::invalid("type", UNKNOWN_TYPE))
    }
}

/// An object of the envelope, and what had to make room in it.
#[derive(Default)]
struct Part {
    object: Option<Object>,
    displaced: Object,
}

impl Part {
    fn take(fields: &mut Object, name: &'static str) -> Result<Self> {
        Ok(Self { object: take_object(fields, name)?, displaced: Object::new() })
    }

    fn put(&mut self, key: &str, value: impl Into<Value>) {
        if let Some(old) = self.object.get_or_insert_default().insert(key, value) {
            self.displaced.insert(key, old);
        }
    }

    fn has(&self, key: &str) -> bool {
        self.object.as_ref().is_some_and(|object| object.contains_key(key))
    }
}

/// Reads a call. `rest` is kept in `context.segment` beside the call's own fields, which go first.
pub(super) fn read(
    segment: &Segment,
    mut fields: Object,
    rest: Object,
    received_at: Option<DateTime<Utc>>,
) -> Result<Envelope> {
    let kind = Kind::take(&mut fields)?;
    let Happened { at, is_of_sending } = time::take(&mut fields, received_at)?;
    let event_type = match kind {
        Kind::Track => take_event(&mut fields)?,
        Kind::Identify => EventType::IDENTIFY.to_owned(),
        Kind::Page => "page.viewed".to_owned(),
        Kind::Screen => "screen.viewed".to_owned(),
        Kind::Group => "group.identified".to_owned(),
        Kind::Alias => EventType::ALIASED.to_owned(),
    };
    let module = match kind {
        Kind::Identify | Kind::Alias => PROFILES,
        _ => &segment.module,
    };
    let mut envelope = Envelope::new(segment.org_id, segment.project_id, module, event_type).at(at);
    envelope.time_of_sending = is_of_sending.then_some(at);
    envelope.user_id = take_id(&mut fields, "userId")?;
    envelope.anonymous_id = take_id(&mut fields, "anonymousId")?;
    envelope.message_id = take_id(&mut fields, "messageId")?;
    let mut properties = Part::take(&mut fields, "properties")?;
    let mut context = Part::take(&mut fields, "context")?;
    match kind {
        Kind::Track | Kind::Identify => take_traits(&mut fields, &mut context)?,
        Kind::Page | Kind::Screen => {
            take_traits(&mut fields, &mut context)?;
            take_names(&mut fields, &mut properties);
        }
        Kind::Group => take_group(&mut fields, &mut properties)?,
        Kind::Alias => {
            take_traits(&mut fields, &mut context)?;
            take_alias(&mut fields, &envelope, &mut properties)?;
        }
    }
    keep_rest(fields, rest, &mut properties, &mut context);
    envelope.properties = properties.object;
    envelope.context = context.object;
    Ok(envelope)
}

fn take_event(fields: &mut Object) -> Result<String> {
    let event = take_string(fields, "event")?.ok_or_else(|| missing("event", "track"))?;
    if event.trim().is_empty() {
        return Err(Error::invalid("event", "must not be blank"));
    }
    Ok(event)
}

/// Traits of the call go on top of those of its context.
fn take_traits(fields: &mut Object, context: &mut Part) -> Result<()> {
    let Some(traits) = take_object(fields, "traits")? else { return Ok(()) };
    match context.object.get_or_insert_default().get_mut("traits") {
        Some(Value::Object(below)) => below.extend(traits),
        None | Some(Value::Null) => drop(context.object.get_or_insert_default().insert("traits", traits)),
        Some(_) => return Err(Error::invalid("context.traits", "must be an object")),
    }
    Ok(())
}

/// Where a property has the name already, the call's field stays among the rest.
fn take_names(fields: &mut Object, properties: &mut Part) {
    for name in ["name", "category"] {
        if !properties.has(name)
            && let Some(value) = take(fields, name)
        {
            properties.put(name, value);
        }
    }
}

fn take_group(fields: &mut Object, properties: &mut Part) -> Result<()> {
    if let Some(id) = take_id(fields, "groupId")? {
        properties.put("groupId", id);
    }
    if let Some(traits) = take_object(fields, "traits")? {
        properties.put("traits", traits);
    }
    Ok(())
}

fn take_alias(fields: &mut Object, envelope: &Envelope, properties: &mut Part) -> Result<()> {
    if envelope.user_id.is_none() {
        return Err(missing("userId", "alias"));
    }
    let previous = take_id(fields, "previousId")?;
    let device = envelope.anonymous_id.as_ref();
    let (kind, id) = match (&previous, device) {
        (Some(previous), device) if device != Some(previous) => ("user", previous),
        (_, Some(device)) => ("anonymous", device),
        (_, None) => return Err(Error::invalid("previousId", "is required by alias without an anonymousId")),
    };
    properties.put("from", Object::from([("kind", kind), ("id", id)]));
    Ok(())
}

/// Puts what is left of the call, and what made room for something else, into `context.segment`.
fn keep_rest(own: Object, mut rest: Object, properties: &mut Part, context: &mut Part) {
    rest.extend(own);
    if !properties.displaced.is_empty() {
        rest.insert("properties", std::mem::take(&mut properties.displaced));
    }
    if rest.is_empty() {
        return;
    }
    if let Some(old) = context.object.as_mut().and_then(|object| object.remove("segment")) {
        context.displaced.insert("segment", old);
    }
    if !context.displaced.is_empty() {
        rest.insert("context", std::mem::take(&mut context.displaced));
    }
    context.put("segment", rest);
}
