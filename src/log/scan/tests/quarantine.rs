//! What is kept where damage is set aside.

use super::*;
use crate::format::segment::HEADER_LEN_SMALL;

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
                flip(&disk, &name, u64::from(HEADER_LEN_SMALL) - 512 + 62);
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
