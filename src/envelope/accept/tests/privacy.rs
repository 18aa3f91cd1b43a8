//! No address leaves `accept`.

use super::*;

/// Addresses of the documentation ranges, in every spelling that is looked for.
const CANARIES: [&str; 6] = [
    "203.0.113.77",
    "198.51.100.23:8080",
    "[2001:db8::dead:beef]:443",
    "2001:0DB8::CAFE",
    "::ffff:192.0.2.55",
    "fe80::c0de%eth0",
];
const TRACES: [&str; 10] = [
    "203.0.113",
    "198.51.100",
    "dead:beef",
    "2001:db8",
    "2001:0db8",
    "cafe",
    "192.0.2",
    "fe80",
    "c0de",
    "eth0",
];

const KEYS: [&str; 18] = [
    "ip",
    "$ip",
    "ipAddress",
    "ipv4",
    "ipv6",
    "clientIp",
    "userIp",
    "sourceIp",
    "requestIp",
    "remoteAddr",
    "remoteAddress",
    "remoteIp",
    "hostIp",
    "x-forwarded-for",
    "x-real-ip",
    "forwarded",
    "cf-connecting-ip",
    "True-Client_IP",
];

/// Ways to put a value below a key.
fn placements(key: &str, address: &str) -> Vec<String> {
    vec![
        format!(r#"{{"{key}":"{address}"}}"#),
        format!(r#"{{"{key}Hash":"{address}"}}"#),
        format!(r#"{{"{key}":["{address}",["{address}"]]}}"#),
        format!(r#"{{"{key}":{{"value":"{address}","ip":{{"x":"{address}"}}}}}}"#),
        format!(r#"{{"a":[{{"b":{{"{key}":"{address}, {address}"}}}}]}}"#),
        format!(r#"{{"traits":{{"{key}":"{address}"}},"traitsOnce":{{"{key}":" {address} "}}}}"#),
        format!(r#"{{"{key}":"{address}","{key}Hash":"{address}","{key}_":"{address}"}}"#),
        format!(r#"{{"{key}":"for={address};proto=http"}}"#),
    ]
}

fn assert_no_trace(text: &[u8], of: &str) {
    let text = String::from_utf8_lossy(text).to_ascii_lowercase();
    for trace in TRACES {
        assert!(!text.contains(trace), "{trace} of {of}");
    }
}

#[test]
fn no_address_is_in_what_was_accepted_or_in_its_debug_form() {
    let acceptor = acceptor();
    let mut scratch = acceptor.scratch();
    for key in KEYS {
        for address in CANARIES {
            for object in placements(key, address) {
                for event_type in ["order.placed", "identify"] {
                    let more = format!(r#","userId":"u","properties":{object},"context":{object}"#);
                    let line = typed_line(event_type, &more);
                    let accepted = acceptor.accept_json(line.as_bytes(), NOW, &mut scratch).unwrap();
                    assert_no_trace(accepted.body(), &line);
                    assert_no_trace(accepted.texts.as_str().as_bytes(), &line);
                    assert_no_trace(format!("{accepted:?}").as_bytes(), &line);
                    let envelope = Envelope::from_json(line.as_bytes()).unwrap();
                    assert_no_trace(format!("{envelope:?}").as_bytes(), &line);
                    assert_eq!(acceptor.accept(&envelope, NOW, &mut scratch).unwrap(), accepted, "{line}");
                }
            }
        }
    }
}

#[test]
fn no_address_is_in_an_error() {
    let acceptor = acceptor();
    let mut scratch = acceptor.scratch();
    for address in CANARIES {
        for object in placements("ip", address) {
            for more in [
                format!(r#","properties":{object},"context":7"#),
                format!(r#","properties":[{object}]"#),
                format!(r#","properties":{object},"properties":{object}"#),
                format!(r#","userId":"{address}\n","properties":{object}"#),
                format!(r#","properties":{{"b":{object},"ip":"{address}","ip":"{address}"}}"#),
                format!(r#","properties":{{"b":{object},"ip":"{address}\ud800"}}"#),
                format!(r#","properties":{{"ip":"{}"}}"#, format!("{address} ").repeat(6000)),
                format!(r#","properties":{{"ip":"{address}"#),
                format!(r#","properties":{{"ip":{address}}}"#),
                format!(r#","timestamp":"{address}""#),
            ] {
                let line = line(&more);
                let error = acceptor.accept_json(line.as_bytes(), NOW, &mut scratch).unwrap_err();
                assert_no_trace(error.to_string().as_bytes(), &line);
                assert_no_trace(format!("{error:?}").as_bytes(), &line);
                if let Err(error) = Envelope::from_json(line.as_bytes()) {
                    assert_no_trace(error.to_string().as_bytes(), &line);
                    assert_no_trace(format!("{error:?}").as_bytes(), &line);
                }
            }
        }
    }
}

#[test]
fn debug_shows_names_and_lengths_only() {
    let envelope = envelope()
        .user("canary-user")
        .anonymous("canary-device")
        .message_id("canary-message")
        .property("canary-key", "canary-value")
        .with_trait("email", "canary@example.com");
    let shown = format!("{envelope:?} {:?}", accept_envelope(&envelope).unwrap());
    assert!(!shown.contains("canary"), "{shown}");
    assert!(shown.contains("user_id: Some(<11 bytes>)"), "{shown}");
    assert!(shown.contains("properties: Some(<1 keys>)"), "{shown}");
}

#[test]
fn addresses_in_other_text_go_only_where_that_is_asked_for() {
    let line = line(r#","properties":{"url":"http://203.0.113.77/x","note":"by 2001:0DB8::CAFE."}"#);
    let asked = Acceptor::new(Limits::default(), AddressHasher::new(&secret(), &[], IpHashing::Keyed, true));
    let accepted = asked.accept_json(line.as_bytes(), NOW, &mut asked.scratch()).unwrap();
    assert_no_trace(accepted.body(), &line);
    let again = asked.accept(&accepted.to_envelope(), NOW, &mut asked.scratch()).unwrap();
    assert_eq!(again, accepted);
    assert!(json_of(accept_line(&line).unwrap().trees().properties).contains("203.0.113.77"));
}

#[test]
fn both_objects_use_the_projects_own_key() {
    let more = r#","properties":{"ip":"203.0.113.140"},"context":{"ip":"203.0.113.140"}"#;
    let here = accept_line(&line(more)).unwrap();
    // The token that Python computes for this secret and project.
    let expected = r#"{"ipHash":"iph1:8adc89f9:33fdbbdeee394847e191a120f03fabfe"}"#;
    assert_eq!(json_of(here.trees().properties), expected);
    assert_eq!(json_of(here.trees().context), expected);
    let there = accept_line(&line(more).replace(PROJECT, ORG)).unwrap();
    assert_ne!(there.body(), here.body());
}

#[test]
fn a_dropped_twin_of_an_address_is_noted() {
    let more = r#","properties":{"ip":"203.0.113.77","ipHash":"x"}"#;
    let accepted = accept_line(&line(more)).unwrap();
    assert_eq!(accepted.notes().iter().collect::<Vec<_>>(), [Note::DuplicateAddressKey]);
    assert!(accept_line(&line(r#","properties":{"ip":"203.0.113.77"}"#)).unwrap().notes().is_empty());
}

#[test]
fn a_token_of_another_secret_is_noted_for_its_envelope_alone() {
    let acceptor = acceptor();
    let mut scratch = acceptor.scratch();
    let mut noted = |more: &str| {
        let accepted = acceptor.accept_json(line(more).as_bytes(), NOW, &mut scratch).unwrap();
        accepted.notes().iter().collect::<Vec<_>>()
    };
    let foreign = "iph1:00000000:33fdbbdeee394847e191a120f03fabfe";
    for more in [
        format!(r#","context":{{"ipHash":"{foreign}"}}"#),
        format!(r#","context":{{"ip":["203.0.113.7","{foreign}"]}}"#),
        format!(r#","properties":{{"a":[{{"client_ip":"{foreign}"}}]}},"context":{{"ip":"203.0.113.7"}}"#),
    ] {
        assert_eq!(noted(&more), [Note::ForeignToken], "{more}");
        assert_eq!(noted(r#","context":{"ip":"203.0.113.7"}"#), [], "the next one is not to blame");
    }
    let elsewhere = format!(r#","properties":{{"note":"{foreign}"}}"#);
    assert_eq!(noted(&elsewhere), [], "where no address belongs it is a text like any other");
}
