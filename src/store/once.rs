//! Storing what is drafted, each message id once.
//!
//! Sealed segments are looked at before the log's lock is taken, what was staged since under it. What is found there is
//! compared with the record in the log, again outside the lock; so the way is gone until nothing new is found:
//!
//! ```text
//! runs -- weigh --> | lock: organisation, ids of what is not sealed | -- nothing found --> placed and stored
//!   ^                             |
//!   |                             +-- found --> wait until it is visible -- weigh --> without the duplicates, again
//!   +-- a segment was sealed meanwhile
//! ```

use std::cell::{Cell, RefCell};

use super::append::How;
use super::decide::Decisions;
use super::drafts::{Content, Drafts};
use super::repeats::{MessageIds, OnIdConflict};
use super::writer::Writer;
use crate::dedupe::MessageHash;
use crate::envelope::{Accepted, same_body};
use crate::error::{Error, Result};
use crate::format::frame::{FrameFlags, FrameKind, FrameView};
use crate::format::keys::EventKeys;
use crate::log::{Appended, Draft, Kept, Pending};
use crate::types::{Position, Seq};

/// What a stored event is to one that has the same hash of its message id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Likeness {
    /// It has another id.
    None,
    Same,
    Other,
}

/// How far was looked for copies.
#[derive(Debug, Clone, Copy)]
struct Looked {
    /// In runs.
    sealed: Seq,
    /// In what is not sealed.
    recent: Seq,
}

/// Why frames were not taken under the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pause {
    /// A segment was sealed since its ids were looked for.
    Sealed,
    /// There may be copies among what was staged up to here.
    Found(Seq),
    /// An event conflicts, and no copy of it turned up.
    Conflict,
}

impl Writer {
    /// Stores what is drafted and was not stored before. `alone` is the event that was drafted alone, whose body stays
    /// where it is. The fate of each event is in the drafts then.
    ///
    /// `rule` is asked under the lock where something is to be stored, once it is known that none of it is a repeat: the
    /// rules of commands go there.
    ///
    /// # Errors
    ///
    /// [`Error::IdConflict`] with the index of the event in a batch; what `rule` says; those of the log, and of reading
    /// a record that may be a copy.
    pub(super) fn store(
        &self,
        drafts: &mut Drafts,
        alone: Option<&Accepted>,
        how: How,
        rule: impl Fn(&mut Decisions) -> Result<()>,
    ) -> Result<Pending> {
        let Some(ids) = self.ids.as_deref().filter(|_| drafts.has_ids()) else {
            let taken = self.send(drafts, alone, how, |decisions| rule(decisions).map(|()| true))?;
            return Ok(taken.unwrap_or_else(nothing));
        };
        self.log.check_running()?;
        drafts.begin();
        let mut found = Vec::new();
        let mut looked = Looked { sealed: Seq::ZERO, recent: Seq::ZERO };
        looked.sealed = ids.look_up(&drafts.undecided(), Seq::ZERO, &mut found)?;
        self.weigh(drafts, alone, &mut found)?;
        if drafts.has_twins() {
            // What is stored tells what becomes of an event before another one of these does. What is sealed in between is
            // met again below.
            let look = |decisions: &mut _| look(ids, drafts.undecided(), looked, decisions, &mut found);
            if let Some(Pause::Found(through)) = self.log.decide(look) {
                looked.recent = through;
            }
            self.weigh(drafts, alone, &mut found)?;
            drafts.settle_within(likeness);
        }
        loop {
            let (pause, seen) = (Cell::new(None), RefCell::new(Vec::new()));
            let taken = self.send(drafts, alone, how, |decisions| {
                let found = look(ids, drafts.undecided(), looked, decisions, &mut seen.borrow_mut());
                let refused = ids.on_conflict == OnIdConflict::Refuse && drafts.first_conflict().is_some();
                pause.set(found.or(refused.then_some(Pause::Conflict)));
                if pause.get().is_some() { Ok(false) } else { rule(decisions).map(|()| true) }
            })?;
            found = seen.into_inner();
            match (taken, pause.get()) {
                (Some(pending), _) => return Ok(pending),
                (None, Some(Pause::Sealed)) => {
                    looked.sealed = ids.look_up(&drafts.undecided(), looked.sealed, &mut found)?;
                }
                (None, Some(Pause::Found(through))) => looked.recent = through,
                (None, Some(Pause::Conflict)) => {
                    drafts.refuse_copies();
                    return Err(conflict(drafts, alone.is_some()));
                }
                (None, None) => return Ok(nothing()),
            }
            self.weigh(drafts, alone, &mut found)?;
        }
    }

