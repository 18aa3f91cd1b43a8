//! Sums that lose nothing: integers exactly, floats compensated.

use crate::envelope::ValueRef;

/// The sum of a property over events.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Sum {
    /// The exact sum of the values that are integers.
    pub integers: i128,
    /// The sum of the other numbers, compensated for rounding (Neumaier).
    pub floats: f64,
    /// Events whose property is a number.
    pub count: u64,
    /// Events whose property is missing or no number.
    pub skipped: u64,
}

impl Sum {
    /// The whole sum as the nearest float.
    #[expect(clippy::cast_precision_loss, reason = "the nearest float is what is asked for")]
    pub fn total(&self) -> f64 {
        self.integers as f64 + self.floats
    }
}

/// A sum under way.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Summing {
    integers: i128,
    floats: f64,
    /// What rounding has lost of `floats` so far (A. Neumaier, "Rundungsfehleranalyse einiger Verfahren zur
    /// Summation endlicher Summen", 1974).
    lost: f64,
    count: u64,
    skipped: u64,
}

impl Summing {
    #[inline]
    pub(crate) fn add(&mut self, value: Option<ValueRef<'_>>) {
        let Some(value) = value else {
            self.skipped += 1;
            return;
        };
        if let Some(integer) = value.as_i64() {
            self.integers += i128::from(integer);
        } else if let Some(integer) = value.as_u64() {
            self.integers += i128::from(integer);
        } else if let Some(float) = value.as_f64() {
            self.add_float(float);
        } else {
            self.skipped += 1;
            return;
        }
        self.count += 1;
    }

    fn add_float(&mut self, float: f64) {
        let sum = self.floats + float;
        self.lost += if self.floats.abs() >= float.abs() {
            (self.floats - sum) + float
        } else {
            (float - sum) + self.floats
        };
        self.floats = sum;
    }

    pub(crate) fn finish(self) -> Sum {
        let Self { integers, floats, lost, count, skipped } = self;
        Sum { integers, floats: floats + lost, count, skipped }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_that_cancel_leave_what_is_between_them() {
        let mut summing = Summing::default();
        for float in [1e100, 1.5, -1e100] {
            summing.add_float(float);
        }
        assert_eq!(summing.finish().floats.to_bits(), 1.5_f64.to_bits());
    }

    #[test]
    fn ten_tenths_are_one() {
        let mut summing = Summing::default();
        for _ in 0..10 {
            summing.add_float(0.1);
        }
        assert_eq!(summing.finish().floats.to_bits(), 1.0_f64.to_bits());
    }
}
