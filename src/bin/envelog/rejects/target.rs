//! The file that rejects go to, looked at before anything is imported so that nothing of worth is written over.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Component, Path, PathBuf};

use envelog::{Limits, Value};

use crate::failure::{Failure, Outcome, tell};

/// Bytes that are read of a file to see whether an earlier import left it. A reject has a few hundred.
const FIRST_LINE_BYTES_MAX: u64 = 64 * 1024;
const NAME_ANOTHER: &str = "name another file with --rejects FILE";

/// Where rejects go.
pub(super) struct Target {
    path: PathBuf,
    store: PathBuf,
    what: What,
}

/// What is there.
enum What {
    Nothing,
    /// A terminal, a pipe and the like, which have no content to lose.
    Stream,
    /// The rejects of an earlier import, or an empty file.
    Old(File),
}

/// What became of the file of an earlier import.
pub(super) enum Reopened {
    /// It has what it had.
    Whole(File),
    /// It has so many bytes only.
    Short(File, u64),
    /// There is none, or nothing in it is to stay.
    Nothing,
}

impl Target {
    /// Looks at what is there, and changes nothing.
    ///
    /// The input, the store's directory, and every file but the rejects of an earlier import are refused.
    pub(super) fn new(path: PathBuf, input: &Metadata, store: &Path) -> Outcome<Self> {
        let name = path.display();
        let refuse = |reason: &str| Failure::Message(format!("{name}: {reason}; {NAME_ANOTHER}"));
        let misuse = |reason: &str| Failure::Usage(format!("{name}: {reason}; {NAME_ANOTHER}"));
        if is_inside(&path, store) {
            return Err(misuse("rejects do not go into the store's directory"));
        }
        let what = match fs::metadata(&path) {
            // Where it cannot be made either, that is told with the first reject.
            Err(_) if fs::symlink_metadata(&path).is_err() => What::Nothing,
            Err(error) => return Err(refuse(&error.to_string())),
            Ok(metadata) if metadata.file_type().is_char_device() || metadata.file_type().is_fifo() => {
                What::Stream
            }
            Ok(metadata) if is_same(&metadata, input) => {
                return Err(misuse("the rejects would be written over the input itself"));
            }
            Ok(metadata) if metadata.is_file() => {
                let open = OpenOptions::new().read(true).write(true).open(&path);
                let file = open.map_err(|error| refuse(&error.to_string()))?;
                let opened = file.metadata().map_err(|error| refuse(&error.to_string()))?;
                if is_same(&opened, input) || is_among(&opened, store) {
                    return Err(misuse("the file is the input or one of the store"));
                }
                if !is_of_rejects(&file).map_err(|error| refuse(&error.to_string()))? {
                    return Err(refuse("the file is there already, and no import left it"));
                }
                What::Old(file)
            }
            Ok(_) => return Err(refuse("it is there already, and is no file")),
        };
        Ok(Self { path, store: store.to_owned(), what })
    }

    /// The file, made or emptied, and whether it is one: what was written to it can be taken back.
    pub(super) fn create(&mut self) -> io::Result<(File, bool)> {
        match std::mem::replace(&mut self.what, What::Nothing) {
            What::Stream => Ok((OpenOptions::new().write(true).open(&self.path)?, false)),
            What::Old(mut file) => {
                cut(&mut file, 0)?;
                Ok((file, true))
            }
            // The store's directory may have been made since, where a link on the path leads.
            What::Nothing if is_inside(&self.path, &self.store) => {
                Err(io::Error::other("it is in the store's directory"))
            }
            What::Nothing => Ok((OpenOptions::new().write(true).create_new(true).open(&self.path)?, true)),
        }
    }

    /// The file of an earlier import that left so many bytes in it, cut to that; where there are fewer, to whole lines.
    pub(super) fn reopen(&mut self, len: u64) -> io::Result<Reopened> {
        let What::Old(file) = &mut self.what else { return Ok(Reopened::Nothing) };
        let left = file.metadata()?.len();
        if len == 0 || left == 0 {
            // As if there had been no import: it is replaced by the first reject, or removed.
            return Ok(Reopened::Nothing);
        }
        let kept = if left >= len { len } else { whole_lines(file)? };
        cut(file, kept)?;
        let file = file.try_clone()?;
        self.what = What::Nothing;
        Ok(if kept == len { Reopened::Whole(file) } else { Reopened::Short(file, kept) })
    }

