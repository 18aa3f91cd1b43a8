//! `import` goes on where it was killed: no line twice, none missing.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use envelog::testing::SimRng;

use super::import::gzip;
use super::inputs::{view, zstd};
use super::parallel::stored;
use super::{Answer, ORG, Place, read_lines};
use crate::support::{Suite, Tally, count, say};

const LINES: usize = 8_000;
const KILLS: &str = "kills";
const UNDER_WAY: &str = "kills after the import had stored something, with something left";
const IN_MIDDLE: &str = "kills between a batch's rejects and its events";

/// A line of the input: mostly good, some broken, refused when they are stored, or blank.
fn line(number: usize) -> String {
    match number {
        _ if number.is_multiple_of(17) => view(number).replace("\"module\"", "\"modul\""),
        _ if number.is_multiple_of(97) => view(number).replace(ORG, "00000000-0000-4000-8000-0000000000a9"),
        _ if number.is_multiple_of(203) => "\n".to_owned(),
        _ => view(number),
    }
}

fn is_good(number: usize) -> bool {
    ![17, 97, 203].iter().any(|divisor| number.is_multiple_of(*divisor))
}

fn text(lines: usize) -> String {
    (1..=lines).map(line).collect()
}

/// The rejects of an import that nothing disturbed.
fn rejects_of_all() -> &'static [u8] {
    static REJECTS: OnceLock<Vec<u8>> = OnceLock::new();
    REJECTS.get_or_init(|| {
        let place = Place::new();
        place.write("in", text(LINES));
        place.run(&["import", "in"]).success();
        fs::read(place.path("in.rejects.ndjson")).unwrap()
    })
}

#[test]
fn an_import_that_is_killed_again_and_again_stores_every_line_once_and_lists_every_reject_once() {
    let tally = Tally::default();
    let suite = Suite {
        name: "import_kill",
        wanted: count(50, 150, 2_000),
        least: count(50, 150, 2_000),
        cap: Duration::from_hours(1),
    };
    suite.run(|case, rng| one_import(case, rng, &tally));
    tally.print(suite.name);
    tally.assert_share(UNDER_WAY, KILLS, 60);
    for kind in ["plain", "gzip", "zstd", "buffered", "synced"] {
        tally.assert_share(kind, KILLS, 10);
    }
}

/// One import through several kills; tells how many.
fn one_import(case: u64, rng: &mut SimRng, tally: &Tally) -> u64 {
    let place = Place::new();
    let (kind, content) = match case % 3 {
        0 => ("plain", text(LINES).into_bytes()),
        1 => ("gzip", gzip(text(LINES).as_bytes())),
        _ => ("zstd", zstd(text(LINES).as_bytes())),
    };
    place.write("in", content);
    let level = if case.is_multiple_of(2) { "buffered" } else { "synced" };
    let batch = if case.is_multiple_of(2) { 5 + rng.below(60) } else { 60 + rng.below(200) };
    let batch = batch.to_string();
    let arguments = ["import", "in", "--durability", level, "--batch", &batch];
    let rejects = place.path("in.rejects.ndjson");
    let whole = rejects_of_all().len() as u64;
    let (mut kills, mut before) = (0, 0);
    for _ in 0..5 {
        // More than the import before left, so that this one has done something itself.
        let target = fs::metadata(&rejects).map_or(0, |metadata| metadata.len()) + 1 + rng.below(whole / 6);
        let mut child = begin(&place, &arguments);
        let is_alive = wait_for(&mut child, &rejects, target);
        std::thread::sleep(Duration::from_micros(rng.below(700)));
        child.kill().unwrap();
        let output = child.wait_with_output().unwrap();
        let was_killed = output.status.signal() == Some(9);
        let told = Answer::of(output);
        assert!(was_killed || told.code == Some(0), "{told:?}");
        if !told.out.is_empty() {
            // It had told its end, whether or not it could also leave.
            check(&place);
            return kills + u64::from(was_killed);
        }
        assert!(was_killed && is_alive, "{told:?}");
        kills += 1;
        for what in [KILLS, kind, level] {
            tally.add(what);
        }
        before = look_at(&place, &rejects, before, tally);
    }
    let answer = place.run(&arguments).success();
    assert!(answer.err.contains("going on with line"), "{answer:?}");
    assert_eq!(answer.line()["inAll"]["lines"], LINES);
    check(&place);
    kills
}

