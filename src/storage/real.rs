//! The real disk: a directory held open by descriptor, and its files.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::process;
use std::sync::{Arc, OnceLock};

use rustix::fs::{AtFlags, Dir, Mode, OFlags};
use rustix::io::Errno;

use super::{Access, Disk, File, LOCK_NAME, Lock, LockMode, QUARANTINE, split_name};
use crate::error::{Error, Result};

mod file;
mod root;

use file::RealFile;

/// What a file of a store may be: for its owner to read and write.
const FILE_MODE: Mode = Mode::from_raw_mode(0o600);
/// What a directory of a store may be: for its owner alone.
const DIRECTORY_MODE: Mode = Mode::from_raw_mode(0o700);

/// Names inside a store are not followed, and a planted FIFO does not block the opening.
const FILE_FLAGS: OFlags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);
const DIRECTORY_FLAGS: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// A store directory of the file system.
///
/// It is held by descriptor, so that a renaming of its path changes nothing.
#[derive(Debug)]
pub(crate) struct DirDisk {
    root: OwnedFd,
    path: String,
    process: u32,
    mapped_writes: OnceLock<bool>,
}

impl DirDisk {
    /// Opens a directory, and creates it for its owner alone if `create` says so and it is missing.
    ///
    /// A directory that is there keeps its permissions, and its path may be a symbolic link.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] where there is none, [`Error::Io`] where it is no directory or cannot be opened.
    pub(crate) fn open(path: &Path, create: bool) -> Result<Self> {
        let root = root::open(path, create)?;
        let path_text = path.display().to_string();
        let disk = Self { root, path: path_text, process: process::id(), mapped_writes: OnceLock::new() };
        if create && disk.list()?.is_empty() {
            // Nothing says that the name of an empty directory is durable already.
            root::sync_parent(path).map_err(|source| Error::io("sync", disk.describe(), source))?;
        }
        Ok(disk)
    }

    /// The directory that `name` stands in, and its last component.
    fn place<'a>(&self, name: &'a str) -> Result<(Place<'_>, &'a str)> {
        match split_name(name)? {
            (None, leaf) => Ok((Place::Root(self.root.as_fd()), leaf)),
            (Some(directory), leaf) => Ok((Place::Inside(self.open_directory(directory)?), leaf)),
        }
    }

    /// Opens a directory inside the root, and not one that a symbolic link points to.
    fn open_directory(&self, name: &str) -> Result<OwnedFd> {
        let flags = DIRECTORY_FLAGS.union(OFlags::NOFOLLOW);
        rustix::fs::openat(&self.root, name, flags, Mode::empty()).map_err(|errno| match errno {
            Errno::LOOP | Errno::NOTDIR => {
                let reason = "it is not a directory; something else was put in its place, move it away";
                Error::io("open", name, io::Error::new(io::ErrorKind::NotADirectory, reason))
            }
            _ => Error::io("open", name, errno.into()),
        })
    }

    fn open_file(&self, name: &str, access: Access, flags: OFlags) -> Result<fs::File> {
        let (place, leaf) = self.place(name)?;
        let access = match access {
            Access::Read => OFlags::RDONLY,
            Access::ReadWrite => OFlags::RDWR,
        };
        let flags = flags.union(FILE_FLAGS).union(access);
        let descriptor = rustix::fs::openat(place, leaf, flags, FILE_MODE).map_err(|errno| match errno {
            Errno::LOOP | Errno::NXIO | Errno::ISDIR => not_regular(name),
            _ => Error::io("open", name, errno.into()),
        })?;
        let file = fs::File::from(descriptor);
        let metadata = file.metadata().map_err(|source| Error::io("open", name, source))?;
        if metadata.is_file() { Ok(file) } else { Err(not_regular(name)) }
    }

    /// Creates a file that is for its owner alone, whatever the umask takes away or leaves.
    fn create_file(&self, name: &str) -> Result<fs::File> {
        let file = self.open_file(name, Access::ReadWrite, OFlags::CREATE.union(OFlags::EXCL))?;
        rustix::fs::fchmod(&file, FILE_MODE).map_err(|errno| Error::io("create", name, errno.into()))?;
        Ok(file)
    }

    fn handle(&self, name: &str, file: fs::File, access: Access) -> Arc<dyn File> {
        Arc::new(RealFile::new(name, file, access, self.process))
    }

    fn open_lock(&self, mode: LockMode) -> Result<Option<fs::File>> {
        let access = match mode {
            LockMode::Exclusive => Access::ReadWrite,
            LockMode::Shared => Access::Read,
        };
        match self.open_file(LOCK_NAME, access, OFlags::empty()) {
            Ok(file) => return Ok(Some(file)),
            Err(error) if !super::is_not_found(&error) => return Err(error),
            Err(_) if mode == LockMode::Shared => return Ok(None),
            Err(_) => {}
        }
        match self.create_file(LOCK_NAME) {
            // Someone else created it in between.
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => {
                self.open_file(LOCK_NAME, access, OFlags::empty()).map(Some)
            }
            created => created.map(Some),
        }
    }
}

/// A directory that names are looked up in.
enum Place<'a> {
    Root(BorrowedFd<'a>),
    Inside(OwnedFd),
}

impl AsFd for Place<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Root(root) => *root,
            Self::Inside(directory) => directory.as_fd(),
        }
    }
}

