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
mod question;
mod serial;
mod source;
mod sum;
mod timeline;
mod token;

#[cfg(test)]
mod tests;

use super::view::View;
use crate::envelope::Value;

pub use condition::Condition;
pub use events::Events;
pub use group::{Bucket, Grouped};
pub use period::Period;
pub use question::Query;
pub use sum::Sum;
pub use timeline::{Timeline, TimelineEvents};
pub use token::PageToken;

use plan::Prepared;

/// A question about the events of a project, in seq order; begun by [`View::events`].
///
/// Conditions of different kinds must all hold. Event types named by several calls unite, as do prefixes; of every
/// other kind the last call counts, but for properties and context, of which all must hold.
///
/// The order and the limit are those of [`iter`](Self::iter); counts, sums and groups are over all events that match,
/// and pass over ranges that were set aside.
///
/// # Examples
///
/// ```
/// use envelog::{Store, Uuid};
///
/// let store = Store::in_memory()?;
/// let shop = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing");
/// shop.track("order.placed").user("u_1").property("amount", 4200).append()?;
/// shop.track("order.placed").user("u_2").property("amount", 50).append()?;
/// shop.track("order.paid").user("u_1").property("amount", 4200).append()?;
///
/// let view = store.project(Uuid::from_u128(2)).view()?;
/// let placed = view.events().of_type("order.placed");
/// assert_eq!((placed.count()?, placed.users()?), (2, 2));
/// assert_eq!(placed.clone().property("amount").at_least(100).count()?, 1);
///
/// let mut people = Vec::new();
/// for event in placed.newest_first() {
///     people.push(event?.user_id().unwrap_or_default().to_owned());
/// }
/// assert_eq!(people, ["u_2", "u_1"]);
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "a question is asked when its answer is taken"]
pub struct EventQuery<'v> {
    view: &'v View,
    query: Query,
}

impl<'v> EventQuery<'v> {
    pub(super) fn new(view: &'v View, query: Query) -> Self {
        Self { view, query }
    }

    /// The question without the view, to be kept and asked again.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Query, Store, Uuid};
    ///
    /// let view = Store::in_memory()?.project(Uuid::from_u128(2)).view()?;
    /// let placed = view.events().of_type("order.placed").limit(10);
    /// assert_eq!(placed.query(), &Query::new().of_type("order.placed").limit(10));
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub const fn query(&self) -> &Query {
        &self.query
    }

    builder::conditions!(query);
    builder::places!(query);

    /// Begins a condition on a property: one of this name, or at this path of names joined by points.
    pub fn property(self, path: impl Into<String>) -> PropertyQuery<'v> {
        PropertyQuery { query: self, path: path.into(), is_context: false }
    }

    /// Begins a condition on the context, as [`property`](Self::property) does on the properties.
    pub fn context(self, path: impl Into<String>) -> PropertyQuery<'v> {
        PropertyQuery { query: self, path: path.into(), is_context: true }
    }

    /// The events, lazily and from either end.
    pub fn iter(&self) -> Events<'v> {
        let Query { newest_first, limit, .. } = self.query;
        Events::new(self.view.pinned(), self.prepared(), newest_first, limit)
    }

    fn prepared(&self) -> Prepared {
        Prepared::new(self.query.filter.clone(), self.view.pinned())
    }
}

builder::into_iterator!(EventQuery gives Events);

/// A condition on a property or on the context, of which the path is known; made by [`EventQuery::property`] and
/// [`EventQuery::context`].
///
/// # Examples
///
/// ```
/// use envelog::{Store, Uuid};
///
/// let store = Store::in_memory()?;
/// let shop = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing");
/// shop.track("order.placed").property("amount", 4200).context("locale", "de-DE").append()?;
/// shop.track("order.placed").property("amount", 50).append()?;
///
/// let view = store.project(Uuid::from_u128(2)).view()?;
/// assert_eq!(view.events().property("amount").between(50, 100).count()?, 1);
/// assert_eq!(view.events().context("locale").equals("de-DE").count()?, 1);
/// assert_eq!(view.events().property("discount").exists().count()?, 0);
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "it says which property, and not yet what it must be"]
pub struct PropertyQuery<'v> {
    query: EventQuery<'v>,
    path: String,
    is_context: bool,
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
        if self.is_context {
            self.query.where_context(self.path, condition)
        } else {
            self.query.where_property(self.path, condition)
        }
    }
}
