//! What stands on a terminal of 80 columns: no word is broken, and what matters most is whole.

use super::damage::several_segments;
use super::reading::on_a_terminal;
use super::{OTHER, Place, SHOP, envelope};
use crate::support::ignored;

const COLUMNS: usize = 80;

/// What a command writes to a terminal of 80 columns, none of its lines longer; nothing where no terminal can be had.
fn shown(test: &str, place: &Place, arguments: &[&str]) -> Option<String> {
    let Some(text) = on_a_terminal(place, COLUMNS, arguments) else {
        ignored(test, "no terminal");
        return None;
    };
    let data = text.lines().filter(|line| !line.starts_with("envelog: "));
    let widest = data.map(|line| line.trim_end().chars().count()).max().unwrap_or_default();
    assert!(widest <= COLUMNS, "{widest}: {text}");
    Some(text)
}

/// The cells of a table's rows, the headings first.
fn cells(table: &str) -> Vec<Vec<&str>> {
    let rows = table.lines().map(str::trim).filter(|line| line.starts_with("| "));
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

#[test]
fn segments_have_a_line_each() {
    let place = several_segments();
    let Some(table) = shown("segments_have_a_line_each", &place, &["stats", "--segments"]) else { return };
    let cells = cells(&table);
    assert_eq!(cells[0], ["segment", "events", "size", "sealed", "first (UTC)", "last (UTC)"]);
    let segments = place.run(&["stats", "--segments"]).success().lines();
    assert_eq!(cells.len(), segments.len() + 1, "{table}");
    for (cells, segment) in cells[1..].iter().zip(&segments) {
        assert_eq!(cells[0], segment["segment"].to_string());
        assert_eq!(cells[1].replace(',', ""), segment["events"].to_string());
        assert_eq!(cells[4], segment["first"].as_str().map_or("", |time| &time[..10]));
        for name in ["baseSeq", "bytes"] {
            assert!(segment[name].is_u64(), "programs have all: {segment}");
        }
    }
}

#[test]
fn profiles_have_a_line_each() {
    let place = Place::new();
    let traits = r#""context":{"traits":{"about":"one two three four five six seven eight","plan":"free"}}"#;
    let text: String = (0..3)
        .map(|n| envelope("identify", "2024-03-01T00:00:00Z", &format!("user_{n:06}"), traits))
        .collect();
    place.fill(&text);
    let Some(table) = shown("profiles_have_a_line_each", &place, &["profiles"]) else { return };
    let cells = cells(&table);
    assert_eq!(cells.len(), 4, "{table}");
    for (number, cells) in cells[1..].iter().enumerate() {
        assert_eq!((cells[0], cells[3]), (format!("user_{number:06}").as_str(), "identified"));
        assert!(cells[2].starts_with("{\"about\":\"one two"), "{table}");
    }
    let all = place.run(&["profiles", "--limit", "1"]).success().line();
    assert_eq!(all["traits"]["plan"], "free", "programs have all");
}

#[test]
fn properties_give_way_before_types_and_users_do() {
    let test = "properties_give_way_before_types_and_users_do";
    let place = Place::new();
    let properties = format!("\"properties\":{{\"amount\":4200,\"text\":\"{}\"}}", "x".repeat(200));
    for event_type in ["order.placed", "payment.succeeded", "wishlist.item_added"] {
        place.fill(&envelope(event_type, "2024-03-01T00:00:00Z", "user_001425", &properties));
    }
    for command in [&["events"][..], &["tail"], &["timeline", "user_001425", "--oldest"]] {
        let Some(table) = shown(test, &place, command) else { return };
        let cells = cells(&table);
        let types: Vec<&str> = cells[1..].iter().map(|cells| cells[1]).collect();
        assert_eq!(types, ["order.placed", "payment.succeeded", "wishlist.item_added"], "{table}");
        assert_eq!(cells[0][..3], ["time (UTC)", "event", "module"], "{table}");
        if command[0] == "timeline" {
            assert_eq!(cells[0][3..], ["properties"], "who it is was asked: {table}");
            assert!(cells.iter().skip(1).all(|cells| cells[3].starts_with("{\"amount\":4200")), "{table}");
        } else {
            assert!(cells.iter().skip(1).all(|cells| cells[3] == "user_001425"), "{table}");
        }
    }
    let Some(wide) = on_a_terminal(&place, 200, &["timeline", "user_001425"]) else { return };
    let heads = ["time (UTC)", "event", "module", "who", "properties"];
    assert_eq!(cells(&wide)[0], heads, "all have room: {wide}");
}

#[test]
fn a_followed_list_has_whole_types_and_users() {
    let place = Place::new();
    let rest = format!("\"properties\":{{\"text\":\"{}\"}}", "x".repeat(200));
    place.fill(&envelope("wishlist.item_added", "2024-03-01T00:00:00Z", "user_001425", &rest));
    // Standard input is at its end.
    let Some(table) = shown("a_followed_list_has_whole_types_and_users", &place, &["tail", "-f"]) else {
        return;
    };
    let row = ["2024-03-01 00:00:00", "wishlist.item_added", "analytics", "user_001425"];
    assert_eq!(cells(&table)[1], row, "{table}");
}

/// What stands in a column of a table whose rows may have several lines each, one row after another: a row begins where
/// the column `key` has something.
fn joined(table: &str, key: usize, column: usize) -> Vec<String> {
    let mut rows: Vec<String> = Vec::new();
    for cells in cells(table).split_off(1) {
        match rows.last_mut().filter(|_| cells[key].is_empty()) {
            Some(row) => row.extend([" ", cells[column]]),
            None => rows.push(cells[column].to_owned()),
        }
    }
    rows.into_iter().map(|row| row.trim_end().to_owned()).collect()
}

#[test]
fn conflicts_have_whole_facts_and_the_words_of_their_rules() {
    let place = Place::new();
    let device = "0ead7dce-5cbb-4e0a-9b1c-7a53bc0b0d3f";
    for (number, user) in ["customer_000000000117", "customer_000000000118"].iter().enumerate() {
        let properties = format!(
            r#""messageId":"m_{number}","properties":{{"from":{{"id":"{device}","kind":"anonymous"}},"to":{{"id":"{user}","kind":"user"}}}}"#
        );
        place.fill(&envelope("identity.aliased", "2024-03-01T00:00:00Z", user, &properties));
    }
    let Some(table) =
        shown("conflicts_have_whole_facts_and_the_words_of_their_rules", &place, &["conflicts"])
    else {
        return;
    };
    let heads = &cells(&table)[0];
    assert_eq!(heads[..5], ["time (UTC)", "fact", "member", "user", "rule"], "{table}");
    assert_eq!(joined(&table, 0, 1), ["identity.aliased"], "{table}");
    assert_eq!(joined(&table, 0, 4), ["the member belongs to another user"], "{table}");
    assert_eq!(joined(&table, 0, 3)[0].replace(' ', ""), "customer_000000000118", "{table}");
    let fact = cells(&table);
    assert!(fact.len() < 9, "a rule is no column of single words: {table}");
}

#[test]
fn the_history_of_a_profile_has_whole_names_of_traits() {
    let place = Place::new();
    for (day, channel) in [(1, "paid_search_brand"), (2, "newsletter_spring")] {
        let traits = format!(r#""context":{{"traits":{{"acquisitionChannel":"{channel}"}}}}"#);
        place.fill(&envelope("identify", &format!("2024-03-0{day}T00:00:00Z"), "customer_000117", &traits));
    }
    let command = ["profile", "customer_000117", "--history"];
    let Some(table) = shown("the_history_of_a_profile_has_whole_names_of_traits", &place, &command) else {
        return;
    };
    assert_eq!(joined(&table, 0, 1), ["acquisitionChannel"; 2], "{table}");
    let after: Vec<String> = joined(&table, 0, 3).iter().map(|text| text.replace(' ', "")).collect();
    assert_eq!(after, ["\"paid_search_brand\"", "\"newsletter_spring\""], "{table}");
    let all = place.run(&command).success().lines();
    assert_eq!(all[0]["member"]["id"], "customer_000117", "programs have all");
}

#[test]
fn the_types_of_several_projects_are_whole_and_so_are_their_ids() {
    let test = "the_types_of_several_projects_are_whole_and_so_are_their_ids";
    let place = Place::new();
    let types = ["payment.retry_succeeded", "wishlist.item_added"];
    for event_type in types {
        let line = envelope(event_type, "2024-03-01T00:00:00Z", "u_1", "");
        place.fill(&(line.replace(SHOP, OTHER) + &line));
    }
    let Some(table) = shown(test, &place, &["stats", "--types"]) else { return };
    let rows: Vec<Vec<&str>> = cells(&table).split_off(1);
    let expected = [SHOP, OTHER].map(|project| types.map(|name| vec![project, name, "1"])).concat();
    assert!(expected.iter().all(|row| rows.contains(row)) && rows.len() == 4, "{table}");
    let all = place.run(&["stats", "--types"]).success().lines();
    assert_eq!(all[0]["first"], "2024-03-01T00:00:00Z", "programs have all");
    let Some(table) = shown(test, &place, &["stats", "--types", "--project", SHOP]) else { return };
    assert_eq!(cells(&table)[1], [types[0], "1", "2024-03-01", "2024-03-01"], "{table}");
}

#[test]
fn the_help_fits_the_terminal_and_its_examples_are_whole() {
    let test = "the_help_fits_the_terminal_and_its_examples_are_whole";
    let place = Place::new();
    for command in super::examples::commands() {
        let Some(narrow) = shown(test, &place, &[&command, "--help"]) else { return };
        let wide =
            super::Answer::of(super::tool().args([&command, "--help"]).output().unwrap()).success().out;
        assert!(wide.lines().any(|line| line.chars().count() > COLUMNS), "there is something to wrap");
        for example in wide.lines().filter(|line| line.starts_with("  envelog ")) {
            assert!(narrow.lines().any(|line| line.trim_end() == example), "{example} is not in {narrow}");
        }
    }
}

#[test]
fn figures_of_the_bench_have_whole_words() {
    let place = Place::new();
    let test = "figures_of_the_bench_have_whole_words";
    let Some(table) = shown(test, &place, &["bench", "--events", "100"]) else { return };
    let cells = cells(&table);
    assert_eq!(cells[0], ["what", "a call", "events/s", "p50 us", "p99 us", "bytes"], "{table}");
    for name in ["append, buffered", "append, synced", "newest 50 of a user", "count of a type", "log"] {
        assert!(cells.iter().any(|cells| cells[0] == name), "{name} has a line: {table}");
    }
}

#[test]
fn a_cut_row_is_as_long_as_its_column() {
    let place = Place::new();
    let text = format!("\"properties\":{{\"text\":\"a {}\"}}", "x".repeat(200));
    place.fill(&envelope("order.placed", "2024-03-01T00:00:00Z", "user_1", &text));
    let Some(table) = shown("a_cut_row_is_as_long_as_its_column", &place, &["timeline", "user_1"]) else {
        return;
    };
    assert!(cells(&table)[1][3].starts_with("{\"text\":\"a xxx"), "not at the blank: {table}");
}
