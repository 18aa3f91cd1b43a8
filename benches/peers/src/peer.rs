//! What every store in the comparison has to do: the same work, so that a ratio of two times means something.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use envelog::Uuid;

use crate::record::{Prepared, Record, traits};

/// What an append that has returned is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Not synced: the fastest that the store's users would call safe enough for events.
    Buffered,
    /// Survives a power loss.
    Durable,
}

/// What a store keeps of what it has acknowledged.
#[derive(Debug, Clone, Copy)]
pub struct Promise {
    /// After a kill -9.
    pub kill: &'static str,
    /// After a power loss.
    pub power: &'static str,
}

/// A store, open for writing.
pub trait Peer: Sized + Send + Sync {
    /// As it is called on the command line and in the results.
    const NAME: &'static str;

    /// An event that is ready to be stored: parsed, and encoded as far as it can be before it is stored.
    type Ready: Send + Sync;

    /// What of the store's answers can be asked.
    type View<'a>: View
    where
        Self: 'a;

    /// What is kept at this level.
    fn promise(level: Level) -> Promise;

    /// Opens the store in a directory, which may be empty.
    fn open(directory: &Path, level: Level) -> Result<Self>;

    /// Makes a line of NDJSON ready.
    fn ready(&self, line: &str) -> Result<Self::Ready>;

    /// Stores the events in one commit.
    fn append(&self, events: &[Self::Ready]) -> Result<()>;

    /// Parses, checks and stores lines of NDJSON in one commit.
    fn import(&self, lines: &[String]) -> Result<()>;

    /// Returns when the background has nothing left to do, as far as the store can tell.
    fn settle(&self) -> Result<()> {
        Ok(())
    }

    /// A reader that sees what is there now.
    fn view(&self) -> Result<Self::View<'_>>;

    /// Bytes in use, if the store itself says so: without what is only set aside.
    fn bytes_used(&self) -> Result<Option<u64>> {
        Ok(None)
    }

    /// Closes the store in the way that its documentation asks for.
    fn close(self) -> Result<()>;
}

/// The questions. A project and a type, or a user, are asked for by name each time.
pub trait View {
    /// Number of events of all projects.
    fn events(&self) -> Result<u64>;

    /// Visits the record of every event of a type, and reads its time.
    fn visit_type(&self, project: Uuid, event_type: &str) -> Result<Visited>;

    /// The newest events of a user by time; reads the time of each record.
    fn newest(&self, project: Uuid, user: &str, limit: usize) -> Result<Visited>;

    /// Number of events of a type.
    fn count(&self, project: Uuid, event_type: &str) -> Result<u64>;

    /// Number of events of a type from one time up to another, in milliseconds since 1970.
    fn count_between(&self, project: Uuid, event_type: &str, from: u64, until: u64) -> Result<u64>;

    /// Sum of an integer property over a type.
    fn sum_type(&self, project: Uuid, event_type: &str, property: &str) -> Result<Sum>;

    /// Sum of an integer property over all events.
    fn sum_all(&self, projects: &[Uuid], property: &str) -> Result<Sum>;

    /// Bytes of one trait of a profile, if it is a text.
    fn trait_len(&self, project: Uuid, user: &str, name: &str) -> Result<Option<usize>>;

    /// All traits of a user.
    #[cfg_attr(not(test), allow(dead_code, reason = "the tests compare it"))]
    fn traits(&self, project: Uuid, user: &str) -> Result<BTreeMap<String, serde_json::Value>>;
}

/// What was seen on the way: how many events, and a number that depends on the time of each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Visited {
    /// Events.
    pub events: u64,
    /// Wrapping sum of their times, in milliseconds.
    pub times: u64,
}

impl Visited {
    /// One event more.
    pub fn add(&mut self, time: u64) {
        self.events += 1;
        self.times = self.times.wrapping_add(time);
    }
}

/// A sum of integers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    /// Events that have the property as an integer.
    pub count: u64,
    /// Its sum.
    pub total: i64,
}

impl Sum {
    /// Adds what a record says.
    pub fn add(&mut self, record: &Record<'_>, property: &str) {
        if let Some(value) = record.property(property).and_then(|entry| entry.as_i64()) {
            self.count += 1;
            self.total += value;
        }
    }
}

/// Key of an event in the index by type: project and type, seq.
pub fn kind_key(kind: u64, seq: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&kind.to_be_bytes());
    key[8..].copy_from_slice(&seq.to_be_bytes());
    key
}

/// Key of an event in the index by user: project and user, time, seq.
pub fn person_key(person: u64, time: u64, seq: u64) -> [u8; 24] {
    let mut key = [0; 24];
    key[..8].copy_from_slice(&person.to_be_bytes());
    key[8..16].copy_from_slice(&time.to_be_bytes());
    key[16..].copy_from_slice(&seq.to_be_bytes());
    key
}

/// The seq at the end of a key.
pub fn seq_of(key: &[u8]) -> u64 {
    key.last_chunk().map_or(0, |seq| u64::from_be_bytes(*seq))
}

