//! What persons cost: identifies, profiles and timelines of people with one id and with many.
//!
//! | name | what one iteration does |
//! |---|---|
//! | `identify/user` | appends an identify of one of 100,000 users with three traits, ready before |
//! | `identify/user_and_device` | the same, and each links the user's own device |
//! | `identify/shared_device` | the same, and all users share one device |
//! | `profile/{n}` | the profile of a person with n ids, another person each time |
//! | `timeline_newest_50/{n}` | the newest 50 events of such a person |
//! | `explain/{n}` | whose an event of one of the n ids is, and why |
//!
//! Reading goes over a store of 1,000 people for each n, 1, 10 and 100 ids with 100 events each person, among 200,000
//! events of others, all sealed and hot in the page cache.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on stops")]

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use envelog::sample::{self, Generator};
use envelog::{Accepted, DateTime, Durability, Envelope, Options, PersonRef, Store, Uuid};

const PEOPLE: usize = 1_000;
const IDS: [usize; 3] = [1, 10, 100];
const EVENTS: usize = 100;

fn org() -> Uuid {
    Uuid::from_u128(1)
}

fn project() -> Uuid {
    sample::project_id(0)
}

fn buffered(path: &Path) -> Store {
    Options::new().durability(Durability::Buffered).open(path.join("store")).unwrap()
}

fn identify(user: usize, device: Option<String>, second: usize) -> Envelope {
    let time = DateTime::from_timestamp(1_700_000_000 + i64::try_from(second).unwrap(), 0).unwrap();
    let mut envelope = Envelope::new(org(), project(), "profiles", "identify")
        .user(format!("user_{user:06}"))
        .at(time)
        .with_trait("plan", if second.is_multiple_of(2) { "free" } else { "pro" })
        .with_trait("seats", second as u64)
        .with_trait("city", "Lisboa");
    envelope.anonymous_id = device;
    envelope
}

fn identifies(criterion: &mut Criterion) {
    const USERS: usize = 100_000;
    type Device<'a> = &'a dyn Fn(usize) -> Option<String>;
    let mut group = criterion.benchmark_group("identify");
    group.sample_size(10).measurement_time(Duration::from_secs(3)).throughput(Throughput::Elements(1));
    let own = |user: usize| Some(format!("device_{user:06}"));
    let shared = |_: usize| Some("terminal".to_owned());
    let devices: [(&str, Device<'_>); 3] =
        [("user", &|_| None), ("user_and_device", &own), ("shared_device", &shared)];
    for (name, device) in devices {
        let directory = tempfile::tempdir().unwrap();
        let store = buffered(directory.path());
        let pool: Vec<Accepted> = (0..200_000)
            .map(|number| {
                // Users come in an order that is none.
                let user = number * 7_919 % USERS;
                store.accept(&identify(user, device(user), number)).unwrap()
            })
            .collect();
        let mut next = pool.iter().cycle();
        group.bench_function(name, |bencher| {
            bencher.iter(|| store.append_accepted(next.next().unwrap()).unwrap());
        });
        store.close().unwrap();
    }
    group.finish();
}

/// The id that stands for a person with so many ids.
fn user_of(ids: usize, person: usize) -> String {
    format!("person_{ids}_{person}")
}

fn device_of(ids: usize, person: usize, device: usize) -> String {
    format!("phone_{ids}_{person}_{device}")
}

fn fill(path: &Path) -> Store {
    let store = buffered(path);
    let mut batch = store.batch();
    let mut others = Generator::new(sample::Options { events: 200_000, ..sample::Options::default() });
    let own_org = {
        let first = Envelope::from_json(others.next().unwrap().as_bytes()).unwrap();
        first.org_id
    };
    for ids in IDS {
        for person in 0..PEOPLE {
            let user = user_of(ids, person);
            for event in 0..EVENTS {
                let time = 1_704_000_000 + i64::try_from(event * PEOPLE + person).unwrap();
                let mut envelope = Envelope::new(own_org, project(), "analytics", "page.viewed")
                    .at(DateTime::from_timestamp(time, 0).unwrap())
                    .property("page", "/spring");
                match event % ids {
                    0 => envelope = envelope.user(&*user),
                    device => envelope = envelope.anonymous(device_of(ids, person, device)),
                }
                batch.push(&envelope).unwrap();
            }
            for device in 0..ids {
                let device = (device > 0).then(|| device_of(ids, person, device));
                let mut link = identify(0, device, person);
                (link.org_id, link.user_id) = (own_org, Some(user.clone()));
                batch.push(&link).unwrap();
            }
            for other in others.by_ref().take(66) {
                batch.push_json(other.as_bytes()).unwrap();
            }
            batch.commit_and_clear().unwrap();
        }
    }
    store.close().unwrap();
    drop((batch, store));
    buffered(path)
}

fn read(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().unwrap();
    let store = fill(directory.path());
    let view = store.project(project()).view().unwrap();
    for (name, ask) in [
        (
            "profile",
            &(|user: &str| usize::from(view.profile(user).unwrap().is_some())) as &dyn Fn(&str) -> usize,
        ),
        ("timeline_newest_50", &|user| view.timeline(user).newest_first().limit(50).iter().count()),
    ] {
        let mut group = criterion.benchmark_group(name);
        group.sample_size(20);
        for ids in IDS {
            let users: Vec<String> = (0..PEOPLE).map(|person| user_of(ids, person * 617 % PEOPLE)).collect();
            assert_eq!(view.members(&users[0]).unwrap().len(), ids);
            let mut next = users.iter().cycle();
            group.bench_function(BenchmarkId::from_parameter(ids), |bencher| {
                bencher.iter(|| black_box(ask(next.next().unwrap())));
            });
        }
        group.finish();
    }
    let mut group = criterion.benchmark_group("explain");
    group.sample_size(20);
    for ids in IDS {
        let last = ids - 1;
        let position = |person: usize| {
            let (user, device) = (user_of(ids, person), device_of(ids, person, last));
            let id = if last == 0 { PersonRef::User(&user) } else { PersonRef::Anonymous(&device) };
            let member =
                view.timeline(id).iter().map(Result::unwrap).find(|event| event.person() == Some(id));
            member.unwrap().position()
        };
        let positions: Vec<_> = (0..PEOPLE).map(position).collect();
        let mut next = positions.iter().cycle();
        group.bench_function(BenchmarkId::from_parameter(ids), |bencher| {
            bencher.iter(|| black_box(view.explain(*next.next().unwrap()).unwrap()));
        });
    }
    group.finish();
}

criterion_group!(benches, identifies, read);
criterion_main!(benches);
