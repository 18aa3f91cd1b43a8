//! `import` of lines whose message ids were stored before.

use super::{ORG, Place, envelope, read_lines};

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

/// What was stored and why which lines were not, with any batch.
#[test]
fn many_conflicts_are_told_line_by_line_and_what_is_stored_is_the_same_with_any_batch() {
    let text: String = (0..300)
        .map(|number| match number % 10 {
            // One id with two contents by turns, one with ever new ones, and lines of another organisation.
            0..=3 => line(1, if number % 2 == 0 { "u_1" } else { "u_2" }),
            4..=6 => line(2, &format!("u_{number}")),
            7 => line(number, "u_1").replace(ORG, "00000000-0000-4000-8000-0000000000a9"),
            _ => line(number, "u_1"),
        })
        .collect();
    let mut answers = Vec::new();
    for batch in ["1", "7", "1000"] {
        let place = Place::new();
        let file = place.write("in", &text);
        let summary = place.run(&["import", file.to_str().unwrap(), "--batch", batch]).success().line();
        for (name, count) in
            [("stored", 62), ("duplicates", 59), ("rejected", 179), ("conflicts", 149), ("lines", 300)]
        {
            assert_eq!(summary[name], count, "{name} with {batch}: {summary}");
        }
        let rejects = read_lines(place.path("in.rejects.ndjson"));
        let numbers: Vec<u64> = rejects.iter().map(|reject| reject["line"].as_u64().unwrap()).collect();
        assert!(numbers.is_sorted() && numbers.len() == 179, "{numbers:?}");
        answers.push((place.run(&["export"]).success().out, numbers));
        // Of a whole batch the first use is told as the file has it, and else as the store has.
        let of_second = rejects.iter().find(|reject| reject["line"] == 2).unwrap();
        let first = if batch == "1" { "at position 1.1; nothing was stored" } else { "in line 1" };
        let reason = format!("messageId was used before with other content, {first}");
        assert_eq!(of_second["reason"], reason, "with {batch}");
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]));
}
