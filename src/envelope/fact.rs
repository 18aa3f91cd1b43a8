//! Facts: what an event says about profiles and identity, and the one order that all facts have.
//!
//! # The bytes of a fact
//!
//! The digest is the first 16 bytes of SHA-256 (FIPS 180-4) over the concatenation of
//!
//! ```text
//! fact   = text(eventType) option(text(userId)) option(text(anonymousId)) option(member)
//!          option(value(context.traits)) option(value(context.traitsOnce))
//! member = "u" or "a" | text(id)                  the "from" of an alias, the "member" of an unlink
//! option = 00 if it is absent or null, else 01 | it
//! text   = length of the UTF-8 as u32, little-endian | UTF-8
//! value  = "n"                                    null
//!        | "t" or "f"                             true, false
//!        | "#" text(canonical number)             as JSON output prints it
//!        | "s" text(string)                       every address token in it reduced to its first 5 bytes, `iph1:`
//!        | "[" value .. "]"
//!        | "{" (":" text(key) value) .. "}"       keys in byte order, keys of address tokens left out
//! ```
//!
//! Address hashes are left out, so that one fact is one fact also after the hashing key was changed.

use sha2::{Digest, Sha256};

use super::address::{KeyClass, TOKEN_BYTES, classify_key, find_token};
use super::codec::{self, Body};
use super::event_type::EventType;
use super::tree::{Kind, ValueRef};
use crate::types::Nanos;

/// Keeps the walk of hostile bytes off the end of the stack; what `accept` stores is less deep.
const DEPTH_MAX: usize = 128;

/// The digest of a fact or of a body, address hashes aside.
pub(crate) type Digest16 = [u8; 16];

/// The place of a fact in the total order of its project's facts. Neither seq nor arrival decides anything.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FactOrder {
    /// Event time; decides first.
    pub(crate) timestamp: Nanos,
    /// The message id, or nothing; decides by its bytes between equal times.
    pub(crate) message_id: Box<str>,
    /// The fact's digest; decides between equal message ids. Facts that are equal in all three are one fact.
    pub(crate) digest: Digest16,
}

/// The two name spaces of persons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum MemberKind {
    User,
    Anonymous,
}

impl MemberKind {
    /// Reads the kind as `identity.aliased` and `identity.unlinked` write it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "user" => Some(Self::User),
            "anonymous" => Some(Self::Anonymous),
            _ => None,
        }
    }
}

/// What an event of the types that the store acts upon says.
#[derive(Clone, Copy)]
pub(crate) struct Fact<'a> {
    pub(crate) event_type: &'a str,
    pub(crate) user_id: Option<&'a str>,
    pub(crate) anonymous_id: Option<&'a str>,
    /// Whom an alias joins to the user, or an unlink takes from it.
    pub(crate) member: Option<(MemberKind, &'a str)>,
    /// `context.traits`, where it is an object.
    pub(crate) traits: Option<ValueRef<'a>>,
    /// `context.traitsOnce`, where it is an object.
    pub(crate) traits_once: Option<ValueRef<'a>>,
}

/// The types of events that the store acts upon.
const FACTS: [&str; 5] = [
    EventType::IDENTIFY,
    EventType::ANONYMOUS_CREATED,
    EventType::SIGNED_UP,
    EventType::ALIASED,
    EventType::UNLINKED,
];

impl<'a> Fact<'a> {
    /// Tells whether the store acts upon events of this type.
    #[inline]
    pub(crate) fn is_fact(event_type: impl AsRef<[u8]>) -> bool {
        let event_type = event_type.as_ref();
        // Most are told by their beginning.
        event_type.starts_with(b"identi") && FACTS.iter().any(|fact| fact.as_bytes() == event_type)
    }

