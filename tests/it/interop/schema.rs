//! The schema takes what the parser takes and refuses what it refuses: good documents, each changed in every way.

use envelog::Options;
use envelog::interop::ENVELOPE_SCHEMA;
use envelog::testing::SimRng;
use serde_json::{Value as Json, json};

use super::checker::Checker;
use crate::support::{count, say};

const TYPES: [&str; 6] = [
    "order.placed",
    "identify",
    "identity.anonymous_created",
    "identity.signed_up",
    "identity.aliased",
    "identity.unlinked",
];

/// Fields, at the paths where each rule holds.
const PATHS: [&str; 26] = [
    "/orgId",
    "/projectId",
    "/module",
    "/eventType",
    "/timestamp",
    "/userId",
    "/anonymousId",
    "/messageId",
    "/properties",
    "/context",
    "/seq",
    "/receivedAt",
    "/unknown",
    "/properties/from",
    "/properties/from/kind",
    "/properties/from/id",
    "/properties/from/more",
    "/properties/member",
    "/properties/member/kind",
    "/properties/member/id",
    "/properties/amount",
    "/context/traits",
    "/context/traitsOnce",
    "/context/traits/plan",
    "/context/page",
    "/context/list",
];

fn good(event_type: &str) -> Json {
    let member = json!({"kind": "anonymous", "id": "d_1"});
    json!({
        "orgId": "00000001-0000-4000-8000-000000000001",
        "projectId": "00000002000040008000000000000002",
        "module": "billing",
        "eventType": event_type,
        "timestamp": "2024-05-31T10:00:00Z",
        "userId": "u_1",
        "anonymousId": null,
        "properties": {"from": member, "member": member, "amount": 4200},
        "context": {"traits": {"plan": "pro"}, "page": {"url": "/pricing"}, "list": [1, {"a": [null]}]},
    })
}

/// Values that one rule or another is about, within what a schema can tell.
fn values() -> Vec<Json> {
    let times = [
        "2024-05-31t10:00:00z",
        "2024-05-31 10:00:00.123456789+23:59",
        "2024-05-31T10:00:00.1234567890123-00:00",
        "2024-05-31T10:00:00",
        "2024-05-31T10:00Z",
        "2024-05-31T10:00:00.Z",
        "2024-05-31T10:00:00,5Z",
        "2024-05-31T10:00:00+0200",
        "2024-05-31T10:00:00+24:00",
        "2024-05-31T10:00:00+10:60",
        "2024-05-31T24:00:00Z",
        "2024-05-31T10:60:00Z",
        "2024-05-31T10:00:61Z",
        "2024-05-31T10:00:00 Z",
        " 2024-05-31T10:00:00Z",
        "2024-05-31T10:00:00Z\n",
        "2024-05-32T10:00:00Z",
        "2024-05-00T10:00:00Z",
        "2024-04-31T10:00:00Z",
        "2024-02-29T10:00:00Z",
        "2024-02-30T10:00:00Z",
        "2024-13-01T10:00:00Z",
        "2024-00-01T10:00:00Z",
        "24-05-31T10:00:00Z",
        "1970-01-01T00:00:00Z",
        "1969-12-31T23:30:00-01:00",
        "1968-12-31T23:30:00Z",
        "2263-01-01T00:00:00Z",
        "9999-01-01T00:00:00Z",
        "2024-05-31",
        "1717149600",
        "\u{ff12}024-05-31T10:00:00Z",
    ];
    let uuids = [
        "00000001-0000-4000-8000-00000000000",
        "0000000100004000800000000000000G",
        "000000010-000-4000-8000-000000000001",
        "{00000001-0000-4000-8000-000000000001}",
        "urn:uuid:00000001-0000-4000-8000-000000000001",
        "ABCDEF01-0000-4000-8000-00000000000a",
    ];
    let texts = [
        "",
        " ",
        "\t",
        "\u{a0}",
        "\u{1680}\u{2000}\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}",
        "\u{85}",
        "\u{feff}",
        "\u{180e}",
        "\u{200b}",
        " a ",
        "a\0b",
        "a\u{1f}",
        "\u{7f}",
        "a\u{9f}b",
        "a\nb",
        "\u{e9}\u{1f600}",
        "$x",
        "user",
        "anonymous",
        "device",
        "Identify",
    ];
    let mut values: Vec<Json> =
        [&times[..], &uuids, &texts, &TYPES].concat().into_iter().map(Json::from).collect();
    values.extend([64, 65, 128, 129, 256, 257, 65_536, 65_537].map(|count| Json::from("x".repeat(count))));
    values.extend([json!(null), json!(true), json!(7), json!(-1.5), json!([]), json!([{}]), json!({})]);
    let object = |keys: usize| -> Json {
        Json::Object((0..keys).map(|number| (format!("k{number}"), json!(number))).collect())
    };
    values.extend([object(512), object(513)]);
    let key = |bytes: usize| json!({"x".repeat(bytes): 1});
    values.extend([key(0), key(256), key(257), json!([[key(256)]]), json!([[key(257)]])]);
    values.extend([
        json!({"a": {"b": "x".repeat(65_537)}}),
        json!({"kind": "user", "id": "u_2"}),
        json!({"kind": "anonymous", "id": "x".repeat(256)}),
        json!({"kind": "anonymous", "id": "x".repeat(257)}),
        json!({"kind": "device", "id": "d_1"}),
        json!({"kind": "user", "id": ""}),
        json!({"kind": "user", "id": null}),
        json!({"kind": "user"}),
        json!({"id": "d_1"}),
    ]);
    values
}

