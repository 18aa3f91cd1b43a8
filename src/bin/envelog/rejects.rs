//! The file of lines that were refused: where and why, never what stood there.

use std::fs::{File, Metadata};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use envelog::Error;

use crate::failure::{Outcome, tell};
use crate::input::{LINE_BYTES_MAX, Line, is_stdin};
use crate::output::{Cell, Column, grouped, write_object};

mod target;

use target::{Reopened, Target};

const COLUMNS: &[Column] = &[
    Column { name: "line", title: "line" },
    Column { name: "bytes", title: "bytes" },
    Column { name: "call", title: "call" },
    Column { name: "field", title: "field" },
    Column { name: "reason", title: "reason" },
];

/// Rejects that are told where no file was named for them.
const FIRST_MAX: u64 = 20;

/// Writes why lines were refused, into a file that is created with the first of them.
///
/// The line itself is not written, because it may hold addresses. Rejects are added as they come, written before what
/// they stand beside is stored, and then kept, or dropped where it was not stored: the file never has a reject that is
/// not to stay, and after a crash one that can be cut off.
pub(crate) struct Rejects {
    out: Out,
    path: PathBuf,
    /// Bytes of the file that are to stay.
    kept: u64,
    /// Whether rejects stand in the file, and not only on standard error.
    is_in_file: bool,
    /// Lines that were refused for good.
    count: u64,
    /// Rejects that are not kept yet, and how many they are.
    pending: Vec<u8>,
    pending_count: u64,
    /// Whether the pending ones stand in the file.
    is_written: bool,
}

/// Where rejects go.
enum Out {
    /// To the target, which is made when there is something for it.
    Target(Target),
    File(File),
    /// To something without content to lose.
    Stream(File),
    Stderr,
    /// The first ones to standard error, the others nowhere.
    First,
}

impl Rejects {
    /// Looks at what is there, and refuses what must not be written over: the input, whatever is in the store's
    /// directory, and any file that no import left.
    pub(crate) fn new(path: PathBuf, input: &Metadata, store: &Path) -> Outcome<Self> {
        let target = Target::new(path.clone(), input, store)?;
        Ok(Self::to(Out::Target(target), path))
    }

    /// Tells the first rejects on standard error, and only counts the others.
    pub(crate) fn told() -> Self {
        Self::to(Out::First, PathBuf::new())
    }

    fn to(out: Out, path: PathBuf) -> Self {
        let (pending, pending_count) = (Vec::new(), 0);
        Self { out, path, kept: 0, is_in_file: false, count: 0, pending, pending_count, is_written: false }
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

    /// Goes on behind so many bytes of the file, which has so many rejects; what stands behind them is cut off.
    pub(crate) fn resume(&mut self, len: u64, count: u64) {
        self.count = count;
        let path = self.path.display();
        let Out::Target(target) = &mut self.out else { return };
        match target.reopen(len) {
            Ok(Reopened::Whole(file)) => {
                self.is_in_file = true;
                self.kept = len;
                self.out = Out::File(file);
            }
            Ok(Reopened::Short(file, left)) => {
                tell(format_args!(
                    "envelog: {path}: {} bytes of rejects of the earlier import are missing",
                    grouped(i128::from(len - left))
                ));
                self.is_in_file = left > 0;
                self.kept = left;
                self.out = Out::File(file);
            }
            Ok(Reopened::Nothing) => {
                if len > 0 {
                    tell(format_args!("envelog: {path}: the rejects of the earlier import are not there"));
                }
            }
            Err(error) => {
                tell(format_args!("envelog: {path}: {error}; rejects are listed here instead"));
                self.out = Out::Stderr;
            }
        }
    }

    /// The file's path from the root without links, as far as it is there.
    pub(crate) fn resolved_path(&self) -> PathBuf {
        target::resolved(&self.path)
    }

    /// Lines that were refused for good.
    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    /// Lines that were refused, or are about to be.
    pub(crate) const fn count_with_pending(&self) -> u64 {
        self.count + self.pending_count
    }

    /// Bytes that stand in the file; 0 where there is none. It has them too where rejects go on elsewhere.
    pub(crate) fn len(&self) -> u64 {
        if self.is_written { self.kept + self.pending.len() as u64 } else { self.kept }
    }

    /// The file, if it has been needed and could be written.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.is_in_file.then_some(self.path.as_path())
    }

    /// Adds a line that was too long to be read.
    pub(crate) fn add_too_long(&mut self, line: &Line) {
        let reason = format!("the line is longer than {LINE_BYTES_MAX} bytes");
        self.add_reason(line, None, None, &reason);
    }

