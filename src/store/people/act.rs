//! The way of an act of identity into the log.

use std::cell::Cell;

use uuid::Builder;

use super::command::SignedIn;
use super::decide::{Decided, decide};
use crate::envelope::{Accepted, Envelope, EventType, Note, Notes};
use crate::error::{Error, Result};
use crate::format::keys::EventKeys;
use crate::identity::Command;
use crate::store::ack::Ack;
use crate::store::drafts::Drafts;
use crate::store::handle::SnapshotSource;
use crate::store::scope::Scope;
use crate::store::writer::{Workspace, Writer};
use crate::types::{Nanos, Seq};

impl Scope {
    /// A random UUID as text.
    pub(super) fn random_id(&self) -> Result<String> {
        let mut bytes = [0; 16];
        self.store().writer()?.entropy.fill(&mut bytes)?;
        Ok(Builder::from_random_bytes(bytes).into_uuid().to_string())
    }

    pub(super) fn sign_in(&self, envelope: &Envelope, user_id: String) -> Result<SignedIn> {
        // Two threads with one message id are to get one user, also where the store keeps both of two contents.
        let writer = self.store().writer()?;
        let _alone = envelope.message_id.is_some().then(|| writer.signing_in.lock());
        if let Some(before) = self.signed_in_before(envelope)? {
            return Ok(before);
        }
        let ack = self.store().append_stamped(envelope, self.next_stamp()?)?;
        Ok(SignedIn { user_id, ack })
    }

    /// The user that an earlier call with the same message id made.
    fn signed_in_before(&self, envelope: &Envelope) -> Result<Option<SignedIn>> {
        let Some(message_id) = envelope.message_id.as_deref() else { return Ok(None) };
        let store = self.store();
        let made = |keys: &EventKeys<'_>| keys.event_type == EventType::ANONYMOUS_CREATED;
        let first = store.writer()?.first_with_id(&envelope.project_id.into_bytes(), message_id, made)?;
        let Some(position) = first else { return Ok(None) };
        let event = store.project(envelope.project_id).get(position)?;
        let user_id = event.and_then(|event| event.user_id().map(str::to_owned));
        let mut notes = Notes::NONE;
        notes.add(Note::Duplicate);
        Ok(user_id.map(|user_id| SignedIn { user_id, ack: Ack { position, notes } }))
    }

    /// Stores an act that breaks no rule, stamped later than every fact that this rests on.
    pub(super) fn act(&self, envelope: &Envelope, command: Command<'_>) -> Result<Ack> {
        let writer = self.store().writer()?;
        let mut stamp = self.next_stamp()?;
        loop {
            let mut workspace = writer.workspace();
            let Workspace { scratch, accepted, drafts } = &mut *workspace;
            let later = Cell::new(None);
            let outcome = writer
                .acceptor
                .accept_into(envelope, stamp, scratch, accepted)
                .and_then(|()| writer.append_act(accepted, drafts, command, &later));
            writer.put_back(workspace);
            match later.get() {
                Some(newest) => stamp = self.next_stamp()?.max(Nanos::new(newest.get().saturating_add(1))),
                None => return outcome,
            }
        }
    }
}

impl Writer {
    /// Stores an act, or says in `later` which fact it must be stamped behind.
    fn append_act(
        &self,
        accepted: &Accepted,
        drafts: &mut Drafts,
        command: Command<'_>,
        later: &Cell<Option<Nanos>>,
    ) -> Result<Ack> {
        let project_id = accepted.project_id().into_bytes();
        let rests_on = Cell::new(Seq::ZERO);
        let outcome = self.append_with_rule(accepted, drafts, |decisions| {
            let snapshot = self.state.snapshot()?;
            rests_on.set(decisions.staged_facts.last_seq());
            match decide(command, accepted.time(), snapshot, project_id, &decisions.staged_facts)? {
                Decided::Taken => Ok(()),
                Decided::Later(newest) => {
                    later.set(Some(newest));
                    Err(Error::invalid("timestamp", "must be later than the facts that the act rests on"))
                }
            }
        });
        if matches!(outcome, Err(Error::Identity { .. })) {
            // A refusal rests on what is visible, and durable at `Synced`, as an acceptance does.
            self.log.wait_kept(rests_on.get())?;
        }
        outcome
    }
}

#[cfg(test)]
mod tests;
