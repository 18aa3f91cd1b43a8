//! A full disk is an error of the call, never a signal and never a loss, and appends resume when there is room.

use std::path::{Path, PathBuf};
use std::process::Command;

use envelog::testing::{SimDisk, SimOptions, SimRng};
use envelog::{Durability, Error, Options, Store};

use crate::support::answers::{self, Thorough};
use crate::support::oracle::{self, History, is_synced};
use crate::support::workload::{Attempt, Numbers, Outcome, Work, outcome, work};
use crate::support::{Draft, LEVELS, count, ignored, index, level_name, options, say};

/// Appends until the disk is full, and checks that reading goes on.
fn fill_up(store: &Store, rng: &mut SimRng, padding: usize, first: u64) -> Vec<Attempt> {
    let mut attempts = Vec::new();
    for number in first.. {
        let mut draft = Draft::draw(rng, number);
        draft.padding += padding;
        let told = store.append(draft.envelope()).map(|ack| vec![ack]);
        let full = matches!(told, Err(Error::NoSpace { .. }));
        assert!(full || told.is_ok(), "a full disk is told as such: {told:?}");
        attempts.push(Attempt {
            drafts: vec![draft],
            cursor: None,
            outcome: outcome(told),
            sync_failed: false,
        });
        // Again: it stays an error, and does no harm.
        if full && attempts.iter().rev().take(5).all(|attempt| attempt.outcome == Outcome::Refused) {
            break;
        }
        assert!(attempts.len() < 1_000_000, "the disk is full at some time");
    }
    attempts
}

#[test]
fn a_full_simulated_disk_refuses_appends_until_there_is_room() {
    let seed = SimRng::seed_of_run();
    say(format_args!("full_disk: ENVELOG_SEED={seed}"));
    let mut rng = SimRng::new(seed);
    for case in 0..count(60, 300, 6_000) {
        let level = LEVELS[index(&mut rng, 3)];
        let disk = SimDisk::new(SimOptions { mapped_writes: !rng.chance(300), ..SimOptions::default() });
        let mut history = History::default();
        let store = options(&mut rng, level, 8192).open_on(&disk).unwrap();
        let numbers = Numbers::new(1);
        let done = work(&store, &mut rng, &numbers, Work { threads: 1, calls: 20, stops_at_error: false });
        history.add(done, store.durable().get());
        disk.set_capacity(Some(disk.used_bytes() + rng.below(40_000)));
        let mut next = 100_000;
        for _ in 0..2 {
            let done = fill_up(&store, &mut rng, 0, next);
            next += 100_000;
            history.add(vec![done], store.durable().get());
            let mut shown = history.clone();
            shown.promise_all();
            let found = shown.verify(&store);
            answers::check(&store, &found.kept, &mut rng, Thorough::No);
            // Two segments may wait to be sealed, each with an index and two runs, and the next one to be filled.
            disk.set_capacity(Some(disk.used_bytes() + 48_000));
            let done = work(&store, &mut rng, &numbers, Work { threads: 1, calls: 3, stops_at_error: false });
            let mut resumed = done[0].iter().any(|attempt| attempt.outcome != Outcome::Refused);
            history.add(done, store.durable().get());
            // The work may have had no append, and one may be told what the attempt before it met.
            for number in 0..5 {
                if resumed {
                    break;
                }
                let draft = Draft::draw(&mut rng, next + number);
                let told = store.append(draft.envelope()).map(|ack| vec![ack]);
                resumed = told.is_ok();
                let outcome = outcome(told);
                let attempt = Attempt { drafts: vec![draft], cursor: None, outcome, sync_failed: false };
                history.add(vec![vec![attempt]], store.durable().get());
            }
            next += 100_000;
            assert!(resumed, "appends resume");
        }
        history.all_promised = is_synced(level);
        history.promised = history.promised.max(store.durable().get());
        // A full disk may keep a store from being opened, and then loses nothing.
        let crashed = disk.crash(&mut rng);
        crashed.set_capacity(Some(crashed.used_bytes() + rng.below(6_000)));
        let opened = options(&mut rng, level, 8192).open_on(&crashed);
        assert!(matches!(opened, Ok(_) | Err(Error::NoSpace { .. })), "case {case}: {opened:?}");
        drop(opened);
        crashed.set_capacity(None);
        oracle::check(&crashed.kill(), &history, &mut rng, true);
        history.promise_all();
        disk.set_capacity(None);
        drop(store);
        oracle::check(&disk, &history, &mut rng, true);
    }
}

/// A small file system in memory, unmounted when the test ends.
pub(crate) struct SmallDisk {
    path: PathBuf,
    _directory: tempfile::TempDir,
}

impl SmallDisk {
    /// `None`, with the reason, where it cannot be mounted.
    pub(crate) fn mount(mib: u32) -> Result<Self, String> {
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        let path = directory.path().join("small");
        std::fs::create_dir(&path).map_err(|error| error.to_string())?;
        let disk = Self { path, _directory: directory };
        run("mount", &["-t", "tmpfs", "-o", &format!("size={mib}m"), "none"], &disk.path)?;
        Ok(disk)
    }

    pub(crate) fn resize(&self, mib: u32) {
        run("mount", &["-o", &format!("remount,size={mib}m"), "none"], &self.path).unwrap();
    }

    #[cfg(feature = "cli")]
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = run("umount", &["-l"], &self.path);
    }
}

fn run(program: &str, arguments: &[&str], path: &Path) -> Result<(), String> {
    let output = Command::new(program).args(arguments).arg(path).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}

#[test]
fn a_full_file_system_is_an_error_and_never_a_signal() {
    let seed = SimRng::seed_of_run();
    say(format_args!("full_disk: ENVELOG_SEED={seed}"));
    let mut rng = SimRng::new(seed);
    for level in [Durability::Buffered, Durability::Interval { ms: 5, bytes: 1 << 16 }, Durability::Synced] {
        let small = match SmallDisk::mount(3) {
            Ok(small) => small,
            Err(reason) => {
                return ignored(
                    "a_full_file_system_is_an_error_and_never_a_signal",
                    format_args!("no tmpfs: {reason}"),
                );
            }
        };
        let path = small.path.join("store");
        let open = || Options::new().durability(level).segment_bytes_max(1 << 20).open(&path);
        let store = open().unwrap();
        let mut history = History::default();
        let done = fill_up(&store, &mut rng, 700, 1);
        say(format_args!("full_disk: {} appends {} before the disk was full", done.len(), level_name(level)));
        history.add(vec![done], store.durable().get());
        history.promise_all();
        let found = history.verify(&store);
        answers::check(&store, &found.kept, &mut rng, Thorough::No);
        small.resize(8);
        let done = work(
            &store,
            &mut rng,
            &Numbers::new(1 << 40),
            Work { threads: 2, calls: 40, stops_at_error: false },
        );
        assert!(done.iter().flatten().all(|attempt| attempt.outcome != Outcome::Refused), "appends resume");
        history.threads.resize_with(2, Vec::new);
        history.add(done, store.durable().get());
        let found = history.verify(&store);
        answers::check(&store, &found.kept, &mut rng, Thorough::No);
        store.close().unwrap();
        drop(store);
        let store = open().unwrap();
        let found = history.verify(&store);
        answers::check(&store, &found.kept, &mut rng, Thorough::No);
    }
}
