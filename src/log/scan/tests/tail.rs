//! One segment: what is a torn tail, and what testifies that it is none.

use super::*;

#[test]
fn a_tail_that_is_torn_at_any_byte_is_dropped_from_there() {
    let mut writer = Writer::create();
    for extra in [0, 3, 40] {
        writer.batch(1, extra);
    }
    writer.batch(3, 20);
    let disk = writer.die();
    let whole = disk.file_bytes("seg-1.log").unwrap();
    let first = writer.spots[0].offset;
    let end = writer.spots.last().unwrap().end;
    for cut in first..=end {
        // What is lost reads as zeros, as other bytes, or is beyond the end of the file.
        for form in 0..3 {
            let disk = SimDisk::default();
            for (name, bytes) in everything(&writer.disk) {
                disk.set_file_bytes(&name, &bytes);
            }
            let at = usize::try_from(cut).unwrap();
            let mut bytes = whole.clone();
            match form {
                0 => bytes[at..].fill(0),
                1 => bytes[at..].fill(0x5A),
                _ => bytes.truncate(at),
            }
            disk.set_file_bytes("seg-1.log", &bytes);
            let written = writer.spots.iter().filter(|spot| spot.end <= cut).count();
            // The padding of the last frame is zeros anyway.
            let padded = if form == 0 { 7 } else { 0 };
            let written_padded = writer.spots.iter().filter(|spot| spot.end <= cut + padded).count();
            let kept = |written: usize| {
                writer.batch_ends.iter().filter(|end| **end <= written).max().map_or(0, |end| *end)
            };
            let opened = open(&disk, &options()).unwrap();
            let found = items(&opened);
            assert!(
                found == writer.items[..kept(written)] || found == writer.items[..kept(written_padded)],
                "cut at {cut}, form {form}"
            );
            assert_eq!(opened.next_seq.get(), found.len() as u64 + 1);
        }
    }
}

#[test]
fn a_batch_is_whole_or_absent() {
    for lost in 1..4 {
        let mut writer = Writer::create();
        writer.batch(1, 10);
        writer.batch(4, 10);
        writer.wipe(lost);
        let disk = writer.die();
        let opened = open(&disk, &options()).unwrap();
        assert_eq!(items(&opened), writer.items[..1], "frame {lost} is lost");
        assert_eq!(opened.report.frames_dropped, 3);
    }
    let mut writer = Writer::create();
    writer.batch(1, 10);
    writer.frame(FrameKind::Event, FrameFlags::BATCH_FIRST, &[0; 8]);
    writer.frame(FrameKind::Event, FrameFlags::default(), &[0; 8]);
    let opened = open(&writer.die(), &options()).unwrap();
    assert_eq!(items(&opened), writer.items[..1]);
    assert_eq!(opened.report.frames_dropped, 2);
}

#[test]
fn a_hole_before_frames_that_were_never_synced_is_a_torn_tail() {
    let mut writer = Writer::create();
    writer.batch(1, 10);
    writer.sync();
    for _ in 0..4 {
        writer.batch(1, 10);
    }
    writer.wipe(1);
    let disk = writer.die();
    let opened = open(&disk, &options()).unwrap();
    assert_eq!(items(&opened), writer.items[..1]);
    assert_eq!((opened.report.frames_kept, opened.report.frames_dropped), (1, 3));
    assert_eq!(opened.report.quarantined.len(), 1, "whole frames that are dropped are kept aside");
}

#[test]
fn a_hole_before_a_frame_that_saw_it_durable_is_damage() {
    let mut writer = Writer::create();
    for _ in 0..3 {
        writer.batch(1, 10);
    }
    writer.sync();
    writer.batch(1, 10);
    for harm in [Writer::wipe, Writer::damage] {
        let disk = writer.die();
        let before = disk.file_bytes("seg-1.log").unwrap();
        harm(&writer, 1);
        assert_eq!(refused(&disk), ("seg-1.log".to_owned(), writer.spots[1].offset, 2));
        disk.set_file_bytes("seg-1.log", &before);
    }
    // Lost as well, and it says nothing any more; what is lost was durable and nobody is left to say so.
    writer.wipe(1);
    writer.wipe(3);
    assert_eq!(items(&open(&writer.die(), &options()).unwrap()), writer.items[..1]);
}

#[test]
fn durable_lag_decides_to_the_frame() {
    // The last frame saw 2 durable and not 3: losing 2 is damage, losing 3 is a torn tail.
    for (lost, damaged) in [(1, true), (2, false)] {
        let mut writer = Writer::create();
        writer.batch(1, 10);
        writer.batch(1, 10);
        writer.sync();
        writer.batch(1, 10);
        writer.batch(1, 10);
        writer.wipe(lost);
        let disk = writer.die();
        if damaged {
            assert_eq!(refused(&disk).2, 2);
        } else {
            assert_eq!(items(&open(&disk, &options()).unwrap()), writer.items[..2]);
        }
    }
}

#[test]
fn a_header_slot_testifies_for_what_was_durable() {
    for lost in 0..4 {
        let mut writer = Writer::create();
        writer.batch(1, 10);
        writer.batch(2, 10);
        writer.sync();
        writer.put_slot();
        writer.batch(1, 10);
        for item in lost..4 {
            writer.wipe(item);
        }
        let disk = writer.die();
        if lost < 3 {
            assert_eq!(refused(&disk).2, lost as u64 + 1);
        } else {
            assert_eq!(items(&open(&disk, &options()).unwrap()), writer.items[..3]);
        }
    }
}

#[test]
fn a_clean_marker_testifies_for_all_before_it() {
    for lost in 0..4 {
        let mut writer = Writer::create();
        writer.batch(3, 10);
        writer.durable = 0;
        let writer = writer.close();
        let mut bytes = writer.disk.file_bytes("seg-1.log").unwrap();
        // The slots are gone, so that only the marker speaks.
        bytes[512..1200].fill(0);
        let from = usize::try_from(writer.spots[lost].offset).unwrap();
        bytes[from..].fill(0);
        writer.disk.set_file_bytes("seg-1.log", &bytes);
        assert_eq!(refused(&writer.disk).2, lost as u64 + 1);
    }
}

#[test]
fn a_file_that_was_cut_after_a_clean_end_is_damage() {
    let mut writer = Writer::create();
    writer.batch(3, 10);
    let writer = writer.close();
    let whole = writer.disk.file_bytes("seg-1.log").unwrap();
    for cut in 0..writer.spots.last().unwrap().end {
        writer.disk.truncate("seg-1.log", cut);
        assert!(matches!(open(&writer.disk, &options()), Err(Error::Corrupt { .. })), "cut at {cut}");
        writer.disk.set_file_bytes("seg-1.log", &whole);
    }
    writer.disk.remove_file("seg-1.log");
    assert!(matches!(open(&writer.disk, &options()), Err(Error::MissingSegment { segment: 1 })));
}
