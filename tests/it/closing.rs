//! Closing, and what is found after it.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use envelog::testing::{FaultKind, FaultPlan, OpMask, SimDisk, SimOptions, SimRng};
use envelog::{Durability, Envelope, Epoch, Error, OnCorruption, Options, Position, Seq, Store, Uuid};

const ORG: Uuid = Uuid::from_u128(1);
const PROJECT: Uuid = Uuid::from_u128(2);

fn envelope(number: u64) -> Envelope {
    Envelope::new(ORG, PROJECT, "shop", "order.placed").user("u").property("number", number)
}

fn numbers(store: &Store) -> Vec<i64> {
    let view = store.project(PROJECT).view().unwrap();
    let number = |event: envelog::Result<envelog::EventRef<'_>>| {
        event.ok().and_then(|event| event.properties()?.get("number")?.as_i64())
    };
    view.events().iter().filter_map(number).collect()
}

#[test]
fn nobody_opens_a_store_before_every_close_of_it_is_done() {
    for round in 0..20 {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let level = if round % 2 == 0 { Durability::Synced } else { Durability::Buffered };
        let store = Options::new().durability(level).open(&path).unwrap();
        for number in 0..50 {
            store.append(envelope(number)).unwrap();
        }
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let opener = scope.spawn(|| {
                loop {
                    match Options::new().create(false).open(&path) {
                        Ok(next) => return next,
                        Err(Error::Locked) => std::thread::yield_now(),
                        Err(error) => panic!("{error}"),
                    }
                }
            });
            let appender = scope.spawn(|| {
                let mut taken = 0;
                while !stop.load(Ordering::Relaxed) {
                    match store.append(envelope(1_000 + taken)) {
                        Ok(_) => taken += 1,
                        Err(Error::Closed) => break,
                        Err(error) => panic!("{error}"),
                    }
                }
                taken
            });
            let closers: Vec<_> = (0..3).map(|_| scope.spawn(|| store.close())).collect();
            for closer in closers {
                closer.join().unwrap().unwrap();
            }
            stop.store(true, Ordering::Relaxed);
            let taken = appender.join().unwrap();
            let next = opener.join().unwrap();
            assert!(next.recovery().clean, "every close was done when the lock went");
            assert_eq!(numbers(&next).len() as u64, 50 + taken);
            next.append(envelope(7)).unwrap();
            next.close().unwrap();
        });
        let last = Store::open(&path).unwrap();
        assert!(last.recovery().clean);
        assert_eq!(numbers(&last).last(), Some(&7));
    }
}

#[test]
fn damage_in_a_store_that_was_closed_is_set_aside_and_the_store_goes_on() {
    let disk = SimDisk::default();
    let options = || Options::new().tiny_segments(65_536);
    let store = options().open_on(&disk).unwrap();
    for number in 0..20 {
        store.append(envelope(number)).unwrap();
    }
    store.close().unwrap();
    drop(store);
    let mut bytes = disk.file_bytes("seg-1.log").unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    let middle = 2048 + (end - 2048) / 2;
    bytes[middle] ^= 0x10;
    disk.set_file_bytes("seg-1.log", &bytes);

    let refused = options().open_on(&disk).unwrap_err();
    assert!(matches!(refused, Error::Corrupt { .. }), "{refused}");
    let quarantine = || options().on_corruption(OnCorruption::Quarantine);
    let store = quarantine().open_on(&disk).unwrap();
    assert!(!store.recovery().clean);
    assert_eq!(store.recovery().gaps.len(), 1);
    let gaps = store.gaps();
    assert_eq!(gaps, store.recovery().gaps);
    assert!(!store.recovery().quarantined.is_empty(), "the original is kept");
    let kept = numbers(&store);
    assert!(kept.len() >= 18, "the damaged frame alone is lost: {kept:?}");
    // On through several segments, closed and opened again.
    drop(store);
    let store = Options::new().tiny_segments(8192).open_on(&disk).unwrap();
    for number in 100..160 {
        store.append(envelope(number)).unwrap();
    }
    store.close().unwrap();
    drop(store);
    let store = options().open_on(&disk).unwrap();
    assert!(store.recovery().clean);
    let expected: Vec<i64> = kept.into_iter().chain(100..160).collect();
    assert_eq!(numbers(&store), expected);
    // This opening found nothing; the store still says what is missing.
    assert!(store.recovery().gaps.is_empty());
    assert_eq!(store.gaps(), gaps);
}

