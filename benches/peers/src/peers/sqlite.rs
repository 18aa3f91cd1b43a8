//! SQLite: a table of events with the record as a blob, two indexes, a table of profiles; a write-ahead log.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::Result;
use envelog::Uuid;
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::peer::{Level, Peer, Promise, Sum, View, Visited, prepare_all, prepared};
use crate::record::{Prepared, Record, key_hash, merge_profile, profile_key, traits};

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS events (
        seq INTEGER PRIMARY KEY, kind INTEGER NOT NULL, person INTEGER NOT NULL, time INTEGER NOT NULL,
        record BLOB NOT NULL);
    CREATE INDEX IF NOT EXISTS by_kind ON events (kind, seq, time);
    CREATE INDEX IF NOT EXISTS by_person ON events (person, time, seq);
    CREATE TABLE IF NOT EXISTS profiles (id BLOB PRIMARY KEY, row BLOB NOT NULL) WITHOUT ROWID;";

const INSERT: &str = "INSERT INTO events (kind, person, time, record) VALUES (?1, ?2, ?3, ?4)";
const PROFILE: &str = "SELECT row FROM profiles WHERE id = ?1";
const UPSERT: &str =
    "INSERT INTO profiles (id, row) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET row = excluded.row";

/// An open database.
#[derive(Debug)]
pub struct Sqlite {
    path: PathBuf,
    level: Level,
    writer: Mutex<Writer>,
}

#[derive(Debug)]
struct Writer {
    connection: Connection,
    row: Vec<u8>,
    imported: Vec<Prepared>,
}

fn connect(path: &Path, level: Level) -> Result<Connection> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "page_size", 8_192)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", if level == Level::Durable { "FULL" } else { "NORMAL" })?;
    // In KiB where negative.
    connection.pragma_update(None, "cache_size", -262_144)?;
    connection.pragma_update(None, "mmap_size", 2_147_418_112_i64)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // Pages: 64 MiB between two checkpoints.
    connection.pragma_update(None, "wal_autocheckpoint", 8_192)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

fn store(connection: &mut Connection, row: &mut Vec<u8>, events: &[Prepared]) -> Result<()> {
    let txn = connection.transaction()?;
    {
        let mut insert = txn.prepare_cached(INSERT)?;
        for event in events {
            let time = event.time.cast_signed();
            insert.execute(params![
                event.kind.cast_signed(),
                event.person.cast_signed(),
                time,
                event.record
            ])?;
            if let Some((key, traits)) = &event.traits {
                let mut profile = txn.prepare_cached(PROFILE)?;
                let merge = |old: &[u8], row: &mut Vec<u8>| merge_profile(old, traits, event.time, row);
                let mut rows = profile.query([key])?;
                match rows.next()? {
                    Some(old) => merge(old.get_ref(0)?.as_blob()?, row)?,
                    None => merge(&[], row)?,
                }
                drop(rows);
                txn.prepare_cached(UPSERT)?.execute(params![key, &*row])?;
            }
        }
    }
    txn.commit()?;
    Ok(())
}

impl Peer for Sqlite {
    const NAME: &'static str = "sqlite";

    type Ready = Prepared;
    type View<'a> = SqliteView;

    fn promise(level: Level) -> Promise {
        match level {
            Level::Buffered => Promise { kill: "all", power: "a prefix" },
            Level::Durable => Promise { kill: "all", power: "all" },
        }
    }

    fn open(directory: &Path, level: Level) -> Result<Self> {
        let path = directory.join("events.sqlite");
        let connection = connect(&path, level)?;
        connection.execute_batch(SCHEMA)?;
        let writer = Mutex::new(Writer { connection, row: Vec::new(), imported: Vec::new() });
        Ok(Self { path, level, writer })
    }

    fn ready(&self, line: &str) -> Result<Prepared> {
        prepared(line)
    }

    fn append(&self, events: &[Prepared]) -> Result<()> {
        let mut writer = self.writer.lock().expect("no panic");
        let Writer { connection, row, .. } = &mut *writer;
        store(connection, row, events)
    }

    fn import(&self, lines: &[String]) -> Result<()> {
        let mut writer = self.writer.lock().expect("no panic");
        let Writer { connection, row, imported } = &mut *writer;
        prepare_all(lines, imported)?;
        store(connection, row, imported)
    }

    fn view(&self) -> Result<SqliteView> {
        Ok(SqliteView { connection: connect(&self.path, self.level)? })
    }

