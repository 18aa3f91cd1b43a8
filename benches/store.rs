//! What the store costs, on a store of its own in the system's temporary directory (`TMPDIR` chooses the disk).
//!
//! | name | what one iteration does |
//! |---|---|
//! | `append/{level}/1` | appends one ready (accepted) full event of about 600 bytes of JSON |
//! | `append/{level}/{n}` | appends a batch of n ready events; the rate is of events |
//! | `append/synced/tickets` | submits 10,000 ready events from one thread, then waits for all |
//! | `append_ids/{level}/{n}/{segments}_{ids}` | appends batches of n ready events, each with a new `messageId` or none, to a store of 1 or 100 sealed segments of 4 MiB whose events all have one |
//! | `import/{level}` | takes 1,000 lines of NDJSON as one batch: parse, validate, hash, index |
//! | `read/by_type_8_percent` | visits every event of a frequent type, borrowed; the rate is of events |
//! | `read/count_of_type` | counts a type of one project |
//! | `read/count_of_type_in_month` | the same inside 30 days |
//! | `read/sum_of_property` | sums a numeric property of one type |
//! | `read/timeline_newest_50` | the newest 50 events of a user, another user each time |
//! | `read/profile` | one profile, another user each time |
//! | `open/after_close`, `open/after_kill` | opens the store; after a kill the active segment is read and copied |
//!
//! Reading goes over a store of a million full events (`ENVELOG_BENCH_EVENTS` changes that), hot in the page cache.
//! The bytes an event takes on the disk are printed once.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on stops")]
#![expect(clippy::print_stderr, reason = "a benchmark says what it measured")]

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use envelog::sample::{self, Generator};
use envelog::{Accepted, DateTime, Durability, Envelope, Options, Store, Uuid};

const POOL: u64 = 100_000;

fn events() -> u64 {
    std::env::var("ENVELOG_BENCH_EVENTS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000)
}

fn lines(events: u64) -> Vec<String> {
    Generator::new(sample::Options { events, ..sample::Options::default() }).collect()
}

fn accepted(store: &Store, lines: &[String]) -> Vec<Accepted> {
    let accept = |line: &String| store.accept(&Envelope::from_json(line.as_bytes()).unwrap()).unwrap();
    lines.iter().map(accept).collect()
}

const LEVELS: [(&str, Durability); 3] = [
    ("buffered", Durability::Buffered),
    ("interval", Durability::Interval { ms: 50, bytes: 8 << 20 }),
    ("synced", Durability::Synced),
];

fn append(criterion: &mut Criterion) {
    let lines = lines(POOL);
    for (name, level) in LEVELS {
        let mut group = criterion.benchmark_group(format!("append/{name}"));
        group.sample_size(10).measurement_time(Duration::from_secs(3));
        for size in [1, 100, 1_000] {
            let directory = tempfile::tempdir().unwrap();
            let store = Options::new().durability(level).open(directory.path().join("store")).unwrap();
            let pool = accepted(&store, &lines);
            let mut next = pool.iter().cycle();
            group.throughput(Throughput::Elements(size));
            group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
                bencher.iter(|| {
                    if size == 1 {
                        store.append_accepted(next.next().unwrap()).unwrap();
                    } else {
                        let mut batch = store.batch();
                        for _ in 0..size {
                            batch.push_accepted(next.next().unwrap()).unwrap();
                        }
                        black_box(batch.commit().unwrap());
                    }
                });
            });
            store.close().unwrap();
        }
        if level == Durability::Synced {
            let directory = tempfile::tempdir().unwrap();
            let store = Options::new().durability(level).open(directory.path().join("store")).unwrap();
            let pool = accepted(&store, &lines);
            group.throughput(Throughput::Elements(10_000));
            group.bench_function("tickets", |bencher| {
                bencher.iter(|| {
                    let tickets: Vec<_> =
                        pool[..10_000].iter().map(|event| store.submit_accepted(event).unwrap()).collect();
                    for ticket in tickets {
                        ticket.wait().unwrap();
                    }
                });
            });
            store.close().unwrap();
        }
        group.finish();
    }
}

