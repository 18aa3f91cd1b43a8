//! LMDB: four databases of one environment.
//!
//! Not synced means `NOSYNC` with a writable mapping, the fastest that LMDB offers: a power loss may then leave a file
//! that is corrupt, which is less than what envelog's `Buffered` promises. Durable is its default.

use std::ops::Bound;
use std::path::Path;
use std::sync::Mutex;

use anyhow::{Context as _, Result};
use heed::types::Bytes;
use heed::{Database, Env, EnvFlags, EnvOpenOptions, PutFlags, RoTxn};

use crate::peer::{Keys, Level, Peer, Promise, kind_key, person_key, prepare_all, prepared, seq_of};
use crate::record::{Prepared, merge_profile};

type Table = Database<Bytes, Bytes>;

/// The most that the file may grow to; only what is used is allocated.
const MAP_BYTES: usize = 64 << 30;

/// An open environment.
#[derive(Debug)]
pub struct Lmdb {
    env: Env,
    tables: Tables,
    level: Level,
    next: Mutex<Next>,
}

#[derive(Debug, Clone, Copy)]
struct Tables {
    records: Table,
    kinds: Table,
    people: Table,
    profiles: Table,
}

#[derive(Debug)]
struct Next {
    seq: u64,
    row: Vec<u8>,
    imported: Vec<Prepared>,
}

impl Lmdb {
    fn store(&self, next: &mut Next, events: &[Prepared]) -> Result<()> {
        let Tables { records, kinds, people, profiles } = self.tables;
        let mut txn = self.env.write_txn()?;
        let mut seq = next.seq;
        for event in events {
            records.put_with_flags(&mut txn, PutFlags::APPEND, &seq.to_be_bytes(), &event.record)?;
            kinds.put(&mut txn, &kind_key(event.kind, seq), &event.time.to_le_bytes())?;
            people.put(&mut txn, &person_key(event.person, event.time, seq), &[])?;
            if let Some((key, traits)) = &event.traits {
                let old = profiles.get(&txn, key)?.unwrap_or_default();
                merge_profile(old, traits, event.time, &mut next.row)?;
                profiles.put(&mut txn, key, &next.row)?;
            }
            seq += 1;
        }
        txn.commit()?;
        next.seq = seq;
        Ok(())
    }
}

impl Peer for Lmdb {
    const NAME: &'static str = "lmdb";

    type Ready = Prepared;
    type View<'a> = LmdbView<'a>;

    fn promise(level: Level) -> Promise {
        match level {
            Level::Buffered => Promise { kill: "all", power: "may be corrupt" },
            Level::Durable => Promise { kill: "all", power: "all" },
        }
    }

    fn open(directory: &Path, level: Level) -> Result<Self> {
        let mut options = EnvOpenOptions::new();
        options.map_size(MAP_BYTES).max_dbs(4);
        if level == Level::Buffered {
            #[expect(unsafe_code, reason = "LMDB wants to be told that a power loss may corrupt the file")]
            // SAFETY: the file is a benchmark's own; nobody reads it after a power loss.
            unsafe {
                options.flags(EnvFlags::NO_SYNC | EnvFlags::WRITE_MAP);
            }
        }
        #[expect(unsafe_code, reason = "LMDB maps its file")]
        // SAFETY: the directory is this process's own, and the environment is opened once.
        let env = unsafe { options.open(directory) }?;
        let mut txn = env.write_txn()?;
        let tables = Tables {
            records: env.create_database(&mut txn, Some("records"))?,
            kinds: env.create_database(&mut txn, Some("kinds"))?,
            people: env.create_database(&mut txn, Some("people"))?,
            profiles: env.create_database(&mut txn, Some("profiles"))?,
        };
        let last = tables.records.last(&txn)?.map_or(0, |(key, _)| seq_of(key));
        txn.commit()?;
        let next = Mutex::new(Next { seq: last + 1, row: Vec::new(), imported: Vec::new() });
        Ok(Self { env, tables, level, next })
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

    fn view(&self) -> Result<LmdbView<'_>> {
        Ok(LmdbView { tables: self.tables, txn: self.env.read_txn()? })
    }

    fn bytes_used(&self) -> Result<Option<u64>> {
        Ok(Some(self.env.non_free_pages_size()?))
    }

    fn close(self) -> Result<()> {
        if self.level == Level::Buffered {
            self.env.force_sync()?;
        }
        self.env.prepare_for_closing().wait();
        Ok(())
    }
}

/// A read transaction.
pub struct LmdbView<'a> {
    tables: Tables,
    txn: RoTxn<'a, heed::WithTls>,
}

fn bounds<const N: usize>(range: &[[u8; N]; 2]) -> (Bound<&[u8]>, Bound<&[u8]>) {
    (Bound::Included(&range[0]), Bound::Included(&range[1]))
}

impl Keys for LmdbView<'_> {
    fn len(&self) -> Result<u64> {
        Ok(self.tables.records.len(&self.txn)?)
    }

    fn record<T>(&self, seq: u64, read: impl FnOnce(&[u8]) -> T) -> Result<T> {
        let record = self.tables.records.get(&self.txn, &seq.to_be_bytes())?;
        Ok(read(record.context("an index names a record that is not there")?))
    }

    fn kinds(&self, range: [[u8; 16]; 2], mut visit: impl FnMut(&[u8], &[u8]) -> Result<()>) -> Result<()> {
        for entry in self.tables.kinds.range(&self.txn, &bounds(&range))? {
            let (key, value) = entry?;
            visit(key, value)?;
        }
        Ok(())
    }

    fn people(&self, range: [[u8; 24]; 2], mut visit: impl FnMut(&[u8]) -> Result<bool>) -> Result<()> {
        for entry in self.tables.people.rev_range(&self.txn, &bounds(&range))? {
            if !visit(entry?.0)? {
                break;
            }
        }
        Ok(())
    }

    fn records(&self, mut visit: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        for entry in self.tables.records.iter(&self.txn)? {
            visit(entry?.1)?;
        }
        Ok(())
    }

    fn profile<T>(&self, key: &[u8], read: impl FnOnce(&[u8]) -> T) -> Result<Option<T>> {
        Ok(self.tables.profiles.get(&self.txn, key)?.map(read))
    }
}
