//! Message ids that were stored before: what is looked up, what a repeat means, and the runs of sealed segments.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::{Mutex, RwLock};

use crate::dedupe::{MessageHash, MessageHasher, Run, Signs, Sought};
use crate::error::Result;
use crate::format::manifest::{GapRange, IdsRun};
use crate::types::Seq;

use super::shelf::Shelf;

mod salvage;

/// How far back a `messageId` is looked up before an event is stored.
///
/// An event without a `messageId` is stored whenever it is given, whatever this says.
///
/// # Examples
///
/// ```
/// use envelog::{Dedupe, Note, Options, Uuid};
///
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("data");
/// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
/// let store = Options::new().open(&path)?;
/// let shop = store.scope(org, project, "billing");
/// let first = shop.track("order.placed").user("u_1").message_id("m_1").append()?;
///
/// // The answer was lost on its way, and the producer tries again.
/// let again = shop.track("order.placed").user("u_1").message_id("m_1").append()?;
/// assert!(again.notes.contains(Note::Duplicate));
/// assert_eq!(again.position, first.position);
/// assert_eq!(store.stats()?.events, 1);
/// store.close()?;
/// # drop((store, shop));
///
/// let store = Options::new().dedupe(Dedupe::Off).open(&path)?;
/// let shop = store.scope(org, project, "billing");
/// let twice = shop.track("order.placed").user("u_1").message_id("m_1").append()?;
/// assert!(twice.position > first.position);
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Dedupe {
    /// In everything that is stored, however long ago.
    #[default]
    All,
    /// In the segments that are not sealed and the last so many that are. A repeat that comes later is stored again.
    LastSegments(u32),
    /// Nowhere: a repeat is stored again. No message ids are kept for looking up; the first opening with another value
    /// reads what was stored meanwhile to make up for it, and says so in its [`RecoveryReport`](crate::RecoveryReport).
    Off,
}

/// What happens to an event whose `messageId` was used before with other content.
///
/// # Examples
///
/// ```
/// use envelog::{Error, FirstUse, Note, OnIdConflict, Options, Uuid};
///
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("data");
/// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
/// let store = Options::new().open(&path)?;
/// let shop = store.scope(org, project, "billing");
/// let first = shop.track("order.placed").user("u_1").message_id("m_1").append()?.position;
/// let other = shop.track("order.placed").user("u_2").message_id("m_1").append();
/// assert!(matches!(other, Err(Error::IdConflict { first: at }) if at == FirstUse::Stored(first)));
/// store.close()?;
/// # drop((store, shop));
///
/// let store = Options::new().on_id_conflict(OnIdConflict::Store).open(&path)?;
/// let shop = store.scope(org, project, "billing");
/// let ack = shop.track("order.placed").user("u_2").message_id("m_1").append()?;
/// assert!(ack.notes.contains(Note::IdConflict));
/// assert_eq!(store.stats()?.events, 2);
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnIdConflict {
    /// It is [`Error::IdConflict`](crate::Error::IdConflict), and not stored.
    #[default]
    Refuse,
    /// It is stored, and its answer has [`Note::IdConflict`](crate::Note::IdConflict). From then on a repeat of either
    /// is a duplicate of that one. Each event is compared with all that have its id, so that an id which many events
    /// share costs each of them a look at all others.
    Store,
}

/// The ids of sealed segments at one moment, and where those of others are looked for first.
#[derive(Debug, Default, Clone)]
pub(super) struct SealedIds {
    /// With their numbers, in no order; runs that are in memory only have the number 0.
    runs: Vec<(u64, Arc<Run>)>,
    /// The last seq of the last sealed segment.
    through: Seq,
    /// The first seqs of the last sealed segments, as many as are looked at.
    last: VecDeque<Seq>,
    /// Where the ids of what is not sealed are looked for first.
    recent: Vec<Arc<Signs>>,
}

/// The message ids of sealed segments, and the rules by which repeats are told.
///
/// The writer's threads look here before they take the log's lock; the sealer adds to it and never takes that lock.
#[derive(Debug)]
pub(super) struct MessageIds {
    pub(super) hasher: MessageHasher,
    pub(super) on_conflict: OnIdConflict,
    /// How many sealed segments are looked at; all where there is none.
    last_segments: Option<usize>,
    sealed: RwLock<Arc<SealedIds>>,
    /// `through` of these, for those who hold the log's lock.
    through: AtomicU64,
    /// The segments that the ids of a lost run are gathered from, and their gaps; only where damage is quarantined.
    salvage: OnceLock<(Arc<Shelf>, Vec<GapRange>)>,
    /// Held by whoever gathers them.
    salvaging: Mutex<()>,
}

impl MessageIds {
    /// Nothing sealed yet; `None` where nothing is looked up.
    pub(super) fn new(dedupe: Dedupe, on_conflict: OnIdConflict, hasher: MessageHasher) -> Option<Self> {
        let last_segments = match dedupe {
            Dedupe::All => None,
            Dedupe::LastSegments(count) => Some(usize::try_from(count).unwrap_or(usize::MAX)),
            Dedupe::Off => return None,
        };
        let (sealed, through) = (RwLock::default(), AtomicU64::new(0));
        let (salvage, salvaging) = (OnceLock::new(), Mutex::new(()));
        Some(Self { hasher, on_conflict, last_segments, sealed, through, salvage, salvaging })
    }

