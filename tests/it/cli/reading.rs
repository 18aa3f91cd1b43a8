//! The commands that read.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use super::{Answer, Place, envelope, fingerprint, small_shop, tool};
use crate::support::ignored;

fn shop() -> Place {
    let place = Place::new();
    place.fill(&small_shop());
    place
}

#[test]
fn counts_have_the_names_of_the_envelope() {
    let place = shop();
    let cases: &[(&[&str], Value)] = &[
        (&["count"], json!([{"count": 8}])),
        (&["count", "--users"], json!([{"users": 2}])),
        (
            &["count", "--by", "type"],
            json!([
                {"eventType": "identify", "count": 2},
                {"eventType": "link.clicked", "count": 1},
                {"eventType": "order.placed", "count": 3},
                {"eventType": "product.viewed", "count": 2},
            ]),
        ),
        (
            &["count", "--by", "type", "--users", "--type-prefix", "order."],
            json!([{"eventType": "order.placed", "users": 2}]),
        ),
        (
            &["count", "--by", "module"],
            json!([{"module": "analytics", "count": 7}, {"module": "links", "count": 1}]),
        ),
        (
            &["count", "--by", "month"],
            json!([{"month": "2024-01", "count": 3}, {"month": "2024-02", "count": 5}]),
        ),
        (
            &["count", "--by", "month", "--users", "--type", "order.placed", "--type", "product.viewed"],
            json!([{"month": "2024-01", "users": 2}, {"month": "2024-02", "users": 2}]),
        ),
        (
            &["count", "--by", "day", "--until", "2024-02-01"],
            json!([{"day": "2024-01-30", "count": 2}, {"day": "2024-01-31", "count": 1}]),
        ),
        (&["count", "--since", "2024-02-01T01:00:00+01:00", "--until", "2024-02-02"], json!([{"count": 1}])),
        (&["count", "--user", "u_1", "--module", "analytics"], json!([{"count": 4}])),
        (&["count", "--device", "d_1"], json!([{"count": 1}])),
        (&["count", "--where", "amount>=100", "--where", "currency=EUR"], json!([{"count": 1}])),
        (&["count", "--where", "amount<=100"], json!([{"count": 1}])),
        (&["count", "--where", "amount"], json!([{"count": 3}])),
        (&["count", "--type", "never.happened"], json!([{"count": 0}])),
        (&["count", "--by", "type", "--type", "never.happened"], json!([])),
    ];
    for (arguments, expected) in cases {
        let answer = place.run(arguments).success();
        assert_eq!(Value::from(answer.lines()), *expected, "{arguments:?}");
        assert_eq!(answer.err, "", "{arguments:?}");
    }
}

#[test]
fn a_store_without_events_answers_with_nothing_and_is_no_error() {
    let place = Place::new();
    place.fill("");
    for project in [&[][..], &["--project", super::SHOP]] {
        let run = |arguments: &[&str]| {
            let answer = place.run(&[project, arguments].concat()).success();
            // Of the user who is asked for it is told as well.
            let told = if arguments[0] == "timeline" { "envelog: nobody has this userId\n" } else { "" };
            assert_eq!(answer.err, told, "{arguments:?}");
            Value::from(answer.lines())
        };
        assert_eq!(run(&["count"]), json!([{"count": 0}]));
        assert_eq!(run(&["count", "--users", "--type", "order.placed"]), json!([{"users": 0}]));
        assert_eq!(run(&["sum", "amount"]), json!([{"sum": 0, "count": 0, "skipped": 0}]));
        for lists in [
            &["count", "--by", "type"][..],
            &["sum", "amount", "--by", "month"],
            &["events"],
            &["timeline", "u_1"],
            &["profiles"],
            &["traits"],
            &["tail"],
            &["export"],
        ] {
            assert_eq!(run(lists), json!([]), "{lists:?}");
        }
    }
    let answer = place.run(&["profile", "u_1"]).success();
    assert_eq!((answer.out.as_str(), answer.err.as_str()), ("", "envelog: nobody has this userId\n"));
}

