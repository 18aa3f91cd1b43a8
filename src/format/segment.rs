//! The header page of a segment, its watermark slots, and the body of the roll frame.
//!
//! ```text
//! offset size
//!      0   16  head            see `head`
//!     16   16  store id
//!     32    4  segment id
//!     36    4  epoch
//!     40    8  salt
//!     48    8  base seq        seq of the first frame
//!     56    4  header length   where the first frame begins: 4096, in tests 2048
//!     60    4  crc             CRC-32 of bytes 0 .. 60
//!    512   28  slot 0          generation 8 | durable seq 8 | end 8 | crc 4
//!   1024   28  slot 1          the same
//!   3584   64  second copy     bytes 0 .. 64 again, at header length - 512
//! ```
//!
//! The two slots are written in turn, each in a sector of its own, so that a torn write spoils one of them at most. What
//! the second copy is for: no checksum of a frame can be computed without the salt; see [`copies`].

use std::borrow::Cow;

use super::bytes::{ByteReader, ByteWriter};
use super::frame::Seed;
use super::head::FileKind;
use crate::error::Error;
use crate::types::{Epoch, SegmentId, Seq};

pub(crate) mod copies;

/// Length of the header page.
pub(crate) const HEADER_LEN: u32 = 4096;
/// Length of the header where segments of a few KiB are tested.
pub(crate) const HEADER_LEN_SMALL: u32 = 2048;
/// Where the two watermark slots stand.
pub(crate) const SLOTS: [u64; 2] = [512, 1024];
/// Bytes of a slot.
pub(crate) const SLOT_LEN: usize = 28;
/// Bytes of the header's fixed part.
pub(crate) const FIXED_LEN: usize = 64;

const _: () = assert!(SLOTS[1] + (SLOT_LEN as u64) <= copies::second_at(HEADER_LEN_SMALL) as u64);

/// The identity of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) store_id: [u8; 16],
    pub(crate) id: SegmentId,
    pub(crate) epoch: Epoch,
    pub(crate) salt: u64,
    pub(crate) base_seq: Seq,
    pub(crate) header_len: u32,
}

impl SegmentHeader {
    /// The seed of the segment's checksums: CRC-32 of store id, segment id and salt.
    pub(crate) fn seed(&self) -> Seed {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.store_id);
        hasher.update(&self.id.get().to_le_bytes());
        hasher.update(&self.salt.to_le_bytes());
        Seed(hasher.finalize())
    }

    /// The whole header page, the identity in both its places, both slots empty.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = self.encode_fixed();
        out.resize(copies::second_at(self.header_len), 0);
        out.extend_from_within(..FIXED_LEN);
        out.resize(self.header_len as usize, 0);
        out
    }

    /// One copy of the header, without the slots and the zeros behind it.
    fn encode_fixed(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.header_len as usize);
        FileKind::Segment.put_head(&mut out);
        out.put(&self.store_id);
        out.put_u32(self.id.get());
        out.put_u32(self.epoch.get());
        out.put_u64(self.salt);
        out.put_u64(self.base_seq.get());
        out.put_u32(self.header_len);
        let crc = crc32fast::hash(&out);
        out.put_u32(crc);
        debug_assert_eq!(out.len(), FIXED_LEN);
        out
    }

    /// Reads one copy of the header at the start of `bytes`, of which [`FIXED_LEN`] are enough.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] and [`Error::UnsupportedFormat`] as [`FileKind::check_head`].
    pub(crate) fn parse(file: &str, bytes: &[u8]) -> Result<Self, Error> {
        let short = || corrupt(file, "the file is shorter than its header");
        let fixed = bytes.get(..FIXED_LEN).ok_or_else(short)?;
        let mut reader = ByteReader::new(fixed);
        FileKind::Segment.check_head(file, &mut reader)?;
        if !is_checked(fixed) {
            return Err(corrupt(file, "the header's checksum does not match"));
        }
        let header = Self {
            store_id: reader.array().ok_or_else(short)?,
            id: SegmentId::new(reader.u32().ok_or_else(short)?),
            epoch: Epoch::new(reader.u32().ok_or_else(short)?),
            salt: reader.u64().ok_or_else(short)?,
            base_seq: Seq::new(reader.u64().ok_or_else(short)?),
            header_len: reader.u32().ok_or_else(short)?,
        };
        if header.header_len != HEADER_LEN && header.header_len != HEADER_LEN_SMALL {
            return Err(corrupt(file, "the header's length is impossible"));
        }
        Ok(header)
    }
}

fn corrupt(file: &str, reason: &'static str) -> Error {
    Error::Corrupt { file: file.to_owned(), offset: 0, seq: None, reason: Cow::Borrowed(reason) }
}

/// Whether the checksum of the copy of a header at the start of `bytes` holds.
fn is_checked(bytes: &[u8]) -> bool {
    let parts = bytes.get(..FIXED_LEN).and_then(<[u8]>::split_last_chunk::<4>);
    parts.is_some_and(|(body, crc)| crc32fast::hash(body) == u32::from_le_bytes(*crc))
}

/// A watermark: everything up to `durable` was synced, and ends at `end` if it ends in this segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) generation: u64,
    pub(crate) durable: Seq,
    pub(crate) end: u64,
}

