//! A tail that is long enough for two threads to index it when a store is opened.

use std::fs;
use std::path::Path;

use envelog::{DateTime, Durability, Envelope, EventType, Options, PersonRef, Store, Utc, Uuid};
use tempfile::TempDir;

const ORG: Uuid = Uuid::from_u128(1);
const PROJECTS: [Uuid; 2] = [Uuid::from_u128(2), Uuid::from_u128(3)];
const TYPES: [&str; 3] = ["order.placed", "order.paid", "page.viewed"];
const USERS: u32 = 400;
const EVENTS: u32 = 9_000;

/// Times repeat and are out of order; every 97th event says something about its user.
fn envelope(number: u32) -> Envelope {
    let start: DateTime<Utc> = "2024-01-30T22:00:00Z".parse().unwrap();
    let late = if number.is_multiple_of(31) { 500 } else { 0 };
    let at = start + std::time::Duration::from_secs(u64::from(1_000 + number / 3 - late));
    let user = format!("u{}", number * 7 % USERS);
    let project = PROJECTS[usize::from(number.is_multiple_of(5))];
    if number.is_multiple_of(97) {
        return Envelope::new(ORG, project, "shop", EventType::IDENTIFY)
            .at(at)
            .user(user)
            .with_trait("plan", format!("p{number}"));
    }
    let event_type = TYPES[number as usize % TYPES.len()];
    let envelope = Envelope::new(ORG, project, "shop", event_type).at(at).property("text", "x".repeat(200));
    let mut envelope = envelope.property("number", number);
    envelope.user_id = (!number.is_multiple_of(11)).then_some(user);
    envelope.anonymous_id = number.is_multiple_of(2).then(|| format!("d{}", number % 60));
    envelope
}

/// All that the store says, in one text.
fn answers(store: &Store) -> String {
    let mut all = String::new();
    let mut say = |text: String| all.extend([text.as_str(), "\n"]);
    for project in PROJECTS {
        let view = store.project(project).view().unwrap();
        for event in &view.events() {
            let event = event.unwrap();
            say(format!("{} {} {:?}", event.seq(), event.event_type(), event.property("number")));
        }
        for event_type in TYPES {
            say(format!("{event_type} {}", view.events().of_type(event_type).count().unwrap()));
        }
        let users: Vec<_> = (0..USERS).map(|user| format!("u{user}")).collect();
        let devices: Vec<_> = (0..60).map(|device| format!("d{device}")).collect();
        let persons = users.iter().map(|user| PersonRef::User(user));
        for person in persons.chain(devices.iter().map(|device| PersonRef::Anonymous(device))) {
            let seqs: Vec<_> = view.timeline(person).iter().map(|event| event.unwrap().seq()).collect();
            say(format!("{seqs:?} {:?}", view.profile(person).unwrap()));
        }
    }
    all
}

/// What a kill leaves: the files as they stand while the store is open.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn a_long_tail_answers_after_a_kill_as_it_did_before() {
    let directory = TempDir::new().unwrap();
    let (path, killed) = (directory.path().join("store"), directory.path().join("killed"));
    let store = Options::new().durability(Durability::Buffered).open(&path).unwrap();
    for part in (0..EVENTS).collect::<Vec<_>>().chunks(100) {
        let mut batch = store.batch();
        for number in part {
            batch.push(&envelope(*number)).unwrap();
        }
        batch.commit().unwrap();
    }
    let stats = store.stats().unwrap();
    assert_eq!((stats.segments, stats.sealed_segments), (1, 0), "{stats:?}");
    let before = answers(&store);
    copy(&path, &killed);

    let opened = Options::new().open(&killed).unwrap();
    let report = opened.recovery();
    assert!(!report.clean, "{report:?}");
    assert_eq!(opened.stats().unwrap().sealed_segments, 0);
    assert_eq!(answers(&opened), before);
    // And goes on where it was.
    for store in [&store, &opened] {
        store.append(envelope(13)).unwrap();
    }
    assert_eq!(answers(&opened), answers(&store));
}
