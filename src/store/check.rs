//! Checking envelopes without storing them.

use std::fmt;
use std::sync::Arc;

use hashbrown::HashMap;

use super::Store;
use super::drafts::other_organisation;
use super::open;
use super::options::Options;
use super::state::ReadState;
use crate::envelope::{Accepted, Acceptor, Notes, Scratch};
use crate::error::Result;
use crate::storage::TimeSource;
use crate::types::Nanos;

/// Holds envelopes to every rule that an append does, and stores nothing.
///
/// # Examples
///
/// ```
/// use envelog::Options;
///
/// # fn main() -> envelog::Result<()> {
/// let mut checker = Options::new().checker(None)?;
/// let error = checker.check_json(b"{\"orgId\": 1}").unwrap_err();
/// assert!(error.to_string().starts_with("orgId: "));
/// # Ok(())
/// # }
/// ```
pub struct Checker {
    acceptor: Acceptor,
    scratch: Scratch,
    accepted: Accepted,
    clock: TimeSource,
    state: Option<Arc<ReadState>>,
    /// The organisation of each project that was met.
    organisations: HashMap<[u8; 16], [u8; 16]>,
}

impl fmt::Debug for Checker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checker").finish_non_exhaustive()
    }
}

impl Options {
    /// A checker that goes by these options: the limits, the clock and how addresses are hashed.
    ///
    /// With a store, which may be open for reading, it knows the organisations of that store's projects and the keys of
    /// its address tokens; without one it is as for a store that is new.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`](crate::Error::Invalid) for an option out of range.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Limits, Options};
    ///
    /// let mut limits = Limits::default();
    /// limits.string_bytes_max = 0;
    /// assert!(Options::new().limits(limits).checker(None).is_err());
    /// assert!(Options::new().checker(None).is_ok());
    /// ```
    pub fn checker(self, store: Option<&Store>) -> Result<Checker> {
        self.check()?;
        let acceptor = Acceptor::new(self.limits.clone(), open::checking_hasher(&self, store));
        Ok(Checker {
            scratch: acceptor.scratch(),
            acceptor,
            accepted: Accepted::default(),
            clock: self.clock,
            state: store.map(|store| Arc::clone(&store.inner.state)),
            organisations: HashMap::new(),
        })
    }
}

impl Checker {
    /// Checks an envelope given as JSON, as one that is stored behind all that this checker took before, and tells the
    /// notes of accepting it. What only its place among stored events can tell is not among them.
    ///
    /// # Errors
    ///
    /// As [`Store::append_json`] for an envelope that breaks a rule; [`Error::Corrupt`](crate::Error::Corrupt) where the
    /// index of the store or its log is damaged.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Note, Options, Store};
    ///
    /// let store = Store::in_memory()?;
    /// let mut checker = Options::new().checker(Some(&store))?;
    /// let notes = checker.check_json(
    ///     br#"{"orgId": "00000000-0000-4000-8000-000000000001",
    ///          "projectId": "00000000-0000-4000-8000-000000000002",
    ///          "module": "billing", "eventType": "Order Placed", "userId": "u_1",
    ///          "timestamp": "2026-03-01T12:00:00Z"}"#,
    /// )?;
    /// assert!(notes.contains(Note::OddEventType));
    /// assert_eq!(store.stats()?.events, 0);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn check_json(&mut self, json: &[u8]) -> Result<Notes> {
        let now = Nanos::new(self.clock.now());
        self.acceptor.accept_json_into(json, now, &mut self.scratch, &mut self.accepted)?;
        let project_id = self.accepted.project_id().into_bytes();
        let org_id = self.accepted.org_id().into_bytes();
        let known = if let Some(known) = self.organisations.get(&project_id) {
            *known
        } else {
            let stored = self.state.as_ref().map(|state| state.organisation_of(&project_id)).transpose()?;
            *self.organisations.entry(project_id).or_insert(stored.flatten().unwrap_or(org_id))
        };
        if known == org_id { Ok(self.accepted.notes()) } else { Err(other_organisation()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::Note;
    use crate::envelope::address::KeyId;

    const ORG: &str = "00000000-0000-4000-8000-0000000000a1";
    const OTHER_ORG: &str = "00000000-0000-4000-8000-0000000000a2";
    const TOKEN: &str = "iph1:00000000:33fdbbdeee394847e191a120f03fabfe";

    fn line(org: &str, project: u32, more: &str) -> Vec<u8> {
        format!(
            "{{\"orgId\":\"{org}\",\"projectId\":\"00000000-0000-4000-8000-{project:012}\",\"module\":\"analytics\",\
             \"eventType\":\"page.viewed\",\"timestamp\":\"2024-03-01T00:00:00Z\"{more}}}"
        )
        .into_bytes()
    }

    #[test]
    fn the_first_good_envelope_of_a_project_says_whose_it_is() {
        let mut checker = Options::new().checker(None).unwrap();
        checker.check_json(&line(OTHER_ORG, 1, ",\"colour\":1")).unwrap_err();
        checker.check_json(&line(ORG, 1, "")).unwrap();
        let error = checker.check_json(&line(OTHER_ORG, 1, "")).unwrap_err();
        assert!(error.to_string().starts_with("orgId: "), "{error}");
        checker.check_json(&line(ORG, 1, "")).unwrap();
        checker.check_json(&line(OTHER_ORG, 2, "")).unwrap();
    }

    #[test]
    fn a_store_says_whose_its_projects_are_and_which_tokens_are_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        store.append_json(&line(ORG, 1, ",\"context\":{\"ip\":\"203.0.113.7\"}")).unwrap();
        store.close().unwrap();
        drop(store);
        let store = Store::open_read_only(directory.path()).unwrap();
        let visible = store.visible();
        let mut checker = Options::new().checker(Some(&store)).unwrap();
        checker.check_json(&line(OTHER_ORG, 1, "")).unwrap_err();
        checker.check_json(&line(OTHER_ORG, 2, "")).unwrap();
        checker.check_json(&line(ORG, 1, "")).unwrap();
        let mut notes = |token: &str| {
            let context = format!(",\"context\":{{\"ipHash\":\"{token}\"}}");
            checker.check_json(&line(ORG, 1, &context)).unwrap()
        };
        let view = store.project("00000000-0000-4000-8000-000000000001".parse().unwrap()).view().unwrap();
        let event = view.events().iter().next().unwrap().unwrap().to_event();
        let own = event.context().unwrap().get("ipHash").unwrap().as_str().unwrap().to_owned();
        assert!(notes(&own).is_empty());
        assert!(notes(TOKEN).contains(Note::ForeignToken));
        assert_eq!(store.visible(), visible, "nothing was stored");
    }

    #[test]
    fn a_secret_makes_its_own_tokens_known() {
        let secret = b"sixteen bytes...";
        let token = TOKEN.replace("00000000", KeyId::of_secret(secret).as_str());
        let line = line(ORG, 1, &format!(",\"context\":{{\"ipHash\":\"{token}\"}}"));
        let notes = |options: Options| options.checker(None).unwrap().check_json(&line).unwrap();
        assert!(notes(Options::new()).contains(Note::ForeignToken));
        assert!(notes(Options::new().secret(*secret)).is_empty());
        assert!(Options::new().secret(*b"short").checker(None).is_err());
    }
}
