//! Reading a store whose events stand in sealed segments and in the active one.

use std::collections::{BTreeMap, BTreeSet};

use envelog::testing::SimRng;
use envelog::{
    Condition, DateTime, Durability, Envelope, Error, Number, Options, PageToken, Period, PersonRef, Seq,
    Store, Utc, Uuid, Value,
};
use tempfile::TempDir;

const ORG: Uuid = Uuid::from_u128(1);
const PROJECT: Uuid = Uuid::from_u128(2);
const OTHER: Uuid = Uuid::from_u128(3);
const EVENTS: u32 = 600;
const TYPES: [&str; 4] = ["order.placed", "order.paid", "cart.viewed", "page.viewed"];

fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn options() -> Options {
    Options::new().tiny_segments(16 * 1024).durability(Durability::Buffered)
}

/// An event as the tests know it, beside the store.
#[derive(Debug, Clone)]
struct Known {
    event_type: &'static str,
    module: &'static str,
    user: Option<String>,
    device: Option<String>,
    at: DateTime<Utc>,
    amount: i64,
}

impl Known {
    /// Times repeat and are out of order; some events have no user, some nobody at all.
    fn nth(number: u32) -> Self {
        let start = time("2024-01-30T22:00:00Z");
        let minutes = u64::from(number) * 7 + 1_200 - u64::from(number % 5) * 300;
        Self {
            event_type: TYPES[number as usize % TYPES.len()],
            module: if number.is_multiple_of(3) { "billing" } else { "analytics" },
            user: (!number.is_multiple_of(11)).then(|| format!("u{}", number % 9)),
            device: number.is_multiple_of(2).then(|| format!("d{}", number % 6)),
            at: start + std::time::Duration::from_secs(minutes / 30 * 30 * 60),
            amount: i64::from(number) * 1_000 + 1,
        }
    }

    fn envelope(&self) -> Envelope {
        let mut envelope = Envelope::new(ORG, PROJECT, self.module, self.event_type)
            .at(self.at)
            .property("amount", self.amount);
        envelope.user_id.clone_from(&self.user);
        envelope.anonymous_id.clone_from(&self.device);
        envelope
    }
}

fn known() -> Vec<Known> {
    (0..EVENTS).map(Known::nth).collect()
}

/// A store with the known events in order, seq 1 and on, most of them in sealed segments.
fn filled(directory: &TempDir) -> Store {
    let store = options().open(directory.path().join("store")).unwrap();
    for known in known() {
        store.append(known.envelope()).unwrap();
        store.append(Envelope::new(ORG, OTHER, "noise", "order.placed").user("u1").at(known.at)).unwrap();
    }
    store.wait_sealed().unwrap();
    let stats = store.stats().unwrap();
    assert!(stats.sealed_segments >= 3 && stats.segments > stats.sealed_segments, "{stats:?}");
    store
}

fn numbers(events: envelog::Events<'_>) -> Vec<i64> {
    events.map(|event| event.unwrap().property("amount").unwrap().as_i64().unwrap()).collect()
}

fn wanted(keep: impl Fn(&Known) -> bool) -> Vec<i64> {
    known().iter().filter(|known| keep(known)).map(|known| known.amount).collect()
}

