//! `export`: the same envelopes out.

use std::fs;

use serde_json::Value;

use super::{Answer, OTHER, Place, SHOP, envelope, small_shop};

/// Two projects whose events were stored by turns.
fn two_projects() -> (Place, Vec<String>) {
    let place = Place::new();
    let shop = small_shop();
    let lines: Vec<String> =
        shop.lines().flat_map(|line| [line.to_owned(), line.replace(SHOP, OTHER)]).collect();
    place.fill(&(lines.join("\n") + "\n"));
    (place, lines)
}

fn values(lines: &[String]) -> Vec<Value> {
    lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_whole_store_comes_out_in_the_order_of_storing() {
    let (place, lines) = two_projects();
    let answer = place.run(&["export"]).success();
    assert_eq!(answer.lines(), values(&lines));
    assert_eq!(answer.err, "");
    let meta = place.run(&["export", "--meta"]).success().lines();
    for (number, (with_meta, without)) in meta.iter().zip(answer.lines()).enumerate() {
        assert_eq!(with_meta["seq"], number as u64 + 1);
        assert!(with_meta["receivedAt"].is_string());
        for (name, value) in without.as_object().unwrap() {
            assert_eq!(&with_meta[name], value);
        }
        assert_eq!(with_meta.as_object().unwrap().len(), without.as_object().unwrap().len() + 2);
    }
}

#[test]
fn one_project_comes_out_and_the_filters_hold() {
    let (place, lines) = two_projects();
    let export = |arguments: &[&str]| place.run(&[&["export"], arguments].concat()).success().lines();
    let of_shop: Vec<_> = values(&lines).into_iter().filter(|line| line["projectId"] == SHOP).collect();
    assert_eq!(export(&["--project", SHOP]), of_shop);
    for (arguments, expected) in [
        (&["--type", "order.placed"][..], 6),
        (&["--type-prefix", "product."], 4),
        (&["--module", "links"], 2),
        (&["--user", "u_1"], 8),
        (&["--device", "d_1"], 2),
        (&["--since", "2024-02-03", "--until", "2024-02-05"], 4),
        (&["--where", "properties.amount>=4200"], 2),
        (&["--where", "properties.amount>=4200", "--project", OTHER], 1),
        (&["--type", "never.happened"], 0),
    ] {
        assert_eq!(export(arguments).len(), expected, "{arguments:?}");
    }
    place.run(&["export", "--project", super::ORG]).fails(1, "no such project");
}

#[test]
fn an_export_goes_in_again_and_comes_out_the_same_byte_for_byte() {
    let (place, _) = two_projects();
    let rest = [
        r#""messageId":"m-1","properties":{"ip":"203.0.113.7","n":[0.1,1e300,-0.0,12345678901234567890,1.50]}"#,
        r#""context":{"ip":"2001:db8::1","page":{"title":"a \"b\" \u0001 \ud83d\ude00 杭州"},"z":null,"a":{}}"#,
        r#""anonymousId":"d_7","context":{"headers":{"x-forwarded-for":"198.51.100.1, 203.0.113.9"}}"#,
    ];
    place.fill(
        &rest
            .map(|rest| envelope("page.viewed", "2024-03-01T00:00:00.123456789+02:00", "u_1", rest))
            .concat(),
    );
    let exported = place.run(&["export"]).success().out;
    assert!(!exported.contains("203.0.113.7") && exported.contains("Hash\":\"iph1:"), "{exported}");

    let copy = Place::new();
    copy.fill("");
    fs::copy(place.store().join("SECRET"), copy.store().join("SECRET")).unwrap();
    copy.fill(&exported);
    assert_eq!(copy.run(&["export"]).success().out, exported);
    // The times and numbers of storing are given anew.
    let with_meta = place.run(&["export", "--meta"]).success().out;
    let third = Place::new();
    third.fill("");
    fs::copy(place.store().join("SECRET"), third.store().join("SECRET")).unwrap();
    third.fill(&with_meta);
    assert_eq!(third.run(&["export"]).success().out, exported);

    let stranger = Place::new();
    stranger.fill(&exported);
    assert_ne!(stranger.run(&["export"]).success().out, exported, "another secret gives other tokens");
}

fn names(place: &Place) -> Vec<String> {
    let entries = fs::read_dir(place.path("")).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "store")
        .collect();
    names.sort();
    names
}

#[test]
fn a_file_appears_when_it_is_complete_and_replaces_nothing_unasked() {
    let (place, _) = two_projects();
    let all = place.run(&["export"]).success().out;
    let run = |arguments: &[&str]| -> Answer { place.run(&[&["export"], arguments].concat()) };
    let answer = run(&["-o", "all.ndjson"]).success();
    assert_eq!((answer.out.as_str(), answer.err.as_str()), ("", "16 events are in all.ndjson\n"));
    assert_eq!(fs::read_to_string(place.path("all.ndjson")).unwrap(), all);

    run(&["-o", "all.ndjson", "--project", SHOP]).fails(1, "--force replaces it");
    assert_eq!(fs::read_to_string(place.path("all.ndjson")).unwrap(), all);
    run(&["-o", "all.ndjson", "--project", SHOP, "--force"]).success();
    assert_eq!(fs::read_to_string(place.path("all.ndjson")).unwrap().lines().count(), 8);

    fs::create_dir(place.path("directory")).unwrap();
    run(&["-o", "directory", "--force"]).fails(1, "no regular file");
    run(&["-o", "/dev/null", "--force"]).fails(1, "no regular file");
    run(&["-o", "missing/all.ndjson"]).fails(1, "missing/all.ndjson");
    run(&["-o", "store/all.ndjson"]).fails(1, "in the store's directory");
    run(&["--force"]).fails(2, "--output");
    assert_eq!(names(&place), ["all.ndjson", "directory"]);
}

#[test]
fn a_link_is_kept_and_what_it_leads_to_is_replaced() {
    let (place, _) = two_projects();
    fs::create_dir(place.path("directory")).unwrap();
    place.write("directory/real.ndjson", "old\n");
    std::os::unix::fs::symlink("directory/real.ndjson", place.path("link.ndjson")).unwrap();
    place.run(&["export", "-o", "link.ndjson", "--force"]).success();
    assert!(place.path("link.ndjson").is_symlink());
    assert_eq!(fs::read_to_string(place.path("directory/real.ndjson")).unwrap().lines().count(), 16);
    assert_eq!(fs::read_dir(place.path("directory")).unwrap().count(), 1);
}

#[test]
fn an_export_with_an_id_on_several_events_comes_out_the_same_after_an_import_that_looks_up_none() {
    let (place, other, short) = (Place::new(), Place::new(), Place::new());
    let with_id = |user| envelope("page.viewed", "2024-03-01T00:00:00Z", user, "\"messageId\":\"m_1\"");
    let file = place.write("in", [with_id("u_1"), with_id("u_2")].concat());
    place.run(&["import", file.to_str().unwrap(), "--dedupe", "off"]).success();
    let all = place.run(&["export"]).success().out;
    let export = place.write("export", &all);
    other.run(&["import", export.to_str().unwrap(), "--dedupe", "off"]).success();
    assert_eq!(other.run(&["export"]).success().out, all);
    short.run(&["import", export.to_str().unwrap()]).success();
    assert!(short.run(&["export"]).success().out.len() < all.len(), "one of them is a conflict");
}
