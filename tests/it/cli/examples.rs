//! The examples of the help and of the README run as they stand there.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::SystemTime;

use envelog::{DateTime, Utc};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use super::{Answer, ORG, Place, SHOP, small_shop, tool};

/// Examples that cannot run in a test, each with its reason.
const CANNOT_RUN: &[(&str, &str)] =
    &[("envelog demo --keep ./data", "the store that it makes is there already, made by the same words")];

/// The help of a command, or of the tool.
fn help(command: Option<&str>) -> String {
    Answer::of(tool().args(command).arg("--help").output().unwrap()).success().out
}

/// The commands that the help lists.
pub(super) fn commands() -> Vec<String> {
    let help = help(None);
    let list =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    // A line that goes on has more room before it.
    let begun = list.filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')));
    let names = begun.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
    let names: Vec<String> = names.map(str::to_owned).collect();
    assert!(names.len() >= 12, "the commands are found: {names:?}");
    names
}

/// The examples that stand below a help.
fn examples_of(help: &str) -> Vec<String> {
    let below = help.lines().skip_while(|line| *line != "Examples:");
    below.filter(|line| line.starts_with("  envelog ")).map(|line| line.trim().to_owned()).collect()
}

/// The lines of the README's shell blocks that call the tool.
fn examples_of_readme() -> Vec<String> {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let mut is_shell = false;
    let mut found = Vec::new();
    for line in readme.lines() {
        if line.starts_with("```") {
            is_shell = line == "```sh";
        } else if is_shell && line.starts_with("envelog ") {
            found.push(line.split_once(" #").map_or(line, |(command, _)| command).trim_end().to_owned());
        }
    }
    assert!(!found.is_empty(), "the README's examples are found");
    found
}

/// A place with the demo's store and files of further events of its project, some of them from today.
fn sandbox() -> Place {
    let place = Place::new();
    let demo = tool().args(["demo", "--keep", "data"]).current_dir(place.path("")).output().unwrap();
    Answer::of(demo).success();
    let newest =
        tool().args(["--store", "data", "tail", "-n", "1"]).current_dir(place.path("")).output().unwrap();
    let newest: Value = Answer::of(newest).success().line();
    let now: DateTime<Utc> = SystemTime::now().into();
    let lines = small_shop()
        .replace(ORG, newest["orgId"].as_str().unwrap())
        .replace(SHOP, newest["projectId"].as_str().unwrap())
        .replace("2024-02-03T00:00:00Z", &now.to_rfc3339());
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(lines.as_bytes()).unwrap();
    place.write("events.ndjson.gz", gzip.finish().unwrap());
    place.write("events.ndjson", lines);
    place.write("calls.ndjson", r#"{"type":"page","anonymousId":"d_2","timestamp":"2024-03-01T00:00:00Z"}"#);
    place
}

/// Runs an example as a shell would, and returns what it wrote: into a file, where it names one. Of a directory it is
/// the names in it.
fn run(place: &Place, example: &str) -> String {
    let binary = Path::new(env!("CARGO_BIN_EXE_envelog"));
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new("sh");
    command.args(["-c", example]).current_dir(place.path("")).stdin(Stdio::null());
    command.env("PATH", format!("{}:{path}", binary.parent().unwrap().display()));
    command.env("ENVELOG_STORE", "./data").env_remove("NO_COLOR");
    let lines = fs::read_to_string(place.path("events.ndjson")).unwrap();
    let event: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    command.env("ORG", event["orgId"].as_str().unwrap()).env("PROJECT", event["projectId"].as_str().unwrap());
    let answer = Answer::of(command.output().unwrap());
    assert_eq!(answer.code, Some(0), "{example}: {}", answer.err);
    let mut words = example.split_whitespace();
    match words.find(|word| ["-o", ">", "--dir"].contains(word)) {
        Some("--dir") if answer.out.is_empty() => {
            let entries = fs::read_dir(place.path(words.next().unwrap())).unwrap();
            let names: Vec<_> =
                entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.join("\n")
        }
        // What a check of a sound store has to say is no data.
        None if example.split_whitespace().any(|word| word == "verify") => answer.err,
        None | Some("--dir") => answer.out,
        Some(_) => fs::read_to_string(place.path(words.next().unwrap())).unwrap(),
    }
}

#[test]
fn every_command_has_examples_and_all_of_them_run() {
    let mut examples = examples_of(&help(None));
    for command in commands() {
        let of_command = examples_of(&help(Some(&command)));
        assert!(!of_command.is_empty(), "the help of {command} ends without an example");
        for example in &of_command {
            let is_of_it = example.split_whitespace().any(|word| word == command);
            assert!(is_of_it, "{example} stands below {command}");
        }
        examples.extend(of_command);
    }
    examples.extend(examples_of_readme());
    let place = sandbox();
    for example in examples {
        if CANNOT_RUN.iter().any(|(known, _)| *known == example) {
            continue;
        }
        let shown = run(&place, &example);
        assert!(!shown.trim().is_empty(), "{example} has no answer");
    }
}

#[test]
fn nothing_of_the_help_is_wider_than_a_terminal_of_a_hundred_columns() {
    for help in commands().iter().map(|command| help(Some(command))).chain([help(None)]) {
        for example in examples_of(&help) {
            assert!(example.len() <= 98, "{example}");
        }
    }
}
