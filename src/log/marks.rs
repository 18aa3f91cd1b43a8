//! How far the log is visible and how far it is durable, and who waits for it.

use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};

use parking_lot::{Condvar, Mutex};

use crate::error::{Error, Result};
use crate::types::Seq;

const RUNNING: u8 = 0;
const CLOSED: u8 = 1;
const POISONED: u8 = 2;

/// The two watermarks and the state of the log, for any number of threads.
///
/// (W1) durable <= visible where events are visible before their sync; at `Synced` they are one.
/// (W2) Both only grow.
pub(crate) struct Marks {
    visible: AtomicU64,
    durable: AtomicU64,
    state: AtomicU8,
    waiters: AtomicUsize,
    lock: Mutex<()>,
    changed: Condvar,
}

impl Marks {
    pub(crate) fn new(last: Seq) -> Self {
        Self {
            visible: AtomicU64::new(last.get()),
            durable: AtomicU64::new(last.get()),
            state: AtomicU8::new(RUNNING),
            waiters: AtomicUsize::new(0),
            lock: Mutex::new(()),
            changed: Condvar::new(),
        }
    }

    /// The last visible seq.
    pub(crate) fn visible(&self) -> Seq {
        // Acquire: frames, index entries and profiles are in place before the seq that shows them.
        Seq::new(self.visible.load(Ordering::Acquire))
    }

    /// The last durable seq.
    pub(crate) fn durable(&self) -> Seq {
        // Acquire: pairs with the Release of `set_durable`, for those who read what became durable.
        Seq::new(self.durable.load(Ordering::Acquire))
    }

    pub(super) fn set_visible(&self, seq: Seq) {
        debug_assert!(seq >= self.visible(), "visible goes forward"); // W2
        // Release: everything applied before is seen by who sees the seq.
        self.visible.store(seq.get(), Ordering::Release);
    }

    pub(super) fn set_durable(&self, seq: Seq) {
        // Release: as for visible. A maximum, as a slow background sync may come after a newer one.
        self.durable.fetch_max(seq.get(), Ordering::Release);
    }

    /// Wakes those who wait for durability or for an end.
    pub(super) fn wake(&self) {
        // SeqCst: with the one in `wait`, either the waiter sees the new mark or this sees the waiter.
        std::sync::atomic::fence(Ordering::SeqCst);
        if self.waiters.load(Ordering::Relaxed) > 0 {
            drop(self.lock.lock());
            self.changed.notify_all();
        }
    }

    /// Whether appends are still taken.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] or [`Error::Poisoned`].
    pub(crate) fn check_running(&self) -> Result<()> {
        // Acquire: pairs with the Release of the change.
        match self.state.load(Ordering::Acquire) {
            RUNNING => Ok(()),
            CLOSED => Err(Error::Closed),
            _ => Err(Error::Poisoned),
        }
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        // Acquire: as above.
        self.state.load(Ordering::Acquire) == POISONED
    }

    pub(crate) fn is_closed(&self) -> bool {
        // Acquire: as above.
        self.state.load(Ordering::Acquire) == CLOSED
    }

    /// No append is taken from now on.
    pub(super) fn poison(&self) {
        // Release: what led to it is seen by who sees it.
        self.state.store(POISONED, Ordering::Release);
        self.wake();
    }

    /// Marks the log as closed; `false` where it was closed or poisoned already.
    pub(super) fn close(&self) -> bool {
        // AcqRel: one caller closes, and sees what came before.
        self.state.compare_exchange(RUNNING, CLOSED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Waits until `seq` is durable.
    ///
    /// # Errors
    ///
    /// [`Error::SyncFailed`] where the log was poisoned before: the outcome is unknown.
    pub(crate) fn wait_durable(&self, seq: Seq) -> Result<()> {
        if self.durable() >= seq {
            return Ok(());
        }
        self.waiters.fetch_add(1, Ordering::Relaxed);
        let mut guard = self.lock.lock();
        let outcome = loop {
            // SeqCst: see `wake`.
            std::sync::atomic::fence(Ordering::SeqCst);
            let durable = self.durable();
            if durable >= seq {
                break Ok(());
            }
            if self.is_poisoned() {
                break Err(Error::SyncFailed { durable });
            }
            self.changed.wait(&mut guard);
        };
        drop(guard);
        self.waiters.fetch_sub(1, Ordering::Relaxed);
        outcome
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn who_waits_is_woken_by_the_mark_and_by_the_poison() {
        let marks = Arc::new(Marks::new(Seq::ZERO));
        let waiter = std::thread::spawn({
            let marks = Arc::clone(&marks);
            move || marks.wait_durable(Seq::new(2))
        });
        marks.set_visible(Seq::new(2));
        marks.set_durable(Seq::new(2));
        marks.wake();
        waiter.join().unwrap().unwrap();

        let waiter = std::thread::spawn({
            let marks = Arc::clone(&marks);
            move || marks.wait_durable(Seq::new(3))
        });
        marks.poison();
        assert!(
            matches!(waiter.join().unwrap(), Err(Error::SyncFailed { durable }) if durable == Seq::new(2))
        );
        assert!(matches!(marks.check_running(), Err(Error::Poisoned)));
    }
}
