//! What the README says a host should know beforehand, held to be so.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use envelog::{Durability, Envelope, Error, Object, Options, PersonRef, Store, Uuid, Value};
use tempfile::TempDir;

use crate::layering::{code_lines, rust_files};
use crate::real_input::MIB;

const ORG: Uuid = Uuid::from_u128(1);
const PROJECT: Uuid = Uuid::from_u128(2);

fn plain(event_type: &str) -> Envelope {
    Envelope::new(ORG, PROJECT, "caveats", event_type)
}

fn open(directory: &TempDir) -> Store {
    Options::new().durability(Durability::Buffered).open(directory.path().join("store")).unwrap()
}

fn count(store: &Store) -> u64 {
    store.project(PROJECT).view().unwrap().events().count().unwrap()
}

#[test]
fn elsewhere_than_on_a_64_bit_unix_it_does_not_compile() {
    let lib = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let guard = "#[cfg(not(all(target_pointer_width = \"64\", unix)))]\ncompile_error!(";
    assert!(lib.contains(guard), "lib.rs refuses other systems");
}

/// Name and length of every segment's file.
fn segments(path: &Path) -> BTreeMap<String, u64> {
    let mut lengths = BTreeMap::new();
    for entry in fs::read_dir(path).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if name.starts_with("seg-") && name.ends_with(".log") {
            lengths.insert(name, entry.metadata().unwrap().len());
        }
    }
    lengths
}

/// Appends about 100 MB of large events to segments of 40 MiB, opens the store anew half-way, and looks at the files
/// all the while.
fn fill(path: &Path, level: Durability, mut look: impl FnMut(&BTreeMap<String, u64>)) {
    let options = || Options::new().durability(level).segment_bytes_max(40 * MIB);
    let text = "x".repeat(60_000);
    let large = || {
        let event = plain("thing.made").property("a", text.as_str()).property("b", text.as_str());
        event.property("c", text.as_str()).property("d", text.as_str())
    };
    for _ in 0..2 {
        let store = options().open(path).unwrap();
        for _ in 0..26 {
            store.append_batch((0..8).map(|_| large())).unwrap();
            look(&segments(path));
        }
        store.wait_sealed().unwrap();
        look(&segments(path));
        store.close().unwrap();
        look(&segments(path));
    }
}

const LEVELS: [Durability; 2] = [Durability::Buffered, Durability::Synced];

#[test]
fn zeros_ahead_are_less_than_16_mib() {
    for level in LEVELS {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("store");
        fill(&path, level, |_| {});
        let (mut empty, mut most) = (0, 0);
        for (name, length) in segments(&path) {
            let bytes = fs::read(path.join(&name)).unwrap();
            let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            let ahead = length - end as u64;
            assert!(ahead < 16 * MIB, "{level:?}: {ahead} bytes of zeros end {name}");
            most = most.max(ahead);
            // The header page is all that a file has that was prepared and not begun.
            if end <= 4096 {
                empty += 1;
                assert!(length <= 8 * MIB, "{level:?}: {name} is prepared with {length} bytes");
            }
        }
        assert!(empty <= 1, "{level:?}: {empty} files are prepared");
        assert!(most > MIB, "{level:?}: no file has more than {most} bytes of zeros behind its frames");
    }
}

#[test]
fn no_segment_ever_gets_shorter() {
    for level in LEVELS {
        let directory = TempDir::new().unwrap();
        let mut known = BTreeMap::new();
        fill(&directory.path().join("store"), level, |now| {
            for (name, length) in now {
                let before = known.insert(name.clone(), *length).unwrap_or(0);
                assert!(*length >= before, "{level:?}: {name} had {before} bytes and has {length}");
            }
        });
        assert!(known.len() >= 3, "{level:?}: the log has rolled");
    }
    // Nothing that is built into the library could cut one.
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for path in rust_files(&src) {
        let is_library =
            !["bin", "sim", "tests"].iter().any(|part| path.components().any(|at| at.as_os_str() == *part));
        for line in code_lines(&path).iter().filter(|_| is_library) {
            for call in ["set_len(", "ftruncate", "OFlags::TRUNC", "fallocate"] {
                let is_of_a_vector = call == "set_len(" && line.contains("unsafe");
                assert!(!line.contains(call) || is_of_a_vector, "{}: {line}", path.display());
            }
        }
    }
}

#[test]
fn a_retry_without_a_message_id_is_stored_twice_and_other_content_is_refused() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory);
    for _ in 0..2 {
        store.append(plain("order.placed")).unwrap();
    }
    assert_eq!(count(&store), 2);
    let first = store.append(plain("order.placed").message_id("m_1")).unwrap();
    let second = store.append(plain("order.placed").message_id("m_1")).unwrap();
    assert_eq!(first.position, second.position);
    let other = store.append(plain("order.paid").message_id("m_1"));
    assert!(matches!(other, Err(Error::IdConflict { .. })));
    assert_eq!(count(&store), 3);
}

