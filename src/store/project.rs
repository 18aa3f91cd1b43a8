//! The reading side of a store: one project.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::event::Event;
use super::handle::SnapshotSource;
use super::people::{Explanation, IdentityConflict, TraitChange};
use super::view::{Activity, NameCount, View};
use crate::error::Result;
use crate::profile::{PersonRef, Profile, TraitName};
use crate::types::Position;

/// One project of a store, for reading; cheap to clone.
///
/// Each method answers from the present moment. For several answers that agree with each other, take a
/// [`view`](Self::view) and ask that.
///
/// # Examples
///
/// ```
/// use envelog::{Store, Uuid};
///
/// let store = Store::in_memory()?;
/// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
/// let shop = store.scope(org, project, "billing");
/// shop.track("order.placed").user("u_1").append()?;
/// shop.identify("u_1").set("plan", "pro").append()?;
///
/// let project = store.project(project);
/// assert_eq!(project.timeline("u_1", 50)?.len(), 2);
/// let profile = project.profile("u_1")?.expect("identified above");
/// assert_eq!(profile.trait_value("plan").and_then(|plan| plan.as_str()), Some("pro"));
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Clone)]
pub struct Project {
    source: Arc<dyn SnapshotSource>,
    id: Uuid,
}

impl Project {
    pub(crate) fn new(source: Arc<dyn SnapshotSource>, id: Uuid) -> Self {
        Self { source, id }
    }

    /// The project's id.
    pub const fn id(&self) -> Uuid {
        self.id
    }

