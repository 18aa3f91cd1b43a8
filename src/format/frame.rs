//! A frame: the unit of the log, checksummed and 8-byte aligned.
//!
//! ```text
//! offset size
//!      0    4  len          bytes of the frame without padding; 0 means the log ends here
//!      4    4  crc          CRC-32 over (seed) bytes 8 .. 32 + keys_len | len | CRC-32 of the body
//!      8    8  seq
//!     16    8  received at  nanoseconds since 1970, monotone in seq
//!     24    4  durable lag  how many seqs behind this frame the durable seq was; saturating
//!     28    1  kind
//!     29    1  flags
//!     30    2  keys_len
//!     32    .  keys         fixed layout by kind
//!      .    .  body         opaque here
//!      .  0-7  padding      zeros up to a multiple of 8
//! ```
//!
//! The checksum of the long part, the body, is taken before the frame's place is known; the seed ties the frame to
//! its store and segment.

use super::bytes::ByteReader;
use crate::types::{Nanos, Seq};

const CRC: usize = 4;
const SEQ: usize = CRC + 4;
const KEYS: usize = 32;

/// Bytes before the keys.
pub(crate) const HEADER_LEN: usize = KEYS;
/// Frames begin at multiples of this.
pub(crate) const ALIGN: usize = 8;
/// Longest keys: `keys_len` is a `u16`.
pub(crate) const KEYS_LEN_MAX: usize = u16::MAX as usize;

const _: () = assert!(HEADER_LEN.is_multiple_of(ALIGN));

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(crate) enum FrameKind {
    /// An envelope.
    Event = 1,
    /// A cursor's state.
    Cursor = 2,
    /// What is left of an erased event: its seq.
    Erased = 3,
    /// The last frame of a segment.
    Roll = 4,
    /// The store was closed here.
    Close = 5,
}

impl FrameKind {
    pub(crate) const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Event),
            2 => Some(Self::Cursor),
            3 => Some(Self::Erased),
            4 => Some(Self::Roll),
            5 => Some(Self::Close),
            _ => None,
        }
    }
}

/// Marks on a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct FrameFlags(u8);

impl FrameFlags {
    /// First frame of its batch.
    pub(crate) const BATCH_FIRST: Self = Self(1);
    /// Last frame of its batch.
    pub(crate) const BATCH_LAST: Self = Self(1 << 1);
    /// The event's timestamp was stamped by the builder or the store, not given.
    pub(crate) const STAMPED: Self = Self(1 << 2);
    /// Reserved for a compressed body; a reader of this version refuses it.
    #[cfg(test)]
    pub(crate) const COMPRESSED: Self = Self(1 << 3);
    /// A frame that is a batch of its own.
    pub(crate) const ALONE: Self = Self(Self::BATCH_FIRST.0 | Self::BATCH_LAST.0);

    pub(crate) const fn from_byte(byte: u8) -> Self {
        Self(byte)
    }

    pub(crate) const fn byte(self) -> u8 {
        self.0
    }

    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    #[must_use]
    pub(crate) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// CRC-32 seed of a segment; see [`super::segment::SegmentHeader::seed`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seed(pub(crate) u32);

/// The parts of a frame that are known when its place is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FrameHeader {
    pub(crate) seq: Seq,
    pub(crate) received_at: Nanos,
    pub(crate) durable_lag: u32,
    pub(crate) kind: FrameKind,
    pub(crate) flags: FrameFlags,
}

/// Bytes of a frame without padding, or `None` where it is longer than the format can say.
pub(crate) fn frame_len(keys_len: usize, body_len: usize) -> Option<u32> {
    if keys_len > KEYS_LEN_MAX {
        return None;
    }
    u32::try_from(HEADER_LEN.checked_add(keys_len)?.checked_add(body_len)?).ok()
}

/// Bytes from one frame to the next: `len` rounded up to the alignment.
pub(crate) const fn stride(len: u32) -> u64 {
    (len as u64).next_multiple_of(ALIGN as u64)
}

