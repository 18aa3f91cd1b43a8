//! `import` with many blocks under way: the order, the rejects, and what an early end tells.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use super::{Answer, ORG, Place, SHOP, envelope, read_lines};
use crate::full_disk::SmallDisk;
use crate::support::ignored;
use crate::support::watch::Watched;

/// A good line, with its number as the user. Their lengths differ, so that blocks take different times.
fn good(number: usize) -> String {
    let rest = match number % 5_000 {
        1_000..1_700 => format!("\"properties\":{{\"text\":\"{}\"}}", "x".repeat(number % 700)),
        _ => String::new(),
    };
    envelope("page.viewed", "2024-03-01T00:00:00Z", &format!("u_{number}"), &rest)
}

/// What stands in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Good,
    Broken,
    /// Refused only when it is committed: the project has another organisation.
    Foreign,
    Blank,
}

/// Each line's kind: mostly good, with every kind of bad and blank lines here and there, and a block of bad ones.
fn kind(number: usize) -> Kind {
    match number {
        20_001..=22_500 => Kind::Broken,
        _ if number.is_multiple_of(997) => Kind::Foreign,
        _ if number.is_multiple_of(331) => Kind::Broken,
        _ if number.is_multiple_of(499) => Kind::Blank,
        _ => Kind::Good,
    }
}

fn mixed(lines: usize) -> String {
    let line = |number| match kind(number) {
        Kind::Good => good(number),
        Kind::Broken => good(number).replace("\"module\"", "\"modul\""),
        Kind::Foreign => good(number).replace(ORG, "00000000-0000-4000-8000-0000000000a9"),
        Kind::Blank => "\n".to_owned(),
    };
    (1..=lines).map(line).collect()
}

fn numbers_of(kinds: &[Kind], lines: usize) -> Vec<usize> {
    (1..=lines).filter(|number| kinds.contains(&kind(*number))).collect()
}

/// The numbers of the lines that are stored, in the order of their seq.
pub(super) fn stored(directory: &std::path::Path) -> Vec<usize> {
    let store = envelog::Store::open(directory).unwrap();
    let view = store.project(SHOP.parse().unwrap()).view().unwrap();
    let events: Vec<_> = view.events().iter().map(Result::unwrap).collect();
    assert!(events.windows(2).all(|pair| pair[0].seq() < pair[1].seq()), "a view goes by seq");
    events.iter().map(|event| event.user_id().unwrap().strip_prefix("u_").unwrap().parse().unwrap()).collect()
}

#[test]
fn lines_of_many_blocks_are_stored_in_their_order() {
    let lines = 150_000;
    let place = Place::new();
    let file = place.write("shop.ndjson", (1..=lines).map(good).collect::<String>());
    let summary = place.run(&["import", file.to_str().unwrap()]).success().line();
    assert_eq!((&summary["stored"], &summary["lines"]), (&lines.into(), &lines.into()));
    assert!(stored(&place.store()).into_iter().eq(1..=lines), "seq order is line order");
}

#[test]
fn rejects_of_many_blocks_are_in_the_order_of_the_lines() {
    let lines = 100_000;
    for batch in ["1000", "90", "7"] {
        let place = Place::new();
        let file = place.write("shop.ndjson", mixed(lines));
        let summary = place.run(&["import", file.to_str().unwrap(), "--batch", batch]).success().line();
        let good = numbers_of(&[Kind::Good], lines);
        let bad = numbers_of(&[Kind::Broken, Kind::Foreign], lines);
        assert_eq!(summary["stored"], good.len());
        assert_eq!(summary["rejected"], bad.len());
        assert_eq!(summary["blank"], numbers_of(&[Kind::Blank], lines).len());
        assert_eq!(stored(&place.store()), good);

        let rejects = read_lines(place.path("shop.ndjson.rejects.ndjson"));
        let line = |reject: &serde_json::Value| usize::try_from(reject["line"].as_u64().unwrap()).unwrap();
        let text = mixed(lines);
        let text: Vec<&str> = text.lines().collect();
        for reject in &rejects {
            let field = if kind(line(reject)) == Kind::Foreign { "orgId" } else { "modul" };
            assert!(reject.to_string().contains(field), "{reject}");
            assert_eq!(reject["bytes"], text[line(reject) - 1].len(), "{reject}");
        }
        assert!(rejects.iter().map(line).eq(bad), "in the order of the lines");
    }
}

#[test]
fn a_line_of_another_organisation_takes_no_good_line_of_its_batch_with_it() {
    let wrong = |number| good(number).replace(ORG, "00000000-0000-4000-8000-0000000000a9");
    for batch in 1..=8 {
        let place = Place::new();
        let text: String = (1..=64).map(|n| if n % 4 == 3 { wrong(n) } else { good(n) }).collect();
        let file = place.write("shop.ndjson", text + &good(65).replace("\"module\"", "\"modul\""));
        let arguments = ["import", file.to_str().unwrap(), "--batch", &batch.to_string()];
        let summary = place.run(&arguments).success().line();
        assert_eq!(
            (&summary["stored"], &summary["rejected"]),
            (&48.into(), &17.into()),
            "batches of {batch}"
        );
        assert!(stored(&place.store()).into_iter().eq((1..=64).filter(|n| n % 4 != 3)));
    }
}

