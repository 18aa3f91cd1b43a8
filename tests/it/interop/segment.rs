//! What becomes of each call, rule by rule.

use envelog::interop::segment::Segment;
use envelog::{DateTime, Envelope, Error, PersonRef, Result, Store, Utc};

use super::{ORG, PROJECT};

const TIME: &str = "\"timestamp\":\"2024-03-13T10:21:14Z\"";

fn try_read(call: &str) -> Result<Envelope> {
    Segment::new(ORG, PROJECT).read(call.as_bytes(), None)
}

/// Reads a call of a type at [`TIME`], with more fields.
fn try_call(kind: &str, more: &str) -> Result<Envelope> {
    try_read(&format!("{{\"type\":\"{kind}\",{TIME}{}{more}}}", if more.is_empty() { "" } else { "," }))
}

fn call(kind: &str, more: &str) -> Envelope {
    try_call(kind, more).unwrap_or_else(|error| panic!("{kind} {more}: {error}"))
}

fn properties(envelope: &Envelope) -> String {
    envelope.properties.as_ref().map_or_else(String::new, ToString::to_string)
}

fn context(envelope: &Envelope) -> String {
    envelope.context.as_ref().map_or_else(String::new, ToString::to_string)
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

#[test]
fn types_are_read_in_any_letter_case() {
    for (kind, event_type, module) in [
        ("track\",\"event\":\"Order Placed", "Order Placed", "analytics"),
        ("TRACK\",\"event\":\"identify", "identify", "analytics"),
        ("Page", "page.viewed", "analytics"),
        ("sCreen", "screen.viewed", "analytics"),
        ("group", "group.identified", "analytics"),
        ("Identify", "identify", "profiles"),
        ("ALIAS\",\"userId\":\"u\",\"previousId\":\"p", "identity.aliased", "profiles"),
    ] {
        let envelope = call(kind, "");
        assert_eq!((envelope.event_type.as_str(), envelope.module.as_str()), (event_type, module), "{kind}");
        assert_eq!((envelope.org_id, envelope.project_id), (ORG, PROJECT));
        assert_eq!(envelope.timestamp, Some(at("2024-03-13T10:21:14Z")));
    }
}

#[test]
fn what_cannot_be_read_is_refused_by_name_and_without_its_value() {
    let kinds = "type: must be track, identify, page, screen, group or alias";
    for (call, wanted) in [
        ("", "json: byte 0: expected a value"),
        ("[]", "call: must be a JSON object"),
        ("{}", "type: is required"),
        (r#"{"type":null}"#, "type: is required"),
        (r#"{"type":7}"#, "type: must be a string"),
        (r#"{"type":"203.0.113.7"}"#, kinds),
        (r#"{"type":" page"}"#, kinds),
        (r#"{"type":"page","type":"page"}"#, "type: key occurs twice"),
        (r#"{"context":{"page":{"a":1,"a":2}}}"#, "context.page.a: key occurs twice"),
        (r#"{"type":"batch"}"#, "batch: stands where one call belongs; read it with read_all"),
        (r#"{"batch":[]}"#, "batch: stands where one call belongs; read it with read_all"),
    ] {
        assert_eq!(try_read(call).unwrap_err().to_string(), wanted, "{call}");
    }
    for (kind, more, wanted) in [
        ("track", "", "event: is required by track"),
        ("track", "\"event\":null", "event: is required by track"),
        ("track", "\"event\":7", "event: must be a string"),
        ("track", "\"event\":\" \"", "event: must not be blank"),
        ("page", "\"userId\":true", "userId: must be a string or a number"),
        ("page", "\"anonymousId\":[]", "anonymousId: must be a string or a number"),
        ("page", "\"messageId\":{}", "messageId: must be a string or a number"),
        ("group", "\"groupId\":false", "groupId: must be a string or a number"),
        ("page", "\"properties\":[]", "properties: must be an object"),
        ("page", "\"context\":\"{}\"", "context: must be an object"),
        ("page", "\"traits\":[]", "traits: must be an object"),
        ("group", "\"traits\":7", "traits: must be an object"),
        ("identify", "\"traits\":{},\"context\":{\"traits\":[]}", "context.traits: must be an object"),
        ("alias", "\"previousId\":\"p\"", "userId: is required by alias"),
        ("alias", "\"userId\":\"\",\"previousId\":\"p\"", "userId: is required by alias"),
        ("alias", "\"userId\":\"u\",\"previousId\":[]", "previousId: must be a string or a number"),
        ("alias", "\"userId\":\"u\"", "previousId: is required by alias without an anonymousId"),
    ] {
        assert_eq!(try_call(kind, more).unwrap_err().to_string(), wanted, "{kind} {more}");
    }
}

#[test]
fn numeric_ids_become_decimal_text_and_empty_ones_are_absent() {
    for (json, wanted) in [
        ("null", None),
        ("\"\"", None),
        ("\"u 1\"", Some("u 1")),
        ("0", Some("0")),
        ("123", Some("123")),
        ("123.0", Some("123")),
        ("1e3", Some("1000")),
        ("-7", Some("-7")),
        ("1.50", Some("1.5")),
        ("12345678901234567890123", Some("12345678901234567890123")),
        ("1e25", Some("10000000000000000000000000")),
        ("-123456789012345678901234567890000000", Some("-123456789012345678901234567890000000")),
    ] {
        let more =
            format!("\"userId\":{json},\"anonymousId\":{json},\"messageId\":{json},\"groupId\":{json}");
        let envelope = call("group", &more);
        let ids = [&envelope.user_id, &envelope.anonymous_id, &envelope.message_id];
        assert_eq!(ids.map(|id| id.as_deref()), [wanted; 3], "{json}");
        let group = envelope.properties.as_ref().and_then(|object| object.get("groupId"));
        assert_eq!(group.and_then(|id| id.as_str()), wanted, "{json}");
    }
}

#[test]
fn traits_of_the_call_win_by_key() {
    let more = r#""traits":{"plan":"pro","name":null},"context":{"traits":{"plan":"free","age":1,"name":"A"},"ip":"::1"}"#;
    for kind in ["identify", "page", "screen", "track\",\"event\":\"e"] {
        let wanted = r#"{"ip":"::1","traits":{"age":1,"name":null,"plan":"pro"}}"#;
        assert_eq!(context(&call(kind, more)), wanted, "{kind}");
    }
    assert_eq!(context(&call("identify", r#""traits":{"a":1}"#)), r#"{"traits":{"a":1}}"#);
    assert_eq!(context(&call("identify", r#""traits":{},"context":{"traits":null}"#)), r#"{"traits":{}}"#);
    assert_eq!(context(&call("identify", r#""context":{"traits":{"a":1}}"#)), r#"{"traits":{"a":1}}"#);
}

#[test]
fn traits_of_a_group_are_no_persons() {
    let more = r#""groupId":"g","traits":{"plan":"pro"},"context":{"traits":{"age":1}},"properties":{"groupId":"x","a":1}"#;
    let envelope = call("group", more);
    assert_eq!(properties(&envelope), r#"{"a":1,"groupId":"g","traits":{"plan":"pro"}}"#);
    let wanted = r#"{"segment":{"properties":{"groupId":"x"}},"traits":{"age":1}}"#;
    assert_eq!(context(&envelope), wanted);
}

#[test]
fn names_of_pages_and_screens_are_properties() {
    for kind in ["page", "screen"] {
        let envelope = call(kind, r#""name":"Home","category":"Docs","event":"x""#);
        assert_eq!(properties(&envelope), r#"{"category":"Docs","name":"Home"}"#);
        assert_eq!(context(&envelope), r#"{"segment":{"event":"x"}}"#);
        let envelope = call(kind, r#""name":"Home","category":"Docs","properties":{"name":"Start"}"#);
        assert_eq!(properties(&envelope), r#"{"category":"Docs","name":"Start"}"#);
        assert_eq!(context(&envelope), r#"{"segment":{"name":"Home"}}"#);
    }
    let envelope = call("track", r#""event":"e","name":"Home""#);
    assert_eq!(
        (properties(&envelope), context(&envelope)),
        (String::new(), r#"{"segment":{"name":"Home"}}"#.into())
    );
}

#[test]
fn an_alias_takes_in_a_device_or_a_user() {
    for (more, from) in [
        (r#""previousId":"p""#, r#"{"id":"p","kind":"user"}"#),
        (r#""previousId":7,"anonymousId":"d""#, r#"{"id":"7","kind":"user"}"#),
        (r#""previousId":"d","anonymousId":"d""#, r#"{"id":"d","kind":"anonymous"}"#),
        (r#""previousId":7,"anonymousId":"7""#, r#"{"id":"7","kind":"anonymous"}"#),
        (r#""previousId":"","anonymousId":"d""#, r#"{"id":"d","kind":"anonymous"}"#),
        (r#""anonymousId":"d""#, r#"{"id":"d","kind":"anonymous"}"#),
    ] {
        let envelope = call("alias", &format!("\"userId\":\"u\",{more}"));
        assert_eq!(properties(&envelope), format!("{{\"from\":{from}}}"), "{more}");
        assert_eq!(context(&envelope), "");
        Store::in_memory().unwrap().append(envelope).unwrap();
    }
    let envelope = call("alias", r#""userId":"u","previousId":"p","properties":{"from":"mail"}"#);
    assert_eq!(properties(&envelope), r#"{"from":{"id":"p","kind":"user"}}"#);
    assert_eq!(context(&envelope), r#"{"segment":{"properties":{"from":"mail"}}}"#);
}

#[test]
fn everything_else_is_kept() {
    let more = r#""channel":"web","request_ip":"203.0.113.7","integrations":{"All":true},"message_id":null,
        "context":{"segment":{"old":1},"locale":"pt"}"#;
    let wanted = r#"{"locale":"pt","segment":{"channel":"web","context":{"segment":{"old":1}},"integrations":{"All":true},"message_id":null,"request_ip":"203.0.113.7"}}"#;
    assert_eq!(context(&call("page", more)), wanted);
    assert_eq!(context(&call("page", r#""context":{"segment":{"old":1}}"#)), r#"{"segment":{"old":1}}"#);
    assert_eq!(context(&call("page", r#""context":{}"#)), "{}");
    assert_eq!(context(&call("page", "")), "");
}

#[test]
fn the_address_of_a_request_is_hashed_and_never_shown() {
    let more = r#""request_ip":"203.0.113.7","anonymousId":"d","context":{"ip":"198.51.100.9"}"#;
    let envelope = call("page", more);
    let shown =
        format!("{envelope:?} {:?} {:?}", envelope.context, try_call("203.0.113.7", more).unwrap_err());
    assert!(!shown.contains("203.0") && !shown.contains("198.51"), "{shown}");
    let store = Store::in_memory().unwrap();
    store.append(&envelope).unwrap();
    let event = store.project(PROJECT).timeline(PersonRef::Anonymous("d"), 1).unwrap().remove(0);
    let segment = event.context().unwrap().get("segment").unwrap();
    assert!(segment.get("request_ipHash").unwrap().as_str().unwrap().starts_with("iph1:"));
    assert_eq!(segment.get("request_ip"), None);
}

/// The time of a page call with these fields, and its context.
fn timed(fields: &str, received_at: Option<&str>) -> Result<(DateTime<Utc>, String)> {
    let json = format!("{{\"type\":\"page\"{fields}}}");
    let envelope = Segment::new(ORG, PROJECT).read(json.as_bytes(), received_at.map(at))?;
    Ok((envelope.timestamp.unwrap(), context(&envelope)))
}

#[test]
fn a_retry_is_told_whatever_its_time_of_sending_is() {
    let store = Store::in_memory().unwrap();
    let original = r#","originalTimestamp":"2024-01-01T00:00:00Z""#;
    let sent = |second: u32| {
        format!(
            r#","sentAt":"2024-01-01T00:00:{second:02}Z","receivedAt":"2024-01-01T00:00:{second:02}.{second:03}Z""#
        )
    };
    let append = |message_id: &str, fields: &str| {
        let json = format!(r#"{{"type":"page","userId":"u","messageId":"{message_id}"{fields}}}"#);
        store.append(Segment::new(ORG, PROJECT).read(json.as_bytes(), None).unwrap())
    };
    for (message_id, own) in [("corrected", original), ("sent", "")] {
        let first = append(message_id, &[own, &sent(1)].concat()).unwrap();
        let again = append(message_id, &[own, &sent(9)].concat()).unwrap();
        assert_eq!(again.position, first.position, "{message_id}");
        assert!(again.notes.contains(envelog::Note::Duplicate), "{message_id}");
    }
    // The producer's own time is part of what it says.
    append("own", original).unwrap();
    let other = append("own", &original.replace("2024", "2023"));
    assert!(matches!(other, Err(envelog::Error::IdConflict { .. })), "{other:?}");
    assert_eq!(store.stats().unwrap().events, 3);
}

#[test]
fn the_clock_of_the_device_is_corrected_where_all_three_times_are_there() {
    let original = r#","originalTimestamp":"2019-10-14T09:03:17.562Z""#;
    let sent = r#","sentAt":"2019-10-14T11:03:22.563+02:00""#;
    let received = r#","receivedAt":"2024-01-01T00:00:10.000000001Z""#;
    let stamp = r#","timestamp":"2020-01-01T00:00:00Z""#;
    for (fields, wanted) in [
        ([original, sent, received, stamp].concat(), "2024-01-01T00:00:04.999000001Z"),
        ([original, sent, received].concat(), "2024-01-01T00:00:04.999000001Z"),
        ([original, sent, stamp].concat(), "2020-01-01T00:00:00Z"),
        ([original, received].concat(), "2019-10-14T09:03:17.562Z"),
        ([sent, received].concat(), "2019-10-14T09:03:22.563Z"),
        (received.to_owned(), "2024-01-01T00:00:10.000000001Z"),
    ] {
        assert_eq!(timed(&fields, None).unwrap(), (at(wanted), String::new()), "{fields}");
    }
    // Never sent before it happened: the difference may have either sign.
    let early =
        [r#","originalTimestamp":"2019-01-01T00:00:10Z","sentAt":"2019-01-01T00:00:00Z""#, received].concat();
    assert_eq!(timed(&early, None).unwrap().0, at("2024-01-01T00:00:20.000000001Z"));
    let far = r#","originalTimestamp":"1970-01-01T00:00:00Z","sentAt":"2261-01-01T00:00:00Z","receivedAt":"2024-01-01T00:00:00Z""#;
    let error = timed(far, None).unwrap_err().to_string();
    assert!(error.starts_with("timestamp: would be receivedAt - "), "{error}");
}

#[test]
fn a_time_that_does_not_count_is_kept_and_the_next_is_taken() {
    let sent = r#","sentAt":"2024-01-01T00:00:00Z""#;
    for (name, value) in [
        ("timestamp", "\"2020-01-15 14:57:24.898\""),
        ("timestamp", "\"0001-01-01T00:00:00Z\""),
        ("originalTimestamp", "1717149600000"),
        ("receivedAt", "\"yesterday\""),
    ] {
        let (time, context) = timed(&format!("{sent},\"{name}\":{value}"), None).unwrap();
        assert_eq!(time, at("2024-01-01T00:00:00Z"));
        assert_eq!(context, format!("{{\"segment\":{{\"{name}\":{value}}}}}"));
    }
    for (fields, wanted) in [
        (
            "",
            "timestamp: is required, but the call has none of timestamp, originalTimestamp, sentAt and receivedAt",
        ),
        (r#","timestamp":null"#, "timestamp: is required, but"),
        (r#","sentAt":"2020-01-15 14:57:24.898""#, "sentAt: has no offset; write Z or +hh:mm"),
        (r#","sentAt":7,"timestamp":"x""#, "timestamp: is not a date and time"),
        (r#","receivedAt":7"#, "receivedAt: must be a string"),
    ] {
        let error = timed(fields, None).unwrap_err().to_string();
        assert!(error.starts_with(wanted), "{fields}: {error}");
    }
}

#[test]
fn the_hosts_time_of_receipt_counts_where_the_call_has_none() {
    let host = Some("2024-01-01T00:00:10Z");
    let sent = r#","originalTimestamp":"2019-01-01T00:00:00Z","sentAt":"2019-01-01T00:00:04Z""#;
    assert_eq!(timed(sent, host).unwrap().0, at("2024-01-01T00:00:06Z"));
    assert_eq!(timed("", host).unwrap().0, at("2024-01-01T00:00:10Z"));
    let own = [sent, r#","receivedAt":"2023-01-01T00:00:10Z""#].concat();
    assert_eq!(timed(&own, host).unwrap().0, at("2023-01-01T00:00:06Z"));
    let error = timed("", Some("1969-01-01T00:00:00Z")).unwrap_err();
    assert!(matches!(error, Error::Invalid { field, .. } if field == "receivedAt"));
}

fn all(json: &str) -> Vec<std::result::Result<Envelope, String>> {
    let calls = Segment::new(ORG, PROJECT).module("site").read_all(json.as_bytes(), None).unwrap();
    let count = calls.len();
    let read: Vec<_> = calls.map(|call| call.map_err(|error| error.to_string())).collect();
    assert_eq!(read.len(), count);
    read
}

#[test]
fn a_batch_shares_what_stands_beside_it() {
    let read = all(r#"{"type":"Batch","writeKey":"k","messageId":"b","sentAt":"2024-01-01T00:00:00Z",
            "context":{"ip":"203.0.113.7","locale":"pt"},"integrations":{"All":true},"batch":[
            {"type":"page","messageId":"m","sentAt":null,"context":{"locale":"de"},"integrations":{"All":false,"A":1}},
            {"type":"page","sentAt":"2023-01-01T00:00:00Z","writeKey":"own","context":null},
            {"type":"track"}, 7, {"type":"page","context":7}]}"#);
    let first = read[0].as_ref().unwrap();
    assert_eq!((first.timestamp, first.module.as_str()), (Some(at("2024-01-01T00:00:00Z")), "site"));
    assert_eq!(first.message_id.as_deref(), Some("m"));
    let wanted = r#"{"ip":"203.0.113.7","locale":"de","segment":{"integrations":{"A":1,"All":false},"messageId":"b","writeKey":"k"}}"#;
    assert_eq!(context(first), wanted);
    let second = read[1].as_ref().unwrap();
    assert_eq!((second.timestamp, &second.message_id), (Some(at("2023-01-01T00:00:00Z")), &None));
    let wanted = r#"{"ip":"203.0.113.7","locale":"pt","segment":{"integrations":{"All":true},"messageId":"b","writeKey":"own"}}"#;
    assert_eq!(context(second), wanted);
    let reasons: Vec<_> = read[2..].iter().map(|call| call.as_ref().unwrap_err().as_str()).collect();
    assert_eq!(
        reasons,
        ["event: is required by track", "call: must be a JSON object", "context: must be an object"]
    );
}

#[test]
fn the_hosts_time_of_receipt_counts_for_each_call_of_a_batch_that_has_none() {
    let json = br#"{"writeKey":"k","batch":[{"type":"page"},
        {"type":"page","receivedAt":"2023-01-01T00:00:00Z"},
        {"type":"page","originalTimestamp":"2019-01-01T00:00:00Z","sentAt":"2019-01-01T00:00:04Z"}]}"#;
    let received_at = at("2024-01-01T00:00:10Z");
    let calls = Segment::new(ORG, PROJECT).read_all(json, Some(received_at)).unwrap();
    let calls: Vec<Envelope> = calls.map(Result::unwrap).collect();
    let times: Vec<_> = calls.iter().map(|call| call.timestamp.unwrap()).collect();
    assert_eq!(times, [received_at, at("2023-01-01T00:00:00Z"), at("2024-01-01T00:00:06Z")]);
    assert!(calls.iter().all(|call| context(call) == r#"{"segment":{"writeKey":"k"}}"#));
    let calls = Segment::new(ORG, PROJECT).read_all(json, None).unwrap();
    assert_eq!(calls.filter(Result::is_err).count(), 1, "one has no time then");
}

#[test]
fn a_single_call_is_read_as_a_batch_of_one() {
    let read = all(&format!("{{\"type\":\"page\",{TIME},\"batch\":[1]}}"));
    assert_eq!(context(read[0].as_ref().unwrap()), r#"{"segment":{"batch":[1]}}"#);
    assert_eq!((read.len(), all(r#"{"batch":[]}"#).len()), (1, 0));
    for (json, wanted) in [
        ("[]", "call: must be a JSON object"),
        (r#"{"type":"batch"}"#, "batch: must be a list"),
        (r#"{"batch":{}}"#, "batch: must be a list"),
        (r#"{"batch":[],"context":[]}"#, "context: must be an object"),
        (r#"{"batch":[{"a":1,"a":2}]}"#, "batch[0].a: key occurs twice"),
    ] {
        let error = Segment::new(ORG, PROJECT).read_all(json.as_bytes(), None).unwrap_err();
        assert_eq!(error.to_string(), wanted, "{json}");
    }
}

#[test]
fn a_call_says_nothing_of_itself_in_debug() {
    let calls = Segment::new(ORG, PROJECT).read_all(br#"{"batch":[{"userId":"u_1"}]}"#, None).unwrap();
    assert_eq!(format!("{calls:?}"), "Calls { left: 1, .. }");
}
