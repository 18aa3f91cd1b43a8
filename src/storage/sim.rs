//! A simulated disk: what a process sees, what a power loss leaves, and operations that fail on demand.
//!
//! Each file has a *volatile* image (the page cache: a mapping, so that `Map` and `MapWriter` work as on a real
//! file) and a *durable* one (the medium); the directory has both as well. A sync copies the one to the other. A
//! [crash](SimDisk::crash) keeps the durable image and a random part of what differs from it; a
//! [kill](SimDisk::kill) keeps the volatile one.
//!
//! What is modelled: sectors of 512 bytes that survive one by one or torn, lengths, names that are not synced,
//! renames that are atomic, kernels that forget dirty pages after a failed sync, a full disk, locks. What is not:
//! sectors that change after they were synced, and the time that anything takes.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use super::{Access, Disk, File, LOCK_NAME, Lock, LockMode, QUARANTINE, split_name};
use crate::error::{Error, Result};

mod crash;
mod fault;
mod file;
mod guards;
mod names;

pub use crash::ExhaustiveCrashes;
pub use fault::{FaultKind, FaultPlan, Op, OpKind, OpMask};

use fault::Faults;
use file::{Inode, SimFile};
pub(super) use guards::Gate;
use guards::SimLock;
use names::{Change, Directory};

/// Operations that [`SimDisk::op_log`] goes back to.
const LOG_MAX: usize = 4096;

/// How a simulated disk behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SimOptions {
    /// Address space of a new file's image, in bytes; it grows where a file needs more. Default 4 MiB.
    pub file_capacity_bytes: u64,
    /// Room for all files together, in bytes; `None`, the default, for as much as memory has.
    pub capacity_bytes: Option<u64>,
    /// Whether stores through a mapping are offered. Default true.
    pub mapped_writes: bool,
    /// Whether a sync that fails marks pages clean, so that a later one succeeds without writing them, as Linux
    /// does. Default true.
    pub lossy_failed_sync: bool,
}

impl Default for SimOptions {
    fn default() -> Self {
        Self {
            file_capacity_bytes: 4 * 1024 * 1024,
            capacity_bytes: None,
            mapped_writes: true,
            lossy_failed_sync: true,
        }
    }
}

/// A simulated disk that holds one store directory. A clone is another handle on the same disk.
#[derive(Clone)]
pub struct SimDisk {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
}

struct State {
    options: SimOptions,
    directory: Directory,
    faults: Faults,
    ops: u64,
    log: VecDeque<Op>,
    exclusive_lock: bool,
    shared_locks: u64,
    /// The disk as it was at the moment of a [`FaultKind::PowerCut`].
    cut: Option<SimDisk>,
}

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimDisk")
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimDisk")
    }
}

impl Default for SimDisk {
    fn default() -> Self {
        Self::new(SimOptions::default())
    }
}

impl SimDisk {
    /// An empty disk.
    pub fn new(options: SimOptions) -> Self {
        Self::with_directory(options, Directory::default())
    }

