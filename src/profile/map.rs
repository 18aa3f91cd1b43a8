//! All rows of a store: the delta, the deltas that are being written, and the runs.

use std::sync::Arc;

use super::changes::{Changes, Mark, RestsOn};
use super::delta::{Bounds, Delta, HashedKey};
use super::facts::RowFact;
use super::fragment::{Fragment, Fragments};
use super::join::Joiner;
use super::key::{PersonRef, RowKey, cursor_key, person_key};
use super::merge::{Merge, Source};
use super::person_row::PersonRow;
use super::row::{RowRef, split_cursor};
use super::run::{KeyHash, Run};
use super::traits::is_over_limit;
use super::walk::PersonRows;
use crate::envelope::{Note, Notes};
use crate::error::Result;
use crate::format::cursor::CursorKeys;
use crate::limits::Limits;
use crate::types::Seq;

/// Rows in layers. A clone is cheap and stays as it is while the original goes on.
///
/// The writer holds one, applies every fact to it and hands out clones to views.
///
/// - (P1) A row is the join of its fragments in all layers; a fact may be in several of them.
/// - (P2) A frozen delta stays until the run made of it is in the list, so that no fact is ever out of sight.
#[derive(Debug, Clone)]
pub(crate) struct ProfileMap {
    delta: Delta,
    /// Deltas that are being written, the oldest first.
    frozen: Arc<[Frozen]>,
    /// Runs in the order of their seqs.
    runs: Arc<[Arc<Run>]>,
    hash_key: [u8; 16],
    limits: Arc<Limits>,
    /// Shared with the clones, which ask it about the time since they were made.
    changes: Arc<Changes>,
    /// Grows with every change of what identity rests on, and with every fact that names a member.
    version: u64,
}

/// A delta that takes no more facts.
#[derive(Debug, Clone)]
pub(crate) struct Frozen {
    /// Seq of the last frame in it.
    pub(crate) last_seq: Seq,
    pub(crate) delta: Delta,
}

impl ProfileMap {
    /// A map over the listed runs, nothing in the delta. The hash key is the one that the runs were opened with.
    pub(crate) fn new(runs: Vec<Arc<Run>>, hash_key: [u8; 16], limits: Arc<Limits>) -> Self {
        let (frozen, changes) = (Arc::new([]), Arc::new(Changes::new()));
        Self { delta: Delta::new(), frozen, runs: runs.into(), hash_key, limits, changes, version: 0 }
    }

    /// The same rows over these runs, which are in the order of their seqs.
    pub(crate) fn with_runs(mut self, runs: Vec<Arc<Run>>) -> Self {
        self.runs = runs.into();
        self
    }

    /// What was applied since the last [`ProfileMap::freeze`].
    #[cfg(test)]
    pub(crate) const fn delta(&self) -> &Delta {
        &self.delta
    }

    /// The limits that rows are held to.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The version of what identity rests on.
    pub(crate) const fn version(&self) -> u64 {
        self.version
    }

    /// The mark of a person's row.
    pub(crate) fn mark(&self, project_id: [u8; 16], person: PersonRef<'_>) -> Mark {
        Changes::mark_of(KeyHash::of(&self.hash_key, &person_key(project_id, person)).get())
    }

    /// Whether what an answer rests on is here what it was at another version, as far as marks tell.
    pub(crate) fn is_as_of(&self, version: u64, rests_on: &RestsOn) -> bool {
        self.changes.none_since(version.min(self.version), rests_on)
    }

    /// The same rows, to which facts may be applied that nobody else is to see.
    pub(crate) fn apart(&self) -> Self {
        Self { changes: Arc::new(Changes::new()), ..self.clone() }
    }

    pub(crate) fn runs(&self) -> &[Arc<Run>] {
        &self.runs
    }

    /// The deltas that wait for their run, the oldest first.
    #[cfg(test)]
    pub(crate) fn frozen(&self) -> &[Frozen] {
        &self.frozen
    }

    /// Joins in what a frame says, as [`ProfileMap::apply`] does.
    pub(crate) fn apply_all(&mut self, fragments: Fragments) -> Notes {
        let mut notes = Notes::NONE;
        if fragments.is_empty() {
            return notes;
        }
        for fragment in fragments {
            notes = notes.union(self.apply(&fragment));
        }
        notes
    }

