//! Every kind of answer, compared with a plain walk over all events.

use std::collections::{BTreeMap, BTreeSet};

use super::oracle::Kept;
use crate::identity::naive::{Naive, Person};
use crate::identity::store::{conflicts, reference, told};
use envelog::testing::SimRng;
use envelog::{
    Activity, Condition, DateTime, Event, EventRef, Period, PersonRef, Position, Seq, Store, Sum, Utc, View,
};

use super::{
    Amount, DEVICES, Draft, MODULES, NOW, PROJECTS, TRAITS, TYPES, USERS, anonymous_id, index, project_id,
    user_id,
};

/// Whether random filters are tried as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thorough {
    No,
    Yes,
}

/// All events of a store in seq order.
pub(crate) fn scan(store: &Store) -> Vec<Event> {
    let mut events = Vec::new();
    for project in store.projects().unwrap() {
        let view = store.project(project).view().unwrap();
        events.extend(view.events().iter().map(|event| event.unwrap().to_event()));
    }
    events.sort_by_key(Event::seq);
    events
}

/// Compares the answers of a store with those of a walk over `kept`, which is all that it holds.
pub(crate) fn check(store: &Store, kept: &[Kept], rng: &mut SimRng, thorough: Thorough) {
    let mut projects: Vec<_> =
        (0..PROJECTS).filter(|project| kept.iter().any(|kept| kept.draft.project == *project)).collect();
    assert_eq!(
        store.projects().unwrap(),
        projects.iter().map(|project| project_id(*project)).collect::<Vec<_>>()
    );
    projects.push(PROJECTS); // One that has no events.
    for project in projects {
        let of_project: Vec<&Kept> = kept.iter().filter(|kept| kept.draft.project == project).collect();
        let view = store.project(project_id(project)).view().unwrap();
        check_numbers(&view, &of_project);
        check_persons(&view, &of_project);
        check_profiles(&view, &of_project);
        for _ in 0..if thorough == Thorough::Yes { 24 } else { 2 } {
            Asked::draw(rng, kept.len()).check(&view, &of_project, rng);
        }
        if let Some(any) = of_project.get(index(rng, of_project.len().max(1))) {
            let got = view.get(any.position).unwrap().unwrap_or_else(|| panic!("{} is there", any.position));
            assert!(any.draft.is(&got.to_event()));
        }
    }
}

fn positions<'v>(events: impl Iterator<Item = envelog::Result<EventRef<'v>>>) -> Vec<Position> {
    events.map(|event| event.unwrap().position()).collect()
}

fn of_kept<'a>(kept: impl Iterator<Item = &'a &'a Kept>) -> Vec<Position> {
    kept.map(|kept| kept.position).collect()
}

/// The sum of the amounts of some events.
fn sum<'a>(kept: impl Iterator<Item = &'a &'a Kept>) -> Sum {
    kept.fold(Sum::default(), |mut sum, kept| {
        match kept.draft.amount {
            Some(Amount::Integer(amount)) => sum.integers += i128::from(amount),
            Some(Amount::Float(amount)) if amount.fract() == 0.0 => sum.floats += amount,
            Some(Amount::Float(amount)) => sum.floats += amount,
            Some(Amount::Text) | None => sum.skipped += 1,
        }
        sum.count += u64::from(matches!(kept.draft.amount, Some(Amount::Integer(_) | Amount::Float(_))));
        sum
    })
}

/// Sums are equal; integers that were given as floats may be counted as either.
fn assert_sums(one: &Sum, other: &Sum) {
    assert_eq!((one.count, one.skipped), (other.count, other.skipped));
    assert!((one.total() - other.total()).abs() < 1e-6, "{one:?} and {other:?}");
}

fn users_of<'a>(kept: impl Iterator<Item = &'a &'a Kept>) -> u64 {
    kept.filter_map(|kept| kept.draft.user).collect::<BTreeSet<_>>().len() as u64
}

