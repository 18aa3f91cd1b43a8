//! The promise of the module: profiles do not depend on arrival.

#![expect(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "tests know their numbers")]

mod facts;
mod fold;
mod reading;
mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::envelope::Value;
use crate::envelope::fact::FactOrder;
use crate::envelope::tree::TreeBuilder;
use crate::envelope::{EventType, Note, Notes, ValueRef, codec};
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

/// An identify, or another fact, as a test writes it.
#[derive(Debug, Clone)]
pub(super) struct Identify {
    pub(super) project: [u8; 16],
    pub(super) user: Option<String>,
    pub(super) device: Option<String>,
    pub(super) at: i64,
    pub(super) message_id: Option<String>,
    pub(super) context: serde_json::Value,
    pub(super) event_type: &'static str,
    /// The kind and the id of an alias's `from` or of an unlink's `member`.
    pub(super) member: Option<(&'static str, String)>,
}

impl Identify {
    pub(super) fn keys(&self) -> EventKeys<'_> {
        EventKeys {
            project_id: self.project,
            org_id: [3; 16],
            timestamp: Nanos::new(self.at),
            module: "profiles",
            event_type: self.event_type,
            user_id: self.user.as_deref(),
            anonymous_id: self.device.as_deref(),
            message_id: self.message_id.as_deref(),
        }
    }

    pub(super) fn fragments(&self) -> Fragments {
        let context = tree(&self.context.to_string());
        let properties = self.member.as_ref().map(|(kind, id)| {
            let member = json!({"kind": kind, "id": id});
            tree(&json!({"from": member, "member": member}).to_string())
        });
        let mut body = Vec::new();
        codec::encode(&mut body, properties.as_deref(), Some(&context)).unwrap();
        Fragment::of_frame(&self.keys(), &body)
    }

    /// What it says of the row that its traits land on.
    pub(super) fn fragment(&self) -> Option<Fragment> {
        self.fragments().into_iter().next()
    }
}

pub(super) fn user(id: &str, at: i64, context: serde_json::Value) -> Identify {
    let user = Some(id.to_owned());
    Identify {
        project: P,
        user,
        device: None,
        at,
        message_id: None,
        context,
        event_type: EventType::IDENTIFY,
        member: None,
    }
}

/// Rows read one by one, as the profiles of persons of one id.
impl ProfileMap {
    pub(super) fn get(&self, project_id: [u8; 16], person: PersonRef<'_>) -> crate::Result<Option<Profile>> {
        let row = self.row(project_id, person)?;
        Ok(row.and_then(|row| profile_of(person, row, self.limits())))
    }

    pub(super) fn profiles(
        &self,
        project_id: [u8; 16],
        after: Option<PersonRef<'_>>,
    ) -> crate::Result<impl Iterator<Item = crate::Result<Profile>>> {
        let limits = self.limits();
        Ok(self.rows(project_id, after)?.filter_map(move |row| match row {
            Ok((person, row)) => profile_of(person, row, limits).map(Ok),
            Err(error) => Some(Err(error)),
        }))
    }

    pub(super) fn traits(&self, project_id: [u8; 16]) -> crate::Result<Vec<TraitName>> {
        trait_names(self.profiles(project_id, None)?)
    }

    pub(super) fn canonical_json(&self, project_id: [u8; 16]) -> crate::Result<String> {
        view::canonical_json(self.profiles(project_id, None)?)
    }
}

fn profile_of(person: PersonRef<'_>, row: PersonRow, limits: &Limits) -> Option<Profile> {
    let identify = row.identify()?.timestamp;
    let identified_at = matches!(person, PersonRef::User(_)).then_some(identify);
    Some(Profile::joined(person, Box::new([]), identified_at, &[row], limits))
}

fn map() -> ProfileMap {
    ProfileMap::new(Vec::new(), HASH_KEY, Arc::new(Limits::default()))
}

fn apply(map: &mut ProfileMap, identify: &Identify) -> Notes {
    map.apply_all(identify.fragments())
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

/// The seed of this run, printed so that it can be replayed.
pub(super) fn seed() -> u64 {
    let seed = SimRng::seed_of_run();
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
        event_type: EventType::IDENTIFY,
        member: None,
    }
}

/// Any fact: half of them identifies, of two projects, few ids and few times.
pub(super) fn random_fact(rng: &mut SimRng) -> Identify {
    let mut fact = random_identify(rng);
    if rng.chance(500) {
        return fact;
    }
    fact.user = Some(one_of(rng, &["u", "v", "u_1", "null"]).to_owned());
    let types = [EventType::ANONYMOUS_CREATED, EventType::SIGNED_UP, EventType::ALIASED, EventType::UNLINKED];
    fact.event_type = one_of(rng, &types);
    if matches!(fact.event_type, EventType::ALIASED | EventType::UNLINKED) {
        let kind = one_of(rng, &["user", "anonymous"]);
        fact.member = Some((kind, one_of(rng, &["u", "v", "d", "null"]).to_owned()));
    }
    fact
}
