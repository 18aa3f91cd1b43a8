//! Who may import whom. The table is the one of the crate documentation; an arrow that is not in it fails here.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Module, and the modules it may name.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("limits", &[]),
    ("trace", &[]),
    ("error", &["types"]),
    ("envelope", &["error", "limits", "types"]),
    ("format", &["error", "limits", "types"]),
    ("storage", &["error", "limits"]),
    ("log", &["error", "limits", "trace", "types", "format", "storage"]),
    ("index", &["error", "limits", "types", "format", "storage"]),
    ("profile", &["error", "limits", "types", "envelope", "format", "storage"]),
    ("identity", &["error", "limits", "types", "envelope", "format", "storage"]),
    ("dedupe", &["error", "limits", "types", "format", "storage"]),
    (
        "store",
        &[
            "error", "limits", "trace", "types", "envelope", "format", "storage", "log", "index", "profile",
            "dedupe", "identity",
        ],
    ),
    ("interop", &["error", "limits", "types", "envelope", "store"]),
    ("sample", &[]),
];

/// All source files below `directory`.
pub(crate) fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The lines of a file that are code and not tests, comments left out.
pub(crate) fn code_lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    // Where the crate itself stands says nothing.
    let path = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap_or(path);
    let is_test_file = path.file_name().is_some_and(|name| name == "tests.rs")
        || path.components().any(|part| part.as_os_str() == "tests");
    if is_test_file {
        return Vec::new();
    }
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let code = line.split("//").next().unwrap_or_default().trim_end();
        if code.starts_with("mod tests") && lines.last().is_some_and(|last| last == "#[cfg(test)]") {
            break;
        }
        lines.push(code.to_owned());
    }
    lines
}

fn module_of(path: &Path, src: &Path) -> Option<String> {
    let relative = path.strip_prefix(src).ok()?;
    let first = relative.components().next()?.as_os_str().to_str()?;
    Some(first.trim_end_matches(".rs").to_owned())
}

/// The modules of the crate that a line names, as `crate::module` or inside `crate::{..}`.
fn named(line: &str) -> Vec<String> {
    let ident = |text: &str| -> String {
        text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
    };
    let mut found = Vec::new();
    for (at, _) in line.match_indices("crate::") {
        let before = line[..at].chars().next_back();
        if before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &line[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            found.extend(group.split(',').map(|part| ident(part.trim())));
        } else {
            found.push(ident(rest));
        }
    }
    found
}

#[test]
fn modules_import_only_what_stands_below_them() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let modules: BTreeSet<&str> = MAY_IMPORT.iter().map(|(module, _)| *module).collect();
    let mut arrows = 0;
    let mut wrong = Vec::new();
    for path in rust_files(&src) {
        let module = module_of(&path, &src).unwrap();
        if module == "lib" || module == "bin" {
            continue;
        }
        let (_, allowed) = MAY_IMPORT
            .iter()
            .find(|(name, _)| *name == module)
            .unwrap_or_else(|| panic!("src/{module} is not in the table"));
        for line in code_lines(&path) {
            for target in named(&line) {
                if target == module {
                    continue;
                }
                arrows += 1;
                let is_module = modules.contains(target.as_str());
                if !is_module || !allowed.contains(&target.as_str()) {
                    wrong.push(format!("{}: {}", path.display(), line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "these lines import what they may not:\n{}", wrong.join("\n"));
    assert!(arrows > 20, "the test found {arrows} imports only: it no longer sees them");
}

#[test]
fn the_table_itself_has_no_circle() {
    for (at, (module, allowed)) in MAY_IMPORT.iter().enumerate() {
        for target in *allowed {
            let below = MAY_IMPORT.iter().position(|(name, _)| name == target).unwrap();
            assert!(below < at, "{module} may not stand below {target}");
        }
    }
}

#[test]
fn imports_are_found_in_every_spelling() {
    assert_eq!(named("use crate::store::View;"), ["store"]);
    assert_eq!(named("use crate::{log, index::ActiveIndex};"), ["log", "index"]);
    assert_eq!(named("    fn f(x: &crate::profile::Row) {}"), ["profile"]);
    assert!(named("use xcrate::profile;").is_empty());
}
