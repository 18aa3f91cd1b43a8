//! What only the inside of a store can get wrong.

use std::sync::Arc;

use super::*;
use crate::dedupe::{self, Entry, MessageHash, MessageHasher};
use crate::format::keys::EventKeys;
use crate::format::manifest::{DerivedFile, IdsRun};
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

/// A closed store of which one run has the message ids of at least four segments; the place of that run in the manifest.
fn closed_store_with_ids() -> (SimDisk, Manifest, usize) {
    let disk = SimDisk::default();
    let store = Options::new().tiny_segments(4096).open_on(&disk).unwrap();
    for number in 0..120_u32 {
        let event = Envelope::new(Uuid::from_u128(1), PROJECT, "shop", "order.placed");
        store.append(event.message_id(format!("m_{number}"))).unwrap();
        if number % 10 == 0 {
            store.wait_sealed().unwrap();
        }
    }
    store.wait_sealed().unwrap();
    store.close().unwrap();
    let manifest = manifest_file::read(&disk).unwrap().unwrap();
    let at = manifest.ids.iter().position(|run| segments_of(&manifest, run).len() >= 4).unwrap();
    (disk, manifest, at)
}

/// The places of the segments that a run has the message ids of.
fn segments_of(manifest: &Manifest, run: &IdsRun) -> Vec<usize> {
    let is_of = |at: &usize| {
        let footer = &manifest.segments[*at];
        run.first_seq <= footer.base_seq && footer.last_seq() <= run.last_seq
    };
    (0..manifest.segments.len()).filter(is_of).collect()
}

/// How grave what a deep check finds of a run is, if it finds anything.
fn found_of_run(disk: &SimDisk, run: &IdsRun) -> Option<Severity> {
    let name = FileName::IdsRun(run.number).to_string();
    let found = found(disk, VerifyLevel::Deep);
    found.into_iter().find(|(_, file)| *file == name).map(|(severity, _)| severity)
}

#[test]
fn a_run_of_message_ids_that_is_whole_and_of_other_events_is_found_by_a_deep_check() {
    let (disk, sound, at) = closed_store_with_ids();
    let listed = sound.ids[at];
    let name = FileName::IdsRun(listed.number).to_string();
    let hasher = MessageHasher::new(sound.hash_key, u64::BITS);
    let hash = |number: u64| hasher.hash(&PROJECT.into_bytes(), &format!("m_{number}"));
    // No frame of the store is but an event, so that the id m_0 is the one of seq 1, unless a segment ended before.
    let stored: Vec<Entry> = {
        let store = Options::new().open_read_only_on(&disk).unwrap();
        let view = store.project(PROJECT).view().unwrap();
        let seqs = view.events().iter().map(|event| event.unwrap().seq()).collect::<Vec<Seq>>();
        let all = (0..).zip(seqs).map(|(number, seq)| Entry { hash: hash(number), seq });
        all.filter(|entry| listed.first_seq <= entry.seq && entry.seq <= listed.last_seq).collect()
    };
    let other = |at: usize, entry: Entry| {
        let mut entries = stored.clone();
        entries[at] = entry;
        entries
    };
    let last = stored.len() - 1;
    for (what, mut entries, is_wrong) in [
        ("the same", stored.clone(), false),
        ("another id", other(3, Entry { hash: MessageHash::new(9), ..stored[3] }), true),
        ("another seq", other(3, Entry { seq: stored[3].seq.next(), ..stored[3] }), true),
        ("one less", stored[..last].to_vec(), true),
        ("one more", [&stored[..], &[Entry { hash: hash(7), seq: listed.first_seq }]].concat(), true),
    ] {
        let disk = disk.kill();
        let origin = dedupe::Origin {
            store_id: sound.store_id,
            hash_check: hasher.check(),
            number: listed.number,
            first_seq: listed.first_seq,
            last_seq: listed.last_seq,
        };
        disk.remove_file(&name);
        entries.sort_unstable();
        let (count, entries) = (entries.len() as u64, entries.into_iter().map(Ok));
        let made = dedupe::write(&*disk.create(&name).unwrap(), &origin, count, entries).unwrap();
        let mut manifest = sound.clone();
        manifest.ids[at] = made;
        manifest_file::write(&disk, &manifest).unwrap();
        assert_eq!(found(&disk, VerifyLevel::Full), [], "{what}");
        let wrong: &[_] = if is_wrong { &[(Severity::Damage, name.clone())] } else { &[] };
        assert_eq!(found(&disk, VerifyLevel::Deep), wrong, "{what}");
    }
}

#[test]
fn a_line_that_says_there_are_no_message_ids_where_there_are_some_is_damage_of_the_manifest() {
    let (disk, mut manifest, at) = closed_store_with_ids();
    manifest.ids[at].file = DerivedFile { len: 0, crc: 0, rules: dedupe::RULES };
    manifest_file::write(&disk, &manifest).unwrap();
    assert!(found(&disk, VerifyLevel::Deep).contains(&(Severity::Damage, "MANIFEST".to_owned())));
}

#[test]
fn a_run_of_message_ids_is_not_blamed_for_frames_that_are_missing() {
    let (sound, manifest, at) = closed_store_with_ids();
    let run = manifest.ids[at];
    assert_eq!(found_of_run(&sound, &run), None);
    let segments = segments_of(&manifest, &run);
    // The segment is lost, or one of its frames is damaged.
    for lost in &segments {
        let disk = sound.kill();
        let mut without = manifest.clone();
        without.segments.remove(*lost);
        manifest_file::write(&disk, &without).unwrap();
        assert_eq!(found_of_run(&disk, &run), Some(Severity::Note), "segment {lost} of {segments:?} is lost");

        let disk = sound.kill();
        let name = FileName::Segment(manifest.segments[*lost].id).to_string();
        let mut bytes = disk.file_bytes(&name).unwrap();
        bytes[2048 + 20] ^= 1;
        disk.set_file_bytes(&name, &bytes);
        assert_eq!(found_of_run(&disk, &run), Some(Severity::Note), "{name} is damaged");
    }
}
