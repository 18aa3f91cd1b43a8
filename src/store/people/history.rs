//! What a person's profile was, and how it came to be what it is.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};

use super::facts::member_of;
use super::id::PersonId;
use crate::envelope::fact::FactOrder;
use crate::envelope::{EventType, Kind, Value, ValueRef, time};
use crate::error::{Error, Result};
use crate::identity::{Member, State};
use crate::profile::{PersonRef, Profile};
use crate::store::event::EventRef;
use crate::store::query::Timeline;
use crate::store::view::View;
use crate::types::{Nanos, Position};

/// A trait of a person that got another value; listed by [`View::profile_history`].
///
/// # Examples
///
/// ```
/// use envelog::{Store, Uuid};
///
/// let store = Store::in_memory()?;
/// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
/// let shop = store.scope(org, project, "shop");
/// let ack = shop.identify("anna").set("plan", "free").append()?;
///
/// let change = store.project(project).profile_history("anna")?.remove(0);
/// assert_eq!((change.name.as_str(), change.position), ("plan", ack.position));
/// assert_eq!((change.before, change.after), (None, Some("free".into())));
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct TraitChange {
    /// The time of the event that changed it.
    pub timestamp: DateTime<Utc>,
    /// The event.
    pub position: Position,
    /// The id on whose row it landed.
    pub member: PersonId,
    /// The trait's name.
    pub name: String,
    /// The value before; none where it was not set.
    pub before: Option<Value>,
    /// The value from then on; none where it was unset.
    pub after: Option<Value>,
}

/// Shows no id and no value.
impl fmt::Debug for TraitChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraitChange")
            .field("timestamp", &self.timestamp)
            .field("position", &self.position)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// An event that sets traits of a person.
struct Setting<'v> {
    order: FactOrder,
    event: EventRef<'v>,
    member: PersonId,
}

/// What stands in a trait on the way through its facts.
struct Standing<'v> {
    order: FactOrder,
    value: ValueRef<'v>,
    /// Set by `traitsOnce`, which any plain set or unset replaces.
    is_once: bool,
}

impl View {
    /// What the profile of a person was at a time of events: from all that is known today, facts that arrived late
    /// included, those with a later timestamp left out. Members, state and traits are those of that moment.
    ///
    /// This reads the person's identifies up to then from the log.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] where a profile run, an index or the log is damaged.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{DateTime, Store, Utc, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// let day = |day: i64| DateTime::<Utc>::from_timestamp(1_700_000_000 + 86_400 * day, 0).expect("is in range");
    /// let scope = store.scope(org, project, "billing");
    /// scope.identify("anna").set("plan", "free").at(day(0)).append()?;
    /// scope.identify("anna").set("plan", "pro").at(day(9)).append()?;
    ///
    /// let view = store.project(project).view()?;
    /// let then = view.profile_at("anna", day(5))?.expect("she was known by then");
    /// assert_eq!(then.trait_value("plan").and_then(|plan| plan.as_str()), Some("free"));
    /// assert!(view.profile_at("anna", day(-1))?.is_none());
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn profile_at<'p>(
        &self,
        person: impl Into<PersonRef<'p>>,
        time: DateTime<Utc>,
    ) -> Result<Option<Profile>> {
        let until = nanos(time);
        let mut graph = self.graph().until(until);
        let canonical = graph.canonical(&member_of(person.into()))?;
        self.profile_of(&graph.who(&canonical)?, Some(until))
    }

    /// The value that a trait of a person had at a time of events, such as that of an event of the person.
    ///
    /// # Errors
    ///
    /// As [`View::profile_at`].
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// let scope = store.scope(org, project, "billing");
    /// scope.identify("anna").set("plan", "free").append()?;
    /// scope.track("order.placed").user("anna").append()?;
    /// scope.identify("anna").set("plan", "pro").append()?;
    ///
    /// let view = store.project(project).view()?;
    /// for order in view.events().of_type("order.placed").iter() {
    ///     let order = order?;
    ///     let plan = view.trait_at(order.person().expect("it has a user"), "plan", order.timestamp())?;
    ///     assert_eq!(plan, Some("free".into()));
    /// }
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn trait_at<'p>(
        &self,
        person: impl Into<PersonRef<'p>>,
        name: &str,
        time: DateTime<Utc>,
    ) -> Result<Option<Value>> {
        let profile = self.profile_at(person, time)?;
        Ok(profile.and_then(|profile| profile.trait_value(name).map(ValueRef::to_value)))
    }

    /// How the traits of a person came to be what they are: each change of a value, in the order of facts.
    ///
    /// The person is that of today, with all its members. A set that leaves the value as it was is no change. This
    /// reads all identifies of the person from the log.
    ///
    /// # Errors
    ///
    /// As [`View::profile_at`].
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// let scope = store.scope(org, project, "billing");
    /// scope.identify("anna").set("plan", "free").append()?;
    /// scope.identify("anna").set("plan", "pro").append()?;
    ///
    /// let history = store.project(project).view()?.profile_history("anna")?;
    /// assert_eq!(history.len(), 2);
    /// assert_eq!((history[1].before.clone(), history[1].after.clone()), (Some("free".into()), Some("pro".into())));
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn profile_history<'p>(&self, person: impl Into<PersonRef<'p>>) -> Result<Vec<TraitChange>> {
        let mut settings = Vec::new();
        let mut graph = self.graph();
        let canonical = graph.canonical(&member_of(person.into()))?;
        for member in graph.members(&canonical)? {
            let state = graph.state(&member.id)?;
            self.settings_of(&member, &state, &mut settings)?;
        }
        settings.sort_by(|one, other| one.order.cmp(&other.order));
        let mut standing = BTreeMap::new();
        let mut changes = Vec::new();
        for setting in &settings {
            setting.apply(&mut standing, &mut changes);
        }
        Ok(changes)
    }

    /// The events that set traits on the row of a member, in the person's part of its time.
    fn settings_of<'v>(&'v self, member: &Member, state: &State, out: &mut Vec<Setting<'v>>) -> Result<()> {
        for event_type in [EventType::IDENTIFY, EventType::SIGNED_UP] {
            for event in &Timeline::alone(self, &member.id).of_type(event_type) {
                let event = match event {
                    // What is lost is in no answer, and keeps nobody from one.
                    Err(Error::Gap { .. }) => continue,
                    event => event?,
                };
                let Some((_, order)) = event.fact() else { continue };
                // Of sign-ups, the one that had an effect counts.
                let counts = match event_type {
                    EventType::SIGNED_UP => {
                        state.has_signed_up && state.identified_by.as_ref() == Some(&order)
                    }
                    _ => member.scope.contains(event.timestamp_nanos()),
                };
                if counts && !crate::envelope::is_no_id(&member.id.id) {
                    out.push(Setting { order, event, member: PersonId::of(&member.id) });
                }
            }
        }
        Ok(())
    }
}

