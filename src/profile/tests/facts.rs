//! Facts of identity on rows: what is kept, on which, and that joining them depends on nothing else.

use super::super::facts::RowFact;
use super::super::view::Member;
use super::*;
use crate::envelope::fact::{Fact, MemberKind};
use crate::limits::IDENTITY_FACTS_MAX;

type Owned = (Act, Side, Option<(MemberKind, String)>, FactOrder);

fn facts_of(row: &PersonRow) -> Vec<Owned> {
    let owned = |fact: RowFact<'_>| {
        let OrderRef { timestamp, message_id, digest } = fact.order;
        let message_id = std::str::from_utf8(message_id).unwrap().into();
        let other = fact.other.map(|(kind, id)| (kind, id.to_owned()));
        (fact.act, fact.side, other, FactOrder { timestamp, message_id, digest })
    };
    row.facts().map(owned).collect()
}

/// What a row says at a glance: act, side, the other id and the event time of each fact.
fn told(map: &ProfileMap, person: PersonRef<'_>) -> Vec<String> {
    let row = map.row(P, person).unwrap();
    let told = |(act, side, other, order): Owned| {
        let other = other.map_or_else(String::new, |(kind, id)| format!(" {kind:?} {id}"));
        format!("{act:?} {side:?}{other} at {}", order.timestamp.get())
    };
    row.iter().flat_map(facts_of).map(told).collect()
}

fn fact(event_type: &'static str, user: &str, at: i64) -> Identify {
    Identify { event_type, ..self::user(user, at, json!({})) }
}

fn with_member(event_type: &'static str, member: (&'static str, &str), user: &str, at: i64) -> Identify {
    Identify { member: Some((member.0, member.1.to_owned())), ..fact(event_type, user, at) }
}

fn linked(user: &str, device: &str, at: i64) -> Identify {
    Identify { device: Some(device.to_owned()), ..self::user(user, at, json!({"traits": {"at": at}})) }
}

const U: PersonRef<'_> = PersonRef::User("u");
const D: PersonRef<'_> = PersonRef::Anonymous("d");

#[test]
fn both_ends_of_a_fact_know_it_and_know_which_end_they_are() {
    let mut map = map();
    apply(&mut map, &linked("u", "d", 3));
    apply(&mut map, &with_member(EventType::ALIASED, ("user", "v"), "u", 4));
    apply(&mut map, &with_member(EventType::UNLINKED, ("anonymous", "d"), "u", 5));
    apply(&mut map, &with_member(EventType::ALIASED, ("user", "u"), "w", 6));
    apply(&mut map, &fact(EventType::ANONYMOUS_CREATED, "u", 1));
    apply(&mut map, &fact(EventType::SIGNED_UP, "u", 2));
    let expected = [
        "Created Target at 1",
        "SignedUp Target at 2",
        "Linked Target Anonymous d at 3",
        "Aliased Member User w at 6",
        "Aliased Target User v at 4",
        "Unlinked Target Anonymous d at 5",
    ];
    assert_eq!(told(&map, U), expected);
    assert_eq!(told(&map, D), ["Linked Member User u at 3", "Unlinked Member User u at 5"]);
    assert_eq!(told(&map, PersonRef::User("v")), ["Aliased Member User u at 4"]);
    assert_eq!(told(&map, PersonRef::User("w")), ["Aliased Target User u at 6"]);
    assert!(map.may_have_facts() && map.may_have_links());
}

