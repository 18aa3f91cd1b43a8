//! The tests that see the crate from outside, one module for one promise.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects by failing")]

#[cfg(feature = "cli")]
mod cli;
mod crash_kill;
mod crash_sim;
mod derived;
mod faults;
mod format_doc;
mod full_disk;
mod layering;
mod model;
mod support;
mod tidy;
