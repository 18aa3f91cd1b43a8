//! The postings of a sealed index: of types in packed blocks, of ids in one packed array.

use super::Gathered;
use super::names::{Names, put_name};
use crate::format::bytes::ByteWriter;
use crate::index::active::ActiveIndex;
use crate::index::bits::{self, SLACK};
use crate::index::postings::POSTINGS_BLOCK;
use crate::index::{IdKind, IdNo, NONE, count32, filter, high};

/// The parts of the content that hold types.
#[derive(Debug, Default)]
pub(super) struct TypeParts {
    pub(super) types: Vec<u8>,
    pub(super) skips: Vec<u8>,
    pub(super) gaps: Vec<u8>,
    pub(super) late: Vec<u8>,
    pub(super) skip_count: u32,
    pub(super) late_count: u32,
}

impl TypeParts {
    pub(super) fn new(gathered: &Gathered, names: &Names) -> Self {
        // Postings by type: places counted first, then filled in order of ordinals.
        let mut ends = Vec::with_capacity(names.types.len());
        let mut end = 0usize;
        for name in &names.types {
            ends.push(end);
            end += name.tally.count as usize;
        }
        let mut postings = vec![0u32; end];
        let type_of: Vec<u32> = names.pairs.iter().map(|pair| high(*pair)).collect();
        for (ordinal, pair) in gathered.pairs.iter().enumerate() {
            let place = type_of.get(*pair as usize).and_then(|no| ends.get_mut(*no as usize));
            if let Some(place) = place {
                if let Some(posting) = postings.get_mut(*place) {
                    *posting = count32(ordinal);
                }
                *place += 1;
            }
        }
        let mut parts = Self::default();
        let mut all_late = Vec::new();
        let (mut start, mut text_at) = (0, 0);
        for (name, end) in names.types.iter().zip(&ends) {
            put_name(&mut parts.types, name, text_at);
            parts.types.put_u32(parts.skip_count);
            parts.types.put_u32(count32(all_late.len()));
            let first_late = all_late.len();
            parts.put_blocks(postings.get(start..*end).unwrap_or_default(), &gathered.times, &mut all_late);
            parts.types.put_u32(count32(all_late.len() - first_late));
            parts.types.put_u32(0);
            text_at += name.text.len();
            start = *end;
        }
        parts.late_count = count32(all_late.len());
        let width = bits::width_of(gathered.times.len() as u64);
        bits::pack(&mut parts.late, width, all_late.into_iter().map(u64::from));
        parts.late.put(&[0; SLACK]);
        parts.gaps.put(&[0; SLACK]);
        parts
    }

    /// Appends the postings of one type, and its late ones to `all_late` in order of time.
    fn put_blocks(&mut self, postings: &[u32], times: &[i64], all_late: &mut Vec<u32>) {
        let time_of = |ordinal: u32| times.get(ordinal as usize).copied().unwrap_or(0);
        let mut greatest = i64::MIN;
        let mut late = Vec::new();
        for block in postings.chunks(POSTINGS_BLOCK) {
            let late_before = late.len();
            for ordinal in block {
                let time = time_of(*ordinal);
                if time < greatest {
                    late.push(*ordinal);
                }
                greatest = greatest.max(time);
            }
            let gaps = || block.windows(2).map(|pair| u64::from(pair[1] - pair[0] - 1));
            let width = bits::width_of(gaps().max().unwrap_or(0));
            self.skips.put_u32(block.first().copied().unwrap_or(0));
            self.skips.put_u32(count32(self.gaps.len()));
            self.skips.put_u32(count32(late_before));
            self.skips.put(&[width, 0, 0, 0]);
            self.skips.put_i64(greatest);
            self.skip_count += 1;
            bits::pack(&mut self.gaps, width, gaps());
        }
        late.sort_unstable_by_key(|ordinal| (time_of(*ordinal), *ordinal));
        all_late.append(&mut late);
    }
}

