//! Merging is given up where nobody wants to wait for it.

use std::cell::Cell;

use super::*;
use crate::envelope::Envelope;
use crate::log::manifest_file;
use crate::storage::Disk;
use crate::storage::sim::{FaultKind, FaultPlan, OpMask, SimDisk};
use crate::store::{Options, Store};
use crate::testing::SimRng;
use crate::{Dedupe, Finding, Note, Uuid, VerifyLevel};

fn event(number: u64) -> Envelope {
    let placed = Envelope::new(Uuid::from_u128(1), Uuid::from_u128(2), "shop", "order.placed");
    placed.message_id(format!("m{number}"))
}

#[test]
fn a_merge_that_is_given_up_changes_nothing_and_leaves_nothing() {
    let disk = SimDisk::default();
    let options = || Options::new().tiny_segments(256 * 1024);
    let store = options().dedupe(Dedupe::Off).open_on(&disk).unwrap();
    let mut count = 0;
    while store.stats().unwrap().sealed_segments < 6 {
        store.append_batch((count..count + 500).map(event)).unwrap();
        count += 500;
        store.wait_sealed().unwrap();
    }
    // Not closed, so that no short segment is sealed.
    let disk = disk.kill();
    drop(store);
    let store = options().open_on(&disk).unwrap();
    let inner = &store.inner;
    let medium: Arc<dyn Disk> = Arc::clone(&inner.disk);
    let derived = Derived { disk: &medium, manifest: &inner.manifest, shelf: &inner.state.shelf };
    let ids = store.writer().unwrap().ids.as_deref().unwrap();
    let before = (inner.manifest.current().ids.clone(), disk.names());
    assert!(before.0.len() >= 6 && count > 3 * IDS_AT_ONCE, "{} runs of {count} ids", before.0.len());
    for questions in 0..3 {
        let asked = Cell::new(0);
        derived
            .compact_ids(ids, || {
                asked.set(asked.get() + 1);
                asked.get() <= questions
            })
            .unwrap();
        assert_eq!(asked.get(), questions + 1);
        assert_eq!((inner.manifest.current().ids.clone(), disk.names()), before);
    }
    derived.compact_ids(ids, || true).unwrap();
    assert_eq!(inner.manifest.current().ids.len(), 1);
    let known = |store: &Store| {
        let acks = store.append_batch((0..count).map(event)).unwrap();
        assert!(acks.iter().all(|ack| ack.notes.contains(Note::Duplicate)));
    };
    known(&store);
    store.close().unwrap();
    drop(store);
    known(&options().open_on(&disk).unwrap());
}

/// A store of several sealed segments that nobody kept the ids of, and how many events it has.
fn without_ids() -> (SimDisk, u64) {
    let disk = SimDisk::default();
    let store = Options::new().tiny_segments(8192).dedupe(Dedupe::Off).open_on(&disk).unwrap();
    let mut count = 0;
    while store.stats().unwrap().sealed_segments < 6 {
        store.append_batch((count..count + 20).map(event)).unwrap();
        count += 20;
        store.wait_sealed().unwrap();
    }
    // Not closed, so that no short segment is sealed.
    let disk = disk.kill();
    drop(store);
    (disk, count)
}

/// The runs that the manifest on a disk lists, of which each is there and whole.
fn whole_runs(disk: &SimDisk, what: &str) -> Vec<u64> {
    let listed = manifest_file::read(disk).unwrap().unwrap().ids;
    let report = Store::verify_on(disk, VerifyLevel::Full).unwrap();
    let is_of_listed = |finding: &&Finding| {
        listed.iter().any(|run| finding.file == FileName::IdsRun(run.number).to_string())
    };
    assert_eq!(report.findings.iter().find(is_of_listed), None, "{what}");
    listed.iter().filter(|run| run.has_file()).map(|run| run.number).collect()
}

#[test]
fn a_manifest_that_lists_a_merged_run_is_never_left_without_it() {
    let (disk, _) = without_ids();
    let options = || Options::new().tiny_segments(8192);
    let mut rng = SimRng::new(SimRng::seed_of_run());
    let mut merged = 0;
    for after_ops in 0.. {
        let disk = disk.kill();
        let store = options().open_on(&disk).unwrap();
        let inner = &store.inner;
        let medium: Arc<dyn Disk> = Arc::clone(&inner.disk);
        let derived = Derived { disk: &medium, manifest: &inner.manifest, shelf: &inner.state.shelf };
        let ids = store.writer().unwrap().ids.as_deref().unwrap();
        let before = whole_runs(&disk.kill(), "before");
        assert!(before.len() >= 6);
        disk.fail(FaultPlan { after_ops, kind: FaultKind::PowerCut, sticky: true, ops: OpMask::CHANGES });
        let is_done = derived.compact_ids(ids, || true).is_ok();
        let Some(cut) = disk.at_power_cut() else {
            assert!(is_done && after_ops > 5, "{after_ops} operations");
            break;
        };
        for _ in 0..40 {
            let crashed = cut.crash(&mut rng);
            let runs = whole_runs(&crashed, &format!("the power went before operation {after_ops}"));
            assert!(runs == before || runs.len() == 1);
            merged += usize::from(runs.len() == 1);
        }
    }
    assert!(merged > 0);
}

#[test]
fn a_manifest_that_lists_a_run_made_anew_is_never_left_without_it() {
    let (disk, _) = without_ids();
    let mut rng = SimRng::new(SimRng::seed_of_run());
    let mut some = 0;
    for after_ops in 0.. {
        let disk = disk.kill();
        disk.fail(FaultPlan { after_ops, kind: FaultKind::PowerCut, sticky: true, ops: OpMask::CHANGES });
        // Makes a run of each segment.
        let opened = Options::new().tiny_segments(8192).open_on(&disk);
        let Some(cut) = disk.at_power_cut() else {
            assert!(opened.is_ok() && after_ops > 20, "{after_ops} operations");
            break;
        };
        for _ in 0..20 {
            let runs =
                whole_runs(&cut.crash(&mut rng), &format!("the power went before operation {after_ops}"));
            some += usize::from(!runs.is_empty());
        }
    }
    assert!(some > 0);
}
