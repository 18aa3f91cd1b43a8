//! The promise of the module: profiles do not depend on arrival.

#![expect(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "tests know their numbers")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::envelope::Value;
use crate::envelope::fact::FactOrder;
use crate::envelope::tree::TreeBuilder;
use crate::envelope::{Note, Notes, ValueRef};
use crate::format::cursor::CursorKeys;
use crate::format::keys::EventKeys;
use crate::format::names::FileName;
use crate::limits::Limits;
use crate::storage::sim::SimDisk;
use crate::storage::{DerivedSource, Disk, File, SimRng};
use crate::types::{Nanos, Seq};

pub(super) const STORE: [u8; 16] = [7; 16];
pub(super) const HASH_KEY: [u8; 16] = [9; 16];
pub(super) const P: [u8; 16] = [1; 16];
const OTHER: [u8; 16] = [2; 16];

/// The tree of a JSON text.
pub(super) fn tree(json: &str) -> Vec<u8> {
    let limits = Limits::default();
    let mut builder = TreeBuilder::new(&limits);
    let mut writer = builder.begin("context", None);
    Value::from_json(json.as_bytes(), &limits).unwrap().push(&mut writer).unwrap();
    let span = writer.finish().unwrap();
    builder.tree(span).to_vec()
}

/// An identify as a test writes it.
#[derive(Debug, Clone)]
pub(super) struct Identify {
    pub(super) project: [u8; 16],
    pub(super) user: Option<String>,
    pub(super) device: Option<String>,
    pub(super) at: i64,
    pub(super) message_id: Option<String>,
    pub(super) context: serde_json::Value,
}

impl Identify {
    pub(super) fn keys(&self) -> EventKeys<'_> {
        EventKeys {
            project_id: self.project,
            org_id: [3; 16],
            timestamp: Nanos::new(self.at),
            module: "profiles",
            event_type: "identify",
            user_id: self.user.as_deref(),
            anonymous_id: self.device.as_deref(),
            message_id: self.message_id.as_deref(),
        }
    }

    pub(super) fn fragment(&self) -> Option<Fragment> {
        let context = tree(&self.context.to_string());
        Fragment::from_frame(&self.keys(), Some(ValueRef::new(&context)))
    }
}

pub(super) fn user(id: &str, at: i64, context: serde_json::Value) -> Identify {
    Identify { project: P, user: Some(id.to_owned()), device: None, at, message_id: None, context }
}

fn map() -> ProfileMap {
    ProfileMap::new(Vec::new(), HASH_KEY, Arc::new(Limits::default()))
}

fn apply(map: &mut ProfileMap, identify: &Identify) -> Notes {
    map.apply(&identify.fragment().unwrap())
}

fn traits(map: &ProfileMap, person: PersonRef<'_>) -> String {
    map.get(P, person).unwrap().unwrap().traits_json()
}

/// A store of runs: what the maintenance of a real one does.
pub(super) struct Files {
    pub(super) disk: SimDisk,
    next_run: u64,
    next_seq: u64,
}

impl Files {
    pub(super) fn new() -> Self {
        Self { disk: SimDisk::default(), next_run: 1, next_seq: 1 }
    }

    fn name(number: u64) -> String {
        FileName::ProfileRun(number).to_string()
    }

    fn source(&self, file: &dyn File) -> DerivedSource {
        DerivedSource { disk: Arc::new(self.disk.clone()), name: file.name().to_owned(), remake: None }
    }

    fn origin(&mut self, first_seq: Seq, last_seq: Seq) -> Origin {
        let number = self.next_run;
        self.next_run += 1;
        Origin { store_id: STORE, hash_key: HASH_KEY, number, first_seq, last_seq }
    }

    /// Makes the delta of a map a run.
    pub(super) fn flush(&mut self, map: &mut ProfileMap) -> crate::format::manifest::ProfileRun {
        let (first, last) = (Seq::new(self.next_seq), Seq::new(self.next_seq + 9));
        self.next_seq += 10;
        let frozen = map.freeze(last);
        let origin = self.origin(first, last);
        let file = self.disk.create(&Self::name(origin.number)).unwrap();
        let mut rows = Merge::new(vec![Source::delta(&frozen.delta, &[], &[])]);
        let listed = write(&*file, &origin, &mut rows).unwrap();
        map.flushed(Arc::new(Run::open(self.source(&*file), &listed, STORE, &HASH_KEY).unwrap()));
        listed
    }

