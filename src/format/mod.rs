//! The format module.