#[test]
fn an_answer_about_nobody_is_empty_and_told_and_no_error() {
    const NO_USER: &str = "envelog: nobody has this userId\n";
    const NO_DEVICE: &str = "envelog: nobody has this anonymousId\n";
    let place = shop();
    let run = |format: &str, arguments: &[&str]| {
        let answer = place.run(&[&["--format", format], arguments].concat()).success();
        (answer.out, answer.err)
    };
    for (arguments, told) in [
        (&["timeline", "nobody"][..], NO_USER),
        (&["timeline", "u_1", "--device"], NO_DEVICE),
        (&["profile", "nobody"], NO_USER),
        (&["profile", "u_1", "--device"], NO_DEVICE),
        (&["events", "--user", "nobody"], NO_USER),
        (&["events", "--device", "nobody"], NO_DEVICE),
        (&["tail", "--user", "nobody"], NO_USER),
        (&["export", "--user", "nobody"], NO_USER),
        (&["count", "--by", "type", "--user", "nobody"], NO_USER),
        (&["sum", "amount", "--by", "type", "--user", "nobody"], NO_USER),
        (&["timeline", "u_1", "--type", "never.happened"], ""),
        (&["events", "--user", "u_1", "--type", "never.happened"], ""),
        (&["count", "--by", "type", "--user", "u_1", "--type", "never.happened"], ""),
    ] {
        assert_eq!(run("ndjson", arguments), (String::new(), told.to_owned()), "{arguments:?}");
        if arguments[0] != "export" {
            assert_eq!(run("json", arguments), ("[]\n".to_owned(), told.to_owned()), "{arguments:?}");
            assert_eq!(run("table", arguments), (String::new(), told.to_owned()), "{arguments:?}");
            let (head, err) = run("csv", arguments);
            assert_eq!((head.lines().count(), err.as_str()), (1, told), "{arguments:?}: {head}");
        }
    }
    assert_eq!(
        run("ndjson", &["count", "--user", "nobody"]),
        ("{\"count\":0}\n".to_owned(), NO_USER.to_owned())
    );
    let nothing = ("{\"sum\":0,\"count\":0,\"skipped\":0}\n".to_owned(), NO_USER.to_owned());
    assert_eq!(run("ndjson", &["sum", "amount", "--user", "nobody"]), nothing);
    for known in [&["timeline", "u_1"][..], &["timeline", "d_2", "--device"], &["count", "--user", "u_2"]] {
        assert_eq!(run("ndjson", known).1, "", "{known:?}");
    }
}

#[test]
fn members_come_in_the_order_of_the_columns() {
    let place = shop();
    let answer = place.run(&["count", "--by", "type", "--type", "order.placed"]).success();
    assert_eq!(answer.out, "{\"eventType\":\"order.placed\",\"count\":3}\n");
    let answer = place.run(&["profiles"]).success();
    assert_eq!(
        answer.out,
        "{\"userId\":\"u_1\",\"traits\":{\"name\":\"Ada\",\"plan\":\"pro\"},\"state\":\"identified\",\
         \"members\":[{\"id\":\"u_1\",\"kind\":\"user\"}]}\n"
    );
}