    /// This moment of the project, held still: all that was acknowledged before the call, and nothing that comes
    /// after it.
    ///
    /// It takes two locks for a moment and reads nothing. A project without events has an empty view.
    ///
    /// # Errors
    ///
    /// None where the store is open in this process.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// let shop = store.scope(org, project, "billing");
    /// shop.track("order.placed").user("u_1").append()?;
    ///
    /// let view = store.project(project).view()?;
    /// shop.track("order.paid").user("u_1").append()?;
    /// assert_eq!(view.events().count()?, 1);
    /// assert_eq!(store.project(project).view()?.events().count()?, 2);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn view(&self) -> Result<View> {
        Ok(View::new(self.source.snapshot()?, self.id.into_bytes()))
    }

    /// The profile of a person, if an identify made one.
    ///
    /// # Errors
    ///
    /// As [`View::profile`].
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{PersonRef, Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// let shop = store.scope(org, project, "billing");
    /// shop.identify("u_1").set("plan", "pro").append()?;
    /// shop.track("order.placed").user("u_2").append()?;
    ///
    /// let project = store.project(project);
    /// assert!(project.profile("u_1")?.is_some());
    /// assert!(project.profile("u_2")?.is_none(), "events alone make no profile");
    /// assert!(project.profile(PersonRef::Anonymous("u_1"))?.is_none(), "devices have ids of their own");
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn profile<'p>(&self, person: impl Into<PersonRef<'p>>) -> Result<Option<Profile>> {
        self.view()?.profile(person)
    }

    /// What the profile of a person was at a time of events; see [`View::profile_at`].
    ///
    /// # Errors
    ///
    /// As [`View::profile_at`].
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{DateTime, Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// let before = DateTime::from_timestamp(0, 0).expect("is in range");
    /// store.scope(org, project, "billing").identify("u_1").set("plan", "pro").append()?;
    /// assert!(store.project(project).profile_at("u_1", before)?.is_none());
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn profile_at<'p>(
        &self,
        person: impl Into<PersonRef<'p>>,
        time: DateTime<Utc>,
    ) -> Result<Option<Profile>> {
        self.view()?.profile_at(person, time)
    }

    /// How the traits of a person came to be what they are; see [`View::profile_history`].
    ///
    /// # Errors
    ///
    /// As [`View::profile_history`].
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// store.scope(org, project, "billing").identify("u_1").set("plan", "pro").append()?;
    /// assert_eq!(store.project(project).profile_history("u_1")?[0].name, "plan");
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn profile_history<'p>(&self, person: impl Into<PersonRef<'p>>) -> Result<Vec<TraitChange>> {
        self.view()?.profile_history(person)
    }

    /// Whose the event at a position is, and why; see [`View::explain`].
    ///
    /// # Errors
    ///
    /// As [`View::explain`].
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// let ack = store.scope(org, project, "billing").track("order.placed").user("u_1").append()?;
    /// let explanation = store.project(project).explain(ack.position)?.expect("it was stored");
    /// assert_eq!(
    ///     explanation.to_string(),
    ///     "user u_1\n  the event has the userId of user u_1\n  user u_1 belongs to nobody else"
    /// );
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn explain(&self, position: Position) -> Result<Option<Explanation>> {
        self.view()?.explain(position)
    }

    /// The facts of identity that have no effect; see [`View::identity_conflicts`].
    ///
    /// # Errors
    ///
    /// As [`View::identity_conflicts`].
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// assert!(store.project(Uuid::from_u128(2)).identity_conflicts()?.is_empty());
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn identity_conflicts(&self) -> Result<Vec<IdentityConflict>> {
        self.view()?.identity_conflicts()
    }

    /// The newest events of a person by timestamp, newest first, at most `newest` of them.
    ///
    /// # Errors
    ///
    /// As the items of [`View::timeline`].
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{DateTime, Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// let shop = store.scope(org, project, "billing");
    /// let noon = DateTime::from_timestamp(1_710_331_200, 0).unwrap();
    /// let hour = std::time::Duration::from_hours(1);
    /// shop.track("order.paid").user("u_1").at(noon + hour).append()?;
    /// // It arrives late, and stands where it happened.
    /// shop.track("order.placed").user("u_1").at(noon).append()?;
    ///
    /// let events = store.project(project).timeline("u_1", 50)?;
    /// let types: Vec<_> = events.iter().map(|event| event.event_type()).collect();
    /// assert_eq!(types, ["order.paid", "order.placed"]);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn timeline<'p>(&self, person: impl Into<PersonRef<'p>>, newest: usize) -> Result<Vec<Event>> {
        let view = self.view()?;
        let timeline = view.timeline(person).newest_first().limit(newest);
        timeline.iter().map(|event| event.map(|event| event.to_event())).collect()
    }

    /// First and last time and number of a person's events; `None` if there are none.
    ///
    /// # Errors
    ///
    /// As [`View::activity`].
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// store.scope(org, project, "billing").track("order.placed").user("u_1").append()?;
    ///
    /// let project = store.project(project);
    /// assert_eq!(project.activity("u_1")?.map(|activity| activity.events), Some(1));
    /// assert_eq!(project.activity("u_2")?, None);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn activity<'p>(&self, person: impl Into<PersonRef<'p>>) -> Result<Option<Activity>> {
        self.view()?.activity(person)
    }

    /// The event at a position; `None` if none of this project is there.
    ///
    /// # Errors
    ///
    /// As [`View::get`].
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project, other) = (Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3));
    /// let ack = store.scope(org, project, "billing").track("order.placed").user("u_1").append()?;
    ///
    /// assert_eq!(store.project(project).get(ack.position)?.unwrap().event_type(), "order.placed");
    /// assert!(store.project(other).get(ack.position)?.is_none());
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn get(&self, position: Position) -> Result<Option<Event>> {
        Ok(self.view()?.get(position)?.map(|event| event.to_event()))
    }

    /// The event types in use, by name in byte order.
    ///
    /// # Errors
    ///
    /// As [`View::event_types`].
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// let shop = store.scope(org, project, "billing");
    /// shop.track("order.placed").user("u_1").append()?;
    /// shop.track("order.placed").user("u_2").append()?;
    /// shop.track("order.paid").user("u_1").append()?;
    ///
    /// let types = store.project(project).event_types()?;
    /// let counts: Vec<_> = types.iter().map(|each| (each.name.as_str(), each.events)).collect();
    /// assert_eq!(counts, [("order.paid", 1), ("order.placed", 2)]);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn event_types(&self) -> Result<Vec<NameCount>> {
        self.view()?.event_types()
    }

    /// The modules in use, by name in byte order.
    ///
    /// # Errors
    ///
    /// As [`View::modules`].
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// store.scope(org, project, "billing").track("order.placed").append()?;
    /// store.scope(org, project, "analytics").track("page.viewed").append()?;
    ///
    /// let modules = store.project(project).modules()?;
    /// assert_eq!(modules.iter().map(|each| each.name.as_str()).collect::<Vec<_>>(), ["analytics", "billing"]);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn modules(&self) -> Result<Vec<NameCount>> {
        self.view()?.modules()
    }

    /// The ids of all users that have events, in the byte order of their text.
    ///
    /// # Errors
    ///
    /// As [`View::users`] and its items.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// let shop = store.scope(org, project, "billing");
    /// shop.track("order.placed").user("u_2").append()?;
    /// shop.track("order.placed").user("u_1").append()?;
    /// shop.track("page.viewed").anonymous("device_1").append()?;
    /// assert_eq!(store.project(project).users()?, ["u_1", "u_2"]);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn users(&self) -> Result<Vec<String>> {
        let view = self.view()?;
        let mut users = view.users()?.map(|user| user.map(str::to_owned)).collect::<Result<Vec<_>>>()?;
        users.sort_unstable();
        Ok(users)
    }

    /// The names of the traits in use, in byte order, and what kinds of values they have.
    ///
    /// # Errors
    ///
    /// As [`View::traits`].
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Kind, Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// let scope = store.scope(org, project, "billing");
    /// scope.identify("u_1").set("plan", "pro").set("seats", 5).append()?;
    /// scope.identify("u_2").set("plan", "free").append()?;
    ///
    /// let traits = store.project(project).traits()?;
    /// assert_eq!((traits[0].name.as_str(), traits[0].profiles), ("plan", 2));
    /// assert_eq!(traits[1].kinds, [Kind::Number]);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn traits(&self) -> Result<Vec<TraitName>> {
        self.view()?.traits()
    }
}

// A snapshot is taken whole or not at all.
impl std::panic::UnwindSafe for Project {}
impl std::panic::RefUnwindSafe for Project {}

impl fmt::Debug for Project {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Project").field("id", &self.id).finish_non_exhaustive()
    }
}
