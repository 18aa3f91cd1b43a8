//! Checking a store: nothing is found where nothing is wrong, everything where something is, and no byte changes.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use envelog::testing::{FaultKind, FaultPlan, OpKind, OpMask, SimDisk, SimRng};
use envelog::{
    Durability, Error, Finding, OnCorruption, Options, Severity, Store, VerifyLevel, VerifyReport, sample,
};

use crate::support::answers;
use crate::support::oracle::files;
use crate::support::workload::{Numbers, Work, work};
use crate::support::{Effort, LEVELS, Suite, Tally, count, effort, frames, index, options, say};

const ALL: [VerifyLevel; 3] = [VerifyLevel::Quick, VerifyLevel::Full, VerifyLevel::Deep];
const SEGMENT_BYTES: u64 = 4096;

fn check(disk: &SimDisk, level: VerifyLevel) -> VerifyReport {
    Store::verify_on(disk, level).unwrap()
}

/// Opens a store of tiny segments as it is.
fn open(disk: &SimDisk, policy: OnCorruption) -> envelog::Result<Store> {
    Options::new().tiny_segments(SEGMENT_BYTES).on_corruption(policy).open_on(disk)
}

fn worst(report: &VerifyReport) -> Option<Severity> {
    report.findings.iter().map(|finding| finding.severity).min()
}

fn of_file<'r>(report: &'r VerifyReport, name: &str) -> Vec<&'r Finding> {
    report.findings.iter().filter(|finding| finding.file == name).collect()
}

/// A store of several sealed segments and one that is not, as its writer's process left it.
fn written(rng: &mut SimRng, calls: u64, closed: bool) -> SimDisk {
    let disk = SimDisk::default();
    let store = options(rng, Durability::Buffered, SEGMENT_BYTES).open_on(&disk).unwrap();
    work(&store, rng, &Numbers::new(1), Work { threads: 1, calls, stops_at_error: false });
    store.wait_sealed().unwrap();
    if closed {
        store.close().unwrap();
    }
    let left = disk.kill();
    drop(store);
    left
}

/// The number of events of a store that opens.
fn events(disk: &SimDisk) -> u64 {
    let store = Options::new().open_read_only_on(disk).unwrap();
    answers::scan(&store).len() as u64
}

/// One damaged bit of a file.
fn flipped(disk: &SimDisk, name: &str, at: usize, bit: u8) -> SimDisk {
    let disk = disk.kill();
    let mut bytes = disk.file_bytes(name).unwrap();
    bytes[at] ^= bit;
    disk.set_file_bytes(name, &bytes);
    disk
}

/// The name of a file without its number.
fn kind_of(name: &str) -> String {
    name.chars().filter(|letter| !letter.is_ascii_digit()).collect()
}

#[test]
fn a_sound_store_gives_no_finding_at_any_level() {
    let suite = Suite { name: "verify_sound", wanted: count(12, 60, 2_000), least: 12, cap: Duration::MAX };
    suite.run(|case, rng| {
        let calls = [0, 3, 60, 250][index(rng, 4)];
        let disk = written(rng, calls, true);
        let there = events(&disk);
        for level in ALL {
            let report = check(&disk, level);
            assert_eq!(report.findings, [], "case {case} {level:?}");
            assert!(!report.is_damaged() && report.omitted == 0 && report.level == level);
            if level > VerifyLevel::Quick {
                assert_eq!(report.events, there, "case {case}");
                assert!(report.frames > report.events, "the close frame at least");
            }
            let names = disk.names().into_iter().filter(|name| name != "LOCK").count();
            assert_eq!(report.files, names as u64, "{:?}", disk.names());
        }
        let bytes: usize = files(&disk).values().map(Vec::len).sum();
        assert!(check(&disk, VerifyLevel::Full).bytes >= bytes as u64, "every byte is read");
        1
    });
}

