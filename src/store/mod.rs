//! The store: everything below, composed.
//!
//! Lock order: the log's (`sync`, `flush`, `stage`) before `profiles` before `segments`. The sealer takes none of the
//! log's locks, so that a writer that holds them may wait for it.

mod ack;
mod append;
mod batch;
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
mod shelf;
mod state;
mod stats;
mod view;
mod writer;

use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

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
pub use event::{Event, EventRef};
pub use options::Options;
pub use project::Project;
pub use query::{
    Bucket, Condition, EventQuery, Events, Grouped, PageToken, Period, PropertyQuery, Sum, Timeline,
    TimelineEvents,
};
pub use scope::{Identify, Scope, Track};
pub use stats::Stats;
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
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Options::new().open(path)
    }

    /// Opens the store in a directory for reading; no file is changed.
    ///
    /// # Errors
    ///
    /// As [`Options::open_read_only`].
    pub fn open_read_only(path: impl AsRef<Path>) -> Result<Self> {
        Options::new().open_read_only(path)
    }

    /// What opening found and did.
    pub fn recovery(&self) -> &RecoveryReport {
        &self.inner.report
    }

    /// Ranges of seqs that are missing, in order: they were damaged, and this opening or an earlier one set them aside.
    /// Damage that reading finds in a sealed segment is told by the read, and is not among them.
    ///
    /// Events in them are in no answer; [`EventQuery::iter`](crate::EventQuery::iter) gives
    /// [`Error::Gap`] where it crosses one. It is empty for
    /// a store that nothing ever damaged.
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
    /// Those of reading the indexes.
    pub fn projects(&self) -> Result<Vec<Uuid>> {
        self.inner.state.projects()
    }

    /// The state that a cursor was last set to; `None` where it never was.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] where a profile run is damaged.
    pub fn cursor(&self, key: CursorKey<'_>) -> Result<Option<Vec<u8>>> {
        let profiles = self.inner.state.profiles.lock().clone();
        Ok(profiles.cursor(key.keys())?.map(|(_, state)| state))
    }

    /// The last event that is visible to queries.
    pub fn visible(&self) -> Seq {
        self.inner.state.marks.visible()
    }

    /// The last event that survives a power loss.
    pub fn durable(&self) -> Seq {
        self.inner.state.marks.durable()
    }

    /// Waits until an event survives a power loss, syncing if nothing else would.
    ///
    /// # Errors
    ///
    /// [`Error::SyncFailed`], after which the store takes no more appends; [`Error::Poisoned`]; [`Error::ReadOnly`];
    /// [`Error::TakenBack`] for an event that an unclean end has lost, [`Error::Invalid`] for one that is not there.
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
    /// As [`Store::wait_durable`].
    pub fn sync(&self) -> Result<Seq> {
        self.writer()?.log.sync()
    }

    /// Waits until every full segment has its index and its profiles on the disk.
    ///
    /// # Errors
    ///
    /// The error that keeps a segment from being sealed; [`Error::ReadOnly`].
    pub fn wait_sealed(&self) -> Result<()> {
        self.writer()?.queue.drain()
    }

    /// Takes no more appends, syncs and marks the end as clean; later appends on any clone give [`Error::Closed`].
    ///
    /// Where more than an eighth of [`segment_bytes_max`](Options::segment_bytes_max) was written since the last
    /// segment was full, that much is made a segment of its own and gets its index, so that the next opening has
    /// little to read. Where that fails, for want of room say, the store is closed without it.
    ///
    /// Views stay usable. A second call does nothing. Dropping the last clone does the same, without the error.
    ///
    /// # Errors
    ///
    /// [`Error::SyncFailed`], [`Error::NoSpace`], [`Error::Io`], and [`Error::Poisoned`] where the store stopped taking
    /// appends before; the next opening then recovers.
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
