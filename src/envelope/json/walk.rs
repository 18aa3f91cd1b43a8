//! The walk through one value of any kind, which drives a sink: no recursion, no intermediate value.

use super::DEPTH_MAX;
use super::read::Reader;
use crate::envelope::number::Scanned;
use crate::envelope::tree::TreeWriter;
use crate::error::Result;

/// What a walk drives.
pub(super) trait Sink {
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

impl Reader<'_> {
    /// Drives the sink through one value.
    pub(super) fn walk<S: Sink>(&mut self, sink: &mut S, scratch: &mut String) -> Result<()> {
        let mut nest = Nest::default();
        loop {
            let opened = self.open_or_scalar(sink, &mut nest, scratch)?;
            if !self.next_value(sink, &mut nest, opened, scratch)? {
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
    fn next_value<S: Sink>(
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
}
