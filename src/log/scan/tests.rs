//! Where the log ends, and what counts as damage.

mod quarantine;
mod segments;
mod tail;

use crate::error::Error;
use crate::format::frame::{FrameFlags, FrameKind};
use crate::format::manifest::State;
use crate::log::open::tests::writer::{
    Writer, change_manifest, everything, flip, frame_count, items, open, options, quarantine, read,
};
use crate::storage::sim::SimDisk;
use crate::types::Seq;

/// Opens a log that must be refused as damaged, by both kinds of openers, and returns file, offset and seq.
fn refused(disk: &SimDisk) -> (String, u64, u64) {
    let before = everything(disk);
    let reader = read(disk, &options()).unwrap_err();
    let writer = open(disk, &options()).unwrap_err();
    assert_eq!(reader.to_string(), writer.to_string());
    assert_eq!(everything(disk), before, "nothing is written");
    match writer {
        Error::Corrupt { file, offset, seq, .. } => (file, offset, seq.unwrap().get()),
        other => panic!("{other}"),
    }
}

/// Two rolled segments and an active one, 20 events each, synced at every roll if `synced`.
fn rolled(synced: bool) -> Writer {
    let mut writer = Writer::create();
    for round in 0..3 {
        for _ in 0..10 {
            writer.batch(2, 30);
        }
        if round < 2 {
            writer.roll(synced);
        }
    }
    writer
}
