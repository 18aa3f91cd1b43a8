//! What holds on every disk, real or simulated.

use tempfile::TempDir;

use super::sim::SimDisk;
use super::*;

/// A real disk with the directory that it stands in, and a simulated one.
fn lasting_disks() -> Vec<(Option<TempDir>, Arc<dyn Disk>)> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let real = DirDisk::open(&directory.path().join("store"), true).expect("a new store");
    vec![(Some(directory), Arc::new(real)), (None, Arc::new(SimDisk::default()))]
}

/// For what a disk in memory has no need of: a lock, and stores through a mapping.
fn on_each_lasting_disk(test: impl Fn(&dyn Disk)) {
    for (_directory, disk) in lasting_disks() {
        test(&*disk);
    }
}

fn on_each_disk(test: impl Fn(&dyn Disk)) {
    on_each_lasting_disk(&test);
    test(&MemoryDisk::new());
}

fn contents(disk: &dyn Disk, name: &str) -> Option<Vec<u8>> {
    read_file(disk, name, 1 << 20).expect("a file that can be read")
}

#[test]
fn what_is_written_is_read_back_up_to_the_end() {
    on_each_disk(|disk| {
        let file = disk.create("a").expect("created");
        file.write_at(0, b"hello").expect("written");
        file.write_at(8, b"world").expect("written");
        file.sync().expect("synced");
        let mut buf = [9; 20];
        assert_eq!(file.read_at(0, &mut buf).expect("read"), 13);
        assert_eq!(&buf[..13], b"hello\0\0\0world");
        assert_eq!(file.read_at(11, &mut buf).expect("read"), 2);
        assert_eq!(file.read_at(13, &mut buf).expect("read"), 0);
        assert_eq!(file.read_at(1 << 40, &mut buf).expect("read"), 0);
        assert_eq!((file.len().expect("length"), file.name()), (13, "a"));
        assert_eq!(disk.open("a", Access::Read).expect("opened").len().expect("length"), 13);
    });
}

#[test]
fn a_name_is_created_once() {
    on_each_disk(|disk| {
        disk.create("a").expect("created");
        let error = disk.create("a").expect_err("taken");
        assert!(matches!(&error, Error::Io { source, .. } if source.kind() == io::ErrorKind::AlreadyExists));
    });
}

#[test]
fn a_missing_file_is_told_from_other_errors() {
    on_each_disk(|disk| {
        assert!(is_not_found(&disk.open("a", Access::Read).expect_err("missing")));
        assert!(is_not_found(&disk.remove("a").expect_err("missing")));
        assert!(is_not_found(&disk.rename("a", "b").expect_err("missing")));
        assert!(is_not_found(&disk.open("quarantine/a", Access::Read).expect_err("missing")));
        assert!(!disk.exists("a").expect("looked up"));
        assert!(!disk.exists("quarantine/a").expect("looked up"));
        assert_eq!(contents(disk, "a"), None);
        assert!(!is_not_found(&Error::Closed));
    });
}

#[test]
fn names_that_lead_out_of_the_directory_are_refused() {
    on_each_disk(|disk| {
        disk.make_dir(QUARANTINE).expect("created");
        for name in [
            "",
            ".",
            "..",
            "/etc/passwd",
            "../a",
            "a/b",
            "quarantine/",
            "quarantine/..",
            "quarantine/a/b",
            "a\0",
        ] {
            assert!(disk.create(name).is_err(), "{name:?}");
            assert!(disk.open(name, Access::Read).is_err(), "{name:?}");
            assert!(disk.exists(name).is_err(), "{name:?}");
            assert!(disk.remove(name).is_err(), "{name:?}");
        }
        assert!(disk.make_dir("other").is_err());
        assert_eq!(disk.list().expect("listed"), Vec::<String>::new());
    });
}

#[test]
fn renaming_replaces_what_stood_there() {
    on_each_disk(|disk| {
        disk.create("old").expect("created").write_at(0, b"old").expect("written");
        disk.create("new").expect("created").write_at(0, b"new").expect("written");
        disk.rename("new", "old").expect("renamed");
        assert_eq!(contents(disk, "old").as_deref(), Some(&b"new"[..]));
        assert_eq!(disk.list().expect("listed"), ["old"]);
    });
}

