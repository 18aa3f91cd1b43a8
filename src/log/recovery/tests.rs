//! Recovery under crashes and failures.

use crate::error::Error;
use crate::format::frame::{FrameFlags, FrameKind};
use crate::format::segment::{HEADER_LEN, HEADER_LEN_SMALL};
use crate::log::open::tests::writer::{Item, Writer, everything, items, open, options, quarantine, read};
use crate::log::open::{LogOptions, OpenedLog};
use crate::storage::SimRng;
use crate::storage::sim::{FaultKind, FaultPlan, OpMask, SimDisk};
use crate::types::Seq;

fn plan(after_ops: u64, kind: FaultKind) -> FaultPlan {
    FaultPlan { after_ops, kind, sticky: kind == FaultKind::PowerCut, ops: OpMask::ALL }
}

/// A copy of a disk, all of it durable.
fn copy(disk: &SimDisk) -> SimDisk {
    let copy = SimDisk::default();
    for (name, bytes) in everything(disk) {
        copy.set_file_bytes(&name, &bytes);
    }
    copy
}

/// Logs that need recovery: what is to be kept, and how they are opened.
fn broken() -> Vec<(&'static str, SimDisk, Vec<Item>, LogOptions)> {
    let mut logs = Vec::new();
    let mut torn = Writer::create();
    torn.batch(2, 40);
    torn.roll(true);
    torn.batch(2, 40);
    torn.batch(3, 40);
    torn.batch(1, 40);
    torn.wipe(6);
    logs.push(("torn tail", copy(&torn.die()), torn.items[..5].to_vec(), options()));
    let mut damaged = Writer::create();
    for _ in 0..3 {
        damaged.batch(2, 40);
        damaged.sync();
    }
    damaged.batch(1, 0);
    damaged.damage(2);
    let kept = [&damaged.items[..2], &damaged.items[4..]].concat();
    logs.push(("damage", copy(&damaged.die()), kept, quarantine()));
    logs
}

fn contents(opened: &OpenedLog) -> Vec<Item> {
    items(opened).into_iter().filter(|item| item.content.is_some()).collect()
}

fn only_contents(items: &[Item]) -> Vec<Item> {
    items.iter().filter(|item| item.content.is_some()).cloned().collect()
}

#[test]
fn a_power_loss_at_any_operation_of_recovery_is_harmless() {
    for (what, log, kept, options) in broken() {
        let mut rng = SimRng::new(11);
        let mut after_ops = 0;
        loop {
            let disk = copy(&log);
            disk.fail(plan(after_ops, FaultKind::PowerCut));
            let opened = open(&disk, &options);
            let Some(cut) = disk.at_power_cut() else {
                assert_eq!(contents(&opened.unwrap()), only_contents(&kept));
                break;
            };
            drop(opened);
            for _ in 0..12 {
                let disk = cut.crash(&mut rng);
                let opened =
                    open(&disk, &options).unwrap_or_else(|error| panic!("{what} op {after_ops}: {error}"));
                assert_eq!(contents(&opened), only_contents(&kept), "{what} op {after_ops}");
                drop(opened);
                let names = disk.names();
                assert_eq!(names.iter().filter(|name| name.starts_with("seg-")).count(), 2, "{names:?}");
                assert!(!names.iter().any(|name| name == "MANIFEST.tmp"), "{names:?}");
            }
            after_ops += 1;
        }
        assert!(after_ops > 20);
    }
}

#[test]
fn a_failure_of_any_operation_of_recovery_leaves_a_log_that_opens() {
    for kind in [FaultKind::Eio, FaultKind::NoSpace, FaultKind::ShortWrite] {
        for (what, log, kept, options) in broken() {
            for after_ops in 0.. {
                let disk = copy(&log);
                disk.fail(plan(after_ops, kind));
                let opened = open(&disk, &options);
                let untouched = disk.faults_fired() == 0;
                disk.heal();
                drop(opened);
                let mut rng = SimRng::new(after_ops);
                for disk in [disk.crash(&mut rng), disk] {
                    let opened = open(&disk, &options)
                        .unwrap_or_else(|error| panic!("{what} {kind:?} {after_ops}: {error}"));
                    assert_eq!(contents(&opened), only_contents(&kept), "{what} {kind:?} {after_ops}");
                }
                if untouched {
                    break;
                }
            }
        }
    }
}

