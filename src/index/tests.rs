//! Active, sealed and naive indexes of random segments against each other.

mod concurrency;
mod corruption;
mod model;
mod origin;

use std::sync::Arc;

use super::*;
use crate::format::keys::EventKeys;
use crate::types::{Nanos, SegmentId, Seq};

const KEY: [u8; 16] = [7; 16];
const NAME: &str = "seg-3.idx";

/// Random numbers, from the seed in `ENVELOG_SEED` or one of the clock, which is printed.
struct Random(u64);

impl Random {
    fn from_env() -> Self {
        let seed =
            std::env::var("ENVELOG_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
                let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
                u64::from(now.subsec_nanos()) ^ now.as_secs()
            });
        println!("ENVELOG_SEED={seed}");
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    /// A number below `end`, small ones far more often.
    fn skewed(&mut self, end: u64) -> u64 {
        let end = self.below(end) + 1;
        let end = self.below(end) + 1;
        self.below(end)
    }
}

/// An event as a test keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Event {
    project: [u8; 16],
    time: i64,
    module: String,
    kind: String,
    user: Option<String>,
    device: Option<String>,
}

impl Event {
    fn keys(&self) -> EventKeys<'_> {
        EventKeys {
            project_id: self.project,
            org_id: [9; 16],
            timestamp: Nanos::new(self.time),
            module: &self.module,
            event_type: &self.kind,
            user_id: self.user.as_deref(),
            anonymous_id: self.device.as_deref(),
            message_id: None,
        }
    }

    fn id(&self, kind: IdKind) -> Option<&str> {
        match kind {
            IdKind::User => self.user.as_deref(),
            IdKind::Device => self.device.as_deref(),
        }
    }

    fn hash(&self, kind: IdKind) -> Option<IdHash> {
        self.id(kind).map(|id| id_hash(&KEY, &self.project, kind, id))
    }
}

type Frame = (u32, Option<Event>);

/// What a random segment is like.
#[derive(Debug, Clone, Copy)]
struct Mix {
    frames: u64,
    projects: u64,
    types: u64,
    users: u64,
    /// One event in so many is late; 1 shuffles all.
    late: u64,
    /// One frame in so many is no event.
    others: u64,
    /// What timestamps are multiples of.
    step: i64,
}

fn frames(random: &mut Random, mix: Mix) -> Vec<Frame> {
    let mut offset = 4096;
    let mut now = 1_700_000_000_000_000_000 / mix.step * mix.step;
    (0..mix.frames)
        .map(|_| {
            let at = offset;
            offset += 32 + 8 * u32::try_from(random.below(60)).unwrap();
            if random.one_in(mix.others) {
                return (at, None);
            }
            if !random.one_in(4) {
                now += i64::try_from(random.below(50_000)).unwrap() * mix.step;
            }
            let back =
                if random.one_in(mix.late) { i64::try_from(random.below(100_000_000)).unwrap() } else { 0 };
            let project = u8::try_from(random.skewed(mix.projects)).unwrap();
            let module = random.skewed(5);
            let id = |random: &mut Random, prefix: &str| {
                (!random.one_in(5)).then(|| format!("{prefix}{}", random.skewed(mix.users)))
            };
            let event = Event {
                project: [project.wrapping_mul(113); 16],
                time: now - back * mix.step,
                module: format!("module{module}"),
                kind: format!("type{}", random.skewed(mix.types)),
                user: id(random, "u"),
                device: id(random, "d"),
            };
            (at, Some(event))
        })
        .collect()
}

fn active_of(frames: &[Frame]) -> ActiveWriter {
    let bytes = frames.last().map_or(4096, |(offset, _)| u64::from(*offset) + 32);
    let mut writer = ActiveWriter::new(KEY, bytes);
    for (offset, event) in frames {
        match event {
            Some(event) => writer.push_event(*offset, &event.keys()),
            None => writer.push_other(*offset),
        }
    }
    writer
}

fn origin_of(frames: &[Frame]) -> Origin {
    Origin {
        store_id: [3; 16],
        segment: SegmentId::new(3),
        base_seq: Seq::new(1001),
        frames: u32::try_from(frames.len()).unwrap(),
        crc_of_crcs: 0x1234_5678,
    }
}

fn built(frames: &[Frame]) -> IndexFile {
    let bytes = frames.last().map_or(4096, |(offset, _)| u64::from(*offset) + 32);
    let with_keys = frames.iter().map(|(offset, event)| (*offset, event.as_ref().map(Event::keys)));
    build(with_keys, KEY, bytes, &origin_of(frames)).unwrap()
}

fn sealed_of(frames: &[Frame]) -> Arc<SealedIndex> {
    let file = built(frames);
    Arc::new(SealedIndex::from_bytes(file.bytes, NAME, &file.listed, &origin_of(frames)).unwrap())
}