impl<'v> Setting<'v> {
    fn apply(&self, standing: &mut BTreeMap<&'v str, Standing<'v>>, changes: &mut Vec<TraitChange>) {
        for (key, is_once) in [("traits", false), ("traitsOnce", true)] {
            let traits = self.event.context().and_then(|context| context.get(key));
            for (name, value) in traits.into_iter().flat_map(|traits| traits.entries()) {
                let old = standing.get(name);
                if (is_once && value.kind() == Kind::Null)
                    || old.is_some_and(|old| old.keeps(self, value, is_once))
                {
                    continue;
                }
                let set = |value: ValueRef<'v>| (value.kind() != Kind::Null).then(|| value.to_value());
                let (before, after) = (old.and_then(|old| set(old.value)), set(value));
                standing.insert(name, Standing { order: self.order.clone(), value, is_once });
                if before != after {
                    changes.push(TraitChange {
                        timestamp: time::to_datetime(self.order.timestamp),
                        position: self.event.position(),
                        member: self.member.clone(),
                        name: name.to_owned(),
                        before,
                        after,
                    });
                }
            }
        }
    }
}

impl Standing<'_> {
    /// Whether this stays where a later fact, or another copy of the same one, sets a value.
    fn keeps(&self, setting: &Setting<'_>, value: ValueRef<'_>, is_once: bool) -> bool {
        // Copies of one fact differ in address hashes only; the greater bytes win.
        let same_and_greater = self.order == setting.order && self.value.as_tree() >= value.as_tree();
        match (self.is_once, is_once) {
            (false, true) => true,
            (true, false) => false,
            (false, false) => same_and_greater,
            (true, true) => self.order != setting.order || same_and_greater,
        }
    }
}

fn nanos(time: DateTime<Utc>) -> Nanos {
    // Beyond the years that an i64 of nanoseconds holds there are no events.
    let beyond = if time.timestamp() < 0 { i64::MIN } else { i64::MAX };
    Nanos::new(time.timestamp_nanos_opt().unwrap_or(beyond))
}

#[cfg(test)]
mod tests;
