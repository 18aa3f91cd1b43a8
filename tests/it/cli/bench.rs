//! `bench`: the rows that it writes, and that nothing of it stays. The figures themselves are nobody's promise.

use std::fs;

use super::Place;

fn names(place: &Place) -> Vec<String> {
    let entries = fs::read_dir(place.path("")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn every_figure_has_a_row_and_the_directory_is_removed() {
    let place = Place::new();
    let answer = place.run(&["bench", "--events", "2000"]).success();
    let rows = answer.lines();
    let appends: Vec<_> = rows
        .iter()
        .filter(|row| row["name"] == "append")
        .map(|row| (row["level"].as_str().unwrap().to_owned(), row["batch"].as_u64().unwrap()))
        .collect();
    let levels = ["buffered", "interval", "synced"];
    let expected: Vec<_> =
        levels.iter().flat_map(|level| [((*level).to_owned(), 1), ((*level).to_owned(), 1000)]).collect();
    assert_eq!(appends, expected);
    for row in &rows {
        let is_size = row.get("bytesPerEvent").is_some();
        assert_eq!(row.get("p50Micros").is_none(), is_size, "{row}");
        if !is_size {
            let time = |name: &str| row[name].as_f64().unwrap();
            assert!(
                time("p50Micros") <= time("p99Micros") && time("p99Micros") <= time("maxMicros"),
                "{row}"
            );
            assert!(row["calls"].as_u64().unwrap() > 0, "{row}");
        }
        if row["name"] == "append" {
            assert!(row["eventsPerSecond"].as_u64().unwrap() > 0, "{row}");
        }
    }
    for name in [
        "write of 48 KiB and fdatasync",
        "open after close",
        "newest 50 of a type",
        "newest 50 of a user",
        "count of a type",
        "profile of a user",
        "log",
        "indexes",
        "profiles",
    ] {
        assert_eq!(rows.iter().filter(|row| row["name"] == name).count(), 1, "{name}");
    }
    for (name, least) in [("log", 100.0), ("indexes", 1.0), ("profiles", 1.0)] {
        let is_there =
            rows.iter().any(|row| row["name"] == name && row["bytesPerEvent"].as_f64().unwrap() > least);
        assert!(is_there, "{name}: {rows:?}");
    }
    assert!(answer.err.contains("envelog-bench-"), "it tells where: {answer:?}");
    assert_eq!(names(&place), Vec::<String>::new(), "nothing is left");
}

#[test]
fn one_level_on_another_disk_as_a_table() {
    let place = Place::new();
    fs::create_dir(place.path("disk")).unwrap();
    let disk = place.path("disk");
    let arguments = [
        "bench",
        "--events",
        "200",
        "--durability",
        "synced",
        "--format",
        "table",
        "--dir",
        disk.to_str().unwrap(),
    ];
    let answer = place.run(&arguments).success();
    assert!(answer.out.contains("| append"), "{}", answer.out);
    assert!(!answer.out.contains("buffered"));
    assert!(answer.err.contains(disk.to_str().unwrap()), "{answer:?}");
    assert_eq!(fs::read_dir(disk).unwrap().count(), 0);
}

#[test]
fn a_disk_without_room_is_refused_before_anything_is_made() {
    let place = Place::new();
    place.run(&["bench", "--events", "1000000000"]).fails(1, "fewer with --events");
    place.run(&["bench", "--events", "5"]).fails(2, "100..=");
    place.run(&["bench", "--dir", "nowhere"]).fails(1, "nowhere");
    assert_eq!(names(&place), Vec::<String>::new());
}

#[cfg(target_os = "linux")]
#[test]
fn a_signal_ends_it_and_what_it_made_is_removed() {
    use std::process::Stdio;
    use std::time::Duration;

    let place = Place::new();
    let mut command = place.command(&["bench", "--events", "3000000"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while names(&place).is_empty() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    let answer = super::Answer::of(child.wait_with_output().unwrap());
    assert_eq!(answer.code, Some(1), "{answer:?}");
    assert!(answer.err.contains("stopped"), "{answer:?}");
    assert_eq!(names(&place), Vec::<String>::new());
}
