//! The join of two fragments of one row: commutative, associative and idempotent.
//!
//! - A plain set or unset beats an entry of `traitsOnce`.
//! - Among plain ones the greatest (order, value) wins, among once ones the least order and then the greatest value.
//! - The least identify order stays.
//! - A cursor is that of the greatest (seq, state).

use std::cmp::Ordering;

use super::key::kind_of;
use super::row::{
    ENTRY_HEAD_LEN, Entries, Entry, Head, ONCE, OrderRef, RowRef, put_order, split_cursor, to_usize,
};
use crate::format::bytes::ByteWriter;

/// An order that no winner uses.
const UNUSED: u32 = u32::MAX;

/// Which of two rows a thing comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

/// An entry that won: where it stands in its row.
#[derive(Debug, Clone, Copy)]
struct Pick {
    side: Side,
    at: usize,
    len: usize,
}

/// Memory of a join that the next one uses again. A clone is empty.
#[derive(Debug, Default)]
pub(crate) struct Joiner {
    picks: Vec<Pick>,
    /// For each order of the left and right row its index in the joined one.
    left_orders: Vec<u32>,
    right_orders: Vec<u32>,
    orders: Vec<(Side, u32)>,
}

impl Clone for Joiner {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Joiner {
    /// Replaces what `out` holds by the join of two rows of one key.
    ///
    /// Bytes that are no row count as a row without anything.
    pub(crate) fn join(&mut self, key: &[u8], left: &[u8], right: &[u8], out: &mut Vec<u8>) {
        out.clear();
        if left == right || right.is_empty() {
            out.put(left);
        } else if left.is_empty() {
            out.put(right);
        } else if kind_of(key).is_some_and(super::key::RowKind::is_person) {
            let parse = |row| RowRef::new(row).unwrap_or(RowRef::EMPTY);
            if self.join_persons(&parse(left), &parse(right), out).is_none() {
                // A row beyond 4 GiB, which no memory holds: the larger fragment stands.
                out.clear();
                out.put(left.max(right));
            }
        } else {
            out.put(greater_cursor(left, right));
        }
    }

    fn join_persons(&mut self, left: &RowRef<'_>, right: &RowRef<'_>, out: &mut Vec<u8>) -> Option<()> {
        self.picks.clear();
        self.orders.clear();
        reset(&mut self.left_orders, left.order_count());
        reset(&mut self.right_orders, right.order_count());

        let mut head = self.pick_entries(left, right)?;
        let identify = least_identify(left, right);
        if let Some((side, index)) = identify {
            self.use_order(side, index);
        }
        self.merge_orders(left, right);

        head.order_count = u32::try_from(self.orders.len()).ok()?;
        let orders = || self.orders.iter().filter_map(|(side, index)| pick(*side, left, right).order(*index));
        for order in orders() {
            head.message_id_bytes =
                head.message_id_bytes.checked_add(u32::try_from(order.message_id.len()).ok()?)?;
        }
        head.identify = identify.map(|(side, index)| self.joined_order(side, index));
        head.put(out);
        let mut message_id_end = 0;
        for order in orders() {
            message_id_end += u32::try_from(order.message_id.len()).ok()?;
            put_order(out, &order, message_id_end);
        }
        for order in orders() {
            out.put(order.message_id);
        }
        self.put_entries(left, right, out)
    }

    /// Decides every trait and marks the orders of those that win.
    fn pick_entries(&mut self, left: &RowRef<'_>, right: &RowRef<'_>) -> Option<Head> {
        let mut head = Head::default();
        let (mut lefts, mut rights) = (known(left), known(right));
        let (mut next_left, mut next_right) = (lefts.next(), rights.next());
        loop {
            let (side, entry) = match (next_left, next_right) {
                (None, None) => return Some(head),
                (Some(entry), None) => (Side::Left, entry),
                (None, Some(entry)) => (Side::Right, entry),
                (Some(one), Some(other)) => match one.name.cmp(other.name) {
                    Ordering::Less => (Side::Left, one),
                    Ordering::Greater => (Side::Right, other),
                    Ordering::Equal => {
                        let side = winner(left, &one, right, &other);
                        // The loser is passed over with the winner.
                        match side {
                            Side::Left => next_right = rights.next(),
                            Side::Right => next_left = lefts.next(),
                        }
                        (side, if side == Side::Left { one } else { other })
                    }
                },
            };
            match side {
                Side::Left => next_left = lefts.next(),
                Side::Right => next_right = rights.next(),
            }
            head.count(&entry)?;
            self.use_order(side, entry.order);
            self.picks.push(Pick { side, at: entry.at, len: entry.len() });
        }
    }

