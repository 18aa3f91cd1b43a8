//! What the answers should be, from a plain list.

use std::collections::{BTreeMap, BTreeSet};

use crate::envelope::{Number, Object, Value, time};
use crate::error::Error;
use crate::format::keys::EventKeys;
use crate::storage::SimRng;
use crate::store::event::EventRef;
use crate::store::query::filter::{Filter, includes};
use crate::store::query::tests::lab::Lab;
use crate::store::query::{Condition, Period};
use crate::types::{Nanos, Seq};

pub(super) const PROJECTS: [[u8; 16]; 2] = [[1; 16], [2; 16]];
pub(super) const TYPES: [&str; 12] = [
    "page.viewed",
    "order.placed",
    "order.paid",
    "order.returned",
    "cart.updated",
    "identify",
    "orders",
    "a",
    "b",
    "c",
    "d",
    "e",
];
pub(super) const MODULES: [&str; 3] = ["analytics", "billing", "links"];
pub(super) const START: i64 = 1_704_000_000_000_000_000;
pub(super) const HOUR: i64 = 3_600_000_000_000;

#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) seq: Seq,
    pub(super) project: [u8; 16],
    pub(super) time: Nanos,
    pub(super) event_type: &'static str,
    pub(super) module: &'static str,
    pub(super) user: Option<String>,
    pub(super) device: Option<String>,
    pub(super) properties: Option<Object>,
}

impl Row {
    pub(super) fn random(rng: &mut SimRng, now: i64) -> Self {
        let pick = |rng: &mut SimRng, count: usize| usize::try_from(rng.below(count as u64)).unwrap();
        // The first types are far more frequent than the last.
        let most = pick(rng, TYPES.len()) + 1;
        let late = if rng.chance(50) { i64::try_from(rng.below(72)).unwrap() * HOUR } else { 0 };
        let id = |rng: &mut SimRng, name: &str, per_mille| {
            let most = rng.below(20) + 1;
            rng.chance(per_mille).then(|| format!("{name}{}", rng.below(most)))
        };
        Self {
            seq: Seq::ZERO,
            project: PROJECTS[usize::from(rng.chance(200))],
            // Whole seconds, so that many are the same.
            time: Nanos::new((now - late) / 1_000_000_000 * 1_000_000_000),
            event_type: TYPES[pick(rng, most)],
            module: MODULES[pick(rng, MODULES.len())],
            user: id(rng, "user_", 700),
            device: id(rng, "device_", 700),
            properties: rng.chance(800).then(|| random_properties(rng)),
        }
    }

    pub(super) fn append_to(&mut self, lab: &mut Lab) {
        let keys = EventKeys {
            project_id: self.project,
            org_id: [9; 16],
            timestamp: self.time,
            module: self.module,
            event_type: self.event_type,
            user_id: self.user.as_deref(),
            anonymous_id: self.device.as_deref(),
            message_id: None,
        };
        self.seq = lab.append(&keys, self.properties.as_ref(), None);
    }

    pub(super) fn property(&self, path: &str) -> Option<&Value> {
        let properties = self.properties.as_ref()?;
        match path.split_once('.') {
            Some((first, rest)) => properties.get(first)?.get(rest),
            None => properties.get(path),
        }
    }
}

fn random_properties(rng: &mut SimRng) -> Object {
    let mut object = Object::new();
    let amount: Value = match rng.below(8) {
        0..4 => Value::from(i64::try_from(rng.below(20)).unwrap() - 5),
        4 => Value::Number(Number::from_text(&format!("{}.25", rng.below(20))).unwrap()),
        5 => Value::Number(Number::from_text("36893488147419103232").unwrap()),
        6 => Value::from(u64::MAX),
        _ => Value::from("7"),
    };
    if rng.chance(900) {
        object.insert("amount", amount);
    }
    let mut page = Object::new();
    page.insert("url", ["/", "/cart", "/checkout"][usize::try_from(rng.below(3)).unwrap()]);
    page.insert("new", rng.chance(500));
    object.insert("page", Value::Object(page));
    object
}

