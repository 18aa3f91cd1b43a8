//! A repeated message id stores nothing, whatever happened in between.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use envelog::testing::{FaultKind, FaultPlan, OpMask, SimDisk, SimRng};
use envelog::{
    Ack, Batch, CursorKey, DateTime, Dedupe, Durability, Envelope, Error, FirstUse, Note, Notes,
    OnIdConflict, Options, Position, Store, Uuid, VerifyLevel,
};

use crate::support::{LEVELS, index};

const ORG: Uuid = Uuid::from_u128(1);
const PROJECT: Uuid = Uuid::from_u128(2);
const OTHER_PROJECT: Uuid = Uuid::from_u128(3);
const SEGMENT_BYTES: u64 = 16 * 1024;

fn at(second: i64) -> DateTime<chrono::Utc> {
    DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
}

fn placed(id: &str, amount: i64) -> Envelope {
    Envelope::new(ORG, PROJECT, "billing", "order.placed")
        .user("u_1")
        .property("amount", amount)
        .message_id(id)
        .at(at(amount))
}

fn options() -> Options {
    Options::new().tiny_segments(SEGMENT_BYTES).secret([7; 32])
}

fn events(store: &Store) -> u64 {
    store.stats().unwrap().events
}

fn is_duplicate_of(ack: &Ack, first: Position) -> bool {
    ack.position == first && ack.notes.contains(Note::Duplicate)
}

fn conflict(error: &Error) -> Option<Position> {
    match error {
        Error::IdConflict { first: FirstUse::Stored(first) } => Some(*first),
        _ => None,
    }
}

/// Appends events with the ids `m<from>` and on, until so many segments are sealed; gives their positions.
fn fill(store: &Store, from: i64, segments: u64) -> Vec<Position> {
    let wanted = store.stats().unwrap().sealed_segments + segments;
    let mut positions = Vec::new();
    while store.stats().unwrap().sealed_segments < wanted {
        for _ in 0..20 {
            let number = from + i64::try_from(positions.len()).unwrap();
            positions.push(store.append(placed(&format!("m{number}"), number)).unwrap().position);
        }
        store.wait_sealed().unwrap();
    }
    positions
}

/// Every event with an id of `fill` is a duplicate of the one that was stored first.
fn all_repeat(store: &Store, from: i64, positions: &[Position]) {
    let before = events(store);
    for (number, position) in (from..).zip(positions) {
        let ack = store.append(placed(&format!("m{number}"), number)).unwrap();
        assert!(is_duplicate_of(&ack, *position), "m{number}: {ack:?}, not {position}");
        let refused = store.append(placed(&format!("m{number}"), number + 1_000_000)).unwrap_err();
        assert_eq!(conflict(&refused), Some(*position), "m{number}: {refused}");
    }
    assert_eq!(events(store), before);
}

fn runs(disk: &SimDisk) -> Vec<String> {
    disk.names().into_iter().filter(|name| name.starts_with("ids-")).collect()
}

#[test]
fn a_repeat_stores_nothing_and_gives_the_first_position_at_every_level() {
    for level in LEVELS {
        let disk = SimDisk::default();
        let store = options().durability(level).open_on(&disk).unwrap();
        let first = store.append(placed("m", 1)).unwrap();
        assert_eq!(first.notes, Notes::NONE);
        let seq = store.visible();
        let again = store.append(placed("m", 1)).unwrap();
        assert!(is_duplicate_of(&again, first.position));
        let ticket = store.submit(placed("m", 1)).unwrap();
        assert!(is_duplicate_of(&ticket.wait().unwrap(), first.position));
        let json = store.append_json(placed("m", 1).to_json().as_bytes()).unwrap();
        assert!(is_duplicate_of(&json, first.position));
        let accepted = store.accept(&placed("m", 1)).unwrap();
        assert!(is_duplicate_of(&store.append_accepted(&accepted).unwrap(), first.position));
        assert_eq!(store.visible(), seq, "no frame of any kind was stored");

        let error = store.append(placed("m", 2)).unwrap_err();
        assert_eq!(conflict(&error), Some(first.position));
        let error = store.submit(placed("m", 2)).map(drop).unwrap_err();
        assert_eq!(conflict(&error), Some(first.position));
        assert_eq!((store.visible(), events(&store)), (seq, 1));
        store.close().unwrap();
        assert!(matches!(store.append(placed("m", 1)), Err(Error::Closed)), "a repeat is an append");
    }
}

