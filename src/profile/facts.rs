//! What a row says of identity: facts that name its id, on either end, and the traits of its sign-up.
//!
//! Facts are kept, outcomes never: what a link or a sign-up comes to is decided at reading, where all facts are known.
//!
//! ```text
//! the identity section of a person's row; no bytes where the row has none of it
//! offset size
//!      0    4  fact count
//!      4    4  link count        facts that name another id
//!      8    4  fact bytes
//!     12    .  facts, rising and distinct
//!      .    .  sign-up           what the least sign-up says of traits, a row of its own; no bytes where it says nothing
//! a fact
//!      0    4  order index
//!      4    4  length of the other id
//!      8    1  act               1 created, 2 signed up, 3 linked, 4 aliased, 5 unlinked
//!      9    1  side              0 the row's id is the member, 1 it is the user
//!     10    1  other kind        0 none, 1 user, 2 device
//!     11    1  zero
//!     12    .  the other id
//! ```

use std::cmp::Ordering;

use super::row::{OrderRef, RowRef, to_usize};
use crate::envelope::fact::MemberKind;
use crate::format::bytes::{ByteReader, ByteWriter};
use crate::limits::IDENTITY_FACTS_MAX;

/// Bytes of the section before the facts.
pub(super) const SECTION_HEAD_LEN: usize = 12;
/// Bytes of a fact before the other id.
pub(super) const FACT_HEAD_LEN: usize = 12;

/// What a fact says; the numbers are those on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(crate) enum Act {
    /// The user was minted.
    Created = 1,
    /// The user signed up.
    SignedUp = 2,
    /// An identify named the device and the user.
    Linked = 3,
    /// The member was joined to the user.
    Aliased = 4,
    /// The member was taken from the user.
    Unlinked = 5,
}

impl Act {
    const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Created),
            2 => Some(Self::SignedUp),
            3 => Some(Self::Linked),
            4 => Some(Self::Aliased),
            5 => Some(Self::Unlinked),
            _ => None,
        }
    }
}

/// Which end of a fact the row's id is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(crate) enum Side {
    /// The device of a link, the `from` of an alias, the `member` of an unlink.
    Member = 0,
    /// The user that the event names.
    Target = 1,
}

impl Side {
    const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Member),
            1 => Some(Self::Target),
            _ => None,
        }
    }
}

/// A fact of identity as one row has it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RowFact<'a> {
    pub(crate) act: Act,
    pub(crate) side: Side,
    /// Who is at the other end; nobody for [`Act::Created`] and [`Act::SignedUp`].
    pub(crate) other: Option<(MemberKind, &'a str)>,
    pub(crate) order: OrderRef<'a>,
}

/// Shows no id.
impl std::fmt::Debug for RowFact<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RowFact({:?}, {:?}, {:?})", self.act, self.side, self.other.map(|(kind, _)| kind))
    }
}

/// A fact as it stands in a row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept<'a> {
    /// Index in the table of orders.
    pub(super) order: u32,
    pub(super) act: Act,
    pub(super) side: Side,
    pub(super) other: Option<MemberKind>,
    /// Bytes of the other id; none where there is no other.
    pub(super) id: &'a [u8],
    /// Where the fact begins among the facts, in bytes.
    pub(super) at: usize,
}

impl<'a> Kept<'a> {
    /// Bytes of the fact.
    pub(super) const fn len(&self) -> usize {
        FACT_HEAD_LEN + self.id.len()
    }

    /// Everything but the order.
    pub(super) const fn said(&self) -> (Act, Side, Option<MemberKind>, &'a [u8]) {
        (self.act, self.side, self.other, self.id)
    }

    /// Appends the fact.
    pub(super) fn put(&self, out: &mut Vec<u8>) -> Option<()> {
        out.put_u32(self.order);
        out.put_u32(u32::try_from(self.id.len()).ok()?);
        let other = match self.other {
            None => 0,
            Some(MemberKind::User) => 1,
            Some(MemberKind::Anonymous) => 2,
        };
        out.put(&[self.act as u8, self.side as u8, other, 0]);
        out.put(self.id);
        Some(())
    }
}

/// The place of a fact among those of its row: by what it says and then by its order.
pub(super) fn compare(
    (row, fact): (&RowRef<'_>, &Kept<'_>),
    (other_row, other): (&RowRef<'_>, &Kept<'_>),
) -> Ordering {
    fact.said().cmp(&other.said()).then_with(|| row.order(fact.order).cmp(&other_row.order(other.order)))
}