/// A random filter and the same question to a query.
pub(super) fn random_filter(rng: &mut SimRng, rows: &[Row], last: i64) -> Filter {
    let mut filter = Filter::default();
    let pick = |rng: &mut SimRng, count: usize| usize::try_from(rng.below(count as u64)).unwrap();
    match rng.below(6) {
        0 => filter.add_types([TYPES[pick(rng, TYPES.len())]]),
        1 => {
            let count = pick(rng, TYPES.len() + 1);
            let names: Vec<_> = (0..count).map(|_| TYPES[pick(rng, TYPES.len())]).collect();
            filter.add_types(names);
        }
        2 => filter.add_prefix(["order.", "order", "", "x", "c"][pick(rng, 5)]),
        3 => {
            filter.add_types(["identify", "unheard.of"]);
            filter.add_prefix("page.");
        }
        _ => {}
    }
    if rng.chance(250) {
        filter.user = Some(format!("user_{}", rng.below(21)).into());
    }
    if rng.chance(150) {
        filter.device = Some(format!("device_{}", rng.below(21)).into());
    }
    if rng.chance(250) {
        filter.module = Some(["analytics", "billing", "links", "unheard"][pick(rng, 4)].into());
    }
    if rng.chance(400) {
        let mut edge = || {
            // Often exactly the time of an event.
            let row = &rows[pick(rng, rows.len())];
            if rng.chance(500) {
                row.time.get()
            } else {
                START + i64::try_from(rng.below(last.saturating_sub(START).max(1).unsigned_abs())).unwrap()
            }
        };
        let (one, other) = (edge(), edge());
        filter.since(time::to_datetime(Nanos::new(one.min(other))));
        if rng.chance(700) {
            filter.until(time::to_datetime(Nanos::new(one.max(other))));
        }
    }
    if rng.chance(250) {
        let most = rows.last().unwrap().seq.get() + 5;
        let (one, other) = (rng.below(most), rng.below(most));
        filter.seqs(Seq::new(one.min(other))..Seq::new(one.max(other)));
    }
    if rng.chance(250) {
        let (path, condition) = random_condition(rng);
        filter.add_condition(path, condition);
    }
    filter
}

pub(super) fn random_condition(rng: &mut SimRng) -> (&'static str, Condition) {
    let low = i64::try_from(rng.below(15)).unwrap() - 5;
    let number = |text: &str| Value::Number(Number::from_text(text).unwrap());
    match rng.below(9) {
        0 => ("amount", Condition::Equals(low.into())),
        1 => ("amount", Condition::AtLeast(low.into())),
        2 => ("amount", Condition::AtMost(number("7.25"))),
        3 => ("amount", Condition::Between(low.into(), (low + 5).into())),
        4 => ("amount", Condition::Exists),
        5 => ("amount", Condition::AtLeast(number("18446744073709551615.5"))),
        6 => ("page.url", Condition::Equals("/cart".into())),
        7 => ("page.url", Condition::AtLeast("/cart".into())),
        _ => ("page.new", Condition::Equals(true.into())),
    }
}

fn satisfies(value: &Value, condition: &Condition) -> bool {
    let kind = |value: &Value| std::mem::discriminant(value);
    let at_least = |least: &Value| kind(value) == kind(least) && value >= least;
    let at_most = |most: &Value| kind(value) == kind(most) && value <= most;
    match condition {
        Condition::Exists => true,
        Condition::Equals(wanted) => value == wanted,
        Condition::AtLeast(least) => at_least(least),
        Condition::AtMost(most) => at_most(most),
        Condition::Between(least, most) => at_least(least) && at_most(most),
    }
}

