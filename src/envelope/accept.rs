//! Accepting: the rules of the envelope, held to once, before anything is stored.
//!
//! An [`Accepted`] has passed every rule and holds no address. Accepting what an accepted envelope decodes to gives
//! the same again.

mod accepted;
pub(super) mod fields;
mod identity;
mod ids;
mod texts;

use std::time::Duration;

use uuid::Uuid;

pub use accepted::Accepted;
pub(crate) use ids::is_no_id;

use self::fields::{Field, Fields, TextField};
use super::address::{AddressHasher, ProjectHasher};
use super::builder::Envelope;
use super::codec;
use super::event_type::EventType;
use super::fact::Fact;
use super::json::{RawValue, Reader};
use super::notes::{Note, Notes};
use super::time;
use super::tree::{Kind, TreeBuilder, TreeSpan, ValueRef};
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::types::Nanos;

pub(super) const NOT_AN_OBJECT: &str = "must be an object";

/// Bytes of the keys that every event has: organisation, project, timestamp and the time of receipt.
const FIXED_KEY_BYTES: usize = 16 + 16 + 8 + 8;

/// Bytes of text that most envelopes get along with.
const TEXT_BYTES_USUAL: usize = 128;

/// Holds envelopes to the rules. Shared by all writers of a store.
#[derive(Debug)]
pub(crate) struct Acceptor {
    limits: Limits,
    hasher: AddressHasher,
    future_skew_max: i64,
}

/// Memory that one writer uses again for one envelope after another.
pub(crate) struct Scratch {
    trees: TreeBuilder,
    key: String,
    hashers: Hashers,
}

/// The hashers of projects that were met lately, each project in a place of its own or one that it shares.
#[derive(Default)]
struct Hashers([Option<(Uuid, ProjectHasher)>; HASHERS_KEPT]);

/// Places for the hashers of projects, a power of two.
const HASHERS_KEPT: usize = 16;

/// The trees of one envelope while it is walked.
#[derive(Default)]
struct Roots {
    properties: Option<TreeSpan>,
    context: Option<TreeSpan>,
}

impl Hashers {
    /// The hasher of a project, from `all` where it is not here.
    fn of(&mut self, project_id: Uuid, all: &AddressHasher) -> &ProjectHasher {
        // The bytes of an id are random but for those of its version and variant.
        let [first, .., last] = project_id.into_bytes();
        let place = &mut self.0[usize::from(first ^ last) % HASHERS_KEPT];
        if place.as_ref().is_none_or(|(of, _)| *of != project_id) {
            *place = None;
        }
        let (_, hasher) = place.get_or_insert_with(|| (project_id, all.for_project(project_id)));
        hasher
    }
}

impl Acceptor {
    /// An acceptor with the store's limits and hashing keys.
    pub(crate) fn new(limits: Limits, hasher: AddressHasher) -> Self {
        let future_skew_max = i64::try_from(limits.future_skew_max.as_nanos()).unwrap_or(i64::MAX);
        Self { limits, hasher, future_skew_max }
    }

    /// Memory for one writer.
    pub(crate) fn scratch(&self) -> Scratch {
        Scratch { trees: TreeBuilder::new(&self.limits), key: String::new(), hashers: Hashers::default() }
    }

    /// Accepts an envelope at the time `now`, which it gets as its timestamp if it has none.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] with the field that breaks a rule, [`Error::TooLarge`] for an event or traits over their
    /// limit.
    pub(crate) fn accept(&self, envelope: &Envelope, now: Nanos, scratch: &mut Scratch) -> Result<Accepted> {
        let mut accepted = Accepted::default();
        self.accept_into(envelope, now, scratch, &mut accepted)?;
        Ok(accepted)
    }

    /// Accepts one line of JSON, which may have white space around it.
    ///
    /// # Errors
    ///
    /// As [`Acceptor::accept`], and [`Error::Invalid`] for malformed JSON, unknown and repeated fields.
    #[cfg(test)]
    pub(crate) fn accept_json(&self, line: &[u8], now: Nanos, scratch: &mut Scratch) -> Result<Accepted> {
        let mut accepted = Accepted::default();
        self.accept_json_into(line, now, scratch, &mut accepted)?;
        Ok(accepted)
    }

