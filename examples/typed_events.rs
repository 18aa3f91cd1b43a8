//! A host's own types as events: an enum that goes in and comes out, and a struct that reads two fields in place.
//!
//! Run it with `cargo run --example typed_events`.

#![expect(clippy::print_stdout, reason = "an example shows what it finds")]

use std::error::Error;

use envelog::{Ack, EventRef, Object, Scope, Store, Uuid, Value, View};
use serde::{Deserialize, Serialize};

const ORG: Uuid = Uuid::from_u128(1);
const PROJECT: Uuid = Uuid::from_u128(2);

/// Everything that the module `orders` says. serde's tag is the event's type and its content the properties, so that
/// each name stands in one place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "eventType", content = "properties")]
pub(crate) enum OrderEvent {
    #[serde(rename = "order.placed", rename_all = "camelCase")]
    Placed {
        order_id: u64,
        amount_cents: i64,
        currency: Currency,
        lines: Vec<Line>,
        /// Later than the first events: what they lack gets a default.
        #[serde(default)]
        gift: bool,
    },
    #[serde(rename = "order.refunded", rename_all = "camelCase")]
    Refunded { order_id: u64, amount_cents: i64, reason: Option<String> },
    #[serde(rename = "order.catalogue_opened")]
    CatalogueOpened,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Currency {
    Eur,
    Usd,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) sku: String,
    pub(crate) quantity: u32,
}

/// Two fields of `order.placed`, for who needs no more of them: the text stays where it lies in the log.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Price<'a> {
    amount_cents: i64,
    currency: &'a str,
}

fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let store = Store::open(directory.path().join("data"))?;
    let orders = store.scope(ORG, PROJECT, "orders");

    let line = Line { sku: "TEA-1".to_owned(), quantity: 2 };
    let placed = OrderEvent::Placed {
        order_id: 7,
        amount_cents: 4200,
        currency: Currency::Eur,
        lines: vec![line],
        gift: true,
    };
    append(&orders, "u_1", &OrderEvent::CatalogueOpened)?;
    append(&orders, "u_1", &placed)?;
    let reason = Some("too late".to_owned());
    append(&orders, "u_1", &OrderEvent::Refunded { order_id: 7, amount_cents: 4200, reason })?;
    // Somebody who does not share the type writes to the same log, and leaves the lines out.
    let foreign = orders.track("order.placed").user("u_2");
    foreign.property("orderId", 8).property("amountCents", 100).property("currency", "USD").append()?;

    let view = store.project(PROJECT).view()?;
    let Read { events, misfits } = read(&view)?;
    for (user, event) in &events {
        println!("{user}: {event:?}");
    }
    for misfit in &misfits {
        println!("does not fit: {misfit}");
    }
    println!("{} cents in euros", cents(&view, "EUR")?);
    store.close()?;
    Ok(())
}

/// Appends an event of the host's own type.
pub(crate) fn append(scope: &Scope, user_id: &str, event: &OrderEvent) -> envelog::Result<Ack> {
    let parts = Value::from_serialize(event)?;
    let event_type = parts.get("eventType").and_then(Value::as_str).unwrap_or_default();
    let mut track = scope.track(event_type).user(user_id);
    if let Some(properties) = parts.get("properties") {
        track = track.properties_from(properties)?;
    }
    track.append()
}

/// What a reader makes of the log.
#[derive(Debug, Default)]
pub(crate) struct Read {
    /// The user and the event, in the order of the log.
    pub(crate) events: Vec<(String, OrderEvent)>,
    /// What does not fit the type: where it stands, and the field. One such event does not end the reading.
    pub(crate) misfits: Vec<String>,
}

/// All events of the module, as the host's own type.
pub(crate) fn read(view: &View) -> envelog::Result<Read> {
    let mut read = Read::default();
    for event in view.events().module("orders") {
        // An error here is of the store, such as a damaged file.
        let event = event?;
        match typed(&event) {
            Ok(typed) => read.events.push((event.user_id().unwrap_or("nobody").to_owned(), typed)),
            // An error here is of this event; it names the field, and never the value.
            Err(error) => read.misfits.push(format!("event {}: {error}", event.position())),
        }
    }
    Ok(read)
}

/// The event as the host's own type.
fn typed(event: &EventRef<'_>) -> envelog::Result<OrderEvent> {
    let mut parts = Object::new();
    parts.insert("eventType", event.event_type());
    if let Some(properties) = event.properties() {
        parts.insert("properties", properties.to_value());
    }
    Value::Object(parts).deserialize()
}

/// The sum of all orders in a currency, read without copying any of them.
pub(crate) fn cents(view: &View, currency: &str) -> envelog::Result<i64> {
    let mut sum = 0;
    for event in view.events().of_type("order.placed") {
        let event = event?;
        let Some(properties) = event.properties() else { continue };
        let price: Price<'_> = properties.deserialize()?;
        if price.currency == currency {
            sum += price.amount_cents;
        }
    }
    Ok(sum)
}
