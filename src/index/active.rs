//! The index of the segment that is being written, in memory.
//!
//! One thread writes and any number read, without locks but for the dictionary, which a query asks once. A reader
//! brings the bound that its view pinned, and no entry at or above it is shown; the bound must have reached the
//! reader through an Acquire load of what the writer's thread stored with Release after the push.
//!
//! (A1) What stands in a row, a link or a list below a bound that a reader may use is never written again.
//! (A2) An ordinal is pushed once, in rising order, by the one [`ActiveWriter`].
//! (A3) Frames are at least 32 bytes long, so that a segment's length bounds its ordinals.

mod dictionary;
mod ids;
mod read;
mod types;

use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use hashbrown::{DefaultHashBuilder, HashTable};
use parking_lot::RwLock;

use self::dictionary::Dictionary;
use self::ids::{IdTable, IdWriter};
use self::types::TypeWriter;
use super::chunks::{List, Rows};
use super::{BLOCK, IdHashes, IdKind, ModuleNo, ProjectNo, TimeRange, TypeNo, high, join, low};
use crate::format::frame;
use crate::format::keys::{EventKeys, KeyNames};
#[cfg(test)]
use crate::types::Ordinal;

pub(super) use self::ids::Chain;
pub(super) use self::types::{Mark, TypeList};

/// Of a row: the timestamp; the offset and, plus one, the number of the pair of type and module.
const ROW_WORDS: usize = 2;
const TIME: usize = 0;
const PLACE: usize = 1;

/// The reading side of an active segment's index.
#[derive(Debug)]
pub(crate) struct ActiveIndex {
    rows: Rows<ROW_WORDS>,
    /// By pair of type and module: their numbers.
    pairs: List<AtomicU64>,
    /// The least and the greatest timestamp of each whole block.
    zones: Rows<2>,
    ids: [IdTable; 2],
    dictionary: RwLock<Dictionary>,
    frames: AtomicU32,
}

impl ActiveIndex {
    fn new(segment_bytes: u64) -> Self {
        // A3
        let frames_max = usize::try_from(segment_bytes / frame::HEADER_LEN as u64 + 1).unwrap_or(usize::MAX);
        Self {
            rows: Rows::with_capacity(frames_max),
            pairs: List::new(),
            zones: Rows::with_capacity(frames_max / BLOCK + 1),
            ids: [IdTable::new(frames_max), IdTable::new(frames_max)],
            dictionary: RwLock::new(Dictionary::default()),
            frames: AtomicU32::new(0),
        }
    }

    /// Frames that were pushed. It says nothing about which of them a reader may be shown.
    pub(crate) fn frames(&self) -> u32 {
        // Acquire: the entries of a frame are in place before the number that counts it.
        self.frames.load(Ordering::Acquire)
    }

    pub(super) fn ids(&self, kind: IdKind) -> &IdTable {
        let [users, devices] = &self.ids;
        match kind {
            IdKind::User => users,
            IdKind::Device => devices,
        }
    }
}

/// A pair of type and module, as the writer finds it.
#[derive(Debug)]
struct Pair {
    project_id: [u8; 16],
    project: ProjectNo,
    /// The type's name and behind it the module's, in one place: a look-up compares them for every event.
    names: Box<[u8]>,
    type_len: usize,
    type_no: TypeNo,
    list: Arc<TypeList>,
}

impl Pair {
    fn is(&self, event: &KeyNames<'_>) -> bool {
        let (event_type, module) = self.names.split_at(self.type_len);
        self.project_id == event.project_id && event_type == event.event_type && module == event.module
    }
}

/// The writing side of an active segment's index; there is one.
#[derive(Debug)]
pub(crate) struct ActiveWriter {
    index: Arc<ActiveIndex>,
    hash_key: [u8; 16],
    next: u32,
    pairs: Vec<Pair>,
    /// Hashes and numbers.
    pairs_by_name: HashTable<(u64, u32)>,
    hasher: DefaultHashBuilder,
    types: Vec<TypeWriter>,
    ids: [IdWriter; 2],
    zone: TimeRange,
}

impl ActiveWriter {
    /// An empty index of a segment whose file is at most `segment_bytes` long.
    pub(crate) fn new(hash_key: [u8; 16], segment_bytes: u64) -> Self {
        Self {
            index: Arc::new(ActiveIndex::new(segment_bytes)),
            hash_key,
            next: 0,
            pairs: Vec::new(),
            pairs_by_name: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            types: Vec::new(),
            ids: [IdWriter::new(), IdWriter::new()],
            zone: TimeRange::EMPTY,
        }
    }

    /// The reading side.
    pub(crate) fn index(&self) -> &Arc<ActiveIndex> {
        &self.index
    }

    /// The ordinal that the next frame gets.
    #[cfg(test)]
    pub(crate) fn next_ordinal(&self) -> Ordinal {
        Ordinal::new(self.next)
    }

    /// Appends an event whose frame begins at `offset`.
    pub(crate) fn push_event(&mut self, offset: u32, keys: &EventKeys<'_>) {
        self.push_hashed(offset, &keys.into(), &IdHashes::of(&self.hash_key, keys));
    }

    /// Brings the entries of ids near that will be pushed soon.
    #[inline]
    pub(crate) fn prefetch_entries(&self, hashes: &IdHashes) {
        for (table, hash) in self.index.ids.iter().zip([hashes.user, hashes.device]) {
            if let Some(hash) = hash {
                table.prefetch_entry(hash);
            }
        }
    }

