//! A damaged sealed segment, opened with damage quarantined: what is lost is a gap, and nothing else fails.

use std::collections::BTreeSet;
use std::time::Duration;

use envelog::testing::SimDisk;
use envelog::{
    DateTime, Dedupe, Envelope, Error, EventRef, Note, OnCorruption, Options, PersonRef, Store, Uuid,
};

use crate::support::{Suite, count, frames};

const ORG: Uuid = Uuid::from_u128(1);
const PROJECT: Uuid = Uuid::from_u128(2);
const EVENTS: u64 = 120;
const DAMAGED: &str = "seg-2.log";

fn options() -> Options {
    Options::new().tiny_segments(8192)
}

fn quarantine() -> Options {
    options().on_corruption(OnCorruption::Quarantine)
}

/// Events of one user each, whose trait tells the same number.
fn envelope(number: u64) -> Envelope {
    let kind = if number.is_multiple_of(3) { "identify" } else { "order.placed" };
    let envelope = Envelope::new(ORG, PROJECT, "shop", kind).property("number", number);
    let envelope = envelope.user(format!("u_{number}"));
    if kind == "identify" { envelope.with_trait("number", number) } else { envelope }
}

fn number(event: &EventRef<'_>) -> u64 {
    let number = event.properties().unwrap().get("number").unwrap().as_i64().unwrap();
    u64::try_from(number).unwrap()
}

/// A closed store of several sealed segments, and the offset of every frame of the damaged one.
fn closed_store() -> SimDisk {
    let disk = SimDisk::default();
    let store = options().open_on(&disk).unwrap();
    for number in 0..EVENTS {
        store.append(envelope(number)).unwrap();
    }
    store.wait_sealed().unwrap();
    store.close().unwrap();
    assert!(store.stats().unwrap().sealed_segments >= 3);
    disk
}

/// What a store shows: the numbers of its events, with the gaps where they are met.
fn shown(store: &Store) -> (Vec<u64>, Vec<(u64, u64)>) {
    let view = store.project(PROJECT).view().unwrap();
    let (mut numbers, mut gaps, mut last) = (Vec::new(), Vec::new(), 0);
    for event in &view.events() {
        match event {
            Ok(event) => {
                assert!(event.seq().get() > last, "in order");
                last = event.seq().get();
                numbers.push(number(&event));
            }
            Err(Error::Gap { from, to }) => {
                assert!(from.get() > last && from <= to, "a gap is told where it is");
                last = to.get();
                gaps.push((from.get(), to.get()));
            }
            Err(error) => panic!("{error}"),
        }
    }
    (numbers, gaps)
}

/// All else that may be asked fails nowhere.
fn ask(store: &Store, there: &[u64], whole_index: bool) {
    let view = store.project(PROJECT).view().unwrap();
    let count: u64 = view.event_types().unwrap().into_iter().map(|kind| kind.events).sum();
    assert_eq!(count, if whole_index { EVENTS } else { there.len() as u64 });
    let orders = there.iter().filter(|number| !number.is_multiple_of(3)).count();
    if !whole_index {
        assert_eq!(view.events().of_type("order.placed").count().unwrap(), orders as u64);
        assert_eq!(view.users().unwrap().flatten().count(), there.len());
    }
    for number in 0..EVENTS {
        let user = format!("u_{number}");
        let found = view.timeline(user.as_str()).iter().flatten().count();
        assert_eq!(found, usize::from(there.contains(&number)), "timeline of {user}");
        let profile = view.profile(user.as_str()).unwrap();
        if there.contains(&number) {
            assert_eq!(profile.is_some(), number.is_multiple_of(3), "profile of {user}");
        }
    }
}

