//! Finding the end of a string sixteen bytes at a time.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The count of bytes from `from` on that stand in a JSON string as themselves: none is a quote, a backslash or a
/// control character. None where `from` is past the end.
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

/// Tells whether no byte is a backslash or a control character: every string then ends at the next quote.
#[inline]
#[expect(clippy::needless_bitwise_bool, reason = "what is not left early looks at sixteen bytes at once")]
pub(super) fn is_plain(bytes: &[u8]) -> bool {
    const LINE: usize = 64;
    let odd = |bytes: &[u8]| bytes.iter().fold(false, |odd, byte| odd | (*byte < 0x20) | (*byte == b'\\'));
    let (blocks, rest) = bytes.as_chunks::<LINE>();
    // The last block again in place of the rest: a block takes no loop over its bytes.
    let last = bytes.last_chunk::<LINE>().map_or(rest, <[u8; LINE]>::as_slice);
    !(blocks.iter().fold(false, |any, block| any | odd(block)) | odd(last))
}

/// The count of bytes from `from` on before the next quote; none where there is no quote.
#[inline]
pub(super) fn quote_at(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(block) = bytes.get(at..)?.first_chunk() {
        if has_quote(block) {
            return Some(at - from + first_quote(block));
        }
        at += BLOCK;
    }
    let mut rest = [0; BLOCK];
    for (place, byte) in rest.iter_mut().zip(bytes.get(at..)?) {
        *place = *byte;
    }
    has_quote(&rest).then(|| at - from + first_quote(&rest))
}

/// Bytes that are looked at at once.
const BLOCK: usize = 16;

#[inline]
#[expect(clippy::needless_bitwise_bool, reason = "what is not left early looks at all bytes at once")]
fn has_quote(block: &[u8; BLOCK]) -> bool {
    block.iter().fold(false, |any, byte| any | (*byte == b'"'))
}

/// The place of the first quote in a block that has one, found without a branch.
#[inline]
fn first_quote(block: &[u8; BLOCK]) -> usize {
    let (words, _) = block.as_chunks::<8>();
    let place = |word: &[u8; 8]| quote_bytes(u64::from_le_bytes(*word)).trailing_zeros() as usize / 8;
    let [low, high] = [words.first(), words.last()].map(|word| word.map_or(8, place));
    // Nothing in the low word makes the place there 8, and the mask all ones.
    low + (high & (low >> 3).wrapping_neg())
}

/// Sets the high bit of the first quote; bits after it may be set too.
#[inline]
fn quote_bytes(word: u64) -> u64 {
    let quotes = word ^ (ONES * 0x22);
    quotes.wrapping_sub(ONES) & !quotes & HIGHS
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

    #[test]
    fn the_next_quote_is_found_at_every_place() {
        for len in 0..70 {
            assert_eq!(quote_at(&vec![b'a'; len], 0), None);
            for at in 0..len {
                let mut bytes = vec![b'#'; len];
                bytes[at] = b'"';
                if let Some(next) = bytes.get_mut(at + 2) {
                    *next = b'"';
                }
                for from in 0..=at {
                    assert_eq!(quote_at(&bytes, from), Some(at - from), "at {at} of {len} from {from}");
                }
            }
            assert_eq!(quote_at(&vec![b'"'; len], len), None);
            assert_eq!(quote_at(&vec![b'"'; len], len + 1), None);
        }
    }

    #[test]
    fn a_text_is_plain_that_has_neither_backslashes_nor_control_characters() {
        for len in 0..200 {
            assert!(is_plain(&vec![b' '; len]));
            for at in 0..len {
                for byte in [0, 0x1f, b'\\', b' ', b'"', 0x7f, 0x80, 0xff] {
                    let mut bytes = vec![b'a'; len];
                    bytes[at] = byte;
                    assert_eq!(
                        is_plain(&bytes),
                        byte >= 0x20 && byte != b'\\',
                        "byte {byte} at {at} of {len}"
                    );
                }
            }
        }
    }
}
