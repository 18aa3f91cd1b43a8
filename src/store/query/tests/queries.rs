//! Every form of a query gives what a plain list gives.

use super::lab::Lab;
use super::model::{
    self, HOUR, MODULES, PROJECTS, Row, START, TYPES, both_ends, grouped, integer, period_start,
    random_filter, random_store, seqs, takes,
};
use crate::envelope::{Object, Value};
use crate::error::Error;
use crate::storage::SimRng;
use crate::store::query::filter::Filter;
use crate::store::query::{Bucket, EventQuery, Period};
use crate::store::view::View;
use crate::types::{Nanos, Seq};

fn query<'v>(view: &'v View, filter: &Filter) -> EventQuery<'v> {
    let mut query = view.events();
    query.query.filter = filter.clone();
    query
}

fn check_iteration(view: &View, filter: &Filter, wanted: &[Seq], rng: &mut SimRng) {
    let query = query(view, filter);
    assert_eq!(seqs(query.iter()), wanted, "forwards");
    let mut backwards = seqs(query.iter().rev());
    backwards.reverse();
    assert_eq!(backwards, wanted, "backwards");
    assert_eq!(both_ends(query.iter(), rng), wanted, "from both ends");
    let newest: Vec<Seq> = wanted.iter().rev().copied().collect();
    assert_eq!(seqs(query.clone().newest_first().iter()), newest, "newest first");
    let limit = usize::try_from(rng.below(wanted.len() as u64 + 3)).unwrap();
    let limited = query.clone().limit(limit);
    assert_eq!(both_ends(limited.iter(), rng), wanted[..limit.min(wanted.len())], "limited to {limit}");
    let limited = query.newest_first().limit(limit);
    assert_eq!(both_ends(limited.iter(), rng), newest[..limit.min(newest.len())], "newest {limit}");
}

fn check_numbers(view: &View, filter: &Filter, rows: &[&Row]) {
    let query = query(view, filter);
    let (count, users, integers) = grouped(rows, |_| ()).remove(&()).unwrap_or_default();
    assert_eq!(query.count().unwrap(), count, "count");
    assert_eq!(query.users().unwrap(), users, "users");
    let sum = query.sum("amount").unwrap();
    assert_eq!(sum.integers, integers, "integers");
    assert_eq!(sum.count + sum.skipped, count, "events of a sum");
    let floats: f64 = rows
        .iter()
        .filter_map(|row| row.property("amount")?.as_number())
        .filter(|number| integer(number).is_none())
        .map(crate::envelope::Number::as_f64)
        .sum();
    assert!((sum.floats - floats).abs() <= floats.abs() * 1e-12, "{} and {floats}", sum.floats);

    for period in [Period::Day, Period::Month] {
        let wanted: Vec<_> = grouped(rows, |row| period_start(period, row)).into_iter().collect();
        let (by, day) =
            (query.by(period), |key: chrono::DateTime<chrono::Utc>| key.to_rfc3339()[..10].to_owned());
        let counts = by.count().unwrap().into_iter();
        let numbers = counts.zip(by.users().unwrap()).zip(by.sum("amount").unwrap());
        let numbers: Vec<_> = numbers
            .map(|((count, users), sum)| (day(count.key), (count.value, users.value, sum.value.integers)))
            .collect();
        assert_eq!(numbers, wanted, "by {period:?}");
    }
    for (by, wanted) in [
        (query.by_type(), grouped(rows, |row| row.event_type.to_owned())),
        (query.by_module(), grouped(rows, |row| row.module.to_owned())),
    ] {
        let counts = by.count().unwrap().into_iter();
        let numbers = counts.zip(by.users().unwrap()).zip(by.sum("amount").unwrap());
        let numbers: Vec<_> = numbers
            .map(|((count, users), sum)| (count.key, (count.value, users.value, sum.value.integers)))
            .collect();
        assert_eq!(numbers, wanted.into_iter().collect::<Vec<_>>(), "by name");
    }
}

