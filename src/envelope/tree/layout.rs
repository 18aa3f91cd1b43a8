//! The bytes of a node: tags, lengths, and how far a node reaches.

mod varint;

pub(super) use varint::{low_byte, put_varint, varint};

use crate::envelope::json::{DEPTH_MAX, Run};
use crate::envelope::number::{EXPONENT_MIN, Parts, Scaled, is_in_range};

/// Tags 0x00 to 0x3f are the integers 0 to 63.
pub(super) const SMALL_INT_MAX: u8 = 0x3f;
/// Tags 0x40 to 0x7f are strings of 0 to 63 bytes.
pub(super) const SHORT_STRING: u8 = 0x40;
/// Tags 0x80 to 0xbf are strings whose length is 64, plus 256 times the low six bits, plus the byte that follows.
pub(super) const MEDIUM_STRING: u8 = 0x80;
pub(super) const MEDIUM_STRING_LAST: u8 = 0xbf;
pub(super) const NULL: u8 = 0xc0;
pub(super) const FALSE: u8 = 0xc1;
pub(super) const TRUE: u8 = 0xc2;
/// A longer string, ended by [`STRING_END`].
pub(super) const LONG_STRING: u8 = 0xc3;
/// Tags 0xc8 to 0xcf are integers above 63 of 1 to 8 bytes, 0xd0 to 0xd7 the magnitudes of negative ones.
pub(super) const INT: u8 = 0xc8;
pub(super) const NEGATIVE_INT: u8 = 0xd0;
/// Tags 0xd8 to 0xdf are decimals with a mantissa of 1 to 8 bytes, 0xe0 to 0xe7 negative ones.
pub(super) const SCALED: u8 = 0xd8;
pub(super) const NEGATIVE_SCALED: u8 = 0xe0;
/// Numbers of more digits than eight bytes hold.
pub(super) const DIGITS: u8 = 0xe8;
pub(super) const NEGATIVE_DIGITS: u8 = 0xe9;
/// Tags 0xf0 to 0xf4 are lists of 0 to 4 elements, 0xf5 is a longer list.
pub(super) const LIST: u8 = 0xf0;
/// Tags 0xf8 to 0xfc are objects of 0 to 4 entries, 0xfd is a larger object.
pub(super) const OBJECT: u8 = 0xf8;

/// What the tag of a container adds to [`LIST`] or [`OBJECT`] where the count does not fit.
const MANY: u8 = 5;
/// Most entries whose count stands in the tag.
pub(super) const FEW_MAX: usize = 4;
/// Longest body of such a container whose length is written.
pub(super) const FEW_BYTES_MAX: usize = 255;

const SHORT_BYTES_MAX: usize = 63;
const MEDIUM_BYTES_MIN: usize = 64;
const MEDIUM_BYTES_MAX: usize = MEDIUM_BYTES_MIN + 0x3fff;
/// Ends a long string; UTF-8 never has this byte.
pub(super) const STRING_END: u8 = 0xff;

/// Most entries of an object without an offset table.
pub(super) const WALKED_MAX: usize = 16;
/// Entries from one offset of the table to the next.
pub(super) const GROUP: usize = 8;
/// Longest entries whose offsets take two bytes.
pub(super) const NARROW_BYTES_MAX: usize = 0xffff;

/// Longest tree.
pub(super) const TREE_BYTES_MAX: usize = 1 << 28;

#[inline]
pub(super) fn put_string(out: &mut Vec<u8>, text: Run<'_>) {
    let len = text.len();
    if len <= SHORT_BYTES_MAX {
        return text.append_after(SHORT_STRING | low_byte(len), out);
    }
    if len <= MEDIUM_BYTES_MAX {
        let over = len - MEDIUM_BYTES_MIN;
        out.extend_from_slice(&[MEDIUM_STRING | low_byte(over >> 8), low_byte(over)]);
    } else {
        out.push(LONG_STRING);
    }
    text.append_to(out);
    if len > MEDIUM_BYTES_MAX {
        out.push(STRING_END);
    }
}