impl Slot {
    /// Which of [`SLOTS`] this generation is written to.
    pub(crate) const fn offset(&self) -> u64 {
        if self.generation.is_multiple_of(2) { SLOTS[0] } else { SLOTS[1] }
    }

    pub(crate) fn encode(&self, seed: Seed) -> [u8; SLOT_LEN] {
        let mut bytes = Vec::with_capacity(SLOT_LEN);
        bytes.put_u64(self.generation);
        bytes.put_u64(self.durable.get());
        bytes.put_u64(self.end);
        let crc = slot_crc(&bytes, seed);
        bytes.put_u32(crc);
        bytes.try_into().unwrap_or([0; SLOT_LEN])
    }

    /// The slot in `bytes`, or `None` where it is empty or torn.
    pub(crate) fn parse(bytes: &[u8], seed: Seed) -> Option<Self> {
        let bytes = bytes.get(..SLOT_LEN)?;
        let (body, crc) = bytes.split_last_chunk::<4>()?;
        if slot_crc(body, seed) != u32::from_le_bytes(*crc) {
            return None;
        }
        let mut reader = ByteReader::new(body);
        let slot = Self { generation: reader.u64()?, durable: Seq::new(reader.u64()?), end: reader.u64()? };
        (slot.generation > 0).then_some(slot)
    }

    /// The newer of the slots in a header page.
    pub(crate) fn newest(header_page: &[u8], seed: Seed) -> Option<Self> {
        SLOTS
            .iter()
            .filter_map(|at| Self::parse(header_page.get(usize::try_from(*at).ok()?..)?, seed))
            .max_by_key(|slot| slot.generation)
    }
}

fn slot_crc(body: &[u8], seed: Seed) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(seed.0);
    hasher.update(b"slot");
    hasher.update(body);
    hasher.finalize()
}

/// The body of a roll frame: which segment follows, and with which seq.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Roll {
    pub(crate) next_id: SegmentId,
    pub(crate) next_seq: Seq,
}

impl Roll {
    /// Bytes of a roll frame's body.
    pub(crate) const LEN: usize = 16;

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::LEN);
        out.put_u32(self.next_id.get());
        out.put_u32(0);
        out.put_u64(self.next_seq.get());
        out
    }

    pub(crate) fn parse(body: &[u8]) -> Option<Self> {
        let mut reader = ByteReader::new(body);
        let next_id = SegmentId::new(reader.u32()?);
        let zero = reader.u32()?;
        let next_seq = Seq::new(reader.u64()?);
        (zero == 0 && reader.is_empty()).then_some(Self { next_id, next_seq })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "tests know their bytes")]

    use super::*;

    const HEADER: SegmentHeader = SegmentHeader {
        store_id: [3; 16],
        id: SegmentId::new(5),
        epoch: Epoch::new(2),
        salt: 77,
        base_seq: Seq::new(1000),
        header_len: HEADER_LEN_SMALL,
    };

    #[test]
    fn a_header_comes_back_and_every_flipped_bit_is_noticed() {
        let page = HEADER.encode();
        assert_eq!(page.len(), HEADER_LEN_SMALL as usize);
        assert_eq!(SegmentHeader::parse("seg-5.log", &page).unwrap(), HEADER);
        for at in 0..FIXED_LEN {
            for bit in 0..8 {
                let mut flipped = page.clone();
                flipped[at] ^= 1 << bit;
                assert!(SegmentHeader::parse("seg-5.log", &flipped).is_err(), "byte {at} bit {bit}");
            }
        }
        assert!(SegmentHeader::parse("seg-5.log", &page[..FIXED_LEN - 1]).is_err());
    }

    #[test]
    fn seeds_differ_by_store_segment_and_salt() {
        let seeds = [
            HEADER.seed(),
            SegmentHeader { store_id: [4; 16], ..HEADER }.seed(),
            SegmentHeader { id: SegmentId::new(6), ..HEADER }.seed(),
            SegmentHeader { salt: 78, ..HEADER }.seed(),
        ];
        for (at, seed) in seeds.iter().enumerate() {
            assert!(!seeds[..at].contains(seed));
        }
    }

    #[test]
    fn the_newer_slot_wins_and_a_torn_one_is_passed_over() {
        let seed = HEADER.seed();
        let mut page = HEADER.encode();
        assert_eq!(Slot::newest(&page, seed), None);
        let mut put = |slot: Slot| {
            let at = usize::try_from(slot.offset()).unwrap();
            page[at..at + SLOT_LEN].copy_from_slice(&slot.encode(seed));
        };
        let old = Slot { generation: 1, durable: Seq::new(1003), end: 2000 };
        let new = Slot { generation: 2, durable: Seq::new(1009), end: 3000 };
        put(old);
        put(new);
        assert_eq!(Slot::newest(&page, seed), Some(new));
        let at = usize::try_from(new.offset()).unwrap();
        page[at + 9] ^= 1;
        assert_eq!(Slot::newest(&page, seed), Some(old));
    }

    #[test]
    fn a_roll_comes_back() {
        let roll = Roll { next_id: SegmentId::new(6), next_seq: Seq::new(2000) };
        assert_eq!(Roll::parse(&roll.encode()), Some(roll));
        assert_eq!(Roll::parse(&roll.encode()[1..]), None);
    }
}
