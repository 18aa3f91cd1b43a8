//! One interface for the index of a segment, whether it is written or sealed.

mod count;
mod ids;

use std::sync::Arc;

use super::active::ActiveIndex;
use super::layout::Section;
use super::postings::{Postings, TypePostings};
use super::sealed::{Names, SealedIndex};
use super::{
    BLOCK, IdHash, IdKind, IdNo, ModuleNo, NONE, NameSummary, ProjectNo, ProjectSummary, TimeRange, TypeNo,
};
use crate::error::Result;
use crate::types::{Nanos, Ordinal};

pub(crate) use self::ids::{IdPostings, Ids};

/// The index of a segment below a bound.
///
/// Numbers of projects, types, modules and ids are those of this index and mean nothing in another one. Whatever
/// has no event below the bound is not shown. Only sealed indexes fail, with [`Error::Corrupt`](crate::Error)
/// where the file is damaged.
#[derive(Debug, Clone)]
pub(crate) struct SegmentIndex {
    source: Source,
    bound: u32,
}

#[derive(Debug, Clone)]
enum Source {
    Active(Arc<ActiveIndex>),
    Sealed(Arc<SealedIndex>),
}

impl SegmentIndex {
    /// The entries of an active index below `bound`, which the writer has pushed and published.
    pub(crate) fn active(index: Arc<ActiveIndex>, bound: u32) -> Self {
        let bound = bound.min(index.frames());
        Self { source: Source::Active(index), bound }
    }

    /// All entries of a sealed index.
    pub(crate) fn sealed(index: Arc<SealedIndex>) -> Self {
        let bound = index.frames();
        Self { source: Source::Sealed(index), bound }
    }

    /// The same index under a lower bound.
    #[must_use]
    pub(crate) fn below(&self, bound: u32) -> Self {
        Self { source: self.source.clone(), bound: bound.min(self.bound) }
    }

    /// Frames below the bound.
    pub(crate) fn frames(&self) -> u32 {
        self.bound
    }

    /// Whether the bound hides nothing of a sealed index, so that what the file says of the whole segment holds.
    fn is_whole(&self, index: &SealedIndex) -> bool {
        self.bound >= index.frames()
    }

    fn shows(&self, ordinal: Ordinal) -> bool {
        ordinal.get() < self.bound
    }

    /// The offset of a frame in the segment's file; of a frame beyond the bound, zero.
    #[inline]
    pub(crate) fn offset(&self, ordinal: Ordinal) -> Result<u32> {
        if !self.shows(ordinal) {
            return Ok(0);
        }
        match &self.source {
            Source::Active(index) => Ok(index.row(ordinal.get()).offset),
            Source::Sealed(index) => index.number(Section::Offsets, ordinal.get()).map(number32),
        }
    }

    /// The timestamp of an event, `None` for a frame that is none.
    #[inline]
    pub(crate) fn timestamp(&self, ordinal: Ordinal) -> Result<Option<Nanos>> {
        if !self.shows(ordinal) {
            return Ok(None);
        }
        match &self.source {
            Source::Active(index) => {
                let row = index.row(ordinal.get());
                Ok(row.pair.map(|_| Nanos::new(row.time)))
            }
            Source::Sealed(index) if index.number(Section::PairColumn, ordinal.get())? == 0 => Ok(None),
            Source::Sealed(index) => {
                index.number(Section::Times, ordinal.get()).map(|time| Some(Nanos::new(time)))
            }
        }
    }

    /// The type and the module of an event, `None` for a frame that is none.
    #[inline]
    pub(crate) fn type_and_module(&self, ordinal: Ordinal) -> Result<Option<(TypeNo, ModuleNo)>> {
        if !self.shows(ordinal) {
            return Ok(None);
        }
        match &self.source {
            Source::Active(index) => Ok(index.row(ordinal.get()).pair.map(|pair| index.pair(pair))),
            Source::Sealed(index) => index.pair(index.number(Section::PairColumn, ordinal.get())?),
        }
    }

