//! The end of a log that is closed: little is left for the next opening to read.

use super::engine::{Inner, PoisonOnPanic};
use super::fold::Fold;
use crate::error::{Error, Result};

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
}