#[test]
fn identified_users_stay_apart_and_a_shared_device_belongs_to_nobody() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory);
    store.append(plain("page.viewed").anonymous("d_1")).unwrap();
    for user in ["u_1", "u_2"] {
        store.append(plain("identify").user(user).anonymous("d_1").with_trait("name", user)).unwrap();
    }
    store.append(plain("page.viewed").anonymous("d_1")).unwrap();
    let from: Object = [("kind", Value::from("user")), ("id", Value::from("u_2"))].into_iter().collect();
    store.append(plain("identity.aliased").user("u_1").property("from", from)).unwrap();
    let view = store.project(PROJECT).view().unwrap();
    let name = |user: &str| view.profile(user).unwrap().unwrap().get("name").unwrap().value.to_value();
    assert_eq!((name("u_1"), name("u_2")), (Value::from("u_1"), Value::from("u_2")));
    assert_eq!(view.timeline("u_1").iter().count(), 3, "what the device did at first is the first user's");
    assert_eq!(view.timeline(PersonRef::Anonymous("d_1")).iter().count(), 1);
    assert_eq!(view.identity_conflicts().unwrap().len(), 2);
}

fn token_of(store: &Store, address: &str) -> String {
    let ack = store.append(plain("page.viewed").context("ip", address)).unwrap();
    let view = store.project(PROJECT).view().unwrap();
    let event = view.get(ack.position).unwrap().unwrap();
    event.context().unwrap().get("ipHash").unwrap().as_str().unwrap().to_owned()
}

#[test]
fn without_its_secret_file_a_store_makes_new_tokens_and_keeps_the_old_ones() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory);
    let old = token_of(&store, "203.0.113.7");
    assert_eq!(token_of(&store, "203.0.113.7"), old);
    store.close().unwrap();
    drop(store);
    let secret = directory.path().join("store/SECRET");
    let bytes = fs::read(&secret).unwrap();
    fs::remove_file(&secret).unwrap();

    let store = open(&directory);
    let new = token_of(&store, "203.0.113.7");
    assert_ne!(new, old, "the same address can no longer be linked");
    assert_eq!(token_of(&store, &old), old, "a token of the old secret is known for one");
    assert_eq!(count(&store), 4);
    assert_ne!(fs::read(&secret).unwrap(), bytes);
    store.close().unwrap();
    drop(store);

    fs::write(&secret, b"short").unwrap();
    let refused = Store::open(directory.path().join("store")).unwrap_err();
    assert!(matches!(&refused, Error::Corrupt { file, .. } if file == "SECRET"), "{refused}");
}

#[test]
fn a_reader_needs_no_secret() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory);
    token_of(&store, "203.0.113.7");
    store.close().unwrap();
    drop(store);
    fs::remove_file(directory.path().join("store/SECRET")).unwrap();
    assert_eq!(count(&Store::open_read_only(directory.path().join("store")).unwrap()), 1);
}

#[test]
fn an_address_in_free_text_or_used_as_a_name_is_stored_as_it_is() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory);
    let named: Object = [("203.0.113.8", Value::from("203.0.113.9"))].into_iter().collect();
    store
        .append(
            plain("page.viewed")
                .user("203.0.113.6")
                .property("note", "came from 203.0.113.7 today")
                .context("ip", named),
        )
        .unwrap();
    let view = store.project(PROJECT).view().unwrap();
    let event = view.events().iter().next().unwrap().unwrap();
    let mut json = Vec::new();
    event.to_json(&mut json);
    let json = String::from_utf8(json).unwrap();
    for kept in ["203.0.113.6", "203.0.113.7", "203.0.113.8"] {
        assert!(json.contains(kept), "{kept}: {json}");
    }
    assert!(!json.contains("203.0.113.9"), "the value below an address key is hashed: {json}");
}

#[test]
fn one_project_of_a_store_does_not_see_another() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory);
    let other = Uuid::from_u128(3);
    let ack = store.append(plain("order.placed").user("u_1")).unwrap();
    let foreign = Envelope::new(ORG, other, "caveats", "order.placed").user("u_1");
    let foreign = store.append(foreign.context("ip", "203.0.113.7")).unwrap();
    let own_token = token_of(&store, "203.0.113.7");
    let view = store.project(PROJECT).view().unwrap();
    assert!(view.get(ack.position).unwrap().is_some());
    assert!(view.get(foreign.position).unwrap().is_none());
    assert_eq!(view.timeline("u_1").iter().count(), 1);
    let view = store.project(other).view().unwrap();
    let event = view.get(foreign.position).unwrap().unwrap();
    let foreign_token = event.context().unwrap().get("ipHash").unwrap().as_str().unwrap().to_owned();
    assert_ne!(own_token, foreign_token, "tokens of two projects cannot be linked");
}
