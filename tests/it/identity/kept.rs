//! What a store keeps of persons from one question to the next changes no answer: after each step of a history it answers
//! as the model does, and as a store that was never asked before.

use std::collections::BTreeMap;

use envelog::testing::SimRng;
use envelog::{
    DateTime, Dedupe, Durability, Envelope, Error, IdentityRule, OnIdConflict, Options, PersonRef, Scope,
    Store,
};

use super::histories::history;
use super::naive::Naive;
use super::store::{Stored, compare, envelope, limits};
use crate::support::{Suite, Tally, count, index, options, org_id, project_id};

#[test]
fn a_store_that_is_asked_at_every_step_agrees_with_the_naive_model() {
    let cases = count(150, 400, 20_000);
    let suite = Suite {
        name: "kept persons",
        wanted: cases,
        least: cases.min(150),
        cap: std::time::Duration::from_mins(if cases > 5_000 { 600 } else { 4 }),
    };
    let tally = Tally::default();
    suite.run(|_, rng| {
        let (events, members_max) = (history(rng.next_u64()), if rng.chance(300) { 2 } else { 1_000 });
        let segment_bytes = 4096 << rng.below(3);
        let options = options(rng, Durability::Buffered, segment_bytes).limits(limits(members_max));
        let store = options.dedupe(Dedupe::Off).on_id_conflict(OnIdConflict::Store).open_in_memory().unwrap();
        let mut positions = BTreeMap::new();
        // A view of before, with the events that it has.
        let mut before: Option<(Stored, usize)> = None;
        let model = |len: usize| Naive { events: events[..len].to_vec(), members_max };
        for (at, event) in events.iter().enumerate() {
            positions.insert(event.seq, store.append(envelope(event)).unwrap().position);
            if rng.chance(100) {
                store.wait_sealed().unwrap();
            }
            if rng.chance(500) {
                continue;
            }
            let stored =
                Stored { view: store.project(project_id(0)).view().unwrap(), positions: positions.clone() };
            compare(&stored, &model(at + 1), rng);
            if let Some((stored, len)) = &before
                && rng.chance(300)
            {
                compare(stored, &model(*len), rng);
                tally.add("looks back");
            }
            if rng.chance(300) {
                before = Some((stored, at + 1));
            }
            tally.add("looks");
        }
        1
    });
    tally.print(suite.name);
    assert!(tally.get("looks") > 10 * cases && tally.get("looks back") > cases);
}

/// What one store says of a history of sign-ins that go on after unlinks.
fn answers(store: &Store, users: &[String], devices: &[String]) -> Vec<String> {
    let view = store.project(project_id(0)).view().unwrap();
    let mut answers = vec![view.profiles_canonical_json().unwrap()];
    for conflict in view.identity_conflicts().unwrap() {
        answers.push(format!("{:?} {:?} {:?}", conflict.timestamp, conflict.rule, conflict.user));
    }
    let people = users.iter().map(|id| PersonRef::User(id));
    for person in people.chain(devices.iter().map(|id| PersonRef::Anonymous(id))) {
        answers.push(format!("{:?}", view.members(person).unwrap()));
        let timeline = view.timeline(person).iter().map(|event| {
            let event = event.unwrap();
            view.explain(event.position()).unwrap().map(|why| format!("{} {why}", event.timestamp()))
        });
        answers.extend(timeline.flatten());
        let profile = view.profile(person).unwrap();
        answers.push(format!("{:?}", profile.map(|profile| profile.traits_json())));
    }
    answers
}

/// A store that was never asked, with the events of another one in the order in which they were stored.
fn fresh(store: &Store, members_max: usize) -> Store {
    let fresh = Options::new().dedupe(Dedupe::Off).limits(limits(members_max)).open_in_memory().unwrap();
    let view = store.project(project_id(0)).view().unwrap();
    let mut json = Vec::new();
    for event in &view.events() {
        json.clear();
        event.unwrap().to_json(&mut json);
        fresh.append_json(&json).unwrap();
    }
    fresh
}

fn rule<T>(outcome: envelog::Result<T>) -> Option<IdentityRule> {
    match outcome {
        Ok(_) => None,
        Err(Error::Identity { rule }) => Some(rule),
        Err(other) => panic!("{other}"),
    }
}

/// One of the acts that a host asks for.
fn act(shop: &Scope, kind: u64, device: PersonRef<'_>, user: &str, other: &str) -> Option<IdentityRule> {
    match kind {
        0 => rule(shop.sign_up(other).append()),
        1 => rule(shop.alias(device, user).append()),
        2 => rule(shop.alias(PersonRef::User(other), user).append()),
        3 => rule(shop.unlink(PersonRef::User(other), user).append()),
        _ => rule(shop.unlink(device, user).append()),
    }
}

