//! The reading side of a store: one project.

use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

use super::event::Event;
use super::handle::SnapshotSource;
use super::view::{Activity, NameCount, View};
use crate::error::Result;
use crate::profile::{PersonRef, Profile, TraitName};
use crate::types::Position;

/// One project of a store, for reading; cheap to clone.
///
/// Each method answers from the present moment. For several answers that agree with each other, take a
/// [`view`](Self::view) and ask that.
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

    /// This moment of the project, held still.
    ///
    /// # Errors
    ///
    /// Those of the store where it cannot be read now.
    pub fn view(&self) -> Result<View> {
        Ok(View::new(self.source.snapshot()?, self.id.into_bytes()))
    }

    /// The profile of a person, if an identify made one.
    ///
    /// # Errors
    ///
    /// As [`View::profile`].
    pub fn profile<'p>(&self, person: impl Into<PersonRef<'p>>) -> Result<Option<Profile>> {
        self.view()?.profile(person)
    }

    /// The newest events of a person by timestamp, newest first.
    ///
    /// # Errors
    ///
    /// As the items of [`View::timeline`].
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
    pub fn activity<'p>(&self, person: impl Into<PersonRef<'p>>) -> Result<Option<Activity>> {
        self.view()?.activity(person)
    }

    /// The event at a position; `None` if none of this project is there.
    ///
    /// # Errors
    ///
    /// As [`View::get`].
    pub fn get(&self, position: Position) -> Result<Option<Event>> {
        Ok(self.view()?.get(position)?.map(|event| event.to_event()))
    }

    /// The event types in use, by name.
    ///
    /// # Errors
    ///
    /// As [`View::event_types`].
    pub fn event_types(&self) -> Result<Vec<NameCount>> {
        self.view()?.event_types()
    }

    /// The modules in use, by name.
    ///
    /// # Errors
    ///
    /// As [`View::modules`].
    pub fn modules(&self) -> Result<Vec<NameCount>> {
        self.view()?.modules()
    }

    /// The ids of all users that have events, by their text.
    ///
    /// # Errors
    ///
    /// As [`View::users`] and its items.
    pub fn users(&self) -> Result<Vec<String>> {
        let view = self.view()?;
        let mut users = view.users()?.map(|user| user.map(str::to_owned)).collect::<Result<Vec<_>>>()?;
        users.sort_unstable();
        Ok(users)
    }

    /// The names of the traits in use, and what kinds of values they have.
    ///
    /// # Errors
    ///
    /// As [`View::traits`].
    pub fn traits(&self) -> Result<Vec<TraitName>> {
        self.view()?.traits()
    }
}

impl fmt::Debug for Project {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Project").field("id", &self.id).finish_non_exhaustive()
    }
}
