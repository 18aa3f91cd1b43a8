//! The three stories of the example `people`, the commands, and what they refuse.

use std::sync::Arc;

use envelog::testing::SimRng;
use envelog::{
    Dedupe, Durability, Envelope, Error, IdentityRule, Limits, Note, Object, Options, PersonId, PersonRef,
    ProfileState, Project, Scope, Store, Uuid, View,
};

#[expect(dead_code, reason = "the tests call what its main calls")]
#[path = "../../../examples/people.rs"]
mod people;

const PROJECT: Uuid = Uuid::from_u128(2);

fn scope(store: &Store) -> Scope {
    store.scope(Uuid::from_u128(1), PROJECT, "shop")
}

fn types(project: &Project, person: PersonRef<'_>) -> Vec<String> {
    let mut events = project.timeline(person, 100).unwrap();
    events.reverse();
    events.iter().map(|event| event.event_type().to_owned()).collect()
}

fn rule<T: std::fmt::Debug>(outcome: Result<T, Error>) -> IdentityRule {
    match outcome {
        Err(Error::Identity { rule }) => rule,
        other => panic!("no rule was broken: {other:?}"),
    }
}

#[test]
fn a_visitor_who_signs_up_keeps_id_row_and_history() {
    let store = Store::in_memory().unwrap();
    let anna = people::sign_up_on_the_phone(&scope(&store)).unwrap();
    let project = store.project(PROJECT);
    let profile = project.profile(&anna).unwrap().unwrap();
    assert_eq!((profile.id(), profile.state()), (&*anna, ProfileState::Identified));
    assert_eq!(profile.members().count(), 1);
    let told =
        ["identity.anonymous_created", "product.viewed", "cart.filled", "identity.signed_up", "order.placed"];
    assert_eq!(types(&project, PersonRef::User(&anna)), told);
    assert!(project.identity_conflicts().unwrap().is_empty());
}

#[test]
fn a_sign_in_on_a_second_device_unites_both_histories_and_unlink_gives_them_back() {
    let store = Store::in_memory().unwrap();
    let shop = scope(&store);
    let anna = people::sign_up_on_the_phone(&shop).unwrap();
    people::sign_in_on_the_laptop(&shop, &anna).unwrap();
    let project = store.project(PROJECT);
    let profile = project.profile(&anna).unwrap().unwrap();
    let members: Vec<PersonId> = profile.members().map(PersonId::from).collect();
    assert_eq!(members.len(), 2);
    let laptop = members.iter().find(|member| member.id() != anna).unwrap();
    let united = types(&project, PersonRef::User(&anna));
    assert!(united.contains(&"article.read".to_owned()) && united.contains(&"order.placed".to_owned()));
    assert_eq!(types(&project, laptop.as_ref()), united, "either id names the person");

    shop.unlink(laptop, &*anna).append().unwrap();
    assert_eq!(types(&project, laptop.as_ref()), ["identity.anonymous_created", "article.read"]);
    assert!(!types(&project, PersonRef::User(&anna)).contains(&"article.read".to_owned()));
}

#[test]
fn a_shared_tablet_does_not_mix_two_people() {
    let store = Store::in_memory().unwrap();
    people::share_a_tablet(&scope(&store)).unwrap();
    let project = store.project(PROJECT);
    assert_eq!(types(&project, PersonRef::User("ben")), ["page.viewed", "identify"]);
    assert_eq!(types(&project, PersonRef::User("cleo")), ["identify"]);
    assert_eq!(types(&project, PersonRef::Anonymous("tablet")), ["page.viewed"]);
    assert!(project.profile(PersonRef::Anonymous("tablet")).unwrap().is_none());
    let conflicts = project.identity_conflicts().unwrap();
    assert_eq!(conflicts.len(), 1);
    assert_eq!((conflicts[0].rule, conflicts[0].user.id()), (IdentityRule::BoundToAnother, "cleo"));
}

