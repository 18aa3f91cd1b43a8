//! Questions to a view: which events, in which order, how many, how much.
//!
//! ```text
//! EventQuery -- Prepared --> Plan of each segment -- walk --> candidates -- Source, Events --> records, checked
//!                                     \-- exact_count, gather: answers from the index alone
//! ```

mod builder;
mod candidates;
mod condition;
mod events;
mod filter;
mod gather;
mod group;
mod measure;
mod period;
mod plan;
mod source;
mod sum;
mod timeline;
mod token;

#[cfg(test)]
mod tests;

use std::ops::Range;

use super::view::View;
use crate::envelope::Value;
use crate::types::Seq;

pub use condition::Condition;
pub use events::Events;
pub use group::{Bucket, Grouped};
pub use period::Period;
pub use sum::Sum;
pub use timeline::{Timeline, TimelineEvents};
pub use token::PageToken;

use filter::Filter;
use plan::Prepared;

/// A question about the events of a project, in seq order; begun by [`View::events`].
///
/// Conditions of different kinds must all hold. Event types named by several calls unite, as do prefixes; of every
/// other kind the last call counts, but for properties, of which all must hold.
///
/// The order and the limit are those of [`iter`](Self::iter); counts, sums and groups are over all events that match,
/// and pass over ranges that were set aside.
#[derive(Debug, Clone)]
pub struct EventQuery<'v> {
    view: &'v View,
    filter: Filter,
    newest_first: bool,
    limit: Option<usize>,
}

impl<'v> EventQuery<'v> {
    pub(super) fn new(view: &'v View) -> Self {
        Self { view, filter: Filter::default(), newest_first: false, limit: None }
    }

    builder::conditions!();

    /// Keeps events whose `userId` is this one.
    #[must_use]
    pub fn user(mut self, user_id: impl Into<String>) -> Self {
        self.filter.user = Some(user_id.into().into_boxed_str());
        self
    }

    /// Keeps events whose `anonymousId` is this one, be they of an identified user or not.
    #[must_use]
    pub fn device(mut self, anonymous_id: impl Into<String>) -> Self {
        self.filter.device = Some(anonymous_id.into().into_boxed_str());
        self
    }

    /// Keeps events whose seq is in the range, its start included, its end not.
    #[must_use]
    pub fn seq_range(mut self, seqs: Range<Seq>) -> Self {
        self.filter.seqs(seqs);
        self
    }

    /// Begins a condition on a property: one of this name, or at this path of names joined by points.
    pub fn property(self, path: impl Into<String>) -> PropertyQuery<'v> {
        PropertyQuery { query: self, path: path.into().into_boxed_str() }
    }

    /// Turns the order of [`iter`](Self::iter) around: the greatest seq first.
    #[must_use]
    pub fn newest_first(mut self) -> Self {
        self.newest_first = true;
        self
    }

    /// The events, lazily and from either end.
    pub fn iter(&self) -> Events<'v> {
        Events::new(self.view.pinned(), self.prepared(), self.newest_first, self.limit)
    }

    fn prepared(&self) -> Prepared {
        Prepared::new(self.filter.clone(), self.view.pinned())
    }
}

builder::into_iterator!(EventQuery gives Events);

/// A condition on a property, of which the path is known; made by [`EventQuery::property`].
#[derive(Debug, Clone)]
#[must_use]
pub struct PropertyQuery<'v> {
    query: EventQuery<'v>,
    path: Box<str>,
}

impl<'v> PropertyQuery<'v> {
    /// It equals the value: numbers by value, strings by their bytes.
    pub fn equals(self, value: impl Into<Value>) -> EventQuery<'v> {
        self.is(Condition::Equals(value.into()))
    }

    /// It is the value or above it.
    pub fn at_least(self, value: impl Into<Value>) -> EventQuery<'v> {
        self.is(Condition::AtLeast(value.into()))
    }

    /// It is the value or below it.
    pub fn at_most(self, value: impl Into<Value>) -> EventQuery<'v> {
        self.is(Condition::AtMost(value.into()))
    }

    /// It is between the two values, both included.
    pub fn between(self, least: impl Into<Value>, most: impl Into<Value>) -> EventQuery<'v> {
        self.is(Condition::Between(least.into(), most.into()))
    }

    /// It is there, be it null.
    pub fn exists(self) -> EventQuery<'v> {
        self.is(Condition::Exists)
    }

    /// It satisfies a condition.
    pub fn is(self, condition: Condition) -> EventQuery<'v> {
        self.query.where_property(self.path, condition)
    }
}
