//! What is derived from the log when a store is opened: believed, rebuilt or folded anew.

use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use crate::error::{Error, Result};
use crate::format::manifest::SealedSegment;
use crate::format::names::FileName;
use crate::index::{ActiveWriter, SealedIndex};
use crate::limits::Limits;
use crate::log::manifest_file::ManifestFile;
use crate::log::open::{OpenedLog, TailSegment};
use crate::log::{Marks, Placed, Rebuilt, Rolled, Segment};
use crate::profile::{ProfileMap, Run};
use crate::storage::{self, Disk, MapWriter};
use crate::store::derive::{Derived, first_offset};
use crate::store::fold::{fact_of, index_frame};
use crate::store::handle::{SegmentHandle, Segments};
use crate::store::seal::{SealJob, SealQueue};
use crate::store::shelf::Shelf;
use crate::store::state::ReadState;
use crate::types::Seq;

/// What readers see of an opened log, and what a writer goes on with.
pub(super) struct Folded {
    pub(super) state: Arc<ReadState>,
    /// The index of the active segment.
    pub(super) active: Option<ActiveWriter>,
    /// Rolled segments that are to be sealed.
    pub(super) jobs: Vec<SealJob>,
    /// Derived files that were made anew.
    pub(super) rebuilt: Vec<Rebuilt>,
}

impl Folded {
    /// Believes, rebuilds or folds anew what is derived from a log. Files are written where there is a `queue`, which
    /// a sealer will take jobs from.
    pub(super) fn of(
        opened: &OpenedLog,
        disk: &Arc<dyn Disk>,
        manifest: &ManifestFile,
        limits: &Arc<Limits>,
        queue: Option<&Arc<SealQueue>>,
    ) -> Result<Self> {
        let repair = queue.is_some();
        let current = manifest.current();
        let shelf =
            Arc::new(Shelf::new(current.store_id, current.hash_key, Arc::clone(limits), queue.cloned()));
        let derived = Derived { disk, manifest, shelf: &shelf };
        let mut rebuilt = Vec::new();
        let mut handles = Vec::with_capacity(opened.sealed.len() + opened.tail.len());
        for segment in &opened.sealed {
            let listed = current.segments.iter().find(|listed| listed.id == segment.id());
            let Some(footer) = listed else { continue };
            let index = sealed_index(&derived, segment, footer, repair, &mut rebuilt)?;
            shelf.put(*footer, segment);
            handles.push(Arc::new(SegmentHandle::sealed(Arc::clone(segment), Arc::new(index))));
        }
        let mut profiles = profiles(&derived, &opened.sealed, limits, repair, &mut rebuilt)?;

        let mut active = None;
        let mut jobs = Vec::new();
        let mut last_seq = opened.next_seq.get().saturating_sub(1);
        for (at, tail) in opened.tail.iter().enumerate() {
            let is_last = at + 1 == opened.tail.len();
            let capacity = opened.active.as_ref().filter(|_| is_last).map_or(tail.end, MapWriter::capacity);
            let mut writer = ActiveWriter::new(current.hash_key, capacity);
            last_seq = fold_tail(tail, &mut writer, &mut profiles)?.unwrap_or(last_seq);
            let index = Arc::clone(writer.index());
            handles.push(Arc::new(SegmentHandle::active(Arc::clone(&tail.segment), Arc::clone(&index))));
            if is_last && opened.active.is_some() {
                active = Some(writer);
            } else if opened.active.is_some() {
                let last_seq = Seq::new(last_seq);
                let rolled = Rolled { segment: Arc::clone(&tail.segment), end: tail.end, last_seq };
                jobs.push(SealJob { rolled, index, frozen: profiles.freeze(last_seq) });
            }
        }
        let visible = Seq::new(opened.next_seq.get().saturating_sub(1));
        let state = ReadState {
            marks: Arc::new(Marks::new(visible)),
            segments: RwLock::new(Arc::new(Segments::new(handles))),
            profiles: Mutex::new(profiles),
            shelf,
            epochs: current.epochs.clone().into(),
            gaps: current.gaps.clone().into(),
            hash_key: current.hash_key,
        };
        Ok(Self { state: Arc::new(state), active, jobs, rebuilt })
    }
}

