//! Which runs to make one, and their entries in order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;
use std::sync::Arc;

use super::run::{Entry, Run};
use crate::error::Result;
use crate::format::manifest::IdsRun;

/// Most runs that are left alone. Each is one more look for every event that is stored.
const RUNS_MAX: usize = 5;
/// Fewest runs of like size that are worth a merge.
const FAN_IN_MIN: usize = 2;
/// An older run joins the newer ones where it is at most this many times as long as all of them.
const SIZE_RATIO_MAX: u64 = 4;

/// The listed runs, by their place, that should be made one now; `None` where nothing is to be done.
///
/// The newest runs of like size go together, so that an id is written about log times, not once a run. Runs between
/// which frames are missing stay apart, and so do those that one run could not name the seqs of.
pub(crate) fn choose(listed: &[IdsRun]) -> Option<Range<usize>> {
    let last_seq = listed.last()?.last_seq;
    let mut start = listed.len() - 1;
    while let Some(before) = start.checked_sub(1)
        && let (Some(older), Some(newer)) = (listed.get(before), listed.get(start))
        && older.last_seq.next() == newer.first_seq
        && last_seq.get() - older.first_seq.get() < u64::from(u32::MAX)
    {
        start = before;
    }
    let together: Vec<u64> = listed.iter().skip(start).map(|run| run.file.len).collect();
    choose_by_length(&together).map(|range| start + range.start..start + range.end)
}

fn choose_by_length(lengths: &[u64]) -> Option<Range<usize>> {
    let count = lengths.len();
    let mut newest = lengths.iter().rev();
    let mut total = *newest.next()?;
    let mut taken = 1;
    for length in newest {
        if *length > total.saturating_mul(SIZE_RATIO_MAX) {
            break;
        }
        total = total.saturating_add(*length);
        taken += 1;
    }
    if taken >= FAN_IN_MIN {
        return Some(count - taken..count);
    }
    // Sizes that rise steeply: the cheapest neighbours go together.
    let surplus = count.checked_sub(RUNS_MAX).filter(|surplus| *surplus > 0)?;
    let window = surplus + 1;
    let cost = |start: &usize| lengths.iter().skip(*start).take(window).sum::<u64>();
    (0..=count - window).min_by_key(cost).map(|start| start..start + window)
}

/// The entries of runs in rising order; after an error it ends.
pub(crate) fn merge(runs: &[Arc<Run>]) -> impl Iterator<Item = Result<Entry>> {
    let mut next: BinaryHeap<Reverse<(Entry, usize, u64)>> = BinaryHeap::new();
    let mut pending = None;
    for (at, run) in runs.iter().enumerate() {
        match run.entry(0) {
            Ok(entry) => next.extend(entry.map(|entry| Reverse((entry, at, 0)))),
            Err(error) => pending = Some(error),
        }
    }
    std::iter::from_fn(move || {
        if let Some(error) = pending.take() {
            next.clear();
            return Some(Err(error));
        }
        let Reverse((entry, at, place)) = next.pop()?;
        match runs.get(at).map(|run| run.entry(place + 1)).transpose() {
            Ok(following) => next.extend(following.flatten().map(|entry| Reverse((entry, at, place + 1)))),
            Err(error) => pending = Some(error),
        }
        Some(Ok(entry))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::manifest::DerivedFile;
    use crate::types::Seq;

    fn listed(lengths: &[u64]) -> Vec<IdsRun> {
        let run = |(number, len): (u64, &u64)| IdsRun {
            number,
            first_seq: Seq::new(number * 10 + 1),
            last_seq: Seq::new(number * 10 + 10),
            file: DerivedFile { len: *len, crc: 0, rules: 1 },
        };
        (0..).zip(lengths).map(run).collect()
    }

    #[test]
    fn runs_of_like_size_go_together_and_great_ones_are_left_alone() {
        assert_eq!(choose(&[]), None);
        assert_eq!(choose(&listed(&[10])), None);
        assert_eq!(choose(&listed(&[10, 10])), Some(0..2));
        assert_eq!(choose(&listed(&[1000, 40, 10])), Some(1..3));
        assert_eq!(choose(&listed(&[41, 10])), None);
        assert_eq!(choose(&listed(&[10_000, 1000, 100, 10, 1])), None);
        assert_eq!(choose(&listed(&[10_000, 100, 1000, 100, 10, 1])), Some(4..6), "the cheapest");
    }

    #[test]
    fn runs_that_do_not_follow_each_other_stay_apart() {
        let mut runs = listed(&[10; 6]);
        runs[1].last_seq = Seq::new(19);
        assert_eq!(choose(&runs), Some(2..6));
        let mut runs = listed(&[10; 6]);
        runs[5].last_seq = Seq::new(u64::from(u32::MAX) + 12);
        assert_eq!(choose(&runs), Some(2..6), "the span of one run is below 2^32");
        // From the seq 11 on 2^32 frames, and one less.
        runs[5].last_seq = Seq::new(u64::from(u32::MAX) + 11);
        assert_eq!(choose(&runs), Some(2..6));
        runs[5].last_seq = Seq::new(u64::from(u32::MAX) + 10);
        assert_eq!(choose(&runs), Some(1..6));
    }

    #[test]
    fn there_are_never_more_runs_than_the_maximum_and_few_bytes_are_rewritten() {
        let mut lengths: Vec<u64> = Vec::new();
        let mut written = 0_u64;
        for _ in 0..1000 {
            lengths.push(1);
            while let Some(range) = choose_by_length(&lengths) {
                let total = lengths.drain(range.clone()).sum();
                lengths.insert(range.start, total);
                written += total;
            }
            assert!(lengths.len() <= RUNS_MAX, "{lengths:?}");
        }
        assert_eq!(lengths.iter().sum::<u64>(), 1000);
        assert!(written < 10 * 1000, "{written}");
    }
}
