//! All persons of a project.

use super::facts::{ViewFacts, member_of};
use crate::error::Result;
use crate::identity::Graph;
use crate::profile::{PersonRef, PersonRow, PersonRows, Profile, TraitName, canonical_json, trait_names};
use crate::store::view::View;

/// What a graph may hold on to while it walks over all rows.
pub(super) const IDS_KEPT_MAX: usize = 10_000;

/// The profiles of a project in the order of kind and id; made by [`View::profiles`](crate::View::profiles).
///
/// Each person occurs once, by its canonical id: users come first and then devices, each by the bytes of their ids. It
/// ends behind the first error.
///
/// # Examples
///
/// ```
/// use envelog::{PersonRef, Store, Uuid};
///
/// let store = Store::in_memory()?;
/// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
/// let scope = store.scope(org, project, "billing");
/// scope.identify_anonymous("device_1").set("locale", "pt-PT").append()?;
/// scope.identify("u_1").set("plan", "pro").append()?;
///
/// let view = store.project(project).view()?;
/// let profiles = view.profiles()?.collect::<envelog::Result<Vec<_>>>()?;
/// let people: Vec<_> = profiles.iter().map(|profile| profile.person()).collect();
/// assert_eq!(people, [PersonRef::User("u_1"), PersonRef::Anonymous("device_1")]);
/// # Ok::<(), envelog::Error>(())
/// ```
pub struct Profiles<'v> {
    view: &'v View,
    rows: PersonRows<'v>,
    graph: Graph<ViewFacts<'v>>,
    is_done: bool,
}

impl Profiles<'_> {
    fn next_profile(&mut self) -> Result<Option<Profile>> {
        while let Some((person, row)) = self.rows.next().transpose()? {
            if let Some(profile) = self.profile_at_row(person, row)? {
                return Ok(Some(profile));
            }
        }
        Ok(None)
    }

    /// The profile of the person for whom the id of a row stands.
    fn profile_at_row(&mut self, person: PersonRef<'_>, row: PersonRow) -> Result<Option<Profile>> {
        if !row.has_facts() {
            return Ok(self.view.profile_of_row(person, row));
        }
        self.graph.forget_beyond(IDS_KEPT_MAX);
        let member = member_of(person);
        if self.graph.canonical(&member)? != member {
            return Ok(None);
        }
        let who = self.graph.who(&member)?;
        self.view.profile_of(&who, None)
    }
}

impl Iterator for Profiles<'_> {
    type Item = Result<Profile>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let next = self.next_profile().transpose();
        self.is_done = !matches!(next, Some(Ok(_)));
        next
    }
}

impl View {
    /// The profiles of all persons of the project, each once by its canonical id: users by their ids and then devices
    /// by theirs, in byte order.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`](crate::Error::Corrupt) where a file of profiles is damaged, and the log that it was made of is too; later damage
    /// is an item.
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
    /// for profile in store.project(project).view()?.profiles()? {
    ///     assert_eq!(profile?.id(), "u_1");
    /// }
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn profiles(&self) -> Result<Profiles<'_>> {
        let pinned = self.pinned();
        let rows = pinned.snapshot.profiles.rows(pinned.project_id, None)?;
        Ok(Profiles { view: self, rows, graph: self.graph(), is_done: false })
    }

    /// The names of the traits in use, in byte order, and what kinds of values they have. It reads all profiles.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`](crate::Error::Corrupt) where a file of profiles is damaged, and the log that it was made of is too.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Kind, Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// store.scope(org, project, "billing").identify("u_1").set("seats", 5).append()?;
    ///
    /// let traits = store.project(project).view()?.traits()?;
    /// assert_eq!((traits[0].name.as_str(), traits[0].kinds.as_slice()), ("seats", &[Kind::Number][..]));
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn traits(&self) -> Result<Vec<TraitName>> {
        trait_names(self.profiles()?)
    }

    /// All profiles as one JSON text that depends on the events alone and not on how they arrived.
    ///
    /// It is a list with one profile a line: person, members, state, and each trait with its value and the time of
    /// the event that set it; neither seqs nor times of receipt.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`](crate::Error::Corrupt) where a file of profiles is damaged, and the log that it was made of is too.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{DateTime, Envelope, Store, Uuid};
    /// # let directory = tempfile::tempdir().unwrap();
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// let identify = |second: i64, plan: &str| {
    ///     let at = DateTime::from_timestamp(1_710_325_274 + second, 0).unwrap();
    ///     Envelope::new(org, project, "profiles", "identify").user("u_1").at(at).with_trait("plan", plan)
    /// };
    /// let (one, other) = (Store::open(directory.path().join("one"))?, Store::open(directory.path().join("other"))?);
    /// one.append_batch([identify(0, "free"), identify(1, "pro")])?;
    /// other.append_batch([identify(1, "pro"), identify(0, "free"), identify(1, "pro")])?;
    ///
    /// let json = one.project(project).view()?.profiles_canonical_json()?;
    /// assert!(json.contains(r#""plan":{"value":"pro","#));
    /// assert_eq!(json, other.project(project).view()?.profiles_canonical_json()?);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn profiles_canonical_json(&self) -> Result<String> {
        canonical_json(self.profiles()?)
    }
}