    /// Makes neighbouring runs one.
    pub(super) fn compact(&mut self, map: &mut ProfileMap, inputs: std::ops::Range<usize>) {
        let inputs = &map.runs()[inputs];
        let (first, last) = seqs(inputs).unwrap();
        let origin = self.origin(first, last);
        let file = self.disk.create(&Self::name(origin.number)).unwrap();
        let listed = compact(&*file, &origin, inputs).unwrap();
        map.compacted(Arc::new(Run::open(self.source(&*file), &listed, STORE, &HASH_KEY).unwrap()));
    }
}

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
    let identify = event(Some("u"), None);
    let mut keys = identify.keys();
    keys.event_type = "order.placed";
    assert!(Fragment::from_frame(&keys, None).is_none());
}

#[test]
fn an_identify_without_traits_makes_a_profile() {
    let mut map = map();
    let event = user("u", 1, json!({}));
    map.apply(&Fragment::from_frame(&event.keys(), None).unwrap());
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
        map.apply(&Fragment::of_cursor(crm, Seq::new(seq), format!("state {seq}").as_bytes()));
        files.flush(&mut map);
    }
    map.apply(&Fragment::of_cursor(crm, Seq::new(8), b""));
    map.apply(&Fragment::of_cursor(store_crm, Seq::new(1), b""));
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

// The random tests, against a fold that shares nothing with the module but the order's digest.

/// The seed of this run, printed so that it can be replayed.
pub(super) fn seed() -> u64 {
    let seed = std::env::var("ENVELOG_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |elapsed| elapsed.as_nanos() as u64)
    });
    println!("ENVELOG_SEED={seed}");
    seed
}

fn one_of<T: Clone>(rng: &mut SimRng, list: &[T]) -> T {
    list[rng.below(list.len() as u64) as usize].clone()
}

fn random_value(rng: &mut SimRng) -> serde_json::Value {
    let list = [
        json!(null),
        json!(null),
        json!(1),
        json!(2),
        json!("x"),
        json!(""),
        json!({"k": [1]}),
        json!(false),
    ];
    one_of(rng, &list)
}

fn random_traits(rng: &mut SimRng) -> serde_json::Value {
    let mut traits = serde_json::Map::new();
    for name in ["a", "b", "c", "d", "e"] {
        if rng.chance(400) {
            traits.insert(name.to_owned(), random_value(rng));
        }
    }
    if rng.chance(300) {
        let key = one_of(rng, &["00000000", "11111111", "ffffffff"]);
        traits.insert("ipHash".to_owned(), json!(format!("iph1:{key}:00112233445566778899aabbccddeeff")));
    }
    traits.into()
}

pub(super) fn random_identify(rng: &mut SimRng) -> Identify {
    let mut context = serde_json::Map::new();
    if rng.chance(900) {
        context.insert("traits".to_owned(), random_traits(rng));
    }
    if rng.chance(400) {
        context.insert("traitsOnce".to_owned(), random_traits(rng));
    }
    let user = one_of(rng, &[Some("u"), Some("v"), Some("u_1"), None]).map(str::to_owned);
    let device =
        if user.is_none() || rng.chance(200) { Some(one_of(rng, &["u", "d"]).to_owned()) } else { None };
    Identify {
        project: if rng.chance(800) { P } else { OTHER },
        user,
        device,
        at: 1 + rng.below(4).cast_signed(),
        message_id: one_of(rng, &[None, Some("m-1"), Some("m-2")]).map(str::to_owned),
        context: context.into(),
    }
}

/// Of a trait: is it plain, its fact, its value as a tree and as JSON.
type Told = (bool, FactOrder, Vec<u8>, serde_json::Value);

/// The fold by the letter: all facts of one person in their total order.
#[derive(Default)]
struct Naive {
    facts: Vec<(FactOrder, serde_json::Value)>,
}

