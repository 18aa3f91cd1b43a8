//! Three people and their devices: a visitor who signs up, a second device, and a tablet that two people share.
//!
//! Run it with `cargo run --example people`.

#![expect(clippy::print_stdout, reason = "an example shows what it finds")]

use std::error::Error;

use envelog::{PersonRef, Project, Scope, Store, Uuid};

fn main() -> Result<(), Box<dyn Error>> {
    let store = Store::in_memory()?;
    let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let (shop, people) = (store.scope(org, project, "shop"), store.project(project));

    println!("A visitor on a phone signs up and keeps the history:");
    let anna = sign_up_on_the_phone(&shop)?;
    show(&people, PersonRef::User(&anna))?;

    println!("\nThe same person signs in on a laptop:");
    sign_in_on_the_laptop(&shop, &anna)?;
    show(&people, PersonRef::User(&anna))?;

    println!("\nA tablet in the living room does not mix two people:");
    share_a_tablet(&shop)?;
    for person in [PersonRef::User("ben"), PersonRef::User("cleo"), PersonRef::Anonymous("tablet")] {
        show(&people, person)?;
    }
    for conflict in people.identity_conflicts()? {
        println!(
            "  told by identity_conflicts: {} of {}: {}",
            conflict.event_type, conflict.user, conflict.rule
        );
    }
    Ok(())
}

/// The main path: the user has an id before the sign-up, and the sign-up changes the state of the same row.
///
/// Returns the user's id.
pub(crate) fn sign_up_on_the_phone(shop: &Scope) -> Result<String, Box<dyn Error>> {
    let visitor = shop.sign_in_anonymously().append()?.user_id;
    shop.track("product.viewed").user(&visitor).property("product", "teapot").append()?;
    shop.track("cart.filled").user(&visitor).property("product", "teapot").append()?;
    shop.sign_up(&visitor).set("email", "anna@example.com").append()?;
    shop.track("order.placed").user(&visitor).property("amount", 4200).append()?;
    Ok(visitor)
}

/// On another device there is a new visitor first, who turns out to be the user: the two are one from then on.
pub(crate) fn sign_in_on_the_laptop(shop: &Scope, user: &str) -> Result<(), Box<dyn Error>> {
    let visitor = shop.sign_in_anonymously().append()?.user_id;
    shop.track("article.read").user(&visitor).append()?;
    shop.alias(PersonRef::User(&visitor), user).append()?;
    shop.track("ticket.opened").user(user).append()?;
    Ok(())
}

/// What a device does before anybody signs in belongs to the first one who does. From the moment when another person
/// signs in there, it belongs to neither.
pub(crate) fn share_a_tablet(shop: &Scope) -> Result<(), Box<dyn Error>> {
    shop.track("page.viewed").anonymous("tablet").property("page", "/spring").append()?;
    shop.identify("ben").anonymous("tablet").set("name", "Ben").append()?;
    shop.identify("cleo").anonymous("tablet").set("name", "Cleo").append()?;
    shop.track("page.viewed").anonymous("tablet").property("page", "/presents").append()?;
    Ok(())
}

/// Prints a person's state, traits and events.
fn show(people: &Project, person: PersonRef<'_>) -> Result<(), Box<dyn Error>> {
    match people.profile(person)? {
        Some(profile) => {
            println!(
                "  {} with {} ids, {}",
                profile.state().as_str(),
                profile.members().count(),
                profile.traits_json()
            );
        }
        None => println!("  nobody known, a device of its own"),
    }
    let view = people.view()?;
    for event in &view.timeline(person) {
        println!("    {}", event?.event_type());
    }
    Ok(())
}
