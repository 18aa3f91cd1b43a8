//! What becomes of events with one id, and how often two of them are compared.

use std::cell::Cell;

use super::*;
use crate::envelope::Envelope;
use crate::store::Store;
use crate::store::append::How;
use crate::store::once::likeness;
use crate::testing::SimRng;
use crate::{DateTime, FirstUse, Seq, Uuid};

/// The drafts of these events, with hashes of so many bits.
fn drafts_of(
    store: &Store,
    events: impl IntoIterator<Item = Envelope>,
    bits: u32,
    on_conflict: OnIdConflict,
) -> Drafts {
    let hasher = crate::dedupe::MessageHasher::new([1; 16], bits);
    let mut drafts = Drafts::new([1; 16], Some(hasher), on_conflict);
    for event in events {
        drafts.push_event(&store.accept(&event).unwrap()).unwrap();
    }
    drafts
}

fn event(id: u64, content: u64, second: Option<u64>) -> Envelope {
    let placed = Envelope::new(Uuid::from_u128(1), Uuid::from_u128(2), "shop", "order.placed");
    let placed = placed.user("u").property("content", content).message_id(format!("m{id}"));
    match second.and_then(|second| DateTime::from_timestamp(1_700_000_000 + i64::try_from(second).ok()?, 0)) {
        Some(time) => placed.at(time),
        None => placed,
    }
}

/// Every event is compared with every one before it.
fn naive(drafts: &Drafts) -> Vec<(Fate, bool)> {
    let mut fates: Vec<(Fate, bool)> = Vec::new();
    for at in 0..drafts.len() {
        let mut fate = (Fate::New, false);
        for (before, (settled, _)) in fates.iter().enumerate() {
            if matches!(settled, Fate::RepeatOf(_)) {
                continue;
            }
            match likeness(&drafts.content(before, None).unwrap(), &drafts.content(at, None).unwrap()) {
                Likeness::None => {}
                Likeness::Other => fate.1 = true,
                Likeness::Same => {
                    fate = (Fate::RepeatOf(before), false);
                    break;
                }
            }
        }
        fates.push(fate);
    }
    fates
}

#[test]
fn copies_and_conflicts_are_those_of_comparing_each_with_each() {
    let store = Store::in_memory().unwrap();
    let mut rng = SimRng::new(SimRng::seed_of_run());
    for round in 0..200 {
        let bits = if round % 4 == 0 { 1 } else { 64 };
        let events = (0..40).map(|_| {
            let time = Some(rng.below(4)).filter(|second| *second > 0);
            event(rng.below(4), rng.below(3), time)
        });
        let mut drafts = drafts_of(&store, events.collect::<Vec<_>>(), bits, OnIdConflict::Store);
        let expected = naive(&drafts);
        drafts.settle_within(likeness);
        let settled: Vec<(Fate, bool)> = drafts
            .items
            .iter()
            .map(|item| (item.fate, item.conflict.is_some() && item.fate == Fate::New))
            .collect();
        assert_eq!(settled, expected, "round {round}");

        drafts.begin();
        drafts.on_conflict = OnIdConflict::Refuse;
        drafts.settle_within(likeness);
        let first = expected.iter().position(|(_, conflicts)| *conflicts);
        assert_eq!(drafts.first_conflict().map(|(at, _)| at), first, "round {round}");
        for (at, item) in drafts.items.iter().enumerate() {
            let content = |item: usize| drafts.content(item, None).unwrap();
            let first = (0..=at).find(|first| content(*first).keys.message_id == content(at).keys.message_id);
            let like = likeness(&content(first.unwrap()), &content(at));
            assert_eq!(item.conflict.is_some(), like == Likeness::Other, "round {round}, event {at}");
        }
    }
}

#[test]
fn an_event_is_compared_with_few_however_many_share_its_id() {
    let store = Store::in_memory().unwrap();
    let events: [fn(u64) -> Envelope; 4] = [
        |number| event(1, number, Some(1)),
        |number| event(1, 1, Some(number)),
        |_| event(1, 1, Some(1)),
        |number| event(1, number % 2, Some(1).filter(|_| number % 3 > 0)),
    ];
    for on_conflict in [OnIdConflict::Refuse, OnIdConflict::Store] {
        for (which, event) in events.iter().enumerate() {
            let count = 2_000;
            let mut drafts = drafts_of(&store, (0..count).map(event), 64, on_conflict);
            let compared = Cell::new(0);
            drafts.settle_within(|one, other| {
                compared.set(compared.get() + 1);
                likeness(one, other)
            });
            assert!(compared.get() <= 2 * count, "{on_conflict:?} {which}: {} comparisons", compared.get());
            assert!(
                drafts.items.iter().skip(1).all(|item| item.fate != Fate::New || item.conflict.is_some())
            );
        }
    }
}

#[test]
fn all_copies_of_an_event_that_is_refused_are_refused_with_it() {
    let store = Store::in_memory().unwrap();
    store.append(event(1, 0, Some(1))).unwrap();
    let writer = store.writer().unwrap();
    let mut workspace = writer.workspace();
    workspace.drafts.clear();
    for content in [1, 1, 0, 1, 2] {
        let accepted = store.accept(&event(1, content, Some(1))).unwrap();
        workspace.drafts.push_event(&accepted).unwrap();
    }
    let refused = writer.store(&mut workspace.drafts, None, How::Wait, |_| Ok(())).map(drop);
    assert!(refused.is_err());
    let conflicts: Vec<bool> = workspace
        .drafts
        .items
        .iter()
        .map(|item| {
            item.fate == Fate::New
                && item.conflict.is_some_and(
                    |first| matches!(first, FirstUse::Stored(position) if position.seq == Seq::new(1)),
                )
        })
        .collect();
    assert_eq!(conflicts, [true, true, false, true, true]);
}
