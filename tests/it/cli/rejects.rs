//! The rejects file: what it may replace, and what is never written over.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::process::Stdio;

use super::{Answer, Place, envelope, fingerprint, read_lines};

fn good() -> String {
    envelope("page.viewed", "2024-03-01T00:00:00Z", "u_1", "")
}

fn one_bad() -> String {
    good() + "oops\n"
}

#[test]
fn a_rejects_file_that_cannot_be_written_is_not_named() {
    let place = Place::new();
    let file = place.write("in", one_bad());
    let arguments = ["import", file.to_str().unwrap(), "--rejects", "/nonexistent/x"];
    let answer = place.run(&arguments).success();
    let summary = answer.line();
    assert_eq!(summary["rejected"], 1);
    assert!(summary.get("rejects").is_none(), "{summary}");
    assert!(answer.err.contains("\"line\":2"), "rejects without a file are told: {answer:?}");
    let answer = place.run(&[&["--format", "table"][..], &arguments].concat()).success();
    let last = answer.err.lines().last().unwrap();
    assert_eq!(last, "rejected: 1; why is told above", "{answer:?}");
    if cfg!(target_os = "linux") {
        let answer = place.run(&[&arguments[..3], &["/dev/full"]].concat()).success();
        assert!(answer.line().get("rejects").is_none(), "{answer:?}");
    }
}

#[test]
fn rejects_of_an_earlier_import_are_replaced_and_removed_where_there_are_none() {
    let place = Place::new();
    let file = place.write("in", "oops\n".repeat(50) + &good());
    let file = file.to_str().unwrap();
    let rejects = place.path("in.rejects.ndjson");
    place.run(&["import", file]).success();
    assert_eq!(read_lines(&rejects).len(), 50);
    place.write("in", one_bad());
    place.run(&["import", file]).success();
    assert_eq!(read_lines(&rejects).len(), 1, "nothing is left of the longer list");
    place.write("in", good());
    let summary = place.run(&["import", file]).success().line();
    assert!(summary.get("rejects").is_none());
    assert!(!rejects.exists(), "there is no reject");

    place.write("in.rejects.ndjson", "");
    place.run(&["import", file]).success();
    assert!(!rejects.exists(), "an empty file is as one of an import");
    place.write("in.rejects.ndjson", "");
    place.write("in", one_bad());
    place.run(&["import", file]).success();
    assert_eq!(read_lines(&rejects).len(), 1);
}

#[test]
fn a_link_to_rejects_is_kept_and_what_it_names_is_replaced_or_emptied() {
    let place = Place::new();
    let file = place.write("in", one_bad());
    let file = file.to_str().unwrap();
    place.write("list", "");
    symlink("list", place.path("link")).unwrap();
    place.run(&["import", file, "--rejects", "link"]).success();
    assert_eq!(read_lines(place.path("list")).len(), 1);
    place.write("in", good());
    place.run(&["import", file, "--rejects", "link"]).success();
    assert_eq!(fs::read(place.path("list")).unwrap(), b"");
    assert!(place.path("link").is_symlink());
}

#[test]
fn any_other_file_is_refused_before_anything_is_imported() {
    let place = Place::new();
    let file = place.write("in", one_bad());
    let file = file.to_str().unwrap();
    let contents = [
        "notes of mine\n".to_owned(),
        "{\"line\":2}\n".to_owned(),
        "\n".to_owned(),
        good(),
        "{\"line\":1,\"bytes\":4,\"reason\":\"x\",\"mine\":true}\n".to_owned(),
        "\0".repeat(100_000),
    ];
    for content in &contents {
        for (name, arguments) in
            [("notes", &["import", file, "--rejects", "notes"][..]), ("in.rejects.ndjson", &["import", file])]
        {
            let kept = place.write(name, content);
            let answer = place.run(arguments).fails(1, "no import left it");
            assert!(answer.err.contains(name) && answer.err.contains("--rejects FILE"), "{answer:?}");
            assert_eq!(fs::read(&kept).unwrap(), content.as_bytes());
            fs::remove_file(kept).unwrap();
        }
        place.write("rejects.ndjson", content);
        place.run_with_input(&["import", "-"], one_bad().as_bytes()).fails(1, "no import left it");
    }
    fs::create_dir(place.path("directory")).unwrap();
    place.run(&["import", file, "--rejects", "directory"]).fails(1, "is no file");
    symlink("nothing", place.path("dangling")).unwrap();
    place.run(&["import", file, "--rejects", "dangling"]).fails(1, "dangling");
    assert!(!place.store().exists() && !place.path("nothing").exists(), "nothing was begun");
}

