//! What a host reads of a profile.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};

use super::join::Joiner;
use super::key::PersonRef;
use super::person_row::PersonRow;
use super::traits::{Trait, Traits, is_over_limit, time};
use crate::envelope::fact::MemberKind;
use crate::envelope::{ValueRef, json};
use crate::error::Result;
use crate::limits::Limits;
use crate::types::Nanos;

/// What is known of a person's identity.
///
/// # Examples
///
/// ```
/// use envelog::{ProfileState, Store, Uuid};
///
/// let store = Store::in_memory()?;
/// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
/// store.scope(org, project, "billing").identify("u_1").set("plan", "pro").append()?;
///
/// let profile = store.project(project).profile("u_1")?.expect("identified above");
/// assert_eq!(profile.state(), ProfileState::Identified);
/// assert_eq!(profile.state().as_str(), "identified");
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ProfileState {
    /// A device, or a user that has not signed up yet.
    Anonymous,
    /// A user that was identified.
    Identified,
}

impl ProfileState {
    /// `anonymous` or `identified`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Identified => "identified",
        }
    }
}

/// One person of a project: the traits as all identify events known so far make them, by event time.
///
/// It does not depend on the order in which the events arrived. It is a copy: what is appended later does not change
/// it. `Debug` shows neither id nor traits.
///
/// # Examples
///
/// ```
/// use envelog::{Store, Uuid};
///
/// let store = Store::in_memory()?;
/// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
/// let scope = store.scope(org, project, "billing");
/// scope.identify("u_1").set("plan", "pro").set("seats", 5).append()?;
///
/// let profile = store.project(project).profile("u_1")?.expect("identified above");
/// assert_eq!(profile.trait_value("plan").and_then(|plan| plan.as_str()), Some("pro"));
/// assert_eq!(profile.traits().map(|each| each.name).collect::<Vec<_>>(), ["plan", "seats"]);
/// assert!(profile.identified_at().is_some());
/// assert!(!profile.is_over_limit());
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Clone)]
pub struct Profile {
    id: Box<str>,
    kind: MemberKind,
    /// All members, the person among them, in rising order; none where the person is the only one.
    members: Box<[Member]>,
    row: PersonRow,
    /// None where the person is anonymous.
    identified_at: Option<Nanos>,
    over_limit: bool,
}

/// An id of a person, owned.
pub(crate) type Member = (MemberKind, Arc<str>);

impl Profile {
    /// The profile of a person whose rows are those of several ids; that there is one is for the caller to know.
    ///
    /// Without `identified_at` the person is anonymous. Of the rows the traits are joined; the members may come in any
    /// order, and may be left out where the person is the only one.
    pub(crate) fn joined(
        person: PersonRef<'_>,
        members: Box<[Member]>,
        identified_at: Option<Nanos>,
        rows: &[PersonRow],
        limits: &Limits,
    ) -> Self {
        let mut members = members.into_vec();
        if !members.is_empty() {
            members.push((person.kind(), person.id().into()));
            members.sort_unstable();
            members.dedup();
        }
        Self::of_row(person, members.into(), identified_at, join_traits(rows), limits)
    }

    fn of_row(
        person: PersonRef<'_>,
        members: Box<[Member]>,
        identified_at: Option<Nanos>,
        row: PersonRow,
        limits: &Limits,
    ) -> Self {
        let parsed = row.parsed();
        let over_limit = is_over_limit(parsed.live_traits(), parsed.live_bytes(), limits);
        Self { id: person.id().into(), kind: person.kind(), members, row, identified_at, over_limit }
    }