#[test]
fn sums_say_how_many_numbers_they_are_of() {
    let place = shop();
    assert_eq!(
        place.run(&["sum", "amount"]).success().line(),
        json!({"sum": 4300, "count": 2, "skipped": 6})
    );
    assert_eq!(
        place.run(&["sum", "amount", "--by", "month", "--type", "order.placed"]).success().line(),
        json!({"month": "2024-02", "sum": 4300, "count": 2, "skipped": 1})
    );
    place.fill(&envelope("order.placed", "2024-03-01T00:00:00Z", "u_3", r#""properties":{"amount":0.5}"#));
    assert_eq!(place.run(&["sum", "amount"]).success().line()["sum"], 4300.5);
}

#[test]
fn events_are_envelopes_in_the_order_of_storing() {
    let place = shop();
    let events = place.run(&["events"]).success().lines();
    assert_eq!(events.len(), 8);
    for (event, line) in events.iter().zip(small_shop().lines()) {
        let sent: Value = serde_json::from_str(line).unwrap();
        for (name, value) in sent.as_object().unwrap() {
            assert_eq!(&event[name], value, "{name}");
        }
        assert!(event["seq"].is_u64() && event["receivedAt"].is_string(), "{event}");
    }
    let newest = place.run(&["events", "--newest", "--limit", "2"]).success().lines();
    assert_eq!(newest, [events[7].clone(), events[6].clone()]);
    let orders = place.run(&["events", "--type", "order.placed", "--limit", "99"]).success().lines();
    assert_eq!(orders, events[3..6]);
    assert_eq!(place.run(&["events", "--limit", "0"]).success().out, "");
}

#[test]
fn a_timeline_is_paged_by_tokens_that_outlive_the_process() {
    let place = shop();
    let types = |answer: &Answer| -> Vec<String> {
        answer.lines().iter().map(|event| event["eventType"].as_str().unwrap().to_owned()).collect()
    };
    let whole = place.run(&["timeline", "u_1"]).success();
    assert_eq!(types(&whole), ["identify", "order.placed", "product.viewed", "identify"]);
    assert_eq!(whole.err, "", "there is no further page");
    let first = place.run(&["timeline", "u_1", "--limit", "3"]).success();
    assert_eq!(types(&first), types(&whole)[..3]);
    let token = first.err.trim().rsplit(' ').next().unwrap().to_owned();
    let second = place.run(&["timeline", "u_1", "--after", &token]).success();
    assert_eq!(types(&second), types(&whole)[3..]);
    let oldest = place.run(&["timeline", "u_1", "--oldest", "--limit", "2"]).success();
    assert_eq!(types(&oldest), ["identify", "product.viewed"]);
    let orders = place.run(&["timeline", "u_1", "--type", "order.placed"]).success();
    assert_eq!(types(&orders), ["order.placed"]);
    assert_eq!(types(&place.run(&["timeline", "d_2", "--device"]).success()), ["link.clicked"]);
    assert_eq!(place.run(&["timeline", "nobody"]).success().out, "");
}

#[test]
fn a_page_goes_on_in_its_direction_and_a_flag_for_the_other_one_is_refused() {
    let place = shop();
    let timeline = |arguments: &[&str]| place.run(&[&["timeline", "u_1"], arguments].concat());
    for (flag, other) in [("--newest", "--oldest"), ("--oldest", "--newest")] {
        let whole = timeline(&[flag]).success().lines();
        let first = timeline(&[flag, "--limit", "2"]).success();
        assert_eq!(first.lines(), whole[..2]);
        let token = first.err.trim().rsplit(' ').next().unwrap();
        for same in [&["--after", token][..], &["--after", token, flag]] {
            assert_eq!(timeline(same).success().lines(), whole[2..], "{same:?}");
        }
        timeline(&["--after", token, other]).fails(2, &format!("{other} contradicts --after"));
    }
}

#[test]
fn a_profile_has_traits_state_and_activity() {
    let place = shop();
    assert_eq!(
        place.run(&["profile", "u_1"]).success().line(),
        json!({
            "userId": "u_1",
            "traits": {"name": "Ada", "plan": "pro"},
            "state": "identified",
            "members": [{"kind": "user", "id": "u_1"}],
            "firstSeen": "2024-01-30T10:00:00Z",
            "lastSeen": "2024-02-04T00:00:00Z",
            "events": 4,
        })
    );
    let answer = place.run(&["profile", "u_2"]).success();
    assert_eq!(answer.out, "");
    assert!(answer.err.contains("there is no profile; its timeline has 3 events"), "{answer:?}");
}

#[test]
fn stats_tell_what_is_there() {
    let place = shop();
    let stats = place.run(&["stats"]).success().line();
    assert_eq!((stats["events"].as_u64(), stats["projects"].as_u64()), (Some(8), Some(1)), "{stats}");
    assert_eq!(stats["wasClosed"], true);
    assert_eq!(stats["projectIds"], json!([super::SHOP]));
    assert!(stats["diskBytes"].as_u64() > stats["logBytes"].as_u64(), "{stats}");
}

#[test]
fn tables_are_for_people() {
    let place = shop();
    for (arguments, expected) in [
        (&["count", "--by", "type"][..], "order.placed"),
        (&["sum", "amount", "--by", "month"], "4,300"),
        (&["events"], "2024-02-05 00:00:00"),
        (&["timeline", "u_1"], "product.viewed"),
        (&["profile", "u_1"], "4 events from 2024-01-30 to 2024-02-04"),
        (&["profiles"], "identified"),
        (&["stats"], "closed cleanly"),
    ] {
        let mut with_format = vec!["--format", "table"];
        with_format.extend(arguments);
        let answer = place.run(&with_format).success();
        assert!(answer.out.contains(expected), "{arguments:?}: {}", answer.out);
        assert!(answer.out.contains('|'), "{arguments:?}: {}", answer.out);
        assert!(!answer.out.contains('\u{1b}'), "{arguments:?} has colours: {}", answer.out);
    }
}

/// What the command writes to a terminal that is so wide; nothing where no terminal can be had. Its standard input is at
/// its end.
pub(super) fn on_a_terminal(place: &Place, columns: usize, arguments: &[&str]) -> Option<String> {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "'\\''"));
    let mut line = format!("stty cols {columns} rows 40 && exec {}", quoted(env!("CARGO_BIN_EXE_envelog")));
    for argument in ["--store", place.store().to_str().unwrap()].iter().chain(arguments) {
        line.push(' ');
        line.push_str(&quoted(argument));
    }
    let in_a_terminal = |line: &str| {
        let mut command = std::process::Command::new("script");
        command.args(["--quiet", "--return", "--command", line, "/dev/null"]).stdin(Stdio::null());
        command.current_dir(place.path("")).env_remove("ENVELOG_STORE").env("NO_COLOR", "1");
        command.env("SHELL", "/bin/sh").output()
    };
    let output = in_a_terminal(&format!("{line} < /dev/null")).ok()?;
    if !output.status.success() {
        let has_terminals = in_a_terminal("stty cols 80").is_ok_and(|output| output.status.success());
        assert!(!has_terminals, "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
        return None;
    }
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn a_time_is_whole_however_narrow_the_terminal_is() {
    let place = Place::new();
    let mut text = String::new();
    for number in 0..3 {
        let properties = format!("\"properties\":{{\"text\":\"{}\"}}", "word ".repeat(50));
        let user = format!("user-with-a-long-name-{number}@shop");
        text.push_str(&envelope("checkout.payment_confirmed", "2024-06-14T09:05:33Z", &user, &properties));
    }
    let traits = format!("\"context\":{{\"traits\":{{\"about\":\"{}\"}}}}", "word ".repeat(50));
    text.push_str(&envelope("identify", "2024-06-14T09:05:33Z", "u_1", &traits));
    place.fill(&text);
    for columns in [60, 80, 120] {
        for (arguments, times) in [
            (&["events"][..], 4),
            (&["timeline", "user-with-a-long-name-1@shop"], 1),
            (&["profile", "u_1"], 1),
        ] {
            let Some(shown) = on_a_terminal(&place, columns, arguments) else {
                return ignored("a_time_is_whole_however_narrow_the_terminal_is", "no terminal");
            };
            assert_eq!(shown.matches("2024-06-14 09:05:33").count(), times, "{arguments:?}: {shown}");
            let widest = shown.lines().map(|line| line.trim_end().chars().count()).max().unwrap();
            assert!(widest <= columns && widest > columns / 2, "{widest} of {columns}: {shown}");
        }
    }
}

#[test]
fn a_table_of_many_events_is_cut_and_says_so() {
    let place = Place::new();
    let text: String =
        (0..60).map(|n| envelope("page.viewed", "2024-03-01T00:00:00Z", &format!("u_{n}"), "")).collect();
    place.fill(&text);
    let answer = place.run(&["--format", "table", "events"]).success();
    assert_eq!(answer.out.matches("page.viewed").count(), 50);
    assert!(answer.err.contains("there are more"), "{answer:?}");
    let answer = place.run(&["--format", "table", "events", "--limit", "60"]).success();
    assert_eq!(answer.out.matches("page.viewed").count(), 60);
    assert_eq!(answer.err, "");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let place = Place::new();
    let text: String =
        (0..5_000).map(|n| envelope("page.viewed", "2024-03-01T00:00:00Z", &format!("u_{n}"), "")).collect();
    place.fill(&text);
    let mut child = place.command(&["events"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 1];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let answer = Answer::of(child.wait_with_output().unwrap()).success();
    assert_eq!(answer.err, "");
}

#[test]
fn what_is_no_store_is_an_error_and_stays_as_it_is() {
    let place = Place::new();
    place.run(&["count"]).fails(1, "no store found");
    assert!(!place.store().exists(), "reading makes nothing");
    fs::create_dir(place.store()).unwrap();
    place.run(&["count"]).fails(1, "no store found");
    assert_eq!(fs::read_dir(place.store()).unwrap().count(), 0);
    place.write("store/notes.txt", "hello");
    place.run(&["stats"]).fails(1, "no store found");
    assert_eq!(fingerprint(&place.store()).len(), 1);
}

#[test]
fn reading_commands_change_no_file() {
    let place = shop();
    let before = fingerprint(&place.store());
    for arguments in [
        &["count", "--by", "type"][..],
        &["sum", "amount"],
        &["events"],
        &["timeline", "u_1"],
        &["profile", "u_1"],
        &["profile", "u_1", "--at", "now"],
        &["profile", "u_1", "--history"],
        &["profiles"],
        &["explain", "1"],
        &["conflicts"],
        &["stats"],
        &["stats", "--types"],
        &["stats", "--segments"],
        &["traits"],
        &["tail"],
        &["export"],
    ] {
        place.run(arguments).success();
    }
    assert!(fingerprint(&place.store()) == before, "a file has changed");
}

/// Copies the files of a store while its writer has them open, as a crash would leave them.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_store_that_was_not_closed_answers_and_says_so() {
    let place = Place::new();
    let options = envelog::Options::new().durability(envelog::Durability::Buffered);
    let store = options.open(place.path("writer")).unwrap();
    let mut batch = store.batch();
    for line in small_shop().lines() {
        batch.push_json(line.as_bytes()).unwrap();
    }
    batch.commit().unwrap();
    copy(&place.path("writer"), &place.store());
    store.close().unwrap();

    let before = fingerprint(&place.store());
    let answer = place.run(&["count"]).success();
    assert_eq!(answer.line()["count"], 8);
    assert!(answer.err.contains("was not closed"), "{answer:?}");
    assert_eq!(place.run(&["stats"]).success().line()["wasClosed"], false);
    assert!(fingerprint(&place.store()) == before, "a file has changed");

    place.fill(&envelope("page.viewed", "2024-03-01T00:00:00Z", "u_1", ""));
    let answer = place.run(&["count"]).success();
    assert_eq!((answer.line()["count"].as_u64(), answer.err.as_str()), (Some(9), ""));
}

#[test]
fn the_demo_shows_a_funnel_a_timeline_and_a_profile() {
    let place = Place::new();
    let kept = place.path("kept");
    let kept = kept.to_str().unwrap();
    let demo = |arguments: &[&str]| {
        Answer::of(tool().env("TMPDIR", place.path("")).arg("demo").args(arguments).output().unwrap())
    };
    let answer = demo(&["--keep", kept]).success();
    for expected in ["200,000 events", "order.placed", "2024-01", "newest 10 events", "identified"] {
        assert!(answer.out.contains(expected), "{expected} is not in {}", answer.out);
    }
    let go_on = format!("envelog --store {kept} count --by type");
    assert!(answer.out.contains(&go_on), "{go_on} is not in {}", answer.out);
    demo(&["--keep", kept]).fails(1, "not empty");
    let count = Answer::of(tool().args(["--store", kept, "count"]).output().unwrap());
    assert_eq!(count.success().line()["count"], 200_000);
    demo(&[]).success();
    let left: Vec<_> =
        fs::read_dir(place.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["kept"], "the temporary store is gone");
}

#[test]
fn conditions_are_of_properties_or_of_the_context() {
    let place = Place::new();
    let rest =
        r#""properties":{"context":{"locale":"fr"},"n":1},"context":{"locale":"de","page":{"depth":3}}"#;
    place.fill(&envelope("page.viewed", "2024-02-01T00:00:00Z", "u_1", rest));
    place.fill(&envelope("page.viewed", "2024-02-01T00:00:01Z", "u_1", r#""properties":{"locale":"de"}"#));
    for (condition, count) in [
        ("context.locale=de", 1),
        ("context.locale=fr", 0),
        ("properties.context.locale=fr", 1),
        ("context.page.depth>=3", 1),
        ("context.page.depth>=4", 0),
        ("context.page", 1),
        ("locale=de", 1),
        ("properties.locale", 1),
    ] {
        assert_eq!(
            place.run(&["count", "--where", condition]).success().line()["count"],
            count,
            "{condition}"
        );
        let listed = place.run(&["timeline", "u_1", "--where", condition]).success().lines();
        assert_eq!(listed.len(), count, "{condition}");
    }
    place.run(&["sum", "context.page.depth"]).fails(2, "only properties");
}
