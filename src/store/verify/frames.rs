//! The frames of a segment, one after the other, also those behind damage.

use std::borrow::Cow;
use std::ops::Range;

use super::report::{Severity, VerifyReport, finding};
use crate::envelope::codec;
use crate::error::Result;
use crate::format::cursor::CursorKeys;
use crate::format::frame::{FrameFlags, FrameKind, FrameView};
use crate::format::keys::EventKeys;
use crate::format::manifest::GapRange;
use crate::format::segment::Roll;
use crate::log::scan;
use crate::log::scan::files::TailFile;
use crate::log::scan::window::Window;
use crate::storage::{self, File};
use crate::types::{Nanos, Seq};

pub(super) const LOST: &str =
    "restore a backup, or open with on_corruption(Quarantine) to lose only these frames";
/// What stands where the store has zeros and reads nothing.
pub(super) const NOT_ZEROS: (&str, &str) = (
    "there are bytes where the store has zeros and reads nothing",
    "nothing is lost; if no other program writes here, look after the disk",
);

/// How far the frames of a segment reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Up to this seq and offset; of a segment that was rolled the last one is a roll frame.
    Known { last: Seq, end: u64, is_rolled: bool },
    /// As far as whole frames follow each other. Where another segment follows, all frames in front of the roll frame
    /// are counted on.
    Open { is_followed: bool },
}

impl Reach {
    fn is_open(self) -> bool {
        matches!(self, Self::Open { .. })
    }
}

/// A part of a segment's file that is read frame by frame.
pub(super) struct Walk<'a> {
    pub(super) file: &'a TailFile,
    pub(super) from: u64,
    pub(super) first: Seq,
    pub(super) reach: Reach,
    pub(super) gaps: &'a [GapRange],
}

/// What a walk found.
#[derive(Debug)]
pub(super) struct Walked {
    /// No frame is missing.
    pub(super) is_whole: bool,
    pub(super) crc_of_crcs: u32,
    /// The seq behind the last frame.
    pub(super) next: Seq,
    /// Where the last frame ends.
    pub(super) end: u64,
    /// What the last frame says, if it is a roll frame.
    pub(super) roll: Option<Roll>,
}

/// The place of a walk.
struct Spot {
    offset: u64,
    seq: Seq,
    /// Whether the frame before belongs to a batch that is not at its end; unknown behind damage.
    in_batch: Option<bool>,
    received_at: Option<Nanos>,
}

