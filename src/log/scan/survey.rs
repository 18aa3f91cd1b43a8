//! Whole frames behind the first one that fails.

use std::ops::ControlFlow;

use super::files::TailFile;
use super::window::Window;
use super::{Start, fault_error};
use crate::error::{Error, Result};
use crate::format::bytes::ByteReader;
use crate::format::frame::{ALIGN, FrameFlags, FrameView, HEADER_LEN};
use crate::types::Seq;

const STEP: u64 = ALIGN as u64;

/// What stands behind a place of the tail.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// The last seq that a whole frame there says was durable when it was written.
    pub(super) durable: Option<Seq>,
    /// How many whole frames there are.
    pub(super) frames: u64,
    /// For each file, where the last whole frame ends; 0 where there is none.
    pub(super) ends: Vec<u64>,
    pub(super) bytes_read: u64,
}

impl Survey {
    /// Looks for whole frames with a seq of at least `least` from a place on.
    pub(super) fn take(files: &[TailFile], onward: (usize, u64), least: Seq) -> Result<Self> {
        let mut survey = Self { ends: vec![0; files.len()], ..Self::default() };
        for (at, file) in files.iter().enumerate().skip(onward.0) {
            let from = if at == onward.0 { onward.1 } else { 0 };
            let mut end = 0;
            let found = &mut survey;
            let bytes_read = search(file, from, least, |offset, view| {
                found.durable = found.durable.max(Some(view.durable_when_written()));
                found.frames += 1;
                end = offset + view.stride();
                ControlFlow::Continue(())
            })?;
            survey.bytes_read += bytes_read;
            if let Some(slot) = survey.ends.get_mut(at) {
                *slot = end;
            }
        }
        Ok(survey)
    }
}

/// The first frame from a place on that begins a batch and has a seq of at least `least`.
pub(super) fn next_batch(
    files: &[TailFile],
    onward: (usize, u64),
    least: Seq,
    bytes_scanned: &mut u64,
) -> Result<Option<Start>> {
    for (at, file) in files.iter().enumerate().skip(onward.0) {
        let from = if at == onward.0 { onward.1 } else { 0 };
        let mut start = None;
        *bytes_scanned += search(file, from, least, |offset, view| {
            if !view.flags().has(FrameFlags::BATCH_FIRST) {
                return ControlFlow::Continue(());
            }
            start = Some(Start { file: at, offset, seq: view.seq() });
            ControlFlow::Break(())
        })?;
        if start.is_some() {
            return Ok(start);
        }
    }
    Ok(None)
}

/// The first whole frame of a file from a place on with a seq of at least `least`, as its offset and seq. One of a later
/// version is passed over.
///
/// # Errors
///
/// Those of the medium.
pub(crate) fn next_frame(
    file: &TailFile,
    window: &mut Window<'_>,
    from: u64,
    least: Seq,
) -> Result<Option<(u64, Seq)>> {
    let mut found = None;
    let visit = |offset, view: &FrameView<'_>| {
        found = Some((offset, view.seq()));
        ControlFlow::Break(())
    };
    search_in(file, window, from, least, visit, |_| Ok(()))?;
    Ok(found)
}

/// How many whole frames with a seq of at least `least` a file has from a place on, and the last seq that any of them says
/// was durable when it was written.
///
/// # Errors
///
/// Those of the medium.
pub(crate) fn frames_behind(
    file: &TailFile,
    window: &mut Window<'_>,
    from: u64,
    least: Seq,
) -> Result<(u64, Option<Seq>)> {
    let (mut frames, mut durable) = (0, None);
    let visit = |_, view: &FrameView<'_>| {
        frames += 1;
        durable = durable.max(Some(view.durable_when_written()));
        ControlFlow::Continue(())
    };
    search_in(file, window, from, least, visit, |_| Ok(()))?;
    Ok((frames, durable))
}

/// Whether the file holds any whole frame.
pub(crate) fn has_frames(file: &TailFile) -> Result<bool> {
    let mut found = false;
    search(file, 0, Seq::ZERO, |_, _| {
        found = true;
        ControlFlow::Break(())
    })?;
    Ok(found)
}

/// Visits the whole frames of a file in order and returns how many bytes it read.
///
/// Frames may begin at any aligned offset. What cannot be a frame is passed over without computing a checksum.
fn search(
    file: &TailFile,
    from: u64,
    least: Seq,
    visit: impl FnMut(u64, &FrameView<'_>) -> ControlFlow<()>,
) -> Result<u64> {
    let mut window = Window::new(&*file.file, file.len);
    search_in(file, &mut window, from, least, visit, Err)?;
    Ok(window.bytes_read())
}

/// The same through a window on the file; `later` decides what comes of a whole frame of a later version.
fn search_in(
    file: &TailFile,
    window: &mut Window<'_>,
    from: u64,
    least: Seq,
    mut visit: impl FnMut(u64, &FrameView<'_>) -> ControlFlow<()>,
    later: impl Fn(Error) -> Result<()>,
) -> Result<()> {
    let mut offset = from.max(file.first());
    while offset + HEADER_LEN as u64 <= file.len {
        let bytes = window.at(offset, HEADER_LEN as u64)?;
        let zeros = bytes.chunks_exact(ALIGN).take_while(|word| *word == [0; ALIGN]).count();
        if zeros > 0 || bytes.len() < HEADER_LEN {
            offset += (zeros.max(1) * ALIGN) as u64;
            continue;
        }
        if !is_plausible(bytes, file, offset, least) {
            offset += STEP;
            continue;
        }
        let stride = match window.frame(offset, file.seed)? {
            Ok(Some(view)) => {
                if visit(offset, &view).is_break() {
                    break;
                }
                view.stride()
            }
            Ok(None) => STEP,
            Err(fault) => match fault_error(&file.name, offset, least, fault) {
                error @ Error::UnsupportedFormat { .. } => {
                    later(error)?;
                    STEP
                }
                _ => STEP,
            },
        };
        offset += stride;
    }
    Ok(())
}

/// Whether a frame of this file could begin so: its length, and a seq that the frames before it leave room for.
fn is_plausible(bytes: &[u8], file: &TailFile, offset: u64, least: Seq) -> bool {
    let mut reader = ByteReader::new(bytes);
    let (Some(len), Some(_crc), Some(seq)) = (reader.u32(), reader.u32(), reader.u64()) else { return false };
    let most = (offset - file.first()) / HEADER_LEN as u64;
    u64::from(len) >= HEADER_LEN as u64
        && u64::from(len) <= file.len - offset
        && seq >= least.get()
        && seq.checked_sub(file.header.base_seq.get()).is_some_and(|ordinal| ordinal <= most)
}
