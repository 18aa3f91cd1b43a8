//! Copies for the quarantine directory.

use crate::error::Result;
use crate::format::names::{QUARANTINE, TEMPORARY};
use crate::storage::{Disk, File};
use crate::types::{Epoch, SegmentId};

const PIECE_BYTES: u64 = 256 * 1024;

/// A part of a segment file that is kept for whoever wants to look into it.
pub(super) struct Aside<'a> {
    pub(super) file: &'a dyn File,
    pub(super) id: SegmentId,
    /// Bytes of the file's beginning, copied in front of the range: frames mean nothing without their header.
    pub(super) head: u64,
    pub(super) range: (u64, u64),
}

impl Aside<'_> {
    /// Copies it, durably once the directory is synced, and returns the copy's name.
    ///
    /// A copy that an interrupted recovery left is used as it is: it got its name when it was whole.
    pub(super) fn copy(&self, disk: &dyn Disk, epoch: Epoch) -> Result<String> {
        let (from, to) = self.range;
        let (id, epoch) = (self.id, epoch.get());
        let name = match self.head {
            0 => format!("{QUARANTINE}/epoch-{epoch}-seg-{id}.log"),
            _ => format!("{QUARANTINE}/epoch-{epoch}-seg-{id}-from-{from}.log"),
        };
        if disk.exists(&name)? {
            return Ok(name);
        }
        let temporary = format!("{name}{TEMPORARY}");
        if disk.exists(&temporary)? {
            disk.remove(&temporary)?;
        }
        let copy = disk.create(&temporary)?;
        let copied = copy_range(self.file, (0, self.head), &*copy, 0)
            .and_then(|()| copy_range(self.file, (from, to), &*copy, self.head))
            .and_then(|()| copy.sync())
            .and_then(|()| disk.rename(&temporary, &name));
        if let Err(error) = copied {
            // The first error is the one to report.
            let _ = disk.remove(&temporary);
            return Err(error);
        }
        Ok(name)
    }
}

fn copy_range(from: &dyn File, range: (u64, u64), to: &dyn File, mut at: u64) -> Result<()> {
    let (mut offset, end) = range;
    let mut piece = Vec::new();
    while offset < end {
        piece.resize(usize::try_from((end - offset).min(PIECE_BYTES)).unwrap_or(0), 0);
        let read = from.read_at(offset, &mut piece)?;
        piece.truncate(read);
        if piece.is_empty() {
            break;
        }
        to.write_at(at, &piece)?;
        offset += read as u64;
        at += read as u64;
    }
    Ok(())
}

/// Moves a file that nothing counts on into quarantine, under a name that is free, and returns that name.
pub(crate) fn move_aside(disk: &dyn Disk, name: &str) -> Result<String> {
    disk.make_dir(QUARANTINE)?;
    let mut target = format!("{QUARANTINE}/{name}");
    let mut number = 1u32;
    while disk.exists(&target)? {
        number += 1;
        target = format!("{QUARANTINE}/{name}.{number}");
    }
    disk.rename(name, &target)?;
    Ok(target)
}
