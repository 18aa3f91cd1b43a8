//! Where things stand in an index file.
//!
//! ```text
//! offset size
//!      0   16  head              see `format::head`
//!     16   16  store id
//!     32    4  segment id
//!     36    2  rules             version of the rules that made the file
//!     38    2  zero
//!     40    8  base seq          seq of the segment's first frame
//!     48    8  last seq          seq of its last frame
//!     56    4  frames
//!     60    4  crc of crcs       of the segment, as in the manifest
//!     64   16  times             least and greatest timestamp; the greatest number, then the least, without events
//!     80   44  counts            4 each, see `Counts`
//!    124    4  content crc       CRC-32 of the content
//!    128    8  content length
//!    136    4  section count     23
//!    140    4  zero
//!    144  368  sections          offset in the content 8, length 8; see `Section`
//!    512    .  block checksums   CRC-32 of each 4,096 bytes of the content
//!      .    .  zeros up to a multiple of 4,096
//!      .    .  content
//! ```
//!
//! Sections follow each other in order, each at a multiple of 8.

use crate::format::bytes::{ByteReader, ByteWriter};
use crate::format::head::FileKind;
use crate::index::TimeRange;
use crate::types::{Nanos, SegmentId, Seq};

/// Version of the rules by which an index is made from a segment; a file of other rules is rebuilt.
pub(crate) const RULES: u16 = 1;

/// Bytes of content under one checksum.
pub(super) const CHECKED_BLOCK: u64 = 4096;
/// Sections of the content.
pub(super) const SECTIONS: usize = 23;
/// Bytes before the block checksums.
pub(super) const FIXED_LEN: usize = 144 + SECTIONS * 16;
/// Ids, projects and sections begin at multiples of this.
pub(super) const ALIGN: usize = 8;

pub(super) const PROJECT_LEN: usize = 56;
pub(super) const TYPE_LEN: usize = 48;
pub(super) const MODULE_LEN: usize = 32;
pub(super) const PAIR_LEN: usize = 8;
pub(super) const ZONE_LEN: usize = 16;
pub(super) const SKIP_LEN: usize = 24;

const _: () = assert!(FIXED_LEN == 512);

/// What an index is made from. One that was made from anything else is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) store_id: [u8; 16],
    pub(crate) segment: SegmentId,
    pub(crate) base_seq: Seq,
    /// Frames of the segment, the roll frame included.
    pub(crate) frames: u32,
    /// CRC-32 over the checksums of all frames in order.
    pub(crate) crc_of_crcs: u32,
}

impl Origin {
    fn last_seq(&self) -> Seq {
        Seq::new(self.base_seq.get().saturating_add(u64::from(self.frames)).saturating_sub(1))
    }
}

/// The parts of the content, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Section {
    Projects,
    Types,
    Modules,
    Names,
    Pairs,
    Zones,
    Times,
    Offsets,
    PairColumn,
    UserColumn,
    DeviceColumn,
    Skips,
    Gaps,
    Late,
    UserFilter,
    UserHashes,
    UserStarts,
    UserPostings,
    DeviceFilter,
    DeviceHashes,
    DeviceStarts,
    DevicePostings,
    End,
}

const _: () = assert!(Section::End as usize + 1 == SECTIONS);

/// How many there are of each thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    pub(super) events: u32,
    pub(super) projects: u32,
    pub(super) types: u32,
    pub(super) modules: u32,
    pub(super) pairs: u32,
    pub(super) skips: u32,
    pub(super) late: u32,
    /// Ids of users and of devices.
    pub(super) ids: [u32; 2],
    /// Events that have a user, and that have a device.
    pub(super) id_postings: [u32; 2],
}

/// A part of the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Extent {
    pub(super) start: u64,
    pub(super) len: u64,
}

/// Everything before the block checksums.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) origin: Origin,
    pub(super) rules: u16,
    pub(super) times: TimeRange,
    pub(super) counts: Counts,
    pub(super) content_crc: u32,
    pub(super) content_len: u64,
    pub(super) sections: [Extent; SECTIONS],
}

impl Header {
    /// Checksums that follow.
    pub(super) fn blocks(&self) -> u64 {
        self.content_len.div_ceil(CHECKED_BLOCK)
    }