    /// Joins a fact in and returns what the host may care about: [`Note::StaleTraits`], [`Note::OverLimit`].
    ///
    /// It cannot fail. Runs are looked into only where their bounds leave the answer open; one that cannot be read
    /// then says nothing, and reading the profile will report it.
    pub(crate) fn apply(&mut self, fragment: &Fragment) -> Notes {
        let mut outdated = false;
        let key = HashedKey::new(&self.hash_key, fragment.key.clone());
        let changes = self.delta.would_change_identity(&key, fragment);
        if changes || fragment.names_member {
            let mark = Changes::mark_of(key.hash.get());
            self.version += 1;
            if changes {
                self.changes.set_changed(mark, self.version);
            }
            if fragment.names_member {
                self.changes.set_told(mark, self.version);
            }
        }
        let row = self.delta.apply(&key, fragment, &mut outdated);
        let mut notes = Notes::NONE;
        let (Some(timestamp), Some(row)) = (fragment.identified_at, RowRef::new(row)) else { return notes };
        let in_delta = (row.live_traits(), row.live_bytes());

        if !outdated && self.layers().any(|bounds| bounds.newest >= Some(timestamp)) {
            outdated = self.is_outdated(&key, fragment);
        }
        if outdated {
            notes.add(Note::StaleTraits);
        }
        let most = self.layers().fold(in_delta, |(traits, bytes), bounds| {
            (traits.saturating_add(bounds.live_traits), bytes.saturating_add(bounds.live_bytes))
        });
        if is_over_limit(most.0, most.1, &self.limits) && self.is_row_over_limit(&key) {
            notes.add(Note::OverLimit);
        }
        notes
    }

    /// Ends the delta behind `last_seq` and begins a new one. The frozen one is to be written as a run.
    pub(crate) fn freeze(&mut self, last_seq: Seq) -> Frozen {
        let frozen = Frozen { last_seq, delta: std::mem::replace(&mut self.delta, Delta::new()) };
        self.frozen = self.frozen.iter().cloned().chain([frozen.clone()]).collect();
        frozen
    }

    /// Takes in the run of everything frozen up to its last seq.
    pub(crate) fn flushed(&mut self, run: Arc<Run>) {
        self.frozen = self.frozen.iter().filter(|frozen| frozen.last_seq > run.last_seq()).cloned().collect();
        self.runs = self.runs.iter().cloned().chain([run]).collect();
    }

    /// Replaces the runs from `run`'s first to its last seq, which it was made of.
    pub(crate) fn compacted(&mut self, run: Arc<Run>) {
        let is_input =
            |old: &Arc<Run>| old.first_seq() >= run.first_seq() && old.last_seq() <= run.last_seq();
        let mut runs: Vec<Arc<Run>> = self.runs.iter().filter(|old| !is_input(old)).cloned().collect();
        let place = runs.partition_point(|old| old.first_seq() < run.first_seq());
        runs.insert(place, run);
        self.runs = runs.into();
    }

    /// Replaces a run by one of the same rows in another file.
    pub(crate) fn renewed(&mut self, run: &Arc<Run>) {
        let is_it = |old: &Arc<Run>| old.number() == run.number();
        let runs = self.runs.iter().map(|old| Arc::clone(if is_it(old) { run } else { old }));
        self.runs = runs.collect();
    }

    /// What is kept of an id; `None` where no fact named it.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`](crate::Error::Corrupt) where a run is not as it was written.
    pub(crate) fn row(&self, project_id: [u8; 16], person: PersonRef<'_>) -> Result<Option<PersonRow>> {
        self.row_of(&self.hashed(&person_key(project_id, person)))
    }

    /// The rows of a project, users and then devices, each by id; from behind `after` on.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`](crate::Error::Corrupt) where a run is not as it was written.
    pub(crate) fn rows(&self, project_id: [u8; 16], after: Option<PersonRef<'_>>) -> Result<PersonRows<'_>> {
        self.rows_where(project_id, after, |_| true)
    }

    /// The rows of a project that have facts of identity, in the same order.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`](crate::Error::Corrupt) where a run is not as it was written.
    pub(crate) fn rows_with_facts(&self, project_id: [u8; 16]) -> Result<PersonRows<'_>> {
        self.rows_where(project_id, None, |row| row.fact_count() > 0)
    }

    /// Whether a row, of any project, may have a fact of identity.
    pub(crate) fn may_have_facts(&self) -> bool {
        self.all_bounds().any(|bounds| bounds.facts > 0)
    }

    /// No row, of any project, has more facts of identity.
    pub(crate) fn facts_max(&self) -> u32 {
        self.all_bounds().fold(0, |sum, bounds| sum.saturating_add(bounds.facts))
    }

