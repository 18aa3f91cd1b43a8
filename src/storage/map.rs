//! Mappings of files, and all of the crate's unsafe code.
//!
//! The argument in one sentence: readers get slices of committed bytes only, committed bytes are never written
//! again, and no `&mut [u8]` over a mapping ever exists. The invariants are numbered on [`Memory`] and [`Region`].
//! A store beyond the end of the file, which would raise SIGBUS, is kept out by (M4); a signal is still possible
//! where another program cuts the file, or where the disk cannot read a page that was evicted from memory.
#![expect(unsafe_code, reason = "the one file of the crate that may hold unsafe code")]

use std::io;
use std::ops::Range;
use std::ptr;
use std::slice;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use memmap2::{MmapMut, MmapOptions, MmapRaw, UncheckedAdvice};

use super::mappings::{Length, LogBounds, Mappings};
use super::{Access, to_usize};
use crate::error::Result;

/// One mapping of a file, or the memory of an [`Image`].
///
/// - (M1) The bytes `0 .. raw.len()` from the start of a page on stay mapped, shared and readable, as long as the
///   memory lives; they are writable if `writable` or `is_image`.
/// - (M2) Only `copy_in` reaches them for writing.
#[derive(Debug)]
pub(super) struct Memory {
    pub(super) raw: MmapRaw,
    /// Whether a [`MapWriter`] may store to it.
    pub(super) writable: bool,
    /// Whether there is nothing behind the memory.
    pub(super) is_image: bool,
    #[cfg(any(test, feature = "testing"))]
    pub(super) gate: Option<super::sim::Gate>,
}

impl Memory {
    /// Copies `bytes` into the mapping.
    ///
    /// # Safety
    ///
    /// The bytes from `offset` on are mapped and writable, exist in the file, are not part of `bytes`, no reference
    /// to them exists, and no other thread reads or writes them without the gate.
    #[inline]
    unsafe fn copy_in(&self, offset: u64, bytes: &[u8]) {
        #[cfg(any(test, feature = "testing"))]
        let _closed = self.gate.as_ref().map(super::sim::Gate::close);
        // SAFETY: the caller promises that the offset is inside the mapping (M1).
        let target = unsafe { self.raw.as_mut_ptr().add(to_usize(offset)) };
        // SAFETY: the caller promises the rest, and the memory is mapped while `self` is borrowed (M1).
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), target, bytes.len()) };
    }
}

/// A file that is memory and has nothing behind it.
///
/// - (M7) Its memory is written by `write`, which borrows the image mutably, and read by `read`, which borrows it; a
///   [`MapWriter`] stores to it only where there is a gate, which keeps these apart.
#[derive(Debug)]
pub(super) struct Image {
    memory: Arc<Memory>,
}

impl Image {
    /// Zeroed memory, which costs nothing until it is touched.
    pub(super) fn new(capacity: u64) -> io::Result<Self> {
        let raw = MmapOptions::new().len(to_usize(capacity)).no_reserve_swap().map_anon()?.into();
        let memory = Memory {
            raw,
            writable: false,
            is_image: true,
            #[cfg(any(test, feature = "testing"))]
            gate: None,
        };
        Ok(Self { memory: Arc::new(memory) })
    }

