//! Whether memory grows with the store: fills one, and tells what the process holds that no file backs.
//!
//! `cargo bench --all-features --bench bounded -- 20000000 sparse` (or `5000000 full`) appends that many generated events at
//! `Buffered` with segments of 64 MiB, in a directory below `TMPDIR` that is removed afterwards, and prints the
//! greatest `RssAnon` of each quarter (what is held rises and falls with the segment that is written), then how long
//! the store takes to open after a clean close and after a kill. Without arguments it runs a short form. Linux only, for `/proc/self/status`.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on stops")]
#![expect(clippy::print_stdout, reason = "a benchmark says what it measured")]

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use envelog::sample::{self, Generator, Shape};
use envelog::{Durability, Options, Store};

/// Events from one look at the memory to the next.
const SAMPLED: u64 = 10_000;
const KILLED: &str = "ENVELOG_BOUNDED_KILLED";

fn rss_anon_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or(0)
}

fn options() -> Options {
    Options::new().durability(Durability::Buffered)
}

/// Appends events in batches, and tells the number so far after each until `go_on` says no.
fn append(store: &Store, events: u64, shape: Shape, mut go_on: impl FnMut(u64) -> bool) {
    let mut generator = Generator::new(sample::Options { events, shape, ..sample::Options::default() });
    let mut line = String::new();
    let mut batch = store.batch();
    let mut appended = 0;
    while generator.next_line(&mut line) {
        batch.push_json(line.as_bytes()).unwrap();
        line.clear();
        appended += 1;
        if batch.len() == 1_000 {
            batch.commit_and_clear().unwrap();
            if !go_on(appended) {
                return;
            }
        }
    }
    batch.commit().unwrap();
}

/// Appends to the store until nearly all of 64 MiB is in the active segment, and dies without closing it.
fn fill_and_die(path: &Path, shape: Shape) -> ! {
    let store = options().open(path).unwrap();
    let (mut segments, mut begin) = (store.stats().unwrap().segments, None);
    append(&store, u64::MAX, shape, |_| {
        let stats = store.stats().unwrap();
        if stats.segments != segments {
            (segments, begin) = (stats.segments, Some(stats.log_bytes));
        }
        begin.is_none_or(|begin| stats.log_bytes - begin < 60 << 20)
    });
    store.wait_sealed().unwrap();
    std::process::abort();
}

fn open(path: &Path, what: &str) -> Store {
    let begin = Instant::now();
    let store = options().open(path).unwrap();
    println!("open {what}: {:.1} ms", begin.elapsed().as_secs_f64() * 1e3);
    store
}

fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let events = arguments.first().and_then(|text| text.parse().ok()).unwrap_or(400_000);
    let shape = if arguments.iter().any(|text| text == "sparse") { Shape::Sparse } else { Shape::Full };
    if let Some(path) = std::env::var_os(KILLED) {
        fill_and_die(Path::new(&path), shape);
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = options().open(&path).unwrap();
    let begin = Instant::now();
    let quarter = events / 4_000 * 1_000;
    let mut greatest = 0;
    append(&store, events, shape, |appended| {
        if appended % SAMPLED == 0 {
            greatest = rss_anon_kib().max(greatest);
        }
        if quarter > 0 && appended % quarter == 0 {
            println!("{appended} events: RssAnon at most {greatest} KiB");
            greatest = 0;
        }
        true
    });
    let seconds = begin.elapsed().as_secs_f64();
    println!("{events} lines in {seconds:.1} s, generating them included: RssAnon {} KiB", rss_anon_kib());
    store.wait_sealed().unwrap();
    println!("{:?}", store.stats().unwrap());
    store.close().unwrap();
    drop(store);
    drop(open(&path, "after a clean close"));
    let child = std::env::current_exe().unwrap();
    let shape = if shape == Shape::Sparse { "sparse" } else { "full" };
    let status = Command::new(child).args(["0", shape]).env(KILLED, &path).status().unwrap();
    assert!(!status.success(), "the child ends itself");
    let store = open(&path, "after a kill");
    println!("{:?}", store.recovery());
}