#[test]
fn each_condition_gives_its_events_in_order_from_both_ends_and_counts_the_same() {
    let directory = TempDir::new().unwrap();
    let store = filled(&directory);
    let view = store.project(PROJECT).view().unwrap();
    let events = || view.events();
    let (from, to) = (time("2024-02-01T00:00:00Z"), time("2024-02-02T12:00:00Z"));
    let cases: Vec<(envelog::EventQuery<'_>, Vec<i64>)> = vec![
        (events(), wanted(|_| true)),
        (events().of_type("order.paid"), wanted(|known| known.event_type == "order.paid")),
        (
            events().of_types(["order.paid", "cart.viewed", "never.seen"]),
            wanted(|known| ["order.paid", "cart.viewed"].contains(&known.event_type)),
        ),
        (events().type_prefix("order."), wanted(|known| known.event_type.starts_with("order."))),
        (
            events().type_prefix("order.").of_type("page.viewed"),
            wanted(|known| known.event_type != "cart.viewed"),
        ),
        (events().of_types(Vec::<String>::new()), vec![]),
        (events().of_type("never.seen"), vec![]),
        (events().user("u3"), wanted(|known| known.user.as_deref() == Some("u3"))),
        (events().user("nobody"), vec![]),
        (events().device("d4"), wanted(|known| known.device.as_deref() == Some("d4"))),
        (events().module("billing"), wanted(|known| known.module == "billing")),
        (events().module("noise"), vec![]),
        (events().between(from..to), wanted(|known| from <= known.at && known.at < to)),
        (events().since(from), wanted(|known| from <= known.at)),
        (events().until(from), wanted(|known| known.at < from)),
        (events().between(to..from), vec![]),
        (
            events().seq_range(Seq::new(101)..Seq::new(121)),
            wanted(|known| (50_001..60_000).contains(&known.amount)),
        ),
        (events().property("amount").equals(7_001), wanted(|known| known.amount == 7_001)),
        (events().property("amount").equals(7_001.0), wanted(|known| known.amount == 7_001)),
        (
            events().property("amount").between(7_001, 9_001),
            wanted(|known| (7_001..=9_001).contains(&known.amount)),
        ),
        (events().property("amount").at_least(590_001), wanted(|known| known.amount >= 590_001)),
        (events().property("amount").at_most(1), wanted(|known| known.amount <= 1)),
        (events().property("amount").equals("7001"), vec![]),
        (events().property("amount").exists(), wanted(|_| true)),
        (events().property("none").exists(), vec![]),
        (
            events()
                .user("u4")
                .type_prefix("order.")
                .module("billing")
                .since(from)
                .where_property("amount", Condition::AtLeast(100_000.into())),
            wanted(|known| {
                known.user.as_deref() == Some("u4")
                    && known.event_type.starts_with("order.")
                    && known.module == "billing"
                    && from <= known.at
                    && known.amount >= 100_000
            }),
        ),
    ];
    for (query, wanted) in cases {
        let label = format!("{query:?}");
        assert_eq!(numbers(query.iter()), wanted, "{label}");
        let mut back = numbers(query.clone().newest_first().iter());
        back.reverse();
        assert_eq!(back, wanted, "{label}");
        let backwards: Vec<i64> = query
            .iter()
            .rev()
            .map(|event| event.unwrap().property("amount").unwrap().as_i64().unwrap())
            .collect();
        assert_eq!(backwards, back.iter().rev().copied().collect::<Vec<_>>(), "{label}");
        assert_eq!(query.count().unwrap(), wanted.len() as u64, "{label}");
        assert_eq!(
            query.sum("amount").unwrap().integers,
            wanted.iter().map(|number| i128::from(*number)).sum(),
            "{label}"
        );
        for limit in [0, 1, 7] {
            let first: Vec<i64> = wanted.iter().take(limit).copied().collect();
            let last: Vec<i64> = wanted.iter().rev().take(limit).copied().collect();
            assert_eq!(numbers(query.clone().limit(limit).iter()), first, "{label}");
            assert_eq!(numbers(query.clone().newest_first().limit(limit).iter()), last, "{label}");
        }
        // From both ends at once, each event once.
        let mut events = query.iter();
        let mut seen = BTreeSet::new();
        while let Some(event) = if seen.len() % 2 == 0 { events.next() } else { events.next_back() } {
            assert!(seen.insert(event.unwrap().seq()), "{label}");
        }
        assert_eq!(seen.len(), wanted.len(), "{label}");
        assert!(events.next().is_none() && events.next_back().is_none());
    }
}

#[test]
fn groups_and_users_are_those_of_a_fold_over_the_events() {
    let directory = TempDir::new().unwrap();
    let store = filled(&directory);
    let view = store.project(PROJECT).view().unwrap();
    let mut by_type = BTreeMap::<_, (u64, BTreeSet<String>, i128)>::new();
    let mut by_day = BTreeMap::<_, (u64, BTreeSet<String>, i128)>::new();
    for known in known() {
        for (count, users, sum) in [
            by_type.entry(known.event_type.to_owned()).or_default(),
            by_day.entry(known.at.format("%Y-%m-%d").to_string()).or_default(),
        ] {
            *count += 1;
            users.extend(known.user.clone());
            *sum += i128::from(known.amount);
        }
    }
    let query = view.events();
    let types = query.by_type();
    let counts: Vec<_> =
        types.count().unwrap().into_iter().map(|bucket| (bucket.key, bucket.value)).collect();
    assert_eq!(counts.iter().cloned().collect::<BTreeMap<_, _>>().len(), counts.len());
    for (name, count) in counts {
        assert_eq!(count, by_type[&name].0);
    }
    for bucket in types.users().unwrap() {
        assert_eq!(bucket.value, by_type[&bucket.key].1.len() as u64);
    }
    for bucket in types.sum("amount").unwrap() {
        assert_eq!(bucket.value.integers, by_type[&bucket.key].2);
    }
    let days = query.by(Period::Day);
    let day = |key: DateTime<Utc>| key.format("%Y-%m-%d").to_string();
    let counts: Vec<_> =
        days.count().unwrap().into_iter().map(|bucket| (day(bucket.key), bucket.value)).collect();
    let expected: Vec<_> = by_day.iter().map(|(day, (count, ..))| (day.clone(), *count)).collect();
    assert_eq!(counts, expected, "days in order");
    for bucket in days.users().unwrap() {
        assert_eq!(bucket.value, by_day[&day(bucket.key)].1.len() as u64);
    }
    for bucket in days.sum("amount").unwrap() {
        assert_eq!(bucket.value.integers, by_day[&day(bucket.key)].2);
    }
    assert_eq!(query.users().unwrap(), 9);
    let users: BTreeSet<&str> = view.users().unwrap().map(Result::unwrap).collect();
    assert_eq!(users.len(), 9);
    let modules: BTreeMap<_, _> =
        view.modules().unwrap().into_iter().map(|each| (each.name, each.events)).collect();
    assert_eq!(modules, BTreeMap::from([("analytics".to_owned(), 400), ("billing".to_owned(), 200)]));
    assert_eq!(store.projects().unwrap(), [PROJECT, OTHER]);
}