    /// Zeroed memory that may also be stored to through a mapping.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn gated(capacity: u64, gate: super::sim::Gate) -> io::Result<Self> {
        let raw = MmapOptions::new().len(to_usize(capacity)).no_reserve_swap().map_anon()?.into();
        Ok(Self { memory: Arc::new(Memory { raw, writable: true, is_image: true, gate: Some(gate) }) })
    }

    pub(super) fn memory(&self) -> &Arc<Memory> {
        &self.memory
    }

    /// Copies `bytes` in as `pwrite` would, if `mappings`, which has all mappings of this memory, lets it.
    pub(super) fn write(&mut self, mappings: &Mappings, offset: u64, bytes: &[u8]) -> io::Result<()> {
        mappings.check_write(offset, bytes.len() as u64)?;
        if offset.saturating_add(bytes.len() as u64) > self.memory.capacity() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // SAFETY: the bytes are mapped as was just checked, and anonymous memory is writable and always exists; no
        // reader sees them (checked above, M5), so no reference to them exists and `bytes` is not among them; other
        // threads are kept away by the borrow or by the gate (M7).
        unsafe { self.memory.copy_in(offset, bytes) };
        Ok(())
    }

    /// Copies bytes out, zeros where it has none.
    pub(super) fn read(&self, offset: u64, out: &mut [u8]) {
        out.fill(0);
        let length = self.memory.capacity().saturating_sub(offset).min(out.len() as u64);
        if length == 0 {
            return;
        }
        #[cfg(any(test, feature = "testing"))]
        let _closed = self.memory.gate.as_ref().map(super::sim::Gate::close);
        // SAFETY: offset < capacity, as the length is not 0, and all of that is mapped (M1).
        let source = unsafe { self.memory.raw.as_ptr().add(to_usize(offset)) };
        // SAFETY: the length ends inside the mapping and inside `out`, which is memory of its own; stores are kept
        // away by the borrow or by the gate, which is closed here (M7).
        unsafe { ptr::copy_nonoverlapping(source, out.as_mut_ptr(), to_usize(length)) };
    }
}

/// Where a mapping begins.
#[derive(Debug, Clone, Copy)]
struct Base(*mut u8);

// SAFETY: the pointer is an address and nothing else; all access through it is argued for where it happens.
unsafe impl Send for Base {}
// SAFETY: as for Send.
unsafe impl Sync for Base {}

/// One mapping of a log, shared by its writer and its readers.
///
/// - (M3) `floor <= committed <= limit <= capacity`, where the limit is the writer's and the capacity is at most
///   that of the memory; committed and limit only grow.
/// - (M4) The file has at least `limit` bytes: that is asked of the file whenever the limit moves, and a file that
///   may be mapped is never shrunk.
/// - (M5) The bytes `floor .. committed` are never written again: the writer refuses offsets below `committed`,
///   `Mappings::check_write` refuses them to `pwrite` on the same handle, the log opens a segment through one
///   handle, and a process that does not hold LOCK writes nothing.
/// - (M6) A region has at most one writer, which is not `Clone` and writes through `&mut self`; nothing makes a
///   reference to bytes outside `floor .. committed`.
#[derive(Debug)]
pub(super) struct Region {
    /// The start of `memory`, kept here to spare readers a step.
    base: Base,
    capacity: u64,
    floor: u64,
    committed: AtomicU64,
    has_writer: AtomicBool,
    memory: Arc<Memory>,
}

impl Region {
    /// A region without a writer, all of it committed; `memory` maps at least that and the file has it.
    pub(super) fn whole(memory: Arc<Memory>, length: u64) -> Arc<Self> {
        let committed = length.min(memory.capacity()); // M3
        Arc::new(Self {
            base: Base(memory.raw.as_mut_ptr()),
            capacity: committed,
            floor: 0,
            committed: AtomicU64::new(committed),
            has_writer: AtomicBool::new(false),
            memory,
        })
    }

    pub(super) fn memory(&self) -> &Memory {
        &self.memory
    }

    pub(super) fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Whether it has a writer that lives.
    pub(super) fn has_writer(&self) -> bool {
        // Acquire: pairs with the Release in the drop of the writer.
        self.has_writer.load(Ordering::Acquire)
    }

    /// Whether a byte of `start .. end` can be seen by readers.
    pub(super) fn exposes(&self, start: u64, end: u64) -> bool {
        // Acquire: what a publish exposed before this call is seen here.
        end > self.floor && start < self.committed.load(Ordering::Acquire)
    }
}

/// The reading side of a mapped file: cheap to clone, and alive as long as any clone is.
#[derive(Debug, Clone)]
pub(crate) struct Map {
    pub(super) region: Arc<Region>,
}

impl Map {
    pub(super) fn new(region: Arc<Region>) -> Self {
        Self { region }
    }