#[test]
fn a_damaged_segment_without_its_index_or_runs_opens_around_a_gap() {
    let sound = closed_store();
    let log = sound.file_bytes(DAMAGED).unwrap();
    let frames = frames(&log);
    assert!(frames.len() > 10);
    let first_seq = u64::from_le_bytes(log[frames[0] + 8..frames[0] + 16].try_into().unwrap());
    // One frame at the start, in the middle, before the roll frame, the roll frame, and all.
    let last = frames.len() - 1;
    for damaged in [0..1, 5..6, 4..7, last - 1..last, last..last + 1, 0..last + 1] {
        for (index, runs) in [(true, false), (false, true), (true, true)] {
            let what = format!("frames {damaged:?}, index {index}, runs {runs}");
            let disk = sound.kill();
            let mut bytes = log.clone();
            for frame in damaged.clone() {
                bytes[frames[frame] + 20] ^= 0x20;
            }
            disk.set_file_bytes(DAMAGED, &bytes);
            for name in disk.names() {
                if (index && name == "seg-2.idx") || (runs && name.ends_with(".run")) {
                    disk.remove_file(&name);
                }
            }
            let refused = options().open_on(&disk).unwrap_err();
            assert!(matches!(&refused, Error::Corrupt { file, .. } if file == DAMAGED), "{what}: {refused}");

            let lost: Vec<u64> = damaged.clone().map(|at| first_seq + at as u64).collect();
            let gap = (lost[0], lost[lost.len() - 1]);
            let check = |store: &Store| {
                let (numbers, gaps) = shown(store);
                let told: Vec<u64> = gaps.iter().flat_map(|(from, to)| *from..=*to).collect();
                if index {
                    assert_eq!(gaps, [gap], "{what}");
                    assert_eq!(store.recovery().gaps.len(), 1, "{what}");
                    let listed: Vec<_> =
                        store.gaps().iter().map(|gap| (gap.start().get(), gap.end().get())).collect();
                    assert_eq!(listed, gaps, "{what}");
                } else {
                    // The index knows which frames are events; the roll frame is none.
                    let rolls = first_seq + last as u64;
                    let events: Vec<u64> = lost.iter().copied().filter(|seq| *seq != rolls).collect();
                    assert_eq!(told, events, "{what}");
                }
                let events_lost = lost.iter().filter(|seq| **seq != first_seq + last as u64).count();
                assert_eq!(numbers.len() as u64, EVENTS - events_lost as u64, "{what}");
                ask(store, &numbers, !index);
                numbers
            };
            let before: Vec<_> =
                disk.names().iter().map(|name| (name.clone(), disk.file_bytes(name))).collect();
            let reader = quarantine().open_read_only_on(&disk).unwrap();
            let numbers = check(&reader);
            drop(reader);
            assert!(before.iter().all(|(name, bytes)| disk.file_bytes(name) == *bytes), "{what}");
            for _ in 0..2 {
                let store = quarantine().open_on(&disk).unwrap();
                assert_eq!(check(&store), numbers, "{what}");
                store.close().unwrap();
            }
            // Writing goes on.
            let store = quarantine().open_on(&disk).unwrap();
            for number in EVENTS..EVENTS + 40 {
                store.append(envelope(number)).unwrap();
            }
            store.wait_sealed().unwrap();
            store.close().unwrap();
            drop(store);
            let store = quarantine().open_on(&disk).unwrap();
            let expected: Vec<u64> = numbers.into_iter().chain(EVENTS..EVENTS + 40).collect();
            assert_eq!(shown(&store).0, expected, "{what}");
        }
    }
}

#[test]
fn an_event_in_a_gap_is_told_as_one_and_its_neighbours_are_there() {
    let disk = closed_store();
    let store = options().open_on(&disk).unwrap();
    let positions: Vec<_> = {
        let view = store.project(PROJECT).view().unwrap();
        view.events().iter().map(|event| event.unwrap().position()).collect()
    };
    store.close().unwrap();
    drop(store);
    let mut bytes = disk.file_bytes(DAMAGED).unwrap();
    let frame = frames(&bytes)[5];
    let seq = u64::from_le_bytes(bytes[frame + 8..frame + 16].try_into().unwrap());
    bytes[frame + 30] ^= 1;
    disk.set_file_bytes(DAMAGED, &bytes);
    for missing in [false, true] {
        if missing {
            disk.remove_file("seg-2.idx");
        }
        let store = quarantine().open_on(&disk).unwrap();
        let view = store.project(PROJECT).view().unwrap();
        for position in &positions {
            let found = view.get(*position);
            if position.seq.get() == seq {
                assert!(matches!(&found, Err(Error::Gap { from, .. }) if from.get() == seq), "{found:?}");
            } else {
                assert!(matches!(&found, Ok(Some(event)) if event.position() == *position), "{found:?}");
            }
        }
    }
}

