//! Where a store is asked for and none can be had: a clear error, and nothing changed.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use envelog::{Durability, Envelope, Error, Options, Store, Uuid};
use tempfile::TempDir;

use crate::real_input::{MIB, ignored};

const ORG: Uuid = Uuid::from_u128(1);
const PROJECT: Uuid = Uuid::from_u128(2);

/// What stands in a directory: kind, permissions, times and bytes of every name.
type Listing = BTreeMap<PathBuf, (u32, i64, i64, Vec<u8>)>;

fn listing(directory: &Path) -> Listing {
    let mut all = Listing::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let metadata = fs::symlink_metadata(&path).unwrap();
        let bytes = if metadata.is_file() {
            fs::read(&path).unwrap()
        } else if metadata.is_symlink() {
            fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
        } else {
            Vec::new()
        };
        if metadata.is_dir() {
            all.extend(listing(&path));
        }
        all.insert(path, (metadata.mode(), metadata.mtime(), metadata.mtime_nsec(), bytes));
    }
    all
}

fn assert_unchanged(directory: &Path, before: &Listing) {
    let after = listing(directory);
    let names = |listing: &Listing| listing.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&after), names(before));
    for (path, was) in before {
        assert!(after[path] == *was, "{} changed", path.display());
    }
}

fn envelope(number: u32) -> Envelope {
    Envelope::new(ORG, PROJECT, "tests", "thing.made").user(format!("u{}", number % 7)).property("n", number)
}

/// A store of some sealed segments and a tail, closed.
fn closed_store(path: &Path) {
    let store = small().open(path).unwrap();
    for number in 0..300 {
        store.append(envelope(number)).unwrap();
    }
    store.wait_sealed().unwrap();
    store.close().unwrap();
}

fn small() -> Options {
    Options::new().tiny_segments(8 * 1024).durability(Durability::Buffered)
}

fn count(store: &Store) -> u64 {
    store.project(PROJECT).view().unwrap().events().count().unwrap()
}

#[test]
fn a_missing_directory_is_not_found_unless_it_may_be_made() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("none");
    let text = format!("no store found at {}: there is no such directory; check the path", path.display());
    assert_eq!(Store::open_read_only(&path).unwrap_err().to_string(), text);
    assert_eq!(Options::new().create(false).open(&path).unwrap_err().to_string(), text);
    assert!(!path.exists());
    Store::open(directory.path().join("made/deep/store")).unwrap();
}

#[test]
fn an_empty_directory_is_no_store_to_a_reader() {
    let directory = TempDir::new().unwrap();
    let shown = directory.path().display().to_string();
    let error = Store::open_read_only(directory.path()).unwrap_err().to_string();
    assert_eq!(error, format!("no store found at {shown}: it has no MANIFEST"));
    let error = Options::new().create(false).open(directory.path()).unwrap_err().to_string();
    assert_eq!(
        error,
        format!("no store found at {shown}: it has no MANIFEST, and creating a store was not asked for")
    );
    assert!(listing(directory.path()).is_empty());
}

#[test]
fn a_directory_that_is_a_file_is_said_to_be_one() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("file");
    fs::write(&path, "text").unwrap();
    let before = listing(directory.path());
    let text =
        format!("open of {} failed: it is not a directory; give the path of a directory", path.display());
    assert_eq!(Store::open(&path).unwrap_err().to_string(), text);
    assert_eq!(Store::open_read_only(&path).unwrap_err().to_string(), text);
    let below = path.join("store");
    let error = Store::open(&below).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
    assert_unchanged(directory.path(), &before);
}

#[test]
fn a_foreign_directory_is_left_as_it_is() {
    for name in ["notes.txt", "seg-1.log.bak", "seg-01.log", "manifest", "quarantine.txt"] {
        let directory = TempDir::new().unwrap();
        fs::write(directory.path().join(name), "something of someone else").unwrap();
        fs::create_dir(directory.path().join("sub")).unwrap();
        let before = listing(directory.path());
        let error = Store::open(directory.path()).unwrap_err().to_string();
        let reason = "it has no MANIFEST and holds other files; choose an empty directory";
        assert_eq!(error, format!("no store found at {}: {reason}", directory.path().display()), "{name}");
        Store::open_read_only(directory.path()).unwrap_err();
        assert_unchanged(directory.path(), &before);
    }
}

#[test]
fn a_store_without_its_manifest_is_not_made_anew() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store");
    closed_store(&path);
    fs::remove_file(path.join("MANIFEST")).unwrap();
    let before = listing(&path);
    let error = small().open(&path).unwrap_err().to_string();
    assert!(
        error.ends_with("it holds files of a store and no MANIFEST; restore the MANIFEST from a backup"),
        "{error}"
    );
    assert_unchanged(&path, &before);
}

