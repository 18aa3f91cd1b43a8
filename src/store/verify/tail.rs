//! The part of the log that is not sealed, read as opening would read it.

use super::Check;
use super::frames::{LOST, NOT_ZEROS, Reach, Walk, check_zeros};
use super::header::{check_page, damaged_copy};
use super::report::{Finding, Severity, VerifyLevel, VerifyReport, finding, of_error};
use crate::error::{Error, Result};
use crate::format::manifest::{GapRange, Manifest, SealedSegment, State};
use crate::format::names::{FileName, MANIFEST};
use crate::format::segment::copies::HeaderCopy;
use crate::log::OnCorruption;
use crate::log::scan::files::{TailFile, Unsealed};
use crate::log::scan::{self, Piece, Tail, TailInput};
use crate::types::{SegmentId, Seq};

const CUT_SHORT: (&str, &str) =
    ("behind the end of the log stands what a crash cut short", "nothing: opening for writing drops it");

/// Checks the segments with these ids, which the manifest does not list; `header_len` is how long a header page is that
/// does not say it.
pub(super) fn check(
    check: &Check<'_>,
    manifest: &Manifest,
    (ids, header_len): (&[SegmentId], u32),
    report: &mut VerifyReport,
) {
    let unsealed = headers(check, manifest, (ids, header_len), report);
    report.segments += unsealed.files.len() as u64;
    let last = manifest.segments.last();
    let input = |on_corruption| TailInput {
        files: &unsealed.files,
        strays: &unsealed.strays,
        sealed_to: last.map_or(Seq::ZERO, SealedSegment::last_seq),
        first_id: last.map_or(SegmentId::FIRST, |last| last.id.next()),
        closed: match manifest.state {
            State::Closed(seq) => Some(seq),
            State::Open => None,
        },
        gaps: &manifest.gaps,
        on_corruption,
    };
    let before = report.findings.len();
    let read = match scan::scan(&input(OnCorruption::Fail)) {
        Ok(tail) => {
            tell_end(&unsealed, &tail, report);
            Some(tail)
        }
        Err(refusal) => {
            let read = scan::scan(&input(OnCorruption::Quarantine));
            tell_damage(&unsealed, &refusal, read.as_ref().ok(), report);
            if let Err(error) = &read
                && error.to_string() != refusal.to_string()
            {
                report.add(of_error(Severity::Damage, MANIFEST, error, LOST));
            }
            read.ok()
        }
    };
    let known = report.findings.get(before..).unwrap_or_default().to_vec();
    tell_others(&unsealed, read.as_ref(), &known, report);
    let is_clean = read.as_ref().is_some_and(|tail| tail.closed_here);
    for (at, file) in unsealed.files.iter().enumerate() {
        let is_mine = |piece: &&Piece| piece.source == Some(at);
        let pieces: Option<Vec<&Piece>> =
            read.as_ref().map(|tail| tail.pieces.iter().filter(is_mine).collect());
        let dropped = read.iter().flat_map(|tail| &tail.dropped).filter(|range| range.source == at);
        let behind = dropped.map(|range| range.to).max();
        if let Err(error) =
            content(check, (file, pieces.as_deref()), behind, is_clean, &manifest.gaps, report)
        {
            report.add(of_error(Severity::Damage, &file.name, &error, LOST));
        }
    }
    if let Some(tail) = read.filter(|_| check.level == VerifyLevel::Quick) {
        report.frames += tail.frames();
    }
}

/// Reads the headers, and tells of those that keep a file from being looked at.
fn headers(
    check: &Check<'_>,
    manifest: &Manifest,
    (ids, header_len): (&[SegmentId], u32),
    report: &mut VerifyReport,
) -> Unsealed {
    let mut unsealed = Unsealed::default();
    for id in ids {
        if let Err(error) = unsealed.add(check.disk, *id, manifest, header_len) {
            let name = FileName::Segment(*id).to_string();
            report.add(of_error(Severity::Damage, &name, &error, LOST));
        }
    }
    unsealed
}

/// Tells where the log ends and what stands behind, where opening finds no damage.
fn tell_end(unsealed: &Unsealed, tail: &Tail, report: &mut VerifyReport) {
    for headers in &tail.headers {
        let file = unsealed.files.iter().find(|file| file.name == headers.file);
        report.add(file.map_or_else(
            || finding(Severity::Damage, &headers.file, headers.reason.clone(), LOST),
            |file| damaged_copy(file, file.copies.first() != Some(&HeaderCopy::Whole)),
        ));
    }
    if tail.closed_here {
        return;
    }
    let last = tail.pieces.last();
    let source = last.and_then(|piece| Some((unsealed.files.get(piece.source?)?, piece.end)));
    let what =
        format!("the store was not closed; its log ends here, {} frames are not sealed", tail.frames());
    let advice = "nothing: opening for writing copies these frames into new segments";
    let note = |name: &str| finding(Severity::Note, name, what.as_str(), advice);
    report.add(source.map_or_else(|| note(MANIFEST), |(file, end)| note(&file.name).at(end)));
    for dropped in &tail.dropped {
        let Some(file) = unsealed.files.get(dropped.source) else { continue };
        let what =
            format!("{} bytes of frames that were never promised to survive", dropped.to - dropped.from);
        let advice = "nothing: opening for writing drops them and keeps a copy in quarantine";
        report.add(finding(Severity::Note, &file.name, what, advice).at(dropped.from));
    }
}

