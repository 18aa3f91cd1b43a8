//! The files of the simulated disk.

use std::fmt;
use std::io;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::super::map::{Image as MemoryImage, Map, MapWriter, Memory};
use super::super::mappings::{Length, LogBounds, Mappings, refused};
use super::super::{Access, File, ZEROS, to_usize};
use super::{FaultKind, Gate, OpKind, Shared, SimOptions, State};
use crate::error::{Error, Result};

/// What a power loss keeps or loses as one, in bytes.
pub(super) const SECTOR: usize = 512;
/// What the kernel marks clean as one, in bytes.
const PAGE: usize = 4096;

/// Contents of a file, shared by all disks that have them until one of them changes them.
pub(super) type Image = Arc<Vec<u8>>;

/// A file, whatever its names are.
pub(super) struct Inode {
    /// The mappings of every handle on the file.
    handles: Mutex<Vec<Weak<Mappings>>>,
    name: Box<str>,
    contents: Mutex<Contents>,
}

struct Contents {
    disk: Weak<Shared>,
    /// Address space of the first mapping, in bytes.
    capacity: u64,
    /// The volatile image once it was mapped; until then it is `bytes`.
    memory: Option<MemoryImage>,
    bytes: Image,
    length: u64,
    durable: Image,
    /// What the kernel takes the medium to hold, since a failed sync made it wrong about that.
    believed: Option<Image>,
}

impl fmt::Debug for Inode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Inode({})", self.name)
    }
}

impl Length for Inode {
    fn length(&self) -> io::Result<u64> {
        Ok(self.contents.lock().length)
    }
}

impl Inode {
    /// A file whose volatile and durable images are given.
    pub(super) fn new(name: &str, options: &SimOptions, volatile: Image, durable: Image) -> Arc<Self> {
        let contents = Contents {
            disk: Weak::new(),
            capacity: options.file_capacity_bytes,
            memory: None,
            length: volatile.len() as u64,
            bytes: volatile,
            durable,
            believed: None,
        };
        Arc::new(Self { handles: Mutex::default(), name: name.into(), contents: Mutex::new(contents) })
    }

    /// Tells the file which disk it is on.
    pub(super) fn adopt(&self, disk: &Weak<Shared>) {
        self.contents.lock().disk = Weak::clone(disk);
    }

