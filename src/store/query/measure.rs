//! What is measured over groups of events: their number, their users, the sum of a property.

use hashbrown::HashSet;

use super::sum::{Sum, Summing};
use crate::error::Result;
use crate::index::{IdHash, IdKind};
use crate::store::event::{EventRef, property_at};
use crate::store::handle::SegmentView;
use crate::types::Ordinal;

/// An event on its way into a measure.
#[derive(Clone, Copy)]
pub(super) struct Row<'a, 'v> {
    pub(super) segment: SegmentView<'v>,
    pub(super) ordinal: Ordinal,
    /// Its record, for a measure that needs it.
    pub(super) event: Option<&'a EventRef<'v>>,
}

/// A measure of groups of events, which are numbered from 0.
pub(super) trait Measure {
    type Output;
    /// Whether rows must bring their records.
    const NEEDS_RECORDS: bool;
    /// Takes an event of a group in.
    fn add(&mut self, group: usize, row: Row<'_, '_>) -> Result<()>;
    /// The measure of each group up to the greatest that was added to.
    fn finish(self) -> Vec<Self::Output>;
}

/// The element of a group, made if the group is new.
fn of_group<T: Clone + Default>(groups: &mut Vec<T>, group: usize) -> Option<&mut T> {
    if groups.len() <= group {
        groups.resize(group + 1, T::default());
    }
    groups.get_mut(group)
}

/// The number of events.
#[derive(Default)]
pub(super) struct Count(Vec<u64>);

impl Count {
    pub(super) fn add_many(&mut self, group: usize, events: u64) {
        if let Some(count) = of_group(&mut self.0, group) {
            *count += events;
        }
    }
}

impl Measure for Count {
    type Output = u64;
    const NEEDS_RECORDS: bool = false;

    #[inline]
    fn add(&mut self, group: usize, _: Row<'_, '_>) -> Result<()> {
        self.add_many(group, 1);
        Ok(())
    }

    fn finish(self) -> Vec<u64> {
        self.0
    }
}

/// The number of distinct users.
#[derive(Default)]
pub(super) struct Users(Vec<HashSet<IdHash>>);

impl Users {
    pub(super) fn add_user(&mut self, group: usize, user: IdHash) {
        if let Some(users) = of_group(&mut self.0, group) {
            users.insert(user);
        }
    }
}

impl Measure for Users {
    type Output = u64;
    const NEEDS_RECORDS: bool = false;

    #[inline]
    fn add(&mut self, group: usize, row: Row<'_, '_>) -> Result<()> {
        let index = row.segment.index;
        match index.id_of(IdKind::User, row.ordinal)? {
            Some(user) => self.add_user(group, index.id_hash(IdKind::User, user)?),
            // The group is there, without a user.
            None => drop(of_group(&mut self.0, group)),
        }
        Ok(())
    }

    fn finish(self) -> Vec<u64> {
        self.0.into_iter().map(|users| users.len() as u64).collect()
    }
}

/// The sum of a property.
pub(super) struct SumOf<'p> {
    path: &'p str,
    groups: Vec<Summing>,
}

impl<'p> SumOf<'p> {
    pub(super) fn new(path: &'p str) -> Self {
        Self { path, groups: Vec::new() }
    }
}

impl Measure for SumOf<'_> {
    type Output = Sum;
    const NEEDS_RECORDS: bool = true;

    #[inline]
    fn add(&mut self, group: usize, row: Row<'_, '_>) -> Result<()> {
        let properties = row.event.and_then(EventRef::properties);
        let value = properties.and_then(|properties| property_at(properties, self.path));
        if let Some(sum) = of_group(&mut self.groups, group) {
            sum.add(value);
        }
        Ok(())
    }

    fn finish(self) -> Vec<Sum> {
        self.groups.into_iter().map(Summing::finish).collect()
    }
}