/// Tells of all damage of a tail that opening refuses with an error.
fn tell_damage(unsealed: &Unsealed, refusal: &Error, tail: Option<&Tail>, report: &mut VerifyReport) {
    let gaps = tail.map_or(&[][..], |tail| &tail.gaps);
    let refused_at = match refusal {
        Error::Corrupt { seq, .. } => *seq,
        _ => gaps.first().map(|gap| gap.from),
    };
    let lost = |gap: &&GapRange| refused_at.is_some_and(|seq| gap.from <= seq && seq <= gap.to);
    let told = gaps.iter().find(lost);
    let first = of_error(Severity::Damage, MANIFEST, refusal, LOST);
    let first = told.map_or(first.clone(), |gap| first.of(gap.from, gap.to));
    let Some(tail) = tail else {
        report.add(first);
        return;
    };
    let is_header = |name: &str| name == first.file && first.offset == Some(0);
    for header in tail.headers.iter().filter(|header| !is_header(&header.file)) {
        if let Some(file) = unsealed.files.iter().find(|file| file.name == header.file) {
            report.add(damaged_copy(file, file.copies.first() != Some(&HeaderCopy::Whole)));
        }
    }
    let cuts = tail.pieces.iter().enumerate().filter(|(_, piece)| piece.cut);
    for (gap, (at, piece)) in gaps.iter().zip(cuts) {
        if Some(gap) != told {
            report.add(gap_finding(unsealed, tail, at, piece).of(gap.from, gap.to));
        }
    }
    report.add(first);
}

/// The finding of a gap behind a piece of the log.
fn gap_finding(unsealed: &Unsealed, tail: &Tail, at: usize, piece: &Piece) -> Finding {
    if let Some(file) = piece.source.and_then(|source| unsealed.files.get(source)) {
        return finding(Severity::Damage, &file.name, "frames that were durable cannot be read", LOST)
            .at(piece.end);
    }
    let before = at.checked_sub(1).and_then(|before| tail.pieces.get(before)?.source);
    let before = before.and_then(|source| unsealed.files.get(source));
    let name = before.map_or(MANIFEST, |file| &file.name);
    finding(Severity::Damage, name, "the segment behind it is missing or has no header", LOST)
}

/// Tells of segment files that are no part of the log; `known` was told before.
fn tell_others(unsealed: &Unsealed, tail: Option<&Tail>, known: &[Finding], report: &mut VerifyReport) {
    for stray in unsealed.strays.iter().filter(|stray| known.iter().all(|known| known.file != stray.name)) {
        let (what, advice) = if stray.is_torn {
            ("a segment that was not begun yet", "nothing: opening for writing removes it")
        } else {
            ("it is no segment of this store", "nothing: opening for writing moves it to quarantine")
        };
        report.add(finding(Severity::Note, &stray.name, what, advice));
    }
    for name in &unsealed.stale {
        let what = "a segment of another epoch, left by a recovery that did not finish";
        report.add(finding(Severity::Note, name, what, "nothing: opening for writing removes it"));
    }
    let Some(tail) = tail else { return };
    for (at, file) in unsealed.files.iter().enumerate() {
        if !tail.pieces.iter().any(|piece| piece.source == Some(at)) {
            let what = "a segment behind the end of the log";
            let advice =
                "nothing: opening for writing removes it, and keeps a copy in quarantine if it has frames";
            report.add(finding(Severity::Note, &file.name, what, advice));
        }
    }
}

/// Looks at the header page and, where all is looked at, at every frame and at what stands behind the last one.
fn content(
    check: &Check<'_>,
    (file, pieces): (&TailFile, Option<&[&Piece]>),
    behind: Option<u64>,
    is_clean: bool,
    gaps: &[GapRange],
    report: &mut VerifyReport,
) -> Result<()> {
    check_page(file, report)?;
    if check.level < VerifyLevel::Full {
        return Ok(());
    }
    let Some(pieces) = pieces else {
        let first = file.header.base_seq;
        let walk = Walk { file, from: file.first(), first, reach: Reach::Open { is_followed: false }, gaps };
        return walk.run(report, |_, _| ()).map(drop);
    };
    let mut end = file.first();
    for piece in pieces {
        let last = Seq::new(piece.next_seq().get().saturating_sub(1));
        let reach = Reach::Known { last, end: piece.end, is_rolled: piece.rolled };
        if piece.frames > 0 {
            Walk { file, from: piece.from, first: piece.base_seq, reach, gaps }.run(report, |_, _| ())?;
        }
        end = end.max(piece.end);
    }
    let meaning = if is_clean { NOT_ZEROS } else { CUT_SHORT };
    let is_cut = pieces.last().is_some_and(|piece| piece.cut);
    if pieces.is_empty() || is_cut {
        return Ok(());
    }
    check_zeros(&*file.file, end.max(behind.unwrap_or(0))..file.len, meaning, report)
}
