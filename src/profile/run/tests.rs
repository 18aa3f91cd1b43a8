//! Runs: what is written is found, and what is damaged is not believed.

#![expect(clippy::indexing_slicing, reason = "tests know their bytes")]

use std::sync::Arc;

use serde_json::json;

use super::builder::write_in_pieces;
use super::*;
use crate::format::cursor::CursorKeys;
use crate::format::manifest::ProfileRun;
use crate::limits::Limits;
use crate::profile::delta::{Delta, HashedKey};
use crate::profile::key::RowKey;
use crate::profile::merge::{Merge, Source};
use crate::profile::tests::{Files, HASH_KEY, P, STORE, random_fact, seed, user};
use crate::profile::{Fragment, PersonRef, PersonRow, Profile, ProfileMap};
use crate::storage::sim::{FaultKind, FaultPlan, OpMask, SimDisk, SimOptions};
use crate::storage::{DerivedSource, Disk, SimRng};

const NAME: &str = "profiles-1.run";

fn origin() -> Origin {
    Origin { store_id: STORE, hash_key: HASH_KEY, number: 1, first_seq: Seq::new(1), last_seq: Seq::new(99) }
}

fn delta_of(fragments: impl IntoIterator<Item = Fragment>) -> Delta {
    let mut delta = Delta::new();
    for fragment in fragments {
        delta.apply(&HashedKey::new(&HASH_KEY, fragment.key.clone()), &fragment, &mut false);
    }
    delta
}

fn people(count: u32) -> Delta {
    delta_of((0..count).filter_map(|number| {
        let context = json!({"traits": {"n": number, "text": "x".repeat(number as usize % 90)}});
        user(&format!("user-{number:05}"), 1 + i64::from(number), context).fragment()
    }))
}

fn write_on(disk: &SimDisk, delta: &Delta) -> Result<ProfileRun> {
    let file = disk.create(NAME)?;
    write_in_pieces(&*file, &origin(), &mut Merge::new(vec![Source::delta(delta, &[], &[])]), 1024)
}

fn open_on(disk: &SimDisk, listed: &ProfileRun) -> Result<Run> {
    Run::open(source(disk), listed, STORE, &HASH_KEY)
}

fn source(disk: &SimDisk) -> DerivedSource {
    DerivedSource { disk: Arc::new(disk.clone()), name: NAME.to_owned(), remake: None }
}

type Rows = Vec<(Vec<u8>, Vec<u8>)>;

/// All rows in order, each looked up by its key as well.
fn rows(run: &Run) -> Result<Rows> {
    let mut rows = Rows::new();
    for ordinal in 0.. {
        let Some((key, row)) = run.row(ordinal)? else { break };
        rows.push((key.to_vec(), row.to_vec()));
    }
    Ok(rows)
}

/// What is asked of a run: every row by place and by key, and keys that are not there.
fn answers(run: &Run, keys: &[Vec<u8>]) -> Vec<Result<Option<Vec<u8>>>> {
    let by_place = (0..=run.row_count()).map(|ordinal| Ok(run.row(ordinal)?.map(|(_, row)| row.to_vec())));
    let by_key = keys.iter().map(|key| {
        let found = run.find(KeyHash::of(&HASH_KEY, key), key)?;
        found.map(|found| Ok(run.slice(&found.row)?.to_vec())).transpose()
    });
    let bounds = keys.iter().map(|key| run.lower_bound(key).map(|place| Some(place.to_le_bytes().to_vec())));
    by_place.chain(by_key).chain(bounds).collect()
}

fn keys_of(delta: &Delta) -> Vec<Vec<u8>> {
    let mut keys: Vec<Vec<u8>> =
        delta.sorted(&[], &[]).flat_map(|(key, _)| [key.to_vec(), [key, b"!"].concat()]).collect();
    keys.push(Vec::new());
    keys
}

#[test]
fn every_row_is_found_by_key_and_by_place_and_nothing_else_is() {
    let disk = SimDisk::default();
    let delta = people(3000);
    let listed = write_on(&disk, &delta).unwrap();
    let run = open_on(&disk, &listed).unwrap();
    assert_eq!((run.row_count(), run.person_count(), run.file_len()), (3000, 3000, listed.file.len));
    assert!(run.header.piece_count > 1);
    assert_eq!(run.bounds(), delta.bounds());
    let rows = rows(&run).unwrap();
    assert!(rows.is_sorted_by(|a, b| a.0 < b.0));
    assert_eq!(rows.len(), 3000);
    for (place, (key, row)) in (0..).zip(&rows) {
        assert_eq!(row.as_slice(), delta.get(&HashedKey::new(&HASH_KEY, RowKey::new(key))).unwrap().as_ref());
        let found = run.find(KeyHash::of(&HASH_KEY, key), key).unwrap().unwrap();
        assert_eq!(run.slice(&found.row).unwrap(), row);
        assert_eq!(run.lower_bound(key).unwrap(), place);
        let mut other = key.clone();
        other.push(b'!');
        assert!(run.find(KeyHash::of(&HASH_KEY, &other), &other).unwrap().is_none());
        assert_eq!(run.lower_bound(&other).unwrap(), place + 1);
    }
    run.verify().unwrap();
}

