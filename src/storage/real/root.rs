//! The directory itself: how it is created and opened, and what file system it stands on.

use std::fs;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode};
use rustix::io::Errno;

use super::DIRECTORY_FLAGS;
use crate::error::{Error, Result};

/// Opens the directory at `path`, which may be reached through symbolic links.
pub(super) fn open(path: &Path, create: bool) -> Result<OwnedFd> {
    let name = || path.display().to_string();
    if create {
        create_all(path).map_err(|source| Error::io("create", name(), source))?;
    }
    rustix::fs::openat(CWD, path, DIRECTORY_FLAGS, Mode::empty()).map_err(|errno| match errno {
        Errno::NOENT => {
            Error::NotFound { path: name(), reason: "there is no such directory; check the path".into() }
        }
        Errno::NOTDIR => not_a_directory(name()),
        Errno::ACCESS | Errno::PERM => {
            let reason = "this user may not read the directory; run as its owner";
            Error::io("open", name(), io::Error::new(io::ErrorKind::PermissionDenied, reason))
        }
        _ => Error::io("open", name(), errno.into()),
    })
}

fn not_a_directory(name: String) -> Error {
    let reason = "it is not a directory; give the path of a directory";
    Error::io("open", name, io::Error::new(io::ErrorKind::NotADirectory, reason))
}

/// Creates the directory for its owner alone, and what is missing above it by the rules of the process; each new
/// name is durable on return. What is there already is left as it is.
fn create_all(path: &Path) -> io::Result<()> {
    let exists = |path: &Path| fs::symlink_metadata(path).is_ok();
    let missing: Vec<&Path> = path
        .ancestors()
        .take_while(|ancestor| !ancestor.as_os_str().is_empty() && !exists(ancestor))
        .collect();
    for directory in missing.into_iter().rev() {
        let mut builder = fs::DirBuilder::new();
        if directory == path {
            builder.mode(0o700);
        }
        match builder.create(directory) {
            Ok(()) if directory == path => {
                // Give back what the umask took.
                fs::set_permissions(directory, fs::Permissions::from_mode(0o700))?;
            }
            Ok(()) => {}
            // Someone else created it in between.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        sync_parent(directory)?;
    }
    Ok(())
}

/// Makes the name of a directory durable.
///
/// A parent that this user may not read cannot be synced by it, and is left to the system.
pub(super) fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_owned(),
        None => return Ok(()),
    };
    match rustix::fs::openat(CWD, &parent, DIRECTORY_FLAGS, Mode::empty()) {
        Ok(parent) => Ok(rustix::fs::fsync(parent)?),
        Err(Errno::ACCESS | Errno::PERM) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Whether the file system writes zero-filled blocks in place, so that a store to a mapped one cannot run out of
/// room: ext4 (and its elders) and tmpfs. XFS is left out, as its blocks may be shared.
#[cfg(target_os = "linux")]
pub(super) fn stores_in_place(directory: BorrowedFd<'_>) -> bool {
    const EXT4: u64 = 0xef53;
    const TMPFS: u64 = 0x0102_1994;
    rustix::fs::fstatfs(directory)
        .is_ok_and(|system| u64::try_from(system.f_type).is_ok_and(|kind| matches!(kind, EXT4 | TMPFS)))
}

/// Whether the file system writes zero-filled blocks in place. Elsewhere than on Linux that is not known.
#[cfg(not(target_os = "linux"))]
pub(super) fn stores_in_place(_directory: BorrowedFd<'_>) -> bool {
    false
}
