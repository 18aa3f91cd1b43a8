//! The documents say what is so: names of tests, links, and numbers.

use std::fs;
use std::path::PathBuf;

use envelog::Options;
use tempfile::TempDir;

use crate::layering::rust_files;
use crate::real_input::MIB;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn document(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

/// A published archive comes without the crates around this one.
fn is_archive() -> bool {
    !root().join("crates").is_dir() && !root().join(".git").exists()
}

/// The part of a document below a heading, up to the next one of its level.
fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let (_, rest) =
        text.split_once(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("no section {heading}"));
    rest.split("\n## ").next().unwrap()
}

/// The cells of the table rows of a text, headings and rules left out.
fn rows(text: &str) -> Vec<Vec<&str>> {
    let lines = text.lines().filter(|line| line.starts_with('|') && !line.starts_with("|--"));
    lines.skip(1).map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

/// Words in backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Whether a path such as `full_disk::a_full_disk_is_no_space` is a test: of `tests/it`, or of a module in `src`.
fn is_test(path: &str) -> bool {
    let (modules, name) = path.rsplit_once("::").unwrap();
    let wanted: Vec<&str> = modules.split("::").collect();
    let without_tests: Vec<&str> = wanted.iter().copied().filter(|part| *part != "tests").collect();
    [("tests/it", &wanted), ("src", &wanted), ("src", &without_tests)].iter().any(|(folder, modules)| {
        let file = root().join(folder).join(modules.join("/")).with_extension("rs");
        let Ok(text) = fs::read_to_string(file) else { return false };
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let Some(at) = lines.iter().position(|line| line.starts_with(&format!("fn {name}("))) else {
            return false;
        };
        lines[..at].iter().rev().take_while(|line| line.starts_with("#[")).any(|line| *line == "#[test]")
    })
}

#[test]
fn tests_are_found_by_their_path() {
    assert!(is_test("full_disk::a_full_file_system_is_an_error_and_never_a_signal"));
    assert!(is_test("storage::real::tests::links_fifos_and_directories_planted_at_a_name_are_refused"));
    assert!(!is_test("full_disk::a_test_that_is_not_there"));
    assert!(!is_test("readme::root"), "a function that is no test");
}

#[test]
fn every_caveat_names_the_tests_that_hold_it() {
    let readme = document("README.md");
    let caveats = rows(section(&readme, "Caveats"));
    assert!(caveats.len() >= 8, "the table of caveats has {} rows", caveats.len());
    for cells in caveats {
        let tests: Vec<&str> = quoted(cells.last().unwrap()).collect();
        assert!(!tests.is_empty(), "no test holds: {}", cells[0]);
        for test in tests {
            assert!(is_test(test), "no test is called {test}");
        }
    }
}

#[test]
fn every_test_that_a_document_names_is_there() {
    let mut named = 0;
    for name in ["README.md", "SECURITY.md", "CONTRIBUTING.md"] {
        let text = document(name);
        for word in quoted(&text) {
            let is_path = word.split("::").count() >= 2
                && word.chars().all(|letter| {
                    letter.is_ascii_lowercase() || letter.is_ascii_digit() || "_:".contains(letter)
                });
            if is_path {
                named += 1;
                assert!(is_test(word), "{name} names {word}, which is no test");
            }
        }
    }
    assert!(named >= 20, "{named} tests are named");
}

#[test]
fn every_link_of_a_document_leads_to_a_file() {
    for name in ["README.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md"] {
        let text = document(name);
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.contains("://") && !target.starts_with('#')) {
            let file = target.split('#').next().unwrap();
            let is_left_out = is_archive() && (file.starts_with("crates/") || file.starts_with('.'));
            assert!(is_left_out || root().join(file).exists(), "{name}: no file {file}");
        }
    }
}

/// The targets of a section of Cargo.toml, such as `bench`, that are not built without some feature.
fn targets_with_features(section: &str) -> Vec<String> {
    let manifest = document("Cargo.toml");
    let sections = manifest.split("\n[[").filter(|text| text.starts_with(&format!("{section}]]")));
    let featured = sections.filter(|text| text.contains("\nrequired-features"));
    let name = |text: &str| Some(text.split_once("\nname = \"")?.1.split('"').next()?.to_owned());
    featured.filter_map(name).collect()
}

#[test]
fn commands_of_the_documents_name_the_features_that_cargo_wants() {
    let (benches, examples) = (targets_with_features("bench"), targets_with_features("example"));
    assert!(benches.len() >= 3 && !examples.is_empty(), "{benches:?} {examples:?}");
    let mut seen = 0;
    for name in
        ["README.md", "CONTRIBUTING.md", "benches/store.rs", "benches/people.rs", "benches/bounded.rs"]
    {
        let text = document(name);
        for command in quoted(&text).filter(|word| word.starts_with("cargo ")) {
            let wants = |flag: &str, targets: &[String]| {
                targets.iter().any(|target| command.contains(&format!("--{flag} {target}")))
            };
            if wants("bench", &benches) || wants("example", &examples) {
                seen += 1;
                assert!(command.contains("features"), "{name}: `{command}` lacks its features");
            }
        }
    }
    assert!(seen >= 2, "{seen} commands were found");
}

