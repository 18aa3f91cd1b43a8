//! What stands in memory for a run that is lost, and what takes its place.

use super::*;
use crate::Uuid;
use crate::envelope::Envelope;
use crate::log::{OnCorruption, manifest_file};
use crate::storage::Disk;
use crate::storage::sim::SimDisk;
use crate::store::derive::Derived;
use crate::store::{Options, Store};
use crate::types::Seq;
use crate::{Dedupe, Note};

const PROJECT: Uuid = Uuid::from_u128(2);
const EVENTS: u64 = 400;

fn id(number: u64) -> String {
    format!("m{number}")
}

fn options() -> Options {
    Options::new().tiny_segments(8192).on_corruption(OnCorruption::Quarantine)
}

fn runs(disk: &SimDisk) -> Vec<String> {
    disk.names().into_iter().filter(|name| name.starts_with("ids-")).collect()
}

/// A closed store with a frame of its second segment damaged; the seq of each event, and that of the damaged one.
fn damaged_store() -> (SimDisk, Vec<Seq>, Seq) {
    let disk = SimDisk::default();
    let store = options().open_on(&disk).unwrap();
    let mut seqs = Vec::new();
    for number in 0..EVENTS {
        let event = Envelope::new(Uuid::from_u128(1), PROJECT, "shop", "order.placed");
        seqs.push(store.append(event.message_id(id(number))).unwrap().position.seq);
        if number % 20 == 0 {
            store.wait_sealed().unwrap();
        }
    }
    store.wait_sealed().unwrap();
    store.close().unwrap();
    let damaged = damage(&disk, "seg-2.log");
    (disk, seqs, damaged)
}

/// Damages a frame of a segment, and gives its seq.
fn damage(disk: &SimDisk, name: &str) -> Seq {
    let mut bytes = disk.file_bytes(name).unwrap();
    // The sixth frame, by the lengths that they begin with.
    let mut frame = 2048;
    for _ in 0..5 {
        let len = u32::from_le_bytes(bytes[frame..frame + 4].try_into().unwrap());
        frame += usize::try_from(len).unwrap().next_multiple_of(8);
    }
    let seq = Seq::new(u64::from_le_bytes(bytes[frame + 8..frame + 16].try_into().unwrap()));
    bytes[frame + 20] ^= 1;
    disk.set_file_bytes(name, &bytes);
    seq
}

/// A store, not closed, with a run of message ids for each of its sealed segments.
fn store_with_many_runs() -> (SimDisk, Vec<Seq>) {
    let disk = SimDisk::default();
    let store = options().dedupe(Dedupe::Off).open_on(&disk).unwrap();
    let mut seqs = Vec::new();
    while store.stats().unwrap().sealed_segments < 6 {
        let event = Envelope::new(Uuid::from_u128(1), PROJECT, "shop", "order.placed");
        let event = event.message_id(id(seqs.len() as u64));
        seqs.push(store.append(event).unwrap().position.seq);
        store.wait_sealed().unwrap();
    }
    let disk = disk.kill();
    drop(store);
    // It makes a run of each segment.
    let store = options().open_on(&disk).unwrap();
    let disk = disk.kill();
    drop(store);
    assert!(runs(&disk).len() >= 6);
    (disk, seqs)
}

/// Damages a frame of the fourth segment, and a byte of its run of message ids.
fn damage_the_fourth(disk: &SimDisk, at: usize) -> Seq {
    let listed = manifest_file::read(disk).unwrap().unwrap().ids[3];
    let name = FileName::IdsRun(listed.number).to_string();
    let mut bytes = disk.file_bytes(&name).unwrap();
    bytes[at] ^= 1;
    disk.set_file_bytes(&name, &bytes);
    let seq = damage(disk, "seg-4.log");
    assert!(listed.first_seq <= seq && seq <= listed.last_seq);
    seq
}

fn ids(store: &Store) -> &MessageIds {
    store.writer().unwrap().ids.as_deref().unwrap()
}

/// Where an id is found in all runs, as often as it is.
fn found(store: &Store, number: u64) -> Vec<Seq> {
    let (ids, mut found) = (ids(store), Vec::new());
    let wanted = std::iter::once((0, ids.hasher.hash(&PROJECT.into_bytes(), &id(number))));
    ids.look_up(&wanted, Seq::ZERO, &mut found).unwrap();
    found.into_iter().map(|(_, seq)| seq).collect()
}

/// Each id of a sealed segment is found, but for that of the damaged frame; twice for a moment, where the run of its segment
/// stands beside what stood for the lost one.
fn all_are_found(store: &Store, seqs: &[Seq], damaged: Seq) {
    let through = ids(store).through();
    assert!(seqs.iter().any(|seq| *seq <= through) && damaged < through);
    for (number, seq) in (0..).zip(seqs) {
        let is_there = *seq <= through && *seq != damaged;
        let expected: Vec<Seq> = Some(*seq).filter(|_| is_there).into_iter().collect();
        let mut found = found(store, number);
        found.dedup();
        assert_eq!(found, expected, "{}, {through} is sealed", id(number));
    }
}

