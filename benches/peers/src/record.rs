//! The record that every key-value peer stores for an event: a fixed layout that is read where it lies.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 8 | time, milliseconds since 1970 |
//! | 8 | 16 | organisation |
//! | 24 | 16 | project |
//! | 40 | 2 each | lengths of module, type, user, device, message id |
//! | 50 | 2 | nothing |
//! | 52 | 4 each | lengths of properties and context |
//! | 60 | | the texts, the properties and the context, in that order |
//!
//! Properties and context are entries: length of the name (1), tag (1), length of the value (2), name, value. One is
//! found by stepping from length to length, without parsing or allocating anything. All integers are little-endian.
//!
//! A profile is a row of the same entries with the time of the event that set the trait (8) before each name.

use std::borrow::Cow;

use anyhow::{Context as _, Result, bail};
use envelog::{DateTime, Uuid};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

const HEAD: usize = 60;
const MODULE: usize = 0;
const TYPE: usize = 1;
const USER: usize = 2;
const DEVICE: usize = 3;
const MESSAGE: usize = 4;
const TEXTS: usize = 5;

const NULL: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const INTEGER: u8 = 3;
const FLOAT: u8 = 4;
const TEXT: u8 = 5;
/// A list or an object, as its JSON.
const JSON: u8 = 6;

/// An envelope as `serde_json` gives it without copying.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Incoming<'a> {
    org_id: &'a str,
    project_id: &'a str,
    module: &'a str,
    event_type: &'a str,
    timestamp: &'a str,
    user_id: Option<&'a str>,
    anonymous_id: Option<&'a str>,
    message_id: Option<&'a str>,
    #[serde(borrow)]
    properties: Option<&'a RawValue>,
    #[serde(borrow)]
    context: Option<&'a RawValue>,
}

impl<'a> Incoming<'a> {
    /// The borrowed parse of one line, which is the limit of what a peer can reach that is given JSON.
    pub fn parse(line: &'a str) -> Result<Self> {
        serde_json::from_str(line).context("the line is no envelope")
    }

    /// A number that depends on what was parsed, so that the parse is not optimised away.
    pub fn weight(&self) -> usize {
        let raw = |value: Option<&RawValue>| value.map_or(0, |value| value.get().len());
        self.event_type.len() + self.timestamp.len() + raw(self.properties) + raw(self.context)
    }
}

/// An event that is ready to be stored: what is left to do is the store's own work.
#[derive(Debug, Default, Clone)]
pub struct Prepared {
    /// The record.
    pub record: Vec<u8>,
    /// Stands for project and type in keys.
    pub kind: u64,
    /// Stands for project and user in keys.
    pub person: u64,
    /// Milliseconds since 1970.
    pub time: u64,
    /// Key of the profile and the entries of the traits, for an identify.
    pub traits: Option<(Vec<u8>, Vec<u8>)>,
}

/// The key of a user's profile: the project and the id.
pub fn profile_key(project: Uuid, user: &str) -> Vec<u8> {
    [project.as_bytes().as_slice(), user.as_bytes()].concat()
}

