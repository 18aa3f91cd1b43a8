//! The command line tool, through the built binary.

mod bench;
mod cases;
mod damage;
mod dry_run;
mod examples;
mod export;
mod foreign;
mod formats;
mod help;
mod import;
mod inputs;
mod parallel;
mod people;
mod reading;
mod reference;
mod rejects;
mod repeats;
mod resume;
mod secret;
mod shell;
mod stopping;
mod tail;
mod terminal;
mod times;
mod verify;

use std::ffi::OsStr;
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

pub(crate) const ORG: &str = "00000000-0000-4000-8000-0000000000a1";
pub(crate) const SHOP: &str = "00000000-0000-4000-8000-0000000000b1";
pub(crate) const OTHER: &str = "00000000-0000-4000-8000-0000000000b2";

/// A directory for one test.
pub(crate) struct Place(tempfile::TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.path("store")
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        fs::write(self.path(name), content).unwrap();
        self.path(name)
    }

    /// A command on this place's store, in this place.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = tool();
        command.arg("--store").arg(self.store()).args(arguments).current_dir(self.0.path());
        command
    }

    /// What the command answers.
    pub(crate) fn run(&self, arguments: &[&str]) -> Answer {
        Answer::of(self.command(arguments).stdin(Stdio::null()).output().unwrap())
    }

    /// What the command answers with this on its standard input.
    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &[u8]) -> Answer {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        std::thread::scope(|scope| {
            // At the same time as its answer is read, which may be longer than a pipe holds.
            scope.spawn(move || {
                // A command may end without reading all of it.
                if let Err(error) = stdin.write_all(input) {
                    assert_eq!(error.kind(), ErrorKind::BrokenPipe, "{error}");
                }
            });
            Answer::of(child.wait_with_output().unwrap())
        })
    }

    /// Imports a text, of which every line must be good.
    pub(crate) fn fill(&self, text: &str) {
        let summary = self.run_with_input(&["import", "-"], text.as_bytes()).success().line();
        assert_eq!(summary["rejected"], 0, "{summary}");
    }
}

/// The binary, without anything of the environment that would change its answers.
pub(crate) fn tool() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_envelog"));
    command.env_remove("ENVELOG_STORE").env_remove("ENVELOG_SECRET_FILE").env_remove("NO_COLOR");
    command
}

/// How a command ended, and what it wrote.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Answer {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    #[track_caller]
    pub(crate) fn success(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// Checks that the command failed with the code, wrote no data, and said this.
    #[track_caller]
    pub(crate) fn fails(self, code: i32, said: &str) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(self.out, "", "{self:?}");
        assert!(self.err.contains(said), "{self:?} does not say: {said}");
        self
    }

    /// The lines of its NDJSON.
    #[track_caller]
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Its only line.
    #[track_caller]
    pub(crate) fn line(&self) -> Value {
        let lines = self.lines();
        assert_eq!(lines.len(), 1, "{self:?}");
        lines.into_iter().next().unwrap()
    }
}

