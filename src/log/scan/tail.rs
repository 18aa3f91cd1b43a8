//! What is known of a tail before and after it is read.

use super::files::{StrayFile, TailFile};
use crate::format::manifest::GapRange;
use crate::log::report::{DamagedHeader, OnCorruption};
use crate::types::{Nanos, SegmentId, Seq};

/// What is known before the tail is read.
#[derive(Debug)]
pub(crate) struct TailInput<'a> {
    /// The unsealed segments of the current epoch, by rising id.
    pub(crate) files: &'a [TailFile],
    /// The unsealed segments whose header cannot be read.
    pub(crate) strays: &'a [StrayFile],
    /// The last seq of the sealed segments.
    pub(crate) sealed_to: Seq,
    /// The lowest id that the first unsealed segment can have.
    pub(crate) first_id: SegmentId,
    /// The seq of the close frame, where the manifest says that the store was closed.
    pub(crate) closed: Option<Seq>,
    /// The gaps that the manifest lists.
    pub(crate) gaps: &'a [GapRange],
    pub(crate) on_corruption: OnCorruption,
}

impl TailInput<'_> {
    /// The seq that the tail begins with. A gap behind the sealed segments is skipped, unless it begins with a roll
    /// frame that stands in the tail.
    pub(super) fn first_seq(&self) -> Seq {
        let next = self.sealed_to.next();
        match self.files.first() {
            Some(file) if file.header.base_seq == next => next,
            _ => seq_after(self.sealed_to, self.gaps),
        }
    }
}

/// Whole batches that stand one behind the other in one segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Index of the file, or `None` for a piece without frames that has none.
    pub(crate) source: Option<usize>,
    pub(crate) from: u64,
    pub(crate) end: u64,
    pub(crate) base_seq: Seq,
    pub(crate) frames: u32,
    /// Its last frame is a roll frame.
    pub(crate) rolled: bool,
    /// A gap begins behind it.
    pub(crate) cut: bool,
}

impl Piece {
    pub(super) fn empty(source: Option<usize>, from: u64, base_seq: Seq) -> Self {
        Self { source, from, end: from, base_seq, frames: 0, rolled: false, cut: false }
    }

    /// The seq behind its last frame.
    pub(crate) fn next_seq(&self) -> Seq {
        self.base_seq.plus(u64::from(self.frames))
    }
}

/// Bytes of a file behind the end of the log that hold at least one whole frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dropped {
    pub(crate) source: usize,
    pub(crate) from: u64,
    pub(crate) to: u64,
}

/// What the unsealed segments hold.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    /// What is kept, in order; never empty, and only the last piece neither rolled nor cut.
    pub(crate) pieces: Vec<Piece>,
    /// The manifest says that the store was closed, and the log ends there.
    pub(crate) closed_here: bool,
    pub(crate) last_received_at: Option<Nanos>,
    /// Gaps that were found; only where corruption is quarantined.
    pub(crate) gaps: Vec<GapRange>,
    /// Indexes of files with damage, rising.
    pub(crate) damaged: Vec<usize>,
    /// Files of which one copy of the header is damaged, and the other was used.
    pub(crate) headers: Vec<DamagedHeader>,
    pub(crate) dropped: Vec<Dropped>,
    pub(crate) frames_dropped: u64,
    pub(crate) bytes_scanned: u64,
}

impl Tail {
    /// The seq of the next frame to be written.
    pub(crate) fn next_seq(&self) -> Seq {
        self.pieces.last().map_or(Seq::ZERO, Piece::next_seq)
    }

    /// How many frames are kept.
    pub(crate) fn frames(&self) -> u64 {
        self.pieces.iter().map(|piece| u64::from(piece.frames)).sum()
    }
}

/// The seq behind `last`, gaps skipped.
pub(crate) fn seq_after(last: Seq, gaps: &[GapRange]) -> Seq {
    gaps.iter().fold(
        last.next(),
        |next, gap| {
            if gap.from <= next && next <= gap.to { gap.to.next() } else { next }
        },
    )
}