    /// Brings the slots of ids near that will be pushed next and whose entries are near.
    #[inline]
    pub(crate) fn prefetch_slots(&self, hashes: &IdHashes) {
        for (table, hash) in self.index.ids.iter().zip([hashes.user, hashes.device]) {
            if let Some(hash) = hash {
                table.prefetch_slot(hash);
            }
        }
    }

    /// Appends an event whose ids were hashed before, with the store's key.
    pub(crate) fn push_hashed(&mut self, offset: u32, event: &KeyNames<'_>, hashes: &IdHashes) {
        let ordinal = self.next;
        let Some(no) = self.pair(event, ordinal) else { return self.push_other(offset) };
        let Some(Pair { project, type_no, list, .. }) = self.pairs.get(no as usize) else {
            return self.push_other(offset);
        };
        let time = event.timestamp.get();
        let index = &*self.index;
        index.rows.set(ordinal as usize, [time.cast_unsigned(), join(offset, no + 1)]);
        if let Some(writer) = self.types.get_mut(type_no.index()) {
            writer.push(list, ordinal, time);
        }
        let [users, devices] = &mut self.ids;
        let [user_table, device_table] = &index.ids;
        if let Some(hash) = hashes.user {
            users.push(user_table, ordinal, *project, hash, time);
        }
        if let Some(hash) = hashes.device {
            devices.push(device_table, ordinal, *project, hash, time);
        }
        self.zone.widen(event.timestamp);
        self.advance();
    }

    /// Appends a frame that is no event.
    pub(crate) fn push_other(&mut self, offset: u32) {
        self.index.rows.set(self.next as usize, [0, join(offset, 0)]);
        self.advance();
    }

    fn advance(&mut self) {
        debug_assert!(
            (self.next as usize) < self.index.rows.capacity(),
            "more frames than the segment holds"
        ); // A3
        self.next += 1;
        if (self.next as usize).is_multiple_of(BLOCK) {
            let block = self.next as usize / BLOCK - 1;
            let TimeRange { min, max } = std::mem::replace(&mut self.zone, TimeRange::EMPTY);
            self.index.zones.set(block, [min.get().cast_unsigned(), max.get().cast_unsigned()]);
        }
        // Release: the entries of a frame are in place before the number that counts it.
        self.index.frames.store(self.next, Ordering::Release);
    }

    /// The number of the event's type and module.
    #[inline]
    fn pair(&mut self, event: &KeyNames<'_>, ordinal: u32) -> Option<u32> {
        let hash = pair_hash(&self.hasher, event);
        let found = self.pairs_by_name.find(hash, |(known, no)| {
            *known == hash && self.pairs.get(*no as usize).is_some_and(|pair| pair.is(event))
        });
        match found {
            Some((_, no)) => Some(*no),
            None => self.add_pair(event, ordinal, hash),
        }
    }

    #[cold]
    fn add_pair(&mut self, event: &KeyNames<'_>, ordinal: u32, hash: u64) -> Option<u32> {
        let event_type = std::str::from_utf8(event.event_type).ok()?;
        let module = std::str::from_utf8(event.module).ok()?;
        let mut dictionary = self.index.dictionary.write();
        let project = dictionary.add_project(event.project_id, ordinal);
        let (type_no, list) = dictionary.add_type(project, event_type)?;
        let module = dictionary.add_module(project, module, ordinal)?;
        drop(dictionary);
        if self.types.len() <= type_no.index() {
            self.types.push(TypeWriter::new());
        }
        let no = super::count32(self.pairs.len());
        self.index.pairs.set(no as usize, join(type_no.get(), module.get()));
        self.pairs.push(Pair {
            project_id: event.project_id,
            project,
            names: [event.event_type, event.module].concat().into(),
            type_len: event.event_type.len(),
            type_no,
            list,
        });
        self.pairs_by_name.insert_unique(hash, (hash, no), |(hash, _)| *hash);
        Some(no)
    }
}

fn pair_hash(hasher: &DefaultHashBuilder, event: &KeyNames<'_>) -> u64 {
    let mut hasher = hasher.build_hasher();
    hasher.write(&event.project_id);
    hasher.write(event.event_type);
    hasher.write_usize(event.event_type.len());
    hasher.write(event.module);
    hasher.finish()
}

/// What a row says of its frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) time: i64,
    pub(super) offset: u32,
    /// Number of the pair of type and module; `None` for a frame that is no event.
    pub(super) pair: Option<u32>,
}

impl ActiveIndex {
    /// The row of an ordinal below the bound.
    #[inline]
    pub(super) fn row(&self, ordinal: u32) -> Row {
        let words = self.rows.row(ordinal as usize);
        let word =
            |at: usize| words.and_then(|row| row.get(at)).map_or(0, |cell| cell.load(Ordering::Acquire));
        let place = word(PLACE);
        Row { time: word(TIME).cast_signed(), offset: high(place), pair: low(place).checked_sub(1) }
    }

    /// The type and the module of a pair.
    #[inline]
    pub(super) fn pair(&self, pair: u32) -> (TypeNo, ModuleNo) {
        let word = self.pairs.get(pair as usize);
        (TypeNo::new(high(word)), ModuleNo::new(low(word)))
    }
}
