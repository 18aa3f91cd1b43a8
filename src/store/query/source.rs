//! The candidates of a query over all segments, in seq order, from either end.

use super::events::Steps;
use super::plan::{Prepared, SegmentWalk};
use crate::error::{Error, Result};
use crate::index::ColumnReader;
use crate::store::event::EventRef;
use crate::store::handle::Pinned;
use crate::types::Ordinal;

/// Bytes that come from memory together.
const CACHE_LINE: u32 = 64;
/// Lines that header and keys of most records take.
const HEAD_LINES: u32 = 3;

/// Where a candidate's frame is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Located {
    /// The segment's place in the view's list.
    pub(crate) segment: u32,
    pub(crate) ordinal: Ordinal,
    pub(crate) offset: u32,
}

impl Located {
    /// The candidate's event; `None` if the frame is none after all.
    #[inline]
    pub(crate) fn read(self, pinned: &Pinned) -> Result<Option<EventRef<'_>>> {
        let Some(segment) = pinned.segment(self.segment) else { return Ok(None) };
        EventRef::read(segment.handle, &pinned.snapshot.epochs, self.ordinal, self.offset)
    }

    pub(crate) fn prefetch(self, pinned: &Pinned) {
        if let Some(segment) = pinned.segment(self.segment) {
            for line in 0..HEAD_LINES {
                segment.handle.segment.prefetch(self.offset.saturating_add(line * CACHE_LINE));
            }
        }
    }
}

/// A segment under way.
#[derive(Debug)]
struct Current<'v> {
    at: u32,
    offsets: ColumnReader<'v>,
    walk: SegmentWalk<'v>,
}

impl Current<'_> {
    #[inline]
    fn step(&mut self, from_back: bool) -> Result<Option<Located>> {
        let Some(ordinal) = self.walk.step(from_back)? else { return Ok(None) };
        // One that is no offset is that of no frame, and reading it says so.
        let offset = u32::try_from(self.offsets.get(ordinal)?).unwrap_or(u32::MAX);
        Ok(Some(Located { segment: self.at, ordinal, offset }))
    }
}

/// All candidates of a query.
///
/// A segment whose index cannot be read gives one error and no candidates. A gap in the log gives one error where
/// both segments around it are in the range of seqs that was asked for.
#[derive(Debug)]
pub(crate) struct Source<'v> {
    pinned: &'v Pinned,
    prepared: Prepared,
    /// Segments that were not begun from either end.
    from: u32,
    to: u32,
    front: Option<Current<'v>>,
    back: Option<Current<'v>>,
    /// The crossing between segment n - 1 and n is told of once, when the second of the two is begun.
    begun_front: bool,
    begun_back: bool,
    met: bool,
}

impl<'v> Source<'v> {
    pub(crate) fn new(pinned: &'v Pinned, prepared: Prepared) -> Self {
        let segments = &pinned.snapshot.segments;
        let to = segments.begun_by(prepared.filter.seq_max.min(pinned.snapshot.visible));
        let from = segments.begun_by(prepared.filter.seq_min).saturating_sub(1).min(to);
        Self {
            pinned,
            prepared,
            from,
            to,
            front: None,
            back: None,
            begun_front: false,
            begun_back: false,
            met: false,
        }
    }

    fn find(&mut self, from_back: bool) -> Option<Result<Located>> {
        loop {
            let (near, far) =
                if from_back { (&mut self.back, &mut self.front) } else { (&mut self.front, &mut self.back) };
            if let Some(current) = near {
                match current.step(from_back) {
                    Ok(Some(located)) => return Some(Ok(located)),
                    Ok(None) => *near = None,
                    Err(error) => {
                        *near = None;
                        return Some(Err(error));
                    }
                }
            }
            if self.from < self.to {
                if let Err(error) = self.begin(from_back) {
                    return Some(Err(error));
                }
                continue;
            }
            if !self.met {
                self.met = true;
                if self.begun_front
                    && self.begun_back
                    && let Some(gap) = self.gap_before(self.to)
                {
                    return Some(Err(gap));
                }
                continue;
            }
            // What the other end holds is all that is left.
            let step = far.as_mut()?.step(from_back);
            if !matches!(step, Ok(Some(_))) {
                *far = None;
            }
            return step.transpose();
        }
    }

    /// Begins the next segment of one end.
    #[cold]
    fn begin(&mut self, from_back: bool) -> Result<()> {
        let begun = if from_back { &mut self.begun_back } else { &mut self.begun_front };
        let crosses = std::mem::replace(begun, true);
        let crossing = if from_back { self.to } else { self.from };
        if crosses && let Some(gap) = self.gap_before(crossing) {
            // The next call begins the segment, and does not tell of the gap again.
            *(if from_back { &mut self.begun_back } else { &mut self.begun_front }) = false;
            return Err(gap);
        }
        let at = if from_back {
            self.to -= 1;
            self.to
        } else {
            self.from += 1;
            self.from - 1
        };
        let Some(segment) = self.pinned.segment(at) else { return Ok(()) };
        if let Some(plan) = self.prepared.plan(segment)? {
            let current = Some(Current { at, offsets: segment.index.offsets(), walk: plan.walk()? });
            *(if from_back { &mut self.back } else { &mut self.front }) = current;
        }
        Ok(())
    }

    /// The gap that ends where a segment begins.
    fn gap_before(&self, segment: u32) -> Option<Error> {
        let gaps = &self.pinned.snapshot.gaps;
        if gaps.is_empty() {
            return None;
        }
        let base = self.pinned.segment(segment)?.handle.segment.base_seq();
        let gap = gaps.iter().find(|gap| gap.to.next() == base)?;
        Some(Error::Gap { from: gap.from, to: gap.to })
    }
}

impl Steps for Source<'_> {
    #[inline]
    fn step(&mut self, from_back: bool) -> Option<Result<Located>> {
        self.find(from_back)
    }

    #[inline]
    fn takes(&self, event: &EventRef<'_>) -> bool {
        self.prepared.takes(event)
    }

    fn is_exact(&self) -> bool {
        !self.prepared.needs_records()
    }
}