/// The bytes that stand before a frame's keys, checksum included.
///
/// `keys` and `body_len` must satisfy [`frame_len`]; `len` is what it returned.
pub(crate) fn encode_header(
    header: &FrameHeader,
    len: u32,
    keys: &[u8],
    body_crc: u32,
    seed: Seed,
) -> [u8; HEADER_LEN] {
    let mut out = unsealed_header(header, len, keys);
    let crc = out.get(SEQ..).map_or(0, |rest| checksum(seed, [rest, keys], len, body_crc));
    if let Some(slot) = out.get_mut(CRC..SEQ) {
        slot.copy_from_slice(&crc.to_le_bytes());
    }
    out
}

/// The same with zeros in the place of the checksum.
fn unsealed_header(header: &FrameHeader, len: u32, keys: &[u8]) -> [u8; HEADER_LEN] {
    let keys_len = u16::try_from(keys.len()).unwrap_or(u16::MAX);
    debug_assert_eq!(usize::from(keys_len), keys.len(), "frame_len refuses longer keys");
    let mut out = [0u8; HEADER_LEN];
    let mut at = 0usize;
    let mut put = |bytes: &[u8]| {
        let end = at.saturating_add(bytes.len());
        if let Some(slot) = out.get_mut(at..end) {
            slot.copy_from_slice(bytes);
        }
        at = end;
    };
    put(&len.to_le_bytes());
    put(&0u32.to_le_bytes());
    put(&header.seq.get().to_le_bytes());
    put(&header.received_at.get().to_le_bytes());
    put(&header.durable_lag.to_le_bytes());
    put(&[header.kind as u8, header.flags.byte()]);
    put(&keys_len.to_le_bytes());
    debug_assert_eq!(at, HEADER_LEN);
    out
}

/// The frame's checksum, from the header behind the checksum with the keys, in as many parts as they stand in, and
/// what follows.
#[inline]
fn checksum<const PARTS: usize>(seed: Seed, covered: [&[u8]; PARTS], len: u32, body_crc: u32) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(seed.0);
    for part in covered {
        hasher.update(part);
    }
    let tail = (u64::from(body_crc) << 32) | u64::from(len);
    hasher.update(&tail.to_le_bytes());
    hasher.finalize()
}

/// Why the bytes at some offset are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FrameFault {
    /// The length is impossible or reaches past the end of what there is.
    Length { len: u32 },
    /// The checksum does not match.
    Checksum { found: u32, expected: u32 },
    /// Padding is not zero.
    Padding,
    /// The frame is whole and of a kind or with a flag that this version does not know.
    Unknown { kind: u8, flags: u8 },
}

impl std::fmt::Display for FrameFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Length { len } => write!(f, "frame length {len} is impossible here"),
            Self::Checksum { found, expected } => {
                write!(f, "frame has checksum {found:08x}, expected {expected:08x}")
            }
            Self::Padding => write!(f, "padding is not zero"),
            Self::Unknown { kind, flags } => write!(f, "frame kind {kind} with flags {flags:#x} is unknown"),
        }
    }
}

/// A frame whose structure holds; made by [`FrameView::parse`] (checksum compared) or
/// [`FrameView::trusted`] (not compared, for bytes that were checked before).
#[derive(Debug, Clone, Copy)]
pub(crate) struct FrameView<'a> {
    header: FrameHeader,
    len: u32,
    crc: u32,
    keys: &'a [u8],
    body: &'a [u8],
}

impl<'a> FrameView<'a> {
    /// The frame at the start of `bytes`, all of it checked; `Ok(None)` where the log ends.
    pub(crate) fn parse(bytes: &'a [u8], seed: Seed) -> Result<Option<Self>, FrameFault> {
        Ok(Self::parse_with_crc(bytes, seed)?.map(|(view, _)| view))
    }

    /// The same with the CRC-32 of the body, for who encodes the frame again.
    pub(crate) fn parse_with_crc(bytes: &'a [u8], seed: Seed) -> Result<Option<(Self, u32)>, FrameFault> {
        let Some(raw) = RawFrame::split(bytes)? else { return Ok(None) };
        let body_crc = crc32fast::hash(raw.body);
        let expected = checksum(seed, [raw.covered], raw.len, body_crc);
        if expected != raw.crc {
            return Err(FrameFault::Checksum { found: raw.crc, expected });
        }
        if raw.padding.iter().any(|byte| *byte != 0) {
            return Err(FrameFault::Padding);
        }
        raw.view().map(|view| Some((view, body_crc)))
    }

