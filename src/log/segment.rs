//! One segment, opened for reading: frames by ordinal and offset, checked once, then read from the mapping.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use super::report::OnCorruption;
use crate::error::{Error, Result};
use crate::format::frame::{FrameFault, FrameView, HEADER_LEN, Seed, stride};
use crate::format::segment::SegmentHeader;
use crate::storage::{self, Access, Disk, File, Map};
use crate::types::{Ordinal, SegmentId, Seq};

mod sealed;
mod walk;

pub(crate) use walk::Scan;

/// Longest frame of all, in bytes. A writer refuses more, so that no length on a disk sizes a large allocation.
pub(crate) const FRAME_BYTES_MAX: u32 = 64 * 1024 * 1024;
/// How far a check of one frame reads ahead, in bytes: its neighbours are likely to be next.
const CHECK_BYTES: u64 = 16 * 1024;
/// Ordinals whose marks are allocated together.
const CHUNK: usize = 4096;
const CHUNK_WORDS: usize = CHUNK / 64;

/// Which frames of a sealed segment this process has checked, one bit each, allocated where bits are set.
///
/// The bits order nothing: what they speak of does not change while the segment is open.
struct Checked {
    chunks: Box<[OnceLock<Box<[AtomicU64; CHUNK_WORDS]>>]>,
}

impl Checked {
    fn new(frames: u32) -> Self {
        Self { chunks: (0..(frames as usize).div_ceil(CHUNK)).map(|_| OnceLock::new()).collect() }
    }

    #[inline]
    fn has(&self, ordinal: Ordinal) -> bool {
        let at = ordinal.index();
        self.chunks
            .get(at / CHUNK)
            .and_then(OnceLock::get)
            .and_then(|chunk| chunk.get(at % CHUNK / 64))
            .is_some_and(|word| word.load(Ordering::Relaxed) >> (at % 64) & 1 == 1)
    }

    fn mark(&self, ordinal: Ordinal) {
        let at = ordinal.index();
        let chunk = self.chunks.get(at / CHUNK);
        let chunk =
            chunk.map(|chunk| chunk.get_or_init(|| Box::new([const { AtomicU64::new(0) }; CHUNK_WORDS])));
        if let Some(word) = chunk.and_then(|chunk| chunk.get(at % CHUNK / 64)) {
            word.fetch_or(1 << (at % 64), Ordering::Relaxed);
        }
    }
}

/// A segment that is open for reading; shared by everyone who reads it.
///
/// - (L1) The frames stand one behind the other from `first` to the committed end of the mapping.
/// - (L2) The seq of the frame with ordinal n is the base seq plus n.
pub(crate) struct Segment {
    header: SegmentHeader,
    seed: Seed,
    name: String,
    /// Where the first frame begins.
    first: u64,
    map: Map,
    disk: Arc<dyn Disk>,
    /// Kept while the segment is written to; a sealed one is opened again where a check needs it, so that the number
    /// of segments is not bounded by the number of files that a process may have open.
    file: Mutex<Option<Arc<dyn File>>>,
    all_checked: AtomicBool,
    checked: Checked,
    /// What reading a damaged frame tells.
    on_corruption: OnCorruption,
}

impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segment").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Segment {
    /// A segment whose frames below the committed end were all checked, or written, by this process.
    ///
    /// `first` is where its first frame begins, the floor of `map`.
    pub(crate) fn checked(disk: Arc<dyn Disk>, file: Arc<dyn File>, header: SegmentHeader, map: Map) -> Self {
        Self {
            header,
            seed: header.seed(),
            name: file.name().to_owned(),
            first: map.floor(),
            map,
            disk,
            file: Mutex::new(Some(file)),
            all_checked: AtomicBool::new(true),
            checked: Checked::new(0),
            on_corruption: OnCorruption::Fail,
        }
    }

    /// A part of a sealed segment, as a segment of its own that begins with another seq.
    ///
    /// # Errors
    ///
    /// Those of the medium.
    pub(crate) fn part(&self, base_seq: Seq, frames: u32, bytes: Range<u64>) -> Result<Self> {
        let (_, map) = self.file()?.map_log(bytes.start, bytes.end, bytes.end)?;
        Ok(Self {
            header: SegmentHeader { base_seq, ..self.header },
            seed: self.seed,
            name: self.name.clone(),
            first: bytes.start,
            map,
            disk: Arc::clone(&self.disk),
            file: Mutex::new(None),
            all_checked: AtomicBool::new(false),
            checked: Checked::new(frames),
            on_corruption: self.on_corruption,
        })
    }

    pub(crate) const fn header(&self) -> &SegmentHeader {
        &self.header
    }

    pub(crate) const fn id(&self) -> SegmentId {
        self.header.id
    }

    pub(crate) const fn base_seq(&self) -> Seq {
        self.header.base_seq
    }

    pub(crate) const fn seed(&self) -> Seed {
        self.seed
    }

    /// The name of its file.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Where its first frame begins.
    pub(crate) const fn first_offset(&self) -> u64 {
        self.first
    }

    /// Where the committed frames end now.
    pub(crate) fn committed(&self) -> u64 {
        self.map.committed()
    }

    pub(crate) const fn map(&self) -> &Map {
        &self.map
    }

    /// Takes its pages out of the page table, before a sync that would else protect them one by one.
    pub(crate) fn release_pages(&self) {
        self.map.release_pages();
    }

    /// Enters its pages into the page table, for one who is about to look at all of them.
    pub(crate) fn enter_pages(&self) {
        self.map.enter_pages();
    }

    /// Whether every frame that stood in it when it was opened was checked.
    pub(crate) fn is_all_checked(&self) -> bool {
        self.all_checked.load(Ordering::Relaxed)
    }

    /// The seq of the frame with this ordinal (L2).
    #[inline]
    pub(crate) fn seq_of(&self, ordinal: Ordinal) -> Seq {
        self.header.base_seq.plus(u64::from(ordinal.get()))
    }

    /// The ordinal of the frame with this seq, or `None` where the seq stands in an earlier segment.
    #[inline]
    pub(crate) fn ordinal_of(&self, seq: Seq) -> Option<Ordinal> {
        let distance = seq.get().checked_sub(self.header.base_seq.get())?;
        u32::try_from(distance).ok().map(Ordinal::new)
    }

    /// The file, opened again if it was let go.
    ///
    /// # Errors
    ///
    /// Those of the medium.
    pub(crate) fn file(&self) -> Result<Arc<dyn File>> {
        match &*self.file.lock() {
            Some(file) => Ok(Arc::clone(file)),
            None => self.disk.open(&self.name, Access::Read),
        }
    }

    /// Lets the file go once nothing is written to it any more. The mapping stays.
    pub(crate) fn release_file(&self) {
        *self.file.lock() = None;
    }

    /// Whether what cannot be read of it is a gap.
    pub(crate) fn is_quarantined(&self) -> bool {
        self.on_corruption == OnCorruption::Quarantine
    }

    /// The frame with this ordinal, which begins at `offset`.
    ///
    /// The first read of a frame of a sealed segment checks it by `pread`; later ones trust the mapping.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] where no such frame stands there, or [`Error::Gap`] where damage is quarantined.
    #[inline]
    pub(crate) fn frame(&self, ordinal: Ordinal, offset: u32) -> Result<FrameView<'_>> {
        let offset = u64::from(offset);
        if !self.is_checked(ordinal) {
            self.check(ordinal, offset).map_err(|error| self.lost(ordinal, error))?;
        }
        let bytes = self.map.bytes(offset..self.map.committed());
        match bytes.map(FrameView::trusted) {
            Some(Ok(Some(view))) if view.seq() == self.seq_of(ordinal) => Ok(view), // L2
            // Checked frames are of known kinds, so that an unknown one is no frame at all.
            Some(Err(fault)) => {
                Err(corrupt(&self.name, offset, Some(self.seq_of(ordinal)), fault.to_string()))
            }
            _ => Err(self.corrupt(offset, Some(self.seq_of(ordinal)), "there is no such frame")),
        }
    }

    /// Asks the processor to bring the frame at `offset` near.
    #[inline]
    pub(crate) fn prefetch(&self, offset: u32) {
        self.map.prefetch(u64::from(offset));
    }

    /// The frames from the one at `from` to `end`, in order; see [`Scan`].
    pub(crate) fn scan(&self, from: u32, end: u64) -> Scan<'_> {
        Scan::new(self, u64::from(from), end)
    }

    #[inline]
    fn is_checked(&self, ordinal: Ordinal) -> bool {
        self.is_all_checked() || self.checked.has(ordinal)
    }

    /// Checks the frame at `offset` by `pread`, and on the way those behind it that one read brings in.
    #[cold]
    fn check(&self, ordinal: Ordinal, offset: u64) -> Result<()> {
        let end = self.map.committed();
        let seq = self.seq_of(ordinal);
        if offset < self.first || offset >= end {
            return Err(self.corrupt(offset, Some(seq), "there is no such frame"));
        }
        let mut buffer = Vec::new();
        self.read_frames(offset, end, CHECK_BYTES, &mut buffer)?;
        self.check_frames(&buffer, offset, seq).map(drop)
    }

    #[cold]
    fn lost(&self, ordinal: Ordinal, error: Error) -> Error {
        let seq = self.seq_of(ordinal);
        match (error, self.on_corruption) {
            (Error::Corrupt { .. }, OnCorruption::Quarantine) => Error::Gap { from: seq, to: seq },
            (error, _) => error,
        }
    }

    /// Reads at least one whole frame at `offset`, and `wanted` bytes if there are so many before `end`.
    fn read_frames(&self, offset: u64, end: u64, wanted: u64, buffer: &mut Vec<u8>) -> Result<()> {
        let file = match self.file() {
            Ok(file) => Some(file),
            // Removed while a view still reads it: the mapping has what the file had.
            Err(error) if storage::is_not_found(&error) => None,
            Err(error) => return Err(error),
        };
        let mut wanted = wanted.min(end.saturating_sub(offset));
        loop {
            buffer.resize(usize::try_from(wanted).unwrap_or(0), 0);
            let read = match &file {
                Some(file) => file.read_at(offset, buffer)?,
                None => self.map.bytes(offset..offset + wanted).map_or(0, |bytes| {
                    buffer.copy_from_slice(bytes);
                    bytes.len()
                }),
            };
            buffer.truncate(read);
            let needed = frame_stride(buffer);
            if needed <= wanted || needed > end.saturating_sub(offset) {
                return Ok(());
            }
            wanted = needed;
        }
    }

    /// Marks the whole frames in `bytes`, which stand at `offset` and begin with the frame `seq`, and returns where
    /// they end. Only the first must hold; the others are asked for when they are read.
    fn check_frames(&self, bytes: &[u8], offset: u64, seq: Seq) -> Result<u64> {
        let mut at = 0;
        let mut expected = seq;
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            let problem = match FrameView::parse(rest, self.seed) {
                Ok(Some(view)) if view.seq() == expected => {
                    if let Some(ordinal) = self.ordinal_of(expected) {
                        self.checked.mark(ordinal);
                    }
                    at += usize::try_from(view.stride()).unwrap_or(rest.len());
                    expected = expected.next();
                    continue;
                }
                Ok(Some(_)) => self.corrupt(offset, Some(seq), "another frame stands here"),
                Ok(None) => self.corrupt(offset, Some(seq), "there is no frame"),
                Err(fault) => self.fault(offset, seq, fault),
            };
            return if expected == seq { Err(problem) } else { Ok(offset + at as u64) };
        }
    }

    fn fault(&self, offset: u64, seq: Seq, fault: FrameFault) -> Error {
        fault_error(&self.name, offset, seq, fault)
    }

    fn corrupt(&self, offset: u64, seq: Option<Seq>, reason: &'static str) -> Error {
        corrupt(&self.name, offset, seq, reason)
    }
}

/// Bytes of the frame that begins `bytes`, padding included; 0 where there is none or it is impossibly long.
pub(super) fn frame_stride(bytes: &[u8]) -> u64 {
    match bytes.first_chunk::<4>().map(|len| u32::from_le_bytes(*len)) {
        Some(len) if len as usize >= HEADER_LEN && len <= FRAME_BYTES_MAX => stride(len),
        _ => 0,
    }
}

/// The error of a frame that fails: a whole one of an unknown kind is of a later version, all else is damage.
pub(super) fn fault_error(file: &str, offset: u64, seq: Seq, fault: FrameFault) -> Error {
    match fault {
        FrameFault::Unknown { .. } => Error::UnsupportedFormat {
            file: file.to_owned(),
            reason: Cow::Owned(format!("{fault} (at {offset})")),
        },
        _ => corrupt(file, offset, Some(seq), fault.to_string()),
    }
}

pub(super) fn corrupt(
    file: &str,
    offset: u64,
    seq: Option<Seq>,
    reason: impl Into<Cow<'static, str>>,
) -> Error {
    Error::Corrupt { file: file.to_owned(), offset, seq, reason: reason.into() }
}

#[cfg(test)]
mod tests;
