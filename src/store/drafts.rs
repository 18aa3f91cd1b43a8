//! Envelopes and cursors on their way into the log: accepted, encoded and checksummed before any lock is taken.

mod fates;
mod refused;
mod twins;

use std::borrow::Cow;
use std::ops::Range;

use self::fates::Fate;
use crate::dedupe::{IdTable, MessageHash, MessageHasher};
use crate::envelope::fact::Fact;
use crate::envelope::{Accepted, Notes};
use crate::error::{Error, FirstUse, Result};
use crate::format::cursor::CursorKeys;
use crate::format::frame::{FrameFlags, FrameKind, HEADER_LEN};
use crate::format::keys::EventKeys;
use crate::index::IdHashes;
use crate::log::Draft;
use crate::store::repeats::OnIdConflict;

pub(super) use self::fates::Content;
pub(super) use self::refused::Refused;

/// The organisation that a project's envelopes name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Binding {
    pub(super) project_id: [u8; 16],
    pub(super) org_id: [u8; 16],
}

/// Slots of the table of a batch's ids that are kept from one batch to the next.
const SLOTS_KEPT: usize = 16 * 1024;

struct Item {
    kind: FrameKind,
    flags: FrameFlags,
    keys: Range<usize>,
    body: Range<usize>,
    body_crc: u32,
    notes: Notes,
    /// The hash of its message id, where that is looked up.
    message: Option<MessageHash>,
    /// Whether the event states a fact of identity.
    is_fact: bool,
    fate: Fate,
    /// Where the first event is that has the same message id and other content.
    conflict: Option<FirstUse>,
}

/// Encoded frames in one buffer, used again from one append to the next.
pub(super) struct Drafts {
    /// Key of the hashes of ids.
    hash_key: [u8; 16],
    /// None where message ids are not looked up.
    hasher: Option<MessageHasher>,
    /// What happens to an event that conflicts.
    on_conflict: OnIdConflict,
    bytes: Vec<u8>,
    items: Vec<Item>,
    /// One for each item.
    hints: Vec<IdHashes>,
    /// One for each project and organisation that come together, with the index of the first item where they do.
    bindings: Vec<(usize, Binding)>,
    /// The first item of each hash of message ids, where more than one may have any.
    ids: IdTable,
    /// Items whose hash an earlier one has.
    twins: Vec<usize>,
    has_ids: bool,
    has_facts: bool,
    /// Whether some item is a repeat.
    is_any_decided: bool,
}

