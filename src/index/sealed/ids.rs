//! Users and devices in a sealed index.

use super::SealedIndex;
use crate::error::Result;
use crate::index::layout::Section;
use crate::index::{IdHash, IdKind, IdNo, IdPosting, IdSummary, ProjectNo, TimeRange, filter};
use crate::types::{Nanos, Ordinal};

/// Steps of interpolation before the search goes on by halves.
const GUESSES_MAX: u32 = 12;

/// Where the ids of one kind stand.
#[derive(Debug, Clone, Copy)]
pub(in crate::index) struct SealedIds<'a> {
    index: &'a SealedIndex,
    kind: IdKind,
}

impl SealedIndex {
    pub(in crate::index) fn ids(&self, kind: IdKind) -> SealedIds<'_> {
        SealedIds { index: self, kind }
    }
}

impl SealedIds<'_> {
    fn section(self, users: Section, devices: Section) -> Section {
        match self.kind {
            IdKind::User => users,
            IdKind::Device => devices,
        }
    }

    fn of_kind<T>(self, [users, devices]: [T; 2]) -> T {
        match self.kind {
            IdKind::User => users,
            IdKind::Device => devices,
        }
    }

    pub(in crate::index) fn column(self) -> Section {
        self.section(Section::UserColumn, Section::DeviceColumn)
    }

    pub(in crate::index) fn hash(self, id: IdNo) -> Result<IdHash> {
        let section = self.section(Section::UserHashes, Section::DeviceHashes);
        Ok(IdHash::new(self.index.word(section, u64::from(id.get()) * 8)?))
    }

    /// The numbers of a project's ids, in order of their hashes.
    pub(in crate::index) fn of_project(self, project: ProjectNo) -> Result<std::ops::Range<u32>> {
        let all = self.of_kind(self.index.header.counts.ids);
        let from = self.of_kind(self.index.project_entry(project)?.first_ids);
        let to = self.index.next_project_entry(project)?.map_or(all, |entry| self.of_kind(entry.first_ids));
        Ok(from..to.min(all).max(from))
    }

    /// The number of an id, if an event of it is in the segment.
    pub(in crate::index) fn find(self, project: ProjectNo, hash: IdHash) -> Result<Option<IdNo>> {
        let section = self.section(Section::UserFilter, Section::DeviceFilter);
        let filter_len = self.index.header.section(section).len;
        let Ok(filter_bytes) = usize::try_from(filter_len) else { return Ok(None) };
        if filter_bytes < filter::LINE {
            return Ok(None);
        }
        let line = filter::line_of(hash.get(), filter_bytes) / filter::LINE;
        if !filter::may_hold(self.index.item(section, line as u64)?, hash.get()) {
            return Ok(None);
        }
        let std::ops::Range { start, end } = self.of_project(project)?;
        self.search(hash, start, end)
    }

    /// Searches the hashes of a project. Hashes are spread evenly, so that their place can be guessed.
    fn search(self, hash: IdHash, mut from: u32, mut to: u32) -> Result<Option<IdNo>> {
        let (mut low, mut high_hash) = (0u64, u64::MAX);
        let mut guesses = 0;
        while from < to {
            let len = to - from;
            let middle = if guesses < GUESSES_MAX {
                let share = u128::from(hash.get().saturating_sub(low)) * u128::from(len)
                    / (u128::from(high_hash.saturating_sub(low)) + 1);
                from + u32::try_from(share).unwrap_or(0).min(len - 1)
            } else {
                from + len / 2
            };
            guesses += 1;
            let found = self.hash(IdNo::new(middle))?;
            match found.cmp(&hash) {
                std::cmp::Ordering::Less => {
                    from = middle + 1;
                    low = found.get();
                }
                std::cmp::Ordering::Equal => return Ok(Some(IdNo::new(middle))),
                std::cmp::Ordering::Greater => {
                    to = middle;
                    high_hash = found.get();
                }
            }
        }
        Ok(None)
    }

    /// The places of an id's postings.
    pub(in crate::index) fn range(self, id: IdNo) -> Result<std::ops::Range<u32>> {
        let section = self.section(Section::UserStarts, Section::DeviceStarts);
        let all = self.of_kind(self.index.header.counts.id_postings);
        let from = self.index.packed(section, all, id.get())?;
        let to = self.index.packed(section, all, id.get().saturating_add(1))?;
        Ok(from..to.min(all).max(from))
    }

    /// The posting at a place.
    #[inline]
    pub(in crate::index) fn posting(self, place: u32) -> Result<IdPosting> {
        let section = self.section(Section::UserPostings, Section::DevicePostings);
        let ordinal = self.index.packed(section, self.index.frames(), place)?;
        let timestamp = self.index.number(Section::Times, ordinal)?;
        Ok(IdPosting { timestamp: Nanos::new(timestamp), ordinal: Ordinal::new(ordinal) })
    }

    /// Count, first and last time of an id.
    pub(in crate::index) fn summary(self, id: IdNo) -> Result<IdSummary> {
        let range = self.range(id)?;
        let first = self.posting(range.start)?;
        let last = self.posting(range.end.saturating_sub(1))?;
        Ok(IdSummary {
            no: id,
            hash: self.hash(id)?,
            count: range.end - range.start,
            times: TimeRange { min: first.timestamp, max: last.timestamp },
            last: last.ordinal,
        })
    }
}
