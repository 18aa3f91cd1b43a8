//! A moment of one project, held still.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use hashbrown::HashMap;

use super::event::EventRef;
use super::handle::{Pinned, SegmentView, Snapshot};
use super::query::{EventQuery, Query, Timeline};
use crate::envelope::time;
use crate::error::{Error, Result};
use crate::format::manifest::{epoch_of, taken_back};
use crate::index::{IdHash, IdKind, NameSummary, TimeRange};
use crate::profile::PersonRef;
use crate::types::{Ordinal, Position, Seq};

/// A moment of one project: all answers from one view agree with each other, whatever is appended meanwhile.
///
/// Taking and cloning one is cheap. A view keeps what it reads from being removed, so hold it for a question or a
/// report and not for good.
///
/// Where an index or a file of profiles turns out to be damaged, the read that meets it makes it anew from the log,
/// which takes as long as reading the segments that it is of, and every view goes on with the new one, also views
/// that were taken before and views that outlive the store. [`Error::Corrupt`] is what is left where the log is
/// damaged too.
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
/// let view = store.project(project).view()?;
/// shop.track("order.paid").user("u_1").append()?;
/// // What came after it is not in the view, in no answer of it.
/// assert_eq!(view.events().count()?, 2);
/// assert_eq!(view.timeline("u_1").iter().count(), 2);
/// assert_eq!(view.event_types()?.len(), 2);
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct View {
    pinned: Arc<Pinned>,
}

/// The events of one event type or of one module; given by [`View::event_types`] and [`View::modules`].
///
/// # Examples
///
/// ```
/// use envelog::{DateTime, Store, Uuid};
///
/// let store = Store::in_memory()?;
/// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
/// let noon = DateTime::from_timestamp(1_710_331_200, 0).unwrap();
/// store.scope(org, project, "billing").track("order.placed").user("u_1").at(noon).append()?;
///
/// let placed = store.project(project).event_types()?.remove(0);
/// assert_eq!((placed.name.as_str(), placed.events), ("order.placed", 1));
/// assert_eq!((placed.first, placed.last), (noon, noon));
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NameCount {
    /// The name of the type or module.
    pub name: String,
    /// How many events there are.
    pub events: u64,
    /// The least timestamp of them.
    pub first: DateTime<Utc>,
    /// The greatest timestamp of them.
    pub last: DateTime<Utc>,
}

/// What a person did, in numbers; given by [`View::activity`].
///
/// # Examples
///
/// ```
/// use envelog::{DateTime, Store, Uuid};
///
/// let store = Store::in_memory()?;
/// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
/// let noon = DateTime::from_timestamp(1_710_331_200, 0).unwrap();
/// store.scope(org, project, "billing").track("order.placed").user("u_1").at(noon).append()?;
///
/// let activity = store.project(project).activity("u_1")?.expect("one event");
/// assert_eq!((activity.first, activity.last, activity.events), (noon, noon, 1));
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Activity {
    /// The least timestamp of the person's events.
    pub first: DateTime<Utc>,
    /// The greatest timestamp of the person's events.
    pub last: DateTime<Utc>,
    /// How many events the person's timeline has.
    pub events: u64,
}

// What a view shows never changes, and what it caches is stored whole.
impl std::panic::UnwindSafe for View {}
impl std::panic::RefUnwindSafe for View {}

impl View {
    pub(crate) fn new(snapshot: Snapshot, project_id: [u8; 16]) -> Self {
        Self { pinned: Arc::new(Pinned::new(snapshot, project_id)) }
    }

    pub(crate) fn pinned(&self) -> &Pinned {
        &self.pinned
    }

    /// The last seq of the whole store that the view sees; 0 where the store had no frame.
    pub fn visible(&self) -> Seq {
        self.pinned.snapshot.visible
    }