fn begin(place: &Place, arguments: &[&str]) -> Child {
    let mut command = place.command(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until a file has so many bytes; tells whether the child was there all the time.
fn wait_for(child: &mut Child, file: &Path, bytes: u64) -> bool {
    let begun = Instant::now();
    while fs::metadata(file).map_or(0, |metadata| metadata.len()) < bytes {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        // Not so often that the child has no processor.
        std::thread::sleep(Duration::from_micros(200));
        assert!(begun.elapsed() < Duration::from_mins(5), "the import makes no progress");
    }
    true
}

/// Looks at what a killed import left, as a copy, so that the next import finds it as it is; tells how many events that
/// is, of which so many were there before.
fn look_at(place: &Place, rejects: &Path, before: usize, tally: &Tally) -> usize {
    let copy = Place::new();
    copy_of(&place.store(), &copy.store());
    let numbers = stored(&copy.store());
    let good: Vec<usize> = (1..=LINES).filter(|number| is_good(*number)).collect();
    assert!(good.starts_with(&numbers), "what is stored is what the input begins with");
    assert!(numbers.len() >= before, "nothing is lost by a kill");
    if numbers.len() > before && numbers.len() < good.len() {
        tally.add(UNDER_WAY);
    }
    let last = numbers.last().copied().unwrap_or_default();
    // Behind the last line that is stored there may be rejects of a batch that is not; they are cut off later.
    let listed = fs::read(rejects).unwrap_or_default();
    assert_eq!(rejects_before(last, &listed), rejects_before(last, rejects_of_all()), "none is missing");
    let next = (last + 1..=LINES).find(|number| is_good(*number)).unwrap_or(LINES);
    if rejects_before(usize::MAX, &listed).last().is_some_and(|(line, _)| *line > next) {
        tally.add(IN_MIDDLE);
    }
    numbers.len()
}

/// The rejects of the lines before one, with their numbers.
fn rejects_before(line: usize, list: &[u8]) -> Vec<(usize, String)> {
    let whole = list.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let number = |text: &str| {
        let reject: serde_json::Value = serde_json::from_str(text).unwrap();
        usize::try_from(reject["line"].as_u64().unwrap()).unwrap()
    };
    let list = String::from_utf8(list[..whole].to_vec()).unwrap();
    let numbered = list.lines().map(|text| (number(text), text.to_owned()));
    numbered.take_while(|(number, _)| *number < line).collect()
}

fn copy_of(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    let Ok(entries) = fs::read_dir(from) else { return };
    for entry in entries {
        let entry = entry.unwrap();
        if entry.metadata().unwrap().is_dir() {
            copy_of(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// Every good line once and in its order, and the rejects byte for byte.
fn check(place: &Place) {
    assert!(stored(&place.store()).into_iter().eq((1..=LINES).filter(|number| is_good(*number))));
    assert!(fs::read(place.path("in.rejects.ndjson")).unwrap() == rejects_of_all());
}

/// An import of so many lines that is killed in its middle. Returns the file.
fn interrupted(place: &Place, lines: usize) -> Vec<u8> {
    let whole = gzip(text(lines).as_bytes());
    place.write("in", &whole);
    let mut child = begin(place, &["import", "in", "--batch", "10"]);
    wait_for(&mut child, &place.path("in.rejects.ndjson"), 2_000);
    child.kill().unwrap();
    let answer = Answer::of(child.wait_with_output().unwrap());
    assert!(answer.code.is_none() && answer.out.is_empty(), "{answer:?}");
    whole
}

#[test]
fn a_file_that_is_another_by_now_is_not_taken_for_the_one_that_was_begun() {
    let place = Place::new();
    let whole = interrupted(&place, 60_000);
    let before = stored(&place.store()).len();
    assert!(before > 0);
    let mut grown = whole.clone();
    grown.extend(gzip(b"\n"));
    let mut changed = whole.clone();
    changed[20] ^= 1;
    for (content, said) in [
        (&grown[..], "the file has grown"),
        (&whole[..whole.len() - 1], "the file has shrunk"),
        (&changed, "the file's first bytes have changed"),
    ] {
        place.write("in", content);
        let answer = place.run(&["import", "in"]).fails(1, said);
        assert!(answer.err.contains("--restart") && answer.err.contains("put the file back"), "{answer:?}");
        assert_eq!(stored(&place.store()).len(), before, "nothing was stored");
    }
    place.write("in", &whole);
    let answer = place.run(&["import", "in"]).success();
    assert!(answer.err.contains("in: going on with line"), "{answer:?}");
    let summary = answer.line();
    let stored_in_all = stored(&place.store());
    assert_eq!(summary["inAll"]["stored"], stored_in_all.len());
    assert_eq!(summary["stored"], stored_in_all.len() - before);
    assert!(stored_in_all.into_iter().eq((1..=60_000).filter(|number| is_good(*number))));
}

#[test]
fn restart_forgets_what_was_begun_and_an_import_that_ended_begins_anew() {
    let place = Place::new();
    interrupted(&place, 60_000);
    let before = stored(&place.store()).len();
    let rejects = (1..=60_000usize).filter(|n| n.is_multiple_of(17) || n.is_multiple_of(97)).count();
    let good = (1..=60_000usize).filter(|number| is_good(*number)).count();
    for (round, arguments) in
        [&["import", "in", "--restart"][..], &["import", "in"], &["import", "in", "--restart"]]
            .iter()
            .enumerate()
    {
        let answer = place.run(arguments).success();
        assert_eq!(answer.err, "", "without a word");
        let summary = answer.line();
        assert_eq!((&summary["stored"], &summary["rejected"]), (&good.into(), &rejects.into()));
        assert!(summary.get("inAll").is_none());
        assert_eq!(stored(&place.store()).len(), before + good * (round + 1));
        assert_eq!(read_lines(place.path("in.rejects.ndjson")).len(), rejects, "the list is of this import");
    }
}

/// Enough for closing to make a segment of it, which takes a while.
const LINES_OF_A_SEGMENT: usize = 60_000;

#[test]
fn an_import_that_is_killed_when_it_has_just_told_its_end_begins_anew_hardly_ever() {
    let (mut killed, mut anew) = (0, 0);
    for level in ["buffered", "synced", "interval", "buffered"] {
        let place = Place::new();
        place.write("in", (0..LINES_OF_A_SEGMENT).map(view).collect::<String>());
        let mut child = begin(&place, &["import", "in", "--durability", level]);
        let mut summary = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut summary).unwrap();
        child.kill().unwrap();
        let was_killed = child.wait().unwrap().signal() == Some(9);
        assert!(summary.contains("\"stored\":60000"), "{summary}");
        assert_eq!(stored(&place.store()).len(), LINES_OF_A_SEGMENT);
        let answer = place.run(&["import", "in", "--durability", level]).success();
        killed += u32::from(was_killed);
        anew += u32::from(was_killed && answer.line()["stored"] != 0);
    }
    say(format_args!(
        "killed {killed} times after the summary, {anew} times behind the mark that it is done"
    ));
    // The mark is the last thing but for closing a store that has nothing to seal.
    assert!(anew * 2 <= killed, "{anew} of {killed}");
}

#[test]
fn rejects_that_were_lost_are_told_and_others_are_not_written_over() {
    let place = Place::new();
    interrupted(&place, 60_000);
    place.write("notes", "of mine\n");
    place.run(&["import", "in", "--rejects", "notes"]).fails(1, "no import left it");
    fs::remove_file(place.path("in.rejects.ndjson")).unwrap();
    let answer = place.run(&["import", "in"]).success();
    assert!(answer.err.contains("the rejects of the earlier import are not there"), "{answer:?}");
    let listed = read_lines(place.path("in.rejects.ndjson")).len();
    let summary = answer.line();
    assert_eq!(summary["rejected"], listed);
    assert!(summary["inAll"]["rejected"].as_u64().unwrap() > listed as u64);

    let place = Place::new();
    interrupted(&place, 60_000);
    let kept = fs::read(place.path("in.rejects.ndjson")).unwrap();
    let answer = place.run(&["import", "in", "--rejects", "other"]).success();
    assert!(answer.err.contains("why is in the file that was named then"), "{answer:?}");
    assert!(!answer.err.contains("not there"), "none of them are looked for in it: {answer:?}");
    assert_eq!(read_lines(place.path("other")).len(), answer.line()["rejected"]);
    assert!(fs::read(place.path("in.rejects.ndjson")).unwrap() == kept);
}

#[test]
fn every_store_and_every_path_has_an_import_of_its_own() {
    let place = Place::new();
    interrupted(&place, 60_000);
    let good = (1..=60_000usize).filter(|number| is_good(*number)).count();
    let elsewhere = place.path("elsewhere");
    let mut command = super::tool();
    command.arg("--store").arg(&elsewhere).args(["import", "in", "--rejects", "other"]);
    let answer = Answer::of(command.current_dir(place.path(".")).output().unwrap()).success();
    assert_eq!(answer.line()["stored"], good);
    fs::copy(place.path("in"), place.path("copy")).unwrap();
    assert_eq!(place.run(&["import", "copy"]).success().line()["stored"], good);
    std::os::unix::fs::symlink("in", place.path("link")).unwrap();
    let answer = place.run(&["import", "link", "--rejects", "in.rejects.ndjson"]).success();
    assert!(answer.err.contains("link: going on with line"), "by whatever name: {answer:?}");
}