impl Naive {
    fn add(&mut self, identify: &Identify) {
        let keys = identify.keys();
        let context = tree(&identify.context.to_string());
        let object = |name| ValueRef::new(&context).get(name);
        let digest = crate::envelope::fact::Fact {
            event_type: keys.event_type,
            user_id: keys.user_id,
            anonymous_id: keys.anonymous_id,
            member: None,
            traits: object("traits"),
            traits_once: object("traitsOnce"),
        }
        .digest();
        let message_id = keys.message_id.unwrap_or_default().into();
        self.facts
            .push((FactOrder { timestamp: keys.timestamp, message_id, digest }, identify.context.clone()));
    }

    fn told(&self) -> BTreeMap<String, Vec<Told>> {
        let mut told: BTreeMap<String, Vec<Told>> = BTreeMap::new();
        for (order, context) in &self.facts {
            for (member, is_plain) in [("traits", true), ("traitsOnce", false)] {
                for (name, value) in
                    context.get(member).and_then(|value| value.as_object()).into_iter().flatten()
                {
                    if is_plain || !value.is_null() {
                        told.entry(name.clone()).or_default().push((
                            is_plain,
                            order.clone(),
                            tree(&value.to_string()),
                            value.clone(),
                        ));
                    }
                }
            }
        }
        told
    }

    /// Each trait that is set, with its event time.
    fn traits(&self) -> BTreeMap<String, (serde_json::Value, i64)> {
        let mut traits = BTreeMap::new();
        for (name, mut told) in self.told() {
            told.sort_by(|a, b| (&a.1, &a.2).cmp(&(&b.1, &b.2)));
            let winner = told.iter().rev().find(|each| each.0).or_else(|| {
                let earliest = &told[0].1;
                told.iter().rev().find(|each| each.1 == *earliest)
            });
            let (_, order, _, value) = winner.unwrap();
            if !value.is_null() {
                traits.insert(name, (value.clone(), order.timestamp.get()));
            }
        }
        traits
    }

    /// Whether a plain trait that the last fact names lost to a newer plain one.
    ///
    /// Only its own names count: an earlier fact of the same order may name an address hash that it does not.
    fn is_last_stale(&self) -> bool {
        let (last, context) = self.facts.last().unwrap();
        let told = self.told();
        let names =
            context.get("traits").and_then(|value| value.as_object()).into_iter().flat_map(|own| own.keys());
        names.into_iter().any(|name| told[name].iter().any(|each| each.0 && each.1 > *last))
    }
}

type Folded = BTreeMap<(bool, String), Naive>;

fn naive(folded: &mut Folded, identify: &Identify) {
    let key = match (&identify.user, &identify.device) {
        (Some(user), _) => (false, user.clone()),
        (None, device) => (true, device.clone().unwrap()),
    };
    folded.entry(key).or_default().add(identify);
}

fn naive_json(folded: &Folded) -> Vec<serde_json::Value> {
    let each = |((is_device, id), naive): (&(bool, String), &Naive)| {
        let person = json!({"kind": if *is_device { "anonymous" } else { "user" }, "id": id});
        let at = |nanos: i64| format!("1970-01-01T00:00:00.{nanos:09}Z");
        let traits: BTreeMap<_, _> = naive
            .traits()
            .into_iter()
            .map(|(name, (value, nanos))| (name, json!({"value": value, "at": at(nanos)})))
            .collect();
        let state = if *is_device { "anonymous" } else { "identified" };
        json!({"person": person, "members": [person], "state": state, "traits": traits})
    };
    folded.iter().map(each).collect()
}

