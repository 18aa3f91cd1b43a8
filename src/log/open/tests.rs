//! What opening a store promises.

mod headers;
pub(in crate::log) mod writer;

use super::*;
use crate::format::frame::{FrameFlags, FrameHeader, FrameKind, FrameView};
use crate::format::manifest::{DerivedFile, GapRange, SealedSegment, State, epoch_of};
use crate::format::segment::{FIXED_LEN, HEADER_LEN_SMALL};
use crate::storage::sim::SimDisk;
use crate::types::Epoch;
use writer::{
    Writer, everything, flip, frame_count, is_there, items, open, options, quarantine, read, slot_generation,
};

/// Where the second copy of a header stands.
const SECOND_AT: u64 = HEADER_LEN_SMALL as u64 - 512;

fn closed_store() -> Writer {
    let mut writer = Writer::create();
    writer.batch(1, 10);
    writer.batch(3, 100);
    writer.close()
}

#[test]
fn a_new_store_is_small_and_durable() {
    let disk = SimDisk::default();
    let opened = open(&disk, &options()).unwrap();
    assert!(opened.report.clean && opened.report.created);
    assert_eq!(opened.next_seq, Seq::new(1));
    assert_eq!(opened.tail.len(), 1);
    assert!(opened.active.is_some());
    assert!(disk.used_bytes() < 1024 * 1024);
    for name in ["MANIFEST", "seg-1.log"] {
        assert_eq!(disk.durable_bytes(name), disk.file_bytes(name));
    }
    assert!(matches!(open(&disk, &options()), Err(Error::Locked)));
    assert!(matches!(read(&disk, &options()), Err(Error::Locked)));
}

#[test]
fn a_store_is_made_only_where_that_is_asked_for_and_nothing_else_stands() {
    let disk = SimDisk::default();
    assert!(matches!(open(&disk, &LogOptions { create: false, ..options() }), Err(Error::NotFound { .. })));
    assert!(matches!(read(&disk, &options()), Err(Error::NotFound { .. })));
    disk.set_file_bytes("holiday.jpg", b"sea");
    assert!(matches!(open(&disk, &options()), Err(Error::NotFound { .. })));
    assert_eq!(disk.names(), ["holiday.jpg"]);
}

#[test]
fn a_lost_manifest_is_not_taken_for_an_empty_directory() {
    let writer = closed_store();
    writer.disk.remove_file("MANIFEST");
    let before = everything(&writer.disk);
    assert!(matches!(open(&writer.disk, &options()), Err(Error::NotFound { .. })));
    assert_eq!(everything(&writer.disk), before);
}

#[test]
fn an_interrupted_creation_is_completed() {
    let disk = SimDisk::default();
    drop(open(&disk, &options()).unwrap());
    disk.remove_file("MANIFEST");
    disk.set_file_bytes("MANIFEST.tmp", b"half");
    let opened = open(&disk, &options()).unwrap();
    assert!(opened.report.created);
    assert_eq!(opened.next_seq, Seq::new(1));
}

#[test]
fn a_closed_store_goes_on_in_place_and_no_byte_changes() {
    let writer = closed_store();
    let before = everything(&writer.disk);
    let opened = open(&writer.disk, &options()).unwrap();
    assert!(opened.report.clean);
    assert_eq!(items(&opened), writer.items);
    assert_eq!(opened.manifest.epoch(), Epoch::FIRST);
    assert_eq!(opened.next_seq.get(), writer.items.len() as u64 + 1);
    assert_eq!(opened.last_received_at, Nanos::new(10 * i64::try_from(writer.items.len()).unwrap()));
    let tail = opened.tail.last().unwrap();
    assert_eq!(tail.end, writer.spots.last().unwrap().end);
    assert_eq!(opened.active.as_ref().unwrap().committed(), tail.end);
    assert!(opened.active.as_ref().unwrap().limit() >= tail.end + END_ROOM_BYTES);
    drop(opened);
    assert_eq!(everything(&writer.disk), before);
}

