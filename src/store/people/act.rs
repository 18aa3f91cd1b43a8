//! The way of an act of identity into the log: decided first, and then stored if the decision still holds.

use std::cell::Cell;

use uuid::Builder;

use super::command::SignedIn;
use super::decide::{Basis, Decided};
use crate::envelope::{Accepted, Envelope, EventType, Note, Notes};
use crate::error::{Error, Result};
use crate::format::keys::EventKeys;
use crate::identity::Command;
use crate::store::ack::Ack;
use crate::store::decide::Decisions;
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
        self.act_with(envelope, command, &|_| {})
    }

    /// The same, with a call that is made each time the act was decided and the log's lock is not taken yet; it is told
    /// how often that was before.
    pub(super) fn act_with(
        &self,
        envelope: &Envelope,
        command: Command<'_>,
        between: &dyn Fn(u32),
    ) -> Result<Ack> {
        let writer = self.store().writer()?;
        let mut stamp = self.next_stamp()?;
        let mut tries = 0;
        loop {
            let mut workspace = writer.workspace();
            let Workspace { scratch, accepted, drafts } = &mut *workspace;
            let outcome = writer
                .acceptor
                .accept_into(envelope, stamp, scratch, accepted)
                .and_then(|()| writer.append_act(accepted, drafts, command, || between(tries), tries));
            writer.put_back(workspace);
            tries += 1;
            match outcome? {
                Acted::Stored(ack) => return Ok(ack),
                Acted::Again => {}
                Acted::Later(newest) => {
                    let later = newest.get().saturating_add(ahead(tries));
                    stamp = self.next_stamp()?.max(Nanos::new(later));
                }
            }
        }
    }
}

/// How often an act is decided before the log's lock is taken. Where facts that it rests on come faster than that, it is
/// decided under the lock, so that the call ends.
pub(super) const TRIES_MAX: u32 = 16;

/// How far behind the newest fact, in nanoseconds, an act is stamped that was decided so often. Where the facts that it
/// rests on keep coming with later times, each try leaves twice the room of the one before, so that the call ends.
fn ahead(tries: u32) -> i64 {
    const FIRST: i64 = 1_000_000;
    tries.checked_sub(TRIES_MAX).map_or(1, |over| FIRST.saturating_mul(1 << over.min(40)))
}

/// What came of one try to store an act.
enum Acted {
    Stored(Ack),
    /// Facts that it rests on were told in between.
    Again,
    /// It must be stamped behind a fact of this time.
    Later(Nanos),
}

impl Writer {
    /// Stores an act where it may be stored as it is stamped, and where what it rests on stayed as it was decided on.
    fn append_act(
        &self,
        accepted: &Accepted,
        drafts: &mut Drafts,
        command: Command<'_>,
        between: impl Fn(),
        tries: u32,
    ) -> Result<Acted> {
        // Before any lock is taken, which a process that was forked would wait for in vain.
        self.log.check_running()?;
        let project_id = accepted.project_id().into_bytes();
        let basis = |decisions: &Decisions| {
            Ok(Basis::new(self.state.snapshot()?, &decisions.staged_facts, project_id))
        };
        let before = if tries < TRIES_MAX {
            Some(self.log.decide(|decisions| basis(decisions))?.decide(command, accepted.time()))
        } else {
            None
        };
        between();
        let decision = Cell::new(before);
        let (acted, rests_on) = (Cell::new(None), Cell::new(Seq::ZERO));
        let outcome = self.append_with_rule(accepted, drafts, |decisions| {
            rests_on.set(decisions.staged_facts.last_seq());
            let snapshot = self.state.snapshot()?;
            let decision = match decision.take() {
                Some(decision) if decision.holds(&snapshot, &decisions.staged_facts) => decision,
                _ if tries < TRIES_MAX => {
                    acted.set(Some(Acted::Again));
                    return Err(Error::invalid(
                        "timestamp",
                        "was given before the facts that the act rests on",
                    ));
                }
                _ => basis(decisions)?.decide(command, accepted.time()),
            };
            match decision.outcome? {
                Decided::Taken => Ok(()),
                Decided::Later(newest) => {
                    acted.set(Some(Acted::Later(newest)));
                    Err(Error::invalid("timestamp", "must be later than the facts that the act rests on"))
                }
            }
        });
        if let Some(acted) = acted.take() {
            return Ok(acted);
        }
        if matches!(outcome, Err(Error::Identity { .. })) {
            // A refusal rests on what is visible, and durable at `Synced`, as an acceptance does.
            self.log.wait_kept(rests_on.get())?;
        }
        outcome.map(Acted::Stored)
    }
}

#[cfg(test)]
mod tests;
