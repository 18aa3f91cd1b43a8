//! Taking the fields of a foreign event one by one.

use std::borrow::Cow;

use crate::envelope::{Number, Object, Value};
use crate::error::{Error, Result};
use crate::limits::Limits;

/// Most characters of an unknown field's name that an error quotes.
const SHOWN_CHARS_MAX: usize = 64;
/// Most characters of a path that an error quotes.
const PATH_CHARS_MAX: usize = 128;
/// How the reason begins of a text that is nested deeper than any store takes.
const TOO_DEEP: &str = "is nested deeper than";

const NOT_AN_OBJECT: &str = "must be an object";

/// The object of a JSON text; `what` names it in the error of one that is no object.
///
/// Limits are left to the acceptance of what becomes of it, but for depth, which is bounded in any case.
pub(super) fn parse(json: &[u8], what: &'static str) -> Result<Object> {
    let unlimited = Limits {
        depth_max: usize::MAX,
        keys_max: usize::MAX,
        key_bytes_max: usize::MAX,
        string_bytes_max: usize::MAX,
        ..Limits::default()
    };
    match Value::from_json(json, &unlimited) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Error::invalid(what, "must be a JSON object")),
        Err(Error::Invalid { field, reason }) if reason.starts_with(TOO_DEEP) => {
            Err(Error::invalid(relative(&field), too_deep()))
        }
        Err(Error::Invalid { field, reason }) => Err(Error::Invalid { field: relative(&field), reason }),
        Err(error) => Err(error),
    }
}

/// What is wrong with a text that is nested too deep, with the limit that its envelope has.
fn too_deep() -> String {
    format!("{TOO_DEEP} an envelope may be, {} levels if no other limit is set", Limits::default().depth_max)
}

/// A path without its first word, which stands for the text as a whole, and cut where it is long.
fn relative(field: &str) -> Cow<'static, str> {
    let inner = field.strip_prefix("value").filter(|inner| !inner.is_empty()).unwrap_or(field);
    let inner = inner.strip_prefix('.').unwrap_or(inner);
    let cut = inner.char_indices().nth(PATH_CHARS_MAX).and_then(|(end, _)| inner.get(..end));
    Cow::Owned(cut.map_or_else(|| inner.to_owned(), |cut| format!("{cut}...")))
}

/// Takes a field out; null is the same as absent.
pub(super) fn take(fields: &mut Object, name: &str) -> Option<Value> {
    fields.remove(name).filter(|value| !value.is_null())
}

/// Takes a string out.
pub(super) fn take_string(fields: &mut Object, name: &'static str) -> Result<Option<String>> {
    match take(fields, name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Error::invalid(name, "must be a string")),
    }
}

/// Takes an object out.
pub(super) fn take_object(fields: &mut Object, name: &'static str) -> Result<Option<Object>> {
    match take(fields, name) {
        None => Ok(None),
        Some(Value::Object(object)) => Ok(Some(object)),
        Some(_) => Err(Error::invalid(name, NOT_AN_OBJECT)),
    }
}

/// Takes an id out: an empty one is absent, a number becomes its decimal text.
pub(super) fn take_id(fields: &mut Object, name: &'static str) -> Result<Option<String>> {
    match take(fields, name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text).filter(|text| !text.is_empty())),
        Some(Value::Number(number)) => Ok(Some(decimal(&number))),
        Some(_) => Err(Error::invalid(name, "must be a string or a number")),
    }
}

/// All digits of an integer, else the canonical text.
fn decimal(number: &Number) -> String {
    number.integer_text().unwrap_or_else(|| number.to_string())
}

/// The error of a field that must be there and is not.
pub(super) fn missing(name: &'static str, of: &str) -> Error {
    Error::invalid(name, format!("is required by {of}"))
}

/// A name as an error shows it: cut, and without characters that would garble a terminal.
pub(super) fn shown(name: &str) -> String {
    let shown = |character: char| if character.is_control() { '\u{fffd}' } else { character };
    name.chars().take(SHOWN_CHARS_MAX).map(shown).collect()
}
