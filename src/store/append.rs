//! The writing calls: one event, a batch, a ticket.

use std::sync::Arc;

use super::ack::Ack;
use super::decide::Decisions;
use super::drafts::Drafts;
use super::fold::StoreFold;
use super::writer::{Workspace, Writer};
use super::{Batch, Store};
use crate::envelope::{Accepted, Envelope, Notes};
use crate::error::{Error, Result};
use crate::log::{Appended, Log, Pending};
use crate::types::{Epoch, Nanos, Position, Seq};

impl Store {
    /// Appends one event.
    ///
    /// When this returns, the event is visible to queries and survives what [`Durability`](crate::Durability) says:
    /// by default a power loss. Threads that append at the same time share one sync.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] and [`Error::TooLarge`] for an envelope that breaks a rule, also where its project belongs
    /// to another organisation, with nothing stored; [`Error::NoSpace`] with nothing stored; [`Error::SyncFailed`]
    /// with the outcome unknown; [`Error::ReadOnly`], [`Error::Closed`], [`Error::Poisoned`]; [`Error::Io`] with
    /// nothing stored, for one in a process that was forked from the one that opened the store; [`Error::Corrupt`]
    /// with nothing stored, where damage hides which organisation the project belongs to.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Envelope, Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// let envelope = Envelope::new(org, project, "billing", "order.placed").user("u_1").property("amount", 4200);
    /// let ack = store.append(envelope)?;
    /// assert_eq!(ack.position.seq.get(), 1);
    /// assert_eq!(store.project(project).view()?.events().count()?, 1);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn append(&self, envelope: impl std::borrow::Borrow<Envelope>) -> Result<Ack> {
        self.append_with(|writer, workspace, now| {
            let Workspace { scratch, accepted, .. } = workspace;
            writer.acceptor.accept_into(envelope.borrow(), now, scratch, accepted)
        })
    }

    /// Appends one event given as JSON (RFC 8259). White space around it is allowed.
    ///
    /// `timestamp` must be there, in RFC 3339 with an offset; `seq` and `receivedAt`, which an export has, are
    /// assigned anew. When this returns, the event is what [`Store::append`] promises.
    ///
    /// # Errors
    ///
    /// As [`Store::append`], and [`Error::Invalid`] for malformed JSON, an unknown field and a key that occurs twice.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// store.append_json(
    ///     br#"{"orgId":"00000000-0000-0000-0000-000000000001",
    ///          "projectId":"00000000-0000-0000-0000-000000000002",
    ///          "module":"billing","eventType":"order.placed","timestamp":"2024-03-13T10:21:14.250Z",
    ///          "userId":"u_1","properties":{"amount":4200}}"#,
    /// )?;
    /// let timeline = store.project(Uuid::from_u128(2)).timeline("u_1", 1)?;
    /// assert_eq!(timeline[0].timestamp().timestamp_subsec_millis(), 250);
    ///
    /// let refused = store.append_json(br#"{"event":"order.placed"}"#).unwrap_err();
    /// assert!(refused.to_string().starts_with("event: is no field of an envelope"));
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn append_json(&self, json: &[u8]) -> Result<Ack> {
        self.append_with(|writer, workspace, now| {
            let Workspace { scratch, accepted, .. } = workspace;
            writer.acceptor.accept_json_into(json, now, scratch, accepted)
        })
    }

    /// Checks an envelope and hashes its addresses, so that appending it later has nothing left to do.
    ///
    /// Nothing is stored. An envelope without a timestamp gets the time of this call.
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
    /// let placed = Envelope::new(org, project, "billing", "order.placed").user("u_1");
    /// let accepted = store.accept(&placed)?;
    /// assert_eq!(accepted.event_type(), "order.placed");
    /// assert_eq!(store.project(project).view()?.events().count()?, 0);
    ///
    /// let refused = store.accept(&placed.user("u\n1")).unwrap_err();
    /// assert_eq!(refused.to_string(), "userId: must not contain control characters");
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn accept(&self, envelope: &Envelope) -> Result<Accepted> {
        let writer = self.writer()?;
        let mut workspace = writer.workspace();
        let accepted = writer.acceptor.accept(envelope, writer.now(), &mut workspace.scratch);
        writer.put_back(workspace);
        accepted
    }

    /// Appends an event that was accepted by this store before.
    ///
    /// When this returns, the event is what [`Store::append`] promises. That it was this store is not checked: the
    /// addresses of one that another store accepted are tokens of that store's secret.
    ///
    /// # Errors
    ///
    /// As [`Store::append`].
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Envelope, Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// let accepted = store.accept(&Envelope::new(org, project, "billing", "order.placed").user("u_1"))?;
    /// let ack = store.append_accepted(&accepted)?;
    /// assert_eq!(store.project(project).get(ack.position)?.unwrap().user_id(), Some("u_1"));
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn append_accepted(&self, accepted: &Accepted) -> Result<Ack> {
        let writer = self.writer()?;
        let mut workspace = writer.workspace();
        let outcome = writer.append_accepted(accepted, &mut workspace.drafts);
        writer.put_back(workspace);
        outcome
    }

    /// Appends events, all or none, also after a crash, and returns an answer for each in their order.
    ///
    /// When this returns, all of them are what [`Store::append`] promises; a view has all of them or none. An
    /// iterator that gives nothing stores nothing.
    ///
    /// # Errors
    ///
    /// As [`Store::append`]; [`Error::InBatch`] names the envelope that breaks a rule, and [`Error::TooLarge`] is a
    /// batch that no segment can hold. Nothing is stored then.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Envelope, Error, Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// let event = |event_type| Envelope::new(org, project, "billing", event_type).user("u_1");
    /// let acks = store.append_batch([event("order.placed"), event("order.paid")])?;
    /// assert_eq!(acks.len(), 2);
    ///
    /// let refused = store.append_batch([event("order.shipped"), event("")]);
    /// assert!(matches!(refused, Err(Error::InBatch { index: 1, .. })));
    /// assert_eq!(store.project(project).view()?.events().count()?, 2);
    /// # Ok::<(), Error>(())
    /// ```
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
    /// When this returns, the event has its place; at `Synced` it is visible and durable when the ticket says so.
    /// Events become durable in the order in which they were staged. A few MiB may be under way; then this waits. At
    /// levels other than `Synced` the event is appended at once.
    ///
    /// # Errors
    ///
    /// As [`Store::append`], but for [`Error::SyncFailed`] at `Synced`, which the ticket gives.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Envelope, Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// let mut tickets = Vec::new();
    /// for number in 0..100 {
    ///     let user = format!("u_{number}");
    ///     tickets.push(store.submit(Envelope::new(org, project, "billing", "order.placed").user(user))?);
    /// }
    /// for ticket in tickets {
    ///     let ack = ticket.wait()?;
    ///     assert!(store.durable() >= ack.position.seq);
    /// }
    /// assert_eq!(store.project(project).view()?.events().count()?, 100);
    /// # Ok::<(), envelog::Error>(())
    /// ```
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

    /// Stages an event that was accepted by this store before; see [`Store::submit`] and [`Store::append_accepted`].
    ///
    /// # Errors
    ///
    /// As [`Store::submit`].
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Envelope, Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let placed = Envelope::new(Uuid::from_u128(1), Uuid::from_u128(2), "billing", "order.placed").user("u_1");
    /// let ticket = store.submit_accepted(&store.accept(&placed)?)?;
    /// assert_eq!(ticket.wait()?.position.seq.get(), 1);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn submit_accepted(&self, accepted: &Accepted) -> Result<Ticket> {
        let writer = self.writer()?;
        let mut workspace = writer.workspace();
        let staged = writer.submit_accepted(accepted, &mut workspace.drafts);
        writer.put_back(workspace);
        staged
    }

    /// An empty batch: events and cursors that are stored together or not at all.
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
    /// batch.push(&Envelope::new(org, project, "billing", "order.paid").user("u_1"))?;
    /// assert_eq!(batch.commit()?.len(), 2);
    /// # Ok::<(), envelog::Error>(())
    /// ```
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

