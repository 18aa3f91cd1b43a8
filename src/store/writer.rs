//! What a store that is open for writing has beside its readers' side.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use parking_lot::Mutex;

use super::drafts::Drafts;
use super::fold::StoreFold;
use super::repeats::MessageIds;
use super::seal::SealQueue;
use super::state::ReadState;
use crate::envelope::{Accepted, Acceptor, Scratch};
use crate::error::Result;
use crate::limits::Limits;
use crate::log::Log;
use crate::storage::{Entropy, TimeSource};
use crate::trace;
use crate::types::{Epoch, Nanos};

/// Workspaces that are kept for the next append; as many threads append at a time.
const WORKSPACES_KEPT: usize = 64;

/// Memory that one append after another uses.
pub(super) struct Workspace {
    pub(super) scratch: Scratch,
    pub(super) accepted: Accepted,
    pub(super) drafts: Drafts,
}

/// The writing side of an open store.
pub(super) struct Writer {
    pub(super) log: Arc<Log<StoreFold>>,
    pub(super) acceptor: Acceptor,
    pub(super) limits: Arc<Limits>,
    pub(super) clock: TimeSource,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) state: Arc<ReadState>,
    /// None where message ids are not looked up.
    pub(super) ids: Option<Arc<MessageIds>>,
    /// The epoch of everything that is written until the store is opened anew.
    pub(super) epoch: Epoch,
    pub(super) queue: Arc<SealQueue>,
    pub(super) sealer: Mutex<Option<JoinHandle<()>>>,
    #[expect(clippy::vec_box, reason = "a workspace moves between the pool and its user as a pointer")]
    pub(super) workspaces: Mutex<Vec<Box<Workspace>>>,
    /// Held while a visitor's id is looked up by message id and, where there is none, made.
    pub(super) signing_in: Mutex<()>,
    /// Whether the host has closed the store itself, and knows what came of it.
    pub(super) was_told: AtomicBool,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

impl Writer {
    pub(super) fn now(&self) -> Nanos {
        Nanos::new(self.clock.now())
    }

    pub(super) fn workspace(&self) -> Box<Workspace> {
        let kept = self.workspaces.lock().pop();
        kept.unwrap_or_else(|| {
            Box::new(Workspace {
                scratch: self.acceptor.scratch(),
                accepted: Accepted::default(),
                drafts: self.drafts(),
            })
        })
    }

    fn drafts(&self) -> Drafts {
        let ids = self.ids.as_deref();
        let on_conflict = ids.map(|ids| ids.on_conflict).unwrap_or_default();
        Drafts::new(self.state.hash_key, ids.map(|ids| ids.hasher), on_conflict)
    }

    pub(super) fn put_back(&self, workspace: Box<Workspace>) {
        let mut workspaces = self.workspaces.lock();
        if workspaces.len() < WORKSPACES_KEPT {
            workspaces.push(workspace);
        }
    }

    /// Takes no more appends, seals what is rolled, marks the end as clean. A second call does nothing.
    pub(super) fn close(&self) -> Result<()> {
        let _span = trace::span!(CLOSE, "close");
        let watch = trace::Stopwatch::start();
        let is_first = !self.was_told.swap(true, Ordering::Relaxed);
        let closed = self.log.close(|| {
            self.queue.stop();
            if let Some(sealer) = self.sealer.lock().take() {
                // A thread never joins itself: the last handle of a store may be dropped by the sealer's callback.
                if sealer.thread().id() != std::thread::current().id() {
                    let _ = sealer.join();
                }
            }
        });
        if is_first && closed.is_ok() {
            let last_seq = self.state.marks.visible().get();
            trace::info!(CLOSE, last_seq = last_seq, took_ms = watch.millis(); "the store is closed");
        }
        closed
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if self.was_told.load(Ordering::Relaxed) {
            return;
        }
        if let Err(error) = self.close() {
            // It has nobody else to go to; the next opening recovers.
            trace::error!(CLOSE, error = trace::shown(&error); "the last handle is gone, and closing the store failed");
        }
    }
}
