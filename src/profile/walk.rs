//! The rows of a project in the order of their keys.

use super::key::{PersonRef, RowKind, kind_of, person_of};
use super::merge::Merge;
use super::person_row::PersonRow;
use super::row::RowRef;
use crate::error::Result;

/// The rows of a project that are wanted, users and then devices, each by id. It ends behind the first error.
pub(crate) struct PersonRows<'a> {
    rows: Merge<'a>,
    project_id: [u8; 16],
    is_wanted: fn(&RowRef<'_>) -> bool,
    is_done: bool,
}

impl<'a> PersonRows<'a> {
    /// The rows of a merge that begins in the project; what is not wanted is passed over without a copy.
    pub(super) const fn new(
        rows: Merge<'a>,
        project_id: [u8; 16],
        is_wanted: fn(&RowRef<'_>) -> bool,
    ) -> Self {
        Self { rows, project_id, is_wanted, is_done: false }
    }

    fn next_row(&mut self) -> Result<Option<(PersonRef<'a>, PersonRow)>> {
        while let Some((key, row)) = self.rows.next_row()? {
            match person_of(key) {
                Some((project_id, person)) if project_id == self.project_id => {
                    if RowRef::new(row).is_some_and(|row| (self.is_wanted)(&row)) {
                        return Ok(Some((person, PersonRow::of_bytes(row.into()))));
                    }
                }
                // An id that is no text, which nothing writes.
                None if key.starts_with(&self.project_id) && is_person(key) => {}
                _ => break,
            }
        }
        Ok(None)
    }
}

fn is_person(key: &[u8]) -> bool {
    kind_of(key).is_some_and(RowKind::is_person)
}

impl<'a> Iterator for PersonRows<'a> {
    type Item = Result<(PersonRef<'a>, PersonRow)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let next = self.next_row().transpose();
        self.is_done = !matches!(next, Some(Ok(_)));
        next
    }
}
