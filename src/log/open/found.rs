//! What is on the disk when a store is opened.

use std::sync::Arc;

use super::inventory::Inventory;
use super::{LogOptions, OpenedLog, ROLL_BYTES, TailSegment};
use crate::error::{Error, Result};
use crate::format::frame::FrameView;
use crate::format::manifest::{GapRange, Manifest, State};
use crate::format::names::FileName;
use crate::log::report::{DamagedHeader, OnCorruption, RecoveryReport};
use crate::log::scan::files::Unsealed;
use crate::log::scan::{self, Tail, TailInput};
use crate::log::segment::Segment;
use crate::storage::{Disk, Lock, MapWriter};
use crate::types::{Nanos, SegmentId, Seq};

/// A sealed segment that was given up.
pub(super) struct Lost {
    /// The name of its file, where there is one.
    pub(super) name: Option<String>,
    pub(super) gap: GapRange,
}

/// The segments that the manifest lists as sealed.
struct Sealed {
    segments: Vec<Arc<Segment>>,
    lost: Vec<Lost>,
    /// Of which one copy of the header is damaged.
    headers: Vec<DamagedHeader>,
}

/// What is on the disk.
pub(super) struct Found {
    pub(super) inventory: Inventory,
    pub(super) sealed: Vec<Arc<Segment>>,
    pub(super) lost: Vec<Lost>,
    /// Sealed segments of which one copy of the header is damaged.
    headers: Vec<DamagedHeader>,
    pub(super) unsealed: Unsealed,
    pub(super) tail: Tail,
}

impl Found {
    /// Reads the directory, the headers of all segments, and the frames of the tail. Nothing is written.
    ///
    /// Sealed segments that are given up are taken out of `manifest`, which only the memory knows yet.
    pub(super) fn read(disk: &Arc<dyn Disk>, manifest: &mut Manifest, options: &LogOptions) -> Result<Self> {
        let last = manifest.segments.last().copied();
        let Sealed { segments: sealed, lost, headers } = open_sealed(disk, manifest, options.on_corruption)?;
        let inventory = Inventory::take(&**disk, manifest, &lost)?;
        let unsealed = Unsealed::read(&**disk, &inventory.unsealed, manifest, options.header_len)?;
        let closed = match manifest.state {
            State::Closed(seq) => Some(seq),
            State::Open => None,
        };
        let tail = scan::scan(&TailInput {
            files: &unsealed.files,
            strays: &unsealed.strays,
            sealed_to: last.map_or(Seq::ZERO, |last| last.last_seq()),
            first_id: last.map_or(SegmentId::FIRST, |last| last.id.next()),
            closed,
            gaps: &manifest.gaps,
            on_corruption: options.on_corruption,
        })?;
        Ok(Self { inventory, sealed, lost, headers, unsealed, tail })
    }

    pub(super) fn tell(&self, report: &mut RecoveryReport) {
        report.frames_kept = self.tail.frames();
        report.frames_dropped = self.tail.frames_dropped;
        report.bytes_scanned = self.tail.bytes_scanned;
        let gaps = self.lost.iter().map(|lost| &lost.gap).chain(&self.tail.gaps);
        report.gaps = gaps.map(|gap| gap.from..=gap.to).collect();
        report.damaged_headers = self.headers.iter().chain(&self.tail.headers).cloned().collect();
    }

    pub(super) fn into_opened(
        self,
        disk: Arc<dyn Disk>,
        lock: Lock,
        manifest: Manifest,
        tail: Vec<TailSegment>,
        active: Option<MapWriter>,
        report: RecoveryReport,
    ) -> OpenedLog {
        let seen = self.unsealed.id_max.map_or(SegmentId::FIRST, SegmentId::next);
        let received_at = self.tail.last_received_at;
        OpenedLog {
            next_seq: self.tail.next_seq(),
            next_segment: manifest.next_segment.max(seen),
            last_received_at: received_at
                .or_else(|| last_received_at(self.sealed.last()?, &manifest))
                .unwrap_or(Nanos::new(i64::MIN)),
            disk,
            lock,
            manifest,
            sealed: self.sealed,
            tail,
            active,
            report,
        }
    }
}

/// Opens the segments that the manifest lists as sealed, and takes those out of it that are given up.
fn open_sealed(disk: &Arc<dyn Disk>, manifest: &mut Manifest, on_corruption: OnCorruption) -> Result<Sealed> {
    let mut segments = Vec::with_capacity(manifest.segments.len());
    let mut headers = Vec::new();
    let mut lost: Vec<Lost> = Vec::new();
    for listed in &manifest.segments {
        match Segment::sealed(disk, manifest.store_id, listed, on_corruption) {
            Ok((segment, header)) => {
                segments.push(Arc::new(segment));
                headers.extend(header);
            }
            Err(error @ (Error::MissingSegment { .. } | Error::Corrupt { .. }))
                if on_corruption == OnCorruption::Quarantine =>
            {
                let is_there = matches!(error, Error::Corrupt { .. });
                let name = is_there.then(|| FileName::Segment(listed.id).to_string());
                lost.push(Lost { name, gap: GapRange { from: listed.base_seq, to: listed.last_seq() } });
            }
            Err(error) => return Err(error),
        }
    }
    if !lost.is_empty() {
        let is_lost = |seq: Seq| lost.iter().any(|lost| lost.gap.from == seq);
        manifest.segments.retain(|listed| !is_lost(listed.base_seq));
        manifest.gaps.extend(lost.iter().map(|lost| lost.gap));
        manifest.gaps.sort_unstable_by_key(|gap| gap.from);
    }
    Ok(Sealed { segments, lost, headers })
}

/// When the last frame of a sealed segment, its roll frame, was received; `None` where it cannot be read.
fn last_received_at(segment: &Segment, manifest: &Manifest) -> Option<Nanos> {
    let listed = manifest.segments.last()?;
    let mut bytes = [0; ROLL_BYTES];
    segment.file().ok()?.read_at(listed.end.checked_sub(ROLL_BYTES as u64)?, &mut bytes).ok()?;
    let view = FrameView::parse(&bytes, segment.seed()).ok()??;
    Some(view.received_at())
}
