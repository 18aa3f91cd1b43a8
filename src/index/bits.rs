//! Numbers of a fixed width in bits, packed without gaps, lowest bit first.

/// Zero bytes behind packed numbers, so that any of them can be read as part of eight bytes.
pub(super) const SLACK: usize = 8;

/// Bits that a number up to `max` is packed with: what it needs, and 64 where that is more than 56.
pub(super) const fn width_of(max: u64) -> u8 {
    match 64 - max.leading_zeros() {
        wide @ 57.. => {
            debug_assert!(wide <= 64);
            64
        }
        #[expect(clippy::cast_possible_truncation, reason = "at most 56")]
        bits => bits as u8,
    }
}

/// The largest number of a width.
#[inline]
pub(super) const fn mask(width: u8) -> u64 {
    match width {
        0 => 0,
        64.. => u64::MAX,
        bits => (1 << bits) - 1,
    }
}

/// Bytes that `count` numbers of a width take, without slack.
pub(super) const fn packed_len(count: usize, width: u8) -> usize {
    (count * width as usize).div_ceil(8)
}

/// Appends packed numbers, filled up to a whole byte. Each must fit the width.
pub(super) fn pack(out: &mut Vec<u8>, width: u8, numbers: impl IntoIterator<Item = u64>) {
    let mut pending = 0u128;
    let mut bits = 0u32;
    for number in numbers {
        debug_assert!(number <= mask(width), "a number wider than its column");
        pending |= u128::from(number) << bits;
        bits += u32::from(width);
        if bits >= 64 {
            #[expect(clippy::cast_possible_truncation, reason = "the low half is what is wanted")]
            out.extend_from_slice(&(pending as u64).to_le_bytes());
            pending >>= 64;
            bits -= 64;
        }
    }
    let rest = pending.to_le_bytes();
    out.extend_from_slice(rest.get(..bits.div_ceil(8) as usize).unwrap_or(&rest));
}

/// Byte at which number `at` begins, and the bits of that byte that belong to the one before.
#[inline]
pub(super) const fn place(width: u8, at: usize) -> (usize, u32) {
    let bit = at as u64 * width as u64;
    let byte = (bit / 8) as usize;
    (byte, (bit % 8) as u32)
}

/// Number `at` of the packed numbers at the start of `bytes`, or `None` beyond the end.
#[inline]
pub(super) fn unpack(bytes: &[u8], width: u8, at: usize) -> Option<u64> {
    let (byte, shift) = place(width, at);
    let word = u64::from_le_bytes(*bytes.get(byte..)?.first_chunk()?);
    Some((word >> shift) & mask(width))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_numbers_come_back_at_every_width() {
        for bits in 0..=64u32 {
            let max = if bits == 0 { 0 } else { u64::MAX >> (64 - bits) };
            let width = width_of(max);
            assert!(u32::from(width) >= bits);
            let numbers: Vec<u64> = (0..100u64)
                .map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) & max)
                .chain([max, 0, max])
                .collect();
            let mut bytes = Vec::new();
            pack(&mut bytes, width, numbers.iter().copied());
            assert_eq!(bytes.len(), packed_len(numbers.len(), width));
            bytes.extend_from_slice(&[0xff; SLACK]);
            for (at, number) in numbers.iter().enumerate() {
                assert_eq!(unpack(&bytes, width, at), Some(*number), "width {width} at {at}");
            }
            if width > 0 {
                assert_eq!(unpack(&bytes, width, 2000), None);
            }
        }
    }
}
