//! `import --format segment` and `--format cloudevents`: lines that are no envelopes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::Path;

use serde_json::{Value, json};

use super::import::gzip;
use super::{Answer, ORG, OTHER, Place, SHOP, fingerprint, read_lines, small_shop};
use crate::real_input::reference;

const SEGMENT: &[&str] = &["--format", "segment", "--org", ORG, "--project", SHOP];

fn import(place: &Place, file: &str, rest: &[&str]) -> Answer {
    place.run(&[&["import", file][..], SEGMENT, rest].concat())
}

fn call(rest: &str) -> String {
    format!(r#"{{"type":"track","event":"order.placed","timestamp":"2024-03-01T00:00:00Z",{rest}}}"#)
}

#[test]
fn calls_become_events_of_the_project_that_is_named() {
    let place = Place::new();
    let lines = [
        call(r#""userId":7,"properties":{"amount":5}"#),
        String::new(),
        r#"{"type":"IDENTIFY","userId":"7","traits":{"plan":"pro"},"sentAt":"2024-03-02T00:00:00Z"}"#
            .to_owned(),
        r#"{"type":"page","userId":"7"}"#.to_owned(),
        call("").replace("\"order.placed\"", "7").replace(",}", "}"),
    ];
    place.write("in", lines.join("\n"));
    let summary = import(&place, "in", &[]).success().line();
    let counts = ["lines", "stored", "rejected", "blank"].map(|name| summary[name].as_u64().unwrap());
    assert_eq!(counts, [5, 2, 2, 1], "{summary}");
    let rejects = read_lines(place.path("in.rejects.ndjson"));
    assert_eq!((&rejects[0]["line"], &rejects[0]["field"]), (&json!(4), &json!("timestamp")));
    assert_eq!((&rejects[1]["line"], rejects[1].get("call")), (&json!(5), None), "{rejects:?}");
    let events = place.run(&["events"]).success().lines();
    assert_eq!((&events[0]["orgId"], &events[0]["userId"]), (&json!(ORG), &json!("7")));
    assert_eq!(place.run(&["profile", "7"]).success().line()["traits"], json!({"plan": "pro"}));

    // With a time of receipt no call is without a time.
    let again = import(&place, "in", &["--received-at", "2024-03-05"]).success().line();
    assert_eq!((&again["stored"], &again["rejected"]), (&json!(3), &json!(1)));
    let page = place.run(&["events", "--type", "page.viewed"]).success().line();
    assert_eq!(page["timestamp"], "2024-03-05T00:00:00Z");
}

#[test]
fn what_is_nested_too_deep_is_refused_with_the_limit_of_envelopes_and_a_short_path() {
    let place = Place::new();
    let nested = |levels: usize| {
        let inside = format!("{}1{}", "{\"abcdefgh\":".repeat(levels), "}".repeat(levels));
        call(&format!("\"userId\":\"u\",\"properties\":{inside}"))
    };
    place.write("calls", [32, 33, 127, 128, 300].map(nested).join("\n"));
    let summary = import(&place, "calls", &[]).success().line();
    assert_eq!((&summary["stored"], &summary["rejected"]), (&json!(1), &json!(4)), "{summary}");
    let event = nested(300).replace("properties", "data").replace("\"type\":\"track\",", "");
    place.write("events", event);
    let answer = place.run(&["import", "events", "--format", "cloudevents"]);
    assert_eq!(answer.code, Some(1), "{answer:?}");
    for file in ["calls", "events"] {
        for reject in read_lines(place.path(&format!("{file}.rejects.ndjson"))) {
            let [field, reason] = ["field", "reason"].map(|name| reject[name].as_str().unwrap());
            let path = if file == "calls" { "properties.abcdefgh." } else { "data.abcdefgh." };
            assert!(field.starts_with(path), "{reject}");
            assert!(reason.starts_with("is nested deeper than") && reason.contains("32 levels"), "{reject}");
            assert!(field.len() < 320, "{reject}");
            if reject["line"].as_u64() != Some(2) && reject["line"].as_u64() != Some(3) {
                assert!(field.len() < 140 && field.ends_with("..."), "{reject}");
            }
        }
    }
}

#[test]
fn an_address_inside_a_text_is_kept_or_hashed_as_the_command_says() {
    let place = Place::new();
    let line = call(r#""userId":"u","properties":{"url":"http://203.0.113.77/teapots"}"#);
    for (file, flags, is_kept) in [("kept", &[][..], true), ("hashed", &["--scrub-text"], false)] {
        place.write(file, &line);
        assert_eq!(import(&place, file, flags).success().line()["stored"], 1);
        let events = place.run(&["events"]).success().lines();
        let url = events.last().unwrap()["properties"]["url"].as_str().unwrap().to_owned();
        assert_eq!(url == "http://203.0.113.77/teapots", is_kept, "{url}");
        assert_eq!(url.contains("203.0.113.77"), is_kept, "{url}");
    }
}

#[test]
fn a_batch_is_many_events_and_its_rejects_name_the_call() {
    let place = Place::new();
    let batch = format!(
        r#"{{"sentAt":"2024-03-01T00:00:00Z","batch":[{},{},{},{{"type":"dance"}},7]}}"#,
        call(r#""messageId":"a""#),
        call("").replace("order.placed", "").replace(",}", "}"),
        call(r#""messageId":"b""#),
    );
    place.write("in", [&batch, r#"{"batch":[]}"#, &call(r#""userId":"u_1""#), r#"{"batch":7}"#].join("\n"));
    let dry = import(&place, "in", &["--dry-run"]).success().line();
    let summary = import(&place, "in", &[]).success().line();
    for (summary, stored) in [(&dry, "wouldStore"), (&summary, "stored")] {
        let counts = ["lines", stored, "rejected", "blank"].map(|name| summary[name].as_u64().unwrap());
        assert_eq!(counts, [4, 3, 4, 1], "{summary}");
    }
    let rejects = read_lines(place.path("in.rejects.ndjson"));
    let rejects = rejects.iter().map(|each| json!([each["line"], each["call"], each["field"]]));
    assert_eq!(
        rejects.collect::<Vec<_>>(),
        [json!([1, 1, "event"]), json!([1, 3, "type"]), json!([1, 4, "call"]), json!([4, null, "batch"])]
    );
}

#[test]
fn calls_whose_ids_were_used_for_something_else_are_refused_one_by_one() {
    let place = Place::new();
    let track =
        |id: &str, amount: u32| call(&format!(r#""messageId":"{id}","properties":{{"amount":{amount}}}"#));
    let batch = |calls: &[String]| format!(r#"{{"batch":[{}]}}"#, calls.join(","));
    let lines = [
        track("a", 1),
        batch(&[track("b", 1), track("a", 2), track("c", 1), track("b", 3)]),
        batch(&[track("a", 1), track("c", 2)]),
        batch(&[track("c", 2), track("a", 2)]),
        track("a", 2),
        track("d", 1),
    ];
    place.write("in", lines.join("\n"));
    let summary = import(&place, "in", &[]).success().line();
    let counts = ["lines", "stored", "rejected", "blank", "duplicates", "conflicts"];
    assert_eq!(counts.map(|name| summary[name].as_u64().unwrap()), [6, 4, 6, 0, 1, 6], "{summary}");
    let rejects = read_lines(place.path("in.rejects.ndjson"));
    let refused: Vec<Value> = rejects.iter().map(|each| json!([each["line"], each["call"]])).collect();
    let expected =
        [json!([2, 1]), json!([2, 3]), json!([3, 1]), json!([4, 0]), json!([4, 1]), json!([5, null])];
    assert_eq!(refused, expected);
    let stored = place.run(&["events"]).success().lines();
    let stored: Vec<&str> = stored.iter().map(|event| event["messageId"].as_str().unwrap()).collect();
    assert_eq!(stored, ["a", "b", "c", "d"]);
}

#[test]
fn the_good_calls_of_a_line_with_a_bad_one_are_stored_also_where_another_line_is_refused() {
    let place = Place::new();
    let track =
        |id: &str, amount: u32| call(&format!(r#""messageId":"{id}","properties":{{"amount":{amount}}}"#));
    let lines = [
        track("a", 1),
        format!(r#"{{"batch":[{},7,{}]}}"#, track("b", 1), track("c", 1)),
        "oops".to_owned(),
        format!(r#"{{"batch":[7,{},{}]}}"#, track("a", 2), track("d", 1)),
        track("a", 2),
        track("e", 1),
    ];
    for batch in ["1", "3", "1000"] {
        place.write(batch, lines.join("\n"));
        let summary = import(&place, batch, &["--batch", batch]).success().line();
        let is_first = batch == "1";
        let stored = if is_first { 5 } else { 0 };
        assert_eq!((&summary["stored"], &summary["rejected"]), (&json!(stored), &json!(5)), "{summary}");
        let rejects = read_lines(place.path(&format!("{batch}.rejects.ndjson")));
        let refused: Vec<Value> = rejects.iter().map(|each| json!([each["line"], each["call"]])).collect();
        let expected = [json!([2, 1]), json!([3, null]), json!([4, 0]), json!([4, 1]), json!([5, null])];
        assert_eq!(refused, expected, "with {batch}");
    }
    let other = Place::new();
    other.write("in", lines.join("\n"));
    assert_eq!(import(&other, "in", &[]).success().line()["stored"], 5);
    for place in [&place, &other] {
        let stored = place.run(&["events"]).success().lines();
        let stored: Vec<&str> = stored.iter().map(|event| event["messageId"].as_str().unwrap()).collect();
        assert_eq!(stored, ["a", "b", "c", "d", "e"]);
    }
}

#[test]
fn a_dry_run_takes_an_event_without_a_time_as_the_import_does() {
    let place = Place::new();
    let event = cloud_event(&format!("/orgs/{ORG}/projects/{SHOP}/billing"), "1");
    place.write("in", event.replace(r#""time":"2024-03-01T00:00:00Z","#, ""));
    let arguments = ["import", "in", "--format", "cloudevents"];
    let dry = place.run(&[&arguments[..], &["--dry-run"]].concat()).success().line();
    assert_eq!((&dry["wouldStore"], &dry["rejected"]), (&json!(1), &json!(0)), "{dry}");
    assert_eq!(place.run(&arguments).success().line()["stored"], 1);
}

#[test]
fn a_line_whose_calls_are_too_large_together_is_no_reason_to_stop() {
    let place = Place::new();
    let context = format!(r#""context":{{"note":"{}"}}"#, "x".repeat(60_000));
    let calls = vec![call(r#""userId":"u_1""#); 300].join(",");
    place.write("in", format!("{{{context},\"batch\":[{calls}]}}\n{}", call(r#""userId":"u_2""#)));
    let summary = import(&place, "in", &[]).success().line();
    let (stored, rejected) = (summary["stored"].as_u64().unwrap(), summary["rejected"].as_u64().unwrap());
    assert_eq!(
        (summary["lines"].as_u64().unwrap(), stored + rejected, rejected > 0),
        (2, 301, true),
        "{summary}"
    );
    assert_eq!(place.run(&["count", "--user", "u_2"]).success().line()["count"], 1);
    let rejects = read_lines(place.path("in.rejects.ndjson"));
    assert!(rejects[0]["reason"].as_str().unwrap().contains("make more lines of them"), "{}", rejects[0]);
}

#[test]
fn what_the_lines_need_is_asked_for() {
    let place = Place::new();
    place.write("in", call(r#""userId":"u_1""#));
    for (arguments, told) in [
        (&["--format", "segment"][..], "--org UUID and --project UUID"),
        (&["--format", "segment", "--org", ORG], "--org UUID and --project UUID"),
        (&["--format", "cloudevents", "--project", SHOP], "name both, or none"),
        (&["--org", ORG], "--org has no effect here"),
        (&["--project", SHOP], "--project has no effect here"),
        (&["--received-at", "now"], "--received-at has no effect here"),
        (&["--format", "xml"], "invalid value 'xml'"),
    ] {
        place.run(&[&["import", "in"], arguments].concat()).fails(2, told);
    }
    assert!(!place.store().exists());
    for command in [&["count"][..], &["profile", "u_1"], &["export"], &["demo"], &["verify"]] {
        for form in ["segment", "cloudevents"] {
            let refused = place.run(&[command, &["--format", form]].concat());
            refused.fails(2, "are forms of the lines that import reads");
        }
    }
    let envelopes = place.run(&["import", "in"]);
    assert_eq!(envelopes.code, Some(1));
    import(&place, "in", &[]).success();
}

fn cloud_event(source: &str, id: &str) -> String {
    format!(
        r#"{{"specversion":"1.0","id":"{id}","type":"order.placed","source":"{source}","subject":"u_1",
            "time":"2024-03-01T00:00:00Z","data":{{"properties":{{"amount":5}}}}}}"#
    )
    .replace('\n', "")
}

#[test]
fn cloud_events_name_their_project_or_belong_to_the_one_that_is_named() {
    let place = Place::new();
    let own = cloud_event(&format!("/orgs/{ORG}/projects/{OTHER}/billing"), "1");
    place.write("in", [own, cloud_event("https://example.org", "2"), "{}".to_owned()].join("\n"));
    let arguments = ["import", "in", "--format", "cloudevents"];
    let summary = place.run(&arguments).success().line();
    assert_eq!((&summary["stored"], &summary["rejected"]), (&json!(1), &json!(2)));
    let rejects = read_lines(place.path("in.rejects.ndjson"));
    assert_eq!((&rejects[0]["field"], &rejects[1]["field"]), (&json!("source"), &json!("specversion")));
    let events = place.run(&["events"]).success().line();
    assert_eq!(
        (&events["projectId"], &events["module"], &events["messageId"]),
        (&json!(OTHER), &json!("billing"), &json!("1"))
    );

    let both = ["--org", ORG, "--project", SHOP];
    let summary = place.run(&[&arguments[..], &both].concat()).success().line();
    assert_eq!(
        (&summary["stored"], &summary["duplicates"], &summary["rejected"]),
        (&json!(1), &json!(1), &json!(1))
    );
    assert_eq!(place.run(&["count", "--project", SHOP]).success().line()["count"], 1);
}

/// The calls of the reference data.
fn calls() -> Option<(String, Vec<Value>)> {
    let path = reference("segment-calls.ndjson.gz")?;
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(&path).unwrap()).read_to_string(&mut text).unwrap();
    let calls = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    Some((path.to_str().unwrap().to_owned(), calls))
}

fn has_id(call: &Value) -> bool {
    !matches!(&call["messageId"], Value::Null) && call["messageId"] != ""
}

/// How many rejects have each reason, the places in them aside.
fn reasons(rejects: &Path) -> BTreeMap<String, u64> {
    let mut reasons = BTreeMap::new();
    for reject in read_lines(rejects) {
        let reason = reject["reason"].as_str().unwrap();
        let reason = reason.split(", at position").next().unwrap();
        let reason = reason.split(", in line").next().unwrap();
        let field = reject["field"].as_str().map_or_else(String::new, |field| format!("{field} "));
        *reasons.entry(format!("{field}{reason}")).or_default() += 1;
    }
    reasons
}

#[test]
fn real_calls_come_in_once_however_often_they_are_imported() {
    let Some((file, calls)) = calls() else { return };
    let place = Place::new();
    let refused: BTreeMap<String, u64> = [
        ("event is required by track", 25),
        ("event must be a string", 2),
        ("event must not be blank", 4),
        ("previousId is required by alias without an anonymousId", 2),
        ("properties must be an object", 2),
        ("timestamp has no offset; write Z or +hh:mm", 7),
        ("timestamp is required, but the call has none of timestamp, originalTimestamp, sentAt and receivedAt", 22),
        ("userId is required by alias", 1),
    ]
    .map(|(reason, count)| (reason.to_owned(), count))
    .into();
    let rejects = place.path("rejects");
    let to = ["--rejects", rejects.to_str().unwrap()];
    let number = |summary: &Value, name: &str| summary[name].as_u64().unwrap_or(0);
    let all = calls.len() as u64;

    let everything = Place::new();
    let arguments = [&["import", &file][..], SEGMENT, &to, &["--dedupe", "off"]].concat();
    let summary = everything.run(&arguments).success().line();
    assert_eq!(reasons(&rejects), refused);
    assert_eq!(number(&summary, "stored"), all - refused.values().sum::<u64>());
    let dry = import(&place, &file, &[&to[..], &["--dry-run"]].concat()).success().line();
    assert_eq!((&dry["wouldStore"], &dry["rejected"]), (&summary["stored"], &summary["rejected"]));

    let first = import(&place, &file, &to).success().line();
    let ids: BTreeSet<String> =
        calls.iter().filter(|call| has_id(call)).map(|call| call["messageId"].to_string()).collect();
    let without_id = calls.iter().filter(|call| !has_id(call)).count() as u64;
    assert!(number(&first, "stored") <= ids.len() as u64 + without_id, "{first}");
    let mut with_conflicts = refused;
    let conflicts = "messageId was used before with other content".to_owned();
    with_conflicts.insert(conflicts, number(&first, "conflicts"));
    assert_eq!(reasons(&rejects), with_conflicts);

    let second = import(&place, &file, &to).success().line();
    assert_eq!(reasons(&rejects), with_conflicts, "what was refused is refused again");
    let events = place.run(&["events"]).success().lines();
    let again = &events[usize::try_from(number(&first, "stored")).unwrap()..];
    assert_eq!(again.len() as u64, number(&second, "stored"));
    assert!(again.iter().all(|event| event.get("messageId").is_none()), "the rest has ids and is there");
    let with_ids = events.iter().filter(|event| event.get("messageId").is_some()).count() as u64;
    assert_eq!(number(&second, "duplicates"), with_ids + number(&first, "duplicates"));
    for summary in [&first, &second] {
        let outcomes = ["stored", "duplicates", "rejected"].map(|name| number(summary, name));
        assert_eq!(outcomes.iter().sum::<u64>(), all, "{summary}");
    }
}

/// Names of keys that hold addresses, without case and signs.
const ADDRESS_KEYS: &[&str] = &[
    "ip",
    "ipaddress",
    "ipv4",
    "ipv6",
    "clientip",
    "userip",
    "sourceip",
    "requestip",
    "remoteaddr",
    "remoteaddress",
    "remoteip",
    "hostip",
    "xforwardedfor",
    "xrealip",
    "forwarded",
    "cfconnectingip",
    "trueclientip",
];

/// What stands below keys of addresses, and all other texts.
fn sort_texts(value: &Value, is_address: bool, addresses: &mut BTreeSet<String>, others: &mut Vec<String>) {
    match value {
        Value::String(text) if is_address => drop(addresses.insert(text.clone())),
        Value::String(text) => others.push(text.clone()),
        Value::Array(list) => list.iter().for_each(|each| sort_texts(each, is_address, addresses, others)),
        Value::Object(object) => {
            for (key, value) in object {
                let plain = key.to_ascii_lowercase().replace(['_', '-', '$'], "");
                others.push(key.clone());
                sort_texts(value, is_address || ADDRESS_KEYS.contains(&plain.as_str()), addresses, others);
            }
        }
        _ => {}
    }
}

#[test]
fn no_address_of_real_calls_is_in_any_file_unless_it_stands_elsewhere_too() {
    let Some((file, calls)) = calls() else { return };
    let (mut addresses, mut others) = (BTreeSet::new(), Vec::new());
    for call in &calls {
        sort_texts(call, false, &mut addresses, &mut others);
    }
    // Shorter ones would be met by accident.
    addresses.retain(|address| address.len() >= 5);
    assert!(addresses.len() > 20, "{addresses:?}");
    let place = Place::new();
    let rejects = place.path("rejects");
    let to = ["--rejects", rejects.to_str().unwrap()];
    import(&place, &file, &[&to[..], &["--dedupe", "off"]].concat()).success();
    // With the dictionaries and rows that a second store makes of conflicts and duplicates.
    import(&place, &file, &to).success();
    let files = fingerprint(&place.path(""));
    assert!(files.iter().any(|(path, ..)| *path == rejects), "the rejects are looked through as well");
    let mut seen = 0;
    for (path, content, _) in &files {
        seen += content.len();
        for address in &addresses {
            let is_there = content.windows(address.len()).any(|bytes| bytes == address.as_bytes());
            let is_elsewhere = others.iter().any(|text| text.contains(address.as_str()));
            assert!(!is_there || is_elsewhere, "{address} is in {}", path.display());
        }
    }
    assert!(seen > 1_000_000, "the files are those of the store");
}

#[test]
fn a_file_whose_import_has_ended_may_be_imported_in_another_form() {
    let place = Place::new();
    place.fill(&small_shop());
    place.write("in", call(r#""userId":"u_1""#));
    assert_eq!(import(&place, "in", &[]).success().line()["stored"], 1);
    let envelopes = place.run(&["import", "in"]);
    assert_eq!(envelopes.code, Some(1), "{envelopes:?}");
    assert!(envelopes.err.contains("no line of it is an envelope"), "{envelopes:?}");
}

#[test]
fn a_file_of_another_form_is_told_which() {
    let place = Place::new();
    let event =
        r#"{"specversion":"1.0","id":"1","source":"/x","type":"order.placed","time":"2024-03-13T10:21:14Z"}"#;
    for (line, form) in [(call(r#""userId":"u_1""#), "segment"), (event.to_owned(), "cloudevents")] {
        place.write("in", line);
        for arguments in [&["import", "in"][..], &["import", "--dry-run", "in"]] {
            let answer = place.run(arguments);
            assert_eq!(answer.code, Some(1), "{answer:?}");
            let hint = format!("there is --format {form} --org UUID --project UUID");
            assert!(answer.err.contains("no line of it is an envelope; for"), "{answer:?}");
            assert!(answer.err.contains(&hint), "{answer:?}");
        }
    }
}

#[test]
fn an_import_goes_on_in_the_form_that_it_began_in() {
    let place = Place::new();
    let batch = |number: u32| {
        let calls = [0, 1, 2].map(|each| call(&format!(r#""messageId":"{number}-{each}""#)));
        format!("{{\"batch\":[{}]}}\n", calls.join(","))
    };
    let text: String = (0..2_000).map(batch).collect();
    let whole = gzip(text.as_bytes());
    // A file that cannot be read to its end leaves an import unfinished.
    place.write("in", &whole[..whole.len() / 2]);
    let segment = ["import", "in", "--format", "segment", "--org", ORG, "--project", SHOP, "--batch", "50"];
    let broken = place.run(&segment);
    assert_eq!(broken.code, Some(1), "{broken:?}");
    let stored = place.run(&["count"]).success().line()["count"].as_u64().unwrap();
    assert!(stored > 0 && stored.is_multiple_of(3), "{stored}: no batch is stored by half");
    place.run(&["import", "in"]).fails(1, "whose --format was another one");
    let again = place.run(&segment);
    assert!(again.err.contains("going on with line"), "{again:?}");
    assert_eq!(place.run(&["count"]).success().line()["count"].as_u64().unwrap(), stored);
}
