//! A run: sorted rows in a file, found by a table of hashed slots, walked by a table of offsets.
//!
//! The layout of the file is specified in [`layout`]. A file is mapped whole, its header and the list of its block
//! checksums are checked when it is opened, and a block when it is first read; both by `pread`.

mod builder;
mod layout;

use std::borrow::Cow;
use std::ops::Range;

use super::delta::Bounds;
use crate::error::{Error, Result};
use crate::format::bytes::ByteReader;
use crate::format::head::FileKind;
use crate::format::manifest;
use crate::storage::{self, Access, Blocks, Body, DerivedSource, File};
use crate::types::Seq;

pub(crate) use builder::write;
use layout::{ALIGN, CRC_AT, HEADER_LEN, Header, OFFSET_LEN, ROW_HEAD_LEN, SLOT_LEN, Tables, hash_check};
pub(crate) use layout::{KeyHash, Origin, RULES};

/// A row of a run by its place: the file's bytes of key and row.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) key: Range<u64>,
    pub(crate) row: Range<u64>,
}

/// An open run, mapped. Each block is checked when it is first read.
#[derive(Debug)]
pub(crate) struct Run {
    /// Everything between the header and the checksums.
    blocks: Blocks,
    header: Header,
    tables: Tables,
}

impl Run {
    /// Opens a run that the manifest lists.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] where the file is not the one that was listed, or was made by other rules: it has to be made
    /// anew. [`Error::UnsupportedFormat`] where a later version wrote it.
    pub(crate) fn open(
        source: DerivedSource,
        listed: &manifest::ProfileRun,
        store_id: [u8; 16],
        hash_key: &[u8; 16],
    ) -> Result<Self> {
        let file = source.disk.open(&source.name, Access::Read)?;
        let (header, tables) = read_header(&*file, listed, store_id, hash_key)?;
        let map = file.map_whole()?;
        if map.committed() != header.file_len {
            return Err(corrupt(&source.name, 104, "the file is not as long as it says"));
        }
        Ok(Self { blocks: Blocks::of_file(source, map, body(&tables)), header, tables })
    }

    /// Checks what opening checks, without a mapping, and tells where the blocks stand.
    ///
    /// # Errors
    ///
    /// As [`Run::open`].
    pub(crate) fn check_header(
        file: &dyn File,
        listed: &manifest::ProfileRun,
        store_id: [u8; 16],
        hash_key: &[u8; 16],
    ) -> Result<Body> {
        read_header(file, listed, store_id, hash_key).map(|(_, tables)| body(&tables))
    }

    /// The number in the file's name.
    pub(crate) const fn number(&self) -> u64 {
        self.header.number
    }

    /// Seq of the first frame that the run is a fold of.
    pub(crate) const fn first_seq(&self) -> Seq {
        self.header.first_seq
    }

    /// Seq of the last frame that the run is a fold of.
    pub(crate) const fn last_seq(&self) -> Seq {
        self.header.last_seq
    }

    /// Rows in it.
    #[cfg(test)]
    pub(crate) const fn row_count(&self) -> u32 {
        self.header.row_count
    }

    /// Rows of persons in it, cursors aside.
    #[cfg(test)]
    pub(crate) const fn person_count(&self) -> u32 {
        self.header.person_count
    }

    /// Bytes of the file.
    pub(crate) const fn file_len(&self) -> u64 {
        self.header.file_len
    }

    pub(crate) const fn bounds(&self) -> &Bounds {
        &self.header.bounds
    }

    /// Looks for the row of a key.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] where a block that has to be read is not as it was written.
    pub(crate) fn find(&self, hash: KeyHash, key: &[u8]) -> Result<Option<Found>> {
        let slot_count = self.header.slot_count;
        let piece_len = slot_count.checked_div(u64::from(self.header.piece_count)).unwrap_or(0);
        if piece_len == 0 {
            return Ok(None);
        }
        let mut slot = hash.slot(slot_count);
        let piece_start = slot - slot % piece_len;
        for _ in 0..piece_len {
            let at = self.tables.slots + slot * SLOT_LEN;
            let (tag, unit) = self.two_words(at)?;
            if unit == 0 {
                return Ok(None);
            }
            if tag == hash.tag() {
                let found = self.row_at(u64::from(unit) * ALIGN)?;
                if self.slice(&found.key)? == key {
                    return Ok(Some(found));
                }
            }
            slot = if slot + 1 == piece_start + piece_len { piece_start } else { slot + 1 };
        }
        Ok(None)
    }

    /// Bytes of a [`Found`].
    ///
    /// # Errors
    ///
    /// None that finding it did not have.
    pub(crate) fn slice(&self, range: &Range<u64>) -> Result<&[u8]> {
        let start = range.start.saturating_sub(HEADER_LEN as u64);
        self.blocks.get(start, range.end.saturating_sub(range.start))
    }

