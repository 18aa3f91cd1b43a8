//! Building trees: the one walk that checks the limits, turns addresses into tokens and puts keys in order.
//!
//! Nodes are appended as they come. A container leaves room for its header, which is filled in when it ends; the
//! entries of an object whose keys did not come in order are then moved, once.

use std::fmt;

use super::layout::{self, GROUP, TREE_BYTES_MAX};
use crate::envelope::address::{KeyClass, ProjectHasher, classify_key_bytes};
use crate::envelope::json::{self, DEPTH_MAX, Run};
use crate::error::Error;
use crate::error::Result;
use crate::limits::Limits;

mod close;
mod path;
mod scalar;

/// What an address key gets appended when the addresses below it become tokens.
const HASH_SUFFIX: &str = "Hash";

/// Room for tag and length, which is all the header of most containers.
const HEADER_ROOM: usize = 2;

/// Where a finished tree stands in its builder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TreeSpan {
    start: usize,
    end: usize,
}

/// What there is to note of the trees built since the last reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct TreeNotes {
    /// An object had an address key and the same key with `Hash` appended; the latter was dropped.
    pub(crate) address_key_dropped: bool,
    /// Below an address key stood a token of a key that the hasher does not know.
    pub(crate) foreign_token: bool,
}

/// Builds the trees of one envelope after another and keeps its memory.
///
/// The trees of one envelope stand behind each other until [`TreeBuilder::reset`]; the limit on keys is for all of
/// them together.
pub(crate) struct TreeBuilder {
    limits: Limits,
    keys: usize,
    notes: TreeNotes,
    /// Finished trees up to `finished`, then the one in work.
    out: Vec<u8>,
    finished: usize,
    /// The open containers, outermost first.
    levels: Vec<Level>,
    /// The entries of the open objects, outermost first.
    entries: Vec<Entry>,
    moved: Vec<u8>,
    offsets: Vec<u32>,
    digits: Vec<u8>,
    text: String,
    token: String,
}

/// An open container.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
struct Level {
    is_object: bool,
    /// An object's key was pushed and its value was not.
    has_key: bool,
    /// The keys so far came in strictly rising order.
    is_sorted: bool,
    /// Scalars in here stand below an address key.
    is_address: bool,
    /// The next value stands below an address key.
    is_next_address: bool,
    /// Where the header is to stand.
    start: usize,
    /// The object's first entry.
    first_entry: usize,
    /// Elements begun, or keys pushed.
    count: usize,
}

/// An entry of an open object.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// The first eight bytes of the key as a big-endian number: decides most comparisons.
    prefix: u64,
    /// Where the entry begins, with the length of its key.
    start: u32,
    key_start: u32,
    key_len: u32,
    /// Where the value ends; known when the next key or the end of the object comes.
    end: u32,
    /// The key got [`HASH_SUFFIX`] appended here.
    is_renamed: bool,
    is_dropped: bool,
}

impl TreeBuilder {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            limits: Limits { depth_max: limits.depth_max.min(DEPTH_MAX), ..limits.clone() },
            keys: 0,
            notes: TreeNotes::default(),
            out: Vec::new(),
            finished: 0,
            levels: Vec::new(),
            entries: Vec::new(),
            moved: Vec::new(),
            offsets: Vec::new(),
            digits: Vec::new(),
            text: String::new(),
            token: String::new(),
        }
    }

    /// Forgets trees, notes and the count of keys; keeps the memory.
    pub(crate) fn reset(&mut self) {
        self.keys = 0;
        self.notes = TreeNotes::default();
        self.out.clear();
        self.finished = 0;
    }

    /// Starts a tree. `root` is the first word of the paths in errors; with `scrub`, addresses become tokens.
    ///
    /// A tree that was begun before and not finished is forgotten.
    pub(crate) fn begin<'b>(
        &'b mut self,
        root: &'static str,
        scrub: Option<&'b ProjectHasher>,
    ) -> TreeWriter<'b> {
        self.out.truncate(self.finished);
        self.levels.clear();
        self.entries.clear();
        TreeWriter { core: self, root, scrub }
    }

    /// The bytes of a tree that was finished since the last reset.
    pub(crate) fn tree(&self, span: TreeSpan) -> &[u8] {
        self.out.get(span.start..span.end).unwrap_or_default()
    }

    pub(crate) fn notes(&self) -> TreeNotes {
        self.notes
    }
}

impl fmt::Debug for TreeBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TreeBuilder").field("len", &self.out.len()).finish_non_exhaustive()
    }
}

/// The push side of a tree in work. Dropped without [`TreeWriter::finish`], the tree is forgotten.
pub(crate) struct TreeWriter<'b> {
    core: &'b mut TreeBuilder,
    root: &'static str,
    scrub: Option<&'b ProjectHasher>,
}

