//! What is measured: time, processor time of the thread, memory that no file backs, bytes on the disk.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use cpu_time::{ProcessTime, ThreadTime};
use serde::{Deserialize, Serialize};

/// Times that have been spent on something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Spent {
    /// By the clock, in nanoseconds.
    pub wall_ns: u64,
    /// By the processor on this thread, in nanoseconds.
    pub thread_ns: u64,
    /// By the processor on all threads of the process, in nanoseconds.
    pub process_ns: u64,
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Does something and measures it.
pub fn spent<T>(work: impl FnOnce() -> Result<T>) -> Result<(Spent, T)> {
    let (wall, thread, process) = (Instant::now(), ThreadTime::now(), ProcessTime::now());
    let done = work()?;
    let spent = Spent {
        wall_ns: nanos(wall.elapsed()),
        thread_ns: nanos(thread.elapsed()),
        process_ns: nanos(process.elapsed()),
    };
    Ok((spent, done))
}

/// Bytes of this process's memory that no file backs.
pub fn rss_anon() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).context("no RssAnon")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib * 1_024)
}

/// Looks at the memory every few milliseconds.
#[derive(Debug)]
pub struct MemoryWatch {
    before: u64,
    state: Arc<(AtomicU64, AtomicBool)>,
    thread: JoinHandle<()>,
}

impl MemoryWatch {
    /// Begins to watch.
    pub fn begin() -> Result<Self> {
        let before = rss_anon()?;
        let state = Arc::new((AtomicU64::new(before), AtomicBool::new(false)));
        let shared = Arc::clone(&state);
        let thread = std::thread::spawn(move || {
            while !shared.1.load(Ordering::Relaxed) {
                if let Ok(bytes) = rss_anon() {
                    shared.0.fetch_max(bytes, Ordering::Relaxed);
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        Ok(Self { before, state, thread })
    }

    /// The most that was there more than at the beginning.
    pub fn end(self) -> Result<u64> {
        self.state.1.store(true, Ordering::Relaxed);
        let _ = self.thread.join();
        Ok(self.state.0.load(Ordering::Relaxed).max(rss_anon()?).saturating_sub(self.before))
    }
}

/// The size of a directory's files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Disk {
    /// Lengths of the files, in bytes.
    pub length: u64,
    /// What is allocated to them, in bytes.
    pub allocated: u64,
    /// What of it the store says is in use, if it says so: zeros and free pages do not count.
    pub used: Option<u64>,
}

impl Disk {
    /// The directory and all below it.
    pub fn of(directory: &Path, used: Option<u64>) -> Result<Self> {
        let mut disk = Self { used, ..Self::default() };
        let mut directories = vec![directory.to_owned()];
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(directory)? {
                let entry = entry?;
                let metadata = entry.metadata()?;
                if metadata.is_dir() {
                    directories.push(entry.path());
                } else {
                    disk.length += metadata.len();
                    disk.allocated += metadata.blocks() * 512;
                }
            }
        }
        Ok(disk)
    }

    /// What the events take: what is in use, or what is allocated where the store does not tell.
    pub fn bytes(&self) -> u64 {
        self.used.unwrap_or(self.allocated)
    }
}

/// The value that this part of the sorted values is not above, by nearest rank.
pub fn percentile(sorted: &[u64], part: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank within the list")]
    let rank = (part * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_of_the_list() {
        let values: Vec<u64> = (1..=100).collect();
        assert_eq!([0.5, 0.99, 1.0].map(|part| percentile(&values, part)), [50, 99, 100]);
        assert_eq!((percentile(&[7], 0.01), percentile(&[], 0.5)), (7, 0));
    }

    #[test]
    fn memory_that_is_touched_is_seen() {
        let watch = MemoryWatch::begin().unwrap();
        let bytes = vec![1_u8; 32 << 20];
        assert!(watch.end().unwrap() >= 30 << 20);
        drop(bytes);
    }

    #[test]
    fn holes_are_no_allocated_bytes() {
        let directory = tempfile::tempdir().unwrap();
        let file = std::fs::File::create(directory.path().join("sparse")).unwrap();
        file.set_len(1 << 20).unwrap();
        let disk = Disk::of(directory.path(), None).unwrap();
        assert_eq!((disk.length, disk.bytes()), (1 << 20, 0));
    }
}
