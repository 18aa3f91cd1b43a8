//! Tests of the naive model itself: its digest, the table of cases, and what must hold over
//! random histories.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::cases;
use super::histories::{START, SplitMix64, TICK, history, renumber, without_retries};
use super::naive::{
    ConflictKind, Naive, NaiveConflict, NaiveEvent, NaiveProfile, NaiveState, Person, digest, is_no_id,
};

const SEEDS: u64 = 2_000;

fn event(event_type: &str, ids: [Option<&str>; 2], properties: Value, context: Value) -> NaiveEvent {
    NaiveEvent {
        seq: 1,
        timestamp: 10,
        event_type: event_type.to_owned(),
        user_id: ids[0].map(str::to_owned),
        anonymous_id: ids[1].map(str::to_owned),
        message_id: None,
        properties: Some(properties),
        context: Some(context),
    }
}

fn hex(bytes: &[u8]) -> String {
    let hex = |text: String, byte: &u8| text + &format!("{byte:02x}");
    bytes.iter().fold(String::new(), hex)
}

/// The expected values come from a few lines of Python that follow the rules.
#[test]
fn the_digest_is_the_one_that_the_rules_specify() {
    let identify = event(
        "identify",
        [Some("anna"), Some("tab")],
        json!({ "from": { "kind": "user", "id": "x" } }),
        json!({
            "traits": {
                "plan": "pro", "age": 4, "ok": true, "off": false, "no": null,
                "tags": [-1, "x", {}],
            },
            "traitsOnce": { "vi\u{e4}": "ad" },
            "locale": "de",
        }),
    );
    assert_eq!(hex(&digest(&identify)), "a467a18218deff26a3680bec80fd8c2b");
    let aliased = event(
        "identity.aliased",
        [Some("anna"), None],
        json!({ "from": { "kind": "anonymous", "id": "tab" } }),
        json!({ "traits": null, "traitsOnce": [1] }),
    );
    assert_eq!(hex(&digest(&aliased)), "667e443dfd7a6f44835b4a9741ec17b0");
    let unlinked = event(
        "identity.unlinked",
        [Some("anna"), None],
        json!({ "member": { "kind": "user", "id": "m" } }),
        json!({ "traits": {} }),
    );
    assert_eq!(hex(&digest(&unlinked)), "3cfc6d50f3a98439bb4d05b4ebead143");
}

#[test]
fn ids_that_are_none_are_known() {
    for id in ["anonymous", "Guest", "'0'", "\"-1\"", "0-0", "--", "[Object object]", "NaN"] {
        assert!(is_no_id(id), "{id}");
    }
    for id in ["u0", "00a", "-2", "'guest", "guest\"", "nul", "01", "\u{445}"] {
        assert!(!is_no_id(id), "{id}");
    }
}

#[test]
fn the_model_gives_the_answers_of_the_table() {
    cases::check_all(|events, members_max| Naive { events: events.to_vec(), members_max });
}

#[test]
fn the_table_has_four_cases_for_each_clause() {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut names = BTreeSet::new();
    for case in cases::all() {
        assert!(names.insert(case.name.clone()), "{} is there twice", case.name);
        let group = case.name.split('.').next().unwrap().to_owned();
        *counts.entry(group).or_default() += 1;
    }
    for clause in 1..=10 {
        assert!(counts[&format!("I{clause}")] >= 4, "I{clause}: {counts:?}");
    }
    println!("{counts:?}");
}

/// Every person that a history can name.
fn references(events: &[NaiveEvent]) -> BTreeSet<Person> {
    let mut all = BTreeSet::new();
    for event in events {
        all.extend(event.user_id.clone().map(Person::User));
        all.extend(event.anonymous_id.clone().map(Person::Anonymous));
        for name in ["from", "member"] {
            let Some(member) = event.properties.as_ref().and_then(|p| p.get(name)) else {
                continue;
            };
            let id = member["id"].as_str().unwrap().to_owned();
            all.insert(match member["kind"].as_str().unwrap() {
                "user" => Person::User(id),
                _ => Person::Anonymous(id),
            });
        }
    }
    all
}

/// Small limits on members every third time.
fn members_max(seed: u64) -> usize {
    if seed.is_multiple_of(3) { 2 } else { 1000 }
}

fn naive(seed: u64) -> Naive {
    Naive { events: history(seed), members_max: members_max(seed) }
}

#[test]
fn every_event_with_an_id_is_in_the_timeline_of_one_person() {
    for seed in 0..SEEDS {
        let naive = naive(seed);
        let mut persons = BTreeSet::new();
        for reference in references(&naive.events) {
            let person = naive.canonical(&reference);
            // Every answer folds all facts again, so that these questions take long.
            if seed.is_multiple_of(10) {
                assert_eq!(naive.canonical(&person), person, "seed {seed}");
                let same = naive.timeline(&reference) == naive.timeline(&person);
                assert!(same, "seed {seed}: {reference:?}");
            }
            persons.insert(person);
        }
        let mut found: BTreeMap<u64, Person> = BTreeMap::new();
        for person in persons {
            let timeline = naive.timeline(&person);
            let place = |seq: &u64| {
                let event = naive.events.iter().find(|event| event.seq == *seq);
                (event.unwrap().timestamp, *seq)
            };
            assert!(timeline.is_sorted_by_key(place), "seed {seed}: {person:?}");
            for seq in timeline {
                let other = found.insert(seq, person.clone());
                assert_eq!(other, None, "seed {seed}: event {seq} is there twice");
            }
        }
        for event in &naive.events {
            let has_id = event.user_id.is_some() || event.anonymous_id.is_some();
            assert_eq!(found.contains_key(&event.seq), has_id, "seed {seed}: {event:?}");
            if seed.is_multiple_of(10) {
                let owner = naive.owner(event.seq);
                assert_eq!(found.get(&event.seq), owner.as_ref(), "seed {seed}: {event:?}");
            }
        }
    }
}

