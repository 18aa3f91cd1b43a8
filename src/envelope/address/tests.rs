use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

const PROJECT: Uuid = Uuid::from_u128(0x0a1b_2c3d_4e5f_4a6b_8c7d_9e0f_1a2b_3c4d);

fn secret() -> Vec<u8> {
    (0..32).collect()
}

fn keyed_hasher() -> ProjectHasher {
    AddressHasher::new(&secret(), &[], IpHashing::Keyed, false).for_project(PROJECT)
}

fn scrubbing_hasher() -> ProjectHasher {
    AddressHasher::new(&secret(), &[], IpHashing::Keyed, true).for_project(PROJECT)
}

fn token(hasher: &ProjectHasher, text: &str) -> String {
    let mut out = "left over".to_owned();
    hasher.token_text(text, &mut out);
    out
}

fn scrubbed(text: &str) -> String {
    let mut out = "left over".to_owned();
    if scrubbing_hasher().scrub_text(text, &mut out) { out } else { text.to_owned() }
}

// Made by Python's hmac, hashlib and ipaddress from the rule in the module's documentation.
const V4: &str = "iph1:8adc89f9:33fdbbdeee394847e191a120f03fabfe";
const V4_OTHER_PROJECT: &str = "iph1:8adc89f9:5563a21a4c4194380d99a4e92e5a99fd";
const V6: &str = "iph1:8adc89f9:8b3e1152f5a7f7ee0d3cd0fb52627bab";
const V6_LINK_LOCAL: &str = "iph1:8adc89f9:ab70daddd26177ae4b73401db8a78f1d";
const WORD: &str = "iph1:8adc89f9:881996b60b148aeb04f49452fb3f5ae3";
const FORWARDED: &str = "iph1:8adc89f9:7d755e740e2c5f5d14e1ce2ee1df9973";
const V4_LONG_SECRET: &str = "iph1:b42ad22e:f766937047022fa25d5f47c713df2f43";
const V4_PLAIN: &str = "iph1:unsalted:63e456fc357cb014cf8712fcd1958fa4";
const V6_PLAIN: &str = "iph1:unsalted:5afd19e856d1c18d17d600dfd2b5f534";
const WORD_PLAIN: &str = "iph1:unsalted:b23a6a8439c0dde5515893e7c90c1e32";

#[test]
fn tokens_are_those_of_an_independent_implementation() {
    let hasher = keyed_hasher();
    assert_eq!(token(&hasher, "203.0.113.140"), V4);
    assert_eq!(token(&hasher, "2001:db8::1"), V6);
    assert_eq!(token(&hasher, "unknown"), WORD);
    assert_eq!(token(&hasher, "for=203.0.113.140"), FORWARDED);
    let other = AddressHasher::new(&secret(), &[], IpHashing::Keyed, false).for_project(Uuid::max());
    assert_eq!(token(&other, "203.0.113.140"), V4_OTHER_PROJECT);
    let long = AddressHasher::new(&[b'k'; 100], &[], IpHashing::Keyed, false).for_project(PROJECT);
    assert_eq!(token(&long, "203.0.113.140"), V4_LONG_SECRET);
}

#[test]
fn plain_tokens_are_the_sha_256_of_the_canonical_text() {
    let hasher = AddressHasher::new(&secret(), &[], IpHashing::PlainSha256, false).for_project(PROJECT);
    assert_eq!(token(&hasher, "[::ffff:203.0.113.140]:443"), V4_PLAIN);
    assert_eq!(token(&hasher, "2001:0DB8:0:0::0001"), V6_PLAIN);
    assert_eq!(token(&hasher, "unknown"), WORD_PLAIN);
}