/// An event that was staged and may wait for its sync; given by [`Store::submit`].
///
/// A ticket that is dropped takes nothing back: the event is stored with those around it.
///
/// # Examples
///
/// ```
/// use envelog::{Store, Uuid};
///
/// let store = Store::in_memory()?;
/// let shop = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing");
/// let placed = shop.track("order.placed").user("u_1").submit()?;
/// let paid = shop.track("order.paid").user("u_1").submit()?;
/// let (placed, paid) = (placed.wait()?, paid.wait()?);
/// assert!(placed.position.seq < paid.position.seq);
/// # Ok::<(), envelog::Error>(())
/// ```
#[must_use = "the event is not known to be durable before `wait` returns"]
pub struct Ticket {
    log: Arc<Log<StoreFold>>,
    submitted: Submitted,
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ticket").field("pending", &self.submitted.pending).finish_non_exhaustive()
    }
}

impl Ticket {
    /// Waits until the event is what the level promises: visible and, at `Synced`, durable.
    ///
    /// # Errors
    ///
    /// [`Error::SyncFailed`]: the outcome is unknown.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let project = Uuid::from_u128(2);
    /// let ticket = store.scope(Uuid::from_u128(1), project, "billing").track("order.placed").submit()?;
    /// let ack = ticket.wait()?;
    /// assert!(store.project(project).get(ack.position)?.is_some());
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn wait(self) -> Result<Ack> {
        self.submitted.wait_on(&self.log)
    }
}

