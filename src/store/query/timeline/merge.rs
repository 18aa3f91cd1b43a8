//! The postings of a person in all segments, merged in (timestamp, seq) order, from either end.
//!
//! Segments are opened from either end of the log and only as far as they must be: no more, once the best posting at
//! hand is beyond all that the segments not opened can hold. Most logs are nearly in order of time, so that a few are
//! open at once and those that are used up are let go.

use super::{Member, Reach};
use crate::error::Result;
use crate::index::{IdKind, IdPosting, IdPostings, ModuleNo, TimeRange};
use crate::store::event::EventRef;
use crate::store::handle::{Pinned, SegmentView};
use crate::store::query::candidates::TypeSet;
use crate::store::query::events::Steps;
use crate::store::query::filter::{Asked, Filter};
use crate::store::query::source::Located;
use crate::store::query::token::PageToken;
use crate::types::{Nanos, Ordinal, Seq};

/// From where to where a timeline goes: both included, by (timestamp, seq).
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    from: (Nanos, Seq),
    to: (Nanos, Seq),
}

impl Bounds {
    /// What is in a range of times and, if a token is given, behind the token in its direction.
    pub(super) fn new(times: TimeRange, after: Option<PageToken>) -> Self {
        let mut bounds = Self { from: (times.min, Seq::ZERO), to: (times.max, Seq::new(u64::MAX)) };
        if let Some(PageToken { timestamp, seq, newest_first }) = after {
            if newest_first {
                // No event has seq 0, so that the place before it is that of no event either.
                bounds.to = bounds.to.min((timestamp, Seq::new(seq.get().saturating_sub(1))));
            } else {
                bounds.from = bounds.from.max((timestamp, seq.next()));
            }
        }
        bounds
    }

    fn is_empty(&self) -> bool {
        self.from > self.to
    }
}

/// The order of a timeline. Within a list of segments, (segment, ordinal) is the order of seqs.
type Key = (Nanos, u32, Ordinal);

/// The postings of one member in one segment.
#[derive(Debug)]
struct Arm<'v> {
    at: u32,
    segment: SegmentView<'v>,
    kind: IdKind,
    reach: Reach,
    types: Option<TypeSet>,
    module: Option<ModuleNo>,
    postings: IdPostings<'v>,
    /// What was taken from the ends of the postings and not passed on yet.
    front: Option<IdPosting>,
    back: Option<IdPosting>,
}

impl Arm<'_> {
    /// Sees to it that the end has a posting, if there is one left.
    #[inline]
    fn fetch(&mut self, from_back: bool) -> Result<Option<Key>> {
        if from_back {
            if self.back.is_none() {
                while let Some(posting) = self.postings.next_back().transpose()? {
                    if self.passes(&posting)? {
                        self.back = Some(posting);
                        break;
                    }
                }
                self.back = self.back.or_else(|| self.front.take());
            }
        } else if self.front.is_none() {
            while let Some(posting) = self.postings.next().transpose()? {
                if self.passes(&posting)? {
                    self.front = Some(posting);
                    break;
                }
            }
            self.front = self.front.or_else(|| self.back.take());
        }
        let posting = if from_back { self.back } else { self.front };
        Ok(posting.map(|posting| (posting.timestamp, self.at, posting.ordinal)))
    }

    #[inline]
    fn take(&mut self, from_back: bool) -> Option<IdPosting> {
        if from_back { self.back.take() } else { self.front.take() }
    }

    /// What the index can tell of an event.
    #[inline]
    fn passes(&self, posting: &IdPosting) -> Result<bool> {
        let (index, ordinal) = (self.segment.index, posting.ordinal);
        if !self.reach.contains(posting.timestamp) {
            return Ok(false);
        }
        // An event that has a user is that user's.
        if self.kind == IdKind::Device
            && self.reach.leaves_users_out()
            && index.id_of(IdKind::User, ordinal)?.is_some()
        {
            return Ok(false);
        }
        if self.types.is_none() && self.module.is_none() {
            return Ok(true);
        }
        Ok(index.type_and_module(ordinal)?.is_some_and(|(type_no, module)| {
            self.types.as_ref().is_none_or(|types| types.contains(type_no))
                && self.module.is_none_or(|wanted| wanted == module)
        }))
    }
}

/// The postings of all members in all segments.
pub(super) struct Merge<'v> {
    pinned: &'v Pinned,
    members: Vec<Member>,
    filter: Filter,
    bounds: Bounds,
    /// Sealed segments that were not opened yet.
    from: u32,
    to: u32,
    /// Segments that are still written to; they are opened first.
    open: std::ops::Range<u32>,
    arms: Vec<Arm<'v>>,
}

impl<'v> Merge<'v> {
    pub(super) fn new(pinned: &'v Pinned, members: Vec<Member>, filter: Filter, bounds: Bounds) -> Self {
        let mut merge = Self {
            pinned,
            members,
            filter,
            bounds,
            from: 0,
            to: pinned.first_open(),
            open: pinned.first_open()..pinned.len(),
            arms: Vec::new(),
        };
        if bounds.is_empty() {
            (merge.to, merge.open) = (0, 0..0);
        } else {
            let sealed = pinned.snapshot.segments.sealed_between(bounds.from.0, bounds.to.0);
            merge.from = sealed.start.min(merge.to);
            merge.to = sealed.end.min(merge.to).max(merge.from);
        }
        merge
    }

