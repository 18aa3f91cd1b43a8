//! Advice to the system about mapped memory.

use std::io;
use std::ops::Range;

use memmap2::{Advice, MmapRaw};

use super::to_usize;

/// Enters the pages of `range` into the page table, reading them where they are not in memory. Best effort.
pub(super) fn warm(raw: &MmapRaw, range: Range<u64>) {
    #[cfg(target_os = "linux")]
    let advice = Advice::PopulateRead;
    #[cfg(not(target_os = "linux"))]
    let advice = Advice::WillNeed;
    // An advice that is not taken costs faults later and nothing else.
    let _ = raw.advise_range(advice, to_usize(range.start), to_usize(range.end - range.start));
}

pub(super) fn expect_random(raw: &MmapRaw) {
    // As in `warm`.
    let _ = raw.advise(Advice::Random);
}

pub(super) fn expect_sequential(raw: &MmapRaw) {
    // As in `warm`.
    let _ = raw.advise(Advice::Sequential);
}

/// Makes the pages of `range` present and writable, where the system can do that.
#[cfg(target_os = "linux")]
pub(super) fn populate(raw: &MmapRaw, range: Range<u64>) -> io::Result<()> {
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
pub(super) fn populate(_raw: &MmapRaw, _range: Range<u64>) -> io::Result<()> {
    Ok(())
}