#[test]
fn a_full_disk_leaves_the_store_as_it_was() {
    for (_, log, kept, options) in broken() {
        let before = everything(&log);
        let used = log.used_bytes();
        let mut room = 0;
        loop {
            let disk = copy(&log);
            disk.set_capacity(Some(used + room));
            match open(&disk, &options) {
                Ok(opened) => {
                    assert_eq!(contents(&opened), only_contents(&kept));
                    break;
                }
                Err(Error::NoSpace { .. }) => {}
                Err(error) => panic!("{error}"),
            }
            let after = everything(&disk);
            let after: Vec<_> = after.into_iter().filter(|(name, _)| !name.contains('/')).collect();
            // Fresh segments stay only if the new manifest may stand already.
            let kept_files: Vec<_> = after.iter().filter(|file| before.contains(file)).cloned().collect();
            assert_eq!(kept_files, before, "with room for {room} bytes");
            disk.set_capacity(None);
            assert_eq!(contents(&open(&disk, &options).unwrap()), only_contents(&kept));
            room += 700;
        }
        assert!(room > 10_000);
    }
}

#[test]
fn a_second_open_finds_the_same_log() {
    for (_, disk, kept, options) in broken() {
        let first = open(&disk, &options).unwrap();
        let (frames, next) = (items(&first), first.next_seq);
        drop(first);
        for epoch in 3..6 {
            let again = open(&disk, &options).unwrap();
            assert_eq!((items(&again), again.next_seq), (frames.clone(), next));
            assert_eq!(contents(&again), only_contents(&kept));
            assert_eq!(again.manifest.epoch().get(), epoch);
            assert_eq!((again.report.frames_dropped, again.report.quarantined.len()), (0, 0));
        }
    }
}

#[test]
fn old_records_do_not_come_back_after_recovery() {
    let mut writer = Writer::create();
    writer.batch(1, 40);
    writer.sync();
    for _ in 0..6 {
        writer.batch(1, 40);
    }
    writer.wipe(1);
    let disk = writer.die();
    let opened = open(&disk, &options()).unwrap();
    assert_eq!(contents(&opened), writer.items[..1]);
    let mut next = Writer::go_on(&disk, opened);
    next.content = 1000;
    next.batch(1, 40);
    let opened = open(&next.die(), &options()).unwrap();
    // The old frame 3 would fit behind the new frame 2 exactly.
    let found: Vec<_> = contents(&opened).iter().map(|item| item.content.unwrap()).collect();
    assert_eq!(found, [1, 1001]);
    assert_eq!(opened.next_seq, Seq::new(3));
}

#[test]
fn files_of_an_unfinished_recovery_never_count() {
    let mut writer = Writer::create();
    writer.batch(2, 40);
    let disk = writer.die();
    // A recovery that wrote its segment and not the manifest, and then other frames were kept.
    let first = copy(&disk);
    drop(open(&first, &options()).unwrap());
    let half_done = first.file_bytes("seg-2.log").unwrap();
    writer.wipe(1);
    disk.set_file_bytes("seg-2.log", &half_done);
    let opened = open(&disk, &options()).unwrap();
    assert!(items(&opened).is_empty());
    assert!(opened.report.removed.contains(&"seg-2.log".to_owned()));
    assert!(opened.manifest.epoch().get() > 2, "an epoch is never used twice");
    // The old segment, had its removal not become durable, is known by its epoch.
    drop(opened);
    disk.set_file_bytes("seg-1.log", &writer.disk.file_bytes("seg-3.log").unwrap());
    disk.set_file_bytes("seg-2.log", &half_done);
    let opened = open(&disk, &options()).unwrap();
    assert!(items(&opened).is_empty());
}

