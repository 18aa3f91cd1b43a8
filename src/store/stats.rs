//! Figures of an open store.

use super::Store;
use crate::error::Result;
use crate::types::Seq;

/// Figures of an open store at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Visible events.
    pub events: u64,
    /// Projects with events.
    pub projects: u64,
    /// Segments, the active one included.
    pub segments: u64,
    /// Segments that have their index on the disk.
    pub sealed_segments: u64,
    /// Bytes of frames and headers in all segments; the zeros ahead of the active one do not count.
    pub log_bytes: u64,
    /// Bytes of index files.
    pub index_bytes: u64,
    /// Bytes of profile runs.
    pub profile_bytes: u64,
    /// The last visible seq.
    pub visible: Seq,
    /// The last durable seq.
    pub durable: Seq,
    /// How often an append waited for the file to be filled or for the next segment.
    pub fill_waits: u64,
    /// How often an append waited for a segment to be sealed.
    pub seal_waits: u64,
    /// Derived files that a query found damaged since the store was opened, and that were made anew from the log; those
    /// that opening itself made anew are in the [`RecoveryReport`](crate::RecoveryReport).
    pub rebuilt: u64,
    /// Whether frames are stored through a mapping, else with writes; see [`Durability`](crate::Durability).
    pub mapped_writes: bool,
}

impl Store {
    /// Figures of the store now.
    ///
    /// # Errors
    ///
    /// Those of reading the indexes.
    pub fn stats(&self) -> Result<Stats> {
        let inner = &*self.inner;
        let snapshot = super::handle::SnapshotSource::snapshot(&*inner.state)?;
        let manifest = inner.manifest.current();
        let mut stats = Stats {
            events: 0,
            projects: inner.state.projects()?.len() as u64,
            segments: snapshot.segments.len() as u64,
            sealed_segments: manifest.segments.len() as u64,
            log_bytes: 0,
            index_bytes: manifest
                .segments
                .iter()
                .filter_map(|segment| segment.index)
                .map(|file| file.len)
                .sum(),
            profile_bytes: manifest.runs.iter().map(|run| run.file.len).sum(),
            visible: snapshot.visible,
            durable: inner.state.marks.durable(),
            fill_waits: 0,
            seal_waits: 0,
            rebuilt: 0,
            mapped_writes: false,
        };
        for handle in snapshot.segments.iter() {
            for project in handle.index_until(snapshot.visible).projects()? {
                stats.events += u64::from(project.events);
            }
            let segment = &handle.segment;
            let frames = segment.committed().saturating_sub(segment.first_offset());
            stats.log_bytes += frames + u64::from(segment.header().header_len);
        }
        stats.rebuilt = inner.state.shelf.rebuilt();
        if let Some(writer) = &inner.writer {
            stats.fill_waits = writer.log.waits();
            stats.seal_waits = writer.queue.waits();
            stats.mapped_writes = writer.log.is_mapped();
        }
        Ok(stats)
    }
}
