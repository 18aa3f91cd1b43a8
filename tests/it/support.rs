//! What the safety tests share: how much to do, random workloads, and what was given to a store and what came of it.
//!
//! Every suite prints its seed. `ENVELOG_SEED=` makes the same run again, and `ENVELOG_CASE=` one case of it.

pub(crate) mod answers;
pub(crate) mod oracle;
pub(crate) mod watch;
pub(crate) mod workload;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use envelog::testing::{ManualClock, SeededEntropy, SimRng};
use envelog::{DateTime, Durability, Envelope, Event, Number, Options, Utc, Uuid, Value};
use serde_json::json;

use crate::identity::naive::{NaiveEvent, Person};

/// How much a run of the tests does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// What the README's test command does.
    Test,
    Ci,
    Campaign,
}

pub(crate) fn effort() -> Effort {
    match std::env::var("ENVELOG_EFFORT").as_deref() {
        Ok("ci") => Effort::Ci,
        Ok("campaign") => Effort::Campaign,
        _ => Effort::Test,
    }
}

/// The one of three numbers that the effort asks for; `ENVELOG_COUNT` overrides it.
pub(crate) fn count(test: u64, ci: u64, campaign: u64) -> u64 {
    let wanted = std::env::var("ENVELOG_COUNT").ok().and_then(|count| count.parse().ok());
    wanted.unwrap_or(match effort() {
        Effort::Test => test,
        Effort::Ci => ci,
        Effort::Campaign => campaign,
    })
}

#[expect(clippy::print_stderr, reason = "seeds and distributions are what a reader of the run wants to see")]
pub(crate) fn say(line: impl fmt::Display) {
    eprintln!("{line}");
}

/// Reports a test that cannot run here; where `CI=true` it must.
pub(crate) fn ignored(test: &str, reason: impl fmt::Display) {
    say(format_args!("{test} ... ignored: {reason}"));
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{test} must run where CI=true: {reason}");
}

/// Many cases of one suite, on all processors.
pub(crate) struct Suite {
    pub(crate) name: &'static str,
    /// How much is to be done, in units that the cases count.
    pub(crate) wanted: u64,
    /// This much is done however long it takes.
    pub(crate) least: u64,
    /// Once the least is done, no case begins after this.
    pub(crate) cap: Duration,
}

impl Suite {
    /// Runs cases until enough is done; a case returns how much it did.
    pub(crate) fn run(&self, case: impl Fn(u64, &mut SimRng) -> u64 + Sync) {
        let seed = SimRng::seed_of_run();
        let only: Option<u64> = std::env::var("ENVELOG_CASE").ok().and_then(|case| case.parse().ok());
        say(format_args!("{}: ENVELOG_SEED={seed}", self.name));
        let started = Instant::now();
        let (next, done) = (AtomicU64::new(only.unwrap_or(0)), AtomicU64::new(0));
        let failed = AtomicBool::new(false);
        let goes_on = || {
            let done = done.load(Ordering::Relaxed);
            let is_enough = done >= self.wanted || (done >= self.least && started.elapsed() >= self.cap);
            !is_enough && !failed.load(Ordering::Relaxed)
        };
        let worker = || {
            while goes_on() {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let _told = OnPanic { name: self.name, seed, case: number, failed: &failed };
                let mut rng = SimRng::new(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17));
                done.fetch_add(case(number, &mut rng), Ordering::Relaxed);
                if only.is_some() {
                    break;
                }
            }
        };
        let threads =
            if only.is_some() { 1 } else { std::thread::available_parallelism().map_or(1, usize::from) };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
            for worker in workers {
                if let Err(panic) = worker.join() {
                    std::panic::resume_unwind(panic);
                }
            }
        });
        let done = done.into_inner();
        say(format_args!("{}: {done} in {:.1} s", self.name, started.elapsed().as_secs_f64()));
    }
}