impl Walk<'_> {
    /// Reads all frames, tells what is wrong, and gives the whole ones to `visit`.
    ///
    /// # Errors
    ///
    /// Those of the medium that reading goes not on after.
    pub(super) fn run(
        &self,
        report: &mut VerifyReport,
        mut visit: impl FnMut(u64, &FrameView<'_>),
    ) -> Result<Walked> {
        let mut window = Window::new(&*self.file.file, self.file.len);
        let mut at = Spot { offset: self.from, seq: self.first, in_batch: Some(false), received_at: None };
        let mut crcs = crc32fast::Hasher::new();
        let mut walked =
            Walked { is_whole: true, crc_of_crcs: 0, next: self.first, end: self.from, roll: None };
        let end = match self.reach {
            Reach::Known { end, .. } => end.min(self.file.len),
            Reach::Open { .. } => self.file.len,
        };
        while at.offset < end {
            let fault: Cow<'static, str> = match window.frame(at.offset, self.file.seed)? {
                Ok(Some(view)) if view.seq() == at.seq => {
                    crcs.update(&view.crc().to_le_bytes());
                    walked.roll = self.look(&view, &mut at, report);
                    visit(at.offset, &view);
                    at.offset += view.stride();
                    at.seq = at.seq.next();
                    (walked.next, walked.end) = (at.seq, at.offset);
                    if walked.roll.is_some() && self.reach.is_open() {
                        break;
                    }
                    continue;
                }
                Ok(Some(_)) => "a frame with another seq stands here".into(),
                Ok(None) => "there is no frame".into(),
                Err(fault) => fault.to_string().into(),
            };
            if !self.is_damage(&mut window, &at, report)? {
                break;
            }
            walked.is_whole = false;
            let resumed = scan::next_frame(self.file, &mut window, at.offset, at.seq)?;
            self.tell_lost(&at, resumed, fault, report);
            let Some((offset, seq)) = resumed else { return Ok(walked) };
            at = Spot { offset, seq, in_batch: None, ..at };
        }
        walked.crc_of_crcs = crcs.finalize();
        if let Reach::Known { last, end, .. } = self.reach
            && (at.seq != last.next() || at.offset != end)
        {
            walked.is_whole = false;
            let what = "the frames end before the place that the manifest says";
            let finding = finding(Severity::Damage, &self.file.name, what, LOST);
            report.add(finding.at(at.offset).of(at.seq, last));
        }
        Ok(walked)
    }

    /// Whether the frame that is missing here was once durable.
    fn is_damage(&self, window: &mut Window<'_>, at: &Spot, report: &mut VerifyReport) -> Result<bool> {
        let is_told = self.file.slot.is_some_and(|slot| slot.durable >= at.seq);
        if !self.reach.is_open() || is_told {
            return Ok(true);
        }
        let (frames, durable) = scan::frames_behind(self.file, window, at.offset, at.seq)?;
        let is_followed = self.reach == Reach::Open { is_followed: true };
        if durable >= Some(at.seq) || (is_followed && frames > 0) {
            return Ok(true);
        }
        if frames > 0 {
            let what = format!("{frames} whole frames stand behind the end of the log");
            let advice = "none was promised to survive; opening for writing drops them";
            report.add(finding(Severity::Note, &self.file.name, what, advice).at(at.offset));
        }
        Ok(false)
    }

    /// Tells of frames that are not there, up to the one that the walk goes on with.
    fn tell_lost(
        &self,
        at: &Spot,
        resumed: Option<(u64, Seq)>,
        fault: Cow<'static, str>,
        report: &mut VerifyReport,
    ) {
        let lost = finding(Severity::Damage, &self.file.name, fault, LOST).at(at.offset);
        let last = match (resumed, self.reach) {
            (Some((_, seq)), _) => Some(Seq::new(seq.get().saturating_sub(1))),
            (None, Reach::Known { last, .. }) => Some(last),
            (None, Reach::Open { .. }) => self.file.slot.map(|slot| slot.durable),
        };
        report.add(last.map_or(lost.clone(), |last| lost.of(at.seq, last)));
    }

    /// Looks at a frame whose checksum and seq are right.
    fn look(&self, view: &FrameView<'_>, at: &mut Spot, report: &mut VerifyReport) -> Option<Roll> {
        report.frames += 1;
        report.events += u64::from(view.kind() == FrameKind::Event);
        let flags = view.flags();
        let mut wrong = content(view).err();
        if at.in_batch.is_some_and(|in_batch| flags.has(FrameFlags::BATCH_FIRST) == in_batch) {
            wrong = Some("the frame's batch marks do not fit the frame before it");
        }
        let is_alone = matches!(view.kind(), FrameKind::Roll | FrameKind::Close);
        if is_alone && !flags.has(FrameFlags::ALONE) {
            wrong = Some("a roll or close frame stands in a batch");
        }
        at.in_batch = Some(!flags.has(FrameFlags::BATCH_LAST));
        let ends = matches!(self.reach, Reach::Known { last, is_rolled: true, .. } if last == at.seq);
        let mut roll = None;
        if view.kind() == FrameKind::Roll {
            roll = Roll::parse(view.body());
            if !roll.as_ref().is_some_and(|roll| self.fits(roll, at.seq)) {
                wrong = Some("the roll frame names no possible segment");
            } else if !self.reach.is_open() && !ends {
                wrong = Some("a roll frame stands before the end of its segment");
            }
        } else if ends {
            wrong = Some("the last frame of a segment is no roll frame");
        }
        if let Some(reason) = wrong {
            let what = format!("the checksum of a frame holds and its content makes no sense: {reason}");
            let finding = finding(Severity::Damage, &self.file.name, what, LOST);
            report.add(finding.at(at.offset).of(at.seq, at.seq));
        }
        if at.received_at > Some(view.received_at()) {
            let what = "the frame was received before the one in front of it";
            let advice = "nothing is lost; the time of receipt is out of order here";
            report
                .add(finding(Severity::Note, &self.file.name, what, advice).at(at.offset).of(at.seq, at.seq));
        }
        at.received_at = at.received_at.max(Some(view.received_at()));
        roll
    }

    /// Whether what a roll frame says can stand in it. The segment that it names may be copied under another number.
    fn fits(&self, roll: &Roll, seq: Seq) -> bool {
        let is_gap = |gap: &GapRange| gap.from == seq && gap.to.next() == roll.next_seq;
        roll.next_id > self.file.id && (roll.next_seq == seq.next() || self.gaps.iter().any(is_gap))
    }
}

/// Whether keys and body are what the frame's kind needs.
fn content(view: &FrameView<'_>) -> Result<(), &'static str> {
    match view.kind() {
        FrameKind::Event => {
            EventKeys::parse(view.keys()).ok_or("the keys are none of an event")?;
            codec::check(view.body()).map(drop)
        }
        FrameKind::Erased => EventKeys::parse(view.keys()).map(drop).ok_or("the keys are none of an event"),
        FrameKind::Cursor => CursorKeys::parse(view.keys()).map(drop).ok_or("the keys are none of a cursor"),
        FrameKind::Roll | FrameKind::Close => {
            if view.keys().is_empty() {
                Ok(())
            } else {
                Err("a frame of this kind has no keys")
            }
        }
    }
}

/// Tells of the first byte of a range that is not zero, with what it means and what to do.
///
/// # Errors
///
/// Those of the medium.
pub(super) fn check_zeros(
    file: &dyn File,
    range: Range<u64>,
    (what, advice): (&str, &'static str),
    report: &mut VerifyReport,
) -> Result<()> {
    let mut at = range.start;
    let mut first = None;
    storage::read_pieces(file, range, |piece| {
        let written = piece.iter().position(|byte| *byte != 0);
        first = first.or(written.map(|place| at + place as u64));
        at += piece.len() as u64;
    })?;
    if let Some(offset) = first {
        report.add(finding(Severity::Note, file.name(), what, advice).at(offset));
    }
    Ok(())
}
