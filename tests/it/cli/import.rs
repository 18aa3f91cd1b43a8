//! `import`.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::{Answer, ORG, OTHER, Place, SHOP, envelope, read_lines, small_shop, tool};

pub(super) fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn view(number: usize) -> String {
    envelope("page.viewed", "2024-03-01T00:00:00Z", &format!("u_{number}"), "")
}

#[track_caller]
fn events_in(place: &Place) -> u64 {
    place.run(&["count"]).success().line()["count"].as_u64().unwrap()
}

#[test]
fn bad_lines_are_listed_and_good_ones_stored() {
    let place = Place::new();
    let mut text = String::new();
    text.push_str(&view(1));
    text.push_str("{\"orgId\":\n");
    text.push_str(&view(2));
    text.push('\n');
    text.push_str("not json\n");
    text.push_str(&view(3).replace("\"2024-03-01T00:00:00Z\"", "\"2024-03-01T00:00:00\""));
    text.push_str(&view(4).replace("\"userId\"", "\"user\""));
    text.push_str(&view(5).replace(ORG, "no uuid"));
    text.push_str(&view(6));
    let file = place.write("shop.ndjson", &text);

    let summary = place.run(&["import", file.to_str().unwrap()]).success().line();
    for (name, count) in [("lines", 9), ("stored", 3), ("rejected", 5), ("blank", 1)] {
        assert_eq!(summary[name], count, "{name} in {summary}");
    }
    assert!(summary.get("duplicates").is_none(), "there are none: {summary}");
    assert_eq!(events_in(&place), 3);
    let rejects = read_lines(place.path("shop.ndjson.rejects.ndjson"));
    let lines: Vec<u64> = rejects.iter().map(|reject| reject["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [2, 5, 6, 7, 8]);
    assert_eq!(rejects[2]["field"], "timestamp");
    assert_eq!(rejects[4]["field"], "orgId");
    assert_eq!(rejects[1]["bytes"], 8);
    assert!(rejects.iter().all(|reject| !reject["reason"].as_str().unwrap().is_empty()));
}

#[test]
fn a_reject_never_shows_what_stood_in_the_line() {
    let place = Place::new();
    let address = "203.0.113.77";
    let with_address = |rest: &str| {
        envelope(
            "page.viewed",
            "2024-03-01T00:00:00Z",
            "u_secret",
            &format!("\"context\":{{\"ip\":\"{address}\"{rest}}}"),
        )
    };
    let mut text = with_address("");
    for rest in
        [",\"ip\":\"203.0.113.77\"", ",\"a\":NaN", ",\"deep\":[{\"a\":1,\"a\":2}]", ",\"x\":\"\\ud800\""]
    {
        text.push_str(&with_address(rest));
    }
    text.push_str(&with_address("").replace("2024-03-01T00:00:00Z", "203.0.113.77"));
    text.push_str(&with_address("").replace("page.viewed", ""));
    text.push_str(address);
    text.push('\n');
    let answer = place.run_with_input(&["import", "-"], text.as_bytes()).success();
    assert_eq!(answer.line()["rejected"], 7);
    let rejects = std::fs::read_to_string(place.path("rejects.ndjson")).unwrap();
    assert_eq!(rejects.lines().count(), 7);
    for text in [&rejects, &answer.out, &answer.err] {
        assert!(!text.contains(address) && !text.contains("u_secret"), "{text}");
    }
}

#[test]
fn gzip_is_known_by_its_bytes_in_one_or_more_members() {
    let place = Place::new();
    let (first, second) = (view(1) + &view(2), view(3));
    let mut members = gzip(first.as_bytes());
    members.extend(gzip(second.as_bytes()));
    let file = place.write("shop.data", &members);
    assert_eq!(place.run(&["import", file.to_str().unwrap()]).success().line()["stored"], 3);
    assert_eq!(place.run_with_input(&["import", "-"], &members).success().line()["stored"], 3);
    assert_eq!(events_in(&place), 6);
}

#[test]
fn a_gzip_file_that_ends_early_gives_what_came_before_and_an_error() {
    let place = Place::new();
    let text: String = (0..5_000).map(view).collect();
    let mut packed = gzip(text.as_bytes());
    packed.truncate(packed.len() / 2);
    let file = place.write("shop.ndjson.gz", &packed);
    let answer = place.run(&["import", file.to_str().unwrap()]).fails(1, "the import stopped early");
    let stored = events_in(&place);
    assert!(0 < stored && stored < 5_000);
    assert!(!place.path("shop.ndjson.gz.rejects.ndjson").exists(), "the cut line is no reject: {answer:?}");
}

#[test]
fn the_last_line_needs_no_end_and_lines_may_end_as_on_windows() {
    let place = Place::new();
    let text = (view(1) + &view(2)).replace('\n', "\r\n") + view(3).trim_end();
    let summary = place.run_with_input(&["import", "-"], text.as_bytes()).success().line();
    assert_eq!((summary["lines"].as_u64(), summary["stored"].as_u64()), (Some(3), Some(3)));
    assert_eq!(events_in(&place), 3);
}

#[test]
fn a_line_over_a_mebibyte_is_refused_and_the_next_one_stored() {
    let place = Place::new();
    let long = format!("{{\"orgId\":\"{}\"}}\n", "x".repeat(5 << 20));
    let text = view(1) + &long + &view(2);
    let summary = place.run_with_input(&["import", "-"], text.as_bytes()).success().line();
    assert_eq!((summary["stored"].as_u64(), summary["rejected"].as_u64()), (Some(2), Some(1)));
    let rejects = read_lines(place.path("rejects.ndjson"));
    assert_eq!(rejects[0]["line"], 2);
    assert_eq!(rejects[0]["bytes"], long.len() - 1, "without the end of the line");
}

#[test]
fn rejects_go_where_they_are_sent_and_never_over_the_input() {
    let place = Place::new();
    let file = place.write("in", view(1) + "oops\n");
    let file = file.to_str().unwrap();
    place.run(&["import", file, "--rejects", "./in"]).fails(2, "over the input itself");
    assert!(!place.store().exists(), "nothing was begun");
    let summary = place.run(&["import", file, "--rejects", "bad.ndjson"]).success().line();
    assert_eq!(summary["rejects"], "bad.ndjson");
    assert_eq!(read_lines(place.path("bad.ndjson")).len(), 1);
    let answer = place.run(&["import", file, "--rejects", "missing/bad.ndjson"]).success();
    assert_eq!(answer.line()["stored"], 1);
    assert!(answer.err.contains("\"line\":2"), "rejects without a file are told: {answer:?}");
}

#[test]
fn a_project_keeps_its_organisation_whatever_else_is_in_the_batch() {
    let place = Place::new();
    let wrong = |number| view(number).replace(ORG, "00000000-0000-4000-8000-0000000000a9");
    let mut text = view(0);
    for number in 1..=300 {
        text.push_str(&if number % 7 == 0 || number > 250 { wrong(number) } else { view(number) });
    }
    let summary = place.run_with_input(&["import", "-", "--batch", "64"], text.as_bytes()).success().line();
    let bad: Vec<u64> = (1..=300u64).filter(|number| number % 7 == 0 || *number > 250).collect();
    assert_eq!(summary["rejected"].as_u64().unwrap(), bad.len() as u64);
    assert_eq!(summary["stored"].as_u64().unwrap(), 301 - bad.len() as u64);
    let mut lines: Vec<u64> = read_lines(place.path("rejects.ndjson"))
        .iter()
        .map(|reject| reject["line"].as_u64().unwrap() - 1)
        .collect();
    lines.sort_unstable();
    assert_eq!(lines, bad);
    let users: Vec<String> = place
        .run(&["events"])
        .success()
        .lines()
        .iter()
        .map(|event| event["userId"].as_str().unwrap().to_owned())
        .collect();
    let good: Vec<String> =
        (0..=300u64).filter(|number| !bad.contains(number)).map(|number| format!("u_{number}")).collect();
    assert_eq!(users, good, "in the order of the input");
}

#[test]
fn every_durability_level_and_batch_size_stores_the_same() {
    for level in ["buffered", "interval", "synced"] {
        for batch in ["1", "1000"] {
            let place = Place::new();
            let arguments = ["import", "-", "--durability", level, "--batch", batch];
            let summary = place.run_with_input(&arguments, small_shop().as_bytes()).success().line();
            assert_eq!(summary["stored"], 8, "{level} {batch}");
            assert_eq!(events_in(&place), 8);
        }
    }
}

#[test]
fn what_is_exported_can_be_imported_again() {
    let (place, copy) = (Place::new(), Place::new());
    place.fill(&small_shop());
    let exported = place.run(&["events"]).success().out;
    copy.fill(&exported);
    let without_meta = |place: &Place| {
        let mut events = place.run(&["events"]).success().lines();
        for event in &mut events {
            event.as_object_mut().unwrap().remove("receivedAt").unwrap();
        }
        events
    };
    assert_eq!(without_meta(&copy), without_meta(&place));
    assert_eq!(copy.run(&["profiles"]).success().out, place.run(&["profiles"]).success().out);
}

#[test]
fn notes_are_counted() {
    let place = Place::new();
    let text = envelope("Odd Name", "2024-03-01T00:00:00Z", "u_1", "") + &view(1);
    let summary = place.run_with_input(&["import", "-"], text.as_bytes()).success().line();
    assert_eq!(summary["notes"], serde_json::json!({"oddEventType": 1}));
    let answer = place.run_with_input(&["--format", "table", "import", "-"], text.as_bytes()).success();
    assert_eq!(answer.out, "", "the summary for people is no data");
    assert!(answer.err.contains("2 events stored"), "{answer:?}");
    assert!(answer.err.contains("convention"), "{answer:?}");
}

#[test]
fn an_input_or_a_store_that_cannot_be_opened_is_an_error_and_changes_nothing() {
    let place = Place::new();
    let good = place.write("good", view(1));
    let good = good.to_str().unwrap();
    place.run(&["import", "missing.ndjson"]).fails(1, "missing.ndjson");
    place.run(&["import", "."]).fails(1, "directory");
    assert!(!place.store().exists(), "no store was made for nothing");
    let file = place.write("file", "hello");
    let run = |store: &std::path::Path| {
        Answer::of(tool().arg("--store").arg(store).args(["import", good]).output().unwrap())
    };
    assert_eq!(run(&file).code, Some(1));
    assert_eq!(std::fs::read(&file).unwrap(), b"hello");
    place.run(&["--project", SHOP, "import", good]).fails(2, "--project has no effect");
}

#[test]
fn a_store_that_is_being_written_is_locked() {
    let place = Place::new();
    place.fill(&small_shop());
    let store = envelog::Store::open(place.store()).unwrap();
    place.run(&["count"]).fails(1, "locked");
    place.run_with_input(&["import", "-"], b"").fails(1, "locked");
    store.close().unwrap();
    assert_eq!(events_in(&place), 8);
}

#[test]
fn several_projects_go_into_one_store() {
    let place = Place::new();
    place.fill(&(view(1) + &view(1).replace(SHOP, OTHER) + &view(2)));
    assert_eq!(place.run(&["--project", SHOP, "count"]).success().line()["count"], 2);
    assert_eq!(place.run(&["count", "--project", OTHER]).success().line()["count"], 1);
    let answer = place.run(&["count"]).fails(2, "--project");
    assert!(answer.err.contains(SHOP) && answer.err.contains(OTHER), "{answer:?}");
    let missing = "00000000-0000-4000-8000-0000000000ff";
    place.run(&["count", "--project", missing]).fails(1, "no such project");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_for_rejects_or_answers_is_told_and_loses_nothing_else() {
    let place = Place::new();
    let text = "oops\n".repeat(3) + &view(1);
    let answer = place.run_with_input(&["import", "-", "--rejects", "/dev/full"], text.as_bytes()).success();
    assert_eq!(answer.line()["stored"], 1);
    for line in 1..=3 {
        assert_eq!(answer.err.matches(&format!("\"line\":{line},")).count(), 1, "{answer:?}");
    }
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let answer = Answer::of(place.command(&["count"]).stdout(full).output().unwrap());
    answer.fails(1, "standard output");
}
