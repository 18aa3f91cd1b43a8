//! The manifest: which files count, what they were made from, and how the store was left.
//!
//! Replaced whole, so that it is either the old one or the new one. All lists are in rising order.
//!
//! ```text
//! offset size
//!      0   16  head           see `head`
//!     16    4  length         bytes of the body
//!     20    4  crc            CRC-32 of the body
//!     24    .  body
//! body: store id 16 | closed 1 | closed seq 8 | next segment id 4 | next run number 8 | hash key 16
//!     | current address key 8 | count 4 | retired address keys 8 each
//!     | count 4 | epochs: epoch 4, first seq 8
//!     | count 4 | sealed segments: id 4, epoch 4, base seq 8, frames 4, end 8, crc of crcs 4, index 1,
//!                 index length 8, index crc 4, index rules 2
//!     | count 4 | runs: number 8, first seq 8, last seq 8, length 8, crc 4, rules 2
//!     | count 4 | gaps: from 8, to 8
//!     | count 4 | runs of message ids: as runs; the length is 0 where there are no ids, and no file
//! ```
//!
//! Version 1.0 ends with the gaps. A later minor version may append to the body. A reader that does not know it refuses
//! such a manifest: it would drop what it cannot read when it replaces the file.

use std::borrow::Cow;

use super::bytes::{ByteReader, ByteWriter};
use super::head::{FileKind, HEAD_LEN, MAJOR, MINOR};
use crate::error::Error;
use crate::types::{Epoch, SegmentId, Seq};

/// How the last writer left the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// A writer is at work, or ended without closing.
    Open,
    /// The store was closed behind this seq, that of the close frame.
    Closed(Seq),
}

/// From which seq on an epoch counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EpochStart {
    pub(crate) epoch: Epoch,
    pub(crate) first_seq: Seq,
}

/// What a derived file was listed with; a file that does not match is rebuilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DerivedFile {
    /// Bytes of the file.
    pub(crate) len: u64,
    /// CRC-32 of the file's header, which in turn has the checksums of everything else.
    pub(crate) crc: u32,
    /// Version of the rules that made it.
    pub(crate) rules: u16,
}

/// A sealed segment and its footer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SealedSegment {
    pub(crate) id: SegmentId,
    pub(crate) epoch: Epoch,
    pub(crate) base_seq: Seq,
    /// Frames in the segment, the roll frame included.
    pub(crate) frames: u32,
    /// Offset behind the last frame.
    pub(crate) end: u64,
    /// CRC-32 over the checksums of all frames in order, little-endian.
    pub(crate) crc_of_crcs: u32,
    /// The index file, where it was built.
    pub(crate) index: Option<DerivedFile>,
}

impl SealedSegment {
    /// Seq of the last frame.
    pub(crate) fn last_seq(&self) -> Seq {
        Seq::new(self.base_seq.get().saturating_add(u64::from(self.frames)).saturating_sub(1))
    }
}

/// A run of profile rows, a fold of the log from `first_seq` to `last_seq`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProfileRun {
    pub(crate) number: u64,
    pub(crate) first_seq: Seq,
    pub(crate) last_seq: Seq,
    pub(crate) file: DerivedFile,
}

/// A run of the message ids of the frames from `first_seq` to `last_seq`. Where none of them has an id there is no file,
/// and its length is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IdsRun {
    pub(crate) number: u64,
    pub(crate) first_seq: Seq,
    pub(crate) last_seq: Seq,
    pub(crate) file: DerivedFile,
}

impl IdsRun {
    /// Whether there is a file.
    pub(crate) const fn has_file(&self) -> bool {
        self.file.len > 0
    }
}

/// A range of seqs that repair set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GapRange {
    pub(crate) from: Seq,
    pub(crate) to: Seq,
}

/// Everything the manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) store_id: [u8; 16],
    pub(crate) state: State,
    pub(crate) next_segment: SegmentId,
    pub(crate) next_run: u64,
    /// Key of the SipHash-2-4 that ids are hashed with in derived files.
    pub(crate) hash_key: [u8; 16],
    /// Name of the key that addresses are hashed with; zeros before the first one was chosen.
    pub(crate) address_key: [u8; 8],
    pub(crate) retired_address_keys: Vec<[u8; 8]>,
    pub(crate) epochs: Vec<EpochStart>,
    pub(crate) segments: Vec<SealedSegment>,
    pub(crate) runs: Vec<ProfileRun>,
    pub(crate) gaps: Vec<GapRange>,
    pub(crate) ids: Vec<IdsRun>,
}

const PREFIX_LEN: usize = HEAD_LEN + 8;