#[test]
fn a_second_handle_is_locked_out_and_a_closed_store_is_free() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store");
    let locked = "the store is locked: somebody else writes to it, or reads it while it has no writer; close it there, or wait, and open again";
    let store = small().open(&path).unwrap();
    assert_eq!(small().open(&path).unwrap_err().to_string(), locked);
    assert_eq!(Store::open_read_only(&path).unwrap_err().to_string(), locked);
    store.append(envelope(1)).unwrap();
    drop(store);
    let (one, other) = (Store::open_read_only(&path).unwrap(), Store::open_read_only(&path).unwrap());
    assert_eq!((count(&one), count(&other)), (1, 1), "readers share");
    assert!(matches!(small().open(&path), Err(Error::Locked)), "and keep a writer out");
    drop((one, other));
    assert_eq!(count(&small().open(&path).unwrap()), 1);
}

/// Does nothing but in a child process.
#[test]
fn child_that_holds_a_store() {
    let Some(path) = std::env::var_os("ENVELOG_HOLD_CHILD").map(PathBuf::from) else { return };
    let store = small().open(&path).unwrap();
    store.append(envelope(1)).unwrap();
    fs::write(path.with_extension("held"), "").unwrap();
    // Until the parent ends it.
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    std::process::abort();
}

#[test]
fn another_process_locks_a_store_until_it_dies() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "environment::child_that_holds_a_store", "--nocapture", "--test-threads=1"])
        .env("ENVELOG_HOLD_CHILD", &path)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while !path.with_extension("held").exists() {
        assert!(child.try_wait().unwrap().is_none(), "the child is at work");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert!(matches!(small().open(&path), Err(Error::Locked)));
    assert!(matches!(Store::open_read_only(&path), Err(Error::Locked)));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(count(&Store::open_read_only(&path).unwrap()), 1);
    let store = small().open(&path).unwrap();
    assert!(!store.recovery().clean);
    assert_eq!(count(&store), 1);
}

/// Changes bytes of a file in place.
fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_later_format_is_refused_and_nothing_is_changed() {
    let later = "nothing was changed, use a version of envelog that knows this format";
    for is_clean in [true, false] {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("store");
        closed_store(&path);
        if !is_clean {
            let store = small().open(&path).unwrap();
            store.append(envelope(1)).unwrap();
            store.wait_sealed().unwrap();
            let copy = directory.path().join("copy");
            copy_flat(&path, &copy);
            fs::rename(&copy, directory.path().join("crashed")).unwrap();
        }
        let path = if is_clean { path } else { directory.path().join("crashed") };
        let newest = newest_segment(&path);
        for name in ["MANIFEST".to_owned(), "seg-1.log".to_owned(), newest] {
            let file = path.join(&name);
            let whole = fs::read(&file).unwrap();
            for (at, value, reason) in [
                (8, 2, "format version 2, this is version 1".to_owned()),
                (9, 1, "format version 257, this is version 1".to_owned()),
                (12, 1, "unknown features 0x1".to_owned()),
                (15, 0x80, "unknown features 0x80000000".to_owned()),
            ] {
                change(&file, |bytes| {
                    bytes[at] = value;
                    // A segment says it in both copies of its header.
                    if name != "MANIFEST" {
                        bytes[2048 - 512 + at] = value;
                    }
                });
                let before = listing(&path);
                let expected = format!("{name}: {reason}; {later}");
                let had = |result: Result<Store, Error>| result.map(drop).unwrap_err().to_string();
                assert_eq!(had(small().open(&path)), expected, "clean {is_clean}");
                assert_eq!(had(Store::open_read_only(&path)), expected, "clean {is_clean}");
                assert_unchanged(&path, &before);
                fs::write(&file, &whole).unwrap();
            }
            change(&file, |bytes| bytes[10] = 7);
            let opened = Store::open_read_only(&path);
            if name == "MANIFEST" {
                assert!(count(&opened.unwrap()) >= 300, "a later minor version is read");
            }
            fs::write(&file, &whole).unwrap();
        }
        assert!(count(&small().open(&path).unwrap()) >= 300);
    }
}

