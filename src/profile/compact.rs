//! Which runs to make one, and doing it.

use std::ops::Range;
use std::sync::Arc;

use super::merge::{Merge, Source};
use super::run::{Origin, Run, write};
use crate::error::Result;
use crate::format::manifest;
use crate::storage::File;
use crate::types::Seq;

/// Most runs that are left alone.
pub(crate) const RUNS_MAX: usize = 8;
/// Fewest runs of like size that are worth a compaction.
const FAN_IN_MIN: usize = 4;
/// An older run joins the newer ones where it is at most this many times as long as all of them.
const SIZE_RATIO_MAX: u64 = 2;

/// The runs, by their place in the order of seqs, that should be made one now; `None` where nothing is to be done.
///
/// The newest runs of like size go together, so that a row is written about log times, not once a run.
pub(crate) fn choose(lengths: &[u64]) -> Option<Range<usize>> {
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

/// Writes neighbouring runs as one into an empty file and syncs it. Tombstones stay: they are facts.
///
/// # Errors
///
/// What the medium or a run that is read reports. The file is then of no use.
pub(crate) fn compact(file: &dyn File, origin: &Origin, runs: &[Arc<Run>]) -> Result<manifest::ProfileRun> {
    let sources = runs.iter().map(|run| Source::run(run, &[])).collect::<Result<Vec<_>>>()?;
    write(file, origin, &mut Merge::new(sources))
}

/// From the first to the last seq of runs; `None` where there are none.
pub(crate) fn seqs(runs: &[Arc<Run>]) -> Option<(Seq, Seq)> {
    let first = runs.iter().map(|run| run.first_seq()).min()?;
    let last = runs.iter().map(|run| run.last_seq()).max()?;
    Some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_like_size_go_together_and_great_ones_are_left_alone() {
        assert_eq!(choose(&[]), None);
        assert_eq!(choose(&[10, 10, 10]), None);
        assert_eq!(choose(&[10, 10, 10, 10]), Some(0..4));
        assert_eq!(choose(&[1000, 10, 10, 10, 10]), Some(1..5));
        assert_eq!(choose(&[1000, 100, 10, 1]), None);
    }

    #[test]
    fn there_are_never_more_runs_than_the_maximum_and_few_bytes_are_rewritten() {
        let mut lengths: Vec<u64> = Vec::new();
        let mut written = 0_u64;
        for _ in 0..1000 {
            lengths.push(1);
            while let Some(range) = choose(&lengths) {
                let total = lengths.drain(range.clone()).sum();
                lengths.insert(range.start, total);
                written += total;
            }
            assert!(lengths.len() <= RUNS_MAX, "{lengths:?}");
        }
        assert_eq!(lengths.iter().sum::<u64>(), 1000);
        assert!(written < 8 * 1000, "{written}");

        let mut steep: Vec<u64> = (0..20).rev().map(|power| 4_u64.pow(power)).collect();
        while let Some(range) = choose(&steep) {
            let total = steep.drain(range.clone()).sum();
            steep.insert(range.start, total);
        }
        assert!(steep.len() <= RUNS_MAX);
    }
}