    fn use_order(&mut self, side: Side, index: u32) {
        let table = match side {
            Side::Left => &mut self.left_orders,
            Side::Right => &mut self.right_orders,
        };
        if let Some(place) = table.get_mut(to_usize(index)) {
            *place = 0;
        }
    }

    fn joined_order(&self, side: Side, index: u32) -> u32 {
        let table = match side {
            Side::Left => &self.left_orders,
            Side::Right => &self.right_orders,
        };
        table.get(to_usize(index)).copied().filter(|joined| *joined != UNUSED).unwrap_or(0)
    }

    /// Numbers the used orders of both tables in rising order.
    fn merge_orders(&mut self, left: &RowRef<'_>, right: &RowRef<'_>) {
        let mut lefts = used(&mut self.left_orders).peekable();
        let mut rights = used(&mut self.right_orders).peekable();
        loop {
            let order = match (lefts.peek(), rights.peek()) {
                (None, None) => return,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((one, _)), Some((other, _))) => left.order(*one).cmp(&right.order(*other)),
            };
            let joined = u32::try_from(self.orders.len()).unwrap_or(UNUSED);
            if order != Ordering::Greater
                && let Some((index, place)) = lefts.next()
            {
                *place = joined;
                self.orders.push((Side::Left, index));
            }
            if order != Ordering::Less
                && let Some((index, place)) = rights.next()
            {
                *place = joined;
                if order == Ordering::Greater {
                    self.orders.push((Side::Right, index));
                }
            }
        }
    }

    fn put_entries(&self, left: &RowRef<'_>, right: &RowRef<'_>, out: &mut Vec<u8>) -> Option<()> {
        for Pick { side, at, len } in &self.picks {
            let entries = pick(*side, left, right).entry_bytes();
            let entry = entries.get(*at..at.checked_add(*len)?)?;
            let (marked_order, rest) = entry.split_first_chunk::<4>()?;
            let marked_order = u32::from_le_bytes(*marked_order);
            out.put_u32(self.joined_order(*side, marked_order & !ONCE) | (marked_order & ONCE));
            out.put(rest);
        }
        Some(())
    }
}

const _: () = assert!(ENTRY_HEAD_LEN >= 4);

fn reset(orders: &mut Vec<u32>, count: usize) {
    orders.clear();
    orders.resize(count, UNUSED);
}

fn used(orders: &mut [u32]) -> impl Iterator<Item = (u32, &mut u32)> {
    (0_u32..).zip(orders).filter(|(_, joined)| **joined != UNUSED)
}

fn pick<'a, 'r>(side: Side, left: &'r RowRef<'a>, right: &'r RowRef<'a>) -> &'r RowRef<'a> {
    match side {
        Side::Left => left,
        Side::Right => right,
    }
}

/// The entries whose order is in the table: all of them, unless the bytes are hostile.
fn known<'a>(row: &RowRef<'a>) -> std::iter::Filter<Entries<'a>, impl FnMut(&Entry<'a>) -> bool + use<'a>> {
    let row = *row;
    row.entries().filter(move |entry| row.order(entry.order).is_some())
}

fn least_identify(left: &RowRef<'_>, right: &RowRef<'_>) -> Option<(Side, u32)> {
    let index = |row: &RowRef<'_>| row.identify_index();
    match (left.identify(), right.identify()) {
        (None, None) => None,
        (Some(one), other) if other.is_none_or(|other| one <= other) => Some((Side::Left, index(left)?)),
        _ => Some((Side::Right, index(right)?)),
    }
}

/// Which of two entries of one name stays; the left one where they are equal.
fn winner(left: &RowRef<'_>, one: &Entry<'_>, right: &RowRef<'_>, other: &Entry<'_>) -> Side {
    let orders: (Option<OrderRef<'_>>, Option<OrderRef<'_>>) =
        (left.order(one.order), right.order(other.order));
    let left_wins = match (one.once, other.once) {
        (false, true) => true,
        (true, false) => false,
        (false, false) => orders.0.cmp(&orders.1).then(one.value.cmp(other.value)).is_ge(),
        (true, true) => orders.1.cmp(&orders.0).then(one.value.cmp(other.value)).is_ge(),
    };
    if left_wins { Side::Left } else { Side::Right }
}

fn greater_cursor<'a>(left: &'a [u8], right: &'a [u8]) -> &'a [u8] {
    if split_cursor(left) >= split_cursor(right) { left } else { right }
}
