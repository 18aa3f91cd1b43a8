//! The events of one person in (timestamp, seq) order.

mod merge;

use std::fmt;
use std::iter::FusedIterator;
use std::sync::Arc;

use self::merge::{Bounds, Merge};
use super::events::Reading;
use super::question::Query;
use super::token::PageToken;
use crate::envelope::fact::MemberKind;
use crate::envelope::time;
use crate::error::{Error, Result};
use crate::identity::{self, MemberId, Scope};
use crate::index::{IdHash, IdKind, TimeRange, id_hash};
use crate::profile::PersonRef;
use crate::store::event::EventRef;
use crate::store::handle::{Pinned, SegmentView};
use crate::store::people::member_of;
use crate::store::view::{Activity, View};
use crate::types::Nanos;

/// One id whose events a timeline has.
#[derive(Clone)]
pub(super) struct Member {
    pub(super) kind: IdKind,
    pub(super) hash: IdHash,
    id: Arc<str>,
    reach: Reach,
}

/// Which of the events that have an id.
#[derive(Debug, Clone)]
pub(super) enum Reach {
    /// Those that are the id's own: of a device, those without a user; at the times of the scope.
    Own(Scope),
    /// All that name it.
    Named,
}

impl Reach {
    /// Whether an event of a user is left out.
    #[inline]
    pub(super) const fn leaves_users_out(&self) -> bool {
        matches!(self, Self::Own(_))
    }

    #[inline]
    pub(super) fn contains(&self, time: Nanos) -> bool {
        match self {
            Self::Own(scope) => scope.contains(time),
            Self::Named => true,
        }
    }
}

impl Member {
    fn new(pinned: &Pinned, id: &MemberId, reach: Reach) -> Self {
        let kind = match id.kind {
            MemberKind::User => IdKind::User,
            MemberKind::Anonymous => IdKind::Device,
        };
        let hash = id_hash(&pinned.snapshot.hash_key, &pinned.project_id, kind, &id.id);
        Self { kind, hash, id: Arc::clone(&id.id), reach }
    }

    pub(super) const fn reach(&self) -> &Reach {
        &self.reach
    }

    /// Whether an event has this id: hashes of two ids may be equal.
    #[inline]
    fn owns(&self, event: &EventRef<'_>) -> bool {
        let is_named = match self.kind {
            IdKind::User => event.user_id() == Some(&*self.id),
            IdKind::Device => {
                event.anonymous_id() == Some(&*self.id)
                    && !(self.reach.leaves_users_out() && event.user_id().is_some())
            }
        };
        is_named && self.reach.contains(event.timestamp_nanos())
    }
}

/// Whose events a timeline has.
#[derive(Clone)]
enum Subject {
    /// Those of the person whom the id names, which is found out when the answer is taken.
    Person(MemberId),
    /// Those of one id.
    Id(MemberId, Reach),
}

/// The timeline of a person, begun by [`View::timeline`]: oldest first unless it is turned around.
///
/// A user's timeline has the events with that `userId`; a device's those with that `anonymousId` and no user.
/// [`EventRef::person`] says of each event which of the person's ids it came from. Conditions are as those of an
/// [`EventQuery`](super::EventQuery).
///
/// # Examples
///
/// ```
/// use envelog::{PersonRef, Store, Uuid};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = Store::in_memory()?;
/// let shop = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing");
/// // What happened first may be told last.
/// shop.track("order.paid").user("u_1").at("2026-03-01T12:05:00Z".parse()?).append()?;
/// shop.track("order.placed").user("u_1").at("2026-03-01T12:00:00Z".parse()?).append()?;
/// shop.track("page.viewed").anonymous("d_1").append()?;
///
/// let view = store.project(Uuid::from_u128(2)).view()?;
/// let mut types = Vec::new();
/// for event in view.timeline("u_1") {
///     types.push(event?.event_type().to_owned());
/// }
/// assert_eq!(types, ["order.placed", "order.paid"]);
/// assert_eq!(view.timeline(PersonRef::Anonymous("d_1")).iter().count(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "a question is asked when its answer is taken"]
pub struct Timeline<'v> {
    view: &'v View,
    subject: Subject,
    pub(super) query: Query,
    after: Option<PageToken>,
}

