//! The bytes of a row, the same in memory and in a run.
//!
//! ```text
//! a person's row
//! offset size
//!      0    4  flags             bit 0: an identify made this row a profile
//!      4    4  identify          index of the least identify order; 0 where bit 0 is not set
//!      8    4  order count
//!     12    4  message id bytes
//!     16    4  entry count
//!     20    4  entry bytes
//!     24    4  live traits       entries that are no tombstone
//!     28    4  live bytes        names and values of the live traits
//!     32    4  identity bytes    0 where the row has no facts of identity
//!     36    4  zero
//!     40    .  orders, rising and distinct: timestamp 8 | digest 16 | end of the message id 4
//!      .    .  message ids, nothing between
//!      .    .  entries, names rising and distinct: order index and bit 31: once 4 | name length 4 | value length 4
//!              | name | value
//!      .    .  identity section  see [`super::facts`]
//! a cursor's row
//!      0    8  seq
//!      8    .  state
//! ```
//!
//! A value is a tree; that of a tombstone is null. Every order of the table is used. So equal facts are equal bytes.

use std::cmp::Ordering;

use super::facts::{self, Facts, KeptFacts, Section};
use crate::envelope::{Kind, ValueRef};
use crate::format::bytes::{ByteReader, ByteWriter};
use crate::types::{Nanos, Seq};

/// Bytes of a person's row before the orders.
pub(crate) const HEAD_LEN: usize = 40;
/// Bytes of one order without its message id.
pub(crate) const ORDER_LEN: usize = 28;
/// Bytes of an entry before its name.
pub(crate) const ENTRY_HEAD_LEN: usize = 12;
/// Flag of a row that an identify made a profile.
pub(crate) const IDENTIFIED: u32 = 1;
/// Mark on an order index: the entry comes from `traitsOnce`.
pub(crate) const ONCE: u32 = 1 << 31;

/// The place of a fact in the total order of its project's facts, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OrderRef<'a> {
    pub(crate) timestamp: Nanos,
    /// The bytes of the message id, none where it has none.
    pub(crate) message_id: &'a [u8],
    pub(crate) digest: [u8; 16],
}

/// One trait of a row: what was set, and by which fact.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub(crate) name: &'a [u8],
    /// The tree; null is a tombstone.
    pub(crate) value: &'a [u8],
    /// Index in the table of orders.
    pub(crate) order: u32,
    /// Whether it comes from `traitsOnce`.
    pub(crate) once: bool,
    /// Where the entry begins among the entries, in bytes.
    pub(crate) at: usize,
}

impl Entry<'_> {
    /// Bytes of the entry.
    pub(crate) fn len(&self) -> usize {
        ENTRY_HEAD_LEN + self.name.len() + self.value.len()
    }

    /// Whether the trait is set, not unset.
    pub(crate) fn is_live(&self) -> bool {
        ValueRef::new(self.value).kind() != Kind::Null
    }
}

/// A person's row, borrowed. Accessors are total: bytes that are no row give less, never a panic.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowRef<'a> {
    identify: Option<u32>,
    live_traits: u32,
    live_bytes: u32,
    orders: &'a [u8],
    message_ids: &'a [u8],
    entries: &'a [u8],
    identity: Section<'a>,
}

