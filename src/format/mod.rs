//! Bytes and nothing else: the layouts of frames, segments and the manifest, as `FORMAT.md` specifies them.
//!
//! Nothing here does I/O, and every parser takes a slice and proves what it returns: a length that comes from a
//! disk is bounded before it is used.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

pub(crate) mod bytes;
pub(crate) mod cursor;
pub(crate) mod frame;
pub(crate) mod head;
pub(crate) mod keys;
pub(crate) mod manifest;
pub(crate) mod names;
pub(crate) mod segment;