    /// Whose profile it is.
    pub fn person(&self) -> PersonRef<'_> {
        PersonRef::of(self.kind, &self.id)
    }

    /// All ids of the person, its own among them: users before devices, each by the bytes of their ids.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{PersonRef, Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// store.scope(org, project, "billing").identify("u_1").set("plan", "pro").append()?;
    ///
    /// let profile = store.project(project).profile("u_1")?.expect("identified above");
    /// assert_eq!(profile.members().collect::<Vec<_>>(), [PersonRef::User("u_1")]);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn members(&self) -> impl Iterator<Item = PersonRef<'_>> {
        let alone = self.members.is_empty().then(|| self.person());
        alone.into_iter().chain(self.members.iter().map(|(kind, id)| PersonRef::of(*kind, id)))
    }

    /// The id without its kind.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether the person is identified.
    pub const fn state(&self) -> ProfileState {
        if self.identified_at.is_some() { ProfileState::Identified } else { ProfileState::Anonymous }
    }

    /// Timestamp of the event that identified the person; none for one that is anonymous.
    pub fn identified_at(&self) -> Option<DateTime<Utc>> {
        self.identified_at.map(time)
    }

    /// Whether the traits have grown over [`Limits`]; they are kept all the same.
    pub const fn is_over_limit(&self) -> bool {
        self.over_limit
    }

    /// The traits that are set, by name in byte order.
    pub fn traits(&self) -> Traits<'_> {
        Traits::of(self.row.parsed())
    }

    /// The trait of this name, if it is set.
    pub fn get(&self, name: &str) -> Option<Trait<'_>> {
        let row = self.row.parsed();
        let entry = row.entry(name).filter(super::row::Entry::is_live)?;
        Some(Trait {
            name: std::str::from_utf8(entry.name).ok()?,
            value: ValueRef::new(entry.value),
            at: time(row.timestamp(entry.order)?),
        })
    }

    /// The value of a trait, if it is set.
    pub fn trait_value(&self, name: &str) -> Option<ValueRef<'_>> {
        let entry = self.row.parsed().entry(name).filter(super::row::Entry::is_live)?;
        Some(ValueRef::new(entry.value))
    }

    /// The traits as one JSON object (RFC 8259), compact, names in byte order.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// store.scope(org, project, "billing").identify("u_1").set("seats", 5).set("plan", "pro").append()?;
    ///
    /// let profile = store.project(project).profile("u_1")?.expect("identified above");
    /// assert_eq!(profile.traits_json(), r#"{"plan":"pro","seats":5}"#);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn traits_json(&self) -> String {
        let mut out = vec![b'{'];
        for (index, each) in self.traits().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            json::write::write_string(&mut out, each.name);
            out.push(b':');
            each.value.write_json(&mut out);
        }
        out.push(b'}');
        String::from_utf8(out).unwrap_or_default()
    }

    /// Appends members, state and traits with their event times as JSON, the same whatever the order of arrival.
    pub(crate) fn write_canonical_json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"person\":");
        put_person(out, self.person());
        out.extend_from_slice(b",\"members\":[");
        for (index, member) in self.members().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            put_person(out, member);
        }
        out.extend_from_slice(b"],\"state\":");
        json::write::write_string(out, self.state().as_str());
        out.extend_from_slice(b",\"traits\":{");
        for (index, each) in self.traits().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            json::write::write_string(out, each.name);
            out.extend_from_slice(b":{\"value\":");
            each.value.write_json(out);
            out.extend_from_slice(b",\"at\":");
            json::write::write_string(out, &each.at.to_rfc3339_opts(SecondsFormat::Nanos, true));
            out.push(b'}');
        }
        out.extend_from_slice(b"}}");
    }
}

fn put_person(out: &mut Vec<u8>, person: PersonRef<'_>) {
    let kind = match person {
        PersonRef::User(_) => "user",
        PersonRef::Anonymous(_) => "anonymous",
    };
    out.extend_from_slice(b"{\"kind\":");
    json::write::write_string(out, kind);
    out.extend_from_slice(b",\"id\":");
    json::write::write_string(out, person.id());
    out.push(b'}');
}

/// Profiles as one JSON list: members, state, traits with value and event time. The same facts give the same bytes,
/// whatever the order and number of times they arrived in.
///
/// # Errors
///
/// The first of the profiles'.
pub(crate) fn canonical_json(profiles: impl Iterator<Item = Result<Profile>>) -> Result<String> {
    let mut out = vec![b'['];
    for (index, profile) in profiles.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.push(b'\n');
        profile?.write_canonical_json(&mut out);
    }
    out.extend_from_slice(b"\n]\n");
    Ok(String::from_utf8(out).unwrap_or_default())
}

/// The traits of several rows as one row; one that has all of them is not copied.
fn join_traits(rows: &[PersonRow]) -> PersonRow {
    let mut with_traits = rows.iter().filter(|row| row.has_traits());
    let Some(first) = with_traits.next() else {
        return PersonRow::of_bytes(Arc::default());
    };
    let Some(second) = with_traits.next() else { return first.clone() };
    let mut joiner = Joiner::default();
    let (mut joined, mut spare) = (Vec::new(), Vec::new());
    joiner.join_traits(first.as_slice(), second.as_slice(), &mut joined);
    for row in with_traits {
        joiner.join_traits(&joined, row.as_slice(), &mut spare);
        std::mem::swap(&mut joined, &mut spare);
    }
    PersonRow::of_bytes(joined.into())
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profile")
            .field("person", &self.person())
            .field("state", &self.state())
            .field("traits", &self.row.parsed().live_traits())
            .field("over_limit", &self.over_limit)
            .finish_non_exhaustive()
    }
}
