//! The directory of the simulated disk: names that are cached, names that are durable, and what lies between.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::super::QUARANTINE;
use super::SimOptions;
use super::file::Inode;

/// One state of the directory.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    pub(super) quarantine: bool,
    files: BTreeMap<String, Arc<Inode>>,
}

impl Names {
    pub(super) fn get(&self, name: &str) -> Option<&Arc<Inode>> {
        self.files.get(name)
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.files.keys().cloned().collect()
    }

    /// Makes a change, as far as the directory it is made in exists.
    pub(super) fn apply(&mut self, change: &Change) {
        match change {
            Change::MakeDirectory => self.quarantine = true,
            Change::Link { name, inode } => self.link(name, inode),
            Change::Unlink { name, inode } => self.unlink(name, inode),
            Change::Rename { from, to, inode } => {
                if self.has_parent_of(to) {
                    self.unlink(from, inode);
                    self.link(to, inode);
                }
            }
        }
    }

    fn has_parent_of(&self, name: &str) -> bool {
        self.quarantine || !name.starts_with(QUARANTINE)
    }

    fn link(&mut self, name: &str, inode: &Arc<Inode>) {
        if self.has_parent_of(name) {
            self.files.insert(name.to_owned(), Arc::clone(inode));
        }
    }

    /// Removes a name if it is still that file's.
    fn unlink(&mut self, name: &str, inode: &Arc<Inode>) {
        if self.files.get(name).is_some_and(|present| Arc::ptr_eq(present, inode)) {
            self.files.remove(name);
        }
    }

    /// The same names for other files.
    pub(super) fn map(&self, mut other: impl FnMut(&str, &Arc<Inode>) -> Arc<Inode>) -> Self {
        let files = self.files.iter().map(|(name, inode)| (name.clone(), other(name, inode))).collect();
        Self { quarantine: self.quarantine, files }
    }
}

/// One change of the directory, which happens as a whole or not at all.
#[derive(Debug, Clone)]
pub(super) enum Change {
    MakeDirectory,
    Link { name: String, inode: Arc<Inode> },
    Unlink { name: String, inode: Arc<Inode> },
    Rename { from: String, to: String, inode: Arc<Inode> },
}

impl Change {
    fn touches(&self, other: &str) -> bool {
        match self {
            Self::MakeDirectory => false,
            Self::Link { name, .. } | Self::Unlink { name, .. } => name == other,
            Self::Rename { from, to, .. } => from == other || to == other,
        }
    }

    fn inode(&self) -> Option<&Arc<Inode>> {
        match self {
            Self::MakeDirectory => None,
            Self::Link { inode, .. } | Self::Unlink { inode, .. } | Self::Rename { inode, .. } => Some(inode),
        }
    }

    fn with_inode(&self, other: impl FnOnce(&Arc<Inode>) -> Arc<Inode>) -> Self {
        let mut change = self.clone();
        match &mut change {
            Self::MakeDirectory => {}
            Self::Link { inode, .. } | Self::Unlink { inode, .. } | Self::Rename { inode, .. } => {
                *inode = other(inode);
            }
        }
        change
    }
}

/// The directory: `volatile` is `durable` with all of `pending` applied.
#[derive(Debug, Default)]
pub(super) struct Directory {
    pub(super) volatile: Names,
    pub(super) durable: Names,
    pub(super) pending: Vec<Change>,
}

impl Directory {
    pub(super) fn change(&mut self, change: Change) {
        self.volatile.apply(&change);
        self.pending.push(change);
    }

    pub(super) fn sync(&mut self) {
        self.durable = self.volatile.clone();
        self.pending.clear();
    }

    /// Makes the oldest `count` changes durable.
    pub(super) fn sync_oldest(&mut self, count: usize) {
        for change in self.pending.drain(..count.min(self.pending.len())) {
            self.durable.apply(&change);
        }
    }

    /// Puts a file under a name, or nothing, in both states.
    pub(super) fn put(&mut self, name: &str, inode: Option<&Arc<Inode>>) {
        let is_inside = name.starts_with(QUARANTINE) && inode.is_some();
        self.pending.retain(|change| !change.touches(name));
        for names in [&mut self.volatile, &mut self.durable] {
            names.quarantine |= is_inside;
            match inode {
                Some(inode) => names.link(name, inode),
                None => drop(names.files.remove(name)),
            }
        }
    }

    pub(super) fn used_bytes(&self) -> u64 {
        self.volatile.files.values().map(|inode| inode.length()).sum()
    }

    /// Every file that is or may come to be under a name, once each.
    pub(super) fn inodes(&self) -> Vec<Arc<Inode>> {
        let mut found: Vec<Arc<Inode>> = Vec::new();
        let named = self.volatile.files.values().chain(self.durable.files.values());
        for inode in named.chain(self.pending.iter().filter_map(Change::inode)) {
            if !found.iter().any(|known| Arc::ptr_eq(known, inode)) {
                found.push(Arc::clone(inode));
            }
        }
        found
    }

    /// A copy in which each file is a copy as well.
    pub(super) fn copy(&self, options: &SimOptions) -> Self {
        let mut copies: HashMap<*const Inode, Arc<Inode>> = HashMap::new();
        let mut copy = |inode: &Arc<Inode>| {
            Arc::clone(copies.entry(Arc::as_ptr(inode)).or_insert_with(|| inode.copy(options)))
        };
        Self {
            volatile: self.volatile.map(|_, inode| copy(inode)),
            durable: self.durable.map(|_, inode| copy(inode)),
            pending: self.pending.iter().map(|change| change.with_inode(&mut copy)).collect(),
        }
    }
}