#[test]
fn what_a_crash_leaves_is_no_damage_before_recovery_and_nothing_after_it() {
    let suite = Suite {
        name: "verify_crash",
        wanted: count(300, 3_000, 100_000),
        least: 100,
        cap: Duration::from_mins(10),
    };
    let tally = Tally::default();
    suite.run(|case, rng| {
        let disk = SimDisk::default();
        let level = LEVELS[index(rng, 3)];
        let numbers = Numbers::new(1);
        let store = options(rng, level, SEGMENT_BYTES).open_on(&disk).unwrap();
        disk.fail(FaultPlan {
            after_ops: rng.below(400),
            kind: FaultKind::PowerCut,
            sticky: true,
            ops: OpMask::CHANGES,
        });
        work(&store, rng, &numbers, Work { threads: 2, calls: 60, stops_at_error: true });
        let cut = disk.at_power_cut().unwrap_or_else(|| disk.kill());
        drop(store);
        for image in 0..4 {
            let crashed = if image == 0 { cut.kill() } else { cut.crash(rng) };
            for level in ALL {
                let report = match Store::verify_on(&crashed, level) {
                    Ok(report) => report,
                    Err(error) => panic!("case {case}: {error}"),
                };
                assert!(
                    worst(&report).is_none_or(|worst| worst == Severity::Note),
                    "case {case} image {image}: {:?}\n{:?}",
                    report.findings,
                    crashed.names()
                );
                tally.add(format!("{level:?} with {} notes", report.findings.len().min(3)));
            }
            let store = open(&crashed, OnCorruption::Fail).unwrap();
            store.wait_sealed().unwrap();
            store.close().unwrap();
            drop(store);
            for level in ALL {
                let report = check(&crashed, level);
                assert_eq!(report.findings, [], "case {case} image {image} {level:?} after recovery");
            }
        }
        4
    });
    tally.print("verify_crash");
    assert!(tally.get("Full with 1 notes") + tally.get("Full with 2 notes") > 50, "most ends are unclean");
}

#[test]
fn a_store_that_was_not_made_to_its_end_is_not_damaged() {
    let mut rng = SimRng::new(SimRng::seed_of_run());
    let mut half_made = 0;
    for after_ops in 0.. {
        let disk = SimDisk::default();
        disk.fail(FaultPlan { after_ops, kind: FaultKind::PowerCut, sticky: true, ops: OpMask::CHANGES });
        let opened = options(&mut rng, Durability::Synced, SEGMENT_BYTES).open_on(&disk);
        let Some(cut) = disk.at_power_cut() else { break };
        drop(opened);
        for _ in 0..20 {
            let crashed = cut.crash(&mut rng);
            for level in ALL {
                match Store::verify_on(&crashed, level) {
                    Ok(report) => {
                        assert!(
                            !report.is_damaged(),
                            "op {after_ops}: {:?} {:?}",
                            report.findings,
                            crashed.names()
                        );
                        half_made += usize::from(report.findings.iter().any(|note| note.file == "MANIFEST"));
                    }
                    Err(Error::NotFound { .. }) => {}
                    Err(error) => panic!("op {after_ops}: {error}"),
                }
            }
            open(&crashed, OnCorruption::Fail).unwrap();
        }
    }
    assert!(half_made > 20, "{half_made}");
}

#[test]
fn a_gap_that_quarantine_left_is_a_note_and_known() {
    let mut rng = SimRng::new(SimRng::seed_of_run());
    for round in 0..40 {
        let disk = written(&mut rng, 150, true);
        let logs: Vec<String> = disk.names().into_iter().filter(|name| name.ends_with(".log")).collect();
        let name = &logs[round % logs.len()];
        if round % 4 == 0 {
            disk.remove_file(name);
        } else {
            let mut bytes = disk.file_bytes(name).unwrap();
            // In the head of the first frame.
            bytes[2048 + 4 + index(&mut rng, 28)] ^= 4;
            disk.set_file_bytes(name, &bytes);
            if name != "seg-1.log" && round % 4 == 1 {
                // Damage in a sealed segment stays where it is; without its header the segment is given up.
                bytes[..2048].fill(0xff);
                disk.set_file_bytes(name, &bytes);
            }
        }
        assert!(check(&disk, VerifyLevel::Full).is_damaged(), "{name}");
        let store = open(&disk, OnCorruption::Quarantine).unwrap();
        let gaps = store.gaps();
        store.wait_sealed().unwrap();
        store.close().unwrap();
        drop(store);
        let report = check(&disk, VerifyLevel::Deep);
        if gaps.is_empty() {
            assert!(report.is_damaged(), "what is sealed and damaged stays so until it is repaired: {name}");
            continue;
        }
        assert!(!report.is_damaged(), "round {round} {name}: {:?}", report.findings);
        let told: Vec<_> = report
            .findings
            .iter()
            .filter(|finding| finding.file == "MANIFEST")
            .filter_map(|finding| finding.seqs.clone())
            .collect();
        assert_eq!(told, gaps, "each gap is told");
    }
}

