//! What is refused, with the exact words.

use chrono::{DateTime, Utc};

use super::*;

fn reason(line: &str) -> String {
    match accept_line(line) {
        Ok(_) => format!("accepted: {line}"),
        Err(error) => error.to_string(),
    }
}

/// A copy of the plain line with one field's value replaced, or taken out.
fn with(field: &str, value: Option<&str>) -> String {
    let fields = [
        ("orgId", format!("\"{ORG}\"")),
        ("projectId", format!("\"{PROJECT}\"")),
        ("module", "\"analytics\"".to_owned()),
        ("eventType", "\"order.placed\"".to_owned()),
        ("timestamp", "\"2024-03-13T10:21:14Z\"".to_owned()),
        ("userId", "\"u\"".to_owned()),
        ("anonymousId", "\"a\"".to_owned()),
        ("messageId", "\"m\"".to_owned()),
        ("properties", "{}".to_owned()),
        ("context", "{}".to_owned()),
    ];
    let parts: Vec<String> = fields
        .iter()
        .filter_map(|(name, plain)| {
            let value = if *name == field { value? } else { plain };
            Some(format!("\"{name}\":{value}"))
        })
        .collect();
    format!("{{{}}}", parts.join(","))
}

#[test]
fn a_required_field_that_is_absent_or_null_is_named() {
    for field in ["orgId", "projectId", "module", "eventType", "timestamp"] {
        assert_eq!(reason(&with(field, None)), format!("{field}: is required"));
        assert_eq!(reason(&with(field, Some("null"))), format!("{field}: is required"));
    }
}

#[test]
fn a_field_of_another_type_is_named() {
    for field in
        ["orgId", "projectId", "module", "eventType", "timestamp", "userId", "anonymousId", "messageId"]
    {
        for value in ["1", "1.5", "true", "[]", "{}", "[\"x\"]"] {
            assert_eq!(reason(&with(field, Some(value))), format!("{field}: must be a string"), "{value}");
        }
    }
    for field in ["properties", "context"] {
        for value in ["1", "false", "\"{}\"", "[]", "[{}]"] {
            assert_eq!(reason(&with(field, Some(value))), format!("{field}: must be an object"), "{value}");
        }
    }
}

#[test]
fn bad_uuids_are_refused() {
    let braced = format!("{{{ORG}}}");
    let urn = format!("urn:uuid:{ORG}");
    let spaced = format!(" {ORG}");
    for field in ["orgId", "projectId"] {
        for value in [
            "",
            "x",
            &ORG[1..],
            "5b8f1f4f-7b8e-4e9d-9d9b-3f6a2c1d0e4g",
            "5b8f1f4f7b8e-4e9d-9d9b-3f6a2c1d0e4f0",
            &braced,
            &urn,
            &spaced,
        ] {
            assert_eq!(
                reason(&with(field, Some(&format!("\"{value}\"")))),
                format!("{field}: is not a UUID; write 32 hex digits, with or without hyphens"),
                "{value}"
            );
        }
    }
}

#[test]
fn bad_times_are_refused() {
    for (value, rule) in [
        ("", "is not a date and time; write RFC 3339, such as 2024-03-13T10:21:14Z"),
        ("yesterday", "is not a date and time; write RFC 3339, such as 2024-03-13T10:21:14Z"),
        ("2024-03-13", "is not a date and time; write RFC 3339, such as 2024-03-13T10:21:14Z"),
        ("2024-03-13T10:21:14", "has no offset; write Z or +hh:mm"),
        ("2024-02-30T10:21:14Z", "names a date or time that does not exist"),
        ("1969-12-31T23:59:59Z", "is outside the years 1970 to 2261"),
        ("2262-01-01T00:00:00Z", "is outside the years 1970 to 2261"),
        ("2024-03-15T00:00:00.000000001Z", "is more than 24 h ahead of the store's clock"),
    ] {
        assert_eq!(reason(&with("timestamp", Some(&format!("\"{value}\"")))), format!("timestamp: {rule}"));
    }
}

#[test]
fn a_clock_that_tells_no_possible_time_stamps_nothing() {
    let acceptor = acceptor();
    let last = 9_214_646_400 * 1_000_000_000 - 1;
    for (now, is_taken) in [(0, true), (last, true), (-1, false), (last + 1, false), (i64::MIN, false)] {
        let accepted = acceptor.accept(&envelope(), Nanos::new(now), &mut acceptor.scratch());
        assert_eq!(accepted.is_ok(), is_taken, "{now}");
    }
    let refused = acceptor.accept(&envelope(), Nanos::new(-1), &mut acceptor.scratch()).unwrap_err();
    let reason = "would be the time of the store's clock, which is outside the years 1970 to 2261";
    assert_eq!(refused.to_string(), format!("timestamp: {reason}"));
}

#[test]
fn bad_ids_and_names_are_refused() {
    for (field, bytes_max) in
        [("module", 64), ("eventType", 128), ("userId", 256), ("anonymousId", 256), ("messageId", 128)]
    {
        for blank in ["\"\"", "\" \"", "\"\\t\"", "\"\u{a0}\""] {
            assert_eq!(reason(&with(field, Some(blank))), format!("{field}: must not be blank"));
        }
        for control in ["\"a\\u0000b\"", "\"a\\nb\"", "\"\\u007f\"", "\"x\\u0085\""] {
            assert_eq!(
                reason(&with(field, Some(control))),
                format!("{field}: must not contain control characters")
            );
        }
        let longest = format!("\"{}\"", "x".repeat(bytes_max));
        assert!(accept_line(&with(field, Some(&longest))).is_ok(), "{field}");
        let longer = format!("\"{}\"", "x".repeat(bytes_max + 1));
        assert_eq!(reason(&with(field, Some(&longer))), format!("{field}: is longer than {bytes_max} bytes"));
    }
}

