use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use super::*;
use crate::types::Ordinal;

#[test]
fn readers_see_all_below_their_bound_while_the_writer_goes_on() {
    let mut random = Random::from_env();
    let mix =
        Mix { frames: 60_000, projects: 3, types: 12, users: 9_000, late: 50, others: 30, step: 1_000_000 };
    let frames = frames(&mut random, mix);
    let bytes = u64::from(frames.last().unwrap().0) + 32;
    let mut writer = ActiveWriter::new(KEY, bytes);
    let visible = AtomicU32::new(0);
    let total = u32::try_from(frames.len()).unwrap();
    let seeds: Vec<u64> = (0..3).map(|_| random.next()).collect();
    thread::scope(|scope| {
        for seed in seeds {
            let (index, frames, visible) = (Arc::clone(writer.index()), &frames, &visible);
            scope.spawn(move || {
                let mut random = Random(seed);
                let mut checks = 0;
                loop {
                    let bound = visible.load(Ordering::Acquire);
                    if bound > 0 {
                        check_one(
                            &SegmentIndex::active(Arc::clone(&index), bound),
                            frames,
                            bound,
                            &mut random,
                        );
                        checks += 1;
                    }
                    if bound == total && checks > 100 {
                        break;
                    }
                }
            });
        }
        for (offset, event) in &frames {
            match event {
                Some(event) => writer.push_event(*offset, &event.keys()),
                None => writer.push_other(*offset),
            }
            visible.store(writer.next_ordinal().get(), Ordering::Release);
        }
    });
}

/// Looks up a random event below the bound in every way.
fn check_one(index: &SegmentIndex, frames: &[Frame], bound: u32, random: &mut Random) {
    // The newest entries are the ones that are being written around.
    let back = random.skewed(u64::from(bound));
    let at = bound - 1 - u32::try_from(back).unwrap();
    let (offset, event) = &frames[at as usize];
    let ordinal = Ordinal::new(at);
    assert_eq!(index.offset(ordinal).unwrap(), *offset);
    let Some(event) = event else { return };
    assert_eq!(index.timestamp(ordinal).unwrap(), Some(Nanos::new(event.time)));
    let project = index.project(&event.project).unwrap().unwrap();
    let no = index.type_no(project, &event.kind).unwrap().unwrap();
    let mut postings = index.postings(no).unwrap();
    postings.seek(ordinal);
    assert_eq!(postings.next(), Some(ordinal));
    assert!(postings.next_back().is_none_or(|last| last.get() < bound));
    for kind in IdKind::ALL {
        let Some(hash) = event.hash(kind) else { continue };
        let posting = IdPosting { timestamp: Nanos::new(event.time), ordinal };
        let walked: Vec<_> =
            index.id_postings(project, kind, hash).unwrap().rev().map(Result::unwrap).collect();
        assert!(walked.contains(&posting));
        assert!(walked.is_sorted_by(|a, b| a > b));
        assert!(walked.iter().all(|each| each.ordinal.get() < bound));
    }
}
