//! `import` is asked to stop: by Ctrl-C, and by a disk that is full.

use std::fs;
use std::io::Write as _;
use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::inputs::view;
use super::parallel::{stored, told};
use super::{Answer, Place, read_lines};
use crate::support::watch::Watched;

fn signal(child: &Child, signal: Signal) {
    let id = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(id, signal).unwrap();
}

fn begin(place: &Place, arguments: &[&str], stdin: Stdio) -> Child {
    let mut command = place.command(arguments);
    command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// A good line, or a broken one every tenth.
fn line(number: usize) -> String {
    if number.is_multiple_of(10) { "oops\n".to_owned() } else { view(number) }
}

fn good(lines: usize) -> Vec<usize> {
    (1..=lines).filter(|number| !number.is_multiple_of(10)).collect()
}

/// Waits until the list of rejects has so many bytes.
fn wait_for_rejects(place: &Place, name: &str, bytes: u64) {
    while fs::metadata(place.path(name)).map_or(0, |metadata| metadata.len()) < bytes {
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn an_import_that_is_interrupted_tells_what_is_stored_and_resumes() {
    for asked in [Signal::INT, Signal::TERM] {
        Watched::start(move |progress| {
            let place = Place::new();
            let lines = 120_000;
            place.write("in", (1..=lines).map(line).collect::<String>());
            progress.begin("interrupting an import");
            let child = begin(&place, &["import", "in", "--batch", "50"], Stdio::null());
            wait_for_rejects(&place, "in.rejects.ndjson", 10_000);
            signal(&child, asked);
            let answer = Answer::of(child.wait_with_output().unwrap()).fails(1, "interrupted; ");
            assert!(answer.err.ends_with(" lines are stored; the same command resumes\n"), "{answer:?}");
            let (events, first) = told(&answer);
            assert!(0 < events && first < lines, "{answer:?}");
            assert_eq!(stored(&place.store()), good(first), "what is told is true");
            assert_eq!(events, good(first).len());
            assert_eq!(read_lines(place.path("in.rejects.ndjson")).len(), first - events);

            progress.begin("resuming it");
            let answer = place.run(&["import", "in"]).success();
            assert_eq!(answer.line()["inAll"]["stored"], good(lines).len());
            assert_eq!(stored(&place.store()), good(lines));
            assert_eq!(read_lines(place.path("in.rejects.ndjson")).len(), lines / 10);
        })
        .join();
    }
}

#[test]
fn a_pipe_that_gives_nothing_does_not_keep_an_import_from_stopping() {
    Watched::start(|progress| {
        let place = Place::new();
        let mut child = begin(&place, &["import", "-"], Stdio::piped());
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all((1..=20).map(line).collect::<String>().as_bytes()).unwrap();
        progress.begin("waiting for the lines of a pipe");
        // The last line is one of them, and is listed when those before it are stored.
        while read_lines_if_there(&place) < 2 {
            std::thread::sleep(Duration::from_millis(1));
        }
        progress.begin("interrupting a read");
        signal(&child, Signal::INT);
        let answer = Answer::of(child.wait_with_output().unwrap()).fails(1, "interrupted; ");
        assert!(answer.err.contains("standard input does not resume"), "{answer:?}");
        let (events, lines) = told(&answer);
        assert_eq!(stored(&place.store()), good(lines));
        assert_eq!((events, lines), (18, 20));
        drop(stdin);
    })
    .join();
}

fn read_lines_if_there(place: &Place) -> usize {
    let path = place.path("rejects.ndjson");
    if path.exists() { read_lines(path).len() } else { 0 }
}

#[test]
fn an_import_that_waits_for_its_first_byte_ends_at_once() {
    Watched::start(|progress| {
        let place = Place::new();
        let mut child = begin(&place, &["import", "-"], Stdio::piped());
        let stdin = child.stdin.take().unwrap();
        std::thread::sleep(Duration::from_millis(100));
        progress.begin("interrupting an import that has read nothing");
        signal(&child, Signal::INT);
        let status = child.wait().unwrap();
        assert!(!status.success());
        assert!(!place.store().exists());
        drop(stdin);
    })
    .join();
}