/// A time as the index by type has it.
pub fn time_of(value: &[u8]) -> u64 {
    value.first_chunk().map_or(0, |time| u64::from_le_bytes(*time))
}

/// Prepares lines for a store of records.
pub fn prepared(line: &str) -> Result<Prepared> {
    let mut out = Prepared::default();
    crate::record::prepare(line, &mut out)?;
    Ok(out)
}

/// Prepares many lines in buffers that are used again.
pub fn prepare_all(lines: &[String], events: &mut Vec<Prepared>) -> Result<()> {
    events.resize_with(lines.len(), Prepared::default);
    lines.iter().zip(events).try_for_each(|(line, event)| crate::record::prepare(line, event))
}

/// The questions that a store of ordered keys can answer; [`View`] follows from them.
pub trait Keys {
    /// Number of records.
    fn len(&self) -> Result<u64>;

    /// Reads a record.
    fn record<T>(&self, seq: u64, read: impl FnOnce(&[u8]) -> T) -> Result<T>;

    /// Visits keys and values of the index by type, in order.
    fn kinds(&self, range: [[u8; 16]; 2], visit: impl FnMut(&[u8], &[u8]) -> Result<()>) -> Result<()>;

    /// Visits keys of the index by user from the last one on, until the answer is false.
    fn people(&self, range: [[u8; 24]; 2], visit: impl FnMut(&[u8]) -> Result<bool>) -> Result<()>;

    /// Visits all records.
    fn records(&self, visit: impl FnMut(&[u8]) -> Result<()>) -> Result<()>;

    /// Reads the row of a profile.
    fn profile<T>(&self, key: &[u8], read: impl FnOnce(&[u8]) -> T) -> Result<Option<T>>;
}

fn all_of_kind(project: Uuid, event_type: &str) -> [[u8; 16]; 2] {
    let kind = crate::record::key_hash(project, event_type);
    [kind_key(kind, 0), kind_key(kind, u64::MAX)]
}

impl<K: Keys> View for K {
    fn events(&self) -> Result<u64> {
        self.len()
    }

    fn visit_type(&self, project: Uuid, event_type: &str) -> Result<Visited> {
        let mut visited = Visited::default();
        self.kinds(all_of_kind(project, event_type), |key, _| {
            visited.add(self.record(seq_of(key), |bytes| Record::read(bytes).map(|record| record.time()))??);
            Ok(())
        })?;
        Ok(visited)
    }

    fn newest(&self, project: Uuid, user: &str, limit: usize) -> Result<Visited> {
        let person = crate::record::key_hash(project, user);
        let mut visited = Visited::default();
        let range = [person_key(person, 0, 0), person_key(person, u64::MAX, u64::MAX)];
        self.people(range, |key| {
            let time = self.record(seq_of(key), |bytes| {
                // The key has a hash of the user only.
                Record::read(bytes).map(|record| (record.user() == user).then(|| record.time()))
            })??;
            if let Some(time) = time {
                visited.add(time);
            }
            Ok(visited.events < limit as u64)
        })?;
        Ok(visited)
    }

    fn count(&self, project: Uuid, event_type: &str) -> Result<u64> {
        let mut events = 0;
        self.kinds(all_of_kind(project, event_type), |_, _| {
            events += 1;
            Ok(())
        })?;
        Ok(events)
    }

    fn count_between(&self, project: Uuid, event_type: &str, from: u64, until: u64) -> Result<u64> {
        let mut events = 0;
        self.kinds(all_of_kind(project, event_type), |_, value| {
            events += u64::from((from..until).contains(&time_of(value)));
            Ok(())
        })?;
        Ok(events)
    }

    fn sum_type(&self, project: Uuid, event_type: &str, property: &str) -> Result<Sum> {
        let mut sum = Sum::default();
        self.kinds(all_of_kind(project, event_type), |key, _| {
            self.record(seq_of(key), |bytes| Record::read(bytes).map(|record| sum.add(&record, property)))?
        })?;
        Ok(sum)
    }

    fn sum_all(&self, _projects: &[Uuid], property: &str) -> Result<Sum> {
        let mut sum = Sum::default();
        self.records(|bytes| Record::read(bytes).map(|record| sum.add(&record, property)))?;
        Ok(sum)
    }

    fn trait_len(&self, project: Uuid, user: &str, name: &str) -> Result<Option<usize>> {
        let key = crate::record::profile_key(project, user);
        let len = self.profile(&key, |row| {
            traits(row).find(|entry| entry.name() == name).and_then(|entry| entry.as_text()).map(str::len)
        })?;
        Ok(len.flatten())
    }

    fn traits(&self, project: Uuid, user: &str) -> Result<BTreeMap<String, serde_json::Value>> {
        let key = crate::record::profile_key(project, user);
        let read = |row: &[u8]| traits(row).map(|entry| (entry.name().to_owned(), entry.to_json())).collect();
        Ok(self.profile(&key, read)?.unwrap_or_default())
    }
}