/// Indexes the frames of a tail segment and applies its facts; gives the seq of its last frame.
fn fold_tail(
    tail: &TailSegment,
    writer: &mut ActiveWriter,
    profiles: &mut ProfileMap,
) -> Result<Option<u64>> {
    let mut last = None;
    for item in tail.segment.scan(first_offset(&tail.segment), tail.end) {
        let (_, offset, frame) = item?;
        let (kind, seq) = (frame.kind(), frame.seq());
        let placed = Placed { seq, kind, offset, keys: frame.keys(), body: frame.body() };
        if let Some(fact) = index_frame(writer, &placed, None) {
            profiles.apply(&fact);
        }
        last = Some(seq.get());
    }
    Ok(last)
}

/// Why a derived file is not believed and is made anew; `None` for any other error.
fn doubt(error: &Error) -> Option<String> {
    match error {
        error if storage::is_not_found(error) => Some("it is missing".to_owned()),
        Error::Corrupt { reason, .. } | Error::UnsupportedFormat { reason, .. } => {
            Some(reason.clone().into_owned())
        }
        error if storage::is_damage(error) => Some("the disk cannot read it".to_owned()),
        _ => None,
    }
}

/// The index of a sealed segment: the listed file, or one made anew where that is missing, stale or damaged.
fn sealed_index(
    derived: &Derived<'_>,
    segment: &Arc<Segment>,
    footer: &SealedSegment,
    repair: bool,
    rebuilt: &mut Vec<Rebuilt>,
) -> Result<SealedIndex> {
    let reason = match derived.open_index(segment, footer) {
        Ok(Some(index)) => return Ok(index),
        Ok(None) => "the manifest lists none".to_owned(),
        Err(error) => doubt(&error).ok_or(error)?,
    };
    rebuilt.push(Rebuilt { file: FileName::Index(footer.id).to_string(), reason });
    if !repair {
        return derived.index_in_memory(segment, footer);
    }
    let (listed, index) = derived.rebuild_index(segment, footer)?;
    derived.disk.sync_dir()?;
    derived.manifest.update(|manifest| {
        if let Some(entry) = manifest.segments.iter_mut().find(|entry| entry.id == footer.id) {
            entry.index = Some(listed);
        }
    })?;
    Ok(index)
}

/// The profiles of all sealed segments: the listed runs, and folds of the segments that no believed run covers.
fn profiles(
    derived: &Derived<'_>,
    sealed: &[Arc<Segment>],
    limits: &Arc<Limits>,
    repair: bool,
    rebuilt: &mut Vec<Rebuilt>,
) -> Result<ProfileMap> {
    let current = derived.manifest.current();
    let mut runs: Vec<Arc<Run>> = Vec::new();
    let mut doubted = Vec::new();
    for listed in &current.runs {
        match derived.open_run(listed) {
            Ok(run) => runs.push(Arc::new(run)),
            Err(error) => {
                let reason = doubt(&error).ok_or(error)?;
                rebuilt.push(Rebuilt { file: FileName::ProfileRun(listed.number).to_string(), reason });
                doubted.push(listed.number);
            }
        }
    }
    let is_covered = |runs: &[Arc<Run>], footer: &SealedSegment| {
        runs.iter().any(|run| run.first_seq() <= footer.base_seq && footer.last_seq() <= run.last_seq())
    };
    let mut loose = ProfileMap::new(Vec::new(), derived.shelf.hash_key, Arc::clone(limits));
    let mut made = Vec::new();
    for segment in sealed {
        let Some(footer) = current.segments.iter().find(|listed| listed.id == segment.id()) else { continue };
        if is_covered(&runs, footer) {
            continue;
        }
        for item in segment.scan(first_offset(segment), footer.end) {
            let (_, _, frame) = item?;
            if let Some(fact) = fact_of(frame.kind(), frame.seq(), frame.keys(), frame.body()) {
                loose.apply(&fact);
            }
        }
        if repair {
            let frozen = loose.freeze(footer.last_seq());
            let (listed, run) = derived.write_run(footer.base_seq, footer.last_seq(), &frozen.delta)?;
            derived.disk.sync_dir()?;
            derived.manifest.update(|manifest| {
                manifest.next_run = listed.number + 1;
                let at = manifest.runs.partition_point(|old| old.first_seq < listed.first_seq);
                manifest.runs.insert(at, listed);
            })?;
            made.push(Arc::new(run));
            loose = ProfileMap::new(Vec::new(), derived.shelf.hash_key, Arc::clone(limits));
        }
    }
    if repair && !doubted.is_empty() {
        derived.manifest.update(|manifest| manifest.runs.retain(|run| !doubted.contains(&run.number)))?;
        for number in doubted {
            derived.remove_run(number);
        }
    }
    runs.append(&mut made);
    runs.sort_by_key(|run| run.first_seq());
    Ok(loose.with_runs(runs))
}
