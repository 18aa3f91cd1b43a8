//! The files of the real disk.

use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::super::map::{Map, MapWriter, Memory};
use super::super::mappings::{LogBounds, Mappings, refused};
use super::super::{Access, File};
use super::check_process;
use crate::error::{Error, Result};

/// A file of the file system.
#[derive(Debug)]
pub(super) struct RealFile {
    file: Arc<fs::File>,
    name: Box<str>,
    access: Access,
    process: u32,
    mappings: Mappings,
}

impl RealFile {
    pub(super) fn new(name: &str, file: fs::File, access: Access, process: u32) -> Self {
        Self { file: Arc::new(file), name: name.into(), access, process, mappings: Mappings::default() }
    }

    fn failed(&self, op: &'static str, source: io::Error) -> Error {
        Error::io(op, &*self.name, source)
    }

    fn write_all(&self, mut offset: u64, mut bytes: &[u8]) -> io::Result<()> {
        self.mappings.check_write(offset, bytes.len() as u64)?;
        while !bytes.is_empty() {
            match self.file.write_at(bytes, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    offset += written as u64;
                    bytes = bytes.get(written..).unwrap_or_default();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn read_full(&self, mut offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = buf.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, offset) {
                Ok(0) => break,
                Ok(read) => {
                    offset += read as u64;
                    filled += read;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn map(&self, access: Access, capacity: u64) -> io::Result<Arc<Memory>> {
        if capacity > isize::MAX as u64 {
            return Err(refused("the mapping is larger than the address space"));
        }
        Memory::of_file(&self.file, access, capacity)
    }
}

impl File for RealFile {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> Result<u64> {
        self.file.metadata().map(|metadata| metadata.len()).map_err(|source| self.failed("look up", source))
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        self.read_full(offset, buf).map_err(|source| self.failed("read", source))
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.write_all(offset, bytes).map_err(|source| self.failed("write", source))
    }

    fn sync(&self) -> Result<()> {
        check_process(self.process, &self.name)?;
        sync_data(&self.file).map_err(|source| self.failed("sync", source))
    }

    fn map_log(&self, floor: u64, committed: u64, capacity: u64) -> Result<(MapWriter, Map)> {
        let bounds = LogBounds { floor, committed, capacity };
        self.map(self.access, capacity)
            .and_then(|memory| {
                let file = Arc::<fs::File>::clone(&self.file);
                self.mappings.map_log(memory, file, &self.name, self.access, bounds)
            })
            .map_err(|source| self.failed("map", source))
    }

    fn map_whole(&self) -> Result<Map> {
        let length = self.len()?;
        self.map(Access::Read, length)
            .and_then(|memory| self.mappings.map_whole(memory, length))
            .map_err(|source| self.failed("map", source))
    }
}

/// One sync, without the retry after a signal that the standard library would make.
#[cfg(not(target_vendor = "apple"))]
fn sync_data(file: &fs::File) -> io::Result<()> {
    Ok(rustix::fs::fdatasync(file)?)
}

/// `F_FULLFSYNC`, as nothing less reaches the medium here.
#[cfg(target_vendor = "apple")]
fn sync_data(file: &fs::File) -> io::Result<()> {
    file.sync_data()
}
