//! Opening a store's log: for its one writer, and for readers that change nothing.
//!
//! The parent decides here: what is in the directory ([`inventory`]), where the log ends ([`super::scan`]), and
//! then either the active segment is gone on with, or the tail is copied out ([`super::recovery`]).

use std::sync::Arc;

use super::manifest_file;
use super::recovery::copy::{Fresh, Written};
use super::recovery::{Recovery, move_aside};
use super::report::{OnCorruption, RecoveryReport};
use super::scan::files::TailFile;
use super::scan::{self, Piece};
use super::segment::Segment;
use super::sticky::StickyFile;
use crate::error::{Error, Result};
use crate::format::frame;
use crate::format::manifest::Manifest;
use crate::format::names::MANIFEST;
use crate::format::segment::{HEADER_LEN, Roll, SegmentHeader};
use crate::limits::{FILL_WINDOW_BYTES_MIN, SEGMENT_BYTES_MAX};
use crate::storage::{Access, Disk, Entropy, File, Lock, LockMode, MapWriter};
use crate::trace;
use crate::types::{Nanos, SegmentId, Seq};

mod create;
mod found;
mod inventory;
mod salvage;

use found::{Found, Lost};
pub(crate) use salvage::salvage;

/// Bytes of a roll frame, which has no keys.
const ROLL_BYTES: usize = frame::HEADER_LEN + Roll::LEN;
/// Room behind the last frame that a segment's file always has, in bytes: for a roll frame and a close frame.
pub(crate) const END_ROOM_BYTES: u64 = (ROLL_BYTES + frame::HEADER_LEN) as u64;

const _: () = assert!(ROLL_BYTES.is_multiple_of(frame::ALIGN));

/// What a log is opened with.
#[derive(Debug, Clone)]
pub(crate) struct LogOptions {
    /// Longest segment, in bytes; an older one may be longer.
    pub(crate) segment_bytes_max: u64,
    /// Length of the header page of new segments, in bytes.
    pub(crate) header_len: u32,
    /// Whether a store is made where there is none.
    pub(crate) create: bool,
    pub(crate) on_corruption: OnCorruption,
}

/// An unsealed segment.
#[derive(Debug)]
pub(crate) struct TailSegment {
    pub(crate) segment: Arc<Segment>,
    /// Where its frames end.
    pub(crate) end: u64,
    /// Bytes of its file, zero behind the frames where a writer opened it.
    pub(crate) file_len: u64,
    /// What it was opened from.
    #[cfg(test)]
    pub(crate) written: Written,
}

impl TailSegment {
    /// Maps a segment that stands in its file as `written` says and is checked up to there.
    pub(crate) fn map(
        disk: &Arc<dyn Disk>,
        file: Arc<dyn File>,
        header: SegmentHeader,
        written: &Written,
        capacity_min: u64,
    ) -> Result<(Self, MapWriter)> {
        // A file that something made longer than any segment is used as far as a segment reaches.
        let file_len = written.file_len.min(SEGMENT_BYTES_MAX.max(written.end + END_ROOM_BYTES));
        let capacity = capacity_min.max(file_len);
        let file = StickyFile::wrap(file);
        let (writer, map) = file.map_log(written.first, written.end, capacity)?;
        let tail = Self {
            segment: Arc::new(Segment::checked(Arc::clone(disk), file, header, map)),
            end: written.end,
            file_len,
            #[cfg(test)]
            written: *written,
        };
        Ok((tail, writer))
    }
}

/// A log that is open.
#[derive(Debug)]
pub(crate) struct OpenedLog {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) lock: Lock,
    /// As it stands on the disk. For a reader it may list gaps that only this reader makes.
    pub(crate) manifest: Manifest,
    /// In order.
    pub(crate) sealed: Vec<Arc<Segment>>,
    /// In order. For a writer the last one is active, for a reader there may be none.
    pub(crate) tail: Vec<TailSegment>,
    /// Writes to the last segment of `tail`; `None` for a reader.
    pub(crate) active: Option<MapWriter>,
    pub(crate) next_seq: Seq,
    /// The first id that no file was ever given.
    pub(crate) next_segment: SegmentId,
    /// When the last frame was received; the least time where there is none.
    pub(crate) last_received_at: Nanos,
    pub(crate) report: RecoveryReport,
}

