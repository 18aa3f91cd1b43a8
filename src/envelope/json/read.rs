//! The pull parser.

use super::DEPTH_MAX;
use super::scan::plain_len;
use crate::Result;
use crate::envelope::number::{Scanned, scan};
use crate::envelope::tree::{Kind, TreeWriter};
use crate::error::Error;

/// A pull parser over one JSON text.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// Offset of the text in the one that errors count from.
    base: usize,
    /// An object was opened and has no entry yet.
    fresh: bool,
}

/// The raw text of one value that was skipped, its syntax checked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RawValue<'a> {
    text: &'a str,
    base: usize,
}

impl<'a> RawValue<'a> {
    /// A reader of the value, offsets counted as in the text that it stands in.
    pub(crate) fn reader(self) -> Reader<'a> {
        Reader { text: self.text, at: 0, base: self.base, fresh: false }
    }

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
            Ok(text) => Ok(Self { text, at: 0, base: 0, fresh: false }),
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

    /// Enters the object that comes next.
    pub(crate) fn begin_object(&mut self) -> Result<()> {
        self.expect(b'{', "expected an object")?;
        self.fresh = true;
        Ok(())
    }

    /// The next key of the object that was entered, or none at its end, which is then passed.
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
        self.key(scratch).map(Some)
    }

    /// A key and the colon after it.
    fn key<'s>(&mut self, scratch: &'s mut String) -> Result<&'s str>
    where
        'a: 's,
    {
        self.expect(b'"', "expected a key in quotes")?;
        let key = self.string_rest(scratch)?;
        self.expect(b':', "expected a colon")?;
        Ok(key)
    }

    /// The string that comes next, borrowed from the text or, where it has escapes, from `scratch`.
    pub(crate) fn string<'s>(&mut self, scratch: &'s mut String) -> Result<&'s str>
    where
        'a: 's,
    {
        self.expect(b'"', "expected a string")?;
        self.string_rest(scratch)
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
        Ok(RawValue { text, base: self.base + start })
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

    /// Drives the sink through one value.
    fn walk<S: Sink>(&mut self, sink: &mut S, scratch: &mut String) -> Result<()> {
        let mut nest = Nest::default();
        loop {
            let opened = self.open_or_scalar(sink, &mut nest, scratch)?;
            if !self.to_next_value(sink, &mut nest, opened, scratch)? {
                return Ok(());
            }
        }
    }

    /// Takes a scalar or the opening of a container, and tells whether it was the latter.
    fn open_or_scalar<S: Sink>(
        &mut self,
        sink: &mut S,
        nest: &mut Nest,
        scratch: &mut String,
    ) -> Result<bool> {
        match self.token() {
            Some(b'"') => {
                self.at += 1;
                sink.string(self.string_rest(scratch)?)?;
            }
            Some(b'{') => {
                sink.begin_object()?;
                return self.open(nest, true);
            }
            Some(b'[') => {
                sink.begin_list()?;
                return self.open(nest, false);
            }
            Some(b'-' | b'0'..=b'9') => {
                let start = self.at;
                let scanned = self.scan_number()?;
                sink.number(&scanned, self.text.as_bytes().get(start..self.at).unwrap_or_default())?;
            }
            Some(b't' | b'f') => {
                let value = self.bool()?;
                sink.bool(value)?;
            }
            Some(b'n') => {
                self.word("null")?;
                sink.null()?;
            }
            _ => return Err(self.fault("expected a value")),
        }
        Ok(false)
    }

    fn open(&mut self, nest: &mut Nest, object: bool) -> Result<bool> {
        if !nest.push(object) {
            return Err(self.fault("is nested deeper than 128 levels"));
        }
        self.at += 1;
        Ok(true)
    }

    /// Goes on to where the next value begins, closing what ends before; `false` where the whole value ended.
    fn to_next_value<S: Sink>(
        &mut self,
        sink: &mut S,
        nest: &mut Nest,
        mut fresh: bool,
        scratch: &mut String,
    ) -> Result<bool> {
        while let Some(object) = nest.top() {
            match (self.token(), object) {
                (Some(b'}'), true) => sink.end_object()?,
                (Some(b']'), false) => sink.end_list()?,
                (Some(b','), true) if !fresh => {
                    self.at += 1;
                    return sink.key(self.key(scratch)?).map(|()| true);
                }
                (Some(b','), false) if !fresh => {
                    self.at += 1;
                    return Ok(true);
                }
                (_, true) if fresh => return sink.key(self.key(scratch)?).map(|()| true),
                (_, false) if fresh => return Ok(true),
                (_, true) => return Err(self.fault("expected a comma or a closing brace")),
                (_, false) => return Err(self.fault("expected a comma or a closing bracket")),
            }
            self.at += 1;
            nest.pop();
            fresh = false;
        }
        Ok(false)
    }

    fn scan_number(&mut self) -> Result<Scanned> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        match scan(rest) {
            Ok(scanned) => {
                self.at += scanned.len;
                Ok(scanned)
            }
            Err(reason) => Err(self.fault(reason)),
        }
    }

    /// The string whose opening quote was passed.
    #[inline]
    fn string_rest<'s>(&mut self, scratch: &'s mut String) -> Result<&'s str>
    where
        'a: 's,
    {
        let start = self.at;
        let bytes = self.text.as_bytes();
        self.at += plain_len(bytes, start).unwrap_or(0);
        if bytes.get(self.at) == Some(&b'"') {
            let string = self.text.get(start..self.at).unwrap_or_default();
            self.at += 1;
            return Ok(string);
        }
        self.unescape(start, scratch)?;
        Ok(scratch.as_str())
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

    fn word(&mut self, word: &str) -> Result<()> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        if rest.starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(());
        }
        Err(self.fault("expected a value"))
    }

    fn expect(&mut self, byte: u8, reason: &'static str) -> Result<()> {
        if self.token() == Some(byte) {
            self.at += 1;
            return Ok(());
        }
        Err(self.fault(reason))
    }

    /// The byte that comes next after white space.
    #[inline]
    fn token(&mut self) -> Option<u8> {
        self.skip_space();
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline]
    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.text.as_bytes().get(self.at) {
            self.at += 1;
        }
    }

    #[cold]
    fn fault(&self, reason: &str) -> Error {
        fault(self.base + self.at, reason)
    }
}

