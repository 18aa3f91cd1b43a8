//! Operations that fail as planned.

use super::*;

/// Asks for one operation of each kind.
fn ask(disk: &SimDisk, kind: OpKind) -> Result<()> {
    // Without the operation that opening would be.
    let open = || -> Result<_> {
        let inode = disk.state().find("open", "a")?;
        Ok(disk.file("a", inode, Access::ReadWrite))
    };
    match kind {
        OpKind::Write => open()?.write_at(0, &[2; 100]),
        OpKind::Sync => open()?.sync(),
        OpKind::Rename => disk.rename("a", "z"),
        OpKind::Create => disk.create("new").map(drop),
        OpKind::Remove => disk.remove("a"),
        OpKind::SyncDir => disk.sync_dir(),
        OpKind::Read => open()?.read_at(0, &mut [0; 1]).map(drop),
        OpKind::Map => open()?.map_whole().map(drop),
    }
}

const KINDS: [OpKind; 8] = [
    OpKind::Write,
    OpKind::Sync,
    OpKind::Rename,
    OpKind::Create,
    OpKind::Remove,
    OpKind::SyncDir,
    OpKind::Read,
    OpKind::Map,
];

#[test]
fn each_kind_of_operation_fails_as_planned_and_changes_nothing() {
    for kind in KINDS {
        for fault in [FaultKind::Eio, FaultKind::NoSpace] {
            let (disk, file) = disk_with_file();
            file.write_at(0, &[1; 100]).expect("written");
            disk.fail(FaultPlan { after_ops: 0, kind: fault, sticky: false, ops: kind.into() });
            let error = ask(&disk, kind).expect_err("planned");
            let is_no_space = matches!(error, Error::NoSpace { .. });
            assert_eq!(is_no_space, fault == FaultKind::NoSpace, "{kind:?}: {error}");
            assert_eq!(disk.names(), ["a"], "{kind:?}");
            assert_eq!(disk.file_bytes("a").expect("there"), [1; 100], "{kind:?}");
            assert_eq!(disk.durable_bytes("a").expect("a durable name"), Vec::<u8>::new(), "{kind:?}");
            assert_eq!(disk.faults_fired(), 1);
            ask(&disk, kind).expect("once only");
        }
    }
}

#[test]
fn the_kth_operation_fails_once_or_for_good() {
    let (disk, file) = disk_with_file();
    let plan = FaultPlan { after_ops: 2, kind: FaultKind::Eio, sticky: false, ops: OpKind::Write.into() };
    let outcomes = || -> Vec<bool> {
        (0..5)
            .map(|_| {
                file.sync().expect("not in the mask");
                file.write_at(0, b"x").is_ok()
            })
            .collect()
    };
    disk.fail(plan);
    assert_eq!(outcomes(), [true, true, false, true, true]);
    disk.fail(FaultPlan { sticky: true, ..plan });
    assert_eq!(outcomes(), [true, true, false, false, false]);
    disk.heal();
    assert_eq!(outcomes(), [true; 5]);
}

#[test]
fn a_short_write_leaves_its_first_half() {
    let (disk, file) = disk_with_file();
    file.write_at(0, &[1; 100]).expect("written");
    disk.fail(FaultPlan { after_ops: 0, kind: FaultKind::ShortWrite, sticky: false, ops: OpMask::CHANGES });
    assert!(file.write_at(50, &[2; 100]).is_err());
    assert_eq!(disk.file_bytes("a").expect("there"), [[1; 50], [2; 50]].concat());
}

#[test]
fn after_a_failed_sync_a_later_one_succeeds_and_the_bytes_are_lost() {
    let (disk, file) = disk_with_file();
    file.write_at(0, &[1; 8192]).expect("written");
    file.sync().expect("synced");
    file.write_at(0, &[2; 512]).expect("written");
    file.write_at(4096, &[2; 512]).expect("written");
    disk.fail(FaultPlan { after_ops: 0, kind: FaultKind::Eio, sticky: false, ops: OpKind::Sync.into() });
    assert!(file.sync().is_err());
    file.write_at(8000, &[3; 100]).expect("written");
    file.sync().expect("the kernel forgot");
    let durable = disk.durable_bytes("a").expect("a durable name");
    assert_eq!(durable[..4096], [1; 4096], "the first page was clean for the kernel and is lost");
    assert_eq!(durable[4096..], disk.file_bytes("a").expect("there")[4096..], "the second was dirtied again");
    let mut rng = rng();
    disk.writeback(&mut rng);
    assert_eq!(disk.durable_bytes("a").expect("there")[..4096], [1; 4096], "no one writes it later");
    file.write_at(0, &[4; 1]).expect("written");
    file.sync().expect("synced");
    assert_eq!(disk.durable_bytes("a"), disk.file_bytes("a"), "a page that is written anew is synced");
}

#[test]
fn a_disk_that_remembers_dirty_pages_syncs_them_later() {
    let disk = SimDisk::new(SimOptions { lossy_failed_sync: false, ..SimOptions::default() });
    let file = disk.create("a").expect("created");
    disk.sync_dir().expect("synced");
    file.write_at(0, &[2; 512]).expect("written");
    disk.fail(FaultPlan { after_ops: 0, kind: FaultKind::Eio, sticky: false, ops: OpKind::Sync.into() });
    assert!(file.sync().is_err());
    assert_eq!(disk.durable_bytes("a").expect("there"), Vec::<u8>::new());
    file.sync().expect("synced");
    assert_eq!(disk.durable_bytes("a").expect("there"), [2; 512]);
}

#[test]
fn a_full_disk_takes_what_fits_and_goes_on_when_there_is_room() {
    let disk = SimDisk::new(SimOptions { capacity_bytes: Some(1000), ..SimOptions::default() });
    let file = disk.create("a").expect("created");
    let other = disk.create("b").expect("created");
    other.write_at(0, &[1; 400]).expect("fits");
    let error = file.write_at(0, &[2; 700]).expect_err("full");
    assert!(matches!(error, Error::NoSpace { .. }));
    assert_eq!(disk.used_bytes(), 1000);
    file.write_at(0, &[3; 600]).expect("overwriting needs no room");
    assert!(file.write_at(600, &[3]).is_err());
    disk.remove("b").expect("removed");
    file.write_at(600, &[3; 400]).expect("room");
    disk.set_capacity(Some(1001));
    file.write_at(1000, &[3]).expect("room");
    assert!(file.write_at(1001, &[3]).is_err());
}

#[test]
fn populating_a_mapping_fails_as_planned() {
    let (disk, file) = disk_with_file();
    file.write_at(0, &[0; 4096]).expect("written");
    let (mut writer, _map) = file.map_log(0, 0, 4096).expect("mapped");
    writer.set_limit(4096).expect("filled");
    disk.fail(FaultPlan { after_ops: 0, kind: FaultKind::NoSpace, sticky: false, ops: OpKind::Map.into() });
    assert!(matches!(writer.pages().expect("writable").populate(0..4096), Err(Error::NoSpace { .. })));
    writer.pages().expect("writable").populate(0..4096).expect("once only");
}
