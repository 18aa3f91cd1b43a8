//! `tail`: the newest events, and those that it stores itself.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::{Answer, OTHER, Place, SHOP, envelope, small_shop};
use crate::support::ignored;

fn line(number: usize) -> String {
    let project = if number.is_multiple_of(3) { OTHER } else { SHOP };
    envelope("page.viewed", "2024-03-01T00:00:00Z", &format!("u_{number}"), "").replace(SHOP, project)
}

fn seqs(answer: &Answer) -> Vec<u64> {
    answer.lines().iter().map(|event| event["seq"].as_u64().unwrap()).collect()
}

#[test]
fn the_newest_events_of_all_projects_come_in_the_order_of_storing() {
    let place = Place::new();
    place.fill(&(1..=30).map(line).collect::<String>());
    let tail = |arguments: &[&str]| seqs(&place.run(&[&["tail"], arguments].concat()).success());
    let all: Vec<u64> = (1..=30).collect();
    assert_eq!(tail(&[]), all[20..]);
    assert_eq!(tail(&["-n", "3"]), [28, 29, 30]);
    assert_eq!(tail(&["--limit", "1"]), [30]);
    assert_eq!(tail(&["-n", "0"]), [0; 0]);
    assert_eq!(tail(&["-n", "18446744073709551615"]), all);
    assert_eq!(tail(&["-n", "3", "--project", OTHER]), [24, 27, 30]);
    assert_eq!(tail(&["-n", "2", "--user", "u_7"]), [7]);
    assert_eq!(tail(&["--type", "never.happened"]), [0; 0]);
}

#[test]
fn what_is_followed_is_stored_and_listed_after_the_newest() {
    let place = Place::new();
    place.fill(&(1..=5).map(line).collect::<String>());
    let before = seqs(&place.run(&["tail", "-n", "2"]).success());
    let bad = "{\"orgId\":1}\n\nno json\n";
    let too_long = "x".repeat((1 << 20) + 1);
    let input = format!("{}{bad}{too_long}\n{}{}", line(6), line(7), line(8).trim_end());
    let answer = place.run_with_input(&["tail", "-n", "2", "-f"], input.as_bytes()).success();
    let listed = seqs(&answer);
    assert_eq!((&listed[..2], listed.len()), (&before[..], 5));
    let users: Vec<Value> = answer.lines()[2..].iter().map(|event| event["userId"].clone()).collect();
    assert_eq!(users, ["u_6", "u_7", "u_8"]);
    for told in ["line 2: orgId", "line 4: ", "line 5: the line is longer than 1048576 bytes"] {
        assert!(answer.err.contains(told), "{told} is not in {}", answer.err);
    }
    assert_eq!(answer.err.lines().count(), 3, "{}", answer.err);
    assert!(!answer.err.contains("no json"), "no content is told: {}", answer.err);
    assert_eq!(seqs(&place.run(&["export", "--meta"]).success()).len(), 8);
    assert_eq!(place.run(&["stats"]).success().line()["wasClosed"], true);
}

#[test]
fn filters_choose_what_is_listed_and_everything_is_stored() {
    let place = Place::new();
    let input: String = (1..=6).map(line).collect();
    let answer = place.run_with_input(&["tail", "-f", "--project", OTHER], input.as_bytes());
    let answer = answer.success();
    assert_eq!(seqs(&answer).len(), 2);
    let answer =
        place.run_with_input(&["tail", "-f", "-n", "0", "--user", "u_5"], input.as_bytes()).success();
    assert_eq!(seqs(&answer).len(), 1);
    assert_eq!(place.run(&["export"]).success().lines().len(), 12);
}

#[test]
fn a_project_may_begin_with_what_is_followed() {
    let place = Place::new();
    place.fill(&line(1));
    let input = format!("\u{feff}{}", line(3));
    let answer = place.run_with_input(&["tail", "-f", "--project", OTHER], input.as_bytes()).success();
    assert_eq!((seqs(&answer).len(), answer.err.as_str()), (1, ""));
    place.run(&["tail", "--project", super::ORG]).fails(1, "no such project");
}

