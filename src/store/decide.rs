//! What is decided under the log's lock, against all that is staged, visible or not.

use hashbrown::HashMap;

use super::drafts::{Binding, Drafts, other_organisation};
use super::people::StagedFacts;
use crate::dedupe::Recent;
use crate::error::{Error, Result};

/// The parts that decide. Each is asked while the log's lock is held, before a frame has its place, and told when it has.
#[derive(Debug)]
pub(super) struct Decisions {
    pub(super) organisations: Organisations,
    /// The message ids of everything that is not sealed.
    pub(super) recent: Recent,
    /// The facts of identity that no view shows yet.
    pub(super) staged_facts: StagedFacts,
}

/// Bindings that are compared before they are looked up.
const LAST: usize = 4;

/// The organisation of each project.
#[derive(Debug, Default)]
pub(super) struct Organisations {
    /// Of each project that was written to or looked up.
    known: HashMap<[u8; 16], [u8; 16]>,
    /// Bindings that were asked for before, the last few: most events are of one of these projects.
    last: [Option<Binding>; LAST],
    next: usize,
}

impl Organisations {
    /// A project belongs to one organisation, the one its first envelope names. `look_up` finds it in what was
    /// stored before this process wrote to the project.
    ///
    /// Returns whether a project is new, for [`Organisations::keep`].
    pub(super) fn check(
        &mut self,
        drafts: &Drafts,
        look_up: impl Fn(&[u8; 16]) -> Result<Option<[u8; 16]>>,
    ) -> Result<bool> {
        let mut new = false;
        for (at, (index, binding)) in drafts.bindings().iter().enumerate() {
            if self.last.iter().flatten().any(|last| last == binding) {
                continue;
            }
            let mut known = self.known.get(&binding.project_id).copied();
            if known.is_none() {
                known = look_up(&binding.project_id)?;
                if let Some(org_id) = known {
                    self.known.insert(binding.project_id, org_id);
                }
            }
            if known.is_none() {
                let before = drafts.bindings().get(..at).unwrap_or_default();
                let named = before.iter().find(|(_, named)| named.project_id == binding.project_id);
                known = named.map(|(_, named)| named.org_id);
            }
            match known {
                None => new = true,
                Some(org_id) if org_id == binding.org_id => {
                    let at = self.next % LAST;
                    self.next = at + 1;
                    if let Some(last) = self.last.get_mut(at) {
                        *last = Some(*binding);
                    }
                }
                Some(_) if drafts.len() == 1 => return Err(other_organisation()),
                Some(_) => {
                    return Err(Error::InBatch { index: *index, source: Box::new(other_organisation()) });
                }
            }
        }
        Ok(new)
    }

    /// Binds the projects that are new.
    pub(super) fn keep(&mut self, drafts: &Drafts) {
        for (_, binding) in drafts.bindings() {
            self.known.entry(binding.project_id).or_insert(binding.org_id);
        }
    }
}
