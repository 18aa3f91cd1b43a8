//! Persons: the events and rows of all ids of one person, by the rules of identity.
//!
//! An id that no fact names is a person of its own, and costs one look at its row, or none in a store without such
//! facts. For others the graph of [`crate::identity`] is folded from rows, and from the log where rows know too little.

mod act;
mod cache;
mod command;
mod conflicts;
mod decide;
mod explain;
mod facts;
mod history;
mod id;
mod note;
mod profile;
mod profiles;
mod resolve;
mod told;

pub(super) use cache::PeopleCache;
pub(super) use decide::StagedFacts;
pub(super) use facts::member_of;
pub(super) use note::breaks_a_rule;

pub use command::{Alias, SignInAnonymously, SignUp, SignedIn, Unlink};
pub use conflicts::IdentityConflict;
pub use explain::{Explanation, Reason};
pub use history::TraitChange;
pub use id::PersonId;
pub use profiles::Profiles;
