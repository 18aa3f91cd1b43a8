//! A support desk: what did this customer do before the ticket came in, page by page?
//!
//! Run it with `cargo run --example support_timeline`.

#![expect(clippy::print_stdout, reason = "an example shows what it finds")]

use std::error::Error;

use envelog::sample::{Generator, Options, project_id};
use envelog::{Durability, PageToken, Store, View};

const PAGE_EVENTS: usize = 8;

fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let store = fill(directory.path())?;
    let view = store.project(project_id(0)).view()?;
    // The last payment that failed: who is it, and what happened before?
    let failed = view.events().of_type("payment.failed").newest_first().limit(1).iter().next().transpose()?;
    let Some(customer) = failed.and_then(|event| event.user_id()) else {
        return Err("no payment has failed".into());
    };
    let Some(activity) = view.activity(customer)? else {
        return Err("the customer has done nothing".into());
    };
    println!("customer since {}, {} events", activity.first.format("%Y-%m-%d"), activity.events);
    if let Some(profile) = view.profile(customer)? {
        println!("known as {}", profile.traits_json());
    }

    // A web page keeps the token as text and sends it back for the next page.
    let mut token = None;
    for page in 1..=2 {
        println!("\npage {page}, newest first:");
        token = show_page(&view, customer, token)?;
    }

    println!("\nonly what went wrong:");
    let trouble = view
        .timeline(customer)
        .of_types(["payment.failed", "ticket.opened", "chat.started"])
        .newest_first()
        .limit(5);
    for event in &trouble {
        let event = event?;
        println!("  {}  {}", event.timestamp().format("%Y-%m-%d %H:%M"), event.event_type());
    }
    store.close()?;
    Ok(())
}

/// Prints one page, and returns where it ended.
fn show_page(view: &View, customer: &str, after: Option<String>) -> Result<Option<String>, Box<dyn Error>> {
    let mut timeline = view.timeline(customer).newest_first().limit(PAGE_EVENTS);
    if let Some(token) = after {
        timeline = timeline.after(token.parse::<PageToken>()?);
    }
    let mut events = timeline.iter();
    for event in events.by_ref() {
        let event = event?;
        let page = event.context().and_then(|context| context.get_path("page.url"));
        println!(
            "  {}  {:<20} {}",
            event.timestamp().format("%Y-%m-%d %H:%M"),
            event.event_type(),
            page.and_then(|url| url.as_str()).unwrap_or("")
        );
    }
    Ok(events.page_token().map(|token| token.to_string()))
}

/// A small shop's half year.
fn fill(directory: &std::path::Path) -> Result<Store, Box<dyn Error>> {
    let options = envelog::Options::new().durability(Durability::Buffered);
    let store = options.open(directory.join("data"))?;
    let mut batch = store.batch();
    for line in Generator::new(Options { events: 5_000, users: 50, ..Options::shop() }) {
        batch.push_json(line.as_bytes())?;
        if batch.len() == 1_000 {
            batch.commit_and_clear()?;
        }
    }
    batch.commit()?;
    Ok(store)
}
