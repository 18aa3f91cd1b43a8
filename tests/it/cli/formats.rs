//! The forms of output: every answer in each of them.

use std::io::Read as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::reading::on_a_terminal;
use super::{Answer, Place, SHOP, envelope, small_shop, tool};
use crate::support::ignored;

/// A command for every kind of list.
const LISTS: &[&[&str]] = &[
    &["count"],
    &["count", "--by", "type"],
    &["sum", "amount", "--by", "month"],
    &["events"],
    &["timeline", "u_1"],
    &["tail"],
    &["profile", "u_1"],
    &["profile", "u_1", "--history"],
    &["profile", "u_1", "--at", "2024-02-01"],
    &["profiles"],
    &["explain", "2"],
    &["traits"],
    &["stats"],
    &["stats", "--types"],
    &["stats", "--segments"],
];

fn shop() -> Place {
    let place = Place::new();
    place.fill(&small_shop());
    place
}

fn run(place: &Place, format: &str, command: &[&str]) -> Answer {
    place.run(&[command, &["--format", format]].concat()).success()
}

#[test]
fn a_json_answer_is_one_array_of_the_same_objects() {
    let place = shop();
    for command in LISTS {
        let lines = run(&place, "ndjson", command).lines();
        let array: Value = serde_json::from_str(&run(&place, "json", command).out).unwrap();
        assert_eq!(array, Value::from(lines), "{command:?}");
    }
    let nothing = run(&place, "json", &["events", "--type", "never.happened"]);
    assert_eq!(nothing.out, "[]\n");
}

/// The text of a JSON value in a field of CSV.
fn field(value: Option<&Value>) -> String {
    match value {
        None => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    }
}

#[test]
fn csv_has_the_names_first_and_the_values_of_the_objects() {
    let place = shop();
    for command in LISTS {
        let lines = run(&place, "ndjson", command).lines();
        let text = run(&place, "csv", command).out;
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let names = reader.headers().unwrap().clone();
        let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert_eq!(records.len(), lines.len(), "{command:?}: {text}");
        for (record, line) in records.iter().zip(&lines) {
            for (name, value) in names.iter().zip(record) {
                let expected = field(line.get(name));
                // Kinds of values are a list in JSON and words in CSV.
                let expected = if name == "kinds" { expected.replace(['[', ']', '"'], "") } else { expected };
                assert_eq!(value, expected, "{command:?}: {name}");
            }
        }
    }
    let events = run(&place, "csv", &["events"]).out;
    let names = "timestamp,eventType,module,userId,anonymousId,messageId,seq,receivedAt,properties,context\n";
    assert!(events.starts_with(names), "{events}");
    let nothing = run(&place, "csv", &["events", "--type", "never.happened"]);
    assert_eq!(nothing.out, names);
}

#[test]
fn csv_keeps_what_would_end_a_field() {
    let place = Place::new();
    let user = "a\\\"b,c d";
    place.fill(&envelope("page.viewed", "2024-03-01T00:00:00Z", user, r#""properties":{"t":"x,\"y\"\nz"}"#));
    let text = run(&place, "csv", &["events"]).out;
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let record = reader.records().next().unwrap().unwrap();
    assert_eq!(&record[3], "a\"b,c d");
    assert_eq!(serde_json::from_str::<Value>(&record[8]).unwrap(), json!({"t": "x,\"y\"\nz"}));
}

/// The bars of a line of Markdown that are not escaped.
fn bars(line: &str) -> usize {
    let mut bars = 0;
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => drop(letters.next()),
            '|' => bars += 1,
            _ => {}
        }
    }
    bars
}

#[test]
fn a_table_of_markdown_has_a_line_for_every_row() {
    let place = shop();
    for command in LISTS {
        let text = run(&place, "markdown", command).out;
        let table: Vec<&str> = text.lines().skip_while(|line| !line.starts_with('|')).collect();
        assert!(table[1].chars().all(|letter| "|-: ".contains(letter)), "{command:?}: {text}");
        for line in &table {
            assert!(line.starts_with("| ") && line.ends_with(" |"), "{command:?}: {text}");
            assert_eq!(bars(line), bars(table[0]), "{command:?}: {text}");
        }
        let is_one_row_an_object =
            !matches!(command[..], ["profile" | "explain", _] | ["profile", _, "--at", _] | ["stats"]);
        if is_one_row_an_object {
            let rows = run(&place, "ndjson", command).lines().len();
            assert_eq!(table.len(), rows + 2, "{command:?}: {text}");
        }
    }
    let nothing = run(&place, "markdown", &["count", "--by", "type", "--type", "never.happened"]);
    assert_eq!(nothing.out, "| event | events |\n| --- | --- |\n");
}

