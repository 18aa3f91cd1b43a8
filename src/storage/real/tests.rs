use std::ffi::OsStr;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Command;

use super::*;

fn store() -> (tempfile::TempDir, PathBuf, DirDisk) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("store");
    let disk = DirDisk::open(&path, true).expect("a new store");
    (directory, path, disk)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("there").permissions().mode() & 0o7777
}

#[test]
fn a_missing_directory_is_not_found_and_not_created_for_a_reader() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("none");
    assert!(matches!(DirDisk::open(&path, false), Err(Error::NotFound { .. })));
    assert!(!path.exists());
}

#[test]
fn a_path_that_is_a_file_is_a_clear_error() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("file");
    fs::write(&path, b"x").expect("written");
    for create in [false, true] {
        let error = DirDisk::open(&path, create).expect_err("a file");
        assert!(error.to_string().contains("not a directory"), "{error}");
        assert!(DirDisk::open(&path.join("below"), create).is_err());
    }
    assert_eq!(fs::read(&path).expect("read"), b"x");
}

#[test]
fn the_root_may_be_a_symbolic_link_but_not_a_dangling_one() {
    let (directory, path, _disk) = store();
    let link = directory.path().join("link");
    symlink(&path, &link).expect("linked");
    let disk = DirDisk::open(&link, true).expect("opened through the link");
    disk.create("a").expect("created");
    assert!(path.join("a").exists());
    let dangling = directory.path().join("dangling");
    symlink(directory.path().join("nowhere"), &dangling).expect("linked");
    assert!(DirDisk::open(&dangling, true).is_err());
    assert!(!directory.path().join("nowhere").exists());
}

#[test]
fn missing_parents_are_created_and_a_relative_path_works() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("a/b/c/");
    DirDisk::open(&path, true).expect("created").create("x").expect("created");
    assert!(path.join("x").exists());
    assert_eq!(mode(&path), 0o700);
    assert!(matches!(DirDisk::open(Path::new("no-such-directory-here"), false), Err(Error::NotFound { .. })));
    assert!(DirDisk::open(Path::new(""), true).is_err());
    DirDisk::open(Path::new("."), false).expect("the present directory");
}

#[test]
fn a_directory_that_is_there_keeps_its_permissions() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o750)).expect("set");
    DirDisk::open(directory.path(), true).expect("opened");
    assert_eq!(mode(directory.path()), 0o750);
}

#[test]
fn renaming_the_path_changes_nothing_for_an_open_store() {
    let (directory, path, disk) = store();
    let moved = directory.path().join("moved");
    fs::rename(&path, &moved).expect("renamed");
    disk.create("a").expect("created");
    disk.sync_dir().expect("synced");
    assert!(moved.join("a").exists());
    assert!(!path.exists());
    assert_eq!(disk.describe(), path.display().to_string());
}

#[test]
fn links_fifos_and_directories_planted_at_a_name_are_refused() {
    let (directory, path, disk) = store();
    let victim = directory.path().join("victim");
    fs::write(&victim, b"untouched").expect("written");
    symlink(&victim, path.join("link")).expect("linked");
    symlink(directory.path().join("nowhere"), path.join("dangling")).expect("linked");
    fs::create_dir(path.join("directory")).expect("created");
    let made = Command::new("mkfifo").arg(path.join("fifo")).status().expect("mkfifo runs");
    assert!(made.success());
    for name in ["link", "dangling", "directory", "fifo"] {
        for access in [Access::Read, Access::ReadWrite] {
            let error = disk.open(name, access).expect_err("not a regular file");
            assert!(error.to_string().contains("not a regular file"), "{name}: {error}");
        }
        assert!(disk.create(name).is_err(), "{name}");
        assert!(disk.exists(name).expect("looked up"), "{name}");
    }
    assert_eq!(fs::read(&victim).expect("read"), b"untouched");
    assert!(!directory.path().join("nowhere").exists());
}

#[test]
fn a_link_planted_as_the_lock_is_refused() {
    let (directory, path, disk) = store();
    symlink(directory.path().join("elsewhere"), path.join(LOCK_NAME)).expect("linked");
    assert!(disk.lock(LockMode::Exclusive).is_err());
    assert!(disk.lock(LockMode::Shared).is_err());
    assert!(!directory.path().join("elsewhere").exists());
}

#[test]
fn a_link_planted_as_the_temporary_file_is_removed_and_not_followed() {
    let (directory, path, disk) = store();
    let victim = directory.path().join("victim");
    fs::write(&victim, b"untouched").expect("written");
    symlink(&victim, path.join("M.tmp")).expect("linked");
    super::super::write_file_atomic(&disk, "M", b"new").expect("replaced");
    assert_eq!(fs::read(path.join("M")).expect("read"), b"new");
    assert_eq!(fs::read(&victim).expect("read"), b"untouched");
}

#[test]
fn a_link_planted_as_the_quarantine_is_refused() {
    let (directory, path, disk) = store();
    let elsewhere = directory.path().join("elsewhere");
    fs::create_dir(&elsewhere).expect("created");
    fs::set_permissions(&elsewhere, fs::Permissions::from_mode(0o755)).expect("set");
    symlink(&elsewhere, path.join(QUARANTINE)).expect("linked");
    disk.create("a").expect("created");
    assert!(disk.make_dir(QUARANTINE).is_err());
    assert!(disk.rename("a", "quarantine/a").is_err());
    assert!(disk.create("quarantine/b").is_err());
    assert!(disk.list_quarantine().is_err());
    assert!(disk.sync_dir().is_err());
    assert_eq!(fs::read_dir(&elsewhere).expect("read").count(), 0);
    assert_eq!(mode(&elsewhere), 0o755);
}

