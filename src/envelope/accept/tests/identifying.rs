//! Identify and the reserved types of identity.

use super::*;

fn reason(event_type: &str, more: &str) -> String {
    accept_line(&typed_line(event_type, more)).unwrap_err().to_string()
}

fn notes(event_type: &str, more: &str) -> Vec<Note> {
    accept_line(&typed_line(event_type, more)).unwrap().notes().iter().collect()
}

#[test]
fn identify_is_a_fact_with_a_digest() {
    let accepted = accept_line(&typed_line("identify", r#","userId":"u_1""#)).unwrap();
    assert!(accepted.fact_digest().is_some());
    assert!(accepted.notes().is_empty());
    assert_eq!(accept_line(&line(r#","userId":"u_1""#)).unwrap().fact_digest(), None);
}

#[test]
fn traits_must_be_an_object() {
    for value in ["1", "\"x\"", "[]", "true"] {
        for event_type in ["identify", "identity.signed_up"] {
            let more = format!(r#","userId":"u","context":{{"traits":{value}}}"#);
            assert_eq!(reason(event_type, &more), "context.traits: must be an object");
            let more = format!(r#","userId":"u","context":{{"traitsOnce":{value}}}"#);
            assert_eq!(reason(event_type, &more), "context.traitsOnce: must be an object");
        }
        assert!(accept_line(&line(&format!(r#","context":{{"traits":{value}}}"#))).is_ok(), "{value}");
    }
    assert!(notes("identify", r#","userId":"u","context":{"traits":null}"#).is_empty());
}

#[test]
fn an_identify_of_nobody_is_kept_and_noted() {
    assert_eq!(notes("identify", r#","context":{"traits":{"a":1}}"#), [Note::NoIdentity]);
    assert_eq!(notes("identify", r#","anonymousId":"guest""#), [Note::NotAnId]);
}

#[test]
fn too_many_traits_are_refused() {
    let traits = |from: usize, to: usize| {
        let entries: Vec<String> = (from..to).map(|index| format!("\"t{index}\":1")).collect();
        format!("{{{}}}", entries.join(","))
    };
    let more = |once: usize| {
        format!(
            r#","userId":"u","context":{{"traits":{},"traitsOnce":{}}}"#,
            traits(0, 300),
            traits(300, once)
        )
    };
    assert!(notes("identify", &more(512)).is_empty());
    assert_eq!(reason("identify", &more(513)), "context.traits: has more than 512 traits");
    assert!(accept_line(&line(&more(513))).is_ok(), "an ordinary event has no limit on traits");
}

#[test]
fn traits_of_too_many_bytes_are_refused() {
    let more = |bytes: usize| {
        let half = "x".repeat(bytes / 2);
        format!(r#","userId":"u","context":{{"traits":{{"a":"{half}"}},"traitsOnce":{{"b":"{half}"}}}}"#)
    };
    assert!(accept_line(&typed_line("identify", &more(65_000))).is_ok());
    let error = accept_line(&typed_line("identify", &more(65_600))).unwrap_err();
    assert!(matches!(error, Error::TooLarge { what: "context.traits", bytes_max: 65_536, .. }), "{error}");
}

#[test]
fn reserved_types_need_a_user() {
    for event_type in
        ["identity.anonymous_created", "identity.signed_up", "identity.aliased", "identity.unlinked"]
    {
        let more = r#","anonymousId":"a","properties":{"from":{"kind":"user","id":"u"},"member":{"kind":"user","id":"u"}}"#;
        assert_eq!(reason(event_type, more), format!("userId: is required by {event_type}"));
        assert!(notes(event_type, &format!(r#"{more},"userId":"u""#)).is_empty());
    }
}

#[test]
fn a_malformed_member_is_refused() {
    for (event_type, key) in [("identity.aliased", "from"), ("identity.unlinked", "member")] {
        for (member, rule) in [
            ("", format!("properties.{key}: is required by {event_type}")),
            ("1", format!("properties.{key}: must be an object")),
            ("null", format!("properties.{key}: must be an object")),
            ("{}", format!("properties.{key}.kind: must be user or anonymous")),
            (r#"{"kind":"User","id":"u"}"#, format!("properties.{key}.kind: must be user or anonymous")),
            (r#"{"kind":1,"id":"u"}"#, format!("properties.{key}.kind: must be user or anonymous")),
            (r#"{"kind":"user"}"#, format!("properties.{key}.id: must be a string")),
            (r#"{"kind":"user","id":7}"#, format!("properties.{key}.id: must be a string")),
            (r#"{"kind":"anonymous","id":" "}"#, format!("properties.{key}.id: must not be blank")),
            (
                r#"{"kind":"user","id":"a\u0000"}"#,
                format!("properties.{key}.id: must not contain control characters"),
            ),
        ] {
            let properties =
                if member.is_empty() { "{}".to_owned() } else { format!("{{\"{key}\":{member}}}") };
            assert_eq!(reason(event_type, &format!(r#","userId":"u","properties":{properties}"#)), rule);
        }
        let long =
            format!(r#","userId":"u","properties":{{"{key}":{{"kind":"user","id":"{}"}}}}"#, "x".repeat(257));
        assert_eq!(reason(event_type, &long), format!("properties.{key}.id: is longer than 256 bytes"));
        assert_eq!(
            reason(event_type, r#","userId":"u""#),
            format!("properties.{key}: is required by {event_type}")
        );
        let no_id = format!(r#","userId":"u","properties":{{"{key}":{{"kind":"anonymous","id":"null"}}}}"#);
        assert_eq!(notes(event_type, &no_id), [Note::NotAnId]);
    }
}

#[test]
fn other_types_of_that_name_space_are_ordinary() {
    let accepted = accept_line(&typed_line("identity.verified", "")).unwrap();
    assert_eq!(accepted.fact_digest(), None);
    assert!(accepted.notes().is_empty());
}
