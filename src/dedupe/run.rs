//! A run: sorted hashes of message ids in a file, with a filter before them.
//!
//! The layout of the file is specified in [`layout`]. A file is mapped whole, its header and the list of its block
//! checksums are checked when it is opened, and a block when it is first read; both by `pread`.

mod builder;
mod layout;

use std::borrow::Cow;
use std::sync::Arc;

use super::filter;
use super::hash::MessageHash;
use super::sought::Sought;
use crate::error::{Error, Result};
use crate::format::bytes::ByteReader;
use crate::format::head::FileKind;
use crate::format::manifest::IdsRun;
use crate::storage::{self, Access, Blocks, Body, DerivedSource, File};
use crate::types::Seq;

pub(crate) use builder::write;
use layout::{CRC_AT, ENTRY_LEN, HEADER_LEN, Header, Tables};
pub(crate) use layout::{Digest, Entry, Origin, RULES};

/// An open run. Each block is checked when it is first read.
#[derive(Debug)]
pub(crate) struct Run {
    /// Everything between the header and the checksums.
    blocks: Blocks,
    header: Header,
    filter_lines: u64,
    /// Where the entries begin, counted from the first block.
    entries: u64,
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
        listed: &IdsRun,
        store_id: [u8; 16],
        hash_check: u32,
    ) -> Result<Self> {
        let file = source.disk.open(&source.name, Access::Read)?;
        let (header, tables) = read_header(&*file, listed, store_id, hash_check)?;
        let map = file.map_whole()?;
        if map.committed() != header.file_len {
            return Err(corrupt(&source.name, 80, "the file is not as long as it says"));
        }
        Ok(Self::new(Blocks::of_file(source, map, body(&tables)), header, &tables))
    }

    /// A run that is in memory only; `bytes` are those of its file.
    ///
    /// # Errors
    ///
    /// As [`Run::open`].
    pub(crate) fn in_memory(
        file: storage::MemoryFile,
        listed: &IdsRun,
        store_id: [u8; 16],
        hash_check: u32,
    ) -> Result<Self> {
        let (header, tables) = read_header(&file, listed, store_id, hash_check)?;
        let name = file.name().to_owned();
        let bytes: Arc<[u8]> = file.into_bytes().into();
        Ok(Self::new(Blocks::of_bytes(&name, bytes, body(&tables)), header, &tables))
    }

    fn new(blocks: Blocks, header: Header, tables: &Tables) -> Self {
        let entries = tables.entries.start.saturating_sub(HEADER_LEN as u64);
        Self { blocks, header, filter_lines: tables.filter_lines, entries }
    }

    /// Checks what opening checks, without a mapping, and tells where the blocks stand and what the entries add up to.
    ///
    /// # Errors
    ///
    /// As [`Run::open`].
    pub(crate) fn check_header(
        file: &dyn File,
        listed: &IdsRun,
        store_id: [u8; 16],
        hash_check: u32,
    ) -> Result<(Body, Digest)> {
        let (header, tables) = read_header(file, listed, store_id, hash_check)?;
        Ok((body(&tables), header.digest))
    }

    /// Seq of the first frame whose id may be in it.
    pub(crate) const fn first_seq(&self) -> Seq {
        self.header.first_seq
    }

    /// Seq of the last frame whose id may be in it.
    pub(crate) const fn last_seq(&self) -> Seq {
        self.header.last_seq
    }

    /// Ids in it.
    pub(crate) const fn count(&self) -> u64 {
        self.header.digest.count
    }

    /// Whether a block of it was found damaged and cannot be made anew: what the file said is not to be had any more.
    pub(crate) fn is_lost(&self) -> bool {
        self.blocks.is_lost()
    }

    /// Gives the seqs of a hash, in rising order.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] where a block that has to be read is not as it was written and cannot be made anew.
    #[inline]
    pub(crate) fn find(&self, sought: &Sought, take: impl FnMut(Seq)) -> Result<()> {
        if self.filter_lines == 0 {
            return Ok(());
        }
        let line = self.blocks.get(self.line_of(sought.hash), filter::LINE as u64)?;
        let may_hold = line.first_chunk().is_some_and(|line| sought.pattern.may_be_in(filter::words(line)));
        if may_hold { self.find_entries(sought.hash, take) } else { Ok(()) }
    }

    /// Asks the processor for what [`Run::find`] looks at first, for a use that comes a little later.
    #[inline]
    pub(crate) fn prefetch(&self, hash: MessageHash) {
        self.blocks.prefetch(self.line_of(hash));
    }

    /// Reads and checks the whole run, so that nobody who is in a hurry has to.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] with the first block that is not as it was written.
    pub(crate) fn check(&self) -> Result<()> {
        self.blocks.check_all()
    }

    #[inline]
    fn line_of(&self, hash: MessageHash) -> u64 {
        filter::line_of(hash.get(), self.filter_lines) * filter::LINE as u64
    }

    #[inline(never)]
    fn find_entries(&self, hash: MessageHash, mut take: impl FnMut(Seq)) -> Result<()> {
        let mut at = self.lower_bound(hash)?;
        while let Some(entry) = self.entry(at)?.filter(|entry| entry.hash == hash) {
            take(entry.seq);
            at += 1;
        }
        Ok(())
    }

    /// The place of the first entry whose hash is no less.
    ///
    /// Hashes are spread evenly, so that a hash tells about where it stands; from there the steps double until the place
    /// lies between two of them.
    fn lower_bound(&self, hash: MessageHash) -> Result<u64> {
        let count = self.count();
        let guess = u64::try_from((u128::from(hash.get()) * u128::from(count)) >> 64).unwrap_or(0);
        let is_below = |at: u64| Ok::<_, Error>(self.entry(at)?.is_some_and(|entry| entry.hash < hash));
        let mut step = 16;
        let (mut low, mut high);
        if is_below(guess)? {
            (low, high) = (guess + 1, guess.saturating_add(step).min(count));
            while high < count && is_below(high)? {
                low = high + 1;
                step *= 2;
                high = high.saturating_add(step).min(count);
            }
        } else {
            (low, high) = (guess.saturating_sub(step), guess);
            while low > 0 && !is_below(low)? {
                high = low;
                step *= 2;
                low = low.saturating_sub(step);
            }
        }
        while low < high {
            let middle = low + (high - low) / 2;
            if is_below(middle)? {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    /// The entry at a place; `None` past the last one.
    pub(crate) fn entry(&self, at: u64) -> Result<Option<Entry>> {
        if at >= self.count() {
            return Ok(None);
        }
        let bytes = self.blocks.get(self.entries + at * ENTRY_LEN, ENTRY_LEN)?;
        let mut reader = ByteReader::new(bytes);
        let (hash, distance) = (reader.u64().unwrap_or(0), reader.u32().unwrap_or(0));
        Ok(Some(Entry { hash: MessageHash::new(hash), seq: self.header.first_seq.plus(u64::from(distance)) }))
    }
}

/// Reads and checks the header and the list of block checksums.
fn read_header(
    file: &dyn File,
    listed: &IdsRun,
    store_id: [u8; 16],
    hash_check: u32,
) -> Result<(Header, Tables)> {
    let corrupt = |offset: usize, reason: &'static str| corrupt(file.name(), offset as u64, reason);
    let mut head = [0; HEADER_LEN];
    if file.read_at(0, &mut head)? < HEADER_LEN {
        return Err(corrupt(0, "the file is shorter than its header"));
    }
    let mut reader = ByteReader::new(&head);
    FileKind::IdsRun.check_head(file.name(), &mut reader)?;
    let (covered, crc) = head.split_at_checked(CRC_AT).unwrap_or((&head, &[]));
    if crc != listed.file.crc.to_le_bytes() || crc32fast::hash(covered).to_le_bytes() != crc {
        return Err(corrupt(CRC_AT, "the header's checksum does not match"));
    }
    let makes_no_sense = "the header's checksum matches and its content makes no sense";
    let header = Header::parse(&mut reader).ok_or_else(|| corrupt(16, makes_no_sense))?;
    let is_listed = header.number == listed.number
        && header.first_seq == listed.first_seq
        && header.last_seq == listed.last_seq
        && header.file_len == listed.file.len
        && header.rules == listed.file.rules;
    if !is_listed || header.store_id != store_id || header.hash_check != hash_check {
        return Err(corrupt(16, "the file is not the run that the manifest lists"));
    }
    if header.rules != RULES {
        return Err(corrupt(56, "the run was made by other rules"));
    }
    if file.len()? != header.file_len {
        return Err(corrupt(80, "the file is not as long as it says"));
    }
    let tables = Tables::of(header.digest.count).ok_or_else(|| corrupt(64, makes_no_sense))?;
    let mut crcs = crc32fast::Hasher::new();
    storage::read_pieces(file, tables.crcs.clone(), |piece| crcs.update(piece))?;
    if crcs.finalize() != header.blocks_crc {
        return Err(corrupt(92, "the block checksums do not match theirs"));
    }
    Ok((header, tables))
}

/// Where the blocks of a run stand.
fn body(tables: &Tables) -> Body {
    let start = HEADER_LEN as u64;
    Body { start, len: tables.entries.end.saturating_sub(start), crcs_at: tables.crcs.start }
}

fn corrupt(file: &str, offset: u64, reason: &'static str) -> Error {
    Error::Corrupt { file: file.to_owned(), offset, seq: None, reason: Cow::Borrowed(reason) }
}

#[cfg(test)]
mod tests;
