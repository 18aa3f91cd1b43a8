//! Every limit, at it and one past it, and where the error says it is.

use super::*;

fn refusal(text: &str, limits: &Limits) -> String {
    build_with(text, limits, None).map(|tree| print(&tree)).unwrap_err().to_string()
}

#[test]
fn depth_is_limited() {
    let limits = Limits::default();
    let lists = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(build_with(&lists(32), &limits, None).is_ok());
    let path = "[0]".repeat(32);
    assert_eq!(refusal(&lists(33), &limits), format!("properties{path}: is nested deeper than 32 levels"));
    let objects = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    assert!(build_with(&objects(32), &limits, None).is_ok());
    let path = ".a".repeat(32);
    assert_eq!(refusal(&objects(33), &limits), format!("properties{path}: is nested deeper than 32 levels"));
    let unlimited = Limits { depth_max: usize::MAX, ..limits };
    assert!(build_with(&lists(128), &unlimited, None).is_ok());
    assert!(refusal(&lists(129), &unlimited).ends_with("is nested deeper than 128 levels"));
}

#[test]
fn keys_are_counted_over_all_trees_of_an_envelope() {
    let limits = Limits { keys_max: 4, ..Limits::default() };
    let mut builder = TreeBuilder::new(&limits);
    let push = |builder: &mut TreeBuilder, root, text: &str| -> Result<()> {
        let mut writer = builder.begin(root, None);
        Reader::new(text.as_bytes())?.value_into(&mut writer)?;
        writer.finish().map(drop)
    };
    push(&mut builder, "properties", r#"{"a":{"b":[{"c":1}]}}"#).unwrap();
    push(&mut builder, "context", r#"{"d":1}"#).unwrap();
    builder.reset();
    push(&mut builder, "properties", r#"{"a":{"b":[{"c":1}]}}"#).unwrap();
    let error = push(&mut builder, "context", r#"{"d":1,"e":2}"#).unwrap_err().to_string();
    assert_eq!(error, "context: has more than 4 keys in properties and context together");
}

#[test]
fn keys_are_limited_in_length() {
    let limits = Limits { key_bytes_max: 5, ..Limits::default() };
    assert!(build_with("{\"12345\":1}", &limits, None).is_ok());
    let error = refusal("{\"a\":[{\"secret\":1}]}", &limits);
    assert_eq!(error, "properties.a[0]: has a key longer than 5 bytes");
    assert!(build_with("{\"\u{e9}\u{e9}\":1}", &limits, None).is_ok());
    assert!(build_with("{\"\u{e9}\u{e9}\u{e9}\":1}", &limits, None).is_err());
}

#[test]
fn strings_and_digits_are_limited_in_length() {
    let limits = Limits { string_bytes_max: 25, ..Limits::default() };
    let list = |value: &str| format!("{{\"items\":[0,{{\"sku\":{value}}}]}}");
    assert!(build_with(&list(&format!("\"{}\"", "s".repeat(25))), &limits, None).is_ok());
    let error = refusal(&list(&format!("\"{}\"", "s".repeat(26))), &limits);
    assert_eq!(error, "properties.items[1].sku: is longer than 25 bytes");
    assert!(build_with(&list(&"7".repeat(25)), &limits, None).is_ok());
    let error = refusal(&list(&"7".repeat(26)), &limits);
    assert_eq!(error, "properties.items[1].sku: is longer than 25 bytes");
}

#[test]
fn a_key_that_occurs_twice_is_refused_at_any_depth() {
    for (text, path) in [
        (r#"{"a":1,"a":1}"#, ".a"),
        (r#"{"b":0,"a":1,"c":2,"a":3}"#, ".a"),
        (r#"{"x":[1,{"y":{"k":1,"\u006b":2}}]}"#, ".x[1].y.k"),
        (r#"{"a.b":{"":1,"":2}}"#, "[\"a.b\"][\"\"]"),
        (r#"{"abcdefgh1":1,"abcdefgh2":1,"abcdefgh1":1}"#, ".abcdefgh1"),
        (r#"{"a\nb":1,"a\nb":1}"#, "[\"a\\nb\"]"),
    ] {
        assert_eq!(refusal(text, &wide()), format!("properties{path}: key occurs twice"), "{text}");
    }
    assert!(build_with("{\"a\":1,\"a\\u0000\":2,\"\":3}", &wide(), None).is_ok());
}

#[test]
fn numbers_out_of_range_are_refused_by_path() {
    let error = refusal(r#"{"a":{"b":[1,1e999]}}"#, &wide());
    assert_eq!(error, "properties.a.b[1]: is larger than the largest 64-bit float");
    let mut builder = TreeBuilder::new(&wide());
    let mut writer = builder.begin("properties", None);
    let value = Value::from(crate::envelope::Object::from([("price", f64::NAN)]));
    let error = value.push(&mut writer).unwrap_err().to_string();
    assert_eq!(error, "properties.price: is not a finite number");
}