#[test]
fn a_store_that_was_not_closed_is_copied_into_a_new_epoch() {
    let mut writer = Writer::create();
    writer.batch(2, 50);
    writer.sync();
    let disk = writer.die();
    let old = disk.file_bytes("seg-1.log").unwrap();
    let opened = open(&disk, &options()).unwrap();
    assert!(!opened.report.clean);
    assert_eq!(items(&opened), writer.items);
    assert_eq!(opened.manifest.epoch(), Epoch::new(2));
    assert_eq!(epoch_of(&opened.manifest.epochs, Seq::new(2)), Epoch::new(1));
    assert_eq!(epoch_of(&opened.manifest.epochs, Seq::new(3)), Epoch::new(2));
    assert!(!is_there(&disk, "seg-1.log"));
    let new = disk.file_bytes("seg-2.log").unwrap();
    assert_eq!(disk.durable_bytes("seg-2.log").unwrap(), new);
    assert_ne!(old[..FIXED_LEN], new[..FIXED_LEN]);
    let tail = opened.tail.last().unwrap();
    assert_eq!(tail.file_len, new.len() as u64);
    assert_eq!((frame_count(tail), slot_generation(tail), tail.written.rolled), (2, 1, false));
    assert!(new[usize::try_from(tail.end).unwrap()..].iter().all(|byte| *byte == 0));
    assert_eq!(opened.next_segment, SegmentId::new(3));
}

#[test]
fn a_marker_that_is_not_the_last_frame_is_an_unclean_end() {
    let writer = closed_store();
    writer::change_manifest(&writer.disk, |manifest| manifest.state = State::Closed(Seq::new(4)));
    let opened = open(&writer.disk, &options()).unwrap();
    assert!(!opened.report.clean);
    assert_eq!(items(&opened), writer.items);
}

#[test]
fn a_reader_changes_nothing_and_answers_from_what_is_valid() {
    let mut writer = Writer::create();
    writer.batch(2, 50);
    writer.roll(true);
    writer.batch(2, 50);
    writer.batch(3, 50);
    writer.wipe(6);
    let disk = writer.die();
    disk.set_file_bytes("MANIFEST.tmp", b"junk");
    disk.set_file_bytes("seg-9.idx", b"junk");
    disk.set_file_bytes("seg-77.log", b"junk");
    let before = everything(&disk);
    let ops = disk.ops();
    let opened = read(&disk, &options()).unwrap();
    assert_eq!(items(&opened), writer.items[..5]);
    assert!(opened.active.is_none() && !opened.report.clean);
    assert_eq!(opened.report.frames_dropped, 2);
    let second = read(&disk, &options()).unwrap();
    assert_eq!(items(&second), writer.items[..5]);
    assert!(matches!(open(&disk, &options()), Err(Error::Locked)));
    drop((opened, second));
    assert_eq!(everything(&disk), before);
    assert!(disk.op_log().iter().skip(usize::try_from(ops).unwrap()).all(|op| {
        use crate::storage::sim::OpKind;
        matches!(op.kind, OpKind::Read | OpKind::Map)
    }));
}

#[test]
fn left_overs_go_and_what_is_not_ours_stays() {
    let writer = closed_store();
    for name in ["MANIFEST.tmp", "seg-3.idx.tmp", "seg-3.idx", "profiles-9.run", "seg-88.log"] {
        writer.disk.set_file_bytes(name, b"");
    }
    for name in ["notes.txt", "notes.tmp", "seg-07.log", "seg-99.log"] {
        writer.disk.set_file_bytes(name, b"not a segment at all");
    }
    let before = everything(&writer.disk);
    drop(read(&writer.disk, &options()).unwrap());
    assert_eq!(everything(&writer.disk), before);
    let opened = open(&writer.disk, &options()).unwrap();
    assert!(opened.report.clean);
    assert_eq!(opened.report.removed.len(), 5);
    assert_eq!(opened.report.quarantined, ["quarantine/seg-99.log"]);
    let names = writer.disk.names();
    assert_eq!(
        names,
        ["LOCK", "MANIFEST", "notes.tmp", "notes.txt", "quarantine/seg-99.log", "seg-07.log", "seg-1.log"]
    );
}

#[test]
fn planted_segments_neither_hide_nor_end_an_unclean_log() {
    let mut writer = Writer::create();
    writer.batch(2, 50);
    let other = closed_store();
    let disk = writer.die();
    disk.set_file_bytes("seg-44.log", &other.disk.file_bytes("seg-1.log").unwrap());
    disk.set_file_bytes("seg-2.log", &[0; 700]);
    disk.set_file_bytes("seg-3.log", b"envelogS");
    let opened = open(&disk, &options()).unwrap();
    assert_eq!(items(&opened), writer.items);
    assert_eq!(opened.report.quarantined, ["quarantine/epoch-1-seg-44.log"]);
    assert_eq!(opened.tail.last().unwrap().segment.id(), SegmentId::new(4), "no name is used twice");
}