#[test]
fn a_view_stands_still_while_events_are_appended_and_segments_are_sealed() {
    let directory = TempDir::new().unwrap();
    let store = filled(&directory);
    let view = store.project(PROJECT).view().unwrap();
    let before = (view.visible(), numbers(view.events().iter()));
    let timeline: Vec<Seq> = view.timeline("u3").iter().map(|event| event.unwrap().seq()).collect();
    let events = view.events();
    let mut half = events.iter();
    let first: Vec<_> = half.by_ref().take(250).map(|event| event.unwrap().seq()).collect();
    for known in known() {
        store.append(known.envelope()).unwrap();
    }
    store.scope(ORG, PROJECT, "profiles").identify("u3").set("plan", "pro").append().unwrap();
    store.wait_sealed().unwrap();
    let rest: Vec<_> = half.map(|event| event.unwrap().seq()).collect();
    assert_eq!(first.len() + rest.len(), EVENTS as usize);
    assert_eq!((view.visible(), numbers(view.events().iter())), before);
    assert_eq!(view.events().count().unwrap(), u64::from(EVENTS));
    assert_eq!(view.timeline("u3").iter().map(|event| event.unwrap().seq()).collect::<Vec<_>>(), timeline);
    assert!(view.profile("u3").unwrap().is_none());
    let now = store.project(PROJECT).view().unwrap();
    assert_eq!(now.events().count().unwrap(), u64::from(2 * EVENTS + 1));
    assert!(now.profile("u3").unwrap().is_some());
    store.close().unwrap();
    drop(store);
    assert_eq!(numbers(view.events().iter()), before.1, "and outlives the store");
}

/// The amounts of a user's timeline, oldest first; each event has an amount of its own.
fn timeline_of(user: &str) -> Vec<i64> {
    let mut events = known();
    events.retain(|known| known.user.as_deref() == Some(user));
    events.sort_by_key(|known| (known.at, known.amount));
    events.into_iter().map(|known| known.amount).collect()
}

fn amount(event: envelog::Result<envelog::EventRef<'_>>) -> i64 {
    event.unwrap().property("amount").unwrap().as_i64().unwrap()
}

