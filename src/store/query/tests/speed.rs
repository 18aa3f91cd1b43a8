//! How long questions take over a million events, hot. Run by hand, on a quiet machine:
//! `cargo test --release --lib store::query::tests::speed -- --ignored --nocapture`.

use std::hint::black_box;
use std::time::Instant;

use super::lab::Lab;
use super::model::{HOUR, PROJECTS, START};
use crate::envelope::{Object, Value, time};
use crate::format::keys::EventKeys;
use crate::storage::SimRng;
use crate::store::view::View;
use crate::types::Nanos;

const EVENTS: u64 = 1_000_000;
const USERS: u64 = 100_000;

/// A number below `count`, small ones far more often: Zipf's law with exponent 1, nearly.
fn skewed(rng: &mut SimRng, count: u64) -> u64 {
    #[expect(clippy::cast_precision_loss, reason = "a random fraction")]
    let fraction = (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "small"
    )]
    let number = ((count as f64).powf(fraction)) as u64;
    number.saturating_sub(1).min(count - 1)
}

fn million() -> Lab {
    let mut rng = SimRng::new(1);
    let mut lab = Lab::new(64 * 1024 * 1024);
    let types: Vec<String> = (0..60).map(|at| format!("kind_{at}.happened")).collect();
    let filler = "x".repeat(200);
    for at in 0..EVENTS {
        let late = if rng.chance(10) { i64::try_from(rng.below(48)).unwrap() * HOUR } else { 0 };
        let user = format!("user_{:06}", skewed(&mut rng, USERS));
        let properties = Object::from_iter([
            ("amount", Value::from(rng.below(10_000))),
            ("filler", Value::from(filler.as_str())),
        ]);
        let keys = EventKeys {
            project_id: PROJECTS[0],
            org_id: [9; 16],
            timestamp: Nanos::new(START + i64::try_from(at).unwrap() * 15_000_000_000 - late),
            module: ["analytics", "billing"][usize::from(rng.chance(100))],
            event_type: &types[usize::try_from(skewed(&mut rng, 60)).unwrap()],
            user_id: rng.chance(900).then_some(&*user),
            anonymous_id: Some("d_1234567890"),
            message_id: None,
        };
        lab.append(&keys, Some(&properties), None);
    }
    lab
}

/// The median time of a question, after it was asked a few times.
fn median(name: &str, each: u64, mut question: impl FnMut(usize) -> u64) {
    let rounds = 41;
    let mut times: Vec<_> = (0..rounds)
        .map(|round| {
            let start = Instant::now();
            black_box(question(round));
            start.elapsed()
        })
        .skip(5)
        .collect();
    times.sort_unstable();
    let (median, least) = (times[times.len() / 2], times[0]);
    println!("{name}: {median:?} (least {least:?}), {} ns each", least.as_nanos() / u128::from(each.max(1)));
}

fn newest_50(view: &View, rng: &mut SimRng) {
    let mut times = Vec::new();
    let mut found = 0;
    for round in 0..20_000 {
        let user = format!("user_{:06}", skewed(rng, USERS));
        let start = Instant::now();
        found += view.timeline(&user).newest_first().limit(50).iter().flatten().count();
        if round >= 5000 {
            times.push(start.elapsed().as_nanos());
        }
    }
    times.sort_unstable();
    let at = |per_mille: usize| times[times.len() * per_mille / 1000];
    println!("newest 50 of a user: p50 {} ns, p99 {} ns, {} events each", at(500), at(990), found / 20_000);
}

#[test]
#[ignore = "a measurement, not a test"]
fn questions_over_a_million_events() {
    let start = Instant::now();
    let lab = million();
    println!("{EVENTS} events in {} segments, made in {:?}", lab.segments(), start.elapsed());
    let view = lab.view(PROJECTS[0]);
    // Every frame is checked once.
    assert_eq!(view.events().iter().flatten().count() as u64, EVENTS);
    newest_50(&view, &mut SimRng::new(2));
    median("a view", 1, |_| u64::from(lab.view(PROJECTS[0]).visible().get() > 0));
    let events = |kind: &str| view.events().of_type(kind);
    for kind in ["kind_0.happened", "kind_9.happened", "kind_59.happened"] {
        let count = events(kind).count().unwrap();
        median(&format!("by type, {count} events"), count, |_| events(kind).iter().flatten().count() as u64);
        median(&format!("newest 50 of type, {count} events"), 50, |_| {
            events(kind).newest_first().limit(50).iter().flatten().count() as u64
        });
        median(&format!("count of type, {count} events"), 1, |_| events(kind).count().unwrap());
        let days = |from: i64, to: i64| {
            time::to_datetime(Nanos::new(START + from * 24 * HOUR))
                ..time::to_datetime(Nanos::new(START + to * 24 * HOUR))
        };
        median("count of it in a range of time", 1, |_| events(kind).between(days(20, 100)).count().unwrap());
        median("sum of its amount", count, |_| events(kind).sum("amount").unwrap().count);
        median("users of it", count, |_| events(kind).users().unwrap());
        median("it by day", count, |_| {
            events(kind).by(crate::store::Period::Day).count().unwrap().len() as u64
        });
    }
    median("five types of a prefix", 1, |_| {
        view.events().type_prefix("kind_1").iter().flatten().count() as u64
    });
    median("everything", EVENTS, |_| view.events().iter().flatten().count() as u64);
    median("everything by month", EVENTS, |_| {
        view.events().by(crate::store::Period::Month).count().unwrap().len() as u64
    });
    median("users of everything", EVENTS, |_| view.events().users().unwrap());
    median("module billing", EVENTS / 10, |_| {
        view.events().module("billing").iter().flatten().count() as u64
    });
}
