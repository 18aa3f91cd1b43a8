//! The pull parser.

use super::run::Run;
use super::scan::is_plain;
use super::walk::Ignore;
use crate::envelope::number::{Scanned, scan};
use crate::envelope::tree::{Kind, TreeWriter};
use crate::error::Error;
use crate::error::Result;

/// A pull parser over one JSON text.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
    /// Offset of the text in the one that errors count from.
    base: usize,
    /// An object was opened and has no entry yet.
    fresh: bool,
    /// No string of the text has an escape.
    pub(super) is_plain: bool,
}

/// The raw text of one value that was skipped, its syntax checked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RawValue<'a> {
    text: &'a str,
    base: usize,
    is_plain: bool,
}

impl<'a> RawValue<'a> {
    /// A reader of the value, offsets counted as in the text that it stands in.
    pub(crate) fn reader(self) -> Reader<'a> {
        Reader { text: self.text, at: 0, base: self.base, fresh: false, is_plain: self.is_plain }
    }

    #[cfg(test)]
    pub(crate) fn as_str(self) -> &'a str {
        self.text
    }
}

impl<'a> Reader<'a> {
    /// A reader of one JSON text.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where the bytes are not UTF-8.
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self> {
        match std::str::from_utf8(bytes) {
            Ok(text) => {
                let is_plain = is_plain(bytes.trim_ascii_end());
                Ok(Self { text, at: 0, base: 0, fresh: false, is_plain })
            }
            Err(error) => Err(fault(error.valid_up_to(), "is not UTF-8")),
        }
    }

    /// The kind of the value that comes next.
    pub(crate) fn peek(&mut self) -> Result<Kind> {
        match self.token() {
            Some(b'"') => Ok(Kind::String),
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::List),
            Some(b'n') => Ok(Kind::Null),
            Some(b't' | b'f') => Ok(Kind::Bool),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            _ => Err(self.fault("expected a value")),
        }
    }

    /// Tells whether a string comes next.
    #[inline]
    pub(crate) fn is_string(&mut self) -> bool {
        self.token() == Some(b'"')
    }

    /// Tells whether `null` comes next, or what is refused as such.
    #[inline]
    pub(crate) fn is_null(&mut self) -> bool {
        self.token() == Some(b'n')
    }

    /// Enters the object that comes next.
    pub(crate) fn begin_object(&mut self) -> Result<()> {
        self.expect(b'{', "expected an object")?;
        self.fresh = true;
        Ok(())
    }

    /// The next key of the object that was entered, or none at its end, which is then passed.
    #[expect(
        clippy::inline_always,
        reason = "a string that is returned through memory is read back before it is there"
    )]
    #[inline(always)]
    pub(crate) fn next_key<'s>(&mut self, scratch: &'s mut String) -> Result<Option<&'s str>>
    where
        'a: 's,
    {
        let fresh = std::mem::take(&mut self.fresh);
        match self.token() {
            Some(b'}') => {
                self.at += 1;
                return Ok(None);
            }
            Some(b',') if !fresh => self.at += 1,
            _ if fresh => {}
            _ => return Err(self.fault("expected a comma or a closing brace")),
        }
        self.key(scratch).map(|key| Some(key.as_str()))
    }

    /// A key and the colon after it.
    #[expect(
        clippy::inline_always,
        reason = "a string that is returned through memory is read back before it is there"
    )]
    #[inline(always)]
    pub(super) fn key<'s>(&mut self, scratch: &'s mut String) -> Result<Run<'s>>
    where
        'a: 's,
    {
        self.expect(b'"', "expected a key in quotes")?;
        let key = self.string_rest(scratch)?;
        self.expect(b':', "expected a colon")?;
        Ok(key)
    }

    /// The string that comes next, borrowed from the text or, where it has escapes, from `scratch`.
    #[expect(
        clippy::inline_always,
        reason = "a string that is returned through memory is read back before it is there"
    )]
    #[inline(always)]
    pub(crate) fn string<'s>(&mut self, scratch: &'s mut String) -> Result<&'s str>
    where
        'a: 's,
    {
        self.expect(b'"', "expected a string")?;
        self.string_rest(scratch).map(|string| string.as_str())
    }

    /// Passes the `null` that comes next.
    pub(crate) fn null(&mut self) -> Result<()> {
        self.skip_space();
        self.word("null")
    }

    /// The boolean that comes next.
    pub(crate) fn bool(&mut self) -> Result<bool> {
        match self.token() {
            Some(b't') => self.word("true").map(|()| true),
            Some(b'f') => self.word("false").map(|()| false),
            _ => Err(self.fault("expected a boolean")),
        }
    }

    /// The text of the number that comes next, its syntax checked.
    #[cfg(test)]
    pub(crate) fn number_text(&mut self) -> Result<&'a str> {
        self.skip_space();
        let start = self.at;
        self.scan_number()?;
        Ok(self.text.get(start..self.at).unwrap_or_default())
    }

    /// Passes the value that comes next, whatever it is, and returns its text.
    pub(crate) fn skip_value(&mut self) -> Result<RawValue<'a>> {
        self.skip_space();
        let start = self.at;
        self.walk(&mut Ignore, &mut String::new())?;
        let text = self.text.get(start..self.at).unwrap_or_default();
        Ok(RawValue { text, base: self.base + start, is_plain: self.is_plain })
    }

    /// Pushes the value that comes next, whatever it is, to the tree.
    pub(crate) fn value_into(&mut self, writer: &mut TreeWriter<'_>) -> Result<()> {
        let mut scratch = writer.take_text();
        let walked = self.walk(writer, &mut scratch);
        writer.give_text(scratch);
        walked
    }

    /// Checks that only white space follows.
    pub(crate) fn end(&mut self) -> Result<()> {
        match self.token() {
            None => Ok(()),
            Some(_) => Err(self.fault("expected the end of the text")),
        }
    }

    pub(super) fn scan_number(&mut self) -> Result<Scanned> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        match scan(rest) {
            Ok(scanned) => {
                self.at += scanned.len;
                Ok(scanned)
            }
            Err(reason) => Err(self.fault(reason)),
        }
    }

    pub(super) fn word(&mut self, word: &str) -> Result<()> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        if rest.starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(());
        }
        Err(self.fault("expected a value"))
    }

    #[inline]
    fn expect(&mut self, byte: u8, reason: &'static str) -> Result<()> {
        if self.token() == Some(byte) {
            self.at += 1;
            return Ok(());
        }
        Err(self.fault(reason))
    }

    /// The byte that comes next after white space.
    #[inline]
    pub(super) fn token(&mut self) -> Option<u8> {
        let byte = self.text.as_bytes().get(self.at).copied();
        if byte.is_some_and(|byte| byte > b' ') {
            return byte;
        }
        self.skip_space();
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.text.as_bytes().get(self.at) {
            self.at += 1;
        }
    }

    #[cold]
    pub(super) fn fault(&self, reason: &str) -> Error {
        fault(self.base + self.at, reason)
    }
}

#[cold]
fn fault(at: usize, reason: &str) -> Error {
    Error::invalid("json", format!("byte {at}: {reason}"))
}
