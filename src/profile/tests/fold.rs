//! Random facts, against a fold that shares nothing with the module but the digest of the order.

use super::*;

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
