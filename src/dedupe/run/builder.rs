//! Writing a run: one pass over its entries, which come in rising order.

use super::layout::{Digest, ENTRY_LEN, Entry, HEADER_LEN, Header, Origin, RULES, Tables};
use crate::dedupe::filter::{self, Line};
use crate::error::{Error, Result};
use crate::format::bytes::ByteWriter;
use crate::format::manifest::{DerivedFile, IdsRun};
use crate::storage::{BLOCK_BYTES, File};

/// How much is gathered before it is written, in bytes; whole blocks.
const BUFFER_BYTES: u64 = 64 * BLOCK_BYTES;

/// Writes `count` entries, which come in rising order, into an empty file and syncs it. Memory does not depend on their
/// number, checksums aside.
///
/// # Errors
///
/// What the medium or the source of the entries reports; [`Error::TooLarge`] where the entries outgrow the format. The
/// file is then of no use.
pub(crate) fn write(
    file: &dyn File,
    origin: &Origin,
    count: u64,
    entries: impl IntoIterator<Item = Result<Entry>>,
) -> Result<IdsRun> {
    let too_large = || Error::TooLarge {
        what: "a run of message ids",
        bytes: count.saturating_mul(ENTRY_LEN),
        bytes_max: u64::from(u32::MAX) * ENTRY_LEN,
    };
    let tables = Tables::of(count).ok_or_else(too_large)?;
    let mut filter = FilterWriter::new(file, tables.filter_lines);
    let mut out = BlockWriter::new(file, tables.entries.start);
    let mut digest = Digest::default();
    for entry in entries {
        let entry = entry?;
        let distance = entry.seq.get().checked_sub(origin.first_seq.get());
        let distance = distance.and_then(|distance| u32::try_from(distance).ok()).ok_or_else(too_large)?;
        filter.insert(entry.hash.get())?;
        out.buffer.put_u64(entry.hash.get());
        out.buffer.put_u32(distance);
        out.write_full()?;
        digest.add(entry);
    }
    if digest.count != count {
        return Err(super::corrupt(file.name(), 64, "there are not as many ids as were counted"));
    }
    let mut crcs = filter.finish(tables.entries.start)?;
    crcs.extend_from_slice(&out.finish()?);
    file.write_at(tables.crcs.start, &crcs)?;
    let header = Header {
        store_id: origin.store_id,
        number: origin.number,
        first_seq: origin.first_seq,
        last_seq: origin.last_seq,
        rules: RULES,
        digest,
        file_len: tables.crcs.end,
        hash_check: origin.hash_check,
        blocks_crc: crc32fast::hash(&crcs),
    }
    .encode();
    file.write_at(0, &header)?;
    file.sync()?;
    let crc = header.last_chunk::<4>().map_or(0, |crc| u32::from_le_bytes(*crc));
    Ok(IdsRun {
        number: origin.number,
        first_seq: origin.first_seq,
        last_seq: origin.last_seq,
        file: DerivedFile { len: tables.crcs.end, crc, rules: RULES },
    })
}

/// Writes a part of a file front to back and takes the checksum of every block.
struct BlockWriter<'f> {
    file: &'f dyn File,
    /// Bytes that are not written yet, from `written` on.
    buffer: Vec<u8>,
    written: u64,
    crcs: Vec<u8>,
}

impl<'f> BlockWriter<'f> {
    /// A part that begins at `start`, where a block begins.
    fn new(file: &'f dyn File, start: u64) -> Self {
        Self { file, buffer: Vec::new(), written: start, crcs: Vec::new() }
    }

    /// Writes the whole blocks that are gathered, if they are many.
    fn write_full(&mut self) -> Result<()> {
        if self.buffer.len() as u64 >= BUFFER_BYTES { self.write_blocks() } else { Ok(()) }
    }

    fn write_blocks(&mut self) -> Result<()> {
        let block_len = usize::try_from(BLOCK_BYTES).unwrap_or(usize::MAX);
        let whole = self.buffer.len() - self.buffer.len() % block_len;
        self.write(whole)
    }

    fn write(&mut self, len: usize) -> Result<()> {
        let block_len = usize::try_from(BLOCK_BYTES).unwrap_or(usize::MAX);
        let Some(bytes) = self.buffer.get(..len).filter(|bytes| !bytes.is_empty()) else { return Ok(()) };
        self.file.write_at(self.written, bytes)?;
        for block in bytes.chunks(block_len) {
            self.crcs.put_u32(crc32fast::hash(block));
        }
        self.written += len as u64;
        self.buffer.drain(..len);
        Ok(())
    }

    /// Writes the rest, and gives the checksums.
    fn finish(mut self) -> Result<Vec<u8>> {
        self.write_blocks()?;
        self.write(self.buffer.len())?;
        Ok(self.crcs)
    }
}

/// Writes the lines of a filter in their order.
struct FilterWriter<'f> {
    out: BlockWriter<'f>,
    lines: u64,
    /// The line that is being filled, and its place.
    line: Line,
    at: u64,
}

impl<'f> FilterWriter<'f> {
    fn new(file: &'f dyn File, lines: u64) -> Self {
        Self { out: BlockWriter::new(file, HEADER_LEN as u64), lines, line: [0; filter::LINE], at: 0 }
    }

    /// Enters a hash that is no less than the one before.
    fn insert(&mut self, hash: u64) -> Result<()> {
        let wanted = filter::line_of(hash, self.lines);
        while self.at < wanted {
            self.end_line()?;
        }
        filter::insert(&mut self.line, hash);
        Ok(())
    }

    fn end_line(&mut self) -> Result<()> {
        self.out.buffer.put(&self.line);
        self.line = [0; filter::LINE];
        self.at += 1;
        self.out.write_full()
    }

    /// Writes what is left, with zeros up to `end`, and gives the checksums.
    fn finish(mut self, end: u64) -> Result<Vec<u8>> {
        while self.at < self.lines {
            self.end_line()?;
        }
        let behind = self.out.written + self.out.buffer.len() as u64;
        let zeros = usize::try_from(end.saturating_sub(behind)).unwrap_or(0);
        self.out.buffer.resize(self.out.buffer.len() + zeros, 0);
        self.out.finish()
    }
}
