//! Makes the index file of a segment that was written to its end.

mod lists;
mod names;

use self::lists::{IdParts, TypeParts};
use self::names::{Names, Tally, put_times};
use super::active::ActiveIndex;
#[cfg(test)]
use super::active::ActiveWriter;
use super::column::{self, Shape};
use super::layout::{ALIGN, CHECKED_BLOCK, Counts, Extent, Header, Origin, RULES, SECTIONS, Section};
use super::{BLOCK, IdKind, NONE, TimeRange, count32};
use crate::format::bytes::ByteWriter;
#[cfg(test)]
use crate::format::keys::EventKeys;
use crate::format::manifest::DerivedFile;
use crate::types::Nanos;

/// An index file's bytes, and what the manifest lists it with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IndexFile {
    pub(crate) bytes: Vec<u8>,
    pub(crate) listed: DerivedFile,
}

/// The index file of a segment, from its frames in order: the offset of each, and its keys if it is an event.
///
/// `segment_bytes` is the length of the segment. `None` if there are not as many frames as `origin` says.
#[cfg(test)]
pub(crate) fn build<'a>(
    frames: impl IntoIterator<Item = (u32, Option<EventKeys<'a>>)>,
    hash_key: [u8; 16],
    segment_bytes: u64,
    origin: &Origin,
) -> Option<IndexFile> {
    let mut writer = ActiveWriter::new(hash_key, segment_bytes);
    for (offset, keys) in frames {
        match keys {
            Some(keys) => writer.push_event(offset, &keys),
            None => writer.push_other(offset),
        }
    }
    seal(writer.index(), origin)
}

/// The index file of a segment, from the index that was kept while it was written; the same bytes as from the frames.
///
/// `None` if the index does not have exactly the frames that `origin` says.
pub(crate) fn seal(index: &ActiveIndex, origin: &Origin) -> Option<IndexFile> {
    if index.frames() != origin.frames {
        return None;
    }
    let (mut gathered, tallies) = Gathered::new(index, origin.frames);
    let names = Names::new(index, &tallies);
    for pair in &mut gathered.pairs {
        *pair = names.pair_of_old.get(*pair as usize).copied().unwrap_or(NONE);
    }
    let types = TypeParts::new(&gathered, &names);
    let [users, devices] = IdKind::ALL.map(|kind| IdParts::new(index, &gathered, &names, kind));
    let (zones, times) = gathered.zones();
    let counts = Counts {
        events: tallies.iter().map(|tally| tally.count).sum(),
        projects: count32(names.projects.len()),
        types: count32(names.types.len()),
        modules: count32(names.modules.len()),
        pairs: count32(names.pairs.len()),
        skips: types.skip_count,
        late: types.late_count,
        ids: [users.count, devices.count],
        id_postings: [users.posting_count, devices.posting_count],
    };

    let mut content = Content::default();
    content.put(Section::Projects, &names.projects([&users.first, &devices.first]));
    content.put(Section::Types, &types.types);
    content.put(Section::Modules, &names.modules());
    content.put(Section::Names, &names.texts());
    let mut pairs = Vec::with_capacity(names.pairs.len() * 8);
    for pair in &names.pairs {
        pairs.put_u32(super::high(*pair));
        pairs.put_u32(super::low(*pair));
    }
    content.put(Section::Pairs, &pairs);
    content.put(Section::Zones, &zones);
    content.put(Section::Times, &column::encode(&gathered.times, Shape::Times));
    content.put(Section::Offsets, &column::encode(&gathered.offsets, Shape::Offsets));
    let pair_codes: Vec<i64> = gathered.pairs.iter().map(|pair| i64::from(pair.wrapping_add(1))).collect();
    content.put(Section::PairColumn, &column::encode(&pair_codes, Shape::Numbers));
    content.put(Section::UserColumn, &column::encode(&users.column, Shape::Numbers));
    content.put(Section::DeviceColumn, &column::encode(&devices.column, Shape::Numbers));
    content.put(Section::Skips, &types.skips);
    content.put(Section::Gaps, &types.gaps);
    content.put(Section::Late, &types.late);
    content.put(Section::UserFilter, &users.filter);
    content.put(Section::UserHashes, &users.hashes);
    content.put(Section::UserStarts, &users.starts);
    content.put(Section::UserPostings, &users.postings);
    content.put(Section::DeviceFilter, &devices.filter);
    content.put(Section::DeviceHashes, &devices.hashes);
    content.put(Section::DeviceStarts, &devices.starts);
    content.put(Section::DevicePostings, &devices.postings);
    content.put(Section::End, &[]);
    Some(content.finish(origin, times, counts))
}