#[test]
fn the_place_of_another_projects_event_or_of_none_explains_nothing() {
    let store = Store::in_memory().unwrap();
    let shop = scope(&store);
    let other = store.scope(Uuid::from_u128(1), Uuid::from_u128(3), "shop");
    let elsewhere = other.track("page.viewed").user("ben").append().unwrap().position;
    let mut batch = store.batch();
    batch.set_cursor(envelog::CursorKey::Store("relay"), b"7").unwrap();
    batch.commit().unwrap();
    let cursor = envelog::Position { seq: store.visible(), ..elsewhere };
    let own = shop.track("page.viewed").user("ben").append().unwrap().position;
    assert!(elsewhere.seq < cursor.seq && cursor.seq < own.seq);
    let behind = envelog::Position { seq: own.seq.next(), ..own };
    let project = store.project(PROJECT);
    for nowhere in [elsewhere, cursor, behind] {
        assert_eq!(project.explain(nowhere).unwrap(), None, "{nowhere}");
    }
    assert_eq!(project.explain(own).unwrap().unwrap().person, PersonId::User("ben".to_owned()));
    assert!(store.project(Uuid::from_u128(3)).explain(elsewhere).unwrap().is_some());
}

#[test]
fn the_time_in_which_a_device_is_shared_ends_where_it_is_unlinked() {
    let store = Store::in_memory().unwrap();
    let shop = scope(&store);
    let at = |second: i64| envelog::DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap();
    shop.identify("ben").anonymous("tablet").at(at(1)).append().unwrap();
    shop.identify("cleo").anonymous("tablet").at(at(5)).append().unwrap();
    let viewed = |second| shop.track("page.viewed").anonymous("tablet").at(at(second)).append().unwrap();
    let (before, during, after) = (viewed(4), viewed(6), viewed(30));
    let tablet = PersonId::Anonymous("tablet".to_owned());
    let explain = |position| store.project(PROJECT).explain(position).unwrap().unwrap();
    let shared = |to| envelog::Reason::Shared { device: tablet.clone(), from: at(5), to };
    assert_eq!(explain(before.position).person, PersonId::User("ben".to_owned()));
    for open in [during.position, after.position] {
        assert_eq!((explain(open).person, explain(open).reasons[1].clone()), (tablet.clone(), shared(None)));
    }
    let unlinked = Envelope::new(Uuid::from_u128(1), PROJECT, "profiles", "identity.unlinked").user("ben");
    let member = [("kind", "anonymous"), ("id", "tablet")].into_iter();
    let member: Object = member.map(|(key, value)| (key, envelog::Value::from(value))).collect();
    store.append(unlinked.property("member", envelog::Value::Object(member)).at(at(20))).unwrap();
    assert_eq!(explain(during.position).reasons[1], shared(Some(at(20))));
    assert_eq!(explain(after.position).reasons[1], envelog::Reason::Free(tablet.clone()));
}

#[test]
fn a_link_without_effect_is_noted_in_its_answer() {
    let store = Store::in_memory().unwrap();
    let shop = scope(&store);
    assert!(shop.identify("ben").anonymous("tablet").append().unwrap().notes.is_empty());
    assert!(shop.identify("ben").anonymous("tablet").append().unwrap().notes.is_empty());
    for _ in 0..2 {
        let ack = shop.identify("cleo").anonymous("tablet").append().unwrap();
        assert!(ack.notes.contains(Note::IdentityConflict));
    }
    assert!(shop.identify("cleo").append().unwrap().notes.is_empty());
    let unlinked = Envelope::new(Uuid::from_u128(1), PROJECT, "profiles", "identity.unlinked").user("cleo");
    let member = [("kind", "anonymous"), ("id", "tablet")].into_iter();
    let member = member.map(|(key, value)| (key, envelog::Value::from(value))).collect::<envelog::Object>();
    let ack = store.append(unlinked.property("member", envelog::Value::Object(member))).unwrap();
    assert!(ack.notes.contains(Note::IdentityConflict), "it is stored, and has no effect");
    shop.unlink(PersonRef::Anonymous("tablet"), "ben").append().unwrap();
    let ack = shop.identify("dora").anonymous("tablet").append().unwrap();
    assert!(ack.notes.is_empty(), "it is nobody's any more, so that this has an effect");
}

