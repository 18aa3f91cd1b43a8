//! Which mappings a file handle has, and what they forbid.

use std::fmt;
use std::fs;
use std::io;
use std::sync::{Arc, Weak};

use memmap2::MmapOptions;
use parking_lot::Mutex;

use super::map::{Map, MapWriter, Memory, Region};
use super::{Access, to_usize};
use crate::error::Error;

/// Tells the present length of a mapped file in bytes.
pub(super) trait Length: fmt::Debug + Send + Sync {
    fn length(&self) -> io::Result<u64>;
}

impl Length for fs::File {
    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}

impl Memory {
    /// Maps the first `capacity` bytes of a file, whether it has them yet or not.
    pub(super) fn of_file(file: &fs::File, access: Access, capacity: u64) -> io::Result<Arc<Self>> {
        let mut options = MmapOptions::new();
        options.len(to_usize(capacity));
        let raw = match access {
            Access::Read => options.map_raw_read_only(file)?,
            Access::ReadWrite => options.map_raw(file)?,
        };
        Ok(Arc::new(Self {
            raw,
            writable: access == Access::ReadWrite,
            is_image: false,
            #[cfg(any(test, feature = "testing"))]
            gate: None,
        }))
    }

    /// The mapped bytes.
    pub(super) fn capacity(&self) -> u64 {
        self.raw.len() as u64
    }
}

impl MapWriter {
    #[cold]
    pub(super) fn refusal(&self, reason: &'static str) -> Error {
        self.error("map", io::Error::new(io::ErrorKind::InvalidInput, reason))
    }

    #[cold]
    pub(super) fn error(&self, op: &'static str, source: io::Error) -> Error {
        Error::io(op, self.name(), source)
    }
}

/// The offsets that a mapping of a log begins with, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct LogBounds {
    pub(super) floor: u64,
    pub(super) committed: u64,
    pub(super) capacity: u64,
}

/// The live mappings of one file handle, which keep writes away from what readers see.
///
/// At any time they are one writer with its readers and any number of older readers, or readers only.
#[derive(Debug, Default)]
pub(super) struct Mappings {
    live: Mutex<Live>,
}

#[derive(Debug, Default)]
struct Live {
    regions: Vec<Weak<Region>>,
}

impl Live {
    fn forget_dropped(&mut self) {
        self.regions.retain(|region| region.strong_count() > 0);
    }

    fn has_writer(&self) -> bool {
        self.regions.iter().filter_map(Weak::upgrade).any(|region| region.has_writer())
    }

    fn admit_region(&mut self) -> io::Result<()> {
        self.forget_dropped();
        if self.has_writer() {
            return Err(refused("the file has a writer of its mapping; use the maps of that writer"));
        }
        Ok(())
    }
}

impl Mappings {
    /// What [`File::map_log`](super::File::map_log) promises, over `memory` of at least the capacity.
    pub(super) fn map_log(
        &self,
        memory: Arc<Memory>,
        file: Arc<dyn Length>,
        name: &str,
        access: Access,
        bounds: LogBounds,
    ) -> io::Result<(MapWriter, Map)> {
        let mut live = self.live.lock();
        live.admit_region()?;
        let start = bounds.committed;
        if access == Access::ReadWrite
            && live.regions.iter().filter_map(Weak::upgrade).any(|r| r.exposes(start, u64::MAX))
        {
            return Err(refused("an older map shows bytes beyond the committed length"));
        }
        let writer = MapWriter::new(memory, file, name, access, bounds)?;
        live.regions.push(Arc::downgrade(writer.region()));
        let map = Map::new(Arc::clone(writer.region()));
        Ok((writer, map))
    }

    /// What [`File::map_whole`](super::File::map_whole) promises, over `memory` of at least `length` bytes.
    pub(super) fn map_whole(&self, memory: Arc<Memory>, length: u64) -> io::Result<Map> {
        let mut live = self.live.lock();
        live.admit_region()?;
        let region = Region::whole(memory, length);
        live.regions.push(Arc::downgrade(&region));
        Ok(Map::new(region))
    }

    /// Refuses a write of `length` bytes at `offset` that would change what a reader of this handle sees.
    pub(super) fn check_write(&self, offset: u64, length: u64) -> io::Result<()> {
        let end = offset.saturating_add(length);
        let live = self.live.lock();
        if live.regions.iter().filter_map(Weak::upgrade).any(|region| region.exposes(offset, end)) {
            return Err(refused("the bytes are committed and are never written again"));
        }
        Ok(())
    }

    /// Whether a writer of a mapping lives: its memory cannot be exchanged for other memory.
    pub(super) fn are_pinned(&self) -> bool {
        self.live.lock().has_writer()
    }
}

pub(super) fn refused(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, reason)
}
