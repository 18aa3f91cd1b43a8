//! The dictionaries of a sealed index.

use super::{SealedIndex, times_of};
use crate::error::Result;
use crate::format::bytes::ByteReader;
use crate::index::layout::{MODULE_LEN, PROJECT_LEN, Section, TYPE_LEN};
use crate::index::{ProjectNo, TimeRange};

/// An entry of the projects.
#[derive(Debug, Clone, Copy)]
pub(in crate::index) struct ProjectEntry {
    pub(in crate::index) id: [u8; 16],
    pub(in crate::index) events: u32,
    pub(in crate::index) times: TimeRange,
    first_type: u32,
    first_module: u32,
    pub(super) first_ids: [u32; 2],
}

/// What the entries of types and of modules have in common.
#[derive(Debug, Clone, Copy)]
pub(in crate::index) struct NameEntry {
    text_at: u32,
    text_len: u32,
    pub(in crate::index) count: u32,
    pub(in crate::index) times: TimeRange,
}

impl NameEntry {
    pub(super) fn parse(reader: &mut ByteReader<'_>) -> Option<Self> {
        let (text_at, text_len) = (reader.u32()?, reader.u32()?);
        let _project = reader.u32()?;
        Some(Self { text_at, text_len, count: reader.u32()?, times: times_of(reader)? })
    }
}

/// Types or modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::index) enum Names {
    Types,
    Modules,
}

impl SealedIndex {
    pub(in crate::index) fn project_count(&self) -> u32 {
        self.header.counts.projects
    }

    pub(in crate::index) fn project_entry(&self, no: ProjectNo) -> Result<ProjectEntry> {
        let mut reader = ByteReader::new(self.item::<PROJECT_LEN>(Section::Projects, u64::from(no.get()))?);
        let mut parse = || {
            let (id, events) = (reader.array()?, reader.u32()?);
            let (first_type, first_module) = (reader.u32()?, reader.u32()?);
            let first_ids = [reader.u32()?, reader.u32()?];
            let _zero = reader.u32()?;
            Some(ProjectEntry {
                id,
                events,
                times: times_of(&mut reader)?,
                first_type,
                first_module,
                first_ids,
            })
        };
        parse().ok_or_else(|| self.nonsense(Section::Projects, "the entry of a project makes no sense"))
    }

    /// The entry after a project's, which says where its types, modules and ids end.
    pub(super) fn next_project_entry(&self, no: ProjectNo) -> Result<Option<ProjectEntry>> {
        let next = ProjectNo::new(no.get().saturating_add(1));
        (next.get() < self.project_count()).then(|| self.project_entry(next)).transpose()
    }

    pub(in crate::index) fn project(&self, id: &[u8; 16]) -> Result<Option<ProjectNo>> {
        let (mut from, mut to) = (0, self.project_count());
        while from < to {
            let middle = from + (to - from) / 2;
            let no = ProjectNo::new(middle);
            match self.project_entry(no)?.id.cmp(id) {
                std::cmp::Ordering::Less => from = middle + 1,
                std::cmp::Ordering::Equal => return Ok(Some(no)),
                std::cmp::Ordering::Greater => to = middle,
            }
        }
        Ok(None)
    }

    pub(in crate::index) fn name_entry(&self, names: Names, no: u32) -> Result<NameEntry> {
        let (section, bytes) = match names {
            Names::Types => (Section::Types, &self.item::<TYPE_LEN>(Section::Types, u64::from(no))?[..]),
            Names::Modules => {
                (Section::Modules, &self.item::<MODULE_LEN>(Section::Modules, u64::from(no))?[..])
            }
        };
        NameEntry::parse(&mut ByteReader::new(bytes))
            .ok_or_else(|| self.nonsense(section, "the entry of a name makes no sense"))
    }

    fn name_bytes(&self, entry: &NameEntry) -> Result<&[u8]> {
        self.bytes(Section::Names, u64::from(entry.text_at), u64::from(entry.text_len))
    }

    pub(in crate::index) fn name(&self, entry: &NameEntry) -> Result<&str> {
        std::str::from_utf8(self.name_bytes(entry)?)
            .map_err(|_| self.nonsense(Section::Names, "a name is not UTF-8"))
    }

    /// The numbers of a project's types or modules.
    pub(in crate::index) fn names_of(
        &self,
        names: Names,
        project: ProjectNo,
    ) -> Result<std::ops::Range<u32>> {
        let first = |entry: ProjectEntry| match names {
            Names::Types => entry.first_type,
            Names::Modules => entry.first_module,
        };
        let all = match names {
            Names::Types => self.header.counts.types,
            Names::Modules => self.header.counts.modules,
        };
        let from = first(self.project_entry(project)?);
        let to = self.next_project_entry(project)?.map_or(all, first);
        Ok(from..to.min(all).max(from))
    }

    /// The number of a project's type or module of this name.
    pub(in crate::index) fn find_name(
        &self,
        names: Names,
        project: ProjectNo,
        name: &str,
    ) -> Result<Option<u32>> {
        let std::ops::Range { start: mut from, end: mut to } = self.names_of(names, project)?;
        while from < to {
            let middle = from + (to - from) / 2;
            match self.name_bytes(&self.name_entry(names, middle)?)?.cmp(name.as_bytes()) {
                std::cmp::Ordering::Less => from = middle + 1,
                std::cmp::Ordering::Equal => return Ok(Some(middle)),
                std::cmp::Ordering::Greater => to = middle,
            }
        }
        Ok(None)
    }
}