/// FNV-1a with a last mix: what stands for a project and a name in the keys of the indexes.
pub fn key_hash(project: Uuid, name: &str) -> u64 {
    let bytes = project.as_bytes().iter().chain(name.as_bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Makes `out` the event of a line of NDJSON. Allocates nothing but room in `out`, an identify aside.
pub fn prepare(line: &str, out: &mut Prepared) -> Result<()> {
    let incoming = Incoming::parse(line)?;
    let project = Uuid::try_parse(incoming.project_id)?;
    let org = Uuid::try_parse(incoming.org_id)?;
    let time = DateTime::parse_from_rfc3339(incoming.timestamp)?.timestamp_millis();
    out.time = u64::try_from(time).context("a time before 1970")?;
    out.kind = key_hash(project, incoming.event_type);
    out.person = key_hash(project, incoming.user_id.unwrap_or(""));
    out.traits = None;

    let texts = [
        incoming.module,
        incoming.event_type,
        incoming.user_id.unwrap_or(""),
        incoming.anonymous_id.unwrap_or(""),
        incoming.message_id.unwrap_or(""),
    ];
    let record = &mut out.record;
    record.clear();
    record.extend_from_slice(&out.time.to_le_bytes());
    record.extend_from_slice(org.as_bytes());
    record.extend_from_slice(project.as_bytes());
    for text in texts {
        record.extend_from_slice(&u16::try_from(text.len())?.to_le_bytes());
    }
    record.resize(HEAD, 0);
    for text in texts {
        record.extend_from_slice(text.as_bytes());
    }
    let begin = record.len();
    let mut traits = None;
    if let Some(properties) = incoming.properties {
        push_entries(properties, record, &mut None)?;
    }
    let middle = record.len();
    if let Some(context) = incoming.context {
        push_entries(context, record, &mut traits)?;
    }
    let lengths = [middle - begin, record.len() - middle];
    record[52..56].copy_from_slice(&u32::try_from(lengths[0])?.to_le_bytes());
    record[56..60].copy_from_slice(&u32::try_from(lengths[1])?.to_le_bytes());

    if let (Some(user), "identify", Some(json)) = (incoming.user_id, incoming.event_type, traits) {
        let mut entries = Vec::new();
        push_entries(json, &mut entries, &mut None)?;
        out.traits = Some((profile_key(project, user), entries));
    }
    Ok(())
}

/// Appends the members of a JSON object as entries; what is named `traits` is handed out too.
fn push_entries<'a>(json: &'a RawValue, out: &mut Vec<u8>, traits: &mut Option<&'a RawValue>) -> Result<()> {
    struct Into<'o, 'a>(&'o mut Vec<u8>, &'o mut Option<&'a RawValue>);

    impl<'a> DeserializeSeed<'a> for Into<'_, 'a> {
        type Value = ();
        fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
            deserializer.deserialize_map(self)
        }
    }

    impl<'a> Visitor<'a> for Into<'_, 'a> {
        type Value = ();
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
            while let Some((name, value)) = map.next_entry::<Name<'a>, &'a RawValue>()? {
                if name.0 == "traits" {
                    *self.1 = Some(value);
                }
                push_entry(&name.0, None, value.get(), self.0).map_err(serde::de::Error::custom)?;
            }
            Ok(())
        }
    }

    let mut deserializer = serde_json::Deserializer::from_str(json.get());
    Into(out, traits).deserialize(&mut deserializer)?;
    Ok(())
}

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

fn push_entry(name: &str, time: Option<u64>, json: &str, out: &mut Vec<u8>) -> Result<()> {
    let (integer, float);
    let (tag, value): (u8, Cow<'_, [u8]>) = match json.as_bytes() {
        b"null" => (NULL, Cow::Borrowed(&[])),
        b"false" => (FALSE, Cow::Borrowed(&[])),
        b"true" => (TRUE, Cow::Borrowed(&[])),
        [b'"', text @ .., b'"'] if !text.contains(&b'\\') => (TEXT, Cow::Borrowed(text)),
        [b'"', ..] => (TEXT, Cow::Owned(serde_json::from_str::<String>(json)?.into_bytes())),
        bytes @ [b'{' | b'[', ..] => (JSON, Cow::Borrowed(bytes)),
        _ => match json.parse::<i64>() {
            Ok(number) => {
                integer = number.to_le_bytes();
                (INTEGER, Cow::Borrowed(&integer))
            }
            Err(_) => {
                float = json.parse::<f64>()?.to_le_bytes();
                (FLOAT, Cow::Borrowed(&float))
            }
        },
    };
    push_encoded(name.as_bytes(), time, tag, &value, out)
}

fn push_encoded(name: &[u8], time: Option<u64>, tag: u8, value: &[u8], out: &mut Vec<u8>) -> Result<()> {
    out.extend_from_slice(&[u8::try_from(name.len())?, tag]);
    out.extend_from_slice(&u16::try_from(value.len())?.to_le_bytes());
    if let Some(time) = time {
        out.extend_from_slice(&time.to_le_bytes());
    }
    out.extend_from_slice(name);
    out.extend_from_slice(value);
    Ok(())
}