#[test]
fn every_spelling_of_an_address_gives_one_token() {
    let hasher = keyed_hasher();
    for text in [
        "203.0.113.140",
        " 203.0.113.140\t",
        "203.0.113.140:8080",
        "[203.0.113.140]",
        "[203.0.113.140]:1",
        "::ffff:203.0.113.140",
        "::FFFF:cb00:718c",
        "[::ffff:203.0.113.140]:65535",
        "::ffff:203.0.113.140%eth0",
    ] {
        assert_eq!(token(&hasher, text), V4, "{text}");
    }
    for text in
        ["2001:DB8::1", "2001:db8:0:0:0:0:0:1", "[2001:db8::1]", "[2001:db8::1]:443", "[2001:db8::1%2]:1"]
    {
        assert_eq!(token(&hasher, text), V6, "{text}");
    }
    assert_eq!(token(&hasher, "fe80::1%en0"), V6_LINK_LOCAL);
}

#[test]
fn what_is_no_address_is_hashed_as_the_bytes_it_is() {
    let hasher = keyed_hasher();
    let mut seen = vec![V4.to_owned(), V6.to_owned()];
    for text in [
        "203.0.113.0140",
        "203.0.113",
        "203.0.113.140.1",
        "[203.0.113.140",
        "[203.0.113.140]x",
        "203.0.113.140:",
        "203.0.113.140:123456",
        "[]",
        "%eth0",
        "localhost",
        "3405803916",
        "\u{e9}",
    ] {
        let token = token(&hasher, text);
        assert_eq!(token.len(), TOKEN_BYTES, "{text}");
        assert!(!seen.contains(&token), "{text}");
        seen.push(token);
    }
}

#[test]
fn empty_text_and_empty_elements_stay() {
    let hasher = keyed_hasher();
    assert_eq!(token(&hasher, ""), "");
    assert_eq!(token(&hasher, "  "), "");
    assert_eq!(token(&hasher, ","), ", ");
    assert_eq!(token(&hasher, "unknown,,"), format!("{WORD}, , "));
}

#[test]
fn a_comma_list_becomes_a_list_of_tokens() {
    let hasher = keyed_hasher();
    assert_eq!(token(&hasher, "203.0.113.140,2001:db8::1 , unknown"), format!("{V4}, {V6}, {WORD}"));
}

#[test]
fn tokens_of_known_and_retired_keys_are_kept() {
    let hasher = keyed_hasher();
    assert_eq!(token(&hasher, V4), V4);
    assert_eq!(token(&hasher, &format!(" {V4},{V6}")), format!("{V4}, {V6}"));
    let retired = KeyId::parse("8adc89f9").unwrap();
    let rotated = AddressHasher::new(b"new", &[retired], IpHashing::Keyed, false).for_project(PROJECT);
    assert_eq!(token(&rotated, V4), V4);
    assert_ne!(token(&rotated, "203.0.113.140"), V4);
    let plain = AddressHasher::new(&secret(), &[], IpHashing::PlainSha256, false).for_project(PROJECT);
    assert_eq!(token(&plain, V4), V4, "the store's own key stays known when the mode changes");
    assert_eq!(token(&plain, V4_PLAIN), V4_PLAIN);
}

#[test]
fn a_token_of_an_unknown_key_is_told_and_nothing_else_is() {
    let hasher = keyed_hasher();
    let is_told = |text: &str| hasher.token_text(text, &mut String::new());
    for foreign in [V4_LONG_SECRET, V4_PLAIN] {
        assert!(is_told(foreign));
        assert!(is_told(&format!("{V4}, {foreign} ,203.0.113.140")), "in a list");
    }
    for other in ["", "203.0.113.140", "word", V4, FORWARDED, &V4_PLAIN[..45], &format!("{V4_PLAIN}0")] {
        assert!(!is_told(other), "{other}");
    }
    let retired = KeyId::parse("b42ad22e").unwrap();
    let rotated = AddressHasher::new(b"new", &[retired], IpHashing::Keyed, false).for_project(PROJECT);
    assert!(!rotated.token_text(V4_LONG_SECRET, &mut String::new()), "a retired key is known");
    assert!(rotated.token_text(V4, &mut String::new()));
}

