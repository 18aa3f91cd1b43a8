//! What is stored of drafts of which some are repeats.

use super::*;
use crate::envelope::Envelope;
use crate::store::Store;
use crate::types::{Epoch, Position, Seq};
use crate::{DateTime, Uuid};

const HASH_KEY: [u8; 16] = [1; 16];

fn event(number: i64, event_type: &str) -> Envelope {
    let event = Envelope::new(Uuid::from_u128(1), Uuid::from_u128(2), "shop", event_type);
    let event = event.user(format!("u_{number}")).message_id(format!("m_{number}"));
    event.at(DateTime::from_timestamp(1_700_000_000 + number, 0).unwrap())
}

#[test]
fn of_drafts_with_repeats_the_others_alone_have_frames_hints_ids_and_places() {
    let store = Store::in_memory().unwrap();
    let hasher = MessageHasher::new([2; 16], u64::BITS);
    let mut drafts = Drafts::new(HASH_KEY, Some(hasher), OnIdConflict::Refuse);
    for (number, event_type) in
        (0..).zip(["identify", "order.placed", "order.placed", "identify", "identify", "order.placed"])
    {
        drafts.push_event(&store.accept(&event(number, event_type)).unwrap()).unwrap();
    }
    let of = |drafts: &Drafts, wanted: &[usize]| {
        let keys: Vec<EventKeys<'_>> =
            wanted.iter().map(|at| drafts.content(*at, None).unwrap().keys).collect();
        let frames = drafts.frames();
        let frames: Vec<_> = frames.iter().map(|frame| EventKeys::parse(frame.keys).unwrap()).collect();
        assert_eq!(frames, keys);
        let hints: Vec<IdHashes> = keys.iter().map(|keys| IdHashes::of(&HASH_KEY, keys)).collect();
        assert_eq!(*drafts.hints(), hints);
        let ids: Vec<_> = keys.iter().map(|keys| hasher.of(keys).unwrap()).collect();
        let undecided = wanted.iter().copied().zip(ids.iter().copied()).collect::<Vec<_>>();
        assert_eq!(drafts.undecided().collect::<Vec<_>>(), undecided);
        let placed: Vec<_> = (100..).map(Seq::new).zip(ids).collect();
        assert_eq!(drafts.placed(Seq::new(100)).collect::<Vec<_>>(), placed);
        let facts = drafts.placed_facts(Seq::new(100), None);
        facts
            .map(|(seq, keys, _)| (seq.get(), EventKeys::parse(keys).unwrap().message_id.unwrap().to_owned()))
            .collect()
    };
    let facts: Vec<(u64, String)> = of(&drafts, &[0, 1, 2, 3, 4, 5]);
    assert_eq!(facts, [(100, "m_0".to_owned()), (103, "m_3".to_owned()), (104, "m_4".to_owned())]);

    // Of something stored, and of one of these.
    let stored = Position { seq: Seq::new(7), epoch: Epoch::FIRST };
    drafts.decide(0, stored);
    drafts.set_fate(2, Fate::RepeatOf(1));
    drafts.set_fate(3, Fate::Repeat(stored));
    let facts = of(&drafts, &[1, 4, 5]);
    assert_eq!(facts, [(101, "m_4".to_owned())]);
    drafts.begin();
    assert_eq!(of(&drafts, &[0, 1, 2, 3, 4, 5]).len(), 3);
    drafts.conflicts(5, stored);
    drafts.conflicts_with(4, 0);
    assert_eq!(drafts.first_conflict(), Some((4, FirstUse::InBatch(0))));
    drafts.begin();
    assert_eq!(drafts.first_conflict(), None);
}