#[test]
fn an_id_is_one_of_its_project() {
    // Also where all ids have one hash.
    for bits in [64, 0] {
        let store = options().id_hash_bits(bits).open_in_memory().unwrap();
        let first = store.append(placed("m", 1)).unwrap();
        let there = Envelope::new(ORG, OTHER_PROJECT, "billing", "order.placed").message_id("m");
        assert_eq!(store.append(&there).unwrap().notes, Notes::NONE);
        assert!(store.append(&there).unwrap().notes.contains(Note::Duplicate));
        assert!(is_duplicate_of(&store.append(placed("m", 1)).unwrap(), first.position));
        let without = Envelope::new(ORG, PROJECT, "billing", "order.placed").at(at(0));
        for _ in 0..2 {
            assert_eq!(store.append(&without).unwrap().notes, Notes::NONE, "without an id nothing repeats");
        }
        assert_eq!(events(&store), 4);
    }
}

#[test]
fn every_part_of_an_event_is_compared() {
    let store = Store::in_memory().unwrap();
    let given = || placed("m", 1).anonymous("d").context("page", "home");
    let first = store.append(given()).unwrap().position;
    let other = |module, event_type| {
        Envelope::new(ORG, PROJECT, module, event_type)
            .user("u_1")
            .anonymous("d")
            .property("amount", 1)
            .context("page", "home")
            .message_id("m")
            .at(at(1))
    };
    assert!(is_duplicate_of(&store.append(other("billing", "order.placed")).unwrap(), first));
    for (what, changed) in [
        ("module", other("links", "order.placed")),
        ("eventType", other("billing", "order.paid")),
        ("user", given().user("u_2")),
        ("device", given().anonymous("e")),
        ("timestamp", given().at(at(2))),
        ("property", given().property("amount", 2)),
        ("one more property", given().property("more", true)),
        ("context", given().context("page", "cart")),
    ] {
        let error = store.append(changed).unwrap_err();
        assert_eq!(conflict(&error), Some(first), "{what}: {error}");
    }
    assert!(is_duplicate_of(&store.append(given().property("amount", 1.0)).unwrap(), first), "by value");
}

#[test]
fn a_stamped_time_is_not_compared() {
    let store = Store::in_memory().unwrap();
    let stamped = || Envelope::new(ORG, PROJECT, "billing", "order.placed").message_id("m");
    let first = store.append(stamped()).unwrap().position;
    assert!(is_duplicate_of(&store.append(stamped()).unwrap(), first));
    assert!(is_duplicate_of(&store.append(stamped().at(at(5))).unwrap(), first), "one of the two suffices");
    let given = || Envelope::new(ORG, PROJECT, "billing", "order.placed").message_id("n");
    let first = store.append(given().at(at(5))).unwrap().position;
    assert!(is_duplicate_of(&store.append(given()).unwrap(), first));
    assert_eq!(conflict(&store.append(given().at(at(6))).unwrap_err()), Some(first));
    let scope = store.scope(ORG, PROJECT, "billing");
    let track = || scope.track("order.paid").message_id("p").append().unwrap();
    let first = track();
    assert_eq!(first.notes, Notes::NONE);
    assert!(is_duplicate_of(&track(), first.position));
}

#[test]
fn a_rotated_secret_makes_no_conflict() {
    let disk = SimDisk::default();
    let with_address = || {
        placed("m", 1)
            .context("ip", "203.0.113.7")
            .property("text", "seen from 203.0.113.9")
            .property("clientIp", "198.51.100.1")
    };
    let store = options().scrub_text(true).open_on(&disk).unwrap();
    let first = store.append(with_address()).unwrap().position;
    store.close().unwrap();
    drop(store);
    let store = options().scrub_text(true).secret([9; 32]).open_on(&disk).unwrap();
    assert!(is_duplicate_of(&store.append(with_address()).unwrap(), first));
    assert!(conflict(&store.append(with_address().property("more", 1)).unwrap_err()).is_some());
}