/// Opens a store for writing and makes its log whole, creating it where that is asked for.
///
/// When this returns, everything that the log holds is durable. A store that was closed is not written to, left-over
/// files aside: the manifest says `closed` until the first append.
///
/// # Errors
///
/// [`Error::Locked`], [`Error::NotFound`], [`Error::Corrupt`], [`Error::MissingSegment`],
/// [`Error::UnsupportedFormat`] and those of the medium. The log is then as it was.
pub(crate) fn open_writer(
    disk: &Arc<dyn Disk>,
    entropy: &dyn Entropy,
    options: &LogOptions,
) -> Result<OpenedLog> {
    if !disk.exists(MANIFEST)? {
        // Before the lock file is made: a directory that is not ours stays as it is.
        create::check(&**disk, options)?;
    }
    let lock = disk.lock(LockMode::Exclusive)?.ok_or(Error::Locked)?;
    let mut report = RecoveryReport::default();
    let mut manifest = if let Some(manifest) = manifest_file::read(&**disk)? {
        manifest
    } else {
        report.created = true;
        create::create(&**disk, entropy, options)?
    };
    let found = Found::read(disk, &mut manifest, options)?;
    if found.tail.closed_here || report.created {
        resume(disk, lock, manifest, found, options, report)
    } else {
        recover(disk, lock, manifest, found, options, report, entropy)
    }
}

/// Opens a store for reading while no writer has it. No file is changed.
///
/// # Errors
///
/// Those of [`open_writer`].
pub(crate) fn open_reader(disk: &Arc<dyn Disk>, options: &LogOptions) -> Result<OpenedLog> {
    let lock = disk.lock(LockMode::Shared)?.ok_or(Error::Locked)?;
    let mut manifest =
        manifest_file::read(&**disk)?.ok_or_else(|| create::not_found(&**disk, "it has no MANIFEST"))?;
    let found = Found::read(disk, &mut manifest, options)?;
    manifest.gaps.extend(&found.tail.gaps);
    let mut tail = Vec::new();
    for piece in &found.tail.pieces {
        // A file that does not reach behind its header has no frames, and nothing to map.
        let source = piece.source.and_then(|source| found.unsealed.files.get(source));
        if let Some(source) = source.filter(|source| source.len >= piece.from) {
            let file = Arc::clone(&source.file);
            tail.push(
                TailSegment::map(disk, file, header_of(source, piece), &written_of(source, piece), 0)?.0,
            );
        }
    }
    let mut report = RecoveryReport { clean: found.tail.closed_here, ..RecoveryReport::default() };
    found.tell(&mut report);
    Ok(found.into_opened(Arc::clone(disk), lock, manifest, tail, None, report))
}

/// Whether a directory without a manifest holds no more than what an interrupted creation left, which opening completes.
pub(crate) fn is_half_made(disk: &dyn Disk) -> bool {
    let options = LogOptions {
        segment_bytes_max: SEGMENT_BYTES_MAX,
        header_len: HEADER_LEN,
        create: true,
        on_corruption: OnCorruption::Fail,
    };
    create::check(disk, &options).is_ok()
}

/// Goes on in the active segment of a store that was closed, or was just made.
fn resume(
    disk: &Arc<dyn Disk>,
    lock: Lock,
    manifest: Manifest,
    found: Found,
    options: &LogOptions,
    mut report: RecoveryReport,
) -> Result<OpenedLog> {
    report.clean = found.lost.is_empty();
    found.tell(&mut report);
    set_lost_aside(disk, &found.lost, &mut report)?;
    if !found.lost.is_empty() {
        manifest_file::write(&**disk, &manifest)?;
    }
    clean_up(disk, &found, true, &mut report)?;
    let pieces = &found.tail.pieces;
    let mut tail = Vec::with_capacity(pieces.len());
    let mut active = None;
    for (at, piece) in pieces.iter().enumerate() {
        let Some(source) = piece.source.and_then(|source| found.unsealed.files.get(source)) else { continue };
        let is_active = at + 1 == pieces.len();
        // Opened anew for writing: a segment that is written to has one handle, and the scan's goes away.
        let file =
            if is_active { disk.open(&source.name, Access::ReadWrite)? } else { Arc::clone(&source.file) };
        let capacity_min =
            if is_active { options.segment_bytes_max.max(piece.end + END_ROOM_BYTES) } else { 0 };
        let written = written_of(source, piece);
        let (segment, writer) =
            TailSegment::map(disk, file, header_of(source, piece), &written, capacity_min)?;
        tail.push(segment);
        if is_active {
            active = Some(filled(writer, written.file_len)?);
        }
    }
    Ok(found.into_opened(Arc::clone(disk), lock, manifest, tail, active, report))
}

