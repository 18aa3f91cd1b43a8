//! Finding the end of a string eight bytes at a time.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The count of bytes from `from` on that stand in a JSON string as themselves: none is a quote, a backslash or a
/// control character. None where `from` is past the end.
#[inline]
pub(super) fn plain_len(bytes: &[u8], from: usize) -> Option<usize> {
    let (words, rest) = bytes.get(from..)?.as_chunks::<8>();
    let mut passed = 0;
    for word in words {
        let special = special_bytes(u64::from_le_bytes(*word));
        if special != 0 {
            return Some(passed + special.trailing_zeros() as usize / 8);
        }
        passed += 8;
    }
    Some(passed + rest.iter().take_while(|byte| !is_special(**byte)).count())
}

fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// Sets the high bit of the first special byte; bits after it may be set too.
#[inline]
fn special_bytes(word: u64) -> u64 {
    let quotes = word ^ (ONES * 0x22);
    let backslashes = word ^ (ONES * 0x5c);
    let is_control = word.wrapping_sub(ONES * 0x20) & !word;
    let is_quote = quotes.wrapping_sub(ONES) & !quotes;
    let is_backslash = backslashes.wrapping_sub(ONES) & !backslashes;
    (is_control | is_quote | is_backslash) & HIGHS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_special_byte_is_found_at_every_place() {
        for len in 0..40 {
            assert_eq!(plain_len(&vec![b'a'; len], 0), Some(len));
            for at in 0..len {
                for byte in 0..=255_u8 {
                    let mut bytes = vec![0xc3; len];
                    bytes[at] = byte;
                    if let Some(next) = bytes.get_mut(at + 1) {
                        *next = byte ^ 1;
                    }
                    let slow = bytes.iter().position(|byte| is_special(*byte)).unwrap_or(len);
                    assert_eq!(plain_len(&bytes, 0), Some(slow), "byte {byte} at {at} of {len}");
                }
            }
        }
        assert_eq!(plain_len(b"abc", 4), None);
    }
}