    /// Another file with the same images, without mappings.
    pub(super) fn copy(&self, options: &SimOptions) -> Arc<Self> {
        let contents = self.contents.lock();
        let copy = Self::new(&self.name, options, contents.volatile(), Arc::clone(&contents.durable));
        copy.contents.lock().believed.clone_from(&contents.believed);
        copy
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn length(&self) -> u64 {
        self.contents.lock().length
    }

    pub(super) fn volatile(&self) -> Image {
        self.contents.lock().volatile()
    }

    pub(super) fn durable(&self) -> Image {
        Arc::clone(&self.contents.lock().durable)
    }

    /// What a power loss has to decide about.
    pub(super) fn dirt(&self) -> Dirt {
        let contents = self.contents.lock();
        let volatile = contents.volatile();
        let durable = Arc::clone(&contents.durable);
        let mut sectors = Vec::new();
        let pages = if Arc::ptr_eq(&volatile, &durable) { 0 } else { volatile.len().div_ceil(PAGE) };
        for page in (0..pages).filter(|page| !same_part(&volatile, &durable, *page, PAGE)) {
            let believed = contents.believed.as_ref();
            let is_forgotten = believed.is_some_and(|believed| same_part(&volatile, believed, page, PAGE));
            let of_page = page * (PAGE / SECTOR)..(page + 1) * (PAGE / SECTOR);
            let dirty = of_page.filter(|index| !same_part(&volatile, &durable, *index, SECTOR));
            sectors.extend(dirty.map(|index| Sector { index, is_forgotten }));
        }
        Dirt { volatile, durable, sectors }
    }

    /// Makes some bytes durable that no one asked for, as writeback does.
    pub(super) fn set_durable(&self, durable: Image) {
        self.contents.lock().durable = durable;
    }

    fn sync(&self) {
        let mut contents = self.contents.lock();
        let volatile = contents.volatile();
        let Some(believed) = contents.believed.take() else {
            contents.durable = volatile;
            return;
        };
        let durable = Arc::make_mut(&mut contents.durable);
        durable.resize(volatile.len(), 0);
        for (index, (to, from)) in durable.chunks_mut(PAGE).zip(volatile.chunks(PAGE)).enumerate() {
            if !same_part(&volatile, &believed, index, PAGE) {
                to.copy_from_slice(from);
            }
        }
        contents.believed = Some(volatile);
    }

    /// What Linux does when a sync fails: it marks the pages clean.
    fn forget_dirty_pages(&self) {
        let mut contents = self.contents.lock();
        contents.believed = Some(contents.volatile());
    }

    fn live_handles(&self) -> Vec<Arc<Mappings>> {
        let mut handles = self.handles.lock();
        handles.retain(|handle| handle.strong_count() > 0);
        handles.iter().filter_map(Weak::upgrade).collect()
    }

    /// Writes through the handle that has these mappings, and refuses what a map of any handle shows: stricter than
    /// a real disk, where a handle knows of its own maps only.
    fn write(&self, mappings: &Mappings, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let end = offset.checked_add(bytes.len() as u64).ok_or(io::ErrorKind::FileTooLarge)?;
        if bytes.is_empty() {
            return Ok(());
        }
        for handle in self.live_handles() {
            handle.check_write(offset, bytes.len() as u64)?;
        }
        let mut contents = self.contents.lock();
        if contents.memory.as_ref().is_some_and(|image| end > image.memory().capacity()) {
            self.map_contents(&mut contents, end.saturating_mul(2))?;
        }
        if let Some(image) = &mut contents.memory {
            image.write(mappings, offset, bytes)?;
        } else {
            let present = contents.bytes.len().max(to_usize(end));
            let image = Arc::make_mut(&mut contents.bytes);
            image.resize(present, 0);
            let part = image.get_mut(to_usize(offset)..to_usize(end));
            part.unwrap_or_default().copy_from_slice(bytes);
        }
        contents.length = contents.length.max(end);
        Ok(())
    }

    fn read(&self, offset: u64, buf: &mut [u8]) -> usize {
        let contents = self.contents.lock();
        let length = contents.length.saturating_sub(offset).min(buf.len() as u64);
        let Some(out) = buf.get_mut(..to_usize(length)).filter(|out| !out.is_empty()) else { return 0 };
        if let Some(image) = &contents.memory {
            image.read(offset, out);
        } else {
            let part = contents.bytes.get(to_usize(offset)..to_usize(offset + length));
            out.copy_from_slice(part.unwrap_or_default());
        }
        out.len()
    }

    /// The image, mapped with room for `capacity` bytes.
    fn map(&self, capacity: u64) -> io::Result<Arc<Memory>> {
        self.map_contents(&mut self.contents.lock(), capacity)
    }

    fn map_contents(&self, contents: &mut Contents, capacity: u64) -> io::Result<Arc<Memory>> {
        let memory = contents.memory.as_ref().map(MemoryImage::memory);
        if let Some(memory) = memory.filter(|memory| memory.capacity() >= capacity) {
            return Ok(Arc::clone(memory));
        }
        if self.live_handles().iter().any(|handle| handle.are_pinned()) {
            return Err(refused("the image of the file cannot grow while it is written through a mapping"));
        }
        contents.map(&self.name, capacity)
    }
}

impl Contents {
    fn volatile(&self) -> Image {
        match &self.memory {
            Some(image) => {
                let mut bytes = vec![0; to_usize(self.length)];
                image.read(0, &mut bytes);
                Arc::new(bytes)
            }
            None => Arc::clone(&self.bytes),
        }
    }

    /// A new image of the present contents, with room for `capacity` bytes.
    fn map(&mut self, name: &str, capacity: u64) -> io::Result<Arc<Memory>> {
        let bytes = self.volatile();
        let gate = Gate::new(&self.disk, name);
        let mut image = MemoryImage::gated(capacity.max(self.capacity).max(self.length).max(1), gate)?;
        for (index, page) in bytes.chunks(PAGE).enumerate() {
            // Pages of zeros are there already, and cost nothing until they are touched.
            if !ZEROS.starts_with(page) {
                image.write(&Mappings::default(), (index * PAGE) as u64, page)?;
            }
        }
        self.bytes = Image::default();
        let memory = Arc::clone(image.memory());
        self.memory = Some(image);
        Ok(memory)
    }
}

/// What of a file differs between cache and medium.
#[derive(Debug)]
pub(super) struct Dirt {
    pub(super) volatile: Image,
    pub(super) durable: Image,
    pub(super) sectors: Vec<Sector>,
}

/// A sector that differs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sector {
    pub(super) index: usize,
    /// Whether a failed sync made the kernel forget that it is dirty.
    pub(super) is_forgotten: bool,
}

