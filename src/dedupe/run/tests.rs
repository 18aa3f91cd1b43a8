use std::collections::BTreeMap;

use super::*;
use crate::dedupe::merge;
use crate::storage::MemoryFile;

const CHECK: u32 = 77;

fn origin(number: u64, first: u64, last: u64) -> Origin {
    Origin {
        store_id: [1; 16],
        hash_check: CHECK,
        number,
        first_seq: Seq::new(first),
        last_seq: Seq::new(last),
    }
}

fn spread(n: u64) -> u64 {
    let mixed = (n ^ (n >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) ^ (mixed >> 31)
}

fn entries(first: u64, count: u64, hash: impl Fn(u64) -> u64) -> Vec<Entry> {
    let entry = |seq| Entry { hash: MessageHash::new(hash(seq)), seq: Seq::new(seq) };
    let mut entries: Vec<Entry> = (first..first + count).map(entry).collect();
    entries.sort_unstable();
    entries
}

fn made(origin: &Origin, entries: &[Entry]) -> (MemoryFile, IdsRun) {
    let file = MemoryFile::new("ids-1.run".to_owned());
    let listed = write(&file, origin, entries.len() as u64, entries.iter().copied().map(Ok)).unwrap();
    (file, listed)
}

fn run(origin: &Origin, entries: &[Entry]) -> Run {
    let (file, listed) = made(origin, entries);
    Run::in_memory(file, &listed, [1; 16], CHECK).unwrap()
}

fn found(run: &Run, hash: u64) -> Vec<u64> {
    let mut seqs = Vec::new();
    run.find(&Sought::of(MessageHash::new(hash)), |seq| seqs.push(seq.get())).unwrap();
    seqs
}

#[test]
fn every_id_is_found_with_all_of_its_seqs_and_no_other_is() {
    for (count, distinct) in
        [(0, 1), (1, 1), (2, 1), (50, 3), (341, 1_000), (5_000, 40), (50_000, u64::MAX), (300, 1)]
    {
        for shift in [0, 50] {
            let hash = |seq: u64| spread(seq % distinct + 1) >> shift << shift;
            let entries = entries(1_000, count, hash);
            let run = run(&origin(3, 1_000, 1_000 + count), &entries);
            let mut plain: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
            for entry in &entries {
                plain.entry(entry.hash.get()).or_default().push(entry.seq.get());
            }
            for (hash, seqs) in &plain {
                assert_eq!(&found(&run, *hash), seqs);
            }
            for other in (0..1_000).map(|n| spread(n + 1_000_000_007)).chain([0, u64::MAX]) {
                assert_eq!(found(&run, other), plain.get(&other).cloned().unwrap_or_default());
            }
            assert_eq!(run.count(), count);
        }
    }
}

#[test]
fn runs_that_are_merged_have_all_entries_of_both_in_order() {
    let parts = [entries(1, 500, spread), entries(501, 7, |seq| spread(seq % 5)), entries(508, 900, spread)];
    let runs: Vec<Arc<Run>> = parts
        .iter()
        .map(|part| {
            let first = part.iter().map(|entry| entry.seq.get()).min().unwrap();
            Arc::new(run(&origin(1, first, first + part.len() as u64 - 1), part))
        })
        .collect();
    let merged: Vec<Entry> = merge(&runs).map(Result::unwrap).collect();
    let mut all = parts.concat();
    all.sort_unstable();
    assert_eq!(merged, all);
}

#[test]
fn the_same_entries_make_the_same_bytes_and_digest() {
    let entries = entries(9, 4_000, spread);
    let (one, listed) = made(&origin(1, 9, 5_000), &entries);
    let (other, same) = made(&origin(1, 9, 5_000), &entries);
    assert_eq!(listed, same);
    let (_, digest) = Run::check_header(&one, &listed, [1; 16], CHECK).unwrap();
    let mut sum = Digest::default();
    entries.iter().rev().for_each(|entry| sum.add(*entry));
    assert_eq!(digest, sum);
    assert_eq!(one.into_bytes(), other.into_bytes());
}

#[test]
fn every_flipped_byte_is_noticed_and_another_store_s_run_is_refused() {
    let entries = entries(1, 30, spread);
    let (file, listed) = made(&origin(1, 1, 30), &entries);
    let bytes = file.into_bytes();
    let open = |bytes: &[u8], store_id, check| {
        let file = MemoryFile::new("ids-1.run".to_owned());
        file.write_at(0, bytes).unwrap();
        Run::in_memory(file, &listed, store_id, check)
    };
    open(&bytes, [1; 16], CHECK).unwrap();
    open(&bytes, [2; 16], CHECK).unwrap_err();
    open(&bytes, [1; 16], CHECK + 1).unwrap_err();
    for len in 0..bytes.len() {
        assert!(open(&bytes[..len], [1; 16], CHECK).is_err(), "cut to {len}");
    }
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 4;
        let seen = open(&flipped, [1; 16], CHECK).and_then(|run| run.check());
        assert!(seen.is_err(), "byte {at}");
    }
}

