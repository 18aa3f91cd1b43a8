//! Batches: what stands beside the list counts for each call of it.

use std::fmt;
use std::vec;

use chrono::{DateTime, Utc};

use super::{Segment, call, fields};
use crate::envelope::{Envelope, Object, Value};
use crate::error::{Error, Result};

/// The calls of a batch, in their order, read one by one. Made by [`Segment::read_all`].
///
/// # Examples
///
/// ```
/// use envelog::Uuid;
/// use envelog::interop::segment::{Calls, Segment};
///
/// let segment = Segment::new(Uuid::from_u128(1), Uuid::from_u128(2));
/// let mut calls: Calls = segment.read_all(br#"{"batch":[{"type":"page"},7]}"#, None)?;
/// assert_eq!(calls.len(), 2);
/// assert!(calls.next().unwrap().unwrap_err().to_string().starts_with("timestamp: is required"));
/// assert_eq!(calls.next().unwrap().unwrap_err().to_string(), "call: must be a JSON object");
/// assert!(calls.next().is_none());
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Clone)]
pub struct Calls {
    segment: Segment,
    received_at: Option<DateTime<Utc>>,
    left: vec::IntoIter<Value>,
    shared: Shared,
}

/// What the calls of a batch share.
#[derive(Clone, Default)]
struct Shared {
    /// Fields that count for a call that lacks them.
    fields: Object,
    /// Objects whose entries count for a call whose own object lacks them.
    objects: Object,
    /// What is only kept.
    rest: Object,
}

/// Tells whether the fields are those of a batch.
pub(super) fn is_batch(fields: &Object) -> bool {
    match fields.get("type") {
        None | Some(Value::Null) => fields.contains_key("batch"),
        Some(kind) => kind.as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("batch")),
    }
}

impl Calls {
    pub(super) fn new(
        segment: Segment,
        mut fields: Object,
        received_at: Option<DateTime<Utc>>,
    ) -> Result<Self> {
        if !is_batch(&fields) {
            let calls = vec![Value::Object(fields)].into_iter();
            return Ok(Self { segment, received_at, left: calls, shared: Shared::default() });
        }
        let Some(Value::List(calls)) = fields.remove("batch") else {
            return Err(Error::invalid("batch", "must be a list"));
        };
        fields.remove("type");
        let mut shared = Shared::default();
        for name in ["context", "integrations"] {
            if let Some(object) = fields::take_object(&mut fields, name)? {
                shared.objects.insert(name, object);
            }
        }
        for name in ["sentAt", "receivedAt"] {
            if let Some(time) = fields::take(&mut fields, name) {
                shared.fields.insert(name, time);
            }
        }
        shared.rest = fields;
        Ok(Self { segment, received_at, left: calls.into_iter(), shared })
    }
}

impl Shared {
    /// Gives a call what it shares with the others.
    fn fill(&self, fields: &mut Object) {
        for (name, value) in &self.fields {
            if fields.get(name).is_none_or(Value::is_null) {
                fields.insert(name, value.clone());
            }
        }
        for (name, shared) in &self.objects {
            match fields.get_mut(name) {
                None | Some(Value::Null) => drop(fields.insert(name, shared.clone())),
                Some(Value::Object(own)) => {
                    for (key, value) in shared.as_object().into_iter().flatten() {
                        if !own.contains_key(key) {
                            own.insert(key, value.clone());
                        }
                    }
                }
                // Of the wrong kind: reading the call says so, where it matters.
                Some(_) => {}
            }
        }
    }
}

impl Iterator for Calls {
    type Item = Result<Envelope>;

    fn next(&mut self) -> Option<Self::Item> {
        let Value::Object(mut fields) = self.left.next()? else {
            return Some(Err(Error::invalid("call", "must be a JSON object")));
        };
        self.shared.fill(&mut fields);
        Some(call::read(&self.segment, fields, self.shared.rest.clone(), self.received_at))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.left.size_hint()
    }
}

impl ExactSizeIterator for Calls {}

impl std::iter::FusedIterator for Calls {}

impl fmt::Debug for Calls {
    /// Shows nothing of the calls.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls").field("left", &self.left.len()).finish_non_exhaustive()
    }
}
