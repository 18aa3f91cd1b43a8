//! What is left of a sealed segment that is damaged.

use std::sync::Arc;

use crate::error::Result;
use crate::format::manifest::{GapRange, SealedSegment};
use crate::format::segment::copies::HeaderCopy;
use crate::log::report::OnCorruption;
use crate::log::scan::files::TailFile;
use crate::log::scan::{self, TailInput};
use crate::log::segment::Segment;
use crate::types::Seq;

/// The readable parts of a sealed segment as segments of their own, and the ranges between them that are lost: the
/// damaged frames, widened to whole batches. Nothing is written.
///
/// # Errors
///
/// [`Error::UnsupportedFormat`](crate::Error) where a whole frame is of a later version, and those of the medium.
pub(crate) fn salvage(
    segment: &Segment,
    listed: &SealedSegment,
    gaps: &[GapRange],
) -> Result<(Vec<Arc<Segment>>, Vec<GapRange>)> {
    let file = TailFile {
        id: listed.id,
        name: segment.name().to_owned(),
        file: segment.file()?,
        len: listed.end,
        header: *segment.header(),
        copies: [HeaderCopy::Whole; 2], // It was looked at when the segment was opened.
        seed: segment.seed(),
        slot: None,
    };
    let read = scan::scan(&TailInput {
        files: &[file],
        strays: &[],
        sealed_to: Seq::new(listed.base_seq.get().saturating_sub(1)),
        first_id: listed.id,
        // The manifest speaks for every frame of it.
        closed: Some(listed.last_seq()),
        gaps,
        on_corruption: OnCorruption::Quarantine,
    })?;
    let whole = read.pieces.iter().filter(|piece| piece.source.is_some() && piece.frames > 0);
    let parts = whole.map(|piece| segment.part(piece.base_seq, piece.frames, piece.from..piece.end));
    let parts = parts.map(|part| part.map(Arc::new)).collect::<Result<_>>()?;
    Ok((parts, read.gaps))
}