#[test]
fn markdown_is_never_cut_and_no_value_ends_its_cell() {
    let place = Place::new();
    let text = format!("{}|<b>\\n*end", "long ".repeat(1_000));
    let properties = format!("\"properties\":{{\"text\":\"{text}\"}}");
    place.fill(&envelope("page.viewed", "2024-03-01T00:00:00Z", "u|1", &properties));
    let shown = run(&place, "markdown", &["events"]).out;
    assert_eq!(shown.lines().count(), 3, "{shown}");
    assert!(shown.contains(&"long ".repeat(1_000)), "nothing is cut");
    assert!(shown.contains("u\\|1") && shown.contains("\\|\\<b>") && shown.contains("\\*end"), "{shown}");
}

#[test]
fn people_get_fifty_events_and_programs_all() {
    let place = Place::new();
    let text: String =
        (0..60).map(|n| envelope("page.viewed", "2024-03-01T00:00:00Z", &format!("u_{n}"), "")).collect();
    place.fill(&text);
    for (format, events) in [("markdown", 50), ("table", 50), ("csv", 60), ("json", 60), ("ndjson", 60)] {
        let answer = run(&place, format, &["events"]);
        assert_eq!(answer.out.matches("page.viewed").count(), events, "{format}");
        assert_eq!(answer.err.contains("there are more"), events < 60, "{format}: {}", answer.err);
    }
}

#[test]
fn a_form_that_makes_no_sense_is_refused() {
    let place = shop();
    for format in ["table", "json", "csv", "markdown"] {
        place.run(&["export", "--format", format]).fails(2, "an export is NDJSON");
    }
    for format in ["json", "csv"] {
        let answer = Answer::of(tool().args(["demo", "--format", format]).output().unwrap());
        answer.fails(2, "the demo gives several answers");
    }
    place.run(&["count", "--format", "xml"]).fails(2, "possible values");
}

#[test]
fn a_reader_that_goes_away_is_no_error_in_any_form() {
    let place = Place::new();
    let text: String =
        (0..5_000).map(|n| envelope("page.viewed", "2024-03-01T00:00:00Z", &format!("u_{n}"), "")).collect();
    place.fill(&text);
    let mut commands = vec![vec!["export"]];
    for format in ["table", "ndjson", "json", "csv", "markdown"] {
        for command in [&["events", "--limit", "5000"][..], &["tail", "-n", "5000"]] {
            commands.push([command, &["--format", format]].concat());
        }
    }
    for command in commands {
        let mut child =
            place.command(&command).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut first = [0; 1];
        child.stdout.take().unwrap().read_exact(&mut first).unwrap();
        let answer = Answer::of(child.wait_with_output().unwrap()).success();
        assert_eq!(answer.err, "", "{command:?}");
    }
}

#[test]
fn a_store_of_several_projects_names_them_where_they_may_be_mixed() {
    let place = shop();
    let before = run(&place, "table", &["tail"]).out;
    assert!(!before.contains(SHOP), "{before}");
    place.fill(&small_shop().replace(SHOP, super::OTHER));
    for command in [&["tail", "-n", "16"][..], &["stats", "--types"]] {
        for format in ["table", "markdown", "csv", "ndjson"] {
            let shown = run(&place, format, command).out;
            assert!(shown.contains(SHOP) && shown.contains(super::OTHER), "{command:?} {format}: {shown}");
        }
    }
    let one = run(&place, "table", &["stats", "--types", "--project", SHOP]).out;
    assert!(!one.contains(super::OTHER), "{one}");
}

#[test]
fn segments_are_rows_with_their_figures() {
    let place = shop();
    let rows = place.run(&["stats", "--segments"]).success().lines();
    let stats = place.run(&["stats"]).success().line();
    assert_eq!(rows.len() as u64, stats["segments"]);
    assert_eq!(rows.iter().map(|row| row["events"].as_u64().unwrap()).sum::<u64>(), stats["events"]);
    assert_eq!(rows.iter().map(|row| row["bytes"].as_u64().unwrap()).sum::<u64>(), stats["logBytes"]);
    assert_eq!((&rows[0]["segment"], &rows[0]["baseSeq"]), (&json!(1), &json!(1)));
    assert_eq!(rows[0]["first"], "2024-01-30T10:00:00Z");
    place.run(&["stats", "--segments", "--types"]).fails(2, "cannot be used with");
    place.run(&["stats", "--segments", "--project", SHOP]).fails(2, "the whole store");
}

