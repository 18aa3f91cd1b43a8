//! redb: four tables.
//!
//! Not synced means `Durability::None`, after which even a kill -9 takes back what was committed since the last
//! durable commit; one is made every so often, as the pages of the others are freed only then.

use std::path::Path;
use std::sync::Mutex;

use anyhow::{Context as _, Result};
use redb::{
    Database, Durability, ReadOnlyTable, ReadableDatabase as _, ReadableTable as _,
    ReadableTableMetadata as _, TableDefinition,
};

use crate::peer::{Keys, Level, Peer, Promise, kind_key, person_key, prepare_all, prepared};
use crate::record::{Prepared, merge_profile};

type Definition<K, V> = TableDefinition<'static, K, V>;

const RECORDS: Definition<u64, &[u8]> = TableDefinition::new("records");
const KINDS: Definition<&[u8; 16], &[u8; 8]> = TableDefinition::new("kinds");
const PEOPLE: Definition<&[u8; 24], ()> = TableDefinition::new("people");
const PROFILES: Definition<&[u8], &[u8]> = TableDefinition::new("profiles");

const CACHE_BYTES: usize = 1 << 30;

/// Events between two durable commits where the others are not.
const DURABLE_EVERY: u64 = 100_000;

/// An open database.
#[derive(Debug)]
pub struct Redb {
    database: Database,
    level: Level,
    next: Mutex<Next>,
}

#[derive(Debug)]
struct Next {
    seq: u64,
    durable: u64,
    row: Vec<u8>,
    imported: Vec<Prepared>,
}

impl Redb {
    fn store(&self, next: &mut Next, events: &[Prepared]) -> Result<()> {
        let mut txn = self.database.begin_write()?;
        let is_durable = self.level == Level::Durable || next.seq - next.durable >= DURABLE_EVERY;
        txn.set_durability(if is_durable { Durability::Immediate } else { Durability::None })?;
        let mut seq = next.seq;
        {
            let mut records = txn.open_table(RECORDS)?;
            let mut kinds = txn.open_table(KINDS)?;
            let mut people = txn.open_table(PEOPLE)?;
            let mut profiles = None;
            for event in events {
                records.insert(seq, event.record.as_slice())?;
                kinds.insert(&kind_key(event.kind, seq), &event.time.to_le_bytes())?;
                people.insert(&person_key(event.person, event.time, seq), ())?;
                if let Some((key, traits)) = &event.traits {
                    if profiles.is_none() {
                        profiles = Some(txn.open_table(PROFILES)?);
                    }
                    let table = profiles.as_mut().context("opened above")?;
                    let old = table.get(key.as_slice())?;
                    let old_row = old.as_ref().map_or(&[][..], |row| row.value());
                    merge_profile(old_row, traits, event.time, &mut next.row)?;
                    drop(old);
                    table.insert(key.as_slice(), next.row.as_slice())?;
                }
                seq += 1;
            }
        }
        txn.commit()?;
        next.seq = seq;
        if is_durable {
            next.durable = seq;
        }
        Ok(())
    }
}

impl Peer for Redb {
    const NAME: &'static str = "redb";

    type Ready = Prepared;
    type View<'a> = RedbView;

    fn promise(level: Level) -> Promise {
        match level {
            Level::Buffered => {
                Promise { kill: "to the last durable commit", power: "to the last durable commit" }
            }
            Level::Durable => Promise { kill: "all", power: "all" },
        }
    }

    fn open(directory: &Path, level: Level) -> Result<Self> {
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE_BYTES);
        let database = builder.create(directory.join("events.redb"))?;
        let txn = database.begin_write()?;
        let last = {
            txn.open_table(KINDS)?;
            txn.open_table(PEOPLE)?;
            txn.open_table(PROFILES)?;
            let records = txn.open_table(RECORDS)?;
            records.last()?.map_or(0, |(seq, _)| seq.value())
        };
        txn.commit()?;
        let seq = last + 1;
        let next = Mutex::new(Next { seq, durable: seq, row: Vec::new(), imported: Vec::new() });
        Ok(Self { database, level, next })
    }

    fn ready(&self, line: &str) -> Result<Prepared> {
        prepared(line)
    }

    fn append(&self, events: &[Prepared]) -> Result<()> {
        self.store(&mut self.next.lock().expect("no panic"), events)
    }

    fn import(&self, lines: &[String]) -> Result<()> {
        let mut next = self.next.lock().expect("no panic");
        let mut events = std::mem::take(&mut next.imported);
        prepare_all(lines, &mut events)?;
        self.store(&mut next, &events)?;
        next.imported = events;
        Ok(())
    }

    fn view(&self) -> Result<RedbView> {
        let txn = self.database.begin_read()?;
        Ok(RedbView {
            records: txn.open_table(RECORDS)?,
            kinds: txn.open_table(KINDS)?,
            people: txn.open_table(PEOPLE)?,
            profiles: txn.open_table(PROFILES)?,
        })
    }

    fn close(self) -> Result<()> {
        self.database.close()?;
        Ok(())
    }
}

/// The tables of a read transaction.
pub struct RedbView {
    records: ReadOnlyTable<u64, &'static [u8]>,
    kinds: ReadOnlyTable<&'static [u8; 16], &'static [u8; 8]>,
    people: ReadOnlyTable<&'static [u8; 24], ()>,
    profiles: ReadOnlyTable<&'static [u8], &'static [u8]>,
}

impl Keys for RedbView {
    fn len(&self) -> Result<u64> {
        Ok(self.records.len()?)
    }

    fn record<T>(&self, seq: u64, read: impl FnOnce(&[u8]) -> T) -> Result<T> {
        let record = self.records.get(seq)?.context("an index names a record that is not there")?;
        Ok(read(record.value()))
    }

    fn kinds(&self, range: [[u8; 16]; 2], mut visit: impl FnMut(&[u8], &[u8]) -> Result<()>) -> Result<()> {
        for entry in self.kinds.range::<&[u8; 16]>(&range[0]..=&range[1])? {
            let (key, value) = entry?;
            visit(key.value(), value.value())?;
        }
        Ok(())
    }

    fn people(&self, range: [[u8; 24]; 2], mut visit: impl FnMut(&[u8]) -> Result<bool>) -> Result<()> {
        for entry in self.people.range::<&[u8; 24]>(&range[0]..=&range[1])?.rev() {
            if !visit(entry?.0.value())? {
                break;
            }
        }
        Ok(())
    }

    fn records(&self, mut visit: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        for entry in self.records.iter()? {
            visit(entry?.1.value())?;
        }
        Ok(())
    }

    fn profile<T>(&self, key: &[u8], read: impl FnOnce(&[u8]) -> T) -> Result<Option<T>> {
        Ok(self.profiles.get(key)?.map(|row| read(row.value())))
    }
}