/// The bytes of the string at the start of `bytes`, and the length of the node.
#[inline]
pub(super) fn string(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let tag = *bytes.first()?;
    let (start, len, end) = match tag {
        SHORT_STRING..MEDIUM_STRING => (1, usize::from(tag & 0x3f), 0),
        MEDIUM_STRING..=MEDIUM_STRING_LAST => {
            let over = usize::from(tag & 0x3f) << 8 | usize::from(*bytes.get(1)?);
            (2, MEDIUM_BYTES_MIN + over, 0)
        }
        LONG_STRING => (1, bytes.get(1..)?.iter().position(|byte| *byte == STRING_END)?, 1),
        _ => return None,
    };
    Some((bytes.get(start..start + len)?, start + len + end))
}

/// Tells whether a string of that length has that tag.
pub(super) fn is_string_tag(tag: u8, len: usize) -> bool {
    tag != LONG_STRING || len > MEDIUM_BYTES_MAX
}

pub(super) fn put_number(out: &mut Vec<u8>, parts: &Parts<'_>) {
    match *parts {
        Parts::Int(value) => match u8::try_from(value) {
            Ok(small) if small <= SMALL_INT_MAX => out.push(small),
            _ if value < 0 => put_magnitude(out, NEGATIVE_INT, value.unsigned_abs(), None),
            _ => put_magnitude(out, INT, value.unsigned_abs(), None),
        },
        Parts::Uint(value) => put_magnitude(out, INT, value, None),
        Parts::Scaled(Scaled { negative, mantissa, exponent }) => {
            let tag = if negative { NEGATIVE_SCALED } else { SCALED };
            put_magnitude(out, tag, mantissa, Some(exponent));
        }
        Parts::Digits { negative, digits, exponent } => {
            out.push(if negative { NEGATIVE_DIGITS } else { DIGITS });
            put_varint(out, zigzag(exponent));
            put_varint(out, digits.len());
            out.extend(digits.chunks(2).map(|pair| {
                let nibble = |index| pair.get(index).map_or(0, |digit: &u8| digit.wrapping_sub(b'0'));
                nibble(0) << 4 | nibble(1)
            }));
        }
    }
}

/// Appends tag, exponent and the bytes of a magnitude that is not zero, as few as hold it.
fn put_magnitude(out: &mut Vec<u8>, tag: u8, magnitude: u64, exponent: Option<i16>) {
    let bytes = magnitude.to_le_bytes();
    let width = 8 - magnitude.leading_zeros() as usize / 8;
    out.push(tag + low_byte(width.saturating_sub(1)));
    if let Some(exponent) = exponent {
        put_varint(out, zigzag(exponent));
    }
    out.extend_from_slice(bytes.get(..width).unwrap_or_default());
}

/// The signed integer as an unsigned one: 0, -1, 1, -2 become 0, 1, 2, 3.
fn zigzag(value: i16) -> usize {
    let value = i32::from(value);
    usize::try_from(value << 1 ^ value >> 31).unwrap_or(0)
}

fn unzigzag(value: usize) -> Option<i16> {
    let half = i64::try_from(value >> 1).ok()?;
    i16::try_from(if value & 1 == 1 { -half - 1 } else { half }).ok()
}

/// The sign, magnitude and length of the integer at the start of `bytes`.
#[inline]
pub(super) fn integer(bytes: &[u8]) -> Option<(bool, u64, usize)> {
    let tag = *bytes.first()?;
    match tag {
        ..=SMALL_INT_MAX => Some((false, tag.into(), 1)),
        INT..SCALED => {
            let (magnitude, len) = magnitude(bytes, tag, 1)?;
            Some((tag >= NEGATIVE_INT, magnitude, len))
        }
        _ => None,
    }
}

/// The magnitude at `at`, as wide as the tag says, and where it ends.
fn magnitude(bytes: &[u8], tag: u8, at: usize) -> Option<(u64, usize)> {
    let end = at + usize::from(tag & 7) + 1;
    let mut wide = [0; 8];
    for (place, byte) in wide.iter_mut().zip(bytes.get(at..end)?) {
        *place = *byte;
    }
    Some((u64::from_le_bytes(wide), end))
}

/// The decimal at the start of `bytes` and its length.
pub(super) fn scaled(bytes: &[u8]) -> Option<(Scaled, usize)> {
    let tag = *bytes.first().filter(|tag| (SCALED..DIGITS).contains(tag))?;
    let (exponent, len) = varint(bytes.get(1..)?)?;
    let exponent = unzigzag(exponent)?;
    let (mantissa, end) = magnitude(bytes, tag, 1 + len)?;
    Some((Scaled { negative: tag >= NEGATIVE_SCALED, mantissa, exponent }, end))
}

