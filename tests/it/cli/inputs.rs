//! What `import` says to inputs of every kind.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::import::gzip;
use super::{Answer, Place, envelope, read_lines};
use crate::support::watch::Watched;

pub(super) fn view(number: usize) -> String {
    envelope("page.viewed", "2024-03-01T00:00:00Z", &format!("u_{number}"), "")
}

pub(super) fn zstd(text: &[u8]) -> Vec<u8> {
    compress_to_vec(text, CompressionLevel::Fastest)
}

#[track_caller]
fn events_in(place: &Place) -> u64 {
    place.run(&["count"]).success().line()["count"].as_u64().unwrap()
}

/// Events of all projects.
fn events_in_all_of(place: &Place) -> u64 {
    let store = envelog::Store::open_read_only(place.store()).unwrap();
    let projects = store.projects().unwrap();
    projects.into_iter().map(|id| store.project(id).view().unwrap().events().count().unwrap()).sum()
}

#[test]
fn an_empty_input_makes_an_empty_store_and_says_that_it_is_empty() {
    let place = Place::new();
    let file = place.write("empty", "");
    for (arguments, name) in
        [(["import", file.to_str().unwrap()], "empty"), (["import", "-"], "standard input")]
    {
        let answer = place.run(&arguments).success();
        assert!(answer.err.contains(&format!("{name}: it is empty")), "{answer:?}");
        let summary = answer.line();
        assert_eq!((summary["lines"].as_u64(), summary["stored"].as_u64()), (Some(0), Some(0)));
    }
    assert!(!place.path("empty.rejects.ndjson").exists(), "there is no reject");
    assert_eq!(place.run(&["count"]).success().line()["count"], 0);
    let blank = place.write("blank", "\n \n");
    let answer = place.run(&["import", blank.to_str().unwrap()]).success();
    assert!(!answer.err.contains("empty"), "{answer:?}");
    assert_eq!(answer.line()["blank"], 2);
}

#[test]
fn what_is_no_ndjson_is_told_before_anything_is_made() {
    let place = Place::new();
    let mut state = 7u64;
    let random: Vec<u8> = (0..3_000_000u32)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
        .collect();
    let tool = fs::read(env!("CARGO_BIN_EXE_envelog")).unwrap();
    let array = format!("[{},{}]", view(1).trim(), view(2).trim());
    let pretty = view(1).replace(',', ",\n ").replacen('{', "{\n  ", 1);
    let mut utf16 = vec![0xff, 0xfe];
    utf16.extend(view(1).encode_utf16().flat_map(u16::to_le_bytes));
    for (content, said) in [
        (random, "binary data"),
        (tool[..100_000].to_vec(), "binary data"),
        (gzip(&tool[..100_000]), "binary data"),
        (b"\xfd7zXZ\0\0\x04\xe6".to_vec(), "xz -dc FILE | envelog import -"),
        (array.into_bytes(), "jq -c '.[]' FILE"),
        (pretty.into_bytes(), "jq -c . FILE"),
        (utf16, "iconv"),
    ] {
        let file = place.write("in", &content);
        let answer = place.run(&["import", file.to_str().unwrap()]).fails(1, said);
        assert!(answer.err.lines().count() == 1 && answer.err.contains("in: this is"), "{answer:?}");
        place.run_with_input(&["import", "-"], &content).fails(1, said);
        assert!(!place.store().exists() && !place.path("in.rejects.ndjson").exists());
    }
}

#[test]
fn a_text_without_an_envelope_is_an_error_with_every_line_listed() {
    let place = Place::new();
    let file = place.write("notes", "one\ntwo\n\nthree\n");
    let answer = place.run(&["import", file.to_str().unwrap()]);
    assert_eq!(answer.code, Some(1), "{answer:?}");
    assert!(answer.err.contains("no line of it is an envelope\n"), "nothing else is meant: {answer:?}");
    assert_eq!(answer.line()["rejected"], 3);
    assert_eq!(read_lines(place.path("notes.rejects.ndjson")).len(), 3);
}

#[test]
fn a_broken_first_line_does_not_keep_the_others_out() {
    for first in ["[broken", "{", "\0\0\0", "{\"orgId\"", "[1,2]"] {
        let place = Place::new();
        let file = place.write("in", format!("{first}\n{}", view(1)));
        let summary = place.run(&["import", file.to_str().unwrap()]).success().line();
        assert_eq!((&summary["stored"], &summary["rejected"]), (&1.into(), &1.into()), "{first}");
    }
}