impl Drafts {
    /// Nothing yet, for the store with this key of the hashes of ids.
    pub(super) fn new(hash_key: [u8; 16], hasher: Option<MessageHasher>, on_conflict: OnIdConflict) -> Self {
        Self {
            hash_key,
            hasher,
            on_conflict,
            bytes: Vec::new(),
            items: Vec::new(),
            hints: Vec::new(),
            bindings: Vec::new(),
            ids: IdTable::default(),
            twins: Vec::new(),
            has_ids: false,
            has_facts: false,
            is_any_decided: false,
        }
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.items.clear();
        self.hints.clear();
        self.bindings.clear();
        self.ids.clear(SLOTS_KEPT);
        self.twins.clear();
        self.has_ids = false;
        self.has_facts = false;
        self.is_any_decided = false;
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
    /// [`Error::Invalid`] where an id is longer than the format holds.
    pub(super) fn push_event(&mut self, accepted: &Accepted) -> Result<()> {
        let message = self.push_keys(accepted, |_| ())?;
        self.push_body(accepted.body());
        if let Some(hash) = message {
            self.enter(hash);
        }
        Ok(())
    }

    /// Makes one event all that is drafted, without its body, for [`Drafts::alone`]. `foresee` is told the hash of its
    /// message id as early as it is known, where that is looked up.
    ///
    /// # Errors
    ///
    /// As [`Drafts::push_event`].
    pub(super) fn set_alone(&mut self, accepted: &Accepted, foresee: impl FnOnce(MessageHash)) -> Result<()> {
        self.clear();
        self.push_keys(accepted, foresee).map(drop)
    }

    /// The frame of the event that was drafted alone; its body stays where it is.
    pub(super) fn alone<'a>(&'a self, accepted: &'a Accepted) -> Draft<'a> {
        Draft {
            kind: FrameKind::Event,
            flags: flags_of(accepted),
            keys: &self.bytes,
            body: accepted.body(),
            body_crc: accepted.body_crc(),
        }
    }

    /// Notes that the last item has this hash.
    fn enter(&mut self, hash: MessageHash) {
        let item = self.items.len() - 1;
        if self.ids.get(hash).next().is_some() {
            self.twins.push(item);
        } else {
            self.ids.insert(hash, u32::try_from(item).unwrap_or(u32::MAX - 1));
        }
    }

    fn push_keys(
        &mut self,
        accepted: &Accepted,
        foresee: impl FnOnce(MessageHash),
    ) -> Result<Option<MessageHash>> {
        let binding = Binding {
            project_id: accepted.project_id().into_bytes(),
            org_id: accepted.org_id().into_bytes(),
        };
        // Which of two organisations is wrong for a project is known under the log's lock.
        if !self.bindings.iter().any(|(_, known)| *known == binding) {
            self.bindings.push((self.items.len(), binding));
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
        let message = self.hasher.as_ref().and_then(|hasher| hasher.of(&keys));
        if let Some(hash) = message {
            foresee(hash);
        }
        let start = self.bytes.len();
        keys.encode(&mut self.bytes)
            .ok_or_else(|| Error::invalid("envelope", "an id is longer than the format holds"))?;
        self.hints.push(IdHashes::of(&self.hash_key, &keys));
        self.has_ids |= message.is_some();
        let is_fact = Fact::is_fact(keys.event_type);
        self.has_facts |= is_fact;
        let end = self.bytes.len();
        self.items.push(Item {
            kind: FrameKind::Event,
            flags: flags_of(accepted),
            keys: start..end,
            body: end..end,
            body_crc: accepted.body_crc(),
            notes: accepted.notes(),
            message,
            is_fact,
            fate: Fate::New,
            conflict: None,
        });
        Ok(message)
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
        self.hints.push(IdHashes::default());
        let end = self.bytes.len();
        self.items.push(Item {
            kind: FrameKind::Cursor,
            flags: FrameFlags::default(),
            keys: start..end,
            body: end..end,
            body_crc: crc32fast::hash(state),
            notes: Notes::NONE,
            message: None,
            is_fact: false,
            fate: Fate::New,
            conflict: None,
        });
        self.push_body(state);
        Ok(())
    }

    /// Gives the last item its body.
    fn push_body(&mut self, body: &[u8]) {
        self.bytes.extend_from_slice(body);
        if let Some(item) = self.items.last_mut() {
            item.body.end = self.bytes.len();
        }
    }

    /// The organisations that the events name for their projects, each with the index of the first event that does; of
    /// one project in the order of these.
    pub(super) fn bindings(&self) -> &[(usize, Binding)] {
        &self.bindings
    }

    /// What the fold is told beside each frame.
    pub(super) fn hints(&self) -> Cow<'_, [IdHashes]> {
        if !self.is_any_decided {
            return Cow::Borrowed(&self.hints);
        }
        let kept = self.items.iter().zip(&self.hints).filter(|(item, _)| item.fate == Fate::New);
        kept.map(|(_, hint)| *hint).collect()
    }

    /// The frames that are no repeats in order; the list is the caller's.
    pub(super) fn frames(&self) -> Vec<Draft<'_>> {
        let frame = |item: &Item| Draft {
            kind: item.kind,
            flags: item.flags,
            keys: self.bytes.get(item.keys.clone()).unwrap_or_default(),
            body: self.bytes.get(item.body.clone()).unwrap_or_default(),
            body_crc: item.body_crc,
        };
        self.items.iter().filter(|item| item.fate == Fate::New).map(frame).collect()
    }
}

fn flags_of(accepted: &Accepted) -> FrameFlags {
    if accepted.is_stamped() { FrameFlags::STAMPED } else { FrameFlags::default() }
}

/// The error of an envelope whose project belongs to another organisation.
pub(super) fn other_organisation() -> Error {
    Error::invalid("orgId", "the project belongs to another organisation")
}

#[cfg(test)]
mod tests;
