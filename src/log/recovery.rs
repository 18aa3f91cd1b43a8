//! Recovery from an unclean end: the tail is copied into fresh segments, and nothing is written into old files.
//!
//! The order is what makes a crash at any point harmless, and every step repeatable: quarantine copies, fresh
//! segments, sync of files and directory, the manifest (from here on the new segments count), removal of the old
//! ones. Until the manifest is replaced, the old files are all there; after it, their epoch says that they are done
//! with.

use std::sync::Arc;

use super::manifest_file;
use super::open::{LogOptions, filled_len};
use super::report::RecoveryReport;
use super::scan::Tail;
use super::scan::files::Unsealed;
use crate::error::Result;
use crate::format::manifest::{EpochStart, Manifest, State};
use crate::format::names::{FileName, QUARANTINE};
use crate::format::segment::{HEADER_LEN, SegmentHeader};
use crate::storage::{Disk, Entropy};
use crate::types::{Epoch, SegmentId, Seq};

pub(crate) mod copy;
mod set_aside;

use copy::Fresh;
pub(crate) use set_aside::move_aside;

/// Everything that recovery works from.
pub(crate) struct Recovery<'a> {
    pub(crate) disk: &'a Arc<dyn Disk>,
    pub(crate) entropy: &'a dyn Entropy,
    pub(crate) options: &'a LogOptions,
    pub(crate) unsealed: &'a Unsealed,
    pub(crate) tail: &'a Tail,
}

