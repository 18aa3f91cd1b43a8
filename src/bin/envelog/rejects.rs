//! The file of lines that were refused: where and why, never what stood there.

use std::fs::{self, Metadata};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use envelog::Error;

use crate::failure::{Outcome, tell};
use crate::input::{LINE_BYTES_MAX, Line, is_stdin};
use crate::output::{Cell, Column, write_object};

mod target;

use target::Target;

const COLUMNS: &[Column] = &[
    Column { name: "line", title: "line" },
    Column { name: "bytes", title: "bytes" },
    Column { name: "field", title: "field" },
    Column { name: "reason", title: "reason" },
];

/// Writes why lines were refused, into a file that is created with the first of them.
///
/// The line itself is not written, because it may hold addresses.
pub(crate) struct Rejects {
    target: Target,
    out: Option<BufWriter<Box<dyn Write>>>,
    /// Whether rejects stand in the file, and not only on standard error.
    is_in_file: bool,
    count: u64,
    record: Vec<u8>,
}

impl Rejects {
    /// Looks at what is there, and refuses what must not be written over: the input, whatever is in the store's
    /// directory, and any file that no import left.
    pub(crate) fn new(path: PathBuf, input: &Metadata, store: &Path) -> Outcome<Self> {
        let target = Target::new(path, input, store)?;
        Ok(Self { target, out: None, is_in_file: false, count: 0, record: Vec::new() })
    }

    /// Where the rejects of an input go by default.
    pub(crate) fn default_path(input: &Path) -> PathBuf {
        if is_stdin(input) {
            return PathBuf::from("rejects.ndjson");
        }
        let mut name = input.as_os_str().to_owned();
        name.push(".rejects.ndjson");
        PathBuf::from(name)
    }

    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    /// The file, if it has been needed and could be written.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.is_in_file.then_some(self.target.path())
    }

    /// Adds a line that was too long to be read.
    pub(crate) fn add_too_long(&mut self, line: &Line) {
        let reason = format!("the line is longer than {LINE_BYTES_MAX} bytes");
        self.add_reason(line, None, &reason);
    }

    /// Adds a line that the store refused.
    pub(crate) fn add(&mut self, line: &Line, error: &Error) {
        match error {
            Error::Invalid { field, reason } => self.add_reason(line, Some(field), reason),
            Error::InBatch { source, .. } => self.add(line, source),
            other => self.add_reason(line, None, &other.to_string()),
        }
    }

    fn add_reason(&mut self, line: &Line, field: Option<&str>, reason: &str) {
        self.count += 1;
        self.record.clear();
        let cells =
            [Cell::Count(line.number), Cell::Count(line.bytes), Cell::maybe(field), Cell::Text(reason)];
        write_object(&mut self.record, COLUMNS, &cells);
        self.record.push(b'\n');
        let (target, is_in_file) = (&mut self.target, &mut self.is_in_file);
        let out = self.out.get_or_insert_with(|| create(target, is_in_file));
        if let Err(error) = out.write_all(&self.record) {
            self.go_on_in_stderr(&error);
        }
    }

    /// Writes out what is still in memory. Rejects of an earlier import do not outlive one that has none.
    pub(crate) fn end(&mut self) {
        if let Some(Err(error)) = self.out.as_mut().map(Write::flush) {
            self.go_on_in_stderr(&error);
        }
        if self.count == 0 {
            self.target.remove_old();
        }
    }

    /// A full disk for rejects does not stop the import of what is good.
    fn go_on_in_stderr(&mut self, error: &io::Error) {
        self.is_in_file = fs::metadata(self.target.path()).is_ok_and(|metadata| metadata.len() > 0);
        let path = self.target.path().display();
        tell(format_args!("envelog: {path}: {error}; the list of rejects goes on here"));
        let mut stderr: BufWriter<Box<dyn Write>> = BufWriter::new(Box::new(io::stderr()));
        // What the old writer still holds would fail again if it were dropped with it.
        let held = self.out.take().and_then(|old| old.into_parts().1.ok()).unwrap_or_default();
        let is_last_held = held.ends_with(&self.record);
        let _ = stderr.write_all(&held);
        if !is_last_held {
            let _ = stderr.write_all(&self.record);
        }
        let _ = stderr.flush();
        self.out = Some(stderr);
    }
}

fn create(target: &mut Target, is_in_file: &mut bool) -> BufWriter<Box<dyn Write>> {
    match target.create() {
        Ok(file) => {
            *is_in_file = true;
            BufWriter::new(Box::new(file))
        }
        Err(error) => {
            let path = target.path().display();
            tell(format_args!("envelog: {path}: {error}; rejects are listed here instead"));
            BufWriter::new(Box::new(io::stderr()))
        }
    }
}