#[test]
fn pages_go_on_where_the_last_ended_also_after_reopening_and_appending() {
    let directory = TempDir::new().unwrap();
    drop(filled(&directory));
    let wanted = timeline_of("u3");
    for newest_first in [true, false] {
        for page in [1, 7, 50, 1_000] {
            let mut token: Option<String> = None;
            let mut seen = Vec::new();
            loop {
                // Every page by a process of its own, as it were.
                let store = options().open_read_only(directory.path().join("store")).unwrap();
                let view = store.project(PROJECT).view().unwrap();
                let mut timeline = view.timeline("u3").limit(page);
                if newest_first {
                    timeline = timeline.newest_first();
                }
                if let Some(token) = &token {
                    timeline = timeline.after(token.parse::<PageToken>().unwrap());
                }
                let mut events = timeline.iter();
                let got: Vec<i64> = events.by_ref().map(amount).collect();
                if got.is_empty() {
                    break;
                }
                assert!(got.len() <= page);
                seen.extend(got);
                token = events.page_token().map(|token| token.to_string());
                if page == 1 && seen.len() >= 5 {
                    break;
                }
            }
            let mut expected = wanted.clone();
            if newest_first {
                expected.reverse();
            }
            expected.truncate(seen.len().max(if page == 1 { 0 } else { expected.len() }));
            assert_eq!(seen, expected, "newest first: {newest_first}, pages of {page}");
        }
    }
    // What arrives between two pages moves nothing behind the token.
    let store = options().open(directory.path().join("store")).unwrap();
    let view = store.project(PROJECT).view().unwrap();
    let first = view.timeline("u3").newest_first().limit(5);
    let mut first = first.iter();
    let got: Vec<i64> = first.by_ref().map(amount).collect();
    let token = first.page_token().unwrap();
    store
        .append(Envelope::new(ORG, PROJECT, "m", "a.b").user("u3").at(time("2024-05-01T00:00:00Z")))
        .unwrap();
    let view = store.project(PROJECT).view().unwrap();
    let next = view.timeline("u3").newest_first().limit(5).after(token);
    // The token says in which direction, whatever is asked beside it and in whatever order.
    let other: Vec<i64> =
        view.timeline("u3").after(token).newest_first().limit(5).iter().map(amount).collect();
    let none: Vec<i64> = view.timeline("u3").after(token).limit(5).iter().map(amount).collect();
    let next: Vec<i64> = next.iter().map(amount).collect();
    assert_eq!([&other, &none], [&next, &next]);
    let newest: Vec<i64> = wanted.iter().rev().take(10).copied().collect();
    assert_eq!([got, next].concat(), newest);
    assert_eq!(
        "x".parse::<PageToken>().unwrap_err().to_string(),
        "page token: is not the text of a page token"
    );
}

#[test]
fn a_timeline_has_its_filters_and_devices_have_theirs() {
    let directory = TempDir::new().unwrap();
    let store = filled(&directory);
    let view = store.project(PROJECT).view().unwrap();
    let amounts = |timeline: envelog::Timeline<'_>| timeline.iter().map(amount).collect::<Vec<_>>();
    let by_amount = |amount: i64| Known::nth(u32::try_from(amount / 1_000).unwrap());
    let all = timeline_of("u3");
    assert_eq!(amounts(view.timeline("u3")), all);
    let (from, to) = (time("2024-02-01T00:00:00Z"), time("2024-02-02T12:00:00Z"));
    let kept = |keep: &dyn Fn(&Known) -> bool| {
        all.iter().copied().filter(|amount| keep(&by_amount(*amount))).collect::<Vec<_>>()
    };
    assert_eq!(
        amounts(view.timeline("u3").type_prefix("order.")),
        kept(&|known| known.event_type.starts_with("order."))
    );
    assert_eq!(
        amounts(view.timeline("u3").of_type("page.viewed")),
        kept(&|known| known.event_type == "page.viewed")
    );
    assert_eq!(amounts(view.timeline("u3").module("billing")), kept(&|known| known.module == "billing"));
    assert_eq!(
        amounts(view.timeline("u3").between(from..to)),
        kept(&|known| from <= known.at && known.at < to)
    );
    assert_eq!(
        amounts(view.timeline("u3").where_property("amount", Condition::AtMost(100_000.into()))),
        kept(&|known| known.amount <= 100_000)
    );
    let activity = view.activity("u3").unwrap().unwrap();
    let times: Vec<_> = all.iter().map(|amount| by_amount(*amount).at).collect();
    assert_eq!((activity.first, activity.last), (times[0], times[times.len() - 1]));
    assert_eq!(activity.events, all.len() as u64);
    assert!(view.activity("nobody").unwrap().is_none());
    assert_eq!(view.timeline("nobody").iter().count(), 0);

    // A device's timeline has what happened before anyone was known.
    let anonymous =
        known().iter().filter(|known| known.user.is_none() && known.device.as_deref() == Some("d4")).count();
    let device = view.timeline(PersonRef::Anonymous("d4"));
    assert_eq!(device.iter().count(), anonymous);
    assert!(device.iter().all(|event| event.unwrap().user_id().is_none()));
    assert_eq!(
        view.activity(PersonRef::Anonymous("d4")).unwrap().map_or(0, |activity| activity.events),
        anonymous as u64
    );
}

