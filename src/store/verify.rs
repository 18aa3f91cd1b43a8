//! Checking a store without changing it, whether it opens or not.
//!
//! Nothing ends the check early: what is wrong with one file is told, and the next one is looked at. All is read with
//! `pread` through [`patient`], so that a bad sector is a finding and not a signal. The log is judged by the code that
//! opening uses ([`scan`]); what is derived from it by what opening compares.

mod derived;
mod frames;
mod header;
mod names;
mod orphans;
mod patient;
mod report;
mod tail;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use self::derived::Remaking;
use self::frames::{LOST, NOT_ZEROS, Reach, Walk, check_zeros};
use self::header::{check_page, open_sealed};
use self::names::Names;
use self::patient::PatientDisk;
use self::report::{finding, of_error};
use super::Store;
use super::open::open_directory;
use crate::error::{Error, Result};
use crate::format::manifest::{Manifest, SealedSegment};
use crate::format::names::{FileName, MANIFEST};
use crate::format::segment::HEADER_LEN;
use crate::log::open::is_half_made;
use crate::log::{manifest_file, scan};
use crate::storage::{Disk, LockMode};
use crate::types::Seq;

pub use self::report::{Finding, Severity, VerifyLevel, VerifyReport};

impl Store {
    /// Checks the store in a directory, whether it opens or not, and lists all that is wrong with it.
    ///
    /// No file is changed. While the check lasts the store can be read and not written to. A store that a crash ended
    /// is not damaged: what the crash left is told in notes, and the next opening deals with it.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] while a writer has the store, [`Error::NotFound`] where the directory holds nothing of one,
    /// [`Error::Invalid`] for an empty path, [`Error::Io`] where the directory itself cannot be read. What is wrong with a file is a finding and no error.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Store, VerifyLevel};
    ///
    /// # fn main() -> envelog::Result<()> {
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("data");
    /// Store::open(&path)?.close()?;
    /// let report = Store::verify(&path, VerifyLevel::Full)?;
    /// assert!(!report.is_damaged() && report.findings.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub fn verify(path: impl AsRef<Path>, level: VerifyLevel) -> Result<VerifyReport> {
        verify(open_directory(path.as_ref(), false)?, level)
    }

    /// Checks the store on a simulated disk. For tests.
    ///
    /// # Errors
    ///
    /// As [`Store::verify`].
    #[cfg(any(test, feature = "testing"))]
    pub fn verify_on(disk: &crate::storage::sim::SimDisk, level: VerifyLevel) -> Result<VerifyReport> {
        verify(Arc::new(disk.clone()), level)
    }
}

/// What a check goes by.
struct Check<'a> {
    disk: &'a PatientDisk,
    level: VerifyLevel,
}

fn verify(disk: Arc<dyn Disk>, level: VerifyLevel) -> Result<VerifyReport> {
    let _lock = disk.lock(LockMode::Shared)?.ok_or(Error::Locked)?;
    let names = Names::take(&disk.list()?);
    let disk = PatientDisk::new(disk);
    let check = Check { disk: &disk, level };
    let mut report = VerifyReport::new(level);
    let manifest = check.manifest(&names, &mut report)?;
    report.files = names.count(manifest.as_ref());
    names.tell(&disk, manifest.as_ref(), &mut report);
    match &manifest {
        Some(manifest) => check.listed(manifest, &names, &mut report),
        None if report.is_damaged() => orphans::check(&check, &names.segments, &mut report),
        // The store was not made to its end, and nothing of it counts.
        None => {}
    }
    check.tell_unreadable(&mut report);
    report.bytes = disk.bytes_read();
    Ok(report)
}

