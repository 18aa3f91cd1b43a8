//! What a host may expect of a library: stores in memory, a clock of its own, options that are checked, figures, waiting
//! for events, questions that are kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use envelog::testing::{FaultKind, FaultPlan, OpKind, OpMask, SimDisk};
use envelog::{
    Clock, Condition, CursorKey, DateTime, Durability, Envelope, Error, Limits, ManualClock, Options, Query,
    Seq, Store, StoreState, Utc, Uuid,
};

use crate::support::LEVELS;

#[path = "../../examples/follow_in_process.rs"]
#[expect(dead_code, reason = "an example has a `main` of its own")]
mod follow_in_process;
#[path = "../../examples/metrics.rs"]
#[expect(dead_code, reason = "an example has a `main` of its own")]
mod metrics;

const ORG: Uuid = Uuid::from_u128(1);
const PROJECT: Uuid = Uuid::from_u128(2);
/// Sets one of the limits.
type Set = fn(&mut Limits, usize);

const LONG: Duration = Duration::from_hours(1);

fn envelope(number: u64) -> Envelope {
    Envelope::new(ORG, PROJECT, "shop", "order.placed").user("u").property("number", number)
}

fn numbers(store: &Store) -> Vec<u64> {
    let view = store.project(PROJECT).view().unwrap();
    view.events().iter().map(|event| event.unwrap().property("number").unwrap().as_u64().unwrap()).collect()
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

#[test]
fn a_store_in_memory_rolls_seals_compacts_and_closes_as_a_real_one() {
    for level in LEVELS {
        let store = Options::new().durability(level).segment_bytes_max(1 << 20).open_in_memory().unwrap();
        assert!(store.recovery().created);
        let text = "x".repeat(10_000);
        let users = 40;
        for number in 0..800 {
            store.append(envelope(number).property("text", text.as_str())).unwrap();
            let user = format!("u_{}", number % users);
            store.scope(ORG, PROJECT, "shop").identify(user).set("last", number).append().unwrap();
        }
        store.wait_sealed().unwrap();
        let stats = store.stats().unwrap();
        assert!(stats.sealed_segments >= 7 && stats.unsealed_segments == 0, "{stats:?}");
        assert!(stats.profile_runs < stats.sealed_segments, "runs are merged: {stats:?}");
        assert_eq!(stats.events, 1_600);
        let view = store.project(PROJECT).view().unwrap();
        assert_eq!(view.events().of_type("order.placed").count().unwrap(), 800);
        assert_eq!(view.timeline("u").iter().count(), 800);
        let profile = view.profile("u_7").unwrap().unwrap();
        assert!(profile.traits_json().contains("767"), "{}", profile.traits_json());
        store.set_and_read_a_cursor();
        store.sync().unwrap();
        store.close().unwrap();
        assert!(matches!(store.append(envelope(1)), Err(Error::Closed)));
        drop(store);
        // The view keeps what it reads.
        assert_eq!(view.timeline("u").newest_first().iter().count(), 800);
        assert_eq!(
            view.events().of_type("order.placed").sum("number").unwrap().integers,
            (0..800).sum::<i128>()
        );
    }
}

trait Cursors {
    fn set_and_read_a_cursor(&self);
}

impl Cursors for Store {
    fn set_and_read_a_cursor(&self) {
        let mut batch = self.batch();
        batch.set_cursor(CursorKey::Store("relay"), b"42").unwrap();
        batch.commit().unwrap();
        assert_eq!(self.cursor(CursorKey::Store("relay")).unwrap().as_deref(), Some(&b"42"[..]));
    }
}

#[test]
fn stores_in_memory_have_nothing_to_do_with_each_other() {
    let stores: Vec<Store> = (0..50).map(|_| Store::in_memory().unwrap()).collect();
    for (number, store) in stores.iter().enumerate() {
        store.append(envelope(number as u64)).unwrap();
    }
    for (number, store) in stores.iter().enumerate() {
        assert_eq!(numbers(store), [number as u64]);
    }
    // The secrets differ, so that the same address has another token in each.
    let token = |store: &Store| {
        store.append(envelope(1).context("ip", "203.0.113.7")).unwrap();
        let view = store.project(PROJECT).view().unwrap();
        let event = view.events().newest_first().iter().next().unwrap().unwrap();
        let context = event.context().unwrap().to_value();
        assert!(!serde_json::to_string(&context).unwrap().contains("203.0.113.7"));
        context
    };
    assert_ne!(token(&stores[0]), token(&stores[1]));
}

/// Bytes of memory that belong to this process alone.
#[cfg(target_os = "linux")]
fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// Not a limit of time or of memory on this machine: the numbers are printed, and only what is wrong by an order of
/// magnitude fails.
#[test]
#[cfg(target_os = "linux")]
fn an_empty_store_in_memory_touches_little_memory() {
    let before = resident_bytes();
    let begin = Instant::now();
    let stores: Vec<Store> = (0..100)
        .map(|number| {
            let store = Store::in_memory().unwrap();
            store.append(envelope(number)).unwrap();
            store
        })
        .collect();
    let took = begin.elapsed();
    let each = resident_bytes().saturating_sub(before) / stores.len() as u64;
    drop(stores);
    crate::support::say(format_args!("a store in memory: {each} bytes, {took:?} for 100 and an append each"));
    assert!(each < 4 << 20, "{each} bytes for a store with one event");
}

#[test]
fn the_clock_of_the_host_stamps_events_and_times_of_receipt_never_fall() {
    let clock = Arc::new(ManualClock::new(at("2026-03-01T12:00:00Z")));
    let store = Options::new().clock(clock.clone()).open_in_memory().unwrap();
    let append = || store.append(envelope(1)).unwrap().position;
    let first = append();
    clock.advance(Duration::from_millis(1500));
    let second = append();
    clock.set(at("2026-01-01T00:00:00Z"));
    let third = append();
    let project = store.project(PROJECT);
    let times = |position| {
        let event = project.get(position).unwrap().unwrap();
        (event.timestamp(), event.received_at())
    };
    assert_eq!(times(first), (at("2026-03-01T12:00:00Z"), at("2026-03-01T12:00:00Z")));
    assert_eq!(times(second), (at("2026-03-01T12:00:01.5Z"), at("2026-03-01T12:00:01.5Z")));
    assert_eq!(times(third), (at("2026-01-01T00:00:00Z"), at("2026-03-01T12:00:01.5Z")));
    // How far ahead an event may be goes by the same clock.
    let ahead = envelope(1).at(at("2026-01-02T00:00:01Z"));
    assert!(matches!(store.append(ahead), Err(Error::Invalid { .. })));
}

#[test]
fn a_clock_may_be_any_type_of_the_host() {
    #[derive(Debug)]
    struct Days(AtomicU64);
    impl Clock for Days {
        fn now(&self) -> DateTime<Utc> {
            let day = self.0.fetch_add(1, Ordering::Relaxed);
            at("2026-01-01T00:00:00Z") + chrono::TimeDelta::days(i64::try_from(day).unwrap())
        }
    }
    let store = Options::new().clock(Arc::new(Days(AtomicU64::new(0)))).open_in_memory().unwrap();
    for number in 0..5 {
        store.append(envelope(number)).unwrap();
    }
    let view = store.project(PROJECT).view().unwrap();
    let times: Vec<_> = view.timeline("u").iter().map(|event| event.unwrap().timestamp()).collect();
    assert!(times.is_sorted() && times[0] < times[4], "{times:?}");
}

#[test]
fn an_option_out_of_its_range_is_named_and_nothing_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data");
    let refused = |options: Options, field: &str| {
        for error in [
            options.clone().open(&path).unwrap_err(),
            options.clone().open_read_only(&path).unwrap_err(),
            options.open_in_memory().unwrap_err(),
        ] {
            assert!(
                matches!(&error, Error::Invalid { field: named, .. } if named == field),
                "{field}: {error}"
            );
        }
        assert!(!path.exists());
    };
    refused(Options::new().segment_bytes_max(1000), "segment_bytes_max");
    refused(Options::new().segment_bytes_max(u64::MAX), "segment_bytes_max");
    refused(Options::new().durability(Durability::Interval { ms: 0, bytes: 1 }), "durability.ms");
    refused(Options::new().secret(*b"short"), "secret");
    let limits: [(&str, Set); 14] = [
        ("module_bytes_max", |limits, value| limits.module_bytes_max = value),
        ("event_type_bytes_max", |limits, value| limits.event_type_bytes_max = value),
        ("message_id_bytes_max", |limits, value| limits.message_id_bytes_max = value),
        ("user_id_bytes_max", |limits, value| limits.user_id_bytes_max = value),
        ("anonymous_id_bytes_max", |limits, value| limits.anonymous_id_bytes_max = value),
        ("cursor_name_bytes_max", |limits, value| limits.cursor_name_bytes_max = value),
        ("depth_max", |limits, value| limits.depth_max = value),
        ("keys_max", |limits, value| limits.keys_max = value),
        ("key_bytes_max", |limits, value| limits.key_bytes_max = value),
        ("string_bytes_max", |limits, value| limits.string_bytes_max = value),
        ("event_bytes_max", |limits, value| limits.event_bytes_max = value),
        ("traits_max", |limits, value| limits.traits_max = value),
        ("traits_bytes_max", |limits, value| limits.traits_bytes_max = value),
        ("cursor_state_bytes_max", |limits, value| limits.cursor_state_bytes_max = value),
    ];
    for (name, set) in limits {
        for value in [0, usize::MAX] {
            let mut limits = Limits::default();
            set(&mut limits, value);
            refused(Options::new().limits(limits), &format!("limits.{name}"));
        }
    }
}

