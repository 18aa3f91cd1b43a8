//! What an import did.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use envelog::{Ack, Note, Object, Value};

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
];

/// The counts of an import. Every line is stored, a duplicate, rejected or blank.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub(crate) stored: u64,
    pub(crate) duplicates: u64,
    pub(crate) rejected: u64,
    pub(crate) blank: u64,
    notes: BTreeMap<Note, u64>,
}

impl Summary {
    pub(crate) fn count(&mut self, acks: &[Ack]) {
        for ack in acks {
            if ack.notes.is_empty() {
                self.stored += 1;
                continue;
            }
            for note in ack.notes.iter() {
                *self.notes.entry(note).or_default() += 1;
            }
            if ack.notes.contains(Note::Duplicate) {
                self.duplicates += 1;
            } else {
                self.stored += 1;
            }
        }
    }

    pub(crate) const fn lines(&self) -> u64 {
        self.stored + self.duplicates + self.rejected + self.blank
    }

    /// Writes the counts: as NDJSON to standard output where that is a pipe, else for people to standard error.
    pub(crate) fn write(&self, format: FormatChoice, rejects: Option<&Path>, elapsed: Duration) -> Outcome {
        let rate = per_second(self.lines(), elapsed.as_secs_f64());
        match Format::of(format) {
            Format::Table => {
                self.tell(rejects, elapsed, rate);
                Ok(())
            }
            Format::Ndjson => self.write_ndjson(rejects, elapsed, rate),
        }
    }

    fn tell(&self, rejects: Option<&Path>, elapsed: Duration, rate: u64) {
        let number = |count: u64| grouped(i128::from(count));
        tell(format_args!(
            "{} events stored in {:.1} s, {} lines a second",
            number(self.stored),
            elapsed.as_secs_f64(),
            number(rate)
        ));
        for (what, count) in [("stored before", self.duplicates), ("blank", self.blank)] {
            if count > 0 {
                tell(format_args!("{what}: {}", number(count)));
            }
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
        for (note, count) in &self.notes {
            tell(format_args!("{note}: {}", number(*count)));
        }
    }

    fn write_ndjson(&self, rejects: Option<&Path>, elapsed: Duration, rate: u64) -> Outcome {
        let mut notes = Vec::new();
        let counts: Object = self.notes.iter().map(|(note, count)| (json_name(*note), *count)).collect();
        Value::Object(counts).write_json(&mut notes);
        let notes = String::from_utf8_lossy(&notes);
        let rejects = rejects.map(|path| path.display().to_string());
        let mut output = Output::new(Format::Ndjson);
        let mut list = output.list(COLUMNS);
        list.row(&[
            Cell::Count(self.lines()),
            Cell::Count(self.stored),
            Cell::Count(self.rejected),
            Cell::Count(self.blank),
            Cell::Json(&notes),
            Cell::maybe(rejects.as_deref()),
            Cell::Float(rounded(elapsed)),
            Cell::Count(rate),
        ])?;
        list.end()
    }
}

/// Seconds with three digits after the point.
fn rounded(elapsed: Duration) -> f64 {
    (elapsed.as_secs_f64() * 1_000.0).round() / 1_000.0
}

/// The note's name as JSON names are written: `oddEventType`.
fn json_name(note: Note) -> String {
    let name = format!("{note:?}");
    let mut letters = name.chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}
