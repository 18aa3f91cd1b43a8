//! A store that is damaged: what is refused, and what `--on-corruption quarantine` goes on with.

use std::fs;
use std::path::PathBuf;

use super::{Answer, OTHER, Place, SHOP, envelope, fingerprint};

const EVENTS: usize = 9_000;
const DAMAGED: &str = "seg-2.log";
const QUARANTINE: &[&str] = &["--on-corruption", "quarantine"];

/// A closed store of several segments of a mebibyte each.
pub(super) fn several_segments() -> Place {
    let place = Place::new();
    let store = envelog::Options::new().segment_bytes_max(1 << 20).open(place.store()).unwrap();
    let rest = format!("\"properties\":{{\"amount\":1,\"text\":\"{}\"}}", "x".repeat(200));
    for first in (0..EVENTS).step_by(500) {
        let mut batch = store.batch();
        for number in first..first + 500 {
            let user = format!("u_{}", number % 3);
            let line = envelope("order.placed", "2024-03-01T00:00:00Z", &user, &rest);
            batch.push_json(line.as_bytes()).unwrap();
        }
        batch.commit().unwrap();
    }
    store.wait_sealed().unwrap();
    store.close().unwrap();
    assert!(store.stats().unwrap().sealed_segments >= 3);
    place
}

fn damaged_file(place: &Place) -> PathBuf {
    place.store().join(DAMAGED)
}

/// Damages some records in the middle of a segment.
pub(super) fn damage_records(place: &Place) {
    let mut bytes = fs::read(damaged_file(place)).unwrap();
    let middle = bytes.len() / 3;
    for byte in &mut bytes[middle..middle + 1_000] {
        *byte ^= 0x20;
    }
    fs::write(damaged_file(place), bytes).unwrap();
}

fn run(place: &Place, policy: &[&str], command: &[&str]) -> Answer {
    place.run(&[command, policy].concat())
}

#[test]
fn damage_is_an_error_that_names_the_option_and_the_option_goes_on_without_it() {
    let place = several_segments();
    damage_records(&place);
    let before = fingerprint(&place.store());
    for command in [
        &["events"][..],
        &["timeline", "u_1", "--limit", "9999"],
        &["sum", "amount"],
        &["export"],
        &["tail", "-n", "9999"],
    ] {
        let answer = run(&place, &[], command);
        assert_eq!(answer.code, Some(3), "{command:?}: {}", answer.err);
        assert!(answer.err.contains("--on-corruption quarantine"), "{command:?}: {}", answer.err);
        let said = run(&place, &["--on-corruption", "fail"], command);
        assert_eq!((said.code, said.err), (answer.code, answer.err), "it is the default");
    }
    let whole = several_segments();
    let all = whole.run(&["events"]).success().lines().len();
    assert_eq!(all, EVENTS);
    let answer = run(&place, QUARANTINE, &["events"]).success();
    let left = answer.lines().len();
    assert!(EVENTS - 600 < left && left < EVENTS, "{left}: {}", answer.err);
    let gaps = answer.err.matches("are damaged").count();
    assert!(gaps > 0, "the gap is told: {}", answer.err);
    for command in [&["export"][..], &["tail", "-n", "9999"]] {
        let answer = run(&place, QUARANTINE, command).success();
        assert_eq!(answer.lines().len(), left, "{command:?}");
        assert_eq!(answer.err.matches("are damaged").count(), gaps, "every gap is told once: {}", answer.err);
    }
    let limited = run(&place, QUARANTINE, &["events", "--limit", &left.to_string()]).success();
    assert_eq!(limited.lines().len(), left, "a gap is no event");
    let timelines: usize = ["u_0", "u_1", "u_2"]
        .iter()
        .map(|user| run(&place, QUARANTINE, &["timeline", user, "--limit", "9999"]).success().lines().len())
        .sum();
    assert_eq!(timelines, left);
    let lost = format!("{} events are damaged, and the sum is without them", EVENTS - left);
    for command in [&["sum", "amount"][..], &["sum", "amount", "--by", "type"]] {
        let answer = run(&place, QUARANTINE, command).success();
        assert_eq!(answer.line()["sum"], left);
        assert!(answer.err.contains(&lost), "{lost} is not in {}", answer.err);
    }
    assert!(fingerprint(&place.store()) == before, "reading changes no file");
}