    /// Gives the undecided frames to the log; `None` where `check`, which is asked under its lock, does not take them.
    fn send(
        &self,
        drafts: &Drafts,
        alone: Option<&Accepted>,
        how: How,
        check: impl FnOnce(&mut Decisions) -> Result<bool>,
    ) -> Result<Option<Pending>> {
        let (one, many);
        let frames: &[Draft<'_>] = if let Some(accepted) = alone.filter(|_| !drafts.is_any_decided()) {
            one = [drafts.alone(accepted)];
            &one
        } else {
            many = drafts.frames();
            &many
        };
        let hints = drafts.hints();
        let new = Cell::new(false);
        let check = |decisions: &mut Decisions| {
            let look_up = |project_id: &[u8; 16]| self.state.organisation_of(project_id);
            new.set(decisions.organisations.check(drafts, look_up)?);
            check(decisions)
        };
        let keep = |decisions: &mut Decisions, Kept { first, base_seq }: Kept| {
            if new.get() {
                decisions.organisations.keep(drafts);
            }
            let mut is_any_new = false;
            for (seq, hash) in drafts.placed(first) {
                is_any_new |= decisions.recent.insert(base_seq, hash, seq);
            }
            if is_any_new && let Some(ids) = &self.ids {
                ids.show(decisions.recent.signs());
            }
            if drafts.has_facts() && !self.log.is_mapped() {
                decisions.staged_facts.shown(self.state.marks.visible());
                for (seq, keys, body) in drafts.placed_facts(first, alone) {
                    decisions.staged_facts.push(seq, keys, body);
                }
            }
        };
        match how {
            How::Wait => Ok(self.log.append(frames, &hints, check, keep)?.map(Pending::Done)),
            How::Ticket => self.log.submit(frames, &hints, check, keep),
        }
    }

    /// Compares events with what may be copies of them, and decides those that are repeats.
    fn weigh(
        &self,
        drafts: &mut Drafts,
        alone: Option<&Accepted>,
        found: &mut Vec<(usize, Seq)>,
    ) -> Result<()> {
        found.sort_unstable();
        for (item, seq) in found.drain(..) {
            if !drafts.is_undecided(item) {
                continue;
            }
            // An answer rests on what is visible, and durable at `Synced`.
            self.log.wait_kept(seq)?;
            let Some(offered) = drafts.content(item, alone) else { continue };
            let like = self.state.with_frame(seq, |frame| {
                Content::of_frame(frame).map_or(Likeness::None, |stored| likeness(&stored, &offered))
            })?;
            let position = self.state.position_of(seq);
            match like.unwrap_or(Likeness::None) {
                Likeness::None => {}
                Likeness::Same => drafts.decide(item, position),
                Likeness::Other => drafts.conflicts(item, position),
            }
        }
        Ok(())
    }
}

/// Looks for hashes among what is not sealed. Called under the log's lock.
fn look(
    ids: &MessageIds,
    wanted: impl Iterator<Item = (usize, MessageHash)>,
    looked: Looked,
    decisions: &mut Decisions,
    found: &mut Vec<(usize, Seq)>,
) -> Option<Pause> {
    let recent = &mut decisions.recent;
    recent.forget(ids.through());
    if recent.first_seq() > looked.sealed.next() {
        return Some(Pause::Sealed);
    }
    for (item, hash) in wanted {
        recent.find(hash, looked.recent, |seq| found.push((item, seq)));
    }
    (!found.is_empty()).then(|| Pause::Found(recent.last_seq()))
}

