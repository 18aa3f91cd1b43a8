//! How far the log is visible and how far it is durable, and who waits for it.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::error::{Error, Result};
use crate::trace;
use crate::types::Seq;

const RUNNING: u8 = 0;
const CLOSED: u8 = 1;
const POISONED: u8 = 2;

/// Whether a store takes appends, and if not, why.
///
/// # Examples
///
/// ```
/// use envelog::{Store, StoreState};
///
/// let store = Store::in_memory()?;
/// assert_eq!(store.stats()?.state, StoreState::Open);
/// store.close()?;
/// assert_eq!(store.stats()?.state, StoreState::Closed);
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreState {
    /// It takes appends.
    Open,
    /// It was opened for reading.
    ReadOnly,
    /// It was closed by [`Store::close`](crate::Store::close).
    Closed,
    /// A sync failed, or a thread of the store panicked. Reads go on; open the store anew to append.
    Poisoned,
}

/// The two watermarks and the state of the log, for any number of threads.
///
/// (W1) durable <= visible where events are visible before their sync; at `Synced` they are one.
/// (W2) Both only grow.
/// (W3) event <= visible, and what lies between the two is no event, but for the moment from one store to the next.
pub(crate) struct Marks {
    visible: AtomicU64,
    durable: AtomicU64,
    /// The last visible event, or where the log ended when it was opened; other frames wake nobody.
    event: AtomicU64,
    state: AtomicU8,
    /// Nothing more becomes visible.
    ended: AtomicBool,
    /// When this was made, and how many nanoseconds later the last sync ended; 0 before the first.
    begin: Instant,
    synced_at: AtomicU64,
    waiters: AtomicUsize,
    lock: Mutex<()>,
    changed: Condvar,
}

