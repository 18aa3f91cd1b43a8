//! Runs of message ids.

use super::super::report::{Severity, VerifyLevel, VerifyReport, finding};
use super::{REMOVE, check_file};
use crate::dedupe::{self, Digest, MessageHasher, Run};
use crate::format::frame::FrameView;
use crate::format::manifest::{IdsRun, Manifest, SealedSegment};
use crate::format::names::{FileName, MANIFEST};
use crate::storage::Disk;
use crate::store::derive::ids::entry_of;
use crate::types::Seq;

fn hasher(manifest: &Manifest) -> MessageHasher {
    MessageHasher::new(manifest.hash_key, u64::BITS)
}

/// A listed run with what its entries add up to, where its header can be read.
pub(in crate::store::verify) type Summed<'m> = (&'m IdsRun, Option<Digest>);

/// Checks the runs. Segments that none covers were sealed while ids were not looked up.
pub(in crate::store::verify) fn check<'m>(
    disk: &dyn Disk,
    manifest: &'m Manifest,
    level: VerifyLevel,
    report: &mut VerifyReport,
) -> Vec<Summed<'m>> {
    let hash_check = hasher(manifest).check();
    let mut summed = Vec::with_capacity(manifest.ids.len());
    for listed in &manifest.ids {
        let mut digest = None;
        if listed.has_file() {
            let name = FileName::IdsRun(listed.number).to_string();
            check_file(disk, &name, level, report, |file| {
                let (body, sum) = Run::check_header(file, listed, manifest.store_id, hash_check)?;
                digest = Some(sum);
                Ok(body)
            });
        } else {
            digest = Some(Digest::default());
        }
        summed.push((listed, digest));
    }
    summed
}

/// Adds up the ids of frames as they go by, and compares with what the runs say.
pub(super) struct RemakingIds<'m> {
    hasher: MessageHasher,
    listed: Vec<Summed<'m>>,
    run: Option<Sum<'m>>,
}

/// A run that is being added up.
struct Sum<'m> {
    listed: &'m IdsRun,
    expected: Option<Digest>,
    found: Digest,
    /// The segment that comes next, if no frame is missing.
    next: Seq,
    is_whole: bool,
}

impl<'m> RemakingIds<'m> {
    pub(super) fn new(manifest: &Manifest, listed: Vec<Summed<'m>>) -> Self {
        Self { hasher: hasher(manifest), listed, run: None }
    }

    pub(super) fn begin(&mut self, footer: &SealedSegment, report: &mut VerifyReport) {
        let covers =
            |(run, _): &&(&IdsRun, _)| run.first_seq <= footer.base_seq && footer.last_seq() <= run.last_seq;
        let found = self.listed.iter().find(covers).copied();
        if found.map(|(listed, _)| listed.number) != self.run.as_ref().map(|run| run.listed.number) {
            self.end_run(report);
            self.run = found.map(|(listed, expected)| Sum {
                listed,
                expected,
                found: Digest::default(),
                next: listed.first_seq,
                is_whole: true,
            });
        }
        if let Some(run) = &mut self.run {
            run.is_whole &= run.next == footer.base_seq;
            run.next = footer.last_seq().next();
        }
    }

    pub(super) fn take(&mut self, view: &FrameView<'_>) {
        if let Some(run) = &mut self.run
            && let Some(entry) = entry_of(&self.hasher, view)
        {
            run.found.add(entry);
        }
    }

    /// Ends a segment, of which all frames were whole or not.
    pub(super) fn end(&mut self, is_whole: bool) {
        if let Some(run) = &mut self.run {
            run.is_whole &= is_whole;
        }
    }

    /// Ends the run that is being added up.
    pub(super) fn end_run(&mut self, report: &mut VerifyReport) {
        let Some(Sum { listed, expected: Some(expected), found, next, is_whole }) = self.run.take() else {
            return;
        };
        if listed.file.rules != dedupe::RULES || found == expected {
            return;
        }
        let mut name = FileName::IdsRun(listed.number).to_string();
        let (severity, what, advice) = if is_whole && next == listed.last_seq.next() {
            if listed.has_file() {
                let what = "the run has other message ids than the frames of its segments";
                (Severity::Damage, what, REMOVE)
            } else {
                MANIFEST.clone_into(&mut name);
                let what = "it lists no message ids for frames that have some";
                (Severity::Damage, what, "restore a backup of this file")
            }
        } else {
            let what =
                "frames that the run was made of are missing, so that it cannot be compared with the log";
            (Severity::Note, what, "nothing; ids of frames that are gone are passed over")
        };
        report.add(finding(severity, &name, what, advice).of(listed.first_seq, listed.last_seq));
    }
}