    fn with_directory(options: SimOptions, directory: Directory) -> Self {
        let state = State {
            options,
            directory,
            faults: Faults::default(),
            ops: 0,
            log: VecDeque::new(),
            exclusive_lock: false,
            shared_locks: 0,
            cut: None,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state) });
        shared.adopt_files();
        Self { shared }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock()
    }

    /// Makes operations fail from now on; it replaces an earlier plan.
    pub fn fail(&self, plan: FaultPlan) {
        self.state().faults.set(Some(plan));
    }

    /// Lets all operations succeed again. What failed syncs lost stays lost.
    pub fn heal(&self) {
        self.state().faults.set(None);
    }

    /// How many operations the plan has made fail.
    pub fn faults_fired(&self) -> u64 {
        self.state().faults.fired()
    }

    /// How many operations were asked for since the disk was made, failed ones included.
    pub fn ops(&self) -> u64 {
        self.state().ops
    }

    /// The operations that were asked for, oldest first; the last 4,096 of them.
    pub fn op_log(&self) -> Vec<Op> {
        self.state().log.iter().cloned().collect()
    }

    /// Sets the room for all files together, in bytes.
    pub fn set_capacity(&self, capacity_bytes: Option<u64>) {
        self.state().options.capacity_bytes = capacity_bytes;
    }

    /// The bytes of all files together.
    pub fn used_bytes(&self) -> u64 {
        self.state().directory.used_bytes()
    }

    /// The names of all files as processes see them, `quarantine/` ones included, sorted.
    pub fn names(&self) -> Vec<String> {
        self.state().directory.volatile.names()
    }

    /// The contents of a file as processes see them.
    pub fn file_bytes(&self, name: &str) -> Option<Vec<u8>> {
        self.state().directory.volatile.get(name).map(|inode| inode.volatile().to_vec())
    }

    /// The contents of a file that are certain to survive a power loss.
    pub fn durable_bytes(&self, name: &str) -> Option<Vec<u8>> {
        self.state().directory.durable.get(name).map(|inode| inode.durable().to_vec())
    }

    /// Replaces or creates a file, durably. Handles and mappings of the old one keep the old one.
    pub fn set_file_bytes(&self, name: &str, bytes: &[u8]) {
        let mut state = self.state();
        let image = Arc::new(bytes.to_vec());
        let inode = Inode::new(name, &state.options, Arc::clone(&image), image);
        inode.adopt(&Arc::downgrade(&self.shared));
        state.directory.put(name, Some(&inode));
    }

    /// Cuts or extends a file with zeros, durably, under the rules of [`SimDisk::set_file_bytes`].
    ///
    /// Returns whether there is such a file.
    pub fn truncate(&self, name: &str, length: u64) -> bool {
        let Some(mut bytes) = self.file_bytes(name) else { return false };
        bytes.resize(super::to_usize(length), 0);
        self.set_file_bytes(name, &bytes);
        true
    }

    /// Removes a file, durably. Handles and mappings of it live on.
    pub fn remove_file(&self, name: &str) {
        self.state().directory.put(name, None);
    }

    /// The disk as it was when [`FaultKind::PowerCut`] struck, for [`SimDisk::crash`]; `None` if it did not.
    pub fn at_power_cut(&self) -> Option<Self> {
        self.state().cut.clone()
    }

    fn file(&self, name: &str, inode: Arc<Inode>, access: Access) -> Arc<dyn File> {
        Arc::new(SimFile::new(Arc::clone(&self.shared), name, inode, access))
    }
}

impl Shared {
    /// Tells every file which disk it is on, for the faults of its mappings.
    fn adopt_files(self: &Arc<Self>) {
        for inode in self.state.lock().directory.inodes() {
            inode.adopt(&Arc::downgrade(self));
        }
    }

    /// Locks the disk for an operation, or fails it as the plan says.
    fn begin(self: &Arc<Self>, kind: OpKind, op: &'static str, name: &str) -> Result<MutexGuard<'_, State>> {
        let (state, fault) = self.begin_op(kind, name);
        match fault {
            None => Ok(state),
            Some(fault) => Err(fault.error(op, name)),
        }
    }

    /// Locks the disk for an operation and says how the plan wants it to fail.
    fn begin_op(self: &Arc<Self>, kind: OpKind, name: &str) -> (MutexGuard<'_, State>, Option<FaultKind>) {
        let mut state = self.state.lock();
        state.ops += 1;
        if state.log.len() == LOG_MAX {
            state.log.pop_front();
        }
        state.log.push_back(Op { kind, name: name.into() });
        let fault = state.faults.next(kind);
        if fault == Some(FaultKind::PowerCut) && state.cut.is_none() {
            state.cut = Some(state.copy());
        }
        (state, fault)
    }
}

impl State {
    /// A copy of everything that is on the disk, cached or durable, without locks and plans.
    fn copy(&self) -> SimDisk {
        SimDisk::with_directory(self.options, self.directory.copy(&self.options))
    }

    /// How many of `growth` bytes the disk has room for.
    fn room_for(&self, growth: u64) -> u64 {
        let capacity = self.options.capacity_bytes.unwrap_or(u64::MAX);
        growth.min(capacity.saturating_sub(self.directory.used_bytes()))
    }

    fn find(&self, op: &'static str, name: &str) -> Result<Arc<Inode>> {
        self.directory.volatile.get(name).cloned().ok_or_else(|| failed(op, name, io::ErrorKind::NotFound))
    }

