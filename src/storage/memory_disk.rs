//! A store directory in memory, for stores that are gone with their last handle.
//!
//! Nothing is written through mappings here: frames are copied in under the lock of their file. Zeros that a file is
//! filled with ahead of need take no memory, and nothing is ever synced.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::Range;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

use super::map::{Image, Map, MapWriter, Memory};
use super::mappings::{Length, LogBounds, Mappings, refused};
use super::{Access, Disk, File, Lock, LockMode, QUARANTINE, split_name, to_usize};
use crate::error::{Error, Result};

/// What a directory in memory is called in the texts of errors.
const DESCRIPTION: &str = "(in memory)";

/// A store directory in memory.
#[derive(Debug)]
pub(crate) struct MemoryDisk {
    files: Mutex<BTreeMap<String, Arc<Inode>>>,
    /// Whether the one directory inside was made.
    has_quarantine: AtomicBool,
    process: u32,
}

impl MemoryDisk {
    /// An empty directory of its own.
    pub(crate) fn new() -> Self {
        Self { files: Mutex::default(), has_quarantine: AtomicBool::new(false), process: process::id() }
    }

    /// Fails where a name is none, or is in a directory that is not there.
    fn check_name(&self, op: &'static str, name: &str) -> Result<()> {
        match split_name(name)? {
            (Some(_), _) if !self.has_quarantine.load(Ordering::Relaxed) => {
                Err(Error::io(op, name, io::ErrorKind::NotFound.into()))
            }
            _ => Ok(()),
        }
    }

    /// The names that `is_wanted` keeps, sorted.
    fn names(&self, is_wanted: impl Fn(&str) -> bool) -> Vec<String> {
        self.files.lock().keys().filter(|name| is_wanted(name)).cloned().collect()
    }
}

impl Disk for MemoryDisk {
    fn describe(&self) -> String {
        DESCRIPTION.to_owned()
    }

    fn list(&self) -> Result<Vec<String>> {
        Ok(self.names(|name| !name.contains('/')))
    }

    #[cfg(test)]
    fn list_quarantine(&self) -> Result<Vec<String>> {
        let names = self.names(|name| name.contains('/'));
        Ok(names.iter().filter_map(|name| Some(name.split_once('/')?.1.to_owned())).collect())
    }

    fn create(&self, name: &str) -> Result<Arc<dyn File>> {
        self.check_process()?;
        self.check_name("open", name)?;
        let mut files = self.files.lock();
        if files.contains_key(name) || name == QUARANTINE {
            return Err(Error::io("open", name, io::ErrorKind::AlreadyExists.into()));
        }
        let inode = Arc::new(Inode::default());
        files.insert(name.to_owned(), Arc::clone(&inode));
        Ok(Arc::new(InodeFile::new(name, inode, Access::ReadWrite)))
    }

    fn open(&self, name: &str, access: Access) -> Result<Arc<dyn File>> {
        split_name(name)?;
        match self.files.lock().get(name) {
            Some(inode) => Ok(Arc::new(InodeFile::new(name, Arc::clone(inode), access))),
            None => Err(Error::io("open", name, io::ErrorKind::NotFound.into())),
        }
    }

    fn exists(&self, name: &str) -> Result<bool> {
        split_name(name)?;
        Ok(self.files.lock().contains_key(name))
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.check_process()?;
        self.check_name("rename", from)?;
        self.check_name("rename", to)?;
        let mut files = self.files.lock();
        let Some(inode) = files.remove(from) else {
            return Err(Error::io("rename", from, io::ErrorKind::NotFound.into()));
        };
        files.insert(to.to_owned(), inode);
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.check_process()?;
        split_name(name)?;
        match self.files.lock().remove(name) {
            Some(_) => Ok(()),
            None => Err(Error::io("remove", name, io::ErrorKind::NotFound.into())),
        }
    }

    fn sync_dir(&self) -> Result<()> {
        self.check_process()
    }

    fn make_dir(&self, name: &str) -> Result<()> {
        self.check_process()?;
        super::check_directory_name(name)?;
        self.has_quarantine.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn lock(&self, _: LockMode) -> Result<Option<Lock>> {
        self.check_process()?;
        // Nobody else can name this directory.
        Ok(Some(Lock::unguarded()))
    }

    fn mapped_writes(&self) -> bool {
        false
    }

    fn check_process(&self) -> Result<()> {
        if process::id() == self.process {
            return Ok(());
        }
        let reason = "this process was forked from the one that opened the store, which has it alone";
        Err(Error::io("write", DESCRIPTION, io::Error::other(reason)))
    }
}

/// A file, whatever its names are.
#[derive(Default)]
struct Inode {
    /// Of all handles: whatever one of them shows is written by none.
    mappings: Mappings,
    /// Changed under the lock of the contents. A mapping that begins asks for it while that is held.
    length: AtomicU64,
    /// Held while a mapping begins, so that none shows what is being written. Before the lock inside `mappings`.
    contents: Mutex<Contents>,
}

impl Inode {
    fn len(&self) -> u64 {
        // Acquire: pairs with the Release in `write`, for a writer of a mapping that asks without the lock.
        self.length.load(Ordering::Acquire)
    }