    /// The fact that an event states, none where the store does not act upon its type.
    pub(crate) fn of(
        event_type: &'a str,
        user_id: Option<&'a str>,
        anonymous_id: Option<&'a str>,
        body: &Body<'a>,
    ) -> Option<Self> {
        let member_key = match event_type {
            EventType::ALIASED => Some("from"),
            EventType::UNLINKED => Some("member"),
            EventType::IDENTIFY | EventType::ANONYMOUS_CREATED | EventType::SIGNED_UP => None,
            _ => return None,
        };
        let member = member_key.and_then(|key| {
            let member = body.properties?.get(key)?;
            Some((MemberKind::parse(member.get("kind")?.as_str()?)?, member.get("id")?.as_str()?))
        });
        let object = |key| body.context?.get(key).filter(|value: &ValueRef<'a>| value.kind() == Kind::Object);
        Some(Self {
            event_type,
            user_id,
            anonymous_id,
            member,
            traits: object("traits"),
            traits_once: object("traitsOnce"),
        })
    }

    /// The digest of the fact, address hashes aside.
    pub(crate) fn digest(&self) -> Digest16 {
        let mut bytes = Vec::with_capacity(512);
        push_text(self.event_type, &mut bytes);
        push_option(self.user_id, &mut bytes, push_text);
        push_option(self.anonymous_id, &mut bytes, push_text);
        push_option(self.member, &mut bytes, |(kind, id), bytes| {
            bytes.push(match kind {
                MemberKind::User => b'u',
                MemberKind::Anonymous => b'a',
            });
            push_text(id, bytes);
        });
        push_option(self.traits, &mut bytes, |value, bytes| push_value(value, 0, bytes));
        push_option(self.traits_once, &mut bytes, |value, bytes| push_value(value, 0, bytes));
        digest(&bytes)
    }
}

/// Tells whether two records say the same, address hashes aside.
pub(crate) fn same_body(one: &[u8], other: &[u8]) -> bool {
    one == other
        || matches!((codec::decode(one), codec::decode(other)), (Ok(one), Ok(other)) if body_bytes(&one) == body_bytes(&other))
}

/// A digest that is the same for all records that say the same, address hashes aside.
pub(crate) fn body_digest(body: &[u8]) -> Digest16 {
    codec::decode(body).map_or_else(|_| digest(body), |body| digest(&body_bytes(&body)))
}

fn body_bytes(body: &Body<'_>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1024);
    push_option(body.properties, &mut bytes, |value, bytes| push_value(value, 0, bytes));
    push_option(body.context, &mut bytes, |value, bytes| push_value(value, 0, bytes));
    bytes
}

fn digest(bytes: &[u8]) -> Digest16 {
    let mut first = [0; 16];
    for (place, byte) in first.iter_mut().zip(Sha256::digest(bytes)) {
        *place = byte;
    }
    first
}

fn push_option<T>(value: Option<T>, bytes: &mut Vec<u8>, push: impl FnOnce(T, &mut Vec<u8>)) {
    bytes.push(u8::from(value.is_some()));
    if let Some(value) = value {
        push(value, bytes);
    }
}

fn push_text(text: &str, bytes: &mut Vec<u8>) {
    push_sized(bytes, |bytes| bytes.extend_from_slice(text.as_bytes()));
}

/// Appends what `push` appends, with its length before it.
fn push_sized(bytes: &mut Vec<u8>, push: impl FnOnce(&mut Vec<u8>)) {
    let at = bytes.len();
    bytes.extend_from_slice(&[0; 4]);
    push(bytes);
    let len = u32::try_from(bytes.len() - at - 4).unwrap_or(u32::MAX);
    for (place, byte) in bytes.iter_mut().skip(at).zip(len.to_le_bytes()) {
        *place = byte;
    }
}

fn push_value(value: ValueRef<'_>, depth: usize, bytes: &mut Vec<u8>) {
    match value.kind() {
        Kind::Null => bytes.push(b'n'),
        Kind::Bool => bytes.push(if value.as_bool() == Some(true) { b't' } else { b'f' }),
        Kind::Number => {
            bytes.push(b'#');
            push_sized(bytes, |bytes| value.write_json(bytes));
        }
        Kind::String => {
            bytes.push(b's');
            push_sized(bytes, |bytes| push_without_hashes(value.as_str().unwrap_or_default(), bytes));
        }
        Kind::List => {
            bytes.push(b'[');
            if depth < DEPTH_MAX {
                for element in value.elements() {
                    push_value(element, depth + 1, bytes);
                }
            }
            bytes.push(b']');
        }
        Kind::Object => {
            bytes.push(b'{');
            if depth < DEPTH_MAX {
                for (key, value) in value.entries() {
                    if classify_key(key) != KeyClass::Token {
                        bytes.push(b':');
                        push_text(key, bytes);
                        push_value(value, depth + 1, bytes);
                    }
                }
            }
            bytes.push(b'}');
        }
    }
}

fn push_without_hashes(text: &str, bytes: &mut Vec<u8>) {
    let mut kept = 0;
    while let Some(at) = find_token(text, kept) {
        bytes.extend_from_slice(text.get(kept..at).unwrap_or_default().as_bytes());
        bytes.extend_from_slice(b"iph1:");
        kept = at + TOKEN_BYTES;
    }
    bytes.extend_from_slice(text.get(kept..).unwrap_or_default().as_bytes());
}

#[cfg(test)]
mod tests;