#[test]
fn in_a_batch_each_event_has_its_answer_in_order() {
    for level in LEVELS {
        let disk = SimDisk::default();
        let store = options().durability(level).open_on(&disk).unwrap();
        let stored = store.append(placed("a", 1)).unwrap().position;
        let acks = store
            .append_batch([placed("b", 2), placed("a", 1), placed("c", 3), placed("b", 2), placed("d", 4)])
            .unwrap();
        let seqs: Vec<u64> = acks.iter().map(|ack| ack.position.seq.get()).collect();
        let first = acks[0].position.seq.get();
        assert_eq!(seqs, [first, stored.seq.get(), first + 1, first, first + 2]);
        let duplicates: Vec<bool> = acks.iter().map(|ack| ack.notes.contains(Note::Duplicate)).collect();
        assert_eq!(duplicates, [false, true, false, true, false]);
        assert_eq!(events(&store), 4);

        // All of them are repeats: nothing is stored.
        let seq = store.visible();
        let again = store.append_batch([placed("d", 4), placed("a", 1), placed("d", 4)]).unwrap();
        assert_eq!(again.len(), 3);
        assert_eq!((again[0].position, again[1].position), (acks[4].position, stored));
        assert_eq!(store.visible(), seq);

        // But for a cursor, which is.
        let key = CursorKey::Store("relay");
        let mut batch = store.batch();
        batch.push(&placed("a", 1)).unwrap();
        batch.set_cursor(key, b"7").unwrap();
        batch.push(&placed("c", 3)).unwrap();
        let acks = batch.commit().unwrap();
        assert!(acks.len() == 2 && acks.iter().all(|ack| ack.notes.contains(Note::Duplicate)));
        assert_eq!(store.cursor(key).unwrap().as_deref(), Some(&b"7"[..]));
        assert_eq!(store.visible(), seq.next());
        assert_eq!(events(&store), 4);
    }
}

#[test]
fn a_conflict_in_a_batch_stores_nothing_of_it_and_names_the_event() {
    let store = Store::in_memory().unwrap();
    let first = store.append(placed("a", 1)).unwrap().position;
    let mut batch = store.batch();
    for event in [placed("b", 2), placed("a", 9), placed("c", 3)] {
        batch.push(&event).unwrap();
    }
    match batch.commit_and_clear() {
        Err(Error::InBatch { index: 1, source }) => assert_eq!(conflict(&source), Some(first)),
        other => panic!("{other:?}"),
    }
    assert_eq!((batch.len(), events(&store)), (3, 1), "the batch is as it was");
    assert!(matches!(batch.commit(), Err(Error::InBatch { index: 1, .. })));
    match store.append_batch([placed("x", 1), placed("y", 1), placed("x", 2)]) {
        Err(Error::InBatch { index: 2, source }) => {
            assert!(matches!(*source, Error::IdConflict { first: FirstUse::InBatch(0) }), "{source}");
        }
        other => panic!("{other:?}"),
    }
    // Only what is stored is repeated: the second is a repeat of the first, and the third has another time than that.
    let stamped = Envelope::new(ORG, PROJECT, "billing", "order.placed").message_id("z");
    match store.append_batch([stamped.clone().at(at(5)), stamped.clone(), stamped.at(at(6))]) {
        Err(Error::InBatch { index: 2, source }) => {
            assert!(matches!(*source, Error::IdConflict { first: FirstUse::InBatch(0) }), "{source}");
        }
        other => panic!("{other:?}"),
    }
    // The first copy that is stored is told, also where the batch has one as well.
    match store.append_batch([placed("a", 1), placed("a", 5)]) {
        Err(Error::InBatch { index: 1, source }) => assert_eq!(conflict(&source), Some(first)),
        other => panic!("{other:?}"),
    }
    assert_eq!(events(&store), 1);
}

#[test]
fn a_conflict_names_the_first_use_and_says_once_that_nothing_was_stored() {
    let store = Store::in_memory().unwrap();
    let told = |events: &[Envelope]| store.append_batch(events).unwrap_err().to_string();
    let conflict = "messageId was used before with other content";
    assert_eq!(
        told(&[placed("x", 1), placed("y", 1), placed("x", 2)]),
        format!(
            "envelope 2 of the batch: {conflict}, by envelope 0 of the batch; nothing of the batch was stored"
        )
    );
    store.append(placed("y", 7)).unwrap();
    assert_eq!(
        told(&[placed("x", 1), placed("y", 1)]),
        format!("envelope 1 of the batch: {conflict}, at position 1.1; nothing of the batch was stored")
    );
    let alone = store.append(placed("y", 8)).unwrap_err().to_string();
    assert_eq!(alone, format!("{conflict}, at position 1.1; nothing was stored"));
}

/// What the last commit refused, by its place: where the first use is, or none for another organisation.
fn refused(batch: &Batch) -> Vec<(usize, Option<FirstUse>)> {
    let first = |error: Error| match error {
        Error::IdConflict { first } => Some(first),
        Error::Invalid { field, .. } if field == "orgId" => None,
        other => panic!("{other}"),
    };
    batch.refused().map(|(at, error)| (at, first(error))).collect()
}