#[test]
fn every_user_is_a_member_of_one_person_and_profiles_agree() {
    for seed in 0..SEEDS / 4 {
        let naive = naive(seed);
        let profiles = naive.profiles();
        assert!(profiles.is_sorted_by(|a, b| a.person < b.person), "seed {seed}");
        let mut with_profile = BTreeSet::new();
        for reference in references(&naive.events) {
            let person = naive.canonical(&reference);
            let members = naive.members(&reference);
            assert!(members.is_sorted(), "seed {seed}");
            assert!(members.contains(&person), "seed {seed}");
            if person != reference || matches!(reference, Person::User(_)) {
                assert!(members.contains(&reference), "seed {seed}: {reference:?}");
            }
            for member in &members {
                if matches!(member, Person::User(_)) {
                    assert_eq!(naive.canonical(member), person, "seed {seed}: {member:?}");
                }
            }
            let profile = naive.profile(&reference);
            let end = START + 1_000 * TICK;
            assert_eq!(naive.profile_at(&reference, end), profile, "seed {seed}");
            assert_eq!(naive.profile_at(&reference, START - 1), None, "seed {seed}");
            if let Some(profile) = profile {
                assert_eq!(profile.person, person, "seed {seed}");
                assert_eq!(profile.members, members, "seed {seed}");
                assert!(profiles.contains(&profile), "seed {seed}");
                with_profile.insert(person);
            }
        }
        assert_eq!(with_profile.len(), profiles.len(), "seed {seed}");
    }
}

#[test]
fn permutations_and_duplications_give_the_same_profiles_and_conflicts() {
    for seed in 0..SEEDS {
        let naive = naive(seed);
        let profiles = naive.profiles();
        let conflicts = naive.conflicts();
        let keys = |c: &NaiveConflict| (c.timestamp, c.message_id.clone().unwrap_or_default());
        assert!(conflicts.is_sorted_by_key(keys), "seed {seed}");
        let mut random = SplitMix64(seed);
        for round in 0..3 {
            let mut events = naive.events.clone();
            for event in &naive.events {
                if round > 0 && random.percent(30) {
                    events.push(event.clone());
                }
            }
            if round == 2 {
                events = without_retries(&events);
            }
            random.shuffle(&mut events);
            renumber(&mut events);
            let other = Naive { events, members_max: naive.members_max };
            assert_eq!(other.profiles(), profiles, "seed {seed}");
            assert_eq!(other.conflicts(), conflicts, "seed {seed}");
        }
    }
}

/// Without this the other tests could hold over histories in which nothing happens.
#[test]
fn the_histories_reach_every_rule() {
    let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
    let mut kinds: BTreeMap<ConflictKind, u64> = BTreeMap::new();
    let mut see = |what, times: bool| *seen.entry(what).or_default() += u64::from(times);
    for seed in 0..SEEDS {
        let naive = naive(seed);
        assert!((5..=60).contains(&naive.events.len()));
        assert_eq!(naive.events, history(seed));
        let mut content: BTreeMap<String, NaiveEvent> = BTreeMap::new();
        for event in &naive.events {
            if let Some(id) = &event.message_id {
                let mut event = event.clone();
                event.seq = 0;
                let first = content.entry(id.clone()).or_insert_with(|| event.clone());
                assert_eq!(*first, event, "seed {seed}: one messageId, two contents");
            }
        }
        see("a retry", without_retries(&naive.events) != naive.events);
        let facts: BTreeSet<String> = naive
            .events
            .iter()
            .filter(|event| event.event_type == "identity.unlinked")
            .map(|event| format!("{} {:?} {}", event.timestamp, event.message_id, hex(&digest(event))))
            .collect();
        let unlinked = |c: &&NaiveConflict| c.event_type == "identity.unlinked";
        let conflicts = naive.conflicts();
        for _ in conflicts.iter().filter(unlinked).count()..facts.len() {
            see("an unlink with an effect", true);
        }
        for conflict in conflicts {
            *kinds.entry(conflict.kind).or_default() += 1;
        }
        let profiles = naive.profiles();
        let is_user = |member: &&Person| matches!(member, Person::User(_));
        let users = |p: &NaiveProfile| p.members.iter().filter(is_user).count();
        for profile in &profiles {
            let user = is_user(&&profile.person);
            see("traits", !profile.traits.is_empty());
            see("three users in one person", users(profile) >= 3);
            see("two devices in one person", profile.members.len() >= users(profile) + 2);
            let anonymous = profile.state == NaiveState::Anonymous;
            see("an anonymous user", user && anonymous);
            see("an identified user", user && !anonymous);
            let in_two = profiles.iter().any(|p| p.members.len() > 1 && p.members.contains(&profile.person));
            see("a shared device with a profile", !user && in_two);
        }
    }
    let all_kinds = [
        ConflictKind::AlreadyIdentified,
        ConflictKind::NoPlace,
        ConflictKind::BoundToAnother,
        ConflictKind::Unlinked,
        ConflictKind::CannotMergeIdentified,
        ConflictKind::Cycle,
        ConflictKind::NotBound,
    ];
    println!("{kinds:?} {seen:?}");
    for kind in all_kinds {
        assert!(kinds.get(&kind).is_some_and(|n| *n >= 50), "{kind:?}: {kinds:?}");
    }
    assert!(seen.values().all(|n| *n >= 50), "{seen:?}");
}