#[test]
fn of_a_pair_the_least_of_each_act_stays_and_of_a_user_alone_each_fact() {
    let types = [EventType::ANONYMOUS_CREATED, EventType::SIGNED_UP, EventType::ALIASED, EventType::UNLINKED];
    let mut map = map();
    let mut files = Files::new();
    for at in [5, 3, 9, 3] {
        apply(&mut map, &linked("u", "d", at));
        for event_type in types {
            apply(&mut map, &with_member(event_type, ("anonymous", "d"), "u", at));
        }
        files.flush(&mut map);
    }
    files.compact(&mut map, 0..4);
    let of = |act: &str, ats: [i64; 3]| ats.map(|at| format!("{act} at {at}"));
    let mut expected = Vec::new();
    expected.extend(of("Created Target", [3, 5, 9]));
    expected.extend(of("SignedUp Target", [3, 5, 9]));
    expected.push("Linked Target Anonymous d at 3".to_owned());
    expected.push("Aliased Target Anonymous d at 3".to_owned());
    expected.push("Unlinked Target Anonymous d at 3".to_owned());
    assert_eq!(told(&map, U), expected);
    let row = map.row(P, U).unwrap().unwrap();
    assert_eq!((row.fact_count(), row.has_facts(), row.has_links()), (9, true, true));
    assert_eq!(told(&map, D)[0], "Linked Member User u at 3");
    assert_eq!(told(&map, D).len(), 3);
    assert_eq!(traits(&map, U), r#"{"at":9}"#, "the traits of a later link land all the same");
}

#[test]
fn facts_that_name_an_id_that_is_none_or_one_user_twice_are_kept_nowhere() {
    let nothing = [
        linked("null", "d", 1),
        fact(EventType::ANONYMOUS_CREATED, "undefined", 1),
        fact(EventType::SIGNED_UP, "0", 1),
        with_member(EventType::ALIASED, ("user", "guest"), "u", 1),
        with_member(EventType::ALIASED, ("user", "v"), "none", 1),
        with_member(EventType::ALIASED, ("user", "u"), "u", 1),
        with_member(EventType::UNLINKED, ("anonymous", "-1"), "u", 1),
        with_member("order.placed", ("user", "v"), "u", 1),
        Identify { user: None, device: Some("d".to_owned()), ..fact(EventType::SIGNED_UP, "u", 1) },
    ];
    for fact in nothing {
        assert!(fact.fragments().is_empty(), "{fact:?}");
    }
    let mut map = map();
    apply(&mut map, &linked("u", "null", 1));
    assert_eq!(traits(&map, U), r#"{"at":1}"#, "the user is identified all the same");
    assert!(told(&map, U).is_empty() && !map.may_have_facts());
    apply(&mut map, &with_member(EventType::ALIASED, ("anonymous", "u"), "u", 1));
    apply(&mut map, &with_member(EventType::UNLINKED, ("user", "u"), "u", 2));
    assert_eq!(
        told(&map, U),
        ["Aliased Target Anonymous u at 1", "Unlinked Member User u at 2", "Unlinked Target User u at 2"]
    );
}

#[test]
fn the_traits_of_the_least_sign_up_alone_are_kept_and_apart_from_the_row() {
    let sign_up =
        |at: i64, context: serde_json::Value| Identify { context, ..fact(EventType::SIGNED_UP, "u", at) };
    let mut files = Files::new();
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
        let mut map = map();
        let facts = [
            sign_up(
                3,
                json!({"traits": {"plan": "pro", "gone": null}, "traitsOnce": {"plan": 1, "ref": "ad"}}),
            ),
            sign_up(4, json!({"traits": {"plan": "later", "more": 1}})),
            Identify { context: json!({"traits": {"city": "Oslo"}}), ..fact(EventType::SIGNED_UP, "v", 1) },
        ];
        for at in order {
            assert!(apply(&mut map, &facts[at]).is_empty());
            if at == 1 {
                files.flush(&mut map);
            }
        }
        let row = map.row(P, U).unwrap().unwrap();
        assert!(!row.has_traits() && row.identify().is_none());
        assert!(map.get(P, U).unwrap().is_none(), "that it makes a profile is for the layer above to know");
        let signed_up = row.signed_up_traits().unwrap();
        let profile =
            Profile::joined(U, Box::default(), Some(Nanos::new(3)), &[row, signed_up], &Limits::default());
        assert_eq!(profile.traits_json(), r#"{"plan":"pro","ref":"ad"}"#);
        assert_eq!(profile.get("ref").unwrap().at.timestamp_nanos_opt(), Some(3));
        assert_eq!((profile.state(), profile.is_over_limit()), (ProfileState::Identified, false));

        apply(&mut map, &fact(EventType::SIGNED_UP, "u", 2));
        let row = map.row(P, U).unwrap().unwrap();
        assert!(row.signed_up_traits().is_none(), "the least one says nothing of traits");
        assert_eq!((map.may_have_facts(), map.may_have_links()), (true, false));
    }
}

#[test]
fn sign_ups_that_differ_in_address_hashes_only_are_one_with_the_greater_value() {
    let token = |key: &str| format!("iph1:{key}:00112233445566778899aabbccddeeff");
    let event = |context: serde_json::Value| Identify { context, ..fact(EventType::SIGNED_UP, "u", 1) };
    let of = |key: &str| event(json!({"traits": {"ipHash": token(key), "plan": 1}}));
    let bare = event(json!({"traits": {"plan": 1}}));
    let expected = format!(r#"{{"ipHash":"{}","plan":1}}"#, token("ffffffff"));
    let facts = [of("00000000"), of("ffffffff"), bare];
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let mut map = map();
        for at in order {
            apply(&mut map, &facts[at]);
        }
        let signed_up = map.row(P, U).unwrap().unwrap().signed_up_traits().unwrap();
        let profile = Profile::joined(U, Box::default(), None, &[signed_up], &Limits::default());
        assert_eq!(profile.traits_json(), expected);
        assert_eq!(told(&map, U).len(), 1);
    }
}

#[test]
fn facts_of_identity_are_neither_noted_nor_counted_as_traits() {
    let limits = Limits { traits_max: 1, ..Limits::default() };
    let mut map = ProfileMap::new(Vec::new(), HASH_KEY, Arc::new(limits));
    apply(&mut map, &user("u", 9, json!({"traits": {"plan": 1}})));
    let sign_up = Identify {
        context: json!({"traits": {"plan": 2, "a": 1, "b": 2}}),
        ..fact(EventType::SIGNED_UP, "u", 1)
    };
    assert!(apply(&mut map, &sign_up).is_empty());
    assert!(apply(&mut map, &with_member(EventType::ALIASED, ("anonymous", "d"), "u", 20)).is_empty());
    assert!(
        apply(&mut map, &user("u", 10, json!({"traits": {"plan": 3}}))).is_empty(),
        "older than a fact, not stale"
    );
    assert!(!map.get(P, U).unwrap().unwrap().is_over_limit());
    assert!(apply(&mut map, &user("u", 8, json!({"traits": {"plan": 4}}))).contains(Note::StaleTraits));
    assert!(apply(&mut map, &user("u", 30, json!({"traits": {"more": 1}}))).contains(Note::OverLimit));
    for event_type in [EventType::ANONYMOUS_CREATED, EventType::SIGNED_UP, EventType::ALIASED] {
        assert!(apply(&mut map, &with_member(event_type, ("user", "v"), "u", 31)).is_empty());
    }
}

/// The row of each id by the letter, as the facts that it has and the sign-up that counts.
fn naive_rows(facts: &[Identify]) -> BTreeMap<(MemberKind, String), BTreeSet<Owned>> {
    let mut rows: BTreeMap<(MemberKind, String), BTreeSet<Owned>> = BTreeMap::new();
    let is_id = |id: &&String| !crate::envelope::is_no_id(id);
    for event in facts.iter().filter(|event| event.project == P) {
        let context = tree(&event.context.to_string());
        let object = |name| ValueRef::new(&context).get(name);
        let kind_of = |kind: &str| if kind == "user" { MemberKind::User } else { MemberKind::Anonymous };
        let member = event.member.as_ref().map(|(kind, id)| (kind_of(kind), id.clone()));
        let digest = Fact {
            event_type: event.event_type,
            user_id: event.user.as_deref(),
            anonymous_id: event.device.as_deref(),
            member: member.as_ref().map(|(kind, id)| (*kind, id.as_str())),
            traits: object("traits"),
            traits_once: object("traitsOnce"),
        }
        .digest();
        let message_id = event.message_id.as_deref().unwrap_or_default().into();
        let order = FactOrder { timestamp: Nanos::new(event.at), message_id, digest };
        let Some(user) = event.user.as_ref().filter(is_id) else { continue };
        let user = (MemberKind::User, user.clone());
        let (act, other) = match event.event_type {
            EventType::ANONYMOUS_CREATED => (Act::Created, None),
            EventType::SIGNED_UP => (Act::SignedUp, None),
            EventType::ALIASED => (Act::Aliased, member),
            EventType::UNLINKED => (Act::Unlinked, member),
            _ => (Act::Linked, event.device.clone().map(|id| (MemberKind::Anonymous, id))),
        };
        match other {
            None if act > Act::SignedUp => {}
            None => {
                rows.entry(user).or_default().insert((act, Side::Target, None, order));
            }
            Some((_, id)) if crate::envelope::is_no_id(&id) => {}
            Some(member) if act == Act::Aliased && member == user => {}
            Some(member) => {
                let mut put = |row: &(MemberKind, String), side, other: &(MemberKind, String)| {
                    let row = rows.entry(row.clone()).or_default();
                    let is_of_pair =
                        |known: &&Owned| (known.0, known.1, known.2.as_ref()) == (act, side, Some(other));
                    let known = row.iter().find(is_of_pair);
                    if let Some(known) = known.cloned() {
                        if known.3 <= order {
                            return;
                        }
                        row.remove(&known);
                    }
                    row.insert((act, side, Some(other.clone()), order.clone()));
                };
                put(&member, Side::Member, &user);
                put(&user, Side::Target, &member);
            }
        }
    }
    rows
}

#[test]
fn any_permutation_duplication_and_split_of_the_same_facts_gives_the_same_rows() {
    let seed = seed();
    for case in 0..150 {
        let mut rng = SimRng::new(seed.wrapping_add(case));
        let facts: Vec<Identify> = (0..=rng.below(40)).map(|_| random_fact(&mut rng)).collect();
        let mut straight = map();
        for fact in &facts {
            apply(&mut straight, fact);
        }
        let rows = |map: &ProfileMap| -> Vec<(MemberKind, String, Vec<u8>)> {
            let rows = map.rows(P, None).unwrap().map(Result::unwrap);
            rows.map(|(who, row)| (who.kind(), who.id().to_owned(), row.as_slice().to_vec())).collect()
        };
        let naive = naive_rows(&facts);
        for (who, row) in straight.rows(P, None).unwrap().map(Result::unwrap) {
            let expected = naive.get(&(who.kind(), who.id().to_owned())).cloned().unwrap_or_default();
            assert_eq!(facts_of(&row), expected.into_iter().collect::<Vec<_>>(), "seed {seed} case {case}");
            assert_eq!(row.facts().filter(|fact| fact.other.is_some()).count() > 0, row.has_links());
            assert_eq!(row.facts().count(), row.fact_count() as usize);
        }
        let with_facts = straight.rows_with_facts(P).unwrap().count();
        assert_eq!(with_facts, naive.len(), "seed {seed} case {case}");

        let mut shuffled: Vec<Identify> = facts.clone();
        shuffled.extend((0..rng.below(20)).map(|_| one_of(&mut rng, &facts)));
        for last in (1..shuffled.len()).rev() {
            shuffled.swap(last, rng.below(last as u64 + 1) as usize);
        }
        let (mut split, mut files) = (map(), Files::new());
        for fact in &shuffled {
            apply(&mut split, fact);
            if rng.chance(150) {
                files.flush(&mut split);
            }
            if split.runs().len() >= 2 && rng.chance(150) {
                let end = split.runs().len();
                files.compact(&mut split, end - 2..end);
            }
        }
        assert_eq!(rows(&split), rows(&straight), "seed {seed} case {case}");
        assert_eq!(split.may_have_facts(), straight.may_have_facts());
        assert_eq!(split.may_have_links(), straight.may_have_links());
        for (who, row) in straight.rows(P, None).unwrap().map(Result::unwrap) {
            let found = split.row(P, who).unwrap().unwrap();
            assert_eq!(found.as_slice(), row.as_slice(), "seed {seed} case {case}");
            let sign_up = |row: &PersonRow| row.signed_up_traits().map(|row| row.as_slice().to_vec());
            assert_eq!(sign_up(&found), sign_up(&row));
        }
    }
}

/// A row of one id made of several random facts.
fn random_row(rng: &mut SimRng, joiner: &mut join::Joiner) -> Vec<u8> {
    let mut row = Vec::new();
    for _ in 0..=rng.below(6) {
        // Rows of all ids are joined as if they were one: that makes more facts collide.
        for fragment in random_fact(rng).fragments() {
            let mut out = Vec::new();
            joiner.join(&key::person_key(P, U), &row, &fragment.row, &mut out);
            row = out;
        }
    }
    row
}

#[test]
fn rows_with_facts_are_joined_to_the_same_bytes_in_any_grouping() {
    let seed = seed();
    for case in 0..1000 {
        let mut rng = SimRng::new(seed.wrapping_add(case));
        let mut joiner = join::Joiner::default();
        let [a, b, c] = [(); 3].map(|()| random_row(&mut rng, &mut joiner));
        for only_traits in [false, true] {
            let mut joined = |left: &[u8], right: &[u8]| {
                let mut out = Vec::new();
                if only_traits {
                    joiner.join_traits(left, right, &mut out);
                } else {
                    joiner.join(&key::person_key(P, U), left, right, &mut out);
                }
                out
            };
            assert_eq!(joined(&a, &b), joined(&b, &a), "commutative, seed {seed} case {case}");
            let (ab, bc) = (joined(&a, &b), joined(&b, &c));
            assert_eq!(joined(&ab, &c), joined(&a, &bc), "associative, seed {seed} case {case}");
            assert_eq!(joined(&ab, &a), ab, "idempotent, seed {seed} case {case}");
            let parsed = row::RowRef::new(&ab).unwrap_or(row::RowRef::EMPTY);
            assert!(!only_traits || parsed.fact_count() == 0);
        }
    }
}

#[test]
fn bytes_that_are_no_row_never_panic() {
    let seed = seed();
    let mut rng = SimRng::new(seed);
    let mut joiner = join::Joiner::default();
    let mut row = Vec::new();
    while row::RowRef::new(&row).is_none_or(|row| row.fact_count() < 4 || row.sign_up().is_empty()) {
        row = random_row(&mut rng, &mut joiner);
    }
    let other = random_row(&mut rng, &mut joiner);
    let mut hostile: Vec<Vec<u8>> = (0..row.len()).map(|end| row[..end].to_vec()).collect();
    for at in 0..row.len() {
        for byte in [row[at] ^ 1, row[at] ^ 0x80, 0, 0xFF] {
            let mut flipped = row.clone();
            flipped[at] = byte;
            hostile.push(flipped);
        }
    }
    for bytes in hostile {
        let mut out = Vec::new();
        for (left, right) in [(&bytes, &other), (&other, &bytes), (&bytes, &row)] {
            joiner.join(&key::person_key(P, U), left, right, &mut out);
            joiner.join_traits(left, right, &mut out);
        }
        let kept = PersonRow::of_bytes(bytes.into());
        let limits = Limits::default();
        let _ = (facts_of_any(&kept), kept.identify(), kept.fact_count());
        let parts: Vec<PersonRow> =
            [Some(kept.clone()), kept.signed_up_traits()].into_iter().flatten().collect();
        let _ = Profile::joined(U, Box::default(), None, &parts, &limits).traits_json();
    }
}

fn facts_of_any(row: &PersonRow) -> usize {
    row.facts().map(|fact| format!("{fact:?} {}", fact.order.message_id.len()).len()).sum()
}

#[test]
fn a_joined_profile_has_all_members_once_and_the_traits_of_all_rows() {
    let mut map = map();
    apply(&mut map, &user("u", 5, json!({"traits": {"a": 1, "b": null}})));
    apply(&mut map, &user("v", 6, json!({"traits": {"a": 2}, "traitsOnce": {"b": 1, "c": 1}})));
    let device =
        Identify { user: None, device: Some("d".to_owned()), ..user("", 4, json!({"traits": {"d": 1}})) };
    apply(&mut map, &device);
    apply(&mut map, &linked("w", "only linked", 9));
    let row = |person| map.row(P, person).unwrap().unwrap();
    let rows = [row(D), row(PersonRef::User("v")), row(PersonRef::Anonymous("only linked")), row(U)];
    let members: [Member; 4] = [
        (MemberKind::Anonymous, "d".into()),
        (MemberKind::User, "v".into()),
        (MemberKind::Anonymous, "d".into()),
        (MemberKind::Anonymous, "only linked".into()),
    ];
    let profile = Profile::joined(U, members.into(), None, &rows, &Limits::default());
    let all = [U, PersonRef::User("v"), D, PersonRef::Anonymous("only linked")];
    assert_eq!(profile.members().collect::<Vec<_>>(), all);
    assert_eq!(profile.traits_json(), r#"{"a":2,"c":1,"d":1}"#);
    assert_eq!((profile.state(), profile.identified_at()), (ProfileState::Anonymous, None));
    let expected = concat!(
        r#"{"person":{"kind":"user","id":"u"},"members":[{"kind":"user","id":"u"},{"kind":"user","id":"v"},"#,
        r#"{"kind":"anonymous","id":"d"},{"kind":"anonymous","id":"only linked"}],"state":"anonymous","#,
        r#""traits":{"a":{"value":2,"at":"1970-01-01T00:00:00.000000006Z"},"#,
        r#""c":{"value":1,"at":"1970-01-01T00:00:00.000000006Z"},"#,
        r#""d":{"value":1,"at":"1970-01-01T00:00:00.000000004Z"}}}"#,
    );
    let mut json = Vec::new();
    profile.write_canonical_json(&mut json);
    assert_eq!(String::from_utf8(json).unwrap(), expected);

    let alone = Profile::joined(D, Box::default(), None, &[row(D)], &Limits::default());
    assert_eq!(alone.members().collect::<Vec<_>>(), [D]);
    let empty = Profile::joined(U, Box::default(), None, &[], &Limits::default());
    assert_eq!((empty.traits_json().as_str(), empty.traits().count()), ("{}", 0));
}

#[test]
fn the_row_of_an_event_by_itself_is_joined_as_its_fragment_is() {
    let facts = [linked("u", "d", 2), user("u", 1, json!({"traits": {"a": 1}}))];
    let mut map = map();
    let mut parts = Vec::new();
    for fact in &facts {
        apply(&mut map, fact);
        for fragment in fact.fragments() {
            if fragment.person() == Some(U) {
                parts.push(fragment.into_row());
            }
        }
    }
    assert_eq!(parts[0].facts().map(|fact| fact.act).collect::<Vec<_>>(), [Act::Linked]);
    let profile = Profile::joined(U, Box::default(), None, &parts, &Limits::default());
    assert_eq!(profile.traits_json(), traits(&map, U));
}

#[test]
fn a_row_keeps_the_least_facts_of_a_kind_and_no_more_in_any_order_of_arrival() {
    const LINKS: usize = IDENTITY_FACTS_MAX + 300;
    let link = |number: usize| linked(&format!("u{number}"), "d", i64::try_from(number).unwrap());
    let (mut rising, mut falling) = (map(), map());
    for number in 0..LINKS {
        apply(&mut rising, &link(number));
        apply(&mut falling, &link(LINKS - 1 - number));
        if number % 400 == 399 {
            // Layers are cut at other places, and joined at reading.
            rising.freeze(Seq::new(number as u64));
        }
    }
    apply(&mut rising, &with_member(EventType::ALIASED, ("anonymous", "d"), "u9999", 1));
    apply(&mut falling, &with_member(EventType::ALIASED, ("anonymous", "d"), "u9999", 1));
    let told = told(&rising, D);
    assert_eq!(told, self::told(&falling, D));
    assert_eq!(told.len(), IDENTITY_FACTS_MAX + 1);
    let times: Vec<usize> =
        told.iter().map(|told| told.rsplit(' ').next().unwrap().parse().unwrap()).collect();
    assert!(times.iter().all(|time| *time < IDENTITY_FACTS_MAX), "those that stay are the least");
}