fn check_numbers(view: &View, kept: &[&Kept]) {
    type Name = fn(&Draft) -> &'static str;
    assert_eq!(positions(view.events().newest_first().iter()), of_kept(kept.iter().rev()));
    assert_eq!(view.events().count().unwrap(), kept.len() as u64);
    assert_eq!(view.events().users().unwrap(), users_of(kept.iter()));
    assert_sums(&view.events().sum("amount").unwrap(), &sum(kept.iter()));
    let of_type: Name = |draft| draft.event_type;
    let of_module: Name = |draft| draft.module;
    for (name, given, counted) in [
        (of_type, view.event_types().unwrap(), view.events().count_by_type().unwrap()),
        (of_module, view.modules().unwrap(), view.events().count_by_module().unwrap()),
    ] {
        let mut expected: BTreeMap<&str, (u64, DateTime<Utc>, DateTime<Utc>)> = BTreeMap::new();
        for kept in kept {
            let at = kept.draft.at();
            let entry = expected.entry(name(&kept.draft)).or_insert((0, at, at));
            *entry = (entry.0 + 1, entry.1.min(at), entry.2.max(at));
        }
        let given: Vec<_> =
            given.iter().map(|given| (&*given.name, (given.events, given.first, given.last))).collect();
        assert_eq!(given, expected.clone().into_iter().collect::<Vec<_>>());
        let counted: Vec<_> = counted.iter().map(|bucket| (&*bucket.key, bucket.value)).collect();
        assert_eq!(
            counted,
            expected.into_iter().map(|(name, (count, ..))| (name, count)).collect::<Vec<_>>()
        );
    }
    for period in [Period::Day, Period::Month] {
        let mut expected: BTreeMap<DateTime<Utc>, u64> = BTreeMap::new();
        for kept in kept {
            *expected.entry(start_of(period, kept.draft.at())).or_default() += 1;
        }
        let given = view.events().by(period).count().unwrap();
        let given: Vec<_> = given.into_iter().map(|bucket| (bucket.key, bucket.value)).collect();
        assert_eq!(given, expected.into_iter().collect::<Vec<_>>());
    }
}

fn start_of(period: Period, time: DateTime<Utc>) -> DateTime<Utc> {
    let day = time.format(if period == Period::Day { "%Y-%m-%dT00:00:00Z" } else { "%Y-%m-01T00:00:00Z" });
    day.to_string().parse().unwrap()
}

/// The naive model of the identities in a project.
fn naive(kept: &[&Kept]) -> Naive {
    let events = kept.iter().map(|kept| kept.draft.naive(kept.position.seq.get())).collect();
    Naive { events, members_max: 1_000 }
}

/// Every id that an event may have.
fn persons() -> Vec<Person> {
    let users = (0..USERS).map(|user| Person::User(user_id(user)));
    users.chain((0..DEVICES).map(|device| Person::Anonymous(anonymous_id(device)))).collect()
}

fn check_persons(view: &View, kept: &[&Kept]) {
    let mut users: Vec<String> = view.users().unwrap().map(|user| user.unwrap().to_owned()).collect();
    users.sort_unstable();
    let expected: BTreeSet<String> = kept.iter().filter_map(|kept| kept.draft.user_id()).collect();
    assert_eq!(users, expected.into_iter().collect::<Vec<_>>());
    let naive = naive(kept);
    let (timelines, persons) = (naive.timelines(), persons());
    for (person, canonical) in persons.iter().zip(naive.canonicals(&persons)) {
        let seqs = timelines.get(&canonical).cloned().unwrap_or_default();
        let of_seq = |seq: &u64| {
            let at = kept.partition_point(|kept| kept.position.seq.get() < *seq);
            kept[at]
        };
        check_person(view, reference(person), &seqs.iter().map(of_seq).collect::<Vec<_>>());
    }
}

fn check_person(view: &View, person: PersonRef<'_>, expected: &[&Kept]) {
    assert_eq!(positions(view.timeline(person).iter()), of_kept(expected.iter()));
    let newest = view.timeline(person).newest_first().limit(3);
    assert_eq!(positions(newest.iter()), of_kept(expected.iter().rev().take(3)));
    let activity = view.activity(person).unwrap();
    let ends = expected.first().zip(expected.last());
    assert_eq!(
        activity.map(|Activity { first, last, events, .. }| (first, last, events)),
        ends.map(|(first, last)| (first.draft.at(), last.draft.at(), expected.len() as u64))
    );
}

