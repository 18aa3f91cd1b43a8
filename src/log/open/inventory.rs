//! What is in a store's directory.

use super::found::Lost;
use crate::error::Result;
use crate::format::manifest::Manifest;
use crate::format::names::{FileName, MANIFEST, SECRET, TEMPORARY};
use crate::storage::Disk;
use crate::types::SegmentId;

/// The names in a store's directory that opening it has to do with; all others are nobody's business.
#[derive(Debug, Default)]
pub(super) struct Inventory {
    /// Segments that the manifest does not list, by rising id.
    pub(super) unsealed: Vec<SegmentId>,
    /// Names of files that do not count: temporary ones, and derived ones that the manifest does not list.
    pub(super) left_over: Vec<String>,
}

impl Inventory {
    /// Reads the directory. `lost` are segments that the manifest listed until just now.
    pub(super) fn take(disk: &dyn Disk, manifest: &Manifest, lost: &[Lost]) -> Result<Self> {
        let mut inventory = Self::default();
        let listed = |id: SegmentId| {
            manifest
                .segments
                .binary_search_by_key(&id, |segment| segment.id)
                .ok()
                .and_then(|at| manifest.segments.get(at))
        };
        for name in disk.list()? {
            if let Some(whole) = name.strip_suffix(TEMPORARY) {
                if is_ours(whole) {
                    inventory.left_over.push(name);
                }
                continue;
            }
            let counts = match FileName::parse(&name) {
                Some(FileName::Segment(id)) => {
                    let is_lost = lost.iter().any(|lost| lost.name.as_ref() == Some(&name));
                    if listed(id).is_none() && !is_lost {
                        inventory.unsealed.push(id);
                    }
                    true
                }
                Some(FileName::Index(id)) => listed(id).is_some_and(|segment| segment.index.is_some()),
                Some(FileName::ProfileRun(number)) => manifest.runs.iter().any(|run| run.number == number),
                Some(FileName::IdsRun(number)) => {
                    manifest.ids.iter().any(|run| run.number == number && run.has_file())
                }
                None => true,
            };
            if !counts {
                inventory.left_over.push(name);
            }
        }
        inventory.unsealed.sort_unstable();
        Ok(inventory)
    }
}

/// Whether the name is one that a store gives.
pub(super) fn is_ours(name: &str) -> bool {
    name == MANIFEST || name == SECRET || FileName::parse(name).is_some()
}