#[test]
fn names_that_are_not_utf_8_are_not_listed() {
    use std::os::unix::ffi::OsStrExt;
    let (_directory, path, disk) = store();
    fs::write(path.join(OsStr::from_bytes(b"\xff\xfe")), b"").expect("written");
    fs::write(path.join("a"), b"").expect("written");
    assert_eq!(disk.list().expect("listed"), ["a"]);
}

/// Makes a store with everything in it. Run again under other umasks by the test below.
#[test]
fn umask_child() {
    let Some(path) = std::env::var_os("ENVELOG_TEST_UMASK_STORE") else { return };
    let path = PathBuf::from(path);
    let disk = DirDisk::open(&path, true).expect("a new store");
    disk.create("a").expect("created");
    disk.make_dir(QUARANTINE).expect("created");
    disk.create("quarantine/b").expect("created");
    let _lock = disk.lock(LockMode::Exclusive).expect("locked").expect("free");
    for (name, expected) in
        [("", 0o700), ("a", 0o600), (QUARANTINE, 0o700), ("quarantine/b", 0o600), (LOCK_NAME, 0o600)]
    {
        assert_eq!(mode(&path.join(name)), expected, "{name}");
    }
}

#[test]
fn everything_is_private_to_the_owner_whatever_the_umask() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let test = std::env::current_exe().expect("this test");
    for umask in ["000", "022", "077", "277", "777"] {
        let path = directory.path().join(umask);
        let script = format!("umask {umask}; exec \"$0\" --exact storage::real::tests::umask_child");
        let output = Command::new("sh")
            .args(["-c", &script])
            .arg(&test)
            .env("ENVELOG_TEST_UMASK_STORE", &path)
            .output()
            .expect("the test runs again");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "umask {umask}: {text}");
        assert!(path.join("quarantine/b").exists(), "umask {umask}");
    }
}

#[test]
fn the_lock_is_held_against_other_handles_and_their_processes() {
    let (_directory, path, disk) = store();
    let lock = disk.lock(LockMode::Exclusive).expect("locked").expect("free");
    let other = DirDisk::open(&path, false).expect("opened");
    assert!(other.lock(LockMode::Exclusive).expect("asked").is_none());
    let taken = Command::new("flock").arg("-n").arg(path.join(LOCK_NAME)).arg("true").status();
    if let Ok(status) = taken {
        assert!(!status.success());
    }
    drop(lock);
    assert!(other.lock(LockMode::Exclusive).expect("asked").is_some());
}

#[test]
fn a_file_that_may_not_grow_so_far_is_no_space() {
    let (_directory, _path, disk) = store();
    let file = disk.create("a").expect("created");
    let error = file.write_at((1 << 62) + 1, &[1]).expect_err("beyond what a file may be");
    assert!(matches!(error, Error::NoSpace { .. }), "{error}");
    assert_eq!(file.len().expect("length"), 0);
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_no_space() {
    let full = fs::OpenOptions::new().read(true).write(true).open("/dev/full").expect("there");
    let file = RealFile::new("seg-1.log", full, Access::ReadWrite, process::id());
    let error = file.write_at(0, &[1]).expect_err("full");
    assert!(matches!(&error, Error::NoSpace { file } if file == "seg-1.log"), "{error}");
}

#[test]
fn a_forked_process_is_told_that_it_may_not_write() {
    let (_directory, path, mut disk) = store();
    disk.create("a").expect("created");
    disk.check_process().expect("the same process");
    disk.process = disk.process.wrapping_add(1);
    let file = disk.open("a", Access::ReadWrite).expect("opened");
    for refused in [
        disk.check_process(),
        disk.create("b").map(drop),
        disk.rename("a", "b"),
        disk.remove("a"),
        disk.sync_dir(),
        disk.make_dir(QUARANTINE),
        disk.lock(LockMode::Exclusive).map(drop),
        file.sync(),
    ] {
        assert!(refused.expect_err("another process").to_string().contains("forked"));
    }
    assert!(path.join("a").exists() && !path.join("b").exists());
}

#[test]
#[cfg(target_os = "linux")]
fn mapped_writes_follow_the_file_system() {
    let (_directory, path, disk) = store();
    let output = Command::new("stat").args(["-f", "-c", "%T"]).arg(&path).output().expect("stat runs");
    let name = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    assert_eq!(disk.mapped_writes(), name.starts_with("ext") || name == "tmpfs", "{name}");
    if let Ok(shm) = tempfile::tempdir_in("/dev/shm") {
        assert!(DirDisk::open(shm.path(), false).expect("opened").mapped_writes());
    }
    if let Ok(proc) = DirDisk::open(Path::new("/proc/self"), false) {
        assert!(!proc.mapped_writes());
    }
}

#[test]
fn a_file_opened_twice_is_the_same_file() {
    let (_directory, path, disk) = store();
    let writer = disk.create("a").expect("created");
    super::super::fill_zeros(&*writer, 0, 8192).expect("filled");
    let (mut stores, _map) = writer.map_log(0, 0, 8192).expect("mapped");
    stores.set_limit(8192).expect("filled");
    stores.write(10, b"by mapping").expect("room");
    writer.write_at(30, b"by pwrite").expect("written");
    stores.publish(100);
    let reader = disk.open("a", Access::Read).expect("opened");
    let map = reader.map_whole().expect("mapped");
    assert_eq!(map.bytes(10..20), Some(&b"by mapping"[..]));
    assert_eq!(map.bytes(30..39), Some(&b"by pwrite"[..]));
    assert_eq!(fs::metadata(path.join("a")).expect("there").size(), 8192);
    writer.sync().expect("synced");
}