/// What the frames of a segment say, by ordinal.
#[derive(Debug, Default)]
struct Gathered {
    /// A frame that is no event has the timestamp of the event before it, or else of the first.
    times: Vec<i64>,
    offsets: Vec<i64>,
    /// [`NONE`] for a frame that is no event.
    pairs: Vec<u32>,
    /// Slots of users and of devices.
    slots: [Vec<u32>; 2],
}

impl Gathered {
    fn new(index: &ActiveIndex, frames: u32) -> (Self, Vec<Tally>) {
        let mut gathered = Self::default();
        let mut tallies = Vec::new();
        gathered.times.reserve(frames as usize);
        gathered.offsets.reserve(frames as usize);
        gathered.pairs.reserve(frames as usize);
        let first = (0..frames).map(|ordinal| index.row(ordinal)).find(|row| row.pair.is_some());
        let mut time = first.map_or(0, |row| row.time);
        for ordinal in 0..frames {
            let row = index.row(ordinal);
            if let Some(pair) = row.pair {
                time = row.time;
                if tallies.len() <= pair as usize {
                    tallies.resize(pair as usize + 1, Tally::EMPTY);
                }
                if let Some(tally) = tallies.get_mut(pair as usize) {
                    tally.count += 1;
                    tally.times.widen(Nanos::new(time));
                }
            }
            gathered.times.push(time);
            gathered.offsets.push(i64::from(row.offset));
            gathered.pairs.push(row.pair.unwrap_or(NONE));
        }
        gathered.slots = IdKind::ALL.map(|kind| {
            let ids = index.ids(kind);
            (0..frames).map(|ordinal| ids.id_of(ordinal).map_or(NONE, super::IdNo::get)).collect()
        });
        (gathered, tallies)
    }

    /// Least and greatest timestamp of each block, and of the segment.
    fn zones(&self) -> (Vec<u8>, TimeRange) {
        let mut out = Vec::new();
        let mut all = TimeRange::EMPTY;
        for (times, pairs) in self.times.chunks(BLOCK).zip(self.pairs.chunks(BLOCK)) {
            let mut zone = TimeRange::EMPTY;
            for (time, _) in times.iter().zip(pairs).filter(|(_, pair)| **pair != NONE) {
                zone.widen(Nanos::new(*time));
            }
            put_times(&mut out, zone);
            all.merge(zone);
        }
        (out, all)
    }
}

/// The content of a file, section by section.
#[derive(Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    sections: [Extent; SECTIONS],
}

impl Content {
    fn put(&mut self, section: Section, bytes: &[u8]) {
        if let Some(extent) = self.sections.get_mut(section as usize) {
            *extent = Extent { start: self.bytes.len() as u64, len: bytes.len() as u64 };
        }
        self.bytes.put(bytes);
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGN), 0);
    }

    fn finish(self, origin: &Origin, times: TimeRange, counts: Counts) -> IndexFile {
        let header = Header {
            origin: *origin,
            rules: RULES,
            times,
            counts,
            content_crc: crc32fast::hash(&self.bytes),
            content_len: self.bytes.len() as u64,
            sections: self.sections,
        };
        let start = usize::try_from(header.content_start()).unwrap_or(usize::MAX);
        let mut bytes = Vec::with_capacity(start.saturating_add(self.bytes.len()));
        header.encode(&mut bytes);
        for block in self.bytes.chunks(usize::try_from(CHECKED_BLOCK).unwrap_or(usize::MAX)) {
            bytes.put_u32(crc32fast::hash(block));
        }
        bytes.resize(start, 0);
        bytes.put(&self.bytes);
        let listed = DerivedFile { len: bytes.len() as u64, crc: crc32fast::hash(&bytes), rules: RULES };
        IndexFile { bytes, listed }
    }
}
