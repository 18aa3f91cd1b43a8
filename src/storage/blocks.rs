//! Files of checksummed blocks, as derived files are: nothing of them is read unchecked.
//!
//! A block is checked once, when this process first reads it. For that it is read by `pread` into a small buffer, so
//! that a bad sector is an error and not a signal; only then are its bytes read through the mapping.
//!
//! Where a block is damaged, whoever knows what the file was made of makes its bytes anew, and reading goes on from
//! memory. They are the bytes that the file had when it was written, so that a reader that holds a place in it
//! notices nothing.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use super::{Access, Disk, File, Map, is_not_found};
use crate::error::{Error, Result};

/// Bytes under one checksum, those of the last block aside.
pub(crate) const BLOCK_BYTES: u64 = 4096;
/// Blocks that one check reads where nothing around them was read before.
const BLOCKS_AHEAD: u64 = 4;
/// Blocks that one check reads where the one before them was read already.
const BLOCKS_IN_ORDER: u64 = 16;
/// Most blocks that one check reads, and with it the most memory that it takes.
const BLOCKS_AT_ONCE_MAX: u64 = 64;
/// Bytes of a checksum.
const CRC_LEN: usize = 4;
/// Bytes that are read at a time where a checksum is taken of a part of a file.
const PIECE_BYTES: u64 = 64 * 1024;

/// Knows what a file was made of.
pub(crate) trait Remake: fmt::Debug + Send + Sync {
    /// The bytes that the file had when it was written, or `None` where they cannot be had any more.
    ///
    /// # Errors
    ///
    /// What keeps it from being made now and may be otherwise later.
    fn remake(&self, damage: &Error) -> Result<Option<Arc<[u8]>>>;
}

/// A file that was made of something else.
#[derive(Debug, Clone)]
pub(crate) struct DerivedSource {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) name: String,
    /// `None` where damage is only to be told.
    pub(crate) remake: Option<Arc<dyn Remake>>,
}

/// Where the blocks of a file stand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Body {
    pub(crate) start: u64,
    pub(crate) len: u64,
    /// Where the checksums of the blocks begin, 4 bytes each.
    pub(crate) crcs_at: u64,
}

#[derive(Debug)]
enum Bytes {
    File { map: Map, source: DerivedSource },
    Owned(Arc<[u8]>),
}

impl Bytes {
    #[inline]
    fn get(&self, range: Range<u64>) -> Option<&[u8]> {
        match self {
            Self::File { map, .. } => map.bytes(range),
            Self::Owned(bytes) => part(bytes, range),
        }
    }
}

/// The blocks of a file, and which of them were found to be as they were written.
#[derive(Debug)]
pub(crate) struct Blocks {
    name: Box<str>,
    bytes: Bytes,
    body: Body,
    /// A bit for each block. It is set by whoever checked the block first; a check made twice does no harm, so that
    /// no order is needed.
    checked: Box<[AtomicU64]>,
    /// The whole file from memory, once a block of it was found damaged; `None` where it cannot be made anew.
    remade: OnceLock<Option<Arc<[u8]>>>,
    /// Held by whoever makes it anew.
    remaking: Mutex<()>,
}

impl Blocks {
    /// The blocks of a file that `source` names and `map` shows.
    pub(crate) fn of_file(source: DerivedSource, map: Map, body: Body) -> Self {
        Self::new(source.name.clone().into(), Bytes::File { map, source }, body)
    }

    /// The blocks of a file that is in memory only.
    pub(crate) fn of_bytes(name: &str, bytes: Arc<[u8]>, body: Body) -> Self {
        Self::new(name.into(), Bytes::Owned(bytes), body)
    }

    fn new(name: Box<str>, bytes: Bytes, body: Body) -> Self {
        let words = body.len.div_ceil(BLOCK_BYTES).div_ceil(64);
        Self {
            name,
            bytes,
            body,
            checked: (0..words).map(|_| AtomicU64::new(0)).collect(),
            remade: OnceLock::new(),
            remaking: Mutex::new(()),
        }
    }