#[test]
fn files_move_into_quarantine_and_are_not_listed_in_the_root() {
    on_each_disk(|disk| {
        disk.create("b").expect("created").write_at(0, b"bad").expect("written");
        disk.create("a").expect("created");
        assert!(disk.rename("b", "quarantine/b").is_err());
        assert_eq!(disk.list_quarantine().expect("listed"), Vec::<String>::new());
        disk.make_dir(QUARANTINE).expect("created");
        disk.make_dir(QUARANTINE).expect("there already");
        disk.rename("b", "quarantine/b").expect("renamed");
        disk.create("quarantine/c").expect("created");
        disk.sync_dir().expect("synced");
        assert_eq!(disk.list().expect("listed"), ["a"]);
        assert_eq!(disk.list_quarantine().expect("listed"), ["b", "c"]);
        assert!(disk.exists("quarantine/b").expect("looked up"));
        assert_eq!(contents(disk, "quarantine/b").as_deref(), Some(&b"bad"[..]));
        disk.remove("quarantine/c").expect("removed");
        assert_eq!(disk.list_quarantine().expect("listed"), ["b"]);
    });
}

#[test]
fn an_atomic_write_replaces_all_and_leaves_no_temporary_file() {
    on_each_disk(|disk| {
        disk.create("M.tmp").expect("left by a crash").write_at(0, &[7; 100]).expect("written");
        for bytes in [&b"first, longer"[..], b"second", b""] {
            write_file_atomic(disk, "M", bytes).expect("replaced");
            assert_eq!(contents(disk, "M").as_deref(), Some(bytes));
            assert_eq!(disk.list().expect("listed"), ["M"]);
        }
    });
}

#[test]
fn a_file_longer_than_allowed_is_not_read() {
    on_each_disk(|disk| {
        disk.create("a").expect("created").write_at(0, &[1; 11]).expect("written");
        assert!(read_file(disk, "a", 11).expect("read").is_some());
        let error = read_file(disk, "a", 10).expect_err("too long");
        assert!(matches!(error, Error::TooLarge { bytes: 11, bytes_max: 10, .. }));
    });
}

#[test]
fn zeros_are_filled_exactly_where_asked() {
    on_each_disk(|disk| {
        let file = disk.create("a").expect("created");
        file.write_at(0, &[1; 10]).expect("written");
        let end = 3 * ZEROS_BYTES as u64 + 17;
        fill_zeros(&*file, 5, end).expect("filled");
        let bytes = contents(disk, "a").expect("there");
        assert_eq!(bytes.len() as u64, end);
        assert_eq!(&bytes[..6], [1, 1, 1, 1, 1, 0]);
        assert!(bytes[5..].iter().all(|byte| *byte == 0));
        fill_zeros(&*file, end, end).expect("nothing to fill");
        assert_eq!(file.len().expect("length"), end);
    });
}

#[test]
fn a_handle_for_reading_writes_nothing() {
    on_each_disk(|disk| {
        disk.create("a").expect("created").write_at(0, &[1; 64]).expect("written");
        let file = disk.open("a", Access::Read).expect("opened");
        assert!(file.write_at(0, &[2]).is_err());
        let (mut writer, map) = file.map_log(0, 0, 4096).expect("mapped");
        writer.set_limit(64).expect("the file is that long");
        assert!(writer.write(0, &[2]).is_err());
        assert!(writer.pages().is_none());
        writer.publish(64);
        assert_eq!(map.bytes(0..64), Some(&[1; 64][..]));
    });
}