    fn close(self) -> Result<()> {
        let writer = self.writer.into_inner().expect("no panic");
        writer.connection.close().map_err(|(_, error)| error)?;
        Ok(())
    }
}

/// A connection that reads.
#[derive(Debug)]
pub struct SqliteView {
    connection: Connection,
}

const ALL: &str = "SELECT record FROM events ORDER BY seq";
const OF_KIND: &str = "SELECT record FROM events WHERE kind = ?1 ORDER BY seq";
const OF_PERSON: &str = "SELECT record FROM events WHERE person = ?1 ORDER BY time DESC, seq DESC";
const COUNT: &str = "SELECT count(*) FROM events WHERE kind = ?1";
const COUNT_BETWEEN: &str = "SELECT count(*) FROM events WHERE kind = ?1 AND time >= ?2 AND time < ?3";

fn hash(project: Uuid, name: &str) -> i64 {
    key_hash(project, name).cast_signed()
}

impl SqliteView {
    /// Reads the records of a question until the answer is false.
    fn records(
        &self,
        question: &str,
        parameters: impl rusqlite::Params,
        mut visit: impl FnMut(&Record<'_>) -> bool,
    ) -> Result<()> {
        let mut statement = self.connection.prepare_cached(question)?;
        let mut rows = statement.query(parameters)?;
        while let Some(row) = rows.next()? {
            if !visit(&Record::read(row.get_ref(0)?.as_blob()?)?) {
                break;
            }
        }
        Ok(())
    }

    fn number(&self, question: &str, parameters: impl rusqlite::Params) -> Result<u64> {
        let mut statement = self.connection.prepare_cached(question)?;
        let number: i64 = statement.query_row(parameters, |row| row.get(0))?;
        Ok(u64::try_from(number)?)
    }

    fn profile<T>(&self, key: &[u8], read: impl FnOnce(&[u8]) -> T) -> Result<Option<T>> {
        let mut statement = self.connection.prepare_cached(PROFILE)?;
        Ok(statement.query_row([key], |row| Ok(read(row.get_ref(0)?.as_blob()?))).optional()?)
    }
}

impl View for SqliteView {
    fn events(&self) -> Result<u64> {
        self.number("SELECT count(*) FROM events", [])
    }

    fn visit_type(&self, project: Uuid, event_type: &str) -> Result<Visited> {
        let mut visited = Visited::default();
        self.records(OF_KIND, [hash(project, event_type)], |record| {
            visited.add(record.time());
            true
        })?;
        Ok(visited)
    }

    fn newest(&self, project: Uuid, user: &str, limit: usize) -> Result<Visited> {
        let mut visited = Visited::default();
        self.records(OF_PERSON, [hash(project, user)], |record| {
            // The index has a hash of the user only.
            if record.user() == user {
                visited.add(record.time());
            }
            visited.events < limit as u64
        })?;
        Ok(visited)
    }

    fn count(&self, project: Uuid, event_type: &str) -> Result<u64> {
        self.number(COUNT, [hash(project, event_type)])
    }

    fn count_between(&self, project: Uuid, event_type: &str, from: u64, until: u64) -> Result<u64> {
        let times = [from.cast_signed(), until.cast_signed()];
        self.number(COUNT_BETWEEN, params![hash(project, event_type), times[0], times[1]])
    }

    fn sum_type(&self, project: Uuid, event_type: &str, property: &str) -> Result<Sum> {
        let mut sum = Sum::default();
        self.records(OF_KIND, [hash(project, event_type)], |record| {
            sum.add(record, property);
            true
        })?;
        Ok(sum)
    }

    fn sum_all(&self, _projects: &[Uuid], property: &str) -> Result<Sum> {
        let mut sum = Sum::default();
        self.records(ALL, [], |record| {
            sum.add(record, property);
            true
        })?;
        Ok(sum)
    }

    fn trait_len(&self, project: Uuid, user: &str, name: &str) -> Result<Option<usize>> {
        let len = self.profile(&profile_key(project, user), |row| {
            traits(row).find(|entry| entry.name() == name).and_then(|entry| entry.as_text()).map(str::len)
        })?;
        Ok(len.flatten())
    }

    fn traits(&self, project: Uuid, user: &str) -> Result<BTreeMap<String, serde_json::Value>> {
        let read = |row: &[u8]| traits(row).map(|entry| (entry.name().to_owned(), entry.to_json())).collect();
        Ok(self.profile(&profile_key(project, user), read)?.unwrap_or_default())
    }
}
