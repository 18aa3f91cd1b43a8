//! Rows for the fields outside the objects, and for the text itself.

use super::{Row, noted, refused, set, taken, with, without};

const TEXTS: [(&str, usize, bool); 5] = [
    ("module", 64, true),
    ("eventType", 128, true),
    ("userId", 256, false),
    ("anonymousId", 256, false),
    ("messageId", 128, false),
];

const NAMES: &str = "is no field of an envelope; there are orgId, projectId, module, eventType, timestamp, userId, anonymousId, properties, context and messageId";

pub(super) fn rows() -> Vec<Row> {
    let mut rows = text_itself();
    rows.extend(missing_and_mistyped());
    rows.extend(names());
    rows.extend(uuids());
    rows.extend(times());
    rows.extend(ids());
    rows.extend(remarks());
    rows
}

fn text_itself() -> Vec<Row> {
    let line = with(&[]);
    let end = line.len();
    let mut broken = line.clone().into_bytes();
    broken.push(0xff);
    let mut marked = b"\xef\xbb\xbf".to_vec();
    marked.extend_from_slice(line.as_bytes());
    vec![
        taken(line.clone()),
        taken(format!(" \t{line}\r\n")),
        refused("", "json: byte 0: expected a value"),
        refused("   ", "json: byte 3: expected a value"),
        refused("null", "envelope: must be a JSON object"),
        refused("true", "envelope: must be a JSON object"),
        refused("7", "envelope: must be a JSON object"),
        refused("\"text\"", "envelope: must be a JSON object"),
        refused("[]", "envelope: must be a JSON object"),
        refused(format!("[{line}]"), "envelope: must be a JSON object"),
        refused("NaN", "json: byte 0: expected a value"),
        refused("{", "json: byte 1: expected a key in quotes"),
        refused("{}", "orgId: is required"),
        refused("{\"orgId\"}", "json: byte 8: expected a colon"),
        refused("{\"orgId\":}", "json: byte 9: expected a value"),
        refused("{\"orgId\":\"a", "json: byte 11: the string does not end"),
        refused("{'orgId':1}", "json: byte 1: expected a key in quotes"),
        refused("{orgId:1}", "json: byte 1: expected a key in quotes"),
        refused("{\"seq\":1,}", "json: byte 9: expected a key in quotes"),
        refused("{\"seq\":1 \"a\":2}", "json: byte 9: expected a comma or a closing brace"),
        refused("{\"seq\":01}", "json: byte 7: a number must not begin with a zero"),
        refused("{\"seq\":+1}", "json: byte 7: expected a value"),
        refused("{\"seq\":NaN}", "json: byte 7: expected a value"),
        refused("// note\n{}", "json: byte 0: expected a value"),
        refused(format!("{line}{line}"), format!("json: byte {end}: expected the end of the text")),
        refused(format!("{line},"), format!("json: byte {end}: expected the end of the text")),
        refused(
            line[..end - 1].to_owned(),
            format!("json: byte {}: expected a comma or a closing brace", end - 1),
        ),
        refused(broken, format!("json: byte {end}: is not UTF-8")),
        refused(marked, "json: byte 0: expected a value"),
        refused(format!("\0{line}"), "json: byte 0: expected a value"),
    ]
}

fn missing_and_mistyped() -> Vec<Row> {
    let mut rows = Vec::new();
    let wrong = ["7", "1.5", "true", "[]", "{}"];
    for name in ["orgId", "projectId", "module", "eventType", "timestamp"] {
        rows.push(refused(without(name), format!("{name}: is required")));
        rows.push(refused(set(name, "null"), format!("{name}: is required")));
        rows.extend(wrong.map(|value| refused(set(name, value), format!("{name}: must be a string"))));
    }
    for name in ["userId", "anonymousId", "messageId"] {
        rows.push(taken(set(name, "null")));
        rows.extend(wrong.map(|value| refused(set(name, value), format!("{name}: must be a string"))));
    }
    for name in ["properties", "context"] {
        rows.push(taken(set(name, "null")));
        rows.push(taken(set(name, "{}")));
        let wrong = ["7", "true", "\"text\"", "\"{}\"", "[]", "[{}]"];
        rows.extend(wrong.map(|value| refused(set(name, value), format!("{name}: must be an object"))));
    }
    rows
}