#[test]
fn what_stands_for_a_lost_run_has_each_id_that_can_be_read_once_and_spans_all_frames_of_the_run() {
    let (disk, seqs, damaged) = damaged_store();
    let store = options().open_on(&disk).unwrap();
    let ids = ids(&store);
    let (shelf, gaps) = ids.salvage.get().unwrap();
    let runs = ids.sealed.read().runs.clone();
    let run = runs.iter().map(|(_, run)| run).max_by_key(|run| run.count()).unwrap();
    assert!(shelf.between(run.first_seq(), run.last_seq()).len() >= 3, "it is one of several segments");
    assert!(run.first_seq() < damaged && damaged < run.last_seq());

    let readable = ids.readable(run, shelf, gaps).unwrap();
    assert_eq!((readable.first_seq(), readable.last_seq()), (run.first_seq(), run.last_seq()));
    assert_eq!(readable.count(), run.count() - 1);
    for (number, seq) in (0..).zip(seqs) {
        let mut found = Vec::new();
        let hash = ids.hasher.hash(&PROJECT.into_bytes(), &id(number));
        readable.find(&crate::dedupe::Sought::of(hash), |seq| found.push(seq)).unwrap();
        let is_there = seq <= run.last_seq() && seq != damaged;
        assert_eq!(found, Some(seq).filter(|_| is_there).into_iter().collect::<Vec<_>>(), "{}", id(number));
    }
}

#[test]
fn a_lost_run_gives_way_to_those_of_its_segments_and_nothing_of_it_stays_in_memory() {
    let (disk, seqs, damaged) = damaged_store();
    for name in runs(&disk) {
        let mut bytes = disk.file_bytes(&name).unwrap();
        // The first block is one of the filter; opening reads none.
        bytes[200] ^= 1;
        disk.set_file_bytes(&name, &bytes);
    }
    let store = options().open_on(&disk).unwrap();
    let lost = ids(&store).sealed.read().runs.clone();
    assert!(lost.iter().all(|(number, _)| *number > 0), "nothing was met yet");
    // Whoever meets the damage knows the rest at once, and so does everyone once the sealer was there.
    all_are_found(&store, &seqs, damaged);
    store.wait_sealed().unwrap();
    all_are_found(&store, &seqs, damaged);
    let times = |number: usize| found(&store, number as u64).len();
    assert!((0..seqs.len()).all(|number| times(number) <= 1), "nothing is found twice for good");

    let now = ids(&store).sealed.read().runs.clone();
    let in_memory: Vec<_> = now.iter().filter(|(number, _)| *number == 0).map(|(_, run)| run).collect();
    let segment =
        store.segments().unwrap().into_iter().find(|segment| segment.base_seq > Seq::new(1)).unwrap();
    assert_eq!(in_memory.len(), 1, "that of the damaged segment alone");
    assert_eq!(in_memory[0].first_seq(), segment.base_seq);
    let covered = |seq: Seq| now.iter().any(|(_, run)| run.first_seq() <= seq && seq <= run.last_seq());
    assert!((1..=ids(&store).through().get()).all(|seq| covered(Seq::new(seq))));
    store.close().unwrap();
}

#[test]
fn of_a_damaged_segment_without_a_run_the_ids_that_can_be_read_are_in_memory() {
    let (disk, seqs, damaged) = damaged_store();
    for name in runs(&disk) {
        disk.remove_file(&name);
    }
    for _ in 0..2 {
        let store = options().open_on(&disk).unwrap();
        all_are_found(&store, &seqs, damaged);
        let segments = store.segments().unwrap();
        let at = segments.iter().position(|segment| segment.base_seq > Seq::new(1)).unwrap();
        let runs = ids(&store).sealed.read().runs.clone();
        let in_memory: Vec<_> = runs.iter().filter(|(number, _)| *number == 0).map(|(_, run)| run).collect();
        assert_eq!(in_memory.len(), 1);
        let spans = (in_memory[0].first_seq().get(), in_memory[0].last_seq().get());
        assert_eq!(spans, (segments[at].base_seq.get(), segments[at + 1].base_seq.get() - 1));
        // What is sealed later is listed and leaves it where it is.
        let before = store.stats().unwrap().sealed_segments;
        for number in 0.. {
            let event = Envelope::new(Uuid::from_u128(1), PROJECT, "shop", "order.placed");
            store.append(event.message_id(format!("later {before} {number}"))).unwrap();
            if store.stats().unwrap().sealed_segments > before {
                break;
            }
        }
        store.wait_sealed().unwrap();
        all_are_found(&store, &seqs, damaged);
        store.close().unwrap();
    }
}

#[test]
fn what_was_found_before_a_lost_run_was_met_is_found_once() {
    let (disk, seqs) = store_with_many_runs();
    // In the filter, which every search reads.
    let damaged = damage_the_fourth(&disk, 200);
    let store = options().open_on(&disk).unwrap();
    assert_eq!(found(&store, 0), seqs[..1]);
    all_are_found(&store, &seqs, damaged);
}

#[test]
fn a_merge_that_meets_a_lost_run_leaves_all_ids_known_and_the_store_writable() {
    let (disk, seqs) = store_with_many_runs();
    // In the entries, which a search reads where the filter may hold the id, and a merge in any case.
    let damaged = damage_the_fourth(&disk, 128 + 4096 + 30);
    let store = options().open_on(&disk).unwrap();
    let inner = &store.inner;
    let medium: Arc<dyn Disk> = Arc::clone(&inner.disk);
    let derived = Derived { disk: &medium, manifest: &inner.manifest, shelf: &inner.state.shelf };
    derived.compact_ids(ids(&store), || true).unwrap();
    let of_lost = |(number, run): &(u64, Arc<Run>)| {
        *number == 0 && run.first_seq() <= damaged && damaged <= run.last_seq()
    };
    assert!(ids(&store).sealed.read().runs.iter().any(of_lost));
    all_are_found(&store, &seqs, damaged);
    store.wait_sealed().unwrap();
    all_are_found(&store, &seqs, damaged);
    let event = || Envelope::new(Uuid::from_u128(1), PROJECT, "shop", "order.placed").message_id("later");
    assert!(store.append(event()).unwrap().notes.is_empty());
    assert!(store.append(event()).unwrap().notes.contains(Note::Duplicate));
    store.close().unwrap();
    drop(store);
    all_are_found(&options().open_on(&disk).unwrap(), &seqs, damaged);
}
