//! `typed_events`: a host's own types go in and come out, and what does not fit is told and skipped.

use envelog::{Store, Uuid};
use tempfile::TempDir;

use super::typed_events::{Currency, Line, OrderEvent, append, cents, read};

const ORG: Uuid = Uuid::from_u128(1);
const PROJECT: Uuid = Uuid::from_u128(2);

fn placed(order_id: u64, currency: Currency) -> OrderEvent {
    let lines = vec![Line { sku: "TEA-1".to_owned(), quantity: 2 }];
    OrderEvent::Placed { order_id, amount_cents: 4200, currency, lines, gift: true }
}

#[test]
fn what_a_host_appends_typed_it_reads_typed() {
    let directory = TempDir::new().unwrap();
    let store = Store::open(directory.path().join("data")).unwrap();
    let orders = store.scope(ORG, PROJECT, "orders");
    let refunded = OrderEvent::Refunded { order_id: 7, amount_cents: 4200, reason: None };
    let events = [OrderEvent::CatalogueOpened, placed(7, Currency::Eur), refunded, placed(8, Currency::Usd)];
    for event in &events {
        append(&orders, "u_1", event).unwrap();
    }
    let view = store.project(PROJECT).view().unwrap();
    let back = read(&view).unwrap();
    assert!(back.misfits.is_empty(), "{:?}", back.misfits);
    assert_eq!(back.events, events.map(|event| ("u_1".to_owned(), event)));
    assert_eq!(cents(&view, "EUR").unwrap(), 4200);

    // In the log they are events like any other.
    let stored = view.events().of_type("order.placed").iter().next().unwrap().unwrap();
    let properties = stored.properties().unwrap().to_value().to_string();
    let expected = r#"{"amountCents":4200,"currency":"EUR","gift":true,"lines":[{"quantity":2,"sku":"TEA-1"}],"orderId":7}"#;
    assert_eq!(properties, expected);
    let opened = view.events().of_type("order.catalogue_opened").iter().next().unwrap().unwrap();
    assert!(opened.properties().is_none());
}

#[test]
fn an_event_that_does_not_fit_is_told_by_its_field_and_never_by_its_value() {
    let directory = TempDir::new().unwrap();
    let store = Store::open(directory.path().join("data")).unwrap();
    let orders = store.scope(ORG, PROJECT, "orders");
    let whole = || {
        let track = orders.track("order.placed").user("u_1").property("orderId", 7);
        track.property("amountCents", 4200).property("lines", Vec::<i64>::new())
    };
    whole().property("currency", "EUR").append().unwrap();
    whole().property("currency", "SECRET").append().unwrap();
    whole().append().unwrap();
    orders.track("order.vanished").append().unwrap();
    let back = read(&store.project(PROJECT).view().unwrap()).unwrap();
    // The first lacks `gift`, which has a default.
    assert_eq!(back.events.len(), 1);
    assert!(matches!(back.events[0].1, OrderEvent::Placed { gift: false, .. }), "{:?}", back.events);
    let [unknown, missing, vanished] = back.misfits.as_slice() else { panic!("{:?}", back.misfits) };
    assert!(unknown.contains("properties.currency") && !unknown.contains("SECRET"), "{unknown}");
    assert!(missing.contains("properties.currency") && missing.contains("missing"), "{missing}");
    assert!(vanished.contains("eventType") && vanished.starts_with("event 1.4"), "{vanished}");
}