#[test]
fn an_input_without_any_envelope_is_an_error() {
    let place = Place::new();
    let answer = place.run_with_input(&["tail", "-f"], b"nothing\n");
    answer.fails(1, "no line of it is an envelope");
    place.run_with_input(&["tail", "-f"], b"").success();
}

/// A `tail -f` that runs.
fn follow(place: &Place, arguments: &[&str]) -> Child {
    let mut command = place.command(&[&["tail", "-f"], arguments].concat());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn an_event_is_listed_before_the_next_line_comes() {
    for format in ["ndjson", "csv", "markdown", "table", "json"] {
        let place = Place::new();
        place.fill(&line(1));
        let mut child = follow(&place, &["--format", format]);
        let mut input = child.stdin.take().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut shown = String::new();
        for number in 2..5 {
            input.write_all(line(number).as_bytes()).unwrap();
            let user = format!("u_{number}");
            while !shown.contains(&user) {
                // The array of JSON has no end of line behind its last object, but one before it.
                let read = if format == "json" {
                    let mut part = Vec::new();
                    let read = output.read_until(b'}', &mut part);
                    shown.push_str(&String::from_utf8(part).unwrap());
                    read
                } else {
                    output.read_line(&mut shown)
                };
                assert!(read.unwrap() > 0, "{format}: {shown}");
            }
        }
        drop(input);
        let answer = Answer::of(child.wait_with_output().unwrap()).success();
        assert_eq!(answer.err, "", "{format}");
        if format == "table" {
            assert_eq!(shown.matches("| who").count(), 1, "the headings come once: {shown}");
            let widths: Vec<usize> = shown.lines().map(|line| line.chars().count()).collect();
            assert!(widths.iter().all(|width| *width == widths[0]), "columns stay where they are: {shown}");
        }
    }
}

#[test]
fn a_signal_ends_it_and_the_store_is_closed() {
    for signal in ["-INT", "-TERM"] {
        let place = Place::new();
        let mut child = follow(&place, &[]);
        let mut input = child.stdin.take().unwrap();
        input.write_all(line(1).as_bytes()).unwrap();
        input.write_all(b"{\"orgId\":").unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut first).unwrap();
        assert!(first.contains("u_1"), "{first}");
        let killed = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        assert!(killed.success());
        let answer = Answer::of(child.wait_with_output().unwrap()).success();
        assert_eq!(answer.err, "", "a line that was cut off is nobody's fault");
        drop(input);
        assert_eq!(place.run(&["stats"]).success().line()["wasClosed"], true);
        assert_eq!(place.run(&["count", "--project", SHOP]).success().line()["count"], 1);
    }
}

#[test]
fn a_reader_that_goes_away_ends_it_and_the_store_is_closed() {
    let place = Place::new();
    let mut child = follow(&place, &[]);
    drop(child.stdout.take());
    let mut input = child.stdin.take().unwrap();
    let mut number = 0;
    // A pipe that nobody reads any more is noticed at the next event.
    while input.write_all(line(number).as_bytes()).is_ok() && number < 100_000 {
        number += 1;
    }
    drop(input);
    let answer = Answer::of(child.wait_with_output().unwrap()).success();
    assert_eq!(answer.err, "");
    assert_eq!(place.run(&["stats"]).success().line()["wasClosed"], true);
}

#[test]
fn a_terminal_is_no_input_and_the_error_says_what_is_not_there_yet() {
    let place = Place::new();
    place.fill(&small_shop());
    let line = format!(
        "exec '{}' --store '{}' tail -f",
        env!("CARGO_BIN_EXE_envelog"),
        place.store().to_str().unwrap()
    );
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command", &line, "/dev/null"]).stdin(Stdio::null());
    let Ok(output) = command.env("SHELL", "/bin/sh").output() else {
        return ignored("a_terminal_is_no_input_and_the_error_says_what_is_not_there_yet", "no terminal");
    };
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("another process writes is not there yet"), "{said}");
    assert!(fs::exists(place.store()).unwrap());
}
