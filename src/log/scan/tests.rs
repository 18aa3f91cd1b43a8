//! Where the log ends, and what counts as damage.

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

#[test]
fn rolled_segments_that_wait_for_their_index_are_one_tail() {
    let mut writer = rolled(true);
    let opened = open(&writer.die(), &options()).unwrap();
    assert_eq!(items(&opened), writer.items);
    assert_eq!(opened.tail.iter().map(|tail| tail.written.rolled).collect::<Vec<_>>(), [true, true, false]);
    assert_eq!(opened.tail.iter().map(frame_count).collect::<Vec<_>>(), [21, 21, 20]);
    drop(opened);
    // Closed, they are gone on with where they are.
    let opened = open(&writer.disk, &options()).unwrap();
    let mut next = Writer::go_on(&writer.disk, opened);
    next.batch(1, 0);
    let next = next.close();
    let before = everything(&next.disk);
    let opened = open(&next.disk, &options()).unwrap();
    assert!(opened.report.clean);
    assert_eq!(opened.tail.len(), 3);
    assert_eq!(items(&opened)[..62], writer.items[..]);
    drop(opened);
    assert_eq!(everything(&next.disk), before);
}

#[test]
fn a_later_segment_testifies_for_an_earlier_one() {
    let mut writer = rolled(true);
    let disk = writer.die();
    writer.damage(5);
    assert_eq!(refused(&disk), ("seg-1.log".to_owned(), writer.spots[5].offset, 6));
}

#[test]
fn a_hole_across_a_roll_without_testimony_ends_the_log() {
    for synced in [false, true] {
        let mut writer = rolled(synced);
        // The slots and lags of a log that was never synced say nothing.
        if synced {
            continue;
        }
        writer.wipe(30);
        let opened = open(&writer.die(), &options()).unwrap();
        // Item 30 is the middle one of a batch of the second segment.
        let kept = *writer.batch_ends.iter().rfind(|end| **end <= 30).unwrap();
        assert_eq!(items(&opened), writer.items[..kept]);
        assert_eq!(opened.tail.len(), 2);
        assert_eq!(opened.report.quarantined.len(), 2, "both segments held whole frames behind the hole");
    }
}

#[test]
fn a_segment_missing_in_the_middle_is_found_by_its_successor() {
    let mut writer = rolled(true);
    let disk = writer.die();
    disk.remove_file("seg-2.log");
    assert!(matches!(open(&disk, &options()), Err(Error::MissingSegment { segment: 2 })));
    assert!(matches!(read(&disk, &options()), Err(Error::MissingSegment { segment: 2 })));
    disk.remove_file("seg-1.log");
    assert!(matches!(open(&disk, &options()), Err(Error::MissingSegment { segment: 1 })));
    disk.remove_file("seg-3.log");
    assert!(matches!(open(&disk, &options()), Err(Error::MissingSegment { segment: 1 })));
}

#[test]
fn a_rolled_segment_without_a_successor_gets_a_fresh_one() {
    for header in [None, Some(0), Some(16), Some(40), Some(56)] {
        let mut writer = Writer::create();
        writer.batch(2, 30);
        writer.roll(false);
        let disk = writer.die();
        match header {
            None => disk.remove_file("seg-2.log"),
            Some(kept) => {
                let mut bytes = disk.file_bytes("seg-2.log").unwrap();
                bytes[kept..].fill(0);
                disk.set_file_bytes("seg-2.log", &bytes);
            }
        }
        let opened = open(&disk, &options()).unwrap();
        assert_eq!(items(&opened), writer.items, "{header:?}");
        assert_eq!(opened.tail.len(), 2);
        assert_eq!(opened.next_seq, Seq::new(4));
        assert_eq!(opened.tail[1].segment.base_seq(), Seq::new(4));
        assert!(opened.report.quarantined.is_empty());
    }
}

#[test]
fn a_header_that_no_crash_can_leave_is_damage() {
    let mut writer = Writer::create();
    writer.batch(2, 30);
    writer.roll(false);
    writer.batch(2, 30);
    let disk = writer.die();
    for name in ["seg-1.log", "seg-2.log"] {
        for offset in (0..64).filter(|at| ![8, 9, 12, 13, 14, 15].contains(at)) {
            flip(&disk, name, offset);
            let seq = if name == "seg-1.log" { 1 } else { 4 };
            assert_eq!(refused(&disk), (name.to_owned(), 0, seq), "byte {offset}");
            flip(&disk, name, offset);
        }
    }
    assert_eq!(items(&open(&disk, &options()).unwrap()), writer.items);
}

#[test]
fn frames_that_do_not_continue_the_log_end_it() {
    // A second frame with a seq that is too high, and one that is in no batch.
    for flags in [FrameFlags::ALONE, FrameFlags::BATCH_LAST] {
        let mut writer = Writer::create();
        writer.batch(1, 0);
        writer.frame(FrameKind::Event, flags, &[0; 8]);
        let disk = writer.die();
        let opened = open(&disk, &options()).unwrap();
        let kept = if flags == FrameFlags::ALONE { 2 } else { 1 };
        assert_eq!(items(&opened).len(), kept);
    }
}

#[test]
fn a_marker_beyond_everything_is_damage_even_without_a_hole() {
    let mut writer = Writer::create();
    writer.batch(2, 0);
    let writer = writer.close();
    change_manifest(&writer.disk, |manifest| manifest.state = State::Closed(Seq::new(9)));
    assert_eq!(refused(&writer.disk).2, 4);
}

