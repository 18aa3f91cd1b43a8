//! Addresses never get into a tree.

use uuid::Uuid;

use super::*;
use crate::envelope::address::{KeyClass, classify_key};

fn hasher(scrub_text: bool) -> ProjectHasher {
    AddressHasher::new(b"secret of the tests", &[], IpHashing::Keyed, scrub_text)
        .for_project(Uuid::from_u128(7))
}

fn token(text: &str) -> String {
    let mut token = String::new();
    hasher(false).token_text(text, &mut token);
    token
}

/// The JSON of the tree that the text becomes, and whether an address key was dropped.
fn scrub(text: &str) -> (String, bool) {
    let hasher = hasher(false);
    let mut builder = TreeBuilder::new(&wide());
    let mut writer = builder.begin("context", Some(&hasher));
    Reader::new(text.as_bytes()).unwrap().value_into(&mut writer).unwrap();
    let span = writer.finish().unwrap();
    let tree = builder.tree(span);
    check(tree).unwrap();
    (print(tree), builder.notes().address_key_dropped)
}

fn expect(text: &str, stored: &str) {
    let (once, _) = scrub(text);
    assert_eq!(once, stored, "{text}");
    assert_eq!(scrub(&once), (once, false), "again: {text}");
}

#[test]
fn values_below_address_keys_become_tokens() {
    let (t1, t2) = (token("203.0.113.7"), token("2001:db8::1"));
    assert_ne!(t1, t2);
    expect(r#"{"ip":"203.0.113.7"}"#, &format!(r#"{{"ipHash":"{t1}"}}"#));
    expect(
        r#"{"z":1,"X-Forwarded-For":"203.0.113.7,2001:db8::1","a":2}"#,
        &format!(r#"{{"X-Forwarded-ForHash":"{t1}, {t2}","a":2,"z":1}}"#),
    );
    expect(
        r#"{"a":[{"traits":{"remote_addr":"203.0.113.7"}}]}"#,
        &format!(r#"{{"a":[{{"traits":{{"remote_addrHash":"{t1}"}}}}]}}"#),
    );
    expect(r#"{"ip":null,"ipv4":""}"#, r#"{"ipHash":null,"ipv4Hash":""}"#);
}

#[test]
fn containers_below_address_keys_are_walked() {
    let [t7, tt, tn] = ["203.0.113.7", "true", "12.5"].map(token);
    expect(
        r#"{"ip":["203.0.113.7",null,"",true,1.25e1,{"note":"203.0.113.7","list":[["203.0.113.7"]],"ip":"203.0.113.7"}]}"#,
        &format!(
            r#"{{"ipHash":["{t7}",null,"","{tt}","{tn}",{{"ipHash":"{t7}","list":[["{t7}"]],"note":"{t7}"}}]}}"#
        ),
    );
    // What follows such a container is an ordinary value again.
    expect(
        r#"{"ip":{"x":["203.0.113.7"]},"name":"203.0.113.7"}"#,
        &format!(r#"{{"ipHash":{{"x":["{t7}"]}},"name":"203.0.113.7"}}"#),
    );
}

#[test]
fn a_token_is_kept_only_where_its_key_is_known() {
    let own = token("203.0.113.7");
    let foreign = format!("iph1:00000000:{}", "0".repeat(32));
    expect(&format!(r#"{{"ipHash":"{own}"}}"#), &format!(r#"{{"ipHash":"{own}"}}"#));
    expect(&format!(r#"{{"ipHash":"{foreign}"}}"#), &format!(r#"{{"ipHash":"{}"}}"#, token(&foreign)));
    expect(r#"{"ipHash":"203.0.113.7"}"#, &format!(r#"{{"ipHash":"{own}"}}"#));
}

#[test]
fn the_hash_of_the_raw_key_wins_in_either_order() {
    let (raw, other) = (token("203.0.113.7"), token("203.0.113.9"));
    for text in [
        format!(r#"{{"ip":"203.0.113.7","ipHash":"{other}"}}"#),
        format!(r#"{{"ipHash":"{other}","ip":"203.0.113.7"}}"#),
        r#"{"ipHash":["203.0.113.9",{"deep":[1,2,3]}],"ip":"203.0.113.7"}"#.to_owned(),
    ] {
        assert_eq!(scrub(&text), (format!(r#"{{"ipHash":"{raw}"}}"#), true), "{text}");
    }
    let (stored, dropped) =
        scrub(&format!(r#"{{"a":1,"ipHash":"{other}","b":{{}},"IP":"203.0.113.7","ip":"203.0.113.7"}}"#));
    assert_eq!(stored, format!(r#"{{"IPHash":"{raw}","a":1,"b":{{}},"ipHash":"{raw}"}}"#));
    assert!(dropped);
}

#[test]
fn a_raw_key_that_occurs_twice_is_refused() {
    let hasher = hasher(false);
    for text in [
        r#"{"ip":"203.0.113.7","ip":"203.0.113.7"}"#,
        r#"{"ip":"203.0.113.7","ipHash":"x","ip":"203.0.113.7"}"#,
    ] {
        let error = build_with(text, &wide(), Some(&hasher)).unwrap_err().to_string();
        assert_eq!(error, "properties.ip: key occurs twice");
    }
    let text = r#"{"ipHash":"x","ip":"203.0.113.7","ipHash":"x"}"#;
    let error = build_with(text, &wide(), Some(&hasher)).unwrap_err().to_string();
    assert_eq!(error, "properties.ipHash: key occurs twice");
}

#[test]
fn dropping_an_entry_keeps_a_large_object_whole() {
    for count in [16, 17, 18, 24, 25, 40] {
        let plain: Vec<_> = (0..count - 2).map(|index| format!("\"k{index:02}\":{index}")).collect();
        let text = format!(r#"{{{},"ipHash":"x","ip":"203.0.113.7"}}"#, plain.join(","));
        let (stored, dropped) = scrub(&text);
        let read: Json = serde_json::from_str(&stored).unwrap();
        assert!(dropped && read.as_object().unwrap().len() == count - 1, "{stored}");
    }
}

#[test]
fn what_is_stored_keeps_the_limits_so_that_it_is_accepted_again() {
    let hasher = hasher(false);
    let limits = Limits { key_bytes_max: 10, string_bytes_max: 100, ..Limits::default() };
    assert!(build_with(r#"{"____ip":"1"}"#, &limits, Some(&hasher)).is_ok());
    let error = build_with(r#"{"_____ip":"1"}"#, &limits, Some(&hasher)).unwrap_err().to_string();
    assert_eq!(error, "properties: has a key longer than 10 bytes");
    assert!(build_with(r#"{"ip":"1.1.1.1,1.1.1.1"}"#, &limits, Some(&hasher)).is_ok());
    let error =
        build_with(r#"{"ip":"1.1.1.1,1.1.1.1,1.1.1.1"}"#, &limits, Some(&hasher)).unwrap_err().to_string();
    assert_eq!(error, "properties.ip: is longer than 100 bytes once its addresses are hashed");
}

#[test]
fn addresses_in_other_text_are_found_where_asked_for() {
    let text = r#"{"url":"http://203.0.113.7/x","n":"plain"}"#;
    let kept = build_with(text, &wide(), Some(&hasher(false))).unwrap();
    assert!(print(&kept).contains("203.0.113.7"));
    let scrubbed = build_with(text, &wide(), Some(&hasher(true))).unwrap();
    assert!(!print(&scrubbed).contains("203.0.113.7"));
    assert_eq!(build_with(&print(&scrubbed), &wide(), Some(&hasher(true))).unwrap(), scrubbed);
}

#[test]
fn scrubbing_is_deterministic_and_once_is_enough() {
    let key =
        prop::sample::select(vec!["ip", "ipHash", "IP", "clientIp", "clientIpHash", "a", "b", "x-real-ip"]);
    let value = prop_oneof![
        Just(Json::Null),
        Just(Json::from("")),
        Just(Json::from("203.0.113.7")),
        Just(Json::from("203.0.113.7, 203.0.113.8")),
        Just(Json::from(5)),
        Just(Json::from(token("203.0.113.9"))),
    ];
    let tree = value.prop_recursive(4, 40, 6, move |inner| {
        let entries = prop::collection::btree_map(key.clone(), inner.clone(), 0..6);
        prop_oneof![
            prop::collection::vec(inner, 0..3).prop_map(Json::Array),
            entries.prop_map(|entries| entries
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect()),
        ]
    });
    property(2_000, &(tree, any::<u64>()), |(json, seed)| {
        let mut other = String::new();
        scramble(&json, seed, &mut other);
        let (once, dropped) = scrub(&json.to_string());
        prop_assert_eq!(scrub(&other), (once.clone(), dropped));
        prop_assert_eq!(scrub(&once), (once.clone(), false));
        prop_assert!(!has_address_below_key(&serde_json::from_str(&once).unwrap(), false), "{}", once);
        Ok(())
    });
}

/// Tells whether an address stands below an address key, or such a key was not renamed.
fn has_address_below_key(json: &Json, below: bool) -> bool {
    match json {
        Json::Object(map) => map.iter().any(|(key, value)| match classify_key(key) {
            KeyClass::Plain => has_address_below_key(value, below),
            KeyClass::Token => has_address_below_key(value, true),
            KeyClass::Address => true,
        }),
        Json::Array(list) => list.iter().any(|value| has_address_below_key(value, below)),
        Json::String(text) => below && text.contains("203.0.113"),
        Json::Number(_) | Json::Bool(_) => below,
        Json::Null => false,
    }
}
