//! The events of a query, one after the other, from either end.

use std::collections::VecDeque;
use std::fmt;
use std::iter::FusedIterator;

use super::plan::Prepared;
use super::source::{Located, Source};
use crate::error::{Error, Result};
use crate::store::event::EventRef;
use crate::store::view::Pinned;

/// Records that are asked of memory before they are read.
const AHEAD: usize = 12;

/// A candidate, or why there is none in its place.
type Candidate = Result<Located, Box<Error>>;

/// The events of a query; made by [`EventQuery::iter`](super::EventQuery::iter).
///
/// Lazy, double-ended and fused. What cannot be read is an item of its own, and the iterator goes on behind it: a
/// damaged record is one [`Error::Corrupt`], a segment whose index is damaged is one as well, and a range that was set
/// aside is one [`Error::Gap`].
pub struct Events<'v> {
    pinned: &'v Pinned,
    source: Source<'v>,
    newest_first: bool,
    /// Items that may still be returned.
    left: usize,
    limited: bool,
    needs_records: bool,
    /// Candidates that were taken from the front of the source, and from its back, in the order they were taken.
    front: VecDeque<Candidate>,
    back: VecDeque<Candidate>,
    /// What is left of a limited query that was read from its end: it must be known where it ends.
    rest: Option<VecDeque<Candidate>>,
}

impl<'v> Events<'v> {
    pub(super) fn new(pinned: &'v Pinned, prepared: Prepared, newest_first: bool, limit: Option<usize>) -> Self {
        Self {
            pinned,
            needs_records: prepared.needs_records(),
            source: Source::new(pinned, prepared),
            newest_first,
            left: limit.unwrap_or(usize::MAX),
            limited: limit.is_some(),
            front: VecDeque::new(),
            back: VecDeque::new(),
            rest: None,
        }
    }

    /// The next candidate from one end, its record already on its way from memory.
    #[inline]
    fn candidate(&mut self, from_back: bool) -> Option<Candidate> {
        let (near, far) =
            if from_back { (&mut self.back, &mut self.front) } else { (&mut self.front, &mut self.back) };
        // Each candidate is an event where no record must be read to know it.
        let wanted = if self.needs_records { AHEAD } else { AHEAD.min(self.left) };
        while near.len() < wanted
            && let Some(candidate) = self.source.step(from_back)
        {
            if let Ok(located) = &candidate {
                located.prefetch(self.pinned);
            }
            near.push_back(candidate.map_err(Box::new));
        }
        near.pop_front().or_else(|| far.pop_back())
    }

    /// The next candidate from one end that is an event of the query, and its event.
    #[inline]
    pub(super) fn locate(&mut self, from_back: bool) -> Option<Result<(Located, EventRef<'v>)>> {
        loop {
            let located = match self.candidate(from_back)? {
                Ok(located) => located,
                Err(error) => return Some(Err(*error)),
            };
            match located.read(self.pinned) {
                Ok(Some(event)) if self.source.prepared.takes(&event) => return Some(Ok((located, event))),
                Ok(_) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// Finds where a limited query ends.
    fn find_rest(&mut self) -> VecDeque<Candidate> {
        let mut rest = VecDeque::new();
        while self.left > 0
            && let Some(found) = self.locate(self.newest_first)
        {
            self.left -= 1;
            rest.push_back(found.map(|(located, _)| located).map_err(Box::new));
        }
        rest
    }

    fn read(&self, candidate: Candidate) -> Option<Result<EventRef<'v>>> {
        match candidate {
            Ok(located) => located.read(self.pinned).transpose(),
            Err(error) => Some(Err(*error)),
        }
    }
}

impl<'v> Iterator for Events<'v> {
    type Item = Result<EventRef<'v>>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if let Some(rest) = &mut self.rest {
            let candidate = rest.pop_front()?;
            return self.read(candidate);
        }
        if self.left == 0 {
            return None;
        }
        let found = self.locate(self.newest_first);
        // None is final: the source is fused.
        self.left = if found.is_some() { self.left - 1 } else { 0 };
        Some(found?.map(|(_, event)| event))
    }
}

impl DoubleEndedIterator for Events<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if !self.limited {
            return Some(self.locate(!self.newest_first)?.map(|(_, event)| event));
        }
        if self.rest.is_none() {
            self.rest = Some(self.find_rest());
        }
        let candidate = self.rest.as_mut()?.pop_back()?;
        self.read(candidate)
    }
}

impl FusedIterator for Events<'_> {}

impl fmt::Debug for Events<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("filter", &self.source.prepared.filter).finish_non_exhaustive()
    }
}