#[test]
fn what_fits_no_segment_is_told_at_the_opening_and_what_is_allowed_fits() {
    let with = |event_bytes: usize, cursor_bytes: usize| {
        let mut limits = Limits::default();
        limits.event_bytes_max = event_bytes;
        limits.string_bytes_max = 1 << 20;
        limits.cursor_state_bytes_max = cursor_bytes;
        Options::new().segment_bytes_max(1 << 20).limits(limits)
    };
    let told = |options: Options| match options.open_in_memory() {
        Err(Error::Invalid { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    assert_eq!(told(with(1 << 20, 1000)), "limits.event_bytes_max");
    assert_eq!(told(with(1000, 1 << 20)), "limits.cursor_state_bytes_max");
    // The largest that is taken at the opening.
    let (mut least, mut most) = (1_usize, 1 << 20);
    while least + 1 < most {
        let middle = least.midpoint(most);
        if with(middle, 1000).open_in_memory().is_ok() { least = middle } else { most = middle }
    }
    assert!(least > (1 << 20) - 8192, "{least} of 1 MiB");
    let store = with(least, 1000).open_in_memory().unwrap();
    let mut appended = 0;
    for length in (least - 1000..=least).rev() {
        match store.append(envelope(1).property("text", "x".repeat(length))) {
            Ok(_) => {
                appended = length;
                break;
            }
            Err(Error::TooLarge { what, .. }) => assert!(!what.contains("segment"), "{what}"),
            Err(error) => panic!("{error}"),
        }
    }
    assert!(appended > 0, "the longest event that the limit allows is stored");
}

#[test]
fn opening_waits_for_the_lock_as_long_as_it_is_asked_to() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data");
    let store = Store::open(&path).unwrap();
    assert!(matches!(Store::open(&path), Err(Error::Locked)));
    let soon = Options::new().lock_timeout(Duration::from_millis(30));
    assert!(matches!(soon.open(&path), Err(Error::Locked)));
    let patient = Options::new().lock_timeout(LONG);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| patient.clone().open(&path).unwrap());
        store.append(envelope(1)).unwrap();
        store.close().unwrap();
        let next = waiting.join().unwrap();
        assert_eq!(numbers(&next), [1]);
        let reading = scope.spawn(|| patient.clone().open_read_only(&path).unwrap());
        next.close().unwrap();
        assert_eq!(numbers(&reading.join().unwrap()), [1]);
    });
}

