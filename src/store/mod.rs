//! The store: everything below, composed.
//!
//! Lock order: the log's (`sync`, `flush`, `stage`) before `profiles` before `segments`. The sealer takes none of the
//! log's locks, so that a writer that holds them may wait for it. The runs of message ids have a lock of their own, and
//! no other is taken while it is held.

mod ack;
mod append;
mod batch;
mod check;
mod decide;
mod derive;
mod drafts;
mod event;
mod fold;
mod handle;
mod once;
mod open;
mod options;
mod people;
mod positions;
mod project;
mod query;
mod repeats;
mod scope;
mod seal;
mod segments;
mod shelf;
mod state;
mod stats;
mod verify;
mod view;
mod writer;

use std::ops::RangeInclusive;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::path::Path;
use std::sync::Arc;

use uuid::Uuid;

use self::state::ReadState;
use self::writer::Writer;
use crate::error::Result;
use crate::log::RecoveryReport;
use crate::log::manifest_file::ManifestFile;
use crate::storage::{Disk, Lock};
use crate::types::Seq;

pub use ack::Ack;
pub use append::Ticket;
pub use batch::{Batch, CursorKey};
pub use check::Checker;
pub use event::{Event, EventRef};
pub use options::Options;
pub use people::{
    Alias, Explanation, IdentityConflict, PersonId, Profiles, Reason, SignInAnonymously, SignUp, SignedIn,
    TraitChange, Unlink,
};
pub use project::Project;
pub use query::{
    Bucket, Condition, EventQuery, Events, Grouped, PageToken, Period, PropertyQuery, Query, Sum, Timeline,
    TimelineEvents,
};
pub use repeats::{Dedupe, OnIdConflict};
pub use scope::{Identify, Scope, Track};
pub use segments::SegmentStats;
pub use stats::Stats;
pub use verify::{Finding, Severity, VerifyLevel, VerifyReport};
pub use view::{Activity, NameCount, View};

/// An open store. Cheap to clone; all clones are the same store, and the last one to go closes it.
///
/// # Examples
///
/// ```
/// use envelog::{Store, Uuid};
///
/// # fn main() -> envelog::Result<()> {
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("data");
/// let store = Store::open(&path)?;
/// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
/// store.scope(org, project, "billing").track("order.placed").user("u_1").append()?;
/// assert_eq!(store.project(project).view()?.events().of_type("order.placed").count()?, 1);
/// store.close()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

// A panic in one of the store's own calls poisons it or leaves it whole, so that none is seen halfway.
impl UnwindSafe for Store {}
impl RefUnwindSafe for Store {}

struct Inner {
    state: Arc<ReadState>,
    disk: Arc<dyn Disk>,
    report: RecoveryReport,
    writer: Option<Writer>,
    manifest: Arc<ManifestFile>,
    /// A reader's lock; a writer's is with its log.
    _lock: Option<Lock>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("path", &self.disk.describe()).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the store in a directory for writing with the default [`Options`], or makes one there.
    ///
    /// # Errors
    ///
    /// As [`Options::open`].
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Store, Uuid};
    ///
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("data");
    /// let store = Store::open(&path)?;
    /// store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing").track("order.placed").append()?;
    /// store.close()?;
    ///
    /// let store = Store::open(&path)?;
    /// assert_eq!(store.stats()?.events, 1);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Options::new().open(path)
    }

    /// Opens the store in a directory for reading; no file is changed.
    ///
    /// # Errors
    ///
    /// As [`Options::open_read_only`].
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Error, Store, Uuid};
    ///
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("data");
    /// Store::open(&path)?.close()?;
    ///
    /// let store = Store::open_read_only(&path)?;
    /// assert!(store.projects()?.is_empty());
    /// let shop = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing");
    /// assert!(matches!(shop.track("order.placed").append(), Err(Error::ReadOnly)));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn open_read_only(path: impl AsRef<Path>) -> Result<Self> {
        Options::new().open_read_only(path)
    }

    /// Opens a new store that is in memory only, with the default [`Options`]: for the tests of a host, and for what need
    /// not be kept.
    ///
    /// It is a store like any other, with segments that are sealed, indexes and profiles, but that no file is made, no
    /// disk is waited for, and all of it is gone with the last clone of the handle and the last view. Stores in memory
    /// have nothing to do with each other. An empty one takes well under a millisecond to open and some 300 KiB.
    ///
    /// # Errors
    ///
    /// As [`Options::open_in_memory`].
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Store, Uuid};
    ///
    /// # fn main() -> envelog::Result<()> {
    /// let store = Store::in_memory()?;
    /// store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing").track("order.placed").append()?;
    /// assert_eq!(store.project(Uuid::from_u128(2)).view()?.events().count()?, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn in_memory() -> Result<Self> {
        Options::new().open_in_memory()
    }

    /// What opening found and did.
    ///
    /// # Examples
    ///
    /// ```
    /// let store = envelog::Store::in_memory()?;
    /// assert!(store.recovery().created && store.recovery().clean);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn recovery(&self) -> &RecoveryReport {
        &self.inner.report
    }

    /// Ranges of seqs that are missing, in order: they were damaged, and this opening or an earlier one set them aside.
    /// Damage that reading finds in a sealed segment is told by the read, and is not among them.
    ///
    /// Events in them are in no answer; [`EventQuery::iter`](crate::EventQuery::iter) gives [`Error::Gap`](crate::Error::Gap) where it
    /// crosses one. It is empty for a store that nothing ever damaged;
    /// [`OnCorruption::Quarantine`](crate::OnCorruption::Quarantine) has an example of one that is not.
    pub fn gaps(&self) -> Vec<RangeInclusive<Seq>> {
        self.inner.state.gaps.iter().map(|gap| gap.from..=gap.to).collect()
    }

    /// The writing side for one module of a host.
    pub fn scope(&self, org_id: Uuid, project_id: Uuid, module: &str) -> Scope {
        Scope::new(self.clone(), org_id, project_id, module)
    }

    /// The reading side: one project.
    pub fn project(&self, project_id: Uuid) -> Project {
        let source: Arc<ReadState> = Arc::clone(&self.inner.state);
        Project::new(source, project_id)
    }

    /// The projects that have events, in the order of their ids.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`](crate::Error::Corrupt) where an index is damaged together with the segment it is of, and [`Error::Io`](crate::Error::Io).
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// assert!(store.projects()?.is_empty());
    /// store.scope(org, project, "billing").track("order.placed").append()?;
    /// assert_eq!(store.projects()?, [project]);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn projects(&self) -> Result<Vec<Uuid>> {
        self.inner.state.projects()
    }

    /// The state that a cursor was last set to, by the last batch that is committed; `None` where it never was.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`](crate::Error::Corrupt) where a profile run is damaged together with the log it is of, and [`Error::Io`](crate::Error::Io).
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{CursorKey, Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let key = CursorKey::Project(Uuid::from_u128(2), "import");
    /// assert_eq!(store.cursor(key)?, None);
    ///
    /// let mut batch = store.batch();
    /// batch.set_cursor(key, b"line 1")?;
    /// batch.commit()?;
    /// assert_eq!(store.cursor(key)?.as_deref(), Some(&b"line 1"[..]));
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn cursor(&self, key: CursorKey<'_>) -> Result<Option<Vec<u8>>> {
        let profiles = self.inner.state.profiles.lock().clone();
        Ok(profiles.cursor(key.keys())?.map(|(_, state)| state))
    }
}
