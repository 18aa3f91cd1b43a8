//! The log: opaque frames in segments, how they are appended, made durable, read, and how what a crash left is
//! opened.
//!
//! Nothing here knows what a frame is about.

mod append;
mod close;
mod durability;
mod engine;
mod fill;
mod flush;
mod fold;
mod kick;
pub(crate) mod manifest_file;
mod marks;
pub(crate) mod open;
pub(crate) mod recovery;
pub(crate) mod report;
pub(crate) mod scan;
pub(crate) mod segment;
mod stage;
mod sticky;

pub use durability::Durability;
pub(crate) use engine::{Appended, Log, Parts, Pending, PoisonOnPanic, sync_rolled};
pub(crate) use fold::{Draft, Fold, FoldNotes, Kept, Placed, RollGate, Rolled};
pub(crate) use marks::Marks;
pub use marks::StoreState;
pub use report::{DamagedHeader, OnCorruption, Rebuilt, RecoveryReport};
pub(crate) use segment::Segment;
pub(crate) use stage::frame_room;
