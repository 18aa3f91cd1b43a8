//! The figures of a store as Prometheus reads them, made without a dependency. A host that uses a metrics crate sets its
//! gauges from the same [`Stats`].
//!
//! Run it with `cargo run --example metrics`.

#![expect(clippy::print_stdout, reason = "an example shows what it finds")]

use std::fmt::{self, Write};

use envelog::{Stats, Store, StoreState, Uuid};

/// The text that an endpoint `/metrics` answers with.
pub(crate) fn prometheus(stats: &Stats) -> Result<String, fmt::Error> {
    let mut text = String::new();
    let mut gauge = |name: &str, help: &str, value: f64| {
        write!(text, "# HELP envelog_{name} {help}\n# TYPE envelog_{name} gauge\nenvelog_{name} {value}\n")
    };
    gauge("open", "1 while appends are taken.", f64::from(u8::from(stats.state == StoreState::Open)))?;
    gauge("poisoned", "1 after a failed sync.", f64::from(u8::from(stats.state == StoreState::Poisoned)))?;
    if let Some(since) = stats.since_last_sync {
        gauge("since_last_sync_seconds", "Time since the last sync ended.", since.as_secs_f64())?;
    }
    let mut numbers = |kind: &str, name: &str, help: &str, value: u64| {
        write!(text, "# HELP envelog_{name} {help}\n# TYPE envelog_{name} {kind}\nenvelog_{name} {value}\n")
    };
    numbers("gauge", "events", "Visible events.", stats.events)?;
    numbers("gauge", "projects", "Projects with events.", stats.projects)?;
    numbers("gauge", "segments", "Segments, the active one included.", stats.segments)?;
    numbers("gauge", "unsealed_segments", "Full segments without an index.", stats.unsealed_segments)?;
    numbers("gauge", "log_bytes", "Bytes of the log.", stats.log_bytes)?;
    numbers("gauge", "index_bytes", "Bytes of index files.", stats.index_bytes)?;
    numbers("gauge", "profile_bytes", "Bytes of profile runs.", stats.profile_bytes)?;
    numbers("gauge", "visible_seq", "The last visible seq.", stats.visible.get())?;
    numbers("gauge", "durable_seq", "The last durable seq.", stats.durable.get())?;
    numbers("counter", "fill_waits_total", "Appends that waited for room in the log.", stats.fill_waits)?;
    numbers("counter", "seal_waits_total", "Appends that waited for a seal.", stats.seal_waits)?;
    numbers("counter", "rebuilt_total", "Derived files that reads made anew.", stats.rebuilt)?;
    Ok(text)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let store = Store::in_memory()?;
    let scope = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing");
    for _ in 0..3 {
        scope.track("order.placed").user("u_1").append()?;
    }
    print!("{}", prometheus(&store.stats()?)?);
    Ok(())
}