fn conflict(drafts: &Drafts, is_alone: bool) -> Error {
    let Some((index, first)) = drafts.first_conflict() else { return Error::Poisoned };
    let error = Error::IdConflict { first };
    if is_alone { error } else { Error::InBatch { index, source: Box::new(error) } }
}

fn nothing() -> Pending {
    Pending::Done(Appended::default())
}

impl<'a> Content<'a> {
    /// What an event in the log says; `None` for any other frame.
    fn of_frame(frame: &FrameView<'a>) -> Option<Self> {
        let is_event = frame.kind() == FrameKind::Event;
        let keys = EventKeys::parse(frame.keys()).filter(|_| is_event)?;
        Some(Self { keys, body: frame.body(), stamped: frame.flags().has(FrameFlags::STAMPED) })
    }
}

/// What one event is to another. Address hashes are not compared, nor timestamps where one of the two was stamped.
pub(super) fn likeness(one: &Content<'_>, other: &Content<'_>) -> Likeness {
    let (a, b) = (&one.keys, &other.keys);
    if a.project_id != b.project_id || a.message_id != b.message_id {
        return Likeness::None;
    }
    let timestamp = if one.stamped || other.stamped { a.timestamp } else { b.timestamp };
    if *a == (EventKeys { timestamp, ..*b }) && same_body(one.body, other.body) {
        Likeness::Same
    } else {
        Likeness::Other
    }
}

