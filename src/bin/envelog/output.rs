//! Standard output: tables for people, and what programs read.

mod cell;
mod layout;
mod markdown;
mod table;

use std::io::{self, BufWriter, IsTerminal as _, StdoutLock, Write as _};

use crate::args::FormatChoice;
use crate::failure::{Failure, Outcome};

pub(crate) use cell::{Cell, Column, bytes_for_people, grouped, printable, write_object};
pub(crate) use layout::Shape;
use table::Rows;

/// Columns of a terminal below which a table has less to say in each row.
const NARROW: u16 = 100;

/// How data is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Table,
    Ndjson,
    Json,
    Csv,
    Markdown,
}

impl Format {
    pub(crate) fn of(choice: FormatChoice) -> Self {
        match choice {
            // An import whose lines have a form has said nothing of its summary.
            FormatChoice::Auto | FormatChoice::Segment | FormatChoice::CloudEvents => {
                if io::stdout().is_terminal() { Self::Table } else { Self::Ndjson }
            }
            FormatChoice::Ndjson => Self::Ndjson,
            FormatChoice::Table => Self::Table,
            FormatChoice::Json => Self::Json,
            FormatChoice::Csv => Self::Csv,
            FormatChoice::Markdown => Self::Markdown,
        }
    }

    /// Whether people read it: a short answer then says more than a whole one.
    pub(crate) const fn is_for_people(self) -> bool {
        matches!(self, Self::Table | Self::Markdown)
    }

    /// Whether every row is a JSON object.
    pub(crate) const fn is_json(self) -> bool {
        matches!(self, Self::Ndjson | Self::Json)
    }
}

type Out = BufWriter<StdoutLock<'static>>;

/// Standard output, locked and buffered.
pub(crate) struct Output {
    format: Format,
    out: Out,
}

impl Output {
    pub(crate) fn new(format: Format) -> Self {
        Self { format, out: BufWriter::with_capacity(64 * 1024, io::stdout().lock()) }
    }

    pub(crate) const fn format(&self) -> Format {
        self.format
    }

    /// Columns of the terminal that a table is for; a table for anything else is as wide as it needs.
    pub(crate) fn width(&self) -> Option<u16> {
        if self.format == Format::Table { table::terminal_width() } else { None }
    }

    /// Whether a table is for a terminal with little room.
    pub(crate) fn is_narrow(&self) -> bool {
        self.width().is_some_and(|width| width < NARROW)
    }

    /// Writes one line.
    pub(crate) fn line(&mut self, line: &[u8]) -> Outcome {
        let written = self.out.write_all(line).and_then(|()| self.out.write_all(b"\n"));
        written.map_err(|error| Failure::stdout(&error))
    }

    /// Begins a list of rows with these columns.
    pub(crate) fn list(&mut self, columns: &[Column]) -> List<'_> {
        self.shaped_list(columns, Shape::default())
    }

    /// As `list`, with what gives way in a table that the terminal is too narrow for.
    pub(crate) fn shaped_list(&mut self, columns: &[Column], shape: Shape) -> List<'_> {
        let form = match self.format {
            Format::Table => Form::Table(Box::new(Rows::new(columns, shape))),
            Format::Markdown => Form::Markdown,
            Format::Ndjson => Form::Ndjson,
            Format::Json => Form::Json,
            Format::Csv => {
                return List::Csv(Fields {
                    writer: Box::new(csv::Writer::from_writer(&mut self.out)),
                    columns: columns.to_vec(),
                    has_head: false,
                });
            }
        };
        List::Lines(Lines { output: self, columns: columns.to_vec(), form, rows: 0, line: Vec::new() })
    }

    /// Hands everything to the reader.
    pub(crate) fn flush(&mut self) -> Outcome {
        self.out.flush().map_err(|error| Failure::stdout(&error))
    }
}

