//! Random operations against plain lists, reopening and crashes included, and every kind of answer after each step.

use std::time::Duration;

use envelog::testing::{SimDisk, SimRng};

use crate::support::answers::{self, Thorough};
use crate::support::oracle::{self, History, is_synced};
use crate::support::workload::{Numbers, Work, work};
use crate::support::{LEVELS, Suite, Tally, count, index, options};

#[test]
fn a_store_answers_as_plain_lists_do() {
    let suite = Suite {
        name: "model",
        wanted: count(256, 512, 50_000),
        least: count(80, 256, 50_000),
        cap: Duration::from_secs(count(40, 200, 36_000).max(40)),
    };
    let tally = Tally::default();
    suite.run(|_, rng| {
        case(rng, &tally);
        1
    });
    tally.print(suite.name);
}

fn case(rng: &mut SimRng, tally: &Tally) {
    let mut disk = SimDisk::default();
    let mut history = History::default();
    let numbers = Numbers::new(1);
    for _ in 0..2 + rng.below(4) {
        let level = LEVELS[index(rng, 3)];
        let segment_bytes = 4096 << rng.below(4);
        let store = options(rng, level, segment_bytes).open_on(&disk).unwrap();
        let found = history.verify(&store);
        history.settle(found);
        for _ in 0..=rng.below(3) {
            let calls = 1 + rng.below(30);
            let threads = if rng.chance(200) { 2 } else { 1 };
            let done = work(&store, rng, &numbers, Work { threads, calls, stops_at_error: false });
            history.all_promised = is_synced(level);
            history.threads.resize_with(history.threads.len().max(threads), Vec::new);
            history.add(done, store.durable().get());
            if rng.chance(300) {
                store.wait_sealed().unwrap();
            }
            let mut shown = history.clone();
            shown.promise_all();
            let found = shown.verify(&store);
            answers::check(&store, &found.kept, rng, Thorough::Yes);
            oracle::repeat(&store, &found.kept, rng);
            tally.add("states compared");
        }
        disk = match rng.below(4) {
            0 => {
                tally.add("closes");
                store.close().unwrap();
                history.promise_all();
                disk.kill()
            }
            1 => {
                tally.add("kills");
                let killed = disk.kill();
                history.promise_all();
                killed
            }
            2 => {
                tally.add("drops");
                history.promise_all();
                drop(store);
                disk
            }
            _ => {
                tally.add("power losses");
                history.promised = store.durable().get();
                disk.crash(rng)
            }
        };
    }
    let reader = envelog::Options::new().tiny_segments(4096).open_read_only_on(&disk).unwrap();
    let found = history.verify(&reader);
    answers::check(&reader, &found.kept, rng, Thorough::Yes);
}