#[test]
fn a_run_without_rows_and_one_with_a_single_great_row_are_runs() {
    let disk = SimDisk::default();
    let listed = write_on(&disk, &Delta::new()).unwrap();
    let run = open_on(&disk, &listed).unwrap();
    assert!(run.row(0).unwrap().is_none());
    assert!(run.find(KeyHash::of(&HASH_KEY, b"k"), b"k").unwrap().is_none());
    assert_eq!(run.bounds().newest, None);

    let disk = SimDisk::default();
    let state = vec![b's'; 700_000];
    let cursor = CursorKeys { project_id: Some(P), name: "crm" };
    let delta = delta_of(Fragment::of_cursor(cursor, Seq::new(4), &state));
    let run = open_on(&disk, &write_on(&disk, &delta).unwrap()).unwrap();
    assert_eq!((run.row_count(), run.person_count()), (1, 0));
    assert_eq!(run.row(0).unwrap().unwrap().1.len(), state.len() + 8);
    run.verify().unwrap();
}

#[test]
fn a_run_that_is_not_the_listed_one_is_not_believed() {
    let disk = SimDisk::default();
    let listed = write_on(&disk, &people(3)).unwrap();
    open_on(&disk, &listed).unwrap();
    let mut others = [listed; 6];
    others[0].number = 2;
    others[1].first_seq = Seq::new(2);
    others[2].last_seq = Seq::new(98);
    others[3].file.len += 1;
    others[4].file.crc ^= 1;
    others[5].file.rules += 1;
    for other in others {
        assert!(matches!(open_on(&disk, &other), Err(Error::Corrupt { .. })), "{other:?}");
    }
    assert!(Run::open(source(&disk), &listed, [8; 16], &HASH_KEY).is_err());
    assert!(Run::open(source(&disk), &listed, STORE, &[8; 16]).is_err());
}

fn small_disk() -> SimDisk {
    SimDisk::new(SimOptions { file_capacity_bytes: 64 * 1024, ..SimOptions::default() })
}

#[test]
fn every_damaged_byte_is_an_error_or_changes_no_answer() {
    let seed = seed();
    let mut rng = SimRng::new(seed);
    let delta = people(40);
    let disk = small_disk();
    let listed = write_on(&disk, &delta).unwrap();
    let keys = keys_of(&delta);
    let right = answers(&open_on(&disk, &listed).unwrap(), &keys);
    let bytes = disk.file_bytes(NAME).unwrap();
    let mut noticed = 0;
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << rng.below(8);
        disk.set_file_bytes(NAME, &damaged);
        let Ok(run) = open_on(&disk, &listed) else {
            noticed += 1;
            continue;
        };
        for (answer, right) in answers(&run, &keys).iter().zip(&right) {
            match answer {
                Err(error) => assert!(matches!(error, Error::Corrupt { .. })),
                Ok(answer) => assert_eq!(answer, right.as_ref().unwrap(), "byte {at} seed {seed}"),
            }
        }
        assert!(run.verify().is_err(), "byte {at} seed {seed}");
        noticed += 1;
    }
    assert_eq!(noticed, bytes.len());
    for cut in [0, 1, 100, 127, 128, 129, bytes.len() / 2, bytes.len() - 1] {
        disk.set_file_bytes(NAME, &bytes[..cut]);
        assert!(open_on(&disk, &listed).is_err(), "cut to {cut}");
    }
}

/// Makes the checksums of a run right again, as someone who forges one does.
fn forge(bytes: &mut [u8], listed: &mut ProfileRun) {
    let mut reader = ByteReader::new(bytes);
    if FileKind::ProfileRun.check_head(NAME, &mut reader).is_err() {
        return;
    }
    if let Some(tables) = Header::parse(&mut reader).and_then(|header| header.tables()) {
        let (start, end) = (tables.blocks.start, tables.blocks.end);
        let (Ok(start), Ok(end)) = (usize::try_from(start), usize::try_from(end)) else { return };
        if start <= bytes.len() && end == bytes.len() {
            let crcs: Vec<u8> = bytes[HEADER_LEN..start]
                .chunks(4096)
                .flat_map(|block| crc32fast::hash(block).to_le_bytes())
                .collect();
            bytes[start..].copy_from_slice(&crcs);
            let crc = crc32fast::hash(&crcs);
            bytes[116..120].copy_from_slice(&crc.to_le_bytes());
        }
    }
    let crc = crc32fast::hash(&bytes[..CRC_AT]);
    bytes[CRC_AT..HEADER_LEN].copy_from_slice(&crc.to_le_bytes());
    listed.file.crc = crc;
}