/// Copies out the tail of a store that was not closed.
fn recover(
    disk: &Arc<dyn Disk>,
    lock: Lock,
    mut manifest: Manifest,
    found: Found,
    options: &LogOptions,
    mut report: RecoveryReport,
    entropy: &dyn Entropy,
) -> Result<OpenedLog> {
    let _span = trace::span!(OPEN, "recover", bytes_scanned = report.bytes_scanned);
    found.tell(&mut report);
    set_lost_aside(disk, &found.lost, &mut report)?;
    let recovery = Recovery { disk, entropy, options, unsealed: &found.unsealed, tail: &found.tail };
    let fresh = recovery.run(&mut manifest, &mut report)?;
    clean_up(disk, &found, false, &mut report)?;
    let mut tail = Vec::with_capacity(fresh.len());
    let mut active = None;
    for Fresh { header, file, written } in fresh {
        let is_active = !written.rolled;
        let capacity_min = if is_active { options.segment_bytes_max } else { 0 };
        let (segment, writer) = TailSegment::map(disk, file, header, &written, capacity_min)?;
        tail.push(segment);
        if is_active {
            active = Some(filled(writer, written.file_len)?);
        }
    }
    Ok(found.into_opened(Arc::clone(disk), lock, manifest, tail, active, report))
}

/// Moves sealed segments that are given up into quarantine. It comes before the manifest forgets them, so that none is
/// taken for an unsealed one.
fn set_lost_aside(disk: &Arc<dyn Disk>, lost: &[Lost], report: &mut RecoveryReport) -> Result<()> {
    for name in lost.iter().filter_map(|lost| lost.name.as_ref()) {
        report.quarantined.push(move_aside(&**disk, name)?);
    }
    if lost.is_empty() { Ok(()) } else { disk.sync_dir() }
}

/// Removes what the manifest does not count, and sets aside what is damaged.
fn clean_up(disk: &Arc<dyn Disk>, found: &Found, resumed: bool, report: &mut RecoveryReport) -> Result<()> {
    let (mut doomed, mut kept_aside) = (found.inventory.left_over.clone(), Vec::new());
    if resumed {
        let unsealed = &found.unsealed;
        doomed.extend(unsealed.stale.iter().cloned());
        for stray in &unsealed.strays {
            if stray.is_torn { &mut doomed } else { &mut kept_aside }.push(stray.name.clone());
        }
        let is_used = |at: usize| found.tail.pieces.iter().any(|piece| piece.source == Some(at));
        for (_, file) in unsealed.files.iter().enumerate().filter(|(at, _)| !is_used(*at)) {
            if scan::has_frames(file)? { &mut kept_aside } else { &mut doomed }.push(file.name.clone());
        }
    }
    if doomed.is_empty() && kept_aside.is_empty() {
        return Ok(());
    }
    for name in kept_aside {
        report.quarantined.push(move_aside(&**disk, &name)?);
    }
    for name in doomed {
        // One that stays is removed by the next writer, and nobody reads it.
        if disk.remove(&name).is_ok() {
            report.removed.push(name);
        }
    }
    disk.sync_dir()
}

/// The bytes that an active segment's file has once its frames end at `end`: one window of zeros ahead.
pub(crate) fn filled_len(end: u64, segment_bytes_max: u64) -> u64 {
    (end + FILL_WINDOW_BYTES_MIN).min(segment_bytes_max).max(end + END_ROOM_BYTES)
}

/// The writer of a file that is zeros from its committed end to its length.
fn filled(mut writer: MapWriter, file_len: u64) -> Result<MapWriter> {
    writer.set_limit(file_len)?;
    Ok(writer)
}

/// The header of the segment that a piece is read as: behind a gap it begins with a later seq than its file.
fn header_of(source: &TailFile, piece: &Piece) -> SegmentHeader {
    SegmentHeader { base_seq: piece.base_seq, ..source.header }
}

fn written_of(source: &TailFile, piece: &Piece) -> Written {
    Written { first: piece.from, end: piece.end, file_len: source.len, rolled: piece.rolled }
}

#[cfg(test)]
pub(in crate::log) mod tests;
