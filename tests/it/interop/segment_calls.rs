//! The calls that a public project tests its own software with: which are taken, which are not and why.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use envelog::interop::segment::Segment;
use envelog::{Dedupe, Durability, Options, Store};
use serde_json::Value as Json;
use tempfile::TempDir;

use super::{ORG, PROJECT, calls};

/// Every reason, and how many calls it keeps out.
const REFUSED: [(&str, u64); 8] = [
    ("event: is required by track", 25),
    ("event: must be a string", 2),
    ("event: must not be blank", 4),
    ("previousId: is required by alias without an anonymousId", 2),
    ("properties: must be an object", 2),
    ("timestamp: has no offset; write Z or +hh:mm", 7),
    (
        "timestamp: is required, but the call has none of timestamp, originalTimestamp, sentAt and receivedAt",
        22,
    ),
    ("userId: is required by alias", 1),
];

/// What is stored, by type; names of track calls are counted together.
const STORED: [(&str, u64); 6] = [
    ("group.identified", 47),
    ("identify", 330),
    ("identity.aliased", 13),
    ("page.viewed", 102),
    ("screen.viewed", 60),
    ("track", 701),
];

/// Stores all calls that are taken, and counts the reasons of the others.
fn store_all(store: &Store, calls: &[String]) -> BTreeMap<String, u64> {
    let segment = Segment::new(ORG, PROJECT);
    let mut refused = BTreeMap::new();
    for line in calls {
        let stored = segment.read(line.as_bytes(), None).and_then(|envelope| store.append(envelope));
        if let Err(error) = stored {
            *refused.entry(error.to_string()).or_default() += 1;
        }
    }
    refused
}

#[test]
fn real_calls_are_stored_but_for_those_with_a_reason() {
    let Some(calls) = calls() else { return };
    let store = Options::new().dedupe(Dedupe::Off).open_in_memory().unwrap();
    let refused = store_all(&store, &calls);
    let wanted = REFUSED.map(|(reason, count)| (reason.to_owned(), count)).into();
    assert_eq!(refused, wanted);

    let mut stored = BTreeMap::new();
    let types: Vec<&str> = STORED.iter().map(|(name, _)| *name).collect();
    for bucket in store.project(PROJECT).view().unwrap().events().count_by_type().unwrap() {
        let name = types.iter().find(|name| **name == bucket.key).copied().unwrap_or("track");
        *stored.entry(name).or_insert(0) += bucket.value;
    }
    assert_eq!(stored, STORED.into());
    assert_eq!(calls.len() as u64, stored.values().chain(refused.values()).sum::<u64>());
}

#[test]
fn a_time_of_receipt_from_the_host_leaves_no_call_without_a_time() {
    let Some(calls) = calls() else { return };
    let segment = Segment::new(ORG, PROJECT);
    let received_at = envelog::DateTime::from_timestamp(1_710_325_274, 0);
    for line in &calls {
        if let Err(error) = segment.read(line.as_bytes(), received_at) {
            assert!(!error.to_string().starts_with("timestamp"), "{error}: {line}");
        }
    }
}

/// The texts of a value: those below a key that holds an address, and all others, names of keys included.
#[derive(Default)]
struct Texts {
    addresses: BTreeSet<String>,
    others: Vec<String>,
}

impl Texts {
    fn collect(&mut self, value: &Json, is_address: bool) {
        match value {
            Json::String(text) if is_address => drop(self.addresses.insert(text.clone())),
            Json::String(text) => self.others.push(text.clone()),
            Json::Array(list) => list.iter().for_each(|element| self.collect(element, is_address)),
            Json::Object(object) => {
                for (key, value) in object {
                    self.others.push(key.clone());
                    self.collect(value, is_address || holds_address(key));
                }
            }
            _ => {}
        }
    }
}

fn holds_address(key: &str) -> bool {
    let folded: String =
        key.chars().filter(|c| !"_-$".contains(*c)).map(|c| c.to_ascii_lowercase()).collect();
    ["ip", "ipaddress", "requestip", "clientip", "userip", "remoteaddr"].contains(&folded.as_str())
}

/// All bytes of all files of a store with the calls in it.
fn bytes_on_disk(options: &Options, calls: &[String]) -> Vec<u8> {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store");
    let store = options.clone().dedupe(Dedupe::Off).durability(Durability::Buffered).open(&path).unwrap();
    store_all(&store, calls);
    store.close().unwrap();
    drop(store);
    let mut bytes = Vec::new();
    for entry in fs::read_dir(&path).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            bytes.extend(fs::read(entry.path()).unwrap());
        }
    }
    bytes
}

#[test]
fn addresses_of_real_calls_are_not_on_disk() {
    let Some(calls) = calls() else { return };
    let mut texts = Texts::default();
    for line in &calls {
        texts.collect(&serde_json::from_str(line).unwrap(), false);
    }
    // Shorter ones would be met by accident.
    texts.addresses.retain(|address| address.len() >= 5);
    assert!(texts.addresses.len() > 20, "{:?}", texts.addresses);

    let found = |options: &Options| -> Vec<String> {
        let bytes = bytes_on_disk(options, &calls);
        let has = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(has("Rudder_Event_Track_Test"), "the bytes are those of the calls");
        texts.addresses.iter().filter(|address| has(address)).cloned().collect()
    };
    for address in found(&Options::new()) {
        let is_elsewhere = texts.others.iter().any(|text| text.contains(&address));
        assert!(is_elsewhere, "{address} is on disk");
    }
    let left = found(&Options::new().scrub_text(true));
    assert_eq!(left, Vec::<String>::new(), "looking for addresses in text finds all that are addresses");
}