/// The lines of an NDJSON file.
pub(crate) fn read_lines(path: impl AsRef<Path>) -> Vec<Value> {
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// An envelope of the shop as a line of NDJSON; `rest` are further members of the object.
pub(crate) fn envelope(event_type: &str, time: &str, user: &str, rest: &str) -> String {
    let comma = if rest.is_empty() { "" } else { "," };
    format!(
        "{{\"orgId\":\"{ORG}\",\"projectId\":\"{SHOP}\",\"module\":\"analytics\",\"eventType\":\"{event_type}\",\
         \"timestamp\":\"{time}\",\"userId\":\"{user}\"{comma}{rest}}}\n"
    )
}

/// A few events of two users in two months.
pub(crate) fn small_shop() -> String {
    let mut text = String::new();
    let mut add = |event_type, time, user, rest| text.push_str(&envelope(event_type, time, user, rest));
    add("identify", "2024-01-30T10:00:00Z", "u_1", r#""context":{"traits":{"plan":"free","name":"Ada"}}"#);
    add("product.viewed", "2024-01-30T10:00:01Z", "u_1", r#""anonymousId":"d_1","properties":{"sku":"A"}"#);
    add("product.viewed", "2024-01-31T23:59:59Z", "u_2", r#""properties":{"sku":"B"}"#);
    add("order.placed", "2024-02-01T00:00:00Z", "u_1", r#""properties":{"amount":4200,"currency":"EUR"}"#);
    add("order.placed", "2024-02-02T00:00:00Z", "u_2", r#""properties":{"amount":100,"currency":"USD"}"#);
    add("order.placed", "2024-02-03T00:00:00Z", "u_2", r#""properties":{"amount":"free"}"#);
    add("identify", "2024-02-04T00:00:00Z", "u_1", r#""context":{"traits":{"plan":"pro"}}"#);
    let device = envelope("link.clicked", "2024-02-05T00:00:00.500Z", "", r#""anonymousId":"d_2""#);
    text + &device.replace("\"userId\":\"\",", "").replace("analytics", "links")
}

/// Every file of a directory with its content and time of change.
pub(crate) fn fingerprint(directory: &Path) -> Vec<(PathBuf, Vec<u8>, std::time::SystemTime)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(fingerprint(&path));
        } else {
            let modified = path.metadata().unwrap().modified().unwrap();
            files.push((path.clone(), fs::read(&path).unwrap(), modified));
        }
    }
    files.sort();
    files
}

#[test]
fn help_and_version_are_data_and_no_error() {
    for argument in ["--help", "--version", "help"] {
        let answer = Answer::of(tool().arg(argument).output().unwrap()).success();
        assert!(answer.out.contains("envelog"), "{answer:?}");
        assert_eq!(answer.err, "");
    }
}

#[test]
fn a_command_line_that_makes_no_sense_ends_with_2() {
    let place = Place::new();
    for arguments in [
        &["sing"][..],
        &["count", "--by", "colour"],
        &["count", "--since", "yesterday"],
        &["count", "--where", "amount>1"],
        &["count", "--type", "a", "--type-prefix", "b"],
        &["events", "--limit", "-1"],
        &["sum"],
        &["timeline"],
        &["import"],
        &["import", "x", "--batch", "0"],
        &["--project", "shop", "count"],
        &["--project", SHOP, "stats"],
        &["timeline", "u", "--after", "x"],
    ] {
        let answer = place.run(arguments);
        assert_eq!(answer.code, Some(2), "{arguments:?}: {answer:?}");
        assert_eq!(answer.out, "");
        assert!(!answer.err.is_empty());
    }
    let answer = Answer::of(tool().arg("count").output().unwrap());
    answer.fails(2, "--store DIR or set ENVELOG_STORE");
    assert!(!place.store().exists(), "nothing was made");
}

#[test]
fn a_mistyped_operator_is_refused_with_the_ones_there_are() {
    let place = Place::new();
    let properties = r#""properties":{"amount":42311,"sku":"12","note":"=12"}"#;
    place.fill(&envelope("order.placed", "2024-02-01T00:00:00Z", "u_1", properties));
    for condition in [
        "amount!=5",
        "amount==42311",
        "amount=>40000",
        "amount=<40000",
        "amount = > 40000",
        "amount~=4",
        "amount=~4",
        "amount=!5",
        "amount>==5",
        "amount<>5",
        "amount>5",
        "amount !",
        "note==12",
    ] {
        for command in [&["count"][..], &["sum", "amount"], &["events"], &["timeline", "u_1"]] {
            place
                .run(&[command, &["--where", condition]].concat())
                .fails(2, "the operators are =, >= and <=");
        }
    }
    for (condition, count) in
        [("note=\"=12\"", 1), ("sku=12", 0), ("sku=\"12\"", 1), ("amount=42311", 1), ("amount>=42311", 1)]
    {
        let answer = place.run(&["count", "--where", condition]).success();
        assert_eq!(answer.line()["count"], count, "{condition}");
    }
}

/// The help of a command, with one blank between words.
fn help(command: &str) -> String {
    let answer = Answer::of(tool().args([command, "--help"]).output().unwrap()).success();
    answer.out.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_help_tells_how_values_and_prefixes_are_written() {
    for command in ["count", "sum", "events", "timeline"] {
        let help = help(command);
        for text in ["order. stands for order.placed", "sku=12 finds the number 12", "note=\"=12\""] {
            assert!(help.contains(text), "{command}: {text} is not in {help}");
        }
    }
    for text in ["The exit code is 0 where some lines were refused", "It is 1 where all lines were refused"] {
        let help = help("import");
        assert!(help.contains(text), "{text} is not in {help}");
    }
}

#[test]
fn the_store_may_come_from_the_environment() {
    let place = Place::new();
    place.fill(&small_shop());
    let by_environment =
        |directory: &OsStr| Answer::of(tool().env("ENVELOG_STORE", directory).arg("count").output().unwrap());
    assert_eq!(by_environment(place.store().as_os_str()).success().line()["count"], 8);
    by_environment(OsStr::new("")).fails(2, "--store <DIR>");
}
