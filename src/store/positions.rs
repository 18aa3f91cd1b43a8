//! How far a store is: what is visible, what is durable, and waiting for either.

use std::time::Duration;

use super::Store;
use super::writer::Writer;
use crate::error::{Error, Result};
use crate::format::manifest::{epoch_of, taken_back};
use crate::types::{Position, Seq};

impl Store {
    /// The last seq that is visible to queries; 0 in a store where nothing was ever stored.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Seq, Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// assert_eq!(store.visible(), Seq::ZERO);
    /// let shop = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing");
    /// let ack = shop.track("order.placed").append()?;
    /// assert_eq!(store.visible(), ack.position.seq);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn visible(&self) -> Seq {
        self.inner.state.marks.visible()
    }

    /// The last seq that survives a power loss; everything up to it does. It never goes back.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Store, Uuid};
    ///
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("data");
    /// // The default level waits for the disk.
    /// let store = Store::open(path)?;
    /// let shop = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing");
    /// let ack = shop.track("order.placed").append()?;
    /// assert_eq!(store.durable(), ack.position.seq);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn durable(&self) -> Seq {
        self.inner.state.marks.durable()
    }

    /// Waits until an event behind `after` is visible, and returns the last visible seq; or the same once `timeout` is
    /// over, whatever is there.
    ///
    /// For a thread that follows the log in this process: it reads what is there, then waits behind what it has read.
    /// Cursors and the store's own frames wake nobody. A write of another process is never seen.
    ///
    /// # Errors
    ///
    /// Where an event behind `after` is visible there is none. Else, where none will ever come: [`Error::Closed`] once
    /// the store is closed, [`Error::Poisoned`], and [`Error::ReadOnly`] for a store that was opened for reading.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use envelog::{Error, Query, Seq, Store, Uuid};
    ///
    /// # fn main() -> envelog::Result<()> {
    /// let store = Store::in_memory()?;
    /// let project = store.project(Uuid::from_u128(2));
    /// let follower = std::thread::spawn({
    ///     let store = store.clone();
    ///     move || {
    ///         let (mut seen, mut events) = (Seq::ZERO, 0);
    ///         loop {
    ///             seen = match store.wait_visible(seen, Duration::from_mins(1)) {
    ///                 Ok(visible) => {
    ///                     let fresh = Query::new().seq_range(seen.next()..visible.next());
    ///                     events += project.view()?.query(&fresh).count()?;
    ///                     visible
    ///                 }
    ///                 Err(Error::Closed) => return Ok(events),
    ///                 Err(error) => return Err(error),
    ///             };
    ///         }
    ///     }
    /// });
    /// for _ in 0..10 {
    ///     store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing").track("order.placed").append()?;
    /// }
    /// store.close()?;
    /// assert_eq!(follower.join().unwrap()?, 10);
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait_visible(&self, after: Seq, timeout: Duration) -> Result<Seq> {
        if self.inner.writer.is_none() {
            let visible = self.visible();
            return if visible > after { Ok(visible) } else { Err(Error::ReadOnly) };
        }
        self.inner.state.marks.wait_visible(after, timeout)
    }

    /// Waits until an event survives a power loss, syncing if nothing else would.
    ///
    /// # Errors
    ///
    /// [`Error::SyncFailed`], after which the store takes no more appends; [`Error::Poisoned`]; [`Error::ReadOnly`];
    /// [`Error::Closed`] for an event that closing could not make durable; [`Error::TakenBack`] for one that an unclean
    /// end has lost, [`Error::Invalid`] for one that is not there.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Durability, Options, Uuid};
    ///
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("data");
    /// let store = Options::new().durability(Durability::Buffered).open(path)?;
    /// let shop = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing");
    /// shop.track("page.viewed").user("u_1").append()?;
    /// // This one must not be lost, and all before it survives with it.
    /// let ack = shop.track("order.placed").user("u_1").append()?;
    /// store.wait_durable(ack.position)?;
    /// assert!(store.durable() >= ack.position.seq);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn wait_durable(&self, position: Position) -> Result<()> {
        let epochs = &self.inner.state.epochs;
        if epoch_of(epochs, position.seq) != position.epoch {
            return Err(match taken_back(epochs, position.epoch, position.seq) {
                Some(from) => Error::TakenBack { from, to: position.seq },
                None => Error::invalid("position", "no event ever stood there"),
            });
        }
        if self.durable() >= position.seq {
            return Ok(());
        }
        self.writer()?.log.sync()?;
        if position.seq > self.visible() {
            return Err(Error::invalid("position", "no event stands there yet"));
        }
        self.inner.state.marks.wait_durable(position.seq)
    }

    /// Makes everything that was appended before this call durable, and returns the last durable seq.
    ///
    /// # Errors
    ///
    /// [`Error::SyncFailed`], after which the store takes no more appends; [`Error::Poisoned`]; [`Error::ReadOnly`];
    /// [`Error::Closed`] where closing could not make everything durable.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Durability, Options, Uuid};
    ///
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("data");
    /// let store = Options::new().durability(Durability::Buffered).open(path)?;
    /// let shop = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing");
    /// let ack = shop.track("order.placed").user("u_1").append()?;
    /// assert_eq!(store.sync()?, ack.position.seq);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn sync(&self) -> Result<Seq> {
        self.writer()?.log.sync()
    }

    /// Waits until every full segment has its index and its profiles on the disk.
    ///
    /// # Errors
    ///
    /// The error that keeps a segment from being sealed; [`Error::ReadOnly`]; [`Error::Closed`] where the store was
    /// closed with segments left, which the next opening seals.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Options, Uuid};
    ///
    /// let store = Options::new().segment_bytes_max(1 << 20).open_in_memory()?;
    /// let shop = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing");
    /// for _ in 0..30 {
    ///     shop.track("note.saved").property("text", "x".repeat(50_000)).append()?;
    /// }
    /// store.wait_sealed()?;
    /// let stats = store.stats()?;
    /// assert_eq!(stats.unsealed_segments, 0);
    /// assert_eq!(stats.sealed_segments, stats.segments - 1);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn wait_sealed(&self) -> Result<()> {
        self.writer()?.queue.drain()
    }

    /// Takes no more appends, syncs and marks the end as clean; later appends on any clone give [`Error::Closed`].
    ///
    /// Where more than an eighth of [`segment_bytes_max`](crate::Options::segment_bytes_max) was written since the last
    /// segment was full, that much is made a segment of its own and gets its index, so that the next opening has
    /// little to read. Where that fails, for want of room say, the store is closed without it.
    ///
    /// Views stay usable. A second call does nothing. Dropping the last clone does the same, without the error. A store
    /// that is open for reading has nothing to close: it keeps writers out until its last clone is dropped.
    ///
    /// # Errors
    ///
    /// [`Error::SyncFailed`], [`Error::NoSpace`], [`Error::Io`], and [`Error::Poisoned`] where the store stopped taking
    /// appends before; the next opening then recovers.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Error, Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let shop = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing");
    /// shop.track("order.placed").user("u_1").append()?;
    /// let view = store.project(Uuid::from_u128(2)).view()?;
    ///
    /// store.close()?;
    /// store.close()?;
    /// assert!(matches!(shop.track("order.paid").user("u_1").append(), Err(Error::Closed)));
    /// assert_eq!(view.events().count()?, 1);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn close(&self) -> Result<()> {
        match &self.inner.writer {
            Some(writer) => writer.close(),
            None => Ok(()),
        }
    }

    pub(super) fn writer(&self) -> Result<&Writer> {
        self.inner.writer.as_ref().ok_or(Error::ReadOnly)
    }
}