/// A store with so many sealed segments, in which every event has a message id.
fn filled_with_ids(path: &Path, level: Durability, segments: u64) -> Store {
    let options = || Options::new().segment_bytes_max(4 << 20);
    let store = options().durability(Durability::Buffered).open(path).unwrap();
    let sample = sample::Options { events: u64::MAX, message_ids: true, ..sample::Options::default() };
    let mut generator = Generator::new(sample);
    let mut line = String::new();
    while store.stats().unwrap().sealed_segments < segments {
        let mut batch = store.batch();
        for _ in 0..1_000 {
            line.clear();
            generator.next_line(&mut line);
            batch.push_json(line.as_bytes()).unwrap();
        }
        batch.commit().unwrap();
    }
    store.wait_sealed().unwrap();
    store.close().unwrap();
    drop(store);
    // From here on segments are as long as they are by default, so that it is not sealing that is measured.
    Options::new().durability(level).open(path).unwrap()
}

fn append_ids(criterion: &mut Criterion) {
    for (name, level, size) in [("buffered", Durability::Buffered, 1), ("synced", Durability::Synced, 100)] {
        let mut group = criterion.benchmark_group(format!("append_ids/{name}/{size}"));
        group.sample_size(10).measurement_time(Duration::from_secs(3));
        group.throughput(Throughput::Elements(size));
        for segments in [1, 100] {
            for (ids, message_ids) in [("without", false), ("with", true)] {
                let directory = tempfile::tempdir().unwrap();
                let store = filled_with_ids(&directory.path().join("store"), level, segments);
                let sample =
                    sample::Options { events: u64::MAX, seed: 2, message_ids, ..sample::Options::default() };
                let mut generator = Generator::new(sample);
                let mut line = String::new();
                let mut next = || {
                    line.clear();
                    generator.next_line(&mut line);
                    store.accept(&Envelope::from_json(line.as_bytes()).unwrap()).unwrap()
                };
                group.bench_function(format!("{segments}_{ids}"), |bencher| {
                    let events = || (0..size).map(|_| next()).collect::<Vec<_>>();
                    let store_all = |events: Vec<Accepted>| {
                        if let [event] = &events[..] {
                            store.append_accepted(event).unwrap();
                        } else {
                            let mut batch = store.batch();
                            for event in &events {
                                batch.push_accepted(event).unwrap();
                            }
                            black_box(batch.commit().unwrap());
                        }
                        events
                    };
                    // So few at a time that they are near the processor still, as a host's events are.
                    bencher.iter_batched(events, store_all, BatchSize::NumIterations(1_000 / size));
                });
                store.close().unwrap();
            }
        }
        group.finish();
    }
}

fn import(criterion: &mut Criterion) {
    let lines = lines(POOL);
    let mut group = criterion.benchmark_group("import");
    group.sample_size(10).measurement_time(Duration::from_secs(3)).throughput(Throughput::Elements(1_000));
    for (name, level) in LEVELS {
        let directory = tempfile::tempdir().unwrap();
        let store = Options::new().durability(level).open(directory.path().join("store")).unwrap();
        let mut next = lines.iter().cycle();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut batch = store.batch();
                for _ in 0..1_000 {
                    batch.push_json(next.next().unwrap().as_bytes()).unwrap();
                }
                black_box(batch.commit().unwrap());
            });
        });
        store.close().unwrap();
    }
    group.finish();
}

fn fill(path: &Path, events: u64) -> Store {
    let store = Options::new().durability(Durability::Buffered).open(path).unwrap();
    let mut generator = Generator::new(sample::Options { events, ..sample::Options::default() });
    let mut line = String::new();
    let mut batch = store.batch();
    while generator.next_line(&mut line) {
        batch.push_json(line.as_bytes()).unwrap();
        line.clear();
        if batch.len() == 1_000 {
            batch.commit_and_clear().unwrap();
        }
    }
    batch.commit().unwrap();
    store.wait_sealed().unwrap();
    store
}