/// The number at the start of `bytes` and its length, where it is written as numbers must be.
///
/// The digits of a long one are put into `digits`.
pub(super) fn number<'d>(bytes: &[u8], digits: &'d mut Vec<u8>) -> Option<(Parts<'d>, usize)> {
    match *bytes.first()? {
        ..=SMALL_INT_MAX | INT..SCALED => {
            let (negative, magnitude, len) = integer(bytes)?;
            let parts = crate::envelope::number::integer(negative, magnitude)?;
            let is_least = magnitude >> (8 * len.saturating_sub(2)) > 0;
            let is_wide = negative || magnitude > SMALL_INT_MAX.into();
            (len == 1 || (is_least && is_wide)).then_some((parts, len))
        }
        tag @ SCALED..DIGITS => {
            let (scaled, len) = scaled(bytes)?;
            let is_least = scaled.mantissa >> (8 * (tag & 7)) > 0;
            (is_least && is_in_range(&scaled)).then_some((Parts::Scaled(scaled), len))
        }
        tag @ (DIGITS | NEGATIVE_DIGITS) => {
            let (exponent, packed, count, len) = packed_digits(bytes)?;
            digits.clear();
            digits.extend(packed.iter().flat_map(|pair| [b'0' + (pair >> 4), b'0' + (pair & 15)]));
            let is_padded = digits.len() == count || digits.pop() == Some(b'0');
            let parts = Parts::long(tag == NEGATIVE_DIGITS, digits, exponent)?;
            is_padded.then_some((parts, len))
        }
        _ => None,
    }
}

/// Exponent, packed digits, count of digits and length of the long number at the start of `bytes`.
fn packed_digits(bytes: &[u8]) -> Option<(i16, &[u8], usize, usize)> {
    let (exponent, exponent_len) = varint(bytes.get(1..)?)?;
    let start = 1 + exponent_len;
    let (count, count_len) = varint(bytes.get(start..)?)?;
    let start = start + count_len;
    let end = start + count.div_ceil(2);
    Some((unzigzag(exponent)?, bytes.get(start..end)?, count, end))
}

/// A list or an object, taken apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Container<'a> {
    pub(super) is_object: bool,
    pub(super) count: usize,
    /// Offsets into `entries` of every eighth entry from the ninth on, where the object has a table.
    pub(super) table: &'a [u8],
    /// The entries; where `len` is none, also what follows them.
    pub(super) entries: &'a [u8],
    /// Length of the node, where it is written.
    pub(super) len: Option<usize>,
}

/// The container at the start of `bytes`.
#[inline]
pub(super) fn container(bytes: &[u8]) -> Option<Container<'_>> {
    let tag = *bytes.first().filter(|tag| **tag >= LIST)?;
    let is_object = tag >= OBJECT;
    let few = tag & 7;
    let whole = |count, table, start: usize, len: usize| {
        let entries = bytes.get(start..start + len)?;
        Some(Container { is_object, count, table, entries, len: Some(start + len) })
    };
    match few {
        0 => whole(0, &[], 1, 0),
        1..MANY => {
            let count = few.into();
            match *bytes.get(1)? {
                0 => {
                    let entries = bytes.get(2..)?;
                    Some(Container { is_object, count, table: &[], entries, len: None })
                }
                len => whole(count, &[], 2, len.into()),
            }
        }
        MANY => {
            let (len, len_bytes) = varint(bytes.get(1..)?)?;
            let (count, count_bytes) = varint(bytes.get(1 + len_bytes..)?)?;
            let start = 1 + len_bytes + count_bytes;
            let table_len = if is_object { table_len(count, len)? } else { 0 };
            let table = bytes.get(start..start + table_len)?;
            whole(count, table, start + table_len, len.checked_sub(table_len)?)
        }
        _ => None,
    }
}

/// Offsets in the table of an object of `count` entries.
pub(super) const fn table_offsets(count: usize) -> usize {
    if count > WALKED_MAX { count.div_ceil(GROUP) - 1 } else { 0 }
}

/// Bytes of the table of an object, where table and entries together have `len` bytes.
fn table_len(count: usize, len: usize) -> Option<usize> {
    let narrow = 2 * table_offsets(count);
    let is_narrow = len.checked_sub(narrow)? <= NARROW_BYTES_MAX;
    Some(if is_narrow { narrow } else { 2 * narrow })
}

