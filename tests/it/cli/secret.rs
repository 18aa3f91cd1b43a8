//! `import --secret-file`, and address tokens of another secret.

use std::fs;

use serde_json::Value;

use super::{Place, envelope};

const SECRET: &str = "a secret of the host";

fn visits() -> String {
    let visit = |number: usize, rest: &str| {
        envelope("page.viewed", "2024-03-01T00:00:00Z", &format!("u_{number}"), rest)
    };
    visit(1, "\"context\":{\"ip\":\"203.0.113.7\",\"locale\":\"en\"}")
        + &visit(2, "\"properties\":{\"path\":\"/\"}")
        + &visit(3, "\"context\":{\"ip\":\"203.0.113.7, 2001:db8::1\"}")
}

/// The events without what a second import changes.
fn events(place: &Place) -> Vec<Value> {
    let mut events = place.run(&["events"]).success().lines();
    for event in &mut events {
        event.as_object_mut().unwrap().retain(|name, _| name != "receivedAt" && name != "seq");
    }
    events
}

#[test]
fn one_secret_gives_one_token_in_every_store() {
    let (one, two, own) = (Place::new(), Place::new(), Place::new());
    for (place, content) in [(&one, SECRET.to_owned()), (&two, format!("{SECRET}\n"))] {
        place.write("key", content);
        place.write("in", visits());
        place.run(&["import", "in", "--secret-file", "key"]).success();
    }
    own.write("in", visits());
    own.run(&["import", "in"]).success();
    assert_eq!(events(&one), events(&two), "the end of the line is not part of it");
    assert_ne!(events(&one), events(&own));
    assert!(!one.store().join("SECRET").exists(), "the host keeps it");
    let mut command = one.command(&["import", "in"]);
    let output = command.env("ENVELOG_SECRET_FILE", one.path("key")).output().unwrap();
    assert_eq!(super::Answer::of(output).success().line()["notes"], serde_json::json!({}));
    assert_eq!(events(&one)[..3], events(&one)[3..]);
}

#[test]
fn what_is_followed_is_hashed_with_the_named_secret_too() {
    let (imported, followed) = (Place::new(), Place::new());
    for place in [&imported, &followed] {
        place.write("key", SECRET);
    }
    imported.run_with_input(&["import", "-", "--secret-file", "key"], visits().as_bytes()).success();
    followed.run_with_input(&["tail", "-f", "--secret-file", "key"], visits().as_bytes()).success();
    assert_eq!(events(&imported), events(&followed));
    assert!(!followed.store().join("SECRET").exists(), "the host keeps it");
}

#[test]
fn a_secret_that_is_none_is_refused_before_anything_is_made() {
    let place = Place::new();
    place.write("in", visits());
    place.write("key", "too short\n");
    let answer = place.run(&["import", "in", "--secret-file", "key"]).fails(1, "16 to 4096 bytes");
    assert!(!answer.err.contains("too short"), "{answer:?}");
    place.run(&["import", "in", "--secret-file", "none"]).fails(1, "none");
    assert!(!place.store().exists());
}

#[test]
fn with_another_secret_only_address_tokens_differ_and_that_is_told() {
    let (from, same, other) = (Place::new(), Place::new(), Place::new());
    for place in [&from, &same] {
        place.write("key", SECRET);
    }
    from.write("in", visits());
    from.run(&["import", "in", "--secret-file", "key"]).success();
    let exported = from.run(&["events"]).success().out;
    same.write("in", &exported);
    let summary = same.run(&["import", "in", "--secret-file", "key"]).success().line();
    assert_eq!(summary["notes"], serde_json::json!({}));
    assert_eq!(events(&same), events(&from), "with the same secret nothing differs");

    other.write("in", &exported);
    let dry = other.run(&["import", "in", "--dry-run"]).success().line();
    let summary = other.run(&["import", "in"]).success().line();
    assert_eq!(summary["notes"], serde_json::json!({"foreignToken": 2}), "two lines had tokens");
    assert_eq!(dry["notes"], summary["notes"]);
    let masked = |place: &Place| {
        let mut events = events(place);
        for token in events.iter_mut().filter_map(|event| event.pointer_mut("/context/ipHash")) {
            assert!(token.as_str().unwrap().starts_with("iph1:"));
            *token = Value::Null;
        }
        events
    };
    assert_ne!(events(&other), events(&from));
    assert_eq!(masked(&other), masked(&from));
    fs::remove_file(other.path("in")).unwrap();
    other.write("in", &exported);
    let answer = other.run(&["--format", "table", "import", "in"]).success();
    assert!(answer.err.contains("address tokens of another secret, hashed again: 2"), "{answer:?}");
}