    /// The user or the device of an event, if it has one.
    #[inline]
    pub(crate) fn id_of(&self, kind: IdKind, ordinal: Ordinal) -> Result<Option<IdNo>> {
        if !self.shows(ordinal) {
            return Ok(None);
        }
        match &self.source {
            Source::Active(index) => Ok(index.ids(kind).id_of(ordinal.get())),
            Source::Sealed(index) => {
                let number = index.number(index.ids(kind).column(), ordinal.get())?;
                Ok(number32(number).checked_sub(1).map(IdNo::new))
            }
        }
    }

    /// The hash of an id.
    #[inline]
    pub(crate) fn id_hash(&self, kind: IdKind, id: IdNo) -> Result<IdHash> {
        match &self.source {
            Source::Active(index) => Ok(index.ids(kind).hash(id)),
            Source::Sealed(index) => index.ids(kind).hash(id),
        }
    }

    /// Frames of a block of [`BLOCK`] ordinals below the bound.
    fn block(&self, block: usize) -> std::ops::Range<u32> {
        let start = u32::try_from(block.saturating_mul(BLOCK)).unwrap_or(u32::MAX).min(self.bound);
        start..start.saturating_add(super::count32(BLOCK)).min(self.bound)
    }

    /// Reads a block of a sealed column, or what `row` gives for each ordinal of an active index.
    fn fill<T>(
        &self,
        block: usize,
        out: &mut [T; BLOCK],
        section: impl Fn(&SealedIndex) -> Section,
        sealed: impl Fn(i64) -> T,
        active: impl Fn(&ActiveIndex, u32) -> T,
    ) -> Result<usize> {
        let range = self.block(block);
        let len = range.len();
        match &self.source {
            Source::Active(index) => {
                for (out, ordinal) in out.iter_mut().zip(range) {
                    *out = active(index, ordinal);
                }
            }
            Source::Sealed(index) => {
                let mut numbers = [0i64; BLOCK];
                index.fill(section(index), block, &mut numbers)?;
                for (out, number) in out.iter_mut().zip(numbers.get(..len).unwrap_or_default()) {
                    *out = sealed(*number);
                }
            }
        }
        Ok(len)
    }

    /// Reads the offsets of a block, and returns how many of its frames lie below the bound.
    pub(crate) fn fill_offsets(&self, block: usize, out: &mut [u32; BLOCK]) -> Result<usize> {
        let active = |index: &ActiveIndex, ordinal| index.row(ordinal).offset;
        self.fill(block, out, |_| Section::Offsets, number32, active)
    }

    /// Reads the timestamps of a block, and returns how many of its frames lie below the bound. A frame that is no
    /// event has any timestamp.
    pub(crate) fn fill_times(&self, block: usize, out: &mut [i64; BLOCK]) -> Result<usize> {
        let active = |index: &ActiveIndex, ordinal| index.row(ordinal).time;
        self.fill(block, out, |_| Section::Times, |time| time, active)
    }

    /// Reads the numbers of the users or devices of a block, [`NONE`] where there is none, and returns how many of its
    /// frames lie below the bound.
    pub(crate) fn fill_ids(&self, kind: IdKind, block: usize, out: &mut [u32; BLOCK]) -> Result<usize> {
        let active = |index: &ActiveIndex, ordinal| index.ids(kind).id_of(ordinal).map_or(NONE, IdNo::get);
        // Zero stands for none, and minus one is NONE.
        self.fill(
            block,
            out,
            |index| index.ids(kind).column(),
            |number| number32(number).wrapping_sub(1),
            active,
        )
    }

    /// Reads the numbers of the types of a block, [`NONE`] for a frame that is no event, and returns how many of its
    /// frames lie below the bound.
    pub(crate) fn fill_types(&self, block: usize, out: &mut [u32; BLOCK]) -> Result<usize> {
        self.fill_pairs(block, out, |(type_no, _)| type_no.get())
    }

    /// Reads the numbers of the modules of a block, as [`SegmentIndex::fill_types`] does for types.
    pub(crate) fn fill_modules(&self, block: usize, out: &mut [u32; BLOCK]) -> Result<usize> {
        self.fill_pairs(block, out, |(_, module)| module.get())
    }