#[test]
fn all_events_that_a_commit_refuses_are_told_and_without_them_the_batch_is_stored() {
    let store = Store::in_memory().unwrap();
    let first = store.append(placed("a", 1)).unwrap().position;
    let events = [
        placed("a", 2),
        placed("b", 1),
        placed("b", 2),
        placed("a", 1),
        placed("b", 2),
        placed("b", 1),
        placed("b", 3),
        placed("a", 2),
        placed("c", 1),
    ];
    let mut batch = store.batch();
    for event in &events {
        batch.push(event).unwrap();
    }
    assert_eq!(refused(&batch), []);
    assert!(matches!(batch.commit_and_clear(), Err(Error::InBatch { index: 0, .. })));
    let (stored, within) = (Some(FirstUse::Stored(first)), Some(FirstUse::InBatch(1)));
    let all = [(0, stored), (2, within), (4, within), (6, within), (7, stored)];
    assert_eq!(refused(&batch), all);
    assert!(batch.commit_and_clear().is_err());
    assert_eq!(refused(&batch), all, "the same again");

    let mut batch = store.batch();
    for (at, event) in events.iter().enumerate() {
        if all.iter().all(|(refused, _)| *refused != at) {
            batch.push(event).unwrap();
        }
    }
    let acks = batch.commit_and_clear().unwrap();
    let repeats: Vec<bool> = acks.iter().map(|ack| ack.notes.contains(Note::Duplicate)).collect();
    assert_eq!(repeats, [false, true, true, false]);
    assert_eq!((refused(&batch), store.stats().unwrap().events), (vec![], 3));
}

#[test]
fn all_events_of_other_organisations_are_told_whether_their_projects_are_new_or_not() {
    let store = Store::in_memory().unwrap();
    let of = |org: u128, project: u128| {
        Envelope::new(Uuid::from_u128(org), Uuid::from_u128(project), "billing", "order.placed").user("u_1")
    };
    store.append(of(1, 2)).unwrap();
    let mut batch = store.batch();
    // One project is stored, another one is new.
    for (org, project) in [(7, 5), (1, 2), (8, 2), (9, 5), (9, 2), (7, 5), (8, 2), (8, 5), (1, 2)] {
        batch.push(&of(org, project)).unwrap();
    }
    assert!(matches!(batch.commit_and_clear(), Err(Error::InBatch { index: 2, .. })));
    assert_eq!(refused(&batch), [2, 3, 4, 6, 7].map(|at| (at, None)));
    let mut alone = store.batch();
    alone.push(&of(9, 2)).unwrap();
    assert!(matches!(alone.commit_and_clear(), Err(Error::Invalid { .. })));
    assert_eq!(refused(&alone), [(0, None)]);
}

#[test]
fn with_store_both_contents_are_kept_and_each_repeats_its_own() {
    let disk = SimDisk::default();
    let open = || options().on_id_conflict(OnIdConflict::Store).open_on(&disk).unwrap();
    let store = open();
    let one = store.append(placed("m", 1)).unwrap();
    let other = store.append(placed("m", 2)).unwrap();
    assert!(!one.notes.contains(Note::IdConflict) && other.notes.contains(Note::IdConflict));
    let acks = store.append_batch([placed("m", 3), placed("m", 2), placed("m", 3), placed("m", 1)]).unwrap();
    assert!(acks[0].notes.contains(Note::IdConflict) && !acks[0].notes.contains(Note::Duplicate));
    assert!(is_duplicate_of(&acks[1], other.position));
    assert!(is_duplicate_of(&acks[2], acks[0].position));
    assert!(is_duplicate_of(&acks[3], one.position));
    assert_eq!(events(&store), 3);
    fill(&store, 100, 2);
    let check = |store: &Store| {
        for (amount, first) in [(1, one.position), (2, other.position), (3, acks[0].position)] {
            assert!(is_duplicate_of(&store.append(placed("m", amount)).unwrap(), first), "{amount}");
        }
    };
    check(&store);
    store.close().unwrap();
    drop(store);
    check(&open());
    // A store that refuses knows all of them as well, and names the first.
    let disk = disk.kill();
    let store = options().open_on(&disk).unwrap();
    check(&store);
    assert_eq!(conflict(&store.append(placed("m", 4)).unwrap_err()), Some(one.position));
    let acks = store.append_batch([placed("m", 2), placed("n", 1)]).unwrap();
    assert!(is_duplicate_of(&acks[0], other.position) && acks[1].notes == Notes::NONE);
}

