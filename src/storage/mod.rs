//! The medium: the only module that does I/O, and the seam that the simulated disk stands in for.
//!
//! A [`Disk`] is one store directory and a [`File`] is one file of it. Files are read with `pread`, written with
//! `pwrite` or through a mapping ([`MapWriter`]), and read without system calls through a [`Map`]. A file that may
//! be mapped is never shrunk, and a name is never followed through a symbolic link.

use std::any::Any;
use std::fmt;
use std::io;
use std::sync::Arc;

use crate::error::{Error, Result};

mod advice;
mod blocks;
mod env;
mod map;
mod mappings;
mod memory;
mod memory_disk;
mod real;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod sim;

pub(crate) use advice::Pages;
pub(crate) use blocks::{
    BLOCK_BYTES, Blocks, Body, DerivedSource, Remake, damaged_blocks, is_damage, read_pieces,
};
#[cfg_attr(
    not(any(test, feature = "testing")),
    expect(unreachable_pub, reason = "public for tests alone")
)]
pub use env::Entropy;
pub use env::{Clock, ManualClock};
pub(crate) use env::{OsEntropy, TimeSource};
#[cfg(any(test, feature = "testing"))]
pub use env::{SeededEntropy, SimRng};
pub(crate) use map::{ForkMark, Map, MapWriter, prefetch_item};
pub(crate) use memory::MemoryFile;
pub(crate) use memory_disk::MemoryDisk;
pub(crate) use real::DirDisk;

/// The file whose lock makes a process the writer of a store.
pub(crate) const LOCK_NAME: &str = "LOCK";
/// The one directory inside a store's directory.
pub(crate) const QUARANTINE: &str = "quarantine";

/// How many zeros one write of [`fill_zeros`] carries, in bytes.
const ZEROS_BYTES: usize = 64 * 1024;
static ZEROS: [u8; ZEROS_BYTES] = [0; ZEROS_BYTES];

/// What a file is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Reading only; nothing can be written through the handle or a mapping of it.
    Read,
    /// Reading and writing.
    ReadWrite,
}

/// How a store is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LockMode {
    /// By its one writer.
    Exclusive,
    /// By any number of processes that need a store without a writer.
    Shared,
}

/// A lock on a store, held until it is dropped.
pub(crate) struct Lock {
    _guard: Option<Box<dyn Any + Send + Sync>>,
}

impl Lock {
    fn new(guard: impl Any + Send + Sync) -> Self {
        Self { _guard: Some(Box::new(guard)) }
    }

    /// A lock that guards nothing, for a reader of a store that no writer can lock.
    fn unguarded() -> Self {
        Self { _guard: None }
    }
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lock")
    }
}

/// One store directory.
///
/// A name is one path component, or `quarantine/` and one component. A change of a name is durable after
/// [`Disk::sync_dir`] and not before.
pub(crate) trait Disk: fmt::Debug + Send + Sync {
    /// The directory as the host named it, for the texts of errors.
    fn describe(&self) -> String;

    /// The names in the directory, sorted, without [`QUARANTINE`] and without names that are not UTF-8.
    fn list(&self) -> Result<Vec<String>>;

    /// The names in [`QUARANTINE`], sorted and without the directory's own; empty where it does not exist.
    #[cfg(test)]
    fn list_quarantine(&self) -> Result<Vec<String>>;

    /// Creates a file for reading and writing, private to the owner. It is an error if the name is taken.
    fn create(&self, name: &str) -> Result<Arc<dyn File>>;

    /// Opens a regular file. [`is_not_found`] tells a missing file from other errors.
    fn open(&self, name: &str, access: Access) -> Result<Arc<dyn File>>;

    /// Whether anything stands under the name, be it a file or not.
    fn exists(&self, name: &str) -> Result<bool>;

    /// Renames a file, replacing what stands under `to`, atomically.
    fn rename(&self, from: &str, to: &str) -> Result<()>;

    /// Removes a file's name.
    fn remove(&self, name: &str) -> Result<()>;

    /// Makes every creation, renaming and removal before the call durable, in the directory and in [`QUARANTINE`].
    fn sync_dir(&self) -> Result<()>;

    /// Creates a directory, private to the owner; one that is there already is left as it is.
    fn make_dir(&self, name: &str) -> Result<()>;

    /// Takes the lock, or returns `None` where someone else holds it.
    ///
    /// `Shared` on a store that has no lock file, or that stands where locking is not possible, gives a lock that
    /// guards nothing.
    fn lock(&self, mode: LockMode) -> Result<Option<Lock>>;

    /// Whether a store through a mapping of zero-filled bytes cannot fail for want of room.
    fn mapped_writes(&self) -> bool;

    /// Fails in a process that was forked from the one that opened the disk: it must not write.
    ///
    /// `create`, `rename`, `remove`, `sync_dir` and [`File::sync`] make this check themselves.
    fn check_process(&self) -> Result<()>;
}