    fn read(&self, offset: u64, buf: &mut [u8]) -> usize {
        let contents = self.contents.lock();
        let there = to_usize(self.len().saturating_sub(offset).min(buf.len() as u64));
        let Some(out) = buf.get_mut(..there) else { return 0 };
        contents.read(offset, out);
        there
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut contents = self.contents.lock();
        self.mappings.check_write(offset, bytes.len() as u64)?;
        let end = offset.checked_add(bytes.len() as u64).ok_or(io::ErrorKind::FileTooLarge)?;
        let length = self.len();
        let was_never_written = offset >= length || offset >= contents.written();
        if !(was_never_written && is_zero(bytes)) {
            contents.store(&self.mappings, length, offset..end, bytes)?;
        }
        // Release: pairs with the Acquire in `len`.
        self.length.store(length.max(end), Ordering::Release);
        Ok(())
    }
}

impl fmt::Debug for Inode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inode").finish_non_exhaustive()
    }
}

impl Length for Inode {
    fn length(&self) -> io::Result<u64> {
        Ok(self.len())
    }
}

/// What a file holds: zeros from the end of its bytes, or of its image, to its length.
#[derive(Default)]
struct Contents {
    /// Empty once there is an image.
    bytes: Vec<u8>,
    /// The contents once the file was mapped.
    image: Option<Image>,
}

impl Contents {
    /// How far it holds anything but zeros, at most.
    fn written(&self) -> u64 {
        self.image.as_ref().map_or(self.bytes.len() as u64, |image| image.memory().capacity())
    }

    fn read(&self, offset: u64, out: &mut [u8]) {
        if let Some(image) = &self.image {
            return image.read(offset, out);
        }
        let there = self.bytes.get(to_usize(offset)..).unwrap_or_default();
        let length = there.len().min(out.len());
        let (present, zeros) = out.split_at_mut(length);
        present.copy_from_slice(there.get(..length).unwrap_or_default());
        zeros.fill(0);
    }

    fn store(&mut self, mappings: &Mappings, length: u64, at: Range<u64>, bytes: &[u8]) -> io::Result<()> {
        if self.image.as_ref().is_some_and(|image| at.end > image.memory().capacity()) {
            self.move_to_image(mappings, length, at.end.saturating_mul(2))?;
        }
        if let Some(image) = &mut self.image {
            return image.write(mappings, at.start, bytes);
        }
        let end = to_usize(at.end);
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        let place = self.bytes.get_mut(to_usize(at.start)..end);
        place.unwrap_or_default().copy_from_slice(bytes);
        Ok(())
    }

    /// The contents as memory of at least `capacity` bytes that a mapping can show.
    fn mapped(&mut self, mappings: &Mappings, length: u64, capacity: u64) -> io::Result<Arc<Memory>> {
        if let Some(image) = self.image.as_ref().filter(|image| image.memory().capacity() >= capacity) {
            return Ok(Arc::clone(image.memory()));
        }
        self.move_to_image(mappings, length, capacity)
    }

    fn move_to_image(&mut self, mappings: &Mappings, length: u64, capacity: u64) -> io::Result<Arc<Memory>> {
        if mappings.are_pinned() {
            return Err(refused("the file cannot grow beyond the mapping that it is written under"));
        }
        let mut image = Image::new(capacity.max(length).max(1))?;
        // Nobody sees this image yet.
        let unseen = Mappings::default();
        if let Some(old) = &self.image {
            let mut bytes = vec![0; to_usize(length)];
            old.read(0, &mut bytes);
            image.write(&unseen, 0, &bytes)?;
        } else {
            image.write(&unseen, 0, &self.bytes)?;
        }
        let memory = Arc::clone(image.memory());
        self.image = Some(image);
        self.bytes = Vec::new();
        Ok(memory)
    }
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.chunks(super::ZEROS_BYTES).all(|chunk| super::ZEROS.starts_with(chunk))
}

