//! Acts that are repeated very often, persons of very many ids, and answers that wait for what they rest on.

use envelog::testing::{FaultKind, FaultPlan, OpKind, SimDisk};
use envelog::{
    Envelope, Error, IdentityRule, Limits, Note, OnIdConflict, Options, PersonId, PersonRef, Store, Uuid,
};

const ORG: Uuid = Uuid::from_u128(1);
const PROJECT: Uuid = Uuid::from_u128(2);
const PHONE: PersonRef<'_> = PersonRef::Anonymous("phone");
const TABLET: PersonRef<'_> = PersonRef::Anonymous("tablet");

fn members(store: &Store, user: &str) -> Vec<PersonId> {
    store.project(PROJECT).view().unwrap().members(user).unwrap()
}

#[test]
fn an_act_is_refused_only_for_what_is_visible() {
    for round in 0..20 {
        let disk = SimDisk::default();
        let store = Options::new().open_on(&disk).unwrap();
        let shop = store.scope(ORG, PROJECT, "shop");
        shop.identify("warm").append().unwrap();
        disk.fail(FaultPlan { after_ops: 0, kind: FaultKind::Eio, sticky: true, ops: OpKind::Sync.into() });
        let ticket = store.submit(Envelope::new(ORG, PROJECT, "profiles", "identify").user("anna")).unwrap();
        let refused = shop.sign_up("anna").append();
        assert!(ticket.wait().is_err(), "its sync fails");
        assert!(
            matches!(refused, Err(Error::SyncFailed { .. } | Error::Poisoned)),
            "round {round}: the answer rests on an identify that was never stored: {refused:?}"
        );
    }
}

#[test]
fn a_member_that_is_joined_and_taken_again_and_again_is_where_the_last_act_left_it() {
    let store = Store::in_memory().unwrap();
    let shop = store.scope(ORG, PROJECT, "shop");
    let phone = PersonId::from(PHONE);
    for round in 0..1_100 {
        let ack = shop.alias(PHONE, "anna").append().unwrap();
        assert!(ack.notes.is_empty(), "round {round}: {:?}", ack.notes);
        assert!(members(&store, "anna").contains(&phone), "round {round}");
        let ack = shop.unlink(PHONE, "anna").append().unwrap();
        assert!(ack.notes.is_empty(), "round {round}: {:?}", ack.notes);
        assert!(!members(&store, "anna").contains(&phone), "round {round}");
    }
    assert_eq!(store.project(PROJECT).identity_conflicts().unwrap(), []);
}

#[test]
fn aliases_of_one_member_take_one_place_however_many_they_are() {
    let store = Store::in_memory().unwrap();
    let shop = store.scope(ORG, PROJECT, "shop");
    for _ in 0..1_100 {
        assert!(shop.alias(PHONE, "anna").append().unwrap().notes.is_empty());
    }
    assert!(shop.alias(TABLET, "anna").append().unwrap().notes.is_empty());
    assert!(members(&store, "anna").contains(&PersonId::from(TABLET)));
    shop.unlink(PHONE, "anna").append().unwrap();
    assert!(!members(&store, "anna").contains(&PersonId::from(PHONE)));
    assert!(shop.alias(PHONE, "anna").append().unwrap().notes.is_empty());
    assert!(members(&store, "anna").contains(&PersonId::from(PHONE)));
}

#[test]
fn an_alias_that_changed_nothing_counts_once_its_member_was_taken() {
    let store = Store::in_memory().unwrap();
    let shop = store.scope(ORG, PROJECT, "shop");
    let at = |second: i64| envelog::DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap();
    let fact = |event_type: &str, key: &str, second| {
        let member =
            [("kind", "anonymous"), ("id", "phone")].map(|(key, id)| (key, envelog::Value::from(id)));
        let member = envelog::Value::Object(member.into_iter().collect());
        let fact = Envelope::new(ORG, PROJECT, "profiles", event_type).user("anna").property(key, member);
        store.append(fact.at(at(second))).unwrap()
    };
    // The second alias says nothing new, until an unlink between the two arrives.
    fact("identity.aliased", "from", 10);
    fact("identity.aliased", "from", 30);
    fact("identity.unlinked", "member", 20);
    assert!(members(&store, "anna").contains(&PersonId::from(PHONE)));
    // A command stands behind all of them.
    shop.unlink(PHONE, "anna").append().unwrap();
    assert!(!members(&store, "anna").contains(&PersonId::from(PHONE)));
}