#[test]
fn ids_of_sealed_segments_are_known_also_when_their_runs_are_merged() {
    let disk = SimDisk::default();
    let store = options().durability(Durability::Buffered).open_on(&disk).unwrap();
    let positions = fill(&store, 0, 12);
    assert!(store.stats().unwrap().sealed_segments >= 12);
    assert!(!runs(&disk).is_empty() && runs(&disk).len() <= 8, "{:?}", runs(&disk));
    all_repeat(&store, 0, &positions);
    store.close().unwrap();
    drop(store);
    assert_eq!(Store::verify_on(&disk, VerifyLevel::Deep).unwrap().findings, []);
    let store = options().open_on(&disk).unwrap();
    assert!(store.recovery().rebuilt.is_empty());
    all_repeat(&store, 0, &positions);
}

#[test]
fn a_segment_without_ids_has_no_run() {
    let disk = SimDisk::default();
    let store = options().open_on(&disk).unwrap();
    let scope = store.scope(ORG, PROJECT, "billing");
    while store.stats().unwrap().sealed_segments < 3 {
        scope.track("order.placed").property("text", "x".repeat(500)).append().unwrap();
        store.wait_sealed().unwrap();
    }
    store.close().unwrap();
    drop((store, scope));
    assert_eq!(runs(&disk), [""; 0]);
    assert!(options().open_on(&disk).unwrap().recovery().rebuilt.is_empty());
}

#[test]
fn ids_are_known_after_a_kill_and_after_a_power_loss() {
    let mut rng = SimRng::new(11);
    for round in 0..40_u64 {
        let disk = SimDisk::default();
        let store = options().durability(LEVELS[usize::try_from(round % 3).unwrap()]).open_on(&disk).unwrap();
        let mut acked = BTreeMap::new();
        for number in 0..i64::try_from(20 + rng.below(300)).unwrap() {
            acked.insert(number, store.append(placed(&format!("m{number}"), number)).unwrap().position);
        }
        let durable = store.durable();
        let crashed = if rng.chance(300) { disk.kill() } else { disk.crash(&mut rng) };
        drop(store);
        let store = options().open_on(&crashed).unwrap();
        let view = store.project(PROJECT).view().unwrap();
        let there: BTreeSet<String> =
            view.events().iter().map(|event| event.unwrap().message_id().unwrap().to_owned()).collect();
        drop(view);
        for (number, position) in &acked {
            let id = format!("m{number}");
            let ack = store.append(placed(&id, *number)).unwrap();
            if there.contains(&id) {
                assert!(is_duplicate_of(&ack, *position), "{id} is there");
            } else {
                assert!(position.seq > durable, "{id} was promised");
                assert!(!ack.notes.contains(Note::Duplicate), "{id} was lost, and can be stored again");
            }
        }
        assert_eq!(events(&store), acked.len() as u64, "each id is stored once");
    }
}

#[test]
fn ids_with_one_hash_are_told_apart_by_their_records() {
    for bits in [0, 1, 4] {
        let disk = SimDisk::default();
        let open = || options().id_hash_bits(bits).open_on(&disk).unwrap();
        let store = open();
        let mut positions = fill(&store, 0, 2);
        for number in positions.len()..positions.len() + 10 {
            let number = i64::try_from(number).unwrap();
            let acks = store
                .append_batch([placed(&format!("m{number}"), number), placed(&format!("m{number}"), number)]);
            positions.push(acks.unwrap()[1].position);
        }
        all_repeat(&store, 0, &positions);
        store.close().unwrap();
        drop(store);
        let store = open();
        assert!(store.recovery().rebuilt.is_empty());
        all_repeat(&store, 0, &positions);
    }
}

#[test]
fn with_last_segments_only_those_are_looked_at() {
    let disk = SimDisk::default();
    let store = options().dedupe(Dedupe::LastSegments(2)).open_on(&disk).unwrap();
    let old = fill(&store, 0, 4);
    // The active segment and the last two are known.
    let base = store.segments().unwrap()[2].base_seq;
    let known = old.iter().position(|position| position.seq >= base).unwrap();
    assert!(known > 10);
    all_repeat(&store, i64::try_from(known).unwrap(), &old[known..]);
    let before = events(&store);
    for number in [0, known - 1] {
        let again = store.append(placed(&format!("m{number}"), i64::try_from(number).unwrap())).unwrap();
        assert!(!again.notes.contains(Note::Duplicate), "m{number}");
    }
    assert_eq!(events(&store), before + 2);
    store.close().unwrap();
    drop(store);

    let store = options().dedupe(Dedupe::LastSegments(0)).open_on(&disk).unwrap();
    let sealed = old[known];
    let number = i64::try_from(known).unwrap();
    let ack = store.append(placed(&format!("m{known}"), number)).unwrap();
    assert_ne!(ack.position, sealed, "no sealed segment is looked at");
    assert!(is_duplicate_of(&store.append(placed(&format!("m{known}"), number)).unwrap(), ack.position));
    store.close().unwrap();
    drop(store);

    let store = options().open_on(&disk).unwrap();
    all_repeat(&store, 1, &old[1..]);
}

