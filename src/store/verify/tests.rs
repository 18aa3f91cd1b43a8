//! What only the inside of a store can get wrong.

use std::sync::Arc;

use super::*;
use crate::format::keys::EventKeys;
use crate::format::manifest::DerivedFile;
use crate::index;
use crate::profile::{self, Delta, Merge, Source};
use crate::storage::sim::SimDisk;
use crate::store::derive::index_origin;
use crate::types::Nanos;
use crate::{Envelope, Options, Uuid};

const PROJECT: Uuid = Uuid::from_u128(2);

/// What is done to a manifest.
type Change = fn(&mut Manifest);

/// A closed store of several sealed segments, with its manifest.
fn closed_store() -> (SimDisk, Manifest) {
    let disk = SimDisk::default();
    let store = Options::new().tiny_segments(4096).open_on(&disk).unwrap();
    for number in 0..60_u32 {
        let envelope =
            Envelope::new(Uuid::from_u128(1), PROJECT, "shop", "identify").user(format!("u_{number}"));
        store.append(envelope.with_trait("number", number)).unwrap();
    }
    store.wait_sealed().unwrap();
    store.close().unwrap();
    let manifest = manifest_file::read(&disk).unwrap().unwrap();
    assert!(manifest.segments.len() > 2);
    (disk, manifest)
}

fn write(disk: &SimDisk, name: &FileName, bytes: &[u8]) {
    disk.set_file_bytes(&name.to_string(), bytes);
}

fn found(disk: &SimDisk, level: VerifyLevel) -> Vec<(Severity, String)> {
    let report = Store::verify_on(disk, level).unwrap();
    report.findings.into_iter().map(|finding| (finding.severity, finding.file)).collect()
}

#[test]
fn an_index_that_is_whole_and_of_other_frames_is_found_by_a_deep_check() {
    let (disk, mut manifest) = closed_store();
    let footer = manifest.segments[1];
    let keys = EventKeys {
        project_id: *PROJECT.as_bytes(),
        org_id: [0; 16],
        timestamp: Nanos::new(7),
        module: "shop",
        event_type: "identify",
        user_id: Some("nobody"),
        anonymous_id: None,
        message_id: None,
    };
    let frames = (0..footer.frames).map(|number| (2048 + number * 64, Some(keys)));
    let origin = index_origin(manifest.store_id, &footer);
    let made = index::build(frames, manifest.hash_key, footer.end, &origin).unwrap();
    write(&disk, &FileName::Index(footer.id), &made.bytes);
    manifest.segments[1].index = Some(made.listed);
    manifest_file::write(&disk, &manifest).unwrap();
    assert_eq!(found(&disk, VerifyLevel::Full), []);
    assert_eq!(found(&disk, VerifyLevel::Deep), [(Severity::Damage, "seg-2.idx".to_owned())]);
}

#[test]
fn a_run_that_is_whole_and_no_fold_of_its_frames_is_found_by_a_deep_check() {
    let (disk, mut manifest) = closed_store();
    let listed = manifest.runs[0];
    let name = FileName::ProfileRun(listed.number).to_string();
    disk.remove_file(&name);
    let origin = profile::Origin {
        store_id: manifest.store_id,
        hash_key: manifest.hash_key,
        number: listed.number,
        first_seq: listed.first_seq,
        last_seq: listed.last_seq,
    };
    let file = disk.create(&name).unwrap();
    let nothing = Delta::new();
    let made = profile::write(&*file, &origin, &mut Merge::new(vec![Source::delta(&nothing, &[], &[])]));
    manifest.runs[0] = made.unwrap();
    manifest_file::write(&disk, &manifest).unwrap();
    assert_eq!(found(&disk, VerifyLevel::Full), []);
    assert_eq!(found(&disk, VerifyLevel::Deep), [(Severity::Damage, name)]);
}

#[test]
fn what_opening_makes_anew_is_derived() {
    let (disk, sound) = closed_store();
    let changes: [(Change, &str); 4] = [
        (|manifest| manifest.segments[1].index = None, "seg-2.idx"),
        (
            |manifest| {
                manifest.segments[1].index =
                    Some(DerivedFile { rules: 0, ..manifest.segments[1].index.unwrap() });
            },
            "seg-2.idx",
        ),
        (|manifest| manifest.runs[0].file.rules = 0, "run"),
        (|manifest| manifest.runs.truncate(0), "seg-1.log"),
    ];
    for (change, name) in changes {
        let mut manifest = sound.clone();
        change(&mut manifest);
        manifest_file::write(&disk, &manifest).unwrap();
        for level in [VerifyLevel::Quick, VerifyLevel::Full, VerifyLevel::Deep] {
            let found = found(&disk, level);
            assert!(
                found.iter().any(|(severity, file)| *severity == Severity::Derived && file.ends_with(name)),
                "{found:?}"
            );
            assert!(found.iter().all(|(severity, _)| *severity > Severity::Damage), "{found:?}");
        }
    }
}

#[test]
fn frames_that_are_not_the_ones_that_were_sealed_are_damage() {
    let (disk, mut manifest) = closed_store();
    manifest.segments[1].crc_of_crcs ^= 1;
    manifest_file::write(&disk, &manifest).unwrap();
    let found = found(&disk, VerifyLevel::Full);
    assert_eq!(found[0], (Severity::Damage, "seg-2.log".to_owned()));
    // The index names the sum that it was made from.
    assert_eq!(found[1], (Severity::Derived, "seg-2.idx".to_owned()));
}

#[test]
fn a_hole_between_listed_segments_is_damage() {
    let (disk, mut manifest) = closed_store();
    let lost = manifest.segments.remove(1);
    manifest_file::write(&disk, &manifest).unwrap();
    let report = Store::verify_on(&disk, VerifyLevel::Quick).unwrap();
    let hole = report.findings.iter().find(|finding| finding.severity == Severity::Damage).unwrap();
    assert_eq!(hole.seqs, Some(lost.base_seq..=lost.last_seq()));
}

#[test]
fn nothing_can_be_written_through_the_disk_of_a_check() {
    let (disk, _) = closed_store();
    let patient = PatientDisk::new(Arc::new(disk.clone()));
    let file = patient.open("seg-1.log", crate::storage::Access::ReadWrite).unwrap();
    assert!(file.write_at(0, b"x").is_err() && file.sync().is_err());
    assert!(file.map_whole().is_err() && file.map_log(0, 0, 0).is_err());
    assert!(patient.create("x").is_err() && patient.remove("seg-1.log").is_err());
    assert!(patient.rename("seg-1.log", "x").is_err() && patient.make_dir("quarantine").is_err());
}