/// The lock file, locked. It is unlocked by name and not by closing alone: a process that another thread has just
/// forked holds the same open file until it executes something else.
struct HeldLock {
    file: fs::File,
    process: u32,
}

impl Drop for HeldLock {
    fn drop(&mut self) {
        // A forked child must not unlock what its parent holds.
        if process::id() == self.process {
            // Closing the file, which follows, unlocks it as well.
            let _ = self.file.unlock();
        }
    }
}

impl Disk for DirDisk {
    fn describe(&self) -> String {
        self.path.clone()
    }

    fn list(&self) -> Result<Vec<String>> {
        let mut names =
            names_in(self.root.as_fd()).map_err(|errno| Error::io("list", self.describe(), errno.into()))?;
        names.retain(|name| name != QUARANTINE);
        Ok(names)
    }

    #[cfg(test)]
    fn list_quarantine(&self) -> Result<Vec<String>> {
        match self.open_directory(QUARANTINE) {
            Ok(directory) => {
                names_in(directory.as_fd()).map_err(|errno| Error::io("list", QUARANTINE, errno.into()))
            }
            Err(error) if super::is_not_found(&error) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    fn create(&self, name: &str) -> Result<Arc<dyn File>> {
        self.check_process()?;
        let file = self.create_file(name)?;
        Ok(self.handle(name, file, Access::ReadWrite))
    }

    fn open(&self, name: &str, access: Access) -> Result<Arc<dyn File>> {
        let file = self.open_file(name, access, OFlags::empty())?;
        Ok(self.handle(name, file, access))
    }

    fn exists(&self, name: &str) -> Result<bool> {
        let (place, leaf) = match self.place(name) {
            Err(error) if super::is_not_found(&error) => return Ok(false),
            place => place?,
        };
        match rustix::fs::statat(place, leaf, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(Error::io("look up", name, errno.into())),
        }
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.check_process()?;
        let (from_place, from_leaf) = self.place(from)?;
        let (to_place, to_leaf) = self.place(to)?;
        rustix::fs::renameat(from_place, from_leaf, to_place, to_leaf)
            .map_err(|errno| Error::io("rename", from, errno.into()))
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.check_process()?;
        let (place, leaf) = self.place(name)?;
        rustix::fs::unlinkat(place, leaf, AtFlags::empty())
            .map_err(|errno| Error::io("remove", name, errno.into()))
    }

    fn sync_dir(&self) -> Result<()> {
        self.check_process()?;
        match self.open_directory(QUARANTINE) {
            Ok(directory) => {
                sync_directory(directory.as_fd()).map_err(|source| Error::io("sync", QUARANTINE, source))?;
            }
            Err(error) if super::is_not_found(&error) => {}
            Err(error) => return Err(error),
        }
        sync_directory(self.root.as_fd()).map_err(|source| Error::io("sync", self.describe(), source))
    }

    fn make_dir(&self, name: &str) -> Result<()> {
        self.check_process()?;
        super::check_directory_name(name)?;
        let failed = |errno: Errno| Error::io("create", name, errno.into());
        match rustix::fs::mkdirat(&self.root, name, DIRECTORY_MODE) {
            // Created just now, so that it cannot be a link: give back what the umask took.
            Ok(()) => rustix::fs::chmodat(&self.root, name, DIRECTORY_MODE, AtFlags::empty()).map_err(failed),
            Err(Errno::EXIST) => self.open_directory(name).map(drop),
            Err(errno) => Err(failed(errno)),
        }
    }

    fn lock(&self, mode: LockMode) -> Result<Option<Lock>> {
        self.check_process()?;
        let Some(file) = self.open_lock(mode)? else { return Ok(Some(Lock::unguarded())) };
        let taken = match mode {
            LockMode::Exclusive => file.try_lock(),
            LockMode::Shared => file.try_lock_shared(),
        };
        match taken {
            Ok(()) => Ok(Some(Lock::new(HeldLock { file, process: self.process }))),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error))
                if mode == LockMode::Shared && error.kind() == io::ErrorKind::Unsupported =>
            {
                Ok(Some(Lock::unguarded()))
            }
            Err(fs::TryLockError::Error(source)) => Err(Error::io("lock", LOCK_NAME, source)),
        }
    }

    fn mapped_writes(&self) -> bool {
        *self.mapped_writes.get_or_init(|| root::stores_in_place(self.root.as_fd()))
    }

    fn check_process(&self) -> Result<()> {
        check_process(self.process, &self.path)
    }
}

fn not_regular(name: &str) -> Error {
    let reason = "it is not a regular file; something else was put in its place, move it away";
    Error::io("open", name, io::Error::new(io::ErrorKind::InvalidInput, reason))
}

fn check_process(opened_by: u32, what: &str) -> Result<()> {
    if process::id() == opened_by {
        return Ok(());
    }
    let reason = "this process was forked from the one that opened the store; open the store anew here";
    Err(Error::io("write", what, io::Error::other(reason)))
}

/// The names in a directory that are UTF-8, sorted.
fn names_in(directory: BorrowedFd<'_>) -> rustix::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        if let Ok(name) = entry.file_name().to_str()
            && name != "."
            && name != ".."
        {
            names.push(name.to_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn sync_directory(directory: BorrowedFd<'_>) -> io::Result<()> {
    Ok(rustix::fs::fsync(directory)?)
}

#[cfg(test)]
mod tests;
