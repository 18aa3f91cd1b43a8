//! All rows of a store: the delta, the deltas that are being written, and the runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::delta::{Bounds, Delta, HashedKey};
use super::fragment::Fragment;
use super::join::Joiner;
use super::key::{PersonRef, RowKey, RowKind, cursor_key, kind_of, person_key, split_key};
use super::merge::{Merge, Source};
use super::row::{RowRef, split_cursor};
use super::run::Run;
use super::view::{Profile, RowBytes, TraitName, is_over_limit};
use crate::envelope::{Kind, Note, Notes};
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
        Self { delta: Delta::new(), frozen: Arc::new([]), runs: runs.into(), hash_key, limits }
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

    pub(crate) fn runs(&self) -> &[Arc<Run>] {
        &self.runs
    }

    /// The deltas that wait for their run, the oldest first.
    #[cfg(test)]
    pub(crate) fn frozen(&self) -> &[Frozen] {
        &self.frozen
    }

    /// Joins a fact in and returns what the host may care about: [`Note::StaleTraits`], [`Note::OverLimit`].
    ///
    /// It cannot fail. Runs are looked into only where their bounds leave the answer open; one that cannot be read
    /// then says nothing, and reading the profile will report it.
    pub(crate) fn apply(&mut self, fragment: &Fragment) -> Notes {
        let mut outdated = false;
        let key = HashedKey::new(&self.hash_key, fragment.key.clone());
        let row = self.delta.apply(&key, fragment, &mut outdated);
        let mut notes = Notes::NONE;
        let (Some(timestamp), Some(row)) = (fragment.timestamp, RowRef::new(row)) else { return notes };
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

    /// The profile of a person; `None` where no identify made one.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`](crate::Error::Corrupt) where a run is not as it was written.
    pub(crate) fn get(&self, project_id: [u8; 16], person: PersonRef<'_>) -> Result<Option<Profile>> {
        let row = self.row(&self.hashed(&person_key(project_id, person)))?;
        Ok(row.and_then(|row| Profile::new(person, row, &self.limits)))
    }

    /// The greatest seq of a cursor and the state that was kept with it.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`](crate::Error::Corrupt) where a run is not as it was written.
    pub(crate) fn cursor(&self, cursor: CursorKeys<'_>) -> Result<Option<(Seq, Vec<u8>)>> {
        let row = self.row(&self.hashed(&cursor_key(cursor)))?;
        Ok(row.and_then(|row| split_cursor(row.as_slice()).map(|(seq, state)| (seq, state.to_vec()))))
    }

    /// The profiles of a project, users and then devices, each by id; from behind `after` on.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`](crate::Error::Corrupt) where a run is not as it was written.
    pub(crate) fn profiles(
        &self,
        project_id: [u8; 16],
        after: Option<PersonRef<'_>>,
    ) -> Result<Profiles<'_>> {
        let from = match after {
            Some(person) => {
                let mut key = person_key(project_id, person);
                // The least key behind a key is that key and a zero byte.
                key.push(0);
                key
            }
            None => person_key(project_id, PersonRef::User("")),
        };
        Ok(Profiles {
            rows: self.merge(&from, &project_id)?,
            project_id,
            limits: &self.limits,
            is_done: false,
        })
    }

    /// The trait names in use in a project with the kinds of their values, by name.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`](crate::Error::Corrupt) where a run is not as it was written.
    pub(crate) fn traits(&self, project_id: [u8; 16]) -> Result<Vec<TraitName>> {
        const KINDS: [Kind; 6] =
            [Kind::Null, Kind::Bool, Kind::Number, Kind::String, Kind::List, Kind::Object];
        let mut names: BTreeMap<String, ([bool; KINDS.len()], u64)> = BTreeMap::new();
        for profile in self.profiles(project_id, None)? {
            for each in profile?.traits() {
                let kinds = KINDS.map(|kind| kind == each.value.kind());
                if let Some((seen, profiles)) = names.get_mut(each.name) {
                    for (seen, now) in seen.iter_mut().zip(kinds) {
                        *seen |= now;
                    }
                    *profiles += 1;
                } else {
                    names.insert(each.name.to_owned(), (kinds, 1));
                }
            }
        }
        let in_use = |seen: [bool; KINDS.len()]| {
            KINDS.into_iter().zip(seen).filter(|(_, seen)| *seen).map(|(kind, _)| kind).collect()
        };
        Ok(names
            .into_iter()
            .map(|(name, (seen, profiles))| TraitName { name, kinds: in_use(seen), profiles })
            .collect())
    }

    /// All profiles of a project as one JSON list: members, state, traits with value and event time. The same facts give
    /// the same bytes, whatever the order and number of times they arrived in.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`](crate::Error::Corrupt) where a run is not as it was written.
    pub(crate) fn canonical_json(&self, project_id: [u8; 16]) -> Result<String> {
        let mut out = vec![b'['];
        for (index, profile) in self.profiles(project_id, None)?.enumerate() {
            if index > 0 {
                out.push(b',');
            }
            out.push(b'\n');
            profile?.write_canonical_json(&mut out);
        }
        out.extend_from_slice(b"\n]\n");
        Ok(String::from_utf8(out).unwrap_or_default())
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
        let newer = self.runs.iter().filter(|run| run.bounds().newest >= fragment.timestamp);
        newer
            .filter_map(|run| Some((run, run.find(key.hash, key.key.as_bytes()).ok()??.row)))
            .any(|(run, row)| run.slice(&row).is_ok_and(outdates))
    }

    /// Whether a row, all layers joined, is over its limits.
    fn is_row_over_limit(&self, key: &HashedKey) -> bool {
        self.row(key).ok().flatten().is_some_and(|row| {
            RowRef::new(row.as_slice())
                .is_some_and(|row| is_over_limit(row.live_traits(), row.live_bytes(), &self.limits))
        })
    }

    /// A row, all layers joined; not copied where one layer has it.
    fn row(&self, key: &HashedKey) -> Result<Option<RowBytes>> {
        let mut joined = None;
        let mut joiner = Joiner::default();
        for delta in [&self.delta].into_iter().chain(self.frozen.iter().map(|frozen| &frozen.delta)) {
            if let Some(row) = delta.get(key) {
                join_in(&mut joiner, key.key.as_bytes(), &mut joined, RowBytes::Memory(Arc::clone(row)));
            }
        }
        for run in self.runs.iter() {
            if let Some(found) = run.find(key.hash, key.key.as_bytes())? {
                join_in(
                    &mut joiner,
                    key.key.as_bytes(),
                    &mut joined,
                    RowBytes::Run(Arc::clone(run), found.row),
                );
            }
        }
        Ok(joined)
    }
}

