//! The writing calls: one event, a batch, a ticket.

use std::cell::Cell;
use std::sync::Arc;

use super::ack::Ack;
use super::drafts::Drafts;
use super::fold::{Decisions, StoreFold};
use super::writer::{Workspace, Writer};
use super::{Batch, Store};
use crate::envelope::{Accepted, Envelope, Notes};
use crate::error::{Error, Result};
use crate::log::{Appended, Draft, Log, Pending};
use crate::types::{Nanos, Position, Seq};

impl Store {
    /// Appends one event.
    ///
    /// When this returns, the event is visible to queries and survives what [`Durability`](crate::Durability) says:
    /// by default a power loss.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] and [`Error::TooLarge`] for an envelope that breaks a rule, with nothing stored;
    /// [`Error::NoSpace`] with nothing stored; [`Error::SyncFailed`] with the outcome unknown; [`Error::ReadOnly`],
    /// [`Error::Closed`], [`Error::Poisoned`].
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Envelope, Store, Uuid};
    ///
    /// # fn main() -> envelog::Result<()> {
    /// # let directory = tempfile::tempdir().unwrap();
    /// let store = Store::open(directory.path().join("data"))?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// let envelope = Envelope::new(org, project, "billing", "order.placed").user("u_1").property("amount", 4200);
    /// let ack = store.append(envelope)?;
    /// assert_eq!(ack.position.seq.get(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn append(&self, envelope: impl std::borrow::Borrow<Envelope>) -> Result<Ack> {
        self.append_with(|writer, workspace, now| {
            let Workspace { scratch, accepted, .. } = workspace;
            writer.acceptor.accept_into(envelope.borrow(), now, scratch, accepted)
        })
    }

    /// Appends one event given as JSON. White space around it is allowed.
    ///
    /// # Errors
    ///
    /// As [`Store::append`].
    pub fn append_json(&self, json: &[u8]) -> Result<Ack> {
        self.append_with(|writer, workspace, now| {
            let Workspace { scratch, accepted, .. } = workspace;
            writer.acceptor.accept_json_into(json, now, scratch, accepted)
        })
    }

    /// Checks an envelope and hashes its addresses, so that appending it later has nothing left to do.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] and [`Error::TooLarge`] for an envelope that breaks a rule; [`Error::ReadOnly`].
    pub fn accept(&self, envelope: &Envelope) -> Result<Accepted> {
        let writer = self.writer()?;
        let mut workspace = writer.workspace();
        let accepted = writer.acceptor.accept(envelope, writer.now(), &mut workspace.scratch);
        writer.put_back(workspace);
        accepted
    }

    /// Appends an event that was accepted by this store before.
    ///
    /// # Errors
    ///
    /// As [`Store::append`].
    pub fn append_accepted(&self, accepted: &Accepted) -> Result<Ack> {
        let writer = self.writer()?;
        let mut workspace = writer.workspace();
        let outcome = writer.append_accepted(accepted, &mut workspace.drafts);
        writer.put_back(workspace);
        outcome
    }

    /// Appends events, all or none, also after a crash.
    ///
    /// # Errors
    ///
    /// As [`Store::append`]; [`Error::InBatch`] names the envelope that breaks a rule, and [`Error::TooLarge`] is a
    /// batch that no segment can hold. Nothing is stored then.
    pub fn append_batch<E: std::borrow::Borrow<Envelope>>(
        &self,
        envelopes: impl IntoIterator<Item = E>,
    ) -> Result<Vec<Ack>> {
        let mut batch = self.batch();
        for (index, envelope) in envelopes.into_iter().enumerate() {
            batch
                .push(envelope.borrow())
                .map_err(|error| Error::InBatch { index, source: Box::new(error) })?;
        }
        batch.commit()
    }

    /// Stages one event and returns a ticket to wait on, so that one thread can have many durable appends under way.
    ///
    /// A few MiB may be under way; then this waits. At levels other than `Synced` the event is appended at once.
    ///
    /// # Errors
    ///
    /// As [`Store::append`], but for [`Error::SyncFailed`], which the ticket gives.
    pub fn submit(&self, envelope: impl std::borrow::Borrow<Envelope>) -> Result<Ticket> {
        let writer = self.writer()?;
        let mut workspace = writer.workspace();
        let Workspace { scratch, accepted, drafts } = &mut *workspace;
        let staged = writer
            .acceptor
            .accept_into(envelope.borrow(), writer.now(), scratch, accepted)
            .and_then(|()| writer.submit_accepted(accepted, drafts));
        writer.put_back(workspace);
        staged
    }

    /// Stages an event that was accepted by this store before; see [`Store::submit`].
    ///
    /// # Errors
    ///
    /// As [`Store::submit`].
    pub fn submit_accepted(&self, accepted: &Accepted) -> Result<Ticket> {
        let writer = self.writer()?;
        let mut workspace = writer.workspace();
        let staged = writer.submit_accepted(accepted, &mut workspace.drafts);
        writer.put_back(workspace);
        staged
    }

    /// An empty batch: events and cursors that are stored together or not at all.
    pub fn batch(&self) -> Batch {
        Batch::new(self.clone())
    }

    /// Appends an event without a timestamp, which gets `stamp` as if the store's clock had given it.
    pub(super) fn append_stamped(&self, envelope: &Envelope, stamp: Nanos) -> Result<Ack> {
        self.append_with(|writer, workspace, _| {
            let Workspace { scratch, accepted, .. } = workspace;
            writer.acceptor.accept_into(envelope, stamp, scratch, accepted)
        })
    }

    fn append_with(&self, accept: impl FnOnce(&Writer, &mut Workspace, Nanos) -> Result<()>) -> Result<Ack> {
        let writer = self.writer()?;
        let mut workspace = writer.workspace();
        let outcome = accept(writer, &mut workspace, writer.now()).and_then(|()| {
            let Workspace { accepted, drafts, .. } = &mut *workspace;
            writer.append_accepted(accepted, drafts)
        });
        writer.put_back(workspace);
        outcome
    }
}

