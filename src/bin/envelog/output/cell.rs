//! What stands in a row: columns, cells, and how each form of output writes a cell.

use chrono::{DateTime, SecondsFormat, Utc};
use envelog::Value;

/// A column of a list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    /// Its name in JSON and CSV.
    pub(crate) name: &'static str,
    /// Its heading in a table.
    pub(crate) title: &'static str,
}

/// What stands in a column. Missing ones are left out of the JSON object.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cell<'a> {
    Text(&'a str),
    Count(u64),
    Integer(i128),
    Float(f64),
    Json(&'a str),
    /// A table shows it to the second, and never a part of it.
    Time(DateTime<Utc>),
    Missing,
}

impl<'a> Cell<'a> {
    pub(crate) fn maybe(text: Option<&'a str>) -> Self {
        text.map_or(Self::Missing, Self::Text)
    }

    pub(crate) fn maybe_time(time: Option<DateTime<Utc>>) -> Self {
        time.map_or(Self::Missing, Self::Time)
    }

    pub(super) const fn is_number(self) -> bool {
        matches!(self, Self::Count(_) | Self::Integer(_) | Self::Float(_))
    }

    fn write_json(self, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => Value::from(text).write_json(out),
            Self::Count(count) => Value::from(count).write_json(out),
            Self::Integer(integer) => Value::from(integer).write_json(out),
            Self::Float(float) => Value::from(float).write_json(out),
            Self::Json(json) => out.extend_from_slice(json.as_bytes()),
            Self::Time(time) => Value::from(rfc3339(time).as_str()).write_json(out),
            Self::Missing => {}
        }
    }

    /// For people: digits in groups, times to the second, nothing that a terminal would obey.
    pub(super) fn to_people(self) -> String {
        match self {
            Self::Text(text) | Self::Json(text) => printable(text),
            Self::Count(count) => grouped(i128::from(count)),
            Self::Integer(integer) => grouped(integer),
            Self::Float(float) => float.to_string(),
            Self::Time(time) => time.format("%Y-%m-%d %H:%M:%S").to_string(),
            Self::Missing => String::new(),
        }
    }

    /// For programs that read no JSON: as it is, without quotes of any kind.
    pub(super) fn to_field(self) -> String {
        match self {
            Self::Text(text) | Self::Json(text) => text.to_owned(),
            Self::Count(count) => count.to_string(),
            Self::Integer(integer) => integer.to_string(),
            Self::Float(float) => float.to_string(),
            Self::Time(time) => rfc3339(time),
            Self::Missing => String::new(),
        }
    }
}

/// Writes the cells as a JSON object with the names of the columns.
pub(crate) fn write_object(out: &mut Vec<u8>, columns: &[Column], cells: &[Cell<'_>]) {
    out.push(b'{');
    let mut is_first = true;
    for (column, cell) in columns.iter().zip(cells) {
        if matches!(cell, Cell::Missing) {
            continue;
        }
        if !is_first {
            out.push(b',');
        }
        is_first = false;
        Value::from(column.name).write_json(out);
        out.push(b':');
        cell.write_json(out);
    }
    out.push(b'}');
}

/// A number with a comma before each group of three digits.
pub(crate) fn grouped(number: i128) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3 + 1);
    if number < 0 {
        text.push('-');
    }
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The text without characters that a terminal would obey instead of showing them.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(
            |letter| {
                if letter.is_control() || is_hidden(letter) { char::REPLACEMENT_CHARACTER } else { letter }
            },
        )
        .collect()
}

/// Whether a character turns the direction of what follows, so that a row would show what is not in it.
const fn is_hidden(letter: char) -> bool {
    matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A time for programs.
pub(super) fn rfc3339(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// A number of bytes for people.
pub(crate) fn bytes_for_people(bytes: u64) -> String {
    indicatif::BinaryBytes(bytes).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_stand_in_groups_of_three() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (-1_234_567, "-1,234,567"),
            (i128::MIN, "-170,141,183,460,469,231,731,687,303,715,884,105,728"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn missing_cells_leave_no_trace_in_json() {
        const COLUMNS: &[Column] = &[
            Column { name: "a", title: "" },
            Column { name: "b", title: "" },
            Column { name: "c", title: "" },
        ];
        let mut line = Vec::new();
        write_object(&mut line, COLUMNS, &[Cell::Missing, Cell::Text("x\"\n"), Cell::Count(3)]);
        assert_eq!(String::from_utf8(line).unwrap(), "{\"b\":\"x\\\"\\n\",\"c\":3}");
    }

    #[test]
    fn what_a_terminal_would_obey_is_not_sent_to_it() {
        assert_eq!(printable("a\u{1b}[31mb\u{9b}c\n\u{202e}d"), "a\u{fffd}[31mb\u{fffd}c\u{fffd}\u{fffd}d");
    }

    #[test]
    fn people_read_groups_and_seconds_and_programs_plain_digits_and_whole_times() {
        let time = DateTime::from_timestamp(1_700_000_000, 500_000_000).unwrap();
        assert_eq!(Cell::Time(time).to_people(), "2023-11-14 22:13:20");
        assert_eq!(Cell::Time(time).to_field(), "2023-11-14T22:13:20.500Z");
        assert_eq!(
            (Cell::Count(1_234).to_people(), Cell::Count(1_234).to_field()),
            ("1,234".into(), "1234".into())
        );
        assert_eq!(Cell::Text("a\nb").to_field(), "a\nb");
    }
}
