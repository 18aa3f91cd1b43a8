//! A real writer process is killed at a random moment; nothing that it acknowledged is lost, at any level.
//!
//! The writer is this test binary, run anew with one test and an environment that says what to do. It tells what it
//! begins and what was acknowledged through a pipe, so that what was on its way at the kill is known.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use envelog::testing::SimRng;
use envelog::{Durability, Epoch, Options, Position, Seq, Store};

use crate::support::answers::{self, Thorough};
use crate::support::oracle::{Found, History};
use crate::support::workload::{Attempt, Outcome};
use crate::support::{Draft, Suite, Tally, count, index, level_name, say};

const DIRECTORY: &str = "ENVELOG_TEST_KILL_DIRECTORY";
const LEVEL: &str = "ENVELOG_TEST_KILL_LEVEL";
const SEED: &str = "ENVELOG_TEST_KILL_SEED";

const KILLS: &str = "kills";
const IN_FLIGHT: &str = "with an append in flight";
const NEAR: &str = "near a roll, seal or compaction";
const WRITERS: u64 = 2;

fn levels() -> [Durability; 3] {
    [Durability::Buffered, Durability::Interval { ms: 5, bytes: 64 * 1024 }, Durability::Synced]
}

#[test]
fn kill_9_of_a_writer_loses_nothing_that_it_acknowledged() {
    let tally = Tally::default();
    let suite = Suite {
        name: "crash_kill",
        wanted: count(50, 300, 10_000),
        least: count(20, 150, 10_000),
        cap: Duration::from_secs(count(45, 300, 100_000).max(45)),
    };
    suite.run(|case, rng| one_store(case, rng, &tally));
    tally.print(suite.name);
    if tally.get(KILLS) >= 20 {
        tally.assert_share(IN_FLIGHT, KILLS, 51);
        tally.assert_share(NEAR, KILLS, 20);
        for level in levels() {
            tally.assert_share(level_name(level), KILLS, 15);
        }
    }
}

/// One store through several writers, each of them killed.
fn one_store(case: u64, rng: &mut SimRng, tally: &Tally) -> u64 {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let mut history = History::default();
    let mut kills = 0;
    for round in 0..3 {
        let level = usize::try_from(case + round).unwrap() % 3;
        let seed = rng.next_u64();
        let killed = Killed::after(&path, level, seed, rng, round == 0);
        tally.add(KILLS);
        tally.add(level_name(levels()[level]));
        if killed.in_flight {
            tally.add(IN_FLIGHT);
        }
        if killed.near {
            tally.add(NEAR);
        }
        history.threads = killed.threads;
        history.promise_all();
        let store = Options::new().segment_bytes_max(1 << 20).open(&path).unwrap();
        let found = history.verify(&store);
        answers::check(&store, &found.kept, rng, Thorough::No);
        drop(store);
        history.settle(again(&path, found));
        kills += 1;
    }
    kills
}

/// A second opening finds the same.
fn again(path: &Path, found: Found) -> Found {
    let mut same = History::default();
    same.settle(found.clone());
    let store: Store = Options::new().segment_bytes_max(1 << 20).open(path).unwrap();
    assert!(store.recovery().clean, "the opening before closed it");
    assert_eq!(same.verify(&store).kept, found.kept);
    found
}

/// What is known of a writer that was killed.
struct Killed {
    threads: Vec<Vec<Attempt>>,
    in_flight: bool,
    near: bool,
}

impl Killed {
    /// Starts a writer, kills it at a random moment, and puts together what it tried.
    fn after(path: &Path, level: usize, seed: u64, rng: &mut SimRng, is_new: bool) -> Self {
        let mut writer = Command::new(std::env::current_exe().unwrap())
            .args(["crash_kill::writer_process", "--exact", "--nocapture", "--test-threads=1"])
            .env(DIRECTORY, path)
            .env(LEVEL, level.to_string())
            .env(SEED, seed.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(writer.stdout.take().unwrap());
        let told = std::thread::spawn(move || output.lines().map_while(Result::ok).collect::<Vec<_>>());
        wait_for_a_moment(path, rng, is_new);
        let before = names(path);
        writer.kill().unwrap();
        let status = writer.wait().unwrap();
        assert!(!status.success(), "the writer was at work: {status}");
        let lines = told.join().unwrap();
        // Something of the kind was on the way if it left a trace, or had just ended.
        let near = before != names(path) || is_mid_way(path) || rolled_lately(path);
        let (threads, in_flight) = tried(&lines, seed);
        Self { threads, in_flight, near }
    }
}

/// Waits for a random time, half of the times counted from the moment that a file comes or goes.
fn wait_for_a_moment(path: &Path, rng: &mut SimRng, is_new: bool) {
    let patience = Instant::now();
    while is_new && !path.join("MANIFEST").exists() && patience.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(1));
    }
    if rng.chance(500) {
        let old = names(path);
        while names(path) == old && patience.elapsed() < Duration::from_secs(3) {
            std::thread::sleep(Duration::from_micros(200));
        }
        std::thread::sleep(Duration::from_micros(rng.below(4_000)));
    } else {
        std::thread::sleep(Duration::from_micros(3_000 + rng.below(250_000)));
    }
}

