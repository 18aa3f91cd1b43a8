//! The traits of a profile, one by one and over many profiles.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};

use super::row::{Entries, RowRef};
use super::view::Profile;
use crate::envelope::{Kind, ValueRef};
use crate::error::Result;
use crate::limits::Limits;
use crate::types::Nanos;

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

impl<'a> Traits<'a> {
    pub(super) const fn of(row: RowRef<'a>) -> Self {
        Self { row, entries: row.entries() }
    }
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
    pub kinds: Vec<Kind>,
    /// How many profiles have it.
    pub profiles: u64,
}

/// The trait names that profiles have, with the kinds of their values, by name.
///
/// # Errors
///
/// The first of the profiles'.
pub(crate) fn trait_names(profiles: impl Iterator<Item = Result<Profile>>) -> Result<Vec<TraitName>> {
    const KINDS: [Kind; 6] = [Kind::Null, Kind::Bool, Kind::Number, Kind::String, Kind::List, Kind::Object];
    let mut names: BTreeMap<String, ([bool; KINDS.len()], u64)> = BTreeMap::new();
    for profile in profiles {
        for each in profile?.traits() {
            let kinds = KINDS.map(|kind| kind == each.value.kind());
            if let Some((seen, profiles)) = names.get_mut(each.name) {
                for (seen, now) in seen.iter_mut().zip(kinds) {
                    *seen |= now;
                }
                *profiles += 1;
            } else {
                names.insert(each.name.to_owned(), (kinds, 1));
            }
        }
    }
    let in_use = |seen: [bool; KINDS.len()]| {
        KINDS.into_iter().zip(seen).filter(|(_, seen)| *seen).map(|(kind, _)| kind).collect()
    };
    Ok(names
        .into_iter()
        .map(|(name, (seen, profiles))| TraitName { name, kinds: in_use(seen), profiles })
        .collect())
}

/// Whether live traits or bytes are more than the limits let a row have.
pub(super) fn is_over_limit(live_traits: u32, live_bytes: u32, limits: &Limits) -> bool {
    let over = |number: u32, limit: usize| u64::from(number) > limit as u64;
    over(live_traits, limits.traits_max) || over(live_bytes, limits.traits_bytes_max)
}

pub(super) fn time(nanos: Nanos) -> DateTime<Utc> {
    DateTime::from_timestamp_nanos(nanos.get())
}