/// What a random life of a store has done so far.
#[derive(Default)]
struct Tally {
    torn: u64,
    rolled: u64,
    inside: u64,
}

/// One life: random work, a power loss, recovery with power losses inside it, and the next life on top.
fn live(seed: u64, tally: &mut Tally) {
    let mut rng = SimRng::new(seed);
    let mut disk = SimDisk::default();
    let opened = open(&disk, &options()).unwrap();
    let mut writer = Writer::go_on(&disk, opened);
    let mut before: Vec<Item> = Vec::new();
    for life in 0..4u64 {
        writer.content = (life + 1) * 1_000_000;
        // Large enough that a file is a few dozen sectors, some of which are lost.
        for _ in 0..rng.below(40) {
            match rng.below(12) {
                0 | 1 => writer.sync(),
                2 => writer.put_slot(),
                3 if rng.chance(300) => writer.roll(rng.chance(500)),
                4 => disk.writeback(&mut rng),
                _ => {
                    let (count, extra) = (1 + rng.below(4), rng.below(300));
                    if !writer.has_room(count * (extra + 48)) {
                        let synced = rng.chance(500);
                        writer.roll(synced);
                    }
                    writer.batch(usize::try_from(count).unwrap(), usize::try_from(extra).unwrap());
                }
            }
        }
        let promised = usize::try_from(writer.durable).unwrap();
        let closes = rng.chance(150);
        if closes {
            writer = writer.close();
        }
        let promised = if closes { before.len() + writer.items.len() } else { promised };
        let all: Vec<Item> = before.iter().chain(&writer.items).cloned().collect();
        let ends: Vec<usize> = writer.batch_ends.iter().map(|end| end + before.len()).collect();
        disk = if rng.chance(150) { writer.die().kill() } else { writer.die().crash(&mut rng) };
        tally.rolled += u64::from(disk.names().iter().filter(|name| name.starts_with("seg-")).count() > 1);
        // Readers agree with what recovery will find.
        let seen = items(&read(&disk, &options()).unwrap_or_else(|error| panic!("seed {seed}: {error}")));
        while rng.chance(400) {
            disk.fail(plan(rng.below(60), FaultKind::PowerCut));
            let opened = open(&disk, &options());
            drop(opened);
            let Some(cut) = disk.at_power_cut() else { break };
            disk = cut.crash(&mut rng);
            tally.inside += 1;
        }
        disk.heal();
        let opened =
            open(&disk, &options()).unwrap_or_else(|error| panic!("seed {seed}, life {life}: {error}"));
        let found = items(&opened);
        assert_eq!(found, all[..found.len()], "seed {seed}: a prefix of what was appended");
        assert!(found.len() >= promised, "seed {seed}: {} of {promised} promised", found.len());
        assert!(found.len() == before.len() || ends.contains(&found.len()), "seed {seed}: no half batch");
        assert!(
            found.len() <= seen.len(),
            "seed {seed}: a power loss inside recovery may lose what a kill left"
        );
        assert_eq!(opened.report.clean, closes && opened.report.clean, "seed {seed}");
        tally.torn += u64::from(found.len() < all.len());
        before = found;
        writer = Writer::go_on(&disk, opened);
    }
}

#[test]
fn what_survives_a_power_loss_is_a_whole_prefix_with_all_that_was_promised() {
    let replay = std::env::var("ENVELOG_SEED").ok().and_then(|seed| seed.parse().ok());
    let mut tally = Tally::default();
    let seeds = replay.map_or(0..600, |seed: u64| seed..seed + 1);
    println!("seeds {seeds:?}; replay one with ENVELOG_SEED");
    for seed in seeds {
        live(seed, &mut tally);
    }
    if replay.is_none() {
        assert!(
            tally.torn > 600 && tally.rolled > 400 && tally.inside > 300,
            "{} {} {}",
            tally.torn,
            tally.rolled,
            tally.inside
        );
    }
}