/// Events that were found, and segments that they were found in.
fn check_store(seed: u64, events: usize, questions: usize) -> (usize, usize) {
    let mut rng = SimRng::new(seed);
    let sealed = rng.chance(200);
    let (lab, rows) = random_store(&mut rng, events, sealed);
    let last = rows.iter().map(|row| row.time.get()).max().unwrap() + HOUR;
    let mut found = 0;
    for question in 0..questions {
        let visible = if rng.chance(500) { lab.next_seq } else { Seq::new(rng.below(lab.next_seq.get())) };
        let project = PROJECTS[usize::from(rng.chance(200))];
        let view = lab.view_until(visible, project);
        let filter = random_filter(&mut rng, &rows, last);
        let taken: Vec<&Row> = rows.iter().filter(|row| takes(&filter, project, visible, row)).collect();
        found += taken.len();
        let wanted: Vec<Seq> = taken.iter().map(|row| row.seq).collect();
        println!("question {question} of ENVELOG_SEED={seed}: {filter:?} up to {visible}");
        check_iteration(&view, &filter, &wanted, &mut rng);
        check_numbers(&view, &filter, &taken);
    }
    (found, lab.segments())
}

#[test]
fn every_query_gives_what_a_plain_list_gives() {
    let seed = SimRng::seed_of_run();
    let (mut found, mut segments) = (0, 0);
    for store in 0..10 {
        let (events, of) = check_store(seed.wrapping_add(store), 1200, 50);
        found += events;
        segments += of;
    }
    assert!(found > 10_000, "only {found} events were found");
    assert!(segments > 20, "only {segments} segments in ten stores");
    for store in 0..100 {
        check_store(seed.wrapping_add(store + 1000), 1 + usize::try_from(store).unwrap() / 4, 10);
    }
}

fn simple_row(event_type: &'static str, time: i64, amount: Option<i64>) -> Row {
    Row {
        seq: Seq::ZERO,
        project: PROJECTS[0],
        time: Nanos::new(START + time),
        event_type,
        module: MODULES[0],
        user: Some("u".to_owned()),
        device: None,
        properties: amount.map(|amount| Object::from_iter([("amount", Value::from(amount))])),
    }
}

fn append(lab: &mut Lab, rows: &[Row]) -> Vec<Seq> {
    rows.iter()
        .map(|row| {
            let mut row = row.clone();
            row.append_to(lab);
            row.seq
        })
        .collect()
}

#[test]
fn the_builder_asks_what_its_methods_say() {
    let mut lab = Lab::new(64 * 1024);
    let rows: Vec<Row> = (0..20)
        .map(|at| simple_row(TYPES[at % 4], i64::try_from(at).unwrap() * HOUR, i64::try_from(at).ok()))
        .collect();
    let all = append(&mut lab, &rows);
    let view = lab.view(PROJECTS[0]);
    let events = || view.events();
    let at = |numbers: &[usize]| numbers.iter().map(|at| all[*at]).collect::<Vec<_>>();
    let time = |hours: i64| crate::envelope::time::to_datetime(Nanos::new(START + hours * HOUR));

    assert_eq!(seqs(events().into_iter()), all);
    assert_eq!(seqs(events().of_type("order.placed").iter()), at(&[1, 5, 9, 13, 17]));
    assert_eq!(seqs(events().of_type("order.placed").of_type("order.paid").limit(3).iter()), at(&[1, 2, 5]));
    assert_eq!(seqs(events().of_types(["order.placed"; 2]).newest_first().limit(2).iter()), at(&[17, 13]));
    assert_eq!(seqs(events().of_types(Vec::<String>::new()).iter()), []);
    assert_eq!(seqs(events().type_prefix("page.").limit(2).iter()), at(&[0, 4]));
    assert_eq!(seqs(events().between(time(3)..time(5)).iter()), at(&[3, 4]));
    assert_eq!(seqs(events().since(time(18)).iter()), at(&[18, 19]));
    assert_eq!(seqs(events().until(time(1)).iter()), at(&[0]));
    assert_eq!(seqs(events().seq_range(all[2]..all[4]).iter()), at(&[2, 3]));
    assert_eq!(seqs(events().property("amount").equals(7).iter()), at(&[7]));
    assert_eq!(seqs(events().property("amount").at_least(18.0).iter()), at(&[18, 19]));
    assert_eq!(seqs(events().property("amount").at_most(0.5).iter()), at(&[0]));
    assert_eq!(seqs(events().property("amount").between(3, 4).iter()), at(&[3, 4]));
    assert_eq!(events().property("amount").exists().count().unwrap(), 20);
    assert_eq!(events().property("other").exists().count().unwrap(), 0);
    assert_eq!(events().user("u").count().unwrap(), 20);
    assert_eq!(events().user("v").count().unwrap(), 0);
    assert_eq!(events().device("u").count().unwrap(), 0);
    assert_eq!(events().module(MODULES[0]).count().unwrap(), 20);
    assert_eq!(events().module(MODULES[1]).count().unwrap(), 0);
    assert_eq!(events().sum("amount").unwrap().integers, 190);
    let by_type = events().count_by_type().unwrap();
    assert!(by_type.contains(&Bucket { key: "order.placed".to_owned(), value: 5 }));
    assert_eq!(events().count_by_module().unwrap(), [Bucket { key: MODULES[0].to_owned(), value: 20 }]);
}

