//! What is taken, and how it is stored.

use super::*;

#[test]
fn every_field_is_taken() {
    let accepted = accept_line(&line(
        r#","userId":"u_1","anonymousId":"a_1","properties":{"amount":4200,"a":[1,{"b":null}]},"context":{"locale":"de-DE"},"messageId":"m_1","seq":7,"receivedAt":"x""#,
    ))
    .unwrap();
    assert_eq!(accepted.org_id().to_string(), ORG);
    assert_eq!(accepted.project_id().to_string(), PROJECT);
    assert_eq!(accepted.module(), "analytics");
    assert_eq!(accepted.event_type(), "order.placed");
    assert_eq!(accepted.timestamp().to_rfc3339(), "2024-03-13T10:21:14+00:00");
    assert_eq!(accepted.user_id(), Some("u_1"));
    assert_eq!(accepted.anonymous_id(), Some("a_1"));
    assert_eq!(accepted.message_id(), Some("m_1"));
    assert_eq!(json_of(accepted.trees().properties), r#"{"a":[1,{"b":null}],"amount":4200}"#);
    assert_eq!(json_of(accepted.trees().context), r#"{"locale":"de-DE"}"#);
    assert_eq!(accepted.texts.as_str(), "analyticsorder.placedu_1a_1m_1");
    assert_eq!(accepted.body_crc(), crc32fast::hash(accepted.body()));
    assert!(!accepted.is_stamped());
    assert!(accepted.notes().is_empty());
    assert_eq!(accepted.fact_digest(), None);
    codec::check(accepted.body()).unwrap();
}

#[test]
fn the_order_of_fields_does_not_matter() {
    let fields = [
        format!(r#""orgId":"{ORG}""#),
        format!(r#""projectId":"{PROJECT}""#),
        r#""module":"m""#.to_owned(),
        r#""eventType":"a.b""#.to_owned(),
        r#""timestamp":"2024-03-13T10:21:14Z""#.to_owned(),
        r#""userId":"u""#.to_owned(),
        r#""anonymousId":"a""#.to_owned(),
        r#""properties":{"ip":"203.0.113.140","z":1}"#.to_owned(),
        r#""context":{"clientIp":["2001:db8::1"],"a":2}"#.to_owned(),
        r#""messageId":"m""#.to_owned(),
    ];
    let joined = |fields: &[String]| format!(" {{ {} }}\n", fields.join(" ,\t"));
    let expected = accept_line(&joined(&fields)).unwrap();
    assert!(json_of(expected.trees().properties).contains("ipHash"));
    for shift in 0..fields.len() {
        for backwards in [false, true] {
            let mut shuffled = fields.clone();
            shuffled.rotate_left(shift);
            if backwards {
                shuffled.reverse();
            }
            assert_eq!(accept_line(&joined(&shuffled)).unwrap(), expected, "{shift} {backwards}");
        }
    }
}

#[test]
fn escaped_names_and_values_are_the_same_as_plain_ones() {
    let escaped = accept_line(&line(r#","\u0075serId":"u\u005f1""#)).unwrap();
    assert_eq!(escaped, accept_line(&line(r#","userId":"u_1""#)).unwrap());
}

#[test]
fn null_is_the_same_as_absent() {
    let nulls =
        line(r#","userId":null,"anonymousId":null,"properties":null,"context":null,"messageId":null"#);
    assert_eq!(accept_line(&nulls).unwrap(), accept_line(&line("")).unwrap());
}

#[test]
fn absent_and_empty_objects_differ() {
    let accepted = accept_line(&line(r#","properties":{}"#)).unwrap();
    assert_eq!(json_of(accepted.trees().properties), "{}");
    assert!(accepted.trees().context.is_none());
    assert_ne!(accepted, accept_line(&line("")).unwrap());
}

#[test]
fn uuids_are_read_with_and_without_hyphens() {
    let plain = line("").replace(ORG, &ORG.replace('-', "")).replace(PROJECT, &PROJECT.to_uppercase());
    assert_eq!(accept_line(&plain).unwrap(), accept_line(&line("")).unwrap());
}

#[test]
fn an_envelope_without_time_is_stamped() {
    let accepted = accept_envelope(&envelope()).unwrap();
    assert_eq!(accepted.time(), NOW);
    assert!(accepted.is_stamped());
}

#[test]
fn a_given_time_may_be_a_day_ahead_and_no_more() {
    let ahead = |nanos: i64| envelope().at(time::to_datetime(Nanos::new(NOW.get() + nanos)));
    let day = 24 * 3600 * 1_000_000_000;
    assert_eq!(accept_envelope(&ahead(day)).unwrap().time().get(), NOW.get() + day);
    assert_eq!(
        accept_envelope(&ahead(day + 1)).unwrap_err().to_string(),
        "timestamp: is more than 24 h ahead of the store's clock"
    );
    let limits = Limits { future_skew_max: Duration::from_secs(90), ..Limits::default() };
    let acceptor = Acceptor::new(limits, hasher());
    let refused = acceptor.accept(&ahead(day), NOW, &mut acceptor.scratch()).unwrap_err();
    assert_eq!(refused.to_string(), "timestamp: is more than 90 s ahead of the store's clock");
    let limits = Limits { future_skew_max: Duration::MAX, ..Limits::default() };
    let acceptor = Acceptor::new(limits, hasher());
    acceptor.accept(&ahead(1000 * day), NOW, &mut acceptor.scratch()).unwrap();
}

#[test]
fn an_odd_event_type_is_taken_and_noted() {
    let accepted = accept_line(&typed_line("Order Placed", "")).unwrap();
    assert_eq!(accepted.notes().iter().collect::<Vec<_>>(), [Note::OddEventType]);
}

#[test]
fn an_id_that_is_no_id_is_taken_and_noted() {
    for more in [r#","userId":"null""#, r#","anonymousId":"00000000-0000-0000-0000-000000000000""#] {
        let accepted = accept_line(&line(more)).unwrap();
        assert_eq!(accepted.notes().iter().collect::<Vec<_>>(), [Note::NotAnId], "{more}");
    }
    assert!(accept_line(&line(r#","messageId":"null""#)).unwrap().notes().is_empty());
}

#[test]
fn memory_is_used_again_without_a_trace_of_what_was_there() {
    let acceptor = acceptor();
    let (mut scratch, mut out) = (acceptor.scratch(), Accepted::default());
    let rich = typed_line(
        "identify",
        r#","userId":"null","messageId":"m","properties":{"ip":"203.0.113.140","ip_hash":1},"context":{"traits":{"a":1}}"#,
    );
    let other_project = line("").replace(PROJECT, ORG);
    for lines in [[line(""), rich.clone()], [rich.clone(), line("")], [other_project, rich]] {
        for line in &lines {
            acceptor.accept_json_into(line.as_bytes(), NOW, &mut scratch, &mut out).unwrap();
            assert_eq!(out, accept_line(line).unwrap());
            assert!(acceptor.accept_json_into(b"{\"properties\":{", NOW, &mut scratch, &mut out).is_err());
        }
    }
}
