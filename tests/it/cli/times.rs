//! Times and paths as filters take them.

use std::time::{Duration, SystemTime};

use envelog::{DateTime, Utc};

use super::{Place, envelope};

fn ago(hours: u64) -> String {
    let time: DateTime<Utc> = (SystemTime::now() - Duration::from_secs(hours * 3_600)).into();
    time.to_rfc3339()
}

fn count(place: &Place, arguments: &[&str]) -> u64 {
    place.run(&[&["count"], arguments].concat()).success().line()["count"].as_u64().unwrap()
}

#[test]
fn a_length_of_time_reaches_so_far_back() {
    let place = Place::new();
    let text: String = [1, 30, 24 * 6, 24 * 8, 24 * 400]
        .map(|hours| envelope("page.viewed", &ago(hours), "u_1", ""))
        .concat();
    place.fill(&text);
    for (since, expected) in [("0s", 0), ("90m", 1), ("1d 12h", 2), ("7d", 3), ("2w", 4), ("100y", 5)] {
        assert_eq!(count(&place, &["--since", since]), expected, "{since}");
        assert_eq!(count(&place, &["--until", since]), 5 - expected, "{since}");
    }
    assert_eq!(count(&place, &["--since", "7d", "--until", "1d"]), 2);
    assert_eq!(count(&place, &["--until", "now"]), 5);
    for command in [&["export"][..], &["tail"], &["events"], &["timeline", "u_1"]] {
        let lines = place.run(&[command, &["--since", "7d"]].concat()).success().lines();
        assert_eq!(lines.len(), 3, "{command:?}");
    }
    for wrong in ["7", "tomorrow", "-7d", "7 elephants", "999999999999y"] {
        let answer = place.run(&["count", &format!("--since={wrong}")]);
        assert_eq!((answer.code, answer.out.as_str()), (Some(2), ""), "{wrong}");
    }
    place.run(&["count", "--since", "tomorrow"]).fails(2, "7d or '2h 30m' for so long ago");
}

#[test]
fn a_path_may_name_what_it_begins_in() {
    let place = Place::new();
    let rest = r#""properties":{"amount":5,"context":{"x":1},"page":{"url":"/"}},"context":{"locale":"de"}"#;
    place.fill(&envelope("order.placed", "2024-02-01T00:00:00Z", "u_1", rest));
    for (condition, expected) in [
        ("amount>=5", 1),
        ("properties.amount>=5", 1),
        ("properties.amount>=6", 0),
        ("properties.page.url=/", 1),
        ("properties.context.x=1", 1),
        ("properties.locale", 0),
    ] {
        assert_eq!(count(&place, &["--where", condition]), expected, "{condition}");
    }
    assert_eq!(place.run(&["sum", "properties.amount"]).success().line()["sum"], 5);
    assert_eq!(count(&place, &["--where", "context.locale=de"]), 1);
    place.run(&["sum", "context.x"]).fails(2, "cannot be added up");
    for wrong in ["properties=1", "context=1"] {
        place.run(&["count", "--where", wrong]).fails(2, "a name is missing");
    }
}