impl Check<'_> {
    /// Reads the manifest; `None`, and told, where there is none that can be read.
    fn manifest(&self, names: &Names, report: &mut VerifyReport) -> Result<Option<Manifest>> {
        let advice = "restore a backup of this file; without it the store does not open";
        match manifest_file::read(self.disk) {
            Ok(Some(manifest)) => return Ok(Some(manifest)),
            Ok(None) if !names.is_store() => {
                let reason = "it has no file of a store".into();
                return Err(Error::NotFound { path: self.disk.describe(), reason });
            }
            Ok(None) if is_half_made(self.disk) => {
                let what = "the store was not made to its end";
                let advice = "nothing is lost; opening for writing makes it anew";
                report.add(finding(Severity::Note, MANIFEST, what, advice));
            }
            Ok(None) => {
                report.add(finding(Severity::Damage, MANIFEST, "the file is missing", advice));
            }
            Err(error) => report.add(of_error(Severity::Damage, MANIFEST, &error, advice)),
        }
        Ok(None)
    }

    /// Checks all that a manifest lists, and the segments behind it.
    fn listed(&self, manifest: &Manifest, names: &Names, report: &mut VerifyReport) {
        let ids = derived::ids::check(self.disk, manifest, self.level, report);
        let mut remaking = (self.level >= VerifyLevel::Deep).then(|| Remaking::new(manifest, ids));
        let mut last = Seq::ZERO;
        let mut header_len = HEADER_LEN;
        for footer in &manifest.segments {
            let expected = scan::seq_after(last, &manifest.gaps);
            // A roll frame may stand at the first seq of a gap.
            if footer.base_seq != expected && footer.base_seq != last.next() {
                let what = "the manifest lists no segment and no gap between this segment and the one before";
                let before = Seq::new(footer.base_seq.get().saturating_sub(1));
                let name = FileName::Segment(footer.id).to_string();
                report.add(finding(Severity::Damage, &name, what, LOST).of(expected, before));
            }
            last = footer.last_seq();
            report.segments += 1;
            match self.sealed(manifest, footer, remaking.as_mut(), report) {
                Ok(found) => header_len = found.unwrap_or(header_len),
                Err(error) => {
                    let name = FileName::Segment(footer.id).to_string();
                    let finding = of_error(Severity::Damage, &name, &error, LOST);
                    report.add(finding.of(footer.base_seq, footer.last_seq()));
                }
            }
            derived::check_index(self.disk, manifest.store_id, footer, self.level, report);
        }
        if let Some(remaking) = &mut remaking {
            remaking.end_all(report);
        }
        tail::check(self, manifest, (&names.unsealed(manifest), header_len), report);
        derived::check_runs(self.disk, manifest, self.level, report);
    }

    /// Checks a sealed segment, and gives the length of its header page.
    fn sealed(
        &self,
        manifest: &Manifest,
        footer: &SealedSegment,
        mut remaking: Option<&mut Remaking<'_>>,
        report: &mut VerifyReport,
    ) -> Result<Option<u32>> {
        let Some(mut file) = open_sealed(self.disk, manifest.store_id, footer, report)? else {
            return Ok(None);
        };
        let header_len = Some(file.header.header_len);
        check_page(&file, report)?;
        if self.level < VerifyLevel::Full {
            return Ok(header_len);
        }
        check_zeros(&*file.file, footer.end..file.len, NOT_ZEROS, report)?;
        file.len = file.len.min(footer.end);
        if let Some(remaking) = &mut remaking {
            remaking.begin(footer, report);
        }
        let reach = Reach::Known { last: footer.last_seq(), end: footer.end, is_rolled: true };
        let walk =
            Walk { file: &file, from: file.first(), first: footer.base_seq, reach, gaps: &manifest.gaps };
        let walked = walk.run(report, |offset, view| {
            if let Some(remaking) = &mut remaking {
                remaking.take(offset, view);
            }
        })?;
        if walked.is_whole && walked.crc_of_crcs != footer.crc_of_crcs {
            let what = "its frames are whole, and not the ones that the manifest was made of";
            let finding = finding(Severity::Damage, &file.name, what, LOST);
            report.add(finding.of(footer.base_seq, footer.last_seq()));
        }
        if let Some(remaking) = remaking {
            remaking.end(footer, walked.is_whole, report);
        }
        Ok(header_len)
    }

    /// Tells what the disk could not read.
    fn tell_unreadable(&self, report: &mut VerifyReport) {
        for (name, range) in self.disk.unreadable() {
            let is_derived = matches!(
                FileName::parse(&name),
                Some(FileName::Index(_) | FileName::ProfileRun(_) | FileName::IdsRun(_))
            );
            let (severity, advice) =
                if is_derived { (Severity::Derived, derived::REMADE) } else { (Severity::Damage, LOST) };
            let what = format!("the disk cannot read {} bytes", range.end - range.start);
            report.add(finding(severity, &name, what, advice).at(range.start));
        }
        for name in self.disk.shaky() {
            let what = "the disk failed to read it at first, and did when it was asked again";
            report.add(finding(Severity::Note, &name, what, "make a backup, and look after the disk"));
        }
    }
}
