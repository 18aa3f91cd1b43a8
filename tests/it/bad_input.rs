//! Every field, every kind of wrong, each limit at its value and one past it: each with its exact error.

mod fields;
mod objects;

use std::collections::BTreeSet;
use std::sync::Arc;

use envelog::testing::ManualClock;
use envelog::{Durability, Envelope, Error, Options, Store, Uuid, Value};
use serde_json::Value as Json;
use tempfile::TempDir;

use crate::real_input::same;

/// 2024-06-01T00:00:00Z, the time of the store's clock.
const NOW: i64 = 1_717_200_000_000_000_000;
const ORG: Uuid = Uuid::from_u128(0x0000_0001_0000_4000_8000_0000_0000_0001);
const PROJECT: Uuid = Uuid::from_u128(0x0000_0002_0000_4000_8000_0000_0000_0002);

/// One line of input and the answer to it.
struct Row {
    input: Vec<u8>,
    answer: Answer,
}

#[derive(Debug, PartialEq)]
enum Answer {
    /// Taken, with these notes.
    Taken(&'static str),
    /// Refused, with this text.
    Refused(String),
}

fn taken(input: impl Into<Vec<u8>>) -> Row {
    noted(input, "{}")
}

fn noted(input: impl Into<Vec<u8>>, notes: &'static str) -> Row {
    Row { input: input.into(), answer: Answer::Taken(notes) }
}

fn refused(input: impl Into<Vec<u8>>, error: impl Into<String>) -> Row {
    Row { input: input.into(), answer: Answer::Refused(error.into()) }
}

/// The fields of an envelope that is taken, as JSON text.
const PLAIN: [(&str, &str); 5] = [
    ("orgId", "\"00000001-0000-4000-8000-000000000001\""),
    ("projectId", "\"00000002-0000-4000-8000-000000000002\""),
    ("module", "\"billing\""),
    ("eventType", "\"order.placed\""),
    ("timestamp", "\"2024-05-31T10:00:00Z\""),
];

/// A line with some fields set to JSON texts, each in the place of the plain one or behind those.
fn with(fields: &[(&str, &str)]) -> String {
    let value_of =
        |name: &str, plain| fields.iter().find(|(set, _)| *set == name).map_or(plain, |(_, value)| *value);
    let mut parts: Vec<String> =
        PLAIN.iter().map(|(name, plain)| format!("\"{name}\":{}", value_of(name, plain))).collect();
    let added = fields.iter().filter(|(name, _)| PLAIN.iter().all(|(plain, _)| plain != name));
    parts.extend(added.map(|(name, value)| format!("\"{name}\":{value}")));
    format!("{{{}}}", parts.join(","))
}

fn set(name: &str, value: &str) -> String {
    with(&[(name, value)])
}

fn without(name: &str) -> String {
    let parts: Vec<String> = PLAIN
        .iter()
        .filter(|(field, _)| *field != name)
        .map(|(field, value)| format!("\"{field}\":{value}"))
        .collect();
    format!("{{{}}}", parts.join(","))
}

fn properties(text: &str) -> String {
    set("properties", text)
}

fn context(text: &str) -> String {
    set("context", text)
}

fn open(directory: &TempDir) -> Store {
    Options::new()
        .durability(Durability::Buffered)
        .clock(Arc::new(ManualClock::new(envelog::DateTime::from_timestamp_nanos(NOW))))
        .open(directory.path().join("store"))
        .unwrap()
}

fn answer(result: Result<envelog::Ack, Error>) -> Result<String, String> {
    result.map(|ack| format!("{:?}", ack.notes)).map_err(|error| error.to_string())
}

#[test]
fn each_row_of_the_table_has_its_exact_answer_and_only_the_taken_ones_are_stored() {
    let mut rows = fields::rows();
    rows.extend(objects::rows());
    assert!(rows.len() >= 400, "{} rows", rows.len());
    let distinct: BTreeSet<_> = rows.iter().map(|row| &row.input).collect();
    assert_eq!(distinct.len(), rows.len(), "no row is there twice");

    let directory = TempDir::new().unwrap();
    let store = open(&directory);
    let mut kept = Vec::new();
    let mut wrong = Vec::new();
    for Row { input, answer: expected } in &rows {
        let expected = match expected {
            Answer::Taken(notes) => Ok((*notes).to_owned()),
            Answer::Refused(error) => Err(error.clone()),
        };
        let before = store.visible();
        let had = answer(store.append_json(input));
        let shown: String = String::from_utf8_lossy(input).chars().take(330).collect();
        if had != expected {
            wrong.push(format!("{shown}\n  expected {expected:?}\n       had {had:?}"));
        }
        if let Err(error) = had {
            assert_eq!(store.visible(), before, "a refused line takes no seq: {shown}");
            let mut batch = store.batch();
            let pushed = batch.push_json(input).and_then(|()| batch.commit().map(drop));
            assert_eq!(pushed.unwrap_err().to_string(), error, "{shown}");
        } else {
            kept.push(input);
        }
    }
    assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
    check_stored(&store, &kept);
    store.close().unwrap();
    drop(store);
    check_stored(&open(&directory), &kept);
}

/// The store holds what was taken and nothing else, addresses and the forms of ids and times aside.
fn check_stored(store: &Store, kept: &[&Vec<u8>]) {
    let view = store.project(PROJECT).view().unwrap();
    assert_eq!(view.events().count().unwrap(), kept.len() as u64);
    assert_eq!(store.projects().unwrap(), [PROJECT]);
    let events = view.events();
    for (event, input) in events.iter().zip(kept) {
        let mut out = Vec::new();
        event.unwrap().to_json(&mut out);
        let mut came: Json = serde_json::from_slice(&out).unwrap();
        // What serde_json cannot hold is compared elsewhere, by the exact digits.
        let Ok(mut went) = serde_json::from_slice::<Json>(input) else { continue };
        for json in [&mut came, &mut went] {
            let fields = json.as_object_mut().unwrap();
            fields.retain(|name, value| {
                !value.is_null()
                    && !["orgId", "projectId", "timestamp", "seq", "receivedAt"].contains(&name.as_str())
            });
            strip_addresses(json);
        }
        assert!(same(&came, &went), "{}", String::from_utf8_lossy(input));
    }
}

fn strip_addresses(json: &mut Json) {
    match json {
        Json::Object(object) => {
            object.retain(|key, _| {
                !["ip", "ipHash", "x-forwarded-for", "x-forwarded-forHash"].contains(&key.as_str())
            });
            object.values_mut().for_each(strip_addresses);
        }
        Json::Array(list) => list.iter_mut().for_each(strip_addresses),
        _ => {}
    }
}

/// The length at which `line` is still taken and one more is not, and the error of one more.
fn boundary(line: impl Fn(usize) -> String, mut good: usize, mut bad: usize) -> (usize, String) {
    let directory = TempDir::new().unwrap();
    let store = open(&directory);
    let refused = |len: usize| store.append_json(line(len).as_bytes()).err().map(|error| error.to_string());
    assert_eq!(refused(good), None);
    let mut error = refused(bad).unwrap();
    while bad - good > 1 {
        let middle = usize::midpoint(good, bad);
        match refused(middle) {
            None => good = middle,
            Some(text) => (bad, error) = (middle, text),
        }
    }
    (good, error)
}

#[test]
fn an_event_of_256_kib_is_taken_and_one_byte_more_is_not() {
    let full = "x".repeat(65_536);
    let line = |len: usize| {
        properties(&format!(r#"{{"a":"{full}","b":"{full}","c":"{full}","d":"{}"}}"#, "x".repeat(len)))
    };
    let (_, error) = boundary(line, 60_000, 65_536);
    assert_eq!(error, "event is too large: 262145 bytes, at most 262144 are allowed");
}

#[test]
fn traits_of_64_kib_are_taken_and_one_byte_more_is_not() {
    let line = |len: usize| {
        let traits = format!(r#"{{"traits":{{"a":"{}","b":"{}"}}}}"#, "x".repeat(32_768), "x".repeat(len));
        with(&[("eventType", "\"identify\""), ("userId", "\"u\""), ("context", &traits)])
    };
    let (_, error) = boundary(line, 1, 65_536);
    assert_eq!(error, "context.traits is too large: 65537 bytes, at most 65536 are allowed");
}

#[test]
fn a_bad_envelope_in_a_batch_is_named_and_nothing_of_the_batch_is_stored() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory);
    let good = || Envelope::new(ORG, PROJECT, "billing", "order.placed");
    let bad = good().user(" ");
    let error = store.append_batch([good(), good(), bad, good()]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "envelope 2 of the batch: userId: must not be blank; nothing of the batch was stored"
    );
    assert_eq!(store.visible().get(), 0);
    assert_eq!(store.append_batch([good(), good()]).unwrap().len(), 2);
    let mut stranger = good();
    stranger.org_id = Uuid::from_u128(9);
    let error = store.append_batch([good(), stranger]).unwrap_err();
    assert!(error.to_string().starts_with("envelope 1 of the batch: orgId: "), "{error}");
    assert_eq!(store.project(PROJECT).view().unwrap().events().count().unwrap(), 2);
}

#[test]
fn the_builder_is_held_to_the_same_rules() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory);
    let good = || Envelope::new(ORG, PROJECT, "billing", "order.placed");
    let at = |text: &str| text.parse::<envelog::DateTime<envelog::Utc>>().unwrap();
    let mut deep = Value::from(1);
    for _ in 0..32 {
        deep = Value::List(vec![deep]);
    }
    let rows = [
        (good().user(""), "userId: must not be blank"),
        (good().user("a\0"), "userId: must not contain control characters"),
        (good().user("u".repeat(257)), "userId: is longer than 256 bytes"),
        (good().anonymous("a".repeat(257)), "anonymousId: is longer than 256 bytes"),
        (good().message_id("m".repeat(129)), "messageId: is longer than 128 bytes"),
        (Envelope::new(ORG, PROJECT, "m".repeat(65), "a.b"), "module: is longer than 64 bytes"),
        (Envelope::new(ORG, PROJECT, "m", "e".repeat(129)), "eventType: is longer than 128 bytes"),
        (Envelope::new(ORG, PROJECT, "", "a.b"), "module: must not be blank"),
        (good().at(at("1969-12-31T23:59:59.999999999Z")), "timestamp: is outside the years 1970 to 2261"),
        (good().at(at("2262-01-01T00:00:00Z")), "timestamp: is outside the years 1970 to 2261"),
        (
            good().at(at("2024-06-02T00:00:00.000000001Z")),
            "timestamp: is more than 24 h ahead of the store's clock",
        ),
        (good().property("f", f64::NAN), "properties.f: is not a finite number"),
        (good().property("f", f64::INFINITY), "properties.f: is not a finite number"),
        (good().property("s", "x".repeat(65_537)), "properties.s: is longer than 65536 bytes"),
        (good().property("k".repeat(257), 1), "properties: has a key longer than 256 bytes"),
        (
            good().property("d", deep),
            "properties.d[0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]: is nested deeper than 32 levels",
        ),
    ];
    for (envelope, error) in rows {
        assert_eq!(store.append(&envelope).unwrap_err().to_string(), error);
        assert_eq!(store.accept(&envelope).unwrap_err().to_string(), error);
        assert_eq!(store.submit(&envelope).unwrap_err().to_string(), error);
    }
    assert_eq!(store.visible().get(), 0);
}

