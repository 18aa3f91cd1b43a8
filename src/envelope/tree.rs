//! JSON as a binary tree: the form that the log stores, and that equality and hashes are taken over.
//!
//! A value is one node. A node begins with a tag, which also holds what fits: a small integer, the length of a short
//! string, the count of a small container. Containers know their length in bytes, so that they are skipped without
//! being read; the keys of an object stand in byte order. One value has one byte string, and that is never longer
//! than the value's JSON text. `FORMAT.md` has the bytes.
//!
//! `builder` writes trees, `check` tells whether bytes are one, and `view` reads them, also where they are none:
//! bytes of a damaged disk give nulls and nothing worse.

mod builder;
mod check;
mod layout;
mod view;
mod write;

pub(crate) use builder::{TreeBuilder, TreeSpan, TreeWriter};
pub(crate) use check::check;
pub use view::{Kind, ListIter, ObjectIter, ValueRef};

#[cfg(test)]
mod tests;