#[test]
fn at_the_greatest_number_of_members_every_event_is_on_one_timeline() {
    let mut limits = Limits::default();
    limits.members_max = 1_024;
    let store = Options::new().limits(limits).open_in_memory().unwrap();
    let shop = store.scope(ORG, PROJECT, "shop");
    let mut batch = store.batch();
    for number in 0..1_030 {
        let device = format!("d{number}");
        let event = |event_type| Envelope::new(ORG, PROJECT, "shop", event_type).anonymous(&device);
        batch.push(&event("page.viewed")).unwrap();
        batch.push(&event("identify").user("anna")).unwrap();
    }
    batch.commit().unwrap();
    let view = store.project(PROJECT).view().unwrap();
    assert_eq!(view.members("anna").unwrap().len(), 1 + 1_024);
    assert!(view.identity_conflicts().unwrap().iter().all(|conflict| conflict.rule == IdentityRule::NoPlace));
    for number in (0..3).chain(1_015..1_030) {
        let device = format!("d{number}");
        let anonymous = view.timeline(PersonRef::Anonymous(&device)).iter().count();
        let is_members = number < 1_024;
        assert_eq!(anonymous, if is_members { 1_030 + 1_024 } else { 1 }, "{device}");
    }
    let refused = shop.alias(TABLET, "anna").append();
    assert!(matches!(refused, Err(Error::Identity { rule: IdentityRule::NoPlace })), "{refused:?}");
}

#[test]
fn a_long_chain_of_users_is_one_person_at_a_cost_that_is_borne() {
    // At a cost that grows with the cube of the length this would not end while anybody waits.
    const LENGTH: usize = 3_000;
    for is_from_the_top in [true, false] {
        let store = Store::in_memory().unwrap();
        let mut batch = store.batch();
        let mut joins: Vec<usize> = (1..LENGTH).collect();
        if !is_from_the_top {
            joins.reverse();
        }
        for number in joins {
            let from = [("kind", "user".to_owned()), ("id", format!("u{number}"))];
            let from = from.map(|(key, value)| (key, envelog::Value::from(value)));
            let alias = Envelope::new(ORG, PROJECT, "profiles", "identity.aliased")
                .user(format!("u{}", number - 1))
                .property("from", envelog::Value::Object(from.into_iter().collect()));
            batch.push(&alias).unwrap();
        }
        batch.commit().unwrap();
        assert_eq!(members(&store, "u0").len(), LENGTH);
        let last = format!("u{}", LENGTH - 1);
        let view = store.project(PROJECT).view().unwrap();
        assert_eq!(view.person(last.as_str()).unwrap(), PersonId::User("u0".to_owned()));
        let refused = store.scope(ORG, PROJECT, "shop").alias(PersonRef::User("u0"), last).append();
        assert!(matches!(refused, Err(Error::Identity { rule: IdentityRule::Cycle })), "{refused:?}");
    }
}

#[test]
fn a_sign_in_is_told_by_its_message_id_among_other_events_that_have_it() {
    let store = Options::new().on_id_conflict(OnIdConflict::Store).open_in_memory().unwrap();
    let shop = store.scope(ORG, PROJECT, "shop");
    shop.track("page.viewed").anonymous("phone").message_id("m").append().unwrap();
    let first = shop.sign_in_anonymously().message_id("m").append().unwrap();
    assert!(first.ack.notes.contains(Note::IdConflict));
    let again = shop.sign_in_anonymously().message_id("m").append().unwrap();
    assert_eq!(again.user_id, first.user_id);
    assert!(again.ack.notes.contains(Note::Duplicate));

    let store = Store::in_memory().unwrap();
    let shop = store.scope(ORG, PROJECT, "shop");
    shop.track("page.viewed").user("u").message_id("m").append().unwrap();
    let refused = shop.sign_in_anonymously().message_id("m").append();
    assert!(matches!(refused, Err(Error::IdConflict { .. })), "that event made no user: {refused:?}");
}

#[test]
fn threads_that_sign_in_with_one_message_id_get_one_user() {
    for on_conflict in [OnIdConflict::Refuse, OnIdConflict::Store] {
        let store = Options::new().on_id_conflict(on_conflict).open_in_memory().unwrap();
        for round in 0..50 {
            let users: std::collections::BTreeSet<String> = std::thread::scope(|threads| {
                let sign_in = || {
                    let shop = store.scope(ORG, PROJECT, "shop");
                    shop.sign_in_anonymously().message_id(format!("m{round}")).append().unwrap().user_id
                };
                let all: Vec<_> = (0..4).map(|_| threads.spawn(sign_in)).collect();
                all.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert_eq!(users.len(), 1);
        }
    }
}
