//! The promise of the module: profiles do not depend on arrival.

#![expect(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "tests know their numbers")]

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
    }
}
