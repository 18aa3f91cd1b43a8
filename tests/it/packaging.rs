//! The published archive has all that it needs and nothing else.

use std::path::Path;
use std::process::Command;

/// Most bytes of all files together; the archive is compressed to about a quarter.
const BYTES_MAX: u64 = 4 << 20;
const FILE_BYTES_MAX: u64 = 256 << 10;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The names in the archive; none in the unpacked archive itself.
fn packaged() -> Option<Vec<String>> {
    if !root().join(".git").exists() {
        return None;
    }
    let output = Command::new(env!("CARGO"))
        .current_dir(root())
        .args(["package", "--list", "--allow-dirty", "--offline"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect())
}

#[test]
fn the_archive_has_the_sources_their_tests_and_the_documents() {
    let Some(names) = packaged() else { return };
    for needed in [
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "README.md",
        "SECURITY.md",
        "benches/store.rs",
        "examples/quickstart.rs",
        "src/bin/envelog/main.rs",
        "src/format/FORMAT.md",
        "src/lib.rs",
        "tests/features.rs",
        "tests/it/main.rs",
    ] {
        assert!(names.iter().any(|name| name == needed), "the archive lacks {needed}");
    }
}

#[test]
fn the_archive_is_small_and_has_nothing_of_the_workshop() {
    let Some(names) = packaged() else { return };
    let mut bytes = 0;
    for name in &names {
        let is_workshop = [".ci/", "crates/", "fuzz/", "target/", "proptest-regressions/", "deny.toml"]
            .iter()
            .any(|part| name.starts_with(part));
        assert!(!is_workshop, "{name} is in the archive");
        // Some are made by cargo and are in no directory.
        let Ok(metadata) = root().join(name).metadata() else { continue };
        assert!(metadata.len() <= FILE_BYTES_MAX, "{name} has {} bytes", metadata.len());
        bytes += metadata.len();
    }
    assert!(bytes <= BYTES_MAX, "{bytes} bytes");
}

/// A dependency of a crate on itself is dropped from the archive, and with it the features that it switches on.
#[test]
fn tests_get_their_features_from_the_command_line() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let lines = || manifest.lines().map(str::trim);
    let is_own = |line: &str| line.starts_with("envelog =") || line.starts_with("envelog.");
    assert!(!lines().any(is_own), "the crate does not depend on itself");
    assert!(!lines().any(|line| line.contains("path = \"..")), "nothing outside of the archive is needed");
}
