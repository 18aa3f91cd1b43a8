//! What no lint can check.

use std::fs;
use std::path::{Path, PathBuf};

use crate::layering::{code_lines, rust_files};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files_with(word: &str) -> Vec<String> {
    let src = root().join("src");
    rust_files(&src)
        .into_iter()
        .filter(|path| code_lines(path).iter().any(|line| has_word(line, word)))
        .map(|path| path.strip_prefix(&src).unwrap().display().to_string())
        .collect()
}

fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        !line[..at].chars().next_back().is_some_and(is_part)
            && !line[at + word.len()..].chars().next().is_some_and(is_part)
    })
}

#[test]
fn unsafe_stands_in_one_file() {
    let files: Vec<_> = files_with("unsafe");
    assert_eq!(files, ["storage/map.rs"]);
}

#[test]
fn bincode_is_named_in_one_file() {
    assert_eq!(files_with("bincode"), ["envelope/codec.rs"]);
}

/// Most lines of a file, without its tests and its documentation.
const LINES_MAX: usize = 400;

/// Lines of a file without its tests, and of these all but the documentation, which says by itself what it is about.
fn lines_of_code(path: &Path) -> usize {
    let text = fs::read_to_string(path).unwrap();
    let is_doc = |line: &&str| ["///", "//!"].iter().any(|mark| line.trim_start().starts_with(mark));
    let lines = code_lines(path).len();
    lines - text.lines().take(lines).filter(is_doc).count()
}

#[test]
fn files_are_read_in_one_sitting() {
    let mut longest = 0;
    for path in rust_files(&root().join("src")) {
        let lines = lines_of_code(&path);
        assert!(
            lines <= LINES_MAX,
            "{} has {lines} lines without its tests and documentation: split it",
            path.display()
        );
        longest = longest.max(lines);
    }
    assert!(longest > LINES_MAX / 2, "the test counts {longest} lines at most: it no longer sees them");
}

#[test]
fn nothing_is_left_over() {
    let markers =
        [["TO", "DO"].concat(), ["FIX", "ME"].concat(), ["XX", "X"].concat(), ["HA", "CK"].concat()];
    let mut files = Vec::new();
    for directory in ["src", "tests", "benches", "fuzz", "examples", "crates/pictures/src"] {
        let directory = root().join(directory);
        if directory.is_dir() {
            files.extend(rust_files(&directory));
        }
    }
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        for marker in &markers {
            assert!(!text.lines().any(|line| has_word(line, marker)), "{} has a {marker}", path.display());
        }
    }
}

#[test]
fn the_gate_runs_the_readme_test_command() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let gate = root().join(".ci/run");
    if !gate.is_file() {
        // A packaged crate comes without the gate.
        assert!(!root().join(".git").exists(), ".ci/run is missing");
        return;
    }
    let gate = fs::read_to_string(gate).unwrap();
    let command = "cargo test --all-features";
    assert!(readme.contains(command), "the README names its test command");
    assert!(gate.lines().any(|line| line.ends_with(command)), ".ci/run calls it to the letter");
}

fn check<T: std::fmt::Display>(readme: &str, name: &str, value: T) {
    let row = readme.lines().find(|line| line.contains(&format!("| `{name}` |"))).unwrap();
    assert!(row.contains(&format!("| {value} |")), "the README says otherwise: {row} but {value}");
}

/// Every limit has a row in the README's table with its default.
#[test]
fn the_readme_lists_every_limit() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let limits = fs::read_to_string(root().join("src/limits.rs")).unwrap();
    let names: Vec<_> = limits
        .lines()
        .filter_map(|line| line.trim().strip_prefix("pub "))
        .filter_map(|rest| rest.split_once(':'))
        .map(|(name, _)| name)
        .collect();
    assert!(names.len() >= 15, "the limits are found");
    for name in names {
        assert!(readme.contains(&format!("| `{name}` |")), "the README's table lacks {name}");
    }
    let limits = envelog::Limits::default();
    check(&readme, "module_bytes_max", limits.module_bytes_max);
    check(&readme, "event_type_bytes_max", limits.event_type_bytes_max);
    check(&readme, "user_id_bytes_max", limits.user_id_bytes_max);
    check(&readme, "anonymous_id_bytes_max", limits.anonymous_id_bytes_max);
    check(&readme, "message_id_bytes_max", limits.message_id_bytes_max);
    check(&readme, "depth_max", limits.depth_max);
    check(&readme, "keys_max", limits.keys_max);
    check(&readme, "key_bytes_max", limits.key_bytes_max);
    check(&readme, "string_bytes_max", limits.string_bytes_max);
    check(&readme, "event_bytes_max", limits.event_bytes_max);
    check(&readme, "future_skew_max", format!("{} h", limits.future_skew_max.as_secs() / 3600));
    check(&readme, "traits_max", limits.traits_max);
    check(&readme, "traits_bytes_max", limits.traits_bytes_max);
    check(&readme, "cursor_state_bytes_max", limits.cursor_state_bytes_max);
    check(&readme, "cursor_name_bytes_max", limits.cursor_name_bytes_max);
}

/// The library prints nothing and does not end the process.
#[test]
fn the_library_is_silent() {
    for path in rust_files(&root().join("src")) {
        if path.starts_with(root().join("src/bin")) {
            continue;
        }
        for line in code_lines(&path) {
            for word in ["println!", "eprintln!", "print!", "process::exit", "process::abort"] {
                assert!(!line.contains(word), "{}: {line}", path.display());
            }
        }
    }
}

#[test]
fn words_are_found_whole() {
    assert!(has_word("unsafe { x }", "unsafe"));
    assert!(!has_word("unsafe_code", "unsafe"));
    assert!(Path::new(env!("CARGO_MANIFEST_DIR")).is_dir());
}
