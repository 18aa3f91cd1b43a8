//! The dictionaries of a sealed index: names in order, with counts and ranges of time.

use crate::format::bytes::ByteWriter;
use crate::index::active::ActiveIndex;
use crate::index::{TimeRange, count32, join};

/// Count and range of time of some events.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tally {
    pub(super) count: u32,
    pub(super) times: TimeRange,
}

impl Tally {
    pub(super) const EMPTY: Self = Self { count: 0, times: TimeRange::EMPTY };

    fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.times.merge(other.times);
    }
}

/// A type or a module in its new place.
#[derive(Debug)]
pub(super) struct Name {
    pub(super) project: u32,
    pub(super) text: Box<str>,
    pub(super) tally: Tally,
}

/// The dictionaries, with new numbers by old ones.
#[derive(Debug)]
pub(super) struct Names {
    /// In order of their ids.
    pub(super) projects: Vec<([u8; 16], Tally)>,
    /// In order of project and text.
    pub(super) types: Vec<Name>,
    pub(super) modules: Vec<Name>,
    /// In order of the numbers of type and module.
    pub(super) pairs: Vec<u64>,
    pub(super) project_of_old: Vec<u32>,
    pub(super) pair_of_old: Vec<u32>,
}

impl Names {
    /// Sorts the names of `index`; `tallies` are of its pairs, in its order.
    pub(super) fn new(index: &ActiveIndex, tallies: &[Tally]) -> Self {
        let dictionary = index.dictionary();
        let mut projects: Vec<_> =
            dictionary.projects.iter().map(|project| (project.id, Tally::EMPTY)).collect();
        let project_of_old = sort(&mut projects, |(id, _)| *id);
        let place = |old: usize| project_of_old.get(old).copied().unwrap_or(0);
        let name = |project: usize, text: &str| Name {
            project: place(project),
            text: text.into(),
            tally: Tally::EMPTY,
        };

        let mut types: Vec<_> =
            dictionary.types.iter().map(|each| name(each.project.index(), &each.name)).collect();
        let type_of_old = sort(&mut types, |each| (each.project, each.text.clone()));
        let mut modules: Vec<_> =
            dictionary.modules.iter().map(|each| name(each.project.index(), &each.name)).collect();
        let module_of_old = sort(&mut modules, |each| (each.project, each.text.clone()));
        drop(dictionary);

        let mut pairs = Vec::with_capacity(tallies.len());
        for (old, tally) in tallies.iter().enumerate() {
            let (type_no, module_no) = index.pair(count32(old));
            let new_type = type_of_old.get(type_no.index()).copied().unwrap_or(0);
            let new_module = module_of_old.get(module_no.index()).copied().unwrap_or(0);
            if let Some(each) = types.get_mut(new_type as usize) {
                each.tally.merge(*tally);
                if let Some((_, project)) = projects.get_mut(each.project as usize) {
                    project.merge(*tally);
                }
            }
            if let Some(each) = modules.get_mut(new_module as usize) {
                each.tally.merge(*tally);
            }
            pairs.push(join(new_type, new_module));
        }
        let pair_of_old = sort(&mut pairs, |pair| *pair);
        Self { projects, types, modules, pairs, project_of_old, pair_of_old }
    }

    /// The texts of types, then of modules, nothing between.
    pub(super) fn texts(&self) -> Vec<u8> {
        self.types.iter().chain(&self.modules).flat_map(|name| name.text.bytes()).collect()
    }

    /// The entries of the modules.
    pub(super) fn modules(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut text_at: usize = self.types.iter().map(|name| name.text.len()).sum();
        for module in &self.modules {
            put_name(&mut out, module, text_at);
            text_at += module.text.len();
        }
        out
    }

    /// The entries of the projects; `first_ids` are the first user and device of each.
    pub(super) fn projects(&self, first_ids: [&[u32]; 2]) -> Vec<u8> {
        let mut out = Vec::new();
        let (mut types, mut modules) = (self.types.iter().peekable(), self.modules.iter().peekable());
        let (mut first_type, mut first_module) = (0, 0);
        for (no, (id, tally)) in self.projects.iter().enumerate() {
            while types.next_if(|name| (name.project as usize) < no).is_some() {
                first_type += 1;
            }
            while modules.next_if(|name| (name.project as usize) < no).is_some() {
                first_module += 1;
            }
            out.put(id);
            out.put_u32(tally.count);
            out.put_u32(first_type);
            out.put_u32(first_module);
            for first in first_ids {
                out.put_u32(first.get(no).copied().unwrap_or(0));
            }
            out.put_u32(0);
            put_times(&mut out, tally.times);
        }
        out
    }
}

/// The fields that a type and a module have in common, 32 bytes.
pub(super) fn put_name(out: &mut Vec<u8>, name: &Name, text_at: usize) {
    out.put_u32(count32(text_at));
    out.put_u32(count32(name.text.len()));
    out.put_u32(name.project);
    out.put_u32(name.tally.count);
    put_times(out, name.tally.times);
}

pub(super) fn put_times(out: &mut Vec<u8>, times: TimeRange) {
    out.put_i64(times.min.get());
    out.put_i64(times.max.get());
}

/// Sorts a list and returns the new places by the old ones.
pub(super) fn sort<T, K: Ord>(list: &mut Vec<T>, key: impl Fn(&T) -> K) -> Vec<u32> {
    let mut old: Vec<(usize, T)> = list.drain(..).enumerate().collect();
    old.sort_by_cached_key(|(_, item)| key(item));
    let mut places = vec![0; old.len()];
    for (new, (old, item)) in old.into_iter().enumerate() {
        if let Some(place) = places.get_mut(old) {
            *place = count32(new);
        }
        list.push(item);
    }
    places
}
