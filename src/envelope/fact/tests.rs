use super::*;
use crate::envelope::tree::TreeBuilder;
use crate::envelope::value::{Object, Value};
use crate::limits::Limits;

/// The tree of a JSON text as it is, without scrubbing.
fn tree(json: &str) -> Vec<u8> {
    let mut trees = TreeBuilder::new(&Limits::default());
    let mut writer = trees.begin("properties", None);
    let value = Value::from_json(json.as_bytes(), &Limits::default()).unwrap();
    value.push(&mut writer).unwrap();
    let span = writer.finish().unwrap();
    trees.tree(span).to_vec()
}

fn hex(digest: Digest16) -> String {
    format!("{:032x}", u128::from_be_bytes(digest))
}

fn digest_of(
    event_type: &str,
    user: Option<&str>,
    anonymous: Option<&str>,
    properties: &str,
    context: &str,
) -> String {
    let (properties, context) = (tree(properties), tree(context));
    let body = Body { properties: Some(ValueRef::new(&properties)), context: Some(ValueRef::new(&context)) };
    hex(Fact::of(event_type, user, anonymous, &body).unwrap().digest())
}

#[test]
fn digests_are_those_of_an_independent_implementation() {
    // Made by Python's hashlib from the description of the bytes.
    assert_eq!(digest_of("identify", Some("u_1"), None, "{}", "{}"), "2a55ff8a00d737b76fcddfa34e77e2e7");
    assert_eq!(digest_of("identify", None, Some("u_1"), "{}", "{}"), "37d9629b21f7c60c49e1f44ef2b17912");
    assert_eq!(
        digest_of("identify", Some("u_1"), None, "{}", r#"{"traits":{}}"#),
        "f95c8ef223ba958d6dd57d277a97f687"
    );
    assert_eq!(
        digest_of("identity.aliased", Some("u_1"), None, r#"{"from":{"kind":"anonymous","id":"d_1"}}"#, "{}"),
        "4abdc490031332f3ac0eda73903a30e7"
    );
    assert_eq!(
        digest_of("identity.unlinked", Some("u_1"), None, r#"{"member":{"kind":"user","id":"d_1"}}"#, "{}"),
        "da40b06718ec39e44c932b0278b5d82c"
    );
    assert_eq!(
        digest_of("identity.signed_up", Some("u_1"), None, "{}", r#"{"traits":{"plan":"pro"}}"#),
        "8b7b60560f2ea4a75e13ba71280bb524"
    );
    let context = r#"{"ip":"kept apart","traits":{"plan":"pro","age":42.0,"price":1.5,"ok":true,"gone":null,"tags":["a",false],
        "home":{"city":"K\u00f6ln","ipHash":"x","client_ip_hash":["y"]},"$ipHash":{"z":1},
        "seen":"from iph1:8adc89f9:33fdbbdeee394847e191a120f03fabfe twice"},"traitsOnce":{"first":"x"}}"#;
    assert_eq!(
        digest_of("identify", Some("u_1"), Some("a_1"), r#"{"other":1}"#, context),
        "9e42de65b1a936a35485ef90e9d4d34e"
    );
}

#[test]
fn null_traits_are_absent_traits() {
    let absent = digest_of("identify", Some("u"), None, "{}", "{}");
    assert_eq!(digest_of("identify", Some("u"), None, "{}", r#"{"traits":null}"#), absent);
}

#[test]
fn only_the_types_that_the_store_acts_upon_are_facts() {
    let body = Body { properties: None, context: None };
    for event_type in [
        "identify",
        "identity.anonymous_created",
        "identity.signed_up",
        "identity.aliased",
        "identity.unlinked",
    ] {
        assert!(Fact::is_fact(event_type));
        assert!(Fact::of(event_type, Some("u"), None, &body).is_some());
    }
    for event_type in ["identity.verified", "Identify", "order.placed", ""] {
        assert!(!Fact::is_fact(event_type));
        assert!(Fact::of(event_type, Some("u"), None, &body).is_none());
    }
}

#[test]
fn facts_are_ordered_by_time_then_message_then_digest() {
    let order = |time: i64, message: &str, first: u8| FactOrder {
        timestamp: Nanos::new(time),
        message_id: message.into(),
        digest: [first; 16],
    };
    let sorted = [
        order(1, "z", 9),
        order(2, "", 9),
        order(2, "a", 3),
        order(2, "a", 4),
        order(2, "ab", 0),
        order(2, "b", 0),
    ];
    assert!(sorted.is_sorted_by(|one, next| one < next));
}

#[test]
fn bodies_are_the_same_when_only_hashes_differ() {
    let record = |properties: &str, context: Option<&str>| {
        let mut out = Vec::new();
        codec::encode(&mut out, Some(&tree(properties)), context.map(tree).as_deref()).unwrap();
        out
    };
    let one = record(r#"{"a":1,"ipHash":"x"}"#, None);
    assert!(same_body(&one, &one));
    assert!(same_body(&one, &record(r#"{"a":1,"ipHash":"y"}"#, None)));
    assert!(!same_body(&one, &record(r#"{"a":2,"ipHash":"x"}"#, None)));
    assert!(!same_body(&one, &record(r#"{"a":1,"ipHash":"x"}"#, Some("{}"))));
    assert!(!same_body(&one, &record(r#"{"a":"1","ipHash":"x"}"#, None)));
    assert!(!same_body(&one, b"\x07"));
}

#[test]
fn a_deep_value_does_not_end_the_stack() {
    let mut value = Value::Null;
    for _ in 0..100 {
        let mut object = Object::new();
        object.insert("a", value);
        value = Value::Object(object);
    }
    let limits = Limits { depth_max: 128, ..Limits::default() };
    let mut trees = TreeBuilder::new(&limits);
    let mut writer = trees.begin("context", None);
    value.push(&mut writer).unwrap();
    let span = writer.finish().unwrap();
    let mut bytes = Vec::new();
    push_value(ValueRef::new(trees.tree(span)), 0, &mut bytes);
    assert_eq!(String::from_utf8_lossy(&bytes).matches('{').count(), 100);
}