    /// Where the content begins.
    pub(super) fn content_start(&self) -> u64 {
        (FIXED_LEN as u64).saturating_add(self.blocks().saturating_mul(4)).next_multiple_of(CHECKED_BLOCK)
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        FileKind::Index.put_head(out);
        out.put(&self.origin.store_id);
        out.put_u32(self.origin.segment.get());
        out.put_u16(self.rules);
        out.put_u16(0);
        out.put_u64(self.origin.base_seq.get());
        out.put_u64(self.origin.last_seq().get());
        out.put_u32(self.origin.frames);
        out.put_u32(self.origin.crc_of_crcs);
        out.put_i64(self.times.min.get());
        out.put_i64(self.times.max.get());
        let Counts { events, projects, types, modules, pairs, skips, late, ids, id_postings } = self.counts;
        for count in
            [events, projects, types, modules, pairs, skips, late].into_iter().chain(ids).chain(id_postings)
        {
            out.put_u32(count);
        }
        out.put_u32(self.content_crc);
        out.put_u64(self.content_len);
        out.put_u32(super::count32(SECTIONS));
        out.put_u32(0);
        for Extent { start, len } in self.sections {
            out.put_u64(start);
            out.put_u64(len);
        }
        debug_assert_eq!(out.len(), FIXED_LEN);
    }

    /// Reads the fields behind the head; `None` where they contradict each other.
    pub(super) fn parse(reader: &mut ByteReader<'_>) -> Option<Self> {
        let store_id = reader.array()?;
        let segment = SegmentId::new(reader.u32()?);
        let rules = reader.u16()?;
        let zero = reader.u16()?;
        let base_seq = Seq::new(reader.u64()?);
        let last_seq = Seq::new(reader.u64()?);
        let origin =
            Origin { store_id, segment, base_seq, frames: reader.u32()?, crc_of_crcs: reader.u32()? };
        let times = TimeRange { min: Nanos::new(reader.i64()?), max: Nanos::new(reader.i64()?) };
        let counts = Counts {
            events: reader.u32()?,
            projects: reader.u32()?,
            types: reader.u32()?,
            modules: reader.u32()?,
            pairs: reader.u32()?,
            skips: reader.u32()?,
            late: reader.u32()?,
            ids: [reader.u32()?, reader.u32()?],
            id_postings: [reader.u32()?, reader.u32()?],
        };
        let (content_crc, content_len) = (reader.u32()?, reader.u64()?);
        let (section_count, zero_too) = (reader.u32()?, reader.u32()?);
        let mut sections = [Extent::default(); SECTIONS];
        for extent in &mut sections {
            *extent = Extent { start: reader.u64()?, len: reader.u64()? };
        }
        let header = Self { origin, rules, times, counts, content_crc, content_len, sections };
        let sound = zero == 0
            && zero_too == 0
            && section_count as usize == SECTIONS
            && last_seq == origin.last_seq()
            && header.is_sound();
        sound.then_some(header)
    }

    /// Whether sections lie in order within the content, and are as long as what they must hold.
    fn is_sound(&self) -> bool {
        let Counts { events, projects, types, modules, pairs, skips, late: _, ids: _, id_postings } =
            self.counts;
        let holds = |section: Section, items: u32, item_len: usize| {
            self.section(section).len == u64::from(items).saturating_mul(item_len as u64)
        };
        let mut end = 0u64;
        let in_order = self.sections.iter().all(|extent| {
            let fits = extent.start >= end && extent.start.is_multiple_of(ALIGN as u64);
            end = extent.start.saturating_add(extent.len);
            fits && end <= self.content_len
        });
        in_order
            && events <= self.origin.frames
            && id_postings.iter().all(|postings| *postings <= events)
            && holds(Section::Projects, projects, PROJECT_LEN)
            && holds(Section::Types, types, TYPE_LEN)
            && holds(Section::Modules, modules, MODULE_LEN)
            && holds(Section::Pairs, pairs, PAIR_LEN)
            && holds(Section::Skips, skips, SKIP_LEN)
            && holds(Section::Zones, self.origin.frames.div_ceil(super::count32(super::BLOCK)), ZONE_LEN)
    }

    #[inline]
    pub(super) fn section(&self, section: Section) -> Extent {
        self.sections.get(section as usize).copied().unwrap_or_default()
    }
}
