//! The join of two fragments of one row: commutative, associative and idempotent.
//!
//! - A plain set or unset beats an entry of `traitsOnce`.
//! - Among plain ones the greatest (order, value) wins, among once ones the least order and then the greatest value.
//! - The least identify order stays.
//! - Of the facts of identity of one kind between the same two ids the least stays, and of one kind on one end no more
//!   than the [`IDENTITY_FACTS_MAX`] least: a device that all users of a host share would else have a row that grows, and
//!   is written anew, with every one of them.
//! - What the least sign-up says of traits stays; between equal orders, the join of both.
//! - A cursor is that of the greatest (seq, state).

use std::borrow::Cow;
use std::cmp::Ordering;

use super::facts::{self, Act, Kept, SectionHead};
use super::key::kind_of;
use super::row::{
    ENTRY_HEAD_LEN, Entries, Entry, Head, ONCE, OrderRef, RowRef, put_order, split_cursor, to_usize,
};
use crate::format::bytes::ByteWriter;
use crate::limits::IDENTITY_FACTS_MAX;

/// An order that no winner uses.
const UNUSED: u32 = u32::MAX;

/// Whether facts of identity are joined or left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Identity {
    Kept,
    Dropped,
}

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
    /// The facts of identity that stay.
    facts: Vec<Pick>,
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
            self.join_persons(left, right, Identity::Kept, out);
        } else {
            out.put(greater_cursor(left, right));
        }
    }

    /// Replaces what `out` holds by the traits of two rows, which may be those of two ids; no fact of identity stays.
    pub(crate) fn join_traits(&mut self, left: &[u8], right: &[u8], out: &mut Vec<u8>) {
        out.clear();
        self.join_persons(left, right, Identity::Dropped, out);
    }

    fn join_persons(&mut self, left: &[u8], right: &[u8], identity: Identity, out: &mut Vec<u8>) {
        let parse = |row| RowRef::new(row).unwrap_or(RowRef::EMPTY);
        if self.try_join(&parse(left), &parse(right), identity, out).is_none() {
            // A row beyond 4 GiB, which no memory holds: the larger fragment stands.
            out.clear();
            out.put(left.max(right));
        }
    }

    fn try_join(
        &mut self,
        left: &RowRef<'_>,
        right: &RowRef<'_>,
        identity: Identity,
        out: &mut Vec<u8>,
    ) -> Option<()> {
        self.picks.clear();
        self.facts.clear();
        self.orders.clear();
        reset(&mut self.left_orders, left.order_count());
        reset(&mut self.right_orders, right.order_count());

        let mut head = self.pick_entries(left, right)?;
        let identify = least_identify(left, right);
        if let Some((side, index)) = identify {
            self.use_order(side, index);
        }
        let (section, sign_up) = match identity {
            Identity::Kept if left.fact_count() > 0 || right.fact_count() > 0 => {
                self.pick_facts(left, right);
                (self.keep_facts(left, right)?, joined_sign_up(left, right))
            }
            _ => (SectionHead::default(), Cow::default()),
        };
        head.identity_bytes = section.section_bytes(sign_up.len())?;
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
        self.put_picked(&self.picks, |side| pick(side, left, right).entry_bytes(), out)?;
        if head.identity_bytes > 0 {
            section.put(out);
            self.put_picked(&self.facts, |side| pick(side, left, right).fact_bytes(), out)?;
            out.put(&sign_up);
        }
        Some(())
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

    /// Unites the facts of identity.
    fn pick_facts(&mut self, left: &RowRef<'_>, right: &RowRef<'_>) {
        let known = |row: &RowRef<'_>, fact: &Kept<'_>| row.order(fact.order).is_some();
        let mut lefts = left.kept_facts().filter(|fact| known(left, fact)).peekable();
        let mut rights = right.kept_facts().filter(|fact| known(right, fact)).peekable();
        let mut last: Option<(Side, Kept<'_>)> = None;
        loop {
            let side = match (lefts.peek(), rights.peek()) {
                (None, None) => return,
                (Some(_), None) => Side::Left,
                (None, Some(_)) => Side::Right,
                (Some(one), Some(other)) => match facts::compare((left, one), (right, other)) {
                    Ordering::Greater => Side::Right,
                    _ => Side::Left,
                },
            };
            let Some(fact) = (if side == Side::Left { lefts.next() } else { rights.next() }) else {
                continue;
            };
            // They come in rising order, so that the first of a kind between two ids is the least.
            let is_known = last.is_some_and(|(last_side, last)| {
                let (last, fact) = ((pick(last_side, left, right), &last), (pick(side, left, right), &fact));
                if fact.1.other.is_some() {
                    last.1.said() == fact.1.said()
                } else {
                    facts::compare(last, fact) == Ordering::Equal
                }
            });
            if !is_known {
                self.facts.push(Pick { side, at: fact.at, len: fact.len() });
                last = Some((side, fact));
            }
        }
    }

    /// Leaves of each kind of fact only the least, as many as a row keeps; marks the orders of those that stay.
    fn keep_facts(&mut self, left: &RowRef<'_>, right: &RowRef<'_>) -> Option<SectionHead> {
        let fact = |at: &Pick| pick(at.side, left, right).kept_facts_from(at.at).next();
        if self.facts.len() > IDENTITY_FACTS_MAX {
            let kind = |at: &Pick| fact(at).map(|fact| (fact.act, fact.side));
            let order = |at: &Pick| pick(at.side, left, right).order(fact(at)?.order);
            let mut kept = Vec::with_capacity(self.facts.len());
            for of_one_kind in self.facts.chunk_by(|one, other| kind(one) == kind(other)) {
                let mut orders: Vec<_> = of_one_kind.iter().map(order).collect();
                let most = (orders.len() > IDENTITY_FACTS_MAX)
                    .then(|| *orders.select_nth_unstable(IDENTITY_FACTS_MAX - 1).1);
                kept.extend(of_one_kind.iter().filter(|at| most.is_none_or(|most| order(at) <= most)));
            }
            self.facts = kept;
        }
        let mut head = SectionHead::default();
        for at in 0..self.facts.len() {
            let Some(pick) = self.facts.get(at).copied() else { continue };
            let fact = fact(&pick)?;
            head.count(&fact)?;
            self.use_order(pick.side, fact.order);
        }
        Some(head)
    }

    /// Appends entries or facts, each with its order's index in the joined table.
    fn put_picked<'a>(
        &self,
        picks: &[Pick],
        bytes_of: impl Fn(Side) -> &'a [u8],
        out: &mut Vec<u8>,
    ) -> Option<()> {
        for Pick { side, at, len } in picks {
            let picked = bytes_of(*side).get(*at..at.checked_add(*len)?)?;
            let (marked_order, rest) = picked.split_first_chunk::<4>()?;
            let marked_order = u32::from_le_bytes(*marked_order);
            out.put_u32(self.joined_order(*side, marked_order & !ONCE) | (marked_order & ONCE));
            out.put(rest);
        }
        Some(())
    }
}

const _: () = assert!(ENTRY_HEAD_LEN >= 4 && facts::FACT_HEAD_LEN >= 4);

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

/// What the least sign-up of two rows says of traits.
fn joined_sign_up<'a>(left: &RowRef<'a>, right: &RowRef<'a>) -> Cow<'a, [u8]> {
    if left.sign_up() == right.sign_up() {
        return Cow::Borrowed(left.sign_up());
    }
    let least = |row: &RowRef<'a>| row.facts().find(|fact| fact.act == Act::SignedUp).map(|fact| fact.order);
    match (least(left), least(right)) {
        (None, _) => Cow::Borrowed(right.sign_up()),
        (_, None) => Cow::Borrowed(left.sign_up()),
        (Some(one), Some(other)) => match one.cmp(&other) {
            Ordering::Less => Cow::Borrowed(left.sign_up()),
            Ordering::Greater => Cow::Borrowed(right.sign_up()),
            Ordering::Equal => {
                let mut out = Vec::new();
                Joiner::default().join_traits(left.sign_up(), right.sign_up(), &mut out);
                Cow::Owned(out)
            }
        },
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
