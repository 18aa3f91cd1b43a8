//! Groups of events: by day or month, by type, by module.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};

use super::EventQuery;
use super::measure::{Count, Measure, SumOf, Users};
use super::period::{Period, Stretch};
use super::plan::{Plan, WholeTypes};
use super::sum::Sum;
use crate::envelope::time;
use crate::error::Result;
use crate::index::ProjectNo;
use crate::store::handle::SegmentView;
use crate::types::{Nanos, Ordinal};

/// A group and what was measured of it.
///
/// # Examples
///
/// ```
/// use envelog::{Store, Uuid};
///
/// let store = Store::in_memory()?;
/// let shop = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing");
/// shop.track("order.placed").user("u_1").append()?;
///
/// let counts = store.project(Uuid::from_u128(2)).view()?.events().count_by_type()?;
/// assert_eq!(counts.len(), 1);
/// assert_eq!((counts[0].key.as_str(), counts[0].value), ("order.placed", 1));
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bucket<K, T> {
    /// The first instant of the period, or the name of the type or module.
    pub key: K,
    /// What was measured.
    pub value: T,
}

/// A way to put events into groups.
pub(super) trait Groups {
    /// Told before the first event of each segment.
    fn enter(&mut self, segment: SegmentView<'_>, project: ProjectNo) -> Result<()>;
    /// The number of an event's group, from 0.
    fn group(&mut self, segment: SegmentView<'_>, ordinal: Ordinal) -> Result<usize>;
}

/// The events of a query in groups; made by [`EventQuery::by`] and its like. Groups without events are left out.
///
/// # Examples
///
/// ```
/// use envelog::{Store, Uuid};
///
/// let store = Store::in_memory()?;
/// let shop = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing");
/// shop.track("order.placed").user("u_1").property("amount", 4200).append()?;
/// shop.track("order.placed").user("u_1").property("amount", 50).append()?;
/// shop.track("order.paid").user("u_1").property("amount", 4200).append()?;
///
/// let view = store.project(Uuid::from_u128(2)).view()?;
/// let orders = view.events().type_prefix("order.");
/// let by_type = orders.by_type();
/// let placed = |bucket: &envelog::Bucket<String, u64>| bucket.key == "order.placed";
/// assert_eq!(by_type.count()?.iter().find(|each| placed(each)).map(|each| each.value), Some(2));
/// assert_eq!(by_type.users()?.iter().find(|each| placed(each)).map(|each| each.value), Some(1));
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Clone)]
#[must_use = "a question is asked when its answer is taken"]
pub struct Grouped<'q, 'v, K> {
    query: &'q EventQuery<'v>,
    by: By,
    /// The key and number of each group, in order of the keys.
    keys: fn(By) -> Vec<(K, usize)>,
}

impl<'q, 'v> Grouped<'q, 'v, DateTime<Utc>> {
    pub(super) fn by_period(query: &'q EventQuery<'v>, period: Period) -> Self {
        Self { query, by: By::Period(ByPeriod::new(period)), keys: By::periods }
    }
}

impl<'q, 'v> Grouped<'q, 'v, String> {
    pub(super) fn by_name(query: &'q EventQuery<'v>, names: Names) -> Self {
        Self { query, by: By::Name(ByName::new(names)), keys: By::names }
    }
}

