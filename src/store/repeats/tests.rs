//! Which runs are looked into, and from which seq on.

use super::*;
use crate::dedupe::{Entry, RULES};
use crate::format::manifest::DerivedFile;
use crate::store::derive::ids::in_memory;

const PROJECT: [u8; 16] = [2; 16];

fn ids(dedupe: Dedupe) -> MessageIds {
    MessageIds::new(dedupe, OnIdConflict::Refuse, MessageHasher::new([1; 16], 64)).unwrap()
}

/// A run of these frames, all of which have one id.
fn run(ids: &MessageIds, first: u64, last: u64) -> Run {
    let hash = ids.hasher.hash(&PROJECT, "m");
    let mut entries: Vec<Entry> = (first..=last).map(|seq| Entry { hash, seq: Seq::new(seq) }).collect();
    in_memory([3; 16], &ids.hasher, (Seq::new(first), Seq::new(last)), &mut entries).unwrap()
}

/// The line of a run in the manifest.
fn line(number: u64, first: u64, last: u64) -> IdsRun {
    let file = DerivedFile { len: 1, crc: 0, rules: RULES };
    IdsRun { number, first_seq: Seq::new(first), last_seq: Seq::new(last), file }
}

/// Lists these runs, of which the last one is new.
fn relist(ids: &MessageIds, lines: &[IdsRun]) {
    let new = lines.last().unwrap();
    let open = run(ids, new.first_seq.get(), new.last_seq.get());
    ids.relist(lines, Some((new.number, Arc::new(open))));
}

/// The seqs behind another one that have the id, each as often as it is found.
fn found(ids: &MessageIds, after: u64) -> Vec<u64> {
    let mut found = Vec::new();
    let wanted = std::iter::once((0, ids.hasher.hash(&PROJECT, "m")));
    ids.look_up(&wanted, Seq::new(after), &mut found).unwrap();
    let mut seqs: Vec<u64> = found.into_iter().map(|(_, seq)| seq.get()).collect();
    seqs.sort_unstable();
    seqs
}

#[test]
fn runs_in_memory_stay_when_others_come_and_go() {
    let ids = ids(Dedupe::All);
    ids.add_in_memory(run(&ids, 1, 2));
    relist(&ids, &[line(1, 3, 4)]);
    assert_eq!(found(&ids, 0), [1, 2, 3, 4]);
    relist(&ids, &[line(1, 3, 4), line(2, 5, 6)]);
    assert_eq!(found(&ids, 0), [1, 2, 3, 4, 5, 6]);
    // Two are merged.
    relist(&ids, &[line(3, 3, 6)]);
    assert_eq!(found(&ids, 0), [1, 2, 3, 4, 5, 6]);
    assert!(ids.runs_of(&[line(1, 3, 4), line(2, 5, 6)]).is_empty());
    ids.relist(&[], None);
    assert_eq!(found(&ids, 0), [1, 2]);
}

#[test]
fn a_run_that_was_mended_takes_the_place_of_the_one_of_its_number() {
    let ids = ids(Dedupe::All);
    let lines = [line(1, 1, 2), line(2, 3, 4)];
    relist(&ids, &lines[..1]);
    relist(&ids, &lines);
    let mended = Arc::new(run(&ids, 1, 2));
    ids.relist(&lines, Some((1, Arc::clone(&mended))));
    assert_eq!(found(&ids, 0), [1, 2, 3, 4], "and no seq twice");
    assert!(Arc::ptr_eq(&ids.runs_of(&lines)[0], &mended));
}

#[test]
fn frames_that_were_looked_at_are_not_found_again_and_the_next_one_is() {
    for lines in [&[line(1, 1, 2), line(2, 3, 4), line(3, 5, 6)][..], &[line(4, 1, 6)]] {
        for (dedupe, first) in [
            (Dedupe::All, 1),
            (Dedupe::LastSegments(9), 1),
            (Dedupe::LastSegments(2), 3),
            (Dedupe::LastSegments(1), 5),
            (Dedupe::LastSegments(0), 7),
        ] {
            let ids = ids(dedupe);
            for count in 1..=lines.len() {
                relist(&ids, &lines[..count]);
            }
            for base in [1, 3, 5] {
                ids.add_segment(Seq::new(base), Seq::new(base + 1));
            }
            for after in 0..=7 {
                let expected: Vec<u64> = (first.max(after + 1)..=6).collect();
                assert_eq!(found(&ids, after), expected, "{dedupe:?} behind {after}");
            }
        }
    }
}

#[test]
fn a_segment_of_one_frame_at_the_end_of_a_run_is_looked_at() {
    let ids = ids(Dedupe::LastSegments(1));
    relist(&ids, &[line(1, 1, 5)]);
    ids.add_segment(Seq::new(1), Seq::new(4));
    ids.add_segment(Seq::new(5), Seq::new(5));
    assert_eq!(found(&ids, 0), [5]);
}
