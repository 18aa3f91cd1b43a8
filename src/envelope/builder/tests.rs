use super::*;

fn envelope() -> Envelope {
    Envelope::new(Uuid::from_u128(1), Uuid::from_u128(2), "analytics", "order.placed")
}

#[test]
fn the_builder_sets_every_field() {
    let time = DateTime::from_timestamp_nanos(1_710_325_274_500_000_000);
    let built = envelope()
        .user("u")
        .anonymous("a")
        .message_id("m")
        .at(time)
        .property("amount", 4200)
        .property("name", "caf\u{e9} \"x\"")
        .context("locale", "de-DE")
        .with_trait("plan", "pro")
        .with_trait("gone", Value::Null)
        .with_trait_once("source", "ad");
    let expected = r#"{"orgId":"00000000-0000-0000-0000-000000000001","projectId":"00000000-0000-0000-0000-000000000002","module":"analytics","eventType":"order.placed","timestamp":"2024-03-13T10:21:14.500Z","userId":"u","anonymousId":"a","messageId":"m","properties":{"amount":4200,"name":"café \"x\""},"context":{"locale":"de-DE","traits":{"gone":null,"plan":"pro"},"traitsOnce":{"source":"ad"}}}"#;
    assert_eq!(built.to_json(), expected);
    assert_eq!(Envelope::from_json(expected.as_bytes()).unwrap(), built);
}

#[test]
fn absent_fields_are_left_out() {
    assert_eq!(
        envelope().to_json(),
        r#"{"orgId":"00000000-0000-0000-0000-000000000001","projectId":"00000000-0000-0000-0000-000000000002","module":"analytics","eventType":"order.placed"}"#
    );
}

#[test]
fn properties_come_from_anything_that_serializes_to_an_object() {
    #[derive(Serialize)]
    struct Order<'a> {
        amount: u32,
        sku: &'a str,
    }
    let built = envelope().property("old", 1).properties_from(&Order { amount: 1, sku: "x" }).unwrap();
    assert!(built.to_json().ends_with(r#""properties":{"amount":1,"sku":"x"}}"#));
    let error = envelope().properties_from(&[1]).unwrap_err();
    assert_eq!(error.to_string(), "properties: must be an object");
}

#[test]
fn reading_refuses_what_accepting_a_line_refuses() {
    let good = envelope().at(DateTime::from_timestamp_nanos(0)).user("u").to_json();
    Envelope::from_json(good.as_bytes()).unwrap();
    for (bad, reason) in [
        (good.replace("module", "modul"), "modul: is no field of an envelope"),
        (good.replace("\"u\"", "7"), "userId: must be a string"),
        (good.replace("1970-01-01T00:00:00Z", "1970"), "timestamp: is not a date and time"),
        (good.replace(r#","userId""#, r#","properties":[],"userId""#), "properties: must be an object"),
        (good.replace(r#""timestamp""#, r#""receivedAt""#), "timestamp: is required"),
        (good.replace("00000001", "0000000x"), "orgId: is not a UUID"),
        ("[]".to_owned(), "envelope: must be a JSON object"),
    ] {
        let error = Envelope::from_json(bad.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with(reason), "{error}");
    }
}

#[test]
fn a_trait_replaces_what_is_no_object() {
    let built = envelope().context("traits", "text").with_trait("a", 1);
    assert!(built.to_json().ends_with(r#""context":{"traits":{"a":1}}}"#));
}
