//! A new store.

use super::inventory::is_ours;
use super::{LogOptions, filled_len};
use crate::error::{Error, Result};
use crate::format::manifest::{EpochStart, Manifest, State};
use crate::format::names::{FileName, LOCK, SECRET, TEMPORARY};
use crate::format::segment::{FIXED_LEN, HEADER_LEN, HEADER_LEN_SMALL, copies};
use crate::log::manifest_file;
use crate::log::recovery::copy::Copy;
use crate::log::recovery::first_header;
use crate::storage::{Access, Disk, Entropy};
use crate::types::{Epoch, SegmentId, Seq};

/// The page that readers map while a writer is at work.
const LIVE: &str = "LIVE";

/// Whether a store may be made here: the directory is empty, or holds what an interrupted creation left.
///
/// # Errors
///
/// [`Error::NotFound`] where it may not, with the reason.
pub(super) fn check(disk: &dyn Disk, options: &LogOptions) -> Result<()> {
    if !options.create {
        return Err(not_found(disk, "it has no MANIFEST, and creating a store was not asked for"));
    }
    for name in disk.list()? {
        let whole = name.strip_suffix(TEMPORARY).unwrap_or(&name);
        if !(is_ours(whole) || [LOCK, LIVE, SECRET].contains(&&*name)) {
            let reason = "it has no MANIFEST and holds other files; choose an empty directory";
            return Err(not_found(disk, reason));
        }
        if FileName::parse(&name).is_some() && has_content(disk, &name)? {
            let reason = "it holds files of a store and no MANIFEST; restore the MANIFEST from a backup";
            return Err(not_found(disk, reason));
        }
    }
    Ok(())
}

/// Whether a file holds more than the header page of a segment, which may have either length.
fn has_content(disk: &dyn Disk, name: &str) -> Result<bool> {
    if !matches!(FileName::parse(name), Some(FileName::Segment(_))) {
        return Ok(true);
    }
    let file = disk.open(name, Access::Read)?;
    let copy_at = copies::second_at(HEADER_LEN) as u64;
    let second_copy = copy_at..copy_at + FIXED_LEN as u64;
    let mut offset = u64::from(HEADER_LEN_SMALL);
    let mut piece = vec![0; 64 * 1024];
    loop {
        let read = file.read_at(offset, &mut piece)?;
        if read == 0 {
            return Ok(false);
        }
        let is_content = |(at, byte): (u64, &u8)| *byte != 0 && !second_copy.contains(&at);
        if (offset..).zip(piece.iter().take(read)).any(is_content) {
            return Ok(true);
        }
        offset += read as u64;
    }
}

/// Makes the first segment and then the manifest. When this returns, the store survives a power loss.
///
/// # Errors
///
/// Those of [`check`], and of the medium: then the creation is gone on with when the store is opened again.
pub(super) fn create(disk: &dyn Disk, entropy: &dyn Entropy, options: &LogOptions) -> Result<Manifest> {
    check(disk, options)?;
    for name in disk.list()? {
        let whole = name.strip_suffix(TEMPORARY).unwrap_or(&name);
        if FileName::parse(whole).is_some() {
            disk.remove(&name)?;
        }
    }
    let mut store_id = [0; 16];
    let mut hash_key = [0; 16];
    entropy.fill(&mut store_id)?;
    entropy.fill(&mut hash_key)?;
    let header = first_header(store_id, entropy, options.header_len)?;
    let file = disk.create(&FileName::Segment(header.id).to_string())?;
    Copy::new(&*file, header, None).finish(|end| filled_len(end, options.segment_bytes_max))?;
    disk.sync_dir()?;
    let manifest = Manifest {
        store_id,
        state: State::Open,
        next_segment: SegmentId::FIRST.next(),
        next_run: 1,
        hash_key,
        address_key: [0; 8],
        retired_address_keys: Vec::new(),
        epochs: vec![EpochStart { epoch: Epoch::FIRST, first_seq: Seq::ZERO.next() }],
        segments: Vec::new(),
        runs: Vec::new(),
        gaps: Vec::new(),
        ids: Vec::new(),
    };
    manifest_file::write(disk, &manifest)?;
    Ok(manifest)
}

/// The error that there is no store here.
pub(super) fn not_found(disk: &dyn Disk, reason: &'static str) -> Error {
    Error::NotFound { path: disk.describe(), reason: reason.into() }
}
