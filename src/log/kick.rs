//! A wake-up call for the flusher thread that costs nothing when it is awake.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

#[derive(Default)]
pub(super) struct Kick {
    kicked: AtomicBool,
    stopping: AtomicBool,
    lock: Mutex<()>,
    work: Condvar,
}

impl Kick {
    /// There is work. What was staged before this call is seen by the next round.
    pub(super) fn kick(&self) {
        // AcqRel: what was staged before is seen by the thread that takes the kick.
        if !self.kicked.swap(true, Ordering::AcqRel) {
            drop(self.lock.lock());
            self.work.notify_one();
        }
    }

    /// Waits for a kick, for `timeout` or for the end; `false` at the end.
    pub(super) fn wait(&self, timeout: Option<Duration>) -> bool {
        let mut guard = self.lock.lock();
        loop {
            // Acquire: pairs with the Release in `stop` and the AcqRel in `kick`.
            if self.stopping.load(Ordering::Acquire) {
                return false;
            }
            if self.kicked.swap(false, Ordering::AcqRel) {
                return true;
            }
            match timeout {
                None => self.work.wait(&mut guard),
                Some(timeout) => {
                    if self.work.wait_for(&mut guard, timeout).timed_out() {
                        // Acquire: as above.
                        return !self.stopping.load(Ordering::Acquire);
                    }
                }
            }
        }
    }

    /// Ends the thread that waits.
    pub(super) fn stop(&self) {
        // Release: pairs with the Acquire in `wait`.
        self.stopping.store(true, Ordering::Release);
        drop(self.lock.lock());
        self.work.notify_all();
    }
}
