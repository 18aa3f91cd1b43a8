//! RocksDB: four column families, a write batch for each commit, the log on.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result};
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, Direction,
    IteratorMode, Options, ReadOptions, WaitForCompactOptions, WriteBatch, WriteOptions,
};

use crate::peer::{Keys, Level, Peer, Promise, kind_key, person_key, prepare_all, prepared, seq_of};
use crate::record::{Prepared, merge_profile};

const CACHE_BYTES: usize = 1 << 30;
const TABLES: [&str; 4] = ["records", "kinds", "people", "profiles"];

/// An open database.
pub struct RocksDb {
    database: DB,
    is_durable: bool,
    next: AtomicU64,
    /// Held while a profile is read, merged and written.
    merging: Mutex<()>,
    imported: Mutex<Vec<Prepared>>,
}

impl RocksDb {
    fn table(&self, name: &str) -> Result<&ColumnFamily> {
        self.database.cf_handle(name).context("a column family that was opened")
    }
}

impl Peer for RocksDb {
    const NAME: &'static str = "rocksdb";

    type Ready = Prepared;
    type View<'a> = RocksView<'a>;

    fn promise(level: Level) -> Promise {
        match level {
            Level::Buffered => Promise { kill: "all", power: "a prefix" },
            Level::Durable => Promise { kill: "all", power: "all" },
        }
    }

    fn open(directory: &Path, level: Level) -> Result<Self> {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.increase_parallelism(2);
        let mut blocks = BlockBasedOptions::default();
        blocks.set_block_cache(&Cache::new_lru_cache(CACHE_BYTES));
        blocks.set_bloom_filter(10.0, false);
        blocks.set_cache_index_and_filter_blocks(true);
        blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
        let tables = TABLES.map(|name| {
            let mut options = Options::default();
            options.set_block_based_table_factory(&blocks);
            options.set_compression_type(DBCompressionType::Lz4);
            options.set_level_compaction_dynamic_level_bytes(true);
            ColumnFamilyDescriptor::new(name, options)
        });
        let database = DB::open_cf_descriptors(&options, directory.join("rocksdb"), tables)?;
        let next = AtomicU64::new(1);
        let is_durable = level == Level::Durable;
        let peer =
            Self { database, is_durable, next, merging: Mutex::new(()), imported: Mutex::new(Vec::new()) };
        let last = peer.database.iterator_cf(peer.table("records")?, IteratorMode::End).next().transpose()?;
        peer.next.store(last.map_or(0, |(key, _)| seq_of(&key)) + 1, Ordering::Relaxed);
        Ok(peer)
    }

    fn ready(&self, line: &str) -> Result<Prepared> {
        prepared(line)
    }

    fn append(&self, events: &[Prepared]) -> Result<()> {
        let [records, kinds, people, profiles] =
            [self.table("records")?, self.table("kinds")?, self.table("people")?, self.table("profiles")?];
        let first = self.next.fetch_add(events.len() as u64, Ordering::Relaxed);
        let mut batch = WriteBatch::default();
        let mut merging = None;
        // A batch cannot be read back: profiles that it has changed already are kept beside it.
        let mut rows: Vec<(&[u8], Vec<u8>)> = Vec::new();
        for (seq, event) in (first..).zip(events) {
            batch.put_cf(records, seq.to_be_bytes(), &event.record);
            batch.put_cf(kinds, kind_key(event.kind, seq), event.time.to_le_bytes());
            batch.put_cf(people, person_key(event.person, event.time, seq), b"");
            if let Some((key, traits)) = &event.traits {
                merging.get_or_insert_with(|| self.merging.lock().expect("no panic"));
                let mut row = Vec::new();
                if let Some((_, old)) = rows.iter_mut().find(|(of, _)| *of == key.as_slice()) {
                    merge_profile(old, traits, event.time, &mut row)?;
                    *old = row;
                } else {
                    let old = self.database.get_pinned_cf(profiles, key)?;
                    merge_profile(old.as_deref().unwrap_or_default(), traits, event.time, &mut row)?;
                    rows.push((key, row));
                }
            }
        }
        for (key, row) in rows {
            batch.put_cf(profiles, key, row);
        }
        let mut options = WriteOptions::default();
        options.set_sync(self.is_durable);
        self.database.write_opt(batch, &options)?;
        Ok(())
    }

    fn import(&self, lines: &[String]) -> Result<()> {
        let mut events = self.imported.lock().expect("no panic");
        prepare_all(lines, &mut events)?;
        self.append(&events)
    }

    fn settle(&self) -> Result<()> {
        Ok(self.database.wait_for_compact(&WaitForCompactOptions::default())?)
    }

    fn view(&self) -> Result<RocksView<'_>> {
        Ok(RocksView {
            database: &self.database,
            records: self.table("records")?,
            kinds: self.table("kinds")?,
            people: self.table("people")?,
            profiles: self.table("profiles")?,
        })
    }

    fn close(self) -> Result<()> {
        self.database.flush_wal(true)?;
        Ok(())
    }
}

/// The column families.
pub struct RocksView<'a> {
    database: &'a DB,
    records: &'a ColumnFamily,
    kinds: &'a ColumnFamily,
    people: &'a ColumnFamily,
    profiles: &'a ColumnFamily,
}

/// Reads from the first key up to and with the last one.
fn within<const N: usize>(range: &[[u8; N]; 2]) -> ReadOptions {
    let mut options = ReadOptions::default();
    options.set_iterate_lower_bound(range[0]);
    options.set_iterate_upper_bound([range[1].as_slice(), &[0]].concat());
    options
}

impl Keys for RocksView<'_> {
    fn len(&self) -> Result<u64> {
        let mut iterator = self.database.raw_iterator_cf(self.records);
        iterator.seek_to_first();
        let mut records = 0;
        while iterator.valid() {
            records += 1;
            iterator.next();
        }
        Ok(iterator.status().map(|()| records)?)
    }

    fn record<T>(&self, seq: u64, read: impl FnOnce(&[u8]) -> T) -> Result<T> {
        let record = self.database.get_pinned_cf(self.records, seq.to_be_bytes())?;
        Ok(read(&record.context("an index names a record that is not there")?))
    }

    fn kinds(&self, range: [[u8; 16]; 2], mut visit: impl FnMut(&[u8], &[u8]) -> Result<()>) -> Result<()> {
        let mut iterator = self.database.raw_iterator_cf_opt(self.kinds, within(&range));
        iterator.seek(range[0]);
        while let Some((key, value)) = iterator.item() {
            visit(key, value)?;
            iterator.next();
        }
        Ok(iterator.status()?)
    }

    fn people(&self, range: [[u8; 24]; 2], mut visit: impl FnMut(&[u8]) -> Result<bool>) -> Result<()> {
        let mode = IteratorMode::From(&range[1], Direction::Reverse);
        for entry in self.database.iterator_cf_opt(self.people, within(&range), mode) {
            if !visit(&entry?.0)? {
                break;
            }
        }
        Ok(())
    }

    fn records(&self, mut visit: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let mut iterator = self.database.raw_iterator_cf(self.records);
        iterator.seek_to_first();
        while let Some(record) = iterator.value() {
            visit(record)?;
            iterator.next();
        }
        Ok(iterator.status()?)
    }

    fn profile<T>(&self, key: &[u8], read: impl FnOnce(&[u8]) -> T) -> Result<Option<T>> {
        Ok(self.database.get_pinned_cf(self.profiles, key)?.map(|row| read(&row)))
    }
}
