//! Reading an active index below a bound.

use parking_lot::RwLockReadGuard;
use std::sync::Arc;

use super::dictionary::Dictionary;
use super::{ActiveIndex, TypeList};
use crate::index::postings::POSTINGS_BLOCK;
use crate::index::{
    BLOCK, IdKind, IdPosting, IdSummary, ModuleNo, NameSummary, ProjectNo, ProjectSummary, TimeRange, TypeNo,
    count32,
};
use crate::types::{Nanos, Ordinal};

/// Count and range of time of some events.
#[derive(Debug, Clone, Copy)]
struct Tally {
    count: u32,
    times: TimeRange,
}

impl ActiveIndex {
    pub(in crate::index) fn dictionary(&self) -> RwLockReadGuard<'_, Dictionary> {
        self.dictionary.read()
    }

    pub(in crate::index) fn project(&self, id: &[u8; 16], bound: u32) -> Option<ProjectNo> {
        let dictionary = self.dictionary();
        let no = dictionary.project(id)?;
        (dictionary.projects.get(no.index())?.first < bound).then_some(no)
    }

    pub(in crate::index) fn type_no(&self, project: ProjectNo, name: &str, bound: u32) -> Option<TypeNo> {
        let dictionary = self.dictionary();
        let no = *dictionary.projects.get(project.index())?.types.get(name)?;
        (dictionary.types.get(no.index())?.list.rank(bound) > 0).then_some(no)
    }

    pub(in crate::index) fn module_no(&self, project: ProjectNo, name: &str, bound: u32) -> Option<ModuleNo> {
        let dictionary = self.dictionary();
        let no = *dictionary.projects.get(project.index())?.modules.get(name)?;
        (dictionary.modules.get(no.index())?.first < bound).then_some(no)
    }

    pub(in crate::index) fn list(&self, no: TypeNo) -> Option<Arc<TypeList>> {
        self.dictionary().types.get(no.index()).map(|each| Arc::clone(&each.list))
    }

    /// Count and range of time of a type, `None` without events.
    fn tally(&self, list: &TypeList, bound: u32) -> Option<Tally> {
        let count = list.rank(bound);
        let blocks = count as usize / POSTINGS_BLOCK;
        let mut times = TimeRange::EMPTY;
        if let Some(last) = blocks.checked_sub(1) {
            let mark = list.mark(last);
            times = TimeRange { min: Nanos::new(mark.min), max: Nanos::new(mark.max) };
        }
        for at in count32(blocks * POSTINGS_BLOCK)..count {
            times.widen(Nanos::new(self.row(list.get(at)).time));
        }
        (count > 0).then_some(Tally { count, times })
    }

    pub(in crate::index) fn type_times(&self, no: TypeNo, bound: u32) -> Option<TimeRange> {
        Some(self.tally(&*self.list(no)?, bound)?.times)
    }

    pub(in crate::index) fn projects(&self, bound: u32) -> Vec<ProjectSummary> {
        let dictionary = self.dictionary();
        let mut tallies = vec![Tally { count: 0, times: TimeRange::EMPTY }; dictionary.projects.len()];
        for each in &dictionary.types {
            let tally = self.tally(&each.list, bound);
            if let (Some(tally), Some(sum)) = (tally, tallies.get_mut(each.project.index())) {
                sum.count += tally.count;
                sum.times.merge(tally.times);
            }
        }
        let mut projects: Vec<_> = (0..)
            .map(ProjectNo::new)
            .zip(dictionary.projects.iter().zip(tallies))
            .filter(|(_, (_, tally))| tally.count > 0)
            .map(|(no, (project, tally))| ProjectSummary {
                no,
                id: project.id,
                events: tally.count,
                times: tally.times,
            })
            .collect();
        projects.sort_unstable_by_key(|project| project.id);
        projects
    }

    pub(in crate::index) fn types(&self, project: ProjectNo, bound: u32) -> Vec<NameSummary<TypeNo>> {
        let dictionary = self.dictionary();
        let Some(project) = dictionary.projects.get(project.index()) else { return Vec::new() };
        let mut types: Vec<_> = project
            .types
            .iter()
            .filter_map(|(name, no)| {
                let tally = self.tally(&dictionary.types.get(no.index())?.list, bound)?;
                Some(NameSummary { no: *no, name: (**name).into(), count: tally.count, times: tally.times })
            })
            .collect();
        types.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        types
    }

    /// The modules of a project. They have no postings, so that this looks at every row.
    pub(in crate::index) fn modules(&self, project: ProjectNo, bound: u32) -> Vec<NameSummary<ModuleNo>> {
        let modules: Vec<_> = {
            let dictionary = self.dictionary();
            let Some(project) = dictionary.projects.get(project.index()) else { return Vec::new() };
            project.modules.iter().map(|(name, no)| (name.clone(), *no)).collect()
        };
        let numbers = modules.iter().map(|(_, no)| no.index() + 1).max().unwrap_or(0);
        let mut tallies = vec![Tally { count: 0, times: TimeRange::EMPTY }; numbers];
        for row in (0..bound).map(|ordinal| self.row(ordinal)) {
            let module = row.pair.map(|pair| self.pair(pair).1);
            if let Some(tally) = module.and_then(|module| tallies.get_mut(module.index())) {
                tally.count += 1;
                tally.times.widen(Nanos::new(row.time));
            }
        }
        let mut modules: Vec<_> = modules
            .into_iter()
            .filter_map(|(name, no)| {
                let tally = *tallies.get(no.index())?;
                let name = (*name).into();
                (tally.count > 0).then_some(NameSummary { no, name, count: tally.count, times: tally.times })
            })
            .collect();
        modules.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        modules
    }

    /// The users or devices of a project, in order of their hashes. This looks at every link.
    pub(in crate::index) fn id_summaries(
        &self,
        project: ProjectNo,
        kind: IdKind,
        bound: u32,
    ) -> Vec<IdSummary> {
        let ids = self.ids(kind);
        let mut sums: Vec<Option<(u32, IdPosting, IdPosting)>> = vec![None; ids.len() as usize];
        for ordinal in 0..bound {
            let sum = ids.id_of(ordinal).and_then(|id| sums.get_mut(id.index()));
            let Some(sum) = sum else { continue };
            let timestamp = Nanos::new(self.row(ordinal).time);
            let posting = IdPosting { timestamp, ordinal: Ordinal::new(ordinal) };
            let (count, first, last) = sum.get_or_insert((0, posting, posting));
            *count += 1;
            *first = posting.min(*first);
            *last = posting.max(*last);
        }
        let mut summaries: Vec<_> = (0..)
            .map(crate::index::IdNo::new)
            .zip(sums)
            .filter(|(no, _)| ids.project(*no) == project)
            .filter_map(|(no, sum)| {
                let (count, first, last) = sum?;
                let times = TimeRange { min: first.timestamp, max: last.timestamp };
                Some(IdSummary { no, hash: ids.hash(no), count, times, last: last.ordinal })
            })
            .collect();
        summaries.sort_unstable_by_key(|summary| summary.hash);
        summaries
    }

    /// Least and greatest timestamp of a block, as far as it lies below the bound.
    pub(in crate::index) fn zone(&self, block: usize, bound: u32) -> Option<TimeRange> {
        let start = block.checked_mul(BLOCK)?;
        let end = start.checked_add(BLOCK)?;
        if end <= bound as usize {
            let time = |word| Nanos::new(self.zones.word(block, word).cast_signed());
            return TimeRange { min: time(0), max: time(1) }.some();
        }
        let mut times = TimeRange::EMPTY;
        for row in (count32(start.min(bound as usize))..bound).map(|ordinal| self.row(ordinal)) {
            if row.pair.is_some() {
                times.widen(Nanos::new(row.time));
            }
        }
        times.some()
    }
}