#[test]
fn exactly_the_facts_without_effect_are_noted_in_their_answers() {
    let mut limits = Limits::default();
    limits.members_max = 2;
    let store = Options::new().limits(limits).open_in_memory().unwrap();
    let at = |second: i64| envelog::DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap();
    let fact = |event_type: &str, user: &str, key: &str, device: &str| {
        let member = [("kind", device.split_once(' ').unwrap().0), ("id", device.split_once(' ').unwrap().1)];
        let member = member.into_iter().map(|(key, value)| (key, envelog::Value::from(value)));
        Envelope::new(Uuid::from_u128(1), PROJECT, "profiles", event_type)
            .user(user)
            .property(key, envelog::Value::Object(member.collect()))
    };
    let alias = |device, user| fact("identity.aliased", user, "from", device);
    let unlink = |device, user| fact("identity.unlinked", user, "member", device);
    let link = |device: &str, user: &str| {
        Envelope::new(Uuid::from_u128(1), PROJECT, "profiles", "identify").user(user).anonymous(device)
    };
    // The bound one is not the first by its id.
    for (second, (event, is_noted)) in (0_i64..).zip([
        (link("tablet", "zoe"), false),
        (link("tablet", "ben"), true),
        (link("tablet", "zoe"), false),
        // An alias binds too.
        (alias("anonymous phone", "zoe"), false),
        (link("phone", "ben"), true),
        (link("phone", "zoe"), false),
        (alias("anonymous phone", "ben"), true),
        (alias("anonymous phone", "zoe"), false),
        // There is no third place.
        (link("watch", "zoe"), true),
        (link("watch", "dora"), false),
        // A pair that was taken apart is joined again by an alias only.
        (link("car", "cleo"), false),
        (unlink("anonymous car", "ben"), true),
        (unlink("anonymous car", "cleo"), false),
        // Has no effect, and nothing is said of a member that was unlinked before.
        (link("car", "cleo"), false),
        (alias("anonymous car", "cleo"), false),
        (link("car", "cleo"), false),
        (alias("user zoe", "cleo"), true),
        (alias("user visitor", "dora"), false),
        (alias("user visitor", "ben"), true),
    ]) {
        let what = event.to_json();
        let ack = store.append(event.at(at(second))).unwrap();
        assert_eq!(ack.notes.contains(Note::IdentityConflict), is_noted, "{what}");
    }
}

#[test]
fn places_that_were_taken_in_a_sealed_segment_count_when_a_link_is_noted() {
    let directory = tempfile::tempdir().unwrap();
    let mut limits = Limits::default();
    limits.members_max = 4;
    let options = || Options::new().tiny_segments(8192).limits(limits.clone());
    let store = options().open(directory.path().join("store")).unwrap();
    let shop = scope(&store);
    for device in ["tablet", "phone", "car", "desk"] {
        assert!(shop.identify("zoe").anonymous(device).append().unwrap().notes.is_empty());
    }
    while store.stats().unwrap().sealed_segments < 1 {
        shop.track("page.viewed").user("zoe").append().unwrap();
        store.wait_sealed().unwrap();
    }
    store.close().unwrap();
    drop((store, shop));
    let store = options().open(directory.path().join("store")).unwrap();
    let shop = scope(&store);
    let is_noted = |user: &str, device: &str| {
        shop.identify(user).anonymous(device).append().unwrap().notes.contains(Note::IdentityConflict)
    };
    assert!(is_noted("ben", "phone"));
    assert!(!is_noted("zoe", "phone"), "it is one of the four");
    assert!(is_noted("zoe", "watch"), "there is no fifth place");
    assert!(!is_noted("ben", "watch"));
}

/// Persons and members by every id that occurs.
fn persons(view: &View) -> Vec<(PersonId, Vec<PersonId>)> {
    let users = (0..4).map(|number| PersonId::User(format!("u{number}")));
    let devices = (0..4).map(|number| PersonId::Anonymous(format!("d{number}")));
    users.chain(devices).map(|id| (view.person(&id).unwrap(), view.members(&id).unwrap())).collect()
}

