//! What an import did.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use envelog::{Ack, Note, Notes, Object, Value};

use crate::args::FormatChoice;
use crate::failure::{Outcome, tell};
use crate::output::{Cell, Column, Format, Output, grouped};
use crate::progress::per_second;

const COLUMNS: &[Column] = &[
    Column { name: "lines", title: "lines" },
    Column { name: "stored", title: "stored" },
    Column { name: "rejected", title: "rejected" },
    Column { name: "blank", title: "blank" },
    Column { name: "notes", title: "notes" },
    Column { name: "rejects", title: "rejects" },
    Column { name: "seconds", title: "seconds" },
    Column { name: "linesPerSecond", title: "lines a second" },
    Column { name: "inAll", title: "in all" },
    Column { name: "dryRun", title: "dry run" },
    Column { name: "duplicates", title: "duplicates" },
    Column { name: "conflicts", title: "conflicts" },
];

/// The counts of an import. Every line, or every call of a line that is a batch of them, is stored, a duplicate or
/// rejected; a line without any is blank.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub(crate) stored: u64,
    /// Lines whose events were stored before.
    pub(crate) duplicates: u64,
    pub(crate) rejected: u64,
    /// Of the rejected lines, those whose message ids were stored before with other content.
    pub(crate) conflicts: u64,
    pub(crate) blank: u64,
    /// Of those that were taken or rejected, the ones that are more than one for their line.
    pub(crate) more: u64,
    /// Nothing was stored, only checked.
    is_dry: bool,
    notes: BTreeMap<Note, u64>,
}

/// The counts of a whole input that took more than one import.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Whole {
    pub(crate) lines: u64,
    pub(crate) stored: u64,
    pub(crate) rejected: u64,
}

impl Summary {
    /// The counts of a check that stores nothing.
    pub(crate) fn dry() -> Self {
        Self { is_dry: true, ..Self::default() }
    }

    pub(crate) fn count(&mut self, acks: &[Ack]) {
        for ack in acks {
            self.count_one(ack.notes);
        }
    }

    /// Counts one event.
    pub(crate) fn count_one(&mut self, notes: Notes) {
        if notes.contains(Note::Duplicate) {
            self.duplicates += 1;
        } else {
            self.stored += 1;
        }
        if notes.is_empty() {
            return;
        }
        for note in notes.iter() {
            *self.notes.entry(note).or_default() += 1;
        }
    }

    /// Lines whose events are stored, now or before.
    pub(crate) const fn taken(&self) -> u64 {
        self.stored + self.duplicates
    }

    pub(crate) const fn lines(&self) -> u64 {
        self.taken() + self.rejected + self.blank - self.more
    }

    /// What is neither taken nor rejected of so many lines had nothing in it.
    pub(crate) const fn set_blank(&mut self, lines: u64) {
        self.blank = (lines + self.more).saturating_sub(self.taken() + self.rejected);
    }

    /// Writes the counts: as data to standard output where that is a pipe, else for people to standard error. `whole` is
    /// told where the import went on with what an earlier one had begun.
    pub(crate) fn write(
        &self,
        format: FormatChoice,
        rejects: Option<&Path>,
        elapsed: Duration,
        whole: Option<Whole>,
    ) -> Outcome {
        let rate = per_second(self.lines(), elapsed.as_secs_f64());
        let format = Format::of(format);
        if format == Format::Table {
            self.tell(rejects, elapsed, rate, whole);
            return Ok(());
        }
        self.write_data(format, rejects, elapsed, rate, whole)
    }

    fn tell(&self, rejects: Option<&Path>, elapsed: Duration, rate: u64, whole: Option<Whole>) {
        let number = |count: u64| grouped(i128::from(count));
        tell(format_args!(
            "{} events {} in {:.1} s, {} lines a second",
            number(self.stored),
            if self.is_dry { "would be stored; all was checked" } else { "stored" },
            elapsed.as_secs_f64(),
            number(rate)
        ));
        if let Some(Whole { lines, stored, rejected }) = whole {
            tell(format_args!(
                "with the earlier import: {} events stored and {} lines rejected of {}",
                number(stored),
                number(rejected),
                number(lines)
            ));
        }
        if self.blank > 0 {
            tell(format_args!("blank: {}", number(self.blank)));
        }
        match rejects {
            Some(path) => {
                tell(format_args!("rejected: {}; why is in {}", number(self.rejected), path.display()));
            }
            None if self.rejected > 0 => {
                tell(format_args!("rejected: {}; why is told above", number(self.rejected)));
            }
            None => {}
        }
        if self.conflicts > 0 {
            let conflicts = number(self.conflicts);
            tell(format_args!(
                "of these, with a messageId that was stored before with other content: {conflicts}"
            ));
        }
        for (note, count) in &self.notes {
            tell(format_args!("{note}: {}", number(*count)));
        }
    }

    fn write_data(
        &self,
        format: Format,
        rejects: Option<&Path>,
        elapsed: Duration,
        rate: u64,
        whole: Option<Whole>,
    ) -> Outcome {
        let mut notes = Vec::new();
        let counts: Object = self.notes.iter().map(|(note, count)| (json_name(*note), *count)).collect();
        Value::Object(counts).write_json(&mut notes);
        let notes = String::from_utf8_lossy(&notes);
        let rejects = rejects.map(|path| path.display().to_string());
        let whole = whole.map(|Whole { lines, stored, rejected }| {
            format!("{{\"lines\":{lines},\"stored\":{stored},\"rejected\":{rejected}}}")
        });
        let some = |count| if count > 0 { Cell::Count(count) } else { Cell::Missing };
        let mut output = Output::new(format);
        let columns = COLUMNS.iter().map(|column| match column.name {
            "stored" if self.is_dry => Column { name: "wouldStore", title: "would store" },
            _ => *column,
        });
        let columns: Vec<Column> = columns.collect();
        let mut list = output.list(&columns);
        list.row(&[
            Cell::Count(self.lines()),
            Cell::Count(self.stored),
            Cell::Count(self.rejected),
            Cell::Count(self.blank),
            Cell::Json(&notes),
            Cell::maybe(rejects.as_deref()),
            Cell::Float(rounded(elapsed)),
            Cell::Count(rate),
            whole.as_deref().map_or(Cell::Missing, Cell::Json),
            if self.is_dry { Cell::Json("true") } else { Cell::Missing },
            some(self.duplicates),
            some(self.conflicts),
        ])?;
        list.end()
    }
}

/// Seconds with three digits after the point.
fn rounded(elapsed: Duration) -> f64 {
    (elapsed.as_secs_f64() * 1_000.0).round() / 1_000.0
}

/// The note's name as JSON names are written: `oddEventType`.
pub(crate) fn json_name(note: Note) -> String {
    let name = format!("{note:?}");
    let mut letters = name.chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}