impl Manifest {
    /// The file's bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let body = self.encode_body();
        let mut out = Vec::with_capacity(body.len().saturating_add(PREFIX_LEN));
        FileKind::Manifest.put_head(&mut out);
        out.put_u32(list_len(&body));
        out.put_u32(crc32fast::hash(&body));
        out.put(&body);
        out
    }

    fn encode_body(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.put(&self.store_id);
        let (closed, closed_seq) = match self.state {
            State::Open => (0, Seq::ZERO),
            State::Closed(seq) => (1, seq),
        };
        out.put_u8(closed);
        out.put_u64(closed_seq.get());
        out.put_u32(self.next_segment.get());
        out.put_u64(self.next_run);
        out.put(&self.hash_key);
        out.put(&self.address_key);
        out.put_u32(list_len(&self.retired_address_keys));
        for key in &self.retired_address_keys {
            out.put(key);
        }
        out.put_u32(list_len(&self.epochs));
        for start in &self.epochs {
            out.put_u32(start.epoch.get());
            out.put_u64(start.first_seq.get());
        }
        out.put_u32(list_len(&self.segments));
        for segment in &self.segments {
            put_segment(&mut out, segment);
        }
        out.put_u32(list_len(&self.runs));
        for run in &self.runs {
            out.put_u64(run.number);
            out.put_u64(run.first_seq.get());
            out.put_u64(run.last_seq.get());
            put_derived(&mut out, &run.file);
        }
        out.put_u32(list_len(&self.gaps));
        for gap in &self.gaps {
            out.put_u64(gap.from.get());
            out.put_u64(gap.to.get());
        }
        out.put_u32(list_len(&self.ids));
        for run in &self.ids {
            out.put_u64(run.number);
            out.put_u64(run.first_seq.get());
            out.put_u64(run.last_seq.get());
            put_derived(&mut out, &run.file);
        }
        out
    }

    /// Reads the file `file` back.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] where a byte is not as it was written, [`Error::UnsupportedFormat`] where a later version
    /// wrote it.
    pub(crate) fn parse(file: &str, bytes: &[u8]) -> Result<Self, Error> {
        let corrupt = |offset: usize, reason: &'static str| Error::Corrupt {
            file: file.to_owned(),
            offset: offset as u64,
            seq: None,
            reason: Cow::Borrowed(reason),
        };
        let mut reader = ByteReader::new(bytes);
        let minor = FileKind::Manifest.check_head(file, &mut reader)?;
        let short = || corrupt(HEAD_LEN, "the file is shorter than its prefix");
        let len = reader.u32().ok_or_else(short)?;
        let crc = reader.u32().ok_or_else(short)?;
        let body = reader.rest();
        if u32::try_from(body.len()).ok() != Some(len) {
            return Err(corrupt(HEAD_LEN, "the file is not as long as it says"));
        }
        if crc32fast::hash(body) != crc {
            return Err(corrupt(PREFIX_LEN, "the checksum does not match"));
        }
        let mut reader = ByteReader::new(body);
        let manifest = Self::parse_body(&mut reader).filter(|_| reader.is_empty());
        if manifest.is_none() && minor > MINOR {
            let reason = format!(
                "format version {MAJOR}.{minor} wrote more into it than this version, {MAJOR}.{MINOR}, knows"
            );
            return Err(Error::UnsupportedFormat { file: file.to_owned(), reason: Cow::Owned(reason) });
        }
        manifest
            .filter(Self::is_ordered)
            .ok_or_else(|| corrupt(PREFIX_LEN, "the checksum matches and the content makes no sense"))
    }

    /// Reads what this version knows and leaves the reader behind it.
    fn parse_body(reader: &mut ByteReader<'_>) -> Option<Self> {
        let store_id = reader.array()?;
        let state = match (reader.u8()?, reader.u64()?) {
            (0, 0) => State::Open,
            (1, seq) => State::Closed(Seq::new(seq)),
            _ => return None,
        };
        let next_segment = SegmentId::new(reader.u32()?);
        let next_run = reader.u64()?;
        let hash_key = reader.array()?;
        let address_key = reader.array()?;
        let retired_address_keys = list(reader, 8, ByteReader::array)?;
        let epochs = list(reader, 12, |reader| {
            Some(EpochStart { epoch: Epoch::new(reader.u32()?), first_seq: Seq::new(reader.u64()?) })
        })?;
        let segments = list(reader, 47, parse_segment)?;
        let runs = list(reader, 38, |reader| {
            Some(ProfileRun {
                number: reader.u64()?,
                first_seq: Seq::new(reader.u64()?),
                last_seq: Seq::new(reader.u64()?),
                file: parse_derived(reader)?,
            })
        })?;
        let gaps = list(reader, 16, |reader| {
            Some(GapRange { from: Seq::new(reader.u64()?), to: Seq::new(reader.u64()?) })
        })?;
        // Version 1.0 ends here.
        let ids = if reader.is_empty() { Vec::new() } else { list(reader, 38, parse_ids)? };
        Some(Self {
            store_id,
            state,
            next_segment,
            next_run,
            hash_key,
            address_key,
            retired_address_keys,
            epochs,
            segments,
            runs,
            gaps,
            ids,
        })
    }

    fn is_ordered(&self) -> bool {
        self.epochs.is_sorted_by(|a, b| a.epoch < b.epoch && a.first_seq <= b.first_seq)
            && !self.epochs.is_empty()
            && self.segments.is_sorted_by(|a, b| a.id < b.id && a.last_seq() < b.base_seq)
            && self.segments.iter().all(|segment| segment.frames > 0)
            && self.gaps.is_sorted_by(|a, b| a.to < b.from)
            && self.ids.is_sorted_by(|a, b| a.last_seq < b.first_seq)
            && self.ids.iter().all(|run| run.first_seq <= run.last_seq)
    }

    /// The epoch that is being written now.
    pub(crate) fn epoch(&self) -> Epoch {
        self.epochs.last().map_or(Epoch::FIRST, |start| start.epoch)
    }
}