#[test]
fn the_envelope_of_the_wrong_organisation_is_named_wherever_it_stands_in_a_batch() {
    let (right, wrong) = (Uuid::from_u128(1), Uuid::from_u128(9));
    let (bound, new) = (Uuid::from_u128(2), Uuid::from_u128(3));
    let of = |org: Uuid, project: Uuid| Envelope::new(org, project, "shop", "order.placed");
    let directory = TempDir::new().unwrap();
    let store = Store::open(directory.path().join("store")).unwrap();
    store.append(of(right, bound)).unwrap();
    // A project that the store knows, and one of which the first envelope of the batch decides.
    let known = |org| of(org, bound);
    let fresh = |org| of(org, new);
    for (batch, bad) in [
        (vec![known(wrong), known(right), known(right)], 0),
        (vec![known(right), known(right), known(wrong)], 2),
        (vec![fresh(right), known(wrong)], 1),
        (vec![fresh(right), fresh(right), known(right), fresh(wrong), fresh(right)], 3),
    ] {
        let error = store.append_batch(&batch).unwrap_err();
        let Error::InBatch { index, source } = error else { panic!("{error}") };
        assert_eq!(index, bad, "{batch:?}");
        assert_eq!(source.to_string(), "orgId: the project belongs to another organisation");
        let mut pushed = store.batch();
        for envelope in &batch {
            pushed.push(envelope).unwrap();
        }
        let error = pushed.commit().unwrap_err();
        assert!(matches!(error, Error::InBatch { index, .. } if index == bad), "{error}");
    }
    assert_eq!(store.stats().unwrap().events, 1);
    // What was refused bound nothing.
    store.append_batch(&[fresh(wrong), fresh(wrong)]).unwrap();
}
