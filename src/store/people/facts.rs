//! Where a graph gets the facts of a project from: its rows and, for the links of an unlinked device, the log.

use crate::envelope::fact::{self as envelope, FactOrder, MemberKind};
use crate::envelope::{EventType, is_no_id};
use crate::error::Result;
use crate::identity::{self, Fact, FactSource, MemberId, OwnFacts};
use crate::profile::{Act, OrderRef, PersonRef, PersonRow, ProfileMap, Side};
use crate::store::query::Timeline;
use crate::store::view::View;

/// The facts of a view's project.
#[derive(Clone, Copy)]
pub(in crate::store) struct ViewFacts<'v>(pub(super) &'v View);

/// The facts of rows alone, for a writer, which has no view.
///
/// Of a device that was unlinked, a row does not have every link; see [`FactSource::links`].
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

    fn links(&self, device: &MemberId) -> Result<Vec<Fact>> {
        let mut links = Vec::new();
        for event in &Timeline::with_users(self.0, device).of_type(EventType::IDENTIFY) {
            let event = event?;
            links.extend(event.fact().and_then(|(fact, order)| link_of(&fact, order)));
        }
        Ok(links)
    }
}

impl FactSource for RowFacts<'_> {
    fn facts(&self, of: &MemberId) -> Result<OwnFacts> {
        let row = self.profiles.row(self.project_id, person_of(of))?;
        Ok(row.map_or_else(OwnFacts::default, |row| own_facts(of, &row)))
    }

    fn links(&self, device: &MemberId) -> Result<Vec<Fact>> {
        let mut links = self.facts(device)?.as_member;
        links.retain(|fact| fact.act == identity::Act::Linked);
        Ok(links)
    }
}

/// The link that a fact is, if it is one.
pub(super) fn link_of(fact: &envelope::Fact<'_>, order: FactOrder) -> Option<Fact> {
    let (user, device) = (fact.user_id?, fact.anonymous_id?);
    let is_link = fact.event_type == EventType::IDENTIFY && !is_no_id(user) && !is_no_id(device);
    let (member, user) = (MemberId::device(device), MemberId::user(user));
    is_link.then_some(Fact { order, act: identity::Act::Linked, member, user })
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
