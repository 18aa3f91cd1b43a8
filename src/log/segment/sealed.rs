//! A sealed segment is opened by what the manifest lists of it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use parking_lot::Mutex;

use super::{Checked, Segment, corrupt};
use crate::error::{Error, Result};
use crate::format::manifest::SealedSegment;
use crate::format::names::FileName;
use crate::format::segment::copies::{HeaderCopy, Identity};
use crate::format::segment::{HEADER_LEN, SegmentHeader};
use crate::log::report::{DamagedHeader, OnCorruption};
use crate::log::scan::damaged_header;
use crate::storage::{self, Access, Disk};

impl Segment {
    /// Opens a sealed segment: presence, length and header against the manifest; no frame is read.
    ///
    /// Its header was durable when it was listed, so that a copy of it that is not whole is damage: it is handed out
    /// where the segment can be used all the same. A damaged frame is told as damage or, in quarantine, as a gap.
    ///
    /// # Errors
    ///
    /// [`Error::MissingSegment`], [`Error::Corrupt`], [`Error::UnsupportedFormat`], and those of the medium.
    pub(crate) fn sealed(
        disk: &Arc<dyn Disk>,
        store_id: [u8; 16],
        listed: &SealedSegment,
        on_corruption: OnCorruption,
    ) -> Result<(Self, Option<DamagedHeader>)> {
        let name = FileName::Segment(listed.id).to_string();
        let file = match disk.open(&name, Access::Read) {
            Ok(file) => file,
            Err(error) if storage::is_not_found(&error) => {
                return Err(Error::MissingSegment { segment: listed.id.get() });
            }
            Err(error) => return Err(error),
        };
        let mut page = [0; HEADER_LEN as usize];
        let read = file.read_at(0, &mut page)?;
        let as_listed = |header: &SegmentHeader| {
            header.store_id == store_id
                && header.id == listed.id
                && header.epoch == listed.epoch
                && header.base_seq == listed.base_seq
        };
        let Identity { header, first: copy, second } =
            Identity::read(&name, page.get(..read).unwrap_or_default(), as_listed)?;
        let is_first = copy != HeaderCopy::Whole;
        if is_first && on_corruption == OnCorruption::Fail {
            return Err(corrupt(&name, 0, Some(listed.base_seq), "the header cannot be read"));
        }
        let first = u64::from(header.header_len);
        if listed.end < first {
            let reason = "the header is not the one that the manifest lists";
            return Err(corrupt(&name, 0, Some(listed.base_seq), reason));
        }
        let damaged = (is_first || second != HeaderCopy::Whole).then(|| damaged_header(&name, is_first));
        let len = file.len()?;
        if len < listed.end {
            let reason = "the file is shorter than the manifest says";
            return Err(corrupt(&name, len, None, reason));
        }
        let (_, map) = file.map_log(first, listed.end, listed.end)?;
        let segment = Self {
            header,
            seed: header.seed(),
            name,
            first,
            map,
            disk: Arc::clone(disk),
            file: Mutex::new(None),
            all_checked: AtomicBool::new(false),
            checked: Checked::new(listed.frames),
            on_corruption,
        };
        Ok((segment, damaged))
    }
}
