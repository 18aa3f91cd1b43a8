//! `CloudEvents` there and back, and what is refused.

use envelog::interop::cloudevents::{CloudEvents, write_envelope, write_event};
use envelog::testing::SimRng;
use envelog::{DateTime, Envelope, Number, Object, Store, Uuid, Value};
use serde_json::{Value as Json, json};

use super::{ORG, PROJECT};
use crate::support::{count, say};

fn pick<T: Copy>(rng: &mut SimRng, choices: &[T]) -> T {
    choices[usize::try_from(rng.below(choices.len() as u64)).unwrap()]
}

fn text(rng: &mut SimRng) -> String {
    let letters =
        ["a", "Z", "0", "-", ".", "/", "%", "%41", " ", "?", "#", "\"", "\\", "\u{e9}", "\u{1f600}", "e"];
    (0..=rng.below(8)).map(|_| pick(rng, &letters)).collect()
}

fn value(rng: &mut SimRng, depth: u64) -> Value {
    match rng.below(if depth == 0 { 6 } else { 8 }) {
        0 => Value::Null,
        1 => Value::from(rng.below(2) == 0),
        2 => Value::from(rng.next_u64()),
        3 => Value::from(
            Number::from_text(pick(rng, &["-0.1", "1e300", "123456789012345678901234567890", "0"])).unwrap(),
        ),
        4 => Value::from(pick(rng, &["", "203.0.113.7", "\n\t\u{0}\u{7f}"])),
        5 => Value::from(text(rng)),
        6 => (0..rng.below(4)).map(|_| value(rng, depth - 1)).collect(),
        _ => Value::from(object(rng, depth - 1)),
    }
}

fn object(rng: &mut SimRng, depth: u64) -> Object {
    let keys = ["traits", "ip", "cloudevents", "properties", "", "a"];
    (0..rng.below(4))
        .map(|_| (if rng.below(2) == 0 { text(rng) } else { pick(rng, &keys).to_owned() }, value(rng, depth)))
        .collect()
}

fn maybe<T>(rng: &mut SimRng, make: impl FnOnce(&mut SimRng) -> T) -> Option<T> {
    (rng.below(2) == 0).then(|| make(rng))
}

fn envelope(rng: &mut SimRng) -> Envelope {
    let id = |rng: &mut SimRng| Uuid::from_u64_pair(rng.next_u64(), rng.next_u64());
    let module = if rng.below(8) == 0 { pick(rng, &[".", "..", "..."]).to_owned() } else { text(rng) };
    let mut envelope = Envelope::new(id(rng), id(rng), module, text(rng));
    envelope.timestamp = maybe(rng, |rng| {
        let nanos = rng.below(9_214_646_400_000_000_000) / pick(rng, &[1, 1000, 1_000_000, 1_000_000_000]);
        DateTime::from_timestamp_nanos(i64::try_from(nanos).unwrap())
    });
    envelope.user_id = maybe(rng, text);
    envelope.anonymous_id = maybe(rng, text);
    envelope.message_id = maybe(rng, text);
    envelope.properties = maybe(rng, |rng| object(rng, 3));
    envelope.context = maybe(rng, |rng| object(rng, 3));
    envelope
}

#[test]
fn every_envelope_comes_back_as_it_was() {
    let seed = SimRng::seed_of_run();
    say(format_args!("interop: ENVELOG_SEED={seed}"));
    let mut rng = SimRng::new(seed);
    let reader = CloudEvents::new();
    for _ in 0..count(2_000, 10_000, 200_000) {
        let envelope = envelope(&mut rng);
        let mut json = Vec::new();
        write_envelope(&envelope, "made-up", &mut json);
        assert_eq!(reader.read(&json).unwrap(), envelope, "{}", String::from_utf8_lossy(&json));
        let event: Json = serde_json::from_slice(&json).unwrap();
        assert_eq!(event["specversion"], "1.0");
        let source = event["source"].as_str().unwrap();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~%".contains(&byte);
        assert!(source.bytes().all(is_plain), "{source} is a path");
        assert!(!source.split('/').any(|part| matches!(part, "." | "..")), "{source} stays where it is");
        let names = event.as_object().unwrap().keys();
        assert!(names.into_iter().all(|name| name.bytes().all(|byte| byte.is_ascii_lowercase())));
    }
}