#[test]
fn the_figures_say_what_state_the_store_is_in() {
    let disk = SimDisk::default();
    let options = || Options::new().durability(Durability::Buffered).tiny_segments(65_536);
    let store = options().open_on(&disk).unwrap();
    let stats = store.stats().unwrap();
    assert_eq!((stats.state, stats.since_last_sync, stats.events), (StoreState::Open, None, 0));
    assert_eq!(stats.visible_position.seq, Seq::ZERO);
    let position = store.append(envelope(1)).unwrap().position;
    let stats = store.stats().unwrap();
    assert_eq!((stats.visible_position, stats.durable_position.seq), (position, Seq::ZERO));
    assert_eq!(stats.since_last_sync, None, "nothing was synced");
    store.sync().unwrap();
    let stats = store.stats().unwrap();
    assert_eq!(stats.durable_position, position);
    assert!(stats.since_last_sync.is_some());
    store.close().unwrap();
    assert_eq!(store.stats().unwrap().state, StoreState::Closed);
    drop(store);
    let reader = options().open_read_only_on(&disk).unwrap();
    assert_eq!(reader.stats().unwrap().state, StoreState::ReadOnly);
    drop(reader);

    let store = options().open_on(&disk).unwrap();
    store.append(envelope(2)).unwrap();
    disk.fail(FaultPlan { after_ops: 0, kind: FaultKind::Eio, sticky: true, ops: OpMask::of(OpKind::Sync) });
    store.sync().unwrap_err();
    assert_eq!(store.stats().unwrap().state, StoreState::Poisoned);
    assert_eq!(numbers(&store), [1, 2], "reads go on");
    assert!(matches!(store.wait_visible(store.visible(), LONG), Err(Error::Poisoned)));
}