/// Whether a row is one that the filter takes.
pub(super) fn takes(filter: &Filter, project: [u8; 16], visible: Seq, row: &Row) -> bool {
    let typed = filter.types.iter().any(|name| **name == *row.event_type)
        || filter.prefixes.iter().any(|prefix| row.event_type.starts_with(&**prefix));
    row.project == project
        && row.seq <= visible
        && (!filter.by_type || typed)
        && filter.user.as_deref().is_none_or(|user| row.user.as_deref() == Some(user))
        && filter.device.as_deref().is_none_or(|device| row.device.as_deref() == Some(device))
        && filter.module.as_deref().is_none_or(|module| row.module == module)
        && includes(filter.times, row.time)
        && filter.seq_min <= row.seq
        && row.seq <= filter.seq_max
        && filter
            .conditions
            .iter()
            .all(|each| row.property(&each.path).is_some_and(|value| satisfies(value, &each.condition)))
}

/// Counts of rows, of users, and sums of the integers in `amount` up to 64 bits, by key.
/// The number, if it is an integer of 128 bits.
pub(super) fn integer(number: &Number) -> Option<i128> {
    number.integer_text()?.parse().ok()
}

pub(super) fn grouped<K: Ord>(rows: &[&Row], key: impl Fn(&Row) -> K) -> BTreeMap<K, (u64, u64, i128)> {
    let mut groups: BTreeMap<K, (u64, BTreeSet<&str>, i128)> = BTreeMap::new();
    for row in rows {
        let (count, users, sum) = groups.entry(key(row)).or_default();
        *count += 1;
        users.extend(row.user.as_deref());
        if let Some(number) = row.property("amount").and_then(Value::as_number) {
            *sum += integer(number).unwrap_or(0);
        }
    }
    groups.into_iter().map(|(key, (count, users, sum))| (key, (count, users.len() as u64, sum))).collect()
}

pub(super) fn period_start(period: Period, row: &Row) -> String {
    let text = time::to_datetime(row.time).to_rfc3339();
    match period {
        Period::Day => text[..10].to_owned(),
        Period::Month => format!("{}-01", &text[..7]),
    }
}

/// A store of random segments, the last of them active unless `sealed`, and its rows.
pub(super) fn random_store(rng: &mut SimRng, events: usize, sealed: bool) -> (Lab, Vec<Row>) {
    let segment_bytes = [16 * 1024, 64 * 1024, 1024 * 1024][usize::try_from(rng.below(3)).unwrap()];
    let mut lab = Lab::new(segment_bytes);
    let mut rows = Vec::new();
    let mut now = START;
    for _ in 0..events {
        // Many events of the same second, and leaps of hours.
        now += match rng.below(20) {
            0 => i64::try_from(rng.below(6)).unwrap() * HOUR,
            1..8 => i64::try_from(rng.below(60)).unwrap() * 1_000_000_000,
            _ => 0,
        };
        if rng.chance(20) {
            lab.append_other();
        }
        if rng.chance(3) {
            lab.seal();
        }
        let mut row = Row::random(rng, now);
        row.append_to(&mut lab);
        rows.push(row);
    }
    if sealed {
        lab.seal();
    }
    (lab, rows)
}

/// Items without what quarantine left out.
pub(super) fn is_gap<T>(item: &Result<T, Error>) -> bool {
    matches!(item, Err(Error::Gap { .. }))
}

pub(super) fn seqs<'v>(events: impl Iterator<Item = crate::Result<EventRef<'v>>>) -> Vec<Seq> {
    events.map(|event| event.unwrap().seq()).collect()
}

/// Takes from both ends at random and returns what came from the front and, turned around, from the back.
pub(super) fn both_ends<'v>(
    mut events: impl DoubleEndedIterator<Item = crate::Result<EventRef<'v>>>,
    rng: &mut SimRng,
) -> Vec<Seq> {
    let (mut front, mut back) = (Vec::new(), Vec::new());
    let bias = rng.below(1001);
    loop {
        let from_back = rng.chance(bias);
        let Some(event) = (if from_back { events.next_back() } else { events.next() }) else { break };
        if from_back { &mut back } else { &mut front }.push(event.unwrap().seq());
    }
    assert!(events.next().is_none() && events.next_back().is_none(), "fused");
    front.extend(back.into_iter().rev());
    front
}
