//! What tests ask of the disk: operations that were done, images of files, maps.

use super::*;

#[test]
fn operations_are_counted_and_logged() {
    let (disk, file) = disk_with_file();
    file.write_at(0, b"x").expect("written");
    file.sync().expect("synced");
    disk.rename("a", "b").expect("renamed");
    let log: Vec<_> = disk.op_log().into_iter().map(|op| (op.kind, op.name.to_string())).collect();
    let expected = [
        (OpKind::Create, "a"),
        (OpKind::SyncDir, "."),
        (OpKind::Write, "a"),
        (OpKind::Sync, "a"),
        (OpKind::Rename, "a"),
    ];
    assert_eq!(log, expected.map(|(kind, name)| (kind, name.to_owned())));
    assert_eq!(disk.ops(), 5);
    for _ in 0..LOG_MAX {
        file.sync().expect("synced");
    }
    assert_eq!((disk.ops(), disk.op_log().len()), (5 + LOG_MAX as u64, LOG_MAX));
}

#[test]
fn tests_change_files_durably_and_open_maps_keep_the_old_ones() {
    let mut rng = rng();
    let (disk, file) = disk_with_file();
    file.write_at(0, b"before").expect("written");
    let map = file.map_whole().expect("mapped");
    disk.set_file_bytes("a", b"after");
    disk.set_file_bytes("quarantine/q", b"q");
    assert_eq!(map.bytes(0..6), Some(&b"before"[..]));
    let state = |disk: &SimDisk| (disk.file_bytes("a"), disk.names().len());
    assert_eq!(crashes(&disk, &mut rng, state), [(Some(b"after".to_vec()), 2)]);
    assert!(disk.truncate("a", 2));
    assert_eq!(read_file(&disk, "a", 10).expect("read").as_deref(), Some(&b"af"[..]));
    assert!(disk.truncate("a", 4));
    assert_eq!(disk.durable_bytes("a").as_deref(), Some(&b"af\0\0"[..]));
    disk.remove_file("a");
    assert!(!disk.truncate("a", 1));
    assert!(is_not_found(&disk.open("a", Access::Read).expect_err("removed")));
}

#[test]
fn an_image_grows_unless_a_mapping_is_written() {
    let disk = SimDisk::new(SimOptions { file_capacity_bytes: 4096, ..SimOptions::default() });
    let file = disk.create("a").expect("created");
    file.write_at(0, &[1; 100]).expect("written");
    let map = file.map_whole().expect("mapped");
    file.write_at(100_000, &[2; 100]).expect("grown");
    let (writer, _) = file.map_log(0, 100, 1 << 20).expect("mapped, grown");
    assert!(file.write_at(1 << 20, &[3]).is_err());
    file.write_at((1 << 20) - 1, &[3]).expect("within the mapping");
    drop(writer);
    file.write_at(1 << 22, &[4]).expect("grown");
    assert_eq!(map.bytes(0..100), Some(&[1; 100][..]));
    let bytes = disk.file_bytes("a").expect("there");
    assert_eq!((bytes.len(), bytes[99], bytes[100], bytes[100_099]), ((1 << 22) + 1, 1, 0, 2));
}

#[test]
fn another_handle_may_map_what_a_writer_writes_and_not_overwrite_it() {
    let (disk, file) = disk_with_file();
    file.write_at(0, &[0; 4096]).expect("written");
    let (mut writer, _map) = file.map_log(0, 0, 1 << 20).expect("mapped");
    writer.set_limit(4096).expect("filled");
    let follower = disk.open("a", Access::Read).expect("opened");
    let (mut view, map) = follower.map_log(0, 0, 1 << 20).expect("mapped");
    writer.write(0, b"record").expect("room");
    writer.publish(6);
    view.set_limit(4096).expect("the file is that long");
    view.publish(writer.committed());
    assert_eq!(map.bytes(0..6), Some(&b"record"[..]));
    let third = disk.open("a", Access::ReadWrite).expect("opened");
    assert!(third.write_at(5, b"x").is_err());
    third.write_at(6, b"x").expect("not committed");
}