#[test]
fn a_stored_event_comes_back_as_the_envelope_that_an_export_has() {
    let store = Store::in_memory().unwrap();
    let base = Envelope::new(ORG, PROJECT, "billing/eu", "order.placed").property("amount", 4200);
    store.append(base.clone().user("u_1").message_id("m_1").context("ip", "203.0.113.7")).unwrap();
    store.append(base.anonymous("d_1")).unwrap();
    let view = store.project(PROJECT).view().unwrap();
    let mut ids = Vec::new();
    for event in &view.events() {
        let event = event.unwrap();
        let (mut cloud, mut own) = (Vec::new(), Vec::new());
        write_event(&event, &mut cloud);
        event.to_json(&mut own);
        assert_eq!(CloudEvents::new().read(&cloud).unwrap(), Envelope::from_json(&own).unwrap());
        assert!(!String::from_utf8_lossy(&cloud).contains("203.0.113"), "addresses are tokens");
        ids.push(serde_json::from_slice::<Json>(&cloud).unwrap()["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(ids, ["m_1", "1.2"]);
}

/// An event that is read, with some attributes set.
fn with(attributes: &[(&str, Json)]) -> Vec<u8> {
    let mut event = json!({
        "specversion": "1.0", "id": "m_1", "type": "order.placed", "time": "2024-03-13T12:21:14+02:00",
        "source": format!("/orgs/{ORG}/projects/{PROJECT}/billing"),
    });
    for (name, value) in attributes {
        event[name] = value.clone();
    }
    event.to_string().into_bytes()
}

#[test]
fn attributes_of_the_wrong_kind_are_refused_by_name() {
    let source = "source: must be /orgs/{orgId}/projects/{projectId}/{module}";
    let rows = [
        ("specversion", json!("0.3"), "specversion: must be 1.0"),
        ("specversion", json!(1.0), "specversion: must be a string"),
        ("specversion", Json::Null, "specversion: is required by a CloudEvent"),
        ("id", Json::Null, "id: is required by a CloudEvent"),
        ("id", json!(7), "id: must be a string"),
        ("id", json!(""), "id: must not be empty"),
        ("type", json!(""), "type: must not be empty"),
        ("source", json!("https://example.org"), source),
        ("source", json!("/orgs/1/projects/2/billing"), source),
        ("source", json!(format!("/orgs/{ORG}/projects/{PROJECT}")), source),
        ("source", json!(format!("/orgs/{ORG}/projects/{PROJECT}/a/b")), source),
        ("source", json!(format!("/orgs/{ORG}/projects/{PROJECT}/a%2")), source),
        ("source", json!(format!("/orgs/{ORG}/projects/{PROJECT}/%ff")), source),
        ("source", json!(format!("/orgs/{ORG}/projects/{PROJECT}/a?b")), source),
        ("source", json!(format!("/orgs/{{{ORG}}}/projects/{PROJECT}/a")), source),
        ("time", json!("2024-03-13T10:21:14"), "time: has no offset; write Z or +hh:mm"),
        ("subject", json!(7), "subject: must be a string"),
        ("anonymousid", json!(true), "anonymousid: must be a string"),
        ("datacontenttype", json!("text/xml"), "datacontenttype: must be application/json"),
        ("data_base64", json!("e30="), "data_base64: is not read; send JSON as data"),
        ("data", json!([]), "data: must be an object"),
        ("data", json!({"properties": 1}), "data.properties: must be an object"),
        ("data", json!({"context": []}), "data.context: must be an object"),
        (
            "data",
            json!({"amount": 1}),
            "data.amount: is no part of an envelope's data; there are properties and context",
        ),
        (
            "anonymousId",
            json!("d_1"),
            "anonymousId: is no name of an attribute, which has lower-case letters and digits only",
        ),
    ];
    for (name, value, wanted) in rows {
        let error = CloudEvents::new().read(&with(&[(name, value.clone())])).unwrap_err();
        assert_eq!(error.to_string(), wanted, "{name}: {value}");
    }
    let twice = br#"{"id":"1","id":"2"}"#;
    assert_eq!(CloudEvents::new().read(twice).unwrap_err().to_string(), "id: key occurs twice");
    assert_eq!(CloudEvents::new().read(b"[]").unwrap_err().to_string(), "event: must be a JSON object");
}

#[test]
fn a_name_that_is_refused_is_told_cut_and_without_what_would_garble_a_terminal() {
    let told = |attributes: &[(&str, Json)]| match CloudEvents::new().read(&with(attributes)) {
        Err(envelog::Error::Invalid { field, .. }) => field.into_owned(),
        other => panic!("{other:?}"),
    };
    let long = "N".repeat(500);
    assert_eq!(told(&[(&long, json!(1))]), "N".repeat(64));
    assert_eq!(told(&[("data", json!({ (&*long): 1 }))]), format!("data.{}", "N".repeat(64)));
    let garbled = "A\u{1b}[31m\n\u{7f}\u{85}b";
    let shown = "A\u{fffd}[31m\u{fffd}\u{fffd}\u{fffd}b";
    assert_eq!(told(&[(garbled, json!(1))]), shown);
    assert_eq!(told(&[("data", json!({ (garbled): 1 }))]), format!("data.{shown}"));
}

#[test]
fn attributes_that_are_taken_become_fields_and_others_are_kept() {
    let event = with(&[
        ("subject", json!("u_1")),
        ("anonymousid", json!("d_1")),
        ("datacontenttype", json!("Application/JSON; charset=utf-8")),
        ("dataschema", json!("https://example.org/order.json")),
        ("traceparent", json!("00-1-2-01")),
        ("tracestate", Json::Null),
        ("b3", json!("0")),
        ("generatedid", json!(false)),
        (
            "data",
            json!({"properties": null, "other": null, "context": {"cloudevents": {"kept": 1, "traceparent": "x"}}}),
        ),
    ]);
    let envelope = CloudEvents::new().read(&event).unwrap();
    let wanted = r#"{"cloudevents":{"b3":"0","dataschema":"https://example.org/order.json","generatedid":false,"kept":1,"traceparent":"00-1-2-01"}}"#;
    assert_eq!(envelope.context.as_ref().unwrap().to_string(), wanted);
    assert_eq!(envelope.properties, None);
    let ids = [&envelope.user_id, &envelope.anonymous_id, &envelope.message_id];
    assert_eq!(ids.map(|id| id.as_deref()), [Some("u_1"), Some("d_1"), Some("m_1")]);
    assert_eq!(envelope.timestamp.unwrap().to_rfc3339(), "2024-03-13T10:21:14+00:00");
    assert_eq!(envelope.module, "billing");
}

#[test]
fn events_of_other_sources_belong_where_the_host_says() {
    let reader = CloudEvents::new().others(ORG, PROJECT, "imported");
    let read = |data: Json| reader.read(&with(&[("source", json!("urn:shop:7")), ("data", data)])).unwrap();
    let placed = read(json!({"context": 1}));
    assert_eq!((placed.org_id, placed.project_id, placed.module.as_str()), (ORG, PROJECT, "imported"));
    assert_eq!(placed.properties.unwrap().to_string(), r#"{"context":1}"#);
    assert_eq!(placed.context.unwrap().to_string(), r#"{"cloudevents":{"source":"urn:shop:7"}}"#);
    assert_eq!(read(json!([1])).properties.unwrap().to_string(), r#"{"data":[1]}"#);
    assert_eq!(read(Json::Null).properties, None);
    assert_eq!(reader.read(&with(&[])).unwrap().module, "billing", "own sources are read as ever");
}

#[test]
fn an_address_in_an_attribute_is_hashed_when_it_is_stored() {
    let store = Store::in_memory().unwrap();
    let reader = CloudEvents::new();
    store.append(reader.read(&with(&[("clientip", json!("203.0.113.7"))])).unwrap()).unwrap();
    let view = store.project(PROJECT).view().unwrap();
    let event = view.events().iter().next().unwrap().unwrap().to_event();
    let kept = event.context().unwrap().get("cloudevents").unwrap();
    assert!(kept.get("clientipHash").unwrap().as_str().unwrap().starts_with("iph1:"));
    assert_eq!(kept.get("clientip"), None);
}
