//! What locks and mappings of the simulated disk hold on to.

use std::sync::{Arc, Weak};

use parking_lot::{Mutex, MutexGuard};

use super::super::LockMode;
use super::{OpKind, Shared};
use crate::error::Result;

/// A lock on the simulated store, released when it is dropped.
pub(super) struct SimLock {
    pub(super) shared: Arc<Shared>,
    pub(super) mode: LockMode,
}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        match self.mode {
            LockMode::Exclusive => state.exclusive_lock = false,
            LockMode::Shared => state.shared_locks = state.shared_locks.saturating_sub(1),
        }
    }
}

/// Keeps the copies that the simulated disk takes of a file's image apart from stores to it through a mapping.
#[derive(Debug)]
pub(in super::super) struct Gate {
    closed: Mutex<()>,
    disk: Weak<Shared>,
    name: Box<str>,
}

impl Gate {
    pub(super) fn new(disk: &Weak<Shared>, name: &str) -> Self {
        Self { closed: Mutex::new(()), disk: Weak::clone(disk), name: name.into() }
    }

    /// Holds stores and copies off until the guard is dropped.
    pub(in super::super) fn close(&self) -> MutexGuard<'_, ()> {
        self.closed.lock()
    }

    /// Fails where the plan says so; the pages of an image are always there.
    pub(in super::super) fn populate(&self) -> Result<()> {
        match self.disk.upgrade() {
            Some(disk) => disk.begin(OpKind::Map, "populate", &self.name).map(drop),
            None => Ok(()),
        }
    }
}
