//! The tests that see the crate from outside, one module for one promise.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects by failing")]
#![expect(
    clippy::case_sensitive_file_extension_comparisons,
    reason = "the names of a store's files are exact"
)]

mod bad_input;
#[cfg(feature = "cli")]
mod cli;
mod closing;
mod crash_kill;
mod crash_sim;
mod derived;
mod environment;
mod faults;
mod format_doc;
mod full_disk;
mod layering;
mod long_tail;
mod model;
mod privacy;
mod quarantine;
mod reading;
mod real_input;
mod support;
mod tidy;