/// The two numbers of "N events of the first M lines are stored".
pub(super) fn told(answer: &Answer) -> (usize, usize) {
    let (told, _) = answer.err.rsplit_once("; ").unwrap();
    let (_, told) = told.rsplit_once("; ").unwrap();
    let (events, rest) = told.split_once(" events of the first ").unwrap();
    let (lines, _) = rest.split_once(" lines are stored").unwrap();
    let number = |text: &str| text.replace(|c: char| !c.is_ascii_digit(), "").parse().unwrap();
    (number(events), number(lines))
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_is_full_in_the_middle_ends_the_import_and_what_is_told_to_be_stored_is() {
    let text = mixed(200_000);
    for (level, batch) in [("buffered", "1000"), ("buffered", "7"), ("interval", "1000"), ("synced", "1000")]
    {
        let small = match SmallDisk::mount(24) {
            Ok(small) => small,
            Err(reason) => {
                return ignored(
                    "a_disk_that_is_full_in_the_middle_ends_the_import_and_what_is_told_to_be_stored_is",
                    format_args!("no tmpfs: {reason}"),
                );
            }
        };
        let place = Place::new();
        let file = place.write("shop.ndjson", &text);
        let store = small.path().join("store");
        let mut command = super::tool();
        command.arg("--store").arg(&store).args(["import", file.to_str().unwrap(), "--durability", level]);
        command.args(["--batch", batch]);
        let answer = Answer::of(command.output().unwrap()).fails(1, "the import stopped early");
        let (events, lines) = told(&answer);
        assert!(lines > 5_000, "the disk was not full at the beginning: {answer:?}");
        small.resize(256);
        let expected = numbers_of(&[Kind::Good], lines);
        assert_eq!(events, expected.len(), "{level}: {answer:?}");
        assert_eq!(stored(&store), expected, "{level}, batches of {batch}");
        assert!(answer.err.contains("; the same command resumes"), "{answer:?}");
        assert!(!answer.err.contains("nothing of this call"), "{answer:?}");

        let summary = Answer::of(command.output().unwrap()).success().line();
        assert_eq!(summary["inAll"]["lines"], 200_000);
        assert_eq!(stored(&store), numbers_of(&[Kind::Good], 200_000), "{level}, batches of {batch}");
        let rejects = read_lines(place.path("shop.ndjson.rejects.ndjson"));
        assert_eq!(rejects.len(), numbers_of(&[Kind::Broken, Kind::Foreign], 200_000).len());
    }
}

#[test]
fn an_input_that_ends_in_an_error_has_all_lines_before_it_stored() {
    let lines = 50_000;
    let place = Place::new();
    let mut packed = super::import::gzip(mixed(lines).as_bytes());
    packed.truncate(packed.len() * 3 / 4);
    let file = place.write("shop.ndjson.gz", &packed);
    let answer = place.run(&["import", file.to_str().unwrap()]).fails(1, "the import stopped early");
    let (events, read) = told(&answer);
    assert!(10_000 < read && read < lines, "{answer:?}");
    let expected = numbers_of(&[Kind::Good], read);
    assert_eq!(events, expected.len());
    assert_eq!(stored(&place.store()), expected);
    let rejects = read_lines(place.path("shop.ndjson.gz.rejects.ndjson"));
    assert_eq!(rejects.len(), numbers_of(&[Kind::Broken, Kind::Foreign], read).len());
}

#[test]
fn lines_of_a_slow_producer_are_stored_before_the_next_ones_come() {
    for level in ["buffered", "synced"] {
        Watched::start(move |progress| {
            let place = Place::new();
            let mut command = place.command(&["import", "-", "--durability", level]);
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut child = command.spawn().unwrap();
            let mut stdin = child.stdin.take().unwrap();
            let is_on_disk = |user: &str| {
                let is_there =
                    |content: &[u8]| content.windows(user.len()).any(|part| part == user.as_bytes());
                // The store replaces files meanwhile: one that is gone between two looks is none.
                let files = fs::read_dir(place.store()).into_iter().flatten().flatten();
                files.filter_map(|file| fs::read(file.path()).ok()).any(|content| is_there(&content))
            };
            for number in 1..=3 {
                progress.begin("waiting for a line to be stored");
                // The half line after it must not keep it from being stored.
                let next = good(number + 1);
                let line = good(number);
                let rest = if number == 1 { line.as_str() } else { &line[line.len() / 2..] };
                stdin.write_all((rest.to_owned() + &next[..next.len() / 2]).as_bytes()).unwrap();
                while !is_on_disk(&format!("u_{number}")) {
                    assert!(child.try_wait().unwrap().is_none(), "the import waits for more");
                    std::thread::sleep(std::time::Duration::from_millis(5));
                }
            }
            progress.begin("waiting for the end");
            drop(stdin);
            let summary = Answer::of(child.wait_with_output().unwrap()).success().line();
            assert_eq!(summary["stored"], 3);
            assert_eq!(summary["rejected"], 1, "the half line at the end");
            fs::remove_file(place.path("rejects.ndjson")).unwrap();
            assert_eq!(stored(&place.store()), [1, 2, 3]);
        })
        .join();
    }
}
