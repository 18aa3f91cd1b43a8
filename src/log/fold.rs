//! What the log is given and what it tells: drafts in, placed frames out.

use std::sync::Arc;

use super::segment::Segment;
use crate::error::Result;
use crate::format::frame::{FrameFlags, FrameKind};
use crate::types::Seq;

/// A frame that has everything but its place: encoded, measured and checksummed outside any lock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Draft<'a> {
    pub(crate) kind: FrameKind,
    /// Marks of the frame; the batch marks are set by the log.
    pub(crate) flags: FrameFlags,
    pub(crate) keys: &'a [u8],
    pub(crate) body: &'a [u8],
    /// CRC-32 of the body.
    pub(crate) body_crc: u32,
}

/// A frame that has its place and stands in the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placed<'a> {
    pub(crate) seq: Seq,
    pub(crate) kind: FrameKind,
    /// Where the frame begins in its segment's file.
    pub(crate) offset: u32,
    pub(crate) keys: &'a [u8],
    pub(crate) body: &'a [u8],
}

/// Where the frames of an append were given their place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kept {
    /// Seq of the first of them; the others follow.
    pub(crate) first: Seq,
    /// Seq of the first frame of their segment.
    pub(crate) base_seq: Seq,
}

/// A segment behind which the log has moved on.
#[derive(Debug, Clone)]
pub(crate) struct Rolled {
    pub(crate) segment: Arc<Segment>,
    /// Offset behind the roll frame.
    pub(crate) end: u64,
    /// Seq of the roll frame.
    pub(crate) last_seq: Seq,
}

/// Marks that applying a frame left, for the caller that appended it; the log does not know what they mean.
pub(crate) type FoldNotes = u32;

/// What is derived from the log as it grows. Called by one thread at a time, in seq order, once for each frame.
///
/// (F1) Nothing here can fail: what could has happened before the frame was committed.
/// (F2) Frames become visible when `show` is called, which every `apply` does exactly once, behind the last frame.
pub(crate) trait Fold: Send + 'static {
    /// What is decided under the lock, against all staged frames, visible or not.
    type Decisions: Send;

    /// What the caller found out about a frame outside the lock; it goes with the frame to `apply`.
    type Hint: Clone + Copy + Default + Send;

    /// The frames of these hints will be applied in a while: time to ask for the memory that this will touch.
    fn foresee(&self, _hints: &[Self::Hint]) {}

    /// The frames of these hints will be applied next.
    fn approach(&self, _hints: &[Self::Hint]) {}

    /// Applies frames that are readable in their segment, calls `show`, and says which frames left notes. There is a
    /// hint for every frame.
    fn apply<'a>(
        &mut self,
        frames: impl Iterator<Item = Placed<'a>>,
        hints: &[Self::Hint],
        show: impl FnOnce(),
        notes: &mut Vec<(Seq, FoldNotes)>,
    );

    /// The log has moved on: frames after this belong to `next`.
    fn rolled(&mut self, rolled: Rolled, next: &Arc<Segment>);
}

/// Holds a roll back while too many rolled segments wait for their index.
pub(crate) trait RollGate: Send + Sync {
    /// Waits until the log may roll.
    ///
    /// # Errors
    ///
    /// The error that keeps segments from being sealed.
    fn pass(&self) -> Result<()>;
}
