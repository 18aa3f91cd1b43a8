//! Accepting what was accepted changes nothing.

use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};

use super::*;
use crate::envelope::fact::same_body;

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-z]{1,6}",
        1 => "\\PC{0,8}",
        2 => prop::sample::select(vec![
            "ip", "ipHash", "$ip", "IP", "ip_hash", "x-forwarded-for", "X-Forwarded-ForHash", "traits", "traitsOnce", "from",
            "member", "kind", "id", "clientIp", "client_ip", "clientIpHash",
        ]).prop_map(str::to_owned),
    ]
}

fn scalar() -> impl Strategy<Value = Json> {
    prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        (-1000_i32..1000).prop_map(|number| Json::from(f64::from(number) / 8.0)),
        "\\PC{0,12}".prop_map(Json::from),
        any::<u32>().prop_map(|bits| Json::from(std::net::Ipv4Addr::from(bits).to_string())),
        "[0-9., :]{0,20}".prop_map(Json::from),
        prop::sample::select(vec![
            "",
            " ",
            ",",
            "user",
            "anonymous",
            "iph1:8adc89f9:33fdbbdeee394847e191a120f03fabfe",
            "iph1:00000000:33fdbbdeee394847e191a120f03fabfe",
            "iph1:8adc89f9:33fdbbdeee394847e191a120f03fabfe, 203.0.113.9",
        ])
        .prop_map(Json::from),
    ]
}

fn object() -> impl Strategy<Value = Json> {
    let value = scalar().prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Json::from),
            prop::collection::vec((key(), inner), 0..5)
                .prop_map(|entries| Json::Object(entries.into_iter().collect())),
        ]
    });
    prop::collection::vec((key(), value), 0..6)
        .prop_map(|entries| Json::Object(entries.into_iter().collect()))
}

prop_compose! {
    fn any_line()(
        event_type in prop::sample::select(vec![
            "order.placed", "identify", "identity.aliased", "identity.unlinked", "identity.signed_up", "Odd One",
        ]),
        user in prop::option::of("[a-z]{1,5}|null|0"),
        anonymous in prop::option::of("[a-z]{1,5}"),
        message in prop::option::of("[ -~]{0,3}[a-z]"),
        properties in prop::option::of(object()),
        context in prop::option::of(object()),
        seconds in 0_i64..1_710_000_000,
        nanos in 0_i64..1_000_000_000,
    ) -> String {
        let mut fields = Map::new();
        let mut set = |name: &str, value: Json| fields.insert(name.to_owned(), value);
        let mut timestamp = Vec::new();
        time::write_rfc3339(Nanos::new(seconds * 1_000_000_000 + nanos), &mut timestamp);
        set("orgId", json!(ORG));
        set("projectId", json!(PROJECT));
        set("module", json!("m"));
        set("eventType", json!(event_type));
        set("timestamp", json!(String::from_utf8(timestamp).unwrap()));
        set("userId", json!(user));
        set("anonymousId", json!(anonymous));
        set("messageId", json!(message));
        set("properties", json!(properties));
        set("context", json!(context));
        Json::Object(fields).to_string()
    }
}

