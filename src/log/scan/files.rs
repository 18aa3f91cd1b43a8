//! The unsealed segment files of a store, sorted by what their headers say.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::format::frame::Seed;
use crate::format::manifest::Manifest;
use crate::format::names::FileName;
use crate::format::segment::copies::{HeaderCopy, Identity, is_torn_page};
use crate::format::segment::{HEADER_LEN, SegmentHeader, Slot};
use crate::storage::{Access, Disk, File};
use crate::types::{Epoch, SegmentId};

/// An unsealed segment of the current epoch.
#[derive(Debug)]
pub(crate) struct TailFile {
    pub(crate) id: SegmentId,
    pub(crate) name: String,
    pub(crate) file: Arc<dyn File>,
    pub(crate) len: u64,
    pub(crate) header: SegmentHeader,
    /// The first and the second copy of the header, of which one is whole.
    pub(crate) copies: [HeaderCopy; 2],
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
    /// Both copies of the header are what a crash can leave of one that was never synced: its beginning, and zeros.
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
    /// One that cannot be read is taken to be as long as the one before it, as a roll makes it, and the first one to be
    /// of `header_len`.
    ///
    /// # Errors
    ///
    /// [`Error::UnsupportedFormat`] where a later version wrote one, and those of the medium.
    pub(crate) fn read(
        disk: &dyn Disk,
        ids: &[SegmentId],
        manifest: &Manifest,
        header_len: u32,
    ) -> Result<Self> {
        let mut unsealed = Self::default();
        for id in ids {
            unsealed.add(disk, *id, manifest, header_len)?;
        }
        Ok(unsealed)
    }

    /// Reads the header of one more segment, with a higher id than all before.
    ///
    /// # Errors
    ///
    /// As [`Unsealed::read`].
    pub(crate) fn add(
        &mut self,
        disk: &dyn Disk,
        id: SegmentId,
        manifest: &Manifest,
        header_len: u32,
    ) -> Result<()> {
        let name = FileName::Segment(id).to_string();
        let (file, len, page) = open_page(disk, &name)?;
        let fits = |header: &SegmentHeader| header.store_id == manifest.store_id && header.id == id;
        let identity = match Identity::read(&name, &page, fits) {
            Ok(identity) => identity,
            Err(error) => {
                let header_len = self.files.last().map_or(header_len, |file| file.header.header_len);
                let is_torn = is_torn_page(&page, manifest.store_id, id, header_len);
                if !is_torn && !matches!(error, Error::Corrupt { .. }) {
                    return Err(error);
                }
                self.strays.push(StrayFile { id, name, file, len, is_torn });
                return Ok(());
            }
        };
        let header = identity.header;
        self.epoch_max = self.epoch_max.max(Some(header.epoch));
        self.id_max = self.id_max.max(Some(id));
        if header.epoch == manifest.epoch() {
            let seed = header.seed();
            let page = page.get(..header.header_len as usize).unwrap_or(&page);
            let slot = Slot::newest(page, seed);
            let copies = [identity.first, identity.second];
            self.files.push(TailFile { id, name, file, len, header, copies, seed, slot });
        } else {
            self.stale.push(name);
        }
        Ok(())
    }
}

/// Opens a segment's file, and reads its length and as much of its header page as there is.
///
/// # Errors
///
/// Those of the medium.
pub(crate) fn open_page(disk: &dyn Disk, name: &str) -> Result<(Arc<dyn File>, u64, Vec<u8>)> {
    let file = disk.open(name, Access::Read)?;
    let len = file.len()?;
    let mut page = vec![0; HEADER_LEN as usize];
    let read = file.read_at(0, &mut page)?;
    page.truncate(read);
    Ok((file, len, page))
}
