//! The rules for ids and names, and the ids that are none.

use std::borrow::Cow;

use crate::error::{Error, Result};

/// Checks an id or name: at most `bytes_max` bytes, not blank, no control characters.
pub(super) fn check(field: impl Into<Cow<'static, str>>, text: &str, bytes_max: usize) -> Result<()> {
    if text.len() > bytes_max {
        return Err(Error::invalid(field, format!("is longer than {bytes_max} bytes")));
    }
    // Nearly all ids are visible ASCII, for which one pass tells everything.
    if !text.is_empty() && is_visible(text.as_bytes()) {
        return Ok(());
    }
    if text.trim().is_empty() {
        return Err(Error::invalid(field, "must not be blank"));
    }
    if text.chars().any(char::is_control) {
        return Err(Error::invalid(field, "must not contain control characters"));
    }
    Ok(())
}

/// Tells whether all bytes are visible ASCII, eight at a time.
fn is_visible(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<8>();
    let visible = words.iter().fold(true, |visible, word| visible & is_visible_word(*word));
    // The last word again in place of the rest: a word takes no loop over its bytes.
    match bytes.last_chunk::<8>() {
        Some(last) => visible & is_visible_word(*last),
        None => rest.iter().all(u8::is_ascii_graphic),
    }
}

fn is_visible_word(word: [u8; 8]) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let word = u64::from_le_bytes(word);
    // Where no byte has its high bit, neither sum carries into the next byte: 0x7f and above set the bit of the
    // first, 0x21 and above that of the second.
    let low = word & !HIGHS;
    let (above, from) = (low.wrapping_add(ONES), low.wrapping_add(ONES * 0x5f));
    (word | above) & HIGHS == 0 && from & HIGHS == HIGHS
}

/// Words that producers send where they have no id.
const WORDS: [&str; 11] =
    ["anonymous", "guest", "null", "none", "undefined", "nan", "true", "false", "0", "-1", "[object Object]"];

/// Longest of the words that begin with a letter.
const LETTERS_MAX: usize = 9;

/// Tells whether an id is a word that stands for no id, in any case, quoted or not, or only zeros and dashes.
pub(crate) fn is_no_id(id: &str) -> bool {
    // Nearly all ids are longer than the words and begin with a letter or a digit, and so are not quoted.
    if let &[first, .., last] = id.as_bytes()
        && id.len() > LETTERS_MAX
        && first.is_ascii_alphanumeric()
        && first != b'0'
        && last.is_ascii_graphic()
    {
        return false;
    }
    let bare = unquoted(id.trim());
    WORDS.iter().any(|word| bare.eq_ignore_ascii_case(word))
        || (!bare.is_empty() && bare.bytes().all(|byte| matches!(byte, b'0' | b'-')))
}

fn unquoted(text: &str) -> &str {
    let mut bare = text;
    for quote in ['"', '\'', '`'] {
        if let Some(inside) = bare.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            bare = inside.trim();
        }
    }
    bare
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(text: &str) -> String {
        check("userId", text, 8).unwrap_err().to_string()
    }

    #[test]
    fn ordinary_ids_pass() {
        for text in ["u", "user 1", " u ", "12345678", "\u{e9}\u{1f600}", "a@b.c", "\u{a0}x"] {
            check("userId", text, 8).unwrap();
        }
    }

    #[test]
    fn bad_ids_are_refused_with_the_rule() {
        for text in ["", " ", "\t\n", "\u{a0}\u{2003}"] {
            assert_eq!(reason(text), "userId: must not be blank", "{text:?}");
        }
        for text in ["a\0", "\u{7f}b", "a\nb", "a\u{85}b", "\u{1b}[0m"] {
            assert_eq!(reason(text), "userId: must not contain control characters", "{text:?}");
        }
        assert_eq!(reason("123456789"), "userId: is longer than 8 bytes");
        assert_eq!(reason("\u{20ac}\u{20ac}\u{20ac}"), "userId: is longer than 8 bytes");
    }

    #[test]
    fn a_byte_that_is_not_visible_is_found_at_every_place() {
        for len in 1..30 {
            for at in 0..len {
                for byte in 0..=255_u8 {
                    let mut bytes = vec![b'~'; len];
                    bytes[at] = byte;
                    if let Some(next) = bytes.get_mut(at + 1) {
                        *next = b'!';
                    }
                    assert_eq!(is_visible(&bytes), byte.is_ascii_graphic(), "byte {byte} at {at} of {len}");
                }
            }
        }
    }

    #[test]
    fn words_that_are_no_ids_are_known() {
        for id in [
            "anonymous",
            "GUEST",
            "Null",
            "none",
            "undefined",
            "NaN",
            "True",
            "false",
            "0",
            "-1",
            "[object Object]",
            "Undefined\t",
            " anonymous",
            "\"null\"",
            "'null'",
            "`null`",
            "\"'null'\"",
            " null ",
            "000",
            "-",
            "--",
            "00000000-0000-0000-0000-000000000000",
            "\"0\"",
        ] {
            assert!(is_no_id(id), "{id}");
        }
    }

    #[test]
    fn ids_that_only_look_like_such_words_are_ids() {
        assert!(WORDS.iter().all(|word| word.len() <= LETTERS_MAX || word.starts_with('[')));
        for id in [
            "nulls",
            "undefined1",
            "anonymously",
            "guest_1",
            "1",
            "-2",
            "01",
            "0x0",
            "a-0",
            "no",
            "object",
            "\"null",
            "\u{430}nonymous",
        ] {
            assert!(!is_no_id(id), "{id}");
        }
    }
}
