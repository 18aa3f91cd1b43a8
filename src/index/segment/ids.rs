//! The events of users and of devices, in (timestamp, ordinal) order.

use super::{SegmentIndex, Source};
use crate::error::Result;
use crate::index::active::{ActiveIndex, Chain};
use crate::index::sealed::{SealedIds, SealedIndex};
use crate::index::{IdHash, IdKind, IdNo, IdPosting, IdSummary, ProjectNo};

impl SegmentIndex {
    /// The number of a user or device, if it has events.
    pub(crate) fn id_no(&self, project: ProjectNo, kind: IdKind, hash: IdHash) -> Result<Option<IdNo>> {
        match &self.source {
            Source::Active(index) => {
                let ids = index.ids(kind);
                let found = ids.find(hash).filter(|id| ids.project(*id) == project);
                Ok(found.filter(|id| Chain::new(ids, *id, self.bound).is_some()))
            }
            Source::Sealed(index) => {
                let found = index.ids(kind).find(project, hash)?;
                let Some(id) = found.filter(|_| !self.is_whole(index)) else { return Ok(found) };
                Ok((self.postings_below(index, kind, id)?.len() > 0).then_some(id))
            }
        }
    }

    /// Count, first and last time of a user or device, `None` without events. In an active index this walks all of
    /// its events.
    pub(crate) fn id_summary(&self, kind: IdKind, id: IdNo) -> Result<Option<IdSummary>> {
        match &self.source {
            Source::Sealed(index) if self.is_whole(index) => index.ids(kind).summary(id).map(Some),
            _ => {
                let mut postings = self.postings_of(kind, id)?;
                let Some(last) = postings.next_back().transpose()? else { return Ok(None) };
                let (mut count, mut first) = (1, last);
                while let Some(posting) = postings.next_back().transpose()? {
                    count += 1;
                    first = posting;
                }
                let times = crate::index::TimeRange { min: first.timestamp, max: last.timestamp };
                let hash = self.id_hash(kind, id)?;
                Ok(Some(IdSummary { no: id, hash, count, times, last: last.ordinal }))
            }
        }
    }

    /// The users or devices of a project, in order of their hashes.
    pub(crate) fn ids(&self, project: ProjectNo, kind: IdKind) -> Result<Ids<'_>> {
        let left = match &self.source {
            Source::Active(index) => Left::Known(index.id_summaries(project, kind, self.bound).into_iter()),
            Source::Sealed(index) => Left::Numbers(index.ids(kind).of_project(project)?),
        };
        Ok(Ids { index: self, kind, left })
    }

    /// The events of a user or device; none if it is not in the segment.
    ///
    /// A hash can, very rarely, be that of two ids: whoever reads the records compares the ids.
    #[cfg(test)]
    pub(crate) fn id_postings(
        &self,
        project: ProjectNo,
        kind: IdKind,
        hash: IdHash,
    ) -> Result<IdPostings<'_>> {
        match self.id_no(project, kind, hash)? {
            Some(id) => self.postings_of(kind, id),
            None => Ok(IdPostings(Walk::Listed(Vec::new().into_iter()))),
        }
    }

    /// The events of the user or device with this number.
    pub(crate) fn postings_of(&self, kind: IdKind, id: IdNo) -> Result<IdPostings<'_>> {
        match &self.source {
            Source::Active(index) => Ok(match Chain::new(index.ids(kind), id, self.bound) {
                Some(chain) => IdPostings(Walk::Chain(index, chain)),
                None => IdPostings(Walk::Listed(Vec::new().into_iter())),
            }),
            Source::Sealed(index) if self.is_whole(index) => {
                let ids = index.ids(kind);
                Ok(IdPostings(Walk::Sealed { ids, places: ids.range(id)? }))
            }
            Source::Sealed(index) => {
                self.postings_below(index, kind, id).map(|left| IdPostings(Walk::Listed(left)))
            }
        }
    }

    /// The events of an id below the bound of a sealed index, of which the bound hides some.
    fn postings_below(
        &self,
        index: &SealedIndex,
        kind: IdKind,
        id: IdNo,
    ) -> Result<std::vec::IntoIter<IdPosting>> {
        let ids = index.ids(kind);
        let all = ids.range(id)?.map(|place| ids.posting(place));
        let below =
            all.filter(|posting| posting.as_ref().map_or(true, |posting| self.shows(posting.ordinal)));
        Ok(below.collect::<Result<Vec<_>>>()?.into_iter())
    }
}

