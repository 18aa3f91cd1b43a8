//! The history of a person's traits at times that tie, and where nothing changes.

use crate::envelope::{Envelope, Value, ValueRef};
use crate::storage::sim::SimDisk;
use crate::{DateTime, Dedupe, Options, Store, TraitChange, Uuid, View};

const PROJECT: Uuid = Uuid::from_u128(2);

fn identify(second: i64) -> Envelope {
    let identify = Envelope::new(Uuid::from_u128(1), PROJECT, "profiles", "identify").user("anna");
    identify.at(DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap())
}

fn view(store: &Store) -> View {
    store.project(PROJECT).view().unwrap()
}

/// What a trait became, change by change, with the place of the event in the order of arrival.
fn told(view: &View, name: &str) -> Vec<(u64, Option<Value>)> {
    let changes = view.profile_history("anna").unwrap();
    let of_name = |change: &TraitChange| change.name == name;
    changes.into_iter().filter(of_name).map(|change| (change.position.seq.get(), change.after)).collect()
}

fn now(view: &View, name: &str) -> Option<Value> {
    view.profile("anna").unwrap()?.trait_value(name).map(ValueRef::to_value)
}

fn stored(events: &[Envelope]) -> View {
    let store = Store::in_memory().unwrap();
    for event in events {
        store.append(event).unwrap();
    }
    view(&store)
}

#[test]
fn a_set_that_leaves_a_value_as_it_was_is_no_change() {
    let view = stored(&[
        identify(1).with_trait("plan", Value::Null),
        identify(2).with_trait("plan", "free"),
        identify(3).with_trait("plan", "free"),
        identify(4).with_trait_once("plan", "pro"),
        identify(5).with_trait("plan", "pro"),
        identify(6).with_trait("plan", Value::Null),
        identify(7).with_trait("plan", Value::Null),
        identify(8).with_trait("plan", "pro"),
    ]);
    let (free, pro) = (Some(Value::from("free")), Some(Value::from("pro")));
    assert_eq!(told(&view, "plan"), [(2, free), (5, pro.clone()), (6, None), (8, pro)]);
}

#[test]
fn events_of_one_time_follow_each_other_by_their_message_ids_whatever_came_first() {
    let set = |id: &str| identify(1).with_trait("plan", id).message_id(id);
    let once = |id: &str| identify(1).with_trait_once("first", id).message_id(id);
    let all = [set("a"), set("b"), set("c"), once("k"), once("l")];
    let (seen, plain) = ([3, 4, 0, 2, 1], ["a", "b", "c"]);
    for turn in 0..all.len() {
        let mut order = seen;
        order.rotate_left(turn);
        let arrived: Vec<Envelope> = order.iter().map(|at| all[*at].clone()).collect();
        let view = stored(&arrived);
        let seq_of = |at: usize| 1 + order.iter().position(|seen| *seen == at).unwrap() as u64;
        let expected = (0..).zip(plain).map(|(at, id)| (seq_of(at), Some(Value::from(id))));
        assert_eq!(told(&view, "plan"), expected.collect::<Vec<_>>(), "{order:?}");
        assert_eq!(now(&view, "plan"), Some("c".into()));
        assert_eq!(told(&view, "first"), [(seq_of(3), Some("k".into()))], "{order:?}");
        assert_eq!(now(&view, "first"), Some("k".into()));
    }
}

#[test]
fn of_a_plain_set_and_traits_once_at_one_time_the_plain_one_stands() {
    let plain = |event: Envelope| event.with_trait("plan", "pro");
    let once = |event: Envelope| event.with_trait_once("plan", "free");
    let (free, pro) = (Some(Value::from("free")), Some(Value::from("pro")));
    let at = |id: &str| identify(1).message_id(id);
    for (events, expected) in [
        (vec![plain(once(at("a")))], vec![(1, pro.clone())]),
        (vec![once(at("a")), plain(at("b"))], vec![(1, free), (2, pro.clone())]),
        (vec![plain(at("a")), once(at("b"))], vec![(1, pro.clone())]),
        // Unset is as good as set.
        (vec![at("a").with_trait("plan", Value::Null), once(at("b"))], vec![]),
    ] {
        let view = stored(&events);
        assert_eq!(told(&view, "plan"), expected, "{events:?}");
        assert_eq!(now(&view, "plan"), expected.last().and_then(|(_, value)| value.clone()), "{events:?}");
    }
}

/// Copies of one event under several secrets have other address hashes and are one fact.
#[test]
fn of_copies_that_differ_in_address_hashes_the_greater_one_stands_whichever_came_first() {
    for is_once in [false, true] {
        let address = |event: Envelope| {
            if is_once {
                event.with_trait_once("ip", "203.0.113.7")
            } else {
                event.with_trait("ip", "203.0.113.7")
            }
        };
        let mut stands = Vec::new();
        for secrets in [[[7; 32], [9; 32]], [[9; 32], [7; 32]]] {
            let disk = SimDisk::default();
            let open = |secret| Options::new().dedupe(Dedupe::Off).secret(secret).open_on(&disk).unwrap();
            let mut tokens = Vec::new();
            for secret in secrets {
                let store = open(secret);
                let position = store.append(address(identify(1))).unwrap().position;
                let event = store.project(PROJECT).get(position).unwrap().unwrap();
                let key = if is_once { "traitsOnce" } else { "traits" };
                let traits = event.context().unwrap().get(key).unwrap().as_object().unwrap();
                tokens.push(traits.get("ipHash").unwrap().clone());
                store.close().unwrap();
            }
            assert_ne!(tokens[0], tokens[1]);
            let store = open(secrets[1]);
            let view = view(&store);
            let greater = tokens.iter().max_by_key(|token| token.as_str()).unwrap();
            assert_eq!(now(&view, "ipHash").as_ref(), Some(greater), "once {is_once}");
            let changes = told(&view, "ipHash");
            assert_eq!(changes.len(), if *greater == tokens[0] { 1 } else { 2 }, "once {is_once}");
            assert_eq!(changes.last().unwrap().1.as_ref(), Some(greater), "once {is_once}");
            stands.push(greater.clone());
        }
        assert_eq!(stands[0], stands[1], "once {is_once}");
    }
}