    /// Begins a question about events; they come in seq order.
    pub fn events(&self) -> EventQuery<'_> {
        EventQuery::new(self, Query::default())
    }

    /// Asks a question that is kept as plain data; more conditions may be added to it here.
    pub fn query(&self, query: &Query) -> EventQuery<'_> {
        EventQuery::new(self, query.clone())
    }

    /// Begins the timeline of a person: its events in (timestamp, seq) order. A `&str` is a user's id; for a device
    /// say [`PersonRef::Anonymous`].
    pub fn timeline<'p>(&self, person: impl Into<PersonRef<'p>>) -> Timeline<'_> {
        Timeline::new(self, person.into())
    }

    /// First and last time and number of the events of a person's timeline; `None` if there are none.
    ///
    /// For a user it is answered by the index, which knows ids by keyed hashes of 64 bits (SipHash-2-4): events of
    /// another user with the same hash would count.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] where an index is damaged, and the log that it was made of is too.
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
    /// let view = store.project(project).view()?;
    /// assert_eq!(view.activity("u_1")?.map(|activity| activity.events), Some(1));
    /// assert_eq!(view.activity("u_2")?, None);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn activity<'p>(&self, person: impl Into<PersonRef<'p>>) -> Result<Option<Activity>> {
        self.timeline(person).activity()
    }

    /// The event at a position; `None` if none of this project is there, or it came after the view.
    ///
    /// # Errors
    ///
    /// [`Error::TakenBack`] where the position is of an epoch that ended before it, [`Error::Gap`] where the event
    /// was damaged and set aside, and [`Error::Corrupt`] where it is damaged.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// let shop = store.scope(org, project, "billing");
    /// let placed = shop.track("order.placed").user("u_1").append()?;
    /// let view = store.project(project).view()?;
    /// let paid = shop.track("order.paid").user("u_1").append()?;
    ///
    /// assert_eq!(view.get(placed.position)?.unwrap().event_type(), "order.placed");
    /// assert!(view.get(paid.position)?.is_none());
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn get(&self, position: Position) -> Result<Option<EventRef<'_>>> {
        let Position { seq, epoch } = position;
        let snapshot = &self.pinned.snapshot;
        let now = epoch_of(&snapshot.epochs, seq);
        if epoch != now {
            return match taken_back(&snapshot.epochs, epoch, seq) {
                Some(from) => Err(Error::TakenBack { from, to: seq }),
                None => Ok(None),
            };
        }
        if let Some(gap) = snapshot.gaps.iter().find(|gap| gap.from <= seq && seq <= gap.to) {
            return Err(Error::Gap { from: gap.from, to: gap.to });
        }
        if seq > snapshot.visible {
            return Ok(None);
        }
        let Some(at) = snapshot.segments.begun_by(seq).checked_sub(1) else { return Ok(None) };
        let Some(segment) = self.pinned.segment(at) else { return Ok(None) };
        match segment.handle.segment.ordinal_of(seq) {
            Some(ordinal) if ordinal.get() < segment.index.frames() => {
                let event = self.read(segment, ordinal)?;
                Ok(event.filter(|event| event.keys().project_id == self.pinned.project_id))
            }
            _ => Ok(None),
        }
    }

    fn read<'v>(&'v self, segment: SegmentView<'v>, ordinal: Ordinal) -> Result<Option<EventRef<'v>>> {
        let offset = segment.index.offset(ordinal)?;
        EventRef::read(segment.handle, &self.pinned.snapshot.epochs, ordinal, offset)
    }

    /// The event types in use, by name in byte order, from the index alone.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] where an index is damaged, and the log that it was made of is too.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// store.scope(org, project, "billing").track("order.placed").append()?;
    ///
    /// let types = store.project(project).view()?.event_types()?;
    /// assert_eq!((types[0].name.as_str(), types[0].events), ("order.placed", 1));
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn event_types(&self) -> Result<Vec<NameCount>> {
        self.names(|segment, names| {
            if let Some(project) = segment.index.project(&self.pinned.project_id)? {
                segment.index.types(project)?.iter().for_each(|each| add_name(names, each));
            }
            Ok(())
        })
    }

    /// The modules in use, by name in byte order, from the index alone.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] where an index is damaged, and the log that it was made of is too.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// store.scope(org, project, "billing").track("order.placed").append()?;
    ///
    /// let modules = store.project(project).view()?.modules()?;
    /// assert_eq!((modules[0].name.as_str(), modules[0].events), ("billing", 1));
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn modules(&self) -> Result<Vec<NameCount>> {
        self.names(|segment, names| {
            if let Some(project) = segment.index.project(&self.pinned.project_id)? {
                segment.index.modules(project)?.iter().for_each(|each| add_name(names, each));
            }
            Ok(())
        })
    }

    fn names(
        &self,
        add: impl Fn(SegmentView<'_>, &mut BTreeMap<Box<str>, (u64, TimeRange)>) -> Result<()>,
    ) -> Result<Vec<NameCount>> {
        let mut names = BTreeMap::new();
        self.pinned.segments().try_for_each(|segment| add(segment, &mut names))?;
        let named = names.into_iter().map(|(name, (events, times))| NameCount {
            name: name.into_string(),
            events,
            first: time::to_datetime(times.min),
            last: time::to_datetime(times.max),
        });
        Ok(named.collect())
    }

    /// The ids of all users that have events, in an order of their own that stays the same.
    ///
    /// They are found in the indexes by their keyed hashes of 64 bits (SipHash-2-4); their text is read from a record
    /// of each.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] where an index is damaged, and the log that it was made of is too; a damaged record is an
    /// item.
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
    /// let view = store.project(project).view()?;
    /// assert_eq!(view.users()?.collect::<envelog::Result<Vec<_>>>()?, ["u_1"]);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn users(&self) -> Result<impl ExactSizeIterator<Item = Result<&str>>> {
        let mut users: HashMap<IdHash, (u32, Ordinal)> = HashMap::new();
        for at in 0..self.pinned.len() {
            let Some(segment) = self.pinned.segment(at) else { continue };
            let Some(project) = segment.index.project(&self.pinned.project_id)? else { continue };
            for user in segment.index.ids(project, IdKind::User)? {
                let user = user?;
                users.insert(user.hash, (at, user.last));
            }
        }
        let mut users: Vec<_> = users.into_iter().collect();
        users.sort_unstable_by_key(|(hash, _)| *hash);
        Ok(users.into_iter().map(|(_, (at, ordinal))| {
            let event = match self.pinned.segment(at) {
                Some(segment) => self.read(segment, ordinal)?,
                None => None,
            };
            Ok(event.and_then(|event| event.user_id()).unwrap_or_default())
        }))
    }
}

fn add_name<No>(names: &mut BTreeMap<Box<str>, (u64, TimeRange)>, summary: &NameSummary<No>) {
    let (events, times) = names.entry(summary.name.clone()).or_insert((0, summary.times));
    *events += u64::from(summary.count);
    times.min = times.min.min(summary.times.min);
    times.max = times.max.max(summary.times.max);
}
