//! How a query goes about one segment: what the index can rule out, and where the candidates come from.

use super::candidates::{Candidates, Scan, TypeSet};
use super::filter::{ALL_TIMES, Asked, Filter, contains, includes, overlap};
use crate::error::Result;
use crate::index::{
    ColumnReader, IdHash, IdKind, IdNo, ModuleNo, Postings, ProjectNo, TimeRange, TypeNo, id_hash,
};
use crate::store::event::EventRef;
use crate::store::handle::{Pinned, SegmentView};
use crate::types::{Nanos, Ordinal};

/// Postings of more types than this are not merged: the columns are scanned.
const MERGED_TYPES_MAX: usize = 8;
/// A scan of columns costs about as much for each frame as this part of walking a posting.
const SCAN_DISCOUNT: u32 = 4;

/// A filter made ready: what does not change from segment to segment is done once.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    pub(crate) filter: Filter,
    project_id: [u8; 16],
    user: Option<IdHash>,
    device: Option<IdHash>,
}

impl Prepared {
    pub(crate) fn new(filter: Filter, pinned: &Pinned) -> Self {
        let Pinned { snapshot, project_id, .. } = pinned;
        let hash = |id: Option<&str>, kind| Some(id_hash(&snapshot.hash_key, project_id, kind, id?));
        let user = hash(filter.user.as_deref(), IdKind::User);
        let device = hash(filter.device.as_deref(), IdKind::Device);
        Self { filter, project_id: *project_id, user, device }
    }

    /// Whether records must be read to know which events are taken.
    pub(crate) fn needs_records(&self) -> bool {
        self.user.is_some() || self.device.is_some() || self.filter.has_conditions()
    }

    /// What the index cannot say: the ids themselves, which it knows by their hashes, properties and context.
    #[inline]
    pub(crate) fn takes(&self, event: &EventRef<'_>) -> bool {
        self.filter.takes_ids(event)
            && event.keys().project_id == self.project_id
            && self.filter.takes_content(event)
    }

    /// The plan for one segment; `None` where the index rules out all of its events.
    pub(crate) fn plan<'v>(&self, segment: SegmentView<'v>) -> Result<Option<Plan<'v>>> {
        let filter = &self.filter;
        let index = segment.index;
        let from = segment.handle.ordinals_below(filter.seq_min);
        let to = segment.handle.ordinals_below(filter.seq_max.next()).min(index.frames());
        if from >= to || filter.times.min > filter.times.max {
            return Ok(None);
        }
        let mut times = None;
        if filter.times != ALL_TIMES {
            let Some(all) = index.times()?.filter(|all| overlap(filter.times, *all)) else { return Ok(None) };
            times = (!contains(filter.times, all)).then_some(filter.times);
        }
        let Some(project) = index.project(&self.project_id)? else { return Ok(None) };
        let module = match filter.module_in(index, project)? {
            Asked::Any => None,
            Asked::Only(module) => Some(module),
            Asked::Absent => return Ok(None),
        };
        let driver = Driver::Scan;
        let mut plan = Plan { segment, project, from, to, times, module, types: None, driver };
        if filter.by_type && !plan.take_types(filter)? {
            return Ok(None);
        }
        Ok(plan.choose(self)?.then_some(plan))
    }
}

/// Where the candidates of a segment come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Driver {
    /// The postings of a user or of a device.
    Id(IdKind, IdNo),
    /// The postings of the types.
    Types,
    /// The columns.
    Scan,
}

/// The types that a query takes in one segment.
#[derive(Debug)]
struct Types {
    numbers: Vec<TypeNo>,
    events: u32,
}

/// The types of which a plan takes every event.
#[derive(Debug, Clone, Copy)]
pub(crate) enum WholeTypes<'p> {
    /// All types of the project.
    All,
    /// These, and nothing of the others.
    Only(&'p [TypeNo]),
    /// Each event has to be looked at.
    Unknown,
}

impl WholeTypes<'_> {
    /// Whether it is known that every event of the type is taken.
    pub(crate) fn has(self, no: TypeNo) -> bool {
        match self {
            Self::All => true,
            Self::Only(numbers) => numbers.contains(&no),
            Self::Unknown => false,
        }
    }
}