    /// As [`Acceptor::accept`], into an `Accepted` whose memory is used again. After an error `out` is of no use but
    /// to be used again.
    pub(crate) fn accept_into(
        &self,
        envelope: &Envelope,
        now: Nanos,
        scratch: &mut Scratch,
        out: &mut Accepted,
    ) -> Result<()> {
        out.clear();
        scratch.trees.reset();
        out.org_id = envelope.org_id;
        out.project_id = envelope.project_id;
        let texts = [
            Some(&envelope.module),
            Some(&envelope.event_type),
            envelope.user_id.as_ref(),
            envelope.anonymous_id.as_ref(),
            envelope.message_id.as_ref(),
        ];
        out.texts.reserve(texts.into_iter().flatten().map(String::len).sum());
        for (which, text) in TextField::ALL.into_iter().zip(texts) {
            if let Some(text) = text {
                self.take_text(which, text, out)?;
            }
        }
        let given = envelope
            .timestamp
            .map(time::from_datetime)
            .transpose()
            .map_err(|reason| Error::invalid(Field::Timestamp.name(), reason))?;
        self.take_time(given, now, out)?;
        out.stamped |= envelope.time_of_sending.is_some_and(|made| envelope.timestamp == Some(made));
        let hasher = scratch.hashers.of(envelope.project_id, &self.hasher);
        let mut roots = Roots::default();
        if let Some(properties) = &envelope.properties {
            let mut writer = scratch.trees.begin(Field::Properties.name(), Some(hasher));
            properties.push(&mut writer)?;
            roots.properties = Some(writer.finish()?);
        }
        if let Some(context) = &envelope.context {
            let mut writer = scratch.trees.begin(Field::Context.name(), Some(hasher));
            context.push(&mut writer)?;
            roots.context = Some(writer.finish()?);
        }
        self.finish(scratch, &roots, out)
    }