/// An event that was staged and may wait for its sync.
#[must_use = "the event is not known to be durable before `wait` returns"]
pub struct Ticket {
    log: Arc<Log<StoreFold>>,
    pending: Pending,
    epoch: crate::types::Epoch,
    notes: Notes,
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ticket").field("pending", &self.pending).finish_non_exhaustive()
    }
}

impl Ticket {
    /// Waits until the event is what the level promises.
    ///
    /// # Errors
    ///
    /// [`Error::SyncFailed`]: the outcome is unknown.
    pub fn wait(self) -> Result<Ack> {
        let appended = self.log.wait(self.pending)?;
        let notes = fold_notes(&appended, appended.first).union(self.notes);
        Ok(Ack { position: Position { seq: appended.first, epoch: self.epoch }, notes })
    }
}

impl Writer {
    fn append_accepted(&self, accepted: &Accepted, drafts: &mut Drafts) -> Result<Ack> {
        drafts.set_alone(accepted)?;
        let appended = self.commit(drafts, &[drafts.alone(accepted)])?;
        let notes = fold_notes(&appended, appended.first).union(accepted.notes());
        Ok(Ack { position: Position { seq: appended.first, epoch: self.epoch }, notes })
    }

    fn submit_accepted(&self, accepted: &Accepted, drafts: &mut Drafts) -> Result<Ticket> {
        drafts.set_alone(accepted)?;
        let new = Cell::new(false);
        let pending = self.log.submit(
            &[drafts.alone(accepted)],
            drafts.hints(),
            |decisions| self.check(decisions, drafts, &new),
            |decisions| keep(decisions, drafts, &new),
        )?;
        Ok(Ticket { log: Arc::clone(&self.log), pending, epoch: self.epoch, notes: accepted.notes() })
    }

    /// Appends what was drafted, all or none.
    pub(super) fn append(&self, drafts: &Drafts) -> Result<Appended> {
        self.commit(drafts, &drafts.frames())
    }

    fn commit(&self, drafts: &Drafts, frames: &[Draft<'_>]) -> Result<Appended> {
        let new = Cell::new(false);
        self.log.append(
            frames,
            drafts.hints(),
            |decisions| self.check(decisions, drafts, &new),
            |decisions| keep(decisions, drafts, &new),
        )
    }

    /// Decides under the log's lock; `new` is set where a project is new.
    fn check(&self, decisions: &mut Decisions, drafts: &Drafts, new: &Cell<bool>) -> Result<()> {
        new.set(decisions.check(drafts, |project_id| self.state.organisation_of(project_id))?);
        Ok(())
    }
}

fn keep(decisions: &mut Decisions, drafts: &Drafts, new: &Cell<bool>) {
    if new.get() {
        decisions.keep(drafts);
    }
}

/// The notes that applying the frame `seq` left.
pub(super) fn fold_notes(appended: &Appended, seq: Seq) -> Notes {
    appended
        .notes
        .iter()
        .filter(|(noted, _)| *noted == seq)
        .fold(Notes::NONE, |notes, (_, bits)| notes.union(Notes::from_bits(*bits)))
}
