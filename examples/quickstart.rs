//! The first five minutes: a store, three events of two modules, a count, a timeline and a profile.
//!
//! Run it with `cargo run --example quickstart`.

#![expect(clippy::print_stdout, reason = "an example shows what it finds")]

use envelog::{Store, Uuid};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let store = Store::open(directory.path().join("data"))?;

    // The writing side: organisation, project and module are said once.
    let (org_id, project_id) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let analytics = store.scope(org_id, project_id, "analytics");
    let billing = store.scope(org_id, project_id, "billing");

    analytics.identify("u_1").set("name", "Ada").set("plan", "free").append()?;
    analytics.track("product.viewed").user("u_1").property("sku", "TEA-1").append()?;
    billing
        .track("order.placed")
        .user("u_1")
        .property("amount", 4200)
        .property("currency", "EUR")
        .append()?;
    analytics.identify("u_1").set("plan", "pro").append()?;
    billing
        .track("order.placed")
        .user("u_2")
        .property("amount", 1900)
        .property("currency", "EUR")
        .append()?;

    // The reading side: a view is one moment of one project, and all its answers agree.
    let view = store.project(project_id).view()?;
    let orders = view.events().of_type("order.placed");
    println!(
        "{} orders of {} users, {} cents",
        orders.count()?,
        orders.users()?,
        orders.sum("amount")?.integers
    );

    println!("what u_1 did, newest first:");
    for event in view.timeline("u_1").newest_first().limit(50) {
        let event = event?;
        println!(
            "  {} {} ({})",
            event.timestamp().format("%H:%M:%S%.6f"),
            event.event_type(),
            event.module()
        );
    }

    if let Some(profile) = view.profile("u_1")? {
        println!("u_1 is {}", profile.traits_json());
    }
    store.close()?;
    Ok(())
}