impl Recovery<'_> {
    /// Makes the tail anew in a new epoch and returns its segments; `manifest` is changed as it was written.
    ///
    /// # Errors
    ///
    /// Those of the medium. Before the manifest is replaced they leave the store as it was.
    pub(crate) fn run(&self, manifest: &mut Manifest, report: &mut RecoveryReport) -> Result<Vec<Fresh>> {
        // Left-overs of a recovery that did not finish go first, for their room, and durably before the new epoch
        // counts.
        for name in &self.unsealed.stale {
            self.disk.remove(name)?;
            report.removed.push(name.clone());
        }
        self.set_aside(manifest.epoch(), report)?;
        let fresh = match self.write_segments(manifest) {
            Ok(fresh) => fresh,
            Err((error, written)) => {
                for segment in written {
                    // The next recovery would remove it too; the room is wanted now.
                    let _ = self.disk.remove(&segment);
                }
                return Err(error);
            }
        };
        let mut next = manifest.clone();
        let last_id = fresh.last().map_or(manifest.next_segment, |segment| segment.header.id);
        next.state = State::Open;
        next.next_segment = last_id.next();
        next.epochs.push(EpochStart { epoch: self.next_epoch(manifest), first_seq: self.tail.next_seq() });
        next.gaps.extend(&self.tail.gaps);
        next.gaps.sort_unstable_by_key(|gap| gap.from);
        // From here on the fresh segments stay whatever happens: an error does not tell which manifest stands.
        manifest_file::write(&**self.disk, &next)?;
        *manifest = next;
        self.remove_old(report)?;
        Ok(fresh)
    }

    /// Newer than any epoch that a file on the disk was ever written in.
    fn next_epoch(&self, manifest: &Manifest) -> Epoch {
        self.unsealed.epoch_max.unwrap_or(Epoch::FIRST).max(manifest.epoch()).next()
    }

    /// Copies into quarantine what is about to be lost and is not plainly worthless.
    fn set_aside(&self, epoch: Epoch, report: &mut RecoveryReport) -> Result<()> {
        let (files, tail) = (&self.unsealed.files, self.tail);
        let damaged = tail.damaged.iter().filter_map(|at| files.get(*at)).map(|file| (file, None));
        let dropped = tail.dropped.iter().filter(|range| !tail.damaged.contains(&range.source));
        let dropped =
            dropped.filter_map(|range| Some((files.get(range.source)?, Some((range.from, range.to)))));
        let strays = self.unsealed.strays.iter().filter(|stray| !stray.is_torn);
        let mut asides = Vec::new();
        for (file, range) in damaged.chain(dropped) {
            asides.push(set_aside::Aside {
                file: &*file.file,
                id: file.id,
                head: range.map_or(0, |_| file.first()),
                range: range.unwrap_or((0, file.len)),
            });
        }
        for stray in strays {
            asides.push(set_aside::Aside {
                file: &*stray.file,
                id: stray.id,
                head: 0,
                range: (0, stray.len),
            });
        }
        if asides.is_empty() {
            return Ok(());
        }
        self.disk.make_dir(QUARANTINE)?;
        for aside in &asides {
            report.quarantined.push(aside.copy(&**self.disk, epoch)?);
        }
        Ok(())
    }

    /// Writes and syncs the fresh segments; on an error it names those that it began.
    fn write_segments(&self, manifest: &Manifest) -> Result<Vec<Fresh>, (crate::error::Error, Vec<String>)> {
        let mut names = Vec::new();
        let mut fresh = Vec::new();
        let result = self.try_write_segments(manifest, &mut names, &mut fresh);
        match result {
            Ok(()) => Ok(fresh),
            Err(error) => Err((error, names)),
        }
    }

    fn try_write_segments(
        &self,
        manifest: &Manifest,
        names: &mut Vec<String>,
        fresh: &mut Vec<Fresh>,
    ) -> Result<()> {
        let epoch = self.next_epoch(manifest);
        let ids = self.fresh_ids(manifest);
        let pieces = &self.tail.pieces;
        let mut received_at = None;
        for (at, (piece, id)) in pieces.iter().zip(&ids).enumerate() {
            let source = piece.source.and_then(|source| self.unsealed.files.get(source));
            let header = SegmentHeader {
                store_id: manifest.store_id,
                id: *id,
                epoch,
                salt: random_salt(self.entropy)?,
                base_seq: piece.base_seq,
                header_len: source.map_or(self.options.header_len, |source| source.header.header_len),
            };
            let next = ids.get(at + 1).copied().zip(pieces.get(at + 1).map(|next| next.base_seq));
            let name = FileName::Segment(*id).to_string();
            let file = self.disk.create(&name)?;
            names.push(name);
            let mut copy = copy::Copy::new(&*file, header, received_at);
            copy.frames(piece, source, next)?;
            received_at = copy.received_at();
            let written = copy.finish(|end| match next {
                Some(_) => end,
                None => filled_len(end, self.options.segment_bytes_max),
            })?;
            fresh.push(Fresh { header, file, written });
        }
        self.disk.sync_dir()
    }

    /// Ids for the fresh segments: rising, never used, and not the name of any file that is there.
    fn fresh_ids(&self, manifest: &Manifest) -> Vec<SegmentId> {
        let strays = &self.unsealed.strays;
        let seen = self.unsealed.id_max.map_or(SegmentId::FIRST, SegmentId::next);
        let mut id = manifest.next_segment.max(seen);
        let mut ids = Vec::with_capacity(self.tail.pieces.len());
        for _ in &self.tail.pieces {
            while strays.iter().any(|stray| stray.id == id) {
                id = id.next();
            }
            ids.push(id);
            id = id.next();
        }
        ids
    }

    fn remove_old(&self, report: &mut RecoveryReport) -> Result<()> {
        let files = self.unsealed.files.iter().map(|file| &file.name);
        for name in files.chain(self.unsealed.strays.iter().map(|stray| &stray.name)) {
            // One that stays is removed by the next writer.
            if self.disk.remove(name).is_ok() {
                report.removed.push(name.clone());
            }
        }
        self.disk.sync_dir()
    }
}

/// A header page for a first segment that holds no frame yet.
pub(crate) fn first_header(
    store_id: [u8; 16],
    entropy: &dyn Entropy,
    header_len: u32,
) -> Result<SegmentHeader> {
    debug_assert!(header_len <= HEADER_LEN);
    Ok(SegmentHeader {
        store_id,
        id: SegmentId::FIRST,
        epoch: Epoch::FIRST,
        salt: random_salt(entropy)?,
        base_seq: Seq::ZERO.next(),
        header_len,
    })
}

fn random_salt(entropy: &dyn Entropy) -> Result<u64> {
    let mut salt = [0; 8];
    entropy.fill(&mut salt)?;
    Ok(u64::from_le_bytes(salt))
}

#[cfg(test)]
mod tests;
