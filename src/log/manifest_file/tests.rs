//! Replacing the manifest.

use std::sync::Arc;

use super::{ManifestFile, read};
use crate::error::Error;
use crate::log::open::tests::writer::Writer;
use crate::storage::SimRng;
use crate::storage::sim::{FaultKind, FaultPlan, OpMask};

#[test]
fn an_update_is_durable_and_then_in_memory() {
    let mut writer = Writer::create();
    let disk = writer.die();
    let file = ManifestFile::new(Arc::new(disk.clone()), read(&disk).unwrap().unwrap());
    let old = file.current();
    file.update(|manifest| manifest.next_run = 77).unwrap();
    assert_eq!(file.current().next_run, 77);
    assert_eq!(old.next_run, 1);
    for seed in 0..20 {
        let crashed = disk.crash(&mut SimRng::new(seed));
        assert_eq!(read(&crashed).unwrap().unwrap(), *file.current());
    }
}

#[test]
fn a_failed_update_changes_nothing_in_memory_and_leaves_one_manifest_or_the_other() {
    for after_ops in 0.. {
        let mut writer = Writer::create();
        let disk = writer.die();
        let file = ManifestFile::new(Arc::new(disk.clone()), read(&disk).unwrap().unwrap());
        disk.fail(FaultPlan { after_ops, kind: FaultKind::Eio, sticky: false, ops: OpMask::ALL });
        let updated = file.update(|manifest| manifest.next_run = 77);
        let fired = disk.faults_fired() > 0;
        disk.heal();
        assert_eq!(updated.is_err(), fired);
        if !fired {
            break;
        }
        assert!(matches!(updated, Err(Error::Io { .. })));
        assert_eq!(file.current().next_run, 1);
        let found = read(&disk.crash(&mut SimRng::new(after_ops))).unwrap().unwrap().next_run;
        assert!(found == 1 || found == 77);
        file.update(|manifest| manifest.next_run = 78).unwrap();
        assert_eq!(read(&disk).unwrap().unwrap().next_run, 78);
    }
}