    /// Gives the facts of identity on the row of a person, layer by layer, those that other layers have too included:
    /// cheaper than the joined row where only the least is wanted. A layer without links is left out.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`](crate::Error::Corrupt) where a run is not as it was written.
    pub(crate) fn each_fact<'a>(
        &'a self,
        project_id: [u8; 16],
        person: PersonRef<'_>,
        mut take: impl FnMut(RowFact<'a>),
    ) -> Result<()> {
        let key = self.hashed(&person_key(project_id, person));
        let mut take = |row: &'a [u8]| {
            RowRef::new(row).iter().flat_map(RowRef::facts).for_each(&mut take);
        };
        for delta in self.deltas().filter(|delta| delta.bounds().has_links) {
            delta.get(&key).into_iter().for_each(|row| take(row));
        }
        for run in self.runs.iter().filter(|run| run.bounds().has_links) {
            if let Some(found) = run.find(key.hash, key.key.as_bytes())? {
                take(run.slice(&found.row)?);
            }
        }
        Ok(())
    }

    /// Whether a row, of any project, may have a fact of identity that names another id. Where none has, every id is a
    /// person by itself.
    pub(crate) fn may_have_links(&self) -> bool {
        self.all_bounds().any(|bounds| bounds.has_links)
    }

    /// The greatest seq of a cursor and the state that was kept with it.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`](crate::Error::Corrupt) where a run is not as it was written.
    pub(crate) fn cursor(&self, cursor: CursorKeys<'_>) -> Result<Option<(Seq, Vec<u8>)>> {
        let row = self.row_of(&self.hashed(&cursor_key(cursor)))?;
        Ok(row.and_then(|row| split_cursor(row.as_slice()).map(|(seq, state)| (seq, state.to_vec()))))
    }

    /// The rows of a project that are wanted, from behind `after` on.
    fn rows_where(
        &self,
        project_id: [u8; 16],
        after: Option<PersonRef<'_>>,
        is_wanted: fn(&RowRef<'_>) -> bool,
    ) -> Result<PersonRows<'_>> {
        let mut from = person_key(project_id, after.unwrap_or(PersonRef::User("")));
        if after.is_some() {
            // The least key behind a key is that key and a zero byte.
            from.push(0);
        }
        Ok(PersonRows::new(self.merge(&from, &project_id)?, project_id, is_wanted))
    }

    /// The rows whose keys are at or after `from` and begin with `prefix`, layers joined; a run has more behind them.
    fn merge(&self, from: &[u8], prefix: &[u8]) -> Result<Merge<'_>> {
        let mut sources = vec![Source::delta(&self.delta, from, prefix)];
        sources.extend(self.frozen.iter().map(|frozen| Source::delta(&frozen.delta, from, prefix)));
        for run in self.runs.iter() {
            sources.push(Source::run(run, from)?);
        }
        Ok(Merge::new(sources))
    }

    fn hashed(&self, key: &[u8]) -> HashedKey {
        HashedKey::new(&self.hash_key, RowKey::new(key))
    }

    /// The layers in memory.
    fn deltas(&self) -> impl Iterator<Item = &Delta> {
        [&self.delta].into_iter().chain(self.frozen.iter().map(|frozen| &frozen.delta))
    }

    /// The bounds of every layer.
    fn all_bounds(&self) -> impl Iterator<Item = &Bounds> {
        [self.delta.bounds()].into_iter().chain(self.layers())
    }

    /// The bounds of every layer but the delta.
    fn layers(&self) -> impl Iterator<Item = &Bounds> {
        let frozen = self.frozen.iter().map(|frozen| frozen.delta.bounds());
        frozen.chain(self.runs.iter().map(|run| run.bounds()))
    }

    /// Whether a layer below the delta has a plain trait newer than the fact's.
    fn is_outdated(&self, key: &HashedKey, fragment: &Fragment) -> bool {
        let Some(fact) = RowRef::new(&fragment.row) else { return false };
        let outdates = |row: &[u8]| RowRef::new(row).is_some_and(|row| row.outdates(&fact));
        if self.frozen.iter().filter_map(|frozen| frozen.delta.get(key)).any(|row| outdates(row)) {
            return true;
        }
        let newer = self.runs.iter().filter(|run| run.bounds().newest >= fragment.identified_at);
        newer
            .filter_map(|run| Some((run, run.find(key.hash, key.key.as_bytes()).ok()??.row)))
            .any(|(run, row)| run.slice(&row).is_ok_and(outdates))
    }

    /// Whether a row, all layers joined, is over its limits.
    fn is_row_over_limit(&self, key: &HashedKey) -> bool {
        self.row_of(key).ok().flatten().is_some_and(|row| {
            RowRef::new(row.as_slice())
                .is_some_and(|row| is_over_limit(row.live_traits(), row.live_bytes(), &self.limits))
        })
    }

    /// A row, all layers joined; not copied where one layer has it.
    fn row_of(&self, key: &HashedKey) -> Result<Option<PersonRow>> {
        let mut joined = None;
        let mut joiner = Joiner::default();
        for delta in self.deltas() {
            if let Some(row) = delta.get(key) {
                join_in(&mut joiner, key.key.as_bytes(), &mut joined, PersonRow::of_bytes(Arc::clone(row)));
            }
        }
        for run in self.runs.iter() {
            if let Some(found) = run.find(key.hash, key.key.as_bytes())? {
                join_in(
                    &mut joiner,
                    key.key.as_bytes(),
                    &mut joined,
                    PersonRow::of_run(Arc::clone(run), found.row),
                );
            }
        }
        Ok(joined)
    }
}

fn join_in(joiner: &mut Joiner, key: &[u8], joined: &mut Option<PersonRow>, fragment: PersonRow) {
    *joined = Some(match joined.take() {
        None => fragment,
        Some(row) => {
            let mut out = Vec::new();
            joiner.join(key, row.as_slice(), fragment.as_slice(), &mut out);
            PersonRow::of_bytes(out.into())
        }
    });
}
