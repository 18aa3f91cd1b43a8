//! The record: properties and context of one event as the log holds them. The only file that knows bincode.
//!
//! The bytes are those of bincode 2 in its standard configuration: for properties and then for context one byte,
//! 0 where it is absent, or 1 followed by the length of its tree and the tree's bytes. A length below 251 is one
//! byte; 251, 252 and 253 announce it as a little-endian u16, u32 or u64, and the shortest form is the only one.

use bincode::enc::write::Writer;
use bincode::error::EncodeError;
use bincode::{BorrowDecode, Encode, config};

use super::tree;
use super::tree::ValueRef;
use crate::error::{Error, Result};

/// Most bytes that a decoder believes in; no record outgrows a segment.
const RECORD_BYTES_MAX: usize = 1024 * 1024 * 1024;

#[derive(Encode, BorrowDecode)]
struct Record<'a> {
    properties: Option<&'a [u8]>,
    context: Option<&'a [u8]>,
}

const fn layout() -> impl config::Config {
    config::standard().with_limit::<RECORD_BYTES_MAX>()
}

/// The objects of one event, borrowed from its record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Body<'a> {
    pub(crate) properties: Option<ValueRef<'a>>,
    pub(crate) context: Option<ValueRef<'a>>,
}

/// Appends the record of two trees.
///
/// # Errors
///
/// [`Error::TooLarge`] where a tree is larger than any segment.
pub(crate) fn encode(out: &mut Vec<u8>, properties: Option<&[u8]>, context: Option<&[u8]>) -> Result<()> {
    out.reserve(field_bytes(properties) + field_bytes(context));
    bincode::encode_into_writer(Record { properties, context }, Append(out), layout()).map_err(|_| {
        let bytes = properties.map_or(0, <[u8]>::len) + context.map_or(0, <[u8]>::len);
        Error::TooLarge { what: "record", bytes: bytes as u64, bytes_max: RECORD_BYTES_MAX as u64 }
    })
}

/// Reads a record without looking into its trees; the error is the reason in words.
pub(crate) fn decode(bytes: &[u8]) -> Result<Body<'_>, &'static str> {
    let (record, taken): (Record<'_>, usize) = bincode::borrow_decode_from_slice(bytes, layout())
        .map_err(|_| "the record is cut short or malformed")?;
    if taken != bytes.len() {
        return Err("bytes follow the record");
    }
    if field_bytes(record.properties) + field_bytes(record.context) != taken {
        return Err("a length in the record is not in its shortest form");
    }
    Ok(Body { properties: record.properties.map(ValueRef::new), context: record.context.map(ValueRef::new) })
}

/// Reads a record and checks that its trees are canonical objects; the error is the reason in words.
pub(crate) fn check(bytes: &[u8]) -> Result<Body<'_>, &'static str> {
    let body = decode(bytes)?;
    for root in [body.properties, body.context].into_iter().flatten() {
        let Ok(value) = tree::check(root.as_tree()) else { return Err("a tree of the record is malformed") };
        if value.kind() != tree::Kind::Object {
            return Err("a tree of the record is not an object");
        }
    }
    Ok(body)
}

/// Bytes of one field in their shortest form.
fn field_bytes(tree: Option<&[u8]>) -> usize {
    let Some(tree) = tree else { return 1 };
    let length_bytes = match tree.len() {
        0..=250 => 1,
        251..=0xFFFF => 3,
        0x1_0000..=0xFFFF_FFFF => 5,
        _ => 9,
    };
    1 + length_bytes + tree.len()
}

/// Lets bincode append to a vector without a buffer between.
struct Append<'v>(&'v mut Vec<u8>);

impl Writer for Append<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