impl<'v> Timeline<'v> {
    pub(in crate::store) fn new(view: &'v View, person: PersonRef<'_>) -> Self {
        Self::of(view, Subject::Person(member_of(person)))
    }

    /// The events of one id alone, whoever it belongs to.
    pub(in crate::store) fn alone(view: &'v View, id: &MemberId) -> Self {
        Self::of(view, Subject::Id(id.clone(), Reach::Own(Scope::All)))
    }

    /// The events that name an id, of a device those of users included.
    pub(in crate::store) fn with_users(view: &'v View, id: &MemberId) -> Self {
        Self::of(view, Subject::Id(id.clone(), Reach::Named))
    }

    /// Keeps events up to and with a time.
    pub(in crate::store) fn up_to(mut self, time: Option<Nanos>) -> Self {
        if let Some(time) = time {
            self.query.filter.times.max = self.query.filter.times.max.min(time);
        }
        self
    }

    fn of(view: &'v View, subject: Subject) -> Self {
        Self { view, subject, query: Query::default(), after: None }
    }

    /// The ids whose events are asked for.
    fn members(&self) -> Result<Vec<Member>> {
        let pinned = self.view.pinned();
        Ok(match &self.subject {
            Subject::Id(id, reach) => vec![Member::new(pinned, id, reach.clone())],
            Subject::Person(id) => {
                let who = self.view.who(id)?;
                let reach = |member: &identity::Member| Reach::Own(member.scope.clone());
                who.members.iter().map(|member| Member::new(pinned, &member.id, reach(member))).collect()
            }
        })
    }

    super::builder::conditions!(query);

    /// Takes all conditions, the direction and the limit from a query that is kept, in place of those so far.
    ///
    /// They narrow the person's timeline: a query for a user or a device keeps those of the person's events that have
    /// that id as well, and one for a range of seqs those in it.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Query, Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let shop = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing");
    /// shop.track("order.placed").user("u_1").append()?;
    /// shop.track("order.paid").user("u_1").append()?;
    ///
    /// let latest = Query::new().type_prefix("order.").newest_first().limit(1);
    /// let view = store.project(Uuid::from_u128(2)).view()?;
    /// let event = view.timeline("u_1").matching(&latest).iter().next().expect("two events")?;
    /// assert_eq!(event.event_type(), "order.paid");
    /// # Ok::<(), envelog::Error>(())
    /// ```
    #[must_use = "a question is asked when its answer is taken"]
    pub fn matching(mut self, query: &Query) -> Self {
        self.query = query.clone();
        self
    }

    /// Turns the order around: the greatest (timestamp, seq) first. With [`after`](Self::after) the page decides.
    #[must_use = "a question is asked when its answer is taken"]
    pub fn newest_first(mut self) -> Self {
        self.query.newest_first = true;
        self
    }

    /// Goes on where a page ended, in that page's direction.
    #[must_use = "a question is asked when its answer is taken"]
    pub fn after(mut self, token: PageToken) -> Self {
        self.after = Some(token);
        self
    }

    fn is_newest_first(&self) -> bool {
        self.after.map_or(self.query.newest_first, |token| token.newest_first)
    }

