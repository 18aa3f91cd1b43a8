//! The limits of the machine that other figures are set against: what no store can be better than.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use anyhow::Result;

use crate::measure::{Spent, spent};
use crate::peer::prepared;
use crate::record::Incoming;
use crate::workload;

/// The name of these limits among the peers.
pub const NAME: &str = "raw";

/// Writes the records of `commit` events and syncs the data, again and again, into a file that was filled with zeros
/// and synced before. Gives the number of events.
pub fn write_and_sync(directory: &Path, events: u64, commit: usize) -> Result<(Spent, u64)> {
    let mut records = Vec::new();
    for line in workload::lines(events) {
        records.push(prepared(&line)?.record);
    }
    let chunks: Vec<Vec<u8>> = records.chunks(commit).map(<[Vec<u8>]>::concat).collect();
    let file = File::create(directory.join("raw"))?;
    let zeros = vec![0; 1 << 20];
    let bytes: usize = chunks.iter().map(Vec::len).sum();
    for offset in (0..bytes + zeros.len()).step_by(zeros.len()) {
        file.write_all_at(&zeros, offset as u64)?;
    }
    file.sync_all()?;
    let (spent, ()) = spent(|| {
        let mut offset = 0;
        for chunk in &chunks {
            file.write_all_at(chunk, offset)?;
            file.sync_data()?;
            offset += chunk.len() as u64;
        }
        Ok(())
    })?;
    Ok((spent, records.len() as u64))
}

/// Parses lines with `serde_json` into borrowed fields and does nothing with them.
pub fn parse(lines: &[String]) -> Result<Spent> {
    let (spent, weight) =
        spent(|| lines.iter().try_fold(0, |weight, line| Ok(weight + Incoming::parse(line)?.weight())))?;
    std::hint::black_box(weight);
    Ok(spent)
}
