//! The inside of a string: borrowed where it has no escapes, else unescaped into a scratch.

use super::read::Reader;
use super::run::Run;
use super::scan::{plain_len, quote_at};
use crate::error::Result;

impl<'a> Reader<'a> {
    /// The string whose opening quote was passed.
    #[expect(
        clippy::inline_always,
        reason = "a string that is returned through memory is read back before it is there"
    )]
    #[inline(always)]
    pub(super) fn string_rest<'s>(&mut self, scratch: &'s mut String) -> Result<Run<'s>>
    where
        'a: 's,
    {
        let (text, start) = (self.text, self.at);
        if self.is_plain
            && let Some(len) = quote_at(text.as_bytes(), start)
        {
            self.at = start + len + 1;
            return Ok(Run::new(text, start, len));
        }
        let len = plain_len(text.as_bytes(), start).unwrap_or(0);
        self.at = start + len;
        if text.as_bytes().get(self.at) == Some(&b'"') {
            self.at += 1;
            return Ok(Run::new(text, start, len));
        }
        self.unescape(start, scratch)?;
        Ok(scratch.as_str().into())
    }

    /// Reads a string on from the first byte that does not stand for itself.
    #[cold]
    fn unescape(&mut self, mut start: usize, scratch: &mut String) -> Result<()> {
        scratch.clear();
        let bytes = self.text.as_bytes();
        loop {
            scratch.push_str(self.text.get(start..self.at).unwrap_or_default());
            match bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => scratch.push(self.escape()?),
                Some(_) => return Err(self.fault("a control character in a string must be escaped")),
                None => return Err(self.fault("the string does not end")),
            }
            start = self.at;
            self.at += plain_len(bytes, start).unwrap_or(0);
        }
    }

    /// The character of an escape.
    fn escape(&mut self) -> Result<char> {
        let character = match self.text.as_bytes().get(self.at + 1) {
            Some(&byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            _ => return Err(self.fault("unknown escape")),
        };
        self.at += 2;
        Ok(character)
    }

    fn unicode_escape(&mut self) -> Result<char> {
        let unit = self.code_unit(self.at)?;
        let (code, len) = match unit {
            0xd800..=0xdbff => match self.code_unit(self.at + 6) {
                Ok(low @ 0xdc00..=0xdfff) => (0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00), 12),
                _ => return Err(self.fault("lone surrogate")),
            },
            _ => (unit, 6),
        };
        let Some(character) = char::from_u32(code) else { return Err(self.fault("lone surrogate")) };
        self.at += len;
        Ok(character)
    }

    /// The code unit that the escape at `at` stands for.
    fn code_unit(&self, at: usize) -> Result<u32> {
        let hex =
            self.text.as_bytes().get(at..).and_then(|rest| rest.strip_prefix(b"\\u")?.first_chunk::<4>());
        let unit = hex.and_then(|hex| {
            hex.iter().try_fold(0, |unit, byte| Some(unit << 4 | char::from(*byte).to_digit(16)?))
        });
        unit.ok_or_else(|| self.fault("expected four hex digits"))
    }
}