/// One thing that is not as it should be in a run's file or in its line of the manifest.
type Fault = fn(&mut Vec<u8>, &mut IdsRun);

fn put(bytes: &mut [u8], at: usize, number: u64) {
    bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
}

#[test]
fn each_part_of_the_header_is_checked_by_itself() {
    const SENSE: &str = "the header's checksum matches and its content makes no sense";
    const LISTED: &str = "the file is not the run that the manifest lists";
    let entries = entries(7, 600, spread);
    let (file, sound) = made(&origin(3, 7, 606), &entries);
    let bytes = file.into_bytes();
    // The header's checksum and the one in the manifest are those of the changed header.
    let changes: [(&str, &str, Fault); 18] = [
        ("magic", "", |bytes, _| bytes[0] ^= 1),
        ("store", LISTED, |bytes, _| bytes[16] ^= 1),
        ("number", LISTED, |bytes, _| put(bytes, 32, 4)),
        ("first seq", LISTED, |bytes, _| put(bytes, 40, 6)),
        ("last seq", LISTED, |bytes, _| put(bytes, 48, 607)),
        ("rules", LISTED, |bytes, _| bytes[56] += 1),
        ("rules of both", "the run was made by other rules", |bytes, listed| {
            bytes[56] += 1;
            listed.file.rules += 1;
        }),
        ("zeros behind the rules", SENSE, |bytes, _| bytes[58] = 1),
        ("count", SENSE, |bytes, _| put(bytes, 64, 1_000)),
        ("a count that no file could have", SENSE, |bytes, _| put(bytes, 64, u64::MAX)),
        ("file length", SENSE, |bytes, listed| {
            let len = bytes.len() as u64 + 1;
            put(bytes, 80, len);
            listed.file.len += 1;
        }),
        ("hash check", LISTED, |bytes, _| bytes[88] ^= 1),
        ("checksum of the checksums", "the block checksums do not match theirs", |bytes, _| bytes[92] ^= 1),
        ("zeros at the end", SENSE, |bytes, _| bytes[123] = 1),
        ("listed number", LISTED, |_, listed| listed.number += 1),
        ("listed rules", LISTED, |_, listed| listed.file.rules += 1),
        ("listed length", LISTED, |_, listed| listed.file.len -= 1),
        ("a byte too many", "the file is not as long as it says", |bytes, _| bytes.push(0)),
    ];
    let open = |bytes: &[u8], listed: &IdsRun| {
        let file = MemoryFile::new("ids-3.run".to_owned());
        file.write_at(0, bytes).unwrap();
        Run::in_memory(file, listed, [1; 16], CHECK).map(drop)
    };
    open(&bytes, &sound).unwrap();
    let refused = |what: &str, reason: &str, bytes: &[u8], listed: &IdsRun| match open(bytes, listed) {
        Err(Error::Corrupt { reason: told, .. }) => assert!(told.contains(reason), "{what}: {told}"),
        other => panic!("{what}: {other:?}"),
    };
    for (what, reason, change) in changes {
        let (mut bytes, mut listed) = (bytes.clone(), sound);
        change(&mut bytes, &mut listed);
        listed.file.crc = crc32fast::hash(&bytes[..CRC_AT]);
        bytes[CRC_AT..HEADER_LEN].copy_from_slice(&listed.file.crc.to_le_bytes());
        refused(what, reason, &bytes, &listed);
    }

    // The checksum is that of the header and the one that is listed.
    let reason = "the header's checksum does not match";
    let mut other = sound;
    other.file.crc ^= 1;
    refused("listed checksum", reason, &bytes, &other);
    let mut changed = bytes.clone();
    changed[72] ^= 1;
    refused("sum of the entries", reason, &changed, &sound);
    other = sound;
    changed = bytes.clone();
    changed[CRC_AT] ^= 1;
    other.file.crc ^= 1;
    refused("checksum of the header", reason, &changed, &other);
}