#[test]
fn quarantine_loses_the_damaged_batch_and_nothing_else() {
    for lost in 0..12 {
        let mut writer = Writer::create();
        for _ in 0..4 {
            writer.batch(3, 20);
            writer.sync();
        }
        writer.batch(1, 20);
        let disk = writer.die();
        writer.damage(lost);
        assert_eq!(refused(&disk).2, lost as u64 + 1);
        let batch = lost / 3 * 3;
        let damaged = disk.file_bytes("seg-1.log").unwrap();
        let read = items(&read(&disk, &quarantine()).unwrap());
        let opened = open(&disk, &quarantine()).unwrap();
        assert!(!opened.report.clean);
        assert_eq!(opened.report.gaps, [Seq::new(batch as u64 + 1)..=Seq::new(batch as u64 + 3)]);
        assert_eq!(opened.manifest.gaps.len(), 1);
        let found = items(&opened);
        let contents: Vec<_> = found.iter().filter(|item| item.content.is_some()).cloned().collect();
        let expected: Vec<_> = [&writer.items[..batch], &writer.items[batch + 3..]].concat();
        assert_eq!(contents, expected, "item {lost}");
        assert_eq!(read, expected, "item {lost}");
        // The gap falls between two segments, and the first ends with a roll frame at the first lost seq.
        assert_eq!(found[batch].content, None);
        assert_eq!(found[batch].seq, batch as u64 + 1);
        assert_eq!(opened.tail.len(), 2);
        assert!(opened.tail[0].written.rolled);
        assert_eq!(opened.tail[1].segment.base_seq(), Seq::new(batch as u64 + 4));
        assert_eq!(opened.report.quarantined, ["quarantine/epoch-1-seg-1.log"]);
        assert_eq!(disk.file_bytes("quarantine/epoch-1-seg-1.log").unwrap(), damaged);
        drop(opened);
        // The gap is known from now on: nothing is damaged any more, closed or not.
        let opened = open(&disk, &options()).unwrap();
        assert_eq!(items(&opened), found);
        assert!(opened.report.gaps.is_empty());
        let mut next = Writer::go_on(&disk, opened);
        next.batch(1, 0);
        drop(next.close());
        let opened = open(&disk, &options()).unwrap();
        assert!(opened.report.clean);
        assert_eq!(items(&opened)[..found.len()], found);
    }
}

#[test]
fn quarantine_keeps_what_stands_between_two_damaged_places() {
    let mut writer = Writer::create();
    for _ in 0..10 {
        writer.batch(2, 20);
        writer.sync();
    }
    writer.batch(1, 20);
    let disk = writer.die();
    for item in [4, 5, 6, 13] {
        writer.damage(item);
    }
    let opened = open(&disk, &quarantine()).unwrap();
    assert_eq!(opened.report.gaps, [Seq::new(5)..=Seq::new(8), Seq::new(13)..=Seq::new(14)]);
    let contents: Vec<_> = items(&opened).into_iter().filter(|item| item.content.is_some()).collect();
    assert_eq!(contents, [&writer.items[..4], &writer.items[8..12], &writer.items[14..]].concat());
}

#[test]
fn quarantine_counts_what_the_marker_promised_and_nothing_is_left_of() {
    let mut writer = Writer::create();
    writer.batch(4, 20);
    let writer = writer.close();
    for item in 0..5 {
        writer.wipe(item);
    }
    let opened = open(&writer.disk, &quarantine()).unwrap();
    assert_eq!(opened.report.gaps, [Seq::new(1)..=Seq::new(5)]);
    assert_eq!(opened.next_seq, Seq::new(6));
    assert_eq!(opened.tail.last().unwrap().segment.base_seq(), Seq::new(6));
    drop(opened);
    let opened = open(&writer.disk, &options()).unwrap();
    assert_eq!(opened.next_seq, Seq::new(6));
}

#[test]
fn quarantine_opens_without_a_segment_that_is_missing_or_has_no_header() {
    for missing in [true, false] {
        for (at, lost) in [(0, 1), (1, 2), (2, 3)] {
            let mut writer = rolled(true);
            writer.sync();
            writer.put_slot();
            writer.batch(1, 0);
            let disk = writer.die();
            let name = format!("seg-{lost}.log");
            if missing {
                disk.remove_file(&name);
                // Of the last one nobody knows: a roll frame without a successor is the end.
                if at == 2 {
                    continue;
                }
            } else {
                flip(&disk, &name, 62);
            }
            assert!(open(&disk, &options()).is_err());
            let opened = open(&disk, &quarantine()).unwrap();
            let from = at * 21;
            let to = if at == 2 { from + 1 } else { from + 21 };
            assert_eq!(opened.report.gaps, [Seq::new(from + 1)..=Seq::new(to)], "segment {lost} {missing}");
            let lost = usize::try_from(from).unwrap()..usize::try_from(to).unwrap();
            let kept = writer.items.iter().enumerate().filter(|(at, _)| !lost.contains(at));
            let kept: Vec<_> = kept
                .filter(|(at, item)| item.content.is_some() && (lost.end != 43 || *at < 43))
                .map(|(_, item)| item.clone())
                .collect();
            let contents: Vec<_> = items(&opened).into_iter().filter(|item| item.content.is_some()).collect();
            assert_eq!(contents, kept);
            assert_eq!(opened.report.quarantined.len(), usize::from(!missing));
        }
    }
}
