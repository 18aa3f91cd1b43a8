//! Times: RFC 3339 text in, nanoseconds since 1970 stored, RFC 3339 text out.
//!
//! Decided where RFC 3339 leaves a choice: a lower-case `t` or `z` and a blank in place of `T` are read; digits of
//! a fraction beyond the ninth are dropped; the leap second `23:59:60` (UTC) is the first second of the next day,
//! as POSIX time has it, and second 60 anywhere else is refused; the offset `-00:00` is UTC.

use chrono::{DateTime, Utc};

use crate::types::Nanos;

const NANOS_PER_SECOND: i64 = 1_000_000_000;
const SECONDS_PER_DAY: i64 = 86_400;
/// Seconds from 1970 to the first second of 2262, which is the first that is refused.
const SECONDS_MAX: i64 = 9_214_646_400;

const MALFORMED: &str = "is not a date and time; write RFC 3339, such as 2024-03-13T10:21:14Z";
const NO_OFFSET: &str = "has no offset; write Z or +hh:mm";
const NO_SUCH_TIME: &str = "names a date or time that does not exist";
const OUT_OF_RANGE: &str = "is outside the years 1970 to 2261";

/// Reads an RFC 3339 time; the error is the reason in words.
pub(crate) fn parse(text: &str) -> Result<Nanos, &'static str> {
    let &[
        y0,
        y1,
        y2,
        y3,
        b'-',
        mo0,
        mo1,
        b'-',
        d0,
        d1,
        sep,
        h0,
        h1,
        b':',
        mi0,
        mi1,
        b':',
        s0,
        s1,
        ref rest @ ..,
    ] = text.as_bytes()
    else {
        return Err(MALFORMED);
    };
    if !matches!(sep, b'T' | b't' | b' ') {
        return Err(MALFORMED);
    }
    let year = two(y0, y1)? * 100 + two(y2, y3)?;
    let (month, day) = (two(mo0, mo1)?, two(d0, d1)?);
    let (hour, minute, second) = (two(h0, h1)?, two(mi0, mi1)?, two(s0, s1)?);
    let (nanos, zone) = fraction(rest)?;
    let offset_minutes = offset(zone)?;
    if !(1..=12).contains(&month)
        || day == 0
        || day > days_of_month(year, month)
        || hour > 23
        || minute > 59
        || second > 60
    {
        return Err(NO_SUCH_TIME);
    }
    let minutes = days_from_civil(year, month, day) * 1440 + hour * 60 + minute - offset_minutes;
    if second == 60 && minutes.rem_euclid(1440) != 1439 {
        return Err(NO_SUCH_TIME);
    }
    from_parts(minutes * 60 + second, nanos)
}

/// The time that a host gives; the error is the reason in words.
pub(crate) fn from_datetime(time: DateTime<Utc>) -> Result<Nanos, &'static str> {
    // A leap second has a fraction of one second or more here, which the sum carries over.
    from_parts(time.timestamp(), i64::from(time.timestamp_subsec_nanos()))
}

/// The time as the public surface shows it.
pub(crate) fn to_datetime(time: Nanos) -> DateTime<Utc> {
    DateTime::from_timestamp_nanos(time.get())
}

/// Appends the time as RFC 3339 in UTC, with no, three, six or nine digits of a second's fraction, the fewest that
/// say it all.
pub(crate) fn write_rfc3339(time: Nanos, out: &mut Vec<u8>) {
    let seconds = time.get().div_euclid(NANOS_PER_SECOND);
    let nanos = time.get().rem_euclid(NANOS_PER_SECOND);
    let (year, month, day) = civil_from_days(seconds.div_euclid(SECONDS_PER_DAY));
    let second_of_day = seconds.rem_euclid(SECONDS_PER_DAY);
    write_digits(year, 4, out);
    out.push(b'-');
    write_digits(month, 2, out);
    out.push(b'-');
    write_digits(day, 2, out);
    out.push(b'T');
    write_digits(second_of_day / 3600, 2, out);
    out.push(b':');
    write_digits(second_of_day / 60 % 60, 2, out);
    out.push(b':');
    write_digits(second_of_day % 60, 2, out);
    if nanos != 0 {
        out.push(b'.');
        if nanos % 1_000_000 == 0 {
            write_digits(nanos / 1_000_000, 3, out);
        } else if nanos % 1000 == 0 {
            write_digits(nanos / 1000, 6, out);
        } else {
            write_digits(nanos, 9, out);
        }
    }
    out.push(b'Z');
}

/// Whether an event may have the time.
pub(crate) fn is_in_range(time: Nanos) -> bool {
    (0..SECONDS_MAX * NANOS_PER_SECOND).contains(&time.get())
}

fn from_parts(seconds: i64, nanos: i64) -> Result<Nanos, &'static str> {
    let (seconds, nanos) = (seconds + nanos / NANOS_PER_SECOND, nanos % NANOS_PER_SECOND);
    if (0..SECONDS_MAX).contains(&seconds) {
        Ok(Nanos::new(seconds * NANOS_PER_SECOND + nanos))
    } else {
        Err(OUT_OF_RANGE)
    }
}

fn digit(byte: u8) -> Result<i64, &'static str> {
    if byte.is_ascii_digit() { Ok(i64::from(byte - b'0')) } else { Err(MALFORMED) }
}

fn two(tens: u8, ones: u8) -> Result<i64, &'static str> {
    Ok(digit(tens)? * 10 + digit(ones)?)
}

/// Nanoseconds of a fraction that may be there, and what follows it.
fn fraction(bytes: &[u8]) -> Result<(i64, &[u8]), &'static str> {
    let Some(rest) = bytes.strip_prefix(b".") else { return Ok((0, bytes)) };
    let count = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, zone) = rest.split_at(count);
    if digits.is_empty() {
        return Err(MALFORMED);
    }
    let mut nanos = 0;
    let mut unit = NANOS_PER_SECOND;
    for byte in digits.iter().take(9) {
        unit /= 10;
        nanos += i64::from(byte - b'0') * unit;
    }
    Ok((nanos, zone))
}

/// Minutes that local time is ahead of UTC.
fn offset(zone: &[u8]) -> Result<i64, &'static str> {
    match *zone {
        [b'Z' | b'z'] => Ok(0),
        [sign @ (b'+' | b'-'), h0, h1, b':', m0, m1] => {
            let (hours, minutes) = (two(h0, h1)?, two(m0, m1)?);
            if hours > 23 || minutes > 59 {
                return Err(NO_SUCH_TIME);
            }
            let ahead = hours * 60 + minutes;
            Ok(if sign == b'-' { -ahead } else { ahead })
        }
        [] => Err(NO_OFFSET),
        _ => Err(MALFORMED),
    }
}

fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar (Howard Hinnant, "chrono-Compatible Low-Level Date
/// Algorithms": years begin in March, 400 of them have 146,097 days).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days_from_civil`], of the same source.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// Appends a number that is not negative with `width` digits.
fn write_digits(number: i64, width: u32, out: &mut Vec<u8>) {
    for place in (0..width).rev() {
        let digit = number / 10_i64.pow(place) % 10;
        out.push(b'0' + u8::try_from(digit).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests;