/// Each flip of a bit of a closed store is reported.
#[test]
fn every_flipped_bit_of_a_closed_store_is_reported() {
    let mut rng = SimRng::new(SimRng::seed_of_run());
    let disk = written(&mut rng, 90, true);
    let there = events(&disk);
    assert!(disk.names().iter().filter(|name| name.ends_with(".idx")).count() >= 2, "{:?}", disk.names());
    let step = match effort() {
        Effort::Test => 5,
        Effort::Ci => 2,
        Effort::Campaign => 1,
    };
    let tally = Tally::default();
    let mut silent = BTreeMap::new();
    for (name, bytes) in files(&disk) {
        let begin = index(&mut rng, step);
        for at in (begin..bytes.len()).step_by(step) {
            let bit = 1 << rng.below(8);
            let harmed = flipped(&disk, &name, at, bit);
            let report = check(&harmed, VerifyLevel::Full);
            let kind = kind_of(&name);
            let told = of_file(&report, &name).iter().map(|finding| finding.severity).min();
            tally.add(format!("{kind} {told:?}"));
            match told {
                None => silent.entry(name.clone()).or_insert_with(Vec::new).push(at),
                Some(Severity::Damage) => {
                    assert!(!name.ends_with(".idx") && !name.ends_with(".run"), "{name}");
                }
                Some(Severity::Derived) => {
                    assert!(name.ends_with(".idx") || name.ends_with(".run"), "{name}");
                }
                // What is no damage changes no answer.
                _ if rng.chance(20) => assert_eq!(events(&harmed), there, "{name} at {at}"),
                _ => {}
            }
        }
    }
    tally.print("verify_flips");
    assert_eq!(silent, BTreeMap::new(), "each flip is reported");
}

#[test]
fn a_missing_file_a_cut_one_and_a_longer_one_are_told() {
    let mut rng = SimRng::new(SimRng::seed_of_run());
    let disk = written(&mut rng, 120, true);
    for (name, bytes) in files(&disk).into_iter().filter(|(name, _)| name != "LOCK") {
        let is_derived = name.ends_with(".idx") || name.ends_with(".run");
        let expected = if is_derived { Severity::Derived } else { Severity::Damage };
        let told = |disk: &SimDisk, level| {
            let report = check(disk, level);
            of_file(&report, &name).iter().map(|finding| finding.severity).min()
        };
        let missing = disk.kill();
        missing.remove_file(&name);
        for level in ALL {
            // Without its SECRET a store is one whose host has the secret.
            let expected = (name != "SECRET").then_some(expected);
            let about =
                if name == active(&disk) { worst(&check(&missing, level)) } else { told(&missing, level) };
            assert_eq!(about, expected, "{name} is missing, {level:?}");
        }
        for _ in 0..60 {
            let cut = disk.kill();
            let len = rng.below(bytes.len() as u64);
            cut.truncate(&name, len);
            let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() as u64;
            if len > end {
                continue;
            }
            assert_eq!(
                told(&cut, VerifyLevel::Full),
                Some(expected),
                "{name} cut to {len} of {}",
                bytes.len()
            );
        }
        let longer = disk.kill();
        longer.set_file_bytes(&name, &[&bytes[..], b"junk"].concat());
        let expected = if name.ends_with(".log") { Severity::Note } else { expected };
        assert_eq!(told(&longer, VerifyLevel::Full), Some(expected), "{name} with junk behind it");
    }
}

/// The name of the segment that was written to last.
fn active(disk: &SimDisk) -> String {
    let id = |name: &String| name.strip_prefix("seg-")?.strip_suffix(".log")?.parse::<u32>().ok();
    format!("seg-{}.log", disk.names().iter().filter_map(id).max().unwrap())
}

