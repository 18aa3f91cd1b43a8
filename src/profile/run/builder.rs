//! Writing a run: one pass over the rows, then passes over what was written for the tables.
//!
//! Memory is bounded whatever the number of rows: one buffer, and one piece of the slot table at a time.

use super::layout::{
    ALIGN, BLOCK_LEN, HEADER_LEN, Header, KeyHash, Origin, ROW_HEAD_LEN, RULES, SLOT_LEN, hash_check,
};
use crate::error::{Error, Result};
use crate::format::bytes::{ByteReader, ByteWriter};
use crate::format::manifest::{DerivedFile, ProfileRun};
use crate::profile::delta::Bounds;
use crate::profile::key::{RowKind, kind_of};
use crate::profile::merge::Merge;
use crate::profile::row::RowRef;
use crate::storage::File;

/// How much is gathered before it is written, in bytes.
const BUFFER_BYTES: usize = 256 * 1024;
/// Most slots of a piece: 16 MiB of memory.
const PIECE_SLOTS_MAX: u64 = 2 * 1024 * 1024;
/// Slots for each row: half of them stay free, so that a key that is not there is given up soon.
const SLOTS_PER_ROW: u64 = 2;

/// Writes the rows of `rows` into an empty file and syncs it.
///
/// # Errors
///
/// What the medium or a run that is read reports; [`Error::TooLarge`] where the rows outgrow the format. The file is
/// then of no use.
pub(crate) fn write(file: &dyn File, origin: &Origin, rows: &mut Merge<'_>) -> Result<ProfileRun> {
    write_in_pieces(file, origin, rows, PIECE_SLOTS_MAX)
}

/// Does what [`write()`] does, with pieces of at most about `piece_slots_max` slots.
pub(super) fn write_in_pieces(
    file: &dyn File,
    origin: &Origin,
    rows: &mut Merge<'_>,
    piece_slots_max: u64,
) -> Result<ProfileRun> {
    let mut out = BlockWriter::new(file);
    let (mut row_count, mut person_count) = (0_u64, 0);
    let mut bounds = Bounds::default();
    while let Some((key, row)) = rows.next_row()? {
        row_count += 1;
        if kind_of(key).is_some_and(RowKind::is_person) {
            person_count += 1;
            if let Some(row) = RowRef::new(row) {
                bounds.include(&row);
            }
        }
        out.put_row(key, row)?;
    }
    let rows_end = out.end();
    out.settle()?;
    let row_count = fit(row_count)?;
    fit(rows_end / ALIGN)?;

    let pieces = (u64::from(row_count) * SLOTS_PER_ROW).div_ceil(piece_slots_max);
    let piece_len = (u64::from(row_count) * SLOTS_PER_ROW).checked_div(pieces).map_or(0, |len| len + 1);
    let slot_count = pieces * piece_len;
    for piece in 0..pieces {
        let mut slots = Slots::new(piece * piece_len, piece_len);
        let mut walk = RowWalk::new(file, rows_end);
        while let Some((at, key)) = walk.next()? {
            let unit = fit(at / ALIGN)?;
            if piece == 0 {
                out.put(&unit.to_le_bytes())?;
            }
            let hash = KeyHash::of(&origin.hash_key, key);
            slots.insert(hash.slot(slot_count), hash.tag(), unit)?;
        }
        out.align()?;
        out.put(&slots.bytes)?;
    }
    let (file_len, blocks_crc) = out.finish()?;
    let header = Header {
        store_id: origin.store_id,
        number: origin.number,
        first_seq: origin.first_seq,
        last_seq: origin.last_seq,
        rules: RULES,
        row_count,
        person_count,
        piece_count: fit(pieces)?,
        slot_count,
        rows_end,
        bounds,
        file_len,
        hash_check: hash_check(&origin.hash_key),
        blocks_crc,
    }
    .encode();
    file.write_at(0, &header)?;
    file.sync()?;
    let crc = header.last_chunk::<4>().map_or(0, |crc| u32::from_le_bytes(*crc));
    Ok(ProfileRun {
        number: origin.number,
        first_seq: origin.first_seq,
        last_seq: origin.last_seq,
        file: DerivedFile { len: file_len, crc, rules: RULES },
    })
}

/// The number as a `u32`, which counts of rows and offsets divided by 8 are.
fn fit(number: u64) -> Result<u32> {
    u32::try_from(number).map_err(|_| Error::TooLarge {
        what: "a run of profiles",
        bytes: number.saturating_mul(ALIGN),
        bytes_max: u64::from(u32::MAX) * ALIGN,
    })
}

/// Writes a file front to back behind its header and takes the checksum of every block.
struct BlockWriter<'f> {
    file: &'f dyn File,
    /// Bytes that are not written yet, whole blocks from `written` on.
    buffer: Vec<u8>,
    written: u64,
    block_crcs: Vec<u8>,
}

impl<'f> BlockWriter<'f> {
    fn new(file: &'f dyn File) -> Self {
        Self {
            file,
            buffer: Vec::with_capacity(BUFFER_BYTES),
            written: HEADER_LEN as u64,
            block_crcs: Vec::new(),
        }
    }

