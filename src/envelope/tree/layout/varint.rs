//! Integers of as many bytes as they need.

/// Appends an integer as little-endian groups of seven bits, low ones first.
pub(in crate::envelope::tree) fn put_varint(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push(low_byte(value) | 0x80);
        value >>= 7;
    }
    out.push(low_byte(value));
}

#[expect(clippy::cast_possible_truncation, reason = "the low byte is meant")]
pub(in crate::envelope::tree) const fn low_byte(value: usize) -> u8 {
    value as u8
}

/// The integer at the start of `bytes` and its length; at most four bytes, and no byte too many.
#[inline]
pub(in crate::envelope::tree) fn varint(bytes: &[u8]) -> Option<(usize, usize)> {
    let first = *bytes.first()?;
    if first < 0x80 {
        return Some((first.into(), 1));
    }
    let mut value = usize::from(first & 0x7f);
    for (index, byte) in bytes.iter().enumerate().skip(1).take(3) {
        value |= usize::from(byte & 0x7f) << (7 * index);
        if *byte < 0x80 {
            return (*byte > 0).then_some((value, index + 1));
        }
    }
    None
}
