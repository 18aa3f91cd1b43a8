//! Reading what a source of candidates finds, from either end: records ahead in memory, checks, limits.

use std::collections::VecDeque;
use std::fmt;
use std::iter::FusedIterator;

use super::plan::Prepared;
use super::source::{Located, Source};
use crate::error::{Error, Result};
use crate::store::event::EventRef;
use crate::store::handle::Pinned;
use crate::types::Ordinal;

/// Records that are asked of memory before they are read: at least so many, where there are.
const AHEAD_MIN: usize = 8;
/// And at most so many. They are asked for many at once, so that the walks through page tables overlap, which cost more
/// than the records themselves where memory is mapped in small pages.
const AHEAD_MAX: usize = 24;

/// Candidates in an order, from either end, and what only their records can tell.
pub(super) trait Steps {
    /// The next candidate from the front or from the back. What cannot be read is an error of its own, and the steps
    /// go on behind it; once there is none, there is none for good.
    fn step(&mut self, from_back: bool) -> Option<Result<Located>>;

    /// Whether the candidate with this record is an event that is asked for.
    fn takes(&self, event: &EventRef<'_>) -> bool;

    /// Whether all candidates are, but for ids whose hashes are the same.
    fn is_exact(&self) -> bool;
}

/// A candidate, or why there is none in its place.
type Candidate = Result<Located, Box<Error>>;

/// The events of a source of candidates.
pub(super) struct Reading<'v, S> {
    pinned: &'v Pinned,
    source: S,
    /// Whether `next` takes from the back of the source.
    from_back: bool,
    /// Items that may still be returned.
    left: usize,
    limited: bool,
    /// Candidates that were taken from the front of the source, and from its back, in the order they were taken.
    front: VecDeque<Candidate>,
    back: VecDeque<Candidate>,
    /// Where the last event that was found is.
    found: Located,
    /// What is left of a limited query that was read from its end: it must be known where it ends.
    rest: Option<VecDeque<Candidate>>,
}

impl<'v, S: Steps> Reading<'v, S> {
    pub(super) fn new(pinned: &'v Pinned, source: S, from_back: bool, limit: Option<usize>) -> Self {
        Self {
            pinned,
            source,
            from_back,
            left: limit.unwrap_or(usize::MAX),
            limited: limit.is_some(),
            front: VecDeque::new(),
            back: VecDeque::new(),
            found: Located { segment: 0, ordinal: Ordinal::new(0), offset: 0 },
            rest: None,
        }
    }

    /// The next candidate from one end, its record already on its way from memory.
    #[inline]
    fn candidate(&mut self, from_back: bool) -> Option<Candidate> {
        let (near, far) =
            if from_back { (&mut self.back, &mut self.front) } else { (&mut self.front, &mut self.back) };
        let needed = if self.source.is_exact() { self.left } else { usize::MAX };
        let known = near.len();
        if known < AHEAD_MIN.min(needed) {
            while near.len() < AHEAD_MAX.min(needed)
                && let Some(candidate) = self.source.step(from_back)
            {
                near.push_back(candidate.map_err(Box::new));
            }
            for located in near.range(known..).flatten() {
                located.prefetch(self.pinned);
            }
        }
        near.pop_front().or_else(|| far.pop_back())
    }

    /// The next event from one end.
    #[inline]
    fn find(&mut self, from_back: bool) -> Option<Result<EventRef<'v>>> {
        loop {
            match self.candidate(from_back)? {
                Ok(located) => self.found = located,
                Err(error) => return Some(Err(*error)),
            }
            match self.found.read(self.pinned) {
                Ok(Some(event)) if self.source.takes(&event) => return Some(Ok(event)),
                Ok(_) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// The next event from one end, and where it is.
    fn locate(&mut self, from_back: bool) -> Option<Result<(Located, EventRef<'v>)>> {
        let event = self.find(from_back)?;
        Some(event.map(|event| (self.found, event)))
    }

    #[inline]
    pub(super) fn next(&mut self) -> Option<Result<EventRef<'v>>> {
        if let Some(rest) = &mut self.rest {
            let candidate = rest.pop_front()?;
            return self.read(candidate);
        }
        if self.left == 0 {
            return None;
        }
        let found = self.find(self.from_back);
        self.left = if found.is_some() { self.left - 1 } else { 0 };
        found
    }

    pub(super) fn next_back(&mut self) -> Option<Result<EventRef<'v>>> {
        if !self.limited {
            return self.find(!self.from_back);
        }
        if self.rest.is_none() {
            self.rest = Some(self.find_rest());
        }
        let candidate = self.rest.as_mut()?.pop_back()?;
        self.read(candidate)
    }

    /// Finds where a limited query ends.
    fn find_rest(&mut self) -> VecDeque<Candidate> {
        let mut rest = VecDeque::new();
        while self.left > 0
            && let Some(found) = self.find(self.from_back)
        {
            self.left -= 1;
            rest.push_back(found.map(|_| self.found).map_err(Box::new));
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

/// The events of a query in seq order; made by [`EventQuery::iter`](super::EventQuery::iter).
///
/// Lazy, double-ended and fused. What cannot be read is an item of its own, and the iterator goes on behind it: a
/// damaged record is one [`Error::Corrupt`], a segment that is damaged together with its index is one as well, and a
/// range that was set aside is one [`Error::Gap`]. In a store that is open with
/// [`OnCorruption::Quarantine`](crate::OnCorruption), a damaged record of a sealed segment is a gap too.
///
/// # Examples
///
/// ```
/// use envelog::{Store, Uuid};
///
/// let store = Store::in_memory()?;
/// let shop = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing");
/// for event_type in ["order.placed", "order.paid", "order.shipped"] {
///     shop.track(event_type).user("u_1").append()?;
/// }
///
/// let view = store.project(Uuid::from_u128(2)).view()?;
/// let mut events = view.events().iter();
/// assert_eq!(events.next().expect("three events")?.event_type(), "order.placed");
/// assert_eq!(events.next_back().expect("three events")?.event_type(), "order.shipped");
/// assert_eq!(events.count(), 1);
/// # Ok::<(), envelog::Error>(())
/// ```
#[must_use = "the iterator is lazy, and reads nothing before it is asked"]
pub struct Events<'v>(Reading<'v, Source<'v>>);

impl<'v> Events<'v> {
    pub(super) fn new(
        pinned: &'v Pinned,
        prepared: Prepared,
        newest_first: bool,
        limit: Option<usize>,
    ) -> Self {
        Self(Reading::new(pinned, Source::new(pinned, prepared), newest_first, limit))
    }

    /// The next event in seq order, and where it is.
    pub(super) fn locate(&mut self) -> Option<Result<(Located, EventRef<'v>)>> {
        self.0.locate(false)
    }
}

impl<'v> Iterator for Events<'v> {
    type Item = Result<EventRef<'v>>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

impl DoubleEndedIterator for Events<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.next_back()
    }
}

impl FusedIterator for Events<'_> {}

impl fmt::Debug for Events<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}
