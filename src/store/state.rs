//! What readers see: segments with their indexes, profiles, and how far both are visible.
//!
//! Lock order: `profiles` before `segments`. The writer holds `profiles` while it applies facts and shows them, so
//! that a snapshot never has a fact that is not visible, nor lacks one that is.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use uuid::Uuid;

use super::handle::{SegmentHandle, Segments, Snapshot, SnapshotSource};
use super::people::PeopleCache;
use super::shelf::Shelf;
use crate::error::{Error, Result};
use crate::format::frame::FrameView;
use crate::format::keys::EventKeys;
use crate::format::manifest::{EpochStart, GapRange, epoch_of};
use crate::log::Marks;
use crate::profile::ProfileMap;
use crate::types::{Position, SegmentId, Seq};

/// The shared reading side of an open store.
pub(super) struct ReadState {
    pub(super) marks: Arc<Marks>,
    /// In the order of their seqs; the last one is written to.
    pub(super) segments: RwLock<Arc<Segments>>,
    pub(super) profiles: Mutex<ProfileMap>,
    /// Has locks of its own, each of which is held for a look and never with another.
    pub(super) people: Arc<PeopleCache>,
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
            match organisation_in(handle, snapshot.visible, project_id) {
                Ok(None) => {}
                // The index cannot be made anew, as its segment is damaged too.
                Err(Error::Corrupt { .. }) if handle.segment.is_quarantined() => {}
                found => return found,
            }
        }
        Ok(None)
    }
}

/// The organisation that a visible event of a project in one segment names.
fn organisation_in(handle: &SegmentHandle, visible: Seq, project_id: &[u8; 16]) -> Result<Option<[u8; 16]>> {
    let index = handle.index_until(visible);
    let Some(project) = index.project(project_id)? else { return Ok(None) };
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
    Ok(None)
}

impl ReadState {
    /// The position of a seq.
    pub(super) fn position_of(&self, seq: Seq) -> Position {
        Position { seq, epoch: epoch_of(&self.epochs, seq) }
    }

    /// Looks at the visible frame with this seq; `None` where there is none, or where it cannot be read and damage is
    /// quarantined.
    ///
    /// # Errors
    ///
    /// Those of reading a record.
    pub(super) fn with_frame<T>(
        &self,
        seq: Seq,
        look: impl FnOnce(&FrameView<'_>) -> T,
    ) -> Result<Option<T>> {
        let visible = self.marks.visible();
        let segments = Arc::clone(&self.segments.read());
        let at = segments.begun_by(seq).checked_sub(1).and_then(|at| segments.get(at as usize));
        let Some((handle, ordinal)) = at.and_then(|handle| Some((handle, handle.segment.ordinal_of(seq)?)))
        else {
            return Ok(None);
        };
        let index = handle.index_until(visible);
        if ordinal.get() >= index.frames() {
            return Ok(None);
        }
        let frame = index.offset(ordinal).and_then(|offset| handle.segment.frame(ordinal, offset));
        match frame {
            Ok(frame) => Ok(Some(look(&frame))),
            Err(Error::Gap { .. }) => Ok(None),
            // The index cannot be made anew, as its segment is damaged too.
            Err(Error::Corrupt { .. }) if handle.segment.is_quarantined() => Ok(None),
            Err(error) => Err(error),
        }
    }

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
            people: Arc::clone(&self.people),
            epochs: Arc::clone(&self.epochs),
            gaps: Arc::clone(&self.gaps),
            hash_key: self.hash_key,
        })
    }
}
