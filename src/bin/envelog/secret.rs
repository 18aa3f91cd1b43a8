//! The secret that a host hashes addresses with, from a file of its own.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use clap::Args;
use envelog::Options;

use crate::failure::{Failure, Outcome};

const SECRET_BYTES_MIN: usize = 16;
const SECRET_BYTES_MAX: usize = 4096;

/// Which secret a command stores with.
#[derive(Debug, Args)]
pub(crate) struct SecretArgs {
    /// File with the secret that addresses are hashed with, instead of the store's own.
    ///
    /// It has 16 to 4096 bytes. Where it is text, one end of a line at its end is not part of the secret. Address tokens
    /// that were made with another secret, and that the store does not know, are hashed again like any other text; the
    /// summary of an import counts the lines that had some.
    #[arg(long, value_name = "FILE", env = "ENVELOG_SECRET_FILE", hide_env_values = true)]
    secret_file: Option<PathBuf>,
}

impl SecretArgs {
    /// The options with the secret, if one was named.
    pub(crate) fn apply(&self, options: Options) -> Outcome<Options> {
        match &self.secret_file {
            Some(path) => Ok(options.secret(read(path)?)),
            None => Ok(options),
        }
    }
}

/// Reads the secret. No error shows anything of it.
fn read(path: &Path) -> Outcome<Vec<u8>> {
    let name = path.display().to_string();
    let read = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        // One more than is allowed, and an end of two bytes.
        File::open(path)?.take(SECRET_BYTES_MAX as u64 + 3).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let mut secret = read().map_err(|error| Failure::io(&name, &error))?;
    secret.truncate(without_end(&secret).len());
    if (SECRET_BYTES_MIN..=SECRET_BYTES_MAX).contains(&secret.len()) {
        Ok(secret)
    } else {
        let sizes = format!("{SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} bytes");
        Err(Failure::Message(format!(
            "{name}: a secret has {sizes}; name another file with --secret-file FILE"
        )))
    }
}

/// A text without the end of its line, which editors and `echo` add; random bytes as they are.
fn without_end(secret: &[u8]) -> &[u8] {
    let Some(line) = secret.strip_suffix(b"\n") else { return secret };
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let is_text = std::str::from_utf8(line).is_ok_and(|text| !text.chars().any(char::is_control));
    if is_text { line } else { secret }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_line_of_text_is_not_part_of_the_secret() {
        for (file, secret) in [
            (&b"sixteen bytes..."[..], &b"sixteen bytes..."[..]),
            (b"sixteen bytes...\n", b"sixteen bytes..."),
            (b"sixteen bytes...\r\n", b"sixteen bytes..."),
            (b"sixteen bytes...\n\n", b"sixteen bytes...\n\n"),
            (b"two\nlines\n", b"two\nlines\n"),
            (b"\x00\x01\x02\n", b"\x00\x01\x02\n"),
            (b"\xff\xfe\n", b"\xff\xfe\n"),
            (b"\n", b""),
            (b"", b""),
        ] {
            assert_eq!(without_end(file), secret, "{file:?}");
        }
    }

    #[test]
    fn a_secret_that_is_too_short_or_too_long_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        for (bytes, is_taken) in [(15, false), (16, true), (4096, true), (4097, false), (100_000, false)] {
            std::fs::write(&path, "x".repeat(bytes) + "\r\n").unwrap();
            assert_eq!(read(&path).ok().map(|secret| secret.len()), is_taken.then_some(bytes));
        }
        assert!(read(&directory.path().join("none")).is_err());
    }
}
