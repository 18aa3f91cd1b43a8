//! Whether a fact that was just applied has an effect, for the answer to its append.

use std::cell::Cell;

use super::facts::{RowFacts, pair_of};
use crate::envelope::EventType;
use crate::envelope::codec;
use crate::envelope::fact::{Fact, FactOrder};
use crate::error::Result;
use crate::format::keys::EventKeys;
use crate::identity::{self, Fact as Pair, FactSource, Graph, MemberId, OwnFacts};
use crate::profile::{Act, PersonRef, ProfileMap};

/// Most rows that are looked at for the note of one fact. A writer waits meanwhile.
const ROWS_MAX: usize = 64;

/// Tells whether an event, whose facts rows have by now, states one that broke a rule.
///
/// It goes by the rows alone, and by few of them: nothing is said of a member that was unlinked before, of which rows do
/// not have every fact, nor of persons of very many ids.
/// [`View::identity_conflicts`](crate::View::identity_conflicts) is exact.
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
    let rows = RowFacts { profiles, project_id: keys.project_id };
    let source = FewRows { rows, left: Cell::new(ROWS_MAX), is_spent: Cell::new(false) };
    let mut graph = Graph::new(&source, profiles.limits().members_max);
    let broke_a_rule = match (pair_of(&fact, order.clone()), fact.user_id) {
        (Some(pair), _) => {
            let known = (&source).facts(&pair.member)?.as_member;
            let unlinked_before = |known: &Pair| known.act == identity::Act::Unlinked && known.order != order;
            if known.iter().any(unlinked_before) {
                return Ok(false);
            }
            match pair.act {
                identity::Act::Unlinked => {
                    let conflicts = graph.listing().conflicts(&pair.member)?;
                    conflicts.iter().any(|conflict| conflict.order == order)
                }
                _ => graph.binding(&pair.member)?.parent() != Some(&pair.user),
            }
        }
        (None, Some(user)) => {
            let conflicts = graph.state_conflicts(&MemberId::user(user))?;
            conflicts.iter().any(|conflict| conflict.order == order)
        }
        (None, None) => false,
    };
    Ok(broke_a_rule && !source.is_spent.get())
}

/// The facts of so many rows, and none of any other.
struct FewRows<'m> {
    rows: RowFacts<'m>,
    left: Cell<usize>,
    is_spent: Cell<bool>,
}

impl FactSource for &FewRows<'_> {
    fn facts(&self, of: &MemberId) -> Result<OwnFacts> {
        let Some(left) = self.left.get().checked_sub(1) else {
            self.is_spent.set(true);
            return Ok(OwnFacts::default());
        };
        self.left.set(left);
        self.rows.facts(of)
    }

    fn all_facts(&self, member: &MemberId, users: &[MemberId]) -> Result<Vec<Pair>> {
        self.rows.all_facts(member, users)
    }
}

/// Whether a link has an effect or repeats one that has, for a device that nothing but links names and a user who has
/// places for all: nearly all links. `None` where that is not so.
fn is_simple_link(profiles: &ProfileMap, keys: &EventKeys<'_>) -> Result<Option<bool>> {
    let (Some(user), Some(device)) = (keys.user_id, keys.anonymous_id) else { return Ok(None) };
    let mut first = None;
    let mut has_others = false;
    profiles.each_fact(keys.project_id, PersonRef::Anonymous(device), |fact| {
        has_others |= fact.act != Act::Linked;
        let is_less = first.is_none_or(|(order, _)| fact.order < order);
        if is_less && let Some((_, id)) = fact.other {
            first = Some((fact.order, id));
        }
    })?;
    let Some((_, bound_to)) = first.filter(|_| !has_others) else { return Ok(None) };
    let members_max = profiles.limits().members_max;
    let is_below = |facts: u32| usize::try_from(facts).is_ok_and(|facts| facts < members_max);
    // Nearly always no row has so many facts.
    let has_places = is_below(profiles.facts_max()) || {
        let row = profiles.row(keys.project_id, PersonRef::User(bound_to))?;
        is_below(row.map_or(0, |row| row.fact_count()))
    };
    Ok(has_places.then_some(bound_to == user))
}