#[test]
fn every_view_has_its_own_persons_whatever_others_were_asked_before() {
    for seed in 0..20 {
        let mut rng = SimRng::new(seed);
        let mut facts: Vec<Envelope> = Vec::new();
        for _ in 0..14 {
            let (user, other) = (format!("u{}", rng.below(4)), format!("u{}", rng.below(4)));
            let device = format!("d{}", rng.below(4));
            let (kind, id) = if rng.chance(500) { ("user", &other) } else { ("anonymous", &device) };
            let member = [("kind", kind), ("id", id)].into_iter();
            let member: Object = member.map(|(key, value)| (key, envelog::Value::from(value))).collect();
            let fact = |event_type: &str| {
                let at = envelog::DateTime::from_timestamp(1_700_000_000, 0).unwrap();
                Envelope::new(Uuid::from_u128(1), PROJECT, "profiles", event_type).user(&*user).at(at)
            };
            let fact = match rng.below(3) {
                0 => fact("identify").anonymous(&*device),
                1 => fact("identity.aliased").property("from", envelog::Value::Object(member)),
                _ => fact("identity.unlinked").property("member", envelog::Value::Object(member)),
            };
            let second = i64::try_from(rng.below(100)).unwrap();
            facts.push(fact.at(envelog::DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()));
        }
        let store = Store::in_memory().unwrap();
        let project = store.project(PROJECT);
        let mut views = Vec::new();
        for (count, fact) in (1..).zip(&facts) {
            store.append(fact).unwrap();
            let fresh = Store::in_memory().unwrap();
            fresh.append_batch(facts[..count].iter().cloned()).unwrap();
            views.push((project.view().unwrap(), persons(&fresh.project(PROJECT).view().unwrap())));
            for _ in 0..2 {
                let at = usize::try_from(rng.below(views.len() as u64)).unwrap();
                let (view, expected) = &views[at];
                assert_eq!(&persons(view), expected, "seed {seed}, the view of {} facts of {count}", at + 1);
            }
        }
    }
}

#[test]
fn a_later_link_of_a_pair_is_seen_by_the_next_view_though_no_row_keeps_it() {
    let store = Store::in_memory().unwrap();
    let shop = scope(&store);
    let at = |second: i64| envelog::DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap();
    let link = |user: &str, second| shop.identify(user).anonymous("tablet").at(at(second)).append().unwrap();
    let of_ben = || store.project(PROJECT).view().unwrap().members("ben").unwrap().len();
    link("cleo", 1);
    link("ben", 10);
    let member = [("kind", "anonymous"), ("id", "tablet")].into_iter();
    let member: Object = member.map(|(key, value)| (key, envelog::Value::from(value))).collect();
    let unlinked = Envelope::new(Uuid::from_u128(1), PROJECT, "profiles", "identity.unlinked").user("cleo");
    store.append(unlinked.property("member", envelog::Value::Object(member)).at(at(20))).unwrap();
    assert_eq!(of_ben(), 1);
    link("ben", 30);
    assert_eq!(of_ben(), 2);
}

#[test]
fn commands_that_break_a_rule_store_nothing() {
    let store = Store::in_memory().unwrap();
    let shop = scope(&store);
    shop.sign_up("anna").set("plan", "free").append().unwrap();
    shop.identify("ben").anonymous("tablet").append().unwrap();
    let visitor = shop.sign_in_anonymously().append().unwrap().user_id;
    let before = store.visible();
    let (tablet, phone) = (PersonRef::Anonymous("tablet"), PersonRef::Anonymous("phone"));
    assert_eq!(rule(shop.sign_up("anna").append()), IdentityRule::AlreadyIdentified);
    assert_eq!(rule(shop.alias("anna", "ben").append()), IdentityRule::CannotMergeIdentified);
    assert_eq!(rule(shop.alias(tablet, "anna").append()), IdentityRule::BoundToAnother);
    assert_eq!(rule(shop.unlink(tablet, "anna").append()), IdentityRule::NotBound);
    assert_eq!(rule(shop.unlink(phone, "anna").append()), IdentityRule::NotBound);
    for refused in [
        shop.sign_up("guest").append(),
        shop.alias("anna", "null").append(),
        shop.alias("guest", "anna").append(),
        shop.unlink(PersonRef::Anonymous("0"), "anna").append(),
    ] {
        assert!(matches!(refused, Err(Error::Invalid { .. })), "{refused:?}");
    }
    assert_eq!(store.visible(), before);

    shop.alias(&visitor, "anna").append().unwrap();
    let other = shop.sign_in_anonymously().append().unwrap().user_id;
    shop.alias(&other, &*visitor).append().unwrap();
    assert_eq!(rule(shop.alias(&visitor, &*other).append()), IdentityRule::BoundToAnother);
    shop.unlink(PersonRef::User(&visitor), "anna").append().unwrap();
    assert_eq!(rule(shop.alias(&visitor, &*other).append()), IdentityRule::Cycle);
    shop.alias(&visitor, &*visitor).append().unwrap();
    assert!(store.project(PROJECT).identity_conflicts().unwrap().is_empty());
}

