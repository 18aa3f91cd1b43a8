//! How a query goes about one segment: what the index can rule out, and where the candidates come from.

use super::candidates::{Candidates, Scan, TypeSet};
use super::filter::{ALL_TIMES, Filter, contains, includes, overlap};
use crate::envelope::ValueRef;
use crate::error::Result;
use crate::index::{IdHash, IdKind, ModuleNo, NameSummary, ProjectNo, TimeRange, TypeNo, id_hash};
use crate::store::event::{EventRef, property_at};
use crate::store::handle::{SegmentHandle, Snapshot};
use crate::types::Ordinal;

/// Postings of more types than this are not merged: the type column is scanned.
const MERGED_TYPES_MAX: usize = 8;

/// A filter made ready: what does not change from segment to segment is done once.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    pub(crate) filter: Filter,
    project_id: [u8; 16],
    user: Option<IdHash>,
    device: Option<IdHash>,
}

impl Prepared {
    pub(crate) fn new(filter: Filter, snapshot: &Snapshot, project_id: [u8; 16]) -> Self {
        let hash = |id: Option<&str>, kind| Some(id_hash(&snapshot.hash_key, &project_id, kind, id?));
        let user = hash(filter.user.as_deref(), IdKind::User);
        let device = hash(filter.device.as_deref(), IdKind::Device);
        Self { filter, project_id, user, device }
    }

    /// Whether records must be read to know which events are taken.
    pub(crate) fn needs_records(&self) -> bool {
        self.user.is_some() || self.device.is_some() || !self.filter.conditions.is_empty()
    }

    /// What the index cannot say: the ids themselves, which it knows by their hashes, and the properties.
    #[inline]
    pub(crate) fn takes(&self, event: &EventRef<'_>) -> bool {
        let is = |wanted: &Option<Box<str>>, id: Option<&str>| wanted.is_none() || wanted.as_deref() == id;
        is(&self.filter.user, event.user_id())
            && is(&self.filter.device, event.anonymous_id())
            && event.keys().project_id == self.project_id
            && self.has_properties(event)
    }

    #[inline]
    fn has_properties(&self, event: &EventRef<'_>) -> bool {
        if self.filter.conditions.is_empty() {
            return true;
        }
        let Some(properties): Option<ValueRef<'_>> = event.properties() else { return false };
        self.filter.conditions.iter().all(|each| {
            property_at(properties, &each.path).is_some_and(|value| each.condition.holds(value))
        })
    }

    /// The plan for one segment; `None` where the index rules out all of its events.
    pub(crate) fn plan<'v>(&self, handle: &'v SegmentHandle, snapshot: &Snapshot) -> Result<Option<Plan<'v>>> {
        let filter = &self.filter;
        let bound = handle.bound(snapshot.visible);
        let from = handle.ordinals_below(filter.seq_min);
        let to = handle.ordinals_below(filter.seq_max.next()).min(bound);
        if from >= to || filter.times.min > filter.times.max {
            return Ok(None);
        }
        let index = &handle.index;
        let Some(project) = index.project(&self.project_id, bound)? else { return Ok(None) };
        if !overlap(filter.times, project.times) {
            return Ok(None);
        }
        let times = (!contains(filter.times, project.times)).then_some(filter.times);
        let module = match &filter.module {
            Some(name) => match index.module_no(project.no, name)? {
                Some(no) => Some(no),
                None => return Ok(None),
            },
            None => None,
        };
        let mut plan = Plan {
            handle,
            project: project.no,
            bound,
            from,
            to,
            times,
            module,
            types: None,
            events: project.events,
            driver: Driver::Scan,
        };
        if filter.by_type && !plan.take_types(filter)? {
            return Ok(None);
        }
        let taken = plan.choose(self)?;
        Ok(taken.then_some(plan))
    }
}

/// Where the candidates of a segment come from, cheapest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Driver {
    /// The postings of a user or of a device.
    Id(IdKind, IdHash),
    /// The postings of the types.
    Types,
    /// The columns.
    Scan,
}

/// The types that a query takes in one segment.
#[derive(Debug)]
struct Types {
    numbers: Vec<TypeNo>,
    /// Their events below the bound.
    events: u32,
}

/// How a query goes about one segment.
#[derive(Debug)]
pub(crate) struct Plan<'v> {
    pub(crate) handle: &'v SegmentHandle,
    pub(crate) project: ProjectNo,
    pub(crate) bound: u32,
    /// Ordinals from here, included, to there, excluded.
    from: u32,
    to: u32,
    /// `None` where every event of the project is inside the range asked for.
    times: Option<TimeRange>,
    module: Option<ModuleNo>,
    /// `None` where every type is taken.
    types: Option<Types>,
    /// The project's events below the bound.
    events: u32,
    driver: Driver,
}

impl<'v> Plan<'v> {
    /// Looks the types up; false where the segment has none of them in the range of times.
    fn take_types(&mut self, filter: &Filter) -> Result<bool> {
        let mut types = Types { numbers: Vec::new(), events: 0 };
        let index = &self.handle.index;
        let mut take = |summary: &NameSummary<TypeNo>| {
            if summary.count > 0 && overlap(filter.times, summary.times) && !types.numbers.contains(&summary.no) {
                types.numbers.push(summary.no);
                types.events += summary.count;
            }
        };
        if filter.prefixes.is_empty() {
            for name in &filter.types {
                if let Some(summary) = index.type_named(self.project, name, self.bound)? {
                    take(&summary);
                }
            }
        } else {
            for summary in index.types(self.project, self.bound)? {
                if filter.takes_type(&summary.name) {
                    take(&summary);
                }
            }
        }
        let any = !types.numbers.is_empty();
        self.types = Some(types);
        Ok(any)
    }

