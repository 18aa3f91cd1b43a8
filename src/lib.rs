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
//! - *posting*: an entry of an index; *profile*: what identify events say of a person, by the
//!   [rules of identity](crate::identity_rules); *cursor*: a small state that a
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
//! L0 vocabulary   error  limits  trace  types
//! L1 pure         envelope (what an event is)   format (bytes)
//! L2 I/O          storage (the medium, and a simulated disk for tests)
//! L3 siblings     log   index   profile   identity   dedupe   none imports another
//! L4 composition  store (open, append, fold, seal, view, query, people, verify)
//! L5 on top       interop (foreign forms of events, in and out)
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
//! - A segment without message ids has a line in the manifest's list of runs of ids, and no file.
//! - A row keeps at most 1,024 facts of identity of one kind on one end, the least in their order, so that a device that
//!   all users of a host share does not have a row that grows with every one of them.
//! - The limit on members counts those that belong to one user directly: who has a place is then a matter of that user's
//!   row alone. Whether an alias of a member brings more with it does not count.
//! - What people did on a shared device stays the device's own also after an unlink, and traits that were set on it
//!   meanwhile do too.
//! - The page of watermarks for readers beside a live writer is not there yet.
//!
//! # What it tells, and how
//!
//! The library prints nothing and installs nothing: no signal handler, no runtime, no subscriber. Errors are returned;
//! [`Stats`] has figures, [`RecoveryReport`] what opening found. What the background finds is told by the next call that
//! it concerns and, with the feature `tracing`, by events. An error of the close in `Drop` has an event and nothing
//! else: call [`Store::close`].
//!
//! With the feature `tracing` these are the spans and events. None is for a single append or read. Fields are names of
//! files, seqs, counts and durations; never ids, payload or addresses. Threads of a store tell the subscriber that was
//! current where it was opened. Some events are told while the store holds a lock: a subscriber must not call the store.
//!
//! | target | span or event | level | fields |
//! |---|---|---|---|
//! | `envelog::open` | span `open` | info | `store`, `writer` |
//! | | span `recover`, inside it: the tail of the log is copied | info | `bytes_scanned` |
//! | | the store is open | info | `created`, `clean`, `frames_kept`, `took_ms` |
//! | | the last writer did not close the store | warn | `frames_kept`, `frames_dropped`, `bytes_scanned` |
//! | | a file was put into quarantine | warn | `file` |
//! | | events are missing | warn | `from`, `to` |
//! | | one copy of a segment's header is damaged | warn | `file`, `reason` |
//! | | a derived file was made anew | warn | `file`, `reason` |
//! | `envelog::log` | a segment is full | debug | `segment`, `bytes`, `last_seq` |
//! | | an append waited for its segment, or for the next one's file | debug | `waited_ms` |
//! | | no room could be made ahead of the log: the disk is full, say | warn | `error` |
//! | | a sync was slow: more than a second | warn | `file`, `took_ms` |
//! | | a sync failed | error | `file`, `error` |
//! | | the store takes no more appends | error | `durable` |
//! | `envelog::seal` | span `seal` | info | `segment` |
//! | | a segment was sealed | info | `file`, `frames`, `bytes`, `took_ms` |
//! | | a segment could not be sealed; it is tried again | warn | `file`, `error` |
//! | | span `compact` | info | `runs` |
//! | | profile runs were merged, or runs of message ids | info | `bytes`, `took_ms` |
//! | | profile runs, or runs of message ids, could not be merged; it is tried again | warn | `error` |
//! | | an append waited for a segment to be sealed | debug | `waited_ms` |
//! | | a damaged file was made anew by the read that met it | warn | `file` |
//! | | a damaged file was replaced, or could not be | info, warn | `file`, `error` |
//! | `envelog::close` | span `close` | info | |
//! | | the store is closed | info | `last_seq`, `took_ms` |
//! | | the last handle is gone, and closing the store failed | error | `error` |
//!
//! # Features
//!
//! `cli` is the command line tool; `tracing` has the spans and events; `sample` is the generator of sample events;
//! `testing` has the seams for tests and is not covered by semantic versioning.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(not(all(target_pointer_width = "64", unix)))]
compile_error!(
    "envelog needs a 64-bit Unix: it maps whole segments and relies on a page cache that is coherent between read, write and mmap"
);

