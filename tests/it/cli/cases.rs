//! Sessions with the tool, word for word: `tests/cmd`.
//!
//! `TRYCMD=overwrite` writes down what the tool answers now; what changes from run to run is `[..]` in them.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Place, damage};

fn sessions(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cmd").join(name)
}

/// Runs the sessions of a directory against a store.
fn run(place: &Place, name: &str) {
    let cases = trycmd::TestCases::new();
    cases.register_bin("envelog", Path::new(env!("CARGO_BIN_EXE_envelog")));
    cases.env("ENVELOG_STORE", place.store().to_str().unwrap()).env("NO_COLOR", "1");
    cases.case(sessions(name).join("*.trycmd"));
    cases.run();
}

#[test]
fn the_tool_answers_as_written_down() {
    let place = Place::new();
    place.fill(&fs::read_to_string(sessions("shop.ndjson")).unwrap());
    run(&place, "shop");
}

#[test]
fn acts_of_identity_are_answered_as_written_down() {
    run(&Place::new(), "people");
}

#[test]
fn damage_is_answered_as_written_down() {
    let place = damage::several_segments();
    damage::damage_records(&place);
    run(&place, "damaged");
}