impl<'v, K> Grouped<'_, 'v, K> {
    /// How many events each group has, in order of the keys.
    ///
    /// # Errors
    ///
    /// As [`EventQuery::count`].
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{DateTime, Period, Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let shop = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing");
    /// let noon = DateTime::from_timestamp(1_710_331_200, 0).unwrap();
    /// shop.track("order.placed").user("u_1").at(noon).append()?;
    /// shop.track("order.paid").user("u_1").at(noon).append()?;
    ///
    /// let days = store.project(Uuid::from_u128(2)).view()?.events().by(Period::Day).count()?;
    /// assert_eq!(days.len(), 1);
    /// assert_eq!((days[0].key.to_rfc3339().as_str(), days[0].value), ("2024-03-13T00:00:00+00:00", 2));
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn count(&self) -> Result<Vec<Bucket<K, u64>>> {
        self.measure(Count::default(), |by, plan, count| by.count(plan, count))
    }

    /// How many distinct users each group has, in order of the keys; see [`EventQuery::users`].
    ///
    /// # Errors
    ///
    /// As [`EventQuery::count`].
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Period, Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let shop = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing");
    /// shop.track("order.placed").user("u_1").append()?;
    /// shop.track("page.viewed").anonymous("d_1").append()?;
    ///
    /// let view = store.project(Uuid::from_u128(2)).view()?;
    /// let by_type: Vec<_> = view.events().by_type().users()?.iter().map(|each| each.value).collect();
    /// assert_eq!(by_type, [1, 0]);
    /// let users: u64 = view.events().by(Period::Month).users()?.iter().map(|each| each.value).sum();
    /// assert_eq!(users, 1);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn users(&self) -> Result<Vec<Bucket<K, u64>>> {
        self.measure(Users::default(), |_, _, _| Ok(false))
    }

    /// The sum of a property, by name or path, in each group, in order of the keys.
    ///
    /// # Errors
    ///
    /// As [`EventQuery::count`].
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let shop = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing");
    /// shop.track("order.paid").property("amount", 4200).append()?;
    /// shop.track("order.placed").property("amount", 4200).append()?;
    /// shop.track("order.placed").property("amount", 50).append()?;
    ///
    /// let view = store.project(Uuid::from_u128(2)).view()?;
    /// let sums = view.events().by_type().sum("amount")?;
    /// assert_eq!((sums[1].key.as_str(), sums[1].value.integers), ("order.placed", 4250));
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn sum(&self, property: &str) -> Result<Vec<Bucket<K, Sum>>> {
        self.measure(SumOf::new(property), |_, _, _| Ok(false))
    }

    fn measure<M: Measure>(
        &self,
        mut measure: M,
        by_index: impl FnMut(&mut By, &Plan<'v>, &mut M) -> Result<bool>,
    ) -> Result<Vec<Bucket<K, M::Output>>> {
        let mut by = self.by.clone();
        self.query.gather(&mut by, &mut measure, by_index)?;
        let mut values: Vec<_> = measure.finish().into_iter().map(Some).collect();
        // A group that was named and had no event has no value.
        let mut value = |group: usize| values.get_mut(group).and_then(Option::take);
        let keyed = (self.keys)(by).into_iter();
        Ok(keyed.filter_map(|(key, group)| Some(Bucket { key, value: value(group)? })).collect())
    }
}

impl<K> fmt::Debug for Grouped<'_, '_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grouped").field("query", self.query).field("by", &self.by).finish_non_exhaustive()
    }
}

/// The groups of a [`Grouped`].
#[derive(Debug, Clone)]
pub(super) enum By {
    Period(ByPeriod),
    Name(ByName),
}

impl By {
    fn periods(self) -> Vec<(DateTime<Utc>, usize)> {
        match self {
            Self::Period(by) => {
                by.groups.into_iter().map(|(start, no)| (time::to_datetime(start), no)).collect()
            }
            Self::Name(_) => Vec::new(),
        }
    }

    fn names(self) -> Vec<(String, usize)> {
        match self {
            Self::Period(_) => Vec::new(),
            Self::Name(by) => by.groups.into_iter().map(|(name, no)| (name.into_string(), no)).collect(),
        }
    }

    fn count(&mut self, plan: &Plan<'_>, count: &mut Count) -> Result<bool> {
        match self {
            Self::Period(_) => Ok(false),
            Self::Name(by) => by.count(plan, count),
        }
    }
}

impl Groups for By {
    fn enter(&mut self, segment: SegmentView<'_>, project: ProjectNo) -> Result<()> {
        match self {
            Self::Period(_) => Ok(()),
            Self::Name(by) => by.enter(segment, project),
        }
    }

    #[inline]
    fn group(&mut self, segment: SegmentView<'_>, ordinal: Ordinal) -> Result<usize> {
        match self {
            Self::Period(by) => by.group(segment, ordinal),
            Self::Name(by) => by.group(segment, ordinal),
        }
    }
}

/// All in one group.
pub(super) struct Whole;