#[test]
fn waiting_for_an_event_that_was_lost_says_so() {
    let disk = SimDisk::default();
    let options = || Options::new().tiny_segments(8192).durability(Durability::Buffered);
    let store = options().open_on(&disk).unwrap();
    let first = store.append(envelope(1)).unwrap().position;
    store.sync().unwrap();
    let lost = store.append(envelope(2)).unwrap().position;
    // Power goes before anything syncs the second event.
    let durable = disk.file_bytes("seg-1.log").is_some();
    assert!(durable);
    let mut rng = envelog::testing::SimRng::new(3);
    let crashed = (0..1_000)
        .map(|_| disk.crash(&mut rng))
        .find(|crashed| numbers(&options().open_on(&crashed.kill()).unwrap()).len() == 1)
        .expect("what was not synced is lost in some of a thousand crashes");
    drop(store);
    let store = options().open_on(&crashed).unwrap();
    store.wait_durable(first).unwrap();
    let error = store.wait_durable(lost).unwrap_err();
    assert!(matches!(error, Error::TakenBack { from, to } if from <= to && to == lost.seq));
    assert!(
        error.to_string().starts_with(&format!("seq {} of that epoch is not stored", lost.seq)),
        "{error}"
    );
    // Positions that no store ever gave are not taken back.
    for epoch in [0, 1_000] {
        let never = Position { epoch: Epoch::new(epoch), ..first };
        assert!(matches!(store.wait_durable(never), Err(Error::Invalid { .. })), "{epoch}");
    }
    store.append(envelope(3)).unwrap();
    assert!(
        matches!(store.wait_durable(lost), Err(Error::TakenBack { .. })),
        "the seq is another event's now"
    );
    let ahead = Position { seq: Seq::new(1_000), ..store.append(envelope(4)).unwrap().position };
    assert!(matches!(store.wait_durable(ahead), Err(Error::Invalid { .. })));
}

#[test]
fn a_store_directory_is_only_its_own_files_after_closing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = Options::new().segment_bytes_max(1 << 20).open(&path).unwrap();
    // More than half a segment, so that the next one was prepared.
    let text = "x".repeat(10_000);
    for number in 0..70 {
        store.append(envelope(number).property("text", text.as_str())).unwrap();
    }
    store.close().unwrap();
    let mut names: Vec<String> =
        fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let sealed = ["profiles-1.run", "seg-1.idx", "seg-1.log"];
    assert_eq!(names, [&["LOCK", "MANIFEST", "SECRET"], &sealed[..], &["seg-2.log"]].concat());
}

const LEVELS: [Durability; 3] =
    [Durability::Buffered, Durability::Interval { ms: 2, bytes: 4096 }, Durability::Synced];
const SEGMENT_BYTES: u64 = 65_536;

fn at(level: Durability) -> Options {
    Options::new().durability(level).tiny_segments(SEGMENT_BYTES)
}

/// Events with more frames than an eighth of a segment.
fn long_tail(store: &Store) -> Vec<i64> {
    let text = "x".repeat(1_000);
    let append = |number: i64| {
        store.append(envelope(number.cast_unsigned()).property("text", text.as_str())).unwrap();
        number
    };
    (0..20).map(append).collect()
}

#[test]
fn a_close_leaves_at_most_an_eighth_of_a_segment_to_read() {
    for level in LEVELS {
        for mapped_writes in [true, false] {
            for by_drop in [false, true] {
                let disk = SimDisk::new(SimOptions { mapped_writes, ..SimOptions::default() });
                let store = at(level).open_on(&disk).unwrap();
                let appended = long_tail(&store);
                let view = store.project(PROJECT).view().unwrap();
                if !by_drop {
                    store.close().unwrap();
                }
                drop(store);
                assert_eq!(view.events().iter().count(), appended.len(), "views stay usable");
                drop(view);
                let closed = disk.kill();
                let store = at(level).open_on(&disk).unwrap();
                assert!(store.recovery().clean);
                assert_eq!(store.recovery().frames_kept, 1, "the close frame is all that is read");
                assert_eq!((store.stats().unwrap().sealed_segments, numbers(&store)), (1, appended.clone()));
                store.close().unwrap();
                drop(store);
                assert_eq!(disk.names(), closed.names(), "nothing was written, nothing is rolled");
                assert!(disk.names().iter().all(|name| disk.file_bytes(name) == closed.file_bytes(name)));
            }
        }
    }
}

#[test]
fn closing_often_does_not_pile_up_short_segments() {
    let disk = SimDisk::default();
    let mut rounds = 0;
    loop {
        let store = at(Durability::Synced).open_on(&disk).unwrap();
        store.append(envelope(rounds)).unwrap();
        store.close().unwrap();
        rounds += 1;
        let stats = store.stats().unwrap();
        let shortest = SEGMENT_BYTES / 8;
        assert!(stats.sealed_segments * shortest <= stats.log_bytes, "{stats:?} after {rounds} rounds");
        if stats.sealed_segments == 3 {
            break;
        }
    }
    assert!(rounds > 100, "three segments after {rounds} rounds");
    assert_eq!(numbers(&at(Durability::Synced).open_on(&disk).unwrap()).len() as u64, rounds);
}