    /// The events, lazily and from either end.
    pub fn iter(&self) -> TimelineEvents<'v> {
        let pinned = self.view.pinned();
        let bounds = Bounds::new(self.query.filter.times, self.after);
        let (members, error) = match self.members() {
            Ok(members) => (members, None),
            Err(error) => (Vec::new(), Some(Box::new(error))),
        };
        let merge = Merge::new(pinned, members, self.query.filter.clone(), bounds);
        TimelineEvents {
            error,
            reading: Reading::new(pinned, merge, self.is_newest_first(), self.query.limit),
            newest_first: self.is_newest_first(),
            passed: self.after,
        }
    }

    /// First and last time and number of all events of the members.
    pub(in crate::store) fn activity(&self) -> Result<Option<Activity>> {
        let mut events = 0u64;
        let mut all: Option<TimeRange> = None;
        let mut add = |count: u32, times: TimeRange| {
            events += u64::from(count);
            let all = all.get_or_insert(times);
            all.min = all.min.min(times.min);
            all.max = all.max.max(times.max);
        };
        let members = self.members()?;
        for segment in self.view.pinned().segments() {
            self.add_activity(segment, &members, &mut add)?;
        }
        Ok(all.map(|all| Activity {
            first: time::to_datetime(all.min),
            last: time::to_datetime(all.max),
            events,
        }))
    }

    fn add_activity(
        &self,
        segment: SegmentView<'_>,
        members: &[Member],
        add: &mut impl FnMut(u32, TimeRange),
    ) -> Result<()> {
        let index = segment.index;
        let Some(project) = index.project(&self.view.pinned().project_id)? else { return Ok(()) };
        for Member { kind, hash, reach, .. } in members {
            let Some(id) = index.id_no(project, *kind, *hash)? else { continue };
            match kind {
                IdKind::User => {
                    if let Some(summary) = index.id_summary(*kind, id)? {
                        add(summary.count, summary.times);
                    }
                }
                IdKind::Device => {
                    for posting in index.postings_of(*kind, id)? {
                        let posting = posting?;
                        if reach.contains(posting.timestamp)
                            && index.id_of(IdKind::User, posting.ordinal)?.is_none()
                        {
                            add(1, TimeRange { min: posting.timestamp, max: posting.timestamp });
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

super::builder::into_iterator!(Timeline gives TimelineEvents);

impl fmt::Debug for Timeline<'_> {
    /// Shows no id.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeline").field("query", &self.query).finish_non_exhaustive()
    }
}

/// The events of a timeline; made by [`Timeline::iter`].
///
/// Lazy, double-ended and fused. What cannot be read is an item of its own, [`Error::Corrupt`],
/// and the iterator goes on behind it. A range of the log that was set aside has no time and is passed over.
///
/// # Examples
///
/// ```
/// use envelog::{Store, Uuid};
///
/// let store = Store::in_memory()?;
/// let shop = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing");
/// for event_type in ["order.placed", "order.paid", "order.shipped"] {
///     shop.track(event_type).user("u_1").append()?;
/// }
///
/// let view = store.project(Uuid::from_u128(2)).view()?;
/// let mut page = view.timeline("u_1").limit(2).iter();
/// assert_eq!(page.by_ref().count(), 2);
/// let token = page.page_token().expect("there were events");
/// let mut rest = view.timeline("u_1").after(token).iter();
/// assert_eq!(rest.next().expect("one more")?.event_type(), "order.shipped");
/// assert!(rest.next().is_none());
/// # Ok::<(), envelog::Error>(())
/// ```
#[must_use = "the iterator is lazy, and reads nothing before it is asked"]
pub struct TimelineEvents<'v> {
    /// What finding out whose events they are came to; the first item.
    error: Option<Box<Error>>,
    reading: Reading<'v, Merge<'v>>,
    newest_first: bool,
    passed: Option<PageToken>,
}

impl TimelineEvents<'_> {
    /// Where the events that `next` returned end, for [`Timeline::after`] of the next page; `None` before the first
    /// of all.
    pub const fn page_token(&self) -> Option<PageToken> {
        self.passed
    }
}

impl<'v> Iterator for TimelineEvents<'v> {
    type Item = Result<EventRef<'v>>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.error.take() {
            return Some(Err(*error));
        }
        let item = self.reading.next()?;
        if let Ok(event) = &item {
            let (timestamp, seq) = (event.timestamp_nanos(), event.seq());
            self.passed = Some(PageToken { timestamp, seq, newest_first: self.newest_first });
        }
        Some(item)
    }
}

impl DoubleEndedIterator for TimelineEvents<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.error.take() {
            return Some(Err(*error));
        }
        self.reading.next_back()
    }
}

impl FusedIterator for TimelineEvents<'_> {}

impl fmt::Debug for TimelineEvents<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimelineEvents").finish_non_exhaustive()
    }
}