/// One property, context field or trait, where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    name: &'a [u8],
    tag: u8,
    value: &'a [u8],
    /// Of a trait: milliseconds since 1970.
    time: u64,
}

impl<'a> Entry<'a> {
    /// The number, if it is an integer.
    pub fn as_i64(&self) -> Option<i64> {
        (self.tag == INTEGER).then(|| i64::from_le_bytes(self.value.try_into().unwrap_or_default()))
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&'a str> {
        if self.tag == TEXT { std::str::from_utf8(self.value).ok() } else { None }
    }

    /// The value as JSON.
    #[cfg_attr(not(test), allow(dead_code, reason = "the tests compare it"))]
    pub fn to_json(&self) -> serde_json::Value {
        match self.tag {
            FALSE => false.into(),
            TRUE => true.into(),
            INTEGER => self.as_i64().into(),
            FLOAT => f64::from_le_bytes(self.value.try_into().unwrap_or_default()).into(),
            TEXT => self.as_text().into(),
            JSON => serde_json::from_slice(self.value).unwrap_or_default(),
            _ => serde_json::Value::Null,
        }
    }

    /// The name.
    pub fn name(&self) -> &'a str {
        std::str::from_utf8(self.name).unwrap_or_default()
    }
}

/// Walks entries; ends where the bytes do.
#[derive(Debug, Clone)]
struct Entries<'a> {
    rest: &'a [u8],
    /// Whether a time stands before each name.
    timed: bool,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        let (&[name, tag, low, high], rest) = self.rest.split_first_chunk::<4>()?;
        let (time, rest) = if self.timed {
            let (time, rest) = rest.split_first_chunk::<8>()?;
            (u64::from_le_bytes(*time), rest)
        } else {
            (0, rest)
        };
        let (name, rest) = rest.split_at_checked(usize::from(name))?;
        let (value, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes([low, high])))?;
        self.rest = rest;
        Some(Entry { name, tag, value, time })
    }
}

/// A stored record.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    bytes: &'a [u8],
    head: &'a [u8; HEAD],
}

impl<'a> Record<'a> {
    /// The record in `bytes`.
    pub fn read(bytes: &'a [u8]) -> Result<Self> {
        match bytes.first_chunk() {
            Some(head) => Ok(Self { bytes, head }),
            None => bail!("a record of {} bytes", bytes.len()),
        }
    }

    /// Milliseconds since 1970.
    pub fn time(&self) -> u64 {
        u64::from_le_bytes([0, 1, 2, 3, 4, 5, 6, 7].map(|at| self.head[at]))
    }

    /// The type of the event.
    #[cfg_attr(not(test), allow(dead_code, reason = "the tests compare it"))]
    pub fn event_type(&self) -> &'a str {
        self.text(TYPE)
    }

    /// The user, or nothing.
    pub fn user(&self) -> &'a str {
        self.text(USER)
    }

    fn text_len(&self, text: usize) -> usize {
        usize::from(u16::from_le_bytes([self.head[40 + 2 * text], self.head[41 + 2 * text]]))
    }

    fn text(&self, text: usize) -> &'a str {
        let begin = HEAD + (0..text).map(|text| self.text_len(text)).sum::<usize>();
        let bytes = self.bytes.get(begin..begin + self.text_len(text)).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    /// A property by its name.
    pub fn property(&self, name: &str) -> Option<Entry<'a>> {
        let begin = HEAD + (MODULE..TEXTS).map(|text| self.text_len(text)).sum::<usize>();
        let len = u32::from_le_bytes([52, 53, 54, 55].map(|at| self.head[at])) as usize;
        let rest = self.bytes.get(begin..begin + len)?;
        Entries { rest, timed: false }.find(|entry| entry.name == name.as_bytes())
    }
}

const _: () = assert!(DEVICE < MESSAGE && MESSAGE < TEXTS && 40 + 2 * TEXTS <= 52);

