//! What an identify does to a profile.

use super::*;

#[test]
fn last_writer_wins_by_event_time_and_a_late_event_is_noted_as_stale() {
    let mut map = map();
    let notes = apply(&mut map, &user("u", 20, json!({"traits": {"plan": "pro", "age": 3}})));
    assert!(notes.is_empty());
    let notes = apply(&mut map, &user("u", 10, json!({"traits": {"plan": "free", "city": "Oslo"}})));
    assert_eq!(notes.iter().collect::<Vec<_>>(), [Note::StaleTraits]);
    assert_eq!(traits(&map, PersonRef::User("u")), r#"{"age":3,"city":"Oslo","plan":"pro"}"#);
    let profile = map.get(P, PersonRef::User("u")).unwrap().unwrap();
    assert_eq!(profile.get("city").unwrap().at.timestamp_nanos_opt(), Some(10));
    assert_eq!(profile.get("plan").unwrap().at.timestamp_nanos_opt(), Some(20));
    assert_eq!(profile.identified_at().unwrap().timestamp_nanos_opt(), Some(10));
    assert_eq!(profile.state(), ProfileState::Identified);
}

#[test]
fn the_same_event_again_changes_nothing_and_is_not_stale() {
    let mut map = map();
    let event = user("u", 20, json!({"traits": {"plan": "pro"}}));
    apply(&mut map, &event);
    let before = map.canonical_json(P).unwrap();
    assert!(apply(&mut map, &event).is_empty());
    assert_eq!(map.canonical_json(P).unwrap(), before);
}

#[test]
fn null_unsets_and_an_older_set_does_not_come_back() {
    let mut map = map();
    apply(&mut map, &user("u", 20, json!({"traits": {"plan": null, "note": ""}})));
    let notes = apply(&mut map, &user("u", 10, json!({"traits": {"plan": "free"}})));
    assert!(notes.contains(Note::StaleTraits));
    assert_eq!(traits(&map, PersonRef::User("u")), r#"{"note":""}"#);
    assert_eq!(map.get(P, PersonRef::User("u")).unwrap().unwrap().trait_value("plan"), None);
    apply(&mut map, &user("u", 30, json!({"traits": {"plan": "new"}})));
    assert_eq!(traits(&map, PersonRef::User("u")), r#"{"note":"","plan":"new"}"#);
}

#[test]
fn traits_once_are_set_by_the_earliest_and_only_where_nothing_plain_has_touched() {
    let mut map = map();
    apply(&mut map, &user("u", 20, json!({"traitsOnce": {"source": "ad", "ref": "x", "gone": 1}})));
    apply(&mut map, &user("u", 10, json!({"traitsOnce": {"source": "mail"}})));
    apply(&mut map, &user("u", 30, json!({"traitsOnce": {"source": "late", "void": null}})));
    assert_eq!(traits(&map, PersonRef::User("u")), r#"{"gone":1,"ref":"x","source":"mail"}"#);
    apply(
        &mut map,
        &user("u", 5, json!({"traits": {"ref": "plain", "gone": null}, "traitsOnce": {"ref": 0}})),
    );
    assert_eq!(traits(&map, PersonRef::User("u")), r#"{"ref":"plain","source":"mail"}"#);
}

#[test]
fn without_a_user_the_device_has_a_row_of_its_own_and_ids_that_are_none_have_no_row() {
    let mut map = map();
    let event = |user: Option<&str>, device: Option<&str>| Identify {
        user: user.map(str::to_owned),
        device: device.map(str::to_owned),
        ..self::user("", 1, json!({"traits": {"a": 1}}))
    };
    apply(&mut map, &event(None, Some("dev")));
    apply(&mut map, &event(Some("u"), Some("other")));
    let people: Vec<_> = map.profiles(P, None).unwrap().map(|profile| profile.unwrap()).collect();
    assert_eq!(
        people.iter().map(Profile::person).collect::<Vec<_>>(),
        [PersonRef::User("u"), PersonRef::Anonymous("dev")]
    );
    assert_eq!(people[1].state(), ProfileState::Anonymous);
    assert_eq!(people[1].identified_at(), None);
    assert_eq!(map.get(P, PersonRef::User("dev")).unwrap().map(|_| ()), None);

    assert!(event(None, None).fragment().is_none());
    assert!(event(Some("null"), Some("dev")).fragment().is_none());
    assert!(event(None, Some("[Object object]")).fragment().is_none());
    let placed = Identify { event_type: "order.placed", ..event(Some("u"), None) };
    assert!(placed.fragments().is_empty());
}

#[test]
fn an_identify_without_traits_makes_a_profile() {
    let mut map = map();
    let mut body = Vec::new();
    codec::encode(&mut body, None, None).unwrap();
    map.apply_all(Fragment::of_frame(&user("u", 1, json!({})).keys(), &body));
    assert_eq!(traits(&map, PersonRef::User("u")), "{}");
}

#[test]
fn facts_that_differ_in_address_hashes_only_are_one_fact_with_the_greater_value() {
    let token = |key: &str| format!("iph1:{key}:00112233445566778899aabbccddeeff");
    let event = |key: &str| user("u", 1, json!({"traits": {"ipHash": token(key), "plan": 1}}));
    let expected = format!(r#"{{"ipHash":"{}","plan":1}}"#, token("ffffffff"));
    for order in [["00000000", "ffffffff"], ["ffffffff", "00000000"]] {
        let mut map = map();
        for key in order {
            assert!(apply(&mut map, &event(key)).is_empty());
        }
        assert_eq!(traits(&map, PersonRef::User("u")), expected);
    }
}
