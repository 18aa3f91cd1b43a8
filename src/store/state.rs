//! What readers see: segments with their indexes, profiles, and how far both are visible.
//!
//! Lock order: `profiles` before `segments`. The writer holds `profiles` while it applies facts and shows them, so
//! that a snapshot never has a fact that is not visible, nor lacks one that is.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use uuid::Uuid;

use super::handle::{SegmentHandle, Segments, Snapshot, SnapshotSource};
use super::shelf::Shelf;
use crate::error::{Error, Result};
use crate::format::keys::EventKeys;
use crate::format::manifest::{EpochStart, GapRange};
use crate::log::Marks;
use crate::profile::ProfileMap;
use crate::types::SegmentId;

/// The shared reading side of an open store.
pub(super) struct ReadState {
    pub(super) marks: Arc<Marks>,
    /// In the order of their seqs; the last one is written to.
    pub(super) segments: RwLock<Arc<Segments>>,
    pub(super) profiles: Mutex<ProfileMap>,
    /// What derived files are made of.
    pub(super) shelf: Arc<Shelf>,
    pub(super) epochs: Arc<[EpochStart]>,
    pub(super) gaps: Arc<[GapRange]>,
    pub(super) hash_key: [u8; 16],
}

impl std::fmt::Debug for ReadState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReadState").finish_non_exhaustive()
    }
}

impl ReadState {
    /// Adds the segment that is written to from now on.
    pub(super) fn push(&self, handle: SegmentHandle) {
        let mut segments = self.segments.write();
        let mut list = segments.to_vec();
        list.push(Arc::new(handle));
        *segments = Arc::new(Segments::new(list));
    }

    /// Replaces a segment's handle by one with another index.
    pub(super) fn replace(&self, id: SegmentId, handle: SegmentHandle) {
        let mut segments = self.segments.write();
        let mut list = segments.to_vec();
        if let Some(place) = list.iter_mut().find(|old| old.segment.id() == id) {
            *place = Arc::new(handle);
        }
        *segments = Arc::new(Segments::new(list));
    }

    /// The organisation that a visible event of a project names, one of the first ones, or `None` where there is no event
    /// of it. Events in a gap are passed over.
    ///
    /// # Errors
    ///
    /// Those of reading a record.
    pub(super) fn organisation_of(&self, project_id: &[u8; 16]) -> Result<Option<[u8; 16]>> {
        let snapshot = self.snapshot()?;
        for handle in snapshot.segments.iter() {
            let index = handle.index_until(snapshot.visible);
            let Some(project) = index.project(project_id)? else { continue };
            for event_type in index.types(project)? {
                for ordinal in index.postings(event_type.no)? {
                    let frame = match handle.segment.frame(ordinal, index.offset(ordinal)?) {
                        Ok(frame) => frame,
                        Err(Error::Gap { .. }) => continue,
                        Err(error) => return Err(error),
                    };
                    if let Some(keys) = EventKeys::parse(frame.keys()) {
                        return Ok(Some(keys.org_id));
                    }
                }
            }
        }
        Ok(None)
    }
}

impl ReadState {
    /// The projects that have visible events, in the order of their ids.
    pub(super) fn projects(&self) -> Result<Vec<Uuid>> {
        let snapshot = self.snapshot()?;
        let mut ids = BTreeSet::new();
        for handle in snapshot.segments.iter() {
            ids.extend(
                handle.index_until(snapshot.visible).projects()?.into_iter().map(|project| project.id),
            );
        }
        Ok(ids.into_iter().map(Uuid::from_bytes).collect())
    }
}

impl SnapshotSource for ReadState {
    fn snapshot(&self) -> Result<Snapshot> {
        let profiles = self.profiles.lock();
        let visible = self.marks.visible();
        let segments = Arc::clone(&self.segments.read());
        Ok(Snapshot {
            segments,
            visible,
            profiles: profiles.clone(),
            epochs: Arc::clone(&self.epochs),
            gaps: Arc::clone(&self.gaps),
            hash_key: self.hash_key,
        })
    }
}
