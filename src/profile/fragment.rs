//! What one frame says about one row.

use std::cmp::Ordering;
use std::fmt;

use super::key::{PREFIX_LEN, RowKey, RowKind, cursor_key, kind_of, put_key};
use super::row::{Entry, HEAD_LEN, Head, ONCE, ORDER_LEN, OrderRef, put_entry, put_order};
use crate::envelope::fact::{Digest16, Fact};
use crate::envelope::{EventType, Kind, ValueRef, is_no_id};
use crate::format::bytes::ByteWriter;
use crate::format::cursor::CursorKeys;
use crate::format::keys::EventKeys;
use crate::types::{Nanos, Seq};

/// A row that knows one fact only. Its effect on a [`ProfileMap`](super::ProfileMap) is a join.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Fragment {
    pub(super) key: RowKey,
    pub(super) row: Vec<u8>,
    pub(super) timestamp: Option<Nanos>,
}

impl Fragment {
    /// What an event says, with its digest as `accept` has taken it.
    ///
    /// Only `identify` says anything: of the user where there is a `userId`, else of the device. An id that is no id
    /// names nobody.
    pub(crate) fn of_event(
        keys: &EventKeys<'_>,
        context: Option<ValueRef<'_>>,
        digest: Digest16,
    ) -> Option<Self> {
        let (kind, id) = Self::target(keys)?;
        let message_id = keys.message_id.unwrap_or_default().as_bytes();
        let order = OrderRef { timestamp: keys.timestamp, message_id, digest };
        let object =
            |name| context.and_then(|context| context.get(name)).filter(|value| value.kind() == Kind::Object);
        let mut key = Vec::with_capacity(PREFIX_LEN + id.len());
        put_key(&mut key, keys.project_id, kind, id);
        let row = row_of(&order, object("traits"), object("traitsOnce"))?;
        Some(Self { key: RowKey::new(&key), row, timestamp: Some(keys.timestamp) })
    }

    /// What the event of a frame says.
    pub(crate) fn from_frame(keys: &EventKeys<'_>, context: Option<ValueRef<'_>>) -> Option<Self> {
        Self::target(keys)?;
        let object =
            |name| context.and_then(|context| context.get(name)).filter(|value| value.kind() == Kind::Object);
        let fact = Fact {
            event_type: keys.event_type,
            user_id: keys.user_id,
            anonymous_id: keys.anonymous_id,
            member: None,
            traits: object("traits"),
            traits_once: object("traitsOnce"),
        };
        Self::of_event(keys, context, fact.digest())
    }

    /// What a cursor frame says.
    pub(crate) fn of_cursor(cursor: CursorKeys<'_>, seq: Seq, state: &[u8]) -> Self {
        let mut row = Vec::with_capacity(8 + state.len());
        row.put_u64(seq.get());
        row.put(state);
        Self { key: RowKey::new(&cursor_key(cursor)), row, timestamp: None }
    }

    /// The row that an event is about.
    fn target<'a>(keys: &EventKeys<'a>) -> Option<(RowKind, &'a str)> {
        if keys.event_type != EventType::IDENTIFY {
            return None;
        }
        let target = match (keys.user_id, keys.anonymous_id) {
            (Some(user_id), _) => (RowKind::User, user_id),
            (None, Some(anonymous_id)) => (RowKind::Device, anonymous_id),
            (None, None) => return None,
        };
        (!is_no_id(target.1)).then_some(target)
    }
}

impl fmt::Debug for Fragment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fragment({:?}, {} bytes)", kind_of(self.key.as_bytes()), self.row.len())
    }
}

/// The row of one identify; `None` where it outgrows the format, which no event does.
fn row_of(
    order: &OrderRef<'_>,
    traits: Option<ValueRef<'_>>,
    traits_once: Option<ValueRef<'_>>,
) -> Option<Vec<u8>> {
    let tree_bytes = |value: Option<ValueRef<'_>>| value.map_or(0, |value| value.as_tree().len());
    let capacity = tree_bytes(traits) + tree_bytes(traits_once);
    let mut out = Vec::with_capacity(HEAD_LEN + ORDER_LEN + order.message_id.len() + 2 * capacity + 128);
    let mut head = Head {
        identify: Some(0),
        order_count: 1,
        message_id_bytes: u32::try_from(order.message_id.len()).ok()?,
        ..Head::default()
    };
    head.put(&mut out);
    put_order(&mut out, order, head.message_id_bytes);
    out.put(order.message_id);

    let plain = traits.into_iter().flat_map(|traits| traits.entries()).map(|entry| (entry, false));
    // A null sets nothing, and setting is all that `traitsOnce` does.
    let once = traits_once
        .into_iter()
        .flat_map(|traits| traits.entries())
        .filter(|(_, value)| value.kind() != Kind::Null)
        .map(|entry| (entry, true));
    let (mut plain, mut once) = (plain.peekable(), once.peekable());
    loop {
        let plain_first = match (plain.peek(), once.peek()) {
            (None, None) => break,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some(((one, _), _)), Some(((other, _), _))) => match one.cmp(other) {
                Ordering::Less => true,
                Ordering::Greater => false,
                Ordering::Equal => {
                    once.next();
                    true
                }
            },
        };
        let Some(((name, value), is_once)) = (if plain_first { plain.next() } else { once.next() }) else {
            break;
        };
        let entry =
            Entry { name: name.as_bytes(), value: value.as_tree(), order: 0, once: is_once, at: out.len() };
        head.count(&entry)?;
        put_entry(&mut out, if is_once { ONCE } else { 0 }, entry.name, entry.value)?;
    }
    let mut fixed = Vec::with_capacity(HEAD_LEN);
    head.put(&mut fixed);
    out.get_mut(..HEAD_LEN)?.copy_from_slice(&fixed);
    Some(out)
}