    /// The key and row at a place in the order of keys; `None` past the last one.
    pub(crate) fn row(&self, ordinal: u32) -> Result<Option<(&[u8], &[u8])>> {
        if ordinal >= self.header.row_count {
            return Ok(None);
        }
        let at = self.tables.offsets + u64::from(ordinal) * OFFSET_LEN;
        let unit = ByteReader::new(self.checked_bytes(at..at + OFFSET_LEN)?).u32().unwrap_or(0);
        let found = self.row_at(u64::from(unit) * ALIGN)?;
        Ok(Some((self.slice(&found.key)?, self.slice(&found.row)?)))
    }

    /// The place of the first row whose key is at or after `key`.
    pub(crate) fn lower_bound(&self, key: &[u8]) -> Result<u32> {
        let (mut low, mut high) = (0, self.header.row_count);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.row(middle)? {
                Some((found, _)) if found < key => low = middle + 1,
                _ => high = middle,
            }
        }
        Ok(low)
    }

    /// Checks every byte of the file.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] with the first block that is not as it was written.
    #[cfg(test)]
    pub(crate) fn verify(&self) -> Result<()> {
        self.blocks.check_all()
    }

    /// The row that begins at an offset, its bytes checked.
    fn row_at(&self, at: u64) -> Result<Found> {
        let (key_len, row_len) = self.two_words(at)?;
        let key_start = at + ROW_HEAD_LEN;
        let row_start = key_start + u64::from(key_len);
        let row_end = row_start + u64::from(row_len);
        if at < HEADER_LEN as u64 || row_end > self.header.rows_end {
            return Err(self.corrupt(at, "a row lies outside the rows"));
        }
        self.checked_bytes(at..row_end)?;
        Ok(Found { key: key_start..row_start, row: row_start..row_end })
    }

    fn two_words(&self, at: u64) -> Result<(u32, u32)> {
        let mut reader = ByteReader::new(self.checked_bytes(at..at.saturating_add(8))?);
        Ok((reader.u32().unwrap_or(0), reader.u32().unwrap_or(0)))
    }

    fn checked_bytes(&self, range: Range<u64>) -> Result<&[u8]> {
        if range.start < HEADER_LEN as u64 || range.end > self.tables.blocks.start {
            return Err(self.corrupt(range.start, "an offset lies outside the file"));
        }
        self.slice(&range)
    }

    #[cold]
    fn corrupt(&self, offset: u64, reason: &'static str) -> Error {
        corrupt(self.blocks.name(), offset, reason)
    }
}

/// Reads and checks the header and the list of block checksums.
fn read_header(
    file: &dyn File,
    listed: &manifest::ProfileRun,
    store_id: [u8; 16],
    hash_key: &[u8; 16],
) -> Result<(Header, Tables)> {
    let corrupt = |offset: usize, reason: &'static str| corrupt(file.name(), offset as u64, reason);
    let mut head = [0; HEADER_LEN];
    if file.read_at(0, &mut head)? < HEADER_LEN {
        return Err(corrupt(0, "the file is shorter than its header"));
    }
    let mut reader = ByteReader::new(&head);
    FileKind::ProfileRun.check_head(file.name(), &mut reader)?;
    let (covered, crc) = head.split_at_checked(CRC_AT).unwrap_or((&head, &[]));
    if crc != listed.file.crc.to_le_bytes() || crc32fast::hash(covered).to_le_bytes() != crc {
        return Err(corrupt(CRC_AT, "the header's checksum does not match"));
    }
    let header = Header::parse(&mut reader)
        .ok_or_else(|| corrupt(16, "the header's checksum matches and its content makes no sense"))?;
    let is_listed = header.number == listed.number
        && header.first_seq == listed.first_seq
        && header.last_seq == listed.last_seq
        && header.file_len == listed.file.len
        && header.rules == listed.file.rules;
    if !is_listed || header.store_id != store_id || header.hash_check != hash_check(hash_key) {
        return Err(corrupt(16, "the file is not the run that the manifest lists"));
    }
    if header.rules != RULES {
        return Err(corrupt(56, "the run was made by other rules"));
    }
    if file.len()? != header.file_len {
        return Err(corrupt(104, "the file is not as long as it says"));
    }
    let tables = header.tables().ok_or_else(|| corrupt(16, "the header makes no sense"))?;
    let mut crcs = crc32fast::Hasher::new();
    storage::read_pieces(file, tables.blocks.clone(), |piece| crcs.update(piece))?;
    if crcs.finalize() != header.blocks_crc {
        return Err(corrupt(116, "the block checksums do not match theirs"));
    }
    Ok((header, tables))
}

/// Where the blocks of a run stand.
fn body(tables: &Tables) -> Body {
    let start = HEADER_LEN as u64;
    Body { start, len: tables.blocks.start.saturating_sub(start), crcs_at: tables.blocks.start }
}

fn corrupt(file: &str, offset: u64, reason: &'static str) -> Error {
    Error::Corrupt { file: file.to_owned(), offset, seq: None, reason: Cow::Borrowed(reason) }
}

#[cfg(test)]
mod tests;