fn read(criterion: &mut Criterion) {
    let events = events();
    let directory = tempfile::tempdir().unwrap();
    let store = fill(&directory.path().join("store"), events);
    let stats = store.stats().unwrap();
    let bytes = stats.log_bytes + stats.index_bytes + stats.profile_bytes;
    eprintln!(
        "{} events, {} segments: {} bytes an event (log {}, index {}, profiles {})",
        stats.events,
        stats.segments,
        bytes / stats.events,
        stats.log_bytes / stats.events,
        stats.index_bytes / stats.events,
        stats.profile_bytes / stats.events,
    );
    let project: Uuid = sample::project_id(0);
    let view = store.project(project).view().unwrap();
    let total = view.events().count().unwrap();
    let mut types = view.event_types().unwrap();
    types.sort_by_key(|event_type| event_type.events.abs_diff(total * 8 / 100));
    let frequent = types[0].name.clone();
    let priced = "order.placed";
    let month = DateTime::from_timestamp(1_709_251_200, 0).unwrap()
        ..DateTime::from_timestamp(1_711_843_200, 0).unwrap();

    let mut group = criterion.benchmark_group("read");
    group.sample_size(20);
    group.throughput(Throughput::Elements(view.events().of_type(&frequent).count().unwrap()));
    group.bench_function("by_type_8_percent", |bencher| {
        bencher.iter(|| {
            let visit =
                |sum: u64, event: envelog::Result<envelog::EventRef<'_>>| sum ^ event.unwrap().seq().get();
            view.events().of_type(&frequent).iter().fold(0, visit)
        });
    });
    group.throughput(Throughput::Elements(1));
    group.bench_function("count_of_type", |bencher| {
        bencher.iter(|| view.events().of_type(&frequent).count().unwrap());
    });
    group.bench_function("count_of_type_in_month", |bencher| {
        bencher.iter(|| view.events().of_type(&frequent).between(month.clone()).count().unwrap());
    });
    group.throughput(Throughput::Elements(view.events().of_type(priced).count().unwrap().max(1)));
    group.bench_function("sum_of_property", |bencher| {
        bencher.iter(|| view.events().of_type(priced).sum("amount").unwrap());
    });
    group.throughput(Throughput::Elements(1));
    let users: Vec<String> = (0..10_000).map(sample::user_id).collect();
    let mut next = users.iter().cycle();
    group.bench_function("timeline_newest_50", |bencher| {
        bencher.iter(|| {
            let user = next.next().unwrap().as_str();
            view.timeline(user).newest_first().limit(50).iter().filter(|event| event.as_ref().is_ok()).count()
        });
    });
    group.bench_function("profile", |bencher| {
        bencher.iter(|| black_box(view.profile(next.next().unwrap().as_str()).unwrap()));
    });
    group.finish();
    store.close().unwrap();
}

fn open(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    // A little less than a full segment, so that nearly all of 64 MiB is tail.
    let store = fill(&path, 100_000);
    store.sync().unwrap();
    let killed = directory.path().join("killed");
    copy(&path, &killed);
    store.close().unwrap();
    drop(store);
    let mut group = criterion.benchmark_group("open");
    group.sample_size(10);
    group.bench_function("after_close", |bencher| {
        bencher.iter_custom(|count| {
            let mut spent = Duration::ZERO;
            for _ in 0..count {
                let begin = Instant::now();
                let store = Options::new().open(&path).unwrap();
                spent += begin.elapsed();
                drop(store);
            }
            spent
        });
    });
    group.bench_function("after_kill", |bencher| {
        bencher.iter_custom(|count| {
            let mut spent = Duration::ZERO;
            for round in 0..count {
                let again = directory.path().join(format!("again-{round}"));
                copy(&killed, &again);
                let begin = Instant::now();
                let store = Options::new().open(&again).unwrap();
                spent += begin.elapsed();
                drop(store);
                std::fs::remove_dir_all(&again).unwrap();
            }
            spent
        });
    });
    group.finish();
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

criterion_group!(benches, append, append_ids, import, read, open);
criterion_main!(benches);