    /// Of so many sealed segments, how many of the first are not looked at.
    pub(super) fn passed_over(&self, sealed: usize) -> usize {
        self.last_segments.map_or(0, |last| sealed.saturating_sub(last))
    }

    /// The seq up to which the ids of sealed segments are here.
    pub(super) fn through(&self) -> Seq {
        // Acquire: the runs are in place before the seq that tells of them.
        Seq::new(self.through.load(Ordering::Acquire))
    }

    /// Adds a sealed segment, of which the runs are in place.
    pub(super) fn add_segment(&self, base_seq: Seq, last_seq: Seq) {
        self.change(|sealed| {
            sealed.through = sealed.through.max(last_seq);
            if let Some(last) = self.last_segments {
                sealed.last.push_back(base_seq);
                while sealed.last.len() > last {
                    sealed.last.pop_front();
                }
            }
        });
        // Release: as above.
        self.through.fetch_max(last_seq.get(), Ordering::Release);
    }

    /// Goes on with the runs that the manifest lists now, of which `new` is one. Runs in memory stay.
    pub(super) fn relist(&self, listed: &[IdsRun], new: Option<(u64, Arc<Run>)>) {
        self.change(|sealed| {
            sealed.runs.retain(|(number, _)| {
                let is_new = new.as_ref().is_some_and(|(new, _)| new == number);
                *number == 0 || (!is_new && listed.iter().any(|run| run.number == *number))
            });
            sealed.runs.extend(new);
        });
    }

    /// Adds a run that is in memory only.
    pub(super) fn add_in_memory(&self, run: Run) {
        self.change(|sealed| sealed.runs.push((0, Arc::new(run))));
    }

    /// The open runs of listed ones, without those that have no file.
    pub(super) fn runs_of(&self, listed: &[IdsRun]) -> Vec<Arc<Run>> {
        let sealed = Arc::clone(&self.sealed.read());
        let of = |line: &IdsRun| sealed.runs.iter().find(|(number, _)| *number == line.number);
        listed.iter().filter_map(of).map(|(_, run)| Arc::clone(run)).collect()
    }

    fn change(&self, change: impl FnOnce(&mut SealedIds)) {
        let mut sealed = self.sealed.write();
        let mut next = SealedIds::clone(&sealed);
        change(&mut next);
        *sealed = Arc::new(next);
    }

    /// Asks the processor for what a hash is looked for in, a little before that is done.
    #[inline]
    pub(super) fn foresee(&self, hash: MessageHash) {
        let sealed = self.sealed.read();
        sealed.runs.iter().for_each(|(_, run)| run.prefetch(hash));
        sealed.recent.iter().for_each(|signs| signs.prefetch(hash));
    }

    /// From now on [`MessageIds::foresee`] goes for these. Called under the log's lock.
    pub(super) fn show(&self, recent: Vec<Arc<Signs>>) {
        self.change(|sealed| sealed.recent = recent);
    }

    /// Looks for hashes in the runs of frames behind `after`. Gives the seqs that have one, with the number that came with
    /// the hash, and the seq up to which was looked.
    ///
    /// # Errors
    ///
    /// Those of reading a run. Where damage is quarantined, a run that is lost is none: the ids that its segments still
    /// tell are found.
    pub(super) fn look_up(
        &self,
        wanted: &(impl Iterator<Item = (usize, MessageHash)> + Clone),
        after: Seq,
        found: &mut Vec<(usize, Seq)>,
    ) -> Result<Seq> {
        let known = found.len();
        loop {
            let sealed = Arc::clone(&self.sealed.read());
            match self.look_up_in(&sealed, wanted, after, found) {
                // Ends, as a run that is lost goes off the list.
                Err(error) if self.go_on_without_lost(&sealed.runs, &error)? => found.truncate(known),
                looked => return looked,
            }
        }
    }

    fn look_up_in(
        &self,
        sealed: &SealedIds,
        wanted: &(impl Iterator<Item = (usize, MessageHash)> + Clone),
        after: Seq,
        found: &mut Vec<(usize, Seq)>,
    ) -> Result<Seq> {
        let from = match (self.last_segments, sealed.last.front()) {
            (None, _) => after.next(),
            (Some(_), Some(first)) => after.next().max(*first),
            (Some(_), None) => return Ok(sealed.through),
        };
        let mut find = |run: &Run, item: usize, sought: &Sought| {
            run.find(sought, |seq| {
                if seq >= from {
                    found.push((item, seq));
                }
            })
        };
        let mut runs = sealed.runs.iter().map(|(_, run)| run).filter(|run| run.last_seq() >= from);
        let mut some = wanted.clone();
        if let (Some((item, hash)), None) = (some.next(), some.next()) {
            let sought = Sought::of(hash);
            runs.try_for_each(|run| find(run, item, &sought))?;
        } else {
            for run in runs {
                // Run by run, so that the processor asks for the memory of several ids at a time.
                wanted.clone().try_for_each(|(item, hash)| find(run, item, &Sought::of(hash)))?;
            }
        }
        Ok(sealed.through)
    }
}

#[cfg(test)]
mod tests;
