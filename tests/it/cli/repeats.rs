//! `import` of lines whose message ids were stored before.

use super::{Place, envelope, read_lines};

fn line(id: usize, user: &str) -> String {
    envelope("page.viewed", "2024-03-01T00:00:00Z", user, &format!("\"messageId\":\"m_{id}\""))
}

#[test]
fn duplicates_are_counted_conflicts_are_rejected_and_with_dedupe_off_all_is_stored() {
    let place = Place::new();
    let mut text: String = (0..50).map(|id| line(id, "u_1")).collect();
    text.push_str(&line(7, "u_1"));
    text.push_str(&line(8, "u_2"));
    text.push_str(&line(50, "u_1"));
    let file = place.write("in.ndjson", &text);
    let import = ["import", file.to_str().unwrap()];
    let count = |place: &Place| place.run(&["count"]).success().line()["count"].as_u64().unwrap();

    let summary = place.run(&import).success().line();
    let counts =
        [("lines", 53), ("stored", 51), ("duplicates", 1), ("rejected", 1), ("conflicts", 1), ("blank", 0)];
    for (name, count) in counts {
        assert_eq!(summary[name], count, "{name} in {summary}");
    }
    assert_eq!(summary["notes"]["duplicate"], 1);
    assert_eq!(count(&place), 51);
    let rejects = read_lines(place.path("in.ndjson.rejects.ndjson"));
    assert_eq!((rejects.len(), rejects[0]["line"].as_u64()), (1, Some(52)));
    assert!(rejects[0]["reason"].as_str().unwrap().contains("other content"), "{}", rejects[0]);

    // The same file again stores nothing.
    let summary = place.run(&import).success().line();
    for (name, count) in [("lines", 53), ("stored", 0), ("duplicates", 52), ("rejected", 1), ("blank", 0)] {
        assert_eq!(summary[name], count, "{name} in {summary}");
    }
    assert_eq!(count(&place), 51);

    let summary = place.run(&[&import[..], &["--dedupe", "off"]].concat()).success().line();
    assert_eq!((&summary["stored"], summary.get("duplicates")), (&53.into(), None));
    assert_eq!(count(&place), 104);
}
