//! A real writer process is killed at a random moment; nothing that it acknowledged is lost, at any level.
//!
//! The writer is this test binary, run anew with one test and an environment that says what to do. It tells what it
//! begins and what was acknowledged through a pipe, so that what was on its way at the kill is known.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use envelog::testing::SimRng;
use envelog::{Ack, Durability, Epoch, Options, Position, Seq, Store, Ticket};

use crate::support::answers::{self, Thorough};
use crate::support::oracle::{Found, History};
use crate::support::workload::{Attempt, Outcome, cursor_key};
use crate::support::{Draft, Suite, Tally, count, index, level_name, say};

const DIRECTORY: &str = "ENVELOG_TEST_KILL_DIRECTORY";
const LEVEL: &str = "ENVELOG_TEST_KILL_LEVEL";
const SEED: &str = "ENVELOG_TEST_KILL_SEED";

const KILLS: &str = "kills";
const IN_FLIGHT: &str = "with an append in flight";
const NEAR: &str = "near a roll, seal or compaction";
const CURSORS: &str = "behind cursors that were acknowledged";
const TICKETS: &str = "behind tickets that were waited for";
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
        tally.assert_share(CURSORS, KILLS, 50);
        tally.assert_share(TICKETS, KILLS, 50);
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
        let Tried { threads, in_flight, cursors, tickets } = killed.tried;
        for (what, is_so) in
            [(IN_FLIGHT, in_flight), (NEAR, killed.near), (CURSORS, cursors), (TICKETS, tickets)]
        {
            if is_so {
                tally.add(what);
            }
        }
        history.threads = threads;
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
    assert_eq!(same.verify(&store), Found { lost: 0, ..found.clone() }, "a second opening changes nothing");
    found
}

/// What is known of a writer that was killed.
struct Killed {
    tried: Tried,
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
        let count = Arc::new(AtomicU64::new(0));
        let told = std::thread::spawn({
            let count = Arc::clone(&count);
            let heard = move |_: &String| {
                count.fetch_add(1, Ordering::Relaxed);
            };
            move || output.lines().map_while(Result::ok).inspect(heard).collect::<Vec<_>>()
        });
        // Most are killed amid their work, the others perhaps while the store is opened.
        let patience = Instant::now();
        let is_at_work = || count.load(Ordering::Relaxed) >= 150 || told.is_finished();
        let is_awaited = rng.chance(900);
        while is_awaited && !is_at_work() && patience.elapsed() < Duration::from_mins(1) {
            std::thread::sleep(Duration::from_millis(1));
        }
        let saw_change = wait_for_a_moment(path, rng, is_new);
        let before = names(path);
        writer.kill().unwrap();
        let status = writer.wait().unwrap();
        assert_eq!(status.signal(), Some(9), "the writer was at work until it was killed: {status}");
        let lines = told.join().unwrap();
        // Something of the kind was on the way if it left a trace, or had just begun or ended.
        let near = saw_change || before != names(path) || is_mid_way(path) || rolled_lately(path);
        Self { tried: Tried::of(&lines, seed), near }
    }
}

