//! The fields of an envelope in JSON: their names, which may come but once, and how each is read.

use std::borrow::Cow;

use uuid::Uuid;

use crate::envelope::json::Reader;
use crate::envelope::time;
use crate::envelope::tree::Kind;
use crate::error::{Error, Result};
use crate::types::Nanos;

const UNKNOWN: &str = "is no field of an envelope; there are orgId, projectId, module, eventType, timestamp, userId, anonymousId, properties, context and messageId";
/// Most characters of an unknown field's name that an error quotes.
const SHOWN_CHARS_MAX: usize = 64;

/// A field of text that is stored outside the record, in the order in which it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextField {
    Module,
    EventType,
    UserId,
    AnonymousId,
    MessageId,
}

impl TextField {
    pub(crate) const ALL: [Self; 5] =
        [Self::Module, Self::EventType, Self::UserId, Self::AnonymousId, Self::MessageId];
}

/// A field that an envelope may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    OrgId,
    ProjectId,
    Timestamp,
    Text(TextField),
    Properties,
    Context,
}

impl Field {
    pub(crate) const MODULE: Self = Self::Text(TextField::Module);
    pub(crate) const EVENT_TYPE: Self = Self::Text(TextField::EventType);

    /// The field's JSON name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::OrgId => "orgId",
            Self::ProjectId => "projectId",
            Self::Timestamp => "timestamp",
            Self::Text(TextField::Module) => "module",
            Self::Text(TextField::EventType) => "eventType",
            Self::Text(TextField::UserId) => "userId",
            Self::Text(TextField::AnonymousId) => "anonymousId",
            Self::Text(TextField::MessageId) => "messageId",
            Self::Properties => "properties",
            Self::Context => "context",
        }
    }

    /// The error of a required field that is absent or null.
    pub(crate) fn missing(self) -> Error {
        Error::invalid(self.name(), "is required")
    }

    const fn bit(self) -> u16 {
        match self {
            Self::OrgId => 1,
            Self::ProjectId => 1 << 1,
            Self::Timestamp => 1 << 2,
            Self::Properties => 1 << 3,
            Self::Context => 1 << 4,
            Self::Text(which) => 1 << (5 + which as u16),
        }
    }

    /// Reads the field's value as a string.
    #[expect(
        clippy::inline_always,
        reason = "a string that is returned through memory is read back before it is there"
    )]
    #[inline(always)]
    pub(crate) fn string<'s, 'a: 's>(
        self,
        reader: &mut Reader<'a>,
        scratch: &'s mut String,
    ) -> Result<&'s str> {
        if !reader.is_string() {
            return Err(self.no_string(reader));
        }
        reader.string(scratch)
    }

    /// The error of a value that is no string.
    #[cold]
    fn no_string(self, reader: &mut Reader<'_>) -> Error {
        match reader.peek() {
            Ok(_) => Error::invalid(self.name(), "must be a string"),
            Err(error) => error,
        }
    }

    /// Reads the field's value as a UUID, with or without hyphens.
    pub(crate) fn uuid(self, reader: &mut Reader<'_>, scratch: &mut String) -> Result<Uuid> {
        let text = self.string(reader, scratch)?;
        // `uuid` reads braces and the URN form as well, which are longer.
        let uuid =
            if matches!(text.len(), 32 | 36) { Uuid::try_parse_ascii(text.as_bytes()).ok() } else { None };
        uuid.ok_or_else(|| {
            Error::invalid(self.name(), "is not a UUID; write 32 hex digits, with or without hyphens")
        })
    }

    /// Reads the field's value as a time.
    pub(crate) fn time(self, reader: &mut Reader<'_>, scratch: &mut String) -> Result<Nanos> {
        let text = self.string(reader, scratch)?;
        time::parse(text).map_err(|reason| Error::invalid(self.name(), reason))
    }
}

/// The walk over the fields of one envelope.
pub(crate) struct Fields {
    /// Fields whose value was not null.
    seen: u16,
    /// Names that were met, null or not, those of the store included.
    named: u16,
}

/// `seq` of an export, which is assigned anew.
const SEQ_BIT: u16 = 1 << 14;
/// `receivedAt` of an export, which is assigned anew.
const RECEIVED_AT_BIT: u16 = 1 << 15;

impl Fields {
    /// Enters the envelope's object.
    pub(crate) fn begin(reader: &mut Reader<'_>) -> Result<Self> {
        if reader.peek()? != Kind::Object {
            return Err(Error::invalid("envelope", "must be a JSON object"));
        }
        reader.begin_object()?;
        Ok(Self { seen: 0, named: 0 })
    }

    /// The next field that has a value; the reader stands before it. Null is the same as absent.
    pub(crate) fn next(&mut self, reader: &mut Reader<'_>, scratch: &mut String) -> Result<Option<Field>> {
        while let Some(name) = reader.next_key(scratch)? {
            let Some((field, bit)) = lookup(name) else {
                return Err(Error::invalid(shown(name), UNKNOWN));
            };
            if self.named & bit != 0 {
                return Err(Error::invalid(shown(name), "occurs twice"));
            }
            self.named |= bit;
            let Some(field) = field else {
                reader.skip_value()?;
                continue;
            };
            if reader.is_null() {
                reader.null()?;
                continue;
            }
            self.seen |= bit;
            return Ok(Some(field));
        }
        Ok(None)
    }

    /// Tells whether a field came with a value.
    pub(crate) const fn has(&self, field: Field) -> bool {
        self.seen & field.bit() != 0
    }
}

/// The field of a name, or none for those that the store assigns; and the bit of the name.
fn lookup(name: &str) -> Option<(Option<Field>, u16)> {
    let field = match name {
        "orgId" => Field::OrgId,
        "projectId" => Field::ProjectId,
        "module" => Field::Text(TextField::Module),
        "eventType" => Field::Text(TextField::EventType),
        "timestamp" => Field::Timestamp,
        "userId" => Field::Text(TextField::UserId),
        "anonymousId" => Field::Text(TextField::AnonymousId),
        "properties" => Field::Properties,
        "context" => Field::Context,
        "messageId" => Field::Text(TextField::MessageId),
        "seq" => return Some((None, SEQ_BIT)),
        "receivedAt" => return Some((None, RECEIVED_AT_BIT)),
        _ => return None,
    };
    Some((Some(field), field.bit()))
}

/// A name as an error shows it: cut, and without characters that would garble a terminal.
fn shown(name: &str) -> Cow<'static, str> {
    let shown = |character: char| if character.is_control() { '\u{fffd}' } else { character };
    Cow::Owned(name.chars().take(SHOWN_CHARS_MAX).map(shown).collect())
}
