//! The k-th operation of the disk fails, for every k until a run passes untouched.

use std::time::Duration;

use envelog::testing::{FaultKind, FaultPlan, OpKind, OpMask, SimDisk, SimRng};
use envelog::{Durability, Error, Store};

use crate::support::answers::{self, Thorough};
use crate::support::oracle::{self, History, is_synced};
use crate::support::watch::returns;
use crate::support::workload::{Numbers, Outcome, Work, work};
use crate::support::{Draft, Effort, LEVELS, Suite, Tally, count, effort, level_name, options};

const KINDS: [FaultKind; 3] = [FaultKind::Eio, FaultKind::NoSpace, FaultKind::ShortWrite];

/// No panic, no lost acknowledgement, no append taken after a failed sync, and appends again after a full disk.
#[test]
fn any_operation_may_fail_and_nothing_acknowledged_is_lost() {
    let tally = Tally::default();
    let stickies: &[bool] = if effort() == Effort::Test { &[false] } else { &[false, true] };
    let seeds = count(1, 1, 20);
    let mut plans = Vec::new();
    for seed in 0..seeds {
        for level in LEVELS {
            for kind in KINDS {
                plans.extend(stickies.iter().map(|sticky| (seed, level, kind, *sticky)));
            }
        }
    }
    let suite = Suite {
        name: "faults",
        wanted: plans.len() as u64,
        least: plans.len() as u64 / 2,
        cap: Duration::from_secs(count(40, 300, 36_000).max(40)),
    };
    suite.run(|case, rng| {
        let Some((_, level, kind, sticky)) = usize::try_from(case).ok().and_then(|case| plans.get(case))
        else {
            return 1;
        };
        until_untouched(*level, *kind, *sticky, rng, &tally);
        1
    });
    tally.print(suite.name);
}

fn until_untouched(level: Durability, kind: FaultKind, sticky: bool, rng: &mut SimRng, tally: &Tally) {
    let (disk, history) = prepared(rng);
    let seed = rng.next_u64();
    for after_ops in 0.. {
        assert!(after_ops < 20_000, "a run passes untouched");
        let disk = disk.kill();
        let mut rng = SimRng::new(seed);
        disk.fail(FaultPlan { after_ops, kind, sticky, ops: OpMask::ALL });
        tally.add("runs");
        if one_run(&disk, history.clone(), level, &mut rng, tally) == 0 {
            tally.add(format!("runs untouched {}", level_name(level)));
            return;
        }
    }
}

/// A store that some work was done on and that was not closed.
fn prepared(rng: &mut SimRng) -> (SimDisk, History) {
    let disk = SimDisk::default();
    let mut history = History::default();
    let store = options(rng, Durability::Synced, 4096).open_on(&disk).unwrap();
    let done = work(&store, rng, &Numbers::new(1), Work { threads: 1, calls: 25, stops_at_error: false });
    store.wait_sealed().unwrap();
    history.add(done, store.durable().get());
    let disk = disk.kill();
    drop(store);
    let store = options(rng, Durability::Synced, 4096).open_on(&disk.kill()).unwrap();
    let found = history.verify(&store);
    history.settle(found);
    (disk, history)
}

/// Opens and works on a disk that fails; gives how many operations it failed.
fn one_run(disk: &SimDisk, mut history: History, level: Durability, rng: &mut SimRng, tally: &Tally) -> u64 {
    let opened = options(rng, level, 4096).open_on(disk);
    let fired = match opened {
        Err(error) => {
            assert!(
                matches!(error, Error::Io { .. } | Error::NoSpace { .. }),
                "opening fails as the disk did: {error:?}"
            );
            tally.add("openings that failed");
            disk.faults_fired()
        }
        Ok(store) => work_on(&store, disk, &mut history, level, rng, tally),
    };
    // The process dies: nothing that was written is lost, so every answer holds.
    let mut survived = history.clone();
    if !history.threads.is_empty() {
        survived.promise_all();
    }
    oracle::check(&disk.kill(), &survived, rng, false);
    // The power goes: what was durable is there.
    let deep = rng.chance(100);
    oracle::check(&disk.crash(rng), &history, rng, deep);
    fired
}

fn work_on(
    store: &Store,
    disk: &SimDisk,
    history: &mut History,
    level: Durability,
    rng: &mut SimRng,
    tally: &Tally,
) -> u64 {
    let numbers = Numbers::new(1_000);
    let done = work(store, rng, &numbers, Work { threads: 1, calls: 16, stops_at_error: false });
    let sync_failed = done.iter().flatten().any(|attempt| attempt.sync_failed);
    let was_full = done.iter().flatten().any(|attempt| attempt.outcome == Outcome::Refused);
    history.all_promised = is_synced(level);
    history.add(done, store.durable().get());
    let fired = disk.faults_fired();
    disk.heal();
    // Reading goes on, whatever happened, and shows all that was acknowledged.
    let mut shown = history.clone();
    shown.promise_all();
    let found = shown.verify(store);
    answers::check(store, &found.kept, rng, Thorough::No);
    let draft = Draft::draw(rng, 5_000);
    let told = returns("Store::append", {
        let (store, envelope) = (store.clone(), draft.envelope());
        move || store.append(envelope)
    });
    match told {
        Err(Error::Poisoned) => tally.add("runs that poisoned the store"),
        Err(error) => panic!("a healed disk takes appends: {error:?}"),
        Ok(ack) => {
            assert!(!sync_failed, "no append is taken after a failed sync");
            tally.add(if was_full { "runs that went on after a refusal" } else { "runs that went on" });
            let attempt = crate::support::workload::Attempt {
                drafts: vec![draft],
                cursor: None,
                outcome: Outcome::Acked(vec![ack.position]),
                sync_failed: false,
            };
            history.add(vec![vec![attempt]], store.durable().get());
        }
    }
    history.promised = history.promised.max(store.durable().get());
    fired
}

/// A failed sync is told, and closing does not cover it up.
#[test]
fn a_store_with_a_failed_sync_takes_no_appends_and_does_not_close_as_clean() {
    for level in LEVELS {
        returns("a sync that fails, or what comes after it", move || a_failed_sync(level));
    }
}

fn a_failed_sync(level: Durability) {
    let mut rng = SimRng::new(7);
    let disk = SimDisk::default();
    let store = options(&mut rng, level, 8192).open_on(&disk).unwrap();
    let mut draft = |number| Draft::draw(&mut rng, number).envelope();
    store.append(draft(1)).unwrap();
    store.sync().unwrap();
    let durable = store.durable();
    let ops = OpMask::of(OpKind::Sync);
    disk.fail(FaultPlan { after_ops: 0, kind: FaultKind::Eio, sticky: false, ops });
    let told = store.append(draft(2)).and_then(|_| store.sync());
    assert!(matches!(told, Err(Error::SyncFailed { .. } | Error::Poisoned)), "{told:?}");
    assert!(matches!(store.append(draft(3)), Err(Error::Poisoned)));
    assert!(matches!(store.sync(), Err(Error::Poisoned | Error::SyncFailed { .. })));
    assert_eq!(store.durable(), durable, "a later sync says nothing about the one that failed");
    assert!(store.close().is_err(), "closing tells that not all is durable");
    drop(store);
    assert!(!options(&mut rng, level, 8192).open_on(&disk).unwrap().recovery().clean);
}
