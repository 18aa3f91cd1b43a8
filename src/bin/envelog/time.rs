//! Times as the command line gives them.

use std::str::FromStr as _;
use std::time::SystemTime;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};

/// A time of the command line, against the clock of this machine.
pub(crate) fn parse_time(text: &str) -> Result<DateTime<Utc>, String> {
    time_at(text, SystemTime::now().into())
}

/// A date, which means its first instant, a time with its offset, `now`, or how long before now.
fn time_at(text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, String> {
    if text == "now" {
        return Ok(now);
    }
    if let Ok(date) = NaiveDate::from_str(text) {
        return Ok(date.and_time(NaiveTime::MIN).and_utc());
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.to_utc());
    }
    match humantime::parse_duration(text) {
        Ok(ago) => {
            let time = TimeDelta::from_std(ago).ok().and_then(|ago| now.checked_sub_signed(ago));
            time.ok_or_else(|| "longer ago than there are dates".to_owned())
        }
        Err(_) => {
            Err("not a time; write 2024-06-01, 2024-06-01T12:00:00Z, now, or 7d or '2h 30m' for so long ago"
                .to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Result<String, String> {
        let now = DateTime::parse_from_rfc3339("2024-06-30T12:00:00Z").unwrap().to_utc();
        time_at(text, now).map(|time| time.to_rfc3339())
    }

    #[test]
    fn dates_are_their_first_instant_and_times_need_an_offset() {
        assert_eq!(time("2024-06-01").unwrap(), "2024-06-01T00:00:00+00:00");
        assert_eq!(time("2024-06-01T02:00:00+02:00").unwrap(), "2024-06-01T00:00:00+00:00");
        for wrong in
            ["", "yesterday", "2024-13-01", "2024-06-01T02:00:00", "2024-06", "7", "-7d", "7 elephants"]
        {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_length_of_time_means_so_long_before_now() {
        for (text, expected) in [
            ("now", "2024-06-30T12:00:00+00:00"),
            ("0s", "2024-06-30T12:00:00+00:00"),
            ("90s", "2024-06-30T11:58:30+00:00"),
            ("2h 30m", "2024-06-30T09:30:00+00:00"),
            ("2h30m", "2024-06-30T09:30:00+00:00"),
            ("7d", "2024-06-23T12:00:00+00:00"),
            ("2w", "2024-06-16T12:00:00+00:00"),
        ] {
            assert_eq!(time(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn a_length_of_time_beyond_all_dates_is_refused() {
        for wrong in ["999999y", "100000000000y", "18446744073709551615s"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
        assert_eq!(time("1000y").unwrap().get(..4), Some("1024"));
    }
}