#[test]
fn the_input_is_never_written_over_by_whatever_name() {
    let place = Place::new();
    // As an input that begins like a list of rejects, and as one that is empty.
    let reject = "{\"line\":1,\"bytes\":4,\"reason\":\"x\"}\n".to_owned();
    for content in [one_bad(), reject + "oops\n", String::new()] {
        let input = place.write("in", &content);
        symlink("in", place.path("link")).unwrap();
        fs::hard_link(&input, place.path("hard")).unwrap();
        fs::hard_link(&input, place.path("hard.rejects.ndjson")).unwrap();
        for rejects in ["in", "./in", "link", "hard", input.to_str().unwrap()] {
            for file in ["in", "link", "hard"] {
                place.run(&["import", file, "--rejects", rejects]).fails(2, "over the input itself");
            }
            let mut command = place.command(&["import", "-", "--rejects", rejects]);
            let output = command.stdin(File::open(&input).unwrap()).output().unwrap();
            Answer::of(output).fails(2, "over the input itself");
        }
        place.run(&["import", "hard"]).fails(2, "over the input itself");
        fs::rename(place.path("hard"), place.path("rejects.ndjson")).unwrap();
        let mut command = place.command(&["import", "-"]);
        let output = command.stdin(File::open(&input).unwrap()).output().unwrap();
        Answer::of(output).fails(2, "over the input itself");
        assert_eq!(fs::read_to_string(&input).unwrap(), content);
        assert_eq!(input.metadata().unwrap().nlink(), 3, "no name of it was removed");
        for name in ["link", "hard.rejects.ndjson", "rejects.ndjson"] {
            fs::remove_file(place.path(name)).unwrap();
        }
    }
    assert!(!place.store().exists(), "nothing was begun");
}

#[test]
fn nothing_is_written_into_the_directory_of_the_store() {
    let place = Place::new();
    let file = place.write("in", one_bad());
    let file = file.to_str().unwrap();
    let refused = |rejects: &str| {
        place.run(&["import", file, "--rejects", rejects]).fails(2, "the store");
    };
    symlink("store", place.path("link")).unwrap();
    for rejects in ["store", "store/x", "./store/new/x", "missing/../store/x", "store/../store/x"] {
        refused(rejects);
    }
    assert!(!place.store().exists(), "nothing was begun");
    let answer = place.run(&["import", file, "--rejects", "link/x"]).success();
    assert!(answer.err.contains("in the store's directory"), "the store is made later: {answer:?}");
    assert!(!place.store().join("x").exists());

    let before = fingerprint(&place.store());
    let names: Vec<String> = fs::read_dir(place.store())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    for name in names.iter().map(String::as_str).chain(["x", "quarantine/x"]) {
        refused(&format!("store/{name}"));
        refused(&format!("link/{name}"));
    }
    OpenOptions::new().write(true).create_new(true).open(place.store().join("EMPTY")).unwrap();
    fs::hard_link(place.store().join("EMPTY"), place.path("hard")).unwrap();
    refused("hard");
    fs::remove_file(place.store().join("EMPTY")).unwrap();
    let inside = place.store().join("in");
    fs::write(&inside, one_bad()).unwrap();
    place.run(&["import", inside.to_str().unwrap()]).fails(2, "the store's directory");
    fs::remove_file(inside).unwrap();
    assert!(fingerprint(&place.store()) == before, "a file has changed");
}

#[test]
fn rejects_may_go_to_a_terminal_a_pipe_or_nowhere() {
    let place = Place::new();
    let file = place.write("in", one_bad());
    let file = file.to_str().unwrap();
    place.run(&["import", file, "--rejects", "/dev/null"]).success();
    let mut command = place.command(&["import", file, "--rejects", "/dev/stderr"]);
    let answer = Answer::of(command.stdin(Stdio::null()).output().unwrap()).success();
    assert!(answer.err.contains("\"line\":2"), "{answer:?}");
    place.run(&["import", file, "--rejects", "/dev/null"]).success();
}