#[test]
fn a_command_with_the_message_id_of_an_earlier_one_is_a_no_op() {
    let store = Store::in_memory().unwrap();
    let shop = scope(&store);
    let first = shop.sign_up("anna").set("plan", "free").message_id("m1").append().unwrap();
    let again = shop.sign_up("anna").set("plan", "free").message_id("m1").append().unwrap();
    assert_eq!(again.position, first.position);
    assert!(again.notes.contains(Note::Duplicate));
    let other = shop.sign_up("anna").set("plan", "pro").message_id("m1").append();
    assert!(matches!(other, Err(Error::IdConflict { .. })));

    let minted = shop.sign_in_anonymously().message_id("m2").append().unwrap();
    let again = shop.sign_in_anonymously().message_id("m2").append().unwrap();
    assert_eq!((&again.user_id, again.ack.position), (&minted.user_id, minted.ack.position));
    assert!(again.ack.notes.contains(Note::Duplicate));
    assert_ne!(shop.sign_in_anonymously().append().unwrap().user_id, minted.user_id);
}

#[test]
fn an_act_is_stamped_later_than_every_fact_that_it_rests_on() {
    let store = Store::in_memory().unwrap();
    let shop = scope(&store);
    let soon = envelog::DateTime::from_timestamp_nanos(store_now_plus_an_hour());
    shop.identify("ben").anonymous("tablet").at(soon).append().unwrap();
    shop.unlink(PersonRef::Anonymous("tablet"), "ben").append().unwrap();
    let view = store.project(PROJECT).view().unwrap();
    let unlinked = view.events().of_type("identity.unlinked").iter().next().unwrap().unwrap();
    assert!(unlinked.timestamp() > soon);
    assert!(view.identity_conflicts().unwrap().is_empty());
    let tablet = view.profile(PersonRef::Anonymous("tablet")).unwrap();
    assert!(tablet.is_none());
}

fn store_now_plus_an_hour() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_nanos()).unwrap() + 3_600_000_000_000
}

#[test]
fn of_many_threads_that_sign_up_or_alias_at_once_one_succeeds_at_every_level() {
    let directory = tempfile::tempdir().unwrap();
    for (name, level) in [("buffered", Durability::Buffered), ("synced", Durability::Synced)] {
        let options = Options::new().durability(level).dedupe(Dedupe::Off);
        let store = options.open(directory.path().join(name)).unwrap();
        for round in 0..20 {
            let (user, device) = (Arc::new(format!("u{round}")), Arc::new(format!("d{round}")));
            let threads: Vec<_> = (0..4)
                .map(|thread| {
                    let (shop, user, device) = (scope(&store), Arc::clone(&user), Arc::clone(&device));
                    std::thread::spawn(move || {
                        // Other facts are on their way all the time.
                        let noise = shop.identify(format!("noise{thread}")).anonymous(format!("n{thread}"));
                        noise.append().unwrap();
                        let signed_up = shop.sign_up(&*user).append();
                        let aliased =
                            shop.alias(PersonRef::Anonymous(&device), format!("{user}-{thread}")).append();
                        (signed_up.is_ok(), aliased.is_ok())
                    })
                })
                .collect();
            let done: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
            assert_eq!(done.iter().filter(|(signed_up, _)| *signed_up).count(), 1, "{name}");
            assert_eq!(done.iter().filter(|(_, aliased)| *aliased).count(), 1, "{name}");
        }
        assert!(store.project(PROJECT).identity_conflicts().unwrap().is_empty());
        store.close().unwrap();
    }
}