#[test]
fn one_writer_or_any_number_of_readers_hold_the_lock() {
    on_each_lasting_disk(|disk| {
        let unguarded = disk.lock(LockMode::Shared).expect("no lock file").expect("nothing to guard");
        let writer = disk.lock(LockMode::Exclusive).expect("locked").expect("free");
        assert!(disk.exists(LOCK_NAME).expect("looked up"));
        assert!(disk.lock(LockMode::Exclusive).expect("asked").is_none());
        assert!(disk.lock(LockMode::Shared).expect("asked").is_none());
        drop(unguarded);
        drop(writer);
        let readers = [LockMode::Shared; 2].map(|mode| disk.lock(mode).expect("asked").expect("free"));
        assert!(disk.lock(LockMode::Exclusive).expect("asked").is_none());
        drop(readers);
        assert!(disk.lock(LockMode::Exclusive).expect("asked").is_some());
        assert!(disk.exists(LOCK_NAME).expect("never removed"));
    });
}

#[test]
fn a_map_gives_committed_bytes_at_or_above_the_floor_only() {
    on_each_disk(|disk| {
        let file = disk.create("a").expect("created");
        let bytes: Vec<u8> = (0..=255).cycle().take(8192).collect();
        file.write_at(0, &bytes).expect("written");
        let (mut writer, map) = file.map_log(4096, 5000, 1 << 20).expect("mapped");
        assert_eq!((map.floor(), map.committed(), writer.capacity()), (4096, 5000, 1 << 20));
        assert_eq!(map.bytes(4096..5000), Some(&bytes[4096..5000]));
        assert_eq!(map.bytes(4096..4096), Some(&[][..]));
        assert_eq!(map.bytes(5000..5000), Some(&[][..]));
        for (start, end) in [
            (4095, 4100),
            (0, 10),
            (4999, 5001),
            (5001, 5001),
            (4200, 4100),
            (0, u64::MAX),
            (u64::MAX, u64::MAX),
        ] {
            assert_eq!(map.bytes(start..end), None, "{start}..{end}");
        }
        writer.set_limit(8192).expect("the file is that long");
        writer.publish(6000);
        assert_eq!(map.bytes(4999..6000), Some(&bytes[4999..6000]));
        assert_eq!(map.bytes(4999..6001), None);
        map.prefetch(4096);
        map.prefetch(u64::MAX);
    });
}

#[test]
fn a_slice_taken_before_a_publish_stays_as_it_was() {
    on_each_lasting_disk(|disk| {
        let file = disk.create("a").expect("created");
        fill_zeros(&*file, 0, 1 << 16).expect("filled");
        let (mut writer, map) = file.map_log(0, 0, 1 << 16).expect("mapped");
        writer.set_limit(1 << 16).expect("filled");
        writer.write(0, b"first record").expect("room");
        writer.publish(12);
        let slice = map.bytes(0..12).expect("committed");
        let kept = slice.to_vec();
        for step in 1..1000_u64 {
            writer.write(step * 12, b"later record").expect("room");
            writer.publish((step + 1) * 12);
        }
        file.write_at(40_000, &[0xff; 100]).expect("room");
        assert_eq!(slice, kept);
    });
}

#[test]
fn nothing_is_stored_below_the_committed_end_or_beyond_the_limit() {
    on_each_lasting_disk(|disk| {
        let file = disk.create("a").expect("created");
        fill_zeros(&*file, 0, 8192).expect("filled");
        let (mut writer, _map) = file.map_log(0, 100, 1 << 20).expect("mapped");
        assert_eq!(writer.limit(), 100);
        assert!(writer.write(100, &[1]).is_err());
        assert!(writer.set_limit(8193).is_err());
        assert!(writer.pages().expect("writable").populate(0..(1 << 20) + 1).is_err());
        writer.set_limit(4096).expect("filled");
        writer.set_limit(10).expect("a lower limit changes nothing");
        assert_eq!(writer.limit(), 4096);
        writer.pages().expect("writable").populate(100..4096).expect("room");
        for (offset, length) in [(99, 1), (0, 4096), (4096, 1), (4000, 97), (u64::MAX, 1)] {
            assert!(writer.write(offset, &vec![1; length]).is_err(), "{offset} {length}");
        }
        writer.write(4000, &[1; 96]).expect("fits exactly");
        writer.write(4096, &[]).expect("nothing to store");
        assert_eq!(contents(disk, "a").expect("there").iter().map(|byte| u64::from(*byte)).sum::<u64>(), 96);
        writer.publish(4096);
        assert!(writer.write(4095, &[1]).is_err());
        assert!(writer.set_limit(1 << 21).is_err());
    });
}

