//! Merging is given up where nobody wants to wait for it.

use std::cell::Cell;

use super::*;
use crate::envelope::Envelope;
use crate::storage::Disk;
use crate::storage::sim::SimDisk;
use crate::store::{Options, Store};
use crate::{Dedupe, Note, Uuid};

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
