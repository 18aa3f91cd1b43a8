//! Persons through the tool: acts of identity, what explains them, and profiles of the past.

use serde_json::{Value, json};

use super::{Answer, ORG, OTHER, Place, SHOP, envelope};

/// A tablet that two people use, and somebody's history of plans.
fn tablet() -> String {
    let mut text = String::new();
    let mut add = |event_type, time, user, rest| text.push_str(&envelope(event_type, time, user, rest));
    add("page.viewed", "2024-01-01T00:00:00Z", "", r#""anonymousId":"tablet""#);
    add(
        "identify",
        "2024-01-01T01:00:00Z",
        "ben",
        r#""anonymousId":"tablet","context":{"traits":{"plan":"free"}}"#,
    );
    add(
        "identify",
        "2024-01-01T02:00:00Z",
        "cleo",
        r#""anonymousId":"tablet","messageId":"m_1","context":{"traits":{}}"#,
    );
    add("page.viewed", "2024-01-01T03:00:00Z", "", r#""anonymousId":"tablet""#);
    add("shop.opened", "2024-01-01T04:00:00Z", "", "");
    add("identify", "2024-01-09T00:00:00Z", "ben", r#""context":{"traits":{"plan":"pro","seats":4}}"#);
    text.replace("\"userId\":\"\",", "").replace(",\"userId\":\"\"}", "}")
}

fn with_tablet() -> Place {
    let place = Place::new();
    place.fill(&tablet());
    place
}

/// The events of the store.
fn count(place: &Place) -> Value {
    place.run(&["count"]).success().line()["count"].clone()
}

const BOTH: &[&str] = &["--org", ORG, "--project", SHOP];

#[test]
fn a_new_project_needs_its_organisation_and_nothing_is_made_without() {
    let place = Place::new();
    place.run(&["sign-up", "anna"]).fails(1, "no store found");
    place.run(&["sign-up", "anna", "--org", ORG]).fails(1, "no store found");
    place.run(&["sign-up", "anna", "--project", SHOP]).fails(1, "no store found");
    assert!(!place.store().exists());

    // What cannot succeed without a store makes none.
    place.run(&[&["unlink", "--anonymous", "d_1", "anna"], BOTH].concat()).fails(1, "no store found");
    place.run(&[&["conflicts"], &BOTH[2..]].concat()).fails(1, "no store found");
    assert!(!place.store().exists());

    let answer = place.run(&[&["sign-up", "anna"], BOTH].concat()).success();
    assert_eq!(answer.out, "{\"position\":\"1.1\",\"notes\":[]}\n");
    let other = Place::new();
    other.run(&[&["alias", "--anonymous", "d_1", "anna"], BOTH].concat()).success();
    place.run(&["sign-up", "ben"]).success();
    place
        .run(&["sign-up", "ben", "--project", OTHER])
        .fails(1, "the store has no such project; --org UUID begins it");
    place.run(&["sign-up", "cleo", "--org", OTHER]).fails(1, "another organisation");
    place.run(&["sign-up", "ben", "--org", ORG, "--project", OTHER]).success();
    place.run(&["sign-up", "cleo"]).fails(2, "name one of the projects with --project UUID");
    place.run(&["sign-up", "cleo", "--project", OTHER]).success();
    let projects = place.run(&["stats"]).success().line()["projectIds"].clone();
    assert_eq!(projects, json!([SHOP, OTHER]));
}

#[test]
fn a_sign_up_sets_traits_and_its_repeat_stores_nothing() {
    let place = Place::new();
    let traits =
        ["--trait", "plan=pro", "--trait", "seats=5", "--trait", "zip=\"012\"", "--trait", "ip=192.0.2.7"];
    let sign_up = [&["sign-up", "anna", "--message-id", "m_1"][..], &traits, BOTH].concat();
    let first = place.run(&sign_up).success().line();
    let again = place.run(&sign_up).success().line();
    assert_eq!((&again["position"], &again["notes"]), (&first["position"], &json!(["duplicate"])));
    assert_eq!(count(&place), 1);

    let profile = place.run(&["profile", "anna"]).success().line();
    assert_eq!(profile["state"], "identified");
    let traits = &profile["traits"];
    assert_eq!(
        (&traits["plan"], &traits["seats"], &traits["zip"]),
        (&json!("pro"), &json!(5), &json!("012"))
    );
    assert!(traits["ipHash"].as_str().unwrap().starts_with("iph1:"), "{traits}");
    for (path, content, _) in super::fingerprint(&place.store()) {
        assert!(!content.windows(9).any(|bytes| bytes == b"192.0.2.7"), "{}", path.display());
    }
}

#[test]
fn an_act_that_breaks_a_rule_ends_with_1_and_stores_nothing() {
    let place = with_tablet();
    place.run(&["alias", "--user", "visitor", "ben"]).success();
    let before = count(&place);
    for (act, rule) in [
        (&["sign-up", "ben"][..], "the user is identified already; nothing was stored"),
        (&["alias", "--user", "cleo", "ben"], "an identified user cannot be merged into another one"),
        (&["alias", "--anonymous", "tablet", "cleo"], "the member belongs to another user"),
        (&["alias", "--user", "visitor", "cleo"], "the member belongs to another user"),
        (&["unlink", "--device", "tablet", "cleo"], "the member does not belong to this user directly"),
        (&["sign-up", "null"], "userId: is a word that stands for no id"),
    ] {
        for format in ["auto", "table", "json"] {
            place.run(&[act, &["--format", format]].concat()).fails(1, rule);
        }
    }
    for wrong in [
        &["alias", "ben"][..],
        &["alias", "--user", "a", "--anonymous", "b", "ben"],
        &["unlink", "--user", "a"],
        &["sign-up"],
        &["sign-up", "a", "--trait", "plan"],
        &["sign-up", "a", "--org", "x"],
    ] {
        assert_eq!(place.run(wrong).code, Some(2), "{wrong:?}");
    }
    assert_eq!(count(&place), before);
}

#[test]
fn an_alias_joins_and_an_unlink_gives_back() {
    let place = with_tablet();
    let events = |id: &str| place.run(&["timeline", id]).success().lines().len();
    place.fill(&envelope("page.viewed", "2024-01-05T00:00:00Z", "visitor", ""));
    assert_eq!((events("ben"), events("visitor")), (3, 1));
    let acts =
        [(&["alias", "--user", "visitor", "ben"][..], 5), (&["unlink", "--user", "visitor", "ben"], 4)];
    for (act, of_ben) in acts {
        let table = place.run(&[act, &["--format", "table"]].concat()).success();
        assert!(table.out.contains("| position | notes |"), "{table:?}");
        assert_eq!(events("ben"), of_ben + 1 - usize::from(act[0] == "alias"), "{act:?}");
    }
    assert_eq!(events("visitor"), 1);
    for act in ["alias", "unlink"] {
        let act = [act, "--user", "visitor", "ben", "--message-id", act];
        assert_eq!(place.run(&act).success().line()["notes"], json!([]), "{act:?}");
        assert_eq!(place.run(&act).success().line()["notes"], json!(["duplicate"]), "{act:?}");
    }
}

#[test]
fn an_event_is_explained_by_its_position_or_its_seq() {
    let place = with_tablet();
    let explain = |place_of: &str| place.run(&["explain", place_of]).success();
    let tablet = json!({"kind": "anonymous", "id": "tablet"});
    let ben = json!({"kind": "user", "id": "ben"});
    let first = explain("1.1").line();
    assert_eq!(first, explain("1").line());
    assert_eq!((&first["position"], &first["person"], &first["member"]), (&json!("1.1"), &ben, &tablet));
    let reasons = first["reasons"].as_array().unwrap();
    assert_eq!((reasons.len(), &reasons[0]["reason"]), (2, &json!("hasAnonymousId")));
    assert_eq!(
        reasons[1],
        json!({
            "reason": "joined", "member": tablet, "user": ben, "eventType": "identify",
            "timestamp": "2024-01-01T01:00:00Z",
            "text": "anonymous tablet was joined to user ben by identify of 2024-01-01T01:00:00Z",
        })
    );
    let shared = explain("4").line();
    assert_eq!((&shared["person"], &shared["member"]), (&tablet, &tablet));
    let reason = &shared["reasons"][1];
    assert_eq!((&reason["reason"], &reason["from"]), (&json!("shared"), &json!("2024-01-01T02:00:00Z")));
    assert_eq!(reason.get("to"), None);

    let table = place.run(&["explain", "1", "--format", "table"]).success().out;
    for part in [
        "| is of     | user ben",
        "| came by   | anonymous tablet",
        "| because   | the event has the anonymousId",
    ] {
        assert!(table.contains(part), "{part} is not in {table}");
    }
    for (nowhere, told) in [
        ("1.999", "envelog: no event of the project stands there\n"),
        ("999", "envelog: no event of the project stands there\n"),
        ("7.1", "envelog: no event of the project stands there\n"),
        ("5", "envelog: the event has neither a userId nor an anonymousId, and is nobody's\n"),
    ] {
        let answer = explain(nowhere);
        assert_eq!((answer.out.as_str(), answer.err.as_str()), ("", told), "{nowhere}");
        let json = place.run(&["explain", nowhere, "--format", "json"]).success();
        assert_eq!((json.out.as_str(), json.err.as_str()), ("[]\n", told), "{nowhere}");
    }
    for wrong in ["x", "1.", ".1", "1.2.3", "-1"] {
        assert_eq!(place.run(&["explain", wrong]).code, Some(2), "{wrong}");
    }
}

#[test]
fn a_seq_where_no_event_of_the_project_stands_explains_nothing() {
    let place = Place::new();
    // Each import leaves frames that are no events.
    for project in [SHOP, OTHER, SHOP, OTHER, SHOP] {
        place.fill(&envelope("page.viewed", "2024-01-01T00:00:00Z", "ben", "").replace(SHOP, project));
    }
    let of = |project| -> Vec<u64> {
        let events = place.run(&["events", "--project", project]).success().lines();
        events.iter().map(|event| event["seq"].as_u64().unwrap()).collect()
    };
    let (own, others) = (of(SHOP), of(OTHER));
    let last = own[2];
    assert!(others[1] < last && (1..last).any(|seq| !own.contains(&seq) && !others.contains(&seq)));
    for seq in 1..=last {
        let explain = |place_of: &str| {
            place.run(&["explain", place_of, "--project", SHOP, "--format", "ndjson"]).success()
        };
        for place_of in [seq.to_string(), format!("1.{seq}")] {
            let answer = explain(&place_of);
            if own.contains(&seq) && !place_of.contains('.') {
                let position = answer.line()["position"].as_str().unwrap().to_owned();
                assert!(position.ends_with(&format!(".{seq}")), "{position}");
            } else if !own.contains(&seq) {
                let told = "envelog: no event of the project stands there\n";
                assert_eq!((answer.out.as_str(), answer.err.as_str()), ("", told), "{place_of}");
            }
        }
    }
}

#[test]
fn the_end_of_the_time_in_which_a_device_was_shared_is_told() {
    let place = with_tablet();
    place.run(&["unlink", "--device", "tablet", "ben"]).success();
    let events = place.run(&["events"]).success().lines();
    let unlinked = events.iter().find(|event| event["eventType"] == "identity.unlinked").unwrap();
    let end = unlinked["timestamp"].as_str().unwrap();
    let reason = &place.run(&["explain", "4"]).success().line()["reasons"][1];
    assert_eq!((&reason["reason"], &reason["from"]), (&json!("shared"), &json!("2024-01-01T02:00:00Z")));
    assert_eq!(reason["to"], end);
    let table = place.run(&["explain", "4", "--format", "table"]).success().out;
    let times = format!("2024-01-01T02:00:00Z to {end}");
    assert!(table.contains(&times) && reason["text"].as_str().unwrap().contains(&times), "{table}");
}

#[test]
fn a_limit_lists_so_many_profiles_and_no_more() {
    let place = with_tablet();
    for user in ["dora", "eve", "fay"] {
        place.run(&["sign-up", user]).success();
    }
    let all = place.run(&["profiles"]).success().lines();
    assert_eq!(all.len(), 5);
    for limit in 0..=6 {
        for state in [&[][..], &["--state", "identified"]] {
            let limit_text = limit.to_string();
            let limited =
                place.run(&[&["profiles", "--limit", &limit_text], state].concat()).success().lines();
            assert_eq!(limited, all[..limit.min(5)], "{limit} {state:?}");
        }
    }
}

#[test]
fn conflicts_are_listed_with_their_rules() {
    let place = with_tablet();
    let run = |format: &str| place.run(&["conflicts", "--format", format]).success();
    let conflict = json!({
        "timestamp": "2024-01-01T02:00:00Z",
        "eventType": "identify",
        "member": {"kind": "anonymous", "id": "tablet"},
        "userId": "cleo",
        "rule": "boundToAnother",
        "messageId": "m_1",
    });
    assert_eq!(run("ndjson").line(), conflict);
    assert_eq!(serde_json::from_str::<Value>(&run("json").out).unwrap(), json!([conflict]));
    assert!(run("csv").out.starts_with("timestamp,eventType,member,userId,rule,messageId\n"));
    for format in ["table", "markdown"] {
        let out = run(format).out;
        assert!(
            out.contains("the member belongs to another user") && out.contains("anonymous tablet"),
            "{out}"
        );
    }

    let place = Place::new();
    place.fill(&super::small_shop());
    for (format, out, err) in [
        ("ndjson", "", ""),
        ("json", "[]\n", ""),
        ("table", "", "envelog: every fact of identity has an effect\n"),
    ] {
        let Answer { out: shown, err: told, .. } = place.run(&["conflicts", "--format", format]).success();
        assert_eq!((shown.as_str(), told.as_str()), (out, err), "{format}");
    }
}

#[test]
fn a_profile_is_shown_as_it_was() {
    let place = with_tablet();
    let at = |time: &str| place.run(&["profile", "ben", "--at", time]).success();
    let then = at("2024-01-05").line();
    assert_eq!((&then["traits"], &then["state"]), (&json!({"plan": "free"}), &json!("identified")));
    assert_eq!(then.get("events"), None, "they are counted up to now");
    assert_eq!(at("2024-01-01T00:59:59Z").out, "");
    assert!(at("2024-01-01").err.contains("nothing had identified this id then"));
    for now in ["now", "0s"] {
        assert_eq!(at(now).line()["traits"], json!({"plan": "pro", "seats": 4}));
    }
    let nobody = place.run(&["profile", "nobody", "--at", "now"]).success();
    assert_eq!((nobody.out.as_str(), nobody.err.as_str()), ("", "envelog: nobody has this userId\n"));
    assert_eq!(place.run(&["profile", "ben", "--at", "now", "--history"]).code, Some(2));
    assert_eq!(place.run(&["profile", "ben", "--at", "yesterday"]).code, Some(2));
}

#[test]
fn a_history_has_each_change_of_a_trait() {
    let place = with_tablet();
    let history = place.run(&["profile", "ben", "--history"]).success().lines();
    let ben = json!({"kind": "user", "id": "ben"});
    assert_eq!(
        history,
        [
            json!({"timestamp": "2024-01-01T01:00:00Z", "trait": "plan", "after": "free", "member": ben, "position": "1.2"}),
            json!({"timestamp": "2024-01-09T00:00:00Z", "trait": "plan", "before": "free", "after": "pro", "member": ben,
                   "position": "1.6"}),
            json!({"timestamp": "2024-01-09T00:00:00Z", "trait": "seats", "after": 4, "member": ben, "position": "1.6"}),
        ]
    );
    let table = place.run(&["profile", "ben", "--history", "--format", "table"]).success().out;
    assert!(table.contains("| \"free\" | \"pro\"  |"), "{table}");
    let none = place.run(&["profile", "nobody", "--history", "--format", "json"]).success();
    assert_eq!((none.out.as_str(), none.err.as_str()), ("[]\n", "envelog: nobody has this userId\n"));
}

#[test]
fn profiles_name_all_ids_of_a_person() {
    let place = with_tablet();
    place.run(&["alias", "--user", "visitor", "ben"]).success();
    let members = json!([
        {"kind": "user", "id": "ben"},
        {"kind": "user", "id": "visitor"},
        {"kind": "anonymous", "id": "tablet"},
    ]);
    for id in ["ben", "visitor"] {
        let profile = place.run(&["profile", id]).success().line();
        assert_eq!((&profile["userId"], &profile["members"]), (&json!("ben"), &members), "{id}");
    }
    let all = place.run(&["profiles"]).success().lines();
    assert_eq!(all.iter().map(|each| &each["userId"]).collect::<Vec<_>>(), ["ben", "cleo"]);
    assert_eq!((&all[0]["members"], all[1]["members"].as_array().unwrap().len()), (&members, 1));
    let table = place.run(&["profile", "ben", "--format", "table"]).success().out;
    assert!(table.contains("ids: user ben, user visitor, anonymous tablet\n"), "{table}");
    let table = place.run(&["profile", "cleo", "--format", "table"]).success().out;
    assert!(!table.contains("ids:"), "{table}");
    // A device may be named either way.
    for name in ["--device", "--anonymous"] {
        let answer = place.run(&["profile", "tablet", name]).success();
        assert!(answer.err.contains("there is no profile"), "{answer:?}");
    }
}

#[test]
fn the_summary_of_an_import_counts_facts_without_effect() {
    let place = Place::new();
    let summary = place.run_with_input(&["import", "-"], tablet().as_bytes()).success().line();
    assert_eq!(summary["notes"]["identityConflict"], 1, "{summary}");
}
