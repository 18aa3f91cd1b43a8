//! Runs of other rules are made anew from the log.

#![expect(clippy::indexing_slicing, reason = "tests know their bytes")]

use serde_json::json;

use super::*;
use crate::log::manifest_file;
use crate::profile::{self, Act, Delta, Merge, PersonRef, ProfileMap, Side, Source};
use crate::storage::Disk;
use crate::storage::sim::SimDisk;
use crate::{Envelope, Options, Store, Uuid};

const PROJECT: Uuid = Uuid::from_u128(2);

fn event(event_type: &str, user: u32) -> Envelope {
    Envelope::new(Uuid::from_u128(1), PROJECT, "profiles", event_type).user(format!("u_{user}"))
}

/// A closed store with links, sign-ups and aliases in several runs.
fn closed_store() -> SimDisk {
    let disk = SimDisk::default();
    let store = Options::new().tiny_segments(4096).open_on(&disk).unwrap();
    for number in 0..40 {
        let from = json!({"from": {"kind": "user", "id": format!("u_{}", number + 100)}});
        store.append(event("identity.aliased", number).properties_from(&from).unwrap()).unwrap();
        store.append(event("identity.signed_up", number).with_trait("plan", number)).unwrap();
        let identify = event("identify", number).anonymous(format!("d_{number}"));
        store.append(identify.with_trait("number", number)).unwrap();
    }
    store.wait_sealed().unwrap();
    store.close().unwrap();
    disk
}

/// Makes every run one of the first rules, which knew nothing of identity; with nothing in it at all, so that nobody
/// takes what it says.
fn age(disk: &SimDisk) {
    let mut manifest = manifest_file::read(disk).unwrap().unwrap();
    for listed in &mut manifest.runs {
        let name = FileName::ProfileRun(listed.number).to_string();
        disk.remove_file(&name);
        let origin = profile::Origin {
            store_id: manifest.store_id,
            hash_key: manifest.hash_key,
            number: listed.number,
            first_seq: listed.first_seq,
            last_seq: listed.last_seq,
        };
        let nothing = Delta::new();
        let rows = vec![Source::delta(&nothing, &[], &[])];
        let file = disk.create(&name).unwrap();
        *listed = profile::write(&*file, &origin, &mut Merge::new(rows)).unwrap();
        let mut bytes = disk.file_bytes(&name).unwrap();
        bytes[56..58].copy_from_slice(&1_u16.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..124]);
        bytes[124..128].copy_from_slice(&crc.to_le_bytes());
        disk.set_file_bytes(&name, &bytes);
        (listed.file.rules, listed.file.crc) = (1, crc);
    }
    assert!(!manifest.runs.is_empty());
    manifest_file::write(disk, &manifest).unwrap();
}

/// Everything that rows keep, as text.
fn rows_of(store: &Store) -> Vec<String> {
    let profiles: ProfileMap = store.inner.state.profiles.lock().clone();
    assert!(profiles.may_have_facts() && profiles.may_have_links());
    let rows = profiles.rows(*PROJECT.as_bytes(), None).unwrap().map(|row| {
        let (person, row) = row.unwrap();
        let facts: Vec<_> = row.facts().map(|fact| (fact.act, fact.side, fact.other, fact.order)).collect();
        format!("{:?} {} {facts:?} {:?}", person.kind(), person.id(), row.signed_up_traits())
    });
    rows.collect()
}

#[test]
fn runs_of_the_first_rules_are_made_anew_with_the_facts_that_they_did_not_keep() {
    let disk = closed_store();
    let sound = {
        let store = Options::new().open_on(&disk).unwrap();
        assert!(store.recovery().rebuilt.is_empty());
        let (rows, json) =
            (rows_of(&store), store.project(PROJECT).view().unwrap().profiles_canonical_json());
        store.close().unwrap();
        (rows, json.unwrap())
    };
    assert_eq!(sound.0.len(), 120);
    age(&disk);
    let runs = manifest_file::read(&disk).unwrap().unwrap().runs.len();
    let all = |store: &Store| {
        (rows_of(store), store.project(PROJECT).view().unwrap().profiles_canonical_json().unwrap())
    };

    let reader = Options::new().open_read_only_on(&disk).unwrap();
    assert_eq!(all(&reader), sound, "a reader makes them anew in memory");
    assert_eq!(reader.recovery().rebuilt.len(), runs);
    drop(reader);

    let store = Options::new().open_on(&disk).unwrap();
    let reasons: Vec<&str> = store.recovery().rebuilt.iter().map(|each| each.reason.as_str()).collect();
    assert_eq!(reasons, vec!["the run was made by other rules"; runs]);
    assert_eq!(all(&store), sound);
    let person = PersonRef::User("u_7");
    let row = store.inner.state.profiles.lock().row(*PROJECT.as_bytes(), person).unwrap().unwrap();
    let facts: Vec<_> = row.facts().map(|fact| (fact.act, fact.side)).collect();
    let expected = [(Act::SignedUp, Side::Target), (Act::Linked, Side::Target), (Act::Aliased, Side::Target)];
    assert_eq!(facts, expected);
    store.close().unwrap();

    let manifest = manifest_file::read(&disk).unwrap().unwrap();
    assert!(manifest.runs.iter().all(|run| run.file.rules == profile::RULES));
    let store = Options::new().open_on(&disk).unwrap();
    assert!(store.recovery().rebuilt.is_empty(), "once is enough");
    assert_eq!(all(&store), sound);
}
