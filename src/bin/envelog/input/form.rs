//! What an input is that is not NDJSON, told by its beginning before thousands of lines are refused one by one.

use super::lines::BYTE_ORDER_MARK;

/// Formats that are known by their first bytes, with what reads them.
const PACKED: &[(&[u8], &str, &str)] = &[
    (b"\xfd7zXZ\0", "xz", "xz -dc"),
    (b"BZh", "bzip2", "bzip2 -dc"),
    (b"PK\x03\x04", "zip", "unzip -p"),
    (b"\x04\x22\x4d\x18", "lz4", "lz4 -dc"),
];
const BZIP2_BLOCK: &[u8] = b"1AY&SY";

/// What stands in the header of a tar archive's first file.
const TAR: &[u8] = b"ustar";
const TAR_AT: usize = 257;

/// Why an input that begins so is not read as NDJSON; `None` where it may be some. It may be cut off anywhere.
pub(super) fn objection(head: &[u8]) -> Option<String> {
    for (magic, name, command) in PACKED {
        if head.starts_with(magic) && (*name != "bzip2" || head.get(4..10) == Some(BZIP2_BLOCK)) {
            return Some(format!(
                "this is {name}, which import does not read; unpack it first: {command} FILE | envelog import -"
            ));
        }
    }
    if head.get(TAR_AT..).is_some_and(|rest| rest.starts_with(TAR)) && is_binary(head) {
        let help = "tar -xOf FILE | envelog import -";
        return Some(format!("this is tar, which import does not read; unpack it first: {help}"));
    }
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        let help = "iconv -f UTF-16 -t UTF-8 FILE | envelog import -";
        return Some(format!("this is UTF-16; make it UTF-8 first: {help}"));
    }
    let text = head.strip_prefix(BYTE_ORDER_MARK).unwrap_or(head).trim_ascii_start();
    if text.strip_prefix(b"[").is_some_and(|rest| rest.trim_ascii_start().starts_with(b"{")) {
        let help = "jq -c '.[]' FILE | envelog import -";
        return Some(format!("this is a JSON array and not one object a line; make it lines first: {help}"));
    }
    if let Some(rest) = text.strip_prefix(b"{")
        && rest.trim_ascii_start().starts_with(b"\"")
        && rest.trim_ascii_start().len() < rest.len()
        && rest.iter().take_while(|byte| byte.is_ascii_whitespace()).any(|byte| *byte == b'\n')
    {
        let help = "jq -c . FILE | envelog import -";
        return Some(format!("this is JSON with an object over many lines; make it lines first: {help}"));
    }
    if is_binary(head) && !head.split(|byte| *byte == b'\n').any(is_object_like) {
        return Some("this is no NDJSON, one JSON object a line, but binary data".to_owned());
    }
    None
}

/// Whether there is anything that no text in UTF-8 has.
fn is_binary(head: &[u8]) -> bool {
    match std::str::from_utf8(head) {
        Ok(text) => text.contains('\0'),
        // A character that the end cuts off is none of that.
        Err(error) => {
            error.error_len().is_some()
                || head.get(..error.valid_up_to()).is_some_and(|text| text.contains(&0))
        }
    }
}

/// Whether a line is text that begins as an object does.
fn is_object_like(line: &[u8]) -> bool {
    let line = line.trim_ascii_start();
    let is_object = line.strip_prefix(b"{").is_some_and(|rest| rest.trim_ascii_start().starts_with(b"\""));
    is_object && !is_binary(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(head: &[u8]) -> String {
        objection(head).unwrap_or_default()
    }

    #[test]
    fn what_is_packed_otherwise_is_named_with_what_unpacks_it() {
        for (head, name) in [
            (&b"\xfd7zXZ\0\0\x04"[..], "xz -dc FILE"),
            (b"BZh91AY&SY\x12", "bzip2 -dc"),
            (b"PK\x03\x04\x14", "unzip -p"),
            (b"\x04\x22\x4d\x18\x64", "lz4 -dc"),
            (b"\xff\xfe{\0\"\0", "UTF-16"),
        ] {
            assert!(told(head).contains(name), "{head:?}: {}", told(head));
        }
    }

    #[test]
    fn an_archive_is_named_although_lines_stand_in_it() {
        let mut head = b"events.ndjson".to_vec();
        head.resize(TAR_AT, 0);
        head.extend_from_slice(b"ustar\x0000");
        head.resize(512, 0);
        head.extend_from_slice(b"{\"orgId\":\"x\"}\n{\"orgId\":\"x\"}\n");
        assert!(told(&head).contains("tar -xOf FILE"), "{}", told(&head));
        let text = format!("{{\"a\":\"{}ustar\"}}\n", "x".repeat(TAR_AT - 6));
        assert_eq!(&text.as_bytes()[TAR_AT..TAR_AT + 5], TAR);
        assert_eq!(objection(text.as_bytes()), None, "a text that has the word there");
    }

    #[test]
    fn json_of_another_shape_is_told_how_to_become_lines() {
        for array in [&b"[{\"a\":1}]"[..], b" [\n  {\n", b"\xef\xbb\xbf[{", b"[ {\"a\""] {
            assert!(told(array).contains("jq -c '.[]'"), "{array:?}");
        }
        for pretty in [&b"{\n  \"orgId\": \"x\""[..], b"\n{\r\n\t\"a\""] {
            assert!(told(pretty).contains("jq -c ."), "{pretty:?}");
        }
    }

    #[test]
    fn binary_data_is_told_where_no_line_begins_as_an_object() {
        for binary in [
            &b"\x7fELF\x02\x01\x01\0\0\0"[..],
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
            b"SQLite format 3\0",
            b"abc\n\xff\xfe\xfd\n",
            b"{\xff\n\x80{\"",
            b"\n{\n\0",
        ] {
            assert!(told(binary).contains("binary data"), "{binary:?}");
        }
    }

    #[test]
    fn a_file_with_any_line_that_may_be_an_envelope_is_read() {
        for text in [
            &b""[..],
            b"\n",
            b"not json\n",
            b"BZhello\n",
            b"[1,2]\n{\"a\":1}\n",
            b"[broken\n",
            b"{\n",
            b"{\n{\"a\":1}\n",
            b"{\"a\":\"\xff\"}\n{\"a\":1}\n",
            b"\0\0\n {\"orgId\"",
            b"{\"a\":\"\xc3",
            b"\xc3",
        ] {
            assert_eq!(objection(text), None, "{text:?}");
        }
    }
}
