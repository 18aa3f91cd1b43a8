//! Random work on a store by several threads, and a record of what each call was told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use envelog::testing::SimRng;
use envelog::{Ack, CursorKey, Error, Note, Position, Store, Ticket};

use super::watch::{Progress, Watched};
use super::{Draft, index, project_id};

/// What a call was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The positions of its events.
    Acked(Vec<Position>),
    /// It may have been stored or not.
    Unknown,
    /// Nothing of it was stored.
    Refused,
}

/// One call: events and perhaps a cursor, stored together or not at all.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) drafts: Vec<Draft>,
    pub(crate) cursor: Option<(String, u64)>,
    pub(crate) outcome: Outcome,
    /// The answer was that a sync failed.
    pub(crate) sync_failed: bool,
}

/// What is asked of each thread.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Work {
    pub(crate) threads: usize,
    pub(crate) calls: u64,
    /// Whether a call that failed ends the thread's work.
    pub(crate) stops_at_error: bool,
}

/// Numbers events over a whole test. A clone goes on with the same numbers.
#[derive(Debug, Clone)]
pub(crate) struct Numbers(Arc<AtomicU64>);

impl Numbers {
    pub(crate) fn new(first: u64) -> Self {
        Self(Arc::new(AtomicU64::new(first)))
    }

    pub(crate) fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

pub(crate) fn cursor_key(name: &str) -> CursorKey<'_> {
    if name.starts_with('s') { CursorKey::Store(name) } else { CursorKey::Project(project_id(0), name) }
}

/// Works on the store, and returns what each thread did, in its order.
pub(crate) fn work(store: &Store, rng: &mut SimRng, numbers: &Numbers, work: Work) -> Vec<Vec<Attempt>> {
    let start = |thread| {
        let (seed, store, numbers) = (rng.next_u64(), store.clone(), numbers.clone());
        Watched::start(move |progress| {
            let rng = SimRng::new(seed);
            let (done, tickets) = (Vec::new(), Vec::new());
            Worker { store: &store, rng, numbers: &numbers, thread, progress, done, tickets }.run(work)
        })
    };
    let threads: Vec<_> = (0..work.threads).map(start).collect();
    threads.into_iter().map(Watched::join).collect()
}

struct Worker<'a> {
    store: &'a Store,
    rng: SimRng,
    numbers: &'a Numbers,
    thread: usize,
    progress: &'a Progress,
    done: Vec<Attempt>,
    /// Tickets not waited for, with the places of their attempts.
    tickets: Vec<(usize, Ticket)>,
}

