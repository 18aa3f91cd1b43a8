//! The profile of a person: the join of the rows of its ids.

use std::sync::Arc;

use super::facts::{member_of, person_of};
use crate::envelope::EventType;
use crate::error::{Error, Result};
use crate::identity::{Member, MemberId, Scope, Who};
use crate::profile::{Fragment, PersonRef, PersonRow, Profile};
use crate::store::query::Timeline;
use crate::store::view::View;
use crate::types::Nanos;

impl View {
    /// The profile of the person whom an id names, if an identify or another fact of identity made one. A `&str` is a
    /// user's id.
    ///
    /// The id of any member names the whole person; that of a device that people share names the device's own profile.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] where a file of profiles is damaged, and the log that it was made of is too.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// store.scope(org, project, "billing").identify("u_1").set("plan", "pro").append()?;
    ///
    /// let view = store.project(project).view()?;
    /// let profile = view.profile("u_1")?.expect("identified above");
    /// assert_eq!(profile.traits_json(), r#"{"plan":"pro"}"#);
    /// assert!(view.profile("u_2")?.is_none());
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn profile<'p>(&self, person: impl Into<PersonRef<'p>>) -> Result<Option<Profile>> {
        let person = person.into();
        let pinned = self.pinned();
        let Some(row) = pinned.snapshot.profiles.row(pinned.project_id, person)? else { return Ok(None) };
        if !row.has_facts() {
            return Ok(self.profile_of_row(person, row));
        }
        let who = self.folded(&member_of(person))?;
        self.profile_with(&who, None, Some((person, row)))
    }

    /// The profile of a person of one id that no fact of identity names.
    pub(super) fn profile_of_row(&self, person: PersonRef<'_>, row: PersonRow) -> Option<Profile> {
        let identify = row.identify()?.timestamp;
        let identified_at = matches!(person, PersonRef::User(_)).then_some(identify);
        let limits = self.pinned().snapshot.profiles.limits();
        Some(Profile::joined(person, Box::new([]), identified_at, &[row], limits))
    }

    /// The profile of a person, from facts up to a time where one is given; `None` where nothing made it one.
    pub(super) fn profile_of(&self, who: &Who, until: Option<Nanos>) -> Result<Option<Profile>> {
        self.profile_with(who, until, None)
    }

    /// The same, where the row of one of the ids may have been read before.
    fn profile_with(
        &self,
        who: &Who,
        until: Option<Nanos>,
        mut known: Option<(PersonRef<'_>, PersonRow)>,
    ) -> Result<Option<Profile>> {
        let pinned = self.pinned();
        let (mut rows, mut exists) = (Vec::new(), who.is_made);
        for Member { id, scope, has_signed_up, .. } in who.members.iter().filter(|one| one.may_have_traits) {
            let row = match known.take_if(|(person, _)| *person == person_of(id)) {
                Some((_, row)) => Some(row),
                None => pinned.snapshot.profiles.row(pinned.project_id, person_of(id))?,
            };
            if *has_signed_up {
                rows.extend(row.as_ref().and_then(PersonRow::signed_up_traits));
            }
            let is_whole = *scope == Scope::All && until.is_none();
            let own = if is_whole { row.into_iter().collect() } else { self.identifies(id, scope, until)? };
            exists = exists || own.iter().any(|row| row.identify().is_some());
            rows.extend(own);
        }
        let canonical = who.members.first().filter(|_| exists);
        let Some(Member { id: canonical, .. }) = canonical else { return Ok(None) };
        let others = who.members.iter().filter(|_| who.members.len() > 1);
        let members = others.map(|member| (member.id.kind, Arc::clone(&member.id.id))).collect();
        let limits = pinned.snapshot.profiles.limits();
        Ok(Some(Profile::joined(person_of(canonical), members, who.identified_at, &rows, limits)))
    }

    /// What each identify that landed on the row of an id says, from the log.
    fn identifies(&self, id: &MemberId, scope: &Scope, until: Option<Nanos>) -> Result<Vec<PersonRow>> {
        let mut rows = Vec::new();
        let timeline = Timeline::alone(self, id).of_type(EventType::IDENTIFY).up_to(until);
        for event in &timeline {
            let event = match event {
                // What is lost is in no answer, and keeps nobody from one.
                Err(Error::Gap { .. }) => continue,
                event => event?,
            };
            if scope.contains(event.timestamp_nanos()) {
                let fragments = Fragment::of_frame(event.keys(), event.record());
                let own = fragments.into_iter().find(|fragment| fragment.person() == Some(person_of(id)));
                rows.extend(own.map(Fragment::into_row));
            }
        }
        Ok(rows)
    }
}