/// The disk has no room for another segment, and enough for a manifest.
#[test]
fn a_close_on_a_full_disk_leaves_the_tail_unsealed_and_is_clean() {
    for level in LEVELS {
        let disk = SimDisk::default();
        let store = at(level).open_on(&disk).unwrap();
        let appended = long_tail(&store);
        disk.set_capacity(Some(disk.used_bytes() + 1_000));
        store.close().unwrap();
        drop(store);
        let store = at(level).open_on(&disk).unwrap();
        assert!(store.recovery().clean, "{:?}", store.recovery());
        assert_eq!((store.stats().unwrap().sealed_segments, numbers(&store)), (0, appended.clone()));
        disk.set_capacity(None);
        store.append(envelope(77)).unwrap();
        store.close().unwrap();
        drop(store);
        let store = at(level).open_on(&disk).unwrap();
        assert_eq!(store.stats().unwrap().sealed_segments, 1);
        assert_eq!(numbers(&store).len(), appended.len() + 1);
    }
}

/// Every operation of a close fails in its turn, in every way, until a close passes untouched.
#[test]
fn a_close_that_fails_or_is_cut_short_loses_nothing() {
    let mut rng = SimRng::new(SimRng::seed_of_run());
    let kinds = [FaultKind::Eio, FaultKind::NoSpace, FaultKind::ShortWrite, FaultKind::PowerCut];
    for (level, kind) in LEVELS.into_iter().flat_map(|level| kinds.map(|kind| (level, kind))) {
        for after_ops in 0.. {
            let disk = SimDisk::default();
            let store = at(level).open_on(&disk).unwrap();
            let appended = long_tail(&store);
            store.sync().unwrap();
            disk.fail(FaultPlan { after_ops, kind, sticky: false, ops: OpMask::ALL });
            let outcome = store.close();
            drop(store);
            let fired = disk.faults_fired();
            disk.heal();
            let what = format!("{level:?} {kind:?} at {after_ops}: {outcome:?}");
            let survivors = match disk.at_power_cut() {
                Some(cut) => vec![cut.crash(&mut rng), cut.crash(&mut rng), cut.kill()],
                None => vec![disk.kill(), disk.crash(&mut rng)],
            };
            for left in survivors {
                let store = at(level).open_on(&left).unwrap_or_else(|error| panic!("{what}: {error}"));
                assert_eq!(numbers(&store), appended, "{what}");
                if outcome.is_ok() && kind != FaultKind::PowerCut {
                    assert!(store.recovery().clean, "{what}: {:?}", store.recovery());
                }
                store.append(envelope(99)).unwrap();
                store.close().unwrap();
            }
            assert!(after_ops < 1_000, "a close passes untouched");
            if fired == 0 {
                assert!(outcome.is_ok() && after_ops > 10, "{what}");
                break;
            }
        }
    }
}

#[test]
fn closing_one_clone_closes_all_and_reading_goes_on() {
    for level in LEVELS {
        let disk = SimDisk::default();
        let store = at(level).open_on(&disk).unwrap();
        let position = store.append(envelope(1)).unwrap().position;
        let accepted = store.accept(&envelope(2)).unwrap();
        let (clone, scope) = (store.clone(), store.scope(ORG, PROJECT, "shop"));
        let (mut begun, mut cursor) = (store.batch(), store.batch());
        begun.push(&envelope(3)).unwrap();
        cursor.set_cursor(envelog::CursorKey::Store("c"), b"1").unwrap();
        clone.close().unwrap();
        let json = serde_json::to_vec(&serde_json::json!({
            "orgId": ORG.to_string(), "projectId": PROJECT.to_string(), "module": "shop", "eventType": "order.placed",
            "timestamp": "2026-03-01T12:00:00Z",
        }));
        let refused = [
            store.append(envelope(4)).unwrap_err(),
            store.append_json(&json.unwrap()).unwrap_err(),
            store.append_accepted(&accepted).unwrap_err(),
            store.append_batch([envelope(5)]).unwrap_err(),
            store.submit(envelope(6)).unwrap_err(),
            store.submit_accepted(&accepted).unwrap_err(),
            scope.track("order.placed").append().unwrap_err(),
            scope.identify("u").set("plan", "pro").append().unwrap_err(),
            begun.commit().unwrap_err(),
            cursor.commit().unwrap_err(),
        ];
        assert!(refused.iter().all(|error| matches!(error, Error::Closed)), "{level:?}: {refused:?}");
        // A second close, on whichever clone, has nothing left to do.
        store.close().unwrap();
        clone.close().unwrap();
        // Everything is durable, and there to be read.
        assert_eq!(store.durable(), store.visible());
        store.wait_durable(position).unwrap();
        store.sync().unwrap();
        assert_eq!((numbers(&store), numbers(&clone)), (vec![1], vec![1]));
        assert_eq!(store.stats().unwrap().events, 1);
        assert_eq!(store.cursor(envelog::CursorKey::Store("c")).unwrap(), None);
    }
}

