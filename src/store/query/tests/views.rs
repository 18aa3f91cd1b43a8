//! Views hold still, and list what is there.

use std::collections::{BTreeMap, BTreeSet};

use super::lab::Lab;
use super::model::{PROJECTS, Row, START, random_store};
use crate::envelope::{Envelope, Value};
use crate::error::Error;
use crate::format::manifest::EpochStart;
use crate::storage::SimRng;
use crate::store::view::{NameCount, View};
use crate::types::{Epoch, Position, Seq};

fn answers(view: &View) -> String {
    let seqs = |events: Vec<crate::Result<crate::store::event::EventRef<'_>>>| {
        events.into_iter().map(|event| event.unwrap().seq().get()).collect::<Vec<_>>()
    };
    format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        seqs(view.events().iter().collect()),
        seqs(view.timeline("user_0").iter().collect()),
        view.activity("user_0").unwrap(),
        view.events().count().unwrap(),
        view.events().users().unwrap(),
        view.event_types().unwrap(),
        view.modules().unwrap(),
        view.users().unwrap().map(|user| user.unwrap().to_owned()).collect::<Vec<_>>(),
    )
}

#[test]
fn a_view_stays_as_it_is_while_more_is_appended_and_segments_are_sealed() {
    let seed = SimRng::seed_of_run();
    println!("ENVELOG_SEED={seed}");
    let mut rng = SimRng::new(seed);
    let mut lab = Lab::new(32 * 1024);
    let mut views = Vec::new();
    let mut now = START;
    for at in 0..2000 {
        now += 1_000_000_000;
        Row::random(&mut rng, now).append_to(&mut lab);
        if at % 97 == 0 {
            let view = lab.view(PROJECTS[0]);
            let known = answers(&view);
            // The same moment, taken later, when its segments may be sealed.
            views.push((view.clone(), view.visible(), known));
        }
    }
    lab.seal();
    for (view, visible, known) in views {
        assert_eq!(answers(&view), known);
        assert_eq!(answers(&lab.view_until(visible, PROJECTS[0])), known, "up to {visible}");
    }
}

#[test]
fn types_modules_and_users_are_those_of_the_events_in_view() {
    let seed = SimRng::seed_of_run();
    println!("ENVELOG_SEED={seed}");
    let mut rng = SimRng::new(seed);
    let (lab, rows) = random_store(&mut rng, 700, false);
    for visible in (0..lab.next_seq.get() + 5).step_by(61).map(Seq::new) {
        let view = lab.view_until(visible, PROJECTS[0]);
        let in_view: Vec<&Row> =
            rows.iter().filter(|row| row.project == PROJECTS[0] && row.seq <= visible).collect();
        let names = |name: fn(&Row) -> &'static str| {
            let mut names: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
            for row in &in_view {
                names.entry(name(row)).or_default().push(row.time.get());
            }
            let named = names.into_iter().map(|(name, times)| {
                (
                    name.to_owned(),
                    times.len() as u64,
                    times.iter().min().copied(),
                    times.iter().max().copied(),
                )
            });
            named.collect::<Vec<_>>()
        };
        let counted = |counts: Vec<NameCount>| {
            let nanos = |time: chrono::DateTime<chrono::Utc>| time.timestamp_nanos_opt();
            let named =
                counts.into_iter().map(|each| (each.name, each.events, nanos(each.first), nanos(each.last)));
            named.collect::<Vec<_>>()
        };
        assert_eq!(counted(view.event_types().unwrap()), names(|row| row.event_type));
        assert_eq!(counted(view.modules().unwrap()), names(|row| row.module));
        let users: BTreeSet<String> = view.users().unwrap().map(|user| user.unwrap().to_owned()).collect();
        assert_eq!(users, in_view.iter().filter_map(|row| row.user.clone()).collect());
        assert_eq!(view.users().unwrap().len(), users.len());
    }
}

