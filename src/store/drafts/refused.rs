//! All events that a commit refused, where its error names the first only.

use super::fates::Fate;
use super::{Drafts, Item, other_organisation};
use crate::error::{Error, FirstUse, Result};
use crate::format::keys::EventKeys;

/// What is wrong with an event that a commit refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Refused {
    /// Its message id was used before with other content.
    IdConflict(FirstUse),
    /// Its project belongs to another organisation.
    OtherOrganisation,
}

impl Refused {
    pub(in crate::store) fn error(self) -> Error {
        match self {
            Self::IdConflict(first) => Error::IdConflict { first },
            Self::OtherOrganisation => other_organisation(),
        }
    }
}

impl Drafts {
    /// The events that were refused for what this error of a commit tells of one of them. `look_up` finds the
    /// organisation of a project that is visible.
    pub(in crate::store) fn refused(
        &self,
        error: &Error,
        look_up: impl Fn(&[u8; 16]) -> Result<Option<[u8; 16]>>,
    ) -> Vec<(usize, Refused)> {
        let (index, source) = match error {
            Error::InBatch { index, source } => (*index, &**source),
            error if self.len() == 1 => (0, error),
            _ => return Vec::new(),
        };
        match source {
            Error::IdConflict { .. } => self.id_conflicts().collect(),
            Error::Invalid { .. } => self.of_other_organisations(index, look_up),
            _ => Vec::new(),
        }
    }

    fn id_conflicts(&self) -> impl Iterator<Item = (usize, Refused)> {
        let first = |item: &Item| item.conflict.filter(|_| item.fate == Fate::New);
        self.items
            .iter()
            .enumerate()
            .filter_map(move |(at, item)| Some((at, Refused::IdConflict(first(item)?))))
    }

    /// The events whose projects belong to another organisation, of which `named` is the first.
    fn of_other_organisations(
        &self,
        named: usize,
        look_up: impl Fn(&[u8; 16]) -> Result<Option<[u8; 16]>>,
    ) -> Vec<(usize, Refused)> {
        let is_wrong = |(first, binding): &&(usize, _)| {
            let super::Binding { project_id, org_id } = binding;
            // What is looked up is right for good; what is not visible yet told of the one that was named.
            let known = look_up(project_id).unwrap_or_default().or_else(|| {
                let before = self.bindings.iter().take_while(|(index, _)| *index < named);
                let mut before = before.filter(|(_, earlier)| earlier.project_id == *project_id);
                before.next().map(|(_, earlier)| earlier.org_id)
            });
            *first == named || known.is_some_and(|known| known != *org_id)
        };
        let wrong: Vec<_> = self.bindings.iter().filter(is_wrong).map(|(_, binding)| *binding).collect();
        let refused = |at: usize| {
            let keys = EventKeys::parse(self.bytes.get(self.items.get(at)?.keys.clone())?)?;
            let is_wrong = |binding: &super::Binding| {
                binding.project_id == keys.project_id && binding.org_id == keys.org_id
            };
            wrong.iter().any(is_wrong).then_some((at, Refused::OtherOrganisation))
        };
        (0..self.items.len()).filter_map(refused).collect()
    }
}
