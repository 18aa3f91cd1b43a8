//! Timelines give what a sorted list gives.

use super::lab::Lab;
use super::model::{
    HOUR, PROJECTS, Row, START, both_ends, random_condition, random_filter, random_store, seqs, takes,
};
use crate::profile::PersonRef;
use crate::storage::SimRng;
use crate::store::query::{PageToken, Timeline};
use crate::types::{Nanos, Seq};

fn owned_by(row: &Row, person: PersonRef<'_>) -> bool {
    match person {
        PersonRef::User(id) => row.user.as_deref() == Some(id),
        PersonRef::Anonymous(id) => row.user.is_none() && row.device.as_deref() == Some(id),
    }
}

/// All pages of a size, one after the other, each token through its text.
fn pages(timeline: &Timeline<'_>, size: usize) -> Vec<Seq> {
    let mut all = Vec::new();
    let mut page = timeline.clone().limit(size);
    loop {
        let mut events = page.iter();
        let before = all.len();
        all.extend(events.by_ref().map(|event| event.unwrap().seq()));
        if all.len() == before {
            return all;
        }
        let token: PageToken = events.page_token().unwrap().to_string().parse().unwrap();
        page = page.after(token);
    }
}

fn check_store(seed: u64, events: usize, questions: usize) -> usize {
    let mut rng = SimRng::new(seed);
    let sealed = rng.chance(200);
    let (lab, rows) = random_store(&mut rng, events, sealed);
    let last = rows.iter().map(|row| row.time.get()).max().unwrap() + HOUR;
    let mut found = 0;
    for question in 0..questions {
        let visible = if rng.chance(500) { lab.next_seq } else { Seq::new(rng.below(lab.next_seq.get())) };
        let project = PROJECTS[usize::from(rng.chance(200))];
        let view = lab.view_until(visible, project);
        let (user, device) = (format!("user_{}", rng.below(21)), format!("device_{}", rng.below(21)));
        let person = if rng.chance(700) { PersonRef::User(&user) } else { PersonRef::Anonymous(&device) };
        let mut filter = random_filter(&mut rng, &rows, last);
        (filter.user, filter.device) = (None, None);
        filter.seqs(Seq::ZERO..Seq::new(u64::MAX));
        if rng.chance(500) {
            filter = super::super::filter::Filter::default();
        }
        if rng.chance(100) {
            let (path, condition) = random_condition(&mut rng);
            filter.add_condition(path, condition);
        }
        println!("question {question} of ENVELOG_SEED={seed}: {person:?} {filter:?} up to {visible}");
        let mut taken: Vec<&Row> = rows
            .iter()
            .filter(|row| takes(&filter, project, visible, row) && owned_by(row, person))
            .collect();
        taken.sort_by_key(|row| (row.time, row.seq));
        let wanted: Vec<Seq> = taken.iter().map(|row| row.seq).collect();
        found += wanted.len();
        let mut timeline = view.timeline(person);
        let activity = timeline.activity().unwrap();
        timeline.query.filter = filter;

        assert_eq!(seqs(timeline.iter()), wanted, "oldest first");
        assert_eq!(both_ends(timeline.iter(), &mut rng), wanted, "from both ends");
        let size = usize::try_from(rng.below(9)).unwrap() + 1;
        assert_eq!(pages(&timeline, size), wanted, "pages of {size}");
        let newest: Vec<Seq> = wanted.iter().rev().copied().collect();
        let timeline = timeline.newest_first();
        assert_eq!(seqs(timeline.iter()), newest, "newest first");
        assert_eq!(both_ends(timeline.iter(), &mut rng), newest, "newest first, from both ends");
        assert_eq!(pages(&timeline, size), newest, "newest first, pages of {size}");
        let limit = usize::try_from(rng.below(wanted.len() as u64 + 3)).unwrap();
        assert_eq!(
            both_ends(timeline.clone().limit(limit).iter(), &mut rng),
            newest[..limit.min(newest.len())]
        );

        let all: Vec<Nanos> = rows
            .iter()
            .filter(|row| row.project == project && row.seq <= visible && owned_by(row, person))
            .map(|row| row.time)
            .collect();
        assert_eq!(activity.map_or(0, |activity| activity.events), all.len() as u64);
        let nanos = |time: chrono::DateTime<chrono::Utc>| time.timestamp_nanos_opt().unwrap();
        assert_eq!(activity.map(|activity| nanos(activity.first)), all.iter().min().map(|time| time.get()));
        assert_eq!(activity.map(|activity| nanos(activity.last)), all.iter().max().map(|time| time.get()));
    }
    found
}

#[test]
fn every_timeline_is_what_a_sorted_list_is() {
    let seed = SimRng::seed_of_run();
    let mut found = 0;
    for store in 0..10 {
        found += check_store(seed.wrapping_add(store), 1500, 40);
    }
    assert!(found > 2000, "only {found} events were found");
    for store in 0..60 {
        check_store(seed.wrapping_add(store + 1000), 1 + usize::try_from(store).unwrap() / 4, 10);
    }
}

#[test]
fn a_timeline_of_one_instant_in_many_segments_is_in_seq_order() {
    let mut lab = Lab::new(64 * 1024);
    let mut rng = SimRng::new(1);
    let mut all = Vec::new();
    for at in 0..60 {
        let mut row = Row::random(&mut rng, START);
        (row.project, row.time) = (PROJECTS[0], Nanos::new(START));
        row.user = Some("u".to_owned());
        row.append_to(&mut lab);
        all.push(row.seq);
        if at % 7 == 6 {
            lab.seal();
        }
    }
    let view = lab.view(PROJECTS[0]);
    let timeline = view.timeline("u");
    assert_eq!(seqs(timeline.iter()), all);
    for _ in 0..20 {
        assert_eq!(both_ends(timeline.iter(), &mut rng), all);
    }
    all.reverse();
    assert_eq!(seqs(timeline.clone().newest_first().iter()), all);
    assert_eq!(pages(&timeline.newest_first(), 4), all);
}

#[test]
fn each_event_says_which_of_the_ids_it_came_from() {
    let mut lab = Lab::new(64 * 1024);
    let mut rng = SimRng::new(2);
    for (user, device) in [(Some("u"), Some("d")), (None, Some("d")), (Some("d"), None)] {
        let mut row = Row::random(&mut rng, START);
        row.project = PROJECTS[0];
        (row.user, row.device) = (user.map(str::to_owned), device.map(str::to_owned));
        row.append_to(&mut lab);
    }
    let view = lab.view(PROJECTS[0]);
    for person in [PersonRef::User("u"), PersonRef::Anonymous("d"), PersonRef::User("d")] {
        let persons: Vec<_> = view.timeline(person).iter().map(|event| event.unwrap().person()).collect();
        assert_eq!(persons, [Some(person)]);
    }
    assert_eq!(view.timeline(PersonRef::Anonymous("u")).iter().count(), 0);
}