/// The parts of the content that hold the ids of one kind.
#[derive(Debug, Default)]
pub(super) struct IdParts {
    pub(super) filter: Vec<u8>,
    pub(super) hashes: Vec<u8>,
    pub(super) starts: Vec<u8>,
    pub(super) postings: Vec<u8>,
    /// By project: its first id.
    pub(super) first: Vec<u32>,
    /// By ordinal: the id's number plus one, zero without an id.
    pub(super) column: Vec<i64>,
    pub(super) count: u32,
    pub(super) posting_count: u32,
}

impl IdParts {
    pub(super) fn new(index: &ActiveIndex, gathered: &Gathered, names: &Names, kind: IdKind) -> Self {
        let table = index.ids(kind);
        let mut ids: Vec<(u32, u64, u32)> = (0..table.len())
            .map(|slot| {
                let id = IdNo::new(slot);
                let project = names.project_of_old.get(table.project(id).index()).copied().unwrap_or(0);
                (project, table.hash(id).get(), slot)
            })
            .collect();
        ids.sort_unstable();
        let mut parts = Self { count: count32(ids.len()), ..Self::default() };
        parts.filter = vec![0; filter::len(ids.len())];
        parts.hashes.reserve(ids.len() * 8);
        parts.first = vec![0; names.projects.len()];
        let mut number_of_slot = vec![0u32; ids.len()];
        for (no, (project, hash, slot)) in (0u32..).zip(&ids) {
            parts.hashes.put_u64(*hash);
            filter::insert(&mut parts.filter, *hash);
            if let Some(place) = number_of_slot.get_mut(*slot as usize) {
                *place = no;
            }
            if let Some(count) = parts.first.get_mut(*project as usize) {
                *count += 1;
            }
        }
        let mut first = 0;
        for place in &mut parts.first {
            first += std::mem::replace(place, first);
        }
        let [users, devices] = &gathered.slots;
        let slots = if kind == IdKind::User { users } else { devices };
        parts.put_postings(slots, &number_of_slot, &gathered.times);
        parts
    }

    fn put_postings(&mut self, slots: &[u32], number_of_slot: &[u32], times: &[i64]) {
        let ids = self.count as usize;
        self.column = Vec::with_capacity(slots.len());
        let mut starts = vec![0u32; ids + 1];
        for slot in slots {
            let number = if *slot == NONE { None } else { number_of_slot.get(*slot as usize) };
            self.column.push(number.map_or(0, |no| i64::from(*no) + 1));
            if let Some(count) = number.and_then(|no| starts.get_mut(*no as usize)) {
                *count += 1;
            }
        }
        let mut start = 0;
        for place in &mut starts {
            start += std::mem::replace(place, start);
        }
        self.posting_count = start;
        let mut next = starts.clone();
        let mut postings = vec![0u32; start as usize];
        for (ordinal, number) in (0u32..).zip(&self.column) {
            let id = usize::try_from(*number - 1).ok();
            if let Some(place) = id.and_then(|id| next.get_mut(id)) {
                if let Some(posting) = postings.get_mut(*place as usize) {
                    *posting = ordinal;
                }
                *place += 1;
            }
        }
        let time_of = |ordinal: &u32| times.get(*ordinal as usize).copied().unwrap_or(0);
        for range in starts.windows(2) {
            let of_id = postings.get_mut(range[0] as usize..range[1] as usize).unwrap_or_default();
            if !of_id.is_sorted_by_key(time_of) {
                of_id.sort_unstable_by_key(|ordinal| (time_of(ordinal), *ordinal));
            }
        }
        bits::pack(&mut self.starts, bits::width_of(u64::from(start)), starts.into_iter().map(u64::from));
        self.starts.put(&[0; SLACK]);
        let width = bits::width_of(slots.len() as u64);
        bits::pack(&mut self.postings, width, postings.into_iter().map(u64::from));
        self.postings.put(&[0; SLACK]);
    }
}
