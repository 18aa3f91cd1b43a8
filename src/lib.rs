//! An embedded event store: product events in, user timelines, counts and profiles out.
//!
//! A host application opens a directory as a [`Store`] and appends *envelopes*, events that all have one shape. Every
//! module of the host reads the same log: one project's events of a type, a user's timeline, a user's profile.
//!
//! ```
//! use envelog::{Store, Uuid};
//!
//! # fn main() -> envelog::Result<()> {
//! # let directory = tempfile::tempdir().unwrap();
//! # let path = directory.path().join("data");
//! let store = Store::open(&path)?;
//! let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
//! let shop = store.scope(org, project, "billing");
//! shop.track("order.placed").user("u_1").property("amount", 4200).append()?;
//! shop.identify("u_1").set("plan", "pro").append()?;
//!
//! let view = store.project(project).view()?;
//! assert_eq!(view.events().of_type("order.placed").count()?, 1);
//! assert_eq!(view.timeline("u_1").iter().count(), 2);
//! # store.close()
//! # }
//! ```
//!
//! # Glossary
//!
//! - *envelope*: an event as the host gives it; *accepted*: one that has passed every rule and holds no address.
//! - *frame*: the unit of the log; *record*: the body of an event's frame; *segment*: a file of frames.
//! - *seq*: the number of a frame in the whole store; *position*: a seq and its epoch, for good.
//! - *posting*: an entry of an index; *profile*: what identify events say of a person; *cursor*: a small state that a
//!   consumer keeps in the log.
//!
//! # Six sentences that carry the architecture
//!
//! 1. The log is the truth; indexes, profiles and cursors are a fold of it and are rebuilt whenever they are missing,
//!    stale or damaged.
//! 2. No derived thing runs ahead of the durable log: the log is synced through a segment before its index and its
//!    profile run are listed, by the same replacement of the manifest that lists it as sealed.
//! 3. No value of an address field passes acceptance raw, only an [`Accepted`] envelope can be encoded, and accepting is
//!    idempotent.
//! 4. Reserve, then commit: everything that can fail happens before a frame is committed.
//! 5. Readers see bytes below the committed length only, and those bytes never change. That is also the whole argument
//!    for the unsafe code, which stands in one file.
//! 6. A reader is always inside one project: a [`Project`] is the way to events and profiles.
//!
//! # The layers
//!
//! ```text
//! L0 vocabulary   error  limits  types
//! L1 pure         envelope (what an event is)   format (bytes)
//! L2 I/O          storage (the medium, and a simulated disk for tests)
//! L3 siblings     log   index   profile         none imports another
//! L4 composition  store (open, append, fold, seal, view, query)
//! ```
//!
//! An import that is not among these fails a test. Locks are taken in one order, which `store` and `log` say.
//!
//! # What differs from the first design
//!
//! - The time of receipt stands in the frame header, not among the keys, so that the log can stamp it without knowing
//!   what keys are.
//! - The padding of a frame is compared with zeros and is not in the checksum, so that a body's checksum does not
//!   depend on the length of the keys.
//! - Every sealed segment brings a profile run, even an empty one: the list of runs then says what they cover.
//! - The zeros ahead of a segment's frames are synced at `Synced` only. At the other levels no commit waits for a sync,
//!   and syncing them would write every byte twice; a segment is synced as a whole before it is sealed.
//! - There are no `tracing` events yet: what the background finds is told by the next call, by `Stats` and by
//!   `RecoveryReport`, and an error of the close in `Drop` is lost; call `close`.
//! - The file of hashed message ids, and the page of watermarks for readers beside a live writer, are not there yet.
//!
//! # Features
//!
//! `cli` is the command line tool; `sample` the generator of sample events; `testing` has the seams for tests and is
//! not covered by semantic versioning.

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

/// The format on disk, byte by byte.
#[doc = include_str!("format/FORMAT.md")]
pub mod format_specification {}

/// The examples of the README, as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(feature = "sample")]
pub mod sample;

pub use chrono::{DateTime, Utc};
pub use uuid::Uuid;

pub use envelope::{
    Accepted, Envelope, EventType, IpHashing, Kind, ListIter, Note, Notes, Number, Object, ObjectIter, Value,
    ValueRef,
};
pub use error::{Error, Result};
pub use limits::Limits;
pub use log::{DamagedHeader, Durability, OnCorruption, Rebuilt, RecoveryReport};
pub use profile::{PersonRef, Profile, ProfileState, Profiles, Trait, TraitName, Traits};
pub use store::{
    Ack, Activity, Batch, Bucket, Condition, CursorKey, Event, EventQuery, EventRef, Events, Grouped,
    Identify, NameCount, Options, PageToken, Period, Project, PropertyQuery, Scope, Stats, Store, Sum,
    Ticket, Timeline, TimelineEvents, Track, View,
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