/// How a query goes about one segment.
#[derive(Debug)]
pub(crate) struct Plan<'v> {
    pub(crate) segment: SegmentView<'v>,
    pub(crate) project: ProjectNo,
    /// Ordinals from here, included, to there, excluded.
    from: u32,
    to: u32,
    /// `None` where every event of the segment is inside the range asked for.
    times: Option<TimeRange>,
    module: Option<ModuleNo>,
    /// `None` where every type is taken.
    types: Option<Types>,
    driver: Driver,
}

impl<'v> Plan<'v> {
    /// Looks the types up; false where the segment has none of them in the range of times.
    fn take_types(&mut self, filter: &Filter) -> Result<bool> {
        let index = self.segment.index;
        let mut types = Types { numbers: Vec::new(), events: 0 };
        for no in filter.type_numbers(index, self.project)? {
            let is_outside = match self.times {
                Some(wanted) => index.type_times(no)?.is_none_or(|times| !overlap(wanted, times)),
                None => false,
            };
            if !is_outside {
                types.events += index.count(no)?;
                types.numbers.push(no);
            }
        }
        let any = !types.numbers.is_empty();
        self.types = Some(types);
        Ok(any)
    }

    /// Chooses the cheapest source; false where a user or device has no event here.
    fn choose(&mut self, prepared: &Prepared) -> Result<bool> {
        let index = self.segment.index;
        let mut cost = (self.to - self.from) / SCAN_DISCOUNT;
        if let Some(types) = &self.types
            && types.numbers.len() <= MERGED_TYPES_MAX
            && (types.events <= cost || types.numbers.len() == 1)
        {
            cost = types.events;
            self.driver = Driver::Types;
        }
        for (kind, hash) in [(IdKind::User, prepared.user), (IdKind::Device, prepared.device)] {
            let Some(hash) = hash else { continue };
            let Some(id) = index.id_no(self.project, kind, hash)? else { return Ok(false) };
            // Where it is not written down how many events an id has, it is taken to have few.
            let events = if self.segment.handle.is_sealed() {
                index.id_summary(kind, id)?.map_or(0, |summary| summary.count)
            } else {
                0
            };
            if events <= cost {
                cost = events;
                self.driver = Driver::Id(kind, id);
            }
        }
        Ok(true)
    }

    /// Whether nothing but types and times decides.
    fn has_all_ordinals(&self) -> bool {
        self.module.is_none() && self.from == 0 && self.to == self.segment.index.frames()
    }

