//! Profiles and cursors: a fold of the log, kept as facts in rows.
//!
//! A row is about one id: a user, a device or a cursor. What any layer knows of it is a *fragment* of the row, and
//! joining fragments is commutative, associative and idempotent. So rows of the delta and of every run are joined at
//! reading, in any order, and a fact that is applied twice changes nothing:
//!
//! ```text
//! frame -> Fragment -- ProfileMap::apply --> Delta -- freeze, run::write --> Run -- compact --> Run
//!                                              \-------------- get, iter: join ---------------/
//! ```
//!
//! A row has what is known of traits and the facts of identity that name its id. What these facts come to, who is one
//! person with whom and in which state, is decided at reading by those who hold all rows of a project.
//!
//! [`row`] and [`facts`] have the bytes of a row, [`join`] the rules, [`run`] the file.

mod changes;
mod compact;
mod delta;
mod facts;
mod fragment;
mod join;
mod key;
mod map;
mod merge;
mod person_row;
mod row;
mod run;
mod traits;
mod view;
mod walk;

pub(crate) use changes::RestsOn;
pub(crate) use compact::{choose, compact, seqs};
pub(crate) use delta::Delta;
pub(crate) use facts::{Act, Side};
pub(crate) use fragment::{Fragment, Fragments};
pub(crate) use map::{Frozen, ProfileMap};
pub(crate) use merge::{Merge, Source};
pub(crate) use person_row::PersonRow;
pub(crate) use row::OrderRef;
pub(crate) use run::{Origin, RULES, Run, write};
pub(crate) use traits::trait_names;
pub(crate) use view::canonical_json;
pub(crate) use walk::PersonRows;

pub use key::PersonRef;
pub use traits::{Trait, TraitName, Traits};
pub use view::{Profile, ProfileState};

#[cfg(test)]
mod tests;
