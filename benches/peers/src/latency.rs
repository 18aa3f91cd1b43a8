//! What only envelog is asked: tickets, message ids, and how long single appends take under a steady load.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use envelog::sample::{self, Generator};
use envelog::{Accepted, Durability, Envelope, Options, Store};
use hdrhistogram::Histogram;

use crate::measure::spent;
use crate::peer::{Level, Peer as _};
use crate::result::Measured;
use crate::task::{Order, on, ours};
use crate::workload;

const OFFERED_PER_SECOND: u64 = 200_000;

/// Does one of these tasks.
pub fn run(order: &Order) -> Result<Measured> {
    match order.task.as_str() {
        "tickets" => tickets(order),
        "latency" => latency(order),
        "ids_buffered_1" => message_ids(order, Durability::Buffered, 1),
        "ids_buffered_100" => message_ids(order, Durability::Buffered, 100),
        "ids_synced_1" => message_ids(order, Durability::Synced, 1),
        "ids_synced_100" => message_ids(order, Durability::Synced, 100),
        task => bail!("no task is called {task}"),
    }
}

fn accepted(store: &Store, options: sample::Options) -> Result<Vec<Accepted>> {
    Generator::new(options).map(|line| Ok(store.accept(&Envelope::from_json(line.as_bytes())?)?)).collect()
}

/// Durable events of one thread, which waits for 10,000 at a time.
fn tickets(order: &Order) -> Result<Measured> {
    let peer = ours(&order.directory, Level::Durable)?;
    let events = accepted(&peer.store, workload::options(order.events))?;
    let (spent, ()) = spent(|| {
        for events in events.chunks(10_000) {
            let tickets = events.iter().map(|event| peer.store.submit_accepted(event));
            for ticket in tickets.collect::<envelog::Result<Vec<_>>>()? {
                ticket.wait()?;
            }
        }
        Ok(())
    })?;
    peer.close()?;
    Ok(on(spent, order.events))
}

/// A store with so many sealed segments, in which every event has a message id.
fn filled_with_ids(path: &Path, segments: u64) -> Result<()> {
    let store = Options::new().segment_bytes_max(4 << 20).durability(Durability::Buffered).open(path)?;
    let options = sample::Options { message_ids: true, ..workload::options(u64::MAX) };
    let mut lines = Generator::new(options);
    while store.stats()?.sealed_segments < segments {
        let mut batch = store.batch();
        for line in lines.by_ref().take(1_000) {
            batch.push_json(line.as_bytes())?;
        }
        batch.commit()?;
    }
    store.wait_sealed()?;
    Ok(store.close()?)
}

/// Events with an id of their own against events without: the figure is the rate with, divided by the rate without.
fn message_ids(order: &Order, level: Durability, segments: u64) -> Result<Measured> {
    let commit = if level == Durability::Synced { 100 } else { 1 };
    let path = order.directory.join("store");
    filled_with_ids(&path, segments)?;
    // From here on segments are as long as they are by default, so that it is not sealing that is measured.
    let store = Options::new().durability(level).open(&path)?;
    let events = (order.events / 10).clamp(1_000, 100_000);
    let mut rates = BTreeMap::new();
    let mut measured = Measured::default();
    for message_ids in [false, true] {
        let options = sample::Options { seed: 2, message_ids, ..workload::options(events) };
        let events = accepted(&store, options)?;
        let (spent, ()) = spent(|| {
            for events in events.chunks(commit) {
                if let [event] = events {
                    store.append_accepted(event)?;
                    continue;
                }
                let mut batch = store.batch();
                for event in events {
                    batch.push_accepted(event)?;
                }
                batch.commit()?;
            }
            Ok(())
        })?;
        rates.insert(message_ids, events.len() as f64 / spent.wall_ns.max(1) as f64);
        measured = on(spent, events.len() as u64);
    }
    measured.figures.insert("with_over_without".to_owned(), rates[&true] / rates[&false]);
    store.close()?;
    Ok(measured)
}

/// Appends at a steady rate. Every append is timed from when it was due, not from when it began, so that one that is
/// late because of another counts as slow too.
fn latency(order: &Order) -> Result<Measured> {
    let peer = ours(&order.directory, Level::Buffered)?;
    let events = accepted(&peer.store, workload::options(order.events))?;
    let mut histogram = Histogram::<u64>::new_with_bounds(1, 60_000_000_000, 3)?;
    let gap = Duration::from_nanos(1_000_000_000 / OFFERED_PER_SECOND);
    let (spent, ()) = spent(|| {
        let mut due = Instant::now();
        for event in &events {
            while Instant::now() < due {
                std::hint::spin_loop();
            }
            peer.store.append_accepted(event)?;
            histogram.record(u64::try_from(due.elapsed().as_nanos())?.max(1))?;
            due += gap;
        }
        Ok(())
    })?;
    peer.close()?;
    let mut measured = on(spent, order.events);
    for (name, part) in [("p50_ns", 0.5), ("p99_ns", 0.99), ("p999_ns", 0.999), ("max_ns", 1.0)] {
        measured.figures.insert(name.to_owned(), histogram.value_at_quantile(part) as f64);
    }
    Ok(measured)
}