/// The epoch of `seq` in a table of epochs.
pub(crate) fn epoch_of(epochs: &[EpochStart], seq: Seq) -> Epoch {
    let later = epochs.partition_point(|start| start.first_seq <= seq);
    later.checked_sub(1).and_then(|at| epochs.get(at)).map_or(Epoch::FIRST, |start| start.epoch)
}

/// Where what was lost at the end of an epoch begins, if `seq` of that epoch is among it.
pub(crate) fn taken_back(epochs: &[EpochStart], epoch: Epoch, seq: Seq) -> Option<Seq> {
    let at = epochs.iter().position(|start| start.epoch == epoch && start.first_seq <= seq)?;
    let next = epochs.get(at.checked_add(1)?)?;
    (next.first_seq <= seq).then_some(next.first_seq)
}

fn list_len<T>(list: &[T]) -> u32 {
    u32::try_from(list.len()).unwrap_or(u32::MAX)
}

fn list<'a, T>(
    reader: &mut ByteReader<'a>,
    item_bytes: usize,
    mut item: impl FnMut(&mut ByteReader<'a>) -> Option<T>,
) -> Option<Vec<T>> {
    let count = reader.count(item_bytes)?;
    (0..count).map(|_| item(reader)).collect()
}

fn put_segment(out: &mut Vec<u8>, segment: &SealedSegment) {
    out.put_u32(segment.id.get());
    out.put_u32(segment.epoch.get());
    out.put_u64(segment.base_seq.get());
    out.put_u32(segment.frames);
    out.put_u64(segment.end);
    out.put_u32(segment.crc_of_crcs);
    out.put_u8(u8::from(segment.index.is_some()));
    put_derived(out, &segment.index.unwrap_or(DerivedFile { len: 0, crc: 0, rules: 0 }));
}

fn parse_segment(reader: &mut ByteReader<'_>) -> Option<SealedSegment> {
    Some(SealedSegment {
        id: SegmentId::new(reader.u32()?),
        epoch: Epoch::new(reader.u32()?),
        base_seq: Seq::new(reader.u64()?),
        frames: reader.u32()?,
        end: reader.u64()?,
        crc_of_crcs: reader.u32()?,
        index: match (reader.u8()?, parse_derived(reader)?) {
            (0, DerivedFile { len: 0, crc: 0, rules: 0 }) => None,
            (1, file) => Some(file),
            _ => return None,
        },
    })
}

fn parse_ids(reader: &mut ByteReader<'_>) -> Option<IdsRun> {
    Some(IdsRun {
        number: reader.u64()?,
        first_seq: Seq::new(reader.u64()?),
        last_seq: Seq::new(reader.u64()?),
        file: parse_derived(reader)?,
    })
}

fn put_derived(out: &mut Vec<u8>, file: &DerivedFile) {
    out.put_u64(file.len);
    out.put_u32(file.crc);
    out.put_u16(file.rules);
}

