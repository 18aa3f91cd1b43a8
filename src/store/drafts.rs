//! Envelopes and cursors on their way into the log: accepted, encoded and checksummed before any lock is taken.

use std::ops::Range;

use crate::envelope::{Accepted, Notes};
use crate::error::{Error, Result};
use crate::format::cursor::CursorKeys;
use crate::format::frame::{FrameFlags, FrameKind, HEADER_LEN};
use crate::format::keys::EventKeys;
use crate::log::Draft;

/// The organisation that a project's envelopes name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Binding {
    pub(super) project_id: [u8; 16],
    pub(super) org_id: [u8; 16],
}

struct Item {
    kind: FrameKind,
    flags: FrameFlags,
    keys: Range<usize>,
    body: Range<usize>,
    body_crc: u32,
    notes: Notes,
}

/// Encoded frames in one buffer, used again from one append to the next.
#[derive(Default)]
pub(super) struct Drafts {
    bytes: Vec<u8>,
    items: Vec<Item>,
    /// One for each project, with the index of the item that named it first.
    bindings: Vec<(usize, Binding)>,
}

impl Drafts {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.items.clear();
        self.bindings.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// Bytes that the frames take in the log, at least.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len() + self.items.len() * HEADER_LEN
    }

    /// Adds an event; after an error nothing was added.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where an earlier event of the batch names another organisation for the project, and where
    /// an id is longer than the format holds.
    pub(super) fn push_event(&mut self, accepted: &Accepted) -> Result<()> {
        let binding = Binding {
            project_id: accepted.project_id().into_bytes(),
            org_id: accepted.org_id().into_bytes(),
        };
        let known = self.bindings.iter().find(|(_, known)| known.project_id == binding.project_id);
        match known {
            Some((_, known)) if *known != binding => return Err(other_organisation()),
            Some(_) => {}
            None => self.bindings.push((self.items.len(), binding)),
        }
        let keys = EventKeys {
            project_id: binding.project_id,
            org_id: binding.org_id,
            timestamp: accepted.time(),
            module: accepted.module(),
            event_type: accepted.event_type(),
            user_id: accepted.user_id(),
            anonymous_id: accepted.anonymous_id(),
            message_id: accepted.message_id(),
        };
        let flags = if accepted.is_stamped() { FrameFlags::STAMPED } else { FrameFlags::default() };
        let start = self.bytes.len();
        keys.encode(&mut self.bytes)
            .ok_or_else(|| Error::invalid("envelope", "an id is longer than the format holds"))?;
        self.push(FrameKind::Event, flags, start, accepted.body(), accepted.body_crc(), accepted.notes());
        Ok(())
    }

    /// Adds a cursor's state.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where the name is empty or longer than the format holds.
    pub(super) fn push_cursor(&mut self, cursor: CursorKeys<'_>, state: &[u8]) -> Result<()> {
        let start = self.bytes.len();
        cursor
            .encode(&mut self.bytes)
            .ok_or_else(|| Error::invalid("cursor.name", "must have 1 to 255 bytes"))?;
        let crc = crc32fast::hash(state);
        self.push(FrameKind::Cursor, FrameFlags::default(), start, state, crc, Notes::NONE);
        Ok(())
    }

    fn push(
        &mut self,
        kind: FrameKind,
        flags: FrameFlags,
        keys_start: usize,
        body: &[u8],
        body_crc: u32,
        notes: Notes,
    ) {
        let keys = keys_start..self.bytes.len();
        self.bytes.extend_from_slice(body);
        let body = keys.end..self.bytes.len();
        self.items.push(Item { kind, flags, keys, body, body_crc, notes });
    }

    /// The organisations that the events name, one for each project, with the index of the first event that does.
    pub(super) fn bindings(&self) -> &[(usize, Binding)] {
        &self.bindings
    }

    /// The frame at `at`, which is below [`Drafts::len`].
    fn draft(&self, item: &Item) -> Draft<'_> {
        Draft {
            kind: item.kind,
            flags: item.flags,
            keys: self.bytes.get(item.keys.clone()).unwrap_or_default(),
            body: self.bytes.get(item.body.clone()).unwrap_or_default(),
            body_crc: item.body_crc,
        }
    }

    /// Calls `append` with all frames in order.
    pub(super) fn with_drafts<T>(&self, append: impl FnOnce(&[Draft<'_>]) -> T) -> T {
        // One event is what most calls bring: no list is allocated for it.
        match self.items.as_slice() {
            [item] => append(&[self.draft(item)]),
            items => append(&items.iter().map(|item| self.draft(item)).collect::<Vec<_>>()),
        }
    }

    /// The events among the frames, as (index of the frame, notes of accepting it).
    pub(super) fn events(&self) -> impl Iterator<Item = (usize, Notes)> {
        self.items
            .iter()
            .enumerate()
            .filter(|(_, item)| item.kind == FrameKind::Event)
            .map(|(at, item)| (at, item.notes))
    }
}

/// The error of an envelope whose project belongs to another organisation.
pub(super) fn other_organisation() -> Error {
    Error::invalid("orgId", "the project belongs to another organisation")
}