    /// Whether the directory that `name` stands in exists.
    fn check_parent(&self, op: &'static str, name: &str) -> Result<()> {
        match split_name(name)? {
            (Some(_), _) if !self.directory.volatile.quarantine => {
                Err(failed(op, name, io::ErrorKind::NotFound))
            }
            _ => Ok(()),
        }
    }
}

impl Disk for SimDisk {
    fn describe(&self) -> String {
        "the simulated disk".to_owned()
    }

    fn list(&self) -> Result<Vec<String>> {
        let state = self.shared.begin(OpKind::Read, "list", ".")?;
        let mut names = state.directory.volatile.names();
        names.retain(|name| !name.contains('/'));
        Ok(names)
    }

    #[cfg(test)]
    fn list_quarantine(&self) -> Result<Vec<String>> {
        let state = self.shared.begin(OpKind::Read, "list", QUARANTINE)?;
        let names = state.directory.volatile.names();
        Ok(names.iter().filter_map(|name| name.split_once('/')).map(|(_, leaf)| leaf.to_owned()).collect())
    }

    fn create(&self, name: &str) -> Result<Arc<dyn File>> {
        let mut state = self.shared.begin(OpKind::Create, "open", name)?;
        state.check_parent("open", name)?;
        if state.directory.volatile.get(name).is_some() || name == QUARANTINE {
            return Err(failed("open", name, io::ErrorKind::AlreadyExists));
        }
        let inode = Inode::new(name, &state.options, Arc::default(), Arc::default());
        inode.adopt(&Arc::downgrade(&self.shared));
        state.directory.change(Change::Link { name: name.into(), inode: Arc::clone(&inode) });
        Ok(self.file(name, inode, Access::ReadWrite))
    }

    fn open(&self, name: &str, access: Access) -> Result<Arc<dyn File>> {
        let state = self.shared.begin(OpKind::Read, "open", name)?;
        split_name(name)?;
        let inode = state.find("open", name)?;
        Ok(self.file(name, inode, access))
    }

    fn exists(&self, name: &str) -> Result<bool> {
        let state = self.shared.begin(OpKind::Read, "look up", name)?;
        split_name(name)?;
        let volatile = &state.directory.volatile;
        Ok(volatile.get(name).is_some() || (name == QUARANTINE && volatile.quarantine))
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        let mut state = self.shared.begin(OpKind::Rename, "rename", from)?;
        state.check_parent("rename", from)?;
        state.check_parent("rename", to)?;
        let inode = state.find("rename", from)?;
        state.directory.change(Change::Rename { from: from.into(), to: to.into(), inode });
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<()> {
        let mut state = self.shared.begin(OpKind::Remove, "remove", name)?;
        split_name(name)?;
        let inode = state.find("remove", name)?;
        state.directory.change(Change::Unlink { name: name.into(), inode });
        Ok(())
    }

    fn sync_dir(&self) -> Result<()> {
        let mut state = self.shared.begin(OpKind::SyncDir, "sync", ".")?;
        state.directory.sync();
        Ok(())
    }

    fn make_dir(&self, name: &str) -> Result<()> {
        let mut state = self.shared.begin(OpKind::Create, "create", name)?;
        super::check_directory_name(name)?;
        if !state.directory.volatile.quarantine {
            state.directory.change(Change::MakeDirectory);
        }
        Ok(())
    }

    fn lock(&self, mode: LockMode) -> Result<Option<Lock>> {
        let missing = self.state().directory.volatile.get(LOCK_NAME).is_none();
        match mode {
            LockMode::Shared if missing => return Ok(Some(Lock::unguarded())),
            LockMode::Exclusive if missing => drop(self.create(LOCK_NAME)?),
            _ => {}
        }
        let mut state = self.state();
        let free = !state.exclusive_lock && (mode == LockMode::Shared || state.shared_locks == 0);
        if !free {
            return Ok(None);
        }
        match mode {
            LockMode::Exclusive => state.exclusive_lock = true,
            LockMode::Shared => state.shared_locks += 1,
        }
        Ok(Some(Lock::new(SimLock { shared: Arc::clone(&self.shared), mode })))
    }

    fn mapped_writes(&self) -> bool {
        self.state().options.mapped_writes
    }

    fn check_process(&self) -> Result<()> {
        Ok(())
    }
}

fn failed(op: &'static str, name: &str, kind: io::ErrorKind) -> Error {
    Error::io(op, name, kind.into())
}

#[cfg(test)]
mod tests;