#[test]
fn with_last_segments_an_opening_reads_the_ids_of_those_alone() {
    let disk = SimDisk::default();
    let store = options().dedupe(Dedupe::Off).open_on(&disk).unwrap();
    let old = fill(&store, 0, 3);
    let base = store.segments().unwrap()[1].base_seq;
    store.close().unwrap();
    drop(store);
    let store = options().dedupe(Dedupe::LastSegments(2)).open_on(&disk).unwrap();
    assert_eq!(store.recovery().rebuilt.len(), 2);
    let known = old.iter().position(|position| position.seq >= base).unwrap();
    all_repeat(&store, i64::try_from(known).unwrap(), &old[known..]);
    let number = i64::try_from(known - 1).unwrap();
    let again = store.append(placed(&format!("m{number}"), number)).unwrap();
    assert_eq!(again.notes, Notes::NONE, "no earlier one is looked at");
}

#[test]
fn segments_with_and_without_ids_may_follow_each_other() {
    let disk = SimDisk::default();
    // Sealed segments without any id.
    let without = |store: &Store, segments: u64| {
        let wanted = store.stats().unwrap().sealed_segments + segments;
        while store.stats().unwrap().sealed_segments < wanted {
            let event = Envelope::new(ORG, PROJECT, "billing", "order.placed");
            store.append(event.property("text", "x".repeat(2_000)).at(at(0))).unwrap();
            store.wait_sealed().unwrap();
        }
    };
    let store = options().open_on(&disk).unwrap();
    without(&store, 2);
    let one = fill(&store, 0, 1);
    without(&store, 2);
    let next = i64::try_from(one.len()).unwrap();
    let two = fill(&store, next, 1);
    without(&store, 2);
    let all = |store: &Store| {
        all_repeat(store, 0, &one);
        all_repeat(store, next, &two);
    };
    all(&store);
    store.close().unwrap();
    drop(store);
    assert_eq!(Store::verify_on(&disk, VerifyLevel::Deep).unwrap().findings, []);
    let store = options().open_on(&disk).unwrap();
    assert!(store.recovery().rebuilt.is_empty());
    all(&store);
    store.close().unwrap();
    drop(store);

    // Ids that nobody wanted lie between segments without any: they are not taken for segments without ids.
    let store = options().dedupe(Dedupe::Off).open_on(&disk).unwrap();
    let last = next + i64::try_from(two.len()).unwrap();
    let three = fill(&store, last, 1);
    without(&store, 1);
    store.close().unwrap();
    drop(store);
    let store = options().dedupe(Dedupe::LastSegments(0)).open_on(&disk).unwrap();
    without(&store, 2);
    store.close().unwrap();
    drop(store);
    let store = options().open_on(&disk).unwrap();
    all(&store);
    all_repeat(&store, last, &three);
}

#[test]
fn ids_that_were_not_kept_are_read_from_the_log_when_they_are_wanted() {
    let disk = SimDisk::default();
    let store = options().open_on(&disk).unwrap();
    let one = fill(&store, 0, 2);
    store.close().unwrap();
    drop(store);
    let runs_before = runs(&disk);
    let store = options().dedupe(Dedupe::Off).open_on(&disk).unwrap();
    let ack = store.append(placed("m0", 0)).unwrap();
    assert!(ack.position > one[0] && ack.notes == Notes::NONE);
    let next = i64::try_from(one.len()).unwrap();
    let two = fill(&store, next, 3);
    assert_eq!(runs(&disk), runs_before, "no ids are kept");
    store.close().unwrap();
    drop(store);
    assert_eq!(Store::verify_on(&disk, VerifyLevel::Deep).unwrap().findings, []);

    let store = options().dedupe(Dedupe::All).open_on(&disk).unwrap();
    let rebuilt = &store.recovery().rebuilt;
    assert!(rebuilt.len() >= 3 && rebuilt.iter().all(|file| file.file.starts_with("ids-")), "{rebuilt:?}");
    all_repeat(&store, 0, &one);
    all_repeat(&store, next, &two);
    store.close().unwrap();
    drop(store);
    assert!(options().open_on(&disk).unwrap().recovery().rebuilt.is_empty());
    assert_eq!(Store::verify_on(&disk, VerifyLevel::Deep).unwrap().findings, []);
}