/// The traits of `row` with `traits` set at `time`, in `out`. Of one trait the later event counts, of two at one time
/// the one that was stored later.
pub fn merge_profile(row: &[u8], traits: &[u8], time: u64, out: &mut Vec<u8>) -> Result<()> {
    out.clear();
    let news = Entries { rest: traits, timed: false };
    for old in (Entries { rest: row, timed: true }) {
        let (tag, value, time) = match news.clone().find(|new| new.name == old.name) {
            Some(new) if time >= old.time => (new.tag, new.value, time),
            _ => (old.tag, old.value, old.time),
        };
        push_encoded(old.name, Some(time), tag, value, out)?;
    }
    for new in news {
        let mut olds = Entries { rest: row, timed: true };
        if !olds.any(|old| old.name == new.name) {
            push_encoded(new.name, Some(time), new.tag, new.value, out)?;
        }
    }
    Ok(())
}

/// The traits of a profile. Null takes a trait back; its entry stays, so that a late event does not set it again.
pub fn traits(row: &[u8]) -> impl Iterator<Item = Entry<'_>> {
    Entries { rest: row, timed: true }.filter(|entry| entry.tag != NULL)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"orgId":"00000000-0000-0000-0000-000000000001","projectId":"00000000-0000-0000-0000-000000000002","module":"billing","eventType":"identify","timestamp":"2024-03-01T12:00:00.250Z","userId":"u_1","anonymousId":"a_1","properties":{"amount":-42,"price":1.5,"name":"a \"b\"","yes":true,"items":[1,{"x":2}],"last":"end"},"context":{"traits":{"city":"Lyon","seats":3}}}"#;

    fn prepared() -> Prepared {
        let mut out = Prepared::default();
        prepare(LINE, &mut out).unwrap();
        out
    }

    #[test]
    fn a_record_gives_back_what_the_line_said() {
        let prepared = prepared();
        let record = Record::read(&prepared.record).unwrap();
        assert_eq!((record.time(), prepared.time), (1_709_294_400_250, 1_709_294_400_250));
        assert_eq!((record.event_type(), record.user(), record.text(DEVICE)), ("identify", "u_1", "a_1"));
        assert_eq!(record.property("amount").and_then(|entry| entry.as_i64()), Some(-42));
        assert_eq!(record.property("price").map(|entry| entry.to_json()), Some(1.5.into()));
        assert_eq!(record.property("name").and_then(|entry| entry.as_text()), Some("a \"b\""));
        assert_eq!(record.property("yes").map(|entry| entry.to_json()), Some(true.into()));
        assert_eq!(
            record.property("items").map(|entry| entry.to_json()),
            serde_json::from_str("[1,{\"x\":2}]").ok()
        );
        assert_eq!(record.property("last").and_then(|entry| entry.as_text()), Some("end"));
        assert_eq!(record.property("traits"), None, "the context is not looked through");
    }

    #[test]
    fn a_used_buffer_gives_the_same_record() {
        let mut again = prepared();
        prepare(LINE, &mut again).unwrap();
        assert_eq!(again.record, prepared().record);
    }

    #[test]
    fn the_later_trait_counts_and_other_traits_stay() {
        let (_, traits_bytes) = prepared().traits.unwrap();
        let (mut row, mut next, mut old) = (Vec::new(), Vec::new(), Vec::new());
        merge_profile(&[], &traits_bytes, 100, &mut row).unwrap();
        push_encoded(b"city", None, TEXT, b"Porto", &mut next).unwrap();
        push_encoded(b"plan", None, TEXT, b"pro", &mut next).unwrap();
        let mut out = Vec::new();
        merge_profile(&row, &next, 100, &mut out).unwrap();
        push_encoded(b"city", None, TEXT, b"Leeds", &mut old).unwrap();
        row.clone_from(&out);
        merge_profile(&row, &old, 99, &mut out).unwrap();
        let names: Vec<_> = traits(&out).map(|entry| (entry.name(), entry.to_json())).collect();
        assert_eq!(names, [("city", "Porto".into()), ("seats", 3.into()), ("plan", "pro".into())]);
    }

    #[test]
    fn a_cut_record_has_no_property_and_no_panic() {
        let prepared = prepared();
        for len in 0..prepared.record.len() {
            if let Ok(record) = Record::read(&prepared.record[..len]) {
                let _ = (record.property("last"), record.user());
            }
        }
    }
}
