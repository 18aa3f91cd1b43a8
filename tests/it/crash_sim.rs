//! Power loss on a simulated disk, at any operation, also inside recovery.

use std::path::Path;
use std::time::Duration;

use envelog::testing::{FaultKind, FaultPlan, OpKind, OpMask, SimDisk, SimRng};
use envelog::{Durability, Options};

use crate::support::oracle::{self, History, is_synced};
use crate::support::workload::{Numbers, Work, work};
use crate::support::{LEVELS, Suite, Tally, count, index, level_name, options};

const IMAGE: &str = "images";
const TORN: &str = "with a torn tail";
const ROLL: &str = "across a roll";
const RECOVERY: &str = "inside recovery";

/// What is never lost, and what never comes back, whatever the moment of the power loss.
#[test]
fn power_loss_leaves_a_prefix_with_all_that_was_promised() {
    let suite = Suite {
        name: "crash_sim",
        wanted: count(5_000, 30_000, 1_000_000),
        least: count(1_500, 10_000, 1_000_000),
        cap: Duration::from_secs(count_seconds()),
    };
    let tally = Tally::default();
    suite.run(|case, rng| run(case, rng, &tally));
    tally.print(suite.name);
    if tally.get(IMAGE) >= 500 {
        tally.assert_share(TORN, IMAGE, 30);
        tally.assert_share(ROLL, IMAGE, 20);
        tally.assert_share(RECOVERY, IMAGE, 10);
        for level in LEVELS {
            tally.assert_share(level_name(level), IMAGE, 20);
        }
    }
}

fn count_seconds() -> u64 {
    count(60, 600, 100_000).max(60)
}

/// One store through several lives, each ended by a power loss.
fn run(case: u64, rng: &mut SimRng, tally: &Tally) -> u64 {
    let mut disk = SimDisk::default();
    let mut history = History::default();
    let numbers = Numbers::new(1);
    let mut images = 0;
    for (life, turn) in (0..3).zip(case..) {
        // In turns, so that each level has its share however few images there are.
        let level = LEVELS[usize::try_from(turn % 3).unwrap()];
        let (cut, at_cut) = live(&disk, &mut history, &numbers, level, rng, life);
        if !at_cut {
            tally.add("power losses after the last operation");
        }
        let mut next = None;
        for image in 0..5 {
            let mut crashed = cut.crash(rng);
            let mut in_recovery = false;
            if rng.chance(250) {
                (crashed, in_recovery) = cut_recovery(&crashed, rng);
            }
            tally_image(tally, &cut, &crashed, in_recovery, level);
            images += 1;
            let deep = image == 0;
            let (found, after) = oracle::check(&crashed, &history, rng, deep);
            tally.add(if found.lost > 0 { "that lost a suffix" } else { "that lost nothing" });
            next = Some((found, after));
        }
        if let Some((found, after)) = next {
            history.settle(found);
            disk = after;
        }
    }
    images
}

/// Opens and works until the power goes; gives the disk as it was then, and whether it went while work was done.
fn live(
    disk: &SimDisk,
    history: &mut History,
    numbers: &Numbers,
    level: Durability,
    rng: &mut SimRng,
    life: u32,
) -> (SimDisk, bool) {
    let segment_bytes = 4096 + rng.below(4) * 2048;
    let opened = options(rng, level, segment_bytes).open_on(disk);
    let store = opened.unwrap_or_else(|error| panic!("life {life}: {error}"));
    let threads = if rng.chance(400) { 2 + index(rng, 2) } else { 1 };
    let calls = 10 + rng.below(60) / threads as u64;
    let ops = match rng.below(3) {
        0 => OpMask::of(OpKind::Sync),
        1 => OpMask::of(OpKind::Write) | OpMask::of(OpKind::Sync),
        _ => OpMask::CHANGES,
    };
    // Through the mapping a life has few operations: syncs, windows of zeros, what sealing writes.
    let most = if is_synced(level) { calls * 2 } else { calls / 2 };
    disk.fail(FaultPlan { after_ops: rng.below(most + 1), kind: FaultKind::PowerCut, sticky: true, ops });
    let done = work(&store, rng, numbers, Work { threads, calls, stops_at_error: true });
    if rng.chance(200) {
        disk.writeback(rng);
    }
    // Without a cut until here, a close may meet it, or end the life cleanly.
    let closed = rng.chance(150) && store.close().is_ok();
    let durable = store.durable().get();
    history.add(done, durable);
    if closed {
        history.promise_all();
    }
    history.all_promised |= is_synced(level);
    let at_cut = disk.at_power_cut();
    let cut = at_cut.clone().unwrap_or_else(|| disk.kill());
    drop(store);
    (cut, at_cut.is_some())
}

