//! What becomes of events whose message id was used before.

use super::{Drafts, Item};
use crate::dedupe::MessageHash;
use crate::envelope::{Accepted, Note, Notes};
use crate::error::FirstUse;
use crate::format::frame::{FrameFlags, FrameKind};
use crate::format::keys::EventKeys;
use crate::log::Appended;
use crate::store::ack::Ack;
use crate::store::append::fold_notes;
use crate::types::{Epoch, Position, Seq};

/// What becomes of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is stored.
    New,
    /// It repeats an event that stands there.
    Repeat(Position),
    /// It repeats an earlier one of these, which is none of this kind itself.
    RepeatOf(usize),
}

/// What an event says that is compared with another of the same message id.
pub(in crate::store) struct Content<'a> {
    pub(in crate::store) keys: EventKeys<'a>,
    pub(in crate::store) body: &'a [u8],
    pub(in crate::store) stamped: bool,
}

impl Drafts {
    /// Whether an event has a message id that is looked up.
    #[inline]
    pub(in crate::store) const fn has_ids(&self) -> bool {
        self.has_ids
    }

    /// Whether some event states a fact of identity.
    pub(in crate::store) const fn has_facts(&self) -> bool {
        self.has_facts
    }

    /// The events that state facts and are no repeats, with their seqs, keys and bodies, where the first frame that is no
    /// repeat has the seq `first`.
    pub(in crate::store) fn placed_facts<'a>(
        &'a self,
        first: Seq,
        alone: Option<&'a Accepted>,
    ) -> impl Iterator<Item = (Seq, &'a [u8], &'a [u8])> {
        let new = self.items.iter().filter(|item| item.fate == Fate::New);
        let facts = (0..).zip(new).filter(|(_, item)| item.is_fact);
        facts.filter_map(move |(at, item)| {
            let body = alone.map_or_else(|| self.bytes.get(item.body.clone()), |alone| Some(alone.body()))?;
            Some((first.plus(at), self.bytes.get(item.keys.clone())?, body))
        })
    }

    /// Whether an event is a repeat.
    #[inline]
    pub(in crate::store) const fn is_any_decided(&self) -> bool {
        self.is_any_decided
    }

    /// Where the event stands that was drafted alone, if it is a repeat, and its notes.
    pub(in crate::store) fn alone_fate(&self) -> (Option<Position>, Notes) {
        let Some(item) = self.items.first() else { return (None, Notes::NONE) };
        let mut notes = item.notes;
        if let Fate::Repeat(position) = item.fate {
            notes.add(Note::Duplicate);
            return (Some(position), notes);
        }
        if item.conflict.is_some() {
            notes.add(Note::IdConflict);
        }
        (None, notes)
    }

    /// Decides anew.
    pub(in crate::store) fn begin(&mut self) {
        if self.is_any_decided || self.first_conflict().is_some() {
            self.is_any_decided = false;
            for item in &mut self.items {
                (item.fate, item.conflict) = (Fate::New, None);
            }
        }
    }

    /// The events that are no repeats as far as is known, with the hashes of their message ids.
    #[inline]
    pub(in crate::store) fn undecided(&self) -> impl Iterator<Item = (usize, MessageHash)> + Clone {
        let undecided =
            |(at, item): (usize, &Item)| Some((at, item.message.filter(|_| item.fate == Fate::New)?));
        self.items.iter().enumerate().filter_map(undecided)
    }

    pub(in crate::store) fn is_undecided(&self, item: usize) -> bool {
        self.items.get(item).is_some_and(|item| item.fate == Fate::New)
    }

    /// The event is a repeat of the one that stands there.
    pub(in crate::store) fn decide(&mut self, item: usize, position: Position) {
        self.set_fate(item, Fate::Repeat(position));
    }

    pub(super) fn set_fate(&mut self, item: usize, fate: Fate) {
        if let Some(item) = self.items.get_mut(item) {
            item.fate = fate;
            self.is_any_decided = true;
        }
    }

    /// Another event with its message id stands there.
    pub(in crate::store) fn conflicts(&mut self, item: usize, position: Position) {
        if let Some(item) = self.items.get_mut(item) {
            let first = match item.conflict {
                Some(FirstUse::Stored(known)) => known.min(position),
                _ => position,
            };
            item.conflict = Some(FirstUse::Stored(first));
        }
    }

    /// An earlier one of these has its message id; what is stored comes first.
    pub(super) fn conflicts_with(&mut self, item: usize, earlier: usize) {
        if let Some(item) = self.items.get_mut(item) {
            item.conflict.get_or_insert(FirstUse::InBatch(earlier));
        }
    }

    /// The first event that is to be stored and has the message id of another one, and where that is.
    pub(in crate::store) fn first_conflict(&self) -> Option<(usize, FirstUse)> {
        let conflict = |item: &Item| item.conflict.filter(|_| item.fate == Fate::New);
        self.items.iter().enumerate().find_map(|(at, item)| Some((at, conflict(item)?)))
    }

    /// What an event says; of the one that was drafted alone, whose body is not here, with `alone`.
    pub(in crate::store) fn content<'a>(
        &'a self,
        item: usize,
        alone: Option<&'a Accepted>,
    ) -> Option<Content<'a>> {
        let item = self.items.get(item)?;
        let keys = EventKeys::parse(self.bytes.get(item.keys.clone())?)?;
        let body = match alone {
            Some(accepted) => accepted.body(),
            None => self.bytes.get(item.body.clone())?,
        };
        Some(Content { keys, body, stamped: item.flags.has(FrameFlags::STAMPED) })
    }

    /// The seqs of the events with message ids, where the first frame that is no repeat has the seq `first`.
    #[inline]
    pub(in crate::store) fn placed(&self, first: Seq) -> impl Iterator<Item = (Seq, MessageHash)> {
        let new = self.items.iter().filter(|item| item.fate == Fate::New);
        (0..).zip(new).filter_map(move |(at, item)| Some((first.plus(at), item.message?)))
    }

    /// The answer to each event in order, once the frames that are no repeats have their place.
    pub(in crate::store) fn acks(&self, appended: &Appended, epoch: Epoch) -> Vec<Ack> {
        let mut positions: Vec<Position> = Vec::with_capacity(self.items.len());
        let mut next = appended.first;
        let mut acks = Vec::with_capacity(self.items.len());
        for item in &self.items {
            let mut notes = item.notes;
            let position = match item.fate {
                Fate::New => {
                    let seq = next;
                    next = seq.next();
                    notes = notes.union(fold_notes(appended, seq));
                    if item.conflict.is_some() {
                        notes.add(Note::IdConflict);
                    }
                    Position { seq, epoch }
                }
                Fate::Repeat(position) => {
                    notes.add(Note::Duplicate);
                    position
                }
                Fate::RepeatOf(earlier) => {
                    notes.add(Note::Duplicate);
                    positions.get(earlier).copied().unwrap_or(Position { seq: next, epoch })
                }
            };
            positions.push(position);
            if item.kind == FrameKind::Event {
                acks.push(Ack { position, notes });
            }
        }
        acks
    }
}