/// Segments with the header page that every store has but those of tests, one sealed and one not.
#[test]
fn the_loss_of_the_first_sector_of_a_segment_is_refused_and_quarantine_loses_nothing() {
    let options = || Options::new().segment_bytes_max(1 << 20);
    let quarantine = || options().on_corruption(OnCorruption::Quarantine);
    // So much that a close leaves the second segment unsealed.
    let text = "x".repeat(9_000);
    let disk = SimDisk::default();
    let store = options().open_on(&disk).unwrap();
    for number in 0..EVENTS {
        store.append(envelope(number).property("text", text.as_str())).unwrap();
    }
    store.wait_sealed().unwrap();
    assert_eq!(store.stats().unwrap().sealed_segments, 1);
    let unclean = disk.kill();
    store.close().unwrap();
    assert_eq!(store.stats().unwrap().sealed_segments, 1);
    drop(store);
    for (closed, sound) in [(false, &unclean), (true, &disk)] {
        let all = shown(&options().open_on(&sound.kill()).unwrap());
        assert_eq!(all, ((0..EVENTS).collect(), Vec::new()));
        for (name, is_sealed) in [("seg-1.log", true), ("seg-2.log", false)] {
            for (at, is_first) in [(0, true), (4096 - 512, false)] {
                let what = format!("{name} at {at}, closed {closed}");
                let disk = sound.kill();
                let mut bytes = disk.file_bytes(name).unwrap();
                assert_ne!(bytes[at..at + 64], [0; 64], "{what}");
                bytes[at..at + 512].fill(0);
                disk.set_file_bytes(name, &bytes);
                if is_first {
                    let refused = options().open_on(&disk).unwrap_err();
                    let is_there = |error: &Error| matches!(error, Error::Corrupt { file, offset: 0, .. } if file == name);
                    assert!(is_there(&refused), "{what}: {refused}");
                    assert_eq!(disk.file_bytes(name).unwrap(), bytes, "{what}");
                }
                let store = if is_first { quarantine() } else { options() }.open_on(&disk).unwrap();
                let recovery = store.recovery();
                let told: Vec<&str> = recovery.damaged_headers.iter().map(|told| &*told.file).collect();
                assert_eq!((told, recovery.gaps.len()), (vec![name], 0), "{what}");
                assert_eq!(recovery.quarantined.len(), usize::from(is_first && !is_sealed), "{what}");
                assert_eq!(shown(&store), all, "{what}");
                ask(&store, &all.0, true);
                store.append(envelope(EVENTS)).unwrap();
                store.close().unwrap();
                drop(store);
                // What was in the tail is whole from now on.
                if !is_sealed && is_first {
                    let store = options().open_on(&disk).unwrap();
                    assert_eq!(shown(&store).0.len() as u64, EVENTS + 1, "{what}");
                    assert!(store.recovery().damaged_headers.is_empty(), "{what}");
                }
            }
        }
    }
}

/// The profile runs that a store has on its disk.
fn profile_runs(disk: &SimDisk) -> Vec<String> {
    disk.names().into_iter().filter(|name| name.starts_with("profiles-")).collect()
}

#[test]
fn facts_of_a_damaged_segment_are_in_no_run_and_are_not_forgotten() {
    let disk = closed_store();
    let mut bytes = disk.file_bytes(DAMAGED).unwrap();
    let damaged = frames(&bytes)[5];
    bytes[damaged + 20] ^= 0x20;
    disk.set_file_bytes(DAMAGED, &bytes);
    for name in profile_runs(&disk) {
        disk.remove_file(&name);
    }
    let profiles = |store: &Store| store.project(PROJECT).view().unwrap().profiles_canonical_json();
    let mut expected = 0;
    for opening in 0..8 {
        let store = quarantine().open_on(&disk).unwrap();
        let (numbers, _) = shown(&store);
        if opening == 0 {
            expected = numbers.len();
            assert!(expected as u64 >= EVENTS - 1);
        }
        assert_eq!(numbers.len(), expected, "opening {opening}");
        for number in &numbers {
            let profile = store.project(PROJECT).profile(format!("u_{number}").as_str()).unwrap();
            assert_eq!(profile.is_some(), number.is_multiple_of(3), "opening {opening}: u_{number}");
        }
        // More segments than are sealed one by one, so that runs are merged.
        for number in 0..60 {
            store.append(envelope(EVENTS + 60 * opening + number)).unwrap();
        }
        expected += 60;
        store.wait_sealed().unwrap();
        let sound = profiles(&store).unwrap();
        store.close().unwrap();
        drop(store);
        // Each run can be made anew from its own segments.
        let damaged = disk.kill();
        let runs = profile_runs(&damaged);
        assert!(!runs.is_empty());
        for name in &runs {
            flip(&damaged, name, 300, 1);
        }
        let store = quarantine().open_on(&damaged).unwrap();
        assert_eq!(profiles(&store).unwrap_or_else(|error| panic!("opening {opening}: {error}")), sound);
    }
    assert!(profile_runs(&disk).len() < 8, "runs are merged");
}