/// A handle on a file.
#[derive(Debug)]
struct InodeFile {
    name: Box<str>,
    inode: Arc<Inode>,
    access: Access,
}

impl InodeFile {
    fn new(name: &str, inode: Arc<Inode>, access: Access) -> Self {
        Self { name: name.into(), inode, access }
    }

    fn failed(&self, op: &'static str, source: io::Error) -> Error {
        Error::io(op, &*self.name, source)
    }
}

impl File for InodeFile {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> Result<u64> {
        Ok(self.inode.len())
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        Ok(self.inode.read(offset, buf))
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        if self.access == Access::Read {
            return Err(self.failed("write", io::ErrorKind::PermissionDenied.into()));
        }
        self.inode.write(offset, bytes).map_err(|source| self.failed("write", source))
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn map_log(&self, floor: u64, committed: u64, capacity: u64) -> Result<(MapWriter, Map)> {
        let Inode { mappings, contents, .. } = &*self.inode;
        let bounds = LogBounds { floor, committed, capacity };
        let file = Arc::<Inode>::clone(&self.inode);
        let mut contents = contents.lock();
        contents
            .mapped(mappings, self.inode.len(), capacity)
            .and_then(|memory| mappings.map_log(memory, file, &self.name, self.access, bounds))
            .map_err(|source| self.failed("map", source))
    }

    fn map_whole(&self) -> Result<Map> {
        let Inode { mappings, contents, .. } = &*self.inode;
        let mut contents = contents.lock();
        let length = self.inode.len();
        contents
            .mapped(mappings, length, length)
            .and_then(|memory| mappings.map_whole(memory, length))
            .map_err(|source| self.failed("map", source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::fill_zeros;

    #[test]
    fn a_log_is_written_with_writes_and_shown_as_it_is_published() {
        let disk = MemoryDisk::new();
        let file = disk.create("log").expect("created");
        fill_zeros(&*file, 0, 100_000).expect("filled");
        let (mut writer, map) = file.map_log(16, 16, 1 << 20).expect("mapped");
        writer.set_limit(100_000).expect("there");
        assert!(writer.write(16, b"no").is_err(), "nothing is stored through the mapping");
        file.write_at(16, b"one").expect("written");
        assert_eq!(map.bytes(16..19), None);
        writer.publish(19);
        assert_eq!(map.bytes(16..19), Some(&b"one"[..]));
        assert!(file.write_at(18, b"x").is_err(), "what is shown is never written again");
        // Another handle knows of it too.
        let other = disk.open("log", Access::ReadWrite).expect("opened");
        assert!(other.write_at(17, b"x").is_err());
        file.write_at(0, b"head").expect("below the floor");
        let mut read = [9; 24];
        assert_eq!(other.read_at(0, &mut read).expect("read"), 24);
        assert_eq!(&read, b"head\0\0\0\0\0\0\0\0\0\0\0\0one\0\0\0\0\0");
        // A file that has no name any more is there for who reads it.
        disk.remove("log").expect("removed");
        drop((file, other, writer));
        assert_eq!(map.bytes(16..19), Some(&b"one"[..]));
    }

    #[test]
    fn zeros_ahead_take_no_memory_and_zeros_over_something_are_written() {
        let inode = Inode::default();
        inode.write(0, &[7; 10]).expect("written");
        inode.write(10, &vec![0; 100_000]).expect("filled");
        assert_eq!((inode.len(), inode.contents.lock().bytes.len()), (100_010, 10));
        inode.write(3, &[0; 4]).expect("written");
        inode.write(8, &[0; 4]).expect("written");
        let mut read = [9; 14];
        assert_eq!(inode.read(0, &mut read), 14);
        assert_eq!(read, [7, 7, 7, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0]);
        inode.write(200_000, b"end").expect("written");
        assert_eq!((inode.len(), inode.read(200_001, &mut read)), (200_003, 2));
        assert_eq!(&read[..2], b"nd");
        assert_eq!(inode.read(150_000, &mut read), 14);
        assert_eq!(read, [0; 14]);
    }

    #[test]
    fn a_file_that_is_mapped_grows_beyond_its_image() {
        let disk = MemoryDisk::new();
        let file = disk.create("index").expect("created");
        file.write_at(0, b"first").expect("written");
        let before = file.map_whole().expect("mapped");
        file.write_at(5, &vec![1; 100_000]).expect("written");
        let after = file.map_whole().expect("mapped");
        assert_eq!(before.bytes(0..5), Some(&b"first"[..]));
        assert_eq!(after.bytes(0..7), Some(&b"first\x01\x01"[..]));
        assert_eq!(after.committed(), 100_005);
    }
}
