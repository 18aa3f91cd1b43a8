//! What a query asks for, as plain data.

use std::fmt;
use std::ops::Range;

use chrono::{DateTime, Utc};

use super::candidates::TypeSet;
use super::condition::{Condition, PropertyCondition};
use crate::envelope::ValueRef;
use crate::error::Result;
use crate::index::{ModuleNo, ProjectNo, SegmentIndex, TimeRange, TypeNo};
use crate::store::event::{EventRef, property_at};
use crate::types::{Nanos, Seq};

/// The first nanosecond that a store holds, and the last that a [`Nanos`] can.
pub(crate) const ALL_TIMES: TimeRange = TimeRange { min: Nanos::new(i64::MIN), max: Nanos::new(i64::MAX) };

/// What a filter by name asks of one index.
#[derive(Debug)]
pub(crate) enum Asked<T> {
    /// Nothing: any name will do.
    Any,
    /// One of these, which the index has.
    Only(T),
    /// Names that the index does not have: none of its events will do.
    Absent,
}

/// Which events a query takes: those for which all of this holds.
#[derive(Clone, PartialEq)]
pub(crate) struct Filter {
    /// Names of event types, of which any will do; with `prefixes`, if either is given.
    pub(crate) types: Vec<Box<str>>,
    pub(crate) prefixes: Vec<Box<str>>,
    /// Whether types were asked for at all: a list of none takes none.
    pub(crate) by_type: bool,
    pub(crate) user: Option<Box<str>>,
    pub(crate) device: Option<Box<str>>,
    pub(crate) module: Option<Box<str>>,
    /// Both ends included; nothing is in it where the least is above the greatest.
    pub(crate) times: TimeRange,
    pub(crate) seq_min: Seq,
    pub(crate) seq_max: Seq,
    /// On properties.
    pub(crate) conditions: Vec<PropertyCondition>,
    pub(crate) context_conditions: Vec<PropertyCondition>,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            types: Vec::new(),
            prefixes: Vec::new(),
            by_type: false,
            user: None,
            device: None,
            module: None,
            times: ALL_TIMES,
            seq_min: Seq::ZERO,
            seq_max: Seq::new(u64::MAX),
            conditions: Vec::new(),
            context_conditions: Vec::new(),
        }
    }
}

impl fmt::Debug for Filter {
    /// Shows no id and no value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filter")
            .field("types", &self.types)
            .field("prefixes", &self.prefixes)
            .field("user", &self.user.is_some())
            .field("device", &self.device.is_some())
            .field("module", &self.module)
            .field("conditions", &self.conditions)
            .field("context_conditions", &self.context_conditions)
            .finish_non_exhaustive()
    }
}

impl Filter {
    pub(crate) fn add_types<T: Into<String>>(&mut self, names: impl IntoIterator<Item = T>) {
        self.by_type = true;
        self.types.extend(names.into_iter().map(|name| name.into().into_boxed_str()));
    }

    pub(crate) fn add_prefix(&mut self, prefix: impl Into<String>) {
        self.by_type = true;
        self.prefixes.push(prefix.into().into_boxed_str());
    }

    pub(crate) fn add_condition(&mut self, path: impl Into<String>, condition: Condition) {
        self.conditions.push(PropertyCondition { path: path.into().into_boxed_str(), condition });
    }

    pub(crate) fn add_context_condition(&mut self, path: impl Into<String>, condition: Condition) {
        self.context_conditions.push(PropertyCondition { path: path.into().into_boxed_str(), condition });
    }

    /// Whether properties or context decide.
    pub(crate) fn has_conditions(&self) -> bool {
        !(self.conditions.is_empty() && self.context_conditions.is_empty())
    }

    /// Whether ids or seqs decide.
    pub(crate) fn has_places(&self) -> bool {
        self.user.is_some()
            || self.device.is_some()
            || self.seq_min > Seq::ZERO
            || self.seq_max < Seq::new(u64::MAX)
    }

    /// The numbers in an index of the types that are asked for; they may have no events in view.
    pub(crate) fn type_numbers(&self, index: &SegmentIndex, project: ProjectNo) -> Result<Vec<TypeNo>> {
        let mut numbers = Vec::new();
        if self.prefixes.is_empty() {
            for name in &self.types {
                numbers.extend(index.type_no(project, name)?.filter(|no| !numbers.contains(no)));
            }
        } else {
            let types = index.types(project)?;
            numbers.extend(types.iter().filter(|each| self.takes_type(&each.name)).map(|each| each.no));
        }
        Ok(numbers)
    }

