//! Several segments that are not sealed: one tail, with the roll frames between them.

use super::*;

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