#[test]
fn segments_under_a_wrong_name_and_of_another_store_are_told() {
    let mut rng = SimRng::new(SimRng::seed_of_run());
    let disk = written(&mut rng, 120, true);
    let swapped = disk.kill();
    let (one, other) = (disk.file_bytes("seg-1.log").unwrap(), disk.file_bytes("seg-2.log").unwrap());
    swapped.set_file_bytes("seg-1.log", &other);
    swapped.set_file_bytes("seg-2.log", &one);
    let foreign = disk.kill();
    let neighbour = written(&mut rng, 120, true);
    foreign.set_file_bytes("seg-1.log", &neighbour.file_bytes("seg-1.log").unwrap());
    let indexes = disk.kill();
    indexes.set_file_bytes("seg-1.idx", &disk.file_bytes("seg-2.idx").unwrap());
    for level in ALL {
        let report = check(&swapped, level);
        for name in ["seg-1.log", "seg-2.log"] {
            assert_eq!(of_file(&report, name)[0].severity, Severity::Damage, "{level:?}");
            assert!(of_file(&report, name)[0].seqs.is_some());
        }
        let report = check(&foreign, level);
        assert_eq!(report.count(Severity::Damage), 1, "{:?}", report.findings);
        assert_eq!(of_file(&report, "seg-1.log").len(), 1);
        let report = check(&indexes, level);
        assert_eq!((report.count(Severity::Derived), report.findings.len()), (1, 1), "{:?}", report.findings);
        // Planted behind the log it is nobody's, and no damage.
        let planted = disk.kill();
        planted.set_file_bytes("seg-900.log", &neighbour.file_bytes("seg-1.log").unwrap());
        planted.set_file_bytes("holiday.jpg", b"sea");
        planted.set_file_bytes("seg-7.idx.tmp", b"half");
        let report = check(&planted, level);
        let told: Vec<&str> = report.findings.iter().map(|finding| finding.file.as_str()).collect();
        assert_eq!(told, ["holiday.jpg", "seg-7.idx.tmp", "seg-900.log"]);
        assert_eq!(report.count(Severity::Note), 3);
    }
}

fn seq_at(bytes: &[u8], frame: usize) -> u64 {
    u64::from_le_bytes(bytes[frame + 8..frame + 16].try_into().unwrap())
}

#[test]
fn all_damage_is_listed_with_its_place_and_its_frames() {
    let mut rng = SimRng::new(SimRng::seed_of_run());
    let disk = written(&mut rng, 200, true);
    let there = check(&disk, VerifyLevel::Full).frames;
    let mut expected = Vec::new();
    let mut lost = 0;
    for name in disk.names().into_iter().filter(|name| name.ends_with(".log")) {
        let mut bytes = disk.file_bytes(&name).unwrap();
        let frames = frames(&bytes);
        if frames.len() < 7 {
            continue;
        }
        // Two neighbours are one finding, a later frame another.
        for group in [&frames[1..3], &frames[5..6]] {
            let (first, last) = (seq_at(&bytes, group[0]), seq_at(&bytes, group[group.len() - 1]));
            expected.push((name.clone(), group[0] as u64, first, last));
            for frame in group {
                bytes[frame + 33] ^= 0x10;
                lost += 1;
            }
        }
        disk.set_file_bytes(&name, &bytes);
    }
    let report = check(&disk, VerifyLevel::Full);
    let told: Vec<_> = report
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Damage)
        .map(|finding| {
            let seqs = finding.seqs.clone().unwrap();
            (finding.file.clone(), finding.offset.unwrap(), seqs.start().get(), seqs.end().get())
        })
        .collect();
    let last = active(&disk);
    let sealed = |list: &[(String, u64, u64, u64)]| -> Vec<_> {
        list.iter().filter(|(name, ..)| *name != last).cloned().collect()
    };
    let by_seq = |mut list: Vec<(String, u64, u64, u64)>| {
        list.sort_by_key(|(_, _, first, _)| *first);
        list
    };
    assert_eq!(sealed(&told), by_seq(sealed(&expected)));
    // In the tail a gap is widened to whole batches, as opening widens it.
    for (name, _, first, to) in expected.iter().filter(|(name, ..)| *name == last) {
        let is_told = told.iter().any(|(file, _, from, until)| file == name && from <= first && to <= until);
        assert!(is_told, "{name} {first}..={to} is not among {told:?}");
    }
    assert!(report.frames <= there - lost && report.frames + 40 * lost > there);
    assert_eq!(check(&disk, VerifyLevel::Full), report, "a second check says the same");
}