fn parse_derived(reader: &mut ByteReader<'_>) -> Option<DerivedFile> {
    Some(DerivedFile { len: reader.u64()?, crc: reader.u32()?, rules: reader.u16()? })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "tests know their bytes")]

    use super::*;

    fn manifest() -> Manifest {
        let file = DerivedFile { len: 10, crc: 11, rules: 1 };
        Manifest {
            store_id: [1; 16],
            state: State::Closed(Seq::new(900)),
            next_segment: SegmentId::new(9),
            next_run: 4,
            hash_key: [2; 16],
            address_key: [3; 8],
            retired_address_keys: vec![[4; 8], [5; 8]],
            epochs: vec![
                EpochStart { epoch: Epoch::new(1), first_seq: Seq::new(1) },
                EpochStart { epoch: Epoch::new(3), first_seq: Seq::new(500) },
            ],
            segments: vec![
                SealedSegment {
                    id: SegmentId::new(1),
                    epoch: Epoch::new(1),
                    base_seq: Seq::new(1),
                    frames: 400,
                    end: 4000,
                    crc_of_crcs: 7,
                    index: Some(file),
                },
                SealedSegment {
                    id: SegmentId::new(5),
                    epoch: Epoch::new(3),
                    base_seq: Seq::new(401),
                    frames: 99,
                    end: 3000,
                    crc_of_crcs: 8,
                    index: None,
                },
            ],
            runs: vec![ProfileRun { number: 3, first_seq: Seq::new(1), last_seq: Seq::new(499), file }],
            gaps: vec![GapRange { from: Seq::new(450), to: Seq::new(460) }],
            ids: vec![
                IdsRun { number: 2, first_seq: Seq::new(1), last_seq: Seq::new(400), file },
                IdsRun {
                    number: 5,
                    first_seq: Seq::new(401),
                    last_seq: Seq::new(499),
                    file: DerivedFile { len: 0, crc: 0, rules: 1 },
                },
            ],
        }
    }

    #[test]
    fn a_manifest_comes_back_and_every_flipped_bit_is_noticed() {
        let bytes = manifest().encode();
        assert_eq!(Manifest::parse("MANIFEST", &bytes).unwrap(), manifest());
        for at in 0..bytes.len() {
            // A later minor version may be read; no content hangs on it.
            if at == 10 || at == 11 {
                continue;
            }
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                assert!(Manifest::parse("MANIFEST", &flipped).is_err(), "byte {at} bit {bit}");
            }
        }
        for len in 0..bytes.len() {
            assert!(Manifest::parse("MANIFEST", &bytes[..len]).is_err(), "cut to {len}");
        }
    }

    #[test]
    fn a_manifest_of_version_1_0_has_no_runs_of_ids() {
        let without = Manifest { ids: Vec::new(), ..manifest() };
        let mut bytes = without.encode();
        bytes.truncate(bytes.len() - 4);
        let body = bytes[PREFIX_LEN..].to_vec();
        bytes[10..12].copy_from_slice(&0u16.to_le_bytes());
        bytes[16..20].copy_from_slice(&u32::try_from(body.len()).unwrap().to_le_bytes());
        bytes[20..24].copy_from_slice(&crc32fast::hash(&body).to_le_bytes());
        assert_eq!(Manifest::parse("MANIFEST", &bytes).unwrap(), without);
    }

    /// The manifest's bytes as another minor version wrote them, with this at the end of the body.
    fn of_minor(minor: u16, more: &[u8]) -> Vec<u8> {
        let mut bytes = manifest().encode();
        bytes.extend_from_slice(more);
        let body = bytes[PREFIX_LEN..].to_vec();
        bytes[10..12].copy_from_slice(&minor.to_le_bytes());
        bytes[16..20].copy_from_slice(&u32::try_from(body.len()).unwrap().to_le_bytes());
        bytes[20..24].copy_from_slice(&crc32fast::hash(&body).to_le_bytes());
        bytes
    }

    #[test]
    fn a_manifest_of_a_later_minor_version_is_read_or_unsupported_and_never_damage() {
        for minor in [MINOR + 1, u16::MAX] {
            assert_eq!(Manifest::parse("MANIFEST", &of_minor(minor, &[])).unwrap(), manifest());
            for more in [&[0][..], &[0; 4], &[1, 0, 0, 0, 7, 7]] {
                let read = Manifest::parse("MANIFEST", &of_minor(minor, more));
                let is_told = |reason: &str| reason.contains(&format!("{MAJOR}.{minor}"));
                assert!(
                    matches!(&read, Err(Error::UnsupportedFormat { reason, .. }) if is_told(reason)),
                    "{read:?}"
                );
                let mut damaged = of_minor(minor, more);
                damaged[PREFIX_LEN] ^= 1;
                assert!(matches!(Manifest::parse("MANIFEST", &damaged), Err(Error::Corrupt { .. })));
            }
        }
        for minor in [0, MINOR] {
            let read = Manifest::parse("MANIFEST", &of_minor(minor, &[0; 4]));
            assert!(matches!(read, Err(Error::Corrupt { .. })), "{read:?}");
        }
    }

    #[test]
    fn a_seq_belongs_to_the_epoch_that_wrote_it() {
        let manifest = manifest();
        assert_eq!(epoch_of(&manifest.epochs, Seq::new(1)), Epoch::new(1));
        assert_eq!(epoch_of(&manifest.epochs, Seq::new(499)), Epoch::new(1));
        assert_eq!(epoch_of(&manifest.epochs, Seq::new(500)), Epoch::new(3));
        assert_eq!(manifest.epoch(), Epoch::new(3));
    }
}
