//! Inputs that are compressed, known by their first bytes.

use std::io::{self, BufReader, Cursor, Read};

use flate2::bufread::MultiGzDecoder;

use super::READ_BYTES;
use super::zstd::Zstd;

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// What a skippable frame of zstd begins with, after one byte from 0x50 to 0x5f.
const SKIPPABLE: &[u8] = &[0x2a, 0x4d, 0x18];
const MAGIC_BYTES_MAX: usize = 4;

/// How an input is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    None,
    Gzip,
    Zstd,
}

impl Packing {
    /// What the first bytes say, at most four.
    fn of(head: &[u8]) -> Self {
        if head.starts_with(GZIP) {
            Self::Gzip
        } else if head == ZSTD || skippable_tail(head).is_some_and(|tail| tail == SKIPPABLE) {
            Self::Zstd
        } else {
            Self::None
        }
    }

    /// Whether more bytes could make a compressed input of these.
    fn is_open(head: &[u8]) -> bool {
        let is_begun = |magic: &[u8]| magic.len() > head.len() && magic.starts_with(head);
        let is_skippable = |tail: &[u8]| tail.len() < SKIPPABLE.len() && SKIPPABLE.starts_with(tail);
        is_begun(GZIP) || is_begun(ZSTD) || skippable_tail(head).is_some_and(is_skippable)
    }
}

fn skippable_tail(head: &[u8]) -> Option<&[u8]> {
    let (first, tail) = head.split_first()?;
    (0x50..=0x5f).contains(first).then_some(tail)
}

/// Looks at the first bytes, and decompresses what is compressed.
pub(super) fn unpacked(mut raw: impl Read + Send + 'static) -> io::Result<(Box<dyn Read + Send>, Packing)> {
    let mut head = Vec::with_capacity(MAGIC_BYTES_MAX);
    // No more than is needed, so that a slow producer's first line does not wait for its second.
    while Packing::is_open(&head) && raw.by_ref().take(1).read_to_end(&mut head)? > 0 {}
    let packing = Packing::of(&head);
    let whole = Cursor::new(head).chain(raw);
    let buffered = |whole| BufReader::with_capacity(READ_BYTES, whole);
    let reader: Box<dyn Read + Send> = match packing {
        Packing::None => Box::new(whole),
        Packing::Gzip => Box::new(Told { inner: MultiGzDecoder::new(buffered(whole)), name: "gzip" }),
        Packing::Zstd => Box::new(Told { inner: Zstd::new(buffered(whole)), name: "zstd" }),
    };
    Ok((reader, packing))
}

/// Says what is wrong with compressed data in words of its own.
struct Told<R> {
    inner: R,
    name: &'static str,
}

impl<R: Read> Read for Told<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer).map_err(|error| {
            let name = self.name;
            match error.kind() {
                _ if error.raw_os_error().is_some() => error,
                io::ErrorKind::Interrupted => error,
                kind @ io::ErrorKind::UnexpectedEof => io::Error::new(
                    kind,
                    format!("the {name} data ends early: it was cut off, or other data stands behind it"),
                ),
                kind => io::Error::new(kind, format!("the {name} data is damaged: {error}")),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packings_are_known_by_their_first_bytes() {
        for (head, packing) in [
            (&b""[..], Packing::None),
            (b"{", Packing::None),
            (b"\x1f", Packing::None),
            (b"\x1f\x8b", Packing::Gzip),
            (b"\x28\xb5\x2f", Packing::None),
            (b"\x28\xb5\x2f\xfd", Packing::Zstd),
            (b"\x50\x2a\x4d\x18", Packing::Zstd),
            (b"\x5f\x2a\x4d\x18", Packing::Zstd),
            (b"\x60\x2a\x4d\x18", Packing::None),
            (b"P*M ", Packing::None),
        ] {
            assert_eq!(Packing::of(head), packing, "{head:?}");
        }
    }

    #[test]
    fn no_byte_is_asked_for_that_decides_nothing() {
        for head in [&b"{"[..], b"\n", b"(x", b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"P{", b"\x5a\x2a\x4d\x18"] {
            assert!(!Packing::is_open(head), "{head:?}");
        }
        for head in [&b""[..], b"\x1f", b"\x28", b"\x28\xb5\x2f", b"P", b"_*M"] {
            assert!(Packing::is_open(head), "{head:?}");
        }
    }
}
