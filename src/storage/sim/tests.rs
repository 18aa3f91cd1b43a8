//! The simulated disk keeps what a real one promises, and no more.

mod crash;
mod fault;
mod tools;

use super::super::{SimRng, is_not_found, read_file, write_file_atomic};
use super::*;

/// The rng of a random test, whose seed is printed for `ENVELOG_SEED`.
fn rng() -> SimRng {
    let seed = SimRng::seed_of_run();
    println!("ENVELOG_SEED={seed}");
    SimRng::new(seed)
}

/// A disk with a durable, empty file `a`, and a handle on it.
fn disk_with_file() -> (SimDisk, Arc<dyn File>) {
    let disk = SimDisk::default();
    let file = disk.create("a").expect("created");
    disk.sync_dir().expect("synced");
    (disk, file)
}

/// Every result of many crashes of the same moment, without repetition.
fn crashes<T: Ord>(disk: &SimDisk, rng: &mut SimRng, look: impl Fn(&SimDisk) -> T) -> Vec<T> {
    let mut found: Vec<T> = (0..2000).map(|_| look(&disk.crash(rng))).collect();
    found.sort();
    found.dedup();
    found
}
