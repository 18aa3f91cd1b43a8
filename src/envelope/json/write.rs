//! Writing JSON: strings with the least escapes, integers.

/// Digits of `u64::MAX`.
pub(crate) const DECIMAL_BYTES_MAX: usize = 20;

/// The decimal digits of `value`, at the end of the buffer.
pub(crate) fn decimal(mut value: u64, buffer: &mut [u8; DECIMAL_BYTES_MAX]) -> &[u8] {
    let mut at = DECIMAL_BYTES_MAX;
    for place in buffer.iter_mut().rev() {
        let digit = (value % 10) as u8;
        *place = b'0' + digit;
        at -= 1;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    buffer.get(at..).unwrap_or_default()
}

/// Appends an integer.
pub(crate) fn write_u64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(decimal(value, &mut [0; DECIMAL_BYTES_MAX]));
}

/// Appends a string with its quotes; only quote, backslash and control characters are escaped.
pub(crate) fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut written = 0;
    while let Some(plain) = super::scan::plain_len(bytes, written) {
        let at = written + plain;
        out.extend_from_slice(bytes.get(written..at).unwrap_or_default());
        let Some(&byte) = bytes.get(at) else { break };
        write_escape(out, byte);
        written = at + 1;
    }
    out.push(b'"');
}

fn write_escape(out: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let short = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        0x09 => b't',
        0x0a => b'n',
        0x0c => b'f',
        0x0d => b'r',
        _ => {
            out.extend_from_slice(b"\\u00");
            for nibble in [byte >> 4, byte & 15] {
                out.push(HEX.get(usize::from(nibble)).copied().unwrap_or(b'0'));
            }
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}
