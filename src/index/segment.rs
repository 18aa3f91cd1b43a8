//! One interface for the index of a segment, whether it is written or sealed.

mod columns;
mod count;
mod ids;

use std::sync::Arc;

use super::active::ActiveIndex;
use super::postings::{Postings, TypePostings};
use super::sealed::{Names, SealedIndex};
use super::{BLOCK, ModuleNo, NameSummary, ProjectNo, ProjectSummary, TimeRange, TypeNo};
use crate::error::Result;
use crate::types::{Nanos, Ordinal};

pub(crate) use self::columns::ColumnReader;
pub(crate) use self::ids::IdPostings;

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
                for each in types {
                    project.times.merge(each.times);
                }
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