/// Copies a disk through a change of one of its files.
fn with_file(disk: &SimDisk, name: &str, bytes: Option<Vec<u8>>) -> SimDisk {
    let disk = disk.kill();
    match bytes {
        Some(bytes) => disk.set_file_bytes(name, &bytes),
        None => disk.remove_file(name),
    }
    disk
}

#[test]
fn runs_that_are_missing_damaged_or_not_listed_are_made_anew_or_removed() {
    let disk = SimDisk::default();
    let store = options().open_on(&disk).unwrap();
    let positions = fill(&store, 0, 3);
    store.close().unwrap();
    drop(store);
    let name = runs(&disk)[0].clone();
    let bytes = disk.file_bytes(&name).unwrap();
    let mut flipped_header = bytes.clone();
    flipped_header[70] ^= 1;
    let mut cut = bytes.clone();
    cut.truncate(bytes.len() - 1);
    for (what, content) in [
        ("missing", None),
        ("empty", Some(Vec::new())),
        ("cut", Some(cut)),
        ("damaged", Some(flipped_header)),
    ] {
        let disk = with_file(&disk, &name, content);
        let found = Store::verify_on(&disk, VerifyLevel::Quick).unwrap();
        assert!(found.findings.iter().any(|finding| finding.file == name), "{what}");
        let store = options().open_on(&disk).unwrap();
        let rebuilt = &store.recovery().rebuilt;
        assert!(rebuilt.len() == 1 && rebuilt[0].file == name, "{what}: {rebuilt:?}");
        all_repeat(&store, 0, &positions);
        store.close().unwrap();
        drop(store);
        assert_eq!(Store::verify_on(&disk, VerifyLevel::Deep).unwrap().findings, [], "{what}");
        assert!(options().open_on(&disk).unwrap().recovery().rebuilt.is_empty(), "{what}");
    }
    let stray = with_file(&disk, "ids-999.run", Some(bytes.clone()));
    let store = options().open_on(&stray).unwrap();
    assert!(store.recovery().removed.contains(&"ids-999.run".to_owned()));
    assert!(!stray.names().contains(&"ids-999.run".to_owned()));
    all_repeat(&store, 0, &positions);
}

#[test]
fn damage_that_is_met_when_an_id_is_looked_up_changes_no_answer() {
    let disk = SimDisk::default();
    let store = options().open_on(&disk).unwrap();
    let positions = fill(&store, 0, 3);
    store.close().unwrap();
    drop(store);
    for name in runs(&disk) {
        let mut bytes = disk.file_bytes(&name).unwrap();
        // In the entries, which no opening reads.
        let at = 128 + 4096 + 30;
        bytes[at] ^= 0x10;
        let disk = with_file(&disk, &name, Some(bytes));
        let store = options().open_on(&disk).unwrap();
        all_repeat(&store, 0, &positions);
        store.close().unwrap();
        let rebuilt = store.stats().unwrap().rebuilt;
        assert_eq!(rebuilt, 1, "{name}");
        drop(store);
        assert_eq!(Store::verify_on(&disk, VerifyLevel::Deep).unwrap().findings, [], "it was replaced");
    }
}

