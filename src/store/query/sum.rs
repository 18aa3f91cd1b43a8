//! Sums that lose nothing: integers exactly, floats compensated.

use crate::envelope::ValueRef;

/// The sum of a property over events.
///
/// # Examples
///
/// ```
/// use envelog::{Store, Uuid};
///
/// let store = Store::in_memory()?;
/// let shop = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing");
/// shop.track("order.placed").property("amount", 4200).append()?;
/// shop.track("order.placed").property("amount", 0.5).append()?;
/// shop.track("order.placed").append()?;
///
/// let sum = store.project(Uuid::from_u128(2)).view()?.events().sum("amount")?;
/// assert_eq!((sum.integers, sum.floats, sum.total()), (4200, 0.5, 4200.5));
/// assert_eq!((sum.count, sum.skipped), (2, 1));
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub struct Sum {
    /// The exact sum of the values that are integers, of up to 38 digits each.
    pub integers: i128,
    /// The sum of the other numbers, compensated for rounding (A. Neumaier, "Rundungsfehleranalyse einiger Verfahren zur
    /// Summation endlicher Summen", 1974). Integers that 128 bits have no room for count here.
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

/// Integers that need more than 64 bits are between these.
const LARGE_MIN: f64 = 9.0e18;
const LARGE_MAX: f64 = 1.8e38;

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
            if !self.add_large(value, float) {
                self.add_float(float);
            }
        } else {
            self.skipped += 1;
            return;
        }
        self.count += 1;
    }

    /// Adds an integer of more than 64 bits, if the value is one and the sum has room for it.
    fn add_large(&mut self, value: ValueRef<'_>, nearest: f64) -> bool {
        let is_large = nearest.abs() >= LARGE_MIN && nearest.abs() < LARGE_MAX;
        let text = if is_large { value.as_number().and_then(|number| number.integer_text()) } else { None };
        let sum =
            text.and_then(|text| text.parse().ok()).and_then(|integer| self.integers.checked_add(integer));
        self.integers = sum.unwrap_or(self.integers);
        sum.is_some()
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