    /// Accepts one line of JSON, which may have white space around it, into an `Accepted` whose memory is used again.
    /// After an error `out` is of no use but to be used again.
    ///
    /// # Errors
    ///
    /// As [`Acceptor::accept`], and [`Error::Invalid`] for malformed JSON, unknown and repeated fields.
    pub(crate) fn accept_json_into(
        &self,
        line: &[u8],
        now: Nanos,
        scratch: &mut Scratch,
        out: &mut Accepted,
    ) -> Result<()> {
        out.clear();
        scratch.trees.reset();
        out.texts.reserve(TEXT_BYTES_USUAL);
        let mut reader = Reader::new(line)?;
        let mut fields = Fields::begin(&mut reader)?;
        let mut roots = Roots::default();
        let (mut org_id, mut project_id, mut given) = (None, None, None);
        // Addresses are hashed with the project's key: an object that comes before the project's id waits.
        let mut waiting: [Option<(Field, RawValue<'_>)>; 2] = [None, None];
        while let Some(field) = fields.next(&mut reader, &mut scratch.key)? {
            match field {
                Field::OrgId => org_id = Some(field.uuid(&mut reader, &mut scratch.key)?),
                Field::ProjectId => project_id = Some(field.uuid(&mut reader, &mut scratch.key)?),
                Field::Timestamp => given = Some(field.time(&mut reader, &mut scratch.key)?),
                Field::Text(which) => {
                    self.take_text(which, field.string(&mut reader, &mut scratch.key)?, out)?;
                }
                Field::Properties | Field::Context => {
                    if let Some(project_id) = project_id {
                        self.take_tree(field, &mut reader, project_id, scratch, &mut roots)?;
                    } else {
                        let [first, second] = &mut waiting;
                        let place = if first.is_none() { first } else { second };
                        *place = Some((field, reader.skip_value()?));
                    }
                }
            }
        }
        reader.end()?;
        out.org_id = org_id.ok_or_else(|| Field::OrgId.missing())?;
        let project_id = project_id.ok_or_else(|| Field::ProjectId.missing())?;
        out.project_id = project_id;
        for field in [Field::MODULE, Field::EVENT_TYPE] {
            if !fields.has(field) {
                return Err(field.missing());
            }
        }
        let given = given.ok_or_else(|| Field::Timestamp.missing())?;
        self.take_time(Some(given), now, out)?;
        for (field, raw) in waiting.into_iter().flatten() {
            self.take_tree(field, &mut raw.reader(), project_id, scratch, &mut roots)?;
        }
        self.finish(scratch, &roots, out)
    }

    fn take_text(&self, which: TextField, text: &str, out: &mut Accepted) -> Result<()> {
        let bytes_max = match which {
            TextField::Module => self.limits.module_bytes_max,
            TextField::EventType => self.limits.event_type_bytes_max,
            TextField::UserId => self.limits.user_id_bytes_max,
            TextField::AnonymousId => self.limits.anonymous_id_bytes_max,
            TextField::MessageId => self.limits.message_id_bytes_max,
        };
        ids::check(Field::Text(which).name(), text, bytes_max)?;
        out.texts.push(which, text);
        Ok(())
    }

    fn take_time(&self, given: Option<Nanos>, now: Nanos, out: &mut Accepted) -> Result<()> {
        if given.is_some_and(|given| given.get() > now.get().saturating_add(self.future_skew_max)) {
            let ahead = hours_or_seconds(self.limits.future_skew_max);
            return Err(Error::invalid(
                Field::Timestamp.name(),
                format!("is more than {ahead} ahead of the store's clock"),
            ));
        }
        out.stamped = given.is_none();
        out.timestamp = given.unwrap_or(now);
        // One that was given was read as, or made, a time in range.
        if out.stamped && !time::is_in_range(now) {
            return Err(Error::invalid(
                Field::Timestamp.name(),
                "would be the time of the store's clock, which is outside the years 1970 to 2261",
            ));
        }
        Ok(())
    }

    fn take_tree(
        &self,
        field: Field,
        reader: &mut Reader<'_>,
        project_id: Uuid,
        scratch: &mut Scratch,
        roots: &mut Roots,
    ) -> Result<()> {
        if reader.peek()? != Kind::Object {
            return Err(Error::invalid(field.name(), NOT_AN_OBJECT));
        }
        let hasher = scratch.hashers.of(project_id, &self.hasher);
        let mut writer = scratch.trees.begin(field.name(), Some(hasher));
        reader.value_into(&mut writer)?;
        let span = Some(writer.finish()?);
        match field {
            Field::Properties => roots.properties = span,
            _ => roots.context = span,
        }
        Ok(())
    }

    /// What is left when every field is taken: the record, its checksum, the notes and the fact.
    fn finish(&self, scratch: &Scratch, roots: &Roots, out: &mut Accepted) -> Result<()> {
        out.texts.finish();
        let properties = roots.properties.map(|span| scratch.trees.tree(span));
        let context = roots.context.map(|span| scratch.trees.tree(span));
        codec::encode(&mut out.body, properties, context)?;
        let bytes = FIXED_KEY_BYTES + out.texts.as_str().len() + out.body.len();
        if bytes > self.limits.event_bytes_max {
            let bytes_max = self.limits.event_bytes_max as u64;
            return Err(Error::TooLarge { what: "event", bytes: bytes as u64, bytes_max });
        }
        out.body_crc = crc32fast::hash(&out.body);

        let mut notes = Notes::NONE;
        let of_trees = scratch.trees.notes();
        if of_trees.address_key_dropped {
            notes.add(Note::DuplicateAddressKey);
        }
        if of_trees.foreign_token {
            notes.add(Note::ForeignToken);
        }
        if !EventType::follows_convention(out.event_type()) {
            notes.add(Note::OddEventType);
        }
        if [out.user_id(), out.anonymous_id()].into_iter().flatten().any(is_no_id) {
            notes.add(Note::NotAnId);
        }
        if Fact::is_fact(out.event_type()) {
            let body = codec::Body {
                properties: properties.map(ValueRef::new),
                context: context.map(ValueRef::new),
            };
            if let Some(fact) = Fact::of(out.event_type(), out.user_id(), out.anonymous_id(), &body) {
                notes = notes.union(identity::check(&fact, &body, &self.limits)?);
            }
        }
        out.notes = notes;
        Ok(())
    }
}

fn hours_or_seconds(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds.is_multiple_of(3600) { format!("{} h", seconds / 3600) } else { format!("{seconds} s") }
}

#[cfg(test)]
mod tests;