fn names() -> Vec<Row> {
    let mut rows = Vec::new();
    for name in ["org_id", "userid", "UserId", "event", "ip", "", " userId", "version"] {
        rows.push(refused(set(name, "1"), format!("{name}: {NAMES}")));
    }
    rows.push(refused(set(&"n".repeat(65), "1"), format!("{}: {NAMES}", "n".repeat(64))));
    rows.push(refused(set("a\\u001bb", "1"), format!("a\u{fffd}b: {NAMES}")));
    let line =
        with(&[("userId", "\"u\""), ("anonymousId", "\"a\""), ("messageId", "\"m\""), ("properties", "{}")]);
    let line =
        line.replace("\"properties\":{}", "\"properties\":{},\"context\":{},\"seq\":1,\"receivedAt\":\"x\"");
    let fields = [
        ("orgId", "\"00000001-0000-4000-8000-000000000001\""),
        ("projectId", "\"00000002-0000-4000-8000-000000000002\""),
        ("module", "\"billing\""),
        ("eventType", "\"order.placed\""),
        ("timestamp", "\"2024-05-31T10:00:00Z\""),
        ("userId", "\"u\""),
        ("anonymousId", "\"a\""),
        ("messageId", "\"m\""),
        ("properties", "{}"),
        ("context", "{}"),
        ("seq", "1"),
        ("receivedAt", "\"x\""),
    ];
    for (name, value) in fields {
        let twice = line.replacen('{', &format!("{{\"{name}\":{value},"), 1);
        rows.push(refused(twice, format!("{name}: occurs twice")));
    }
    rows.push(refused(set("userId", "null,\"userId\":\"u\""), "userId: occurs twice"));
    rows.push(refused(set("userId", "\"u\",\"user\\u0049d\":\"u\""), "userId: occurs twice"));
    rows.push(taken(line));
    rows.push(taken(with(&[("seq", "null"), ("receivedAt", "{\"any\":[1,2]}")])));
    rows
}

fn uuids() -> Vec<Row> {
    let mut rows = Vec::new();
    for name in ["orgId", "projectId"] {
        for text in [
            "",
            "1",
            "00000001-0000-4000-8000-00000000000",
            "00000001-0000-4000-8000-0000000000011",
            "0000000100004000800000000000000g",
            "00000001-0000-4000-8000-00000000000g",
            "000000010-000-4000-8000-000000000001",
            "{00000001-0000-4000-8000-000000000001}",
            "urn:uuid:00000001-0000-4000-8000-000000000001",
            " 00000001-0000-4000-8000-000000000001",
        ] {
            let error = format!("{name}: is not a UUID; write 32 hex digits, with or without hyphens");
            rows.push(refused(set(name, &format!("\"{text}\"")), error));
        }
    }
    rows.push(taken(set("orgId", "\"00000001000040008000000000000001\"")));
    rows.push(taken(set("projectId", "\"00000002000040008000000000000002\"")));
    rows.push(taken(set("orgId", "\"\\u00300000001-0000-4000-8000-000000000001\"")));
    rows.push(refused(
        set("orgId", "\"00000009-0000-4000-8000-000000000001\""),
        "orgId: the project belongs to another organisation",
    ));
    rows
}

