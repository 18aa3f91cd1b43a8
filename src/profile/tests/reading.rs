//! What is read from the layers of a map.

use super::*;

#[test]
fn a_clone_of_the_map_stays_as_it_was() {
    let mut map = map();
    apply(&mut map, &user("u", 1, json!({"traits": {"a": 1}})));
    let view = map.clone();
    let before = view.canonical_json(P).unwrap();
    apply(&mut map, &user("u", 2, json!({"traits": {"a": 2}})));
    apply(&mut map, &user("v", 2, json!({"traits": {"a": 2}})));
    Files::new().flush(&mut map);
    assert_eq!(view.canonical_json(P).unwrap(), before);
    assert_eq!(traits(&map, PersonRef::User("u")), r#"{"a":2}"#);
}

#[test]
fn the_greatest_seq_of_a_cursor_wins_in_every_layer_and_scopes_are_apart() {
    let (mut map, mut files) = (map(), Files::new());
    let crm = CursorKeys { project_id: Some(P), name: "crm" };
    let store_crm = CursorKeys { project_id: None, name: "crm" };
    assert_eq!(map.cursor(crm).unwrap(), None);
    for seq in [5, 9, 7] {
        map.apply_all(Fragment::of_cursor(crm, Seq::new(seq), format!("state {seq}").as_bytes()));
        files.flush(&mut map);
    }
    map.apply_all(Fragment::of_cursor(crm, Seq::new(8), b""));
    map.apply_all(Fragment::of_cursor(store_crm, Seq::new(1), b""));
    assert_eq!(map.cursor(crm).unwrap(), Some((Seq::new(9), b"state 9".to_vec())));
    assert_eq!(map.cursor(store_crm).unwrap(), Some((Seq::new(1), Vec::new())));
    assert_eq!(map.cursor(CursorKeys { project_id: Some(OTHER), name: "crm" }).unwrap(), None);
    files.flush(&mut map);
    files.compact(&mut map, 0..4);
    assert_eq!(map.cursor(crm).unwrap(), Some((Seq::new(9), b"state 9".to_vec())));
    assert_eq!(map.canonical_json(P).unwrap(), "[\n]\n", "a cursor is no profile");
}

#[test]
fn profiles_are_paged_by_the_last_person_and_stay_inside_the_project() {
    let (mut map, mut files) = (map(), Files::new());
    for (at, id) in (1..).zip(["a", "b", "ba", "c"]) {
        apply(&mut map, &user(id, at, json!({"traits": {"n": at}})));
        if at % 2 == 0 {
            files.flush(&mut map);
        }
    }
    apply(&mut map, &Identify { project: OTHER, ..user("z", 1, json!({"traits": {"x": 1}})) });
    let ids = |after| -> Vec<String> {
        map.profiles(P, after).unwrap().map(|profile| profile.unwrap().id().to_owned()).collect()
    };
    assert_eq!(ids(None), ["a", "b", "ba", "c"]);
    assert_eq!(ids(Some(PersonRef::User("b"))), ["ba", "c"]);
    assert_eq!(ids(Some(PersonRef::User("bb"))), ["c"]);
    assert!(ids(Some(PersonRef::Anonymous("a"))).is_empty());
}

#[test]
fn trait_names_are_listed_with_the_kinds_seen() {
    let (mut map, mut files) = (map(), Files::new());
    apply(&mut map, &user("u", 1, json!({"traits": {"plan": "pro", "age": 1}})));
    files.flush(&mut map);
    apply(&mut map, &user("v", 1, json!({"traits": {"plan": 7, "gone": null}})));
    let names = map.traits(P).unwrap();
    let listed: Vec<_> =
        names.iter().map(|each| (each.name.as_str(), format!("{:?}", each.kinds), each.profiles)).collect();
    assert_eq!(listed, [("age", "[Number]".to_owned(), 1), ("plan", "[Number, String]".to_owned(), 2)]);
}

#[test]
fn canonical_json_has_members_state_and_traits_and_nothing_of_arrival() {
    let mut map = map();
    apply(&mut map, &user("u", 1_500_000_000_000_000_001, json!({"traits": {"a": [1, "x"]}})));
    let expected = concat!(
        "[\n",
        r#"{"person":{"kind":"user","id":"u"},"members":[{"kind":"user","id":"u"}],"state":"identified","#,
        r#""traits":{"a":{"value":[1,"x"],"at":"2017-07-14T02:40:00.000000001Z"}}}"#,
        "\n]\n"
    );
    assert_eq!(map.canonical_json(P).unwrap(), expected);
}

#[test]
fn debug_shows_neither_ids_nor_values() {
    let mut map = map();
    let event = user("secret-id", 1, json!({"traits": {"a": "secret-value"}}));
    apply(&mut map, &event);
    let profile = map.get(P, PersonRef::User("secret-id")).unwrap().unwrap();
    let text = format!("{profile:?} {:?} {:?}", event.fragment(), profile.traits());
    assert!(!text.contains("secret"), "{text}");
}
