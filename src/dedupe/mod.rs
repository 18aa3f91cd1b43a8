//! Message ids: which were stored before, and where.
//!
//! An id is known by a keyed hash of its project and itself. Those of segments that are not sealed stand in
//! memory, those of sealed ones in sorted runs on the disk:
//!
//! ```text
//! message id -> MessageHash -- Recent (in memory, by segment) -- candidate seqs
//!                          \-- Run, Run, Run (ids-<n>.run, merged in the background) -/
//! ```
//!
//! What is found is a candidate only: two ids may have one hash, and an id may have been used with other content. The
//! record in the log decides, so that a collision never loses an event.

mod compact;
mod filter;
mod hash;
mod recent;
mod run;
mod sought;
mod table;

pub(crate) use compact::{choose, merge};
pub(crate) use hash::{MessageHash, MessageHasher};
pub(crate) use recent::{Recent, Signs};
pub(crate) use run::{Digest, Entry, Origin, RULES, Run, write};
pub(crate) use sought::Sought;
pub(crate) use table::IdTable;
