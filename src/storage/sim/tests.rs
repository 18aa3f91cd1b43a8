use super::super::{SimRng, is_not_found, read_file, write_file_atomic};
use super::*;

/// The rng of a random test, whose seed is printed for `ENVELOG_SEED`.
fn rng() -> SimRng {
    let seed = SimRng::seed_of_run();
    println!("ENVELOG_SEED={seed}");
    SimRng::new(seed)
}

/// A disk with a durable, empty file `a`, and a handle on it.
fn disk_with_file() -> (SimDisk, Arc<dyn File>) {
    let disk = SimDisk::default();
    let file = disk.create("a").expect("created");
    disk.sync_dir().expect("synced");
    (disk, file)
}

/// Every result of many crashes of the same moment, without repetition.
fn crashes<T: Ord>(disk: &SimDisk, rng: &mut SimRng, look: impl Fn(&SimDisk) -> T) -> Vec<T> {
    let mut found: Vec<T> = (0..2000).map(|_| look(&disk.crash(rng))).collect();
    found.sort();
    found.dedup();
    found
}

#[test]
fn what_was_synced_survives_every_crash_exactly() {
    let mut rng = rng();
    let (disk, file) = disk_with_file();
    let bytes: Vec<u8> = (0..3000).map(|_| rng.next_u64().to_le_bytes()[0]).collect();
    file.write_at(0, &bytes).expect("written");
    file.sync().expect("synced");
    assert_eq!(crashes(&disk, &mut rng, |disk| disk.file_bytes("a")), [Some(bytes)]);
}

#[test]
fn what_was_not_synced_may_be_lost_kept_or_anything_between() {
    let mut rng = rng();
    let (disk, file) = disk_with_file();
    file.write_at(0, &[1; 4 * 512]).expect("written");
    file.sync().expect("synced");
    file.write_at(0, &[2; 4 * 512]).expect("written");
    let found = crashes(&disk, &mut rng, |disk| disk.file_bytes("a").expect("a durable name"));
    assert!(found.contains(&vec![1; 2048]) && found.contains(&vec![2; 2048]));
    assert!(found.iter().all(|bytes| bytes.len() == 2048));
    let sector = |bytes: &[u8], index: usize| bytes[index * 512..(index + 1) * 512].to_vec();
    let later_without_earlier =
        found.iter().any(|bytes| sector(bytes, 0) == [1; 512] && sector(bytes, 3) == [2; 512]);
    assert!(later_without_earlier, "sectors survive out of order");
    let torn = found.iter().flat_map(|bytes| (0..4).map(|index| sector(bytes, index)));
    let torn: Vec<usize> = torn.map(|bytes| bytes.iter().take_while(|byte| **byte == 2).count()).collect();
    assert!(torn.iter().any(|kept| (1..512).contains(kept)), "some sectors are torn");
    assert!(torn.iter().all(|kept| kept.is_multiple_of(8)));
    for bytes in &found {
        let is_prefix = |bytes: Vec<u8>| bytes.is_sorted_by(|left, right| left >= right);
        assert!((0..4).all(|index| is_prefix(sector(bytes, index))), "a torn sector is new, then old");
    }
}

#[test]
fn a_length_that_was_not_synced_is_old_new_or_between() {
    let mut rng = rng();
    let (disk, file) = disk_with_file();
    file.write_at(0, &[1; 100]).expect("written");
    file.sync().expect("synced");
    file.write_at(100, &[1; 2000]).expect("written");
    let lengths = crashes(&disk, &mut rng, |disk| disk.file_bytes("a").expect("a durable name").len());
    assert!(lengths.contains(&100) && lengths.contains(&2100) && lengths.len() > 10);
    assert!(lengths.iter().all(|length| (100..=2100).contains(length)));
    let zeros = crashes(&disk, &mut rng, |disk| disk.file_bytes("a").expect("there").contains(&0));
    assert_eq!(zeros, [false, true], "a length may survive without its bytes");
}

#[test]
fn stores_through_a_mapping_are_lost_and_kept_as_writes_are() {
    let mut rng = rng();
    let (disk, file) = disk_with_file();
    file.write_at(0, &[0; 4096]).expect("written");
    file.sync().expect("synced");
    let (mut writer, _map) = file.map_log(0, 0, 1 << 16).expect("mapped");
    writer.set_limit(4096).expect("filled");
    writer.write(0, &[5; 1024]).expect("room");
    assert_eq!(disk.durable_bytes("a").expect("there"), [0; 4096]);
    let found = crashes(&disk, &mut rng, |disk| disk.file_bytes("a").expect("a durable name"));
    assert!(found.contains(&vec![0; 4096]) && found.len() > 4);
    file.sync().expect("synced");
    let found = crashes(&disk, &mut rng, |disk| disk.file_bytes("a").expect("a durable name"));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0][..1024], [5; 1024]);
}

