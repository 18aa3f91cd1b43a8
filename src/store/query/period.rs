//! Days and months of UTC.

use chrono::{Datelike as _, NaiveDate};

use crate::envelope::time;
use crate::types::Nanos;

const NANOS_PER_DAY: i64 = 86_400_000_000_000;

/// A stretch of the calendar, in UTC.
///
/// # Examples
///
/// ```
/// use envelog::{Period, Store, Uuid};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = Store::in_memory()?;
/// let shop = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing");
/// for time in ["2026-03-01T00:00:00Z", "2026-03-01T23:59:59Z", "2026-03-02T00:00:00Z"] {
///     shop.track("order.placed").at(time.parse()?).append()?;
/// }
///
/// let view = store.project(Uuid::from_u128(2)).view()?;
/// let per_day: Vec<_> = view.events().by(Period::Day).count()?.into_iter().map(|day| day.value).collect();
/// assert_eq!(per_day, [2, 1]);
/// assert_eq!(view.events().by(Period::Month).count()?.len(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Period {
    /// From midnight to midnight.
    Day,
    /// From the first of a month to the first of the next.
    Month,
}

/// A period: its first instant, and the first instant behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) start: Nanos,
    pub(crate) end: Nanos,
}

impl Stretch {
    /// No instant is in it.
    pub(crate) const EMPTY: Self = Self { start: Nanos::new(0), end: Nanos::new(0) };

    #[inline]
    pub(crate) fn contains(&self, time: Nanos) -> bool {
        self.start <= time && time < self.end
    }
}

impl Period {
    /// The period that an instant is in.
    pub(crate) fn around(self, time: Nanos) -> Stretch {
        let days = time.get().div_euclid(NANOS_PER_DAY);
        match self {
            Self::Day => stretch(days, days.saturating_add(1)),
            Self::Month => {
                let date = time::to_datetime(time).date_naive();
                let first = date.with_day(1).unwrap_or(date);
                let next = match date.month() {
                    12 => NaiveDate::from_ymd_opt(date.year().saturating_add(1), 1, 1),
                    month => NaiveDate::from_ymd_opt(date.year(), month + 1, 1),
                };
                stretch(epoch_days(first), next.map_or(i64::MAX, epoch_days))
            }
        }
    }
}

fn stretch(first_day: i64, next_day: i64) -> Stretch {
    let start_of = |day: i64| Nanos::new(day.saturating_mul(NANOS_PER_DAY));
    Stretch { start: start_of(first_day), end: start_of(next_day) }
}

fn epoch_days(date: NaiveDate) -> i64 {
    i64::from(date.to_epoch_days())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(stretch: Stretch) -> chrono::DateTime<chrono::Utc> {
        time::to_datetime(stretch.start)
    }

    #[test]
    fn every_instant_is_in_the_day_and_month_that_the_calendar_says() {
        for text in [
            "1970-01-01T00:00:00Z",
            "1970-12-31T23:59:59.999999999Z",
            "2024-02-29T12:00:00Z",
            "2024-03-01T00:00:00Z",
            "2100-02-28T23:59:59Z",
            "2261-12-31T23:59:59Z",
        ] {
            let time = time::parse(text).unwrap();
            let (day, month) = (Period::Day.around(time), Period::Month.around(time));
            assert_eq!(start(day).to_rfc3339(), format!("{}T00:00:00+00:00", &text[..10]), "{text}");
            assert_eq!(start(month).to_rfc3339(), format!("{}-01T00:00:00+00:00", &text[..7]), "{text}");
            for stretch in [day, month] {
                assert!(stretch.contains(time), "{text}");
                assert!(!stretch.contains(stretch.end), "{text}");
            }
            assert_eq!(Period::Month.around(Nanos::new(month.end.get() - 1)), month, "{text}");
        }
    }
}
