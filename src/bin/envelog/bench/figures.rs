//! Times of calls, and what is told of them.

use std::time::Duration;

use crate::output::Cell;

/// Most times that are kept; later calls count and have no place among the percentiles.
const TIMES_MAX: usize = 1_000_000;

/// How long calls took.
#[derive(Debug, Default)]
pub(super) struct Samples {
    /// In nanoseconds; one of over four seconds is told as that.
    nanos: Vec<u32>,
    count: u64,
    total: Duration,
    max: Duration,
}

impl Samples {
    pub(super) fn add(&mut self, took: Duration) {
        self.count += 1;
        self.total += took;
        self.max = self.max.max(took);
        if self.nanos.len() < TIMES_MAX {
            self.nanos.push(u32::try_from(took.as_nanos()).unwrap_or(u32::MAX));
        }
    }

    /// How many calls there were.
    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// How long all of them took, in seconds.
    pub(super) fn seconds(&self) -> f64 {
        self.total.as_secs_f64()
    }

    /// The time that so many in a hundred calls took at most, in nanoseconds.
    fn percentile(&self, percent: usize) -> u32 {
        let mut sorted = self.nanos.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
        sorted.get(rank).copied().unwrap_or(0)
    }

    /// The median, the 99th percentile and the greatest, in microseconds.
    pub(super) fn times(&self) -> [Cell<'static>; 3] {
        let [p50, p99] = [50, 99].map(|percent| f64::from(self.percentile(percent)) / 1e3);
        [p50, p99, self.max.as_secs_f64() * 1e6].map(|micros| Cell::Float(rounded(micros)))
    }
}

/// The quotient with one digit behind the point; 0 where there is nothing to divide by.
#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
pub(super) fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { rounded(part as f64 / whole as f64) }
}

/// The number with one digit behind the point.
fn rounded(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_all_calls() {
        let mut samples = Samples::default();
        assert_eq!((samples.percentile(50), samples.count()), (0, 0));
        for nanos in (1..=200).rev() {
            samples.add(Duration::from_nanos(nanos));
        }
        assert_eq!([1, 50, 99, 100].map(|percent| samples.percentile(percent)), [2, 100, 198, 200]);
        assert_eq!(samples.count(), 200);
        assert_eq!(samples.max, Duration::from_nanos(200));
        samples.add(Duration::from_secs(10));
        assert_eq!(samples.percentile(100), u32::MAX);
    }

    #[test]
    fn a_ratio_has_one_digit_behind_the_point() {
        let texts = [ratio(10, 4), ratio(10, 3), ratio(1, 0)].map(|ratio| ratio.to_string());
        assert_eq!(texts, ["2.5", "3.3", "0"]);
    }
}
