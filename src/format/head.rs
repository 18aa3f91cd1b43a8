//! The first 16 bytes of every file: what it is, and which version of the format wrote it.

use std::borrow::Cow;

use super::bytes::{ByteReader, ByteWriter};
use crate::error::Error;

/// Bytes of a [`FileKind`]'s head: magic 8, major 2, minor 2, incompatible features 4.
pub(crate) const HEAD_LEN: usize = 16;
/// A reader refuses another major version.
pub(crate) const MAJOR: u16 = 1;
/// A reader takes any minor version, unless a later one wrote more than it knows.
pub(crate) const MINOR: u16 = 1;
/// Bits of features that an older reader must not ignore; none is defined.
pub(crate) const FEATURES_KNOWN: u32 = 0;

/// What a file of a store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    Segment,
    Manifest,
    Index,
    ProfileRun,
    IdsRun,
}

impl FileKind {
    const fn magic(self) -> [u8; 8] {
        match self {
            Self::Segment => *b"envelogS",
            Self::Manifest => *b"envelogM",
            Self::Index => *b"envelogI",
            Self::ProfileRun => *b"envelogP",
            Self::IdsRun => *b"envelogD",
        }
    }

    /// Appends this version's head.
    pub(crate) fn put_head(self, out: &mut impl ByteWriter) {
        out.put(&self.magic());
        out.put_u16(MAJOR);
        out.put_u16(MINOR);
        out.put_u32(FEATURES_KNOWN);
    }

    /// Checks the head of `file`, leaves the reader behind it and gives the minor version.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] where the file is too short or is no such file, [`Error::UnsupportedFormat`] where a later
    /// version wrote it.
    pub(crate) fn check_head(self, file: &str, reader: &mut ByteReader<'_>) -> Result<u16, Error> {
        let corrupt = |reason: &'static str| Error::Corrupt {
            file: file.to_owned(),
            offset: 0,
            seq: None,
            reason: Cow::Borrowed(reason),
        };
        let magic: [u8; 8] = reader.array().ok_or_else(|| corrupt("the file is shorter than its head"))?;
        if magic != self.magic() {
            return Err(corrupt("the file does not begin with its magic number"));
        }
        let major = reader.u16().ok_or_else(|| corrupt("the file is shorter than its head"))?;
        let minor = reader.u16().ok_or_else(|| corrupt("the file is shorter than its head"))?;
        let features = reader.u32().ok_or_else(|| corrupt("the file is shorter than its head"))?;
        let unsupported =
            |reason: String| Error::UnsupportedFormat { file: file.to_owned(), reason: Cow::Owned(reason) };
        if major != MAJOR {
            return Err(unsupported(format!("format version {major}, this is version {MAJOR}")));
        }
        if features & !FEATURES_KNOWN != 0 {
            return Err(unsupported(format!("unknown features {:#x}", features & !FEATURES_KNOWN)));
        }
        Ok(minor)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "tests know their bytes")]

    use super::*;

    fn check(bytes: &[u8]) -> Result<u16, Error> {
        FileKind::Segment.check_head("seg-1.log", &mut ByteReader::new(bytes))
    }

    #[test]
    fn a_head_is_known_by_magic_major_version_and_features() {
        let mut head = Vec::new();
        FileKind::Segment.put_head(&mut head);
        assert_eq!(head.len(), HEAD_LEN);
        check(&head).unwrap();

        let mut other_minor = head.clone();
        other_minor[10] = 9;
        assert_eq!(check(&other_minor).unwrap(), 9);

        let mut other_major = head.clone();
        other_major[8] = 2;
        assert!(matches!(check(&other_major), Err(Error::UnsupportedFormat { .. })));
        let mut feature = head.clone();
        feature[12] = 1;
        assert!(matches!(check(&feature), Err(Error::UnsupportedFormat { .. })));
        assert!(matches!(check(&head[..15]), Err(Error::Corrupt { .. })));
        head[0] = b'E';
        assert!(matches!(check(&head), Err(Error::Corrupt { .. })));
    }
}
