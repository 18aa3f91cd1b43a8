//! Indexes, runs of profiles and runs of message ids: whether they are whole, and whether they are what the log makes.

pub(super) mod ids;

use std::sync::Arc;

use self::ids::RemakingIds;
use super::report::{Severity, VerifyLevel, VerifyReport, finding, of_error};
use crate::error::Result;
use crate::format::frame::{FrameKind, FrameView};
use crate::format::keys::EventKeys;
use crate::format::manifest::{Manifest, ProfileRun, SealedSegment};
use crate::format::names::FileName;
use crate::index::{self, ActiveWriter, SealedIndex};
use crate::limits::Limits;
use crate::profile::{self, Merge, ProfileMap, Run, Source};
use crate::storage::{self, Access, Body, Disk, File, MemoryFile};
use crate::store::derive::index_origin;
use crate::store::fold::fragments_of;
use crate::types::Seq;

/// What helps where a derived file is not what it should be.
pub(super) const REMADE: &str = "nothing is lost: what meets it reads the log instead; removed while the store is closed, it is made anew by the \
     next opening";
const REMOVE: &str = "remove the file: opening for writing makes it anew from the log";

/// Checks a file that is listed: presence and header, and its blocks where all is looked at.
fn check_file(
    disk: &dyn Disk,
    name: &str,
    level: VerifyLevel,
    report: &mut VerifyReport,
    header: impl FnOnce(&dyn File) -> Result<Body>,
) {
    let check = || {
        let file = disk.open(name, Access::Read)?;
        let body = header(&*file)?;
        if level >= VerifyLevel::Full {
            storage::damaged_blocks(&*file, &body, |range| {
                let bytes = range.end - range.start;
                let what = format!("{bytes} bytes of it do not match their checksums");
                report.add(finding(Severity::Derived, name, what, REMADE).at(range.start));
            })?;
        }
        Ok(())
    };
    if let Err(error) = check() {
        report.add(of_error(Severity::Derived, name, &error, REMADE));
    }
}

/// Checks the index of a sealed segment.
pub(super) fn check_index(
    disk: &dyn Disk,
    store_id: [u8; 16],
    footer: &SealedSegment,
    level: VerifyLevel,
    report: &mut VerifyReport,
) {
    let name = FileName::Index(footer.id).to_string();
    match footer.index {
        Some(listed) => check_file(disk, &name, level, report, |file| {
            SealedIndex::check_header(file, &listed, &index_origin(store_id, footer))
        }),
        None => report.add(finding(Severity::Derived, &name, "the manifest lists none", REMADE)),
    }
}

/// Checks the runs, and that they cover every sealed segment.
pub(super) fn check_runs(
    disk: &dyn Disk,
    manifest: &Manifest,
    level: VerifyLevel,
    report: &mut VerifyReport,
) {
    for listed in &manifest.runs {
        let name = FileName::ProfileRun(listed.number).to_string();
        check_file(disk, &name, level, report, |file| {
            Run::check_header(file, listed, manifest.store_id, &manifest.hash_key)
        });
    }
    for footer in manifest.segments.iter().filter(|footer| run_of(manifest, footer).is_none()) {
        let name = FileName::Segment(footer.id).to_string();
        let what = "no run of profiles that the manifest lists covers the segment";
        let finding = finding(Severity::Derived, &name, what, REMADE);
        report.add(finding.of(footer.base_seq, footer.last_seq()));
    }
}

fn run_of<'m>(manifest: &'m Manifest, footer: &SealedSegment) -> Option<&'m ProfileRun> {
    manifest.runs.iter().find(|run| run.first_seq <= footer.base_seq && footer.last_seq() <= run.last_seq)
}

/// Makes derived files anew, in memory, as the frames of sealed segments go by, and compares them with the manifest.
pub(super) struct Remaking<'m> {
    manifest: &'m Manifest,
    limits: Arc<Limits>,
    index: ActiveWriter,
    run: Option<RunFold<'m>>,
    ids: RemakingIds<'m>,
}

/// A run that is being made.
struct RunFold<'m> {
    listed: &'m ProfileRun,
    facts: ProfileMap,
    /// The segment that comes next, if no frame is missing.
    next: Seq,
    is_whole: bool,
}

