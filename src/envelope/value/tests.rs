use super::*;

fn json(text: &str) -> Value {
    Value::from_json(text.as_bytes(), &Limits::default()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn equal_json_is_an_equal_value() {
    assert_eq!(json(r#"{"b":[1.0,"\u0041"],"a":null}"#), json(r#" { "a" : null , "b" : [ 1e0 , "A" ] } "#));
    assert_ne!(json("[1,2]"), json("[2,1]"));
}

#[test]
fn host_values_become_the_json_they_look_like() {
    let object = Object::from([
        ("text", Value::from("x\"\n")),
        ("list", Value::from([1, 2, 3])),
        ("none", Value::from(None::<bool>)),
        ("some", Value::from(Some(1.5))),
        ("big", Value::from(u64::MAX)),
        ("char", Value::from('z')),
        ("inner", Object::from([("k", true)]).into()),
    ]);
    let text = r#"{"big":18446744073709551615,"char":"z","inner":{"k":true},"list":[1,2,3],"none":null,"some":1.5,"text":"x\"\n"}"#;
    assert_eq!(object.to_string(), text);
    assert_eq!(Value::from(object), json(text));
}

#[test]
fn a_path_leads_through_objects() {
    let value = json(r#"{"page":{"url":"u","n":[1]}}"#);
    assert_eq!(value.get_path("page.url").and_then(Value::as_str), Some("u"));
    assert_eq!(value.get_path("page.url.x"), None);
    assert_eq!(value.get_path("page.none"), None);
}

#[test]
fn debug_shows_no_address() {
    let value =
        json(r#"{"ip":"203.0.113.7","deep":[{"X-Real-IP":["203.0.113.8"],"ipHash":"t","name":"n"}]}"#);
    let debug = format!("{value:?}{value:#?}");
    assert!(!debug.contains("203.0.113"), "{debug}");
    assert!(debug.contains("\"name\": \"n\""), "{debug}");
}

#[test]
fn text_that_is_not_one_strict_value_is_refused() {
    let limits = Limits::default();
    for text in ["", " ", "{", "{}{}", "[1,]", "\u{feff}1", "{\"a\":1,\"a\":2}", "nul", "NaN", "1e999"] {
        assert!(Value::from_json(text.as_bytes(), &limits).is_err(), "{text}");
    }
}
