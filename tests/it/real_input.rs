//! The events of a real shop go in, in any order, and every reference answer comes out.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use envelog::testing::SimRng;
use envelog::{Bucket, Durability, Options, Period, Store, Uuid, View};
use serde_json::{Map, Value as Json, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

pub(crate) const MIB: u64 = 1024 * 1024;

pub(crate) fn project() -> Uuid {
    "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d".parse().unwrap()
}

/// Says that a test cannot run here, which is a failure where all of them must.
#[expect(clippy::print_stderr, reason = "a test that cannot run says so")]
pub(crate) fn ignored(reason: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "CI=true and a test cannot run: {reason}");
    eprintln!("ignored: {reason}");
}

/// The path of a file of the reference data; none, and said so, where that is absent.
pub(crate) fn reference(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("ENVELOG_REFERENCE_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), PathBuf::from);
    let path = folder.join(name);
    if path.is_file() {
        return Some(path);
    }
    ignored(&format!("the reference data lacks {name}, ENVELOG_REFERENCE_DATA names its folder"));
    None
}

/// The lines of the shop's events, in the given order.
pub(crate) fn shop_lines() -> Option<Vec<String>> {
    let file = std::fs::File::open(reference("ecom.ndjson.gz")?).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    Some(text.lines().map(str::to_owned).collect())
}

fn expected() -> Json {
    let path = reference("ecom.expected.json").unwrap();
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Imports as a tool does, some hundred lines a batch.
pub(crate) fn import<S: AsRef<str>>(store: &Store, lines: &[S]) {
    for lines in lines.chunks(500) {
        let mut batch = store.batch();
        for line in lines {
            batch.push_json(line.as_ref().as_bytes()).unwrap();
        }
        batch.commit().unwrap();
    }
}

pub(crate) fn small_segments() -> Options {
    Options::new().segment_bytes_max(MIB).durability(Durability::Buffered)
}

fn by_name(buckets: Vec<Bucket<String, u64>>) -> BTreeMap<String, u64> {
    buckets.into_iter().map(|bucket| (bucket.key, bucket.value)).collect()
}

/// What the reference answers, asked of a view; every number that counts events is divided by `times`, exactly.
fn answers(view: &View, times: u64) -> Json {
    let once = |count: u64| {
        assert_eq!(count % times, 0, "each event is there {times} times");
        count / times
    };
    let all = view.events();
    let types = view.event_types().unwrap();
    let counts: BTreeMap<_, _> =
        by_name(all.count_by_type().unwrap()).into_iter().map(|(name, count)| (name, once(count))).collect();
    for each in &types {
        assert_eq!(once(each.events), counts[&each.name], "{}", each.name);
        assert_eq!(view.events().of_type(&each.name).count().unwrap(), each.events, "{}", each.name);
    }
    let users = by_name(all.by_type().users().unwrap());
    for (name, count) in &users {
        assert_eq!(view.events().of_type(name).users().unwrap(), *count, "{name}");
    }
    let orders = view.events().of_type("order.placed");
    let months: BTreeMap<_, _> = orders
        .by(Period::Month)
        .count()
        .unwrap()
        .into_iter()
        .map(|bucket| (bucket.key.format("%Y-%m").to_string(), once(bucket.value)))
        .collect();
    let days: u64 = orders.by(Period::Day).count().unwrap().iter().map(|bucket| bucket.value).sum();
    assert_eq!(days, orders.count().unwrap());
    let sum = orders.sum("amount").unwrap();
    assert_eq!((sum.floats.to_bits(), sum.skipped), (0, 0), "every amount is an integer");
    assert_eq!(sum.integers % i128::from(times), 0);

    let profiles = profiles(view);
    let digest = Sha256::digest(serde_json::to_string(&profiles).unwrap());
    let second = |time: envelog::DateTime<envelog::Utc>| time.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    json!({
        "events": once(all.count().unwrap()),
        "users": all.users().unwrap(),
        "first": second(types.iter().map(|each| each.first).min().unwrap()),
        "last": second(types.iter().map(|each| each.last).max().unwrap()),
        "count_by_type": counts,
        "users_by_type": users,
        "orders_per_month": months,
        "order_amount_sum": i64::try_from(sum.integers / i128::from(times)).unwrap(),
        "profiles": profiles.len(),
        "profiles_sample": sample(&profiles),
        "profiles_sha256": digest.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat(),
    })
}

fn profiles(view: &View) -> Map<String, Json> {
    let mut all = Map::new();
    for profile in view.profiles().unwrap() {
        let profile = profile.unwrap();
        let traits: Json = serde_json::from_str(&profile.traits_json()).unwrap();
        let single = view.profile(profile.id()).unwrap().unwrap();
        assert_eq!(single.traits_json(), profile.traits_json());
        all.insert(profile.id().to_owned(), traits);
    }
    all
}

fn sample(profiles: &Map<String, Json>) -> Json {
    let expected = expected();
    let wanted = expected["profiles_sample"].as_object().unwrap();
    profiles
        .iter()
        .filter(|(id, _)| wanted.contains_key(*id))
        .map(|(id, traits)| (id.clone(), traits.clone()))
        .collect()
}

/// The time and type of each event of a user, newest first.
fn timeline(view: &View, user: &str) -> Vec<(String, String)> {
    let events = view.timeline(user).newest_first();
    let events: Vec<_> = events.iter().map(|event| shown(&event.unwrap())).collect();
    let mut back: Vec<_> = view.timeline(user).iter().map(|event| shown(&event.unwrap())).collect();
    back.reverse();
    assert_eq!(events, back, "both directions are one order");
    let activity = view.activity(user).unwrap().unwrap();
    assert_eq!(activity.events, events.len() as u64);
    events
}

fn shown(event: &envelog::EventRef<'_>) -> (String, String) {
    (event.timestamp().format("%Y-%m-%dT%H:%M:%SZ").to_string(), event.event_type().to_owned())
}

fn check_answers(view: &View, times: u64) {
    let expected = expected();
    let answers = answers(view, times);
    for (name, answer) in answers.as_object().unwrap() {
        assert_eq!(*answer, expected[name], "{name}");
    }
}

fn check_timelines_in_order(view: &View, lines: &[String]) {
    let expected = expected();
    for (user, newest) in expected["timeline_newest_10"].as_object().unwrap() {
        let mut events = timeline(view, user);
        events.truncate(10);
        assert_eq!(json!(events), *newest, "{user}");
    }
    // The whole timelines, against the file: stable by time, the later line newer.
    for (user, mut events) in users_of(lines) {
        events.sort_by(|one, other| one.0.cmp(&other.0));
        events.reverse();
        assert_eq!(timeline(view, &user), events, "{user}");
    }
}

/// Compares the events at each time as a set: within a second, arrival decides.
fn check_timelines_as_sets(view: &View, lines: &[String], times: usize) {
    type Instants = BTreeMap<String, BTreeMap<String, usize>>;
    let group = |events: Vec<(String, String)>, weight: usize| {
        let mut instants = Instants::new();
        for (time, name) in events {
            *instants.entry(time).or_default().entry(name).or_default() += weight;
        }
        instants
    };
    for (user, events) in users_of(lines) {
        assert_eq!(group(timeline(view, &user), 1), group(events, times), "{user}");
    }
    let expected = expected();
    for (user, newest) in expected["timeline_newest_10"].as_object().unwrap() {
        let newest: Vec<(String, String)> = serde_json::from_value(newest.clone()).unwrap();
        let had = timeline(view, user);
        let instants: BTreeSet<_> = newest.iter().map(|(time, _)| time).collect();
        // The tenth may have others of its second behind it.
        let oldest = instants.first().unwrap();
        for time in instants.iter().filter(|time| time != &oldest) {
            let at = |events: &[(String, String)]| {
                events
                    .iter()
                    .filter(|event| event.0 == **time)
                    .map(|event| event.1.clone())
                    .collect::<BTreeSet<_>>()
            };
            assert_eq!(at(&had), at(&newest), "{user} {time}");
        }
        for (time, name) in &newest {
            assert!(had.contains(&(time.clone(), name.clone())), "{user} {time} {name}");
        }
    }
}

fn users_of(lines: &[String]) -> BTreeMap<String, Vec<(String, String)>> {
    let mut users = BTreeMap::<_, Vec<_>>::new();
    for line in lines {
        let event: Json = serde_json::from_str(line).unwrap();
        let text = |name: &str| event[name].as_str().unwrap().to_owned();
        users.entry(text("userId")).or_default().push((text("timestamp"), text("eventType")));
    }
    users
}

/// Imports, and asks before the store is closed, after it is opened again and of a reader.
/// Every event is on the timeline of exactly one person, once, and `explain` names that person.
fn check_each_event_is_on_one_timeline(view: &View) {
    let mut persons = BTreeSet::new();
    let mut all = BTreeSet::new();
    for event in &view.events() {
        let event = event.unwrap();
        let id = event.person().expect("every event of the shop has an id");
        persons.insert(view.person(id).unwrap());
        assert!(all.insert(event.position()));
    }
    let members: usize = persons.iter().map(|person| view.members(person).unwrap().len()).sum();
    let mut seen = BTreeSet::new();
    for person in &persons {
        for event in &view.timeline(person) {
            let event = event.unwrap();
            assert!(seen.insert(event.position()), "{} is on two timelines", event.position());
            if event.seq().get().is_multiple_of(97) {
                assert_eq!(&view.explain(event.position()).unwrap().unwrap().person, person);
            }
        }
    }
    assert_eq!(seen, all);
    // Each user has one device.
    assert_eq!(members, 2 * persons.len());
}

fn through_reopening(options: &Options, lines: &[&String], check: impl Fn(&View)) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store");
    let store = options.clone().open(&path).unwrap();
    import(&store, lines);
    check(&store.project(project()).view().unwrap());
    store.close().unwrap();
    drop(store);
    let store = options.clone().open(&path).unwrap();
    assert!(store.recovery().clean);
    check(&store.project(project()).view().unwrap());
    store.close().unwrap();
    drop(store);
    let store = Options::new().open_read_only(&path).unwrap();
    check(&store.project(project()).view().unwrap());
}

#[test]
fn the_shop_gives_the_reference_answers_with_small_segments() {
    let Some(lines) = shop_lines() else { return };
    let given: Vec<&String> = lines.iter().collect();
    through_reopening(&small_segments(), &given, |view| {
        check_answers(view, 1);
        check_timelines_in_order(view, &lines);
    });
}

#[test]
fn the_shop_gives_the_reference_answers_with_default_options() {
    let Some(lines) = shop_lines() else { return };
    let given: Vec<&String> = lines.iter().collect();
    through_reopening(&Options::new(), &given, |view| {
        check_answers(view, 1);
        check_timelines_in_order(view, &lines);
    });
}

#[test]
fn the_shop_in_reverse_gives_the_same_answers() {
    let Some(lines) = shop_lines() else { return };
    let reversed: Vec<&String> = lines.iter().rev().collect();
    through_reopening(&small_segments(), &reversed, |view| {
        check_answers(view, 1);
        check_timelines_as_sets(view, &lines, 1);
        check_each_event_is_on_one_timeline(view);
    });
}

#[test]
fn the_shop_shuffled_gives_the_same_answers() {
    let Some(lines) = shop_lines() else { return };
    let seed = SimRng::seed_of_run();
    writeln!(std::io::stdout(), "ENVELOG_SEED={seed}").unwrap();
    let mut random = SimRng::new(seed);
    let mut shuffled: Vec<&String> = lines.iter().collect();
    for at in (1..shuffled.len()).rev() {
        let other = usize::try_from(random.below(at as u64 + 1)).unwrap();
        shuffled.swap(at, other);
    }
    through_reopening(&small_segments(), &shuffled, |view| {
        check_answers(view, 1);
        check_timelines_as_sets(view, &lines, 1);
    });
}

#[test]
fn the_shop_twice_over_doubles_events_and_leaves_users_and_profiles() {
    let Some(lines) = shop_lines() else { return };
    let twice: Vec<&String> = lines.iter().chain(&lines).collect();
    let canonical = {
        let directory = TempDir::new().unwrap();
        let store = small_segments().open(directory.path().join("store")).unwrap();
        import(&store, &lines);
        store.project(project()).view().unwrap().profiles_canonical_json().unwrap()
    };
    through_reopening(&small_segments(), &twice, |view| {
        check_answers(view, 2);
        check_timelines_as_sets(view, &lines, 2);
        assert!(
            view.profiles_canonical_json().unwrap() == canonical,
            "the profiles are the same byte for byte"
        );
    });
}

#[test]
fn every_event_of_the_shop_comes_back_by_value_but_for_addresses() {
    let Some(lines) = shop_lines() else { return };
    let directory = TempDir::new().unwrap();
    let store = small_segments().open(directory.path().join("store")).unwrap();
    import(&store, &lines);
    let view = store.project(project()).view().unwrap();
    let events = view.events();
    let mut tokens = BTreeMap::new();
    let mut out = Vec::new();
    let mut read = events.iter();
    for line in &lines {
        let event = read.next().unwrap().unwrap();
        out.clear();
        event.to_json(&mut out);
        let (mut came, mut went): (Json, Json) =
            (serde_json::from_slice(&out).unwrap(), serde_json::from_str(line).unwrap());
        let address = went.get_mut("context").and_then(|context| context.as_object_mut()?.remove("ip"));
        let token = came.get_mut("context").and_then(|context| context.as_object_mut()?.remove("ipHash"));
        assert_eq!(address.is_some(), token.is_some(), "{line}");
        if let (Some(address), Some(token)) = (address, token) {
            assert!(token.as_str().unwrap().starts_with("iph1:") && token.as_str().unwrap().len() == 46);
            let (address, token) = (address.to_string(), token.to_string());
            assert_eq!(
                *tokens.entry(address).or_insert_with(|| token.clone()),
                token,
                "one address, one token"
            );
        }
        assert!(same(&came, &went), "{line}");
        let owned = serde_json::to_value(event.to_event()).unwrap();
        assert_eq!(owned["timestamp"], went["timestamp"]);
    }
    assert!(read.next().is_none());
    let distinct: BTreeSet<_> = tokens.values().collect();
    assert!(tokens.len() > 100 && distinct.len() == tokens.len(), "{} addresses", tokens.len());
}

/// Equal, with numbers compared by value.
pub(crate) fn same(one: &Json, other: &Json) -> bool {
    match (one, other) {
        (Json::Number(one), Json::Number(other)) => {
            one == other || (one.is_f64() != other.is_f64() && one.as_f64() == other.as_f64())
        }
        (Json::Array(one), Json::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Json::Object(one), Json::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, one)| other.get(key).is_some_and(|other| same(one, other)))
        }
        _ => one == other,
    }
}