    /// The bytes of `range`, or `None` unless all of them are committed and at or above the floor.
    #[inline]
    pub(crate) fn bytes(&self, range: Range<u64>) -> Option<&[u8]> {
        let region = &*self.region;
        if range.start < region.floor || range.end < range.start || range.end > self.committed() {
            return None;
        }
        // SAFETY: start <= end <= committed <= capacity (M3), and all of that is mapped (M1).
        let start = unsafe { region.base.0.add(to_usize(range.start)) };
        // SAFETY: the range is mapped while `self` borrows the region (M1), exists in the file (M3, M4), is
        // initialised as all of a file is, and is never written again (M5).
        Some(unsafe { slice::from_raw_parts(start, to_usize(range.end - range.start)) })
    }

    /// The end of the committed bytes, as an offset in the file.
    #[inline]
    pub(crate) fn committed(&self) -> u64 {
        // Acquire: pairs with the Release of `publish`, so that the bytes are seen before the length that exposes
        // them.
        self.region.committed.load(Ordering::Acquire)
    }

    /// The first offset that can be read.
    pub(crate) fn floor(&self) -> u64 {
        self.region.floor
    }

    /// Takes the pages out of this process's page table, all at once; the next look at one enters it again.
    ///
    /// A sync of a file whose pages are entered for writing protects them one by one, and tells every processor of
    /// each. Where the system cannot do this, nothing happens.
    pub(crate) fn release_pages(&self) {
        if self.region.memory.is_image {
            return; // The file is this memory and nothing else.
        }
        // SAFETY: the mapping is shared (M1), so that its bytes are those of the file, and dropping entries of the
        // page table changes none: a dirty page stays in the page cache. References into it stay valid.
        let _ = unsafe { self.region.memory.raw.unchecked_advise(UncheckedAdvice::DontNeed) };
    }

    /// Asks the processor to bring the cache line at `offset` near. Any offset is allowed, and none faults.
    #[inline]
    pub(crate) fn prefetch(&self, offset: u64) {
        // An address and not an access, so that it need not be inside the mapping.
        prefetch(self.region.base.0.wrapping_add(to_usize(offset)));
    }
}

/// The writing side of a mapped file: writes at or after the committed end, then publishes.
///
/// Dropping it leaves the committed end where it is.
#[derive(Debug)]
pub(crate) struct MapWriter {
    region: Arc<Region>,
    name: Box<str>,
    file: Arc<dyn Length>,
    /// What readers see, kept here so that the writer need not load it.
    committed: u64,
    /// The length of the file that is known to exist.
    limit: u64,
    writable: bool,
}

impl MapWriter {
    /// A new region over `memory`, and its writer. The file is asked for its length here and at every new limit.
    pub(super) fn new(
        memory: Arc<Memory>,
        file: Arc<dyn Length>,
        name: &str,
        access: Access,
        bounds: LogBounds,
    ) -> io::Result<Self> {
        let LogBounds { floor, committed, capacity } = bounds;
        let length = file.length()?;
        if floor > committed || committed > capacity.min(length) || capacity > memory.capacity() {
            let reason = "floor, committed length, file length and capacity are out of order";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason)); // M3, M4
        }
        let writable = memory.writable && access == Access::ReadWrite;
        let region = Arc::new(Region {
            base: Base(memory.raw.as_mut_ptr()),
            capacity,
            floor,
            committed: AtomicU64::new(committed),
            has_writer: AtomicBool::new(true),
            memory,
        });
        Ok(Self { region, name: name.into(), file, committed, limit: committed, writable })
    }

    /// The memory behind the mapping, and whether this writer may store to it.
    pub(super) fn memory(&self) -> (&Memory, bool) {
        (&self.region.memory, self.writable)
    }

    pub(super) fn region(&self) -> &Arc<Region> {
        &self.region
    }

    /// Another reading side of the same mapping.
    pub(crate) fn map(&self) -> Map {
        Map { region: Arc::clone(&self.region) }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The end of the published bytes.
    pub(crate) fn committed(&self) -> u64 {
        self.committed
    }

    /// The end of the bytes that may be written and published.
    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    /// The bytes of address space that are mapped.
    pub(crate) fn capacity(&self) -> u64 {
        self.region.capacity
    }

    /// Allows stores and publishing up to `filled`, the zero-filled length of the file. A lower one changes nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error::Io) if the file is shorter than that, or the mapping is.
    pub(crate) fn set_limit(&mut self, filled: u64) -> Result<()> {
        if filled <= self.limit {
            return Ok(());
        }
        let length = self.file.length().map_err(|error| self.error("stat", error))?;
        if filled > length.min(self.region.capacity) {
            return Err(self.refusal("the new limit lies beyond the file or its mapping"));
        }
        self.limit = filled; // M3, M4
        Ok(())
    }

    /// Copies `bytes` to `offset`. Readers do not see them before they are published.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error::Io) and no store if a byte would land below the committed end or beyond the limit.
    #[inline]
    pub(crate) fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        let fits = offset <= self.limit && bytes.len() as u64 <= self.limit - offset;
        if offset < self.committed || !fits || !self.writable {
            return Err(self.refusal("a store outside the part of the mapping that may be written"));
        }
        // SAFETY: the bytes end at or before limit <= capacity (M3) of a writable mapping (M1), and the file has
        // them (M4). They begin at or after `committed`, so that no reader has a reference to them and `bytes` is
        // not among them (M6); this is the one writer, and it is borrowed mutably (M6).
        unsafe { self.region.memory.copy_in(offset, bytes) };
        Ok(())
    }

    /// Lets readers see everything below `committed`. What stands there is never written again.
    ///
    /// It moves forward only, and never beyond the limit.
    #[inline]
    pub(crate) fn publish(&mut self, committed: u64) {
        debug_assert!(committed >= self.committed, "published length went back"); // M3
        debug_assert!(committed <= self.limit, "published length is beyond the file"); // M3
        self.committed = committed.min(self.limit).max(self.committed);
        // Release: the bytes are in place before the length that exposes them.
        self.region.committed.store(self.committed, Ordering::Release);
    }
}

