//! Reading frames of one segment.

use crate::error::Error;
use crate::format::frame::FrameKind;
use crate::log::open::tests::sealed_store;
use crate::log::open::tests::writer::{Writer, items, open, options, read};
use crate::types::{Ordinal, Seq};

#[test]
fn a_damaged_frame_of_a_sealed_segment_is_found_when_it_is_read_and_no_other_is() {
    let mut writer = sealed_store();
    writer.damage(7);
    let disk = writer.die();
    let opened = read(&disk, &options()).unwrap();
    let segment = &opened.sealed[0];
    for _ in 0..2 {
        for item in [0, 7, 3, 6, 8, 40] {
            let offset = u32::try_from(writer.spots[item].offset).unwrap();
            match segment.frame(Ordinal::new(u32::try_from(item).unwrap()), offset) {
                Ok(view) => {
                    assert_ne!(item, 7);
                    assert_eq!(view.seq(), Seq::new(item as u64 + 1));
                    assert_eq!(view.kind() == FrameKind::Roll, item == 40);
                }
                Err(Error::Corrupt { file, offset, seq, .. }) => {
                    assert_eq!(item, 7);
                    assert_eq!(
                        (file.as_str(), offset, seq),
                        ("seg-1.log", writer.spots[7].offset, Some(Seq::new(8)))
                    );
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[test]
fn a_scan_ends_at_damage_with_an_error() {
    let mut writer = sealed_store();
    writer.damage(7);
    let disk = writer.die();
    let opened = read(&disk, &options()).unwrap();
    let segment = &opened.sealed[0];
    let mut scan = segment.scan(u32::try_from(segment.first_offset()).unwrap(), segment.committed());
    for item in 0..7 {
        assert_eq!(scan.next().unwrap().unwrap().0, Ordinal::new(item));
    }
    assert!(matches!(scan.next(), Some(Err(Error::Corrupt { .. }))));
    assert!(scan.next().is_none());
    // From behind the damage it goes on, and before an end it stops.
    let from = u32::try_from(writer.spots[8].offset).unwrap();
    assert_eq!(segment.scan(from, segment.committed()).map(Result::unwrap).count(), 33);
    assert_eq!(segment.scan(from, writer.spots[10].end).map(Result::unwrap).count(), 3);
}

#[test]
fn wrong_ordinals_and_offsets_are_errors_whether_checked_or_not() {
    let mut writer = sealed_store();
    writer.batch(2, 0);
    let disk = writer.die();
    let opened = read(&disk, &options()).unwrap();
    let tail = &opened.tail[0].segment;
    for segment in [&opened.sealed[1], tail] {
        let first = u32::try_from(segment.first_offset()).unwrap();
        for _ in 0..2 {
            for (ordinal, offset) in [
                (1, first),
                (0, first + 8),
                (0, 0),
                (0, first - 8),
                (u32::MAX, first),
                (0, u32::MAX),
                (5000, first),
                (0, u32::try_from(segment.committed()).unwrap()),
            ] {
                let read = segment.frame(Ordinal::new(ordinal), offset);
                assert!(matches!(read, Err(Error::Corrupt { .. })), "{ordinal} at {offset}");
            }
            assert!(segment.frame(Ordinal::new(0), first).is_ok());
        }
    }
}

#[test]
fn a_segment_that_was_scanned_whole_is_not_read_again() {
    let mut writer = sealed_store();
    let disk = writer.die();
    let opened = read(&disk, &options()).unwrap();
    assert_eq!(items(&opened), writer.items);
    let ops = disk.ops();
    assert_eq!(items(&opened), writer.items);
    assert_eq!(disk.ops(), ops);
}

#[test]
fn a_removed_file_can_be_read_on() {
    let mut writer = sealed_store();
    let disk = writer.die();
    let opened = read(&disk, &options()).unwrap();
    disk.remove_file("seg-1.log");
    assert_eq!(items(&opened), writer.items);
}

#[test]
fn a_frame_longer_than_what_is_read_at_once_is_checked_whole() {
    let mut writer = sealed_store();
    // 300 KiB do not fit the segments of these tests; the harness does not mind.
    writer.batch(1, 300 * 1024);
    writer.sync();
    let disk = writer.die();
    let opened = open(&disk, &options()).unwrap();
    assert_eq!(items(&opened), writer.items);
    let mut next = Writer::go_on(&disk, opened);
    next.batch(1, 10);
    assert_eq!(items(&open(&next.die(), &options()).unwrap())[..writer.items.len()], writer.items);
}
