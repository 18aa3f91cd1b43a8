use super::*;

#[test]
fn debug_output_holds_no_contents() {
    let file = tempfile::tempfile().expect("a temporary file");
    io::Write::write_all(&mut &file, b"secret").expect("written");
    let memory = Memory::of_file(&file, Access::ReadWrite, 6).expect("mapped");
    let map = Map::new(Region::whole(memory, 6));
    assert_eq!(map.bytes(0..6), Some(&b"secret"[..]));
    assert!(!format!("{map:?}").contains("secret"));
}

#[test]
fn a_region_never_shows_more_than_is_mapped() {
    let file = tempfile::tempfile().expect("a temporary file");
    let memory = Memory::of_file(&file, Access::Read, 6).expect("mapped");
    assert_eq!(Map::new(Region::whole(memory, 1 << 40)).committed(), 6);
}

#[test]
fn pages_beyond_the_end_of_the_file_are_mapped_and_come_to_life_as_it_grows() {
    let file = Arc::new(tempfile::tempfile().expect("a temporary file"));
    let memory = Memory::of_file(&file, Access::ReadWrite, 1 << 24).expect("mapped");
    let bounds = LogBounds { floor: 0, committed: 0, capacity: 1 << 24 };
    let length: Arc<dyn Length> = Arc::<std::fs::File>::clone(&file);
    let mut writer = MapWriter::new(memory, length, "a", Access::ReadWrite, bounds).expect("a writer");
    let map = writer.map();
    for window in 1..=8_u64 {
        let end = window << 16;
        assert!(writer.set_limit(end).is_err());
        file.set_len(end).expect("longer");
        writer.set_limit(end).expect("the file is that long");
        writer.pages().expect("writable").populate(end - (1 << 16)..end).expect("room");
        writer.write(end - 3, b"end").expect("room");
        writer.publish(end);
        assert_eq!(map.bytes(end - 3..end), Some(&b"end"[..]));
    }
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "beyond the file")]
fn publishing_beyond_the_limit_is_caught_in_debug_builds() {
    let file = Arc::new(tempfile::tempfile().expect("a temporary file"));
    let memory = Memory::of_file(&file, Access::ReadWrite, 100).expect("mapped");
    let bounds = LogBounds { floor: 0, committed: 0, capacity: 100 };
    let mut writer = MapWriter::new(memory, file, "a", Access::ReadWrite, bounds).expect("a writer");
    writer.publish(1);
}

#[test]
#[cfg(target_os = "linux")]
fn a_forked_child_finds_the_mark_empty_and_its_parent_does_not() {
    const FORKED: i32 = 42;
    let mark = Arc::new(ForkMark::new());
    let in_child = Arc::clone(&mark);
    let tell =
        move || Err(io::Error::from_raw_os_error(if in_child.is_forked() { FORKED } else { FORKED + 1 }));
    assert_eq!(in_forked_child(tell).expect_err("told by the child").raw_os_error(), Some(FORKED));
    assert!(!mark.is_forked());
}
