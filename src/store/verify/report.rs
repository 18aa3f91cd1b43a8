//! What a check of a store tells.

use std::ops::RangeInclusive;

use crate::error::Error;
use crate::format::names::FileName;
use crate::storage;
use crate::types::{SegmentId, Seq};

/// Most findings that are kept; what is found beyond is counted only.
const FINDINGS_MAX: usize = 10_000;

/// How much of a store is looked at; each level includes the one before.
///
/// # Examples
///
/// ```
/// use envelog::{Store, Uuid, VerifyLevel};
///
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("data");
/// let store = Store::open(&path)?;
/// store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing").track("order.placed").append()?;
/// store.close()?;
/// # drop(store);
///
/// let report = Store::verify(&path, VerifyLevel::Deep)?;
/// assert_eq!((report.level, report.events), (VerifyLevel::Deep, 1));
/// assert!(VerifyLevel::Quick < VerifyLevel::default() && VerifyLevel::default() < VerifyLevel::Deep);
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[non_exhaustive]
pub enum VerifyLevel {
    /// Names, the manifest, and of every file its presence, its length and its header; the part of the log that is
    /// not sealed is read as opening would read it.
    Quick,
    /// Every byte: each frame of the log and what it holds, and each block of the derived files.
    #[default]
    Full,
    /// Also whether the indexes and profiles are the ones that the log makes, which are made anew for that, in
    /// memory.
    ///
    /// It takes as much memory as the index of a segment, and as the profiles of one run.
    Deep,
}

/// How bad a finding is, the worst first.
///
/// # Examples
///
/// ```
/// use envelog::Severity;
///
/// let mut found = [Severity::Note, Severity::Damage, Severity::Derived];
/// found.sort();
/// assert_eq!(found, [Severity::Damage, Severity::Derived, Severity::Note]);
/// assert_eq!(Severity::Damage.to_string(), "damage");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Severity {
    /// Bytes that were durable do not read back as they were written, and nothing in the store replaces them by
    /// itself.
    Damage,
    /// A file that is derived from the log is missing, damaged or of other rules. Nothing is lost: the store makes it
    /// anew when it is opened or read.
    Derived,
    /// No damage, and worth knowing: what a crash left, a range that was given up before, a file that is not the
    /// store's.
    Note,
}

impl std::fmt::Display for Severity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Damage => "damage",
            Self::Derived => "derived",
            Self::Note => "note",
        })
    }
}

/// One thing that a check found.
///
/// # Examples
///
/// ```
/// use envelog::{Severity, Store, VerifyLevel};
///
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("data");
/// Store::open(&path)?.close()?;
/// std::fs::write(path.join("notes.txt"), "not the store's").unwrap();
///
/// let finding = Store::verify(&path, VerifyLevel::Quick)?.findings.remove(0);
/// assert_eq!((finding.severity, finding.file.as_str()), (Severity::Note, "notes.txt"));
/// assert_eq!((finding.offset, finding.seqs), (None, None));
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The name of the file in the store's directory.
    pub file: String,
    /// Where in the file, in bytes; `None` where it is about the file as a whole.
    pub offset: Option<u64>,
    /// The frames that are concerned; `None` where they are not known or none is.
    pub seqs: Option<RangeInclusive<Seq>>,
    /// What was found. It never holds anything of an event.
    pub what: String,
    /// What to do about it.
    pub advice: &'static str,
}