    /// Adds a line that the store refused, or one call of a line that is a batch of them.
    pub(crate) fn add(&mut self, line: &Line, call: Option<u64>, error: &Error) {
        match error {
            Error::Invalid { field, reason } => self.add_reason(line, call, Some(field), reason),
            Error::InBatch { source, .. } => self.add(line, call, source),
            other => self.add_reason(line, call, None, &other.to_string()),
        }
    }

    /// Adds a line whose message id is that of another line with other content.
    pub(crate) fn add_same_id(&mut self, line: &Line, call: Option<u64>, first: u64) {
        let reason = format!("messageId was used before with other content, in line {first}");
        self.add_reason(line, call, None, &reason);
    }

    pub(crate) fn add_reason(&mut self, line: &Line, call: Option<u64>, field: Option<&str>, reason: &str) {
        self.pending_count += 1;
        if matches!(self.out, Out::First) && self.count_with_pending() > FIRST_MAX {
            return;
        }
        let call = call.map_or(Cell::Missing, Cell::Count);
        let (number, bytes) = (Cell::Count(line.number), Cell::Count(line.bytes));
        let cells = [number, bytes, call, Cell::maybe(field), Cell::Text(reason)];
        write_object(&mut self.pending, COLUMNS, &cells);
        self.pending.push(b'\n');
    }

    /// Writes the pending rejects where they can be taken back, so that they stand there before anything is stored that
    /// says so. With `durably` they survive a power loss.
    ///
    /// A full disk for rejects does not stop the import of what is good: they go on on standard error.
    pub(crate) fn write(&mut self, durably: bool) {
        if self.pending.is_empty() || self.is_written {
            return;
        }
        if let Out::Target(target) = &mut self.out {
            self.out = match target.create() {
                Ok((file, true)) => Out::File(file),
                Ok((stream, false)) => Out::Stream(stream),
                Err(error) => {
                    let path = self.path.display();
                    tell(format_args!("envelog: {path}: {error}; rejects are listed here instead"));
                    Out::Stderr
                }
            };
        }
        let Out::File(file) = &mut self.out else { return };
        let written =
            file.write_all(&self.pending).and_then(|()| if durably { file.sync_data() } else { Ok(()) });
        match written {
            Ok(()) => self.is_written = true,
            Err(error) => {
                // A half line would stay where even this fails.
                let _ = file.set_len(self.kept);
                self.go_on_in_stderr(&error);
            }
        }
    }

    /// The pending rejects are to stay.
    pub(crate) fn keep(&mut self) {
        self.write(false);
        match &mut self.out {
            Out::File(_) => {
                self.kept += self.pending.len() as u64;
                self.is_in_file |= self.kept > 0;
            }
            Out::Stream(stream) => match stream.write_all(&self.pending) {
                Ok(()) => self.is_in_file |= !self.pending.is_empty(),
                Err(error) => self.go_on_in_stderr(&error),
            },
            Out::Target(_) | Out::Stderr | Out::First => {}
        }
        if matches!(self.out, Out::Stderr | Out::First) && !self.pending.is_empty() {
            let _ = io::stderr().write_all(&self.pending);
        }
        self.count += self.pending_count;
        self.clear();
    }

    /// The pending rejects are forgotten: what they stand beside was not stored.
    pub(crate) fn forget(&mut self) {
        if let Out::File(file) = &mut self.out
            && self.is_written
            && let Err(error) = target::cut(file, self.kept)
        {
            self.go_on_in_stderr(&error);
        }
        self.clear();
    }

    /// Rejects of an earlier import do not outlive one that has none.
    pub(crate) fn end(&mut self) {
        match &mut self.out {
            Out::Target(target) if self.count == 0 => target.remove_old(),
            Out::First if self.count > FIRST_MAX => {
                let more = grouped(i128::from(self.count - FIRST_MAX));
                tell(format_args!("envelog: and {more} more; --rejects FILE lists them all"));
            }
            _ => {}
        }
    }

    fn clear(&mut self) {
        self.pending.clear();
        self.pending_count = 0;
        self.is_written = false;
    }

    fn go_on_in_stderr(&mut self, error: &io::Error) {
        let path = self.path.display();
        tell(format_args!("envelog: {path}: {error}; the list of rejects goes on here"));
        self.is_in_file = self.kept > 0;
        self.out = Out::Stderr;
    }
}

#[cfg(test)]
mod tests;
