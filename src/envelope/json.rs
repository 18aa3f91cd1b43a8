//! Strict JSON (RFC 8259): a pull parser over one text, without recursion and without intermediate values.
//!
//! Everything that the RFC leaves to the implementation is refused: lone surrogates, a byte order mark, `NaN`.
//! Errors carry the byte offset and the reason, never what stands there.

mod read;
mod run;
mod scan;
mod string;
mod walk;
pub(crate) mod write;

pub(crate) use read::{RawValue, Reader};
pub(crate) use run::{COPY_BYTES, Run, append, prefix};

/// Deepest nesting that is ever walked, whatever the limits say.
pub(crate) const DEPTH_MAX: usize = 128;

#[cfg(test)]
mod tests;