impl<'a> RowRef<'a> {
    /// A row without anything.
    pub(crate) const EMPTY: RowRef<'static> = RowRef {
        identify: None,
        live_traits: 0,
        live_bytes: 0,
        orders: &[],
        message_ids: &[],
        entries: &[],
        identity: Section::EMPTY,
    };

    /// Splits the bytes of a row without looking into its parts; `None` where the lengths do not add up.
    pub(crate) fn new(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = ByteReader::new(bytes);
        let (flags, identify) = (reader.u32()?, reader.u32()?);
        let (order_count, message_id_bytes) = (reader.u32()?, reader.u32()?);
        let (_entry_count, entry_bytes) = (reader.u32()?, reader.u32()?);
        let (live_traits, live_bytes) = (reader.u32()?, reader.u32()?);
        let (identity_bytes, zero) = (reader.u32()?, reader.u32()?);
        let orders = reader.bytes(to_usize(order_count).checked_mul(ORDER_LEN)?)?;
        let message_ids = reader.bytes(to_usize(message_id_bytes))?;
        let entries = reader.bytes(to_usize(entry_bytes))?;
        let identity = Section::new(reader.bytes(to_usize(identity_bytes))?)?;
        let identify = (flags & IDENTIFIED != 0).then_some(identify);
        let sane = flags & !IDENTIFIED == 0 && zero == 0 && reader.is_empty();
        sane.then_some(Self { identify, live_traits, live_bytes, orders, message_ids, entries, identity })
    }

    /// Traits that are set.
    pub(crate) const fn live_traits(&self) -> u32 {
        self.live_traits
    }

    /// Bytes of the names and values of the traits that are set.
    pub(crate) const fn live_bytes(&self) -> u32 {
        self.live_bytes
    }

    /// How many orders the table has.
    pub(crate) const fn order_count(&self) -> usize {
        self.orders.len() / ORDER_LEN
    }

    /// The order at an index of the table.
    pub(crate) fn order(&self, index: u32) -> Option<OrderRef<'a>> {
        let at = to_usize(index).checked_mul(ORDER_LEN)?;
        let mut reader = ByteReader::new(self.orders.get(at..)?);
        let timestamp = Nanos::new(reader.i64()?);
        let digest = reader.array()?;
        let end = to_usize(reader.u32()?);
        let start = match at.checked_sub(4) {
            Some(previous_end) => to_usize(ByteReader::new(self.orders.get(previous_end..)?).u32()?),
            None => 0,
        };
        Some(OrderRef { timestamp, message_id: self.message_ids.get(start..end)?, digest })
    }

    /// The event time at an index of the table of orders.
    pub(crate) fn timestamp(&self, index: u32) -> Option<Nanos> {
        let at = to_usize(index).checked_mul(ORDER_LEN)?;
        ByteReader::new(self.orders.get(at..)?).i64().map(Nanos::new)
    }

    /// The greatest order in the row: no trait has a greater one.
    pub(crate) fn newest(&self) -> Option<OrderRef<'a>> {
        self.order(u32::try_from(self.order_count().checked_sub(1)?).ok()?)
    }

    /// Index of the least identify order; its presence makes the row a profile.
    pub(crate) const fn identify_index(&self) -> Option<u32> {
        self.identify
    }

    /// The least identify order.
    pub(crate) fn identify(&self) -> Option<OrderRef<'a>> {
        self.order(self.identify?)
    }

    /// How many facts of identity the row has; what a row says of itself, good for no allocation.
    pub(crate) const fn fact_count(&self) -> u32 {
        self.identity.count
    }

    /// How many of the facts name another id, likewise.
    pub(crate) const fn link_count(&self) -> u32 {
        self.identity.links
    }

    /// The facts of identity.
    pub(crate) const fn facts(&self) -> Facts<'a> {
        Facts { row: *self, kept: self.identity.kept() }
    }

    /// The facts of identity as they stand in the row.
    pub(super) const fn kept_facts(&self) -> KeptFacts<'a> {
        self.identity.kept()
    }

    /// The same from a place among them on, in bytes.
    pub(super) const fn kept_facts_from(&self, at: usize) -> KeptFacts<'a> {
        self.identity.kept_from(at)
    }

    /// Whether a join with `other`, which says nothing but facts of identity, would give this row again.
    pub(super) fn knows(&self, other: &RowRef<'_>) -> bool {
        let only_facts =
            other.entries.is_empty() && other.identify.is_none() && other.identity.sign_up.is_empty();
        only_facts && other.kept_facts().all(|fact| facts::is_known(self, (other, &fact)))
    }

    /// Whether a join with `other` would change nothing that identity rests on.
    pub(super) fn knows_identity(&self, other: &RowRef<'_>) -> bool {
        let knows_identify = match (self.identify(), other.identify()) {
            (_, None) => true,
            (own, Some(other)) => own.is_some_and(|own| own <= other),
        };
        knows_identify && other.kept_facts().all(|fact| facts::is_known(self, (other, &fact)))
    }

    /// The bytes of the facts of identity.
    pub(super) const fn fact_bytes(&self) -> &'a [u8] {
        self.identity.facts
    }

    /// The row of what the least sign-up says of traits; no bytes where there is none.
    pub(crate) const fn sign_up(&self) -> &'a [u8] {
        self.identity.sign_up
    }

    /// The bytes of all entries.
    pub(crate) const fn entry_bytes(&self) -> &'a [u8] {
        self.entries
    }

    /// The entries by name, tombstones included.
    pub(crate) const fn entries(&self) -> Entries<'a> {
        Entries { all: self.entries, at: 0 }
    }

    /// The entry of this name, tombstone or not.
    pub(crate) fn entry(&self, name: &str) -> Option<Entry<'a>> {
        self.entries()
            .find(|entry| entry.name >= name.as_bytes())
            .filter(|entry| entry.name == name.as_bytes())
    }

    /// Whether a plain entry of `fact` lost to a newer plain one of this row.
    pub(crate) fn outdates(&self, fact: &RowRef<'_>) -> bool {
        if self.newest() <= fact.newest() {
            return false;
        }
        let mut mine = self.entries().peekable();
        fact.entries().filter(|entry| !entry.once).any(|theirs| {
            while mine.next_if(|entry| entry.name < theirs.name).is_some() {}
            mine.peek().is_some_and(|entry| {
                entry.name == theirs.name
                    && !entry.once
                    && self.order(entry.order).cmp(&fact.order(theirs.order)) == Ordering::Greater
            })
        })
    }
}