#[test]
fn any_permutation_duplication_and_split_of_the_same_facts_gives_the_same_bytes() {
    let seed = seed();
    for case in 0..150 {
        let mut rng = SimRng::new(seed.wrapping_add(case));
        let count = 1 + rng.below(40);
        let facts: Vec<Identify> = (0..count).map(|_| random_identify(&mut rng)).collect();
        let mut straight = map();
        let mut folded = [P, OTHER].map(|project| (project, Folded::new()));
        for fact in &facts {
            apply(&mut straight, fact);
            for (project, folded) in &mut folded {
                if fact.project == *project {
                    naive(folded, fact);
                }
            }
        }
        for (project, folded) in &folded {
            let json = straight.canonical_json(*project).unwrap();
            let parsed: Vec<serde_json::Value> = serde_json::from_str(&json).unwrap();
            assert_eq!(parsed, naive_json(folded), "seed {seed} case {case}");
        }

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
            if rng.chance(50) {
                split.freeze(Seq::new(u64::MAX));
            }
            if split.runs().len() >= 2 && rng.chance(150) {
                let start = rng.below(split.runs().len() as u64 - 1) as usize;
                let end = start + 2 + rng.below((split.runs().len() - start - 1) as u64) as usize;
                files.compact(&mut split, start..end);
            }
        }
        for project in [P, OTHER] {
            assert_eq!(
                split.canonical_json(project).unwrap(),
                straight.canonical_json(project).unwrap(),
                "seed {seed} case {case}"
            );
            for profile in straight.profiles(project, None).unwrap() {
                let profile = profile.unwrap();
                let found = split.get(project, profile.person()).unwrap().unwrap();
                assert_eq!(found.traits_json(), profile.traits_json(), "seed {seed} case {case}");
                assert_eq!(found.identified_at(), profile.identified_at(), "seed {seed} case {case}");
            }
        }
    }
}

#[test]
fn rows_are_joined_to_the_same_bytes_in_any_grouping() {
    let seed = seed();
    for case in 0..400 {
        let mut rng = SimRng::new(seed.wrapping_add(case));
        let mut joiner = join::Joiner::default();
        let mut joined = |left: &[u8], right: &[u8]| {
            let mut out = Vec::new();
            joiner.join(&key::person_key(P, PersonRef::User("u")), left, right, &mut out);
            out
        };
        let mut row = || {
            (0..=rng.below(4))
                .fold(Vec::new(), |row, _| joined(&row, &random_identify(&mut rng).fragment().unwrap().row))
        };
        let (a, b, c) = (row(), row(), row());
        assert_eq!(joined(&a, &b), joined(&b, &a), "commutative, seed {seed} case {case}");
        let (ab, bc) = (joined(&a, &b), joined(&b, &c));
        assert_eq!(joined(&ab, &c), joined(&a, &bc), "associative, seed {seed} case {case}");
        assert_eq!(joined(&ab, &a), ab, "idempotent, seed {seed} case {case}");
    }
}

#[test]
fn notes_are_those_of_the_naive_fold_whatever_the_layers() {
    let seed = seed();
    let mut limits = Limits::default();
    (limits.traits_max, limits.traits_bytes_max) = (3, 60);
    let mut seen = BTreeSet::new();
    for case in 0..100 {
        let mut rng = SimRng::new(seed.wrapping_add(case));
        let mut map = ProfileMap::new(Vec::new(), HASH_KEY, Arc::new(limits.clone()));
        let mut files = Files::new();
        let mut folded = Folded::new();
        for _ in 0..40 {
            let mut fact = random_identify(&mut rng);
            fact.project = P;
            let notes = apply(&mut map, &fact);
            naive(&mut folded, &fact);
            let person = fact
                .user
                .clone()
                .map_or((true, fact.device.clone().unwrap_or_default()), |user| (false, user));
            let row = &folded[&person];
            let live = row.traits();
            let bytes: usize =
                live.iter().map(|(name, (value, _))| name.len() + tree(&value.to_string()).len()).sum();
            let is_over = live.len() > 3 || bytes > 60;
            assert_eq!(notes.contains(Note::OverLimit), is_over, "seed {seed} case {case}");
            assert_eq!(notes.contains(Note::StaleTraits), row.is_last_stale(), "seed {seed} case {case}");
            seen.extend(notes.iter());
            let person = if person.0 { PersonRef::Anonymous(&person.1) } else { PersonRef::User(&person.1) };
            assert_eq!(map.get(P, person).unwrap().unwrap().is_over_limit(), is_over);
            if rng.chance(150) {
                files.flush(&mut map);
            }
            if rng.chance(50) {
                map.freeze(Seq::new(u64::MAX));
            }
        }
    }
    assert_eq!(seen.len(), 2, "both notes were met");
}
