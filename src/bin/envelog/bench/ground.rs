//! The place on the disk where is measured: made for that, and removed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::failure::{Failure, Outcome};
use crate::output::bytes_for_people;

/// Room that is needed for each event: it is stored twice, with its index.
const EVENT_BYTES: u64 = 2_000;
/// Room that is needed beside the events: what a store writes ahead.
const AHEAD_BYTES: u64 = 64 * 1024 * 1024;

/// A directory of its own. It is removed when this goes, also after a signal that asks the tool to end.
pub(super) struct Ground {
    path: PathBuf,
    is_stopped: Arc<AtomicBool>,
}

impl Ground {
    /// Makes a directory in `parent`, where there is room for so many events.
    pub(super) fn new(parent: &Path, events: u64) -> Outcome<Self> {
        let name = parent.display().to_string();
        let failed = |error: std::io::Error| Failure::io(&name, &error);
        let room = rustix::fs::statvfs(parent).map_err(|errno| failed(errno.into()))?;
        let free = room.f_bavail.saturating_mul(room.f_frsize);
        let needed = events.saturating_mul(EVENT_BYTES).saturating_add(AHEAD_BYTES);
        if free < needed {
            return Err(Failure::Message(format!(
                "{name}: measuring with so many events needs {} of room, and {} are free; name fewer with --events, or \
                 another disk with --dir",
                bytes_for_people(needed),
                bytes_for_people(free)
            )));
        }
        let is_stopped = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            // The second one ends the tool at once, should the first one not be noticed.
            let registered = signal_hook::flag::register_conditional_default(signal, Arc::clone(&is_stopped))
                .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&is_stopped)));
            registered.map_err(|error| Failure::io("signals", &error))?;
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let path = parent.join(format!("envelog-bench-{}-{now}", process::id()));
        fs::create_dir(&path).map_err(failed)?;
        Ok(Self { path, is_stopped })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The path of something in it.
    pub(super) fn place(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Removes what stands under a name.
    pub(super) fn clear(&self, name: &str) -> Outcome {
        let path = self.place(name);
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.map_err(|error| Failure::io(&path.display().to_string(), &error))
    }

    /// Fails once a signal has asked the tool to end.
    pub(super) fn go_on(&self) -> Outcome {
        // Relaxed: the flag orders nothing.
        if self.is_stopped.load(Ordering::Relaxed) {
            return Err(Failure::Message("stopped; what was written is removed".to_owned()));
        }
        Ok(())
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        // What cannot be removed stays where the tool has said that it measures.
        let _ = fs::remove_dir_all(&self.path);
    }
}
