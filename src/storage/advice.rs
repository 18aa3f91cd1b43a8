//! What the system is told about the use of mapped memory.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use memmap2::{Advice, MmapRaw};

use super::map::{Map, MapWriter, Region};
use super::to_usize;
use crate::error::{Error, Result};

/// The pages of a mapping that its writer will come to, for a thread that makes them ready ahead.
#[derive(Debug, Clone)]
pub(crate) struct Pages {
    region: Arc<Region>,
    name: Arc<str>,
}

impl MapWriter {
    /// The pages of the mapping, or `None` where this writer may not store to it.
    pub(crate) fn pages(&self) -> Option<Pages> {
        let (_, writable) = self.memory();
        writable.then(|| Pages { region: Arc::clone(self.region()), name: self.name().into() })
    }
}

impl Pages {
    /// Makes the pages of `range` present and writable, so that a store to them neither faults nor finds the disk
    /// full. Where the system cannot do that, nothing happens.
    ///
    /// # Errors
    ///
    /// [`Error::NoSpace`] where the file system has no room for the pages, else
    /// [`Error::Io`].
    pub(crate) fn populate(&self, range: Range<u64>) -> Result<()> {
        if range.start > range.end || range.end > self.region.capacity() {
            let reason = "the range lies outside the mapping";
            return Err(self.error(io::Error::new(io::ErrorKind::InvalidInput, reason)));
        }
        let memory = self.region.memory();
        #[cfg(any(test, feature = "testing"))]
        if let Some(gate) = &memory.gate {
            return gate.populate();
        }
        if memory.is_image {
            return Ok(());
        }
        populate(&memory.raw, &range).map_err(|error| self.error(error))
    }

    #[cold]
    fn error(&self, source: io::Error) -> Error {
        Error::io("populate", &*self.name, source)
    }
}

/// Makes the pages of `range` present and writable, where the system can do that.
#[cfg(target_os = "linux")]
fn populate(raw: &MmapRaw, range: &Range<u64>) -> io::Result<()> {
    use rustix::io::Errno;

    let length = to_usize(range.end - range.start);
    let Err(error) = raw.advise_range(Advice::PopulateWrite, to_usize(range.start), length) else {
        return Ok(());
    };
    match Errno::from_io_error(&error) {
        // Where a store would raise SIGBUS the advice says EFAULT: the file system found no room for the page.
        Some(Errno::FAULT) => Err(io::ErrorKind::StorageFull.into()),
        // Linux before 5.14.
        Some(Errno::INVAL) => Ok(()),
        _ => Err(error),
    }
}

/// Makes the pages of `range` present and writable, where the system can do that.
#[cfg(not(target_os = "linux"))]
fn populate(_raw: &MmapRaw, _range: &Range<u64>) -> io::Result<()> {
    Ok(())
}

impl Map {
    /// Enters the pages of all that readers see into this process's page table, all at once and not one by one as they
    /// are looked at. Where the system cannot do that, nothing happens.
    pub(crate) fn enter_pages(&self) {
        enter(&self.region.memory().raw, self.floor()..self.committed());
    }
}

/// Makes the pages of `range` present for reading, where the system can do that.
#[cfg(target_os = "linux")]
fn enter(raw: &MmapRaw, range: Range<u64>) {
    let length = to_usize(range.end.saturating_sub(range.start));
    // An error is met again, and told, by whoever looks at the page.
    let _ = raw.advise_range(Advice::PopulateRead, to_usize(range.start), length);
}

/// Makes the pages of `range` present for reading, where the system can do that.
#[cfg(not(target_os = "linux"))]
fn enter(_raw: &MmapRaw, _range: Range<u64>) {}
