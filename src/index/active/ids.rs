//! The postings of users, or of devices, while their segment is written: a chain through the ordinals for each id,
//! newest first.

use std::collections::BinaryHeap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::index::chunks::Rows;
use crate::index::{IdHash, IdNo, IdPosting, ProjectNo, high, join, low};
use crate::storage::prefetch_item;
use crate::types::{Nanos, Ordinal};

/// The smallest hash table has this many entries, each further one twice as many.
const TABLE_MIN: usize = 256;
const TABLES: usize = 25;

/// Of a slot: the id's hash; its project and, plus one, the newest ordinal; its greatest timestamp.
const SLOT_WORDS: usize = 3;
const HASH: usize = 0;
const HEAD: usize = 1;

/// Mark of a link whose event is late: an earlier one of the same id has a greater timestamp.
const LATE: u32 = 1 << 31;

/// All ids of one kind.
#[derive(Debug)]
pub(in crate::index) struct IdTable {
    /// By ordinal: the slot plus one; late mark and, plus one, the ordinal of the same id before this one.
    links: Rows<1>,
    slots: Rows<SLOT_WORDS>,
    /// Open addressing; an entry is the upper half of a hash and, plus one, a slot. A table that becomes too small is
    /// left to whoever is reading it, and the next one is filled.
    tables: [OnceLock<Box<[AtomicU64]>>; TABLES],
    /// How many of the tables exist.
    table_count: AtomicU32,
    len: AtomicU32,
}

impl IdTable {
    pub(super) fn new(frames_max: usize) -> Self {
        Self {
            links: Rows::with_capacity(frames_max),
            slots: Rows::with_capacity(frames_max),
            tables: std::array::from_fn(|_| OnceLock::new()),
            table_count: AtomicU32::new(0),
            len: AtomicU32::new(0),
        }
    }

    /// Ids seen so far.
    pub(in crate::index) fn len(&self) -> u32 {
        // Acquire: the slots are in place before the length that exposes them.
        self.len.load(Ordering::Acquire)
    }

    pub(in crate::index) fn hash(&self, id: IdNo) -> IdHash {
        IdHash::new(self.slots.word(id.index(), HASH))
    }

    pub(in crate::index) fn project(&self, id: IdNo) -> ProjectNo {
        ProjectNo::new(high(self.slots.word(id.index(), HEAD)))
    }

    /// The id of an event, if it has one.
    #[inline]
    pub(in crate::index) fn id_of(&self, ordinal: u32) -> Option<IdNo> {
        high(self.links.word(ordinal as usize, 0)).checked_sub(1).map(IdNo::new)
    }

    fn table(&self) -> Option<&[AtomicU64]> {
        // Acquire: a table is filled before the count that exposes it.
        let last = self.table_count.load(Ordering::Acquire).checked_sub(1)?;
        self.tables.get(last as usize)?.get().map(|table| &**table)
    }

    /// The number of an id, if an event of it was written.
    pub(in crate::index) fn find(&self, hash: IdHash) -> Option<IdNo> {
        match self.probe(self.table()?, hash) {
            Probe::Found(id) => Some(id),
            Probe::Free(_) => None,
        }
    }

    /// Brings the entry near at which a look-up of the hash begins.
    #[inline]
    pub(super) fn prefetch_entry(&self, hash: IdHash) {
        if let Some(entry) = self.table().and_then(|table| table.get(entry_of(table, hash))) {
            prefetch_item(entry);
        }
    }

    /// Brings the slot near to which the entry leads, if it is the first one that a look-up sees.
    #[inline]
    pub(super) fn prefetch_slot(&self, hash: IdHash) {
        let entry = self.table().and_then(|table| table.get(entry_of(table, hash)));
        let entry = entry.map_or(0, |entry| entry.load(Ordering::Acquire));
        if high(entry) == high(hash.get())
            && let Some(slot) = self.slots.row(low(entry).wrapping_sub(1) as usize)
        {
            prefetch_item(slot);
        }
    }

    #[inline]
    fn probe(&self, table: &[AtomicU64], hash: IdHash) -> Probe {
        let mask = table.len().wrapping_sub(1);
        let mut at = entry_of(table, hash);
        // A table is never full, so that there is a free entry on the way.
        for _ in 0..table.len() {
            let entry = table.get(at).map_or(0, |entry| entry.load(Ordering::Acquire));
            if entry == 0 {
                break;
            }
            if high(entry) == high(hash.get()) {
                let id = IdNo::new(low(entry).wrapping_sub(1));
                if self.hash(id) == hash {
                    return Probe::Found(id);
                }
            }
            at = (at + 1) & mask;
        }
        Probe::Free(at)
    }

    /// The newest ordinal of an id, at this moment.
    fn head(&self, id: IdNo) -> Option<u32> {
        low(self.slots.word(id.index(), HEAD)).checked_sub(1)
    }

    /// The ordinal before this one in its chain, and whether this one is late.
    fn link(&self, ordinal: u32) -> (Option<u32>, bool) {
        let word = low(self.links.word(ordinal as usize, 0));
        ((word & !LATE).checked_sub(1), word & LATE != 0)
    }
}

