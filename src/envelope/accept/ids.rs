//! The rules for ids and names, and the ids that are none.

use std::borrow::Cow;

use crate::error::{Error, Result};

/// Checks an id or name: at most `bytes_max` bytes, not blank, no control characters.
pub(super) fn check(field: impl Into<Cow<'static, str>>, text: &str, bytes_max: usize) -> Result<()> {
    if text.len() > bytes_max {
        return Err(Error::invalid(field, format!("is longer than {bytes_max} bytes")));
    }
    // Nearly all ids are visible ASCII, for which one pass tells everything.
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) {
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

/// Words that producers send where they have no id.
const WORDS: [&str; 11] =
    ["anonymous", "guest", "null", "none", "undefined", "nan", "true", "false", "0", "-1", "[object Object]"];

/// Tells whether an id is a word that stands for no id, in any case, quoted or not, or only zeros and dashes.
pub(crate) fn is_no_id(id: &str) -> bool {
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
        for id in
            ["nulls", "guest_1", "1", "-2", "01", "0x0", "a-0", "no", "object", "\"null", "\u{430}nonymous"]
        {
            assert!(!is_no_id(id), "{id}");
        }
    }
}