mod error;
mod limits;
mod trace;
mod types;

mod envelope;
mod format;
mod storage;

mod dedupe;
mod identity;
mod index;
mod log;
mod profile;

mod store;

pub mod interop;

/// The format on disk, byte by byte.
#[doc = include_str!("format/FORMAT.md")]
pub mod format_specification {}

/// Who is whom: the rules of users, devices, links and aliases.
#[doc = include_str!("identity/RULES.md")]
pub mod identity_rules {}

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
pub use error::{Error, FirstUse, IdentityRule, Result};
pub use limits::Limits;
pub use log::{DamagedHeader, Durability, OnCorruption, Rebuilt, RecoveryReport, StoreState};
pub use profile::{PersonRef, Profile, ProfileState, Trait, TraitName, Traits};
pub use storage::{Clock, ManualClock};
pub use store::{
    Ack, Activity, Alias, Batch, Bucket, Checker, Condition, CursorKey, Event, EventQuery, EventRef, Events,
    Explanation, Grouped, Identify, IdentityConflict, NameCount, Options, PageToken, Period, PersonId,
    Profiles, Project, PropertyQuery, Query, Reason, Scope, SegmentStats, SignInAnonymously, SignUp,
    SignedIn, Stats, Store, Sum, Ticket, Timeline, TimelineEvents, Track, TraitChange, Unlink, View,
};
pub use store::{Dedupe, OnIdConflict};
pub use store::{Finding, Severity, VerifyLevel, VerifyReport};
pub use types::{Epoch, Position, Seq};

/// Seams for tests: the simulated disk, settable clock and seeded randomness. Not covered by semantic versioning.
#[cfg(any(test, feature = "testing"))]
pub mod testing {
    pub use crate::storage::sim::{
        ExhaustiveCrashes, FaultKind, FaultPlan, Op, OpKind, OpMask, SimDisk, SimOptions,
    };
    pub use crate::storage::{Clock, Entropy, ManualClock, SeededEntropy, SimRng};
}

/// What threads may share and hand on is checked when the crate is compiled.
const _: () = {
    use std::panic::{RefUnwindSafe, UnwindSafe};

    const fn shared<T: Send + Sync + Unpin>() {}
    const fn kept<T: Clone + Send + Sync + Unpin + 'static>() {}
    const fn unwound<T: UnwindSafe + RefUnwindSafe>() {}

    // Handles.
    kept::<Store>();
    kept::<Scope>();
    kept::<Project>();
    kept::<View>();
    kept::<Options>();
    kept::<Track>();
    kept::<Identify>();
    shared::<Batch>();
    shared::<Ticket>();
    unwound::<Store>();
    unwound::<Project>();
    unwound::<View>();
    // Questions and answers that borrow from a view.
    shared::<EventQuery<'_>>();
    shared::<PropertyQuery<'_>>();
    shared::<Timeline<'_>>();
    shared::<Events<'_>>();
    shared::<TimelineEvents<'_>>();
    shared::<Profiles<'_>>();
    shared::<EventRef<'_>>();
    shared::<ValueRef<'_>>();
    // Plain data.
    kept::<Query>();
    kept::<Condition>();
    kept::<PageToken>();
    kept::<Period>();
    kept::<Envelope>();
    kept::<Accepted>();
    kept::<Value>();
    kept::<Object>();
    kept::<Number>();
    kept::<Event>();
    kept::<Profile>();
    kept::<Activity>();
    kept::<NameCount>();
    kept::<TraitName>();
    kept::<Sum>();
    kept::<Ack>();
    kept::<Notes>();
    kept::<Position>();
    kept::<Seq>();
    kept::<Epoch>();
    kept::<Stats>();
    kept::<StoreState>();
    kept::<RecoveryReport>();
    kept::<Limits>();
    kept::<Durability>();
    kept::<CursorKey<'static>>();
    unwound::<Query>();
    unwound::<Envelope>();
    unwound::<Event>();
    shared::<Error>();
    shared::<ManualClock>();
    shared::<Box<dyn Clock>>();
};
