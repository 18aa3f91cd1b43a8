//! `verify`: what it finds, in which form, and how it ends.

use std::fs;

use super::damage::several_segments;
use super::{Answer, Place, fingerprint, small_shop};

fn flip(place: &Place, name: &str, at: usize) {
    let path = place.store().join(name);
    let mut bytes = fs::read(&path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_sound_store_has_no_finding_and_ends_with_0() {
    let place = Place::new();
    place.fill(&small_shop());
    let before = fingerprint(&place.store());
    for arguments in [&["verify"][..], &["verify", "--level", "quick"], &["verify", "--level", "deep"]] {
        let answer = place.run(arguments).success();
        assert_eq!(answer.out, "", "{arguments:?}");
        assert!(answer.err.contains("no damage"), "{answer:?}");
        assert!(answer.err.contains("bytes checked: "), "not to be taken for those on disk: {answer:?}");
    }
    let figures = place.run(&["stats", "--format", "table"]).success().out;
    assert!(figures.contains("| bytes on disk "), "{figures}");
    assert!(fingerprint(&place.store()) == before);
}

#[test]
fn damage_is_listed_and_ends_with_3() {
    let place = several_segments();
    flip(&place, "seg-1.log", 300_000);
    flip(&place, "seg-2.log", 400_000);
    flip(&place, "seg-1.idx", 5_000);
    let before = fingerprint(&place.store());
    let answer = place.run(&["verify"]);
    assert_eq!(answer.code, Some(3), "{answer:?}");
    let lines = answer.lines();
    let told: Vec<(&str, &str)> = lines
        .iter()
        .map(|line| (line["severity"].as_str().unwrap(), line["file"].as_str().unwrap()))
        .collect();
    assert_eq!(told, [("damage", "seg-1.log"), ("derived", "seg-1.idx"), ("damage", "seg-2.log")]);
    for line in lines.iter().filter(|line| line["severity"] == "damage") {
        assert!(line["offset"].as_u64().unwrap() > 4096);
        assert_eq!(line["firstSeq"], line["lastSeq"], "one frame: {line}");
        assert!(line["what"].as_str().unwrap().contains("checksum"), "{line}");
        assert!(line["advice"].as_str().unwrap().contains("backup"), "{line}");
    }
    assert!(answer.err.contains("damage was found in 2 places"), "{answer:?}");
    let table = place.run(&["verify", "--format", "table"]);
    assert_eq!(table.code, Some(3));
    assert!(table.out.contains("| damage"), "{}", table.out);
    let quick = place.run(&["verify", "--level", "quick"]).success();
    assert_eq!(quick.out, "", "what is wrong lies behind the headers");
    assert!(fingerprint(&place.store()) == before, "no file has changed");
}

#[test]
fn what_opening_makes_anew_and_what_a_crash_leaves_ends_with_0() {
    let place = several_segments();
    fs::remove_file(place.store().join("seg-1.idx")).unwrap();
    fs::write(place.store().join("notes.txt"), "mine").unwrap();
    let answer = place.run(&["verify"]).success();
    let severities: Vec<_> = answer.lines().iter().map(|line| line["severity"].clone()).collect();
    assert_eq!(severities, ["note", "derived"]);
    assert!(answer.err.contains("makes anew") && answer.err.contains("no damage"), "{answer:?}");
}

#[test]
fn a_store_that_does_not_open_is_checked_all_the_same() {
    let place = several_segments();
    fs::remove_file(place.store().join("MANIFEST")).unwrap();
    assert_ne!(place.run(&["count"]).code, Some(0));
    let answer = place.run(&["verify"]);
    assert_eq!(answer.code, Some(3), "{answer:?}");
    assert_eq!(answer.lines()[0]["file"], "MANIFEST");
    assert!(answer.err.contains("segments and 9,"), "its frames are read: {}", answer.err);
}

#[test]
fn a_store_in_use_or_missing_is_an_error_and_no_damage() {
    let place = Place::new();
    place.run(&["verify"]).fails(1, "no store found");
    assert!(!place.store().exists());
    let store = envelog::Store::open(place.store()).unwrap();
    place.run(&["verify"]).fails(1, "locked");
    store.close().unwrap();
    drop(store);
    place.run(&["verify", "--level", "thorough"]).fails(2, "quick, full, deep");
    Answer::of(super::tool().arg("verify").output().unwrap()).fails(2, "--store DIR");
}