#[test]
fn threads_that_race_for_the_same_ids_store_each_once() {
    const THREADS: u64 = 8;
    const IDS: i64 = 400;
    for level in LEVELS {
        let disk = SimDisk::default();
        let store = options().durability(level).open_on(&disk).unwrap();
        let stored = Arc::new(AtomicU64::new(0));
        let mut answers: Vec<BTreeMap<i64, Position>> = Vec::new();
        std::thread::scope(|scope| {
            let race = |thread| {
                let (store, stored) = (store.clone(), Arc::clone(&stored));
                scope.spawn(move || {
                    let mut rng = SimRng::new(thread);
                    let mut told = BTreeMap::new();
                    let mut tell = |number: i64, ack: Ack| {
                        if !ack.notes.contains(Note::Duplicate) {
                            stored.fetch_add(1, Ordering::Relaxed);
                        }
                        told.insert(number, ack.position);
                    };
                    let mut number = 0;
                    let event = |number: i64| placed(&format!("m{number}"), number);
                    while number < IDS {
                        match rng.below(3) {
                            0 => tell(number, store.append(event(number)).unwrap()),
                            1 => tell(number, store.submit(event(number)).unwrap().wait().unwrap()),
                            _ => {
                                let last = (number + i64::try_from(index(&mut rng, 9)).unwrap()).min(IDS - 1);
                                let acks = store.append_batch((number..=last).map(event)).unwrap();
                                (number..=last).zip(acks).for_each(|(number, ack)| tell(number, ack));
                                number = last;
                            }
                        }
                        number += 1;
                    }
                    told
                })
            };
            let threads: Vec<_> = (0..THREADS).map(race).collect();
            answers.extend(threads.into_iter().map(|thread| thread.join().unwrap()));
        });
        assert_eq!(stored.load(Ordering::Relaxed), IDS.unsigned_abs(), "{level:?}");
        assert_eq!(events(&store), IDS.unsigned_abs());
        assert!(answers.iter().all(|told| *told == answers[0]), "everyone was told the same positions");
    }
}

#[test]
fn tickets_of_repeats_wait_for_the_first_copy() {
    let store = options().open_on(&SimDisk::default()).unwrap();
    let mut tickets = Vec::new();
    for number in 0..200 {
        tickets.push((
            number,
            store.submit(placed(&format!("m{}", number / 2), i64::from(number / 2))).unwrap(),
        ));
    }
    let mut before = None;
    for (number, ticket) in tickets {
        let ack = ticket.wait().unwrap();
        assert!(store.durable() >= ack.position.seq);
        assert_eq!(ack.notes.contains(Note::Duplicate), number % 2 == 1);
        if number % 2 == 1 {
            assert_eq!(Some(ack.position), before);
        }
        before = Some(ack.position);
    }
    assert_eq!(events(&store), 100);
}

#[test]
fn whatever_was_told_before_a_power_cut_each_id_is_stored_once_after_it() {
    const IDS: i64 = 40;
    for level in LEVELS {
        let (mut cuts, mut repeats) = (0, 0);
        for after_ops in 0..16 {
            let disk = SimDisk::default();
            let open =
                |disk: &SimDisk| options().tiny_segments(8192).durability(level).open_on(disk).unwrap();
            let store = open(&disk);
            store.append(placed("first", -1)).unwrap();
            let (kind, ops) = (FaultKind::PowerCut, OpMask::CHANGES);
            disk.fail(FaultPlan { after_ops, kind, sticky: true, ops });
            // Several threads give the same ids until the first error.
            let give = |thread: i64| {
                let store = &store;
                move || {
                    let event = |number: i64| placed(&format!("m{number}"), number);
                    let ticket = |number| store.submit(event(number)).and_then(envelog::Ticket::wait);
                    let give = |number| {
                        if (number + thread) % 3 == 0 { ticket(number) } else { store.append(event(number)) }
                    };
                    (0..IDS).map_while(|number| Some((number, give(number).ok()?))).collect::<Vec<_>>()
                }
            };
            let told: Vec<(i64, Ack)> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..4).map(|thread| scope.spawn(give(thread))).collect();
                threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
            });
            drop(store);
            let Some(cut) = disk.at_power_cut() else { continue };
            cuts += 1;
            let store = open(&cut.crash(&mut SimRng::new(after_ops)));
            for (number, ack) in told.iter().filter(|_| level == Durability::Synced) {
                let event = store.project(PROJECT).get(ack.position).unwrap().unwrap();
                assert_eq!(event.message_id(), Some(format!("m{number}").as_str()), "after {after_ops}");
            }
            repeats += told.iter().filter(|(_, ack)| ack.notes.contains(Note::Duplicate)).count();
            let before = events(&store);
            let again =
                || (0..IDS).map(|number| store.append(placed(&format!("m{number}"), number)).unwrap());
            let new = again().filter(|ack| !ack.notes.contains(Note::Duplicate)).count() as u64;
            assert_eq!(events(&store), before + new);
            assert!(again().all(|ack| ack.notes.contains(Note::Duplicate)));
            let ids = IDS.unsigned_abs();
            assert!(
                (ids..=ids + 1).contains(&events(&store)),
                "each id once, and the first event where it survived"
            );
        }
        assert!(cuts > 8 && repeats > 0, "{level:?}: {cuts} cuts, {repeats} repeats");
    }
}
