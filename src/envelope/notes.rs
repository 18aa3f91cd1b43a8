//! What an accepted envelope's answer says beside the position: nothing was refused, and yet the host may care.

use std::fmt;

/// One remark on an event that was taken.
///
/// # Examples
///
/// ```
/// use envelog::{Note, Store, Uuid};
///
/// let store = Store::in_memory()?;
/// let shop = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing");
/// let ack = shop.track("Order Placed").user("u_1").append()?;
/// assert!(ack.notes.contains(Note::OddEventType));
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Note {
    /// The event type does not follow the convention `object.past_tense_verb`; the event is stored as it is.
    OddEventType,
    /// A user id or anonymous id is a word such as `null` or `guest`; the event is stored, nobody is identified.
    NotAnId,
    /// The identify names nobody; the event is stored and no profile changes.
    NoIdentity,
    /// An object had an address under two keys that are stored as one; one hash was kept.
    DuplicateAddressKey,
    /// An address field held the token of a secret that the store has never had; it was hashed like any other text.
    ForeignToken,
    /// A newer event has set some of these traits already; those stay as they are.
    StaleTraits,
    /// The profile row has grown over its limits; it is kept and flagged.
    OverLimit,
    /// The message id was stored before with the same content; nothing was stored again.
    Duplicate,
    /// The message id was stored before with other content; both are stored.
    IdConflict,
    /// The fact breaks a rule of identity; it is stored and has no effect. This is a quick look at few rows: of a member
    /// that was unlinked before, and among persons of more than some 60 ids, it may be missing, and
    /// [`View::identity_conflicts`](crate::View::identity_conflicts) lists it.
    IdentityConflict,
}

impl Note {
    const ALL: [Self; 10] = [
        Self::OddEventType,
        Self::NotAnId,
        Self::NoIdentity,
        Self::DuplicateAddressKey,
        Self::ForeignToken,
        Self::StaleTraits,
        Self::OverLimit,
        Self::Duplicate,
        Self::IdConflict,
        Self::IdentityConflict,
    ];

    const fn bit(self) -> u16 {
        1 << self as u8
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OddEventType => "eventType does not follow the convention object.past_tense_verb",
            Self::NotAnId => "an id is a word that is no id, nobody was identified",
            Self::NoIdentity => "the identify has neither userId nor anonymousId, no profile changed",
            Self::DuplicateAddressKey => "an address and its hash stood side by side, one hash was kept",
            Self::ForeignToken => "address tokens of another secret, hashed again",
            Self::StaleTraits => "newer traits were there already and stay",
            Self::OverLimit => "the profile is over its limits",
            Self::Duplicate => "messageId was stored before, nothing was stored again",
            Self::IdConflict => "messageId was stored before with other content, both are stored",
            Self::IdentityConflict => "a rule of identity is broken, the fact has no effect",
        })
    }
}

/// A set of [`Note`]s.
///
/// # Examples
///
/// ```
/// use envelog::{Note, Notes, Store, Uuid};
///
/// let store = Store::in_memory()?;
/// let shop = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing");
/// assert_eq!(shop.track("order.placed").user("u_1").append()?.notes, Notes::NONE);
///
/// // A word that many clients send where nobody is logged in.
/// let notes = shop.track("order.placed").user("null").append()?.notes;
/// assert_eq!(notes.iter().collect::<Vec<_>>(), [Note::NotAnId]);
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Notes(u16);

impl Notes {
    /// No notes.
    pub const NONE: Self = Self(0);

    /// Tells whether there is nothing to say.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Tells whether `note` is among them.
    pub const fn contains(self, note: Note) -> bool {
        self.0 & note.bit() != 0
    }

    /// The notes, in the order of [`Note`].
    pub fn iter(self) -> impl Iterator<Item = Note> {
        Note::ALL.into_iter().filter(move |note| self.contains(*note))
    }

    /// The set as a number, for the log, which does not know what it means.
    pub(crate) const fn bits(self) -> u32 {
        self.0 as u32
    }

    /// The set of a number that [`Notes::bits`] gave.
    #[expect(clippy::cast_possible_truncation, reason = "only what `bits` gave comes back")]
    pub(crate) const fn from_bits(bits: u32) -> Self {
        Self(bits as u16)
    }

    pub(crate) const fn add(&mut self, note: Note) {
        self.0 |= note.bit();
    }

    /// The notes of both sets.
    #[must_use]
    pub(crate) const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Debug for Notes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_what_was_added_in_order() {
        let mut notes = Notes::NONE;
        assert!(notes.is_empty());
        notes.add(Note::Duplicate);
        notes.add(Note::OddEventType);
        notes.add(Note::Duplicate);
        assert_eq!(notes.iter().collect::<Vec<_>>(), [Note::OddEventType, Note::Duplicate]);
        assert!(notes.contains(Note::Duplicate) && !notes.contains(Note::IdConflict));
        assert_eq!(format!("{notes:?}"), "{OddEventType, Duplicate}");
    }

    #[test]
    fn every_note_has_a_bit_and_a_text_of_its_own() {
        let mut all = Notes::NONE;
        for (index, note) in Note::ALL.into_iter().enumerate() {
            assert!(!all.contains(note));
            all.add(note);
            assert_eq!(all.iter().count(), index + 1);
        }
        let mut texts: Vec<String> = Note::ALL.iter().map(ToString::to_string).collect();
        texts.sort();
        texts.dedup();
        assert_eq!(texts.len(), Note::ALL.len());
    }
}