    fn fill_pairs(
        &self,
        block: usize,
        out: &mut [u32; BLOCK],
        part: impl Fn((TypeNo, ModuleNo)) -> u32,
    ) -> Result<usize> {
        let pairs = match &self.source {
            Source::Active(_) => &[][..],
            Source::Sealed(index) => index.pairs()?,
        };
        let sealed = |number: i64| {
            let at = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
            at.and_then(|at| pairs.get(at)).map_or(NONE, |pair| part(super::sealed::pair_of(*pair)))
        };
        let active = |index: &ActiveIndex, ordinal| {
            index.row(ordinal).pair.map_or(NONE, |pair| part(index.pair(pair)))
        };
        self.fill(block, out, |_| Section::PairColumn, sealed, active)
    }

    /// Least and greatest timestamp of a block of [`BLOCK`] ordinals, `None` without events.
    pub(crate) fn zone(&self, block: usize) -> Result<Option<TimeRange>> {
        let range = self.block(block);
        match &self.source {
            _ if range.is_empty() => Ok(None),
            Source::Active(index) => Ok(index.zone(block, self.bound)),
            Source::Sealed(index) if range.len() == index.block_len(block) => index.zone(block),
            Source::Sealed(_) => self.scan_times(range),
        }
    }

    /// Least and greatest timestamp of the events among some ordinals.
    fn scan_times(&self, ordinals: impl Iterator<Item = u32>) -> Result<Option<TimeRange>> {
        let mut times = TimeRange::EMPTY;
        for ordinal in ordinals {
            if let Some(time) = self.timestamp(Ordinal::new(ordinal))? {
                times.widen(time);
            }
        }
        Ok(times.some())
    }

    /// Least and greatest timestamp of all events, `None` without events.
    pub(crate) fn times(&self) -> Result<Option<TimeRange>> {
        match &self.source {
            Source::Sealed(index) if self.is_whole(index) => Ok(index.times()),
            _ => {
                let mut times = TimeRange::EMPTY;
                for block in 0..(self.bound as usize).div_ceil(BLOCK) {
                    if let Some(zone) = self.zone(block)? {
                        times.merge(zone);
                    }
                }
                Ok(times.some())
            }
        }
    }

    /// The projects, in order of their ids.
    pub(crate) fn projects(&self) -> Result<Vec<ProjectSummary>> {
        let index = match &self.source {
            Source::Active(index) => return Ok(index.projects(self.bound)),
            Source::Sealed(index) => index,
        };
        let mut projects = Vec::new();
        for no in (0..index.project_count()).map(ProjectNo::new) {
            let entry = index.project_entry(no)?;
            let mut project = ProjectSummary { no, id: entry.id, events: entry.events, times: entry.times };
            if !self.is_whole(index) {
                let types = self.types(no)?;
                project.events = types.iter().map(|each| each.count).sum();
                project.times = TimeRange::EMPTY;
                types.iter().for_each(|each| project.times.merge(each.times));
            }
            projects.extend((project.events > 0).then_some(project));
        }
        Ok(projects)
    }

    /// The number of a project.
    pub(crate) fn project(&self, id: &[u8; 16]) -> Result<Option<ProjectNo>> {
        match &self.source {
            Source::Active(index) => Ok(index.project(id, self.bound)),
            Source::Sealed(index) => {
                let no = index.project(id)?;
                let Some(found) = no.filter(|_| !self.is_whole(index)) else { return Ok(no) };
                Ok((!self.types(found)?.is_empty()).then_some(found))
            }
        }
    }

    /// The event types of a project, in order of their names.
    pub(crate) fn types(&self, project: ProjectNo) -> Result<Vec<NameSummary<TypeNo>>> {
        let index = match &self.source {
            Source::Active(index) => return Ok(index.types(project, self.bound)),
            Source::Sealed(index) => index,
        };
        let mut types = Vec::new();
        for no in index.names_of(Names::Types, project)?.map(TypeNo::new) {
            let entry = index.name_entry(Names::Types, no.get())?;
            let name = index.name(&entry)?.into();
            let times = self.type_times(no)?;
            types.extend(match times {
                Some(times) => Some(NameSummary { no, name, count: self.count(no)?, times }),
                None => None,
            });
        }
        Ok(types)
    }