/// One open file.
pub(crate) trait File: fmt::Debug + Send + Sync {
    /// The name it was opened under.
    fn name(&self) -> &str;

    /// Its present length in bytes.
    fn len(&self) -> Result<u64>;

    /// Reads from `offset` until `buf` is full or the file ends, and returns the bytes read.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize>;

    /// Writes all of `bytes` at `offset`, extending the file where it must.
    ///
    /// It refuses bytes that a [`Map`] of this handle exposes. When it fails, any part of `bytes` may be written.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()>;

    /// Makes contents and length durable. A failure is final: the bytes written since the last sync are in doubt,
    /// and a later sync that succeeds says nothing about them.
    fn sync(&self) -> Result<()>;

    /// Maps `capacity` bytes of address space, which may reach beyond the end of the file.
    ///
    /// Readers see `floor..committed`, and more as the writer publishes. A handle has one such writer at a time. On a
    /// file opened for reading the writer may publish and not write.
    fn map_log(&self, floor: u64, committed: u64, capacity: u64) -> Result<(MapWriter, Map)>;

    /// Maps the file at its present length for reading, all of it committed. Refused while a [`MapWriter`]
    /// of the same handle lives.
    fn map_whole(&self) -> Result<Map>;
}

/// Whether the error says that there is no file of that name.
pub(crate) fn is_not_found(error: &Error) -> bool {
    matches!(error, Error::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
}

/// Replaces or creates a file in one durable step: temporary name, write, sync, rename, sync of the directory.
///
/// When this returns, the new contents survive a power loss; when it fails, the old ones stand, or the new ones do
/// if only the last step failed.
pub(crate) fn write_file_atomic(disk: &dyn Disk, name: &str, bytes: &[u8]) -> Result<()> {
    let temporary = format!("{name}.tmp");
    if disk.exists(&temporary)? {
        disk.remove(&temporary)?;
    }
    let file = disk.create(&temporary)?;
    let written =
        file.write_at(0, bytes).and_then(|()| file.sync()).and_then(|()| disk.rename(&temporary, name));
    if let Err(error) = written {
        // The first error is the one to report; a temporary file that stays is removed by the next call.
        let _ = disk.remove(&temporary);
        return Err(error);
    }
    disk.sync_dir()
}

/// The whole of a small file, or `None` where there is none of that name.
///
/// # Errors
///
/// A file longer than `bytes_max` is [`Error::TooLarge`], so that a length on disk never sizes an allocation.
pub(crate) fn read_file(disk: &dyn Disk, name: &str, bytes_max: u64) -> Result<Option<Vec<u8>>> {
    let file = match disk.open(name, Access::Read) {
        Ok(file) => file,
        Err(error) if is_not_found(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let bytes = file.len()?;
    if bytes > bytes_max {
        return Err(Error::TooLarge { what: "a file of the store", bytes, bytes_max });
    }
    let mut contents = vec![0; to_usize(bytes)];
    let read = file.read_at(0, &mut contents)?;
    contents.truncate(read);
    Ok(Some(contents))
}

/// Writes zeros over `from..to` of a file. They are not synced.
pub(crate) fn fill_zeros(file: &dyn File, from: u64, to: u64) -> Result<()> {
    let mut offset = from;
    while offset < to {
        let step = (to - offset).min(ZEROS_BYTES as u64);
        let zeros = ZEROS.get(..to_usize(step)).unwrap_or(&ZEROS);
        file.write_at(offset, zeros)?;
        offset += step;
    }
    Ok(())
}

/// The directory (`None` for the root) and the last component of a name, or an error if it is not a name.
fn split_name(name: &str) -> Result<(Option<&'static str>, &str)> {
    let (directory, leaf) = match name.split_once('/') {
        Some((QUARANTINE, leaf)) => (Some(QUARANTINE), leaf),
        _ => (None, name),
    };
    if leaf.is_empty() || leaf == "." || leaf == ".." || leaf.contains(['/', '\0']) {
        let reason = "a file of a store has one path component, or quarantine/ and one";
        return Err(Error::io(
            "open",
            "a file of the store",
            io::Error::new(io::ErrorKind::InvalidInput, reason),
        ));
    }
    Ok((directory, leaf))
}

/// Refuses every name of a directory but [`QUARANTINE`].
fn check_directory_name(name: &str) -> Result<()> {
    if name == QUARANTINE {
        return Ok(());
    }
    let reason = "a store has one directory inside, quarantine";
    Err(Error::io("create", name, io::Error::new(io::ErrorKind::InvalidInput, reason)))
}

/// The same number; the crate is for 64-bit machines only.
#[expect(clippy::cast_possible_truncation, reason = "usize has 64 bits, which the crate root asserts")]
const fn to_usize(number: u64) -> usize {
    number as usize
}

#[cfg(test)]
mod tests;
