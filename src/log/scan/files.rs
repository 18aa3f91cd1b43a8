//! The unsealed segment files of a store, sorted by what their headers say.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::format::frame::Seed;
use crate::format::manifest::Manifest;
use crate::format::names::FileName;
use crate::format::segment::{FIXED_LEN, HEADER_LEN, SegmentHeader, Slot};
use crate::storage::{Access, Disk, File};
use crate::types::{Epoch, SegmentId, Seq};

/// An unsealed segment of the current epoch.
#[derive(Debug)]
pub(crate) struct TailFile {
    pub(crate) id: SegmentId,
    pub(crate) name: String,
    pub(crate) file: Arc<dyn File>,
    pub(crate) len: u64,
    pub(crate) header: SegmentHeader,
    pub(crate) seed: Seed,
    pub(crate) slot: Option<Slot>,
}

impl TailFile {
    /// Where the first frame begins.
    pub(crate) fn first(&self) -> u64 {
        u64::from(self.header.header_len)
    }
}

/// A file with the name of a segment and no header of this store.
#[derive(Debug)]
pub(crate) struct StrayFile {
    pub(crate) id: SegmentId,
    pub(crate) name: String,
    pub(crate) file: Arc<dyn File>,
    pub(crate) len: u64,
    /// The header is what a crash can leave of one that was never synced: its beginning, and zeros.
    pub(crate) is_torn: bool,
}

/// All segment files that the manifest does not list.
#[derive(Debug, Default)]
pub(crate) struct Unsealed {
    /// By rising id.
    pub(crate) files: Vec<TailFile>,
    /// By rising id.
    pub(crate) strays: Vec<StrayFile>,
    /// Names of segments of other epochs: copied by a recovery, or made by one that did not finish.
    pub(crate) stale: Vec<String>,
    /// The newest epoch that any header names.
    pub(crate) epoch_max: Option<Epoch>,
    /// The highest id of a segment with a header of this store.
    pub(crate) id_max: Option<SegmentId>,
}

impl Unsealed {
    /// Reads the headers of these segments, whose ids rise.
    ///
    /// # Errors
    ///
    /// [`Error::UnsupportedFormat`] where a later version wrote one, and those of the medium.
    pub(crate) fn read(disk: &dyn Disk, ids: &[SegmentId], manifest: &Manifest) -> Result<Self> {
        let mut unsealed = Self::default();
        for id in ids {
            unsealed.add(disk, *id, manifest)?;
        }
        Ok(unsealed)
    }

    fn add(&mut self, disk: &dyn Disk, id: SegmentId, manifest: &Manifest) -> Result<()> {
        let name = FileName::Segment(id).to_string();
        let file = disk.open(&name, Access::Read)?;
        let len = file.len()?;
        let mut page = vec![0; HEADER_LEN as usize];
        let read = file.read_at(0, &mut page)?;
        page.truncate(read);
        let header = match SegmentHeader::parse(&name, &page) {
            Ok(header) if header.store_id == manifest.store_id && header.id == id => header,
            Ok(_) | Err(Error::Corrupt { .. }) => {
                let is_torn = is_torn(&page, id, manifest);
                self.strays.push(StrayFile { id, name, file, len, is_torn });
                return Ok(());
            }
            Err(_) if is_torn(&page, id, manifest) => {
                self.strays.push(StrayFile { id, name, file, len, is_torn: true });
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        self.epoch_max = self.epoch_max.max(Some(header.epoch));
        self.id_max = self.id_max.max(Some(id));
        if header.epoch == manifest.epoch() {
            let seed = header.seed();
            let page = page.get(..header.header_len as usize).unwrap_or(&page);
            let slot = Slot::newest(page, seed);
            self.files.push(TailFile { id, name, file, len, header, seed, slot });
        } else {
            self.stale.push(name);
        }
        Ok(())
    }
}

/// Bytes that every header of one store and id begins with: head, store id, segment id.
const KNOWN: usize = 36;

/// Whether a crash can leave this of a header that was written once and never synced.
///
/// The header stands in one sector of a file that was zeros or had no bytes, so a crash leaves the first part of it or
/// nothing, and a length that was not synced may end anywhere.
fn is_torn(page: &[u8], id: SegmentId, manifest: &Manifest) -> bool {
    let header = SegmentHeader {
        store_id: manifest.store_id,
        id,
        epoch: manifest.epoch(),
        salt: 0,
        base_seq: Seq::ZERO,
        header_len: HEADER_LEN,
    };
    let fixed = page.get(..FIXED_LEN).unwrap_or(page);
    let written = fixed.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let known = written.min(KNOWN);
    // A file that ends inside the header never had all of it durable.
    (written + size_of::<u32>() <= FIXED_LEN || page.len() < FIXED_LEN)
        && fixed.get(..known).is_some_and(|start| header.encode().get(..known) == Some(start))
}
