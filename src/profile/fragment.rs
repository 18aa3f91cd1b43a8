//! What one frame says about one row or two.

use std::cmp::Ordering;
use std::fmt;

use super::facts::{Act, Kept, SECTION_HEAD_LEN, SectionHead, Side};
use super::key::{PREFIX_LEN, PersonRef, RowKey, cursor_key, kind_of, person_of, put_key};
use super::person_row::PersonRow;
use super::row::{Entry, HEAD_LEN, Head, ONCE, ORDER_LEN, OrderRef, RowRef, put_entry, put_order};
use crate::envelope::fact::Fact;
use crate::envelope::{EventType, Kind, ValueRef, codec, is_no_id};
use crate::format::bytes::ByteWriter;
use crate::format::cursor::CursorKeys;
use crate::format::keys::EventKeys;
use crate::types::{Nanos, Seq};

/// A row that knows one fact only. Its effect on a [`ProfileMap`](super::ProfileMap) is a join.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Fragment {
    pub(super) key: RowKey,
    pub(super) row: Vec<u8>,
    /// Event time of an identify whose traits land on the row; there is nothing to note of any other fact.
    pub(super) identified_at: Option<Nanos>,
    /// Whether it is a fact about two ids in which the row's id is the member.
    pub(super) names_member: bool,
}

/// What one frame says: of nobody, of one row, or of two where it names two ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Fragments([Option<Fragment>; 2]);

impl Fragments {
    /// Whether the frame says nothing.
    pub(crate) const fn is_empty(&self) -> bool {
        matches!(self.0, [None, None])
    }
}

impl IntoIterator for Fragments {
    type Item = Fragment;
    type IntoIter = std::iter::Flatten<std::array::IntoIter<Option<Fragment>, 2>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter().flatten()
    }
}

impl Fragment {
    /// What the event of a frame says. An id that is no id names nobody.
    #[inline]
    pub(crate) fn of_frame(keys: &EventKeys<'_>, body: &[u8]) -> Fragments {
        if Fact::is_fact(keys.event_type) { Self::of_fact_frame(keys, body) } else { Fragments::default() }
    }

    fn of_fact_frame(keys: &EventKeys<'_>, body: &[u8]) -> Fragments {
        let Ok(body) = codec::decode(body) else { return Fragments::default() };
        Fact::of(keys.event_type, keys.user_id, keys.anonymous_id, &body)
            .map_or_else(Fragments::default, |fact| Self::of_fact(keys, &fact))
    }

    /// What a fact says, with the keys of its event.
    fn of_fact(keys: &EventKeys<'_>, fact: &Fact<'_>) -> Fragments {
        let message_id = keys.message_id.unwrap_or_default().as_bytes();
        let order = OrderRef { timestamp: keys.timestamp, message_id, digest: fact.digest() };
        let said = Said { project_id: keys.project_id, fact, order };
        let device = keys.anonymous_id.map(PersonRef::Anonymous).filter(is_id);
        let Some(user) = keys.user_id.map(PersonRef::User) else {
            let device = device.filter(|_| fact.event_type == EventType::IDENTIFY);
            return Fragments([device.and_then(|device| said.identify(device, None)), None]);
        };
        if !is_id(&user) {
            return Fragments::default();
        }
        Fragments(match fact.event_type {
            EventType::IDENTIFY => {
                let linked =
                    device.and_then(|device| said.tell(device, Act::Linked, Side::Member, Some(user)));
                [said.identify(user, device), linked]
            }
            EventType::ANONYMOUS_CREATED => [said.tell(user, Act::Created, Side::Target, None), None],
            EventType::SIGNED_UP => [said.tell(user, Act::SignedUp, Side::Target, None), None],
            EventType::ALIASED => said.tell_both(Act::Aliased, user),
            EventType::UNLINKED => said.tell_both(Act::Unlinked, user),
            _ => [None, None],
        })
    }

    /// What a cursor frame says.
    pub(crate) fn of_cursor(cursor: CursorKeys<'_>, seq: Seq, state: &[u8]) -> Fragments {
        let mut row = Vec::with_capacity(8 + state.len());
        row.put_u64(seq.get());
        row.put(state);
        let key = RowKey::new(&cursor_key(cursor));
        Fragments([Some(Self { key, row, identified_at: None, names_member: false }), None])
    }

    /// Whose row it is; nobody's where it is a cursor's.
    pub(crate) fn person(&self) -> Option<PersonRef<'_>> {
        person_of(self.key.as_bytes()).map(|(_, person)| person)
    }

    /// The row by itself.
    pub(crate) fn into_row(self) -> PersonRow {
        PersonRow::of_bytes(self.row.into())
    }
}

impl fmt::Debug for Fragment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fragment({:?}, {} bytes)", kind_of(self.key.as_bytes()), self.row.len())
    }
}

fn is_id(person: &PersonRef<'_>) -> bool {
    !is_no_id(person.id())
}

