//! The way of frames into the log: decided, placed, and then stored or staged.

use parking_lot::MutexGuard;

use super::engine::{Appended, Inner, PoisonOnPanic};
use super::flush::Flush;
use super::fold::{Draft, Fold, Kept};
use super::stage::{Stage, batch_bytes, batch_marks};
use crate::error::Result;
use crate::format::manifest::State;
use crate::types::{Nanos, Seq};

/// Bytes that may wait for the flusher before a writer does.
const STAGED_BYTES_MAX: u64 = 8 * 1024 * 1024;

impl<F: Fold> Inner<F> {
    fn now(&self, stage: &Stage<F>) -> Nanos {
        stage.last_received_at.max(Nanos::new(self.clock.now()))
    }

    /// Tells the next opening that a writer was at work, before the first frame.
    fn mark_open(&self, stage: &mut Stage<F>) -> Result<()> {
        if !stage.marked_open {
            self.manifest.update(|manifest| manifest.state = State::Open)?;
            stage.marked_open = true;
        }
        Ok(())
    }

    /// Fails in a process that was forked from the one that opened the log, before it takes any lock: what it stores
    /// would go over what its parent stores.
    #[inline]
    pub(super) fn check_process(&self) -> Result<()> {
        if self.fork_mark.is_forked() { self.disk.check_process() } else { Ok(()) }
    }

    /// What must happen before the log moves to another segment; gives the salt of that one.
    pub(super) fn before_roll(&self) -> Result<u64> {
        self.disk.check_process()?;
        self.gate.pass()?;
        let mut salt = [0; 8];
        self.entropy.fill(&mut salt)?;
        Ok(u64::from_le_bytes(salt))
    }

    /// Gives frames their place and stages their bytes for the next flush; `None` where `check` takes none of them.
    pub(super) fn stage(
        &self,
        drafts: &[Draft<'_>],
        hints: &[F::Hint],
        check: impl FnOnce(&mut F::Decisions) -> Result<bool>,
        keep: impl FnOnce(&mut F::Decisions, Kept),
    ) -> Result<Option<(Seq, Seq)>> {
        self.check_process()?;
        let bytes = batch_bytes(drafts)?;
        let mut stage = self.stage.lock();
        let _guard = PoisonOnPanic::new(&self.marks);
        if !check(&mut stage.decisions)? {
            return Ok(None);
        }
        self.mark_open(&mut stage)?;
        let durable = self.marks.durable();
        stage.roll_for(bytes, &self.filler, durable, true, &mut || self.before_roll())?;
        stage.ensure_filled(bytes, &self.filler)?;
        let received_at = self.now(&stage);
        let first = stage.next_seq;
        for (at, (draft, hint)) in drafts.iter().zip(hints).enumerate() {
            stage.stage((draft, *hint), batch_marks(at, drafts.len()), received_at, durable);
        }
        let base_seq = stage.base_seq();
        keep(&mut stage.decisions, Kept { first, base_seq });
        let last = Seq::new(stage.next_seq.get() - 1);
        Ok(Some((first, last)))
    }

    /// Holds a writer back while more than a few MiB wait for the flusher.
    pub(super) fn wait_for_room_in_stage(&self) {
        if !self.level.is_synced() {
            // Whoever stages writes at once.
            return;
        }
        let stage = self.stage.lock();
        if stage.staged_bytes <= STAGED_BYTES_MAX {
            return;
        }
        let behind = Seq::new(stage.next_seq.get() - 1);
        drop(stage);
        self.kick.kick();
        // An error is told to the append itself.
        let _ = self.marks.wait_durable(behind);
    }

    /// Stores frames through the mapping and folds them; `None` where `check` takes none of them.
    pub(super) fn append_mapped(
        &self,
        drafts: &[Draft<'_>],
        hints: &[F::Hint],
        check: impl FnOnce(&mut F::Decisions) -> Result<bool>,
        keep: impl FnOnce(&mut F::Decisions, Kept),
    ) -> Result<Option<Appended>> {
        self.check_process()?;
        let bytes = batch_bytes(drafts)?;
        let mut flush: MutexGuard<'_, Flush<F>> = self.flush.lock();
        flush.fold.foresee(hints);
        let mut stage = self.stage.lock();
        let _guard = PoisonOnPanic::new(&self.marks);
        if !check(&mut stage.decisions)? {
            return Ok(None);
        }
        self.mark_open(&mut stage)?;
        let durable = self.marks.durable();
        if let Some(to) = stage.roll_for(bytes, &self.filler, durable, false, &mut || self.before_roll())? {
            flush.roll_mapped(to, &self.marks).inspect_err(|_| self.marks.poison())?;
        }
        stage.ensure_filled(bytes, &self.filler)?;
        flush.reach(stage.limit(), stage.end + bytes)?;
        let received_at = self.now(&stage);
        let first = stage.next_seq;
        flush
            .write_mapped(&mut stage, drafts, hints, received_at, durable)
            .inspect_err(|_| self.marks.poison())?;
        let base_seq = stage.base_seq();
        keep(&mut stage.decisions, Kept { first, base_seq });
        let last = Seq::new(stage.next_seq.get() - 1);
        drop(stage);
        let mut notes = Vec::new();
        flush.fold_mapped((drafts, hints), last, &self.marks, &mut notes);
        self.count_towards_sync(&mut flush, bytes);
        drop(flush);
        self.marks.wake();
        Ok(Some(Appended { first, notes }))
    }

    /// Waits until frames are visible and, at `Synced`, durable, and collects their notes.
    pub(super) fn settle(&self, first: Seq, last: Seq) -> Result<Appended> {
        if self.level.is_synced() {
            self.marks.wait_durable(last)?;
        }
        let mut notes = Vec::new();
        let mut left = self.notes.lock();
        if !left.is_empty() {
            left.retain(|note| {
                let mine = (first..=last).contains(&note.0);
                if mine {
                    notes.push(*note);
                }
                !mine
            });
        }
        Ok(Appended { first, notes })
    }
}