#[test]
fn an_append_that_waits_for_the_sealer_is_counted() {
    let disk = SimDisk::default();
    let options = Options::new().durability(Durability::Buffered).tiny_segments(8192);
    let store = options.open_on(&disk).unwrap();
    let waits = || store.stats().unwrap().seal_waits;
    let text = "x".repeat(500);
    let append = |number| store.append(envelope(number).property("text", text.as_str()));
    append(0).unwrap();
    // Nothing is sealed without the manifest, whose new version gets its name last.
    disk.fail(FaultPlan {
        after_ops: 0,
        kind: FaultKind::Eio,
        sticky: true,
        ops: OpMask::of(OpKind::Rename),
    });
    let mut stored = 1;
    let refused = loop {
        assert_eq!(waits(), 0, "two segments may wait to be sealed, and no append waits for them");
        match append(stored) {
            Ok(_) => stored += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, Error::Io { .. }), "{refused}");
    assert_eq!((waits(), store.stats().unwrap().unsealed_segments), (1, 2));
    append(stored).unwrap_err();
    assert_eq!(waits(), 2);

    disk.heal();
    append(stored).unwrap();
    assert_eq!(waits(), 3, "this one waited until a segment was sealed");
    assert_eq!(numbers(&store), (0..=stored).collect::<Vec<_>>());
    store.close().unwrap();
}

#[test]
fn an_empty_path_is_refused_by_name() {
    let refused = |error: Error| {
        assert!(matches!(error, Error::Invalid { .. }), "{error}");
        assert_eq!(error.to_string(), "path: must not be empty");
    };
    refused(Store::open("").map(drop).unwrap_err());
    refused(Store::open_read_only("").map(drop).unwrap_err());
    refused(Store::verify("", envelog::VerifyLevel::Quick).map(drop).unwrap_err());
}

#[test]
fn who_follows_sees_every_event_once_and_is_told_of_the_end_last() {
    for level in LEVELS {
        let store = Options::new().durability(level).segment_bytes_max(1 << 20).open_in_memory().unwrap();
        let appenders = 3;
        let each = 400;
        let seen = thread::scope(|scope| {
            let followers: Vec<_> = (0..2)
                .map(|_| {
                    scope.spawn(|| {
                        let (mut last, mut seen) = (Seq::ZERO, Vec::new());
                        loop {
                            match store.wait_visible(last, LONG) {
                                Ok(visible) => {
                                    assert!(visible > last);
                                    let view = store.project(PROJECT).view().unwrap();
                                    let new = view.events().seq_range(last.next()..visible.next());
                                    seen.extend(new.iter().map(|event| event.unwrap().seq()));
                                    last = visible;
                                }
                                Err(Error::Closed) => return seen,
                                Err(error) => panic!("{error}"),
                            }
                        }
                    })
                })
                .collect();
            let writers: Vec<_> = (0..appenders)
                .map(|_| {
                    scope.spawn(|| {
                        for number in 0..each {
                            store.append(envelope(number)).unwrap();
                            if number % 50 == 0 {
                                let mut batch = store.batch();
                                batch.set_cursor(CursorKey::Store("c"), b"1").unwrap();
                                batch.commit().unwrap();
                            }
                        }
                    })
                })
                .collect();
            for writer in writers {
                writer.join().unwrap();
            }
            store.close().unwrap();
            followers.into_iter().map(|follower| follower.join().unwrap()).collect::<Vec<_>>()
        });
        for seen in seen {
            assert_eq!(seen.len() as u64, appenders * each, "{level:?}");
            assert!(seen.is_sorted_by(|one, next| one < next));
        }
        // What was visible when the store ended is still given.
        assert!(store.wait_visible(Seq::ZERO, Duration::ZERO).unwrap() > Seq::ZERO);
        assert!(matches!(store.wait_visible(store.visible(), Duration::ZERO), Err(Error::Closed)));
    }
}

#[test]
fn cursors_wake_nobody_and_the_time_ends_the_waiting() {
    for level in LEVELS {
        let store = Options::new().durability(level).open_in_memory().unwrap();
        let seen = store.append(envelope(1)).unwrap().position.seq;
        store.set_and_read_a_cursor();
        assert!(store.visible() > seen);
        let begin = Instant::now();
        let visible = store.wait_visible(seen, Duration::from_millis(30)).unwrap();
        assert!(begin.elapsed() >= Duration::from_millis(30), "the cursor is no event");
        assert_eq!(visible, store.visible());
        let next = store.append(envelope(2)).unwrap().position.seq;
        assert_eq!(store.wait_visible(seen, LONG).unwrap(), next);
    }
}