fn join_in(joiner: &mut Joiner, key: &[u8], joined: &mut Option<RowBytes>, fragment: RowBytes) {
    *joined = Some(match joined.take() {
        None => fragment,
        Some(row) => {
            let mut out = Vec::new();
            joiner.join(key, row.as_slice(), fragment.as_slice(), &mut out);
            RowBytes::Memory(out.into())
        }
    });
}

/// The profiles of a project in the order of kind and id; made by [`View::profiles`](crate::View::profiles).
///
/// Users come first and then devices, each by the bytes of their ids. It ends behind the first error.
///
/// # Examples
///
/// ```
/// use envelog::{PersonRef, Store, Uuid};
///
/// let store = Store::in_memory()?;
/// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
/// let scope = store.scope(org, project, "billing");
/// scope.identify_anonymous("device_1").set("locale", "pt-PT").append()?;
/// scope.identify("u_1").set("plan", "pro").append()?;
///
/// let view = store.project(project).view()?;
/// let profiles = view.profiles()?.collect::<envelog::Result<Vec<_>>>()?;
/// let people: Vec<_> = profiles.iter().map(|profile| profile.person()).collect();
/// assert_eq!(people, [PersonRef::User("u_1"), PersonRef::Anonymous("device_1")]);
/// # Ok::<(), envelog::Error>(())
/// ```
pub struct Profiles<'a> {
    rows: Merge<'a>,
    project_id: [u8; 16],
    limits: &'a Limits,
    is_done: bool,
}

impl Profiles<'_> {
    fn next_profile(&mut self) -> Result<Option<Profile>> {
        while let Some((key, row)) = self.rows.next_row()? {
            let in_project =
                key.starts_with(&self.project_id) && kind_of(key).is_some_and(RowKind::is_person);
            if !in_project {
                break;
            }
            let person = match split_key(key) {
                Some((_, RowKind::User, id)) => PersonRef::User(id),
                Some((_, RowKind::Device, id)) => PersonRef::Anonymous(id),
                _ => continue,
            };
            if let Some(profile) = Profile::new(person, RowBytes::Memory(row.into()), self.limits) {
                return Ok(Some(profile));
            }
        }
        Ok(None)
    }
}

impl Iterator for Profiles<'_> {
    type Item = Result<Profile>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let next = self.next_profile().transpose();
        self.is_done = !matches!(next, Some(Ok(_)));
        next
    }
}