#[test]
fn a_frame_or_header_of_a_later_format_is_refused_and_nothing_is_written() {
    // An unknown flag, in the log and behind its end.
    for wiped in [false, true] {
        let mut writer = Writer::create();
        writer.batch(1, 0);
        writer.frame(FrameKind::Cursor, FrameFlags::ALONE.with(FrameFlags::COMPRESSED), b"");
        if wiped {
            writer.wipe(0);
        }
        let disk = writer.die();
        let before = everything(&disk);
        for options in [options(), quarantine()] {
            assert!(matches!(open(&disk, &options), Err(Error::UnsupportedFormat { .. })));
            assert!(matches!(read(&disk, &options), Err(Error::UnsupportedFormat { .. })));
        }
        assert_eq!(everything(&disk), before);
    }
    // A later major version of a segment, in both copies of its header, and of the manifest.
    for name in ["seg-1.log", "MANIFEST"] {
        let writer = closed_store();
        flip(&writer.disk, name, 9);
        if name == "seg-1.log" {
            flip(&writer.disk, name, SECOND_AT + 9);
        }
        let before = everything(&writer.disk);
        assert!(matches!(open(&writer.disk, &options()), Err(Error::UnsupportedFormat { .. })));
        assert_eq!(everything(&writer.disk), before);
    }
}

/// A store with two sealed segments and a tail, not closed.
pub(in crate::log) fn sealed_store() -> Writer {
    let mut writer = Writer::create();
    let mut listed = Vec::new();
    for _ in 0..2 {
        let first = writer.items.len();
        for _ in 0..20 {
            writer.batch(2, 70);
        }
        let header = writer.header;
        writer.roll(true);
        let mut crcs = crc32fast::Hasher::new();
        for spot in &writer.spots[first..] {
            let bytes = writer.disk.file_bytes(&writer.name_of(first)).unwrap();
            let frame = FrameView::trusted(&bytes[usize::try_from(spot.offset).unwrap()..]).unwrap().unwrap();
            crcs.update(&frame.crc().to_le_bytes());
        }
        listed.push(SealedSegment {
            id: header.id,
            epoch: header.epoch,
            base_seq: header.base_seq,
            frames: u32::try_from(writer.items.len() - first).unwrap(),
            end: writer.spots.last().unwrap().end,
            crc_of_crcs: crcs.finalize(),
            index: Some(DerivedFile { len: 0, crc: 0, rules: 1 }),
        });
    }
    writer.manifest.segments = listed;
    writer.manifest.next_segment = writer.header.id.next();
    manifest_file::write(&writer.disk, &writer.manifest).unwrap();
    for name in ["seg-1.idx", "seg-2.idx", "seg-3.idx"] {
        writer.disk.set_file_bytes(name, b"");
    }
    writer
}

#[test]
fn sealed_segments_are_opened_beside_the_tail() {
    let mut writer = sealed_store();
    let roll_seq = i64::try_from(writer.items.len()).unwrap();
    let disk = writer.die();
    let opened = open(&disk, &options()).unwrap();
    assert_eq!(opened.sealed.len(), 2);
    assert_eq!(items(&opened), writer.items);
    assert_eq!(
        opened.last_received_at,
        Nanos::new(10 * roll_seq),
        "the roll frame of the last sealed segment"
    );
    assert_eq!(opened.report.removed, ["seg-3.log", "seg-3.idx"]);
    assert!(is_there(&disk, "seg-1.idx"));
}

#[test]
fn a_sealed_segment_that_is_missing_short_or_another_is_found_at_open() {
    type Harm = fn(&SimDisk);
    let harms: [(Harm, &str); 4] = [
        (|disk| disk.remove_file("seg-1.log"), "missing"),
        (|disk| assert!(disk.truncate("seg-1.log", 3000)), "short"),
        (|disk| [40, SECOND_AT + 40].into_iter().for_each(|at| flip(disk, "seg-1.log", at)), "header"),
        (|disk| disk.set_file_bytes("seg-1.log", &disk.file_bytes("seg-2.log").unwrap()), "another"),
    ];
    for closed in [false, true] {
        for (harm, what) in harms {
            let mut writer = sealed_store();
            writer.batch(2, 0);
            writer.sync();
            if closed {
                writer = writer.close();
            }
            let disk = writer.die();
            harm(&disk);
            let before = everything(&disk);
            let refused = open(&disk, &options()).unwrap_err();
            assert!(matches!(refused, Error::MissingSegment { .. } | Error::Corrupt { .. }), "{what}");
            assert!(read(&disk, &options()).is_err(), "{what}");
            assert_eq!(everything(&disk), before, "{what}");
            assert_eq!(items(&read(&disk, &quarantine()).unwrap()), writer.items[41..], "{what}");
            for round in 0..2 {
                let opened = open(&disk, &if round == 0 { quarantine() } else { options() }).unwrap();
                assert_eq!(items(&opened), writer.items[41..], "{what}");
                assert_eq!(opened.manifest.gaps, [GapRange { from: Seq::new(1), to: Seq::new(41) }]);
                assert_eq!(opened.report.gaps.len(), 1 - round, "{what}");
            }
            assert!(!is_there(&disk, "seg-1.idx"), "{what}");
        }
    }
}