/// When a call returns that stores something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// When it is what the level promises.
    Wait,
    /// When it is staged.
    Ticket,
}

impl Writer {
    fn append_accepted(&self, accepted: &Accepted, drafts: &mut Drafts) -> Result<Ack> {
        self.append_with_rule(accepted, drafts, |_| Ok(()))
    }

    /// Appends an event unless `rule`, which is asked under the log's lock once it is no repeat, refuses it.
    pub(super) fn append_with_rule(
        &self,
        accepted: &Accepted,
        drafts: &mut Drafts,
        rule: impl Fn(&mut Decisions) -> Result<()>,
    ) -> Result<Ack> {
        self.submit_with(accepted, drafts, How::Wait, rule)?.wait_on(&self.log)
    }

    fn submit_accepted(&self, accepted: &Accepted, drafts: &mut Drafts) -> Result<Ticket> {
        let submitted = self.submit_with(accepted, drafts, How::Ticket, |_| Ok(()))?;
        Ok(Ticket { log: Arc::clone(&self.log), submitted })
    }

    fn submit_with(
        &self,
        accepted: &Accepted,
        drafts: &mut Drafts,
        how: How,
        rule: impl Fn(&mut Decisions) -> Result<()>,
    ) -> Result<Submitted> {
        drafts.set_alone(accepted, |hash| {
            if let Some(ids) = &self.ids {
                ids.foresee(hash);
            }
        })?;
        let pending = self.store(drafts, Some(accepted), how, rule)?;
        let (repeated, notes) = drafts.alone_fate();
        Ok(Submitted { pending, repeated, epoch: self.epoch, notes })
    }

    /// Appends what is drafted and no repeat, all or none.
    pub(super) fn append(&self, drafts: &mut Drafts) -> Result<Appended> {
        let pending = self.store(drafts, None, How::Wait, |_| Ok(()))?;
        self.log.wait(pending)
    }
}

/// One event on its way, or found to be a repeat.
#[derive(Debug)]
struct Submitted {
    pending: Pending,
    /// Where it stands, if it is a repeat.
    repeated: Option<Position>,
    epoch: Epoch,
    notes: Notes,
}

impl Submitted {
    fn wait_on(self, log: &Log<StoreFold>) -> Result<Ack> {
        let Self { pending, repeated, epoch, notes } = self;
        let appended = log.wait(pending)?;
        if let Some(position) = repeated {
            return Ok(Ack { position, notes });
        }
        let notes = fold_notes(&appended, appended.first).union(notes);
        Ok(Ack { position: Position { seq: appended.first, epoch }, notes })
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