    /// Chooses the cheapest source; false where a user or device has no event here.
    fn choose(&mut self, prepared: &Prepared) -> Result<bool> {
        let mut cost = self.to - self.from;
        if let Some(types) = &self.types
            && types.numbers.len() <= MERGED_TYPES_MAX
            && types.events < cost
        {
            cost = types.events;
            self.driver = Driver::Types;
        }
        for (kind, hash) in [(IdKind::User, prepared.user), (IdKind::Device, prepared.device)] {
            let Some(hash) = hash else { continue };
            let Some(postings) = self.handle.index.id_postings(hash, kind, self.bound)? else {
                return Ok(false);
            };
            if postings.count() <= cost {
                cost = postings.count();
                self.driver = Driver::Id(kind, hash);
            }
        }
        Ok(true)
    }

    /// Whether every event of the project below the bound is taken, as far as the index can say.
    pub(crate) fn is_whole(&self) -> bool {
        self.types.is_none() && self.is_only_typed()
    }

    /// Whether nothing but the type decides.
    fn is_only_typed(&self) -> bool {
        self.times.is_none() && self.module.is_none() && self.from == 0 && self.to == self.bound
    }

    /// The number of events, where the index knows it without looking at them; only for a query that needs no
    /// records.
    pub(crate) fn exact_count(&self) -> Result<Option<u64>> {
        let Some(types) = &self.types else {
            return Ok(self.is_whole().then_some(self.events.into()));
        };
        if self.is_only_typed() {
            return Ok(Some(types.events.into()));
        }
        if self.times.is_none() && self.module.is_none() {
            let mut count = 0;
            for no in &types.numbers {
                count += self.postings(*no)?.len() as u64;
            }
            return Ok(Some(count));
        }
        Ok(None)
    }

    fn postings(&self, no: TypeNo) -> Result<crate::index::Postings<'v>> {
        let mut postings = self.handle.index.postings(no, self.bound)?;
        postings.seek(Ordinal::new(self.from));
        postings.seek_back(Ordinal::new(self.to));
        Ok(postings)
    }

    fn type_set(&self) -> Result<TypeSet> {
        let mut set = TypeSet::default();
        match &self.types {
            Some(types) => types.numbers.iter().for_each(|no| set.insert(*no)),
            None => {
                self.handle.index.types(self.project, self.bound)?.iter().for_each(|each| set.insert(each.no));
            }
        }
        Ok(set)
    }

    /// The ordinals of the events that the index cannot rule out, in rising order from either end.
    pub(crate) fn walk(&self) -> Result<SegmentWalk<'v>> {
        let mut checks = Checks { types: None, times: self.times, module: self.module };
        let candidates = match self.driver {
            Driver::Id(kind, hash) => {
                if self.types.is_some() {
                    checks.types = Some(self.type_set()?);
                }
                checks.times = None;
                Candidates::List(self.ordinals_of(kind, hash)?.into_iter())
            }
            Driver::Types => {
                let numbers = self.types.as_ref().map_or(&[][..], |types| &types.numbers);
                let postings = numbers.iter().map(|no| self.postings(*no)).collect::<Result<Vec<_>>>()?;
                Candidates::of_postings(postings)
            }
            Driver::Scan => {
                let checks = std::mem::replace(&mut checks, Checks { types: None, times: None, module: None });
                let types = self.type_set()?;
                let scan = Scan::new(&self.handle.index, self.from..self.to, types, checks.times, checks.module);
                Candidates::Scan(Box::new(scan))
            }
        };
        Ok(SegmentWalk { handle: self.handle, candidates, checks })
    }

    /// The ordinals of one id in range, in rising order.
    fn ordinals_of(&self, kind: IdKind, hash: IdHash) -> Result<Vec<Ordinal>> {
        let mut ordinals = Vec::new();
        if let Some(postings) = self.handle.index.id_postings(hash, kind, self.bound)? {
            let within = self.from..self.to;
            let times = self.times.unwrap_or(ALL_TIMES);
            ordinals.extend(
                postings
                    .filter(|posting| includes(times, posting.timestamp))
                    .map(|posting| posting.ordinal)
                    .filter(|ordinal| within.contains(&ordinal.get())),
            );
        }
        ordinals.sort_unstable();
        Ok(ordinals)
    }
}

/// What is asked of the columns for each candidate.
#[derive(Debug)]
struct Checks {
    types: Option<TypeSet>,
    times: Option<TimeRange>,
    module: Option<ModuleNo>,
}

/// The candidates of one segment, checked against its columns.
#[derive(Debug)]
pub(crate) struct SegmentWalk<'v> {
    handle: &'v SegmentHandle,
    candidates: Candidates<'v>,
    checks: Checks,
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
    fn passes(&self, ordinal: Ordinal) -> Result<bool> {
        let index = &self.handle.index;
        if let Some(times) = self.checks.times
            && !includes(times, index.timestamp(ordinal)?)
        {
            return Ok(false);
        }
        if let Some(module) = self.checks.module
            && index.module_of(ordinal)? != Some(module)
        {
            return Ok(false);
        }
        match &self.checks.types {
            Some(types) => Ok(index.type_of(ordinal)?.is_some_and(|no| types.contains(no))),
            None => Ok(true),
        }
    }
}