impl Worker<'_> {
    fn run(mut self, work: Work) -> Vec<Attempt> {
        for _ in 0..work.calls {
            if self.call().is_err() && work.stops_at_error {
                break;
            }
        }
        self.redeem();
        self.done
    }

    fn draft(&mut self) -> Draft {
        Draft::draw(&mut self.rng, self.numbers.next())
    }

    fn call(&mut self) -> Result<(), ()> {
        match self.rng.below(100) {
            0..8 => self.repeat(),
            8..55 => {
                self.redeem();
                let draft = self.draft();
                self.progress.begin("Store::append");
                let outcome = self.store.append(draft.envelope()).map(|ack| vec![ack]);
                self.keep(vec![draft], None, outcome)
            }
            55..75 => self.batch(),
            75..90 => self.submit(),
            90..95 => {
                self.redeem();
                self.progress.begin("Store::sync");
                self.store.sync().map(drop).map_err(drop)
            }
            95..98 => {
                self.redeem();
                match self.done.last().map(|attempt| &attempt.outcome) {
                    Some(Outcome::Acked(positions)) if !positions.is_empty() => {
                        self.progress.begin("Store::wait_durable");
                        self.store.wait_durable(positions[0]).map_err(drop)
                    }
                    _ => Ok(()),
                }
            }
            98 => {
                self.progress.begin("Store::wait_sealed");
                self.store.wait_sealed().map_err(drop)
            }
            _ => {
                self.progress.begin("View::events");
                let view = self.store.project(project_id(0)).view().map_err(drop)?;
                view.events().count().map(drop).map_err(drop)
            }
        }
    }

    /// Appends again what was acknowledged: nothing is stored, and the answer is the same.
    fn repeat(&mut self) -> Result<(), ()> {
        self.redeem();
        if self.done.is_empty() {
            return Ok(());
        }
        let attempt = &self.done[index(&mut self.rng, self.done.len())];
        let Outcome::Acked(positions) = &attempt.outcome else { return Ok(()) };
        if positions.is_empty() || attempt.drafts.iter().any(|draft| !draft.has_message_id) {
            return Ok(());
        }
        self.progress.begin("Store::append_batch, again");
        match self.store.append_batch(attempt.drafts.iter().map(Draft::envelope)) {
            Ok(acks) => {
                assert!(acks.iter().all(|ack| ack.notes.contains(Note::Duplicate)), "{acks:?}");
                assert!(acks.iter().map(|ack| ack.position).eq(positions.iter().copied()), "{acks:?}");
                Ok(())
            }
            Err(error) => {
                // Panics where no append fails so.
                let _ = outcome(Err(error));
                Err(())
            }
        }
    }

    fn batch(&mut self) -> Result<(), ()> {
        self.redeem();
        let events = if self.rng.chance(100) { 0 } else { 1 + index(&mut self.rng, 6) };
        let drafts: Vec<Draft> = (0..events).map(|_| self.draft()).collect();
        let cursor = (events == 0 || self.rng.chance(400)).then(|| {
            let scope = if self.rng.chance(500) { 's' } else { 'p' };
            (format!("{scope}{}-{}", self.thread, self.rng.below(2)), self.numbers.next())
        });
        let cursor_at = index(&mut self.rng, events + 1);
        let mut batch = self.store.batch();
        let mut set = Ok(());
        for at in 0..=events {
            if let Some((name, state)) = cursor.as_ref().filter(|_| at == cursor_at) {
                set = set.and(batch.set_cursor(cursor_key(name), &state.to_le_bytes()));
            }
            if let Some(draft) = drafts.get(at) {
                set = set.and(batch.push(&draft.envelope()));
            }
        }
        self.progress.begin("Batch::commit");
        let outcome = set.and_then(|()| batch.commit());
        self.keep(drafts, cursor, outcome)
    }

    fn submit(&mut self) -> Result<(), ()> {
        let draft = self.draft();
        self.progress.begin("Store::submit");
        match self.store.submit(draft.envelope()) {
            Ok(ticket) => {
                self.tickets.push((self.done.len(), ticket));
                self.done.push(Attempt {
                    drafts: vec![draft],
                    cursor: None,
                    outcome: Outcome::Unknown,
                    sync_failed: false,
                });
                Ok(())
            }
            Err(error) => self.keep(vec![draft], None, Err(error)),
        }
    }

    /// Waits for all tickets.
    fn redeem(&mut self) {
        for (at, ticket) in std::mem::take(&mut self.tickets) {
            self.progress.begin("Ticket::wait");
            let told = ticket.wait().map(|ack| vec![ack]);
            self.done[at].sync_failed = is_failed_sync(&told);
            self.done[at].outcome = outcome(told);
        }
    }

    fn keep(
        &mut self,
        drafts: Vec<Draft>,
        cursor: Option<(String, u64)>,
        told: envelog::Result<Vec<Ack>>,
    ) -> Result<(), ()> {
        let (failed, sync_failed) = (told.is_err(), is_failed_sync(&told));
        let outcome = outcome(told);
        self.done.push(Attempt { drafts, cursor, outcome, sync_failed });
        if failed { Err(()) } else { Ok(()) }
    }
}

/// What an answer promises.
pub(crate) fn outcome(told: envelog::Result<Vec<Ack>>) -> Outcome {
    match told {
        Ok(acks) => Outcome::Acked(acks.iter().map(|ack| ack.position).collect()),
        Err(
            Error::NoSpace { .. }
            | Error::TooLarge { .. }
            | Error::Invalid { .. }
            | Error::InBatch { .. }
            | Error::Closed
            | Error::ReadOnly
            | Error::Poisoned,
        ) => Outcome::Refused,
        Err(Error::SyncFailed { .. } | Error::Io { .. }) => Outcome::Unknown,
        Err(error) => panic!("no append fails so: {error:?}"),
    }
}

fn is_failed_sync(told: &envelog::Result<Vec<Ack>>) -> bool {
    matches!(told, Err(Error::SyncFailed { .. }))
}