/// Where a look-up of the hash begins.
#[inline]
fn entry_of(table: &[AtomicU64], hash: IdHash) -> usize {
    low(hash.get()) as usize & table.len().wrapping_sub(1)
}

enum Probe {
    Found(IdNo),
    /// The entry that a new id would take.
    Free(usize),
}

/// What the writer knows of a table without asking it.
#[derive(Debug)]
pub(super) struct IdWriter {
    len: u32,
}

impl IdWriter {
    pub(super) const fn new() -> Self {
        Self { len: 0 }
    }

    /// Appends an event of an id.
    #[inline]
    pub(super) fn push(&mut self, ids: &IdTable, ordinal: u32, project: ProjectNo, hash: IdHash, time: i64) {
        let id = match ids.table().map(|table| ids.probe(table, hash)) {
            Some(Probe::Found(id)) => id,
            probe => self.insert(ids, probe, project, hash),
        };
        let Some([_, head, latest]) = ids.slots.row_for_writing(id.index()) else { return };
        let newest = head.load(Ordering::Relaxed);
        let (before, greatest) = (low(newest), latest.load(Ordering::Relaxed).cast_signed());
        let late = if time < greatest { LATE } else { 0 };
        ids.links.set(ordinal as usize, [join(id.get() + 1, late | before)]);
        latest.store(time.max(greatest).cast_unsigned(), Ordering::Release);
        // Release: the link is in place before the head that leads to it.
        head.store(join(high(newest), ordinal + 1), Ordering::Release);
    }

    #[cold]
    fn insert(&mut self, ids: &IdTable, probe: Option<Probe>, project: ProjectNo, hash: IdHash) -> IdNo {
        let id = IdNo::new(self.len);
        ids.slots.set(id.index(), [hash.get(), join(project.get(), 0), i64::MIN.cast_unsigned()]);
        self.len += 1;
        ids.len.store(self.len, Ordering::Release);
        let entry = join(high(hash.get()), id.get() + 1);
        match (ids.table(), probe) {
            (Some(table), Some(Probe::Free(at))) if (self.len as usize) * 4 <= table.len() * 3 => {
                if let Some(cell) = table.get(at) {
                    // Release: the slot is in place before the entry that leads to it.
                    cell.store(entry, Ordering::Release);
                }
            }
            _ => self.grow(ids),
        }
        id
    }

    /// Fills the next larger table with all slots.
    fn grow(&self, ids: &IdTable) {
        let count = ids.table_count.load(Ordering::Relaxed);
        let Some(next) = ids.tables.get(count as usize) else { return };
        let table = next.get_or_init(|| (0..TABLE_MIN << count).map(|_| AtomicU64::new(0)).collect());
        let mask = table.len() - 1;
        for slot in 0..self.len {
            let hash = ids.hash(IdNo::new(slot)).get();
            let mut at = low(hash) as usize & mask;
            while let Some(cell) = table.get(at) {
                if cell.load(Ordering::Relaxed) == 0 {
                    cell.store(join(high(hash), slot + 1), Ordering::Release);
                    break;
                }
                at = (at + 1) & mask;
            }
        }
        // Release: the table is filled before the count that exposes it.
        ids.table_count.store(count + 1, Ordering::Release);
    }
}

/// The events of one id in (timestamp, ordinal) order, from the newest on.
///
/// The chain is in order of ordinals. Events that are not late are in order of time as well, so that such a one is
/// the newest of what is left of the chain; late ones are held back until the walk has come down to their time.
#[derive(Debug)]
pub(in crate::index) struct Chain<'a> {
    ids: &'a IdTable,
    next: Option<u32>,
    held: BinaryHeap<IdPosting>,
}

impl<'a> Chain<'a> {
    /// The events of an id below `bound`, or `None` if there is none.
    pub(in crate::index) fn new(ids: &'a IdTable, id: IdNo, bound: u32) -> Option<Self> {
        let mut next = ids.head(id);
        while let Some(ordinal) = next.filter(|ordinal| *ordinal >= bound) {
            next = ids.link(ordinal).0;
        }
        next.map(|_| Self { ids, next, held: BinaryHeap::new() })
    }

    /// The newest event that was not returned yet. `time_of` gives the timestamp of an ordinal.
    #[inline]
    pub(in crate::index) fn next(&mut self, time_of: impl Fn(u32) -> i64) -> Option<IdPosting> {
        while let Some(ordinal) = self.next {
            let (before, late) = self.ids.link(ordinal);
            let posting =
                IdPosting { timestamp: Nanos::new(time_of(ordinal)), ordinal: Ordinal::new(ordinal) };
            if late {
                self.held.push(posting);
                self.next = before;
            } else if self.held.peek().is_some_and(|held| *held > posting) {
                return self.held.pop();
            } else {
                self.next = before;
                return Some(posting);
            }
        }
        self.held.pop()
    }

    /// Leaves out what is at or after `to` and was not passed yet.
    pub(in crate::index) fn seek_back(&mut self, to: IdPosting, time_of: impl Fn(u32) -> i64) {
        while let Some(posting) = self.next(&time_of) {
            if posting < to {
                // It is the newest of what is left, wherever it is held.
                self.held.push(posting);
                return;
            }
        }
    }
}