#[test]
fn a_missing_segment_is_left_out_by_readers_and_given_up_by_import() {
    let place = several_segments();
    fs::remove_file(damaged_file(&place)).unwrap();
    let before = fingerprint(&place.store());
    let line = envelope("order.placed", "2024-03-01T00:00:00Z", "u_9", "");
    let import =
        |policy: &[&str]| place.run_with_input(&[&["import", "-"], policy].concat(), line.as_bytes());
    for command in ["count", "events", "stats", "profiles"] {
        run(&place, &[], &[command]).fails(3, "--on-corruption quarantine");
    }
    import(&[]).fails(3, "--on-corruption quarantine");
    let answer = run(&place, QUARANTINE, &["count"]).success();
    let left = answer.line()["count"].as_u64().unwrap();
    assert!(0 < left && left < EVENTS as u64, "{left}");
    assert!(answer.err.contains("are lost to damage"), "{answer:?}");
    for command in [
        &["events"][..],
        &["stats"],
        &["stats", "--segments"],
        &["stats", "--types"],
        &["profiles"],
        &["timeline", "u_1"],
        &["export"],
        &["tail"],
    ] {
        run(&place, QUARANTINE, command).success();
    }
    assert!(fingerprint(&place.store()) == before, "no file has changed so far");

    let answer = import(QUARANTINE).success();
    assert!(answer.err.contains("are lost to damage"), "{answer:?}");
    // From now on the range is given up, and nothing but a list that crosses it needs the option.
    assert_eq!(run(&place, &[], &["count"]).success().line()["count"], left + 1);
    let answer = run(&place, &[], &["events"]);
    assert_eq!(answer.code, Some(3));
    assert!(answer.err.contains("--on-corruption quarantine"), "{}", answer.err);
    let events = run(&place, QUARANTINE, &["events"]).success().lines();
    assert_eq!(events.len() as u64, left + 1);
}

#[test]
fn the_option_is_not_named_where_it_does_not_help() {
    let place = Place::new();
    place.fill("");
    place.write("store/SECRET", "short");
    for policy in [&[][..], QUARANTINE] {
        let arguments = [&["import", "-"], policy].concat();
        let answer = place.run_with_input(&arguments, b"").fails(3, "SECRET: damaged");
        assert!(!answer.err.contains("on-corruption"), "{answer:?}");
    }
}

#[test]
fn an_export_that_meets_damage_leaves_no_file() {
    let place = several_segments();
    damage_records(&place);
    place.write("before.ndjson", "as it was\n");
    for arguments in [&["export", "-o", "all.ndjson"][..], &["export", "-o", "before.ndjson", "--force"]] {
        place.run(arguments).fails(3, "--on-corruption quarantine");
    }
    let mut left: Vec<_> =
        fs::read_dir(place.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["before.ndjson", "store"]);
    assert_eq!(fs::read(place.path("before.ndjson")).unwrap(), b"as it was\n");
}

#[test]
fn advice_names_the_flag_and_no_call_of_the_library() {
    let place = several_segments();
    damage_records(&place);
    let told = |arguments: &[&str]| {
        let answer = place.run(arguments);
        assert_eq!(answer.code, Some(3), "{arguments:?}: {answer:?}");
        answer.out + &answer.err
    };
    let check = |text: &str| {
        assert!(text.contains("use --on-corruption quarantine to"), "{text}");
        assert!(!text.contains("on_corruption("), "{text}");
    };
    for arguments in [
        &["sum", "amount"][..],
        &["verify"],
        &["verify", "--format", "table"],
        &["verify", "--format", "csv"],
    ] {
        check(&told(arguments));
    }
    fs::remove_file(damaged_file(&place)).unwrap();
    check(&told(&["count"]));
    check(&place.run_with_input(&["import", "-"], b"").fails(3, "is missing").err);
}