    /// The frame at the start of `bytes`, bounds checked and checksum not.
    pub(crate) fn trusted(bytes: &'a [u8]) -> Result<Option<Self>, FrameFault> {
        RawFrame::split(bytes)?.map(RawFrame::view).transpose()
    }

    pub(crate) const fn seq(&self) -> Seq {
        self.header.seq
    }

    pub(crate) const fn received_at(&self) -> Nanos {
        self.header.received_at
    }

    pub(crate) const fn kind(&self) -> FrameKind {
        self.header.kind
    }

    pub(crate) const fn flags(&self) -> FrameFlags {
        self.header.flags
    }

    pub(crate) const fn header(&self) -> &FrameHeader {
        &self.header
    }

    /// The frame's checksum as stored.
    pub(crate) const fn crc(&self) -> u32 {
        self.crc
    }

    pub(crate) const fn keys(&self) -> &'a [u8] {
        self.keys
    }

    pub(crate) const fn body(&self) -> &'a [u8] {
        self.body
    }

    /// Bytes to the next frame.
    pub(crate) const fn stride(&self) -> u64 {
        stride(self.len)
    }

    /// The last durable seq that the frame testifies to: its own seq minus its lag.
    pub(crate) const fn durable_when_written(&self) -> Seq {
        Seq::new(self.header.seq.get().saturating_sub(self.header.durable_lag as u64))
    }
}

/// A frame cut into its parts, lengths bounded, nothing else believed.
struct RawFrame<'a> {
    len: u32,
    crc: u32,
    /// The header behind the checksum, and the keys.
    covered: &'a [u8],
    keys: &'a [u8],
    body: &'a [u8],
    padding: &'a [u8],
}

impl<'a> RawFrame<'a> {
    fn split(bytes: &'a [u8]) -> Result<Option<Self>, FrameFault> {
        let Some(len_bytes) = bytes.first_chunk::<4>() else { return Ok(None) };
        let len = u32::from_le_bytes(*len_bytes);
        if len == 0 {
            return Ok(None);
        }
        let fault = FrameFault::Length { len };
        let end = usize::try_from(len).map_err(|_| fault)?;
        let padded = usize::try_from(stride(len)).map_err(|_| fault)?;
        let padding = bytes.get(end..padded).ok_or(fault)?;
        let (header, rest) =
            bytes.get(..end).and_then(<[u8]>::split_first_chunk::<HEADER_LEN>).ok_or(fault)?;
        let crc = header.get(CRC..SEQ).and_then(<[u8]>::first_chunk::<4>).ok_or(fault)?;
        let keys_len = header.last_chunk::<2>().map(|bytes| u16::from_le_bytes(*bytes)).ok_or(fault)?;
        let (keys, body) = rest.split_at_checked(usize::from(keys_len)).ok_or(fault)?;
        let covered = bytes.get(SEQ..HEADER_LEN.saturating_add(keys.len())).ok_or(fault)?;
        Ok(Some(Self { len, crc: u32::from_le_bytes(*crc), covered, keys, body, padding }))
    }

    fn view(self) -> Result<FrameView<'a>, FrameFault> {
        let fault = FrameFault::Length { len: self.len };
        let mut reader = ByteReader::new(self.covered);
        let seq = Seq::new(reader.u64().ok_or(fault)?);
        let received_at = Nanos::new(reader.i64().ok_or(fault)?);
        let durable_lag = reader.u32().ok_or(fault)?;
        let (kind, flags) = (reader.u8().ok_or(fault)?, reader.u8().ok_or(fault)?);
        let unknown = FrameFault::Unknown { kind, flags };
        let flags_known = FrameFlags::ALONE.with(FrameFlags::STAMPED).byte();
        if flags & !flags_known != 0 {
            return Err(unknown);
        }
        let kind = FrameKind::from_byte(kind).ok_or(unknown)?;
        let header = FrameHeader { seq, received_at, durable_lag, kind, flags: FrameFlags::from_byte(flags) };
        Ok(FrameView { header, len: self.len, crc: self.crc, keys: self.keys, body: self.body })
    }
}