impl Groups for Whole {
    fn enter(&mut self, _: SegmentView<'_>, _: ProjectNo) -> Result<()> {
        Ok(())
    }

    #[inline]
    fn group(&mut self, _: SegmentView<'_>, _: Ordinal) -> Result<usize> {
        Ok(0)
    }
}

/// By day or month.
#[derive(Debug, Clone)]
pub(super) struct ByPeriod {
    period: Period,
    groups: BTreeMap<Nanos, usize>,
    /// The period of the last event, and its group: the next one is most likely in it as well.
    last: (Stretch, usize),
}

impl ByPeriod {
    fn new(period: Period) -> Self {
        Self { period, groups: BTreeMap::new(), last: (Stretch::EMPTY, 0) }
    }
}

impl ByPeriod {
    #[inline]
    fn group(&mut self, segment: SegmentView<'_>, ordinal: Ordinal) -> Result<usize> {
        let time = segment.index.timestamp(ordinal)?.unwrap_or(Nanos::new(0));
        if !self.last.0.contains(time) {
            let stretch = self.period.around(time);
            let next = self.groups.len();
            self.last = (stretch, *self.groups.entry(stretch.start).or_insert(next));
        }
        Ok(self.last.1)
    }
}

/// What gives a group its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    Types,
    Modules,
}

/// By type or by module.
#[derive(Debug, Clone)]
pub(super) struct ByName {
    names: Names,
    groups: BTreeMap<Box<str>, usize>,
    /// By number in the segment that was entered last.
    of_segment: Vec<Named>,
}

/// A name in one segment, and its group once an event is in it.
#[derive(Debug, Clone, Default)]
struct Named {
    name: Box<str>,
    group: Option<usize>,
}

impl ByName {
    fn new(names: Names) -> Self {
        Self { names, groups: BTreeMap::new(), of_segment: Vec::new() }
    }

    /// The group of a name.
    fn learn(&mut self, name: &str) -> usize {
        let next = self.groups.len();
        match self.groups.get(name) {
            Some(group) => *group,
            None => *self.groups.entry(name.into()).or_insert(next),
        }
    }

    fn enter(&mut self, segment: SegmentView<'_>, project: ProjectNo) -> Result<()> {
        let index = segment.index;
        self.of_segment.clear();
        match self.names {
            Names::Types => {
                index.types(project)?.into_iter().for_each(|each| self.name(each.no.index(), each.name));
            }
            Names::Modules => {
                index.modules(project)?.into_iter().for_each(|each| self.name(each.no.index(), each.name));
            }
        }
        Ok(())
    }

    fn name(&mut self, no: usize, name: Box<str>) {
        if self.of_segment.len() <= no {
            self.of_segment.resize(no + 1, Named::default());
        }
        if let Some(named) = self.of_segment.get_mut(no) {
            named.name = name;
        }
    }

    #[inline]
    fn group(&mut self, segment: SegmentView<'_>, ordinal: Ordinal) -> Result<usize> {
        let numbers = segment.index.type_and_module(ordinal)?;
        let no = numbers.map_or(0, |(type_no, module)| match self.names {
            Names::Types => type_no.index(),
            Names::Modules => module.index(),
        });
        if let Some(Named { group: Some(group), .. }) = self.of_segment.get(no) {
            return Ok(*group);
        }
        let name = self.of_segment.get(no).map_or_else(Box::default, |named| named.name.clone());
        let group = self.learn(&name);
        if let Some(named) = self.of_segment.get_mut(no) {
            named.group = Some(group);
        }
        Ok(group)
    }

    /// Counts a whole segment from its index; returns whether it did.
    fn count(&mut self, plan: &Plan<'_>, count: &mut Count) -> Result<bool> {
        let (index, project) = (plan.segment.index, plan.project);
        match (self.names, plan.whole_types()) {
            (Names::Types, whole @ (WholeTypes::All | WholeTypes::Only(_))) => {
                for each in index.types(project)? {
                    if whole.has(each.no) {
                        count.add_many(self.learn(&each.name), each.count.into());
                    }
                }
                Ok(true)
            }
            (Names::Modules, WholeTypes::All) => {
                for each in index.modules(project)? {
                    count.add_many(self.learn(&each.name), each.count.into());
                }
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}
