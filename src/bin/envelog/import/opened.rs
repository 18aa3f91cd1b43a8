//! The input of an import, before anything is read of it.

use std::fs::{File, Metadata};
use std::io;
use std::path::Path;

use super::cursor::Cursor;
use super::form::Form;
use crate::failure::{Failure, Outcome, tell};
use crate::input::{self, Input, is_stdin};
use crate::output::grouped;
use crate::rejects::Rejects;

/// An input that was opened.
pub(super) struct Opened<'a> {
    path: &'a Path,
    /// How messages call it.
    pub(super) name: String,
    file: File,
    metadata: Metadata,
}

impl<'a> Opened<'a> {
    /// Opens what is named, and reads nothing of it.
    pub(super) fn of(path: &'a Path) -> Outcome<Self> {
        let name = if is_stdin(path) { "standard input".to_owned() } else { path.display().to_string() };
        let open = || -> io::Result<(File, Metadata)> {
            let file = input::open(path)?;
            let metadata = file.metadata()?;
            Ok((file, metadata))
        };
        let (file, metadata) = open().map_err(|error| Failure::io(&name, &error))?;
        Ok(Self { path, name, file, metadata })
    }

    /// Where its rejects go: to the file that was named, or to the one beside it.
    pub(super) fn rejects(&self, named: Option<&Path>, store: &Path) -> Outcome<Rejects> {
        let path = named.map_or_else(|| Rejects::default_path(self.path), Path::to_owned);
        Rejects::new(path, &self.metadata, store)
    }

    /// Begins to read it, unless its beginning says that it is something else.
    pub(super) fn input(&self) -> Outcome<Input> {
        let input = self.file.try_clone().and_then(|file| Input::of(file, self.path));
        let input = input.map_err(|error| self.failure(&error))?;
        match input.objection() {
            Some(objection) => Err(Failure::Message(format!("{}: {objection}", self.name))),
            None => Ok(input),
        }
    }

    /// Whether an import of it can go on where an earlier one stopped.
    fn resumes(&self) -> bool {
        self.metadata.is_file() && !is_stdin(self.path)
    }

    /// The same in words.
    pub(super) fn whether_it_resumes(&self) -> &'static str {
        if self.resumes() {
            "the same command resumes"
        } else if is_stdin(self.path) {
            "standard input does not resume"
        } else {
            "a pipe does not resume"
        }
    }

    /// What there is to do about an import of it that stopped because it cannot be read.
    pub(super) fn how_it_goes_on(&self) -> &'static str {
        if self.resumes() {
            "the same command resumes once all of the file can be read, and one with other content takes --restart"
        } else {
            self.whether_it_resumes()
        }
    }

    /// Tells of a file that was written to while it was read: what came after the last line that was met is missing.
    pub(super) fn tell_growth(&self, lines: u64) {
        if self.has_grown() {
            tell(format_args!(
                "envelog: {}: it became longer while it was read; line {} is the last that was met",
                self.name,
                grouped(i128::from(lines))
            ));
        }
    }

    fn has_grown(&self) -> bool {
        let len = self.file.metadata().map_or(0, |metadata| metadata.len());
        self.resumes() && len > self.metadata.len()
    }

    /// The failure of an import that took nothing, with what may have been meant.
    pub(super) fn has_no_line_of(&self, form: &Form, hint: &str) -> Failure {
        Failure::Message(format!("{}: no line of it is {}{hint}", self.name, form.name()))
    }

    /// The cursor of its import; none where it cannot be resumed.
    pub(super) fn cursor(&self, form: u8, rejects: &Rejects) -> Outcome<Option<Cursor>> {
        if !self.resumes() {
            return Ok(None);
        }
        let cursor = Cursor::of(self.path, &self.file, form, &rejects.resolved_path());
        cursor.map(Some).map_err(|error| self.failure(&error))
    }

    /// The failure of reading it.
    pub(super) fn failure(&self, error: &io::Error) -> Failure {
        Failure::io(&self.name, error)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use super::Opened;

    #[test]
    fn a_file_that_became_longer_since_it_was_opened_is_known() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("in.ndjson");
        fs::write(&path, "{}\n").unwrap();
        let opened = Opened::of(&path).unwrap();
        assert!(!opened.has_grown());
        fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{}\n").unwrap();
        assert!(opened.has_grown());
    }
}
