//! From frames to indexes and profiles, as they are committed.

use std::sync::Arc;

use hashbrown::HashMap;

use super::drafts::{Binding, Drafts, other_organisation};
use super::handle::SegmentHandle;
use super::seal::{SealJob, SealQueue};
use super::state::ReadState;
use crate::envelope::{EventType, codec};
use crate::error::{Error, Result};
use crate::format::cursor::CursorKeys;
use crate::format::frame::FrameKind;
use crate::format::keys::EventKeys;
use crate::index::{ActiveWriter, IdHashes};
use crate::log::segment::Segment;
use crate::log::{Fold, FoldNotes, Placed, Rolled};
use crate::profile::Fragment;
use crate::types::Seq;

/// Events that are looked ahead for their index entries, and for the slots behind those.
const ENTRIES_AHEAD: usize = 8;
const SLOTS_AHEAD: usize = 4;

/// What is decided under the log's lock, against all that is staged.
#[derive(Debug, Default)]
pub(super) struct Decisions {
    /// The organisation of each project that was written to or looked up.
    organisations: HashMap<[u8; 16], [u8; 16]>,
    /// The binding that was asked for last: most events are of the same project as the one before.
    last: Option<Binding>,
}

impl Decisions {
    /// A project belongs to one organisation, the one its first envelope names. `look_up` finds it in what was
    /// stored before this process wrote to the project.
    ///
    /// Returns whether a project is new, for [`Decisions::keep`].
    pub(super) fn check(
        &mut self,
        drafts: &Drafts,
        look_up: impl Fn(&[u8; 16]) -> Result<Option<[u8; 16]>>,
    ) -> Result<bool> {
        let mut new = false;
        for (at, (index, binding)) in drafts.bindings().iter().enumerate() {
            if self.last.as_ref() == Some(binding) {
                continue;
            }
            let mut known = self.organisations.get(&binding.project_id).copied();
            if known.is_none() {
                known = look_up(&binding.project_id)?;
                if let Some(org_id) = known {
                    self.organisations.insert(binding.project_id, org_id);
                }
            }
            if known.is_none() {
                let before = drafts.bindings().get(..at).unwrap_or_default();
                let named = before.iter().find(|(_, named)| named.project_id == binding.project_id);
                known = named.map(|(_, named)| named.org_id);
            }
            match known {
                None => new = true,
                Some(org_id) if org_id == binding.org_id => self.last = Some(*binding),
                Some(_) if drafts.len() == 1 => return Err(other_organisation()),
                Some(_) => {
                    return Err(Error::InBatch { index: *index, source: Box::new(other_organisation()) });
                }
            }
        }
        Ok(new)
    }

    /// Binds the projects that are new.
    pub(super) fn keep(&mut self, drafts: &Drafts) {
        for (_, binding) in drafts.bindings() {
            self.organisations.entry(binding.project_id).or_insert(binding.org_id);
        }
    }
}

/// Applies frames to the active index and to the profiles.
pub(super) struct StoreFold {
    pub(super) active: ActiveWriter,
    pub(super) state: Arc<ReadState>,
    pub(super) queue: Arc<SealQueue>,
    pub(super) segment_bytes_max: u64,
}

/// The fact that a frame states, if it states one.
pub(super) fn fact_of(kind: FrameKind, seq: Seq, keys: &[u8], body: &[u8]) -> Option<Fragment> {
    match kind {
        FrameKind::Event => event_fact(&EventKeys::parse(keys)?, body),
        FrameKind::Cursor => Some(Fragment::of_cursor(CursorKeys::parse(keys)?, seq, body)),
        FrameKind::Erased | FrameKind::Roll | FrameKind::Close => None,
    }
}

fn event_fact(keys: &EventKeys<'_>, body: &[u8]) -> Option<Fragment> {
    if keys.event_type != EventType::IDENTIFY {
        return None;
    }
    Fragment::from_frame(keys, codec::decode(body).ok()?.context)
}

/// The keys of a frame that holds an event.
#[inline]
pub(super) fn event_keys<'a>(frame: &Placed<'a>) -> Option<EventKeys<'a>> {
    if frame.kind == FrameKind::Event { EventKeys::parse(frame.keys) } else { None }
}

/// Appends a frame, whose ids were hashed before, to an active index and returns the fact that it states.
///
/// `event` is what [`event_keys`] says of it.
#[inline]
pub(super) fn index_frame(
    active: &mut ActiveWriter,
    frame: &Placed<'_>,
    event: Option<&EventKeys<'_>>,
    hashes: &IdHashes,
) -> Option<Fragment> {
    let Placed { seq, kind, offset, keys, body } = *frame;
    if let Some(event) = event {
        active.push_hashed(offset, event, hashes);
        return event_fact(event, body);
    }
    active.push_other(offset);
    if kind == FrameKind::Cursor { fact_of(kind, seq, keys, body) } else { None }
}

impl Fold for StoreFold {
    type Decisions = Decisions;
    type Hint = IdHashes;

    fn foresee(&self, hints: &[IdHashes]) {
        for hashes in hints.iter().take(ENTRIES_AHEAD) {
            self.active.prefetch_entries(hashes);
        }
    }

    fn approach(&self, hints: &[IdHashes]) {
        for hashes in hints.iter().take(SLOTS_AHEAD) {
            self.active.prefetch_slots(hashes);
        }
    }

    fn apply<'a>(
        &mut self,
        frames: impl Iterator<Item = Placed<'a>>,
        hints: &[IdHashes],
        show: impl FnOnce(),
        notes: &mut Vec<(Seq, FoldNotes)>,
    ) {
        // Held from the first fact until it is visible, and not at all where there is none.
        let mut profiles = None;
        for (at, (frame, hashes)) in frames.zip(hints).enumerate() {
            if let Some(ahead) = hints.get(at + ENTRIES_AHEAD) {
                self.active.prefetch_entries(ahead);
            }
            if let Some(ahead) = hints.get(at + SLOTS_AHEAD) {
                self.active.prefetch_slots(ahead);
            }
            let Some(fact) = index_frame(&mut self.active, &frame, event_keys(&frame).as_ref(), hashes)
            else {
                continue;
            };
            let profiles = profiles.get_or_insert_with(|| self.state.profiles.lock());
            let left = profiles.apply(&fact);
            if !left.is_empty() {
                notes.push((frame.seq, left.bits()));
            }
        }
        show();
        drop(profiles);
    }

    fn rolled(&mut self, rolled: Rolled, next: &Arc<Segment>) {
        let writer = ActiveWriter::new(self.state.hash_key, self.segment_bytes_max);
        let index = Arc::clone(writer.index());
        let full = std::mem::replace(&mut self.active, writer);
        let frozen = self.state.profiles.lock().freeze(rolled.last_seq);
        self.state.push(SegmentHandle::active(Arc::clone(next), index));
        self.queue.push(SealJob { rolled, index: Arc::clone(full.index()), frozen });
    }
}
