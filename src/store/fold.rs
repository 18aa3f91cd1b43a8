//! From frames to indexes and profiles, as they are committed.

use std::collections::HashMap;
use std::sync::Arc;

use super::handle::SegmentHandle;
use super::seal::{SealJob, SealQueue};
use super::state::ReadState;
use crate::envelope::{EventType, codec};
use crate::format::cursor::CursorKeys;
use crate::format::frame::FrameKind;
use crate::format::keys::EventKeys;
use crate::index::ActiveWriter;
use crate::log::segment::Segment;
use crate::log::{Fold, FoldNotes, Placed, Rolled};
use crate::profile::Fragment;
use crate::types::Seq;

/// What is decided under the log's lock, against all that is staged.
#[derive(Debug, Default)]
pub(super) struct Decisions {
    /// The organisation of each project that was written to or looked up.
    pub(super) organisations: HashMap<[u8; 16], [u8; 16]>,
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

/// Appends a frame to an active index and returns the fact that it states.
pub(super) fn index_frame(
    active: &mut ActiveWriter,
    offset: u32,
    kind: FrameKind,
    seq: Seq,
    keys: &[u8],
    body: &[u8],
) -> Option<Fragment> {
    if kind == FrameKind::Event
        && let Some(keys) = EventKeys::parse(keys)
    {
        active.push_event(offset, &keys);
        return event_fact(&keys, body);
    }
    active.push_other(offset);
    if kind == FrameKind::Cursor { fact_of(kind, seq, keys, body) } else { None }
}

impl Fold for StoreFold {
    type Decisions = Decisions;

    fn apply<'a>(
        &mut self,
        frames: impl Iterator<Item = Placed<'a>>,
        show: impl FnOnce(),
        notes: &mut Vec<(Seq, FoldNotes)>,
    ) {
        // Held from the first fact until it is visible, and not at all where there is none.
        let mut profiles = None;
        for frame in frames {
            let Placed { seq, kind, offset, keys, body } = frame;
            let Some(fact) = index_frame(&mut self.active, offset, kind, seq, keys, body) else { continue };
            let profiles = profiles.get_or_insert_with(|| self.state.profiles.lock());
            let left = profiles.apply(&fact);
            if !left.is_empty() {
                notes.push((seq, left.bits()));
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