/// Appends one whole frame, of which the body comes with its CRC-32, with its padding to `out` and returns its
/// checksum, or `None` where it is too long for the format.
pub(crate) fn encode(
    header: &FrameHeader,
    keys: &[u8],
    (body, body_crc): (&[u8], u32),
    seed: Seed,
    out: &mut Vec<u8>,
) -> Option<u32> {
    let len = frame_len(keys.len(), body.len())?;
    let padding = usize::try_from(stride(len).saturating_sub(u64::from(len))).ok()?;
    let start = out.len();
    out.extend_from_slice(&unsealed_header(header, len, keys));
    out.extend_from_slice(keys);
    // In one piece with the keys, which is faster than in two.
    let covered = out.get(start.saturating_add(SEQ)..)?;
    let crc = checksum(seed, [covered], len, body_crc);
    out.get_mut(start.saturating_add(CRC)..)?.first_chunk_mut::<4>()?.copy_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(body);
    out.extend_from_slice([0; ALIGN].get(..padding)?);
    Some(crc)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "tests know their bytes")]

    use super::*;

    const SEED: Seed = Seed(0x1234_5678);

    fn frame(keys: &[u8], body: &[u8]) -> Vec<u8> {
        let header = FrameHeader {
            seq: Seq::new(7),
            received_at: Nanos::new(99),
            durable_lag: 3,
            kind: FrameKind::Event,
            flags: FrameFlags::ALONE,
        };
        let mut out = Vec::new();
        encode(&header, keys, (body, crc32fast::hash(body)), SEED, &mut out).unwrap();
        out
    }

    #[test]
    fn a_frame_comes_back_as_it_was_written() {
        let bytes = frame(b"keys", b"some body");
        assert_eq!(bytes.len() % ALIGN, 0);
        let view = FrameView::parse(&bytes, SEED).unwrap().unwrap();
        assert_eq!(view.seq(), Seq::new(7));
        assert_eq!(view.received_at(), Nanos::new(99));
        assert_eq!(view.durable_when_written(), Seq::new(4));
        assert_eq!(view.kind(), FrameKind::Event);
        assert_eq!(view.flags(), FrameFlags::ALONE);
        assert_eq!(view.keys(), b"keys");
        assert_eq!(view.body(), b"some body");
        assert_eq!(view.stride(), bytes.len() as u64);
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let bytes = frame(b"keys", b"some body");
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                assert!(!matches!(FrameView::parse(&flipped, SEED), Ok(Some(_))), "byte {at} bit {bit}");
            }
        }
    }

    #[test]
    fn a_frame_of_another_segment_does_not_validate() {
        let bytes = frame(b"keys", b"some body");
        assert!(matches!(FrameView::parse(&bytes, Seed(1)), Err(FrameFault::Checksum { .. })));
    }

    #[test]
    fn zeros_are_the_end_and_a_cut_frame_is_a_fault() {
        assert!(FrameView::parse(&[0; 64], SEED).unwrap().is_none());
        assert!(FrameView::parse(&[], SEED).unwrap().is_none());
        let bytes = frame(b"keys", b"some body");
        for len in 4..bytes.len() {
            assert!(FrameView::parse(&bytes[..len], SEED).is_err(), "cut to {len}");
        }
    }

    #[test]
    fn the_compressed_flag_is_refused_by_this_version() {
        let header = FrameHeader {
            seq: Seq::new(1),
            received_at: Nanos::new(0),
            durable_lag: 0,
            kind: FrameKind::Event,
            flags: FrameFlags::ALONE.with(FrameFlags::COMPRESSED),
        };
        let mut out = Vec::new();
        encode(&header, b"", (b"", 0), SEED, &mut out).unwrap();
        assert!(matches!(FrameView::parse(&out, SEED), Err(FrameFault::Unknown { .. })));
    }

    #[test]
    fn keys_beyond_the_format_are_refused() {
        assert_eq!(frame_len(KEYS_LEN_MAX, 0), Some(32 + 65_535));
        assert_eq!(frame_len(KEYS_LEN_MAX + 1, 0), None);
    }
}