/// Profiles, and the facts that have no effect, are those of the naive model.
fn check_profiles(view: &View, kept: &[&Kept]) {
    let naive = naive(kept);
    let profiles: Vec<_> = view.profiles().unwrap().map(Result::unwrap).collect();
    assert_eq!(profiles.iter().map(told).collect::<Vec<_>>(), naive.profiles());
    assert_eq!(conflicts(view), naive.conflicts());
    for profile in &profiles {
        let one = view.profile(profile.person()).unwrap().expect("a profile that is listed is found");
        assert_eq!(told(&one), told(profile));
        for name in TRAITS {
            assert_eq!(one.trait_value(name), profile.get(name).map(|each| each.value));
        }
    }
}

/// A random question.
#[derive(Debug, Clone, Default)]
struct Asked {
    types: Vec<&'static str>,
    prefix: Option<&'static str>,
    user: Option<u8>,
    device: Option<u8>,
    module: Option<&'static str>,
    times: Option<(i64, i64)>,
    seqs: Option<(u64, u64)>,
    amount: Option<(i64, i64)>,
    newest_first: bool,
    limit: Option<usize>,
}

impl Asked {
    fn draw(rng: &mut SimRng, events: usize) -> Self {
        let mut asked = Self::default();
        if rng.chance(350) {
            asked.types = (0..=rng.below(2)).map(|_| TYPES[index(rng, TYPES.len())]).collect();
        }
        asked.prefix = rng.chance(150).then(|| ["order.", "page", "x"][index(rng, 3)]);
        asked.user = rng.chance(300).then(|| u8::try_from(rng.below(6)).unwrap());
        asked.device = rng.chance(150).then(|| u8::try_from(rng.below(5)).unwrap());
        asked.module = rng.chance(200).then(|| MODULES[index(rng, MODULES.len())]);
        asked.times = rng.chance(350).then(|| {
            let from = NOW - i64::try_from(rng.below(60)).unwrap() * 43_200_000_000_000;
            (from, from + i64::try_from(rng.below(40)).unwrap() * 43_200_000_000_000)
        });
        asked.seqs = rng.chance(250).then(|| {
            let from = rng.below(events as u64 + 2);
            (from, from + rng.below(events as u64 + 2))
        });
        asked.amount = rng.chance(250).then(|| {
            let least = i64::try_from(rng.below(2000)).unwrap() - 500;
            (least, least + i64::try_from(rng.below(800)).unwrap())
        });
        asked.newest_first = rng.chance(500);
        asked.limit = rng.chance(300).then(|| index(rng, 12));
        asked
    }

    fn takes(&self, kept: &Kept) -> bool {
        let (draft, seq) = (&kept.draft, kept.position.seq.get());
        let by_type = self.types.is_empty() && self.prefix.is_none();
        (by_type
            || self.types.contains(&draft.event_type)
            || self.prefix.is_some_and(|prefix| draft.event_type.starts_with(prefix)))
            && self.user.is_none_or(|user| draft.user == Some(user))
            && self.device.is_none_or(|device| draft.device == Some(device))
            && self.module.is_none_or(|module| draft.module == module)
            && self.times.is_none_or(|(from, to)| (from..to).contains(&draft.timestamp))
            && self.seqs.is_none_or(|(from, to)| (from..to).contains(&seq))
            && self.amount.is_none_or(|(least, most)| match draft.amount {
                Some(Amount::Integer(amount)) => (least..=most).contains(&amount),
                #[expect(clippy::cast_precision_loss, reason = "the bounds are a few thousand")]
                Some(Amount::Float(amount)) => (least as f64..=most as f64).contains(&amount),
                _ => false,
            })
    }

