//! A messaging module: a text for each customer, filled in from the profile, and sent at least once.
//!
//! The mark of how far the module is stands in the store, in one batch with the events that say what was sent. After
//! a crash there are both or neither, and while both are there no later run sends anything.
//!
//! The texts go out before that batch is committed, because no commit can take back what was sent, or send what was
//! not. A crash between the two leaves neither mark nor events, and the next run sends all texts again. The other order
//! would lose them instead. Who must not send twice gives the service that delivers a key with each text, such as the
//! name of the campaign with the user's id, by which it knows what it has delivered.
//!
//! Run it with `cargo run --example messaging_template`.

#![expect(clippy::print_stdout, reason = "an example shows what it finds")]

use std::error::Error;

use envelog::{CursorKey, Envelope, Profile, Store, Uuid};

const TEMPLATE: &str = "Hello {firstName}, your {plan} plan renews soon. {pet} says hi.";
const ORG: Uuid = Uuid::from_u128(1);
const PROJECT: Uuid = Uuid::from_u128(2);

fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let store = Store::open(directory.path().join("data"))?;

    // Other modules have told what they know. The last writer by event time wins, trait by trait.
    let profiles = store.scope(ORG, PROJECT, "profiles");
    profiles.identify("u_1").set("firstName", "Ada").set("plan", "free").append()?;
    profiles.identify("u_2").set("firstName", "Grace").set("plan", "pro").set("pet", "the cat").append()?;
    profiles.identify("u_1").set("plan", "team").append()?;
    profiles.identify("u_3").set("firstName", "Edsger").set("unsubscribed", true).append()?;

    for run in 1..=2 {
        println!("run {run}: {} messages", send_all(&store)?);
    }
    store.close()?;
    Ok(())
}

/// Sends a message to everybody, unless an earlier run has recorded that it did, and returns how many it sent.
fn send_all(store: &Store) -> Result<usize, Box<dyn Error>> {
    let campaign = CursorKey::Project(PROJECT, "messaging/renewal");
    if store.cursor(campaign)?.as_deref() == Some(b"sent") {
        return Ok(0);
    }
    let view = store.project(PROJECT).view()?;
    let mut batch = store.batch();
    for profile in view.profiles()? {
        let profile = profile?;
        let has_left = profile.trait_value("unsubscribed").and_then(|value| value.as_bool());
        if has_left == Some(true) {
            continue;
        }
        println!("  to {}: {}", profile.id(), render(TEMPLATE, &profile));
        batch.push(
            &Envelope::new(ORG, PROJECT, "messaging", "message.sent")
                .user(profile.id())
                .property("template", "renewal"),
        )?;
    }
    let sent = batch.len();
    batch.set_cursor(campaign, b"sent")?;
    batch.commit()?;
    Ok(sent)
}

/// Fills in the names in braces from the traits; what is not known becomes a word that always fits.
fn render(template: &str, profile: &Profile) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let Some((name, after)) = after.split_once('}') else { break };
        match profile.trait_value(name).and_then(|value| value.as_str()) {
            Some(value) => text.push_str(value),
            None => text.push_str("somebody"),
        }
        rest = after;
    }
    text.push_str(rest);
    text
}