/// A fact on its way into rows.
struct Said<'a> {
    project_id: [u8; 16],
    fact: &'a Fact<'a>,
    order: OrderRef<'a>,
}

impl Said<'_> {
    /// The traits of an identify on the row of a person, and who was identified from which device.
    fn identify(&self, person: PersonRef<'_>, device: Option<PersonRef<'_>>) -> Option<Fragment> {
        let linked = device.map(|device| kept(Act::Linked, Side::Target, Some(device)));
        let row = row_of(&self.order, true, Some(self.fact), linked, &[])?;
        Some(Fragment { identified_at: Some(self.order.timestamp), ..self.fragment(person, row) })
    }

    /// The fact on the row of one of those that it names.
    fn tell(
        &self,
        person: PersonRef<'_>,
        act: Act,
        side: Side,
        other: Option<PersonRef<'_>>,
    ) -> Option<Fragment> {
        let mut sign_up = Vec::new();
        if act == Act::SignedUp {
            sign_up = row_of(&self.order, false, Some(self.fact), None, &[])?;
            if RowRef::new(&sign_up)?.entry_bytes().is_empty() {
                sign_up.clear();
            }
        }
        let row = row_of(&self.order, false, None, Some(kept(act, side, other)), &sign_up)?;
        let names_member = side == Side::Member;
        Some(Fragment { names_member, ..self.fragment(person, row) })
    }

    /// The fact on the row of its member and on that of the user. An alias of a user onto itself says nothing.
    fn tell_both(&self, act: Act, user: PersonRef<'_>) -> [Option<Fragment>; 2] {
        let member = self.fact.member.map(|(kind, id)| PersonRef::of(kind, id)).filter(is_id);
        let Some(member) = member.filter(|member| act != Act::Aliased || *member != user) else {
            return [None, None];
        };
        [self.tell(member, act, Side::Member, Some(user)), self.tell(user, act, Side::Target, Some(member))]
    }

    fn fragment(&self, person: PersonRef<'_>, row: Vec<u8>) -> Fragment {
        let mut key = Vec::with_capacity(PREFIX_LEN + person.id().len());
        put_key(&mut key, self.project_id, person.row_kind(), person.id());
        Fragment { key: RowKey::new(&key), row, identified_at: None, names_member: false }
    }
}

/// A fact as the only one of a row stands in it.
fn kept(act: Act, side: Side, other: Option<PersonRef<'_>>) -> Kept<'_> {
    let id = other.map_or("", |other| other.id()).as_bytes();
    Kept { order: 0, act, side, other: other.map(PersonRef::kind), id, at: 0 }
}

/// A row of one order; `None` where it outgrows the format, which no event does.
fn row_of(
    order: &OrderRef<'_>,
    identifies: bool,
    traits: Option<&Fact<'_>>,
    kept: Option<Kept<'_>>,
    sign_up: &[u8],
) -> Option<Vec<u8>> {
    let objects = [traits.and_then(|fact| fact.traits), traits.and_then(|fact| fact.traits_once)];
    let tree_bytes = objects.iter().flatten().map(|object| object.as_tree().len()).sum::<usize>();
    let fact_bytes = kept.map_or(0, |kept| SECTION_HEAD_LEN + kept.len() + sign_up.len());
    let capacity = HEAD_LEN + ORDER_LEN + order.message_id.len() + 2 * tree_bytes + fact_bytes;
    let mut out = Vec::with_capacity(capacity + if tree_bytes > 0 { 128 } else { 0 });
    let mut head = Head {
        identify: identifies.then_some(0),
        order_count: 1,
        message_id_bytes: u32::try_from(order.message_id.len()).ok()?,
        ..Head::default()
    };
    head.put(&mut out);
    put_order(&mut out, order, head.message_id_bytes);
    out.put(order.message_id);
    put_traits(&mut out, &mut head, objects)?;
    if let Some(kept) = kept {
        let mut section = SectionHead::default();
        section.count(&kept)?;
        head.identity_bytes = section.section_bytes(sign_up.len())?;
        section.put(&mut out);
        kept.put(&mut out)?;
        out.put(sign_up);
    }
    let mut fixed = Vec::with_capacity(HEAD_LEN);
    head.put(&mut fixed);
    out.get_mut(..HEAD_LEN)?.copy_from_slice(&fixed);
    Some(out)
}

/// Appends the entries of `traits` and `traitsOnce`, which are both of the row's first order, and counts them.
fn put_traits(
    out: &mut Vec<u8>,
    head: &mut Head,
    [traits, traits_once]: [Option<ValueRef<'_>>; 2],
) -> Option<()> {
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
            (None, None) => return Some(()),
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
            return Some(());
        };
        let entry =
            Entry { name: name.as_bytes(), value: value.as_tree(), order: 0, once: is_once, at: out.len() };
        head.count(&entry)?;
        put_entry(out, if is_once { ONCE } else { 0 }, entry.name, entry.value)?;
    }
}
