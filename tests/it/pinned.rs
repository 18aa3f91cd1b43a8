//! What came of the facts about a person is kept between reads, and no view is ever told what holds for another one.

use std::collections::BTreeMap;

use envelog::testing::{SimDisk, SimRng};
use envelog::{DateTime, Envelope, Options, PersonId, PersonRef, Store, Uuid, Value, View};

use crate::support::index;

const ORG: Uuid = Uuid::from_u128(1);
const PROJECT: Uuid = Uuid::from_u128(2);
const USERS: [&str; 5] = ["u0", "u1", "u2", "u3", "u4"];
const DEVICES: [&str; 4] = ["d0", "d1", "d2", "d3"];
const STEPS: usize = 120;
const VIEWS: usize = 6;
const SEEDS: u64 = 3;

/// What a view says of a person: its members, the id that stands for it, and its profile.
type Answer = (Vec<PersonId>, PersonId, Option<String>);

fn answer(view: &View, id: PersonRef<'_>) -> Answer {
    let profile = view.profile(id).unwrap().map(|profile| {
        let members: Vec<_> = profile.members().map(PersonId::from).collect();
        format!("{:?} {} {}", profile.state(), members.len(), profile.traits_json())
    });
    (view.members(id).unwrap(), view.person(id).unwrap(), profile)
}

fn people() -> impl Iterator<Item = PersonRef<'static>> {
    let devices = DEVICES.into_iter().map(PersonRef::Anonymous);
    USERS.into_iter().map(PersonRef::User).chain(devices)
}

fn about(event_type: &str, key: &str, member: PersonRef<'_>) -> Envelope {
    let kind = if matches!(member, PersonRef::User(_)) { "user" } else { "anonymous" };
    let named = [("kind", Value::from(kind)), ("id", Value::from(member.id()))];
    Envelope::new(ORG, PROJECT, "profiles", event_type)
        .property(key, Value::Object(named.into_iter().collect()))
}

fn fact(rng: &mut SimRng) -> Envelope {
    let (user, other) = (USERS[index(rng, 5)], USERS[index(rng, 5)]);
    let device = DEVICES[index(rng, 4)];
    let plain = |event_type| Envelope::new(ORG, PROJECT, "profiles", event_type);
    // Few times, so that facts come late and some come twice at once.
    let time = i64::try_from(rng.below(300)).unwrap();
    let event = match rng.below(12) {
        0..=3 => plain("identify").anonymous(device).with_trait("seen", time),
        4 => plain("identify").with_trait("seen", time),
        5 => plain("identity.anonymous_created"),
        6 => plain("identity.signed_up").with_trait("plan", time),
        7 => about("identity.aliased", "from", PersonRef::Anonymous(device)),
        8 | 9 => about("identity.aliased", "from", PersonRef::User(other)),
        10 => about("identity.unlinked", "member", PersonRef::Anonymous(device)),
        _ => about("identity.unlinked", "member", PersonRef::User(other)),
    };
    event.user(user).at(DateTime::from_timestamp(1_700_000_000 + time, 0).unwrap())
}

/// What a store that ends there says, which nobody read before.
fn truth(events: &[Envelope]) -> Vec<Answer> {
    let store = Store::in_memory().unwrap();
    store.append_batch(events).unwrap();
    let view = store.project(PROJECT).view().unwrap();
    people().map(|id| answer(&view, id)).collect()
}

fn views_of_many_moments(seed: u64) {
    let mut rng = SimRng::new(seed);
    let disk = SimDisk::default();
    let open = || Options::new().tiny_segments(8192).open_on(&disk).unwrap();
    let mut store = open();
    let (mut events, mut views) = (Vec::new(), Vec::new());
    let mut truths: BTreeMap<usize, Vec<Answer>> = BTreeMap::new();
    let mut asked = 0;
    for step in 0..STEPS {
        let event = fact(&mut rng);
        store.append(&event).unwrap();
        events.push(event);
        // Bytes that make the log roll, so that rows move into runs and runs are merged.
        let filler = Envelope::new(ORG, PROJECT, "x", "page.viewed").property("pad", "x".repeat(300));
        store.append(filler).unwrap();
        if rng.below(3) == 0 {
            if views.len() == VIEWS {
                views.remove(index(&mut rng, VIEWS));
            }
            views.push((events.len(), store.project(PROJECT).view().unwrap()));
        }
        if rng.below(40) == 0 {
            views.clear();
            store.close().unwrap();
            drop(store);
            store = open();
        }
        // The newest first, so that what it leaves behind is in the way of the older ones.
        let who = index(&mut rng, USERS.len() + DEVICES.len());
        for (len, view) in views.iter().rev() {
            let truth = truths.entry(*len).or_insert_with(|| truth(&events[..*len]));
            let id = people().nth(who).unwrap();
            assert_eq!(answer(view, id), truth[who], "ENVELOG_SEED={seed} step {step}");
            asked += 1;
        }
    }
    assert!(asked > STEPS, "{asked}");
    assert!(store.stats().unwrap().sealed_segments > 3);
}

#[test]
fn a_view_is_told_what_held_at_its_moment_whoever_read_before() {
    let seed = std::env::var("ENVELOG_SEED").ok().and_then(|seed| seed.parse().ok());
    match seed {
        Some(seed) => views_of_many_moments(seed),
        None => (1..=SEEDS).for_each(views_of_many_moments),
    }
}