fn names(path: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(path) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.map_while(Result::ok).map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// A log beside the active one without an index, or a temporary file, is work that was under way.
fn is_mid_way(path: &Path) -> bool {
    let names = names(path);
    let temporary = names.iter().any(|name| name.ends_with(".tmp"));
    let logs = names.iter().filter(|name| name.ends_with(".log"));
    let unsealed = logs.filter(|log| !names.contains(&log.replace(".log", ".idx"))).count();
    temporary || unsealed > 2
}

/// The last index or run file is a few milliseconds old.
fn rolled_lately(path: &Path) -> bool {
    let is_derived = |name: &&String| name.ends_with(".idx") || name.ends_with(".run");
    let names = names(path);
    names.iter().filter(is_derived).any(|name| {
        let modified = std::fs::metadata(path.join(name)).and_then(|metadata| metadata.modified());
        modified
            .ok()
            .and_then(|modified| modified.elapsed().ok())
            .is_some_and(|age| age < Duration::from_millis(15))
    })
}

/// What each thread tried, from the lines that it told.
fn tried(lines: &[String], seed: u64) -> (Vec<Vec<Attempt>>, bool) {
    let mut begun: HashMap<u64, u64> = HashMap::new();
    let mut acked: HashMap<(u64, u64), Vec<Position>> = HashMap::new();
    for line in lines {
        let mut words = line.split(' ');
        let kind = words.next().unwrap_or_default();
        let numbers: Vec<u64> = words.map_while(|word| word.parse().ok()).collect();
        match (kind, &*numbers) {
            ("begin", [thread, calls, 0]) => drop(begun.insert(*thread, *calls)),
            ("ack", [thread, call, seqs @ .., epoch, 0]) => {
                let epoch = Epoch::new(u32::try_from(*epoch).unwrap());
                let positions = seqs.iter().map(|seq| Position { seq: Seq::new(*seq), epoch }).collect();
                acked.insert((*thread, *call), positions);
            }
            // The last line may be cut off, and the test harness has lines of its own.
            _ => {}
        }
    }
    let mut in_flight = false;
    let threads = (0..WRITERS).map(|thread| {
        let mut calls = Calls::new(seed, thread);
        // One more than was told: the kill may have come before the line.
        let count = begun.get(&thread).copied().unwrap_or(0) + 1;
        let attempt = |call| {
            let drafts = calls.next();
            let positions = acked.get(&(thread, call));
            in_flight |= positions.is_none() && call + 1 < count;
            let outcome = positions.map_or(Outcome::Unknown, |positions| Outcome::Acked(positions.clone()));
            Attempt { drafts, cursor: None, outcome, sync_failed: false }
        };
        (0..count).map(attempt).collect()
    });
    let threads = threads.collect();
    (threads, in_flight)
}

/// What a thread of the writer appends, the same in both processes.
struct Calls {
    rng: SimRng,
    numbers: AtomicU64,
}

impl Calls {
    fn new(seed: u64, thread: u64) -> Self {
        let first = (seed >> 24) * 1_000_000 + thread * 500_000;
        Self { rng: SimRng::new(seed ^ (thread + 1)), numbers: AtomicU64::new(first) }
    }

    fn next(&mut self) -> Vec<Draft> {
        let events = if self.rng.chance(500) { 1 } else { 1 + index(&mut self.rng, 12) };
        let mut draft = || {
            let number = self.numbers.fetch_add(1, Ordering::Relaxed);
            let mut draft = Draft::draw(&mut self.rng, number);
            draft.padding = 200 + draft.padding * 20;
            draft
        };
        (0..events).map(|_| draft()).collect()
    }
}

/// The writer; it does nothing where no other test asks for it.
#[test]
fn writer_process() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let number = |name| std::env::var(name).unwrap().parse::<u64>().unwrap();
    let (level, seed) = (levels()[usize::try_from(number(LEVEL)).unwrap()], number(SEED));
    let store = Options::new().durability(level).segment_bytes_max(1 << 20).open(directory).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..WRITERS {
            let store = &store;
            scope.spawn(move || {
                let mut calls = Calls::new(seed, thread);
                // Ends by itself where nobody kills it.
                for call in 0..40_000u64 {
                    let drafts = calls.next();
                    tell(&format!("begin {thread} {} 0\n", call + 1));
                    let acks = store.append_batch(drafts.iter().map(Draft::envelope)).unwrap();
                    let seqs: Vec<String> = acks.iter().map(|ack| ack.position.seq.to_string()).collect();
                    let epoch = acks[0].position.epoch.get();
                    tell(&format!("ack {thread} {call} {} {epoch} 0\n", seqs.join(" ")));
                }
            });
        }
    });
}

/// One write to the pipe, which a kill does not take back.
fn tell(line: &str) {
    let mut out = std::io::stdout().lock();
    if out.write_all(line.as_bytes()).and_then(|()| out.flush()).is_err() {
        say("nobody listens");
        std::process::exit(1);
    }
}
