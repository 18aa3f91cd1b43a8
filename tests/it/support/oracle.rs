//! What must hold of a store that was opened after anything at all happened to it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use envelog::testing::{SimDisk, SimRng};
use envelog::{Durability, Note, OnCorruption, Options, Position, Store};

use super::answers::{self, Thorough};
use super::workload::{Attempt, Numbers, Outcome, Work, cursor_key, work};
use super::{Draft, number_of, options};

/// An event that is in the log.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Kept {
    pub(crate) position: Position,
    pub(crate) draft: Draft,
}

/// What was given to a store: what it is known to hold, and what was tried since it was opened.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    /// In seq order, and durable.
    pub(crate) kept: Vec<Kept>,
    pub(crate) cursors: BTreeMap<String, u64>,
    /// What each thread tried, in its order.
    pub(crate) threads: Vec<Vec<Attempt>>,
    /// Everything up to this seq was promised to survive.
    pub(crate) promised: u64,
    /// Every acknowledgement was a promise.
    pub(crate) all_promised: bool,
}

/// What a store holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Found {
    pub(crate) kept: Vec<Kept>,
    pub(crate) cursors: BTreeMap<String, u64>,
    /// Events that were tried, not refused, and are not there.
    pub(crate) lost: u64,
}

impl History {
    /// Adds what threads did on the open store, and what is durable now that they ended.
    pub(crate) fn add(&mut self, threads: Vec<Vec<Attempt>>, durable: u64) {
        if self.threads.is_empty() {
            self.threads = threads;
        } else {
            for (all, more) in self.threads.iter_mut().zip(threads) {
                all.extend(more);
            }
        }
        self.promised = self.promised.max(durable);
    }

    /// Everything that was acknowledged must survive.
    pub(crate) fn promise_all(&mut self) {
        self.promised = u64::MAX;
        self.all_promised = true;
    }

    /// Begins anew with what a store was found to hold, all of it durable.
    pub(crate) fn settle(&mut self, found: Found) {
        *self = Self { kept: found.kept, cursors: found.cursors, ..Self::default() };
    }

    /// Checks what an open store holds against all that was given to it.
    pub(crate) fn verify(&self, store: &Store) -> Found {
        let tried = self.tried();
        let events = answers::scan(store);
        let mut kept = Vec::with_capacity(events.len());
        for event in &events {
            let number = number_of(event);
            let draft = match self.kept.get(kept.len()) {
                Some(old) => {
                    assert_eq!(event.position(), old.position, "what was durable is where it was");
                    &old.draft
                }
                None => match tried.get(&number) {
                    Some((thread, at, place)) => &self.threads[*thread][*at].drafts[*place],
                    None => panic!("event {number} at {} was not tried since", event.position()),
                },
            };
            assert!(draft.is(event), "event {number} at {} is as it was given", event.position());
            kept.push(Kept { position: event.position(), draft: draft.clone() });
        }
        assert!(
            kept.len() >= self.kept.len(),
            "{} of {} durable events are left",
            kept.len(),
            self.kept.len()
        );
        let lost = self.check_attempts(&kept[self.kept.len()..]);
        self.check_holes(store, &kept);
        let cursors = self.check_cursors(store, &kept);
        Found { kept, cursors, lost }
    }

    /// Thread, attempt and place in it of every event that was tried.
    fn tried(&self) -> HashMap<u64, (usize, usize, usize)> {
        let mut tried = HashMap::new();
        for (thread, attempts) in self.threads.iter().enumerate() {
            for (at, attempt) in attempts.iter().enumerate() {
                for (place, draft) in attempt.drafts.iter().enumerate() {
                    tried.insert(draft.number, (thread, at, place));
                }
            }
        }
        tried
    }

    /// Whole batches, in order, what was promised, nothing refused, and no hole; gives the number of lost events.
    fn check_attempts(&self, new: &[Kept]) -> u64 {
        let positions: HashMap<u64, Position> =
            new.iter().map(|kept| (kept.draft.number, kept.position)).collect();
        assert_eq!(positions.len(), new.len(), "no event is there twice");
        let last = new.last().map(|kept| kept.position.seq.get());
        let mut lost = 0;
        for attempts in &self.threads {
            let mut before = None;
            for attempt in attempts {
                let there: Vec<Position> =
                    attempt.drafts.iter().filter_map(|draft| positions.get(&draft.number).copied()).collect();
                if attempt.drafts.is_empty() {
                    continue;
                }
                if there.is_empty() {
                    if let Outcome::Acked(acked) = &attempt.outcome {
                        let seq = acked[0].seq.get();
                        assert!(
                            seq > self.promised,
                            "event {} was promised: {acked:?}",
                            attempt.drafts[0].number
                        );
                        assert!(Some(seq) > last, "seq {seq} is a hole: {last:?} is there");
                    }
                    lost += if attempt.outcome == Outcome::Refused { 0 } else { attempt.drafts.len() as u64 };
                    continue;
                }
                assert_eq!(there.len(), attempt.drafts.len(), "a batch is whole or absent: {there:?}");
                match &attempt.outcome {
                    Outcome::Acked(acked) => assert_eq!(&there, acked, "an event is where its answer said"),
                    Outcome::Refused => panic!("a refused append is there: {there:?}"),
                    Outcome::Unknown => {}
                }
                assert!(before < there.first().copied(), "the order of a thread is kept");
                let frames = (there.len() + usize::from(attempt.cursor.is_some())) as u64;
                let span = there[there.len() - 1].seq.get() - there[0].seq.get() + 1;
                assert!(span <= frames, "a batch stands together: {there:?}");
                before = there.last().copied();
            }
        }
        lost
    }