impl TreeWriter<'_> {
    pub(crate) fn begin_object(&mut self) -> Result<()> {
        self.begin_container(true)
    }

    pub(crate) fn end_object(&mut self) -> Result<()> {
        self.end_container(true)
    }

    pub(crate) fn begin_list(&mut self) -> Result<()> {
        self.begin_container(false)
    }

    pub(crate) fn end_list(&mut self) -> Result<()> {
        self.end_container(false)
    }

    /// Takes the key of the entry whose value comes next.
    pub(crate) fn key(&mut self, key: &str) -> Result<()> {
        self.key_run(key.into())
    }

    /// As [`TreeWriter::key`].
    #[inline]
    pub(crate) fn key_run(&mut self, key: Run<'_>) -> Result<()> {
        let core = &mut *self.core;
        let Some(level) = core.levels.last_mut().filter(|level| level.is_object && !level.has_key) else {
            return Err(self.fault("a key was pushed where a value belongs"));
        };
        let class = if self.scrub.is_some() { classify_key_bytes(key.as_bytes()) } else { KeyClass::Plain };
        let is_renamed = class == KeyClass::Address;
        let key_len = key.len() + if is_renamed { HASH_SUFFIX.len() } else { 0 };
        if key_len > core.limits.key_bytes_max || core.keys >= core.limits.keys_max {
            return Err(self.key_over_limit(key_len));
        }
        let start = core.out.len();
        layout::put_varint(&mut core.out, key_len);
        let key_start = core.out.len();
        key.append_to(&mut core.out);
        let mut prefix = key.prefix();
        if is_renamed {
            core.out.extend_from_slice(HASH_SUFFIX.as_bytes());
            prefix = json::prefix(core.out.get(key_start..).unwrap_or_default(), key_len);
        }
        let start = narrow(start);
        let entry = Entry {
            prefix,
            start,
            key_start: narrow(key_start),
            key_len: narrow(key_len),
            end: start,
            is_renamed,
            is_dropped: false,
        };
        if level.count > 0
            && let Some(previous) = core.entries.last_mut()
        {
            previous.end = start;
            level.is_sorted &= (previous.prefix < prefix)
                | (previous.prefix == prefix && previous.key_in(&core.out) < entry.key_in(&core.out));
        }
        core.entries.push(entry);
        core.keys += 1;
        level.count += 1;
        level.has_key = true;
        level.is_next_address = level.is_address || class != KeyClass::Plain;
        Ok(())
    }

    /// Ends the tree, which then stands in the builder.
    pub(crate) fn finish(self) -> Result<TreeSpan> {
        let core = &*self.core;
        if !core.levels.is_empty() || core.out.len() == core.finished {
            return Err(self.fault("the value was not ended"));
        }
        if core.out.len() - core.finished >= TREE_BYTES_MAX {
            return Err(self.fault("is too large"));
        }
        let span = TreeSpan { start: core.finished, end: core.out.len() };
        self.core.finished = span.end;
        Ok(span)
    }

    /// The scratch text, for producers that unescape. To be given back.
    pub(crate) fn take_text(&mut self) -> String {
        std::mem::take(&mut self.core.text)
    }

    pub(crate) fn give_text(&mut self, text: String) {
        self.core.text = text;
    }

    /// Takes the place of the next value and tells whether it is to be stored as a token.
    #[inline]
    fn value(&mut self) -> Result<bool> {
        let Some(level) = self.core.levels.last_mut() else {
            if self.core.out.len() > self.core.finished {
                return Err(self.fault("a second value was pushed"));
            }
            return Ok(false);
        };
        if level.is_object {
            if !std::mem::take(&mut level.has_key) {
                return Err(self.fault("a value was pushed without its key"));
            }
        } else {
            level.count += 1;
        }
        Ok(level.is_next_address)
    }

    fn begin_container(&mut self, is_object: bool) -> Result<()> {
        let is_address = self.value()?;
        let core = &mut *self.core;
        if core.levels.len() >= core.limits.depth_max {
            let depth_max = core.limits.depth_max;
            return Err(self.fault(format!("is nested deeper than {depth_max} levels")));
        }
        if core.out.len() - core.finished >= TREE_BYTES_MAX {
            return Err(self.fault("is too large"));
        }
        core.levels.push(Level {
            is_object,
            has_key: false,
            is_sorted: true,
            is_address,
            is_next_address: is_address,
            start: core.out.len(),
            first_entry: core.entries.len(),
            count: 0,
        });
        core.out.extend_from_slice(&[0; HEADER_ROOM]);
        Ok(())
    }

    #[cold]
    fn key_over_limit(&self, key_len: usize) -> Error {
        let limits = &self.core.limits;
        if key_len > limits.key_bytes_max {
            return self.fault_above(format!("has a key longer than {} bytes", limits.key_bytes_max));
        }
        Error::invalid(
            self.root,
            format!("has more than {} keys in properties and context together", limits.keys_max),
        )
    }
}

impl Entry {
    fn key_in<'o>(&self, out: &'o [u8]) -> &'o [u8] {
        let start = self.key_start as usize;
        out.get(start..start + self.key_len as usize).unwrap_or_default()
    }

    /// The key as it was given.
    fn given_key_in<'o>(&self, out: &'o [u8]) -> &'o [u8] {
        let key = self.key_in(out);
        let suffix = if self.is_renamed { HASH_SUFFIX.as_bytes() } else { &[] };
        key.strip_suffix(suffix).unwrap_or(key)
    }

    fn bytes_in<'o>(&self, out: &'o [u8]) -> &'o [u8] {
        out.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// An offset below four gigabytes: a tree in work is at most one string longer than [`TREE_BYTES_MAX`].
fn narrow(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}