fn times() -> Vec<Row> {
    const MALFORMED: &str = "timestamp: is not a date and time; write RFC 3339, such as 2024-03-13T10:21:14Z";
    const NO_OFFSET: &str = "timestamp: has no offset; write Z or +hh:mm";
    const NO_SUCH: &str = "timestamp: names a date or time that does not exist";
    const RANGE: &str = "timestamp: is outside the years 1970 to 2261";
    const AHEAD: &str = "timestamp: is more than 24 h ahead of the store's clock";
    let rows = [
        ("", MALFORMED),
        ("2024", MALFORMED),
        ("2024-05-31", MALFORMED),
        ("1717200000", MALFORMED),
        ("31.05.2024 10:00:00", MALFORMED),
        ("2024-05-31T10:00Z", MALFORMED),
        ("2024-5-31T10:00:00Z", MALFORMED),
        ("2024-05-31T10:00:00.Z", MALFORMED),
        ("2024-05-31T10:00:00,5Z", MALFORMED),
        ("2024-05-31T10:00:00ZZ", MALFORMED),
        ("2024-05-31T10:00:00 Z", MALFORMED),
        ("2024-05-31T10:00:00+0200", MALFORMED),
        ("2024-05-31T10:00:00+02", MALFORMED),
        ("2024-05-31T10:00:00UTC", MALFORMED),
        ("+2024-05-31T10:00:00Z", MALFORMED),
        (" 2024-05-31T10:00:00Z", MALFORMED),
        ("2024-05-31T10:00:00", NO_OFFSET),
        ("2024-05-31T10:00:00.123", NO_OFFSET),
        ("2024-00-31T10:00:00Z", NO_SUCH),
        ("2024-13-01T10:00:00Z", NO_SUCH),
        ("2024-05-00T10:00:00Z", NO_SUCH),
        ("2024-05-32T10:00:00Z", NO_SUCH),
        ("2024-04-31T10:00:00Z", NO_SUCH),
        ("2023-02-29T10:00:00Z", NO_SUCH),
        ("2100-02-29T10:00:00Z", NO_SUCH),
        ("2024-05-31T24:00:00Z", NO_SUCH),
        ("2024-05-31T10:60:00Z", NO_SUCH),
        ("2024-05-31T10:00:61Z", NO_SUCH),
        ("2024-05-31T10:00:60Z", NO_SUCH),
        ("2024-05-31T10:00:00+24:00", NO_SUCH),
        ("2024-05-31T10:00:00+00:60", NO_SUCH),
        ("1969-12-31T23:59:59.999999999Z", RANGE),
        ("1970-01-01T00:00:00+00:01", RANGE),
        ("0000-01-01T00:00:00Z", RANGE),
        ("2262-01-01T00:00:00Z", RANGE),
        ("9999-12-31T23:59:59Z", RANGE),
        ("2024-06-02T00:00:00.000000001Z", AHEAD),
        ("2024-06-02T02:00:01+02:00", AHEAD),
        ("2261-12-31T23:59:59Z", AHEAD),
    ];
    let mut rows: Vec<Row> =
        rows.map(|(text, error)| refused(set("timestamp", &format!("\"{text}\"")), error)).into();
    for text in [
        "1970-01-01T00:00:00Z",
        "1969-12-31T23:59:59-00:01",
        "2024-06-02T00:00:00Z",
        "2024-06-02T02:00:00+02:00",
        "2024-02-29T10:00:00Z",
        "2024-05-31t10:00:00z",
        "2024-05-31 10:00:00Z",
        "2024-05-31T10:00:00.123456789123Z",
        "2024-05-31T10:00:00-00:00",
        "2016-12-31T23:59:60Z",
    ] {
        rows.push(taken(set("timestamp", &format!("\"{text}\""))));
    }
    rows
}

fn ids() -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, bytes_max, is_required) in TEXTS {
        let quoted = |text: &str| set(name, &format!("\"{text}\""));
        for blank in ["", "   ", "\\t\\n", "\\u00a0\\u2003"] {
            rows.push(refused(quoted(blank), format!("{name}: must not be blank")));
        }
        for control in ["a\\u0000", "a\\nb", "\\u007fa", "a\\u0085b", "\\u001b[0m"] {
            rows.push(refused(quoted(control), format!("{name}: must not contain control characters")));
        }
        let over = format!("{name}: is longer than {bytes_max} bytes");
        rows.push(refused(quoted(&format!("e.{}", "x".repeat(bytes_max - 1))), over.clone()));
        // The limit counts bytes and not characters.
        rows.push(refused(quoted(&"\u{e9}".repeat(bytes_max / 2 + 1)), over));
        let at = line_at(&quoted(""), name);
        rows.push(refused(quoted("\\ud800"), format!("json: byte {at}: lone surrogate")));
        rows.push(refused(quoted("\\udc00\\ud800"), format!("json: byte {at}: lone surrogate")));
        rows.push(refused(
            quoted("\u{1}"),
            format!("json: byte {at}: a control character in a string must be escaped"),
        ));
        let full = quoted(&format!("e.{}", "x".repeat(bytes_max - 2)));
        let wide = quoted(&"\u{e9}".repeat(bytes_max / 2));
        rows.push(taken(full));
        rows.push(if name == "eventType" { noted(wide, "{OddEventType}") } else { taken(wide) });
        if !is_required {
            rows.push(taken(quoted(" a b ")));
        }
    }
    rows
}

/// Where the text of a field begins in a line in which it is empty.
fn line_at(line: &str, name: &str) -> usize {
    let key = format!("\"{name}\":\"");
    line.find(&key).unwrap() + key.len()
}

fn remarks() -> Vec<Row> {
    let mut rows = Vec::new();
    for name in ["order", "Order.Placed", "order placed", "order..placed", "order.", "1order.placed", "track"]
    {
        rows.push(noted(set("eventType", &format!("\"{name}\"")), "{OddEventType}"));
    }
    for id in [
        "null",
        "Guest",
        "undefined",
        "0",
        "-1",
        "[object Object]",
        "\\\"null\\\"",
        "00000000-0000-0000-0000-000000000000",
    ] {
        rows.push(noted(set("userId", &format!("\"{id}\"")), "{NotAnId}"));
        rows.push(noted(set("anonymousId", &format!("\"{id}\"")), "{NotAnId}"));
    }
    rows
}
