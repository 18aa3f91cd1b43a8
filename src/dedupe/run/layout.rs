//! The bytes of a run's file, and where things stand in it.
//!
//! ```text
//! offset size
//!      0   16  head              see `format::head`
//!     16   16  store id
//!     32    8  number            the one in the file's name
//!     40    8  first seq         the run has the ids of the frames from here
//!     48    8  last seq          to here
//!     56    2  rules             version of the rules that made the run
//!     58    6  zeros
//!     64    8  count             of the entries
//!     72    8  digest            sum of the digests of the entries, modulo 2^64
//!     80    8  file length
//!     88    4  hash check        first half of SipHash-2-4 of "envelog ids" under the manifest's hash key
//!     92    4  crc of the block checksums
//!     96   28  zeros
//!    124    4  crc               CRC-32 of bytes 0 .. 124
//!    128    .  filter            lines of 64 bytes: 10 bits for each entry, rounded up; zeros up to a multiple of 4096
//!      .    .  entries           hash 8 | seq minus first seq 4, in rising order
//!      .    .  block checksums   CRC-32 of each 4096 bytes from offset 128 to here, the last block may be shorter
//! ```

use std::ops::Range;

use crate::dedupe::filter;
use crate::dedupe::hash::MessageHash;
use crate::format::bytes::{ByteReader, ByteWriter};
use crate::format::head::FileKind;
use crate::storage::BLOCK_BYTES;
use crate::types::Seq;

/// Version of the rules by which frames become entries; a run of other rules is made anew.
pub(crate) const RULES: u16 = 2;

pub(super) const HEADER_LEN: usize = 128;
pub(super) const CRC_AT: usize = HEADER_LEN - 4;
pub(super) const ENTRY_LEN: u64 = 12;
const _: () = assert!((HEADER_LEN as u64).is_multiple_of(filter::LINE as u64));

/// What a run is made for, besides its entries.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin {
    pub(crate) store_id: [u8; 16],
    /// [`MessageHasher::check`](crate::dedupe::MessageHasher::check) of the store's hasher.
    pub(crate) hash_check: u32,
    pub(crate) number: u64,
    pub(crate) first_seq: Seq,
    pub(crate) last_seq: Seq,
}

/// The id of one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    pub(crate) hash: MessageHash,
    pub(crate) seq: Seq,
}

/// How many entries there are, and a sum over them that does not depend on their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Digest {
    pub(crate) count: u64,
    pub(crate) sum: u64,
}

impl Digest {
    pub(crate) fn add(&mut self, entry: Entry) {
        self.count = self.count.saturating_add(1);
        // The mixing of SplitMix64, of the hash and the seq.
        let word = entry.hash.get() ^ entry.seq.get().wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        self.sum = self.sum.wrapping_add(word ^ (word >> 31));
    }
}

/// The header's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) store_id: [u8; 16],
    pub(super) number: u64,
    pub(super) first_seq: Seq,
    pub(super) last_seq: Seq,
    pub(super) rules: u16,
    pub(super) digest: Digest,
    pub(super) file_len: u64,
    pub(super) hash_check: u32,
    pub(super) blocks_crc: u32,
}

impl Header {
    /// The header's bytes; the last four are the checksum that the manifest lists.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_LEN);
        FileKind::IdsRun.put_head(&mut out);
        out.put(&self.store_id);
        out.put_u64(self.number);
        out.put_u64(self.first_seq.get());
        out.put_u64(self.last_seq.get());
        out.put_u16(self.rules);
        out.put(&[0; 6]);
        out.put_u64(self.digest.count);
        out.put_u64(self.digest.sum);
        out.put_u64(self.file_len);
        out.put_u32(self.hash_check);
        out.put_u32(self.blocks_crc);
        out.put(&[0; 28]);
        out.put_u32(crc32fast::hash(&out));
        out
    }

    /// Reads the header behind the checked head; `None` where it makes no sense.
    pub(super) fn parse(reader: &mut ByteReader<'_>) -> Option<Self> {
        let store_id = reader.array()?;
        let number = reader.u64()?;
        let (first_seq, last_seq) = (Seq::new(reader.u64()?), Seq::new(reader.u64()?));
        let rules = reader.u16()?;
        let zeros: [u8; 6] = reader.array()?;
        let digest = Digest { count: reader.u64()?, sum: reader.u64()? };
        let file_len = reader.u64()?;
        let (hash_check, blocks_crc) = (reader.u32()?, reader.u32()?);
        let more_zeros: [u8; 28] = reader.array()?;
        let header =
            Self { store_id, number, first_seq, last_seq, rules, digest, file_len, hash_check, blocks_crc };
        let tables = Tables::of(digest.count)?;
        let is_sane = zeros == [0; 6] && more_zeros == [0; 28] && tables.crcs.end == file_len;
        is_sane.then_some(header)
    }
}

/// Where the parts of a run stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tables {
    pub(super) filter_lines: u64,
    pub(super) entries: Range<u64>,
    pub(super) crcs: Range<u64>,
}

impl Tables {
    /// Of a run with so many entries; `None` where no file could be so long.
    pub(super) fn of(count: u64) -> Option<Self> {
        // Some filter bits above 10 an entry, and an entry's own bytes, stay far below 2^64 for any count that passes.
        if count > u64::MAX / 64 {
            return None;
        }
        let filter_lines = filter::lines(count);
        let filter_len = (filter_lines * filter::LINE as u64).next_multiple_of(BLOCK_BYTES);
        let start = HEADER_LEN as u64 + filter_len;
        let end = start.checked_add(count.checked_mul(ENTRY_LEN)?)?;
        let blocks = (end - HEADER_LEN as u64).div_ceil(BLOCK_BYTES);
        Some(Self { filter_lines, entries: start..end, crcs: end..end.checked_add(blocks * 4)? })
    }
}