#[test]
fn the_last_sealed_segment_can_be_given_up_as_well() {
    let mut writer = sealed_store();
    writer.batch(2, 0);
    writer.sync();
    let disk = writer.die();
    disk.truncate("seg-2.log", 3000);
    for options in [quarantine(), options()] {
        let opened = open(&disk, &options).unwrap();
        let expected: Vec<_> = [&writer.items[..41], &writer.items[82..]].concat();
        assert_eq!(items(&opened), expected);
        assert_eq!(opened.manifest.gaps, [GapRange { from: Seq::new(42), to: Seq::new(82) }]);
    }
}

#[test]
fn a_smaller_segment_size_leaves_room_for_the_last_frames() {
    let mut writer = Writer::create();
    while writer.has_room(600) {
        writer.batch(1, 500);
    }
    let end = writer.spots.last().unwrap().end;
    let disk = writer.die();
    let opened = open(&disk, &LogOptions { segment_bytes_max: 4096, ..options() }).unwrap();
    let active = opened.active.as_ref().unwrap();
    assert_eq!(active.limit(), end + END_ROOM_BYTES);
    assert_eq!(opened.tail.last().unwrap().end, end);
}

#[test]
fn a_spare_segment_is_removed_with_a_clean_end() {
    let writer = closed_store();
    writer.disk.set_file_bytes("seg-2.log", &[0; 8192]);
    let mut page = SegmentHeader { id: SegmentId::new(3), salt: 5, ..writer.header }.encode();
    page.resize(8192, 0);
    writer.disk.set_file_bytes("seg-3.log", &page);
    let opened = open(&writer.disk, &options()).unwrap();
    assert!(opened.report.clean);
    assert_eq!(opened.report.removed, ["seg-2.log", "seg-3.log"]);
    assert_eq!(items(&opened), writer.items);
    assert_eq!(opened.next_segment, SegmentId::new(4));
}

#[test]
fn header_pages_of_both_lengths_can_be_opened() {
    let disk = SimDisk::default();
    let large = LogOptions { header_len: 4096, ..options() };
    let opened = open(&disk, &large).unwrap();
    let mut writer = Writer::go_on(&disk, opened);
    writer.batch(2, 30);
    let disk = writer.die();
    assert_ne!(large.header_len, HEADER_LEN_SMALL);
    let opened = open(&disk, &options()).unwrap();
    assert_eq!(items(&opened), writer.items);
    assert_eq!(opened.tail[0].segment.first_offset(), 4096, "offsets stay as they were");
}

#[test]
fn frames_beyond_the_format_of_a_header_are_never_read() {
    let mut writer = Writer::create();
    let header = FrameHeader {
        seq: Seq::new(1),
        received_at: Nanos::new(0),
        durable_lag: 1,
        kind: FrameKind::Event,
        flags: FrameFlags::ALONE,
    };
    let mut bytes = Vec::new();
    crate::format::frame::encode(
        &header,
        b"",
        (b"body", crc32fast::hash(b"body")),
        writer.header.seed(),
        &mut bytes,
    )
    .unwrap();
    let disk = writer.die();
    let mut file = disk.file_bytes("seg-1.log").unwrap();
    let first = HEADER_LEN_SMALL as usize;
    for len in [1u32, 31, u32::MAX, u32::MAX - 7, 1 << 30, 16 * 1024] {
        file[first..first + bytes.len()].copy_from_slice(&bytes);
        file[first..first + 4].copy_from_slice(&len.to_le_bytes());
        disk.set_file_bytes("seg-1.log", &file);
        let opened = read(&disk, &options()).unwrap();
        assert!(items(&opened).is_empty());
    }
}
