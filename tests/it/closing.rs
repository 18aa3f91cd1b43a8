//! Closing, and what is found after it.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use envelog::testing::SimDisk;
use envelog::{Durability, Envelope, Error, OnCorruption, Options, Position, Seq, Store, Uuid};

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
    let options = || Options::new().tiny_segments(8192);
    let store = options().open_on(&disk).unwrap();
    for number in 0..20 {
        store.append(envelope(number)).unwrap();
    }
    store.close().unwrap();
    drop(store);
    let mut bytes = disk.file_bytes("seg-1.log").unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    let middle = 1536 + (end - 1536) / 2;
    bytes[middle] ^= 0x10;
    disk.set_file_bytes("seg-1.log", &bytes);

    let refused = options().open_on(&disk).unwrap_err();
    assert!(matches!(refused, Error::Corrupt { .. }), "{refused}");
    let quarantine = || options().on_corruption(OnCorruption::Quarantine);
    let store = quarantine().open_on(&disk).unwrap();
    assert!(!store.recovery().clean);
    assert_eq!(store.recovery().gaps.len(), 1);
    assert!(!store.recovery().quarantined.is_empty(), "the original is kept");
    let kept = numbers(&store);
    assert!(kept.len() >= 18, "the damaged frame alone is lost: {kept:?}");
    // On through several segments, closed and opened again.
    for number in 100..160 {
        store.append(envelope(number)).unwrap();
    }
    store.close().unwrap();
    drop(store);
    let store = options().open_on(&disk).unwrap();
    assert!(store.recovery().clean);
    let expected: Vec<i64> = kept.into_iter().chain(100..160).collect();
    assert_eq!(numbers(&store), expected);
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
    assert!(matches!(store.wait_durable(lost), Err(Error::TakenBack { .. })));
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
    assert_eq!(names, ["LOCK", "MANIFEST", "SECRET", "seg-1.log"]);
}
