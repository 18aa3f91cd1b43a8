//! envelog: an embedded event store.

#[cfg(not(all(target_pointer_width = "64", unix)))]
compile_error!(
    "envelog needs a 64-bit Unix: it maps whole segments and relies on a page cache that is coherent between read, write and mmap"
);

mod error;
mod limits;
mod types;

mod envelope;
mod format;
mod storage;

mod index;
mod log;
mod profile;

mod store;

#[cfg(feature = "sample")]
pub mod sample;

pub use error::{Error, Result};
pub use limits::Limits;
