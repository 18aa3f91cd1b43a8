//! A question as plain data, which can be kept, compared, sent and asked of any view.

use super::filter::Filter;

/// Which events of a project, in which direction and how many: plain data, asked of a view with
/// [`View::query`](crate::View::query).
///
/// Conditions of different kinds must all hold. Event types named by several calls unite, as do prefixes; of every
/// other kind the last call counts, but for properties and context, of which all must hold. `Debug` shows no ids and no
/// values of conditions.
///
/// # Examples
///
/// ```
/// use envelog::{Condition, Query, Store, Uuid};
///
/// let large = Query::new().of_type("order.placed").where_property("amount", Condition::AtLeast(1000.into()));
///
/// let store = Store::in_memory()?;
/// let shop = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing");
/// shop.track("order.placed").property("amount", 4200).append()?;
/// shop.track("order.placed").property("amount", 50).append()?;
/// let view = store.project(Uuid::from_u128(2)).view()?;
/// assert_eq!(view.query(&large).count()?, 1);
/// # Ok::<(), envelog::Error>(())
/// ```
///
/// # As JSON
///
/// It is read and written by serde as JSON (RFC 8259), in the words of its methods. What is left out asks for nothing; an unknown field is
/// an error, so that a condition with a slip in its name does not silently take everything.
///
/// ```
/// use envelog::{Condition, DateTime, Query};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let text = r#"{
///     "eventTypes": ["order.placed", "order.paid"], "typePrefixes": ["cart."],
///     "module": "billing", "user": "u_1", "device": "d_1",
///     "since": "2026-01-01T00:00:00Z", "until": "2026-02-01T00:00:00Z",
///     "fromSeq": 1, "untilSeq": 5000,
///     "where": [
///         {"path": "amount", "atLeast": 100, "atMost": 500},
///         {"path": "customer.country", "equals": "DE"},
///         {"contextPath": "page.url", "exists": true}
///     ],
///     "newestFirst": true, "limit": 50
/// }"#;
/// let query: Query = serde_json::from_str(text)?;
/// let same = Query::new()
///     .of_types(["order.placed", "order.paid"])
///     .type_prefix("cart.")
///     .module("billing")
///     .user("u_1")
///     .device("d_1")
///     .since("2026-01-01T00:00:00Z".parse()?)
///     .until("2026-02-01T00:00:00Z".parse()?)
///     .seq_range(envelog::Seq::new(1)..envelog::Seq::new(5000))
///     .where_property("amount", Condition::Between(100.into(), 500.into()))
///     .where_property("customer.country", Condition::Equals("DE".into()))
///     .where_context("page.url", Condition::Exists)
///     .newest_first()
///     .limit(50);
/// assert_eq!(query, same);
/// assert_eq!(serde_json::from_value::<Query>(serde_json::to_value(&same)?)?, same);
/// # Ok(())
/// # }
/// ```
///
/// Times are RFC 3339, `until` and `untilSeq` are not included. At most 1,024 event types, prefixes and conditions each,
/// and texts of at most 16 KiB, are read. Numbers beyond 64 bits are written as the nearest float.
#[derive(Debug, Clone, PartialEq, Default)]
#[must_use = "it is plain data, and asks nothing by itself"]
pub struct Query {
    pub(super) filter: Filter,
    pub(super) newest_first: bool,
    pub(super) limit: Option<usize>,
}

impl Query {
    /// All events, oldest first.
    pub fn new() -> Self {
        Self::default()
    }

    super::builder::conditions!();
    super::builder::places!();
}