    fn check(&self, view: &View, kept: &[&Kept], rng: &mut SimRng) {
        let mut expected: Vec<&Kept> = kept.iter().copied().filter(|kept| self.takes(kept)).collect();
        let mut query = view.events();
        if !self.types.is_empty() {
            query = query.of_types(self.types.iter().copied());
        }
        if let Some(prefix) = self.prefix {
            query = query.type_prefix(prefix);
        }
        if let Some(user) = self.user {
            query = query.user(user_id(user));
        }
        if let Some(device) = self.device {
            query = query.device(anonymous_id(device));
        }
        if let Some(module) = self.module {
            query = query.module(module);
        }
        let time = DateTime::<Utc>::from_timestamp_nanos;
        if let Some((from, to)) = self.times {
            query = query.between(time(from)..time(to));
        }
        if let Some((from, to)) = self.seqs {
            query = query.seq_range(Seq::new(from)..Seq::new(to));
        }
        if let Some((least, most)) = self.amount {
            query = query.where_property("amount", Condition::Between(least.into(), most.into()));
        }
        assert_eq!(query.count().unwrap(), expected.len() as u64, "{self:?}");
        assert_eq!(query.users().unwrap(), users_of(expected.iter()), "{self:?}");
        assert_sums(&query.sum("amount").unwrap(), &sum(expected.iter()));
        if self.newest_first {
            query = query.newest_first();
            expected.reverse();
        }
        if let Some(limit) = self.limit {
            query = query.limit(limit);
            expected.truncate(limit);
        }
        assert_eq!(positions(query.iter()), of_kept(expected.iter()), "{self:?}");
        both_ends(query.iter(), &of_kept(expected.iter()), rng);
        if let Some(user) = self.user {
            self.check_timeline(view, kept, user);
        }
    }

    /// The same conditions on a timeline, page by page.
    fn check_timeline(&self, view: &View, kept: &[&Kept], user: u8) {
        let asked = Self { user: None, device: None, seqs: None, ..self.clone() };
        let naive = naive(kept);
        let canonical = naive.canonical(&Person::User(user_id(user)));
        let seqs = naive.timelines().remove(&canonical).unwrap_or_default();
        let at = |seq: &u64| kept[kept.partition_point(|kept| kept.position.seq.get() < *seq)];
        let mut expected: Vec<&Kept> = seqs.iter().map(at).filter(|kept| asked.takes(kept)).collect();
        if self.newest_first {
            expected.reverse();
        }
        let id = user_id(user);
        let time = DateTime::<Utc>::from_timestamp_nanos;
        let (mut found, mut token) = (Vec::new(), None);
        loop {
            let mut timeline = view.timeline(&id).limit(2);
            if !asked.types.is_empty() {
                timeline = timeline.of_types(asked.types.iter().copied());
            }
            if let Some(prefix) = asked.prefix {
                timeline = timeline.type_prefix(prefix);
            }
            if let Some(module) = asked.module {
                timeline = timeline.module(module);
            }
            if let Some((from, to)) = asked.times {
                timeline = timeline.between(time(from)..time(to));
            }
            if let Some((least, most)) = asked.amount {
                timeline = timeline.where_property("amount", Condition::Between(least.into(), most.into()));
            }
            if self.newest_first {
                timeline = timeline.newest_first();
            }
            if let Some(token) = token {
                timeline = timeline.after(token);
            }
            let mut events = timeline.iter();
            let page = positions(events.by_ref());
            token = events.page_token();
            if page.is_empty() {
                break;
            }
            found.extend(page);
        }
        assert_eq!(found, of_kept(expected.iter()), "{self:?}");
    }
}

/// Taking from both ends gives each event once.
fn both_ends<'v>(
    mut events: impl DoubleEndedIterator<Item = envelog::Result<EventRef<'v>>>,
    expected: &[Position],
    rng: &mut SimRng,
) {
    let mut expected = expected.iter();
    loop {
        let (event, wanted) = if rng.chance(500) {
            (events.next(), expected.next())
        } else {
            (events.next_back(), expected.next_back())
        };
        assert_eq!(event.map(|event| event.unwrap().position()), wanted.copied());
        if wanted.is_none() {
            return;
        }
    }
}
