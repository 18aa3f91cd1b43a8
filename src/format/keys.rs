//! The keys of an event: what indexes and most filters need, outside the body and in a fixed layout.
//!
//! ```text
//! offset size
//!      0   16  project id
//!     16   16  organisation id
//!     32    8  timestamp        nanoseconds since 1970
//!     40    1  module length    1 ..= 255
//!     41    1  eventType length 1 ..= 255
//!     42    1  messageId length 0 = absent
//!     43    1  zero
//!     44    2  userId length    0 = absent
//!     46    2  anonymousId length, 0 = absent
//!     48    .  module | eventType | userId | anonymousId | messageId, UTF-8, nothing between
//! ```

use super::bytes::{ByteReader, ByteWriter};
use crate::types::Nanos;

/// Bytes before the texts.
pub(crate) const FIXED_LEN: usize = 48;
/// Bytes of the organisation, which stands behind the project.
const ORG_LEN: usize = 16;

/// The keys of one event, borrowed from a frame or on their way into one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EventKeys<'a> {
    pub(crate) project_id: [u8; 16],
    pub(crate) org_id: [u8; 16],
    pub(crate) timestamp: Nanos,
    pub(crate) module: &'a str,
    pub(crate) event_type: &'a str,
    pub(crate) user_id: Option<&'a str>,
    pub(crate) anonymous_id: Option<&'a str>,
    pub(crate) message_id: Option<&'a str>,
}

impl<'a> EventKeys<'a> {
    /// Appends the encoded keys; `None`, and nothing appended, where a text is too long for the format.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) -> Option<()> {
        let text = |id: Option<&'a str>| id.unwrap_or_default();
        let (user_id, anonymous_id) = (text(self.user_id), text(self.anonymous_id));
        let message_id = text(self.message_id);
        let module_len = u8::try_from(self.module.len()).ok()?;
        let event_type_len = u8::try_from(self.event_type.len()).ok()?;
        let message_id_len = u8::try_from(message_id.len()).ok()?;
        let user_id_len = u16::try_from(user_id.len()).ok()?;
        let anonymous_id_len = u16::try_from(anonymous_id.len()).ok()?;

        out.put(&self.project_id);
        out.put(&self.org_id);
        out.put_i64(self.timestamp.get());
        out.put(&[module_len, event_type_len, message_id_len, 0]);
        out.put_u16(user_id_len);
        out.put_u16(anonymous_id_len);
        for part in [self.module, self.event_type, user_id, anonymous_id, message_id] {
            out.put(part.as_bytes());
        }
        Some(())
    }

    /// Reads keys back; `None` where the bytes are no keys.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (fixed, texts) = bytes.split_at_checked(FIXED_LEN)?;
        let mut reader = ByteReader::new(fixed);
        let project_id = reader.array()?;
        let org_id = reader.array()?;
        let timestamp = Nanos::new(reader.i64()?);
        let [module_len, event_type_len, message_id_len, zero] = reader.array()?;
        let (user_id_len, anonymous_id_len) = (reader.u16()?, reader.u16()?);
        if zero != 0 {
            return None;
        }
        // One validation for all texts; the cuts below fall on character boundaries or fail.
        let texts = std::str::from_utf8(texts).ok()?;
        let (module, texts) = texts.split_at_checked(usize::from(module_len))?;
        let (event_type, texts) = texts.split_at_checked(usize::from(event_type_len))?;
        let (user_id, texts) = texts.split_at_checked(usize::from(user_id_len))?;
        let (anonymous_id, message_id) = texts.split_at_checked(usize::from(anonymous_id_len))?;
        if message_id.len() != usize::from(message_id_len) {
            return None;
        }
        let present = |id: &'a str| (!id.is_empty()).then_some(id);
        Some(Self {
            project_id,
            org_id,
            timestamp,
            module,
            event_type,
            user_id: present(user_id),
            anonymous_id: present(anonymous_id),
            message_id: present(message_id),
        })
    }
}

/// What an event is called, out of its keys, with nothing else looked at: names as bytes, to be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyNames<'a> {
    pub(crate) project_id: [u8; 16],
    pub(crate) timestamp: Nanos,
    pub(crate) module: &'a [u8],
    pub(crate) event_type: &'a [u8],
}

impl<'a> KeyNames<'a> {
    /// Reads the names out of a frame's keys, which need not be those of an event otherwise.
    #[inline]
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (fixed, texts) = bytes.split_first_chunk::<FIXED_LEN>()?;
        let (project_id, rest) = fixed.split_first_chunk()?;
        let (timestamp, rest) = rest.get(ORG_LEN..)?.split_first_chunk()?;
        let [module_len, event_type_len, ..] = rest else { return None };
        let (module, texts) = texts.split_at_checked(usize::from(*module_len))?;
        let event_type = texts.get(..usize::from(*event_type_len))?;
        let timestamp = Nanos::new(i64::from_le_bytes(*timestamp));
        Some(Self { project_id: *project_id, timestamp, module, event_type })
    }
}

impl<'a> From<&EventKeys<'a>> for KeyNames<'a> {
    fn from(keys: &EventKeys<'a>) -> Self {
        let (module, event_type) = (keys.module.as_bytes(), keys.event_type.as_bytes());
        Self { project_id: keys.project_id, timestamp: keys.timestamp, module, event_type }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "tests know their bytes")]

    use super::*;

    const KEYS: EventKeys<'static> = EventKeys {
        project_id: [1; 16],
        org_id: [2; 16],
        timestamp: Nanos::new(1_704_368_738_000_000_000),
        module: "billing",
        event_type: "order.placed",
        user_id: Some("user_0001"),
        anonymous_id: None,
        message_id: Some("m-1"),
    };

    #[test]
    fn keys_come_back_as_they_went_in() {
        let mut bytes = Vec::new();
        KEYS.encode(&mut bytes).unwrap();
        assert_eq!(bytes.len(), FIXED_LEN + 7 + 12 + 9 + 3);
        assert_eq!(EventKeys::parse(&bytes), Some(KEYS));
    }

    #[test]
    fn names_are_read_without_what_stands_behind_them() {
        let mut bytes = Vec::new();
        KEYS.encode(&mut bytes).unwrap();
        let needed = FIXED_LEN + KEYS.module.len() + KEYS.event_type.len();
        for len in 0..=bytes.len() {
            let names = KeyNames::parse(&bytes[..len]);
            assert_eq!(names, (len >= needed).then(|| KeyNames::from(&KEYS)), "cut to {len}");
        }
    }

    #[test]
    fn a_cut_a_surplus_and_a_broken_character_are_refused() {
        let mut bytes = Vec::new();
        KEYS.encode(&mut bytes).unwrap();
        for len in 0..bytes.len() {
            assert_eq!(EventKeys::parse(&bytes[..len]), None, "cut to {len}");
        }
        let mut surplus = bytes.clone();
        surplus.push(b'x');
        assert_eq!(EventKeys::parse(&surplus), None);
        bytes[FIXED_LEN] = 0xff;
        assert_eq!(EventKeys::parse(&bytes), None);
    }

    #[test]
    fn a_text_too_long_for_the_format_is_refused() {
        let long = "x".repeat(256);
        let mut bytes = Vec::new();
        assert_eq!(EventKeys { module: &long, ..KEYS }.encode(&mut bytes), None);
        assert_eq!(EventKeys { user_id: Some(&long), ..KEYS }.encode(&mut bytes), Some(()));
    }
}