    /// Opens the postings of the members in one segment.
    fn open(&mut self, at: u32) -> Result<()> {
        let Some(segment) = self.pinned.segment(at) else { return Ok(()) };
        let index = segment.index;
        let Some(project) = index.project(&self.pinned.project_id)? else { return Ok(()) };
        for member in &self.members {
            let Some(id) = index.id_no(project, member.kind, member.hash)? else { continue };
            let module = match self.filter.module_in(index, project)? {
                Asked::Any => None,
                Asked::Only(module) => Some(module),
                Asked::Absent => continue,
            };
            let types = match self.filter.types_in(index, project)? {
                Asked::Any => None,
                Asked::Only(types) => Some(types),
                Asked::Absent => continue,
            };
            let mut postings = index.postings_of(member.kind, id)?;
            // What is left out is that before the first place in range, and that from the first place behind it on.
            let place = |(timestamp, seq): (Nanos, Seq)| IdPosting {
                timestamp,
                ordinal: Ordinal::new(segment.handle.ordinals_below(seq)),
            };
            if self.bounds.to < (Nanos::new(i64::MAX), Seq::new(u64::MAX)) {
                let (timestamp, seq) = self.bounds.to;
                // Past the last seq of all comes the next timestamp.
                let behind = if seq == seq.next() {
                    (Nanos::new(timestamp.get().saturating_add(1)), Seq::ZERO)
                } else {
                    (timestamp, seq.next())
                };
                postings.seek_back(place(behind))?;
            }
            if self.bounds.from > (Nanos::new(i64::MIN), Seq::ZERO) {
                postings.seek(place(self.bounds.from))?;
            }
            let (at, kind, reach) = (at, member.kind, member.reach().clone());
            self.arms.push(Arm {
                at,
                segment,
                kind,
                reach,
                types,
                module,
                postings,
                front: None,
                back: None,
            });
        }
        Ok(())
    }

    /// The arm with the best posting at an end, and that posting's key. An arm that is used up or fails is let go.
    fn best(&mut self, from_back: bool) -> Result<Option<(usize, Key)>> {
        let mut best: Option<(usize, Key)> = None;
        let mut at = 0;
        while let Some(arm) = self.arms.get_mut(at) {
            match arm.fetch(from_back) {
                Ok(Some(key)) => {
                    if best.is_none_or(|(_, other)| if from_back { key > other } else { key < other }) {
                        best = Some((at, key));
                    }
                    at += 1;
                }
                Ok(None) => {
                    self.arms.swap_remove(at);
                }
                Err(error) => {
                    self.arms.swap_remove(at);
                    return Err(error);
                }
            }
        }
        Ok(best)
    }

    /// Whether a segment that was not opened may hold something before `best`, seen from an end.
    fn may_hold_better(&self, from_back: bool, best: Option<Key>) -> bool {
        if self.from >= self.to {
            return false;
        }
        let Some((time, at, _)) = best else { return true };
        let segments = &self.pinned.snapshot.segments;
        if from_back {
            let latest = segments.latest_of_first(self.to as usize);
            latest > time || (latest == time && at < self.to)
        } else {
            let earliest = segments.earliest_of_rest(self.from as usize);
            earliest < time || (earliest == time && at >= self.from)
        }
    }

    fn find(&mut self, from_back: bool) -> Result<Option<Located>> {
        while let Some(at) = self.open.next() {
            self.open(at)?;
        }
        let best = loop {
            let best = self.best(from_back)?;
            if !self.may_hold_better(from_back, best.map(|(_, key)| key)) {
                break best;
            }
            let at = if from_back {
                self.to -= 1;
                self.to
            } else {
                self.from += 1;
                self.from - 1
            };
            self.open(at)?;
        };
        let Some(arm) = best.and_then(|(at, _)| self.arms.get_mut(at)) else { return Ok(None) };
        let (at, segment) = (arm.at, arm.segment);
        let Some(IdPosting { ordinal, .. }) = arm.take(from_back) else { return Ok(None) };
        let offset = segment.index.offset(ordinal)?;
        Ok(Some(Located { segment: at, ordinal, offset }))
    }
}

impl Steps for Merge<'_> {
    #[inline]
    fn step(&mut self, from_back: bool) -> Option<Result<Located>> {
        self.find(from_back).transpose()
    }

    #[inline]
    fn takes(&self, event: &EventRef<'_>) -> bool {
        event.keys().project_id == self.pinned.project_id
            && self.members.iter().any(|member| member.owns(event))
            && self.filter.takes_ids(event)
            && self.filter.takes_seq(event.seq())
            && self.filter.takes_content(event)
    }

    fn is_exact(&self) -> bool {
        !(self.filter.has_conditions() || self.filter.has_places())
    }
}