/// Says which case failed, and lets the other threads begin no more.
struct OnPanic<'a> {
    name: &'static str,
    seed: u64,
    case: u64,
    failed: &'a AtomicBool,
}

impl Drop for OnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.failed.store(true, Ordering::Relaxed);
            say(format_args!(
                "{}: failed with ENVELOG_SEED={} ENVELOG_CASE={}",
                self.name, self.seed, self.case
            ));
        }
    }
}

/// How often things happened, over all threads.
#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<BTreeMap<String, u64>>);

impl Tally {
    pub(crate) fn add(&self, what: impl Into<String>) {
        *self.0.lock().unwrap().entry(what.into()).or_default() += 1;
    }

    pub(crate) fn get(&self, what: &str) -> u64 {
        self.0.lock().unwrap().get(what).copied().unwrap_or(0)
    }

    pub(crate) fn print(&self, suite: &str) {
        for (what, count) in &*self.0.lock().unwrap() {
            say(format_args!("{suite}: {count:>7} {what}"));
        }
    }

    /// At least this many in a hundred of `of` are `what`.
    pub(crate) fn assert_share(&self, what: &str, of: &str, percent: u64) {
        let (part, whole) = (self.get(what), self.get(of));
        assert!(part * 100 >= whole * percent, "{part} of {whole} {of} are {what}, not {percent} %");
    }
}

pub(crate) const LEVELS: [Durability; 3] =
    [Durability::Buffered, Durability::Interval { ms: 2, bytes: 4096 }, Durability::Synced];

pub(crate) fn level_name(level: Durability) -> &'static str {
    match level {
        Durability::Buffered => "at Buffered",
        Durability::Interval { .. } => "at Interval",
        _ => "at Synced",
    }
}

/// The time at which the clocks of these tests begin, in nanoseconds.
pub(crate) const NOW: i64 = 1_750_000_000_000_000_000;

/// Options with a clock and randomness that `rng` decides.
pub(crate) fn options(rng: &mut SimRng, level: Durability, segment_bytes: u64) -> Options {
    let clock = ManualClock::new(DateTime::from_timestamp_nanos(NOW));
    clock.set_step(7_000_000);
    Options::new()
        .durability(level)
        .tiny_segments(segment_bytes)
        .clock(Arc::new(clock))
        .entropy(Arc::new(SeededEntropy::new(rng.next_u64())))
}

pub(crate) const PROJECTS: u8 = 2;
pub(crate) const USERS: u8 = 5;
pub(crate) const DEVICES: u8 = 4;
pub(crate) const TYPES: [&str; 5] = ["order.placed", "order.paid", "page.viewed", "cart.added", "identify"];
/// Facts of identity that are no identifies.
const ACTS: [&str; 4] =
    ["identity.anonymous_created", "identity.signed_up", "identity.aliased", "identity.unlinked"];
pub(crate) const MODULES: [&str; 3] = ["billing", "analytics", "shop"];
pub(crate) const TRAITS: [&str; 4] = ["plan", "seats", "city", "score"];

pub(crate) fn project_id(project: u8) -> Uuid {
    Uuid::from_u128(0x1000 + u128::from(project))
}

pub(crate) fn org_id() -> Uuid {
    Uuid::from_u128(0x77)
}

/// An event as a test gives it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Draft {
    /// No other event of the test has it; it travels as the message id, or else as a property.
    pub(crate) number: u64,
    pub(crate) has_message_id: bool,
    pub(crate) project: u8,
    pub(crate) event_type: &'static str,
    pub(crate) module: &'static str,
    pub(crate) user: Option<u8>,
    pub(crate) device: Option<u8>,
    /// Whom an alias joins to the user, or an unlink takes from it.
    pub(crate) member: Option<Person>,
    pub(crate) timestamp: i64,
    pub(crate) amount: Option<Amount>,
    pub(crate) padding: usize,
    /// Traits that are set, or unset where there is no value.
    pub(crate) traits: BTreeMap<&'static str, Option<i64>>,
    pub(crate) traits_once: BTreeMap<&'static str, i64>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Amount {
    Integer(i64),
    /// A multiple of 1/8, so that sums of them are exact whatever their order.
    Float(f64),
    Text,
}