#[cold]
fn fault(at: usize, reason: &str) -> Error {
    Error::invalid("json", format!("byte {at}: {reason}"))
}

/// What a walk drives.
trait Sink {
    fn begin_object(&mut self) -> Result<()>;
    fn key(&mut self, key: &str) -> Result<()>;
    fn end_object(&mut self) -> Result<()>;
    fn begin_list(&mut self) -> Result<()>;
    fn end_list(&mut self) -> Result<()>;
    fn null(&mut self) -> Result<()>;
    fn bool(&mut self, value: bool) -> Result<()>;
    fn number(&mut self, scanned: &Scanned, text: &[u8]) -> Result<()>;
    fn string(&mut self, value: &str) -> Result<()>;
}

macro_rules! forward {
    ($($name:ident($($value:ident: $kind:ty),*);)*) => {$(
        #[inline]
        fn $name(&mut self, $($value: $kind),*) -> Result<()> {
            TreeWriter::$name(self, $($value),*)
        }
    )*};
}

impl Sink for TreeWriter<'_> {
    forward! {
        begin_object();
        key(key: &str);
        end_object();
        begin_list();
        end_list();
        null();
        bool(value: bool);
        string(value: &str);
    }

    #[inline]
    fn number(&mut self, scanned: &Scanned, text: &[u8]) -> Result<()> {
        self.scanned_number(scanned, text)
    }
}

/// Takes everything and keeps nothing.
struct Ignore;

macro_rules! ignore {
    ($($name:ident($($kind:ty),*);)*) => {$(
        fn $name(&mut self, $(_: $kind),*) -> Result<()> {
            Ok(())
        }
    )*};
}

impl Sink for Ignore {
    ignore! {
        begin_object();
        key(&str);
        end_object();
        begin_list();
        end_list();
        null();
        bool(bool);
        number(&Scanned, &[u8]);
        string(&str);
    }
}

/// The kinds of the open containers, one bit each.
#[derive(Default)]
struct Nest {
    objects: u128,
    depth: usize,
}

impl Nest {
    /// Opens an object or a list; tells whether there was room.
    fn push(&mut self, object: bool) -> bool {
        self.objects = self.objects << 1 | u128::from(object);
        self.depth += 1;
        self.depth <= DEPTH_MAX
    }

    fn pop(&mut self) {
        self.objects >>= 1;
        self.depth -= 1;
    }

    /// Whether the innermost open container is an object; none where all are closed.
    fn top(&self) -> Option<bool> {
        (self.depth > 0).then_some(self.objects & 1 == 1)
    }
}