#[test]
fn committed_bytes_are_refused_to_every_writer() {
    on_each_disk(|disk| {
        let file = disk.create("a").expect("created");
        file.write_at(0, &[7; 8192]).expect("written");
        let (mut writer, map) = file.map_log(4096, 5000, 1 << 20).expect("mapped");
        for (offset, length) in [(4999, 1), (4095, 2), (0, 8192)] {
            assert!(file.write_at(offset, &vec![1; length]).is_err(), "{offset} {length}");
        }
        file.write_at(0, &[1; 4096]).expect("the page below the floor");
        file.write_at(5000, &[2; 100]).expect("beyond the committed end");
        writer.set_limit(8192).expect("there");
        writer.publish(5100);
        assert!(file.write_at(5099, &[3]).is_err());
        assert_eq!(map.bytes(5000..5100), Some(&[2; 100][..]));
        assert!(file.map_whole().is_err());
        assert!(file.map_log(0, 0, 4096).is_err());
        drop(writer);
        assert!(file.map_log(0, 0, 4096).is_err(), "an older map shows more");
        let whole = file.map_whole().expect("no writer lives");
        assert!(file.write_at(0, &[1]).is_err());
        drop((map, whole));
        file.write_at(0, &[1; 8192]).expect("no map lives");
    });
}

#[test]
fn a_whole_map_shows_the_file_and_keeps_it_after_its_removal() {
    on_each_disk(|disk| {
        let file = disk.create("a").expect("created");
        let empty = file.map_whole().expect("mapped");
        assert_eq!((empty.committed(), empty.bytes(0..0), empty.bytes(0..1)), (0, Some(&[][..]), None));
        file.write_at(0, b"contents").expect("written");
        let map = file.map_whole().expect("mapped");
        drop(file);
        disk.remove("a").expect("removed");
        assert_eq!(map.clone().bytes(0..8), Some(&b"contents"[..]));
        assert_eq!(map.bytes(0..9), None);
    });
}

#[test]
fn a_mapping_with_impossible_bounds_is_an_error() {
    on_each_disk(|disk| {
        let file = disk.create("a").expect("created");
        file.write_at(0, &[1; 100]).expect("written");
        for (floor, committed, capacity) in
            [(10, 5, 100), (0, 101, 4096), (0, 50, 49), (0, 0, u64::MAX), (0, 0, 1 << 62)]
        {
            assert!(file.map_log(floor, committed, capacity).is_err(), "{floor} {committed} {capacity}");
        }
    });
}

#[test]
fn readers_on_other_threads_see_whole_records_only() {
    const RECORD: u64 = 40;
    const RECORDS: u64 = 20_000;
    let record_of = |number: u64| [number + 1; 5].map(u64::to_le_bytes);
    on_each_lasting_disk(|disk| {
        let file = disk.create("a").expect("created");
        fill_zeros(&*file, 0, RECORD * RECORDS).expect("filled");
        let (mut writer, map) = file.map_log(0, 0, RECORD * RECORDS).expect("mapped");
        writer.set_limit(RECORD * RECORDS).expect("filled");
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for number in 0..RECORDS {
                    writer.write(number * RECORD, record_of(number).as_flattened()).expect("room");
                    writer.publish((number + 1) * RECORD);
                }
            });
            for _ in 0..2 {
                let map = map.clone();
                scope.spawn(move || {
                    let mut number = 0;
                    while number < RECORDS {
                        while number * RECORD < map.committed() {
                            let record =
                                map.bytes(number * RECORD..(number + 1) * RECORD).expect("committed");
                            assert_eq!(record, record_of(number).as_flattened());
                            number += 1;
                        }
                        std::hint::spin_loop();
                    }
                });
            }
        });
    });
}
