//! Names of the files in a store's directory, made from integers only.

use crate::types::SegmentId;

pub(crate) const LOCK: &str = "LOCK";
pub(crate) const MANIFEST: &str = "MANIFEST";
pub(crate) const SECRET: &str = "SECRET";
pub(crate) const QUARANTINE: &str = "quarantine";
/// Ending of a file that is being written; left-overs are removed by the next writer.
pub(crate) const TEMPORARY: &str = ".tmp";

/// What a file name in the store's directory stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileName {
    Segment(SegmentId),
    Index(SegmentId),
    ProfileRun(u64),
    IdsRun(u64),
}

impl FileName {
    /// Reads a name back; anything but the exact spelling is none of ours.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let parsed = if let Some(rest) = name.strip_prefix("seg-") {
            if let Some(id) = rest.strip_suffix(".log") {
                Self::Segment(SegmentId::new(id.parse().ok()?))
            } else {
                Self::Index(SegmentId::new(rest.strip_suffix(".idx")?.parse().ok()?))
            }
        } else if let Some(rest) = name.strip_prefix("ids-") {
            Self::IdsRun(rest.strip_suffix(".run")?.parse().ok()?)
        } else {
            Self::ProfileRun(name.strip_prefix("profiles-")?.strip_suffix(".run")?.parse().ok()?)
        };
        (parsed.to_string() == name).then_some(parsed)
    }
}

impl std::fmt::Display for FileName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Segment(id) => write!(f, "seg-{id}.log"),
            Self::Index(id) => write!(f, "seg-{id}.idx"),
            Self::ProfileRun(number) => write!(f, "profiles-{number}.run"),
            Self::IdsRun(number) => write!(f, "ids-{number}.run"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_back_and_nothing_else_does() {
        for name in [
            FileName::Segment(SegmentId::new(7)),
            FileName::Index(SegmentId::new(u32::MAX)),
            FileName::ProfileRun(12),
            FileName::IdsRun(13),
        ] {
            assert_eq!(FileName::parse(&name.to_string()), Some(name));
        }
        for name in [
            "seg-07.log",
            "seg-+7.log",
            "seg-7.log.tmp",
            "seg-.log",
            "seg-7",
            "SEG-7.log",
            "profiles-x.run",
            "ids-01.run",
            "MANIFEST",
        ] {
            assert_eq!(FileName::parse(name), None, "{name}");
        }
    }
}
