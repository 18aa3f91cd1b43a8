//! Whether what is missing of a segment's header is damage.

use super::Scanner;
use crate::error::Result;
use crate::format::segment::copies::HeaderCopy;
use crate::log::report::{DamagedHeader, OnCorruption};
use crate::log::segment::corrupt;

impl Scanner<'_> {
    /// Looks at both copies of the headers of all segments that the log was read from.
    ///
    /// The first sync of a file makes both copies durable. So one that is not there is damage where a frame of the
    /// segment was durable, and what a crash left where none was.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`](crate::Error::Corrupt) where the first copy is damaged, unless that is to be quarantined.
    pub(super) fn check_headers(&mut self) -> Result<()> {
        let input = self.input;
        let durable = self.told.max(input.closed).max(self.slots_durable());
        for (at, file) in input.files.iter().enumerate() {
            if !self.tail.pieces.iter().any(|piece| piece.source == Some(at)) {
                continue;
            }
            let was_durable = durable >= Some(file.header.base_seq);
            let [first, second] = file.copies;
            let is_damage = match first {
                HeaderCopy::Whole => false,
                HeaderCopy::Unsynced => was_durable,
                HeaderCopy::Damaged => true,
            };
            if is_damage {
                if input.on_corruption == OnCorruption::Fail {
                    let reason = match first {
                        HeaderCopy::Unsynced => "the header is missing, and frames behind it were durable",
                        _ => "the header cannot be read, and no crash leaves that behind",
                    };
                    return Err(corrupt(&file.name, 0, Some(file.header.base_seq), reason));
                }
                // The copy that recovery makes has both; the damaged file is kept.
                self.tail.damaged.push(at);
                self.tail.closed_here = false;
            }
            // What a crash left is no news: the recovery of it is.
            let is_told =
                is_damage || second == HeaderCopy::Damaged || (second != HeaderCopy::Whole && was_durable);
            if is_told {
                self.tail.headers.push(damaged_header(&file.name, is_damage));
            }
        }
        self.tail.damaged.sort_unstable();
        self.tail.damaged.dedup();
        Ok(())
    }
}

/// What is told of a header of which one copy is damaged, the first or the second.
pub(crate) fn damaged_header(file: &str, is_first: bool) -> DamagedHeader {
    let reason = if is_first {
        "the first copy of the header is damaged; the second was used"
    } else {
        "the second copy of the header is damaged; the first is whole"
    };
    DamagedHeader { file: file.to_owned(), reason: reason.to_owned() }
}