#[test]
fn what_a_crash_leaves_of_a_few_sectors_is_whole_in_every_case() {
    let mut writer = Writer::create();
    writer.batch(1, 300);
    writer.sync();
    writer.put_slot();
    writer.batch(2, 200);
    writer.batch(1, 700);
    let crashes = writer.die().crash_exhaustive().expect("few sectors are dirty");
    let mut lengths = [0u32; 5];
    for disk in crashes {
        let opened = open(&disk, &options()).unwrap();
        let found = items(&opened);
        assert_eq!(found, writer.items[..found.len()]);
        lengths[found.len()] += 1;
    }
    assert!(
        lengths[0] == 0 && lengths[1] > 0 && lengths[2] == 0 && lengths[3] > 0 && lengths[4] > 0,
        "{lengths:?}"
    );
}

#[test]
fn a_power_loss_at_any_operation_of_a_creation_leaves_a_directory_that_opens() {
    for header_len in [HEADER_LEN, HEADER_LEN_SMALL] {
        let options = LogOptions { header_len, ..options() };
        for after_ops in 0.. {
            let disk = SimDisk::default();
            disk.fail(plan(after_ops, FaultKind::PowerCut));
            let opened = open(&disk, &options);
            let cut = disk.at_power_cut();
            for seed in 0..30 {
                let crashed = cut.as_ref().unwrap_or(&disk).crash(&mut SimRng::new(seed));
                let again =
                    open(&crashed, &options).unwrap_or_else(|error| panic!("op {after_ops}: {error}"));
                assert_eq!(again.next_seq, Seq::new(1));
                if let Ok(opened) = &opened {
                    assert_eq!(again.manifest.store_id, opened.manifest.store_id);
                }
            }
            if cut.is_none() {
                assert!(opened.is_ok() && after_ops > 8);
                break;
            }
        }
    }
}

#[test]
fn a_copied_frame_says_that_it_was_durable_from_the_first() {
    let mut writer = Writer::create();
    writer.batch(3, 40);
    writer.batch(1, 40);
    let disk = writer.die();
    let opened = open(&disk, &options()).unwrap();
    let segment = &opened.tail[0].segment;
    let first = u32::try_from(segment.first_offset()).unwrap();
    let frames: Vec<_> = segment.scan(first, segment.committed()).map(Result::unwrap).collect();
    assert!(frames.iter().all(|(_, _, view)| view.durable_when_written() == view.seq()));
    assert_eq!(
        frames.iter().map(|(_, _, view)| view.received_at().get()).collect::<Vec<_>>(),
        [10, 20, 30, 40]
    );
}

#[test]
fn what_is_set_aside_is_durable_and_begins_with_its_header() {
    for (what, disk, _, options) in broken() {
        let opened = open(&disk, &options).unwrap();
        assert!(!opened.report.quarantined.is_empty());
        for name in &opened.report.quarantined {
            let bytes = disk.file_bytes(name).unwrap();
            assert_eq!(disk.durable_bytes(name).unwrap(), bytes, "{what}");
            assert!(bytes.starts_with(b"envelogS"), "{what}");
            assert!(bytes.len() > 2048, "{what}");
        }
    }
}

#[test]
fn a_whole_frame_that_makes_no_sense_is_given_up_like_a_damaged_one() {
    for kind in [FrameKind::Roll, FrameKind::Close] {
        let mut writer = Writer::create();
        writer.batch(1, 0);
        // A roll frame that names no segment, a close frame inside a batch.
        let flags = if kind == FrameKind::Roll { FrameFlags::ALONE } else { FrameFlags::BATCH_FIRST };
        writer.frame(kind, flags, b"");
        writer.sync();
        writer.batch(1, 0);
        let disk = writer.die();
        assert!(
            matches!(open(&disk, &options()), Err(Error::Corrupt { seq: Some(seq), .. }) if seq.get() == 2)
        );
        let opened = open(&disk, &quarantine()).unwrap();
        assert_eq!(opened.report.gaps, [Seq::new(2)..=Seq::new(2)]);
        assert_eq!(contents(&opened), [writer.items[0].clone(), writer.items[2].clone()]);
    }
}