#[test]
fn tokens_of_unknown_keys_and_malformed_ones_are_hashed() {
    let hasher = keyed_hasher();
    for text in [
        V4_LONG_SECRET,
        V4_PLAIN,
        "iph1:8adc89f9:33fdbbdeee394847e191a120f03fabf",
        "iph1:8adc89f9:33fdbbdeee394847e191a120f03fabfe0",
        "iph1:8adc89f9:33FDBBDEEE394847E191A120F03FABFE",
        "iph2:8adc89f9:33fdbbdeee394847e191a120f03fabfe",
        "iph1:8adc89f9.33fdbbdeee394847e191a120f03fabfe",
        "IPH1:8adc89f9:33fdbbdeee394847e191a120f03fabfe",
        "iph1:8adc89f9:203.0.113.140:203.0.113.140xxxxx",
    ] {
        let stored = token(&hasher, text);
        assert_ne!(stored, text);
        assert_eq!(stored.len(), TOKEN_BYTES, "{text}");
    }
}

#[test]
fn address_keys_are_known_in_every_spelling() {
    for key in [
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
        "true-client-ip",
    ] {
        let hashed = [format!("{key}Hash"), format!("{key}_hash"), format!("{key}-HASH$")];
        for spelling in [
            key.to_owned(),
            key.to_uppercase(),
            key.replace('-', "_"),
            key.replace('-', ""),
            format!("_-{key}$_"),
            format!("{}-{}", &key[..key.len() - 1], &key[key.len() - 1..]),
        ] {
            assert_eq!(classify_key(&spelling), KeyClass::Address, "{spelling}");
        }
        for spelling in hashed {
            assert_eq!(classify_key(&spelling), KeyClass::Token, "{spelling}");
        }
    }
    assert_eq!(classify_key("client_ip"), KeyClass::Address);
    assert_eq!(classify_key("CLIENT_IP_ADDRESS"), KeyClass::Plain);
}

#[test]
fn ordinary_keys_are_plain() {
    for key in [
        "",
        "_",
        "$",
        "i",
        "p",
        "hash",
        "ipx",
        "zip",
        "skip",
        "ips",
        "shipping",
        "tip",
        "trip",
        "recipient",
        "ip.address",
        "ip address",
        "ipHashHash",
        "iphash2",
        "xForwardedForHashHash",
        "xforwardedforr",
        "\u{131}p",
        "ip\u{0}",
        "sessionId",
        "userAgent",
        "url",
        "hostIpAddress",
        "description",
    ] {
        assert_eq!(classify_key(key), KeyClass::Plain, "{key}");
    }
}

#[test]
fn key_ids_are_read_back() {
    let id = KeyId::of_secret(&secret());
    assert_eq!(id.as_str(), "8adc89f9");
    assert_eq!(KeyId::parse(id.as_str()), Some(id));
    assert_eq!(KeyId::parse("unsalted"), Some(KeyId::PLAIN));
    for text in ["", "8adc89f", "8adc89f90", "8ADC89F9", "notahex!"] {
        assert_eq!(KeyId::parse(text), None, "{text}");
    }
}

#[test]
fn debug_shows_no_secret() {
    let hasher = AddressHasher::new(b"canary secret", &[], IpHashing::Keyed, false);
    let shown = format!("{hasher:?} {:?}", hasher.for_project(PROJECT));
    assert!(!shown.contains("canary") && !shown.contains("99, 97"), "{shown}");
}

#[test]
fn text_is_left_alone_unless_asked_for() {
    let mut out = String::new();
    assert!(!keyed_hasher().scrub_text("from 203.0.113.140", &mut out));
}

