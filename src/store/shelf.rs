//! The sealed segments of an open store, as what derived files are made of, again where one is damaged.
//!
//! Damage in an index or a run is found when a block of it is first read. The read that finds it makes the bytes of
//! the file anew from the log, in memory, and goes on with them, and so does everyone who holds the file open. The
//! same frames always make the same bytes, which are compared with what the manifest lists, so that places in the
//! old file are places in the new one. A writer's sealer then puts the file in its place, under the same name and the
//! same line of the manifest; a reader changes no file.
//!
//! Nothing here takes a lock of the log, of the profiles or of the list of segments: whoever reads may hold them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;

use super::derive::{self, index_origin};
use super::seal::SealQueue;
use crate::dedupe::MessageHasher;
use crate::error::{Error, Result};
use crate::format::manifest::{IdsRun, ProfileRun, SealedSegment};
use crate::format::names::FileName;
use crate::limits::Limits;
use crate::log::segment::Segment;
use crate::profile::{self, Merge, ProfileMap, Source};
use crate::storage::{MemoryFile, Remake};
use crate::trace;
use crate::types::{SegmentId, Seq};

/// A sealed segment and its line in the manifest.
#[derive(Debug, Clone)]
pub(super) struct Shelved {
    pub(super) footer: SealedSegment,
    pub(super) segment: Arc<Segment>,
}

/// A derived file whose bytes were made anew and that is to be put in its place.
#[derive(Debug)]
pub(super) struct Mending {
    pub(super) file: FileName,
    /// None where they cannot be had: the file goes off the list.
    pub(super) bytes: Option<Arc<[u8]>>,
}

/// The sealed segments of an open store.
pub(super) struct Shelf {
    pub(super) store_id: [u8; 16],
    pub(super) hash_key: [u8; 16],
    pub(super) limits: Arc<Limits>,
    /// In the order of their seqs.
    sealed: RwLock<Vec<Shelved>>,
    /// Where a writer's sealer is told of files to write; a reader has none.
    queue: Option<Arc<SealQueue>>,
    rebuilt: AtomicU64,
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelf").finish_non_exhaustive()
    }
}

impl Shelf {
    pub(super) fn new(
        store_id: [u8; 16],
        hash_key: [u8; 16],
        limits: Arc<Limits>,
        queue: Option<Arc<SealQueue>>,
    ) -> Self {
        Self { store_id, hash_key, limits, sealed: RwLock::default(), queue, rebuilt: AtomicU64::new(0) }
    }

    /// Adds a segment, or its line in the manifest as it is now. It lies behind all others.
    pub(super) fn put(&self, footer: SealedSegment, segment: &Arc<Segment>) {
        let mut sealed = self.sealed.write();
        sealed.retain(|shelved| shelved.footer.id != footer.id);
        sealed.push(Shelved { footer, segment: Arc::clone(segment) });
    }

    /// The segment of this id.
    pub(super) fn find(&self, id: SegmentId) -> Option<Shelved> {
        self.sealed.read().iter().find(|shelved| shelved.footer.id == id).cloned()
    }

    /// The segments of the frames from one seq to another.
    pub(super) fn between(&self, first_seq: Seq, last_seq: Seq) -> Vec<Shelved> {
        let is_in = |shelved: &&Shelved| {
            first_seq <= shelved.footer.base_seq && shelved.footer.last_seq() <= last_seq
        };
        self.sealed.read().iter().filter(is_in).cloned().collect()
    }

    /// How many files were found damaged and made anew since the store was opened.
    pub(super) fn rebuilt(&self) -> u64 {
        self.rebuilt.load(Ordering::Relaxed)
    }

    fn remade(&self, file: FileName, bytes: Vec<u8>) -> Arc<[u8]> {
        let bytes: Arc<[u8]> = bytes.into();
        self.rebuilt.fetch_add(1, Ordering::Relaxed);
        trace::warn!(SEAL, file = trace::shown(file); "a damaged file was made anew from the log by the read that met it");
        if let Some(queue) = &self.queue {
            queue.mend(Mending { file, bytes: Some(Arc::clone(&bytes)) });
        }
        bytes
    }

    /// A damaged file cannot be made anew, and what is left of its content is in memory.
    pub(super) fn lost(&self, file: FileName) {
        self.rebuilt.fetch_add(1, Ordering::Relaxed);
        trace::warn!(SEAL, file = trace::shown(file); "a damaged file cannot be made anew, as the log is damaged too");
        if let Some(queue) = &self.queue {
            queue.mend(Mending { file, bytes: None });
        }
    }
}

/// Makes the index of a segment anew.
#[derive(Debug)]
pub(super) struct RemakeIndex {
    pub(super) shelf: Arc<Shelf>,
    pub(super) segment: Arc<Segment>,
    /// With the index that is listed.
    pub(super) footer: SealedSegment,
}

impl Remake for RemakeIndex {
    fn remake(&self, _: &Error) -> Result<Option<Arc<[u8]>>> {
        let Self { shelf, segment, footer } = self;
        let active = derive::index_segment(segment, footer.end, shelf.hash_key)?;
        let made = derive::seal(segment, &active, &index_origin(shelf.store_id, footer))?;
        let is_same = Some(made.listed) == footer.index;
        Ok(is_same.then(|| shelf.remade(FileName::Index(footer.id), made.bytes)))
    }
}

/// Makes a run of message ids anew.
#[derive(Debug)]
pub(super) struct RemakeIds {
    pub(super) shelf: Arc<Shelf>,
    pub(super) hasher: MessageHasher,
    pub(super) listed: IdsRun,
}

impl Remake for RemakeIds {
    fn remake(&self, _: &Error) -> Result<Option<Arc<[u8]>>> {
        let Self { shelf, hasher, listed } = self;
        let mut entries = Vec::new();
        for Shelved { footer, segment } in shelf.between(listed.first_seq, listed.last_seq) {
            derive::ids::gather(&segment, footer.end, hasher, &mut entries)?;
        }
        let origin = derive::ids::origin(shelf.store_id, hasher, listed);
        let name = FileName::IdsRun(listed.number);
        let file = MemoryFile::new(name.to_string());
        let made = derive::ids::write(&file, &origin, &mut entries)?;
        Ok((made == *listed).then(|| shelf.remade(name, file.into_bytes())))
    }
}

/// Makes a run anew.
#[derive(Debug)]
pub(super) struct RemakeRun {
    pub(super) shelf: Arc<Shelf>,
    pub(super) listed: ProfileRun,
}

impl Remake for RemakeRun {
    fn remake(&self, _: &Error) -> Result<Option<Arc<[u8]>>> {
        let Self { shelf, listed } = self;
        let segments = shelf.between(listed.first_seq, listed.last_seq);
        let mut facts = ProfileMap::new(Vec::new(), shelf.hash_key, Arc::clone(&shelf.limits));
        for Shelved { footer, segment } in &segments {
            derive::fold_facts(segment, footer.end, &mut facts)?;
        }
        let delta = facts.freeze(listed.last_seq).delta;
        let origin = profile::Origin {
            store_id: shelf.store_id,
            hash_key: shelf.hash_key,
            number: listed.number,
            first_seq: listed.first_seq,
            last_seq: listed.last_seq,
        };
        let name = FileName::ProfileRun(listed.number);
        let file = MemoryFile::new(name.to_string());
        let made = profile::write(&file, &origin, &mut Merge::new(vec![Source::delta(&delta, &[], &[])]))?;
        Ok((made == *listed).then(|| shelf.remade(name, file.into_bytes())))
    }
}
