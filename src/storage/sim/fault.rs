//! Operations that fail on demand.

use std::io;
use std::ops::BitOr;
use std::sync::Arc;

use crate::error::Error;

/// What kind of operation the disk was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum OpKind {
    /// Writing to a file.
    Write,
    /// Syncing a file.
    Sync,
    /// Renaming a file.
    Rename,
    /// Creating a file, or the quarantine directory.
    Create,
    /// Removing a file.
    Remove,
    /// Syncing the directory.
    SyncDir,
    /// Reading from a file, opening one, or looking names up.
    Read,
    /// Mapping a file, or populating a mapping.
    Map,
}

/// One operation that the disk was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Op {
    /// What was asked for.
    pub kind: OpKind,
    /// The file that it was asked of, or `.` for the directory.
    pub name: Arc<str>,
}

/// A set of kinds of operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpMask(u8);

impl OpMask {
    /// All kinds.
    pub const ALL: Self = Self(u8::MAX);
    /// All kinds that change the disk.
    pub const CHANGES: Self = Self(!Self::of(OpKind::Read).0 & !Self::of(OpKind::Map).0);

    /// One kind.
    pub const fn of(kind: OpKind) -> Self {
        Self(1 << kind as u8)
    }

    /// Whether the kind is in the set.
    pub const fn contains(self, kind: OpKind) -> bool {
        self.0 & Self::of(kind).0 != 0
    }
}

impl BitOr for OpMask {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl From<OpKind> for OpMask {
    fn from(kind: OpKind) -> Self {
        Self::of(kind)
    }
}

/// How an operation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// An I/O error; nothing was done.
    Eio,
    /// The disk is full; nothing was done.
    NoSpace,
    /// A write leaves the first half of its bytes and then has an I/O error; other operations fail as with
    /// [`FaultKind::Eio`].
    ShortWrite,
    /// The power goes just before the operation: it and all operations after it fail, and
    /// [`SimDisk::at_power_cut`](super::SimDisk::at_power_cut) keeps the disk as it was.
    PowerCut,
}

impl FaultKind {
    pub(super) fn error(self, op: &'static str, name: &str) -> Error {
        const EIO: i32 = 5;
        let source = match self {
            Self::NoSpace => io::ErrorKind::StorageFull.into(),
            Self::Eio | Self::ShortWrite | Self::PowerCut => io::Error::from_raw_os_error(EIO),
        };
        Error::io(op, name, source)
    }
}

/// Which operations fail, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaultPlan {
    /// How many operations of the mask succeed first: 0 makes the next one fail.
    pub after_ops: u64,
    /// How they fail.
    pub kind: FaultKind,
    /// Whether all operations of the mask fail from there on, or one only.
    pub sticky: bool,
    /// Which operations are counted and fail.
    pub ops: OpMask,
}

/// A plan and how far it has come.
#[derive(Debug, Default)]
pub(super) struct Faults {
    plan: Option<FaultPlan>,
    seen: u64,
    fired: u64,
}

impl Faults {
    pub(super) fn set(&mut self, plan: Option<FaultPlan>) {
        *self = Self { plan, seen: 0, fired: 0 };
    }

    pub(super) fn fired(&self) -> u64 {
        self.fired
    }

    /// Counts an operation, and says how it fails if it does.
    pub(super) fn next(&mut self, kind: OpKind) -> Option<FaultKind> {
        let plan = self.plan?;
        let is_off = plan.kind == FaultKind::PowerCut && self.fired > 0;
        if !plan.ops.contains(kind) && !is_off {
            return None;
        }
        self.seen += 1;
        let is_due = self.seen > plan.after_ops && (plan.sticky || self.fired == 0);
        if !is_due && !is_off {
            return None;
        }
        self.fired += 1;
        Some(plan.kind)
    }
}
