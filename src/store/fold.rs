//! From frames to indexes and profiles, as they are committed.

use std::sync::Arc;

use super::decide::Decisions;
use super::handle::SegmentHandle;
use super::people::breaks_a_rule;
use super::seal::{SealJob, SealQueue};
use super::state::ReadState;
use crate::envelope::Note;
use crate::envelope::fact::Fact;
use crate::format::cursor::CursorKeys;
use crate::format::frame::FrameKind;
use crate::format::keys::{EventKeys, KeyNames};
use crate::index::{ActiveWriter, IdHashes};
use crate::log::segment::Segment;
use crate::log::{Fold, FoldNotes, Placed, Rolled};
use crate::profile::{Fragment, Fragments};
use crate::types::Seq;

/// Events that are looked ahead for their index entries, and for the slots behind those.
const ENTRIES_AHEAD: usize = 8;
const SLOTS_AHEAD: usize = 4;

/// Applies frames to the active index and to the profiles.
pub(super) struct StoreFold {
    pub(super) active: ActiveWriter,
    pub(super) state: Arc<ReadState>,
    pub(super) queue: Arc<SealQueue>,
    pub(super) segment_bytes_max: u64,
}

/// What a frame says of rows.
pub(super) fn fragments_of(kind: FrameKind, seq: Seq, keys: &[u8], body: &[u8]) -> Fragments {
    match kind {
        FrameKind::Event => EventKeys::parse(keys).map(|keys| Fragment::of_frame(&keys, body)),
        FrameKind::Cursor => CursorKeys::parse(keys).map(|keys| Fragment::of_cursor(keys, seq, body)),
        FrameKind::Erased | FrameKind::Roll | FrameKind::Close => None,
    }
    .unwrap_or_default()
}

/// The keys of a frame that holds an event.
#[inline]
pub(super) fn event_keys<'a>(frame: &Placed<'a>) -> Option<EventKeys<'a>> {
    if frame.kind == FrameKind::Event { EventKeys::parse(frame.keys) } else { None }
}

/// Appends a frame, whose ids were hashed before, to an active index and returns what it says of rows.
///
/// `event` is what [`event_keys`] says of it.
#[inline]
pub(super) fn index_frame(
    active: &mut ActiveWriter,
    frame: &Placed<'_>,
    event: Option<KeyNames<'_>>,
    hashes: &IdHashes,
) -> Fragments {
    let Placed { seq, kind, offset, keys, body } = *frame;
    if let Some(event) = event {
        active.push_hashed(offset, &event, hashes);
        if !Fact::is_fact(event.event_type) {
            return Fragments::default();
        }
        return fragments_of(kind, seq, keys, body);
    }
    active.push_other(offset);
    if kind == FrameKind::Cursor { fragments_of(kind, seq, keys, body) } else { Fragments::default() }
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
            let names = if frame.kind == FrameKind::Event { KeyNames::parse(frame.keys) } else { None };
            let said = index_frame(&mut self.active, &frame, names, hashes);
            if said.is_empty() {
                continue;
            }
            let profiles = profiles.get_or_insert_with(|| self.state.profiles.lock());
            let mut left = profiles.apply_all(said);
            if event_keys(&frame).is_some_and(|event| breaks_a_rule(profiles, &event, frame.body)) {
                left.add(Note::IdentityConflict);
            }
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