    /// The types that are asked for, as a set.
    pub(crate) fn types_in(&self, index: &SegmentIndex, project: ProjectNo) -> Result<Asked<TypeSet>> {
        if !self.by_type {
            return Ok(Asked::Any);
        }
        let numbers = self.type_numbers(index, project)?;
        if numbers.is_empty() {
            return Ok(Asked::Absent);
        }
        Ok(Asked::Only(numbers.into_iter().collect()))
    }

    /// The module that is asked for.
    pub(crate) fn module_in(&self, index: &SegmentIndex, project: ProjectNo) -> Result<Asked<ModuleNo>> {
        match &self.module {
            Some(name) => Ok(index.module_no(project, name)?.map_or(Asked::Absent, Asked::Only)),
            None => Ok(Asked::Any),
        }
    }

    /// Whether the event's properties and context are as asked.
    #[inline]
    pub(crate) fn takes_content(&self, event: &EventRef<'_>) -> bool {
        all_hold(&self.conditions, || event.properties())
            && all_hold(&self.context_conditions, || event.context())
    }

    /// Whether the event's ids are as asked.
    #[inline]
    pub(crate) fn takes_ids(&self, event: &EventRef<'_>) -> bool {
        let is = |wanted: &Option<Box<str>>, id: Option<&str>| wanted.is_none() || wanted.as_deref() == id;
        is(&self.user, event.user_id()) && is(&self.device, event.anonymous_id())
    }

    /// Whether the event's seq is as asked.
    #[inline]
    pub(crate) fn takes_seq(&self, seq: Seq) -> bool {
        self.seq_min <= seq && seq <= self.seq_max
    }

    fn takes_type(&self, name: &str) -> bool {
        self.types.iter().any(|wanted| **wanted == *name)
            || self.prefixes.iter().any(|prefix| name.starts_with(&**prefix))
    }

    /// Keeps events whose seq is in the range.
    pub(crate) fn seqs(&mut self, seqs: Range<Seq>) {
        self.seq_min = seqs.start;
        self.seq_max = Seq::new(seqs.end.get().saturating_sub(1));
    }

    /// Keeps events at or after an instant.
    pub(crate) fn since(&mut self, from: DateTime<Utc>) {
        self.times.min = nanos(from);
    }

    /// Keeps events before an instant.
    pub(crate) fn until(&mut self, to: DateTime<Utc>) {
        match nanos(to).get().checked_sub(1) {
            Some(last) => self.times.max = Nanos::new(last),
            // Nothing is before the first of all instants.
            None => self.times = TimeRange { min: Nanos::new(i64::MAX), max: Nanos::new(i64::MIN) },
        }
    }
}

/// Whether an object satisfies all conditions; it is not looked for where there are none.
#[inline]
fn all_hold<'v>(conditions: &[PropertyCondition], object: impl FnOnce() -> Option<ValueRef<'v>>) -> bool {
    let holds = |object, each: &PropertyCondition| {
        property_at(object, &each.path).is_some_and(|value| each.condition.holds(value))
    };
    conditions.is_empty() || object().is_some_and(|object| conditions.iter().all(|each| holds(object, each)))
}

/// An instant; one that is outside the range of a store is as far as it goes.
fn nanos(time: DateTime<Utc>) -> Nanos {
    let outside = if time.timestamp() < 0 { i64::MIN } else { i64::MAX };
    time.timestamp_nanos_opt().map_or(Nanos::new(outside), Nanos::new)
}

/// Whether the two have an instant in common.
pub(crate) fn overlap(one: TimeRange, other: TimeRange) -> bool {
    one.min <= other.max && other.min <= one.max
}

/// Whether all of `inner` is in `outer`.
pub(crate) fn contains(outer: TimeRange, inner: TimeRange) -> bool {
    outer.min <= inner.min && inner.max <= outer.max
}

#[inline]
pub(crate) fn includes(times: TimeRange, time: Nanos) -> bool {
    times.min <= time && time <= times.max
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_outside_the_range_of_a_store_are_as_far_as_it_goes() {
        assert_eq!(nanos(DateTime::<Utc>::MIN_UTC), Nanos::new(i64::MIN));
        assert_eq!(nanos(DateTime::<Utc>::MAX_UTC), Nanos::new(i64::MAX));
        let mut filter = Filter::default();
        filter.until(DateTime::<Utc>::MIN_UTC);
        assert!(!includes(filter.times, Nanos::new(i64::MIN)));
        assert_eq!(nanos(crate::envelope::time::to_datetime(Nanos::new(7))), Nanos::new(7));
    }
}
