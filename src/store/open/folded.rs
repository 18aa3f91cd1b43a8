//! What is derived from the log when a store is opened: believed, rebuilt or folded anew.

use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use super::rebuild::Rebuild;
use super::tail::{Hashers, TailFold};
use crate::dedupe::Recent;
use crate::error::Result;
use crate::index::ActiveWriter;
use crate::limits::Limits;
use crate::log::manifest_file::ManifestFile;
use crate::log::open::OpenedLog;
use crate::log::{Marks, OnCorruption, RecoveryReport, Rolled};
use crate::storage::{Disk, MapWriter};
use crate::store::derive::Derived;
use crate::store::handle::{SegmentHandle, Segments};
use crate::store::repeats::MessageIds;
use crate::store::seal::{SealJob, SealQueue};
use crate::store::shelf::Shelf;
use crate::store::state::ReadState;
use crate::types::Seq;

/// What readers see of an opened log, and what a writer goes on with.
pub(super) struct Folded {
    pub(super) state: Arc<ReadState>,
    /// The index of the active segment.
    pub(super) active: Option<ActiveWriter>,
    /// The message ids of what is not sealed.
    pub(super) recent: Recent,
    /// Rolled segments that are to be sealed.
    pub(super) jobs: Vec<SealJob>,
    /// What opening the log found, and what was made anew.
    pub(super) report: RecoveryReport,
}

impl Folded {
    /// Believes, rebuilds or folds anew what is derived from a log. Files are written where there is a `queue`, which
    /// a sealer will take jobs from.
    pub(super) fn of(
        opened: &OpenedLog,
        disk: &Arc<dyn Disk>,
        manifest: &ManifestFile,
        limits: &Arc<Limits>,
        on_corruption: OnCorruption,
        queue: Option<&Arc<SealQueue>>,
        ids: Option<&MessageIds>,
    ) -> Result<Self> {
        let current = manifest.current();
        let shelf =
            Arc::new(Shelf::new(current.store_id, current.hash_key, Arc::clone(limits), queue.cloned()));
        let derived = Derived { disk, manifest, shelf: &shelf };
        let mut rebuild = Rebuild::new(derived, on_corruption, queue.is_some());
        let mut handles = Vec::with_capacity(opened.sealed.len() + opened.tail.len());
        for segment in &opened.sealed {
            let listed = current.segments.iter().find(|listed| listed.id == segment.id());
            let Some(footer) = listed else { continue };
            handles.extend(rebuild.handles(segment, footer)?.into_iter().map(Arc::new));
            shelf.put(*footer, segment);
        }
        let mut profiles = rebuild.profiles(&opened.sealed)?;
        if let Some(ids) = ids {
            rebuild.ids(&opened.sealed, ids)?;
        }
        let Rebuild { rebuilt, gaps: lost, .. } = rebuild;
        let mut report = RecoveryReport { rebuilt, ..opened.report.clone() };
        report.gaps.extend(lost.iter().map(|gap| gap.from..=gap.to));
        let mut gaps = [&*current.gaps, &*lost].concat();
        gaps.sort_unstable_by_key(|gap| gap.from);

        let hashers = Hashers { key: current.hash_key, messages: ids.map(|ids| ids.hasher) };
        let mut recent = Recent::new(ids.map_or(Seq::ZERO, MessageIds::through).next());
        let mut active = None;
        let mut jobs = Vec::new();
        let mut last_seq = opened.next_seq.get().saturating_sub(1);
        for (at, tail) in opened.tail.iter().enumerate() {
            let is_last = at + 1 == opened.tail.len();
            let capacity = opened.active.as_ref().filter(|_| is_last).map_or(tail.end, MapWriter::capacity);
            let mut writer = ActiveWriter::new(current.hash_key, capacity);
            let mut fold = TailFold { writer: &mut writer, profiles: &mut profiles, recent: &mut recent };
            last_seq = fold.take(tail, &hashers)?.unwrap_or(last_seq);
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
            people: Arc::default(),
            shelf,
            epochs: current.epochs.clone().into(),
            gaps: gaps.into(),
            hash_key: current.hash_key,
        };
        Ok(Self { state: Arc::new(state), active, recent, jobs, report })
    }
}