/// The header of a container of few elements or entries, which have `len` bytes; none for an empty one and for more.
#[inline]
pub(super) fn few_header(is_object: bool, count: usize, len: usize) -> Option<[u8; 2]> {
    let tag = if is_object { OBJECT } else { LIST };
    let written = if len <= FEW_BYTES_MAX { low_byte(len) } else { 0 };
    matches!(count, 1..=FEW_MAX).then(|| [tag + low_byte(count), written])
}

/// Appends the header of a container whose entries have `len` bytes, all that stands before its entries.
///
/// `offsets` are those of the table, as many as [`table_offsets`] says.
pub(super) fn put_header(out: &mut Vec<u8>, is_object: bool, count: usize, len: usize, offsets: &[u32]) {
    if let Some(header) = few_header(is_object, count, len) {
        out.extend_from_slice(&header);
        return;
    }
    let tag = if is_object { OBJECT } else { LIST };
    if count == 0 {
        out.push(tag);
        return;
    }
    let is_narrow = len <= NARROW_BYTES_MAX;
    let width = if is_narrow { 2 } else { 4 };
    out.push(tag + MANY);
    put_varint(out, len + width * offsets.len());
    put_varint(out, count);
    for offset in offsets {
        let bytes = offset.to_le_bytes();
        out.extend_from_slice(bytes.get(..width).unwrap_or_default());
    }
}

impl Container<'_> {
    /// The offset of a group of entries from the second group on: `index` 0 is the ninth entry's.
    pub(super) fn offset(&self, index: usize) -> Option<usize> {
        if self.entries.len() <= NARROW_BYTES_MAX {
            let (pairs, _) = self.table.as_chunks::<2>();
            return pairs.get(index).map(|pair| u16::from_le_bytes(*pair).into());
        }
        let (quads, _) = self.table.as_chunks::<4>();
        usize::try_from(u32::from_le_bytes(*quads.get(index)?)).ok()
    }
}

/// The key at the start of `bytes` and the length of its length and bytes.
#[inline]
pub(super) fn key(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let (len, start) = varint(bytes)?;
    let end = start + len;
    Some((bytes.get(start..end)?, end))
}

/// The length of the node at the start of `bytes`; none where they are no node.
#[inline]
pub(super) fn node_len(bytes: &[u8]) -> Option<usize> {
    node_len_below(bytes, DEPTH_MAX)
}

fn node_len_below(bytes: &[u8], depth: usize) -> Option<usize> {
    let len = match *bytes.first()? {
        ..=SMALL_INT_MAX | NULL..=TRUE => 1,
        SHORT_STRING..=MEDIUM_STRING_LAST | LONG_STRING => string(bytes)?.1,
        tag @ INT..SCALED => usize::from(tag & 7) + 2,
        tag @ SCALED..DIGITS => 1 + varint(bytes.get(1..)?)?.1 + usize::from(tag & 7) + 1,
        DIGITS | NEGATIVE_DIGITS => packed_digits(bytes)?.3,
        LIST.. => {
            let container = container(bytes)?;
            match container.len {
                Some(len) => len,
                None => bytes.len() - container.entries.len() + entries_len(&container, depth)?,
            }
        }
        _ => return None,
    };
    (len <= bytes.len()).then_some(len)
}

/// The length of the entries of a container that does not say it: at most four entries, so they are walked.
fn entries_len(container: &Container<'_>, depth: usize) -> Option<usize> {
    let below = depth.checked_sub(1)?;
    let mut at = 0;
    for _ in 0..container.count {
        if container.is_object {
            at += key(container.entries.get(at..)?)?.1;
        }
        at += node_len_below(container.entries.get(at..)?, below)?;
    }
    Some(at)
}

const _: () = assert!(EXPONENT_MIN == i16::MIN as i64);
const _: () = assert!(TREE_BYTES_MAX.ilog2() == 28, "lengths take at most four groups of seven bits");

/// The one tag that a container of that kind and count has.
pub(super) fn container_tag(container: &Container<'_>) -> u8 {
    let base = if container.is_object { OBJECT } else { LIST };
    base + if container.count > FEW_MAX { MANY } else { low_byte(container.count) }
}

/// Bytes of an offset of the table where the entries have `len` bytes.
pub(super) const fn offset_width(len: usize) -> usize {
    if len <= NARROW_BYTES_MAX { 2 } else { 4 }
}