impl Writer {
    /// The first visible event of a project with this message id that is `wanted`, whatever its content otherwise, among
    /// those that are looked at.
    ///
    /// # Errors
    ///
    /// Those of reading the runs of ids, and a record that may have the id.
    pub(super) fn first_with_id(
        &self,
        project_id: &[u8; 16],
        message_id: &str,
        is_wanted: impl Fn(&EventKeys<'_>) -> bool,
    ) -> Result<Option<Position>> {
        let Some(ids) = self.ids.as_deref() else { return Ok(None) };
        self.log.check_running()?;
        let wanted = std::iter::once((0, ids.hasher.hash(project_id, message_id)));
        let mut seqs = Vec::new();
        let mut looked = Looked { sealed: Seq::ZERO, recent: Seq::ZERO };
        loop {
            looked.sealed = ids.look_up(&wanted, looked.sealed, &mut seqs)?;
            let pause = self.log.decide(|decisions| look(ids, wanted.clone(), looked, decisions, &mut seqs));
            if pause != Some(Pause::Sealed) {
                break;
            }
        }
        seqs.sort_unstable();
        for (_, seq) in seqs {
            self.log.wait_kept(seq)?;
            let has_id = self.state.with_frame(seq, |frame| {
                let keys = Content::of_frame(frame).map(|content| content.keys);
                keys.is_some_and(|keys| {
                    keys.project_id == *project_id && keys.message_id == Some(message_id) && is_wanted(&keys)
                })
            })?;
            if has_id == Some(true) {
                return Ok(Some(self.state.position_of(seq)));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::Envelope;
    use crate::store::{Options, Store};
    use crate::{DateTime, Dedupe, Note, OnIdConflict, Uuid};

    const PROJECT: Uuid = Uuid::from_u128(2);

    fn event(id: &str, amount: i64) -> Envelope {
        let placed = Envelope::new(Uuid::from_u128(1), PROJECT, "billing", "order.placed");
        placed.property("amount", amount).message_id(id)
    }

    fn first(store: &Store, id: &str) -> Option<Position> {
        store.writer().unwrap().first_with_id(&PROJECT.into_bytes(), id, |_| true).unwrap()
    }

    #[test]
    fn the_first_event_with_an_id_is_found_whatever_its_content() {
        let directory = tempfile::tempdir().unwrap();
        let options =
            || Options::new().tiny_segments(8192).on_id_conflict(OnIdConflict::Store).id_hash_bits(3);
        let store = options().open(directory.path()).unwrap();
        let (mut positions, mut number) = (Vec::new(), 0);
        while store.stats().unwrap().sealed_segments < 3 {
            let position = store.append(event(&format!("m{number}"), number)).unwrap().position;
            store.append(event(&format!("m{number}"), number + 1)).unwrap();
            positions.push(position);
            number += 1;
            if number % 10 == 0 {
                store.wait_sealed().unwrap();
            }
        }
        for (number, position) in positions.iter().enumerate() {
            assert_eq!(first(&store, &format!("m{number}")), Some(*position));
        }
        assert_eq!(first(&store, "n"), None);
        assert_eq!(store.writer().unwrap().first_with_id(&[9; 16], "m0", |_| true).unwrap(), None);
        store.close().unwrap();
        drop(store);
        let store = options().dedupe(Dedupe::Off).open(directory.path()).unwrap();
        assert_eq!(first(&store, "m0"), None, "nothing is looked up");
    }

    #[test]
    fn of_events_that_share_an_id_the_first_is_found_though_their_table_has_no_order() {
        let options = || Options::new().on_id_conflict(OnIdConflict::Store);
        let store = options().open_in_memory().unwrap();
        // One whose place is the last one of a table of any size, so that those behind it stand at the front.
        let hasher = store.writer().unwrap().ids.as_deref().unwrap().hasher;
        let is_last = |id: &String| hasher.hash(&PROJECT.into_bytes(), id).get() >> 52 == 0xfff;
        let id = (0..1_000_000).map(|number| format!("m{number}")).find(is_last).unwrap();
        let position = store.append(event(&id, 0)).unwrap().position;
        for amount in 1..150 {
            store.append(event(&id, amount)).unwrap();
            assert_eq!(first(&store, &id), Some(position), "of {} events", amount + 1);
        }
    }

    #[test]
    fn what_a_failed_try_found_out_does_not_count_for_the_next_one() {
        let store = Options::new().on_id_conflict(OnIdConflict::Store).open_in_memory().unwrap();
        let writer = store.writer().unwrap();
        let mut workspace = writer.workspace();
        let drafts = &mut workspace.drafts;
        drafts.clear();
        let at = |second: i64| DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap();
        // The second one has no time of its own, and repeats whatever else is the same.
        for event in [event("m", 1).at(at(5)), event("m", 1)] {
            drafts.push_event(&store.accept(&event).unwrap()).unwrap();
        }
        let refused = writer.store(drafts, None, How::Wait, |_| Err(Error::invalid("rule", "is broken")));
        assert!(matches!(refused.map(drop), Err(Error::Invalid { .. })));
        // Meanwhile another writer stores one with another time.
        let stored = store.append(event("m", 1).at(at(6))).unwrap().position;
        let Pending::Done(appended) = writer.store(drafts, None, How::Wait, |_| Ok(())).unwrap() else {
            panic!("it was waited for");
        };
        let acks = drafts.acks(&appended, writer.epoch);
        assert!(acks[0].notes.contains(Note::IdConflict) && acks[0].position > stored);
        assert!(acks[1].notes.contains(Note::Duplicate));
        assert_eq!(acks[1].position, stored, "one by one it would have met this one first");
        assert_eq!(store.stats().unwrap().events, 2);
    }

    #[test]
    fn a_rule_is_asked_only_where_something_is_to_be_stored() {
        let store = Store::in_memory().unwrap();
        let writer = store.writer().unwrap();
        let mut workspace = writer.workspace();
        let accepted = store.accept(&event("m", 1)).unwrap();
        let mut give = |rule: &dyn Fn() -> Result<()>| {
            workspace.drafts.set_alone(&accepted, |_| ()).unwrap();
            writer.store(&mut workspace.drafts, Some(&accepted), How::Wait, |_| rule()).map(drop)
        };
        let refusing = || Err(Error::invalid("rule", "is broken"));
        assert!(matches!(give(&refusing), Err(Error::Invalid { .. })));
        assert_eq!(store.stats().unwrap().events, 0);
        give(&|| Ok(())).unwrap();
        give(&refusing).unwrap();
        assert_eq!(store.stats().unwrap().events, 1, "a repeat is told before the rule is asked");
    }
}
