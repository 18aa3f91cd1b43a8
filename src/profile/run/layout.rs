//! The bytes of a run's file, and where things stand in it.
//!
//! ```text
//! offset size
//!      0   16  head              see `format::head`
//!     16   16  store id
//!     32    8  number            the one in the file's name
//!     40    8  first seq         the run is a fold of the frames from here
//!     48    8  last seq          to here
//!     56    2  rules             version of the rules that made the rows
//!     58    2  zero
//!     60    4  row count
//!     64    4  person count      rows that are no cursors
//!     68    4  piece count       of the slot table
//!     72    8  slot count
//!     80    8  rows end          where the offsets begin, a multiple of 8
//!     88    8  newest            greatest event time of a fact; the least i64 where there is none
//!     96    4  live traits       most of one row
//!    100    4  live bytes        most of one row
//!    104    8  file length
//!    112    4  hash check        first half of SipHash-2-4 of "envelog run" under the manifest's hash key
//!    116    4  crc of the block checksums
//!    120    4  contents          bit 0: a row has facts of identity; bit 1: one of them names another id; bits 8 to 31:
//!                            the most of one row, 2^24 - 1 for more; others 0
//!    124    4  crc               CRC-32 of bytes 0 .. 124
//!    128    .  rows              each: key length 4 | row length 4 | key | row | zeros up to a multiple of 8
//!      .    .  offsets           of the rows in the order of keys, divided by 8: 4 each, zeros up to a multiple of 8
//!      .    .  slots             tag 4 | offset of the row divided by 8, 0 if the slot is free: 4
//!      .    .  block checksums   CRC-32 of each 4096 bytes from offset 128 to here, the last block may be shorter
//! ```
//!
//! The hash of a row is SipHash-2-4 of its encoded key. Its upper 64 bits of `hash * slot count` are the slot where
//! probing begins, its lower half is the tag. Pieces are equal parts of the slot table; probing goes slot by slot and
//! wraps at the end of its piece. The checksum in the header stands for the whole file, through the checksums of the
//! blocks.

use std::hash::Hasher;
use std::ops::Range;

use siphasher::sip::SipHasher24;

use crate::format::bytes::{ByteReader, ByteWriter};
use crate::format::head::FileKind;
use crate::profile::delta::Bounds;
use crate::types::{Nanos, Seq};

/// Version of the rules by which frames become rows; a run of other rules is made anew.
pub(crate) const RULES: u16 = 3;

pub(super) const HEADER_LEN: usize = 128;
pub(super) const CRC_AT: usize = HEADER_LEN - 4;
pub(super) const BLOCK_LEN: u64 = 4096;
const _: () = assert!(BLOCK_LEN == crate::storage::BLOCK_BYTES);
pub(super) const ROW_HEAD_LEN: u64 = 8;
pub(super) const ALIGN: u64 = 8;
pub(super) const SLOT_LEN: u64 = 8;
pub(super) const OFFSET_LEN: u64 = 4;

/// Mark of a run in which a row has facts of identity, and of one in which such a fact names another id; how many facts
/// a row has stands behind them.
const FACTS: u32 = 1;
const LINKS: u32 = 2;
const FACTS_SHIFT: u32 = 8;
/// That many facts, or more.
const FACTS_MANY: u32 = u32::MAX >> FACTS_SHIFT;

/// What a run is made for, besides its rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin {
    pub(crate) store_id: [u8; 16],
    /// The manifest's key of hashes in derived files.
    pub(crate) hash_key: [u8; 16],
    pub(crate) number: u64,
    pub(crate) first_seq: Seq,
    pub(crate) last_seq: Seq,
}

/// The header's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) store_id: [u8; 16],
    pub(super) number: u64,
    pub(super) first_seq: Seq,
    pub(super) last_seq: Seq,
    pub(super) rules: u16,
    pub(super) row_count: u32,
    pub(super) person_count: u32,
    pub(super) piece_count: u32,
    pub(super) slot_count: u64,
    pub(super) rows_end: u64,
    pub(super) bounds: Bounds,
    pub(super) file_len: u64,
    pub(super) hash_check: u32,
    pub(super) blocks_crc: u32,
}

