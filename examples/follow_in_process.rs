//! A consumer that follows the log inside the process: every event since the beginning, then the live ones, each exactly
//! once, across restarts.
//!
//! What the consumer does for an event and how far it has come are stored in one batch, so that both are there after a
//! crash or neither is. Run it with `cargo run --example follow_in_process`.

#![expect(clippy::print_stdout, reason = "an example shows what it finds")]

use std::path::Path;
use std::time::Duration;

use envelog::{CursorKey, Envelope, Error, Query, Seq, Store, Uuid};

const ORG: Uuid = Uuid::from_u128(1);
const PROJECT: Uuid = Uuid::from_u128(2);
/// The name under which the consumer keeps how far it has come.
const CONSUMER: CursorKey<'static> = CursorKey::Project(PROJECT, "receipts");
/// Events that are handled in one batch.
const BATCH_MAX: usize = 500;

/// Queues a receipt for every order, until the store is closed. Returns how many this call queued.
fn follow(store: &Store) -> envelog::Result<usize> {
    // The cursor stands behind what it speaks of in the same log, so that no crash can leave it ahead.
    let state = store.cursor(CONSUMER)?;
    let mut seen = state.and_then(|state| state.try_into().ok()).map_or(Seq::ZERO, seq_of);
    let orders = Query::new().of_type("order.placed").limit(BATCH_MAX);
    let mut queued = 0;
    loop {
        // At once while there is history, then when something new comes.
        let visible = match store.wait_visible(seen, Duration::from_mins(1)) {
            Ok(visible) => visible,
            Err(Error::Closed) => return Ok(queued),
            Err(error) => return Err(error),
        };
        let view = store.project(PROJECT).view()?;
        let mut batch = store.batch();
        for order in view.query(&orders).seq_range(seen.next()..visible.next()) {
            let order = order?;
            seen = order.seq();
            let receipt = Envelope::new(ORG, PROJECT, "receipts", "receipt.queued");
            batch.push(&receipt.property("order", order.seq().get()))?;
        }
        let count = batch.len();
        if count > 0 {
            batch.set_cursor(CONSUMER, &seen.get().to_le_bytes())?;
            match batch.commit() {
                Ok(_) => queued += count,
                // Closed in between: neither the receipts nor the cursor are stored, and the next run goes on here.
                Err(Error::Closed) => return Ok(queued),
                Err(error) => return Err(error),
            }
        }
        if count < BATCH_MAX {
            seen = visible;
        }
    }
}

fn seq_of(state: [u8; 8]) -> Seq {
    Seq::new(u64::from_le_bytes(state))
}

/// Opens the store, follows it in a thread, places orders meanwhile, and closes it.
fn run_once(path: &Path, orders: u64) -> Result<usize, Box<dyn std::error::Error>> {
    let store = Store::open(path)?;
    let consumer = std::thread::spawn({
        let store = store.clone();
        move || follow(&store)
    });
    let shop = store.scope(ORG, PROJECT, "shop");
    for order in 0..orders {
        shop.track("order.placed").user("u_1").property("number", order).append()?;
    }
    store.close()?;
    Ok(consumer.join().map_err(|_| "the consumer panicked")??)
}

/// Orders and receipts in the store.
fn count(path: &Path) -> envelog::Result<(u64, u64)> {
    let store = Store::open_read_only(path)?;
    let view = store.project(PROJECT).view()?;
    let count = |event_type| view.events().of_type(event_type).count();
    Ok((count("order.placed")?, count("receipt.queued")?))
}

/// What was placed in all runs, and what was queued for it.
pub(crate) fn run(path: &Path) -> Result<(u64, u64), Box<dyn std::error::Error>> {
    for orders in [40, 25, 0, 30, 0] {
        let queued = run_once(path, orders)?;
        println!("{orders} orders placed, {queued} receipts queued");
    }
    // The last run placed nothing and was closed at once; a consumer alone catches up with what is left.
    let store = Store::open(path)?;
    let consumer = std::thread::spawn({
        let store = store.clone();
        move || follow(&store)
    });
    let mut seen = Seq::ZERO;
    loop {
        let view = store.project(PROJECT).view()?;
        if view.events().of_type("order.placed").count()?
            == view.events().of_type("receipt.queued").count()?
        {
            break;
        }
        seen = store.wait_visible(seen.max(view.visible()), Duration::from_mins(1))?;
    }
    store.close()?;
    consumer.join().map_err(|_| "the consumer panicked")??;
    drop(store);
    Ok(count(path)?)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let (orders, receipts) = run(&directory.path().join("data"))?;
    println!("{orders} orders, {receipts} receipts");
    Ok(())
}
