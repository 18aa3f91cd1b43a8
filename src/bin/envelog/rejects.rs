//! The file of lines that were refused: where and why, never what stood there.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use envelog::Error;

use crate::failure::tell;
use crate::input::{LINE_BYTES_MAX, Line, is_stdin};
use crate::output::{Cell, Column, write_object};

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
    path: PathBuf,
    out: Option<BufWriter<Box<dyn Write>>>,
    count: u64,
    record: Vec<u8>,
}

impl Rejects {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, out: None, count: 0, record: Vec::new() }
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

    /// The file, if it has been needed.
    pub(crate) fn file(&self) -> Option<&Path> {
        (self.count > 0).then_some(&self.path)
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
        let path = &self.path;
        let out = self.out.get_or_insert_with(|| create(path));
        if let Err(error) = out.write_all(&self.record) {
            self.go_on_in_stderr(&error);
        }
    }

    /// Writes out what is still in memory.
    pub(crate) fn flush(&mut self) {
        if let Some(Err(error)) = self.out.as_mut().map(Write::flush) {
            self.go_on_in_stderr(&error);
        }
    }

    /// A full disk for rejects does not stop the import of what is good.
    fn go_on_in_stderr(&mut self, error: &io::Error) {
        let path = self.path.display();
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

fn create(path: &Path) -> BufWriter<Box<dyn Write>> {
    match File::create(path) {
        Ok(file) => BufWriter::new(Box::new(file)),
        Err(error) => {
            tell(format_args!("envelog: {}: {error}; rejects are listed here instead", path.display()));
            BufWriter::new(Box::new(io::stderr()))
        }
    }
}