    /// Removes the rejects of an earlier import, where they were not replaced.
    pub(super) fn remove_old(&mut self) {
        let What::Old(file) = std::mem::replace(&mut self.what, What::Nothing) else { return };
        let is_link_to_it = || -> io::Result<bool> {
            let named = fs::symlink_metadata(&self.path)?;
            Ok(!is_same(&named, &file.metadata()?))
        };
        let removed = match is_link_to_it() {
            Ok(true) => file.set_len(0),
            Ok(false) => fs::remove_file(&self.path),
            Err(error) => Err(error),
        };
        if let Err(error) = removed {
            let path = self.path.display();
            tell(format_args!("envelog: {path}: {error}; the rejects in it are of an earlier import"));
        }
    }
}

/// Ends a file behind so many bytes, and goes there.
pub(super) fn cut(file: &mut File, len: u64) -> io::Result<()> {
    file.set_len(len)?;
    file.seek(SeekFrom::Start(len))?;
    Ok(())
}

/// Bytes up to the last end of a line.
fn whole_lines(mut file: &File) -> io::Result<u64> {
    file.rewind()?;
    let mut reader = BufReader::new(file);
    let (mut whole, mut line) = (0, Vec::new());
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line)?;
        if line.last() != Some(&b'\n') {
            return Ok(whole);
        }
        whole += read as u64;
    }
}

fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Whether the path is the directory, or leads into it, by whatever names.
fn is_inside(path: &Path, directory: &Path) -> bool {
    let directory = resolved(directory);
    let metadata = fs::metadata(&directory).ok();
    let is_it = |ancestor: &Path| {
        let is_same = |metadata| fs::metadata(ancestor).is_ok_and(|other| is_same(metadata, &other));
        ancestor == directory || metadata.as_ref().is_some_and(is_same)
    };
    resolved(path).ancestors().any(is_it)
}

/// Whether a file of the directory is this one under another name.
fn is_among(file: &Metadata, directory: &Path) -> bool {
    let Ok(entries) = fs::read_dir(directory) else { return false };
    entries.flatten().filter_map(|entry| entry.metadata().ok()).any(|other| is_same(file, &other))
}

/// The path from the root without links, as far as it is there; the rest as it stands.
pub(super) fn resolved(path: &Path) -> PathBuf {
    let Ok(absolute) = std::path::absolute(path) else { return path.to_owned() };
    for ancestor in absolute.ancestors() {
        let Ok(mut real) = fs::canonicalize(ancestor) else { continue };
        for component in absolute.strip_prefix(ancestor).into_iter().flat_map(Path::components) {
            match component {
                Component::ParentDir => {
                    real.pop();
                }
                Component::Normal(name) => real.push(name),
                _ => {}
            }
        }
        return real;
    }
    absolute
}

/// Whether the file is empty or begins with a reject.
fn is_of_rejects(mut file: &File) -> io::Result<bool> {
    let mut beginning = Vec::new();
    file.take(FIRST_LINE_BYTES_MAX).read_to_end(&mut beginning)?;
    file.rewind()?;
    let line = beginning.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(beginning.is_empty() || is_reject(line))
}

fn is_reject(line: &[u8]) -> bool {
    let Ok(value) = Value::from_json(line, &Limits::default()) else { return false };
    let Some(reject) = value.as_object() else { return false };
    reject.iter().all(|(name, value)| match name.as_str() {
        "line" | "bytes" => value.as_u64().is_some(),
        "field" | "reason" => value.as_str().is_some(),
        _ => false,
    }) && ["line", "bytes", "reason"].iter().all(|name| reject.contains_key(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reject_is_known_by_its_members() {
        for yes in [
            r#"{"line":2,"bytes":8,"reason":"is no JSON"}"#,
            r#"{"line":2,"bytes":8,"field":"timestamp","reason":"is no time"}"#,
        ] {
            assert!(is_reject(yes.as_bytes()), "{yes}");
        }
        for no in [
            "",
            "{}",
            "[]",
            "notes",
            r#"{"line":2,"bytes":8}"#,
            r#"{"line":2,"bytes":8,"reason":5}"#,
            r#"{"line":"2","bytes":8,"reason":"x"}"#,
            r#"{"line":2,"bytes":8,"reason":"x","level":"error"}"#,
            r#"{"line":2,"bytes":8,"reason":"x"} and more"#,
        ] {
            assert!(!is_reject(no.as_bytes()), "{no}");
        }
    }
}
