//! What a property must be for an event to be taken.

use std::cmp::Ordering;
use std::fmt;

use crate::envelope::{Kind, Value, ValueRef};

/// What a property's value must satisfy. A property that is missing satisfies none of them.
///
/// Numbers compare by value, strings by their bytes, `false` is below `true`; values of different kinds are neither
/// equal nor above or below one another.
///
/// # Examples
///
/// ```
/// use envelog::{Condition, Store, Uuid};
///
/// let store = Store::in_memory()?;
/// let shop = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing");
/// shop.track("order.placed").property("amount", 4200).append()?;
/// shop.track("order.placed").property("amount", "none").append()?;
///
/// let view = store.project(Uuid::from_u128(2)).view()?;
/// let count = |condition| view.events().where_property("amount", condition).count();
/// assert_eq!(count(Condition::Exists)?, 2);
/// assert_eq!(count(Condition::Equals(4200.0.into()))?, 1);
/// assert_eq!(count(Condition::Between(1.into(), 5000.into()))?, 1);
/// assert_eq!(count(Condition::AtLeast("a".into()))?, 1);
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum Condition {
    /// It is there, be it null.
    Exists,
    /// It equals the value.
    Equals(Value),
    /// It is the value or above it.
    AtLeast(Value),
    /// It is the value or below it.
    AtMost(Value),
    /// It is between the two values, both included.
    Between(Value, Value),
}

impl Condition {
    /// Tells whether the value of a property that is there satisfies the condition.
    #[inline]
    pub(crate) fn holds(&self, value: ValueRef<'_>) -> bool {
        match self {
            Self::Exists => true,
            Self::Equals(wanted) => equal(value, wanted),
            Self::AtLeast(least) => compare(value, least).is_some_and(Ordering::is_ge),
            Self::AtMost(most) => compare(value, most).is_some_and(Ordering::is_le),
            Self::Between(least, most) => {
                compare(value, least).is_some_and(Ordering::is_ge)
                    && compare(value, most).is_some_and(Ordering::is_le)
            }
        }
    }
}

impl fmt::Debug for Condition {
    /// Shows no value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exists => "Exists",
            Self::Equals(_) => "Equals(..)",
            Self::AtLeast(_) => "AtLeast(..)",
            Self::AtMost(_) => "AtMost(..)",
            Self::Between(..) => "Between(..)",
        })
    }
}

fn equal(value: ValueRef<'_>, wanted: &Value) -> bool {
    match wanted {
        Value::Null => value.is_null(),
        Value::List(_) => value.kind() == Kind::List && value.to_value() == *wanted,
        Value::Object(_) => value.kind() == Kind::Object && value.to_value() == *wanted,
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            compare(value, wanted).is_some_and(Ordering::is_eq)
        }
    }
}

/// How a value stands to another of the same kind; `None` for other kinds and for what has no order.
fn compare(value: ValueRef<'_>, other: &Value) -> Option<Ordering> {
    match other {
        Value::Bool(other) => Some(value.as_bool()?.cmp(other)),
        Value::String(other) => Some(value.as_str()?.as_bytes().cmp(other.as_bytes())),
        Value::Number(number) => {
            // The common case allocates nothing; it is exact, as both are integers.
            if let (Some(value), Some(other)) = (value.as_i64(), number.as_i64()) {
                return Some(value.cmp(&other));
            }
            Some(value.as_number()?.cmp(number))
        }
        Value::Null | Value::List(_) | Value::Object(_) => None,
    }
}

/// A property by name or path, and what it must satisfy.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PropertyCondition {
    pub(crate) path: Box<str>,
    pub(crate) condition: Condition,
}