#[test]
fn without_a_manifest_the_log_is_checked_by_names_and_headers() {
    let mut rng = SimRng::new(SimRng::seed_of_run());
    let disk = written(&mut rng, 200, true);
    let there = check(&disk, VerifyLevel::Full);
    let mut harmed = disk.file_bytes("seg-2.log").unwrap();
    let frame = frames(&harmed)[0];
    harmed[frame + 4] ^= 1;
    let len = disk.file_bytes("MANIFEST").unwrap().len() as u64;
    for cut in [None, Some(0), Some(20), Some(len - 1)] {
        let without = disk.kill();
        match cut {
            None => without.remove_file("MANIFEST"),
            Some(len) => assert!(without.truncate("MANIFEST", len)),
        }
        for level in ALL {
            let report = check(&without, level);
            assert_eq!(report.count(Severity::Damage), 1, "{:?}", report.findings);
            assert_eq!(of_file(&report, "MANIFEST")[0].severity, Severity::Damage);
            assert_eq!(report.segments, there.segments);
            if level > VerifyLevel::Quick {
                assert_eq!((report.frames, report.events), (there.frames, there.events), "all is still read");
            }
        }
        without.set_file_bytes("seg-2.log", &harmed);
        let report = check(&without, VerifyLevel::Full);
        let told = of_file(&report, "seg-2.log");
        assert_eq!((told[0].severity, told[0].offset), (Severity::Damage, Some(frame as u64)), "{told:?}");
        assert_eq!(report.frames, there.frames - 1);
        without.remove_file("seg-3.log");
        let report = check(&without, VerifyLevel::Full);
        assert!(of_file(&report, "seg-2.log").iter().any(|finding| finding.what.contains("follows")));
    }
}

#[test]
fn a_disk_that_cannot_read_is_told_and_ends_no_check() {
    let mut rng = SimRng::new(SimRng::seed_of_run());
    let disk = written(&mut rng, 120, true);
    let sound = check(&disk, VerifyLevel::Deep);
    let before = disk.ops();
    check(&disk, VerifyLevel::Deep);
    let ops = disk.ops() - before;
    let tally = Tally::default();
    for sticky in [false, true] {
        for after_ops in 0..ops {
            let (kind, ops) = (FaultKind::Eio, OpMask::of(OpKind::Read));
            disk.fail(FaultPlan { after_ops, kind, sticky, ops });
            let report = Store::verify_on(&disk, VerifyLevel::Deep);
            let fired = disk.faults_fired() > 0;
            disk.heal();
            match report {
                Ok(report) => {
                    assert_eq!(report.findings.is_empty(), !fired, "sticky {sticky}, after {after_ops}");
                    tally.add(format!("sticky {sticky}: {:?}", worst(&report)));
                }
                Err(Error::Io { op: "list", .. }) => tally.add(format!("sticky {sticky}: no list")),
                Err(error) => panic!("sticky {sticky}, after {after_ops}: {error}"),
            }
        }
    }
    tally.print("verify_eio");
    assert_eq!(check(&disk, VerifyLevel::Deep), sound, "the disk is sound again");
}

#[test]
fn no_bytes_whatever_end_a_check() {
    let suite = Suite {
        name: "verify_garbage",
        wanted: count(400, 4_000, 200_000),
        least: 100,
        cap: Duration::from_mins(5),
    };
    suite.run(|case, rng| {
        let closed = rng.chance(500);
        let calls = 20 + rng.below(80);
        let disk = written(rng, calls, closed);
        for _ in 0..10 {
            let harmed = disk.kill();
            for _ in 0..=rng.below(4) {
                let names = harmed.names();
                let name = &names[index(rng, names.len())];
                let mut bytes = harmed.file_bytes(name).unwrap();
                harm(rng, &mut bytes);
                harmed.set_file_bytes(name, &bytes);
            }
            let before = files(&harmed);
            for level in ALL {
                let first = check(&harmed, level);
                assert_eq!(check(&harmed, level), first, "case {case} {level:?}");
            }
            assert!(files(&harmed) == before, "no file changes");
        }
        10
    });
}