/// Whether part `index` of `size` bytes is the same in both; what is missing in one counts as zeros.
fn same_part(left: &[u8], right: &[u8], index: usize, size: usize) -> bool {
    let (left, right) = (part_of(left, index, size), part_of(right, index, size));
    let common = left.len().min(right.len());
    let is_zero = |rest: &[u8]| ZEROS.starts_with(rest);
    left.get(..common) == right.get(..common)
        && left.get(common..).is_none_or(is_zero)
        && right.get(common..).is_none_or(is_zero)
}

fn part_of(bytes: &[u8], index: usize, size: usize) -> &[u8] {
    let start = (index * size).min(bytes.len());
    let end = (start + size).min(bytes.len());
    bytes.get(start..end).unwrap_or_default()
}

/// A handle on a file.
#[derive(Debug)]
pub(super) struct SimFile {
    disk: Arc<Shared>,
    name: Arc<str>,
    inode: Arc<Inode>,
    access: Access,
    mappings: Arc<Mappings>,
}

impl SimFile {
    pub(super) fn new(disk: Arc<Shared>, name: &str, inode: Arc<Inode>, access: Access) -> Self {
        let mappings = Arc::new(Mappings::default());
        inode.handles.lock().push(Arc::downgrade(&mappings));
        Self { disk, name: name.into(), inode, access, mappings }
    }

    fn failed(&self, op: &'static str, source: io::Error) -> Error {
        Error::io(op, &*self.name, source)
    }

    /// Writes as much as the disk has room for.
    fn write_within(&self, state: &State, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let length = self.inode.length();
        let end = offset.saturating_add(bytes.len() as u64);
        let allowed = length + state.room_for(end.saturating_sub(length));
        let fitting = to_usize(allowed.saturating_sub(offset).min(bytes.len() as u64));
        self.inode.write(&self.mappings, offset, bytes.get(..fitting).unwrap_or_default())?;
        if fitting < bytes.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

impl File for SimFile {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> Result<u64> {
        Ok(self.inode.length())
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let _state = self.disk.begin(OpKind::Read, "read", &self.name)?;
        Ok(self.inode.read(offset, buf))
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        let (state, fault) = self.disk.begin_op(OpKind::Write, &self.name);
        if self.access == Access::Read {
            return Err(self.failed("write", io::ErrorKind::PermissionDenied.into()));
        }
        let first_half = bytes.get(..bytes.len() / 2).unwrap_or_default();
        match fault {
            None => self.write_within(&state, offset, bytes).map_err(|source| self.failed("write", source)),
            Some(FaultKind::ShortWrite) => {
                self.write_within(&state, offset, first_half)
                    .map_err(|source| self.failed("write", source))?;
                Err(FaultKind::ShortWrite.error("write", &self.name))
            }
            Some(fault) => Err(fault.error("write", &self.name)),
        }
    }

    fn sync(&self) -> Result<()> {
        let (state, fault) = self.disk.begin_op(OpKind::Sync, &self.name);
        let Some(fault) = fault else {
            self.inode.sync();
            return Ok(());
        };
        if state.options.lossy_failed_sync {
            self.inode.forget_dirty_pages();
        }
        Err(fault.error("sync", &self.name))
    }

    fn map_log(&self, floor: u64, committed: u64, capacity: u64) -> Result<(MapWriter, Map)> {
        let _state = self.disk.begin(OpKind::Map, "map", &self.name)?;
        let bounds = LogBounds { floor, committed, capacity };
        let file = Arc::<Inode>::clone(&self.inode);
        self.inode
            .map(capacity)
            .and_then(|memory| self.mappings.map_log(memory, file, &self.name, self.access, bounds))
            .map_err(|source| self.failed("map", source))
    }

    fn map_whole(&self) -> Result<Map> {
        let _state = self.disk.begin(OpKind::Map, "map", &self.name)?;
        let length = self.inode.length();
        self.inode
            .map(length)
            .and_then(|memory| self.mappings.map_whole(memory, length))
            .map_err(|source| self.failed("map", source))
    }
}