impl Header {
    /// The header's bytes; the last four are the checksum that the manifest lists.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_LEN);
        FileKind::ProfileRun.put_head(&mut out);
        out.put(&self.store_id);
        out.put_u64(self.number);
        out.put_u64(self.first_seq.get());
        out.put_u64(self.last_seq.get());
        out.put_u16(self.rules);
        out.put_u16(0);
        out.put_u32(self.row_count);
        out.put_u32(self.person_count);
        out.put_u32(self.piece_count);
        out.put_u64(self.slot_count);
        out.put_u64(self.rows_end);
        out.put_i64(self.bounds.newest.map_or(i64::MIN, Nanos::get));
        out.put_u32(self.bounds.live_traits);
        out.put_u32(self.bounds.live_bytes);
        out.put_u64(self.file_len);
        out.put_u32(self.hash_check);
        out.put_u32(self.blocks_crc);
        let Bounds { facts, has_links, .. } = self.bounds;
        let marks = if facts > 0 { FACTS } else { 0 } | if has_links { LINKS } else { 0 };
        out.put_u32(marks | facts.min(FACTS_MANY) << FACTS_SHIFT);
        out.put_u32(crc32fast::hash(&out));
        out
    }

    /// Reads the header behind the checked head; `None` where it makes no sense.
    pub(super) fn parse(reader: &mut ByteReader<'_>) -> Option<Self> {
        let store_id = reader.array()?;
        let number = reader.u64()?;
        let (first_seq, last_seq) = (Seq::new(reader.u64()?), Seq::new(reader.u64()?));
        let (rules, zero) = (reader.u16()?, reader.u16()?);
        let (row_count, person_count, piece_count) = (reader.u32()?, reader.u32()?, reader.u32()?);
        let (slot_count, rows_end) = (reader.u64()?, reader.u64()?);
        let newest = Some(reader.i64()?).filter(|newest| *newest != i64::MIN).map(Nanos::new);
        let (live_traits, live_bytes) = (reader.u32()?, reader.u32()?);
        let file_len = reader.u64()?;
        let (hash_check, blocks_crc, contents) = (reader.u32()?, reader.u32()?, reader.u32()?);
        let (facts, has_links) = (contents >> FACTS_SHIFT, contents & LINKS != 0);
        let facts = if facts == FACTS_MANY { u32::MAX } else { facts };
        let bounds = Bounds { newest, live_traits, live_bytes, facts, has_links };
        let header = Self {
            store_id,
            number,
            first_seq,
            last_seq,
            rules,
            row_count,
            person_count,
            piece_count,
            slot_count,
            rows_end,
            bounds,
            file_len,
            hash_check,
            blocks_crc,
        };
        let tables = header.tables()?;
        let marks = contents & !(FACTS_MANY << FACTS_SHIFT);
        let is_sane = marks & !(FACTS | LINKS) == 0 && (marks & FACTS != 0) == (facts > 0);
        (zero == 0 && is_sane && tables.blocks.end == file_len).then_some(header)
    }

    /// Where the tables stand; `None` where the numbers contradict each other.
    pub(super) fn tables(&self) -> Option<Tables> {
        let pieces = u64::from(self.piece_count);
        let slots_sane = self.slot_count >= u64::from(self.row_count)
            && (self.slot_count == 0 || self.slot_count.checked_rem(pieces) == Some(0));
        if !slots_sane || self.rows_end < HEADER_LEN as u64 || !self.rows_end.is_multiple_of(ALIGN) {
            return None;
        }
        let offsets_end = self.rows_end.checked_add(offsets_len(self.row_count))?;
        let slots_end = offsets_end.checked_add(self.slot_count.checked_mul(SLOT_LEN)?)?;
        let blocks = (slots_end - HEADER_LEN as u64).div_ceil(BLOCK_LEN);
        let file_end = slots_end.checked_add(blocks.checked_mul(4)?)?;
        Some(Tables { offsets: self.rows_end, slots: offsets_end, blocks: slots_end..file_end })
    }
}

/// Bytes of the table of offsets.
pub(super) fn offsets_len(row_count: u32) -> u64 {
    (u64::from(row_count) * OFFSET_LEN).next_multiple_of(ALIGN)
}

/// Where the tables of a run begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tables {
    pub(super) offsets: u64,
    pub(super) slots: u64,
    pub(super) blocks: Range<u64>,
}

/// The hash of an encoded key, the same for all runs of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyHash(u64);

impl KeyHash {
    pub(crate) fn of(hash_key: &[u8; 16], key: &[u8]) -> Self {
        let mut hasher = SipHasher24::new_with_key(hash_key);
        hasher.write(key);
        Self(hasher.finish())
    }

    pub(crate) const fn get(self) -> u64 {
        self.0
    }

    /// The slot where probing begins.
    pub(super) fn slot(self, slot_count: u64) -> u64 {
        let product = u128::from(self.0) * u128::from(slot_count);
        u64::try_from(product >> 64).unwrap_or(0)
    }

    pub(super) fn tag(self) -> u32 {
        let [a, b, c, d, ..] = self.0.to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }
}

/// Tells runs of one hash key from those of another.
pub(super) fn hash_check(hash_key: &[u8; 16]) -> u32 {
    KeyHash::of(hash_key, b"envelog run").tag()
}