impl Draft {
    pub(crate) fn draw(rng: &mut SimRng, number: u64) -> Self {
        let is_act = rng.chance(80);
        let is_identify = is_act || rng.chance(180);
        let pick = |rng: &mut SimRng, from: &[&'static str]| from[index(rng, from.len())];
        let event_type = match (is_act, is_identify) {
            (true, _) => pick(rng, &ACTS),
            (_, true) => TYPES[4],
            _ => pick(rng, &TYPES[..4]),
        };
        let names_member = is_act && (event_type == ACTS[2] || event_type == ACTS[3]);
        let member = names_member.then(|| match rng.below(2) {
            0 => Person::User(user_id(byte(rng, USERS))),
            _ => Person::Anonymous(anonymous_id(byte(rng, DEVICES))),
        });
        // Many events tie, identify events among them: their message ids decide, or what they say.
        let timestamp = if is_identify && rng.chance(600) {
            NOW - small(rng.below(1 << 40)) * 1000
        } else {
            NOW - small(rng.below(if is_identify { 3 } else { 60 })) * 43_200_000_000_000
        };
        let has_message_id = !is_identify || rng.chance(600);
        let mut traits = BTreeMap::new();
        let mut traits_once = BTreeMap::new();
        if is_identify {
            for _ in 0..=rng.below(3) {
                let value = (!rng.chance(150)).then(|| small(rng.below(100)));
                traits.insert(pick(rng, &TRAITS), value);
            }
            if rng.chance(250) {
                traits_once.insert(pick(rng, &TRAITS), small(rng.below(100)));
            }
        }
        let user = (is_act || rng.chance(if is_identify { 900 } else { 700 })).then(|| byte(rng, USERS));
        let device = rng.chance(400).then(|| byte(rng, DEVICES));
        let amount = match rng.below(6) {
            0 => None,
            1 => Some(Amount::Text),
            2 => Some(Amount::Float(f64::from(u32::try_from(rng.below(4000)).unwrap()) / 8.0 + 0.125)),
            _ => Some(Amount::Integer(small(rng.below(2000)) - 500)),
        };
        let padding_max = if rng.chance(100) { 900 } else { 90 };
        let padding = index(rng, padding_max);
        Self {
            number,
            has_message_id,
            project: byte(rng, PROJECTS),
            event_type,
            module: if is_identify { "profiles" } else { pick(rng, &MODULES) },
            user,
            device,
            member,
            timestamp,
            amount,
            padding,
            traits,
            traits_once,
        }
    }

    pub(crate) fn message_id(&self) -> Option<String> {
        self.has_message_id.then(|| format!("m{}", self.number))
    }

    pub(crate) fn user_id(&self) -> Option<String> {
        self.user.map(user_id)
    }

    pub(crate) fn anonymous_id(&self) -> Option<String> {
        self.device.map(anonymous_id)
    }

    pub(crate) fn at(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_nanos(self.timestamp)
    }

    pub(crate) fn envelope(&self) -> Envelope {
        let mut envelope = Envelope::new(org_id(), project_id(self.project), self.module, self.event_type)
            .at(self.at())
            .property("padding", "x".repeat(self.padding));
        envelope.message_id = self.message_id();
        if !self.has_message_id {
            envelope = envelope.property("number", self.number);
        }
        envelope.user_id = self.user_id();
        envelope.anonymous_id = self.anonymous_id();
        envelope = match self.amount {
            Some(Amount::Integer(amount)) => envelope.property("amount", amount),
            Some(Amount::Float(amount)) => envelope.property("amount", Number::from_f64(amount).unwrap()),
            Some(Amount::Text) => envelope.property("amount", "a lot"),
            None => envelope,
        };
        if let Some((key, kind, id)) = self.member() {
            let member = [("kind", kind), ("id", id)].map(|(key, value)| (key, Value::from(value)));
            envelope = envelope.property(key, Value::Object(member.into_iter().collect()));
        }
        for (name, value) in &self.traits {
            envelope = envelope.with_trait(*name, value.map_or(Value::Null, Value::from));
        }
        for (name, value) in &self.traits_once {
            envelope = envelope.with_trait_once(*name, *value);
        }
        envelope
    }

    /// The property that names the member, its kind and its id.
    fn member(&self) -> Option<(&'static str, &'static str, &str)> {
        let key = if self.event_type == ACTS[2] { "from" } else { "member" };
        Some(match self.member.as_ref()? {
            Person::User(id) => (key, "user", id),
            Person::Anonymous(id) => (key, "anonymous", id),
        })
    }

    /// The same as the naive model of identity has it.
    pub(crate) fn naive(&self, seq: u64) -> NaiveEvent {
        let member = self.member().map(|(key, kind, id)| json!({ key: { "kind": kind, "id": id } }));
        let mut context = serde_json::Map::new();
        if !self.traits.is_empty() {
            context.insert("traits".to_owned(), json!(self.traits));
        }
        if !self.traits_once.is_empty() {
            context.insert("traitsOnce".to_owned(), json!(self.traits_once));
        }
        NaiveEvent {
            seq,
            timestamp: self.timestamp,
            event_type: self.event_type.to_owned(),
            user_id: self.user_id(),
            anonymous_id: self.anonymous_id(),
            message_id: self.message_id(),
            properties: member,
            context: Some(context.into()),
        }
    }

    /// Whether the event is this draft, in every field.
    pub(crate) fn is(&self, event: &Event) -> bool {
        let envelope = self.envelope();
        event.org_id() == envelope.org_id
            && event.project_id() == envelope.project_id
            && event.module() == envelope.module
            && event.event_type() == envelope.event_type
            && Some(event.timestamp()) == envelope.timestamp
            && event.user_id() == envelope.user_id.as_deref()
            && event.anonymous_id() == envelope.anonymous_id.as_deref()
            && event.message_id() == envelope.message_id.as_deref()
            && event.properties() == envelope.properties.as_ref()
            && event.context() == envelope.context.as_ref()
    }
}

pub(crate) fn user_id(user: u8) -> String {
    format!("u_{user}")
}

pub(crate) fn anonymous_id(device: u8) -> String {
    format!("d_{device}")
}

/// The number of an event, from its message id or its properties.
pub(crate) fn number_of(event: &Event) -> u64 {
    let number = match event.message_id() {
        Some(id) => id.strip_prefix('m').and_then(|number| number.parse().ok()),
        None => event.properties().and_then(|properties| properties.get("number")?.as_u64()),
    };
    number.unwrap_or_else(|| panic!("event {} is none that was given", event.seq()))
}

pub(crate) fn index(rng: &mut SimRng, bound: usize) -> usize {
    usize::try_from(rng.below(bound as u64)).unwrap()
}

fn byte(rng: &mut SimRng, bound: u8) -> u8 {
    u8::try_from(rng.below(bound.into())).unwrap()
}

fn small(number: u64) -> i64 {
    i64::try_from(number).unwrap()
}

/// Where the frames of a segment with a short header begin, by the lengths they say.
pub(crate) fn frames(bytes: &[u8]) -> Vec<usize> {
    let mut frames = Vec::new();
    let mut at = 2048;
    while let Some(len) = bytes.get(at..at + 4).map(|len| u32::from_le_bytes(len.try_into().unwrap())) {
        if len == 0 {
            break;
        }
        frames.push(at);
        at += len.next_multiple_of(8) as usize;
    }
    frames
}