fn copy_flat(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// The last segment; one that was made ready ahead has no header yet.
fn newest_segment(path: &Path) -> String {
    let number = |name: &str| name.strip_prefix("seg-")?.strip_suffix(".log")?.parse::<u32>().ok();
    let names = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let has_header = |name: &String| fs::read(path.join(name)).unwrap().iter().take(8).any(|byte| *byte != 0);
    names.filter(|name| number(name).is_some() && has_header(name)).max_by_key(|name| number(name)).unwrap()
}

#[test]
fn open_read_only_changes_no_byte_and_no_name() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store");
    let store = small().open(&path).unwrap();
    for number in 0..300 {
        store.append(envelope(number)).unwrap();
    }
    let crashed = directory.path().join("crashed");
    store.wait_sealed().unwrap();
    copy_flat(&path, &crashed);
    store.close().unwrap();
    drop(store);
    // Without an index and a run a writer would build them anew.
    let bare = directory.path().join("bare");
    copy_flat(&path, &bare);
    let derived = |path: &Path| {
        fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "idx" || extension == "run"))
    };
    let doomed: Vec<_> = derived(&bare).collect();
    assert!(doomed.len() > 2);
    for path in &doomed {
        fs::remove_file(path).unwrap();
    }
    fs::write(bare.join("seg-9.idx.tmp"), "left over").unwrap();

    for path in [&path, &crashed, &bare] {
        let before = listing(path);
        let store = Store::open_read_only(path).unwrap();
        assert_eq!(store.recovery().clean, path != &crashed);
        let view = store.project(PROJECT).view().unwrap();
        assert_eq!(view.events().iter().flatten().count(), 300);
        assert_eq!(view.timeline("u3").iter().count(), 43);
        assert!(view.profile("u3").unwrap().is_none());
        assert!(matches!(store.append(envelope(1)), Err(Error::ReadOnly)));
        assert!(matches!(store.sync(), Err(Error::ReadOnly)));
        assert!(matches!(store.accept(&envelope(1)), Err(Error::ReadOnly)));
        assert_eq!(store.append(envelope(1)).unwrap_err().to_string(), "the store is open for reading only");
        store.close().unwrap();
        drop((view, store));
        assert_unchanged(path, &before);
    }
}

/// A directory that stands on a file system of its own, until it is dropped.
struct Mount(PathBuf);

impl Mount {
    fn new(path: &Path) -> Option<Self> {
        fs::create_dir(path).unwrap();
        Self::run(&["-t", "tmpfs", "-o", "size=64m", "tmpfs"], path).then(|| Self(path.to_owned()))
    }

    fn run(arguments: &[&str], path: &Path) -> bool {
        let output = Command::new("mount").args(arguments).arg(path).output();
        output.is_ok_and(|output| output.status.success())
    }

