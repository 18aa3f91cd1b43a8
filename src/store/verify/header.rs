//! Segments up to their first frame.

use std::sync::Arc;

use super::frames::{LOST, NOT_ZEROS, check_zeros};
use super::report::{Finding, Severity, VerifyReport, finding};
use crate::error::{Error, Result};
use crate::format::manifest::SealedSegment;
use crate::format::names::FileName;
use crate::format::segment::copies::{HeaderCopy, Identity, second_at};
use crate::format::segment::{FIXED_LEN, HEADER_LEN, SLOT_LEN, SLOTS, SegmentHeader, Slot};
use crate::log::scan::files::{TailFile, open_page};
use crate::storage::{self, Access, Disk};
use crate::types::SegmentId;

const FIRST_COPY: &str = "nothing is lost; open with on_corruption(Quarantine), which uses the second copy";
const SECOND_COPY: &str =
    "nothing is lost and the store opens; a backup is due while the first copy is whole";

/// Opens a segment that the manifest lists as sealed, and tells what is wrong with its length and header; `None` where
/// there is nothing to read frames with.
///
/// # Errors
///
/// Those of the medium.
pub(super) fn open_sealed(
    disk: &dyn Disk,
    store_id: [u8; 16],
    listed: &SealedSegment,
    report: &mut VerifyReport,
) -> Result<Option<TailFile>> {
    let name = FileName::Segment(listed.id).to_string();
    let all = |finding: Finding| finding.of(listed.base_seq, listed.last_seq());
    let file = match disk.open(&name, Access::Read) {
        Ok(file) => file,
        Err(error) if storage::is_not_found(&error) => {
            report.add(all(finding(Severity::Damage, &name, "the file is missing", LOST)));
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let len = file.len()?;
    let mut page = vec![0; HEADER_LEN as usize];
    let read = file.read_at(0, &mut page)?;
    page.truncate(read);
    let as_listed = |header: &SegmentHeader| {
        header.store_id == store_id
            && header.id == listed.id
            && header.epoch == listed.epoch
            && header.base_seq == listed.base_seq
            && u64::from(header.header_len) <= listed.end
    };
    let identity = match Identity::read(&name, &page, as_listed) {
        Ok(identity) => identity,
        Err(Error::Corrupt { reason, .. } | Error::UnsupportedFormat { reason, .. }) => {
            let what = format!("neither copy of the header can be used: {reason}");
            report.add(all(finding(Severity::Damage, &name, what, LOST).at(0)));
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let header = identity.header;
    let seed = header.seed();
    let file = TailFile {
        id: listed.id,
        name,
        file: Arc::clone(&file),
        len,
        header,
        copies: [identity.first, identity.second],
        seed,
        slot: None,
    };
    for (at, copy) in file.copies.iter().enumerate() {
        if *copy != HeaderCopy::Whole {
            report.add(damaged_copy(&file, at == 0));
        }
    }
    if len < listed.end {
        let what = format!("the file has {len} bytes, its frames end at {}", listed.end);
        report.add(finding(Severity::Damage, &file.name, what, LOST).at(len));
    }
    Ok(Some(file))
}

/// The finding that one copy of a header is damaged and the other whole.
pub(super) fn damaged_copy(file: &TailFile, is_first: bool) -> Finding {
    let (what, advice, at) = if is_first {
        ("the first copy of the header is damaged; the second is whole", FIRST_COPY, 0)
    } else {
        let at = second_at(file.header.header_len) as u64;
        ("the second copy of the header is damaged; the first is whole", SECOND_COPY, at)
    };
    finding(Severity::Damage, &file.name, what, advice).at(at)
}

/// Looks at what else stands in the header page: the two slots, and zeros.
///
/// # Errors
///
/// Those of the medium.
pub(super) fn check_page(file: &TailFile, report: &mut VerifyReport) -> Result<()> {
    let second = second_at(file.header.header_len) as u64;
    let slot_end = |at: u64| at + SLOT_LEN as u64;
    let [one, other] = SLOTS;
    let identity = FIXED_LEN as u64;
    let zeros = [
        identity..one,
        slot_end(one)..other,
        slot_end(other)..second,
        second + identity..u64::from(file.header.header_len),
    ];
    for range in zeros {
        check_zeros(&*file.file, range, NOT_ZEROS, report)?;
    }
    for at in SLOTS {
        let mut slot = [0; SLOT_LEN];
        file.file.read_at(at, &mut slot)?;
        if slot != [0; SLOT_LEN] && Slot::parse(&slot, file.seed).is_none() {
            let what = "a mark of what was durable does not match its checksum";
            let advice =
                "nothing is lost: a power loss may leave that, and the other mark or the manifest is used";
            report.add(finding(Severity::Note, &file.name, what, advice).at(at));
        }
    }
    Ok(())
}

/// The segments without a manifest: any header that names the file's own id counts.
///
/// # Errors
///
/// [`Error::Corrupt`] and [`Error::UnsupportedFormat`] where neither copy can be used, and those of the medium.
pub(super) fn open_unlisted(disk: &dyn Disk, id: SegmentId) -> Result<TailFile> {
    let name = FileName::Segment(id).to_string();
    let (file, len, page) = open_page(disk, &name)?;
    let Identity { header, first, second } = Identity::read(&name, &page, |header| header.id == id)?;
    let seed = header.seed();
    let slot = Slot::newest(page.get(..header.header_len as usize).unwrap_or(&page), seed);
    Ok(TailFile { id, name, file, len, header, copies: [first, second], seed, slot })
}