#[test]
fn a_gap_is_one_error_from_whichever_side_it_is_crossed_and_numbers_pass_over_it() {
    let mut lab = Lab::new(64 * 1024);
    let mut all = append(&mut lab, &vec![simple_row("a", 0, Some(1)); 5]);
    lab.lose(3);
    all.extend(append(&mut lab, &vec![simple_row("a", 0, Some(1)); 5]));
    lab.lose(2);
    all.extend(append(&mut lab, &vec![simple_row("a", 0, Some(1)); 5]));
    let view = lab.view(PROJECTS[0]);
    let mut rng = SimRng::new(SimRng::seed_of_run());
    for _ in 0..50 {
        let mut events = view.events().iter();
        let (mut front, mut back) = (Vec::new(), Vec::new());
        loop {
            let from_back = rng.chance(500);
            let Some(event) = (if from_back { events.next_back() } else { events.next() }) else { break };
            if from_back { &mut back } else { &mut front }.push(event);
        }
        front.extend(back.into_iter().rev());
        let gaps: Vec<usize> = (0..front.len()).filter(|at| model::is_gap(&front[*at])).collect();
        assert_eq!(gaps, [5, 11]);
        assert!(matches!(front[5], Err(Error::Gap { from, to }) if to.get() - from.get() == 2));
        let read: Vec<Seq> = front.iter().flatten().map(crate::store::event::EventRef::seq).collect();
        assert_eq!(read, all);
    }
    let after = view.events().seq_range(all[10]..Seq::new(u64::MAX));
    assert!(after.iter().all(|event| event.is_ok()), "a gap that was not asked about");
    assert_eq!(view.events().count().unwrap(), 15);
    assert_eq!(view.events().sum("amount").unwrap().integers, 15);
}

#[test]
fn a_damaged_record_is_one_error_and_the_others_are_read() {
    let mut lab = Lab::new(64 * 1024);
    let all = append(&mut lab, &vec![simple_row("a", 0, Some(1)); 40]);
    lab.seal();
    let bytes = lab.disk.file_bytes("seg-1.log").unwrap();
    // The last of all bytes that is a user id.
    let damaged = (0..bytes.len()).rev().find(|at| bytes[*at] == b'u' && bytes[at - 1] == b'a').unwrap();
    let view = lab.view(PROJECTS[0]);
    assert_eq!(seqs(view.events().limit(3).iter()), all[..3]);
    let mut changed = bytes;
    changed[damaged] ^= 1;
    lab.disk.set_file_bytes("seg-1.log", &changed);
    drop(view);

    // A view of segments whose frames were checked already trusts them; a new process would not.
    let mut other = Lab::new(64 * 1024);
    append(&mut other, &vec![simple_row("a", 0, Some(1)); 40]);
    other.seal();
    other.disk.set_file_bytes("seg-1.log", &changed);
    let view = other.view(PROJECTS[0]);
    let events: Vec<_> = view.events().iter().collect();
    assert_eq!(events.len(), 40);
    assert_eq!(events.iter().filter(|event| matches!(event, Err(Error::Corrupt { .. }))).count(), 1);
    assert!(events[39].is_err());
    let timeline: Vec<_> = view.timeline("u").newest_first().iter().collect();
    assert_eq!(timeline.iter().filter(|event| event.is_err()).count(), 1);
    assert_eq!(timeline.len(), 40);
    assert!(matches!(view.events().sum("amount"), Err(Error::Corrupt { .. })));
    assert_eq!(view.events().of_type("a").count().unwrap(), 40, "the index alone counts");
}
