//! Derived files: how they are made from the log, written and listed.

pub(super) mod ids;

use std::sync::Arc;

use super::fold::fragments_of;
use super::shelf::{RemakeIndex, RemakeRun, Shelf};
use crate::error::{Error, Result};
use crate::format::frame::{FrameKind, FrameView};
use crate::format::manifest::{DerivedFile, ProfileRun, SealedSegment};
use crate::format::names::FileName;
use crate::index::{self, ActiveIndex, IndexFile, SealedIndex};
use crate::log::manifest_file::ManifestFile;
use crate::log::segment::Segment;
use crate::profile::{self, Delta, Merge, ProfileMap, Run, Source};
use crate::storage::{DerivedSource, Disk, File, Remake};
use crate::types::Seq;

/// The footer of a segment whose frames end at `end`; its index is not listed yet.
///
/// # Errors
///
/// [`Error::Corrupt`] where a frame does not read back.
pub(super) fn footer(segment: &Segment, end: u64) -> Result<SealedSegment> {
    footer_with(segment, end, |_| ())
}

/// The same, and `see` looks at each frame.
///
/// # Errors
///
/// As [`footer`].
pub(super) fn footer_with(
    segment: &Segment,
    end: u64,
    mut see: impl FnMut(&FrameView<'_>),
) -> Result<SealedSegment> {
    let header = segment.header();
    let mut crcs = crc32fast::Hasher::new();
    let mut frames = 0;
    for item in segment.scan(first_offset(segment), end) {
        let (_, _, frame) = item?;
        crcs.update(&frame.crc().to_le_bytes());
        see(&frame);
        frames += 1;
    }
    Ok(SealedSegment {
        id: header.id,
        epoch: header.epoch,
        base_seq: header.base_seq,
        frames,
        end,
        crc_of_crcs: crcs.finalize(),
        index: None,
    })
}

/// Where a segment's first frame begins.
pub(super) fn first_offset(segment: &Segment) -> u32 {
    u32::try_from(segment.first_offset()).unwrap_or(u32::MAX)
}

/// What an index of a segment is made from.
pub(super) fn index_origin(store_id: [u8; 16], footer: &SealedSegment) -> index::Origin {
    index::Origin {
        store_id,
        segment: footer.id,
        base_seq: footer.base_seq,
        frames: footer.frames,
        crc_of_crcs: footer.crc_of_crcs,
    }
}

/// Where derived files are written and listed.
#[derive(Clone, Copy)]
pub(super) struct Derived<'a> {
    pub(super) disk: &'a Arc<dyn Disk>,
    pub(super) manifest: &'a ManifestFile,
    pub(super) shelf: &'a Arc<Shelf>,
}