    /// Seqs without an event are those of cursors, of rolls and of closes.
    fn check_holes(&self, store: &Store, kept: &[Kept]) {
        let old = self.kept.last().map_or(0, |kept| kept.position.seq.get());
        let new = &kept[self.kept.len()..];
        let Some(last) = new.last().map(|kept| kept.position.seq.get()) else { return };
        let missing = last - old - new.len() as u64;
        let attempts = self.threads.iter().flatten();
        let cursors = attempts.filter(|attempt| attempt.cursor.is_some()).count() as u64;
        let segments = store.stats().unwrap().segments;
        // One close at most for each opening, and this history is of one opening, behind one that may have closed.
        assert!(missing <= cursors + segments + 2, "{missing} seqs of {last} have no event");
    }

    fn check_cursors(&self, store: &Store, kept: &[Kept]) -> BTreeMap<String, u64> {
        let there: BTreeSet<u64> = kept.iter().map(|kept| kept.draft.number).collect();
        let mut names: BTreeSet<&str> = self.cursors.keys().map(|name| &**name).collect();
        names.extend(self.threads.iter().flatten().filter_map(|attempt| Some(&*attempt.cursor.as_ref()?.0)));
        let mut found = BTreeMap::new();
        for name in &names {
            if let Some(state) = store.cursor(cursor_key(name)).unwrap() {
                found.insert((*name).to_owned(), u64::from_le_bytes(state.try_into().unwrap()));
            }
        }
        let mut untouched = self.cursors.clone();
        for attempts in &self.threads {
            let mine: BTreeSet<&str> =
                attempts.iter().filter_map(|attempt| Some(&*attempt.cursor.as_ref()?.0)).collect();
            for name in &mine {
                untouched.remove(*name);
            }
            let ends = self.ends(attempts, &there);
            let fits = |end: usize| {
                mine.iter().all(|name| self.allows(&attempts[..end], &there, name, found.get(*name)))
            };
            assert!(ends.clone().any(fits), "cursors {found:?} are those of a moment between {ends:?}");
        }
        for (name, state) in untouched {
            assert_eq!(found.get(&name), Some(&state), "cursor {name} is as it was");
        }
        found
    }

    /// How many of a thread's attempts may be there.
    fn ends(&self, attempts: &[Attempt], there: &BTreeSet<u64>) -> std::ops::RangeInclusive<usize> {
        let is_there =
            |attempt: &Attempt| attempt.drafts.first().is_some_and(|draft| there.contains(&draft.number));
        let is_promised = |attempt: &Attempt| {
            is_there(attempt) || (self.all_promised && matches!(attempt.outcome, Outcome::Acked(_)))
        };
        let is_lost = |attempt: &Attempt| {
            matches!(attempt.outcome, Outcome::Acked(_)) && !attempt.drafts.is_empty() && !is_there(attempt)
        };
        let from = attempts.iter().rposition(is_promised).map_or(0, |last| last + 1);
        let to = attempts.iter().position(is_lost).unwrap_or(attempts.len());
        from..=to
    }

    /// Whether a cursor may have a state after some attempts.
    fn allows(&self, attempts: &[Attempt], there: &BTreeSet<u64>, name: &str, state: Option<&u64>) -> bool {
        let mut allowed: BTreeSet<Option<u64>> = BTreeSet::from([self.cursors.get(name).copied()]);
        for attempt in attempts {
            let Some((_, state)) = attempt.cursor.as_ref().filter(|(set, _)| set == name) else { continue };
            let is_there = attempt.drafts.first().map(|draft| there.contains(&draft.number));
            match (&attempt.outcome, is_there) {
                (Outcome::Refused, _) | (Outcome::Unknown, Some(false)) => {}
                (Outcome::Unknown, None) => drop(allowed.insert(Some(*state))),
                (Outcome::Acked(_), _) | (Outcome::Unknown, Some(true)) => {
                    allowed = BTreeSet::from([Some(*state)]);
                }
            }
        }
        allowed.contains(&state.copied())
    }
}

