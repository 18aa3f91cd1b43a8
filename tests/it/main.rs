//! The tests that see the crate from outside, one module for one promise.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects by failing")]
#![expect(
    clippy::case_sensitive_file_extension_comparisons,
    reason = "the names of a store's files are exact"
)]

mod bad_input;
mod caveats;
#[cfg(feature = "cli")]
mod cli;
mod closing;
mod crash_kill;
mod crash_sim;
mod dedupe;
mod derived;
mod documented;
mod environment;
mod examples;
mod faults;
mod format_doc;
mod full_disk;
mod identity;
mod interop;
mod layering;
mod long_tail;
mod manners;
mod model;
mod packaging;
mod pinned;
mod privacy;
mod quarantine;
mod reading;
mod readme;
mod real_input;
mod support;
mod tidy;
#[cfg(feature = "tracing")]
mod tracing;
mod verify;
