//! Standard output: tables for people, NDJSON for programs.

use std::io::{self, BufWriter, IsTerminal as _, StdoutLock, Write as _};

use chrono::{DateTime, SecondsFormat, Utc};
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Row, Table, presets};
use envelog::Value;

use crate::args::FormatChoice;
use crate::failure::{Failure, Outcome};

/// Rows of a table that are laid out together, so that memory does not grow with the answer.
const ROWS_MAX: usize = 1_000;

/// How data is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Table,
    Ndjson,
}

impl Format {
    pub(crate) fn of(choice: FormatChoice) -> Self {
        match choice {
            FormatChoice::Table => Self::Table,
            FormatChoice::Auto if io::stdout().is_terminal() => Self::Table,
            FormatChoice::Auto | FormatChoice::Ndjson => Self::Ndjson,
        }
    }
}

/// Standard output, locked and buffered.
pub(crate) struct Output {
    format: Format,
    out: BufWriter<StdoutLock<'static>>,
}

impl Output {
    pub(crate) fn new(format: Format) -> Self {
        Self { format, out: BufWriter::with_capacity(64 * 1024, io::stdout().lock()) }
    }

    pub(crate) const fn format(&self) -> Format {
        self.format
    }

    /// Writes one line.
    pub(crate) fn line(&mut self, line: &[u8]) -> Outcome {
        let written = self.out.write_all(line).and_then(|()| self.out.write_all(b"\n"));
        written.map_err(|error| Failure::stdout(&error))
    }

    /// Begins a list of rows with these columns.
    pub(crate) fn list(&mut self, columns: &[Column]) -> List<'_> {
        List { output: self, columns: columns.to_vec(), is_short: false, table: None, line: Vec::new() }
    }

    /// As `list`, and a table cuts what does not fit into one line of the terminal.
    pub(crate) fn short_list(&mut self, columns: &[Column]) -> List<'_> {
        List { is_short: true, ..self.list(columns) }
    }

    /// Hands everything to the reader.
    pub(crate) fn flush(&mut self) -> Outcome {
        self.out.flush().map_err(|error| Failure::stdout(&error))
    }
}

/// A column of a list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    /// Its name in JSON.
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

    fn to_table_cell(self) -> comfy_table::Cell {
        let (text, is_number) = match self {
            Self::Text(text) | Self::Json(text) => (printable(text), false),
            Self::Count(count) => (grouped(i128::from(count)), true),
            Self::Integer(integer) => (grouped(integer), true),
            Self::Float(float) => (float.to_string(), true),
            Self::Time(time) => (time.format("%Y-%m-%d %H:%M:%S").to_string(), false),
            Self::Missing => (String::new(), false),
        };
        let alignment = if is_number { CellAlignment::Right } else { CellAlignment::Left };
        comfy_table::Cell::new(text).set_alignment(alignment)
    }
}

/// Rows on their way out.
pub(crate) struct List<'o> {
    output: &'o mut Output,
    columns: Vec<Column>,
    is_short: bool,
    table: Option<Table>,
    line: Vec<u8>,
}

impl List<'_> {
    /// Adds a row with a cell for each column.
    pub(crate) fn row(&mut self, cells: &[Cell<'_>]) -> Outcome {
        match self.output.format {
            Format::Table => self.table_row(cells),
            Format::Ndjson => {
                self.line.clear();
                write_object(&mut self.line, &self.columns, cells);
                self.output.line(&self.line)
            }
        }
    }

    fn table_row(&mut self, cells: &[Cell<'_>]) -> Outcome {
        let table = self.table.get_or_insert_with(|| new_table(&self.columns));
        let mut row: Row = cells.iter().map(|cell| cell.to_table_cell()).into();
        if self.is_short {
            row.max_height(1);
        }
        table.add_row(row);
        for (index, cell) in cells.iter().enumerate() {
            if let (Cell::Time(_), Some(column)) = (cell, table.column_mut(index)) {
                // The other columns give way.
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        if table.row_count() >= ROWS_MAX {
            self.write_table()?;
        }
        Ok(())
    }

    fn write_table(&mut self) -> Outcome {
        match self.table.take() {
            Some(table) => self.output.line(table.trim_fmt().as_bytes()),
            None => Ok(()),
        }
    }

    /// Ends the list; what is not written yet is written now.
    pub(crate) fn end(mut self) -> Outcome {
        self.write_table()?;
        self.output.flush()
    }
}

fn new_table(columns: &[Column]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(columns.iter().map(|column| column.title));
    table
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
fn printable(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter })
        .collect()
}

/// A time for programs.
fn rfc3339(time: DateTime<Utc>) -> String {
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
        assert_eq!(printable("a\u{1b}[31mb\u{9b}c"), "a\u{fffd}[31mb\u{fffd}c");
    }
}