/// The files of a disk and what is in them.
pub(crate) fn files(disk: &SimDisk) -> BTreeMap<String, Vec<u8>> {
    let names = disk.names();
    names
        .into_iter()
        .map(|name| (disk.file_bytes(&name).unwrap(), name))
        .map(|(bytes, name)| (name, bytes))
        .collect()
}

/// Opens a disk after a crash and checks all that the oracle knows: the history, the answers, that a reader sees the
/// same and changes nothing, that a second opening changes nothing, that writing goes on and survives another crash.
///
/// Returns what was found, and the disk as a kill after the first opening leaves it.
pub(crate) fn check(disk: &SimDisk, history: &History, rng: &mut SimRng, deep: bool) -> (Found, SimDisk) {
    let reader_finds = deep.then(|| read_only(disk, history));
    let store = open(disk, rng);
    let found = history.verify(&store);
    if let Some(reader_finds) = reader_finds {
        assert_eq!(reader_finds, found, "a reader sees what a writer recovers");
    }
    answers::check(&store, &found.kept, rng, Thorough::No);
    repeat(&store, &found.kept, rng);
    let after = disk.kill();
    drop(store);
    if deep {
        second_opening(&after.kill(), &found, rng);
        goes_on(&after.kill(), &found, rng);
    }
    (found, after)
}

/// Appends a few events again that a store has: nothing is stored, and the answer is where they stand.
pub(crate) fn repeat(store: &Store, kept: &[Kept], rng: &mut SimRng) {
    let visible = store.visible();
    for _ in 0..kept.len().min(4) {
        let Kept { position, draft } = &kept[super::index(rng, kept.len())];
        if draft.has_message_id {
            let ack = store.append(draft.envelope()).unwrap();
            assert_eq!(ack.position, *position, "event {} is known again", draft.number);
            assert!(ack.notes.contains(Note::Duplicate));
        }
    }
    assert_eq!(store.visible(), visible, "a repeat stores nothing");
}

/// Opens for writing at a level that `rng` decides, a third of the times in a way that would set damage aside. There is
/// none to be found.
pub(crate) fn open(disk: &SimDisk, rng: &mut SimRng) -> Store {
    let level = super::LEVELS[super::index(rng, 3)];
    let segment_bytes = 4096 + rng.below(4) * 2048;
    let on_corruption = if rng.below(3) == 0 { OnCorruption::Quarantine } else { OnCorruption::Fail };
    let store = options(rng, level, segment_bytes)
        .on_corruption(on_corruption)
        .open_on(disk)
        .unwrap_or_else(|error| panic!("a crash is no damage: {error}"));
    assert_eq!(store.recovery().gaps, [], "a crash leaves no gap");
    store
}

fn read_only(disk: &SimDisk, history: &History) -> Found {
    let before = files(disk);
    let reader = Options::new().tiny_segments(4096).open_read_only_on(disk);
    let reader = reader.unwrap_or_else(|error| panic!("a reader opens what a writer would: {error}"));
    let found = history.verify(&reader);
    drop(reader);
    assert!(files(disk) == before, "a reader changes nothing");
    found
}

/// A second opening finds the same.
fn second_opening(disk: &SimDisk, found: &Found, rng: &mut SimRng) {
    let mut same = History::default();
    same.settle(found.clone());
    let store = open(disk, rng);
    assert_eq!(same.verify(&store), Found { lost: 0, ..found.clone() }, "a second opening changes nothing");
    assert_eq!(store.recovery().frames_dropped, 0);
    store.close().unwrap();
    let closed = files(disk);
    let store = open(disk, rng);
    assert!(store.recovery().clean);
    assert_eq!(same.verify(&store), Found { lost: 0, ..found.clone() });
    store.close().unwrap();
    drop(store);
    assert!(files(disk) == closed, "opening and closing without writing changes nothing");
}

/// Writing goes on, and survives a second crash.
fn goes_on(disk: &SimDisk, found: &Found, rng: &mut SimRng) {
    let mut history = History::default();
    history.settle(found.clone());
    let store = open(disk, rng);
    let numbers = Numbers::new(u64::MAX / 2);
    let threads = work(&store, rng, &numbers, Work { threads: 1, calls: 8, stops_at_error: true });
    assert!(
        threads
            .iter()
            .flatten()
            .all(|attempt| matches!(attempt.outcome, Outcome::Acked(_)) || too_large(attempt))
    );
    store.sync().unwrap();
    history.add(threads, store.durable().get());
    history.all_promised = true;
    let crashed = disk.crash(rng);
    drop(store);
    let store = open(&crashed, rng);
    let found = history.verify(&store);
    assert_eq!(found.lost, 0, "what was synced survives");
    answers::check(&store, &found.kept, rng, Thorough::No);
}

/// A batch of large events need not fit into the smallest of segments.
fn too_large(attempt: &Attempt) -> bool {
    attempt.outcome == Outcome::Refused && attempt.drafts.len() > 1
}

pub(crate) fn is_synced(level: Durability) -> bool {
    level == Durability::Synced
}
