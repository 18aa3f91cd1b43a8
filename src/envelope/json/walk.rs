//! The walk through one value of any kind, which drives a sink: no recursion, no intermediate value.

use super::DEPTH_MAX;
use super::read::Reader;
use super::run::Run;
use crate::envelope::number::Scanned;
use crate::envelope::tree::TreeWriter;
use crate::error::Result;

/// What a walk drives.
pub(super) trait Sink {
    fn begin_object(&mut self) -> Result<()>;
    fn key(&mut self, key: Run<'_>) -> Result<()>;
    fn end_object(&mut self) -> Result<()>;
    fn begin_list(&mut self) -> Result<()>;
    fn end_list(&mut self) -> Result<()>;
    fn null(&mut self) -> Result<()>;
    fn bool(&mut self, value: bool) -> Result<()>;
    fn number(&mut self, scanned: &Scanned, text: &[u8]) -> Result<()>;
    fn string(&mut self, value: Run<'_>) -> Result<()>;
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
        end_object();
        begin_list();
        end_list();
        null();
        bool(value: bool);
    }

    #[inline]
    fn key(&mut self, key: Run<'_>) -> Result<()> {
        self.key_run(key)
    }

    #[inline]
    fn string(&mut self, value: Run<'_>) -> Result<()> {
        self.string_run(value)
    }

    #[inline]
    fn number(&mut self, scanned: &Scanned, text: &[u8]) -> Result<()> {
        self.scanned_number(scanned, text)
    }
}

/// Takes everything and keeps nothing.
pub(super) struct Ignore;

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
        key(Run<'_>);
        end_object();
        begin_list();
        end_list();
        null();
        bool(bool);
        number(&Scanned, &[u8]);
        string(Run<'_>);
    }
}

/// What comes after a value.
enum Next {
    /// A key with its value.
    Entry,
    /// A value of a list.
    Element,
    /// Nothing: the whole value ended.
    End,
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

impl Reader<'_> {
    /// Drives the sink through one value.
    pub(super) fn walk<S: Sink>(&mut self, sink: &mut S, scratch: &mut String) -> Result<()> {
        let mut nest = Nest::default();
        loop {
            let opened = self.open_or_scalar(sink, &mut nest, scratch)?;
            match self.next_value(sink, &mut nest, opened)? {
                Next::End => return Ok(()),
                Next::Entry => {
                    let key = self.key(scratch)?;
                    sink.key(key)?;
                }
                Next::Element => {}
            }
        }
    }

    /// Takes a scalar or the opening of a container, and tells whether it was the latter.
    #[inline]
    fn open_or_scalar<S: Sink>(
        &mut self,
        sink: &mut S,
        nest: &mut Nest,
        scratch: &mut String,
    ) -> Result<bool> {
        match self.token() {
            Some(b'"') => {
                self.at += 1;
                let value = self.string_rest(scratch)?;
                sink.string(value)?;
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

    #[inline]
    fn open(&mut self, nest: &mut Nest, object: bool) -> Result<bool> {
        if !nest.push(object) {
            return Err(self.fault("is nested deeper than 128 levels"));
        }
        self.at += 1;
        Ok(true)
    }

    /// Goes on to where the next key or element begins, closing what ends before. With `fresh`, a container was
    /// opened just now.
    #[inline]
    fn next_value<S: Sink>(&mut self, sink: &mut S, nest: &mut Nest, mut fresh: bool) -> Result<Next> {
        while let Some(object) = nest.top() {
            match (self.token(), object) {
                (Some(b','), _) if !fresh => {
                    self.at += 1;
                    return Ok(if object { Next::Entry } else { Next::Element });
                }
                (Some(b'}'), true) => sink.end_object()?,
                (Some(b']'), false) => sink.end_list()?,
                (_, true) if fresh => return Ok(Next::Entry),
                (_, false) if fresh => return Ok(Next::Element),
                (_, true) => return Err(self.fault("expected a comma or a closing brace")),
                (_, false) => return Err(self.fault("expected a comma or a closing bracket")),
            }
            self.at += 1;
            nest.pop();
            fresh = false;
        }
        Ok(Next::End)
    }
}
