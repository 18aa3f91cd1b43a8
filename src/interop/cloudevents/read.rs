//! From a `CloudEvent` to an envelope.

use super::{Home, source};
use crate::envelope::{Envelope, Object, Value, time};
use crate::error::{Error, Result};
use crate::interop::fields::{self, missing, take, take_object, take_string};

const EVENT: &str = "a CloudEvent";
const BAD_NAME: &str = "is no name of an attribute, which has lower-case letters and digits only";
const BAD_SOURCE: &str = "must be /orgs/{orgId}/projects/{projectId}/{module}";
const NOT_JSON: &str = "must be application/json";
const BINARY: &str = "is not read; send JSON as data";
const NO_PART: &str = "is no part of an envelope's data; there are properties and context";

pub(super) fn read(others: Option<&Home>, json: &[u8]) -> Result<Envelope> {
    let mut fields = fields::parse(json, "event")?;
    check_names(&fields)?;
    if take_string(&mut fields, "specversion")?.ok_or_else(|| missing("specversion", EVENT))? != "1.0" {
        return Err(Error::invalid("specversion", "must be 1.0"));
    }
    let id = take_some(&mut fields, "id")?;
    let from = take_some(&mut fields, "source")?;
    let event_type = take_some(&mut fields, "type")?;
    check_content_type(&mut fields)?;
    let own = source::read(&from);
    let (org_id, project_id, module) = match (&own, others) {
        (Some((org_id, project_id, module)), _) => (*org_id, *project_id, module.as_str()),
        (None, Some(home)) => (home.org_id, home.project_id, home.module.as_str()),
        (None, None) => return Err(Error::invalid("source", BAD_SOURCE)),
    };
    let mut envelope = Envelope::new(org_id, project_id, module, event_type);
    envelope.timestamp = take_string(&mut fields, "time")?
        .map(|text| time::parse(&text).map(time::to_datetime))
        .transpose()
        .map_err(|reason| Error::invalid("time", reason))?;
    envelope.user_id = take_string(&mut fields, "subject")?;
    envelope.anonymous_id = take_string(&mut fields, "anonymousid")?;
    let is_generated = fields.get("generatedid") == Some(&Value::Bool(true));
    if is_generated {
        fields.remove("generatedid");
    } else {
        envelope.message_id = Some(id);
    }
    if own.is_some() {
        take_parts(&mut fields, &mut envelope)?;
    } else {
        envelope.properties = take(&mut fields, "data").map(|data| match data {
            Value::Object(properties) => properties,
            other => Object::from([("data", other)]),
        });
        fields.insert("source", from);
    }
    keep_rest(fields, &mut envelope);
    Ok(envelope)
}

fn check_names(fields: &Object) -> Result<()> {
    let is_name = |name: &String| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    match fields.keys().find(|name| !is_name(name) && *name != "data_base64") {
        Some(name) => Err(Error::invalid(fields::shown(name), BAD_NAME)),
        None => Ok(()),
    }
}

/// Takes a string out that must be there and hold something.
fn take_some(fields: &mut Object, name: &'static str) -> Result<String> {
    let text = take_string(fields, name)?.ok_or_else(|| missing(name, EVENT))?;
    if text.is_empty() { Err(Error::invalid(name, "must not be empty")) } else { Ok(text) }
}

fn check_content_type(fields: &mut Object) -> Result<()> {
    if take(fields, "data_base64").is_some() {
        return Err(Error::invalid("data_base64", BINARY));
    }
    let Some(content_type) = take_string(fields, "datacontenttype")? else { return Ok(()) };
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case("application/json") {
        Ok(())
    } else {
        Err(Error::invalid("datacontenttype", NOT_JSON))
    }
}

/// Takes properties and context out of the data of an own source.
fn take_parts(fields: &mut Object, envelope: &mut Envelope) -> Result<()> {
    let Some(mut data) = take_object(fields, "data")? else { return Ok(()) };
    let within = |error| match error {
        Error::Invalid { field, reason } => Error::invalid(format!("data.{field}"), reason),
        other => other,
    };
    envelope.properties = take_object(&mut data, "properties").map_err(within)?;
    envelope.context = take_object(&mut data, "context").map_err(within)?;
    match data.iter().find(|(_, value)| !value.is_null()) {
        Some((name, _)) => Err(Error::invalid(format!("data.{}", fields::shown(name)), NO_PART)),
        None => Ok(()),
    }
}

/// Puts attributes that are not known into `context.cloudevents`, on top of what stands there.
fn keep_rest(mut rest: Object, envelope: &mut Envelope) {
    let names: Vec<String> =
        rest.iter().filter(|(_, value)| value.is_null()).map(|(name, _)| name.clone()).collect();
    for name in names {
        rest.remove(&name);
    }
    if rest.is_empty() {
        return;
    }
    let context = envelope.context.get_or_insert_default();
    if let Some(Value::Object(kept)) = context.get_mut("cloudevents") {
        kept.extend(rest);
    } else {
        context.insert("cloudevents", rest);
    }
}
