//! Telling a tree from other bytes.

use super::layout::{self, Container, GROUP};
use super::view::ValueRef;
use crate::envelope::json::DEPTH_MAX;
use crate::error::Error;
use crate::error::Result;

/// Checks that the bytes are the tree of a value: well formed, written as that value must be, and nothing after it.
///
/// # Errors
///
/// [`Error::Invalid`] of the field `tree` with the offset of the node that is wrong.
pub(crate) fn check(bytes: &[u8]) -> Result<ValueRef<'_>> {
    let mut checker = Checker { bytes, at: 0, digits: Vec::new() };
    match checker.node(DEPTH_MAX) {
        Ok(()) if checker.at == bytes.len() => Ok(ValueRef::new(bytes)),
        Ok(()) => Err(refused(checker.at, "bytes after the value")),
        Err(reason) => Err(refused(checker.at, reason)),
    }
}

fn refused(at: usize, reason: &str) -> Error {
    Error::invalid("tree", format!("byte {at}: {reason}"))
}

struct Checker<'a> {
    bytes: &'a [u8],
    /// Where the next node or key begins.
    at: usize,
    digits: Vec<u8>,
}

impl<'a> Checker<'a> {
    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Checks one node and moves past it.
    fn node(&mut self, depth: usize) -> Result<(), &'static str> {
        let rest = self.rest();
        let tag = *rest.first().ok_or("expected a node")?;
        match tag {
            layout::NULL..=layout::TRUE => self.at += 1,
            layout::SHORT_STRING..=layout::MEDIUM_STRING_LAST | layout::LONG_STRING => {
                let (text, len) = layout::string(rest).ok_or("string is cut")?;
                if !layout::is_string_tag(tag, text.len()) {
                    return Err("string is not in its shortest form");
                }
                std::str::from_utf8(text).map_err(|_| "string is not UTF-8")?;
                self.at += len;
            }
            layout::LIST.. => {
                let below = depth.checked_sub(1).ok_or("is nested deeper than 128 levels")?;
                let container = layout::container(rest).ok_or("header of a container is wrong")?;
                self.container(&container, below)?;
            }
            _ => {
                let (_, len) = layout::number(rest, &mut self.digits).ok_or("number is not canonical")?;
                self.at += len;
            }
        }
        Ok(())
    }

    fn container(&mut self, container: &Container<'_>, depth: usize) -> Result<(), &'static str> {
        let start = self.at;
        let entries = start + self.header_len(container);
        self.at = entries;
        let mut previous: Option<&[u8]> = None;
        for index in 0..container.count {
            if container.is_object {
                if index > 0 && index % GROUP == 0 && container.count > layout::WALKED_MAX {
                    let offset = container.offset(index / GROUP - 1);
                    if offset != Some(self.at - entries) {
                        return Err("offset table is wrong");
                    }
                }
                let (key, len) = layout::key(self.rest()).ok_or("key is cut")?;
                if previous.is_some_and(|previous| previous >= key) {
                    return Err("keys are not in order");
                }
                std::str::from_utf8(key).map_err(|_| "key is not UTF-8")?;
                previous = Some(key);
                self.at += len;
            }
            self.node(depth)?;
        }
        let end = self.at;
        self.at = start;
        self.lengths(container, entries, end)?;
        self.at = end;
        Ok(())
    }

    fn header_len(&self, container: &Container<'_>) -> usize {
        match container.len {
            Some(len) => len - container.entries.len(),
            None => self.rest().len() - container.entries.len(),
        }
    }

    /// Checks what the header says against where the entries really end.
    fn lengths(&self, container: &Container<'_>, entries: usize, end: usize) -> Result<(), &'static str> {
        let len = end - entries;
        let few = (1..=layout::FEW_MAX).contains(&container.count);
        let is_right = match container.len {
            Some(_) => container.entries.len() == len && (!few || len <= layout::FEW_BYTES_MAX),
            None => len > layout::FEW_BYTES_MAX,
        };
        // A count that fits the tag has no other place, and a wide table has long entries.
        let is_shortest = self.rest().first() == Some(&layout::container_tag(container));
        let table = layout::table_offsets(container.count) * layout::offset_width(len);
        let has_table = !container.is_object || container.table.len() == table;
        if is_right && is_shortest && has_table { Ok(()) } else { Err("length of a container is wrong") }
    }
}
