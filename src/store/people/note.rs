//! Whether a fact that was just applied has an effect, for the answer to its append.

use super::facts::{RowFacts, link_of};
use crate::envelope::EventType;
use crate::envelope::codec;
use crate::envelope::fact::{Fact, FactOrder, MemberKind};
use crate::error::Result;
use crate::format::keys::EventKeys;
use crate::identity::{Graph, MemberId};
use crate::profile::{Act, PersonRef, ProfileMap};

/// Tells whether an event, whose facts rows have by now, states one that broke a rule.
///
/// It goes by the rows alone: of a device that was unlinked they do not have every link, and what is said of another link
/// of it may be wrong. [`View::identity_conflicts`](crate::View::identity_conflicts) is exact.
pub(in crate::store) fn breaks_a_rule(profiles: &ProfileMap, keys: &EventKeys<'_>, body: &[u8]) -> bool {
    let names_two = keys.user_id.is_some() && keys.anonymous_id.is_some();
    if keys.event_type == EventType::IDENTIFY && !names_two {
        return false;
    }
    // A row that cannot be read says nothing here; reading the person reports it.
    find(profiles, keys, body).unwrap_or(false)
}

fn find(profiles: &ProfileMap, keys: &EventKeys<'_>, body: &[u8]) -> Result<bool> {
    if keys.event_type == EventType::IDENTIFY
        && let Some(has_effect) = is_simple_link(profiles, keys)?
    {
        return Ok(!has_effect);
    }
    let Ok(body) = codec::decode(body) else { return Ok(false) };
    let Some(fact) = Fact::of(keys.event_type, keys.user_id, keys.anonymous_id, &body) else {
        return Ok(false);
    };
    let message_id = keys.message_id.unwrap_or_default().into();
    let order = FactOrder { timestamp: keys.timestamp, message_id, digest: fact.digest() };
    let source = RowFacts { profiles, project_id: keys.project_id };
    let mut graph = Graph::new(source, profiles.limits().members_max);
    if keys.event_type == EventType::IDENTIFY {
        let Some(link) = link_of(&fact, order) else { return Ok(false) };
        return Ok(graph.binding(&link.member)?.parent() != Some(&link.user));
    }
    let member = match (fact.member, fact.user_id) {
        (Some((MemberKind::User, id)), _) => MemberId::user(id),
        (Some((MemberKind::Anonymous, id)), _) => MemberId::device(id),
        (None, Some(user)) => MemberId::user(user),
        (None, None) => return Ok(false),
    };
    Ok(graph.listing().conflicts(&member)?.iter().any(|conflict| conflict.order == order))
}

/// Whether a link has an effect or repeats one that has, for a device that nothing but links names and a user who has
/// places for all: nearly all links. `None` where that is not so.
fn is_simple_link(profiles: &ProfileMap, keys: &EventKeys<'_>) -> Result<Option<bool>> {
    let (Some(user), Some(device)) = (keys.user_id, keys.anonymous_id) else { return Ok(None) };
    let row = |person| profiles.row(keys.project_id, person);
    let Some(device) = row(PersonRef::Anonymous(device))? else { return Ok(None) };
    let mut first = None;
    for fact in device.facts() {
        if fact.act != Act::Linked {
            return Ok(None);
        }
        let is_less = first.is_none_or(|(order, _)| fact.order < order);
        if is_less && let Some((_, id)) = fact.other {
            first = Some((fact.order, id));
        }
    }
    let Some((_, bound_to)) = first else { return Ok(None) };
    let facts = row(PersonRef::User(bound_to))?.map_or(0, |row| row.fact_count());
    let has_places = usize::try_from(facts).is_ok_and(|facts| facts <= profiles.limits().members_max);
    Ok(has_places.then_some(bound_to == user))
}
