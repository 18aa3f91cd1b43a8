//! What a crash leaves.

use super::*;

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

#[test]
fn the_same_seed_gives_the_same_crash() {
    let (disk, file) = disk_with_file();
    file.write_at(0, &vec![1; 100_000]).expect("written");
    for seed in 0..50 {
        let crash = || disk.crash(&mut SimRng::new(seed)).file_bytes("a");
        assert_eq!(crash(), crash());
    }
}
