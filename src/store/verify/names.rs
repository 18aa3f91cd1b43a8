//! The names in a store's directory, and the small files among them.

use std::cmp::Ordering;

use super::report::{Severity, VerifyReport, finding, of_error};
use crate::envelope::address::KeyId;
use crate::format::head::MINOR;
use crate::format::manifest::Manifest;
use crate::format::names::{FileName, LOCK, MANIFEST, SECRET, TEMPORARY};
use crate::storage::{self, Access, Disk};
use crate::types::SegmentId;

/// The page that readers map while a writer is at work.
const LIVE: &str = "LIVE";
/// Bytes of a secret that the store made for itself.
const SECRET_BYTES: usize = 32;
/// Longest secret that is read.
const SECRET_BYTES_MAX: u64 = 4096;
/// Name of the key of addresses that are hashed without a secret.
const UNSALTED: &[u8; 8] = b"unsalted";
/// Where the minor version stands in a file.
const MINOR_AT: u64 = 10;

const REMOVED: &str = "nothing: opening for writing removes it";

/// The names in a store's directory.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// By rising id.
    pub(super) segments: Vec<SegmentId>,
    derived: Vec<FileName>,
    /// Files that are being replaced.
    temporary: Vec<String>,
    has_manifest: bool,
    has_secret: bool,
    unknown: Vec<String>,
}

impl Names {
    pub(super) fn take(list: &[String]) -> Self {
        let mut names = Self::default();
        for name in list {
            match (FileName::parse(name), name.as_str()) {
                (Some(FileName::Segment(id)), _) => names.segments.push(id),
                (Some(derived), _) => names.derived.push(derived),
                (None, MANIFEST) => names.has_manifest = true,
                (None, SECRET) => names.has_secret = true,
                (None, LOCK | LIVE) => {}
                (None, _) if is_temporary(name) => names.temporary.push(name.clone()),
                (None, _) => names.unknown.push(name.clone()),
            }
        }
        names.segments.sort_unstable();
        names
    }

    /// Whether anything says that a store is or was here.
    pub(super) fn is_store(&self) -> bool {
        self.has_manifest || !self.segments.is_empty() || !self.derived.is_empty()
    }

    /// How many files a check looks at.
    pub(super) fn count(&self, manifest: Option<&Manifest>) -> u64 {
        let listed = |name: &&FileName| manifest.is_some_and(|manifest| is_listed(manifest, **name));
        let derived = self.derived.iter().filter(listed).count();
        let count = self.segments.len() + derived + usize::from(self.has_manifest);
        (count + usize::from(self.has_secret)) as u64
    }

    /// The segments that the manifest does not list.
    pub(super) fn unsealed(&self, manifest: &Manifest) -> Vec<SegmentId> {
        let ids = self.segments.iter().filter(|id| !is_listed(manifest, FileName::Segment(**id)));
        ids.copied().collect()
    }

    /// Tells of names that the store does not count on, and looks at the small files.
    pub(super) fn tell(&self, disk: &dyn Disk, manifest: Option<&Manifest>, report: &mut VerifyReport) {
        let mut note = |name: &str, what, advice| report.add(finding(Severity::Note, name, what, advice));
        for name in &self.unknown {
            note(name, "it is no file of a store", "nothing: the store leaves it alone");
        }
        for name in &self.temporary {
            note(name, "a file that was being replaced", REMOVED);
        }
        let Some(manifest) = manifest else {
            if !self.derived.is_empty() {
                let what = "derived files cannot be checked without it";
                note(MANIFEST, what, "nothing is lost: they are made anew from the log");
            }
            return;
        };
        for name in self.derived.iter().filter(|name| !is_listed(manifest, **name)) {
            note(&name.to_string(), "the manifest does not list it", REMOVED);
        }
        for gap in &manifest.gaps {
            let what = "these frames were given up by an earlier recovery";
            let advice = "a backup may have them, and the store's directory quarantine what is left of them";
            report.add(finding(Severity::Note, MANIFEST, what, advice).of(gap.from, gap.to));
        }
        check_minor(disk, report);
        if self.has_secret {
            check_secret(disk, manifest, report);
        }
    }
}

/// Whether the name is one that a file of the store has while it is being replaced.
fn is_temporary(name: &str) -> bool {
    name.strip_suffix(TEMPORARY)
        .is_some_and(|whole| [MANIFEST, SECRET].contains(&whole) || FileName::parse(whole).is_some())
}

fn is_listed(manifest: &Manifest, name: FileName) -> bool {
    let segment = |id: SegmentId| {
        let at = manifest.segments.binary_search_by_key(&id, |listed| listed.id).ok()?;
        manifest.segments.get(at)
    };
    match name {
        FileName::Segment(id) => segment(id).is_some(),
        FileName::Index(id) => segment(id).is_some_and(|listed| listed.index.is_some()),
        FileName::ProfileRun(number) => manifest.runs.iter().any(|run| run.number == number),
        FileName::IdsRun(number) => manifest.ids.iter().any(|run| run.number == number && run.has_file()),
    }
}

/// Looks at the minor version of the manifest, which no checksum covers and any reader passes over.
fn check_minor(disk: &dyn Disk, report: &mut VerifyReport) {
    let mut minor = [0; 2];
    let read = disk.open(MANIFEST, Access::Read).and_then(|file| file.read_at(MINOR_AT, &mut minor));
    let advice = "nothing is lost: every minor version can be read";
    if let Err(error) = read {
        report.add(of_error(Severity::Damage, MANIFEST, &error, "make a backup"));
        return;
    }
    let what = match u16::from_le_bytes(minor).cmp(&MINOR) {
        Ordering::Less => "it names an earlier minor version of the format",
        Ordering::Greater => "it names a later minor version of the format",
        Ordering::Equal => return,
    };
    report.add(finding(Severity::Note, MANIFEST, what, advice).at(MINOR_AT));
}

/// Looks at the file of the secret: its length, and whether addresses were ever hashed with it.
fn check_secret(disk: &dyn Disk, manifest: &Manifest, report: &mut VerifyReport) {
    let advice = "restore a backup of this file; with another secret, addresses get other tokens from now on";
    let secret = match storage::read_file(disk, SECRET, SECRET_BYTES_MAX) {
        Ok(secret) => secret.unwrap_or_default(),
        Err(error) => {
            report.add(of_error(Severity::Damage, SECRET, &error, advice));
            return;
        }
    };
    if secret.len() != SECRET_BYTES {
        report.add(finding(Severity::Damage, SECRET, "it does not have 32 bytes", advice));
        return;
    }
    let key = KeyId::of_secret(&secret);
    let mut known = manifest.retired_address_keys.iter().chain([&manifest.address_key]);
    // Where addresses were hashed without a secret, or none ever was, the manifest has nothing to compare with.
    let is_open = |known: &[u8; 8]| known == UNSALTED || *known == [0; 8] || known == key.as_str().as_bytes();
    if !known.any(is_open) {
        let what = "the manifest knows another secret than this one";
        report.add(finding(Severity::Damage, SECRET, what, advice));
    }
}