#[test]
fn addresses_inside_text_are_replaced() {
    for (text, scrubbed_text) in [
        ("203.0.113.140", "<4>"),
        ("from 203.0.113.140.", "from <4>."),
        ("https://203.0.113.140:80/a?b=203.0.113.140&c", "https://<4>:80/a?b=<4>&c"),
        ("a%20203.0.113.140%0A", "a%20<4>%0A"),
        ("203.0.113.140,203.0.113.140;203.0.113.140", "<4>,<4>;<4>"),
        ("host/203.0.113.140", "host/<4>"),
        ("203.0.113.140:2001:db8::1", "<4>:<6>"),
        ("http://[2001:db8::1]:80/", "http://[<6>]:80/"),
        ("at 2001:db8::1, then", "at <6>, then"),
        ("peer:2001:db8::1: closed", "peer:<6>: closed"),
        ("id:2001:db8::1", "id:<6>"),
        ("fe80::1%eth0", "<l>%eth0"),
        ("::ffff:203.0.113.140", "<4>"),
        ("e\u{301}203.0.113.140\u{e9}", "e\u{301}<4>\u{e9}"),
    ] {
        let expected = scrubbed_text.replace("<4>", V4).replace("<6>", V6).replace("<l>", V6_LINK_LOCAL);
        assert_eq!(scrubbed(text), expected, "{text}");
    }
}

#[test]
fn text_without_addresses_stays() {
    for text in [
        "",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.256",
        "12:30:45",
        "std::fmt::Debug",
        "a :: b",
        "aa:bb:cc:dd:ee:ff",
        "1.0e5",
        "...",
        ":::",
        "%",
        "%2",
        "2024-03-13T10:21:14.123Z",
        V4,
        "deadbeef::xyz",
    ] {
        let mut out = String::new();
        assert!(!scrubbing_hasher().scrub_text(text, &mut out), "{text}");
    }
}

#[test]
fn tokens_are_found_inside_text() {
    let text = format!("i iph1: \u{e9}{V4},iph1:{V6}");
    let first = find_token(&text, 0).unwrap();
    assert_eq!(&text[first..first + TOKEN_BYTES], V4);
    let second = find_token(&text, first + TOKEN_BYTES).unwrap();
    assert_eq!(&text[second..], V6);
    assert_eq!(find_token(&text, second + 1), None);
    assert_eq!(find_token(&text, usize::MAX), None);
}

proptest! {
    #[test]
    fn a_second_pass_changes_nothing(text in "[0-9a-f:.,% \\[\\]iph/é]{0,60}|[0-9., ]{0,60}|\\PC{0,40}") {
        let hasher = keyed_hasher();
        let once = token(&hasher, &text);
        prop_assert_eq!(token(&hasher, &once), once);
        let once = scrubbed(&text);
        prop_assert_eq!(scrubbed(&once), once);
    }

    #[test]
    fn every_address_is_found_in_text(v4 in any::<u32>(), v6 in any::<u128>(), before in "[a-z =/(\"]{0,5}[ =/(\"]", after in "[ ,;)\"/]\\PC{0,5}") {
        let v4 = Ipv4Addr::from(v4).to_string();
        let v6 = Ipv6Addr::from(v6).to_string();
        let text = [&before, &v4, &after].map(String::as_str).concat();
        let hidden = !scrubbed(&text).contains(&v4);
        prop_assert!(hidden, "found in {:?}", text);
        let text = [&before, &v6, &after].map(String::as_str).concat();
        let hidden = !scrubbed(&text).contains(&v6);
        prop_assert!(hidden, "found in {:?}", text);
    }

    #[test]
    fn an_address_and_its_mapped_form_are_one(v4 in any::<u32>(), port in any::<u16>()) {
        let hasher = keyed_hasher();
        let v4 = Ipv4Addr::from(v4);
        let plain = token(&hasher, &v4.to_string());
        let with_port = format!("{v4}:{port}");
        let mapped = format!("[{}]:{port}", v4.to_ipv6_mapped());
        prop_assert_eq!(&token(&hasher, &with_port), &plain);
        prop_assert_eq!(&token(&hasher, &mapped), &plain);
        let hidden = !plain.contains(&v4.to_string());
        prop_assert!(hidden);
    }
}
