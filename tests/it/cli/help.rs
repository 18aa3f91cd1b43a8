//! What the help offers and what the tool takes are the same.

use super::{Answer, Place, SHOP, small_shop, tool};

/// The help of a command, with one blank between words.
fn help(command: &str) -> String {
    let answer = Answer::of(tool().args([command, "--help"]).output().unwrap()).success();
    answer.out.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn an_export_offers_the_form_that_it_has() {
    let form = help("export");
    let form = form.split("--format <FORMAT>").nth(1).unwrap().split("--").next().unwrap();
    assert!(form.contains("ndjson"), "{form}");
    for other in ["csv", "markdown", "table", "auto", "array"] {
        assert!(!form.contains(other), "{other} is in {form}");
    }
    let place = Place::new();
    place.fill(&small_shop());
    let all = place.run(&["export"]).success().out;
    for taken in [
        &["--format", "ndjson", "export"][..],
        &["export", "--format", "ndjson"],
        &["export", "--format", "auto"],
    ] {
        assert_eq!(place.run(taken).success().out, all, "{taken:?}");
    }
    for refused in [&["--format", "csv", "export"][..], &["export", "--format", "csv"]] {
        place.run(refused).fails(2, "an export is NDJSON");
    }
}

#[test]
fn the_demo_offers_the_forms_that_it_has() {
    let form = help("demo");
    let form = form.split("--format <FORMAT>").nth(1).unwrap().split("--").next().unwrap();
    for (name, is_there) in
        [("table:", true), ("ndjson:", true), ("markdown:", true), ("- json:", false), ("csv", false)]
    {
        assert_eq!(form.contains(name), is_there, "{name}: {form}");
    }
    for refused in [&["--format", "csv", "demo"][..], &["demo", "--format", "json"]] {
        Answer::of(tool().args(refused).output().unwrap()).fails(2, "use table, markdown or ndjson");
    }
}

#[test]
fn a_project_is_not_offered_where_it_is_refused() {
    let place = Place::new();
    place.write("in", small_shop());
    for command in [&["import", "in"][..], &["demo"], &["verify"], &["bench"]] {
        let help = help(command[0]);
        // Lines of an import need one where they are no envelopes.
        assert_eq!(help.contains("--project"), command[0] == "import", "{help}");
        for arguments in [[&["--project", SHOP], command].concat(), [command, &["--project", SHOP]].concat()]
        {
            let answer = Answer::of(tool().args(&arguments).current_dir(place.path("")).output().unwrap());
            answer.fails(2, "--project has no effect here");
        }
    }
    assert!(help("count").contains("--project"));
}

#[test]
fn a_store_given_to_the_demo_is_refused_and_one_of_the_environment_is_left_alone() {
    let place = Place::new();
    assert!(!help("demo").contains("--store <DIR>"));
    place.run(&["demo"]).fails(2, "--keep DIR");
    Answer::of(tool().args(["demo", "--store", "x"]).output().unwrap()).fails(2, "--keep DIR");
    let kept = place.path("kept");
    let mut command = tool();
    command.env("ENVELOG_STORE", place.store()).args(["demo", "--keep"]).arg(&kept);
    Answer::of(command.output().unwrap()).success();
    assert!(kept.exists() && !place.store().exists());
}

#[test]
fn an_empty_name_of_a_store_is_refused_by_name() {
    for arguments in [&["--store", "", "count"][..], &["count", "--store", ""], &["--store=", "verify"]] {
        let answer = Answer::of(tool().args(arguments).output().unwrap());
        answer.fails(2, "invalid value '' for '--store <DIR>': it is empty; name a directory");
    }
}

#[test]
fn the_levels_of_a_measurement_are_told_as_such() {
    let help = help("bench");
    assert!(!help.contains("import"), "{help}");
    for text in ["Measure only these levels", "each call waits for a sync", "when it is closed"] {
        assert!(help.contains(text), "{text} is not in {help}");
    }
}

#[test]
fn the_help_says_what_an_empty_answer_is() {
    let top = Answer::of(tool().arg("--help").output().unwrap()).success().out;
    assert!(top.contains("An empty answer"), "{top}");
    for command in ["timeline", "profile", "explain"] {
        assert!(help(command).contains("is no error: the exit code is 0"), "{command}");
    }
    for command in ["count", "sum", "events", "tail", "export"] {
        assert!(help(command).contains("the answer is empty, which is told and is no error"), "{command}");
    }
    assert!(help("import").contains("wouldStore in place of stored"));
}

#[test]
fn the_help_says_what_ids_that_are_not_looked_up_or_stand_twice_mean() {
    assert!(help("import").contains("those included whose messageId was used before"));
    assert!(help("export").contains("that needs import --dedupe off"));
}

#[test]
fn a_store_or_project_given_to_what_is_about_the_tool_is_refused() {
    for command in [&["completions", "bash"][..], &["man"]] {
        let help = help(command[0]);
        assert!(!help.contains("--store <DIR>") && !help.contains("--project"), "{help}");
        for (flag, value) in [("--store", "x"), ("--project", SHOP)] {
            let message = format!("{flag} has no effect here");
            for arguments in [[&[flag, value], command].concat(), [command, &[flag, value]].concat()] {
                let answer = Answer::of(tool().args(&arguments).output().unwrap());
                assert_eq!(answer.out, "", "{arguments:?}");
                answer.fails(2, &message);
            }
        }
        let in_environment = tool().env("ENVELOG_STORE", "x").args(command).output().unwrap();
        Answer::of(in_environment).success();
    }
}

#[test]
fn the_tool_alone_shows_its_help_whether_the_environment_names_a_store_or_not() {
    for store in [None, Some("data")] {
        let mut tool = tool();
        let answer = Answer::of(tool.envs(store.map(|store| ("ENVELOG_STORE", store))).output().unwrap());
        answer.fails(2, "Examples:");
    }
}