/// Whether a fact would change nothing in a row: it is there, or there are as many of its kind as a row keeps, all less.
pub(super) fn is_known(row: &RowRef<'_>, (other_row, fact): (&RowRef<'_>, &Kept<'_>)) -> bool {
    let order = other_row.order(fact.order);
    let (mut of_kind, mut greatest) = (0, None);
    for kept in row.kept_facts().filter(|kept| (kept.act, kept.side) == (fact.act, fact.side)) {
        let kept_order = row.order(kept.order);
        if kept.said() == fact.said() && (kept_order == order || (fact.other.is_some() && kept_order < order))
        {
            return true;
        }
        of_kind += 1;
        greatest = greatest.max(kept_order);
    }
    of_kind >= IDENTITY_FACTS_MAX && greatest < order
}

/// The facts of a row as they stand in it. It ends at the first bytes that are no fact.
#[derive(Debug, Clone)]
pub(super) struct KeptFacts<'a> {
    all: &'a [u8],
    at: usize,
}

impl<'a> Iterator for KeptFacts<'a> {
    type Item = Kept<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let at = self.at;
        let mut reader = ByteReader::new(self.all.get(at..)?);
        let order = reader.u32()?;
        let id_len = to_usize(reader.u32()?);
        let [act, side, other, 0] = reader.array()? else { return None };
        let other = match (other, id_len) {
            (0, 0) => None,
            (1, _) => Some(MemberKind::User),
            (2, _) => Some(MemberKind::Anonymous),
            _ => return None,
        };
        let (act, side) = (Act::from_byte(act)?, Side::from_byte(side)?);
        let fact = Kept { order, act, side, other, id: reader.bytes(id_len)?, at };
        self.at = at + fact.len();
        Some(fact)
    }
}

/// The identity section of a row, borrowed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Section<'a> {
    /// Facts in it, as it says itself.
    pub(super) count: u32,
    /// Facts that name another id.
    pub(super) links: u32,
    pub(super) facts: &'a [u8],
    /// The row of the sign-up; no bytes where it says nothing.
    pub(super) sign_up: &'a [u8],
}

impl<'a> Section<'a> {
    pub(super) const EMPTY: Section<'static> = Section { count: 0, links: 0, facts: &[], sign_up: &[] };

    /// Splits the bytes of a section; `None` where the lengths do not add up.
    pub(super) fn new(bytes: &'a [u8]) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Self::EMPTY);
        }
        let mut reader = ByteReader::new(bytes);
        let (count, links, fact_bytes) = (reader.u32()?, reader.u32()?, to_usize(reader.u32()?));
        let is_sane = links <= count && to_usize(count) <= fact_bytes / FACT_HEAD_LEN;
        let (facts, sign_up) = bytes.get(SECTION_HEAD_LEN..)?.split_at_checked(fact_bytes)?;
        is_sane.then_some(Self { count, links, facts, sign_up })
    }

    pub(super) const fn kept(&self) -> KeptFacts<'a> {
        self.kept_from(0)
    }

    pub(super) const fn kept_from(&self, at: usize) -> KeptFacts<'a> {
        KeptFacts { all: self.facts, at }
    }
}

/// The facts of a section that is to be written, as numbers.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct SectionHead {
    pub(super) facts: u32,
    pub(super) links: u32,
    pub(super) fact_bytes: u32,
}

impl SectionHead {
    /// Counts a fact in; `None` where the numbers outgrow the format.
    pub(super) fn count(&mut self, fact: &Kept<'_>) -> Option<()> {
        self.facts = self.facts.checked_add(1)?;
        self.links += u32::from(fact.other.is_some());
        self.fact_bytes = self.fact_bytes.checked_add(u32::try_from(fact.len()).ok()?)?;
        Some(())
    }

    /// Bytes of the section with a sign-up of so many bytes.
    pub(super) fn section_bytes(&self, sign_up: usize) -> Option<u32> {
        if self.facts == 0 {
            return Some(0);
        }
        let head = u32::try_from(SECTION_HEAD_LEN.checked_add(sign_up)?).ok()?;
        head.checked_add(self.fact_bytes)
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        out.put_u32(self.facts);
        out.put_u32(self.links);
        out.put_u32(self.fact_bytes);
    }
}

/// The facts of a row, sorted by act, side, other and order.
#[derive(Clone)]
pub(crate) struct Facts<'a> {
    pub(super) row: RowRef<'a>,
    pub(super) kept: KeptFacts<'a>,
}

impl<'a> Iterator for Facts<'a> {
    type Item = RowFact<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Kept { order, act, side, other, id, .. } = self.kept.next()?;
            let Some(order) = self.row.order(order) else { continue };
            let other = match (other, std::str::from_utf8(id)) {
                (None, _) => None,
                (Some(kind), Ok(id)) => Some((kind, id)),
                (Some(_), Err(_)) => continue,
            };
            return Some(RowFact { act, side, other, order });
        }
    }
}
