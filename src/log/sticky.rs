//! A file whose first failed sync is remembered.
//!
//! A kernel reports a failed write-back once for an open file and then takes its pages for clean. So where one thread
//! is told of it, a later sync by another thread succeeds with the bytes lost.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::error::{Error, Result};
use crate::storage::{File, Map, MapWriter};
use crate::trace;

/// A sync that takes longer than this is told of, in milliseconds.
const SLOW_SYNC_MS: u64 = 1000;

/// A segment's file: once a sync of it has failed, every later one does.
#[derive(Debug)]
pub(super) struct StickyFile {
    file: Arc<dyn File>,
    /// Held during a sync, so that whoever waits learns of a failure.
    has_failed: Mutex<bool>,
}

impl StickyFile {
    pub(super) fn wrap(file: Arc<dyn File>) -> Arc<dyn File> {
        Arc::new(Self { file, has_failed: Mutex::new(false) })
    }
}

impl File for StickyFile {
    fn name(&self) -> &str {
        self.file.name()
    }

    fn len(&self) -> Result<u64> {
        self.file.len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        self.file.read_at(offset, buf)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.file.write_at(offset, bytes)
    }

    fn sync(&self) -> Result<()> {
        let mut has_failed = self.has_failed.lock();
        if *has_failed {
            return Err(Error::io(
                "sync",
                self.name(),
                std::io::Error::other("an earlier sync of this file failed"),
            ));
        }
        let watch = trace::Stopwatch::start();
        let outcome = self.file.sync();
        let took_ms = watch.millis();
        if let Err(error) = &outcome {
            trace::error!(LOG, file = self.name(), error = trace::shown(error); "a sync failed");
        } else if took_ms > SLOW_SYNC_MS {
            trace::warn!(LOG, file = self.name(), took_ms = took_ms; "a sync was slow");
        }
        *has_failed = outcome.is_err();
        outcome
    }

    fn map_log(&self, floor: u64, committed: u64, capacity: u64) -> Result<(MapWriter, Map)> {
        self.file.map_log(floor, committed, capacity)
    }

    fn map_whole(&self) -> Result<Map> {
        self.file.map_whole()
    }
}
