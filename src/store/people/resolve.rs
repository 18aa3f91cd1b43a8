//! From an id to the person whom it names.

use std::sync::Arc;

use super::facts::{ViewFacts, member_of, person_of};
use super::id::PersonId;
use crate::error::Result;
use crate::identity::{FactSource, Graph, MemberId, Who};
use crate::profile::{PersonRef, PersonRow, ProfileMap, RestsOn};
use crate::store::view::View;

/// What the answers of a graph rest on.
pub(super) fn rests_on<S: FactSource>(graph: &Graph<S>, rows: &ProfileMap, project_id: [u8; 16]) -> RestsOn {
    let mark = |id| rows.mark(project_id, person_of(id));
    RestsOn {
        rows: graph.rests_on_rows().map(mark).collect(),
        facts: graph.rests_on_all().map(mark).collect(),
    }
}

impl View {
    pub(super) fn graph(&self) -> Graph<ViewFacts<'_>> {
        Graph::new(ViewFacts(self), self.pinned().snapshot.profiles.limits().members_max)
    }

    /// The row of a person, where a fact names it together with another id.
    pub(super) fn row_with_links(&self, person: PersonRef<'_>) -> Result<Option<PersonRow>> {
        let profiles = &self.pinned().snapshot.profiles;
        if !profiles.may_have_links() {
            return Ok(None);
        }
        let row = profiles.row(self.pinned().project_id, person)?;
        Ok(row.filter(PersonRow::has_links))
    }

    /// The person whom an id names, of which some fact tells.
    ///
    /// # Errors
    ///
    /// Those of reading rows, and the log where rows know too little.
    pub(super) fn folded(&self, id: &MemberId) -> Result<Arc<Who>> {
        let (snapshot, project_id) = (&self.pinned().snapshot, self.pinned().project_id);
        let (people, rows) = (&snapshot.people, &snapshot.profiles);
        if let Some(who) = people.person(project_id, id, rows) {
            return Ok(who);
        }
        let mut graph = self.graph();
        let mut canonical = people.canonical(project_id, id, rows);
        if canonical.is_none() {
            let found = graph.canonical(id)?;
            if found != *id {
                let rests_on = rests_on(&graph, rows, project_id);
                people.put_canonical(project_id, id.clone(), rows, found.clone(), rests_on);
            }
            canonical = Some(found);
        }
        let canonical = canonical.unwrap_or_else(|| id.clone());
        if let Some(who) = people.person(project_id, &canonical, rows) {
            return Ok(who);
        }
        // What is kept of the person also says that the id is canonical, and so rests on what makes it that.
        graph.canonical(&canonical)?;
        let who = Arc::new(graph.who(&canonical)?);
        people.put_person(project_id, canonical, rows, &who, rests_on(&graph, rows, project_id));
        Ok(who)
    }

    /// The person whom an id names.
    ///
    /// # Errors
    ///
    /// Those of reading rows, and the log where rows know too little.
    pub(in crate::store) fn who(&self, id: &MemberId) -> Result<Arc<Who>> {
        match self.row_with_links(person_of(id))? {
            Some(_) => self.folded(id),
            None => Ok(Arc::new(Who::alone(id.clone()))),
        }
    }

    /// The id that stands for the person whom an id names: of merged users the one that the others were merged into.
    ///
    /// A device that belongs to a user names that user, unless people share it: then it names itself.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`](crate::Error::Corrupt) where a profile run or the log is damaged.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{PersonId, PersonRef, Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// store.scope(org, project, "shop").identify("anna").anonymous("phone").append()?;
    ///
    /// let view = store.project(project).view()?;
    /// assert_eq!(view.person(PersonRef::Anonymous("phone"))?, PersonId::User("anna".to_owned()));
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn person<'p>(&self, person: impl Into<PersonRef<'p>>) -> Result<PersonId> {
        let person = person.into();
        if self.row_with_links(person)?.is_none() {
            return Ok(person.into());
        }
        let who = self.folded(&member_of(person))?;
        Ok(who.members.first().map_or_else(|| person.into(), |member| PersonId::of(&member.id)))
    }

    /// All ids of the person whom an id names, users before devices, each by the bytes of their ids.
    ///
    /// # Errors
    ///
    /// As [`View::person`].
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{PersonId, Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// store.scope(org, project, "shop").identify("anna").anonymous("phone").append()?;
    ///
    /// let members = store.project(project).view()?.members("anna")?;
    /// assert_eq!(members, [PersonId::User("anna".to_owned()), PersonId::Anonymous("phone".to_owned())]);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn members<'p>(&self, person: impl Into<PersonRef<'p>>) -> Result<Vec<PersonId>> {
        let who = self.who(&member_of(person.into()))?;
        let mut members: Vec<PersonId> = who.members.iter().map(|member| PersonId::of(&member.id)).collect();
        members.sort_unstable();
        Ok(members)
    }
}