impl Marks {
    pub(crate) fn new(last: Seq) -> Self {
        Self {
            visible: AtomicU64::new(last.get()),
            durable: AtomicU64::new(last.get()),
            event: AtomicU64::new(last.get()),
            state: AtomicU8::new(RUNNING),
            ended: AtomicBool::new(false),
            begin: Instant::now(),
            synced_at: AtomicU64::new(0),
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

    /// Tells that an event is visible, after [`Marks::set_visible`] has shown it.
    pub(super) fn set_event(&self, seq: Seq) {
        // Release: who sees this sees a visible seq that is no less.
        self.event.store(seq.get(), Ordering::Release);
    }

    /// Tells that a sync has ended. It has just waited for the disk, beside which reading the time is nothing.
    pub(super) fn set_synced(&self) {
        let nanos = u64::try_from(self.begin.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1);
        // Relaxed: the number stands for itself.
        self.synced_at.store(nanos, Ordering::Relaxed);
    }

    /// How long ago the last sync of the log ended; `None` before the first.
    pub(crate) fn since_last_sync(&self) -> Option<Duration> {
        // Relaxed: as in `set_synced`.
        let synced_at = self.synced_at.load(Ordering::Relaxed);
        (synced_at > 0).then(|| self.begin.elapsed().saturating_sub(Duration::from_nanos(synced_at)))
    }

    pub(super) fn set_durable(&self, seq: Seq) {
        // Release: as for visible. A maximum, as a slow background sync may come after a newer one.
        self.durable.fetch_max(seq.get(), Ordering::Release);
    }

    /// Wakes those who wait for a mark or for an end. Where nobody waits it is a fence and a load.
    ///
    /// No wake-up is lost: the mark is stored before the fence here and looked at after the fence of
    /// [`Marks::wait_for`], the waiter counts itself before that fence and is looked for after this one; so one of the
    /// two sees the other. A waiter that is seen holds the lock from its last look at the mark until it sleeps, and the
    /// lock is taken here in between.
    pub(super) fn wake(&self) {
        // SeqCst: with the one in `wait_for`, either the waiter sees the new mark or this sees the waiter.
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

    /// Whether appends are taken, and if not, why.
    pub(crate) fn state(&self) -> StoreState {
        // Acquire: as above.
        match self.state.load(Ordering::Acquire) {
            RUNNING => StoreState::Open,
            CLOSED => StoreState::Closed,
            _ => StoreState::Poisoned,
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        // Acquire: as above.
        self.state.load(Ordering::Acquire) == CLOSED
    }

    /// No append is taken from now on.
    pub(super) fn poison(&self) {
        // AcqRel: what led to it is seen by who sees it; one caller is the first.
        if self.state.swap(POISONED, Ordering::AcqRel) != POISONED {
            trace::error!(LOG, durable = self.durable().get(); "the store takes no more appends; open it anew");
        }
        self.wake();
    }

    /// Nothing more becomes visible: the log is closed.
    pub(super) fn end(&self) {
        // Release: pairs with the Acquire in `wait_visible`, which looks at the events behind it.
        self.ended.store(true, Ordering::Release);
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
        let is_durable = || {
            let durable = self.durable();
            if durable >= seq {
                Some(Ok(()))
            } else if self.is_poisoned() {
                Some(Err(Error::SyncFailed { durable }))
            } else {
                None
            }
        };
        is_durable().or_else(|| self.wait_for(None, is_durable)).unwrap_or(Ok(()))
    }

    /// Waits until an event behind `after` is visible or the time is over, and returns the last visible seq.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] and [`Error::Poisoned`] where no event behind `after` is visible and none will be.
    pub(crate) fn wait_visible(&self, after: Seq, timeout: Duration) -> Result<Seq> {
        let is_visible = || {
            // Acquire: read before the event mark is, so that an event that came before the end is not missed.
            let ended = self.ended.load(Ordering::Acquire);
            let poisoned = self.is_poisoned();
            // Acquire: pairs with the Release of `set_event`.
            if self.event.load(Ordering::Acquire) > after.get() {
                Some(Ok(self.visible()))
            } else if poisoned {
                Some(Err(Error::Poisoned))
            } else {
                ended.then_some(Err(Error::Closed))
            }
        };
        // A time that no clock reaches is no end.
        let deadline = Instant::now().checked_add(timeout);
        is_visible().or_else(|| self.wait_for(deadline, is_visible)).unwrap_or_else(|| Ok(self.visible()))
    }

    /// Waits until `look` finds what it looks for, or until `deadline`.
    fn wait_for<T>(&self, deadline: Option<Instant>, look: impl Fn() -> Option<T>) -> Option<T> {
        self.waiters.fetch_add(1, Ordering::Relaxed);
        let mut guard: MutexGuard<'_, ()> = self.lock.lock();
        let found = loop {
            // SeqCst: see `wake`.
            std::sync::atomic::fence(Ordering::SeqCst);
            if let Some(found) = look() {
                break Some(found);
            }
            match deadline {
                None => self.changed.wait(&mut guard),
                Some(deadline) => {
                    if self.changed.wait_until(&mut guard, deadline).timed_out() {
                        break look();
                    }
                }
            }
        };
        drop(guard);
        self.waiters.fetch_sub(1, Ordering::Relaxed);
        found
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

    #[test]
    fn who_waits_for_an_event_is_given_it_before_the_end() {
        let marks = Marks::new(Seq::new(4));
        let at_once = |after| marks.wait_visible(Seq::new(after), Duration::ZERO);
        assert_eq!(
            at_once(3).unwrap(),
            Seq::new(4),
            "what stood there when the log was opened may be an event"
        );
        assert_eq!(at_once(4).unwrap(), Seq::new(4), "the time is over");
        marks.set_visible(Seq::new(5));
        assert_eq!(at_once(4).unwrap(), Seq::new(5), "the time is over, and no event came");
        let soon = || marks.wait_visible(Seq::new(4), Duration::MAX);
        marks.set_visible(Seq::new(7));
        marks.set_event(Seq::new(6));
        assert_eq!(soon().unwrap(), Seq::new(7));
        marks.end();
        assert_eq!(soon().unwrap(), Seq::new(7));
        assert!(matches!(at_once(6), Err(Error::Closed)));
        marks.poison();
        assert_eq!(soon().unwrap(), Seq::new(7));
        assert!(matches!(at_once(7), Err(Error::Poisoned)));
    }

    /// Each side goes on only when it has been woken by the other, so that a wake-up that is lost stops the test.
    #[test]
    fn no_wake_up_is_lost_between_two_threads() {
        const ROUNDS: u64 = 20_000;
        let (there, back) = (Arc::new(Marks::new(Seq::ZERO)), Arc::new(Marks::new(Seq::ZERO)));
        let answerer = std::thread::spawn({
            let (there, back) = (Arc::clone(&there), Arc::clone(&back));
            move || {
                for round in 0..ROUNDS {
                    let seen = there.wait_visible(Seq::new(round), Duration::MAX).unwrap();
                    back.set_visible(seen);
                    back.set_event(seen);
                    back.wake();
                }
            }
        });
        for round in 0..ROUNDS {
            there.set_visible(Seq::new(round + 1));
            there.set_event(Seq::new(round + 1));
            there.wake();
            assert_eq!(back.wait_visible(Seq::new(round), Duration::MAX).unwrap(), Seq::new(round + 1));
        }
        answerer.join().unwrap();
    }
}
