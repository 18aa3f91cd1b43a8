//! What a host reads of a profile.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};

use super::key::{PersonRef, RowKind};
use super::row::{Entries, RowRef};
use super::run::Run;
use crate::envelope::{ValueRef, json};
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

/// The bytes of a row, wherever they are.
#[derive(Clone)]
pub(super) enum RowBytes {
    Memory(Arc<[u8]>),
    Run(Arc<Run>, Range<u64>),
}

impl RowBytes {
    pub(super) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Memory(bytes) => bytes,
            Self::Run(run, range) => run.slice(range).unwrap_or_default(),
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
    kind: RowKind,
    row: RowBytes,
    over_limit: bool,
}

/// One trait of a profile; given by [`Profile::get`] and [`Profile::traits`].
///
/// # Examples
///
/// ```
/// use envelog::{DateTime, Store, Uuid};
///
/// let store = Store::in_memory()?;
/// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
/// let noon = DateTime::from_timestamp(1_710_331_200, 0).unwrap();
/// store.scope(org, project, "billing").identify("u_1").set("plan", "pro").at(noon).append()?;
///
/// let profile = store.project(project).profile("u_1")?.expect("identified above");
/// let plan = profile.get("plan").expect("set above");
/// assert_eq!((plan.name, plan.value.as_str(), plan.at), ("plan", Some("pro"), noon));
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Trait<'a> {
    /// The trait's name.
    pub name: &'a str,
    /// What it was set to.
    pub value: ValueRef<'a>,
    /// Timestamp of the event that set it, to the nanosecond.
    pub at: DateTime<Utc>,
}

impl Profile {
    /// A profile of a row; `None` where nothing made the row a profile.
    pub(super) fn new(person: PersonRef<'_>, row: RowBytes, limits: &Limits) -> Option<Self> {
        let parsed = RowRef::new(row.as_slice())?;
        parsed.identify_index()?;
        let over_limit = is_over_limit(parsed.live_traits(), parsed.live_bytes(), limits);
        Some(Self { id: person.id().into(), kind: person.row_kind(), row, over_limit })
    }

    /// Whose profile it is.
    pub fn person(&self) -> PersonRef<'_> {
        match self.kind {
            RowKind::User => PersonRef::User(&self.id),
            _ => PersonRef::Anonymous(&self.id),
        }
    }

    /// The id without its kind.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether the person is identified.
    pub fn state(&self) -> ProfileState {
        match self.kind {
            RowKind::User => ProfileState::Identified,
            _ => ProfileState::Anonymous,
        }
    }

    /// Timestamp of the earliest event that identified the user; none for an anonymous device.
    pub fn identified_at(&self) -> Option<DateTime<Utc>> {
        let row = self.row();
        let timestamp = row.timestamp(row.identify_index()?)?;
        (self.state() == ProfileState::Identified).then(|| time(timestamp))
    }

    /// Whether the traits have grown over [`Limits`]; they are kept all the same.
    pub const fn is_over_limit(&self) -> bool {
        self.over_limit
    }

    /// The traits that are set, by name in byte order.
    pub fn traits(&self) -> Traits<'_> {
        let row = self.row();
        Traits { row, entries: row.entries() }
    }

    /// The trait of this name, if it is set.
    pub fn get(&self, name: &str) -> Option<Trait<'_>> {
        let row = self.row();
        let entry = row.entry(name).filter(super::row::Entry::is_live)?;
        Some(Trait {
            name: std::str::from_utf8(entry.name).ok()?,
            value: ValueRef::new(entry.value),
            at: time(row.timestamp(entry.order)?),
        })
    }

    /// The value of a trait, if it is set.
    pub fn trait_value(&self, name: &str) -> Option<ValueRef<'_>> {
        let entry = self.row().entry(name).filter(super::row::Entry::is_live)?;
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
    pub(super) fn write_canonical_json(&self, out: &mut Vec<u8>) {
        let put_person = |out: &mut Vec<u8>| {
            let kind = match self.kind {
                RowKind::User => "user",
                _ => "anonymous",
            };
            out.extend_from_slice(b"{\"kind\":");
            json::write::write_string(out, kind);
            out.extend_from_slice(b",\"id\":");
            json::write::write_string(out, &self.id);
            out.push(b'}');
        };
        out.extend_from_slice(b"{\"person\":");
        put_person(out);
        out.extend_from_slice(b",\"members\":[");
        put_person(out);
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

    fn row(&self) -> RowRef<'_> {
        RowRef::new(self.row.as_slice()).unwrap_or(RowRef::EMPTY)
    }
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profile")
            .field("person", &self.person())
            .field("state", &self.state())
            .field("traits", &self.row().live_traits())
            .field("over_limit", &self.over_limit)
            .finish_non_exhaustive()
    }
}

/// The traits of a profile that are set, by name in byte order; made by [`Profile::traits`].
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
/// scope.identify("u_1").unset("seats").append()?;
///
/// let profile = store.project(project).profile("u_1")?.expect("identified above");
/// let mut traits = profile.traits();
/// assert_eq!(traits.next().map(|each| each.name), Some("plan"));
/// assert!(traits.next().is_none());
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Clone)]
pub struct Traits<'a> {
    row: RowRef<'a>,
    entries: Entries<'a>,
}

impl<'a> Iterator for Traits<'a> {
    type Item = Trait<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let entry = self.entries.next()?;
            if let (true, Ok(name), Some(timestamp)) =
                (entry.is_live(), std::str::from_utf8(entry.name), self.row.timestamp(entry.order))
            {
                return Some(Trait { name, value: ValueRef::new(entry.value), at: time(timestamp) });
            }
        }
    }
}

impl fmt::Debug for Traits<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Traits({} at most)", self.row.live_traits())
    }
}

/// A trait name that is in use in a project; given by [`View::traits`](crate::View::traits).
///
/// # Examples
///
/// ```
/// use envelog::{Kind, Store, Uuid};
///
/// let store = Store::in_memory()?;
/// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
/// let scope = store.scope(org, project, "billing");
/// scope.identify("u_1").set("seats", 5).append()?;
/// scope.identify("u_2").set("seats", "many").append()?;
///
/// let seats = store.project(project).traits()?.remove(0);
/// assert_eq!((seats.name.as_str(), seats.profiles), ("seats", 2));
/// assert_eq!(seats.kinds, [Kind::Number, Kind::String]);
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TraitName {
    /// The trait's name.
    pub name: String,
    /// The kinds of value it has, in the order null, bool, number, string, list, object.
    pub kinds: Vec<crate::envelope::Kind>,
    /// How many profiles have it.
    pub profiles: u64,
}

/// Whether live traits or bytes are more than the limits let a row have.
pub(super) fn is_over_limit(live_traits: u32, live_bytes: u32, limits: &Limits) -> bool {
    let over = |number: u32, limit: usize| u64::from(number) > limit as u64;
    over(live_traits, limits.traits_max) || over(live_bytes, limits.traits_bytes_max)
}

fn time(nanos: Nanos) -> DateTime<Utc> {
    DateTime::from_timestamp_nanos(nanos.get())
}