impl Derived<'_> {
    fn source(&self, name: FileName, remake: impl Remake + 'static) -> DerivedSource {
        let remake: Arc<dyn Remake> = Arc::new(remake);
        DerivedSource { disk: Arc::clone(self.disk), name: name.to_string(), remake: Some(remake) }
    }

    /// Creates a file under a name that an earlier attempt may have left something under.
    fn create(&self, name: &str) -> Result<Arc<dyn File>> {
        if self.disk.exists(name)? {
            self.disk.remove(name)?;
        }
        self.disk.create(name)
    }

    /// Writes and syncs the index of a segment from the one in memory. It is not listed yet, its name not durable.
    ///
    /// # Errors
    ///
    /// Those of the medium.
    pub(super) fn write_index(
        &self,
        segment: &Arc<Segment>,
        footer: &SealedSegment,
        active: &ActiveIndex,
    ) -> Result<(DerivedFile, SealedIndex)> {
        let origin = index_origin(self.shelf.store_id, footer);
        let IndexFile { bytes, listed } = seal(segment, active, &origin)?;
        let file = self.create(&FileName::Index(segment.id()).to_string())?;
        file.write_at(0, &bytes)?;
        file.sync()?;
        let index = self.open_listed(segment, footer, listed)?;
        Ok((listed, index))
    }

    /// Writes and syncs the index of a sealed segment from its frames.
    ///
    /// # Errors
    ///
    /// Those of the medium, and [`Error::Corrupt`] where a frame does not read back.
    pub(super) fn rebuild_index(
        &self,
        segment: &Arc<Segment>,
        footer: &SealedSegment,
    ) -> Result<(DerivedFile, SealedIndex)> {
        let active = index_segment(segment, footer.end, self.shelf.hash_key)?;
        self.write_index(segment, footer, &active)
    }

    /// The index of a sealed segment from its frames, in memory only, for a reader that may not write.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] where a frame does not read back.
    pub(super) fn index_in_memory(&self, segment: &Segment, footer: &SealedSegment) -> Result<SealedIndex> {
        let active = index_segment(segment, footer.end, self.shelf.hash_key)?;
        let origin = index_origin(self.shelf.store_id, footer);
        let IndexFile { bytes, listed } = seal(segment, &active, &origin)?;
        SealedIndex::from_bytes(bytes, &FileName::Index(footer.id).to_string(), &listed, &origin)
    }

    /// Opens the index that the manifest lists, or says why it is not believed.
    ///
    /// # Errors
    ///
    /// Any mismatch, and those of the medium.
    pub(super) fn open_index(
        &self,
        segment: &Arc<Segment>,
        footer: &SealedSegment,
    ) -> Result<Option<SealedIndex>> {
        footer.index.map(|listed| self.open_listed(segment, footer, listed)).transpose()
    }

    fn open_listed(
        &self,
        segment: &Arc<Segment>,
        footer: &SealedSegment,
        listed: DerivedFile,
    ) -> Result<SealedIndex> {
        let footer = SealedSegment { index: Some(listed), ..*footer };
        let (shelf, segment) = (Arc::clone(self.shelf), Arc::clone(segment));
        let source = self.source(FileName::Index(footer.id), RemakeIndex { shelf, segment, footer });
        SealedIndex::open(source, &listed, &index_origin(self.shelf.store_id, &footer))
    }

    fn run_origin(&self, number: u64, first_seq: Seq, last_seq: Seq) -> profile::Origin {
        let Shelf { store_id, hash_key, .. } = **self.shelf;
        profile::Origin { store_id, hash_key, number, first_seq, last_seq }
    }

    /// Writes and syncs a run of all rows of a delta. It is not listed yet, its name not durable.
    ///
    /// # Errors
    ///
    /// Those of the medium.
    pub(super) fn write_run(
        &self,
        first_seq: Seq,
        last_seq: Seq,
        delta: &Delta,
    ) -> Result<(ProfileRun, Run)> {
        let number = self.manifest.current().next_run;
        let origin = self.run_origin(number, first_seq, last_seq);
        let file = self.create(&FileName::ProfileRun(number).to_string())?;
        let listed = profile::write(&*file, &origin, &mut Merge::new(vec![Source::delta(delta, &[], &[])]))?;
        let run = self.open_run(&listed)?;
        Ok((listed, run))
    }

    /// Writes and syncs a run of the rows of several.
    ///
    /// # Errors
    ///
    /// Those of the medium, and [`Error::Corrupt`] where an input does not read back.
    pub(super) fn compact_runs(&self, inputs: &[Arc<Run>]) -> Result<(ProfileRun, Run)> {
        let number = self.manifest.current().next_run;
        let (first_seq, last_seq) = profile::seqs(inputs).unwrap_or((Seq::ZERO, Seq::ZERO));
        let origin = self.run_origin(number, first_seq, last_seq);
        let file = self.create(&FileName::ProfileRun(number).to_string())?;
        let listed = profile::compact(&*file, &origin, inputs)?;
        let run = self.open_run(&listed)?;
        Ok((listed, run))
    }

    /// Opens a run that the manifest lists.
    ///
    /// # Errors
    ///
    /// Any mismatch, and those of the medium.
    pub(super) fn open_run(&self, listed: &ProfileRun) -> Result<Run> {
        let shelf = Arc::clone(self.shelf);
        let source = self.source(FileName::ProfileRun(listed.number), RemakeRun { shelf, listed: *listed });
        Run::open(source, listed, self.shelf.store_id, &self.shelf.hash_key)
    }

    /// Removes the file of a run that is no longer listed. One that stays is removed by the next opening.
    pub(super) fn remove_run(&self, number: u64) {
        let _ = self.disk.remove(&FileName::ProfileRun(number).to_string());
    }
}

/// The index file of a segment from the index in memory, which has all of its frames.
pub(super) fn seal(segment: &Segment, active: &ActiveIndex, origin: &index::Origin) -> Result<IndexFile> {
    index::seal(active, origin).ok_or_else(|| Error::Corrupt {
        file: segment.name().to_owned(),
        offset: 0,
        seq: Some(segment.base_seq()),
        reason: "the segment has not as many frames as it should".into(),
    })
}

/// The index in memory of a segment's frames up to `end`.
///
/// # Errors
///
/// [`Error::Corrupt`] where a frame does not read back.
pub(super) fn index_segment(segment: &Segment, end: u64, hash_key: [u8; 16]) -> Result<Arc<ActiveIndex>> {
    let mut active = index::ActiveWriter::new(hash_key, end);
    for item in segment.scan(first_offset(segment), end) {
        let (_, offset, frame) = item?;
        match (frame.kind(), crate::format::keys::EventKeys::parse(frame.keys())) {
            (FrameKind::Event, Some(keys)) => active.push_event(offset, &keys),
            _ => active.push_other(offset),
        }
    }
    Ok(Arc::clone(active.index()))
}

/// Applies the facts of a segment's frames up to `end`.
///
/// # Errors
///
/// [`Error::Corrupt`] where a frame does not read back.
pub(super) fn fold_facts(segment: &Segment, end: u64, facts: &mut ProfileMap) -> Result<()> {
    for item in segment.scan(first_offset(segment), end) {
        let (_, _, frame) = item?;
        facts.apply_all(fragments_of(frame.kind(), frame.seq(), frame.keys(), frame.body()));
    }
    Ok(())
}