    fn make_read_only(&self) -> bool {
        Self::run(&["-o", "remount,ro"], &self.0)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

#[test]
fn a_read_only_file_system_serves_readers_and_refuses_writers() {
    let directory = TempDir::new().unwrap();
    let Some(mount) = Mount::new(&directory.path().join("mount")) else {
        return ignored("mounting a tmpfs needs root");
    };
    let (clean, crashed) = (mount.0.join("clean"), mount.0.join("crashed"));
    closed_store(&clean);
    let store = small().open(mount.0.join("live")).unwrap();
    for number in 0..300 {
        store.append(envelope(number)).unwrap();
    }
    store.wait_sealed().unwrap();
    copy_flat(&mount.0.join("live"), &crashed);
    drop(store);
    fs::create_dir(mount.0.join("empty")).unwrap();
    if !mount.make_read_only() {
        return ignored("the tmpfs could not be made read-only");
    }
    for path in [&clean, &crashed] {
        let before = listing(path);
        let store = Store::open_read_only(path).unwrap();
        assert_eq!(count(&store), 300);
        drop(store);
        let error = small().open(path).unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{error}");
        assert!(error.to_string().contains("Read-only file system"), "{error}");
        assert_unchanged(path, &before);
    }
    for path in ["empty", "none"] {
        let error = Store::open(mount.0.join(path)).unwrap_err().to_string();
        assert!(error.contains("Read-only file system"), "{error}");
    }
}

/// What someone may have put where a file of the store belongs.
fn plant(kind: &str, at: &Path, target: &Path) {
    match kind {
        "symlink" => symlink(target, at).unwrap(),
        "dangling" => symlink(target.with_extension("none"), at).unwrap(),
        "fifo" => {
            let made = Command::new("mkfifo").arg(at).status().unwrap();
            assert!(made.success());
        }
        _ => fs::create_dir(at).unwrap(),
    }
}

#[test]
fn what_was_planted_at_a_name_of_the_store_is_not_followed_or_waited_on() {
    let not_regular = "it is not a regular file; something else was put in its place, move it away";
    for kind in ["symlink", "dangling", "fifo", "directory"] {
        for name in ["MANIFEST", "LOCK", "SECRET", "seg-1.log"] {
            let directory = TempDir::new().unwrap();
            let (path, outside) = (directory.path().join("store"), directory.path().join("outside"));
            closed_store(&path);
            // The link leads to what was there: following it would go unnoticed.
            fs::rename(path.join(name), &outside).unwrap();
            plant(kind, &path.join(name), &outside);
            let before = listing(directory.path());
            let error = small().open(&path).unwrap_err().to_string();
            assert_eq!(error, format!("open of {name} failed: {not_regular}"), "{kind}");
            if name != "SECRET" {
                let error = Store::open_read_only(&path).unwrap_err().to_string();
                assert_eq!(error, format!("open of {name} failed: {not_regular}"), "{kind}");
            }
            assert_unchanged(directory.path(), &before);
        }
    }
}

#[test]
fn what_was_planted_in_an_empty_directory_is_not_followed_either() {
    for kind in ["symlink", "dangling", "fifo", "directory"] {
        for name in ["MANIFEST", "LOCK", "SECRET", "seg-1.log", "MANIFEST.tmp"] {
            let directory = TempDir::new().unwrap();
            let (path, outside) = (directory.path().join("store"), directory.path().join("outside"));
            fs::create_dir(&path).unwrap();
            fs::write(&outside, "").unwrap();
            plant(kind, &path.join(name), &outside);
            // It may be removed as the left-over of a creation, or refused; never written through.
            let opened = Store::open(&path);
            if let Err(error) = &opened {
                assert!(matches!(error, Error::Io { .. } | Error::NotFound { .. }), "{kind} {name}: {error}");
            }
            assert_eq!(fs::read(&outside).unwrap(), b"", "{kind} {name}");
            assert!(!outside.with_extension("none").exists(), "{kind} {name}");
        }
    }
}

#[test]
fn an_empty_store_is_under_1_mib() {
    for options in [Options::new(), Options::new().segment_bytes_max(MIB)] {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("store");
        let store = options.open(&path).unwrap();
        let bytes = || {
            listing(&path)
                .keys()
                .map(|path| path.metadata().unwrap())
                .map(|file| file.blocks() * 512)
                .sum::<u64>()
        };
        assert!(bytes() < MIB, "open: {} bytes", bytes());
        store.close().unwrap();
        drop(store);
        assert!(bytes() < MIB, "closed: {} bytes", bytes());
        let lengths: u64 = listing(&path).values().map(|(.., bytes)| bytes.len() as u64).sum();
        assert!(lengths < MIB, "{lengths} bytes long");
    }
}

#[test]
fn a_closed_store_refuses_appends_and_its_views_go_on() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store");
    let store = small().open(&path).unwrap();
    let clone = store.clone();
    for number in 0..300 {
        store.append(envelope(number)).unwrap();
    }
    let accepted = store.accept(&envelope(1)).unwrap();
    let mut batch = store.batch();
    batch.push(&envelope(1)).unwrap();
    let view = store.project(PROJECT).view().unwrap();
    store.close().unwrap();
    store.close().unwrap();
    let closed = |error: Error| assert_eq!(error.to_string(), "the store is closed");
    closed(clone.append(envelope(1)).unwrap_err());
    closed(clone.append_json(b"{\"orgId\":\"00000000000000000000000000000001\",\"projectId\":\"00000000000000000000000000000002\",\"module\":\"m\",\"eventType\":\"a.b\",\"timestamp\":\"2024-05-31T10:00:00Z\"}").unwrap_err());
    closed(clone.append_accepted(&accepted).unwrap_err());
    closed(clone.append_batch([envelope(1)]).unwrap_err());
    closed(batch.commit().unwrap_err());
    closed(
        clone
            .submit(envelope(1))
            .map(envelog::Ticket::wait)
            .map_or_else(|error| error, |acked| acked.unwrap_err()),
    );
    closed(clone.scope(ORG, PROJECT, "m").track("a.b").append().unwrap_err());
    assert!(clone.sync().unwrap() >= view.visible(), "nothing is left to sync");
    assert_eq!(view.events().iter().flatten().count(), 300);
    assert_eq!(view.timeline("u3").newest_first().iter().count(), 43);
    assert_eq!(count(&clone), 300, "new views as well");
    let reader = Store::open_read_only(&path).unwrap();
    assert_eq!(count(&reader), 300, "a closed store is free for others");
    drop((store, clone));
    assert_eq!(view.events().count().unwrap(), 300);
}