/// Puts a value at a path, or takes away what stands there; objects on the way that are missing are made.
fn change(document: &mut Json, path: &str, value: Option<&Json>) {
    let (parent, name) = path.rsplit_once('/').unwrap();
    let mut place = document;
    for key in parent.split('/').skip(1) {
        if !place.get(key).is_some_and(Json::is_object) {
            place[key] = json!({});
        }
        place = &mut place[key];
    }
    match value {
        Some(value) => drop(place.as_object_mut().unwrap().insert(name.to_owned(), value.clone())),
        None => drop(place.as_object_mut().unwrap().remove(name)),
    }
}

/// Counts of documents that both take and both refuse.
#[derive(Debug, Default)]
struct Agreed {
    taken: u64,
    refused: u64,
}

struct Both {
    schema: Checker,
    parser: envelog::Checker,
    agreed: Agreed,
}

impl Both {
    fn new() -> Self {
        let parser = Options::new().checker(None).unwrap();
        Self { schema: Checker::new(ENVELOPE_SCHEMA), parser, agreed: Agreed::default() }
    }

    fn check(&mut self, document: &Json) {
        let text = document.to_string();
        let parsed = self.parser.check_json(text.as_bytes());
        if let Err(error) = &parsed
            && is_beyond_a_schema(&error.to_string())
        {
            return;
        }
        let is_valid = self.schema.is_valid(document);
        assert_eq!(
            is_valid,
            parsed.is_ok(),
            "the schema says {is_valid}, the parser {parsed:?}: {text:.2000}"
        );
        *(if is_valid { &mut self.agreed.taken } else { &mut self.agreed.refused }) += 1;
    }
}

/// Rules that the schema lists as those that it cannot tell.
fn is_beyond_a_schema(error: &str) -> bool {
    ["outside the years", "traits: has more than", "more than 1000 keys", "organisation", "is too large"]
        .iter()
        .any(|rule| error.contains(rule))
}

#[test]
fn the_schema_and_the_parser_agree_on_every_single_change() {
    let mut both = Both::new();
    for event_type in TYPES {
        both.check(&good(event_type));
        for path in PATHS {
            let mut document = good(event_type);
            change(&mut document, path, None);
            both.check(&document);
            for value in values() {
                let mut document = good(event_type);
                change(&mut document, path, Some(&value));
                both.check(&document);
            }
        }
    }
    assert!(both.agreed.taken > 1_000 && both.agreed.refused > 1_000, "{:?}", both.agreed);
}

#[test]
fn the_schema_and_the_parser_agree_on_documents_changed_in_several_places() {
    let seed = SimRng::seed_of_run();
    say(format_args!("interop: ENVELOG_SEED={seed}"));
    let mut rng = SimRng::new(seed);
    let mut below = |bound: usize| usize::try_from(rng.below(bound as u64)).unwrap();
    let (mut both, values) = (Both::new(), values());
    for _ in 0..count(20_000, 100_000, 2_000_000) {
        let mut document = good(TYPES[below(TYPES.len())]);
        for _ in 0..=below(3) {
            let path = PATHS[1 + below(PATHS.len() - 1)];
            let value = &values[below(values.len())];
            change(&mut document, path, (below(4) > 0).then_some(value));
        }
        both.check(&document);
    }
    assert!(both.agreed.taken > 100 && both.agreed.refused > 100, "{:?}", both.agreed);
}
