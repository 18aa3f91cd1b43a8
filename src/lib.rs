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

pub use chrono::{DateTime, Utc};
pub use uuid::Uuid;

pub use envelope::{
    Accepted, Envelope, EventType, IpHashing, Kind, ListIter, Note, Notes, Number, Object, ObjectIter, Value, ValueRef,
};
pub use error::{Error, Result};
pub use limits::Limits;
pub use log::{Durability, OnCorruption, RecoveryReport};
pub use profile::{PersonRef, Profile, ProfileState, Trait, TraitName, Traits};
pub use store::{
    Ack, Activity, Batch, Bucket, Condition, CursorKey, Event, EventQuery, EventRef, Events, Grouped, Identify,
    NameCount, Options, PageToken, Period, Project, PropertyQuery, Scope, Stats, Store, Sum, Ticket, Timeline,
    TimelineEvents, Track, View,
};
pub use types::{Epoch, Position, Seq};

/// Seams for tests: the simulated disk, settable clock and seeded randomness. Not covered by semantic versioning.
#[cfg(any(test, feature = "testing"))]
pub mod testing {
    pub use crate::storage::sim::{
        ExhaustiveCrashes, FaultKind, FaultPlan, Op, OpKind, OpMask, SimDisk, SimOptions,
    };
    pub use crate::storage::{Clock, Entropy, ManualClock, SeededEntropy, SimRng};
}
