//! Rows for `properties` and `context`, and for the events that the store acts upon.

use super::{PLAIN, Row, context, noted, properties, refused, taken, with};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = values();
    rows.extend(numbers());
    rows.extend(limits());
    rows.extend(addresses());
    rows.extend(identify());
    rows.extend(identity());
    rows
}

/// Where the text of `properties` begins in a line that has it last.
fn properties_at() -> usize {
    with(&[("properties", "@")]).find('@').unwrap()
}

fn values() -> Vec<Row> {
    let at = properties_at();
    let json = |text: &str, offset: usize, reason: &str| {
        refused(properties(text), format!("json: byte {}: {reason}", at + offset))
    };
    vec![
        taken(properties(r#"{"a":null,"b":true,"c":[],"d":{},"e":"","":1}"#)),
        taken(properties(r#"{"e":"\ud83d\ude00 \u0000 \"\\\/\b\f\n\r\t"}"#)),
        refused(properties(r#"{"a":1,"a":2}"#), "properties.a: key occurs twice"),
        refused(properties(r#"{"a":1,"b":0,"\u0061":1}"#), "properties.a: key occurs twice"),
        refused(properties(r#"{"a":{"b":[0,{"c":1,"c":1}]}}"#), "properties.a.b[1].c: key occurs twice"),
        refused(context(r#"{"page":{"url":"a","url":"b"}}"#), "context.page.url: key occurs twice"),
        refused(context(r#"{"a b":{"":1,"":2}}"#), r#"context["a b"][""]: key occurs twice"#),
        json(r#"{"a":NaN}"#, 5, "expected a value"),
        json(r#"{"a":Infinity}"#, 5, "expected a value"),
        json(r#"{"a":-Infinity}"#, 5, "expected a digit"),
        json(r#"{"a":undefined}"#, 5, "expected a value"),
        json(r#"{"a":0x10}"#, 6, "expected a comma or a closing brace"),
        json(r#"{"a":.5}"#, 5, "expected a value"),
        json(r#"{"a":5.}"#, 5, "expected a digit after the point"),
        json(r#"{"a":1e}"#, 5, "expected a digit in the exponent"),
        json(r#"{"a":[1,]}"#, 8, "expected a value"),
        json(r#"{"a":1,}"#, 7, "expected a key in quotes"),
        json(r#"{"a":"\x41"}"#, 6, "unknown escape"),
        json(r#"{"a":"\u12"}"#, 6, "expected four hex digits"),
        json(r#"{"a":"\ud800"}"#, 6, "lone surrogate"),
        json(r#"{"\udfff":1}"#, 2, "lone surrogate"),
        json("{\"a\":\"\n\"}", 6, "a control character in a string must be escaped"),
        json("{\"a\":[}", 6, "expected a value"),
        json("{\"a\":[1}", 7, "expected a comma or a closing bracket"),
    ]
}

fn numbers() -> Vec<Row> {
    let zeros = format!("0.{}1", "0".repeat(32_767));
    let one_more = format!("0.{}1", "0".repeat(32_768));
    vec![
        taken(properties(
            r#"{"a":[0,-0,1.0,1e0,18446744073709551615,-9223372036854775808,1e308,5e-324,0.1]}"#,
        )),
        taken(properties(r#"{"a":340282366920938463463374607431768211456.000000000000000000001}"#)),
        taken(properties(r#"{"a":1.7976931348623157e308}"#)),
        taken(properties(&format!(r#"{{"a":{zeros}}}"#))),
        refused(
            properties(&format!(r#"{{"a":{one_more}}}"#)),
            "properties.a: has digits more than 32768 places after the point",
        ),
        refused(properties(r#"{"a":1e999}"#), "properties.a: is larger than the largest 64-bit float"),
        refused(
            properties(r#"{"a":[0,-1e309]}"#),
            "properties.a[1]: is larger than the largest 64-bit float",
        ),
        refused(
            properties(r#"{"a":1e-99999}"#),
            "properties.a: has digits more than 32768 places after the point",
        ),
        refused(
            context(r#"{"a":1e999999999999999999999}"#),
            "context.a: is larger than the largest 64-bit float",
        ),
        taken(properties(r#"{"a":0e999}"#)),
    ]
}

fn limits() -> Vec<Row> {
    const KEYS: &str = "has more than 1000 keys in properties and context together";
    let nested =
        |open: &str, close: &str, levels: usize| format!("{}1{}", open.repeat(levels), close.repeat(levels));
    let keys = |from: usize, to: usize| {
        let keys: Vec<String> = (from..to).map(|key| format!("\"k{key}\":1")).collect();
        format!("{{{}}}", keys.join(","))
    };
    let lists = |levels: usize| format!("{{\"a\":{}}}", nested("[", "]", levels - 1));
    let too_deep =
        |root: &str, step: &str| format!("{root}{}: is nested deeper than 32 levels", step.repeat(32));
    let key = |len: usize| format!("{{\"{}\":1}}", "k".repeat(len));
    let text = |len: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(len));
    let digits = |len: usize| format!("{{\"a\":0.{}}}", "7".repeat(len));
    let mut rows = Vec::new();
    for (root, line) in [("properties", properties as fn(&str) -> String), ("context", context)] {
        rows.push(taken(line(&nested("{\"a\":", "}", 32))));
        rows.push(refused(line(&nested("{\"a\":", "}", 33)), too_deep(root, ".a")));
        rows.push(taken(line(&lists(32))));
        let error = format!("{root}.a{}: is nested deeper than 32 levels", "[0]".repeat(31));
        rows.push(refused(line(&lists(33)), error));
        rows.push(taken(line(&keys(0, 1000))));
        rows.push(refused(line(&keys(0, 1001)), format!("{root}: {KEYS}")));
        rows.push(taken(line(&key(256))));
        rows.push(refused(line(&key(257)), format!("{root}: has a key longer than 256 bytes")));
        rows.push(refused(
            line(&format!("{{\"b\":[{}]}}", key(257))),
            format!("{root}.b[0]: has a key longer than 256 bytes"),
        ));
        rows.push(taken(line(&text(65_536))));
        rows.push(refused(line(&text(65_537)), format!("{root}.a: is longer than 65536 bytes")));
        rows.push(refused(
            line(&format!("{{\"a\":\"{}\"}}", "\u{e9}".repeat(32_769))),
            format!("{root}.a: is longer than 65536 bytes"),
        ));
    }
    rows.push(taken(properties(&digits(32_768))));
    rows.push(taken(with(&[("properties", &keys(0, 400)), ("context", &keys(0, 600))])));
    rows.push(refused(
        with(&[("properties", &keys(0, 400)), ("context", &keys(0, 601))]),
        format!("context: {KEYS}"),
    ));
    rows.push(refused(
        properties(&format!("{{\"a\":{}}}", nested("[", "]", 100_000))),
        format!("properties.a{}: is nested deeper than 32 levels", "[0]".repeat(31)),
    ));
    rows
}

fn addresses() -> Vec<Row> {
    // An object that comes before the project is held to the same rules.
    let early = |properties: &str| {
        let fields: Vec<String> = PLAIN.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{\"properties\":{properties},{}}}", fields.join(","))
    };
    let many = vec!["1"; 1_500].join(",");
    vec![
        taken(context(r#"{"ip":"203.0.113.9"}"#)),
        taken(context(r#"{"ip":null}"#)),
        taken(context(r#"{"ip":""}"#)),
        taken(context(r#"{"ip":[1,true,{"a":"b"}]}"#)),
        noted(context(r#"{"ip":"203.0.113.9","ipHash":"x"}"#), "{DuplicateAddressKey}"),
        noted(context(r#"{"ipHash":"x","ip":"203.0.113.9"}"#), "{DuplicateAddressKey}"),
        refused(context(r#"{"ip":"203.0.113.9","ip":"203.0.113.10"}"#), "context.ip: key occurs twice"),
        refused(context(r#"{"ip":1e999}"#), "context.ip: is larger than the largest 64-bit float"),
        refused(
            context(&format!(r#"{{"x-forwarded-for":"{many}"}}"#)),
            "context.x-forwarded-for: is longer than 65536 bytes once its addresses are hashed",
        ),
        taken(early(r#"{"ip":"203.0.113.9"}"#)),
        refused(early("7"), "properties: must be an object"),
        refused(early(r#"{"a":1,"a":1}"#), "properties.a: key occurs twice"),
        refused(early(r#"{"a":1e999}"#), "properties.a: is larger than the largest 64-bit float"),
    ]
}

fn identify() -> Vec<Row> {
    let identify = |user: &str, context: &str| {
        with(&[("eventType", "\"identify\""), ("userId", &format!("\"{user}\"")), ("context", context)])
    };
    let traits = |count: usize| {
        let traits: Vec<String> = (0..count).map(|number| format!("\"t{number}\":1")).collect();
        format!("{{{}}}", traits.join(","))
    };
    let halves = |once: usize| format!("{{\"traits\":{},\"traitsOnce\":{}}}", traits(256), traits(once));
    let mut rows = vec![
        taken(identify("i1", r#"{"traits":{"plan":"pro","old":null}}"#)),
        taken(identify("i2", "{}")),
        taken(identify("i3", r#"{"traits":null,"traitsOnce":null}"#)),
        taken(identify("i4", &format!("{{\"traits\":{}}}", traits(512)))),
        refused(
            identify("i5", &format!("{{\"traits\":{}}}", traits(513))),
            "context.traits: has more than 512 traits",
        ),
        taken(identify("i6", &halves(256))),
        refused(identify("i7", &halves(257)), "context.traits: has more than 512 traits"),
        noted(with(&[("eventType", "\"identify\"")]), "{NoIdentity}"),
        noted(identify("guest", r#"{"traits":{"a":1}}"#), "{NotAnId}"),
        taken(with(&[
            ("eventType", "\"identify\""),
            ("anonymousId", "\"d\""),
            ("context", r#"{"traits":{"a":1}}"#),
        ])),
        // Traits of other events are context like any other.
        taken(context(r#"{"traits":7}"#)),
    ];
    for value in ["7", "\"a\"", "[]", "true"] {
        rows.push(refused(
            identify("i8", &format!("{{\"traits\":{value}}}")),
            "context.traits: must be an object",
        ));
        rows.push(refused(
            identify("i9", &format!("{{\"traitsOnce\":{value}}}")),
            "context.traitsOnce: must be an object",
        ));
    }
    rows
}

fn identity() -> Vec<Row> {
    let act = |name: &str, properties: &str| {
        with(&[
            ("eventType", &format!("\"identity.{name}\"")),
            ("userId", "\"u1\""),
            ("properties", properties),
        ])
    };
    let mut rows = Vec::new();
    for name in ["anonymous_created", "signed_up", "aliased", "unlinked"] {
        let line = with(&[("eventType", &format!("\"identity.{name}\"")), ("anonymousId", "\"d\"")]);
        rows.push(refused(line, format!("userId: is required by identity.{name}")));
    }
    rows.push(taken(act("anonymous_created", "{}")));
    rows.push(taken(act("signed_up", "{}")));
    for (name, key) in [("aliased", "from"), ("unlinked", "member")] {
        let member = |member: &str| act(name, &format!("{{\"{key}\":{member}}}"));
        let field = |rest: &str, reason: &str| format!("properties.{key}{rest}: {reason}");
        rows.push(refused(act(name, "{}"), field("", &format!("is required by identity.{name}"))));
        for wrong in ["7", "\"u\"", "[]"] {
            rows.push(refused(member(wrong), field("", "must be an object")));
        }
        for wrong in
            ["{}", r#"{"kind":"device","id":"a"}"#, r#"{"kind":7,"id":"a"}"#, r#"{"kind":"User","id":"a"}"#]
        {
            rows.push(refused(member(wrong), field(".kind", "must be user or anonymous")));
        }
        for wrong in [r#"{"kind":"user"}"#, r#"{"kind":"user","id":7}"#, r#"{"kind":"user","id":null}"#] {
            rows.push(refused(member(wrong), field(".id", "must be a string")));
        }
        rows.push(refused(member(r#"{"kind":"user","id":" "}"#), field(".id", "must not be blank")));
        rows.push(refused(
            member(r#"{"kind":"anonymous","id":"a\u0000"}"#),
            field(".id", "must not contain control characters"),
        ));
        let long = |len: usize| member(&format!(r#"{{"kind":"anonymous","id":"{}"}}"#, "a".repeat(len)));
        rows.push(refused(long(257), field(".id", "is longer than 256 bytes")));
        rows.push(taken(long(256)));
        rows.push(noted(member(r#"{"kind":"anonymous","id":"null"}"#), "{NotAnId}"));
    }
    rows
}