/// The users or devices of a project, in order of their hashes.
#[derive(Debug)]
pub(crate) struct Ids<'a> {
    index: &'a SegmentIndex,
    kind: IdKind,
    left: Left,
}

#[derive(Debug)]
enum Left {
    Known(std::vec::IntoIter<IdSummary>),
    Numbers(std::ops::Range<u32>),
}

impl Iterator for Ids<'_> {
    type Item = Result<IdSummary>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.left {
            Left::Known(summaries) => summaries.next().map(Ok),
            Left::Numbers(numbers) => {
                numbers.find_map(|no| self.index.id_summary(self.kind, IdNo::new(no)).transpose())
            }
        }
    }
}

impl std::iter::FusedIterator for Ids<'_> {}

/// The events of a user or device in (timestamp, ordinal) order, from both ends.
///
/// In an active index the newest events come first and cheaply; the first call for the oldest one collects what is
/// left.
#[derive(Debug)]
pub(crate) struct IdPostings<'a>(Walk<'a>);

#[derive(Debug)]
enum Walk<'a> {
    Chain(&'a ActiveIndex, Chain<'a>),
    Listed(std::vec::IntoIter<IdPosting>),
    Sealed { ids: SealedIds<'a>, places: std::ops::Range<u32> },
}

impl IdPostings<'_> {
    /// Leaves out what is before `from` and was not passed yet.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`](crate::Error) where a sealed index is damaged.
    pub(crate) fn seek(&mut self, from: IdPosting) -> Result<()> {
        self.collect();
        match &mut self.0 {
            Walk::Chain(..) => {}
            Walk::Listed(left) => {
                let passed = left.as_slice().partition_point(|posting| *posting < from);
                if let Some(last) = passed.checked_sub(1) {
                    left.nth(last);
                }
            }
            Walk::Sealed { ids, places } => places.start = place_of(*ids, places.clone(), from)?,
        }
        Ok(())
    }

    /// Leaves out what is at or after `to` and was not passed yet.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`](crate::Error) where a sealed index is damaged.
    pub(crate) fn seek_back(&mut self, to: IdPosting) -> Result<()> {
        match &mut self.0 {
            Walk::Chain(index, chain) => chain.seek_back(to, |ordinal| index.row(ordinal).time),
            Walk::Listed(left) => {
                let kept = left.as_slice().partition_point(|posting| *posting < to);
                if let Some(last) = (left.len() - kept).checked_sub(1) {
                    left.nth_back(last);
                }
            }
            Walk::Sealed { ids, places } => places.end = place_of(*ids, places.clone(), to)?,
        }
        Ok(())
    }

    /// Replaces a chain, which can be walked from its newest end only.
    fn collect(&mut self) {
        if let Walk::Chain(index, chain) = &mut self.0 {
            let mut left: Vec<_> =
                std::iter::from_fn(|| chain.next(|ordinal| index.row(ordinal).time)).collect();
            left.reverse();
            self.0 = Walk::Listed(left.into_iter());
        }
    }
}

/// The first place in a range whose posting is not before `from`.
fn place_of(ids: SealedIds<'_>, places: std::ops::Range<u32>, from: IdPosting) -> Result<u32> {
    let std::ops::Range { start: mut low, end: mut high } = places;
    while low < high {
        let middle = low + (high - low) / 2;
        if ids.posting(middle)? < from {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

impl Iterator for IdPostings<'_> {
    type Item = Result<IdPosting>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.collect();
        match &mut self.0 {
            Walk::Chain(..) => None,
            Walk::Listed(left) => left.next().map(Ok),
            Walk::Sealed { ids, places } => places.next().map(|place| ids.posting(place)),
        }
    }
}

impl DoubleEndedIterator for IdPostings<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Walk::Chain(index, chain) => chain.next(|ordinal| index.row(ordinal).time).map(Ok),
            Walk::Listed(left) => left.next_back().map(Ok),
            Walk::Sealed { ids, places } => places.next_back().map(|place| ids.posting(place)),
        }
    }
}

impl std::iter::FusedIterator for IdPostings<'_> {}
