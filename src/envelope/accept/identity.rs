//! The rules for the events that the store acts upon: identify and the reserved types of identity.

use super::ids;
use super::{NOT_AN_OBJECT, is_no_id};
use crate::envelope::codec::Body;
use crate::envelope::event_type::EventType;
use crate::envelope::fact::{Fact, MemberKind};
use crate::envelope::notes::{Note, Notes};
use crate::envelope::tree::{Kind, ValueRef};
use crate::error::{Error, Result};
use crate::limits::Limits;

/// Checks the shape of a fact and gives the notes on it.
///
/// # Errors
///
/// [`Error::Invalid`] for a field that the type needs and that is missing or of another shape, or too many traits;
/// [`Error::TooLarge`] for traits of too many bytes.
pub(super) fn check(fact: &Fact<'_>, body: &Body<'_>, limits: &Limits) -> Result<Notes> {
    let mut notes = Notes::NONE;
    check_traits(fact, body, limits)?;
    if fact.event_type == EventType::IDENTIFY {
        if fact.user_id.is_none() && fact.anonymous_id.is_none() {
            notes.add(Note::NoIdentity);
        }
        return Ok(notes);
    }
    if fact.user_id.is_none() {
        return Err(Error::invalid("userId", format!("is required by {}", fact.event_type)));
    }
    match fact.event_type {
        EventType::ALIASED => check_member(&FROM, fact, body, limits)?,
        EventType::UNLINKED => check_member(&MEMBER, fact, body, limits)?,
        _ => {}
    }
    if fact.member.is_some_and(|(_, id)| is_no_id(id)) {
        notes.add(Note::NotAnId);
    }
    Ok(notes)
}

fn check_traits(fact: &Fact<'_>, body: &Body<'_>, limits: &Limits) -> Result<()> {
    for (key, field) in [("traits", "context.traits"), ("traitsOnce", "context.traitsOnce")] {
        let value = body.context.and_then(|context| context.get(key));
        if value.is_some_and(|value| !matches!(value.kind(), Kind::Object | Kind::Null)) {
            return Err(Error::invalid(field, NOT_AN_OBJECT));
        }
    }
    let traits = || [fact.traits, fact.traits_once].into_iter().flatten();
    if traits().map(|object| object.len()).sum::<usize>() > limits.traits_max {
        return Err(Error::invalid("context.traits", format!("has more than {} traits", limits.traits_max)));
    }
    let bytes = traits().map(|object| object.as_tree().len()).sum::<usize>();
    if bytes > limits.traits_bytes_max {
        let bytes_max = limits.traits_bytes_max as u64;
        return Err(Error::TooLarge { what: "context.traits", bytes: bytes as u64, bytes_max });
    }
    Ok(())
}

/// Where a member stands, as its fields are named in errors.
struct MemberFields {
    key: &'static str,
    object: &'static str,
    kind: &'static str,
    id: &'static str,
}

const FROM: MemberFields = MemberFields {
    key: "from",
    object: "properties.from",
    kind: "properties.from.kind",
    id: "properties.from.id",
};
const MEMBER: MemberFields = MemberFields {
    key: "member",
    object: "properties.member",
    kind: "properties.member.kind",
    id: "properties.member.id",
};

fn check_member(fields: &MemberFields, fact: &Fact<'_>, body: &Body<'_>, limits: &Limits) -> Result<()> {
    let Some(member) = body.properties.and_then(|properties| properties.get(fields.key)) else {
        return Err(Error::invalid(fields.object, format!("is required by {}", fact.event_type)));
    };
    if member.kind() != Kind::Object {
        return Err(Error::invalid(fields.object, NOT_AN_OBJECT));
    }
    let kind = member.get("kind").and_then(|kind| ValueRef::as_str(&kind)).and_then(MemberKind::parse);
    let bytes_max = match kind {
        Some(MemberKind::User) => limits.user_id_bytes_max,
        Some(MemberKind::Anonymous) => limits.anonymous_id_bytes_max,
        None => return Err(Error::invalid(fields.kind, "must be user or anonymous")),
    };
    let Some(id) = member.get("id").and_then(|id| ValueRef::as_str(&id)) else {
        return Err(Error::invalid(fields.id, "must be a string"));
    };
    ids::check(fields.id, id, bytes_max)
}