#[test]
fn the_last_line_needs_no_end_however_the_input_is_packed() {
    let text = view(1) + view(2).trim_end();
    for content in [text.clone().into_bytes(), gzip(text.as_bytes()), zstd(text.as_bytes())] {
        let place = Place::new();
        let file = place.write("in", &content);
        assert_eq!(place.run(&["import", file.to_str().unwrap()]).success().line()["stored"], 2);
        assert_eq!(place.run_with_input(&["import", "-"], &content).success().line()["stored"], 2);
        assert_eq!(events_in(&place), 4);
    }
}

#[test]
fn zstd_is_read_in_one_or_more_frames() {
    let place = Place::new();
    let skippable = [0x53, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9];
    let (first, second) = (view(1) + &view(2), view(3));
    let content = [&skippable[..], &zstd(first.as_bytes()), &skippable, &zstd(second.as_bytes())].concat();
    let file = place.write("shop.data", &content);
    assert_eq!(place.run(&["import", file.to_str().unwrap()]).success().line()["stored"], 3);
    assert_eq!(place.run_with_input(&["import", "-"], &content).success().line()["stored"], 3);
    assert_eq!(events_in(&place), 6);
}

#[test]
fn packed_data_that_is_cut_off_or_damaged_gives_the_lines_before_and_says_what_is_wrong() {
    let text: String = (0..60_000).map(view).collect();
    for (packed, name) in [(gzip(text.as_bytes()), "gzip"), (zstd(text.as_bytes()), "zstd")] {
        let middle = packed.len() / 2;
        let mut damaged = packed.clone();
        damaged[middle..middle + 50].fill(0xff);
        let cut = packed[..middle].to_vec();
        for (content, said) in [(cut, "ends early"), (damaged, "is damaged")] {
            let place = Place::new();
            let file = place.write("in", content);
            let answer = place.run(&["import", file.to_str().unwrap()]).fails(1, said);
            assert!(answer.err.contains(&format!("in: the {name} data {said}")), "{answer:?}");
            assert!(
                answer.err.contains("the same command resumes once all of the file can be read"),
                "{answer:?}"
            );
            if said == "is damaged" {
                // What was damaged may have come out as other text before that was found.
                assert!(events_in_all_of(&place) > 10_000);
                continue;
            }
            let (events, _) = super::parallel::told(&answer);
            let stored = super::parallel::stored(&place.store());
            assert!(10_000 < events && events < 60_000, "{answer:?}");
            assert!(stored.into_iter().eq(0..events), "{name}");

            // When the whole file is there it has another size; the import that was begun is not mixed with it.
            fs::write(&file, &packed).unwrap();
            let refused = place.run(&["import", file.to_str().unwrap()]).fails(1, "--restart");
            assert!(!refused.err.contains("stopped early"), "nothing was begun: {refused:?}");
            let summary = place.run(&["import", file.to_str().unwrap(), "--restart"]).success().line();
            assert_eq!(summary["stored"], 60_000);
        }
    }
}

#[test]
fn a_fifo_is_read_to_its_end_and_does_not_resume() {
    Watched::start(|progress| {
        let place = Place::new();
        let fifo = place.path("fifo");
        let made = std::process::Command::new("mkfifo").arg(&fifo).status().unwrap();
        assert!(made.success());
        for round in 1..=2 {
            progress.begin("importing from a FIFO");
            let mut command = place.command(&["import", "fifo"]);
            let child =
                command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            let mut to = fs::OpenOptions::new().write(true).open(&fifo).unwrap();
            to.write_all((view(1) + "oops\n" + view(2).trim_end()).as_bytes()).unwrap();
            drop(to);
            let summary = Answer::of(child.wait_with_output().unwrap()).success().line();
            assert_eq!((&summary["stored"], &summary["rejected"]), (&2.into(), &1.into()));
            assert!(summary.get("inAll").is_none());
            assert_eq!(read_lines(place.path("fifo.rejects.ndjson")).len(), 1);
            assert_eq!(events_in(&place), 2 * round);
        }
    })
    .join();
}