const RETRIED: i64 = 600;

/// Events that are given twice.
fn retried(number: i64) -> Envelope {
    let time = DateTime::from_timestamp(1_700_000_000 + number, 0).unwrap();
    let placed = Envelope::new(ORG, PROJECT, "shop", "order.placed").user("u").at(time);
    placed.property("number", number).message_id(format!("m{number}"))
}

fn with_ids() -> Options {
    quarantine().tiny_segments(16 * 1024)
}

/// A closed store of events with ids in several segments.
fn store_with_ids() -> SimDisk {
    let disk = SimDisk::default();
    let store = with_ids().open_on(&disk).unwrap();
    for number in 0..RETRIED {
        store.append(retried(number)).unwrap();
        if number % 50 == 0 {
            store.wait_sealed().unwrap();
        }
    }
    store.wait_sealed().unwrap();
    store.close().unwrap();
    assert!(store.stats().unwrap().sealed_segments >= 5);
    disk
}

fn flip(disk: &SimDisk, name: &str, at: usize, bit: u8) {
    let mut bytes = disk.file_bytes(name).unwrap();
    bytes[at] ^= bit;
    disk.set_file_bytes(name, &bytes);
}

fn runs_of_ids(disk: &SimDisk) -> Vec<String> {
    disk.names().into_iter().filter(|name| name.starts_with("ids-")).collect()
}

#[test]
fn damage_in_a_run_of_ids_and_in_its_segment_keeps_nobody_from_writing() {
    // In the filter and in the entries.
    for from_end in [false, true] {
        let disk = store_with_ids();
        flip(&disk, "seg-1.log", 3000, 1);
        let runs = runs_of_ids(&disk);
        assert!(!runs.is_empty());
        for run in &runs {
            let len = disk.file_bytes(run).unwrap().len();
            flip(&disk, run, if from_end { len - 100 } else { 200 }, 1);
        }
        for opening in 0..3 {
            let store = with_ids().open_on(&disk).unwrap();
            for number in 0..100 {
                let ack = store.append(retried(1_000_000 * (opening + 1) + number)).unwrap();
                assert!(!ack.notes.contains(Note::Duplicate), "opening {opening}");
            }
            // What the damaged segment does not tell any more is stored again, and once.
            let again = (0..RETRIED)
                .filter(|number| !store.append(retried(*number)).unwrap().notes.contains(Note::Duplicate));
            assert_eq!(again.count(), usize::from(opening == 0), "opening {opening}");
            // The sealer has taken what is lost off the list.
            store.wait_sealed().unwrap();
            assert!(runs.iter().any(|run| disk.file_bytes(run).is_none()), "opening {opening}");
            store.close().unwrap();
        }
    }
}

#[test]
fn of_a_lost_run_the_ids_of_the_last_segments_are_known_where_only_those_are_looked_at() {
    for last in [1, 2, 3] {
        let disk = store_with_ids();
        flip(&disk, "seg-1.log", 3000, 1);
        let runs = runs_of_ids(&disk);
        for run in &runs {
            flip(&disk, run, 200, 1);
        }
        let store = with_ids().dedupe(Dedupe::LastSegments(last)).open_on(&disk).unwrap();
        let segments = store.segments().unwrap();
        let sealed = segments.iter().filter(|segment| segment.sealed).count();
        let base = segments[sealed - usize::try_from(last).unwrap()].base_seq;
        let first = {
            let view = store.project(PROJECT).view().unwrap();
            let event = view.events().seq_range(base..store.visible().next()).iter().next().unwrap().unwrap();
            i64::try_from(number(&event)).unwrap()
        };
        assert!(first > 0 && first < RETRIED);
        for number in first..RETRIED {
            let ack = store.append(retried(number)).unwrap();
            assert!(ack.notes.contains(Note::Duplicate), "{number} of the last {last}, from {first} on");
        }
        assert!(!store.append(retried(first - 1)).unwrap().notes.contains(Note::Duplicate));
        store.close().unwrap();
    }
}