impl Drop for MapWriter {
    fn drop(&mut self) {
        // Release: the last store of this writer comes before the first of the next one.
        self.region.has_writer.store(false, Ordering::Release);
    }
}

/// Asks the processor to bring the cache line of `item` near, for a use that comes a little later.
#[inline]
pub(crate) fn prefetch_item<T>(item: &T) {
    prefetch(ptr::from_ref(item).cast());
}

/// A page that is empty in a forked child: what tells the two apart costs a load and no system call.
///
/// Where the system has no such pages (Linux before 4.14, other systems), no child is told.
#[derive(Debug)]
pub(crate) struct ForkMark {
    page: Option<MmapRaw>,
}

impl ForkMark {
    /// The mark of this process.
    pub(crate) fn new() -> Self {
        Self { page: marked_page().ok() }
    }

    /// Whether this process was forked from the one that made the mark.
    #[inline]
    pub(crate) fn is_forked(&self) -> bool {
        let Some(page) = &self.page else { return false };
        // SAFETY: the page is mapped and readable while `self` lives, and no thread ever writes to it again.
        unsafe { page.as_ptr().read_volatile() == 0 }
    }
}

fn marked_page() -> io::Result<MmapRaw> {
    let mut page = MmapMut::map_anon(1)?;
    page.fill(1);
    #[cfg(target_os = "linux")]
    // SAFETY: the range is a private mapping of our own, and the advice changes only what a forked child finds there.
    unsafe {
        rustix::mm::madvise(page.as_mut_ptr().cast(), page.len(), rustix::mm::Advice::LinuxWipeOnFork)
    }?;
    Ok(page.into())
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn prefetch(address: *const u8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: a prefetch of any address reads nothing and does not fault, and every x86-64 processor has it.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
}

#[cfg(target_arch = "aarch64")]
#[inline]
fn prefetch(address: *const u8) {
    // SAFETY: a prefetch of any address reads nothing and does not fault.
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{0}]", in(reg) address, options(nostack, readonly, preserves_flags));
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
#[inline]
fn prefetch(_address: *const u8) {}

/// Runs `tell`, which takes neither memory nor a lock, in a forked child, and gives its error.
#[cfg(all(test, target_os = "linux"))]
fn in_forked_child(tell: impl FnMut() -> io::Result<()> + Send + Sync + 'static) -> io::Result<()> {
    use std::os::unix::process::CommandExt as _;
    let mut command = std::process::Command::new("true");
    // SAFETY: the caller promises what a forked child of several threads asks for.
    unsafe { command.pre_exec(tell) };
    command.status().map(drop)
}

#[cfg(test)]
mod tests;