#[test]
fn traits_have_kinds_and_the_number_of_profiles() {
    let place = shop();
    place.fill(&envelope(
        "identify",
        "2024-03-01T00:00:00Z",
        "u_2",
        r#""context":{"traits":{"plan":7,"tags":["a"],"vip":true,"company":{"name":"C"}}}"#,
    ));
    let traits = Value::from(place.run(&["traits"]).success().lines());
    assert_eq!(
        traits,
        json!([
            {"trait": "company", "kinds": ["object"], "profiles": 1},
            {"trait": "name", "kinds": ["string"], "profiles": 1},
            {"trait": "plan", "kinds": ["number", "string"], "profiles": 2},
            {"trait": "tags", "kinds": ["array"], "profiles": 1},
            {"trait": "vip", "kinds": ["boolean"], "profiles": 1},
        ])
    );
}

#[test]
fn profiles_are_chosen_by_their_state() {
    let place = shop();
    let device = envelope(
        "identify",
        "2024-03-01T00:00:00Z",
        "",
        r#""anonymousId":"d_9","context":{"traits":{"a":1}}"#,
    );
    place.fill(&device.replace("\"userId\":\"\",", ""));
    let ids = |arguments: &[&str]| -> Vec<Value> {
        let lines = place.run(&[&["profiles"], arguments].concat()).success().lines();
        lines.iter().map(|line| line.get("userId").or(line.get("anonymousId")).unwrap().clone()).collect()
    };
    assert_eq!(ids(&[]), ["u_1", "d_9"]);
    assert_eq!(ids(&["--state", "anonymous"]), ["d_9"]);
    assert_eq!(ids(&["--state", "identified"]), ["u_1"]);
    assert_eq!(ids(&["--state", "anonymous", "--limit", "1"]), ["d_9"]);
    assert_eq!(ids(&["--limit", "0"]), [""; 0]);
}

/// The help on a terminal.
fn help_on_a_terminal(environment: &[(&str, &str)]) -> Option<String> {
    let line = format!("exec '{}' count --help", env!("CARGO_BIN_EXE_envelog"));
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command", &line, "/dev/null"]).stdin(Stdio::null());
    command
        .env_remove("NO_COLOR")
        .env("SHELL", "/bin/sh")
        .env("TERM", "xterm")
        .envs(environment.iter().copied());
    let output = command.output().ok()?;
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

#[test]
fn no_color_is_obeyed() {
    let test = "no_color_is_obeyed";
    let Some(help) = help_on_a_terminal(&[]) else { return ignored(test, "no terminal") };
    assert!(help.contains("\u{1b}["), "a terminal gets headings that stand out: {help}");
    let plain = help_on_a_terminal(&[("NO_COLOR", "1")]).unwrap();
    assert!(!plain.contains('\u{1b}') && plain.contains("Usage:"), "{plain}");
    let into_a_pipe = Answer::of(tool().args(["count", "--help"]).output().unwrap()).success();
    assert!(!into_a_pipe.out.contains('\u{1b}'));
    let place = shop();
    for command in LISTS {
        let shown = on_a_terminal(&place, 100, command).unwrap();
        assert!(!shown.contains('\u{1b}'), "{command:?}: {shown}");
        assert!(shown.contains('|'), "{command:?} is a table: {shown}");
    }
}

#[test]
fn wide_letters_do_not_push_a_table_over_the_edge() {
    let place = Place::new();
    let properties = format!("\"properties\":{{\"text\":\"{}\"}}", "杭州東京".repeat(40));
    place.fill(&envelope("page.viewed", "2024-03-01T00:00:00Z", "ユーザー", &properties));
    for columns in [80, 200] {
        for command in [&["events"][..], &["tail"]] {
            let Some(shown) = on_a_terminal(&place, columns, command) else {
                return ignored("wide_letters_do_not_push_a_table_over_the_edge", "no terminal");
            };
            assert!(shown.contains("ユーザー"), "{shown}");
            for line in shown.lines().map(str::trim_end) {
                let width: usize = line.chars().map(|letter| if letter < '\u{3000}' { 1 } else { 2 }).sum();
                assert!(width <= columns && width > columns * 3 / 4, "{width} of {columns}: {shown}");
            }
        }
    }
}
