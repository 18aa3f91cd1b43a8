//! A string together with the text behind it, for copies that are as fast as those of a known length.

use std::slice::from_ref;

/// Bytes that are copied at once, the string's or not.
pub(crate) const COPY_BYTES: usize = 32;

/// A string inside a text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run<'a> {
    text: &'a str,
    start: usize,
    len: usize,
}

impl<'a> From<&'a str> for Run<'a> {
    fn from(string: &'a str) -> Self {
        Self { text: string, start: 0, len: string.len() }
    }
}

impl<'a> Run<'a> {
    /// The `len` bytes of `text` from `start` on, which are whole characters.
    #[inline]
    pub(super) fn new(text: &'a str, start: usize, len: usize) -> Self {
        Self { text, start, len }
    }

    #[inline]
    pub(crate) fn as_str(&self) -> &'a str {
        self.text.get(self.start..self.start + self.len).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn as_bytes(&self) -> &'a [u8] {
        self.tail().get(..self.len).unwrap_or_default()
    }

    /// The string and what stands behind it.
    #[inline]
    fn tail(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.start..).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Appends the string.
    #[inline]
    pub(crate) fn append_to(&self, out: &mut Vec<u8>) {
        append(self.tail(), self.len, out);
    }

    /// Appends one byte and the string.
    #[inline]
    pub(crate) fn append_after(&self, byte: u8, out: &mut Vec<u8>) {
        out.extend_from_slice(from_ref(&byte));
        self.append_to(out);
    }

    /// The first eight bytes as a big-endian number, zeros behind a shorter string.
    #[inline]
    pub(crate) fn prefix(&self) -> u64 {
        prefix(self.tail(), self.len)
    }
}

/// Appends the first `len` bytes of `tail`.
///
/// What is copied beyond them is cut off again: a copy of a known length needs neither a call nor a loop.
#[inline]
pub(crate) fn append(tail: &[u8], len: usize, out: &mut Vec<u8>) {
    if len <= COPY_BYTES
        && let Some(step) = tail.first_chunk::<COPY_BYTES>()
    {
        let end = out.len() + len;
        out.extend_from_slice(step);
        out.truncate(end);
    } else {
        out.extend_from_slice(tail.get(..len).unwrap_or_default());
    }
}

/// The bytes of a big-endian number that so many bytes take.
const MASKS: [u64; 8] = [
    0,
    u64::MAX << 56,
    u64::MAX << 48,
    u64::MAX << 40,
    u64::MAX << 32,
    u64::MAX << 24,
    u64::MAX << 16,
    u64::MAX << 8,
];

/// The first eight of the `len` bytes as a big-endian number, zeros behind fewer.
#[inline]
pub(crate) fn prefix(tail: &[u8], len: usize) -> u64 {
    if let Some(first) = tail.first_chunk::<8>() {
        let used = MASKS.get(len).copied().unwrap_or(u64::MAX);
        return u64::from_be_bytes(*first) & used;
    }
    let mut bytes = [0; 8];
    for (place, byte) in bytes.iter_mut().zip(tail.iter().take(len)) {
        *place = *byte;
    }
    u64::from_be_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_its_bytes_whatever_stands_behind_it() {
        let text = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ\u{e9}\u{1f600}";
        for start in 0..text.len() {
            for len in 0..=text.len() - start {
                let Some(string) = text.get(start..start + len) else { continue };
                let run = Run::new(text, start, len);
                assert_eq!((run.as_str(), run.as_bytes(), run.len()), (string, string.as_bytes(), len));
                let mut out = b"before".to_vec();
                run.append_after(b'=', &mut out);
                assert_eq!(out, [b"before=", string.as_bytes()].concat());
                let mut first = [0; 8];
                for (place, byte) in first.iter_mut().zip(string.as_bytes()) {
                    *place = *byte;
                }
                assert_eq!(run.prefix(), u64::from_be_bytes(first));
                assert_eq!(Run::from(string).prefix(), run.prefix());
            }
        }
    }
}