/// Waits for a random time, half of the times counted from the moment that a file comes or goes; gives whether that
/// came to be seen.
fn wait_for_a_moment(path: &Path, rng: &mut SimRng, is_new: bool) -> bool {
    let patience = Instant::now();
    let is_patient = || patience.elapsed() < Duration::from_secs(20);
    while is_new && !path.join("MANIFEST").exists() && is_patient() {
        std::thread::sleep(Duration::from_millis(1));
    }
    if rng.chance(500) {
        let old = names(path);
        while names(path) == old && is_patient() {
            std::thread::sleep(Duration::from_micros(200));
        }
        let saw_change = names(path) != old;
        std::thread::sleep(Duration::from_micros(rng.below(4_000)));
        saw_change
    } else {
        std::thread::sleep(Duration::from_micros(3_000 + rng.below(250_000)));
        false
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

/// What the threads of a writer tried.
struct Tried {
    threads: Vec<Vec<Attempt>>,
    in_flight: bool,
    /// Whether a call with a cursor was acknowledged, and whether a ticket that was waited for was.
    cursors: bool,
    tickets: bool,
}

impl Tried {
    /// From the lines that the writer told.
    fn of(lines: &[String], seed: u64) -> Self {
        let (begun, acked) = told(lines);
        let mut tried = Self { threads: Vec::new(), in_flight: false, cursors: false, tickets: false };
        for thread in 0..WRITERS {
            let mut calls = Calls::new(seed, thread);
            // One more than was told: the kill may have come before the line.
            let count = begun.get(&thread).copied().unwrap_or(0) + 1;
            let attempts = (0..count).map(|call| {
                let Call { drafts, cursor, is_ticket } = calls.next();
                let positions = acked.get(&(thread, call));
                tried.in_flight |= positions.is_none() && !is_ticket && call + 1 < count;
                tried.cursors |= positions.is_some() && cursor.is_some();
                tried.tickets |= positions.is_some() && is_ticket;
                let outcome =
                    positions.map_or(Outcome::Unknown, |positions| Outcome::Acked(positions.clone()));
                Attempt { drafts, cursor, outcome, sync_failed: false }
            });
            let attempts = attempts.collect();
            tried.threads.push(attempts);
        }
        tried
    }
}

/// The positions that a call of a thread was told, by thread and call.
type Acked = HashMap<(u64, u64), Vec<Position>>;

/// How many calls each thread began, and what was acknowledged.
fn told(lines: &[String]) -> (HashMap<u64, u64>, Acked) {
    let (mut begun, mut acked) = (HashMap::new(), Acked::new());
    for line in lines {
        let mut words = line.split_whitespace();
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
    (begun, acked)
}

/// What a thread of the writer does in one call: a batch, or one event that it gets a ticket for.
struct Call {
    drafts: Vec<Draft>,
    cursor: Option<(String, u64)>,
    is_ticket: bool,
}

/// The calls of a thread of the writer, the same in both processes.
struct Calls {
    rng: SimRng,
    thread: u64,
    /// No other thread of any writer has the same.
    next_number: u64,
}

impl Calls {
    fn new(seed: u64, thread: u64) -> Self {
        let next_number = (seed >> 34 << 33) | (thread << 32);
        Self { rng: SimRng::new(seed ^ (thread + 1)), thread, next_number }
    }

    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    fn draft(&mut self) -> Draft {
        let number = self.number();
        let mut draft = Draft::draw(&mut self.rng, number);
        draft.padding = 200 + draft.padding * 20;
        draft
    }

    fn next(&mut self) -> Call {
        let kind = self.rng.below(10);
        let events = match kind {
            0..6 => 1,
            6 => 0,
            _ => 1 + index(&mut self.rng, 12),
        };
        let drafts = (0..events).map(|_| self.draft()).collect();
        let is_ticket = kind < 3;
        let cursor = (events == 0 || (!is_ticket && self.rng.chance(300))).then(|| {
            let scope = if self.rng.chance(500) { 's' } else { 'p' };
            (format!("{scope}{}-{}", self.thread, self.rng.below(2)), self.number())
        });
        Call { drafts, cursor, is_ticket }
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
            scope.spawn(move || write(store, seed, thread));
        }
    });
}

/// Writes until it is killed, or until nobody listens.
fn write(store: &Store, seed: u64, thread: u64) {
    let mut calls = Calls::new(seed, thread);
    let mut tickets: Vec<(u64, Ticket)> = Vec::new();
    for call in 0.. {
        let Call { drafts, cursor, is_ticket } = calls.next();
        tell(&format!("begin {thread} {} 0\n", call + 1));
        if is_ticket {
            tickets.push((call, store.submit(drafts[0].envelope()).unwrap()));
        } else {
            let mut batch = store.batch();
            if let Some((name, state)) = &cursor {
                batch.set_cursor(cursor_key(name), &state.to_le_bytes()).unwrap();
            }
            for draft in &drafts {
                batch.push(&draft.envelope()).unwrap();
            }
            tell_acks(thread, call, &batch.commit().unwrap());
        }
        // A few are under way at a time, also across batches.
        if tickets.len() > 4 {
            for (call, ticket) in tickets.drain(..) {
                tell_acks(thread, call, &[ticket.wait().unwrap()]);
            }
        }
    }
}

fn tell_acks(thread: u64, call: u64, acks: &[Ack]) {
    let seqs: Vec<String> = acks.iter().map(|ack| ack.position.seq.to_string()).collect();
    let epoch = acks.first().map_or(0, |ack| ack.position.epoch.get());
    tell(&format!("ack {thread} {call} {} {epoch} 0\n", seqs.join(" ")));
}

/// One write to the pipe, which a kill does not take back.
fn tell(line: &str) {
    let mut out = std::io::stdout().lock();
    if out.write_all(line.as_bytes()).and_then(|()| out.flush()).is_err() {
        say("nobody listens");
        std::process::exit(1);
    }
}
