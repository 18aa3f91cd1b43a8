//! The store: everything below, composed.
//!
//! Lock order: the log's (`sync`, `flush`, `stage`) before `profiles` before `segments`. The sealer takes none of the
//! log's locks, so that a writer that holds them may wait for it.

mod ack;
mod append;
mod batch;
mod check;
mod derive;
mod drafts;
mod event;
mod fold;
mod handle;
mod open;
mod options;
mod project;
mod query;
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
use std::time::Duration;

use uuid::Uuid;

use self::state::ReadState;
use self::writer::Writer;
use crate::error::{Error, Result};
use crate::format::manifest::{epoch_of, taken_back};
use crate::log::RecoveryReport;
use crate::log::manifest_file::ManifestFile;
use crate::storage::{Disk, Lock};
use crate::types::{Position, Seq};

pub use ack::Ack;
pub use append::Ticket;
pub use batch::{Batch, CursorKey};
pub use check::Checker;
pub use event::{Event, EventRef};
pub use options::Options;
pub use project::Project;
pub use query::{
    Bucket, Condition, EventQuery, Events, Grouped, PageToken, Period, PropertyQuery, Query, Sum, Timeline,
    TimelineEvents,
};
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
    /// Events in them are in no answer; [`EventQuery::iter`](crate::EventQuery::iter) gives [`Error::Gap`] where it
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
    /// [`Error::Corrupt`] where an index is damaged together with the segment it is of, and [`Error::Io`].
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
    /// [`Error::Corrupt`] where a profile run is damaged together with the log it is of, and [`Error::Io`].
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

    /// The last seq that is visible to queries; 0 in a store where nothing was ever stored.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Seq, Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// assert_eq!(store.visible(), Seq::ZERO);
    /// let shop = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing");
    /// let ack = shop.track("order.placed").append()?;
    /// assert_eq!(store.visible(), ack.position.seq);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn visible(&self) -> Seq {
        self.inner.state.marks.visible()
    }

    /// The last seq that survives a power loss; everything up to it does. It never goes back.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Store, Uuid};
    ///
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("data");
    /// // The default level waits for the disk.
    /// let store = Store::open(path)?;
    /// let shop = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing");
    /// let ack = shop.track("order.placed").append()?;
    /// assert_eq!(store.durable(), ack.position.seq);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn durable(&self) -> Seq {
        self.inner.state.marks.durable()
    }

    /// Waits until an event behind `after` is visible, and returns the last visible seq; or the same once `timeout` is
    /// over, whatever is there.
    ///
    /// For a thread that follows the log in this process: it reads what is there, then waits behind what it has read.
    /// Cursors and the store's own frames wake nobody. A write of another process is never seen.
    ///
    /// # Errors
    ///
    /// Where an event behind `after` is visible there is none. Else, where none will ever come: [`Error::Closed`] once
    /// the store is closed, [`Error::Poisoned`], and [`Error::ReadOnly`] for a store that was opened for reading.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use envelog::{Error, Query, Seq, Store, Uuid};
    ///
    /// # fn main() -> envelog::Result<()> {
    /// let store = Store::in_memory()?;
    /// let project = store.project(Uuid::from_u128(2));
    /// let follower = std::thread::spawn({
    ///     let store = store.clone();
    ///     move || {
    ///         let (mut seen, mut events) = (Seq::ZERO, 0);
    ///         loop {
    ///             seen = match store.wait_visible(seen, Duration::from_mins(1)) {
    ///                 Ok(visible) => {
    ///                     let fresh = Query::new().seq_range(seen.next()..visible.next());
    ///                     events += project.view()?.query(&fresh).count()?;
    ///                     visible
    ///                 }
    ///                 Err(Error::Closed) => return Ok(events),
    ///                 Err(error) => return Err(error),
    ///             };
    ///         }
    ///     }
    /// });
    /// for _ in 0..10 {
    ///     store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing").track("order.placed").append()?;
    /// }
    /// store.close()?;
    /// assert_eq!(follower.join().unwrap()?, 10);
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait_visible(&self, after: Seq, timeout: Duration) -> Result<Seq> {
        if self.inner.writer.is_none() {
            let visible = self.visible();
            return if visible > after { Ok(visible) } else { Err(Error::ReadOnly) };
        }
        self.inner.state.marks.wait_visible(after, timeout)
    }

    /// Waits until an event survives a power loss, syncing if nothing else would.
    ///
    /// # Errors
    ///
    /// [`Error::SyncFailed`], after which the store takes no more appends; [`Error::Poisoned`]; [`Error::ReadOnly`];
    /// [`Error::Closed`] for an event that closing could not make durable; [`Error::TakenBack`] for one that an unclean
    /// end has lost, [`Error::Invalid`] for one that is not there.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Durability, Options, Uuid};
    ///
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("data");
    /// let store = Options::new().durability(Durability::Buffered).open(path)?;
    /// let shop = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing");
    /// shop.track("page.viewed").user("u_1").append()?;
    /// // This one must not be lost, and all before it survives with it.
    /// let ack = shop.track("order.placed").user("u_1").append()?;
    /// store.wait_durable(ack.position)?;
    /// assert!(store.durable() >= ack.position.seq);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn wait_durable(&self, position: Position) -> Result<()> {
        let epochs = &self.inner.state.epochs;
        if epoch_of(epochs, position.seq) != position.epoch {
            return Err(match taken_back(epochs, position.epoch, position.seq) {
                Some(from) => Error::TakenBack { from, to: position.seq },
                None => Error::invalid("position", "no event ever stood there"),
            });
        }
        if self.durable() >= position.seq {
            return Ok(());
        }
        self.writer()?.log.sync()?;
        if position.seq > self.visible() {
            return Err(Error::invalid("position", "no event stands there yet"));
        }
        self.inner.state.marks.wait_durable(position.seq)
    }

    /// Makes everything that was appended before this call durable, and returns the last durable seq.
    ///
    /// # Errors
    ///
    /// [`Error::SyncFailed`], after which the store takes no more appends; [`Error::Poisoned`]; [`Error::ReadOnly`];
    /// [`Error::Closed`] where closing could not make everything durable.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Durability, Options, Uuid};
    ///
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("data");
    /// let store = Options::new().durability(Durability::Buffered).open(path)?;
    /// let shop = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing");
    /// let ack = shop.track("order.placed").user("u_1").append()?;
    /// assert_eq!(store.sync()?, ack.position.seq);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn sync(&self) -> Result<Seq> {
        self.writer()?.log.sync()
    }

    /// Waits until every full segment has its index and its profiles on the disk.
    ///
    /// # Errors
    ///
    /// The error that keeps a segment from being sealed; [`Error::ReadOnly`]; [`Error::Closed`] where the store was
    /// closed with segments left, which the next opening seals.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Options, Uuid};
    ///
    /// let store = Options::new().segment_bytes_max(1 << 20).open_in_memory()?;
    /// let shop = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing");
    /// for _ in 0..30 {
    ///     shop.track("note.saved").property("text", "x".repeat(50_000)).append()?;
    /// }
    /// store.wait_sealed()?;
    /// let stats = store.stats()?;
    /// assert_eq!(stats.unsealed_segments, 0);
    /// assert_eq!(stats.sealed_segments, stats.segments - 1);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn wait_sealed(&self) -> Result<()> {
        self.writer()?.queue.drain()
    }

    /// Takes no more appends, syncs and marks the end as clean; later appends on any clone give [`Error::Closed`].
    ///
    /// Where more than an eighth of [`segment_bytes_max`](Options::segment_bytes_max) was written since the last
    /// segment was full, that much is made a segment of its own and gets its index, so that the next opening has
    /// little to read. Where that fails, for want of room say, the store is closed without it.
    ///
    /// Views stay usable. A second call does nothing. Dropping the last clone does the same, without the error. A store
    /// that is open for reading has nothing to close: it keeps writers out until its last clone is dropped.
    ///
    /// # Errors
    ///
    /// [`Error::SyncFailed`], [`Error::NoSpace`], [`Error::Io`], and [`Error::Poisoned`] where the store stopped taking
    /// appends before; the next opening then recovers.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Error, Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let shop = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing");
    /// shop.track("order.placed").user("u_1").append()?;
    /// let view = store.project(Uuid::from_u128(2)).view()?;
    ///
    /// store.close()?;
    /// store.close()?;
    /// assert!(matches!(shop.track("order.paid").user("u_1").append(), Err(Error::Closed)));
    /// assert_eq!(view.events().count()?, 1);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn close(&self) -> Result<()> {
        match &self.inner.writer {
            Some(writer) => writer.close(),
            None => Ok(()),
        }
    }

    fn writer(&self) -> Result<&Writer> {
        self.inner.writer.as_ref().ok_or(Error::ReadOnly)
    }
}