/// Loses power again while the store is being opened; what is left, and whether it came to that.
fn cut_recovery(crashed: &SimDisk, rng: &mut SimRng) -> (SimDisk, bool) {
    let disk = crashed.kill();
    let ops = OpMask::CHANGES;
    disk.fail(FaultPlan { after_ops: rng.below(24), kind: FaultKind::PowerCut, sticky: true, ops });
    let opened = options(rng, Durability::Synced, 4096).open_on(&disk);
    let is_inside = opened.is_err();
    drop(opened);
    match disk.at_power_cut() {
        Some(cut) => (cut.crash(rng), is_inside),
        None => (disk.crash(rng), false),
    }
}

fn tally_image(tally: &Tally, cut: &SimDisk, crashed: &SimDisk, in_recovery: bool, level: Durability) {
    tally.add(IMAGE);
    tally.add(level_name(level));
    if in_recovery {
        tally.add(RECOVERY);
    }
    let logs = |name: &String| Path::new(name).extension().is_some_and(|ending| ending == "log");
    let mut torn = false;
    let mut written = 0;
    for name in crashed.names().iter().filter(|name| logs(name)) {
        let left = crashed.file_bytes(name).unwrap_or_default();
        let has_index = crashed.file_bytes(&name.replace(".log", ".idx")).is_some();
        if !has_index && left.iter().any(|byte| *byte != 0) {
            written += 1;
        }
        torn |= cut.file_bytes(name).is_some_and(|was| was != left);
    }
    torn |= in_recovery
        && cut
            .names()
            .iter()
            .filter(|name| logs(name))
            .any(|name| crashed.file_bytes(name) != cut.file_bytes(name));
    if torn {
        tally.add(TORN);
    }
    if written >= 2 {
        tally.add(ROLL);
    }
}

/// Every disk that a power loss may leave at every operation of small workloads.
#[test]
fn crash_exhaustive() {
    let suite = Suite {
        name: "crash_exhaustive",
        wanted: count(4_000, 24_000, 400_000),
        least: count(300, 2_000, 20_000),
        cap: Duration::from_secs(count(10, 60, 3_600)),
    };
    let tally = Tally::default();
    suite.run(|_, rng| exhaustive(rng, &tally));
    tally.print(suite.name);
}

fn exhaustive(rng: &mut SimRng, tally: &Tally) -> u64 {
    let level = LEVELS[index(rng, 3)];
    let seed = rng.next_u64();
    let calls = 1 + rng.below(4);
    let mut images = 0;
    for cut_at in 0.. {
        let mut rng = SimRng::new(seed);
        let disk = SimDisk::default();
        let store = options(&mut rng, level, 4096).open_on(&disk).unwrap();
        let ops = OpMask::CHANGES;
        disk.fail(FaultPlan { after_ops: cut_at, kind: FaultKind::PowerCut, sticky: true, ops });
        let numbers = Numbers::new(1);
        let mut history = History::default();
        let done = work(&store, &mut rng, &numbers, Work { threads: 1, calls, stops_at_error: true });
        history.add(done, store.durable().get());
        history.all_promised = is_synced(level);
        let Some(cut) = disk.at_power_cut() else {
            tally.add("workloads");
            return images;
        };
        drop(store);
        let Some(crashes) = cut.crash_exhaustive() else {
            tally.add("moments with too many choices");
            continue;
        };
        tally.add("moments");
        for crashed in crashes {
            images += 1;
            let store = Options::new().tiny_segments(4096).open_on(&crashed);
            let store = store.unwrap_or_else(|error| panic!("a crash is no damage: {error}"));
            history.verify(&store);
        }
    }
    images
}
