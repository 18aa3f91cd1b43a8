//! The end of a log that is closed: little is left for the next opening to read.

use super::engine::{Inner, PoisonOnPanic};
use super::fold::{Draft, Fold};
use crate::error::{Error, Result};
use crate::format::frame::{FrameFlags, FrameKind};
use crate::format::manifest::State;

/// A segment is rolled at the close where its frames take more than this part of the longest segment; so segments that
/// stores with little to write leave behind are at least so long.
const CLOSED_TAIL_PART: u64 = 8;

impl<F: Fold> Inner<F> {
    /// Ends the active segment if it is long enough to be sealed. Where that is not possible, on a full disk for one,
    /// the log stays in it.
    ///
    /// # Errors
    ///
    /// [`Error::SyncFailed`] where the log was poisoned on the way: what was written may or may not survive.
    pub(super) fn roll_at_close(&self) -> Result<()> {
        let mut flush = self.flush.lock();
        let mut stage = self.stage.lock();
        let _guard = PoisonOnPanic::new(&self.marks);
        // A log that was not written to stays as it is.
        if !stage.marked_open || stage.frame_bytes() <= stage.segment_bytes_max() / CLOSED_TAIL_PART {
            return Ok(());
        }
        let durable = self.marks.durable();
        let staged = !self.mapped;
        let rolled = stage.roll_now(&self.filler, durable, staged, &mut || self.before_roll());
        let Ok(to) = rolled else { return Ok(()) };
        if staged {
            drop(stage);
            return self.flush_staged(&mut flush);
        }
        flush.roll_mapped(to, &self.marks).map_err(|_| {
            self.marks.poison();
            Error::SyncFailed { durable }
        })
    }

    /// Writes the close frame and the clean marker, everything synced in between.
    pub(super) fn mark_closed(&self) -> Result<()> {
        if !self.stage.lock().marked_open {
            return Ok(());
        }
        let appended = self.append_close();
        // Also where the close frame found no room: what was appended is made durable as far as that goes.
        let _one_at_a_time = self.sync.lock();
        let mut flush = self.flush.lock();
        let failed = |_| {
            self.marks.poison();
            Error::SyncFailed { durable: self.marks.durable() }
        };
        for (_, file) in std::mem::take(&mut flush.unsynced) {
            file.sync().map_err(failed)?;
        }
        flush.file.sync().map_err(failed)?;
        let last = self.marks.visible();
        self.marks.set_synced();
        self.marks.set_durable(last);
        self.marks.wake();
        appended?;
        flush.write_slot(self.clock.now(), last, true)?;
        flush.file.sync().map_err(failed)?;
        self.manifest.update(|manifest| manifest.state = State::Closed(last))
    }

    /// Appends the close frame, whatever the level: written, not yet synced at the levels that sync later.
    fn append_close(&self) -> Result<()> {
        let draft = Draft {
            kind: FrameKind::Close,
            flags: FrameFlags::default(),
            keys: &[],
            body: &[],
            body_crc: crc32fast::hash(&[]),
        };
        let hints = [F::Hint::default()];
        if self.mapped {
            return self.append_mapped(&[draft], &hints, |_| Ok(true), |_, _| ()).map(drop);
        }
        self.stage(&[draft], &hints, |_| Ok(true), |_, _| ())?;
        self.flush_staged(&mut self.flush.lock())
    }
}