#[test]
fn a_name_that_was_not_synced_may_be_missing() {
    let mut rng = rng();
    let disk = SimDisk::default();
    let file = disk.create("a").expect("created");
    file.write_at(0, b"x").expect("written");
    file.sync().expect("synced");
    let found = crashes(&disk, &mut rng, |disk| disk.file_bytes("a"));
    assert_eq!(found, [None, Some(b"x".to_vec())]);
    disk.sync_dir().expect("synced");
    disk.remove("a").expect("removed");
    assert_eq!(crashes(&disk, &mut rng, SimDisk::names), [vec![], vec!["a".to_owned()]]);
    disk.sync_dir().expect("synced");
    assert_eq!(crashes(&disk, &mut rng, SimDisk::names), [Vec::<String>::new()]);
}

#[test]
fn a_rename_happens_as_a_whole_or_not_at_all() {
    let mut rng = rng();
    let disk = SimDisk::default();
    for (name, bytes) in [("M", b"old"), ("M.tmp", b"new")] {
        let file = disk.create(name).expect("created");
        file.write_at(0, bytes).expect("written");
        file.sync().expect("synced");
    }
    disk.sync_dir().expect("synced");
    disk.rename("M.tmp", "M").expect("renamed");
    let state = |disk: &SimDisk| (disk.file_bytes("M.tmp"), disk.file_bytes("M"));
    let found = crashes(&disk, &mut rng, state);
    assert_eq!(found, [(None, Some(b"new".to_vec())), (Some(b"new".to_vec()), Some(b"old".to_vec()))]);
}

#[test]
fn changes_of_names_survive_out_of_order() {
    let mut rng = rng();
    let disk = SimDisk::default();
    disk.create("a").expect("created");
    disk.create("b").expect("created");
    let found = crashes(&disk, &mut rng, |disk| disk.names().join(" "));
    assert_eq!(found, ["", "a", "a b", "b"]);
}

#[test]
fn a_file_goes_into_quarantine_only_if_the_directory_survives() {
    let mut rng = rng();
    let (disk, _file) = disk_with_file();
    disk.make_dir(QUARANTINE).expect("created");
    disk.rename("a", "quarantine/a").expect("renamed");
    let state = |disk: &SimDisk| (disk.exists(QUARANTINE).expect("looked up"), disk.names().join(" "));
    let expected = [(false, "a"), (true, "a"), (true, "quarantine/a")];
    assert_eq!(crashes(&disk, &mut rng, state), expected.map(|(is_there, name)| (is_there, name.to_owned())));
    disk.sync_dir().expect("synced");
    assert_eq!(crashes(&disk, &mut rng, |disk| disk.names().join(" ")), ["quarantine/a"]);
}

#[test]
fn an_atomic_write_leaves_old_or_new_wherever_the_power_goes() {
    let mut rng = rng();
    let plan = |after_ops| FaultPlan { after_ops, kind: FaultKind::PowerCut, sticky: true, ops: OpMask::ALL };
    let mut found = Vec::new();
    for after_ops in 0.. {
        let disk = SimDisk::default();
        write_file_atomic(&disk, "M", &[1; 700]).expect("written");
        disk.fail(plan(after_ops));
        let finished = write_file_atomic(&disk, "M", &[2; 1300]).is_ok();
        let cut = disk.at_power_cut().unwrap_or_else(|| disk.kill());
        for _ in 0..100 {
            found.push((finished, cut.crash(&mut rng).file_bytes("M").expect("never missing")));
        }
        if finished {
            break;
        }
        assert!(disk.open("M", Access::Read).is_err(), "nothing works without power");
    }
    assert!(found.iter().all(|(_, bytes)| *bytes == [1; 700] || *bytes == [2; 1300]));
    assert!(found.iter().all(|(finished, bytes)| !finished || bytes.len() == 1300));
    assert!(found.iter().any(|(finished, bytes)| !finished && bytes.len() == 1300));
}