    /// The modules of a project, in order of their names.
    pub(crate) fn modules(&self, project: ProjectNo) -> Result<Vec<NameSummary<ModuleNo>>> {
        let index = match &self.source {
            Source::Active(index) => return Ok(index.modules(project, self.bound)),
            Source::Sealed(index) => index,
        };
        let mut modules = Vec::new();
        for no in index.names_of(Names::Modules, project)?.map(ModuleNo::new) {
            let entry = index.name_entry(Names::Modules, no.get())?;
            let name = index.name(&entry)?.into();
            let mut module = NameSummary { no, name, count: entry.count, times: entry.times };
            if !self.is_whole(index) {
                (module.count, module.times) = self.scan_module(no)?;
            }
            modules.extend((module.count > 0).then_some(module));
        }
        Ok(modules)
    }

    fn scan_module(&self, module: ModuleNo) -> Result<(u32, TimeRange)> {
        let (mut count, mut times) = (0, TimeRange::EMPTY);
        for ordinal in (0..self.bound).map(Ordinal::new) {
            if self.type_and_module(ordinal)?.is_some_and(|(_, each)| each == module) {
                count += 1;
                times.widen(self.timestamp(ordinal)?.unwrap_or(Nanos::new(0)));
            }
        }
        Ok((count, times))
    }

    /// The number of a project's event type.
    pub(crate) fn type_no(&self, project: ProjectNo, name: &str) -> Result<Option<TypeNo>> {
        match &self.source {
            Source::Active(index) => Ok(index.type_no(project, name, self.bound)),
            Source::Sealed(index) => {
                let no = index.find_name(Names::Types, project, name)?.map(TypeNo::new);
                let Some(found) = no.filter(|_| !self.is_whole(index)) else { return Ok(no) };
                Ok((self.count(found)? > 0).then_some(found))
            }
        }
    }

    /// The number of a project's module.
    pub(crate) fn module_no(&self, project: ProjectNo, name: &str) -> Result<Option<ModuleNo>> {
        match &self.source {
            Source::Active(index) => Ok(index.module_no(project, name, self.bound)),
            Source::Sealed(index) => {
                let no = index.find_name(Names::Modules, project, name)?.map(ModuleNo::new);
                let Some(found) = no.filter(|_| !self.is_whole(index)) else { return Ok(no) };
                Ok((self.scan_module(found)?.0 > 0).then_some(found))
            }
        }
    }

    /// The project of a type.
    pub(crate) fn project_of(&self, no: TypeNo) -> Result<Option<ProjectNo>> {
        match &self.source {
            Source::Active(index) => Ok(index.project_of(no)),
            Source::Sealed(index) => Ok(Some(index.name_entry(Names::Types, no.get())?.project)),
        }
    }

    /// The events of a type by rising ordinal, from both ends. It knows how many are left.
    pub(crate) fn postings(&self, no: TypeNo) -> Result<Postings<'_>> {
        let (source, all) = match &self.source {
            Source::Active(index) => match index.list(no) {
                Some(list) => {
                    let len = list.rank(self.bound);
                    return Ok(Postings::new(TypePostings::Active(list), len));
                }
                None => (TypePostings::Active(Arc::default()), 0),
            },
            Source::Sealed(index) => {
                let entry = index.type_entry(no)?;
                let source = TypePostings::Sealed(index.list(&entry)?);
                if self.is_whole(index) {
                    return Ok(Postings::new(source, entry.name.count));
                }
                (source, entry.name.count)
            }
        };
        let len = Postings::rank(source.clone(), all, self.bound);
        Ok(Postings::new(source, len))
    }
}

/// The number of a column that holds numbers of 32 bits.
#[inline]
fn number32(number: i64) -> u32 {
    super::low(number.cast_unsigned())
}
