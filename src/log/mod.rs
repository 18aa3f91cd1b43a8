//! The log: segments of opaque frames, how they are read, and how what a crash left is opened.

pub(crate) mod manifest_file;
pub(crate) mod open;
pub(crate) mod recovery;
pub(crate) mod report;
pub(crate) mod scan;
pub(crate) mod segment;
