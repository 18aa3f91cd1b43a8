//! Segments of a store without its manifest: what their names and headers allow.

use super::Check;
use super::frames::{LOST, Reach, Walk};
use super::header::{check_page, damaged_copy, open_unlisted};
use super::report::{Severity, VerifyLevel, VerifyReport, finding, of_error};
use crate::error::Result;
use crate::format::names::{FileName, MANIFEST};
use crate::format::segment::Roll;
use crate::format::segment::copies::HeaderCopy;
use crate::log::scan::files::TailFile;
use crate::types::SegmentId;

/// Checks the segments with these ids, each on its own.
pub(super) fn check(check: &Check<'_>, ids: &[SegmentId], report: &mut VerifyReport) {
    report.segments += ids.len() as u64;
    let mut files: Vec<TailFile> = Vec::new();
    for id in ids {
        match open_unlisted(check.disk, *id) {
            Ok(file) => files.push(file),
            Err(error) => {
                let name = FileName::Segment(*id).to_string();
                report.add(of_error(Severity::Damage, &name, &error, LOST));
            }
        }
    }
    let store_id = files.first().map(|file| file.header.store_id);
    let epoch = files.iter().map(|file| file.header.epoch).max();
    for (at, file) in files.iter().enumerate() {
        if Some(file.header.store_id) != store_id {
            let what = "its header names another store than the one of the segment with the lowest number";
            let advice = "see which of the segments belong here before a MANIFEST is restored";
            report.add(finding(Severity::Note, &file.name, what, advice));
        }
        let is_followed = files.get(at + 1).is_some();
        match segment(check, file, is_followed, report) {
            Ok(Some(roll)) if files.iter().all(|other| other.header.base_seq != roll.next_seq) => {
                let what = "the segment that follows it is not there";
                let advice = "restore it from a backup, unless a crash came before it was durable";
                let note = finding(Severity::Note, &file.name, what, advice);
                report.add(note.of(roll.next_seq, roll.next_seq));
            }
            Ok(_) => {}
            Err(error) => report.add(of_error(Severity::Damage, &file.name, &error, LOST)),
        }
    }
    if files.iter().any(|file| Some(file.header.epoch) != epoch) {
        let what =
            "some segments are of earlier epochs: they may have been copied by a recovery and not count";
        report.add(finding(Severity::Note, MANIFEST, what, "a backup of the MANIFEST says which ones count"));
    }
}

fn segment(
    check: &Check<'_>,
    file: &TailFile,
    is_followed: bool,
    report: &mut VerifyReport,
) -> Result<Option<Roll>> {
    for (at, copy) in file.copies.iter().enumerate() {
        if *copy == HeaderCopy::Damaged {
            report.add(damaged_copy(file, at == 0));
        }
    }
    check_page(file, report)?;
    if check.level < VerifyLevel::Full {
        return Ok(None);
    }
    let reach = Reach::Open { is_followed };
    let walk = Walk { file, from: file.first(), first: file.header.base_seq, reach, gaps: &[] };
    Ok(walk.run(report, |_, _| ())?.roll)
}
