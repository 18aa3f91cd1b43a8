//! `import --dry-run`.

use std::fs;

use super::{Answer, inputs::view};
use super::{ORG, Place, SHOP, envelope, fingerprint, tool};

/// Good lines, broken ones, a blank one and ones of another organisation.
fn mixed(lines: usize) -> String {
    let line = |number: usize| match number {
        _ if number.is_multiple_of(7) => "oops\n".to_owned(),
        _ if number.is_multiple_of(11) => view(number).replace(ORG, "00000000-0000-4000-8000-0000000000a9"),
        _ if number == 5 => "\n".to_owned(),
        _ => view(number),
    };
    (1..=lines).map(line).collect()
}

#[test]
fn a_dry_run_tells_what_an_import_would_and_makes_nothing() {
    let (place, other) = (Place::new(), Place::new());
    let text = mixed(300);
    let file = place.write("in", &text);
    let dry = place.run(&["import", file.to_str().unwrap(), "--dry-run"]).success();
    assert!(!place.store().exists() && !place.path("in.rejects.ndjson").exists(), "nothing was made");
    other.write("in", &text);
    let real = other.run(&["import", "in"]).success().line();
    let summary = dry.line();
    assert_eq!(summary["dryRun"], true);
    assert!(real.get("dryRun").is_none());
    for name in ["lines", "rejected", "blank", "notes"] {
        assert_eq!(summary[name], real[name], "{name}");
    }
    assert_eq!(summary["wouldStore"], real["stored"]);
    assert!(summary.get("stored").is_none() && real.get("wouldStore").is_none(), "{summary}");
    let fields = place.run(&["import", "in", "--dry-run", "--format", "csv"]).success().out;
    assert!(fields.starts_with("lines,wouldStore,rejected,"), "{fields}");
    let rejects = fs::read_to_string(other.path("in.rejects.ndjson")).unwrap();
    let first: Vec<&str> = rejects.lines().take(20).collect();
    let told: Vec<&str> = dry.err.lines().filter(|line| line.starts_with('{')).collect();
    assert_eq!(told, first, "the first ones are told");
    let more = rejects.lines().count() - 20;
    assert!(dry.err.contains(&format!("and {more} more; --rejects FILE")), "{dry:?}");

    let summary = place.run(&["import", "in", "--dry-run", "--rejects", "list"]).success().line();
    assert_eq!(summary["rejects"], "list");
    assert_eq!(
        fs::read_to_string(place.path("list")).unwrap(),
        rejects,
        "the same list, where one is asked for"
    );
}

#[test]
fn a_dry_run_needs_no_store_and_changes_none() {
    let place = Place::new();
    let text = mixed(50);
    let output = {
        let mut command = tool();
        let file = place.write("in", &text);
        command.arg("import").arg(file).arg("--dry-run").current_dir(place.path(".")).output().unwrap()
    };
    let without = Answer::of(output).success().line();
    place.fill(&envelope("page.viewed", "2024-03-01T00:00:00Z", "u_1", "").replace(ORG, SHOP));
    let before = fingerprint(&place.store());
    let answer = place.run(&["import", "in", "--dry-run"]);
    assert!(fingerprint(&place.store()) == before, "a file has changed");
    assert_eq!(answer.code, Some(1), "{answer:?}");
    let summary = answer.line();
    assert!(without["wouldStore"].as_u64().unwrap() > 0);
    assert_eq!(summary["wouldStore"], 0, "the store's project belongs to another organisation");
    assert_eq!(summary["lines"], without["lines"]);
    assert!(answer.err.contains("another organisation"), "{answer:?}");
}

#[test]
fn a_dry_run_reads_every_kind_of_input_and_says_for_people_what_it_would_do() {
    let place = Place::new();
    let text = mixed(60);
    for content in [super::import::gzip(text.as_bytes()), super::inputs::zstd(text.as_bytes())] {
        place.write("in", content);
        let answer = place.run(&["--format", "table", "import", "in", "--dry-run"]).success();
        assert!(answer.err.contains("events would be stored") && answer.out.is_empty(), "{answer:?}");
    }
    let answer = place.run_with_input(&["import", "-", "--dry-run"], text.as_bytes()).success();
    assert_eq!(answer.line()["lines"], 60);
    place.run_with_input(&["import", "-", "--dry-run"], b"").success();
    place.run_with_input(&["import", "-", "--dry-run"], b"[{\"a\":1}]").fails(1, "jq -c '.[]'");
    place.run_with_input(&["import", "-", "--dry-run", "--restart"], b"").fails(2, "--restart");
    assert!(!place.store().exists() && !place.path("rejects.ndjson").exists());
}

#[test]
fn a_dry_run_counts_repeats_and_conflicts_among_what_it_would_store() {
    let place = Place::new();
    let with_id = |user| envelope("page.viewed", "2024-03-01T00:00:00Z", user, "\"messageId\":\"m_1\"");
    place.fill(&with_id("u_1"));
    place.write("in", [with_id("u_1"), with_id("u_2"), with_id("u_2")].concat());
    let dry = place.run(&["import", "in", "--dry-run"]).success().line();
    assert_eq!((&dry["wouldStore"], &dry["rejected"]), (&3.into(), &0.into()), "{dry}");
    assert!(dry.get("duplicates").is_none() && dry.get("conflicts").is_none(), "{dry}");
    let summary = place.run(&["import", "in"]);
    let real = summary.success().line();
    for (name, count) in [("stored", 0), ("duplicates", 1), ("conflicts", 2), ("rejected", 2)] {
        assert_eq!(real[name], count, "{name} in {real}");
    }
}