/// Rows on their way out. Nothing of them is kept but what a table lays out together.
pub(crate) enum List<'o> {
    Lines(Lines<'o>),
    Csv(Fields<'o>),
}

impl List<'_> {
    /// Adds a row with a cell for each column.
    pub(crate) fn row(&mut self, cells: &[Cell<'_>]) -> Outcome {
        match self {
            Self::Lines(lines) => lines.row(cells),
            Self::Csv(fields) => fields.row(cells),
        }
    }

    /// Adds a row that is a JSON object already; for forms whose rows are such objects.
    pub(crate) fn object(&mut self, json: &[u8]) -> Outcome {
        match self {
            Self::Lines(lines) => lines.object(json),
            Self::Csv(_) => Ok(()),
        }
    }

    /// Gives the columns of a table widths, so that rows can be written as they come.
    pub(crate) fn fix(&mut self, widths: &[u16]) {
        if let Self::Lines(Lines { form: Form::Table(rows), .. }) = self {
            rows.fix(widths);
        }
    }

    /// Hands the rows so far to the reader.
    pub(crate) fn flush(&mut self) -> Outcome {
        match self {
            Self::Lines(lines) => {
                lines.write_table()?;
                lines.output.flush()
            }
            Self::Csv(fields) => fields.flush(),
        }
    }

    /// Ends the list; what is not written yet is written now.
    pub(crate) fn end(self) -> Outcome {
        match self {
            Self::Lines(lines) => lines.end(),
            Self::Csv(mut fields) => {
                fields.head()?;
                fields.flush()
            }
        }
    }
}

/// What a list of lines is written as.
enum Form {
    Table(Box<Rows>),
    Markdown,
    Ndjson,
    Json,
}

/// A list whose rows are lines of text.
pub(crate) struct Lines<'o> {
    output: &'o mut Output,
    columns: Vec<Column>,
    form: Form,
    rows: u64,
    line: Vec<u8>,
}

impl Lines<'_> {
    fn row(&mut self, cells: &[Cell<'_>]) -> Outcome {
        match &mut self.form {
            Form::Table(rows) => match rows.add(cells) {
                Some(table) => self.output.line(table.as_bytes()),
                None => Ok(()),
            },
            Form::Markdown => {
                let mut text = String::new();
                if self.rows == 0 {
                    markdown::write_head(&mut text, &self.columns, cells);
                    text.push('\n');
                }
                self.rows += 1;
                markdown::write_row(&mut text, cells);
                self.output.line(text.as_bytes())
            }
            Form::Ndjson | Form::Json => {
                let mut line = std::mem::take(&mut self.line);
                line.clear();
                write_object(&mut line, &self.columns, cells);
                let written = self.object(&line);
                self.line = line;
                written
            }
        }
    }

    /// Writes an object: a line of its own, or a line of the array that all of them are together.
    fn object(&mut self, json: &[u8]) -> Outcome {
        if !matches!(self.form, Form::Json) {
            return self.output.line(json);
        }
        let before: &[u8] = if self.rows == 0 { b"[\n" } else { b",\n" };
        self.rows += 1;
        let out = &mut self.output.out;
        let written = out.write_all(before).and_then(|()| out.write_all(json));
        written.map_err(|error| Failure::stdout(&error))
    }

    fn write_table(&mut self) -> Outcome {
        let Form::Table(rows) = &mut self.form else { return Ok(()) };
        match rows.take() {
            Some(table) => self.output.line(table.as_bytes()),
            None => Ok(()),
        }
    }

    fn end(mut self) -> Outcome {
        self.write_table()?;
        match self.form {
            Form::Json => self.output.line(if self.rows == 0 { b"[]" } else { b"\n]" })?,
            Form::Markdown if self.rows == 0 => {
                let mut text = String::new();
                markdown::write_head(&mut text, &self.columns, &[]);
                self.output.line(text.as_bytes())?;
            }
            _ => {}
        }
        self.output.flush()
    }
}

/// A list whose rows are fields separated by commas, the names of the columns first.
pub(crate) struct Fields<'o> {
    writer: Box<csv::Writer<&'o mut Out>>,
    columns: Vec<Column>,
    has_head: bool,
}

impl Fields<'_> {
    fn head(&mut self) -> Outcome {
        if self.has_head {
            return Ok(());
        }
        self.has_head = true;
        self.writer.write_record(self.columns.iter().map(|column| column.name)).map_err(of_csv)
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> Outcome {
        self.head()?;
        self.writer.write_record(cells.iter().map(|cell| cell.to_field())).map_err(of_csv)
    }

    fn flush(&mut self) -> Outcome {
        self.writer.flush().map_err(|error| Failure::stdout(&error))
    }
}

fn of_csv(error: csv::Error) -> Failure {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => Failure::stdout(&error),
        // Every row has a cell for each column, so that nothing else is left.
        _ => Failure::Message("standard output: a row could not be written as CSV".to_owned()),
    }
}
