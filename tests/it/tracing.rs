//! What a subscriber is told, and what it is never told.

use std::fmt::{self, Write};
use std::sync::{Arc, Mutex};

use envelog::testing::{FaultKind, FaultPlan, OpKind, OpMask, SimDisk};
use envelog::{Durability, Envelope, Options, Store, Uuid};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

const ORG: Uuid = Uuid::from_u128(1);
const PROJECT: Uuid = Uuid::from_u128(0x00c0_ffee);

/// Keeps a line for every span and event of the store: level, target, message or name, fields.
#[derive(Debug, Clone, Default)]
struct Collector(Arc<Mutex<Vec<String>>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            write!(self.0, "{value:?}").unwrap();
        } else {
            write!(self.0, " {}={value:?}", field.name()).unwrap();
        }
    }
}

impl Collector {
    fn keep(&self, metadata: &Metadata<'_>, name: &str, record: impl FnOnce(&mut Line)) {
        let mut line = Line(format!("{} {}: {name}", metadata.level(), metadata.target()));
        record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    fn assert_has(&self, parts: &[&str]) {
        let lines = self.lines();
        let is_there = lines.iter().any(|line| parts.iter().all(|part| line.contains(part)));
        assert!(is_there, "{parts:?} is not in\n{}", lines.join("\n"));
    }

    fn assert_has_none(&self, part: &str) {
        let lines = self.lines();
        assert!(lines.iter().all(|line| !line.contains(part)), "{part} is in\n{}", lines.join("\n"));
    }

    /// Runs `body` with this subscriber, and gives what it gives.
    fn listen<T>(&self, body: impl FnOnce() -> T) -> T {
        tracing::subscriber::with_default(self.clone(), body)
    }
}

impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("envelog")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let metadata = span.metadata();
        self.keep(metadata, &format!("span {}", metadata.name()), |line| span.record(line));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        self.keep(event.metadata(), "", |line| event.record(line));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

fn envelope(number: u64) -> Envelope {
    Envelope::new(ORG, PROJECT, "shop", "order.placed")
        .user("canary-user")
        .anonymous("canary-device")
        .property("text", "canary-text".repeat(20))
        .property("number", number)
        .context("ip", "203.0.113.7")
}

fn options() -> Options {
    Options::new().tiny_segments(8192).durability(Durability::Buffered)
}

#[test]
fn the_life_of_a_store_is_told_and_nothing_of_what_is_in_it() {
    let collector = Collector::default();
    let disk = SimDisk::default();
    collector.listen(|| {
        let store = options().open_on(&disk).unwrap();
        for number in 0..300 {
            store.append(envelope(number)).unwrap();
            store
                .scope(ORG, PROJECT, "shop")
                .identify("canary-user")
                .set("plan", "canary-plan")
                .append()
                .unwrap();
        }
        store.wait_sealed().unwrap();
        store.close().unwrap();
        store.close().unwrap();
    });
    collector.assert_has(&["INFO envelog::open: span open", "writer=true"]);
    collector.assert_has(&["INFO envelog::open: the store is open", "created=true", "frames_kept=0"]);
    collector.assert_has(&["DEBUG envelog::log: a segment is full", "segment=\"seg-1.log\"", "last_seq="]);
    collector.assert_has(&["INFO envelog::seal: span seal", "segment=\"seg-1.log\""]);
    collector.assert_has(&["INFO envelog::seal: a segment was sealed", "file=\"seg-1.log\"", "took_ms="]);
    collector.assert_has(&["INFO envelog::seal: span compact", "runs="]);
    collector.assert_has(&["INFO envelog::seal: profile runs were merged", "bytes="]);
    collector.assert_has(&["INFO envelog::close: span close"]);
    collector.assert_has(&["INFO envelog::close: the store is closed", "last_seq="]);
    let closed = collector.lines().iter().filter(|line| line.contains("the store is closed")).count();
    assert_eq!(closed, 1);
    collector.assert_has_none("ERROR");
    for canary in ["canary", "203.0.113", "c0ffee", "order.placed"] {
        collector.assert_has_none(canary);
    }
}

#[test]
fn nothing_is_told_of_an_append_or_a_read() {
    let collector = Collector::default();
    collector.listen(|| {
        let store = Store::in_memory().unwrap();
        store.append(envelope(0)).unwrap();
        let before = collector.lines();
        for number in 0..200 {
            store.append(envelope(number)).unwrap();
            let view = store.project(PROJECT).view().unwrap();
            assert!(view.timeline("canary-user").limit(3).iter().count() > 0);
        }
        assert_eq!(collector.lines(), before);
    });
}

#[test]
fn a_store_that_was_not_closed_is_told_of_when_it_is_opened() {
    let disk = SimDisk::default();
    let store = options().open_on(&disk).unwrap();
    for number in 0..5 {
        store.append(envelope(number)).unwrap();
    }
    let killed = disk.kill();
    drop(store);
    let collector = Collector::default();
    collector.listen(|| options().open_on(&killed).unwrap().close().unwrap());
    collector.assert_has(&["INFO envelog::open: span recover", "bytes_scanned="]);
    collector.assert_has(&["WARN envelog::open: the last writer did not close the store", "frames_kept=5"]);
    collector.assert_has(&["the store is open", "clean=false"]);
}

/// A disk with a closed store of a hundred events in several segments.
fn closed_store() -> SimDisk {
    let disk = SimDisk::default();
    let store = options().open_on(&disk).unwrap();
    for number in 0..100 {
        store.append(envelope(number)).unwrap();
    }
    store.close().unwrap();
    disk
}

#[test]
fn what_opening_sets_aside_and_makes_anew_is_told() {
    let disk = closed_store();
    disk.remove_file("seg-1.idx");
    let mut bytes = disk.file_bytes("seg-2.log").unwrap();
    let middle = bytes.len() / 2;
    bytes.truncate(middle);
    disk.set_file_bytes("seg-2.log", &bytes);
    let collector = Collector::default();
    collector.listen(|| {
        let store = options().on_corruption(envelog::OnCorruption::Quarantine).open_on(&disk).unwrap();
        assert!(!store.recovery().gaps.is_empty());
    });
    collector.assert_has(&[
        "WARN envelog::open: a derived file was made anew",
        "file=\"seg-1.idx\"",
        "reason=",
    ]);
    collector.assert_has(&["WARN envelog::open: events are missing", "from=", "to="]);
}

#[test]
fn damage_that_a_read_meets_is_told_of() {
    let disk = closed_store();
    let collector = Collector::default();
    collector.listen(|| {
        let store = options().open_on(&disk).unwrap();
        // Everything behind the part of the index that opening reads.
        let mut bytes = disk.file_bytes("seg-1.idx").unwrap();
        let end = bytes.len();
        bytes[end / 4..].iter_mut().for_each(|byte| *byte ^= 0x55);
        drop(store);
        disk.set_file_bytes("seg-1.idx", &bytes);
        let store = options().open_on(&disk).unwrap();
        let view = store.project(PROJECT).view().unwrap();
        assert_eq!(view.events().iter().flatten().count(), 100);
        assert_eq!(view.timeline("canary-user").iter().flatten().count(), 100);
        store.wait_sealed().unwrap();
    });
    let told = collector.lines().iter().any(|line| line.contains("made anew") && line.contains("seg-1.idx"));
    assert!(told, "{}", collector.lines().join("\n"));
}

#[test]
fn a_sync_that_fails_is_told_and_a_close_in_drop_that_fails_too() {
    for by_host in [true, false] {
        let disk = SimDisk::default();
        let collector = Collector::default();
        collector.listen(|| {
            let store = options().durability(Durability::Synced).open_on(&disk).unwrap();
            store.append(envelope(1)).unwrap();
            disk.fail(FaultPlan {
                after_ops: 0,
                kind: FaultKind::Eio,
                sticky: true,
                ops: OpMask::of(OpKind::Sync),
            });
            store.append(envelope(2)).unwrap_err();
            if by_host {
                store.close().unwrap_err();
            }
        });
        collector.assert_has(&["ERROR envelog::log: a sync failed", "file=\"seg-1.log\"", "error="]);
        collector.assert_has(&["ERROR envelog::log: the store takes no more appends", "durable=1"]);
        if by_host {
            collector.assert_has_none("ERROR envelog::close");
        } else {
            collector.assert_has(&["ERROR envelog::close: the last handle is gone", "error="]);
        }
        collector.assert_has_none("canary");
    }
}

#[test]
fn want_of_room_is_told() {
    let disk = SimDisk::default();
    let collector = Collector::default();
    collector.listen(|| {
        let store = options().open_on(&disk).unwrap();
        disk.set_capacity(Some(disk.used_bytes() + 1_000));
        let mut number = 0;
        while store.append(envelope(number)).is_ok() {
            number += 1;
        }
        disk.set_capacity(None);
    });
    collector.assert_has(&["WARN envelog::log: no room could be made ahead of the log", "error="]);
}