    /// The offset behind what was put.
    fn end(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    fn put_row(&mut self, key: &[u8], row: &[u8]) -> Result<()> {
        self.buffer.put_u32(fit(key.len() as u64)?);
        self.buffer.put_u32(fit(row.len() as u64)?);
        self.buffer.put(key);
        self.put(row)?;
        self.align()
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.buffer.put(bytes);
        if self.buffer.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    /// Puts zeros up to a multiple of 8.
    fn align(&mut self) -> Result<()> {
        let zeros = self.end().next_multiple_of(ALIGN) - self.end();
        self.put([0; 8].get(..usize::try_from(zeros).unwrap_or(0)).unwrap_or_default())
    }

    /// Writes the whole blocks that are gathered.
    fn flush(&mut self) -> Result<()> {
        let block_len = usize::try_from(BLOCK_LEN).unwrap_or(usize::MAX);
        let whole = self.buffer.len() - self.buffer.len() % block_len;
        let Some(bytes) = self.buffer.get(..whole) else { return Ok(()) };
        self.file.write_at(self.written, bytes)?;
        for block in bytes.chunks(block_len) {
            self.block_crcs.put_u32(crc32fast::hash(block));
        }
        self.written += whole as u64;
        self.buffer.drain(..whole);
        Ok(())
    }

    /// Writes all that was put, so that it can be read back; the last block is written again later.
    fn settle(&mut self) -> Result<()> {
        self.flush()?;
        self.file.write_at(self.written, &self.buffer)
    }

    /// Writes the rest and the checksums; returns the length of the file and the checksum of the checksums.
    fn finish(mut self) -> Result<(u64, u32)> {
        self.settle()?;
        if !self.buffer.is_empty() {
            self.block_crcs.put_u32(crc32fast::hash(&self.buffer));
        }
        let end = self.end();
        self.file.write_at(end, &self.block_crcs)?;
        Ok((end + self.block_crcs.len() as u64, crc32fast::hash(&self.block_crcs)))
    }
}

/// One piece of the slot table.
struct Slots {
    first: u64,
    len: u64,
    bytes: Vec<u8>,
}

impl Slots {
    fn new(first: u64, len: u64) -> Self {
        let bytes = usize::try_from(len * SLOT_LEN).unwrap_or(0);
        Self { first, len, bytes: vec![0; bytes] }
    }

    /// Puts an entry into the first free slot from `slot` on, if that is in this piece.
    fn insert(&mut self, slot: u64, tag: u32, unit: u32) -> Result<()> {
        let Some(start) = slot.checked_sub(self.first).filter(|start| *start < self.len) else {
            return Ok(());
        };
        for step in 0..self.len {
            let at = usize::try_from((start + step) % self.len * SLOT_LEN).unwrap_or(usize::MAX);
            let Some(place) = at.checked_add(8).and_then(|end| self.bytes.get_mut(at..end)) else { break };
            if place.ends_with(&[0; 4]) {
                let entry = u64::from(tag) | (u64::from(unit) << 32);
                place.copy_from_slice(&entry.to_le_bytes());
                return Ok(());
            }
        }
        Err(Error::TooLarge {
            what: "a part of a run's slot table",
            bytes: self.len + 1,
            bytes_max: self.len,
        })
    }
}

/// Reads the keys of rows back from the file, in their order.
struct RowWalk<'f> {
    file: &'f dyn File,
    next: u64,
    end: u64,
    buffer: Vec<u8>,
    buffer_at: u64,
}

impl<'f> RowWalk<'f> {
    fn new(file: &'f dyn File, end: u64) -> Self {
        Self { file, next: HEADER_LEN as u64, end, buffer: Vec::new(), buffer_at: 0 }
    }

    /// The offset and key of the next row.
    fn next(&mut self) -> Result<Option<(u64, &[u8])>> {
        if self.next >= self.end {
            return Ok(None);
        }
        let at = self.next;
        let mut head = ByteReader::new(self.read(at, ROW_HEAD_LEN)?);
        let (key_len, row_len) = (u64::from(head.u32().unwrap_or(0)), u64::from(head.u32().unwrap_or(0)));
        self.next = (at + ROW_HEAD_LEN + key_len + row_len).next_multiple_of(ALIGN);
        Ok(Some((at, self.read(at + ROW_HEAD_LEN, key_len)?)))
    }

    fn read(&mut self, at: u64, len: u64) -> Result<&[u8]> {
        if at < self.buffer_at || at + len > self.buffer_at + self.buffer.len() as u64 {
            let wanted = BUFFER_BYTES.max(usize::try_from(len).unwrap_or(usize::MAX));
            self.buffer.resize(wanted, 0);
            let read = self.file.read_at(at, &mut self.buffer)?;
            self.buffer.truncate(read);
            self.buffer_at = at;
        }
        let start = usize::try_from(at - self.buffer_at).unwrap_or(usize::MAX);
        let end = start.saturating_add(usize::try_from(len).unwrap_or(usize::MAX));
        let short = || super::corrupt(self.file.name(), at, "what was written does not read back");
        self.buffer.get(start..end).ok_or_else(short)
    }
}