#[test]
fn acts_and_answers_among_sign_ins_are_those_of_a_store_that_was_never_asked() {
    let cases = count(60, 200, 10_000);
    let suite = Suite {
        name: "kept sign-ins",
        wanted: cases,
        least: cases.min(60),
        cap: std::time::Duration::from_mins(if cases > 5_000 { 600 } else { 4 }),
    };
    let tally = Tally::default();
    suite.run(|_, rng| {
        let members_max = if rng.chance(300) { 2 } else { 1_000 };
        let segment_bytes = 4096 << rng.below(3);
        let options = options(rng, Durability::Buffered, segment_bytes).limits(limits(members_max));
        let store = options.dedupe(Dedupe::Off).open_in_memory().unwrap();
        let shop = store.scope(org_id(), project_id(0), "shop");
        let users: Vec<String> = (0..3).map(|number| format!("u{number}")).collect();
        let devices: Vec<String> = (0..2).map(|number| format!("d{number}")).collect();
        let pick = |ids: &[String], rng: &mut SimRng| ids[index(rng, ids.len())].clone();
        for _ in 0..40 {
            let (device, user, other) = (pick(&devices, rng), pick(&users, rng), pick(&users, rng));
            let device = PersonRef::Anonymous(&device);
            match rng.below(10) {
                0..5 => {
                    let identify = shop.identify(&user).anonymous(device.id());
                    identify.set("n", rng.below(9)).append().unwrap();
                }
                5 => {
                    let late = Envelope::new(org_id(), project_id(0), "shop", "identify");
                    let time =
                        DateTime::from_timestamp(1_700_000_000 + i64::try_from(rng.below(1_000)).unwrap(), 0)
                            .unwrap();
                    store.append(late.user(&user).anonymous(device.id()).at(time)).unwrap();
                    tally.add("late");
                }
                6 => {
                    shop.track("page.viewed").anonymous(device.id()).append().unwrap();
                }
                _ => {
                    let kind = rng.below(7);
                    let never_asked = fresh(&store, members_max);
                    let there = never_asked.scope(org_id(), project_id(0), "shop");
                    let expected = act(&there, kind, device, &user, &other);
                    assert_eq!(act(&shop, kind, device, &user, &other), expected);
                    tally.add(if expected.is_some() { "refused" } else { "taken" });
                }
            }
            if rng.chance(300) {
                let expected = answers(&fresh(&store, members_max), &users, &devices);
                assert_eq!(answers(&store, &users, &devices), expected);
                tally.add("looks");
            }
        }
        1
    });
    tally.print(suite.name);
    for what in ["refused", "taken", "late", "looks"] {
        assert!(tally.get(what) > cases, "{what}");
    }
}

#[test]
fn what_is_told_among_very_many_facts_of_others_is_found() {
    let store = Options::new().open_in_memory().unwrap();
    let shop = store.scope(org_id(), project_id(0), "shop");
    let (tablet, users) = (PersonRef::Anonymous("tablet"), ["anna", "ben", "cleo"].map(str::to_owned));
    let devices = ["tablet".to_owned()];
    let same_as_fresh =
        || assert_eq!(answers(&store, &users, &devices), answers(&fresh(&store, 1_000), &users, &devices));
    shop.identify("anna").anonymous("tablet").append().unwrap();
    shop.unlink(tablet, "anna").append().unwrap();
    same_as_fresh();
    let others = |event: &dyn Fn(u32) -> Envelope, count| {
        for from in (0..count).step_by(500) {
            store.append_batch((from..from + 500).map(event)).unwrap();
        }
    };
    let new = |event_type: &str| Envelope::new(org_id(), project_id(0), "shop", event_type);
    // So many identifies that the tablet's own events are looked at.
    others(&|number| new("identify").user("ben").anonymous(format!("d{}", number % 9)), 2_000);
    shop.identify("ben").anonymous("tablet").append().unwrap();
    shop.track("page.viewed").anonymous("tablet").append().unwrap();
    assert_eq!(rule(shop.alias(tablet, "cleo").append()), Some(IdentityRule::BoundToAnother));
    same_as_fresh();
    // So many acts that all facts of the tablet are read.
    let unlinked = |number: u32| {
        let member = [("kind", "anonymous".to_owned()), ("id", format!("d{}", number % 9))];
        let member = member.map(|(key, value)| (key, envelog::Value::from(value)));
        let member = envelog::Value::Object(member.into_iter().collect());
        new("identity.unlinked").user("cleo").property("member", member)
    };
    others(&unlinked, 17_000);
    shop.unlink(tablet, "ben").append().unwrap();
    others(&unlinked, 17_000);
    shop.alias(tablet, "cleo").append().unwrap();
    assert_eq!(rule(shop.alias(tablet, "ben").append()), Some(IdentityRule::BoundToAnother));
    let view = store.project(project_id(0)).view().unwrap();
    assert_eq!(view.person(tablet).unwrap(), envelog::PersonId::User("cleo".to_owned()));
}
