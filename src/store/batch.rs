//! Batches: events and cursors that are stored together or not at all.

use uuid::Uuid;

use super::Store;
use super::ack::Ack;
use super::append::fold_notes;
use super::drafts::Drafts;
use super::writer::Workspace;
use crate::envelope::{Accepted, Envelope};
use crate::error::{Error, Result};
use crate::format::cursor::CursorKeys;
use crate::types::{Nanos, Position};

/// Names a cursor: a small state that a consumer keeps in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CursorKey<'a> {
    /// A cursor of the whole store.
    Store(&'a str),
    /// A cursor of one project.
    Project(Uuid, &'a str),
}

impl<'a> CursorKey<'a> {
    pub(super) fn keys(self) -> CursorKeys<'a> {
        match self {
            Self::Store(name) => CursorKeys { project_id: None, name },
            Self::Project(project_id, name) => CursorKeys { project_id: Some(project_id.into_bytes()), name },
        }
    }
}

/// Events and cursors on their way into the log, stored together or not at all, also after a crash.
///
/// # Examples
///
/// ```
/// use envelog::{CursorKey, Envelope, Store, Uuid};
///
/// # fn main() -> envelog::Result<()> {
/// # let directory = tempfile::tempdir().unwrap();
/// let store = Store::open(directory.path().join("data"))?;
/// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
/// let mut batch = store.batch();
/// batch.push(&Envelope::new(org, project, "billing", "order.placed").user("u_1"))?;
/// batch.set_cursor(CursorKey::Project(project, "import"), b"line 1")?;
/// batch.commit()?;
/// assert_eq!(store.cursor(CursorKey::Project(project, "import"))?.as_deref(), Some(&b"line 1"[..]));
/// # Ok(())
/// # }
/// ```
pub struct Batch {
    store: Store,
    workspace: Option<Box<Workspace>>,
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batch").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl Batch {
    pub(super) fn new(store: Store) -> Self {
        let workspace = store.writer().ok().map(|writer| {
            let mut workspace = writer.workspace();
            workspace.drafts.clear();
            workspace
        });
        Self { store, workspace }
    }

    /// Checks an envelope and adds it. After an error the batch is as it was.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] and [`Error::TooLarge`] for an envelope that breaks a rule; [`Error::ReadOnly`].
    pub fn push(&mut self, envelope: &Envelope) -> Result<()> {
        self.push_with(|store, workspace, now| {
            let Workspace { scratch, accepted, .. } = workspace;
            store.writer()?.acceptor.accept_into(envelope, now, scratch, accepted)
        })
    }

    /// Checks an envelope given as JSON and adds it. After an error the batch is as it was.
    ///
    /// # Errors
    ///
    /// As [`Batch::push`].
    pub fn push_json(&mut self, json: &[u8]) -> Result<()> {
        self.push_with(|store, workspace, now| {
            let Workspace { scratch, accepted, .. } = workspace;
            store.writer()?.acceptor.accept_json_into(json, now, scratch, accepted)
        })
    }

    /// Adds an event that was accepted by this store before.
    ///
    /// # Errors
    ///
    /// [`Error::ReadOnly`]. Whether the project is another organisation's is known at the [`commit`](Self::commit).
    pub fn push_accepted(&mut self, accepted: &Accepted) -> Result<()> {
        self.drafts()?.push_event(accepted)
    }

    /// Adds a cursor's new state: it is visible and durable together with the events.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] for a state over 64 KiB, [`Error::Invalid`] for a name that is empty or too long;
    /// [`Error::ReadOnly`].
    pub fn set_cursor(&mut self, key: CursorKey<'_>, state: &[u8]) -> Result<()> {
        let limits = &self.store.writer()?.limits;
        let keys = key.keys();
        if state.len() > limits.cursor_state_bytes_max {
            return Err(Error::TooLarge {
                what: "a cursor's state",
                bytes: state.len() as u64,
                bytes_max: limits.cursor_state_bytes_max as u64,
            });
        }
        if keys.name.is_empty() || keys.name.len() > limits.cursor_name_bytes_max {
            let reason = format!("must have 1 to {} bytes", limits.cursor_name_bytes_max);
            return Err(Error::invalid("cursor.name", reason));
        }
        if keys.name.chars().any(char::is_control) {
            return Err(Error::invalid("cursor.name", "must not have control characters"));
        }
        self.drafts()?.push_cursor(keys, state)
    }

    /// Events and cursors in the batch.
    pub fn len(&self) -> usize {
        self.workspace.as_ref().map_or(0, |workspace| workspace.drafts.len())
    }

    /// Whether nothing is in the batch.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that the batch takes in the log, at least. A batch must fit into one segment.
    pub fn bytes(&self) -> usize {
        self.workspace.as_ref().map_or(0, |workspace| workspace.drafts.bytes())
    }

    /// Stores everything in the batch, and returns an answer for each event.
    ///
    /// When this returns, all of it is visible and survives what the durability level says.
    ///
    /// # Errors
    ///
    /// As [`Store::append`]; [`Error::InBatch`] names the event whose project belongs to another organisation, and
    /// [`Error::TooLarge`] is a batch that no segment can hold. Nothing is stored then.
    pub fn commit(mut self) -> Result<Vec<Ack>> {
        self.commit_and_clear()
    }

    /// As [`Batch::commit`], and leaves the batch empty to be filled again; after an error it is as it was.
    ///
    /// # Errors
    ///
    /// As [`Batch::commit`].
    pub fn commit_and_clear(&mut self) -> Result<Vec<Ack>> {
        let writer = self.store.writer()?;
        let Some(workspace) = &mut self.workspace else { return Err(Error::ReadOnly) };
        let drafts = &mut workspace.drafts;
        let appended = writer.append(drafts)?;
        let acks = drafts
            .events()
            .map(|(at, notes)| {
                let seq = appended.first.plus(at as u64);
                let notes = fold_notes(&appended, seq).union(notes);
                Ack { position: Position { seq, epoch: writer.epoch }, notes }
            })
            .collect();
        drafts.clear();
        Ok(acks)
    }

    fn drafts(&mut self) -> Result<&mut Drafts> {
        self.workspace.as_mut().map(|workspace| &mut workspace.drafts).ok_or(Error::ReadOnly)
    }

    fn push_with(&mut self, accept: impl FnOnce(&Store, &mut Workspace, Nanos) -> Result<()>) -> Result<()> {
        let now = self.store.writer()?.now();
        let Some(workspace) = &mut self.workspace else { return Err(Error::ReadOnly) };
        accept(&self.store, workspace, now)?;
        let Workspace { accepted, drafts, .. } = &mut **workspace;
        drafts.push_event(accepted)
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        if let (Some(workspace), Ok(writer)) = (self.workspace.take(), self.store.writer()) {
            writer.put_back(workspace);
        }
    }
}
