//! The manifest in its file: read once, replaced whole.

use std::fmt;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use crate::error::{Error, Result};
use crate::format::manifest::Manifest;
use crate::format::names::MANIFEST;
use crate::storage::{self, Disk};

/// Longest manifest that is read: room for a million sealed segments.
const MANIFEST_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Reads the manifest, or `None` where there is none.
///
/// # Errors
///
/// Those of [`Manifest::parse`] and of reading.
pub(crate) fn read(disk: &dyn Disk) -> Result<Option<Manifest>> {
    let bytes = storage::read_file(disk, MANIFEST, MANIFEST_BYTES_MAX)?;
    bytes.map(|bytes| Manifest::parse(MANIFEST, &bytes)).transpose()
}

/// Replaces the manifest. When this returns, the new one survives a power loss.
///
/// # Errors
///
/// Those of the medium. The old one stands then, or the new one does if only the last step failed.
pub(crate) fn write(disk: &dyn Disk, manifest: &Manifest) -> Result<()> {
    let bytes = manifest.encode();
    debug_assert_eq!(Manifest::parse(MANIFEST, &bytes).ok().as_ref(), Some(manifest));
    if bytes.len() as u64 > MANIFEST_BYTES_MAX {
        return Err(Error::TooLarge {
            what: "the manifest",
            bytes: bytes.len() as u64,
            bytes_max: MANIFEST_BYTES_MAX,
        });
    }
    storage::write_file_atomic(disk, MANIFEST, &bytes)
}

/// The manifest of a store that is open for writing.
pub(crate) struct ManifestFile {
    disk: Arc<dyn Disk>,
    /// Held while the file is replaced, so that updates follow one another; never while `current` is held.
    updating: Mutex<()>,
    current: RwLock<Arc<Manifest>>,
}

impl fmt::Debug for ManifestFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManifestFile").finish_non_exhaustive()
    }
}

impl ManifestFile {
    /// The manifest that was read from, or written to, the disk.
    pub(crate) fn new(disk: Arc<dyn Disk>, manifest: Manifest) -> Self {
        Self { disk, updating: Mutex::new(()), current: RwLock::new(Arc::new(manifest)) }
    }

    /// The manifest as it was last made durable. An update that is under way does not delay this.
    pub(crate) fn current(&self) -> Arc<Manifest> {
        Arc::clone(&self.current.read())
    }

    /// Changes the manifest on the disk and then in memory. When this returns, the change survives a power loss.
    ///
    /// # Errors
    ///
    /// Those of the medium; nothing changes in memory then.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Manifest)) -> Result<()> {
        let _updating = self.updating.lock();
        let mut manifest = Manifest::clone(&self.current.read());
        change(&mut manifest);
        write(&*self.disk, &manifest)?;
        *self.current.write() = Arc::new(manifest);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