/// The value of a constant of `limits.rs`, in bytes.
fn limit(name: &str) -> u64 {
    let text = document("src/limits.rs");
    let line = text.lines().find(|line| line.contains(&format!("const {name}:"))).unwrap();
    let value = line.split_once('=').unwrap().1.trim().trim_end_matches(';');
    let factors = value.split('*').map(str::trim);
    factors.map(|factor| if factor == "MIB" { MIB } else { factor.parse().unwrap() }).product()
}

#[test]
fn the_sizes_in_the_readme_are_those_of_the_code() {
    let readme = document("README.md").split_whitespace().collect::<Vec<_>>().join(" ");
    let mib = |name: &str| limit(name) / MIB;
    let (default, min, max) =
        (mib("SEGMENT_BYTES_DEFAULT"), mib("SEGMENT_BYTES_MIN"), mib("SEGMENT_BYTES_MAX"));
    assert_eq!((min, max % 1024), (1, 0));
    for sentence in [
        format!("A segment has {default} MiB by default, {min} MiB to {} GiB", max / 1024),
        "An empty store takes less than 1 MiB".to_owned(),
        format!("less than {} MiB behind the last frame", 2 * mib("FILL_WINDOW_BYTES_MAX")),
    ] {
        assert!(readme.contains(&sentence), "the README lacks: {sentence}");
    }
}

#[test]
fn segments_have_the_documented_bounds() {
    let directory = TempDir::new().unwrap();
    let open = |bytes: u64| {
        let path = directory.path().join(bytes.to_string());
        Options::new().segment_bytes_max(bytes).open(path).map(drop).map_err(|error| error.to_string())
    };
    let refused = Err("segment_bytes_max: must be 1 MiB to 1 GiB".to_owned());
    assert_eq!((open(MIB - 1), open(1024 * MIB + 1)), (refused.clone(), refused));
    assert_eq!((open(MIB), open(1024 * MIB)), (Ok(()), Ok(())));
}

/// The digits before the point in groups of three.
fn grouped(text: &str) -> String {
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut out = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out + rest
}

#[test]
fn the_chart_shows_the_figures_of_the_benchmark_table() {
    if is_archive() {
        return;
    }
    let readme = document("README.md");
    let table = rows(section(&readme, "Benchmarks"));
    let figures = document("crates/pictures/figures.csv");
    let svg = document("crates/pictures/svg/figures.svg");
    for line in figures.lines().skip(1) {
        let parts: Vec<&str> = line.splitn(5, ',').collect();
        let &[_, label, value, unit, row] = parts.as_slice() else { panic!("not five fields: {line}") };
        let row = row.trim_matches('"');
        let Some(cells) = table.iter().find(|cells| cells[0] == row) else {
            panic!("no row of the benchmark table is called {row}");
        };
        let (value, measured) = (grouped(value), cells[1]);
        let is_in = measured
            .split(|letter: char| !letter.is_ascii_digit() && !".,".contains(letter))
            .any(|number| number.trim_end_matches(['.', ',']) == value);
        assert!(is_in, "the chart says {value} for {label}, the table {measured} for {row}");
        assert!(svg.contains(&format!(">{value} {unit}<")), "the chart lacks {value} {unit}: draw it anew");
    }
    assert!(figures.lines().count() > 10);
}

#[test]
fn pictures_are_for_light_and_dark_pages_and_name_no_place_of_a_machine() {
    if is_archive() {
        return;
    }
    for name in ["terminal", "figures"] {
        let svg = document(&format!("crates/pictures/svg/{name}.svg"));
        assert!(svg.contains("prefers-color-scheme: dark"), "{name}");
        assert!(!["/home/", "/root/", "/tmp/", "/work/"].iter().any(|place| svg.contains(place)), "{name}");
    }
}

#[test]
fn every_example_and_feature_is_told_of() {
    let told = document("CONTRIBUTING.md") + &document("README.md") + &document("src/lib.rs");
    let manifest = document("Cargo.toml");
    let features = manifest.split("[features]").nth(1).unwrap().split("\n[").next().unwrap();
    for line in features.lines().filter(|line| line.contains('=') && !line.starts_with([' ', '#', '"'])) {
        let name = line.split('=').next().unwrap().trim();
        let is_told = name == "default" || told.contains(&format!("`{name}`"));
        assert!(is_told, "the feature {name} is told of nowhere");
    }
    let tests = rust_files(&root().join("tests"));
    let tests: Vec<String> = tests.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    for path in rust_files(&root().join("examples")) {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(&format!("--example {name}")), "{name} does not say how to run it");
        let is_run = tests.iter().any(|test| test.contains(name));
        assert!(is_run, "no test runs the example {name}");
    }
}
