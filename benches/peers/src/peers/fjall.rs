//! fjall: four keyspaces of one database, a write batch for each commit.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use crate::peer::{Keys, Level, Peer, Promise, kind_key, person_key, prepare_all, prepared, seq_of};
use crate::record::{Prepared, merge_profile};

const CACHE_BYTES: u64 = 1 << 30;

/// An open database.
pub struct Fjall {
    database: Database,
    tables: Tables,
    mode: PersistMode,
    next: AtomicU64,
    /// Held while a profile is read, merged and written.
    merging: Mutex<()>,
    imported: Mutex<Vec<Prepared>>,
}

#[derive(Clone)]
struct Tables {
    records: Keyspace,
    kinds: Keyspace,
    people: Keyspace,
    profiles: Keyspace,
}

impl Peer for Fjall {
    const NAME: &'static str = "fjall";

    type Ready = Prepared;
    type View<'a> = FjallView;

    fn promise(level: Level) -> Promise {
        match level {
            Level::Buffered => Promise { kill: "all", power: "a prefix" },
            Level::Durable => Promise { kill: "all", power: "all" },
        }
    }

    fn open(directory: &Path, level: Level) -> Result<Self> {
        let database = Database::builder(directory.join("fjall")).cache_size(CACHE_BYTES).open()?;
        // Every read that is asked here finds what it asks for, but that of a user's first profile.
        let found = || KeyspaceCreateOptions::default().expect_point_read_hits(true);
        let tables = Tables {
            records: database.keyspace("records", found)?,
            kinds: database.keyspace("kinds", found)?,
            people: database.keyspace("people", found)?,
            profiles: database.keyspace("profiles", KeyspaceCreateOptions::default)?,
        };
        let last = tables.records.last_key_value().map(fjall::Guard::key).transpose()?;
        let next = AtomicU64::new(last.map_or(0, |key| seq_of(&key)) + 1);
        let mode = if level == Level::Durable { PersistMode::SyncData } else { PersistMode::Buffer };
        Ok(Self { database, tables, mode, next, merging: Mutex::new(()), imported: Mutex::new(Vec::new()) })
    }

    fn ready(&self, line: &str) -> Result<Prepared> {
        prepared(line)
    }

    fn append(&self, events: &[Prepared]) -> Result<()> {
        let Tables { records, kinds, people, profiles } = &self.tables;
        let first = self.next.fetch_add(events.len() as u64, Ordering::Relaxed);
        let mut batch = self.database.batch().durability(Some(self.mode));
        let mut merging = None;
        // A batch cannot be read back: profiles that it has changed already are kept beside it.
        let mut rows: Vec<(&[u8], Vec<u8>)> = Vec::new();
        for (seq, event) in (first..).zip(events) {
            batch.insert(records, seq.to_be_bytes().as_slice(), event.record.as_slice());
            let time = event.time.to_le_bytes();
            batch.insert(kinds, kind_key(event.kind, seq).as_slice(), time.as_slice());
            batch.insert(people, person_key(event.person, event.time, seq).as_slice(), b"".as_slice());
            if let Some((key, traits)) = &event.traits {
                merging.get_or_insert_with(|| self.merging.lock().expect("no panic"));
                let mut row = Vec::new();
                if let Some((_, old)) = rows.iter_mut().find(|(of, _)| *of == key.as_slice()) {
                    merge_profile(old, traits, event.time, &mut row)?;
                    *old = row;
                } else {
                    let old = profiles.get(key)?;
                    merge_profile(old.as_deref().unwrap_or_default(), traits, event.time, &mut row)?;
                    rows.push((key, row));
                }
            }
        }
        for (key, row) in rows {
            batch.insert(profiles, key, row);
        }
        batch.commit()?;
        Ok(())
    }

    fn import(&self, lines: &[String]) -> Result<()> {
        let mut events = self.imported.lock().expect("no panic");
        prepare_all(lines, &mut events)?;
        self.append(&events)
    }

    fn settle(&self) -> Result<()> {
        while self.database.outstanding_flushes() > 0 || self.database.active_compactions() > 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn view(&self) -> Result<FjallView> {
        Ok(FjallView(self.tables.clone()))
    }

    fn close(self) -> Result<()> {
        self.database.persist(PersistMode::SyncAll)?;
        Ok(())
    }
}

/// The keyspaces.
pub struct FjallView(Tables);

impl Keys for FjallView {
    fn len(&self) -> Result<u64> {
        Ok(self.0.records.len()? as u64)
    }

    fn record<T>(&self, seq: u64, read: impl FnOnce(&[u8]) -> T) -> Result<T> {
        let record = self.0.records.get(seq.to_be_bytes())?;
        Ok(read(&record.context("an index names a record that is not there")?))
    }

    fn kinds(&self, range: [[u8; 16]; 2], mut visit: impl FnMut(&[u8], &[u8]) -> Result<()>) -> Result<()> {
        for entry in self.0.kinds.range(range[0]..=range[1]) {
            let (key, value) = entry.into_inner()?;
            visit(&key, &value)?;
        }
        Ok(())
    }

    fn people(&self, range: [[u8; 24]; 2], mut visit: impl FnMut(&[u8]) -> Result<bool>) -> Result<()> {
        for entry in self.0.people.range(range[0]..=range[1]).rev() {
            if !visit(&entry.key()?)? {
                break;
            }
        }
        Ok(())
    }

    fn records(&self, mut visit: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        for entry in self.0.records.iter() {
            visit(&entry.value()?)?;
        }
        Ok(())
    }

    fn profile<T>(&self, key: &[u8], read: impl FnOnce(&[u8]) -> T) -> Result<Option<T>> {
        Ok(self.0.profiles.get(key)?.map(|row| read(&row)))
    }
}
