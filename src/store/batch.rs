//! Batches: events and cursors that are stored together or not at all.

use uuid::Uuid;

use super::Store;
use super::ack::Ack;
use super::drafts::{Drafts, Refused};
use super::writer::Workspace;
use crate::envelope::{Accepted, Envelope};
use crate::error::{Error, Result};
use crate::format::cursor::CursorKeys;
use crate::types::Nanos;

/// Names a cursor: a small state that a consumer keeps in the log.
///
/// A name has 1 to 128 bytes and no control characters. The cursors of the store and those of each project are name
/// spaces of their own.
///
/// # Examples
///
/// ```
/// use envelog::{CursorKey, Store, Uuid};
///
/// let store = Store::in_memory()?;
/// let backup = CursorKey::Store("backup");
/// let webhooks = CursorKey::Project(Uuid::from_u128(2), "webhooks");
/// let mut batch = store.batch();
/// batch.set_cursor(backup, b"1.41")?;
/// batch.commit()?;
/// assert_eq!(store.cursor(backup)?.as_deref(), Some(&b"1.41"[..]));
/// assert_eq!(store.cursor(webhooks)?, None);
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
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
/// Nothing is stored, and no lock is held, before the commit; a batch that is dropped leaves nothing behind. A batch
/// must fit into one segment.
///
/// # Examples
///
/// ```
/// use envelog::{CursorKey, Envelope, Store, Uuid};
///
/// let store = Store::in_memory()?;
/// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
/// let mut batch = store.batch();
/// batch.push(&Envelope::new(org, project, "billing", "order.placed").user("u_1"))?;
/// batch.set_cursor(CursorKey::Project(project, "import"), b"line 1")?;
/// batch.commit()?;
/// assert_eq!(store.cursor(CursorKey::Project(project, "import"))?.as_deref(), Some(&b"line 1"[..]));
/// # Ok::<(), envelog::Error>(())
/// ```
#[must_use = "nothing is stored before `commit`"]
pub struct Batch {
    store: Store,
    workspace: Option<Box<Workspace>>,
    /// What the last commit refused.
    refused: Vec<(usize, Refused)>,
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
        Self { store, workspace, refused: Vec::new() }
    }

    /// Checks an envelope and adds it. After an error the batch is as it was.
    ///
    /// An envelope without a timestamp gets the time of this call.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] and [`Error::TooLarge`] for an envelope that breaks a rule; [`Error::ReadOnly`].
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Envelope, Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// let mut batch = store.batch();
    /// batch.push(&Envelope::new(org, project, "billing", "order.placed").user("u_1"))?;
    /// assert!(batch.push(&Envelope::new(org, project, "billing", "").user("u_1")).is_err());
    /// assert_eq!(batch.len(), 1);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn push(&mut self, envelope: &Envelope) -> Result<()> {
        self.push_with(|store, workspace, now| {
            let Workspace { scratch, accepted, .. } = workspace;
            store.writer()?.acceptor.accept_into(envelope, now, scratch, accepted)
        })
    }

    /// Checks an envelope given as JSON (RFC 8259) and adds it. After an error the batch is as it was.
    ///
    /// # Errors
    ///
    /// As [`Batch::push`], and [`Error::Invalid`] for malformed JSON, an unknown field and a key that occurs twice.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// # let placed = envelog::Envelope::new(Uuid::from_u128(1), Uuid::from_u128(2), "billing", "order.placed");
    /// # let placed = placed.at(envelog::DateTime::from_timestamp(1_710_325_274, 0).unwrap());
    /// let lines = format!("{}\n{}\n", placed.to_json(), r#"{"eventType":"order.paid"}"#);
    /// let (mut batch, mut rejected) = (store.batch(), Vec::new());
    /// for (number, line) in lines.lines().enumerate() {
    ///     if let Err(error) = batch.push_json(line.as_bytes()) {
    ///         rejected.push((number + 1, error));
    ///     }
    /// }
    /// batch.commit()?;
    /// assert_eq!(rejected.len(), 1);
    /// assert_eq!(store.project(Uuid::from_u128(2)).view()?.events().count()?, 1);
    /// # Ok::<(), envelog::Error>(())
    /// ```
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
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Envelope, Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let placed = Envelope::new(Uuid::from_u128(1), Uuid::from_u128(2), "billing", "order.placed").user("u_1");
    /// let accepted = store.accept(&placed)?;
    /// let mut batch = store.batch();
    /// batch.push_accepted(&accepted)?;
    /// assert_eq!(batch.commit()?.len(), 1);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn push_accepted(&mut self, accepted: &Accepted) -> Result<()> {
        self.drafts()?.push_event(accepted)
    }

    /// Adds a cursor's new state: it is visible and durable together with the events.
    ///
    /// Where a batch, or one after another, sets a cursor more than once, the last state counts.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] for a state over
    /// [`Limits::cursor_state_bytes_max`](crate::Limits::cursor_state_bytes_max), 64 KiB by default;
    /// [`Error::Invalid`] for a name that is empty, too long or has control characters; [`Error::ReadOnly`]. The
    /// batch is then as it was.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{CursorKey, Store};
    ///
    /// let store = Store::in_memory()?;
    /// let import = CursorKey::Store("import");
    /// for line in ["line 1000", "line 2000"] {
    ///     let mut batch = store.batch();
    ///     batch.set_cursor(import, line.as_bytes())?;
    ///     batch.commit()?;
    /// }
    /// assert_eq!(store.cursor(import)?.as_deref(), Some(&b"line 2000"[..]));
    /// # Ok::<(), envelog::Error>(())
    /// ```
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
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Envelope, Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let placed = Envelope::new(Uuid::from_u128(1), Uuid::from_u128(2), "billing", "order.placed").user("u_1");
    /// let mut batch = store.batch();
    /// while batch.bytes() < 64 * 1024 {
    ///     batch.push(&placed)?;
    /// }
    /// assert_eq!(batch.commit()?.first().map(|ack| ack.position.seq.get()), Some(1));
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn bytes(&self) -> usize {
        self.workspace.as_ref().map_or(0, |workspace| workspace.drafts.bytes())
    }

    /// Stores everything in the batch, and returns an answer for each event in the order of the events.
    ///
    /// When this returns, all of it is visible and survives what the durability level says. A batch with nothing in
    /// it stores nothing.
    ///
    /// # Errors
    ///
    /// As [`Store::append`]; [`Error::InBatch`] names the first event whose project belongs to another organisation, or
    /// whose message id was used before with other content, and [`Error::TooLarge`] is a batch that no segment can hold.
    /// Nothing is stored then.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Envelope, Error, Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, other, project) = (Uuid::from_u128(1), Uuid::from_u128(8), Uuid::from_u128(2));
    /// let mut batch = store.batch();
    /// batch.push(&Envelope::new(org, project, "billing", "order.placed").user("u_1"))?;
    /// batch.push(&Envelope::new(other, project, "billing", "order.placed").user("u_1"))?;
    ///
    /// // A project belongs to the organisation that its first event names.
    /// assert!(matches!(batch.commit(), Err(Error::InBatch { index: 1, .. })));
    /// assert_eq!(store.project(project).view()?.events().count()?, 0);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn commit(mut self) -> Result<Vec<Ack>> {
        self.commit_and_clear()
    }

    /// As [`Batch::commit`], and leaves the batch empty to be filled again; after an error it is as it was, and
    /// [`Batch::refused`] tells which events are to blame.
    ///
    /// # Errors
    ///
    /// As [`Batch::commit`].
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Envelope, Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// let mut batch = store.batch();
    /// for number in 0..250 {
    ///     batch.push(&Envelope::new(org, project, "billing", "order.placed").user(format!("u_{number}")))?;
    ///     if batch.len() == 100 {
    ///         batch.commit_and_clear()?;
    ///         assert!(batch.is_empty());
    ///     }
    /// }
    /// batch.commit()?;
    /// assert_eq!(store.project(project).view()?.events().count()?, 250);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn commit_and_clear(&mut self) -> Result<Vec<Ack>> {
        let writer = self.store.writer()?;
        let Some(workspace) = &mut self.workspace else { return Err(Error::ReadOnly) };
        let drafts = &mut workspace.drafts;
        self.refused.clear();
        let appended = writer.append(drafts).inspect_err(|error| {
            self.refused = drafts.refused(error, |project_id| writer.state.organisation_of(project_id));
        })?;
        let acks = drafts.acks(&appended, writer.epoch);
        drafts.clear();
        Ok(acks)
    }

    /// The events that the last commit refused, each by its place in the batch and with what is wrong with it.
    ///
    /// The commit's error names the first one; these are all that were found to have the same kind of fault, a message id
    /// that was used before with other content or a project of another organisation, in rising order. Without them the
    /// batch may be stored. There are none after a commit that went well or failed for another reason.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Envelope, Error, Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let placed = Envelope::new(Uuid::from_u128(1), Uuid::from_u128(2), "billing", "order.placed");
    /// let events: Vec<Envelope> = [("m_1", 10), ("m_1", 20), ("m_2", 30), ("m_1", 40)]
    ///     .map(|(id, amount)| placed.clone().message_id(id).property("amount", amount))
    ///     .into();
    /// let mut batch = store.batch();
    /// for event in &events {
    ///     batch.push(event)?;
    /// }
    /// assert!(matches!(batch.commit_and_clear(), Err(Error::InBatch { index: 1, .. })));
    /// let refused: Vec<usize> = batch.refused().map(|(index, _)| index).collect();
    /// assert_eq!(refused, [1, 3]);
    ///
    /// let taken = events.iter().enumerate().filter(|(index, _)| !refused.contains(index));
    /// assert_eq!(store.append_batch(taken.map(|(_, event)| event))?.len(), 2);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn refused(&self) -> impl Iterator<Item = (usize, Error)> {
        self.refused.iter().map(|(index, refused)| (*index, refused.error()))
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