/// What a check of a store found and how much it looked at.
///
/// # Examples
///
/// ```
/// use envelog::{Severity, Store, Uuid, VerifyLevel};
///
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("data");
/// let store = Store::open(&path)?;
/// store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing").track("order.placed").append()?;
/// store.close()?;
/// # drop(store);
/// let log = path.join("seg-1.log");
/// let mut bytes = std::fs::read(&log).unwrap();
/// let at = bytes.windows(12).position(|part| part == b"order.placed").unwrap();
/// bytes[at] ^= 1;
/// std::fs::write(&log, bytes).unwrap();
///
/// let report = Store::verify(&path, VerifyLevel::Full)?;
/// assert!(report.is_damaged());
/// assert_eq!(report.count(Severity::Damage), 1);
/// assert_eq!(report.findings[0].file, "seg-1.log");
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifyReport {
    /// How much was looked at.
    pub level: VerifyLevel,
    /// What was found, in the order of the check: names and manifest, the log in the order of its seqs, each sealed
    /// segment with its index, runs of profiles. At most 10,000 findings; [`VerifyReport::omitted`] counts the rest.
    pub findings: Vec<Finding>,
    /// Findings that are not in the list.
    pub omitted: u64,
    /// Files of the store that were looked at.
    pub files: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// Segments of the log that were looked at.
    pub segments: u64,
    /// Frames of which the checksum holds. With [`VerifyLevel::Quick`] those that are not sealed.
    pub frames: u64,
    /// Events among these.
    pub events: u64,
    counts: [u64; 3],
}

impl VerifyReport {
    /// How many findings of a severity there are, in the list and beyond.
    pub fn count(&self, severity: Severity) -> u64 {
        self.counts.get(severity as usize).copied().unwrap_or(0)
    }

    /// Whether anything is damaged that the store does not put right by itself.
    pub fn is_damaged(&self) -> bool {
        self.count(Severity::Damage) > 0
    }

    pub(super) const fn new(level: VerifyLevel) -> Self {
        Self {
            level,
            findings: Vec::new(),
            omitted: 0,
            files: 0,
            bytes: 0,
            segments: 0,
            frames: 0,
            events: 0,
            counts: [0; 3],
        }
    }

    pub(super) fn add(&mut self, finding: Finding) {
        if let Some(count) = self.counts.get_mut(finding.severity as usize) {
            *count += 1;
        }
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        } else {
            self.omitted += 1;
        }
    }
}

/// Begins a finding about a file.
pub(super) fn finding(
    severity: Severity,
    file: &str,
    what: impl Into<String>,
    advice: &'static str,
) -> Finding {
    Finding { severity, file: file.to_owned(), offset: None, seqs: None, what: what.into(), advice }
}

/// The finding of an error; `file` is meant where the error names none, `advice` where it has none of its own.
pub(super) fn of_error(severity: Severity, file: &str, error: &Error, advice: &'static str) -> Finding {
    match error {
        Error::Corrupt { file, offset, seq, reason } => {
            let finding = finding(severity, file, reason.clone(), advice).at(*offset);
            seq.map_or(finding.clone(), |seq| finding.of(seq, seq))
        }
        Error::UnsupportedFormat { file, reason } => {
            let what = format!("{reason}: a later version wrote it, or it is damaged");
            let known = "use a version of envelog that knows this format, or restore a backup";
            finding(severity, file, what, if severity == Severity::Derived { advice } else { known })
        }
        Error::MissingSegment { segment } => {
            let name = FileName::Segment(SegmentId::new(*segment)).to_string();
            finding(severity, &name, "the file is missing", advice)
        }
        error if storage::is_not_found(error) => finding(severity, file, "the file is missing", advice),
        error => finding(severity, file, error.to_string(), advice),
    }
}

impl Finding {
    pub(super) fn at(self, offset: u64) -> Self {
        Self { offset: Some(offset), ..self }
    }

    /// The frames from `first` to `last`; none where `last` is before `first`.
    pub(super) fn of(self, first: Seq, last: Seq) -> Self {
        Self { seqs: (first <= last).then_some(first..=last), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_beyond_the_most_are_counted_and_not_kept() {
        let mut report = VerifyReport::new(VerifyLevel::Full);
        for number in 0..FINDINGS_MAX as u64 + 5 {
            report.add(finding(Severity::Note, "x", "a thing", "nothing").at(number));
        }
        report.add(finding(Severity::Damage, "x", "a thing", "nothing"));
        assert_eq!((report.findings.len(), report.omitted), (FINDINGS_MAX, 6));
        assert_eq!(report.count(Severity::Note), FINDINGS_MAX as u64 + 5);
        assert!(report.is_damaged(), "also where the damage is not in the list");
    }
}