#[test]
fn forged_bytes_with_right_checksums_never_panic() {
    let seed = seed();
    let delta = delta_of((0..60).flat_map(|case| random_fact(&mut SimRng::new(case)).fragments()));
    let disk = small_disk();
    let listed = write_on(&disk, &delta).unwrap();
    let keys = keys_of(&delta);
    let bytes = disk.file_bytes(NAME).unwrap();
    let mut opened = 0;
    for case in 0..3000 {
        let mut rng = SimRng::new(seed.wrapping_add(case));
        let (mut forged, mut listed) = (bytes.clone(), listed);
        for _ in 0..=rng.below(4) {
            let at = usize::try_from(rng.below(forged.len() as u64)).unwrap();
            let len = usize::try_from(1 + rng.below(8)).unwrap().min(forged.len() - at);
            let word = [0, u64::MAX, rng.next_u64(), rng.below(300)][usize::try_from(rng.below(4)).unwrap()];
            forged[at..at + len].copy_from_slice(&word.to_le_bytes()[..len]);
        }
        forge(&mut forged, &mut listed);
        disk.set_file_bytes(NAME, &forged);
        let Ok(run) = open_on(&disk, &listed) else { continue };
        opened += 1;
        let _ = answers(&run, &keys);
        let _ = run.verify();
        let mut map = ProfileMap::new(vec![Arc::new(run)], HASH_KEY, Arc::new(Limits::default()));
        for number in 0..5 {
            let _ =
                map.get(P, PersonRef::User("u")).map(|profile| profile.map(|profile| profile.traits_json()));
            let _ = (map.canonical_json(P), map.traits(P));
            let rows = map.rows(P, None).into_iter().flatten();
            let rows = rows.map_while(Result::ok).map(|(_, row)| row).collect::<Vec<_>>();
            let facts = rows.iter().flat_map(PersonRow::facts).count();
            let parts: Vec<_> =
                rows.iter().filter_map(PersonRow::signed_up_traits).chain(rows.clone()).collect();
            let joined =
                Profile::joined(PersonRef::User("u"), Box::default(), None, &parts, &Limits::default());
            let _ = (facts, joined.traits_json());
            map.apply_all(random_fact(&mut SimRng::new(number)).fragments());
        }
    }
    assert!(opened > 1000, "{opened} of 3000 opened, seed {seed}");
}

#[test]
fn a_medium_that_fails_makes_no_run() {
    let delta = people(200);
    for after_ops in 0..40 {
        let disk = SimDisk::default();
        disk.fail(FaultPlan { after_ops, kind: FaultKind::Eio, sticky: true, ops: OpMask::ALL });
        let written = write_on(&disk, &delta);
        let fired = disk.faults_fired() > 0;
        disk.heal();
        match written {
            Ok(listed) => {
                assert!(!fired);
                assert_eq!(rows(&open_on(&disk, &listed).unwrap()).unwrap().len(), 200);
                return;
            }
            Err(_) => assert!(fired),
        }
    }
    unreachable!("a run needs fewer operations than were counted");
}

#[test]
fn a_written_run_survives_a_power_loss() {
    let disk = SimDisk::default();
    let listed = write_on(&disk, &people(200)).unwrap();
    disk.sync_dir().unwrap();
    for seed in 0..20 {
        let after = disk.crash(&mut SimRng::new(seed));
        assert_eq!(rows(&open_on(&after, &listed).unwrap()).unwrap().len(), 200);
    }
}

#[test]
fn flushing_makes_the_files_that_are_listed() {
    let mut files = Files::new();
    let mut map = ProfileMap::new(Vec::new(), HASH_KEY, Arc::new(Limits::default()));
    map.apply_all(user("u", 1, json!({"traits": {"a": 1}})).fragments());
    let listed = files.flush(&mut map);
    assert!(map.delta().is_empty() && map.frozen().is_empty());
    assert_eq!((listed.number, listed.first_seq, listed.last_seq), (1, Seq::new(1), Seq::new(10)));
    assert_eq!(files.disk.names(), [NAME]);
    assert_eq!(map.runs()[0].last_seq(), listed.last_seq);
}