impl<'m> Remaking<'m> {
    pub(super) fn new(manifest: &'m Manifest, ids: Vec<ids::Summed<'m>>) -> Self {
        let index = ActiveWriter::new(manifest.hash_key, 0);
        let ids = RemakingIds::new(manifest, ids);
        Self { manifest, limits: Arc::default(), index, run: None, ids }
    }

    /// Begins with a segment; those that cannot be read are left out.
    pub(super) fn begin(&mut self, footer: &SealedSegment, report: &mut VerifyReport) {
        self.index = ActiveWriter::new(self.manifest.hash_key, footer.end);
        let listed = run_of(self.manifest, footer);
        if listed.map(|run| run.number) != self.run.as_ref().map(|run| run.listed.number) {
            self.end_run(report);
            self.run = listed.map(|listed| RunFold {
                listed,
                facts: ProfileMap::new(Vec::new(), self.manifest.hash_key, Arc::clone(&self.limits)),
                next: listed.first_seq,
                is_whole: true,
            });
        }
        self.ids.begin(footer, report);
        if let Some(run) = &mut self.run {
            run.is_whole &= run.next == footer.base_seq;
            run.next = footer.last_seq().next();
        }
    }

    /// Takes a frame of the segment.
    pub(super) fn take(&mut self, offset: u64, view: &FrameView<'_>) {
        self.ids.take(view);
        let offset = u32::try_from(offset).unwrap_or(u32::MAX);
        match (view.kind(), EventKeys::parse(view.keys())) {
            (FrameKind::Event, Some(keys)) => self.index.push_event(offset, &keys),
            _ => self.index.push_other(offset),
        }
        if let Some(run) = &mut self.run {
            run.facts.apply_all(fragments_of(view.kind(), view.seq(), view.keys(), view.body()));
        }
    }

    /// Ends a segment, of which all frames were whole or not.
    pub(super) fn end(&mut self, footer: &SealedSegment, is_whole: bool, report: &mut VerifyReport) {
        if let Some(run) = &mut self.run {
            run.is_whole &= is_whole;
        }
        self.ids.end(is_whole);
        let Some(listed) = footer.index.filter(|_| is_whole) else { return };
        let made = index::seal(self.index.index(), &index_origin(self.manifest.store_id, footer));
        if made.map(|made| made.listed) != Some(listed) && listed.rules == index::RULES {
            let name = FileName::Index(footer.id).to_string();
            let what = "the manifest lists another index than the frames of the segment make";
            let finding = finding(Severity::Damage, &name, what, REMOVE);
            report.add(finding.of(footer.base_seq, footer.last_seq()));
        }
    }

    /// Ends what is being made.
    pub(super) fn end_all(&mut self, report: &mut VerifyReport) {
        self.end_run(report);
        self.ids.end_run(report);
    }

    /// Ends the run that is being made.
    fn end_run(&mut self, report: &mut VerifyReport) {
        let Some(RunFold { listed, mut facts, next, is_whole }) = self.run.take() else { return };
        if listed.file.rules != profile::RULES {
            return;
        }
        let name = FileName::ProfileRun(listed.number).to_string();
        let origin = profile::Origin {
            store_id: self.manifest.store_id,
            hash_key: self.manifest.hash_key,
            number: listed.number,
            first_seq: listed.first_seq,
            last_seq: listed.last_seq,
        };
        let delta = facts.freeze(listed.last_seq).delta;
        let file = MemoryFile::new(name.clone());
        let made = profile::write(&file, &origin, &mut Merge::new(vec![Source::delta(&delta, &[], &[])]));
        if made.is_ok_and(|made| made == *listed) {
            return;
        }
        let (severity, what, advice) = if is_whole && next == listed.last_seq.next() {
            let what = "the manifest lists another run of profiles than the frames of its segments make";
            (Severity::Damage, what, REMOVE)
        } else {
            let what =
                "frames that the run was made of are missing, so that it cannot be compared with the log";
            (Severity::Note, what, "nothing; it has what these frames said")
        };
        report.add(finding(severity, &name, what, advice).of(listed.first_seq, listed.last_seq));
    }
}
