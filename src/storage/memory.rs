//! A file that is in memory only, for what is written in the way of a file and must not be one.

use std::io;

use parking_lot::Mutex;

use super::{File, Map, MapWriter, to_usize};
use crate::error::{Error, Result};

/// A file in memory. It cannot be mapped.
#[derive(Debug)]
pub(crate) struct MemoryFile {
    name: String,
    bytes: Mutex<Vec<u8>>,
}

impl MemoryFile {
    /// An empty file; the name is for errors.
    pub(crate) fn new(name: String) -> Self {
        Self { name, bytes: Mutex::new(Vec::new()) }
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes.into_inner()
    }

    fn unsupported(&self) -> Error {
        Error::io("map", self.name.as_str(), io::ErrorKind::Unsupported.into())
    }
}

impl File for MemoryFile {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> Result<u64> {
        Ok(self.bytes.lock().len() as u64)
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let bytes = self.bytes.lock();
        let there = bytes.get(to_usize(offset)..).unwrap_or_default();
        let len = there.len().min(buf.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..len), there.get(..len)) {
            to.copy_from_slice(from);
        }
        Ok(len)
    }

    fn write_at(&self, offset: u64, written: &[u8]) -> Result<()> {
        let mut bytes = self.bytes.lock();
        let (start, end) = (to_usize(offset), to_usize(offset).saturating_add(written.len()));
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        if let Some(place) = bytes.get_mut(start..end) {
            place.copy_from_slice(written);
        }
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn map_log(&self, _: u64, _: u64, _: u64) -> Result<(MapWriter, Map)> {
        Err(self.unsupported())
    }

    fn map_whole(&self) -> Result<Map> {
        Err(self.unsupported())
    }
}