/// The entries of a row by name.
#[derive(Debug, Clone)]
pub(crate) struct Entries<'a> {
    all: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let at = self.at;
        let mut reader = ByteReader::new(self.all.get(at..)?);
        let marked_order = reader.u32()?;
        let (name_len, value_len) = (to_usize(reader.u32()?), to_usize(reader.u32()?));
        let entry = Entry {
            name: reader.bytes(name_len)?,
            value: reader.bytes(value_len)?,
            order: marked_order & !ONCE,
            once: marked_order & ONCE != 0,
            at,
        };
        self.at = at + entry.len();
        Some(entry)
    }
}

/// The fixed part of a person's row, as numbers.
#[derive(Debug, Default)]
pub(crate) struct Head {
    pub(crate) identify: Option<u32>,
    pub(crate) order_count: u32,
    pub(crate) message_id_bytes: u32,
    pub(crate) entry_count: u32,
    pub(crate) entry_bytes: u32,
    pub(crate) live_traits: u32,
    pub(crate) live_bytes: u32,
    pub(crate) identity_bytes: u32,
}

impl Head {
    /// The bytes of the fixed part.
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        out.put_u32(if self.identify.is_some() { IDENTIFIED } else { 0 });
        out.put_u32(self.identify.unwrap_or(0));
        for number in [
            self.order_count,
            self.message_id_bytes,
            self.entry_count,
            self.entry_bytes,
            self.live_traits,
            self.live_bytes,
            self.identity_bytes,
            0,
        ] {
            out.put_u32(number);
        }
    }

    /// Counts an entry in; `None` where the numbers outgrow the format.
    pub(crate) fn count(&mut self, entry: &Entry<'_>) -> Option<()> {
        self.entry_count = self.entry_count.checked_add(1)?;
        self.entry_bytes = self.entry_bytes.checked_add(u32::try_from(entry.len()).ok()?)?;
        if entry.is_live() {
            self.live_traits += 1;
            self.live_bytes += u32::try_from(entry.len() - ENTRY_HEAD_LEN).ok()?;
        }
        Some(())
    }
}

/// Appends an order's record; `message_id_end` counts from the first message id of the row.
pub(crate) fn put_order(out: &mut Vec<u8>, order: &OrderRef<'_>, message_id_end: u32) {
    out.put_i64(order.timestamp.get());
    out.put(&order.digest);
    out.put_u32(message_id_end);
}

/// Appends an entry; `marked_order` is the order's index with the once mark. `None` where a length is too great.
pub(crate) fn put_entry(out: &mut Vec<u8>, marked_order: u32, name: &[u8], value: &[u8]) -> Option<()> {
    let (name_len, value_len) = (u32::try_from(name.len()).ok()?, u32::try_from(value.len()).ok()?);
    out.put_u32(marked_order);
    out.put_u32(name_len);
    out.put_u32(value_len);
    out.put(name);
    out.put(value);
    Some(())
}

/// The parts of a cursor's row; `None` where the bytes are too few.
pub(crate) fn split_cursor(row: &[u8]) -> Option<(Seq, &[u8])> {
    let (seq, state) = row.split_first_chunk()?;
    Some((Seq::new(u64::from_le_bytes(*seq)), state))
}

/// The same number; the crate is for 64-bit machines only.
pub(crate) const fn to_usize(number: u32) -> usize {
    number as usize
}