    /// The same bytes again, with nothing checked yet.
    #[cfg(test)]
    pub(crate) fn reopened(&self) -> Result<Self> {
        let whole = match &self.bytes {
            Bytes::File { map, .. } => map.bytes(0..map.committed()),
            Bytes::Owned(bytes) => Some(&**bytes),
        };
        let bytes = whole.ok_or_else(|| self.corrupt(0, "the bytes are gone"))?;
        Ok(Self::of_bytes(&self.name, bytes.into(), self.body))
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// `len` bytes from `start` on, counted from the first block; the blocks that they lie in are checked.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] where a block is not as it was written and cannot be made anew, and those of opening the
    /// file.
    #[inline]
    pub(crate) fn get(&self, start: u64, len: u64) -> Result<&[u8]> {
        let end = start.saturating_add(len);
        let (first, last) = (start / BLOCK_BYTES, end.saturating_sub(1) / BLOCK_BYTES);
        if !self.is_checked(first) || first < last {
            return self.get_unchecked(start, end);
        }
        self.bytes.get(self.place(start, end)).ok_or_else(|| self.leads_out(start))
    }

    /// Asks the processor to bring the bytes at `start` near, wherever that leads.
    #[inline]
    pub(crate) fn prefetch(&self, start: u64) {
        let at = self.body.start.saturating_add(start);
        match &self.bytes {
            Bytes::File { map, .. } => map.prefetch(at),
            Bytes::Owned(bytes) => {
                if let Some(byte) = bytes.get(super::to_usize(at)) {
                    super::prefetch_item(byte);
                }
            }
        }
    }

    #[inline]
    fn is_checked(&self, block: u64) -> bool {
        let word = usize::try_from(block / 64).ok().and_then(|word| self.checked.get(word));
        word.is_some_and(|word| word.load(Ordering::Relaxed) >> (block % 64) & 1 != 0)
    }

    #[inline]
    fn place(&self, start: u64, end: u64) -> Range<u64> {
        self.body.start.saturating_add(start)..self.body.start.saturating_add(end)
    }

    #[inline(never)]
    fn get_unchecked(&self, start: u64, end: u64) -> Result<&[u8]> {
        if end > self.body.len {
            return Err(self.leads_out(start));
        }
        let place = self.place(start, end);
        let bytes = if let Some(Some(remade)) = self.remade.get() {
            part(remade, place)
        } else {
            match self.check_blocks(start / BLOCK_BYTES, end.div_ceil(BLOCK_BYTES)) {
                Ok(()) => self.bytes.get(place),
                Err(damage) => part(self.remade(damage)?, place),
            }
        };
        bytes.ok_or_else(|| self.leads_out(start))
    }

    /// Checks all blocks.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] with the first that is not as it was written.
    pub(crate) fn check_all(&self) -> Result<()> {
        self.check_blocks(0, self.body.len.div_ceil(BLOCK_BYTES))
    }

    /// Checks blocks that were not read before.
    fn check_blocks(&self, from: u64, to: u64) -> Result<()> {
        for block in from..to {
            if !self.is_checked(block) {
                self.check_from(block, to)?;
            }
        }
        Ok(())
    }

    /// Checks a block, and on the way those behind it that one read brings in. Only the first must hold; the others
    /// are asked for when they are read.
    #[cold]
    fn check_from(&self, block: u64, to: u64) -> Result<()> {
        let is_next = block.checked_sub(1).is_some_and(|before| self.is_checked(before));
        let ahead = if is_next { BLOCKS_IN_ORDER } else { BLOCKS_AHEAD };
        let last = block.saturating_add(ahead).max(to).min(block.saturating_add(BLOCKS_AT_ONCE_MAX));
        let start = block.saturating_mul(BLOCK_BYTES);
        let end = last.saturating_mul(BLOCK_BYTES).min(self.body.len);
        let place = self.place(start, end);
        let crcs_at = self.body.crcs_at.saturating_add(block.saturating_mul(CRC_LEN as u64));
        let crcs_len = (end - start).div_ceil(BLOCK_BYTES).saturating_mul(CRC_LEN as u64);
        let [bytes, crcs] = self.read([place, crcs_at..crcs_at.saturating_add(crcs_len)])?;
        let block_len = super::to_usize(BLOCK_BYTES);
        let mut at = block;
        for (bytes, crc) in bytes.chunks(block_len).zip(crcs.chunks(CRC_LEN)) {
            let from = at.saturating_mul(BLOCK_BYTES);
            let len = (self.body.len - from).min(BLOCK_BYTES);
            // What the mapping shows is the same: the name may be that of another file by now.
            let is_right = bytes.len() as u64 == len
                && crc32fast::hash(bytes).to_le_bytes() == crc
                && self.bytes.get(self.place(from, from.saturating_add(len))) == Some(bytes);
            if !is_right {
                break;
            }
            if let Some(word) = usize::try_from(at / 64).ok().and_then(|word| self.checked.get(word)) {
                word.fetch_or(1 << (at % 64), Ordering::Relaxed);
            }
            at += 1;
        }
        if at == block {
            return Err(self.corrupt(start, "the checksum of a block does not match"));
        }
        Ok(())
    }

    /// Some parts of the file, or as many bytes of each as it has.
    fn read(&self, parts: [Range<u64>; 2]) -> Result<[Cow<'_, [u8]>; 2]> {
        let mapped = |part: Range<u64>| Cow::Borrowed(self.bytes.get(part).unwrap_or_default());
        let Bytes::File { source, .. } = &self.bytes else { return Ok(parts.map(mapped)) };
        // Opened for each check, so that the number of derived files is not bounded by the number of files that a
        // process may have open.
        let file = match source.disk.open(&self.name, Access::Read) {
            Ok(file) => file,
            // Removed while a view still reads it: the mapping has what the file had.
            Err(error) if is_not_found(&error) => return Ok(parts.map(mapped)),
            Err(error) => return Err(error),
        };
        let read = |part: Range<u64>| {
            let mut bytes = vec![0; super::to_usize(part.end.saturating_sub(part.start))];
            let read = file.read_at(part.start, &mut bytes)?;
            bytes.truncate(read);
            Ok(Cow::Owned(bytes))
        };
        let [one, other] = parts;
        Ok([read(one)?, read(other)?])
    }

    /// The whole file from memory, made anew where that was not done yet.
    ///
    /// # Errors
    ///
    /// The damage, where the file cannot be made anew.
    #[cold]
    fn remade(&self, damage: Error) -> Result<&Arc<[u8]>> {
        let Bytes::File { source: DerivedSource { remake: Some(remake), .. }, .. } = &self.bytes else {
            return Err(damage);
        };
        if !is_damage(&damage) {
            return Err(damage);
        }
        let _one_at_a_time = self.remaking.lock();
        if self.remade.get().is_none() {
            let made = match remake.remake(&damage) {
                Ok(made) => made,
                // The log is damaged as well.
                Err(Error::Corrupt { .. } | Error::UnsupportedFormat { .. }) => None,
                Err(error) => return Err(error),
            };
            let _ = self.remade.set(made);
        }
        self.remade.get().and_then(Option::as_ref).ok_or(damage)
    }

    /// Whether a block of it was found damaged and the file could not be made anew.
    pub(crate) fn is_lost(&self) -> bool {
        matches!(self.remade.get(), Some(None))
    }

    #[cold]
    fn leads_out(&self, offset: u64) -> Error {
        self.corrupt(offset, "an entry leads out of the file")
    }

    /// The error of damage at an offset, counted from the first block.
    #[cold]
    pub(crate) fn corrupt(&self, offset: u64, reason: &'static str) -> Error {
        Error::Corrupt {
            file: self.name.to_string(),
            offset: self.body.start.saturating_add(offset),
            seq: None,
            reason: Cow::Borrowed(reason),
        }
    }
}

/// Whether an error says that bytes of a file are not as they were written, or that the disk cannot read them.
pub(crate) fn is_damage(error: &Error) -> bool {
    matches!(error, Error::Corrupt { .. } | Error::Io { op: "read", .. })
}

/// Gives a part of a file to `take`, piece by piece; less where the file ends before.
///
/// # Errors
///
/// Those of reading.
pub(crate) fn read_pieces(file: &dyn File, range: Range<u64>, mut take: impl FnMut(&[u8])) -> Result<()> {
    let mut piece = Vec::new();
    let mut offset = range.start;
    while offset < range.end {
        piece.resize(super::to_usize((range.end - offset).min(PIECE_BYTES)), 0);
        let read = file.read_at(offset, &mut piece)?;
        if read == 0 {
            break;
        }
        take(piece.get(..read).unwrap_or_default());
        offset += read as u64;
    }
    Ok(())
}

/// Reads all blocks of a file and tells the ranges of the file that are not as they were written, neighbours in one.
///
/// # Errors
///
/// Those of reading.
pub(crate) fn damaged_blocks(file: &dyn File, body: &Body, mut tell: impl FnMut(Range<u64>)) -> Result<()> {
    let mut blocks = vec![0; super::to_usize(BLOCKS_AT_ONCE_MAX * BLOCK_BYTES)];
    let mut crcs = vec![0; super::to_usize(BLOCKS_AT_ONCE_MAX) * CRC_LEN];
    let mut damaged: Option<Range<u64>> = None;
    let mut at = 0;
    while at < body.len {
        let len = (body.len - at).min(blocks.len() as u64);
        let wanted = blocks.get_mut(..super::to_usize(len)).unwrap_or_default();
        let read = file.read_at(body.start.saturating_add(at), wanted)?;
        let crcs_at = body.crcs_at.saturating_add(at / BLOCK_BYTES * CRC_LEN as u64);
        let crcs_read = file.read_at(crcs_at, &mut crcs)?;
        let whole = crcs.get(..crcs_read).unwrap_or_default();
        for (number, start) in (0..len).step_by(super::to_usize(BLOCK_BYTES)).enumerate() {
            let end = len.min(start + BLOCK_BYTES);
            let bytes = part(blocks.get(..read).unwrap_or_default(), start..end);
            let crc = whole.get(number * CRC_LEN..).and_then(<[u8]>::first_chunk::<CRC_LEN>);
            if bytes.is_some_and(|bytes| Some(&crc32fast::hash(bytes).to_le_bytes()) == crc) {
                continue;
            }
            let range = body.start + at + start..body.start + at + end;
            match &mut damaged {
                Some(before) if before.end == range.start => before.end = range.end,
                _ => damaged.replace(range).into_iter().for_each(&mut tell),
            }
        }
        at += len;
    }
    damaged.into_iter().for_each(&mut tell);
    Ok(())
}

fn part(bytes: &[u8], range: Range<u64>) -> Option<&[u8]> {
    bytes.get(usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?)
}

#[cfg(test)]
mod tests;
