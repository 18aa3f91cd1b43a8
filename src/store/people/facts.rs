//! Where a graph gets the facts of a project from: its rows and, for a member that was unlinked, the log or what is kept of it.

use crate::envelope::fact::{self as envelope, FactOrder, MemberKind};
use crate::envelope::{EventType, is_no_id};
use crate::error::{Error, Result};
use crate::identity::{self, Fact, FactSource, MemberId, OwnFacts, Told};
use crate::profile::{Act, OrderRef, PersonRef, PersonRow, ProfileMap, Side};
use crate::store::query::Timeline;
use crate::store::view::View;

/// The facts of a view's project.
#[derive(Clone, Copy)]
pub(in crate::store) struct ViewFacts<'v>(pub(super) &'v View);

/// The facts of rows alone, for a writer, which has no view. Of a member that was unlinked they are too few; see
/// [`FactSource::all_facts`].
#[derive(Clone, Copy)]
pub(in crate::store) struct RowFacts<'m> {
    pub(in crate::store) profiles: &'m ProfileMap,
    pub(in crate::store) project_id: [u8; 16],
}

impl FactSource for ViewFacts<'_> {
    fn facts(&self, of: &MemberId) -> Result<OwnFacts> {
        let pinned = self.0.pinned();
        let row = pinned.snapshot.profiles.row(pinned.project_id, person_of(of))?;
        Ok(row.map_or_else(OwnFacts::default, |row| own_facts(of, &row)))
    }

    fn all_facts(&self, member: &MemberId, users: &[MemberId]) -> Result<Vec<Fact>> {
        let mut facts = Vec::new();
        let mut take = |timeline: Timeline<'_>, event_type: &str| -> Result<()> {
            for event in &timeline.of_type(event_type) {
                let event = match event {
                    // What is lost is in no answer, and keeps nobody from one.
                    Err(Error::Gap { .. }) => continue,
                    event => event?,
                };
                let fact = event.fact().and_then(|(fact, order)| pair_of(&fact, order));
                facts.extend(fact.filter(|fact| fact.member == *member));
            }
            Ok(())
        };
        if !member.is_user() {
            take(Timeline::with_users(self.0, member), EventType::IDENTIFY)?;
        }
        for user in users {
            for event_type in [EventType::ALIASED, EventType::UNLINKED] {
                take(Timeline::alone(self.0, user), event_type)?;
            }
        }
        Ok(facts)
    }

    fn recall(&self, member: &MemberId) -> Result<Option<Told>> {
        self.recalled(member)
    }

    fn keep(&self, member: &MemberId, told: &Told) {
        self.keep_told(member, told);
    }
}

impl FactSource for RowFacts<'_> {
    fn facts(&self, of: &MemberId) -> Result<OwnFacts> {
        let row = self.profiles.row(self.project_id, person_of(of))?;
        Ok(row.map_or_else(OwnFacts::default, |row| own_facts(of, &row)))
    }

    fn all_facts(&self, _: &MemberId, _: &[MemberId]) -> Result<Vec<Fact>> {
        Ok(Vec::new())
    }
}

/// What a fact says about two ids, if it names two.
pub(super) fn pair_of(fact: &envelope::Fact<'_>, order: FactOrder) -> Option<Fact> {
    let (act, (kind, member)) = match fact.event_type {
        EventType::IDENTIFY => (identity::Act::Linked, (MemberKind::Anonymous, fact.anonymous_id?)),
        EventType::ALIASED => (identity::Act::Aliased, fact.member?),
        EventType::UNLINKED => (identity::Act::Unlinked, fact.member?),
        _ => return None,
    };
    let user = fact.user_id?;
    let is_none = is_no_id(user) || is_no_id(member);
    let says_nothing = act == identity::Act::Aliased && kind == MemberKind::User && user == member;
    let (member, user) = (MemberId { kind, id: member.into() }, MemberId::user(user));
    (!is_none && !says_nothing).then_some(Fact { order, act, member, user })
}

/// The row of a member.
pub(super) fn person_of(member: &MemberId) -> PersonRef<'_> {
    match member.kind {
        MemberKind::User => PersonRef::User(&member.id),
        MemberKind::Anonymous => PersonRef::Anonymous(&member.id),
    }
}

/// The id that a reference names.
pub(in crate::store) fn member_of(person: PersonRef<'_>) -> MemberId {
    match person {
        PersonRef::User(id) => MemberId::user(id),
        PersonRef::Anonymous(id) => MemberId::device(id),
    }
}

fn order_of(order: OrderRef<'_>) -> FactOrder {
    FactOrder {
        timestamp: order.timestamp,
        message_id: String::from_utf8_lossy(order.message_id).into(),
        digest: order.digest,
    }
}

fn own_facts(of: &MemberId, row: &PersonRow) -> OwnFacts {
    let mut own = OwnFacts { identified: row.identify().map(order_of), ..OwnFacts::default() };
    for fact in row.facts() {
        let order = order_of(fact.order);
        let act = match fact.act {
            Act::Created => {
                own.created.push(order);
                continue;
            }
            Act::SignedUp => {
                own.signed_up.push(order);
                continue;
            }
            Act::Linked => identity::Act::Linked,
            Act::Aliased => identity::Act::Aliased,
            Act::Unlinked => identity::Act::Unlinked,
        };
        let Some((kind, id)) = fact.other else { continue };
        let other = MemberId { kind, id: id.into() };
        match fact.side {
            Side::Member => own.as_member.push(Fact { order, act, member: of.clone(), user: other }),
            Side::Target => own.as_user.push(Fact { order, act, member: other, user: of.clone() }),
        }
    }
    own
}