#[test]
fn unknown_fields_are_refused_by_name() {
    for (more, name) in [
        (r#","type":"track""#, "type"),
        (r#","userid":"u""#, "userid"),
        (r#","ip":"203.0.113.140""#, "ip"),
        (r#","":1"#, ""),
        (r#","a\u0000b":1"#, "a\u{fffd}b"),
    ] {
        assert_eq!(
            reason(&line(more)),
            format!(
                "{name}: is no field of an envelope; there are orgId, projectId, module, eventType, timestamp, userId, anonymousId, properties, context and messageId"
            )
        );
    }
    let long = reason(&line(&format!(r#","{}":1"#, "n".repeat(500))));
    assert!(long.starts_with(&format!("{}: is no field", "n".repeat(64))), "{long}");
}

#[test]
fn a_field_that_occurs_twice_is_refused() {
    let values = [
        ("orgId", format!("\"{ORG}\"")),
        ("projectId", format!("\"{PROJECT}\"")),
        ("module", "\"m\"".to_owned()),
        ("eventType", "\"e\"".to_owned()),
        ("timestamp", "\"2024-03-13T10:21:14Z\"".to_owned()),
        ("userId", "\"u\"".to_owned()),
        ("anonymousId", "\"u\"".to_owned()),
        ("messageId", "\"u\"".to_owned()),
        ("properties", "{}".to_owned()),
        ("context", "{}".to_owned()),
        ("seq", "1".to_owned()),
        ("receivedAt", "1".to_owned()),
        ("userId", "null".to_owned()),
    ];
    for (field, value) in values {
        let twice = format!(r#"{{"{field}":{value},"{field}":{value}}}"#);
        assert_eq!(reason(&twice), format!("{field}: occurs twice"));
    }
}

#[test]
fn what_is_no_object_is_refused() {
    for text in ["[]", "1", "\"x\"", "null", "true"] {
        assert_eq!(reason(text), "envelope: must be a JSON object", "{text}");
    }
}

#[test]
fn malformed_json_is_refused() {
    let good = line(r#","properties":{"a":[1,2]}"#);
    for text in [
        String::new(),
        "{".to_owned(),
        format!("{good}x"),
        format!("{good}{good}"),
        good.replace("[1,2]", "[1,2"),
        good.replace("[1,2]", "[1,]"),
        good.replace("[1,2]", "NaN"),
        good.replace("[1,2]", "1e999"),
        good.replace("[1,2]", "01"),
        good.replace("[1,2]", "\"\\ud800\""),
        good.replace("[1,2]", "\"\u{1}\""),
        good.replace("[1,2]", "1,\"a\":2"),
        good.replace('}', ",}"),
        format!("\u{feff}{good}"),
    ] {
        assert!(accept_line(&text).is_err(), "{text}");
    }
    let mut bytes = good.into_bytes();
    let last = bytes.len() - 4;
    bytes[last] = 0xff;
    let acceptor = acceptor();
    assert!(acceptor.accept_json(&bytes, NOW, &mut acceptor.scratch()).is_err());
}

#[test]
fn an_object_that_waits_for_its_project_is_held_to_the_same_rules() {
    let deep = format!("{}1{}", "[".repeat(40), "]".repeat(40));
    for properties in ["{\"a\":1,\"a\":2}", "{\"a\":[1,]}", "[]", &format!("{{\"a\":{deep}}}")] {
        let first = format!("{{\"properties\":{properties},{}", &line("")[1..]);
        let last = line(&format!(",\"properties\":{properties}"));
        assert!(accept_line(&last).is_err(), "{properties}");
        assert!(accept_line(&first).is_err(), "{properties}");
    }
}

#[test]
fn an_event_over_its_limit_is_too_large() {
    let filler = "x".repeat(60_000);
    let properties: Vec<String> = (0..5).map(|index| format!("\"k{index}\":\"{filler}\"")).collect();
    let error = accept_line(&line(&format!(",\"properties\":{{{}}}", properties.join(",")))).unwrap_err();
    assert!(
        matches!(error, Error::TooLarge { what: "event", bytes: 300_001.., bytes_max: 262_144 }),
        "{error}"
    );
}

#[test]
fn the_event_limit_is_exact() {
    let accepted = accept_line(&line(r#","userId":"u","properties":{"a":"b"}"#)).unwrap();
    let bytes = FIXED_KEY_BYTES + accepted.texts.as_str().len() + accepted.body().len();
    for (bytes_max, fits) in [(bytes, true), (bytes - 1, false)] {
        let limits = Limits { event_bytes_max: bytes_max, ..Limits::default() };
        let acceptor = Acceptor::new(limits, hasher());
        let result = acceptor.accept(&accepted.to_envelope(), NOW, &mut acceptor.scratch());
        assert_eq!(result.is_ok(), fits);
    }
}

#[test]
fn the_builder_is_held_to_the_same_rules() {
    for (envelope, reason) in [
        (envelope().user(" "), "userId: must not be blank"),
        (envelope().anonymous("a\0"), "anonymousId: must not contain control characters"),
        (envelope().message_id("m".repeat(129)), "messageId: is longer than 128 bytes"),
        (envelope().at(DateTime::<Utc>::MIN_UTC), "timestamp: is outside the years 1970 to 2261"),
        (Envelope { module: String::new(), ..envelope() }, "module: must not be blank"),
    ] {
        assert_eq!(accept_envelope(&envelope).unwrap_err().to_string(), reason);
    }
}