#[test]
fn segments_without_their_list_are_damage_to_every_command() {
    let place = several_segments();
    fs::remove_file(place.store().join("MANIFEST")).unwrap();
    let before = fingerprint(&place.store());
    let line = envelope("order.placed", "2024-03-01T00:00:00Z", "u_9", "");
    for command in [
        &["count"][..],
        &["sum", "amount"],
        &["events"],
        &["timeline", "u_1"],
        &["tail"],
        &["tail", "-f"],
        &["profile", "u_1"],
        &["profiles"],
        &["sign-up", "u_9"],
        &["alias", "--user", "u_9", "u_1"],
        &["unlink", "--user", "u_9", "u_1"],
        &["explain", "1"],
        &["conflicts"],
        &["traits"],
        &["stats"],
        &["export"],
        &["import", "-"],
        &["import", "-", "--dry-run"],
        &["verify"],
    ] {
        let answer = place.run_with_input(command, line.as_bytes());
        assert_eq!(answer.code, Some(3), "{command:?}: {answer:?}");
        assert!((answer.out + &answer.err).contains("MANIFEST"), "{command:?}");
    }
    assert!(fingerprint(&place.store()) == before, "no file has changed");
}

#[test]
fn a_store_that_was_not_made_to_its_end_is_no_damage() {
    let place = Place::new();
    fs::create_dir(place.store()).unwrap();
    place.write("store/seg-1.log", [0; 4096]);
    place.run(&["verify"]).success();
    place.run(&["count"]).fails(1, "no store found");
    place.fill(&envelope("order.placed", "2024-03-01T00:00:00Z", "u_9", ""));
    assert_eq!(place.run(&["count"]).success().line()["count"], 1);
}

#[test]
fn an_import_that_meets_damage_midway_ends_with_3_and_keeps_what_it_stored_before() {
    let place = Place::new();
    let rest = format!("\"properties\":{{\"text\":\"{}\"}}", "x".repeat(200));
    let line = envelope("order.placed", "2024-03-01T00:00:00Z", "u_1", &rest);
    let of_other = line.replace(SHOP, OTHER);
    let store = envelog::Options::new().segment_bytes_max(1 << 20).open(place.store()).unwrap();
    store.append(envelog::Envelope::from_json(of_other.as_bytes()).unwrap()).unwrap();
    for _ in 0..20 {
        let mut batch = store.batch();
        for _ in 0..500 {
            batch.push_json(line.as_bytes()).unwrap();
        }
        batch.commit().unwrap();
    }
    store.wait_sealed().unwrap();
    store.close().unwrap();
    let before = store.stats().unwrap();
    assert!(before.sealed_segments > 2);
    // The other project's only event, by which it is known whose the project is.
    let path = place.store().join("seg-1.log");
    let mut bytes = fs::read(&path).unwrap();
    let text = bytes.windows(100).position(|window| window.iter().all(|byte| *byte == b'x')).unwrap();
    bytes[text] = b'y';
    fs::write(&path, bytes).unwrap();

    place.write("in", line.repeat(3_000) + &of_other.repeat(10) + &line.repeat(10));
    let answer = place.run(&["import", "in", "--batch", "100"]).fails(3, "seg-1.log: damaged");
    assert!(answer.err.contains("the import stopped early; "), "{answer:?}");
    assert!(answer.err.contains("use --on-corruption quarantine"), "{answer:?}");
    let count = place.run(&["count", "--project", SHOP]).success().line()["count"].as_u64().unwrap();
    let stored = count - (before.events - 1);
    assert!((2_000..=3_000).contains(&stored), "all batches but the one that met the damage: {stored}");
    let told = format!("{},{:03} events of the first", stored / 1_000, stored % 1_000);
    assert!(answer.err.contains(&told), "{told}: {answer:?}");
}
