//! Events of one batch with one message id: which are copies of others, and which conflict.
//!
//! A batch may be hostile, so that the number of comparisons grows with the number of events only, however many share
//! an id. Where conflicts are refused an event is compared with the first of its id. Where they are stored, with the one
//! event that may say the same, which a digest of the content tells, and with the first of its id.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::fates::{Content, Fate};
use super::{Drafts, Item};
use crate::dedupe::MessageHash;
use crate::envelope::{Digest16, body_digest};
use crate::format::frame::FrameFlags;
use crate::format::keys::EventKeys;
use crate::store::once::Likeness;
use crate::store::repeats::OnIdConflict;
use crate::types::Nanos;

/// Keys and body of an event but its time, and the time where it is compared.
type Said = ((Vec<u8>, Digest16), Option<Nanos>);

/// The events that say the same but for their times.
struct Alike {
    first: usize,
    /// The first whose time was stamped: it is compared with none.
    first_stamped: Option<usize>,
    /// The first of each time that was given.
    by_time: HashMap<Nanos, usize>,
}

/// What was seen of the events that share their message ids.
#[derive(Default)]
struct Seen {
    /// The first event of each id, by hash; more than one only where two ids have one hash.
    firsts: HashMap<MessageHash, Vec<usize>>,
    /// Not filled where conflicts are refused.
    alike: HashMap<(Vec<u8>, Digest16), Alike>,
}

/// What an event is to those before it.
enum Within {
    /// The first of its id.
    First,
    Copy(usize),
    Conflict(usize),
}

impl Seen {
    /// The first event that may say the same.
    fn may_repeat(&self, (said, time): &Said) -> Option<usize> {
        let alike = self.alike.get(said)?;
        match time {
            None => Some(alike.first),
            Some(time) => alike.first_stamped.into_iter().chain(alike.by_time.get(time).copied()).min(),
        }
    }

    /// Notes what an event says that is no copy.
    fn add(&mut self, at: usize, said: Option<Said>) {
        let Some((said, time)) = said else { return };
        let nothing = || Alike { first: at, first_stamped: None, by_time: HashMap::new() };
        let alike = self.alike.entry(said).or_insert_with(nothing);
        match time {
            None => {
                alike.first_stamped.get_or_insert(at);
            }
            Some(time) => {
                alike.by_time.entry(time).or_insert(at);
            }
        }
    }
}

impl Drafts {
    /// Compares events with each other whose message ids have one hash.
    pub(in crate::store) fn settle_within(
        &mut self,
        likeness: impl Fn(&Content<'_>, &Content<'_>) -> Likeness,
    ) {
        let is_stored = self.on_conflict == OnIdConflict::Store;
        let mut seen = Seen::default();
        for twin in 0..self.twins.len() {
            let Some(at) = self.twins.get(twin).copied() else { continue };
            let Some(&Item { message: Some(hash), fate, conflict, .. }) = self.items.get(at) else {
                continue;
            };
            if let Entry::Vacant(place) = seen.firsts.entry(hash) {
                let first = self.ids.get(hash).next().map_or(at, |first| first as usize);
                place.insert(vec![first]);
                if is_stored {
                    seen.add(first, self.said(first));
                }
            }
            // Which of them is refused is known already.
            if !is_stored && (fate != Fate::New || conflict.is_some()) {
                continue;
            }
            let said = if is_stored { self.said(at) } else { None };
            if fate == Fate::New {
                let may_repeat = said.as_ref().and_then(|said| seen.may_repeat(said));
                match self.within(&seen, hash, at, may_repeat, &likeness) {
                    Within::First => seen.firsts.entry(hash).or_default().push(at),
                    Within::Copy(before) => {
                        self.set_fate(at, Fate::RepeatOf(before));
                        continue;
                    }
                    Within::Conflict(before) => self.conflicts_with(at, before),
                }
            }
            seen.add(at, said);
        }
    }

    fn within(
        &self,
        seen: &Seen,
        hash: MessageHash,
        at: usize,
        may_repeat: Option<usize>,
        likeness: impl Fn(&Content<'_>, &Content<'_>) -> Likeness,
    ) -> Within {
        let compare = |before: usize| match (self.content(before, None), self.content(at, None)) {
            (Some(one), Some(other)) => likeness(&one, &other),
            _ => Likeness::None,
        };
        if let Some(before) = may_repeat.filter(|before| compare(*before) == Likeness::Same) {
            return Within::Copy(before);
        }
        for before in seen.firsts.get(&hash).into_iter().flatten().copied() {
            match compare(before) {
                Likeness::None => {}
                Likeness::Same => return Within::Copy(before),
                Likeness::Other => return Within::Conflict(before),
            }
        }
        Within::First
    }

    fn said(&self, at: usize) -> Option<Said> {
        let Content { keys, body, stamped } = self.content(at, None)?;
        let mut plain = Vec::new();
        EventKeys { timestamp: Nanos::new(0), ..keys }.encode(&mut plain)?;
        Some(((plain, body_digest(body)), (!stamped).then_some(keys.timestamp)))
    }

    /// Makes the copies of an event that is refused conflicts as well, so that one look tells all that are.
    ///
    /// Not those whose time was stamped where that of the other was given: they may be copies of what is stored.
    pub(in crate::store) fn refuse_copies(&mut self) {
        for at in 0..self.items.len() {
            let Some(&Item { fate: Fate::RepeatOf(before), flags, .. }) = self.items.get(at) else {
                continue;
            };
            let Some(&Item { fate: Fate::New, conflict: Some(first), flags: of, .. }) =
                self.items.get(before)
            else {
                continue;
            };
            if (of.has(FrameFlags::STAMPED) || !flags.has(FrameFlags::STAMPED))
                && let Some(item) = self.items.get_mut(at)
            {
                item.fate = Fate::New;
                item.conflict = Some(first);
            }
        }
    }
}

#[cfg(test)]
mod tests;