#[test]
fn get_finds_every_event_by_its_position_and_nothing_else() {
    let seed = SimRng::seed_of_run();
    println!("ENVELOG_SEED={seed}");
    let (mut lab, rows) = random_store(&mut SimRng::new(seed), 300, false);
    let last = lab.next_seq.get() - 1;
    lab.lose(4);
    Row::random(&mut SimRng::new(seed), START).append_to(&mut lab);
    let second = Seq::new(last / 2);
    lab.epochs = vec![
        EpochStart { epoch: Epoch::new(1), first_seq: Seq::new(1) },
        EpochStart { epoch: Epoch::new(3), first_seq: second },
    ];
    let view = lab.view(PROJECTS[0]);
    let get = |epoch, seq| view.get(Position { seq: Seq::new(seq), epoch: Epoch::new(epoch) });
    for seq in 0..=last {
        let row = rows.iter().find(|row| row.seq.get() == seq && row.project == PROJECTS[0]);
        let (own, other) = if seq < second.get() { (1, 3) } else { (3, 1) };
        let event = get(own, seq).unwrap();
        assert_eq!(event.map(|event| event.seq()), row.map(|row| row.seq));
        if let Some(event) = event {
            assert_eq!(event.position(), Position { seq: Seq::new(seq), epoch: Epoch::new(own) });
            assert_eq!(event.event_type(), row.unwrap().event_type);
        }
        match get(other, seq) {
            Ok(None) => assert_eq!(own, 1, "seq {seq} of an epoch that ended"),
            Err(Error::TakenBack { from, to }) => {
                assert_eq!((own, from, to), (3, second, Seq::new(seq)));
            }
            other => panic!("seq {seq}: {other:?}"),
        }
        assert!(get(2, seq).unwrap().is_none() && get(4, seq).unwrap().is_none(), "an epoch that never was");
    }
    // The roll frame of the segment before the gap is no event.
    assert!(get(3, last + 1).unwrap().is_none());
    assert!(matches!(get(3, last + 3), Err(Error::Gap { .. })));
    assert!(get(3, u64::MAX).unwrap().is_none());
}

#[test]
fn an_event_comes_back_as_the_envelope_that_it_was() {
    let mut lab = Lab::new(64 * 1024);
    let mut rng = SimRng::new(5);
    for _ in 0..50 {
        let mut row = Row::random(&mut rng, START + 123_456_789);
        row.project = PROJECTS[0];
        row.append_to(&mut lab);
    }
    let view = lab.view(PROJECTS[0]);
    for event in &view.events() {
        let event = event.unwrap();
        let mut json = Vec::new();
        event.to_json(&mut json);
        let envelope = Envelope::from_json(&json).unwrap();
        assert_eq!(envelope.to_json().as_bytes(), json, "{}", String::from_utf8_lossy(&json));
        let owned = event.to_event();
        let mut with_meta = Vec::new();
        event.to_json_with_meta(&mut with_meta);
        // serde_json has no integers of more than 64 bits.
        if owned.property("amount").and_then(Value::as_f64).is_none_or(|amount| amount < 1e19) {
            let serialized = serde_json::to_string(&owned).unwrap();
            assert_eq!(serialized, String::from_utf8(with_meta.clone()).unwrap());
        }
        let meta: serde_json::Value = serde_json::from_slice(&with_meta).unwrap();
        assert_eq!(meta["seq"], event.seq().get());
        assert!(meta["receivedAt"].as_str().unwrap().ends_with('Z'));
        assert_eq!(
            owned.property("page.url").and_then(|url| url.as_str()),
            event.property("page.url").and_then(|url| url.as_str())
        );
        assert_eq!(owned.person(), event.person());
        let shown = format!("{event:?} {owned:?}");
        assert!(
            !shown.contains("user_") && !shown.contains("device_") && !shown.contains("/cart"),
            "{shown}"
        );
    }
}
