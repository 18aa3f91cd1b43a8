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
//! [`row`] has the bytes of a row, [`join`] the rules, [`run`] the file.

mod compact;
mod delta;
mod fragment;
mod join;
mod key;
mod map;
mod merge;
mod row;
mod run;
mod view;

pub(crate) use compact::{choose, compact, seqs};
pub(crate) use delta::Delta;
pub(crate) use fragment::Fragment;
pub(crate) use map::{Frozen, ProfileMap};
pub(crate) use merge::{Merge, Source};
pub(crate) use run::{Origin, RULES, Run, write};

pub use key::PersonRef;
pub use map::Profiles;
pub use view::{Profile, ProfileState, Trait, TraitName, Traits};

#[cfg(test)]
mod tests;