/// Anything at all happens to some bytes.
fn harm(rng: &mut SimRng, bytes: &mut Vec<u8>) {
    let len = bytes.len();
    let from = if len == 0 { 0 } else { index(rng, len) };
    let to = len.min(from + 1 + index(rng, 300));
    match rng.below(6) {
        0 => bytes.truncate(from),
        1 => bytes.extend_from_slice(&rng.next_u64().to_le_bytes()),
        2 => bytes[from..to].fill(0),
        3 => bytes[from..to].fill(0xff),
        4 => bytes.drain(from..to).for_each(drop),
        _ => bytes[from..to].iter_mut().for_each(|byte| *byte = rng.next_u64().to_le_bytes()[0]),
    }
}

#[test]
fn a_check_reads_only_and_shares_the_store_with_readers_and_not_with_a_writer() {
    let mut rng = SimRng::new(SimRng::seed_of_run());
    let disk = written(&mut rng, 60, true);
    let reader = Options::new().open_read_only_on(&disk).unwrap();
    let before = (files(&disk), disk.ops());
    for level in ALL {
        check(&disk, level);
    }
    assert!(files(&disk) == before.0);
    let since = usize::try_from(disk.ops() - before.1).unwrap();
    let log = disk.op_log();
    assert!(
        log[log.len() - since..].iter().all(|op| op.kind == OpKind::Read),
        "nothing but reads, no mapping"
    );
    drop(reader);
    let writer = open(&disk, OnCorruption::Fail).unwrap();
    assert!(matches!(Store::verify_on(&disk, VerifyLevel::Quick), Err(Error::Locked)));
    drop(writer);
    check(&disk, VerifyLevel::Quick);
    assert!(matches!(Store::verify_on(&SimDisk::default(), VerifyLevel::Full), Err(Error::NotFound { .. })));
    let missing = tempfile::tempdir().unwrap();
    let path = missing.path().join("no-store");
    assert!(matches!(Store::verify(&path, VerifyLevel::Full), Err(Error::NotFound { .. })));
    assert!(!path.exists());
}

/// Every file of a directory with its content and its times.
fn fingerprint(path: &Path) -> Vec<(String, Vec<u8>, std::time::SystemTime)> {
    let entries = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .map(|path| {
            let modified = path.metadata().unwrap().modified().unwrap();
            (path.display().to_string(), std::fs::read(&path).unwrap(), modified)
        })
        .collect();
    files.sort();
    files
}

#[test]
fn a_generated_store_on_a_real_disk_is_sound_and_unchanged() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let options = Options::new().segment_bytes_max(1 << 20).durability(Durability::Buffered);
    let store = options.open(&path).unwrap();
    let events = sample::Options { seed: 3, events: 12_000, users: 500, ..sample::Options::default() };
    let mut generator = sample::Generator::new(events);
    let lines: Vec<String> = generator.by_ref().collect();
    crate::real_input::import(&store, &lines);
    store.wait_sealed().unwrap();
    store.close().unwrap();
    drop(store);
    let before = fingerprint(&path);
    assert!(before.iter().filter(|(name, ..)| name.ends_with(".idx")).count() >= 3);
    for level in ALL {
        let report = Store::verify(&path, level).unwrap();
        assert_eq!(report.findings, [], "{level:?}");
        if level > VerifyLevel::Quick {
            assert_eq!(report.events, 12_000);
        }
        say(format_args!("{level:?}: {} files, {} bytes", report.files, report.bytes));
    }
    assert!(fingerprint(&path) == before);
    let name = path.join("seg-2.log");
    let mut bytes = std::fs::read(&name).unwrap();
    bytes[500_000] ^= 1;
    std::fs::write(&name, bytes).unwrap();
    let report = Store::verify(&path, VerifyLevel::Deep).unwrap();
    assert_eq!(report.count(Severity::Damage), 1, "{:?}", report.findings);
    assert_eq!(Store::verify(&path, VerifyLevel::Quick).unwrap().findings, [], "that is below a header");
}

#[test]
fn the_events_of_a_real_shop_are_sound() {
    let Some(lines) = crate::real_input::shop_lines() else { return };
    let directory = tempfile::tempdir().unwrap();
    let store = crate::real_input::small_segments().open(directory.path()).unwrap();
    crate::real_input::import(&store, &lines);
    store.wait_sealed().unwrap();
    store.close().unwrap();
    drop(store);
    for level in ALL {
        let report = Store::verify(directory.path(), level).unwrap();
        assert_eq!(report.findings, [], "{level:?}");
        assert!(level == VerifyLevel::Quick || report.events == lines.len() as u64);
    }
}