#[test]
fn tickets_that_were_given_before_a_close_are_kept() {
    for (level, by_drop) in LEVELS.into_iter().flat_map(|level| [(level, false), (level, true)]) {
        let disk = SimDisk::default();
        let store = at(level).open_on(&disk).unwrap();
        let tickets: Vec<_> = (0..100).map(|number| store.submit(envelope(number)).unwrap()).collect();
        if !by_drop {
            store.close().unwrap();
        }
        drop(store);
        let mut seqs: Vec<Seq> =
            tickets.into_iter().map(|ticket| ticket.wait().unwrap().position.seq).collect();
        seqs.dedup();
        assert_eq!(seqs.len(), 100);
        let store = at(level).open_on(&disk).unwrap();
        assert!(store.recovery().clean);
        assert_eq!(numbers(&store), (0..100).collect::<Vec<_>>());
    }
}

#[test]
fn the_last_handle_closes_the_store_wherever_it_goes() {
    let disk = SimDisk::default();
    let mut expected = Vec::new();
    let mut next = |store: &Store| {
        store.append(envelope(expected.len() as u64)).unwrap();
        expected.push(i64::try_from(expected.len()).unwrap());
    };
    let open = || {
        let store = at(Durability::Buffered).open_on(&disk).unwrap();
        assert!(store.recovery().clean || store.recovery().created, "the last handle closed it");
        store
    };
    // A scope, a batch and a half-made event hold the store as well as a clone does.
    let store = open();
    next(&store);
    let scope = store.scope(ORG, PROJECT, "shop");
    drop(store);
    assert!(matches!(at(Durability::Buffered).open_on(&disk), Err(Error::Locked)));
    let track = scope.track("order.placed");
    drop(scope);
    assert!(matches!(at(Durability::Buffered).open_on(&disk), Err(Error::Locked)));
    drop(track);
    let store = open();
    next(&store);
    let batch = store.batch();
    drop(store);
    assert!(matches!(at(Durability::Buffered).open_on(&disk), Err(Error::Locked)));
    drop(batch);
    // A project and a view read, and do not keep it open.
    let store = open();
    next(&store);
    let (project, view) = (store.project(PROJECT), store.project(PROJECT).view().unwrap());
    drop(store);
    let store = open();
    assert_eq!(view.events().count().unwrap(), 3);
    assert_eq!(project.view().unwrap().events().count().unwrap(), 3);
    // In another thread, and in one that unwinds.
    next(&store);
    std::thread::spawn(move || drop(store)).join().unwrap();
    let store = open();
    next(&store);
    std::thread::spawn(move || {
        let _last = store;
        std::panic::resume_unwind(Box::new("a panic of the host"));
    })
    .join()
    .unwrap_err();
    assert_eq!(numbers(&open()), expected);
}

#[test]
fn what_is_appended_while_the_store_is_closed_is_stored_or_refused() {
    for round in 0..12 {
        let level = LEVELS[round % LEVELS.len()];
        let disk = SimDisk::default();
        let store = at(level).open_on(&disk).unwrap();
        store.append(envelope(0)).unwrap();
        let taken: Vec<i64> = std::thread::scope(|scope| {
            let appenders: Vec<_> = (1..4)
                .map(|appender: u64| {
                    let store = store.clone();
                    scope.spawn(move || {
                        let mut taken = Vec::new();
                        for number in 0.. {
                            let number = appender * 1_000_000 + number;
                            match store.append(envelope(number)) {
                                Ok(_) => taken.push(number.cast_signed()),
                                Err(Error::Closed) => return taken,
                                Err(error) => panic!("{level:?}: {error}"),
                            }
                        }
                        taken
                    })
                })
                .collect();
            while store.visible() < Seq::new(20 + round as u64) {
                std::thread::yield_now();
            }
            store.close().unwrap();
            appenders.into_iter().flat_map(|appender| appender.join().unwrap()).collect()
        });
        drop(store);
        let store = at(level).open_on(&disk).unwrap();
        assert!(store.recovery().clean);
        let mut stored = numbers(&store);
        let mut expected = [vec![0], taken].concat();
        stored.sort_unstable();
        expected.sort_unstable();
        assert_eq!(stored, expected, "{level:?}");
    }
}