    /// The types of which every event is taken.
    pub(crate) fn whole_types(&self) -> WholeTypes<'_> {
        if self.times.is_some() || !self.has_all_ordinals() {
            return WholeTypes::Unknown;
        }
        self.types.as_ref().map_or(WholeTypes::All, |types| WholeTypes::Only(&types.numbers))
    }

    /// Whether every event of the project is taken.
    pub(crate) fn is_whole(&self) -> bool {
        matches!(self.whole_types(), WholeTypes::All)
    }

    /// The number of events, where the index knows it without looking at each; only for a query that needs no
    /// records.
    pub(crate) fn exact_count(&self) -> Result<Option<u64>> {
        let index = self.segment.index;
        let mut count = 0;
        let Some(types) = &self.types else {
            if self.is_whole() {
                for each in index.types(self.project)? {
                    count += u64::from(each.count);
                }
                return Ok(Some(count));
            }
            return Ok(None);
        };
        match self.times {
            None if self.has_all_ordinals() => return Ok(Some(types.events.into())),
            None if self.module.is_none() => {
                for no in &types.numbers {
                    count += self.postings(*no)?.len() as u64;
                }
            }
            // The last of all instants has none behind it to count up to.
            Some(TimeRange { min, max }) if self.has_all_ordinals() && max < Nanos::new(i64::MAX) => {
                for no in &types.numbers {
                    count += u64::from(index.count_between(*no, min, Nanos::new(max.get() + 1))?);
                }
            }
            _ => return Ok(None),
        }
        Ok(Some(count))
    }

    fn postings(&self, no: TypeNo) -> Result<Postings<'v>> {
        let mut postings = self.segment.index.postings(no)?;
        if self.from > 0 {
            postings.seek(Ordinal::new(self.from));
        }
        if self.to < self.segment.index.frames() {
            postings.seek_back(Ordinal::new(self.to));
        }
        Ok(postings)
    }

    fn type_set(&self) -> Result<TypeSet> {
        match &self.types {
            Some(types) => Ok(types.numbers.iter().copied().collect()),
            None => Ok(self.segment.index.types(self.project)?.iter().map(|each| each.no).collect()),
        }
    }

    /// The ordinals of the events that the index cannot rule out, in rising order from either end.
    pub(crate) fn walk(&self) -> Result<SegmentWalk<'v>> {
        let times = self.times.map(|times| (times, self.segment.index.timestamps()));
        let mut checks = Checks { types: None, times, module: self.module };
        let candidates = match self.driver {
            Driver::Id(kind, id) => {
                checks.times = None;
                checks.types = if self.types.is_some() { Some(self.type_set()?) } else { None };
                Candidates::List(self.ordinals_of(kind, id)?.into_iter())
            }
            Driver::Types => {
                let numbers = self.types.as_ref().map_or(&[][..], |types| &types.numbers);
                let postings = numbers.iter().map(|no| self.postings(*no)).collect::<Result<Vec<_>>>()?;
                Candidates::of_postings(postings)
            }
            Driver::Scan => {
                checks = Checks { types: None, times: None, module: None };
                let (within, types) = (self.from..self.to, self.type_set()?);
                let scan = Scan::new(self.segment.index, within, types, self.times, self.module);
                Candidates::Scan(Box::new(scan))
            }
        };
        Ok(SegmentWalk { segment: self.segment, candidates, checks })
    }

    /// The ordinals of one id in range, in rising order.
    fn ordinals_of(&self, kind: IdKind, id: IdNo) -> Result<Vec<Ordinal>> {
        let mut ordinals = Vec::new();
        let times = self.times.unwrap_or(ALL_TIMES);
        for posting in self.segment.index.postings_of(kind, id)?.rev() {
            let posting = posting?;
            if includes(times, posting.timestamp) && (self.from..self.to).contains(&posting.ordinal.get()) {
                ordinals.push(posting.ordinal);
            }
        }
        ordinals.sort_unstable();
        Ok(ordinals)
    }
}

/// What is asked of the columns for each candidate.
#[derive(Debug)]
struct Checks<'v> {
    types: Option<TypeSet>,
    times: Option<(TimeRange, ColumnReader<'v>)>,
    module: Option<ModuleNo>,
}

/// The candidates of one segment, checked against its columns.
#[derive(Debug)]
pub(crate) struct SegmentWalk<'v> {
    segment: SegmentView<'v>,
    candidates: Candidates<'v>,
    checks: Checks<'v>,
}

impl SegmentWalk<'_> {
    /// The next candidate, from the front or from the back.
    #[inline]
    pub(crate) fn step(&mut self, from_back: bool) -> Result<Option<Ordinal>> {
        while let Some(ordinal) = self.candidates.step(from_back)? {
            if self.passes(ordinal)? {
                return Ok(Some(ordinal));
            }
        }
        Ok(None)
    }

    #[inline]
    fn passes(&mut self, ordinal: Ordinal) -> Result<bool> {
        let Checks { types, times, module } = &mut self.checks;
        let index = self.segment.index;
        if let Some((wanted, times)) = times
            && !includes(*wanted, Nanos::new(times.get(ordinal)?))
        {
            return Ok(false);
        }
        if types.is_none() && module.is_none() {
            return Ok(true);
        }
        Ok(index.type_and_module(ordinal)?.is_some_and(|(type_no, of_module)| {
            types.as_ref().is_none_or(|types| types.contains(type_no))
                && module.is_none_or(|wanted| wanted == of_module)
        }))
    }
}
