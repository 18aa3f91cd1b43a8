//! Where the log ends: the rule for what a crash left of the unsealed segments.
//!
//! Reading only, and through `pread` only, so that a bad sector is an error and not a signal. What is found is
//! a [`Tail`]; `recovery` acts on it.

use std::borrow::Cow;

use super::report::OnCorruption;
use super::segment::{corrupt, fault_error};
use crate::error::{Error, Result};
use crate::format::frame::{ALIGN, FrameFlags, FrameKind, FrameView};
use crate::format::manifest::GapRange;
use crate::format::segment::Roll;
use crate::types::{SegmentId, Seq};

pub(crate) mod files;
mod headers;
mod survey;
mod tail;
pub(crate) mod window;

use files::StrayFile;
pub(crate) use headers::damaged_header;
use survey::Survey;
pub(crate) use survey::{frames_behind, has_frames, next_frame};
pub(crate) use tail::{Dropped, Piece, Tail, TailInput, seq_after};
use window::Window;

/// Where frames are read from.
#[derive(Debug, Clone, Copy)]
struct Start {
    file: usize,
    offset: u64,
    seq: Seq,
}

/// What is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A frame, at this offset of a file.
    Frame { file: usize, offset: u64 },
    /// The header of a file.
    Stray(usize),
    /// A whole segment.
    Missing(SegmentId),
}

/// The first frame that fails.
#[derive(Debug)]
struct Stop {
    place: Place,
    /// The seq expected there.
    seq: Seq,
    reason: Cow<'static, str>,
    /// It cannot be what a crash left, whatever the rest says.
    is_damage: bool,
    /// Where to look on.
    onward: (usize, u64),
}

/// How reading a segment ended.
enum Read {
    Rolled(Roll),
    Stopped(Stop),
}

/// Reads the tail.
///
/// # Errors
///
/// [`Error::Corrupt`] and [`Error::MissingSegment`] where what is missing was once durable, unless that is to be
/// quarantined; [`Error::UnsupportedFormat`] where a whole frame is of a later version; those of the medium.
pub(crate) fn scan(input: &TailInput<'_>) -> Result<Tail> {
    let mut scanner =
        Scanner { input, tail: Tail::default(), current: None, batch_frames: 0, told: None, survey: None };
    scanner.read_all()?;
    scanner.check_headers()?;
    Ok(scanner.tail)
}

struct Scanner<'a> {
    input: &'a TailInput<'a>,
    tail: Tail,
    /// The piece that is being read.
    current: Option<Piece>,
    /// Frames behind the current piece that are whole and whose batch is not.
    batch_frames: u32,
    /// The last seq that any whole frame says was durable when it was written, as far as they were looked at.
    told: Option<Seq>,
    /// What stands behind the first stop.
    survey: Option<Survey>,
}