#[test]
fn random_damage_in_segments_and_in_what_is_made_of_them_keeps_nobody_from_writing() {
    let sound = store_with_ids();
    let suite =
        Suite { name: "lost ids", wanted: count(25, 100, 5_000), least: 10, cap: Duration::from_secs(20) };
    suite.run(|case, rng| {
        let disk = sound.kill();
        let names = disk.names();
        let mut damage = |name: &String, from: usize| {
            let len = disk.file_bytes(name).unwrap().len();
            let at = from + usize::try_from(rng.below((len - from) as u64)).unwrap();
            flip(&disk, name, at, 1 << rng.below(8));
        };
        let logs: Vec<&String> = names.iter().filter(|name| name.ends_with(".log")).collect();
        let sealed = logs.len() - 1;
        damage(logs[usize::try_from(case).unwrap() % sealed], 600);
        damage(logs[usize::try_from(case / 2).unwrap() % sealed], 600);
        for name in names.iter().filter(|name| name.starts_with("ids-") || name.ends_with(".idx")) {
            damage(name, 0);
        }
        let what = format!("case {case}");
        let store = with_ids().open_on(&disk).unwrap();
        let append = |store: &Store, number| {
            let ack =
                store.append(retried(number)).unwrap_or_else(|error| panic!("{what}: {number}: {error}"));
            ack.notes.contains(Note::Duplicate)
        };
        let fresh: BTreeSet<i64> = (0..RETRIED).filter(|number| !append(&store, *number)).collect();
        // Those of the two damaged segments at most, of which there are five and more.
        let most = usize::try_from(2 * RETRIED / 5).unwrap();
        assert!(fresh.len() <= most, "{what}: {} events are not known any more", fresh.len());
        assert!((0..RETRIED).all(|number| append(&store, number)), "{what}: at once");
        store.wait_sealed().unwrap();
        assert!((0..RETRIED).all(|number| append(&store, number)), "{what}: with what the sealer made");
        store.close().unwrap();
        drop(store);
        let store = with_ids().open_on(&disk).unwrap();
        assert!((0..RETRIED).all(|number| append(&store, number)), "{what}: after opening again");
        assert!(!append(&store, 1_000_000), "{what}");
        store.close().unwrap();
        1
    });
}

#[test]
fn a_lost_fact_of_a_member_that_was_unlinked_keeps_nobody_from_an_answer_or_an_act() {
    let disk = SimDisk::default();
    let store = quarantine().open_on(&disk).unwrap();
    let shop = store.scope(ORG, PROJECT, "shop");
    let tablet = PersonRef::Anonymous("tablet");
    shop.identify("anna").anonymous("tablet").append().unwrap();
    shop.unlink(tablet, "anna").append().unwrap();
    shop.identify("ben").anonymous("tablet").set("plan", "pro").append().unwrap();
    let lost = shop.identify("ben").anonymous("tablet").append().unwrap().position;
    while store.stats().unwrap().sealed_segments < 1 {
        shop.track("page.viewed").user("zoe").append().unwrap();
        store.wait_sealed().unwrap();
    }
    store.close().unwrap();
    drop((store, shop));
    let mut bytes = disk.file_bytes("seg-1.log").unwrap();
    let seq = lost.seq.get().to_le_bytes();
    let at = bytes.windows(8).position(|window| window == seq).unwrap();
    bytes[at + 60] ^= 1;
    disk.set_file_bytes("seg-1.log", &bytes);

    let store = quarantine().open_on(&disk).unwrap();
    let shop = store.scope(ORG, PROJECT, "shop");
    let view = store.project(PROJECT).view().unwrap();
    assert!(matches!(store.project(PROJECT).get(lost), Err(Error::Gap { .. })));
    for _ in 0..2 {
        assert_eq!(view.members("ben").unwrap().len(), 2);
        assert!(view.profile("ben").unwrap().unwrap().trait_value("plan").is_some());
        assert!(
            view.profile_at("ben", DateTime::from_timestamp(4_000_000_000, 0).unwrap()).unwrap().is_some()
        );
        assert!(!view.profile_history("ben").unwrap().is_empty());
        assert!(view.identity_conflicts().unwrap().is_empty());
        assert!(!view.profiles_canonical_json().unwrap().is_empty());
    }
    shop.unlink(tablet, "ben").append().unwrap();
    shop.alias(tablet, "zoe").append().unwrap();
    assert_eq!(store.project(PROJECT).view().unwrap().members("zoe").unwrap().len(), 2);
}
