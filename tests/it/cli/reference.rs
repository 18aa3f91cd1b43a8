//! Real input: what the tool answers about the reference data, which are not part of this project.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::Place;
use crate::real_input::{reference, shop_lines};

/// Bytes of an address by which it is looked for first.
const BEGINNING: usize = 5;

/// An object of the second value of each line by its first.
fn by_key(lines: &[Value], key: &str, value: &str) -> Value {
    lines.iter().map(|line| (line[key].as_str().unwrap().to_owned(), line[value].clone())).collect()
}

#[test]
fn the_reference_answers_come_out_through_the_command_line() {
    let Some(expected) = reference("ecom.expected.json") else { return };
    let expected = std::fs::read(expected).unwrap();
    let expected: Value = serde_json::from_slice(&expected).unwrap();
    let place = Place::new();
    let input = reference("ecom.ndjson.gz").unwrap();
    let rejects = place.path("rejects");
    let arguments = ["import", input.to_str().unwrap(), "--rejects", rejects.to_str().unwrap()];
    let summary = place.run(&arguments).success().line();
    assert_eq!((&summary["stored"], &summary["rejected"]), (&expected["events"], &json!(0)));

    let lines = |arguments: &[&str]| place.run(arguments).success().lines();
    assert_eq!(lines(&["count"])[0]["count"], expected["events"]);
    assert_eq!(lines(&["count", "--users"])[0]["users"], expected["users"]);
    let counts = lines(&["count", "--by", "type"]);
    assert_eq!(by_key(&counts, "eventType", "count"), expected["count_by_type"]);
    let users = lines(&["count", "--by", "type", "--users"]);
    assert_eq!(by_key(&users, "eventType", "users"), expected["users_by_type"]);
    let sum = lines(&["sum", "amount", "--type", "order.placed"]);
    assert_eq!(sum[0]["sum"], expected["order_amount_sum"]);
    let months = lines(&["count", "--by", "month", "--type", "order.placed"]);
    assert_eq!(by_key(&months, "month", "count"), expected["orders_per_month"]);

    for (user, newest) in expected["timeline_newest_10"].as_object().unwrap() {
        let events = lines(&["timeline", user, "--limit", "10"]);
        let events: Value =
            events.iter().map(|event| json!([event["timestamp"], event["eventType"]])).collect();
        assert_eq!(events, *newest);
    }

    let profiles = lines(&["profiles"]);
    assert_eq!(profiles.len() as u64, expected["profiles"]);
    let profiles: BTreeMap<&str, &Value> =
        profiles.iter().map(|profile| (profile["userId"].as_str().unwrap(), &profile["traits"])).collect();
    for (user, traits) in expected["profiles_sample"].as_object().unwrap() {
        assert_eq!(profiles[user.as_str()], traits);
        assert_eq!(lines(&["profile", user])[0]["traits"], *traits);
    }
    let digest = Sha256::digest(serde_json::to_vec(&profiles).unwrap());
    let digest = digest.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    assert_eq!(digest, expected["profiles_sha256"]);
}

#[test]
fn no_address_of_the_reference_data_is_in_any_file_of_the_store() {
    let Some(lines) = shop_lines() else { return };
    let place = Place::new();
    let addresses: BTreeSet<String> = lines
        .iter()
        .filter_map(|line| {
            let event: Value = serde_json::from_str(line).unwrap();
            Some(event["context"]["ip"].as_str()?.to_owned())
        })
        .collect();
    assert!(addresses.len() > 100, "there are addresses to look for");
    // Its last line is broken, so that there is a rejects file as well.
    let broken = lines[2].replace("\"module\"", "\"modul\"");
    let text = lines[..5_000].join("\n") + "\n" + &broken;
    let answer = place.run_with_input(&["import", "-"], text.as_bytes()).success();
    assert_eq!(answer.line()["rejected"], 1);
    // The store is below the place, and so is the rejects file.
    let files = super::fingerprint(&place.path(""));
    assert!(files.iter().any(|(path, ..)| path.ends_with("rejects.ndjson")));
    assert!(files.iter().map(|(_, content, _)| content.len()).sum::<usize>() > 1_000_000);
    let mut by_beginning: HashMap<&[u8], Vec<&[u8]>> = HashMap::new();
    for address in &addresses {
        let address = address.as_bytes();
        by_beginning.entry(&address[..BEGINNING]).or_default().push(address);
    }
    for (path, content, _) in &files {
        for (at, beginning) in content.windows(BEGINNING).enumerate() {
            let Some(addresses) = by_beginning.get(beginning) else { continue };
            let is_there = addresses.iter().any(|address| content[at..].starts_with(address));
            assert!(!is_there, "{} has an address at {at}", path.display());
        }
    }
}