/// What an independent implementation makes of the addresses: they and their names are gone.
fn without_addresses(value: &Json) -> Json {
    match value {
        Json::Array(elements) => elements.iter().map(without_addresses).collect(),
        Json::Object(entries) => entries
            .iter()
            .filter(|(key, _)| {
                let folded = key.to_lowercase().replace(['_', '-', '$'], "");
                let folded = folded.strip_suffix("hash").unwrap_or(&folded);
                !["ip", "xforwardedfor", "clientip"].contains(&folded)
            })
            .map(|(key, value)| (key.clone(), without_addresses(value)))
            .collect::<Map<_, _>>()
            .into(),
        scalar => scalar.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn accept_is_idempotent(line in any_line(), scrub_text: bool) {
        let hasher = AddressHasher::new(&secret(), &[], IpHashing::Keyed, scrub_text);
        let acceptor = Acceptor::new(Limits::default(), hasher);
        let mut scratch = acceptor.scratch();
        if let Ok(once) = acceptor.accept_json(line.as_bytes(), NOW, &mut scratch) {
            codec::check(once.body()).unwrap();
            let envelope = once.to_envelope();
            let mut twice = acceptor.accept(&envelope, NOW, &mut scratch).unwrap();
            // That a hash was dropped is said once only.
            twice.notes = once.notes;
            prop_assert_eq!(&twice, &once);
            let mut thrice = acceptor.accept_json(envelope.to_json().as_bytes(), NOW, &mut scratch).unwrap();
            thrice.notes = once.notes;
            prop_assert_eq!(&thrice, &once);
        }
    }

    #[test]
    fn both_ways_in_are_one(line in any_line()) {
        let acceptor = acceptor();
        let mut scratch = acceptor.scratch();
        let by_line = acceptor.accept_json(line.as_bytes(), NOW, &mut scratch);
        let envelope = Envelope::from_json(line.as_bytes()).unwrap();
        match (by_line, acceptor.accept(&envelope, NOW, &mut scratch)) {
            (Ok(by_line), Ok(by_envelope)) => prop_assert_eq!(by_line, by_envelope),
            (Err(by_line), Err(by_envelope)) => prop_assert_eq!(by_line.to_string(), by_envelope.to_string()),
            (by_line, by_envelope) => prop_assert!(false, "{:?} {:?}", by_line, by_envelope),
        }
        let again = Envelope::from_json(envelope.to_json().as_bytes()).unwrap();
        prop_assert_eq!(again, envelope);
    }

    #[test]
    fn what_comes_out_is_what_went_in_addresses_aside(line in any_line()) {
        if let Ok(accepted) = accept_line(&line) {
            let went_in: Json = serde_json::from_str(&line).unwrap();
            let out: Json = serde_json::from_str(&accepted.to_envelope().to_json()).unwrap();
            for field in ["orgId", "projectId", "module", "eventType", "timestamp", "userId", "anonymousId", "messageId", "properties", "context"] {
                let (expected, got) = (went_in.get(field).unwrap_or(&Json::Null), out.get(field).unwrap_or(&Json::Null));
                // serde_json tells 1.0 from 1; the store does not.
                let by_value = |value: &Json| without_addresses(value).to_string().replace(".0,", ",").replace(".0}", "}").replace(".0]", "]");
                prop_assert_eq!(by_value(expected), by_value(got), "{}", field);
            }
        }
    }

    #[test]
    fn a_rotated_key_changes_neither_the_fact_nor_the_content(line in any_line()) {
        let old = acceptor();
        let retired = KeyId::of_secret(&secret());
        let new = Acceptor::new(Limits::default(), AddressHasher::new(b"another", &[retired], IpHashing::Keyed, false));
        if let Ok(before) = old.accept_json(line.as_bytes(), NOW, &mut old.scratch()) {
            let after = new.accept_json(line.as_bytes(), NOW, &mut new.scratch()).unwrap();
            prop_assert_eq!(before.fact_digest(), after.fact_digest());
            prop_assert!(same_body(before.body(), after.body()));
            // What the old key made is kept as it is.
            let kept = new.accept(&before.to_envelope(), NOW, &mut new.scratch()).unwrap();
            prop_assert_eq!(kept.body(), before.body());
        }
    }

    #[test]
    fn no_bytes_make_it_panic(mut bytes in any_line().prop_map(String::into_bytes), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4), cut: prop::sample::Index) {
        for (index, byte) in changes {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        bytes.truncate(cut.index(bytes.len() * 3).max(bytes.len() / 3));
        let acceptor = acceptor();
        let mut scratch = acceptor.scratch();
        if let Ok(accepted) = acceptor.accept_json(&bytes, NOW, &mut scratch) {
            codec::check(accepted.body()).unwrap();
        }
        let _ = Envelope::from_json(&bytes);
    }
}

#[test]
fn what_grows_by_hashing_over_a_limit_is_refused_at_once() {
    let addresses = vec!["203.0.113.9"; 3000].join(",");
    let list = accept_line(&line(&format!(r#","properties":{{"ip":"{addresses}"}}"#))).unwrap_err();
    assert!(list.to_string().starts_with("properties.ip"), "{list}");
    let key = format!("ip{}", "_".repeat(251));
    let name = accept_line(&line(&format!(r#","properties":{{"{key}":"203.0.113.9"}}"#))).unwrap_err();
    assert!(matches!(name, Error::Invalid { .. }), "{name}");
    let key = format!("ip{}", "_".repeat(250));
    accept_line(&line(&format!(r#","properties":{{"{key}":"203.0.113.9"}}"#))).unwrap();
}