impl Scanner<'_> {
    /// Reads from the start of the tail to the end of the log.
    fn read_all(&mut self) -> Result<()> {
        let mut next = self.find(self.input.first_seq(), None);
        loop {
            let stop = match next {
                Ok(start) => match self.read(start)? {
                    Read::Rolled(roll) => {
                        next = self.find(roll.next_seq, Some(roll.next_id));
                        continue;
                    }
                    Read::Stopped(stop) => stop,
                },
                Err(stop) => stop,
            };
            let Some(witness) = self.witness(&stop)? else { return self.end(&stop) };
            if self.input.on_corruption == OnCorruption::Fail {
                return Err(self.error(&stop, witness));
            }
            match self.give_up(&stop)? {
                Some(start) => next = Ok(start),
                None => return Ok(()),
            }
        }
    }

    /// The segment that begins with `seq` and has the id, where that is known.
    fn find(&self, seq: Seq, id: Option<SegmentId>) -> Result<Start, Stop> {
        let files = self.input.files;
        let at = match id {
            Some(id) => files.iter().position(|file| file.id >= id),
            None => (!files.is_empty()).then_some(0),
        };
        let onward = (at.unwrap_or(files.len()), 0);
        let stop = |place, reason: &'static str, is_damage| Stop {
            place,
            seq,
            reason: Cow::Borrowed(reason),
            is_damage,
            onward,
        };
        if let Some((index, file)) = at.and_then(|at| Some((at, files.get(at)?)))
            && id.is_none_or(|id| file.id == id)
        {
            if file.header.base_seq == seq {
                return Ok(Start { file: index, offset: file.first(), seq });
            }
            if id.is_some() {
                let place = Place::Frame { file: index, offset: 0 };
                return Err(stop(
                    place,
                    "the segment begins with another seq than the roll frame says",
                    false,
                ));
            }
        }
        let bound = at.and_then(|at| files.get(at)).map(|file| file.id);
        let is_it = |stray: &StrayFile| match id {
            Some(id) => stray.id == id,
            None => stray.id >= self.input.first_id && bound.is_none_or(|bound| stray.id < bound),
        };
        if let Some((index, stray)) = self.input.strays.iter().enumerate().find(|(_, stray)| is_it(stray)) {
            return Err(stop(Place::Stray(index), "the header cannot be read", !stray.is_torn));
        }
        // Before a segment is sealed, and before a manifest names it first, the next one is durable.
        Err(stop(Place::Missing(id.unwrap_or(self.input.first_id)), "the segment is missing", id.is_none()))
    }

    /// Reads frames until one fails or the segment was rolled, and keeps the whole batches as a piece.
    fn read(&mut self, start: Start) -> Result<Read> {
        let Some(file) = self.input.files.get(start.file) else {
            return Ok(Read::Stopped(stop_at(start, "the segment is missing")));
        };
        let mut window = Window::new(&*file.file, file.len);
        let mut piece = Piece::empty(Some(start.file), start.offset, start.seq);
        let mut batch = Batch::default();
        let mut at = start;
        let read = loop {
            let frame = window.frame(at.offset, file.seed)?;
            let view = match frame {
                Ok(Some(view)) => view,
                Ok(None) => break Read::Stopped(stop_at(at, "there is no frame")),
                Err(fault) => match fault_error(&file.name, at.offset, at.seq, fault) {
                    error @ Error::UnsupportedFormat { .. } => return Err(error),
                    _ => break Read::Stopped(stop_at(at, fault.to_string())),
                },
            };
            let roll = match self.check(&view, at.seq, batch.frames > 0, file.id) {
                Ok(roll) => roll,
                Err(reason) => break Read::Stopped(stop_at(at, reason)),
            };
            self.told = self.told.max(Some(view.durable_when_written()));
            batch.frames = batch.frames.saturating_add(1);
            at.offset += view.stride();
            at.seq = at.seq.next();
            if view.flags().has(FrameFlags::BATCH_LAST) {
                piece.frames = piece.frames.saturating_add(batch.frames);
                piece.end = at.offset;
                piece.rolled = roll.is_some();
                batch.frames = 0;
                self.tail.closed_here = view.kind() == FrameKind::Close;
                self.tail.last_received_at = self.tail.last_received_at.max(Some(view.received_at()));
            }
            if let Some(roll) = roll {
                break Read::Rolled(roll);
            }
        };
        self.tail.bytes_scanned += window.bytes_read();
        self.batch_frames = batch.frames;
        if matches!(read, Read::Rolled(_)) {
            self.tail.pieces.push(piece);
        } else {
            self.current = Some(piece);
        }
        Ok(read)
    }

    /// Whether a frame continues the log, and what it says if it is a roll frame.
    fn check(
        &self,
        view: &FrameView<'_>,
        expected: Seq,
        in_batch: bool,
        id: SegmentId,
    ) -> Result<Option<Roll>, &'static str> {
        if view.seq() != expected {
            return Err("the frame has another seq"); // L2
        }
        if view.flags().has(FrameFlags::BATCH_FIRST) == in_batch {
            return Err("the frame's batch marks do not fit the frame before it");
        }
        if !matches!(view.kind(), FrameKind::Roll | FrameKind::Close) {
            return Ok(None);
        }
        if !view.flags().has(FrameFlags::ALONE) {
            return Err("a roll or close frame stands in a batch");
        }
        if view.kind() == FrameKind::Close {
            return Ok(None);
        }
        let roll = Roll::parse(view.body()).filter(|roll| roll.next_id > id);
        let fits = |roll: &Roll| {
            let is_gap = |gap: &GapRange| gap.from == expected && gap.to.next() == roll.next_seq;
            roll.next_seq == expected.next() || self.input.gaps.iter().any(is_gap)
        };
        roll.filter(fits).map(Some).ok_or("the roll frame names no possible segment")
    }

    /// Who says that the missing frame was once durable; `None` where nobody does, and the log ends there.
    fn witness(&mut self, stop: &Stop) -> Result<Option<&'static str>> {
        let input = self.input;
        self.tail.closed_here &= self.tail.gaps.is_empty()
            && self.batch_frames == 0
            && matches!(stop.place, Place::Frame { .. })
            && input.closed.map(Seq::next) == Some(stop.seq);
        if self.tail.closed_here {
            return Ok(None);
        }
        if stop.is_damage {
            return Ok(Some("no crash leaves that behind"));
        }
        if input.closed >= Some(stop.seq) {
            return Ok(Some("the store was closed behind it"));
        }
        if self.slots_durable() >= Some(stop.seq) {
            return Ok(Some("a segment's header says that it was durable"));
        }
        if self.survey(stop)?.durable >= Some(stop.seq) {
            return Ok(Some("a later frame was written when it was already durable"));
        }
        Ok(None)
    }

    fn slots_durable(&self) -> Option<Seq> {
        self.input.files.iter().filter_map(|file| file.slot).map(|slot| slot.durable).max()
    }

    /// What stands behind the first stop. It is made once: every later stop lies behind that one, and a frame that
    /// speaks for its seq stands behind it in turn, since frames stand in the order of their seqs.
    fn survey(&mut self, stop: &Stop) -> Result<&Survey> {
        if self.survey.is_none() {
            let survey = Survey::take(self.input.files, stop.onward, stop.seq)?;
            self.tail.bytes_scanned += survey.bytes_read;
            self.told = self.told.max(survey.durable);
            self.survey = Some(survey);
        }
        Ok(self.survey.get_or_insert_default())
    }

    fn error(&self, stop: &Stop, witness: &'static str) -> Error {
        let (name, offset) = match stop.place {
            Place::Missing(id) => return Error::MissingSegment { segment: id.get() },
            Place::Stray(at) => (self.input.strays.get(at).map(|stray| stray.name.clone()), 0),
            Place::Frame { file, offset } => {
                (self.input.files.get(file).map(|file| file.name.clone()), offset)
            }
        };
        let reason = format!("{}, and {witness}", stop.reason);
        corrupt(&name.unwrap_or_default(), offset, Some(stop.seq), reason)
    }

    /// The log ends at the stop: what stands behind it is dropped.
    fn end(&mut self, stop: &Stop) -> Result<()> {
        let piece = self.current.take().unwrap_or_else(|| Piece::empty(None, 0, stop.seq));
        if !self.tail.closed_here {
            let is_same = self.tail.gaps.is_empty();
            let survey = if let Some(survey) = self.survey.take().filter(|_| is_same) {
                survey
            } else {
                Survey::take(self.input.files, stop.onward, stop.seq)?
            };
            self.tail.frames_dropped = survey.frames + u64::from(self.batch_frames);
            for (source, file) in self.input.files.iter().enumerate() {
                let is_last = piece.source == Some(source);
                let from = if is_last { piece.end } else { file.first() };
                let behind = survey.ends.get(source).copied().unwrap_or(0);
                let to = if is_last && self.batch_frames > 0 { behind.max(stop.onward.1) } else { behind };
                if to > from {
                    self.tail.dropped.push(Dropped { source, from, to });
                }
            }
        }
        self.tail.pieces.push(piece);
        Ok(())
    }

    /// Gives up the frames from the batch of the stop to the next batch that is whole at its start, and returns where
    /// that is; `None` where there is none, and the log goes on in an empty piece.
    fn give_up(&mut self, stop: &Stop) -> Result<Option<Start>> {
        let input = self.input;
        let known = self.survey(stop)?.durable.max(input.closed).max(self.slots_durable());
        let in_batch = self.batch_frames > 0;
        let mut onward = stop.onward;
        let (lost_from, follows_gap) = if let Some(mut piece) = self.current.take() {
            let lost_from = piece.next_seq();
            if piece.frames == 0 && !in_batch && piece.from == onward.1 {
                onward.1 += ALIGN as u64; // So that each round comes further.
            }
            let follows_gap = piece.frames == 0 && self.tail.pieces.last().is_some_and(|last| last.cut);
            piece.cut = true;
            if !follows_gap {
                self.tail.pieces.push(piece);
            }
            (lost_from, follows_gap)
        } else {
            self.tail.pieces.push(Piece { cut: true, ..Piece::empty(None, 0, stop.seq) });
            (stop.seq, false)
        };
        self.batch_frames = 0;
        self.tail.closed_here = false;
        let resumed = survey::next_batch(input.files, onward, stop.seq, &mut self.tail.bytes_scanned)?;
        let next_seq =
            resumed.map_or_else(|| known.max(Some(stop.seq)).map_or(stop.seq, Seq::next), |at| at.seq);
        match self.tail.gaps.last_mut().filter(|_| follows_gap) {
            Some(gap) => gap.to = before(next_seq),
            None => self.tail.gaps.push(GapRange { from: lost_from, to: before(next_seq) }),
        }
        let damaged_to = resumed.map_or(input.files.len(), |at| {
            // The file that reading goes on in is damaged only if something of it is lost.
            let is_whole = input.files.get(at.file).is_some_and(|file| file.first() == at.offset);
            at.file + usize::from(!is_whole)
        });
        let first_damaged = stop.onward.0;
        self.tail.damaged.extend(first_damaged..damaged_to);
        self.tail.damaged.dedup();
        if resumed.is_none() {
            self.tail.pieces.push(Piece::empty(None, 0, next_seq));
        }
        Ok(resumed)
    }
}

/// The batch that is being read.
#[derive(Default)]
struct Batch {
    frames: u32,
}

fn stop_at(at: Start, reason: impl Into<Cow<'static, str>>) -> Stop {
    Stop {
        place: Place::Frame { file: at.file, offset: at.offset },
        seq: at.seq,
        reason: reason.into(),
        is_damage: false,
        onward: (at.file, at.offset),
    }
}

fn before(seq: Seq) -> Seq {
    Seq::new(seq.get().saturating_sub(1))
}

#[cfg(test)]
mod tests;