#[test]
fn a_reader_has_what_is_there_and_nothing_to_wait_for() {
    let disk = SimDisk::default();
    let store = Options::new().open_on(&disk).unwrap();
    store.append(envelope(1)).unwrap();
    store.close().unwrap();
    drop(store);
    let reader = Options::new().open_read_only_on(&disk).unwrap();
    let visible = reader.wait_visible(Seq::ZERO, LONG).unwrap();
    assert_eq!(visible, reader.visible());
    assert!(matches!(reader.wait_visible(visible, LONG), Err(Error::ReadOnly)));
}

#[test]
fn a_query_that_is_kept_is_asked_of_any_view() {
    let store = Store::in_memory().unwrap();
    let scope = store.scope(ORG, PROJECT, "web");
    for number in 0..20 {
        let url = if number % 2 == 0 { "/pay" } else { "/home" };
        let page: envelog::Value = [("url", url)].into_iter().collect::<envelog::Object>().into();
        scope
            .track(if number % 4 == 0 { "page.viewed" } else { "order.placed" })
            .user(format!("u_{}", number % 3))
            .anonymous(format!("d_{}", number % 2))
            .property("amount", number)
            .context("page", page)
            .append()
            .unwrap();
    }
    let view = store.project(PROJECT).view().unwrap();
    let amounts = |query: &Query| -> Vec<i64> {
        let amount =
            |event: envelog::Result<envelog::EventRef<'_>>| event.unwrap().property("amount")?.as_i64();
        view.query(query).iter().filter_map(amount).collect()
    };
    let text = r#"{"eventTypes":["order.placed"],"where":[{"path":"amount","atLeast":6},
        {"contextPath":"page.url","equals":"/pay"}],"newestFirst":true,"limit":3}"#;
    let query: Query = serde_json::from_str(text).unwrap();
    assert_eq!(amounts(&query), [18, 14, 10]);
    assert_eq!(view.query(&query).count().unwrap(), 4, "numbers are over all");
    assert_eq!(view.query(&query).query(), &query);
    let same = view
        .events()
        .of_type("order.placed")
        .property("amount")
        .at_least(6)
        .context("page.url")
        .equals("/pay")
        .newest_first()
        .limit(3);
    assert_eq!(same.query(), &query);
    // No part of a kept query is lost on the way.
    assert_eq!(amounts(&Query::new().where_context("page.url", Condition::Equals("/none".into()))), [0; 0]);
    assert_eq!(amounts(&Query::new().where_context("missing", Condition::Exists)), [0; 0]);
    assert_eq!(amounts(&Query::new().where_context("page", Condition::Exists)).len(), 20);

    let timeline = |query: &Query| -> Vec<i64> {
        let amount =
            |event: envelog::Result<envelog::EventRef<'_>>| event.unwrap().property("amount")?.as_i64();
        view.timeline("u_0").matching(query).iter().filter_map(amount).collect()
    };
    assert_eq!(timeline(&Query::new()), [0, 3, 6, 9, 12, 15, 18]);
    assert_eq!(timeline(&query), [18, 6]);
    assert_eq!(timeline(&Query::new().device("d_1")), [3, 9, 15]);
    assert_eq!(timeline(&Query::new().user("u_1")), [0; 0]);
    assert_eq!(timeline(&Query::new().seq_range(Seq::new(4)..Seq::new(13))), [3, 6, 9]);
    assert_eq!(timeline(&Query::new().device("d_1").newest_first().limit(2)), [15, 9]);
}

#[test]
fn the_follower_of_the_example_handles_every_order_once_across_restarts() {
    let directory = tempfile::tempdir().unwrap();
    let (orders, receipts) = follow_in_process::run(&directory.path().join("data")).unwrap();
    assert_eq!((orders, receipts), (95, 95));
}

#[test]
fn the_metrics_of_the_example_are_lines_that_prometheus_reads() {
    let store = Store::in_memory().unwrap();
    store.append(envelope(1)).unwrap();
    let text = metrics::prometheus(&store.stats().unwrap()).unwrap();
    assert!(text.contains("\nenvelog_events 1\n"), "{text}");
    assert!(
        text.contains("envelog_open 1\n") && text.contains("envelog_since_last_sync_seconds 0."),
        "{text}"
    );
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.split_once(' ').unwrap();
        assert!(name.starts_with("envelog_") && value.parse::<f64>().is_ok(), "{line}");
    }
}