#[test]
fn days_and_months_are_those_of_utc() {
    let directory = TempDir::new().unwrap();
    let store = options().open(directory.path().join("store")).unwrap();
    let times = [
        "2023-12-31T23:59:59.999999999Z",
        "2024-01-01T00:00:00Z",
        "2024-02-29T23:59:59Z",
        "2024-02-29T23:30:00-00:45",
        "2024-03-01T00:30:00+01:00",
        "1970-01-01T00:00:00Z",
    ];
    for time in times {
        let line = format!(
            r#"{{"orgId":"{ORG}","projectId":"{PROJECT}","module":"m","eventType":"a.b","timestamp":"{time}"}}"#
        );
        store.append_json(line.as_bytes()).unwrap();
    }
    let view = store.project(PROJECT).view().unwrap();
    let query = view.events();
    let buckets = |period| {
        query
            .by(period)
            .count()
            .unwrap()
            .into_iter()
            .map(|bucket| (bucket.key.format("%Y-%m-%dT%H:%M:%S").to_string(), bucket.value))
            .collect::<Vec<_>>()
    };
    let bucket = |day: &str, count: u64| (format!("{day}T00:00:00"), count);
    assert_eq!(
        buckets(Period::Day),
        [
            bucket("1970-01-01", 1),
            bucket("2023-12-31", 1),
            bucket("2024-01-01", 1),
            bucket("2024-02-29", 2),
            bucket("2024-03-01", 1)
        ]
    );
    assert_eq!(
        buckets(Period::Month),
        [
            bucket("1970-01-01", 1),
            bucket("2023-12-01", 1),
            bucket("2024-01-01", 1),
            bucket("2024-02-01", 2),
            bucket("2024-03-01", 1)
        ]
    );
}

#[test]
fn sums_of_integers_are_exact_and_of_floats_compensated() {
    let directory = TempDir::new().unwrap();
    let store = options().open(directory.path().join("store")).unwrap();
    let append = |value: Value| {
        store.append(Envelope::new(ORG, PROJECT, "m", "a.b").property("x", value)).unwrap();
    };
    let mut exact = 0_i128;
    for _ in 0..40 {
        append(u64::MAX.into());
        append(i64::MIN.into());
        exact += i128::from(u64::MAX) + i128::from(i64::MIN);
    }
    let mut random = SimRng::new(7);
    for _ in 0..500 {
        let number = random.next_u64().cast_signed();
        append(number.into());
        exact += i128::from(number);
    }
    for value in [Value::Null, "12".into(), true.into(), Value::List(vec![1.into()])] {
        append(value);
    }
    for value in [1e16, 1.5, -1e16, 0.25] {
        append(value.into());
    }
    for text in ["-9223372036854775809", "18446744073709551616", "100000000000000000000000000000000000001"] {
        append(Value::Number(Number::from_text(text).unwrap()));
        exact += text.parse::<i128>().unwrap();
    }
    store.append(Envelope::new(ORG, PROJECT, "m", "a.b")).unwrap();
    for _ in 0..2 {
        let view = store.project(PROJECT).view().unwrap();
        let sum = view.events().sum("x").unwrap();
        // 1e16 and -1e16 are integers by value, and cancel out.
        assert_eq!(sum.integers, exact);
        assert_eq!(sum.floats.to_bits(), 1.75_f64.to_bits());
        assert_eq!((sum.count, sum.skipped), (587, 5));
        store.wait_sealed().unwrap();
    }
}

#[test]
fn a_position_gives_its_event_and_none_of_another_project() {
    let directory = TempDir::new().unwrap();
    let store = filled(&directory);
    let ack = store.append(Known::nth(5).envelope()).unwrap();
    let view = store.project(PROJECT).view().unwrap();
    assert_eq!(view.get(ack.position).unwrap().unwrap().property("amount").unwrap().as_i64(), Some(5_001));
    let positions: Vec<_> = view.events().iter().map(|event| event.unwrap().position()).collect();
    for (number, position) in positions.iter().take(EVENTS as usize).enumerate() {
        let event = view.get(*position).unwrap().unwrap();
        assert_eq!(
            event.property("amount").unwrap().as_i64(),
            Some(i64::try_from(number).unwrap() * 1_000 + 1)
        );
        assert!(store.project(OTHER).view().unwrap().get(*position).unwrap().is_none());
    }
    let beyond = envelog::Position { seq: Seq::new(1 << 40), ..ack.position };
    assert!(view.get(beyond).unwrap().is_none());
    let mut stranger = Known::nth(1).envelope();
    stranger.org_id = Uuid::from_u128(99);
    assert!(matches!(store.append(stranger), Err(Error::Invalid { .. })));
}

#[test]
fn what_a_view_shows_of_itself_does_not_grow_with_the_store() {
    let directory = TempDir::new().unwrap();
    let store = filled(&directory);
    let view = store.project(PROJECT).view().unwrap();
    let shown = format!("{view:?} {:?} {:?}", view.events().of_type("order.placed"), view.timeline("u1"));
    assert!(shown.len() < 4_000, "{} bytes", shown.len());
}
