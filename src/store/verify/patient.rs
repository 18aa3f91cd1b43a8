//! A disk that is read to the end whatever it cannot read, and never written to.
//!
//! Where a read fails it is tried again in small pieces. Those that fail again are zeros, and are remembered: zeros are
//! no frame and match no checksum, so that whoever reads them finds what is lost and goes on behind it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::error::{Error, Result};
use crate::storage::{self, Access, Disk, File, Lock, LockMode, Map, MapWriter};

/// Bytes of a piece that is read or given up.
const PIECE_BYTES: u64 = 4096;

/// What could not be read.
#[derive(Debug, Default)]
struct Record {
    /// By name of the file; neighbours in one range.
    unreadable: Mutex<BTreeMap<String, Vec<Range<u64>>>>,
    /// Names of files of which a read failed and succeeded when it was tried again.
    shaky: Mutex<BTreeSet<String>>,
    bytes_read: AtomicU64,
}

impl Record {
    fn give_up(&self, name: &str, range: Range<u64>) {
        let mut unreadable = self.unreadable.lock();
        let ranges = unreadable.entry(name.to_owned()).or_default();
        if ranges.iter().any(|known| known.start <= range.start && range.end <= known.end) {
            return;
        }
        match ranges.last_mut() {
            Some(last) if last.start <= range.start && range.start <= last.end => last.end = range.end,
            _ => ranges.push(range),
        }
    }
}

#[derive(Debug)]
pub(super) struct PatientDisk {
    inner: Arc<dyn Disk>,
    record: Arc<Record>,
}

impl PatientDisk {
    pub(super) fn new(inner: Arc<dyn Disk>) -> Self {
        Self { inner, record: Arc::default() }
    }

    /// Bytes that were read so far.
    pub(super) fn bytes_read(&self) -> u64 {
        self.record.bytes_read.load(Ordering::Relaxed)
    }

    /// The parts of files that could not be read so far.
    pub(super) fn unreadable(&self) -> Vec<(String, Range<u64>)> {
        let unreadable = self.record.unreadable.lock();
        let ranges = |(name, ranges): (&String, &Vec<Range<u64>>)| {
            ranges.iter().map(|range| (name.clone(), range.clone())).collect::<Vec<_>>()
        };
        unreadable.iter().flat_map(ranges).collect()
    }

    /// The files of which a read failed at first and could be made up for.
    pub(super) fn shaky(&self) -> Vec<String> {
        self.record.shaky.lock().iter().cloned().collect()
    }
}

fn refused(op: &'static str, name: &str) -> Error {
    Error::io(op, name, io::ErrorKind::PermissionDenied.into())
}

impl Disk for PatientDisk {
    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn list(&self) -> Result<Vec<String>> {
        self.inner.list()
    }

    #[cfg(test)]
    fn list_quarantine(&self) -> Result<Vec<String>> {
        self.inner.list_quarantine()
    }

    fn create(&self, name: &str) -> Result<Arc<dyn File>> {
        Err(refused("create", name))
    }

    fn open(&self, name: &str, _: Access) -> Result<Arc<dyn File>> {
        let inner = self.inner.open(name, Access::Read)?;
        Ok(Arc::new(PatientFile { inner, record: Arc::clone(&self.record) }))
    }

    fn exists(&self, name: &str) -> Result<bool> {
        self.inner.exists(name)
    }

    fn rename(&self, from: &str, _: &str) -> Result<()> {
        Err(refused("rename", from))
    }

    fn remove(&self, name: &str) -> Result<()> {
        Err(refused("remove", name))
    }

    fn sync_dir(&self) -> Result<()> {
        Err(refused("sync", "the directory"))
    }

    fn make_dir(&self, name: &str) -> Result<()> {
        Err(refused("create", name))
    }

    fn lock(&self, mode: LockMode) -> Result<Option<Lock>> {
        self.inner.lock(mode)
    }

    fn mapped_writes(&self) -> bool {
        false
    }

    fn check_process(&self) -> Result<()> {
        self.inner.check_process()
    }
}

#[derive(Debug)]
struct PatientFile {
    inner: Arc<dyn File>,
    record: Arc<Record>,
}

impl PatientFile {
    fn read_in_pieces(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let end = self.inner.len()?.min(offset.saturating_add(buf.len() as u64));
        let mut at = offset;
        let mut is_read = true;
        let mut rest = buf;
        while at < end {
            let next = (at / PIECE_BYTES + 1).saturating_mul(PIECE_BYTES).min(end);
            let len = usize::try_from(next - at).unwrap_or(usize::MAX);
            let Some((piece, behind)) = rest.split_at_mut_checked(len) else { break };
            let read = self.inner.read_at(at, piece);
            if read.is_err() {
                is_read = false;
                self.record.give_up(self.inner.name(), at..next);
            }
            piece.get_mut(read.unwrap_or(0)..).unwrap_or_default().fill(0);
            (at, rest) = (next, behind);
        }
        if is_read {
            self.record.shaky.lock().insert(self.inner.name().to_owned());
        }
        Ok(usize::try_from(at.saturating_sub(offset)).unwrap_or(usize::MAX))
    }
}

impl File for PatientFile {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn len(&self) -> Result<u64> {
        self.inner.len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let read = match self.inner.read_at(offset, buf) {
            Err(error) if storage::is_damage(&error) => self.read_in_pieces(offset, buf)?,
            read => read?,
        };
        self.record.bytes_read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }

    fn write_at(&self, _: u64, _: &[u8]) -> Result<()> {
        Err(refused("write", self.name()))
    }

    fn sync(&self) -> Result<()> {
        Err(refused("sync", self.name()))
    }

    fn map_log(&self, _: u64, _: u64, _: u64) -> Result<(MapWriter, Map)> {
        Err(refused("map", self.name()))
    }

    fn map_whole(&self) -> Result<Map> {
        Err(refused("map", self.name()))
    }
}