#[test]
fn a_rename_without_a_sync_before_it_is_caught() {
    let mut rng = rng();
    let disk = SimDisk::default();
    disk.create("M.tmp").expect("created").write_at(0, &[2; 1300]).expect("written");
    disk.rename("M.tmp", "M").expect("renamed");
    disk.sync_dir().expect("synced");
    let found = crashes(&disk, &mut rng, |disk| disk.file_bytes("M").expect("a durable name").len());
    assert!(found.contains(&0), "an empty file under the new name");
}

#[test]
fn a_killed_process_loses_nothing_and_leaves_no_lock() {
    let mut rng = rng();
    let disk = SimDisk::default();
    let _lock = disk.lock(LockMode::Exclusive).expect("locked").expect("free");
    let file = disk.create("a").expect("created");
    file.write_at(0, &[0; 4096]).expect("written");
    let (mut writer, _map) = file.map_log(0, 0, 4096).expect("mapped");
    writer.set_limit(4096).expect("filled");
    writer.write(0, b"by mapping").expect("room");
    let killed = disk.kill();
    writer.write(0, b"after that").expect("room");
    file.write_at(4096, b"late").expect("written");
    assert_eq!(&killed.file_bytes("a").expect("there")[..10], b"by mapping");
    assert_eq!(killed.file_bytes("a").expect("there").len(), 4096);
    assert!(killed.lock(LockMode::Exclusive).expect("asked").is_some());
    assert!(disk.lock(LockMode::Exclusive).expect("asked").is_none());
    // What was not durable before the kill is not durable after it.
    assert_eq!(killed.durable_bytes("a"), None);
    assert!(crashes(&killed, &mut rng, SimDisk::names).contains(&vec![]));
}

#[test]
fn writeback_makes_only_what_is_cached_durable() {
    let mut rng = rng();
    let mut found = Vec::new();
    for _ in 0..300 {
        let (disk, file) = disk_with_file();
        file.write_at(0, &[1; 1024]).expect("written");
        disk.create("b").expect("created");
        disk.writeback(&mut rng);
        let bytes = disk.durable_bytes("a").expect("a durable name");
        assert_eq!(disk.file_bytes("a").expect("there"), [1; 1024]);
        found.push((bytes, disk.durable_bytes("b").is_some()));
    }
    found.sort();
    found.dedup();
    // Nothing, the first sector, or the second or both, which carry the length; each with and without the name.
    let one = vec![1; 512];
    let both = vec![1; 1024];
    let second = [vec![0; 512], one.clone()].concat();
    for bytes in [vec![], one, both, second] {
        assert!(found.contains(&(bytes.clone(), false)) && found.contains(&(bytes, true)));
    }
    assert_eq!(found.len(), 8);
}

#[test]
fn all_subsets_of_dirty_sectors_are_enumerated() {
    let (disk, file) = disk_with_file();
    file.write_at(0, &[1; 3 * 512]).expect("written");
    file.sync().expect("synced");
    for sector in 0..3_u8 {
        file.write_at(u64::from(sector) * 512, &[2 + sector; 512]).expect("written");
    }
    disk.create("b").expect("created");
    let images = disk.crash_exhaustive().expect("few enough");
    assert_eq!(images.len(), 16);
    let mut found: Vec<_> = images.map(|disk| (disk.names(), disk.file_bytes("a"))).collect();
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 16);
    file.write_at(3 * 512, &[9; 6 * 512]).expect("written");
    assert!(disk.crash_exhaustive().is_none(), "nine dirty sectors");
}

#[test]
fn exhaustive_crashes_include_both_lengths() {
    let (disk, file) = disk_with_file();
    file.write_at(0, &[0; 100]).expect("written");
    let mut found: Vec<_> = disk
        .crash_exhaustive()
        .expect("few enough")
        .map(|disk| disk.file_bytes("a").expect("there").len())
        .collect();
    found.sort_unstable();
    assert_eq!(found, [0, 100], "zeros beyond the durable end are no dirty sector");
    file.sync().expect("synced");
    assert_eq!(disk.crash_exhaustive().expect("clean").len(), 1);
}

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

#[test]
fn the_same_seed_gives_the_same_crash() {
    let (disk, file) = disk_with_file();
    file.write_at(0, &vec![1; 100_000]).expect("written");
    for seed in 0..50 {
        let crash = || disk.crash(&mut SimRng::new(seed)).file_bytes("a");
        assert_eq!(crash(), crash());
    }
}
