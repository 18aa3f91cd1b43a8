//! Seeded random histories of one small project, dense in acts of identity.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::naive::NaiveEvent;

/// The timestamp of the first tick of every history, in nanoseconds.
pub(crate) const START: i64 = 1_700_000_000_000_000_000;
/// From one tick to the next.
pub(crate) const TICK: i64 = 1_000_000_000;

/// A small generator of pseudo-random numbers.
pub(crate) struct SplitMix64(pub u64);

impl SplitMix64 {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below the limit, which is not zero. The bias is too small to matter here.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// True so many times in a hundred.
    pub(crate) fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        let index = usize::try_from(self.below(items.len() as u64)).expect("an index fits");
        &items[index]
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            let j = usize::try_from(self.below(i as u64 + 1)).expect("an index fits");
            items.swap(i, j);
        }
    }
}

/// Gives the events the seqs 1, 2, 3 and so on, in the order in which they stand.
pub(crate) fn renumber(events: &mut [NaiveEvent]) {
    for (seq, event) in (1..).zip(events) {
        event.seq = seq;
    }
}

/// The events that a store keeps: a repeated messageId with the same content stores nothing.
/// The events that stay keep their seqs. (A history never has one messageId on two contents.)
pub(crate) fn without_retries(events: &[NaiveEvent]) -> Vec<NaiveEvent> {
    let mut seen = std::collections::BTreeSet::new();
    let mut kept = Vec::new();
    for event in events {
        if let Some(id) = &event.message_id
            && !seen.insert(id.clone())
        {
            continue;
        }
        kept.push(event.clone());
    }
    kept
}

/// The history of a seed: 5 to 60 events in the order of their arrival, which is not that
/// of their times, with seqs from 1.
pub(crate) fn history(seed: u64) -> Vec<NaiveEvent> {
    let mut random = SplitMix64(seed);
    let mut maker = Maker {
        users: 2 + random.below(5),
        devices: 1 + random.below(5),
        ticks: *random.pick(&[3, 10, 30, 100]),
        shy: random.percent(50),
        onward: random.percent(50),
        count: 5 + random.below(56),
        made: 0,
        pairs: Vec::new(),
        taken: BTreeMap::new(),
        random,
    };
    let mut events: Vec<NaiveEvent> = Vec::new();
    for made in 0..maker.count {
        maker.made = made;
        let event = if !events.is_empty() && maker.random.percent(6) {
            maker.random.pick(&events).clone()
        } else {
            maker.event()
        };
        events.push(event);
    }
    renumber(&mut events);
    events
}

#[derive(Clone)]
enum Member {
    User(String),
    Device(String),
}

struct Maker {
    random: SplitMix64,
    users: u64,
    devices: u64,
    ticks: u64,
    /// Whether users are seldom identified, so that more can be merged.
    shy: bool,
    /// Whether times mostly go on with the arrival.
    onward: bool,
    /// How many events there will be, and how many there are.
    count: u64,
    made: u64,
    /// The members and users that links, aliases and unlinks have named so far.
    pairs: Vec<(Member, String)>,
    /// The content that each messageId stands for.
    taken: BTreeMap<String, NaiveEvent>,
}

impl Maker {
    fn event(&mut self) -> NaiveEvent {
        let mut event = NaiveEvent {
            seq: 0,
            timestamp: START + self.tick() * TICK,
            event_type: String::new(),
            user_id: None,
            anonymous_id: None,
            message_id: None,
            properties: None,
            context: None,
        };
        match self.random.below(100) {
            0..25 => self.plain(&mut event),
            25..60 => self.identify(&mut event),
            60..69 => self.about_user(&mut event, "identity.anonymous_created"),
            69..74 => self.about_user(&mut event, "identity.signed_up"),
            74..90 => self.about_member(&mut event, "identity.aliased", "from"),
            _ => self.about_member(&mut event, "identity.unlinked", "member"),
        }
        if self.random.percent(50) {
            event.message_id = Some(self.message_id(&event));
        }
        event
    }

    fn tick(&mut self) -> i64 {
        let mut tick = self.random.below(self.ticks);
        if self.onward && !self.random.percent(15) {
            let now = self.ticks * self.made / self.count;
            tick = now + self.random.below(2);
        }
        i64::try_from(tick).expect("ticks are few")
    }

    /// An id from the small set; one that stands for other content gives way to the next.
    fn message_id(&mut self, event: &NaiveEvent) -> String {
        let mut number = self.random.below(80);
        loop {
            let id = format!("m{number:02}");
            match self.taken.get(&id) {
                Some(other) if other != event => number = (number + 1) % 80,
                _ => {
                    self.taken.insert(id.clone(), event.clone());
                    return id;
                }
            }
        }
    }

    fn no_id(&mut self) -> String {
        let no_ids = ["guest", "NULL", "0", "'undefined'", "000-000", "-1"];
        (*self.random.pick(&no_ids)).to_owned()
    }

    fn user(&mut self) -> String {
        if self.random.percent(3) {
            return self.no_id();
        }
        format!("u{}", self.random.below(self.users))
    }

    fn device(&mut self) -> String {
        if self.random.percent(3) {
            return self.no_id();
        }
        format!("d{}", self.random.below(self.devices))
    }

    /// Sets a user, a device, or both; now and then neither where that is allowed.
    fn ids(&mut self, event: &mut NaiveEvent, device_alone: u64, both: u64) {
        let draw = self.random.below(100);
        if draw < device_alone {
            event.anonymous_id = Some(self.device());
        } else if draw < device_alone + both {
            event.user_id = Some(self.user());
            event.anonymous_id = Some(self.device());
        } else {
            event.user_id = Some(self.user());
        }
    }

    fn plain(&mut self, event: &mut NaiveEvent) {
        let kinds = ["page.viewed", "order.placed"];
        event.event_type = (*self.random.pick(&kinds)).to_owned();
        if !self.random.percent(3) {
            self.ids(event, 55, 20);
        }
        if self.random.percent(30) {
            event.properties = Some(json!({ "amount": self.random.below(5) }));
        }
        if self.random.percent(10) {
            // Traits of other types of event land nowhere.
            event.context = Some(json!({ "traits": self.traits(false) }));
        }
    }

    fn identify(&mut self, event: &mut NaiveEvent) {
        "identify".clone_into(&mut event.event_type);
        if self.shy {
            self.ids(event, 60, 30);
        } else {
            self.ids(event, 25, 45);
        }
        if let (Some(user), Some(device)) = (&mut event.user_id, &mut event.anonymous_id) {
            // Half of the links are of a pair that was named before.
            if self.random.percent(50)
                && let Some((Member::Device(known), of)) = self.known_pair()
            {
                *device = known;
                *user = of;
            }
            let pair = (Member::Device(device.clone()), user.clone());
            self.remember(pair);
        }
        self.put_traits(event, 85, 40);
    }

    fn known_pair(&mut self) -> Option<(Member, String)> {
        if self.pairs.is_empty() {
            return None;
        }
        Some(self.random.pick(&self.pairs).clone())
    }

    /// Ids that are none are not named again.
    fn remember(&mut self, pair: (Member, String)) {
        let (Member::User(id) | Member::Device(id)) = &pair.0;
        if [id, &pair.1].iter().all(|id| id.starts_with(['u', 'd'])) {
            self.pairs.push(pair);
        }
    }

    /// Half are of a pair that was named before, or of such a pair turned around.
    fn pair(&mut self, turn: bool) -> (Member, String) {
        let draw = self.random.below(100);
        if draw < if turn { 50 } else { 75 }
            && let Some((member, user)) = self.known_pair()
        {
            return match member {
                Member::User(from) if turn && draw < 15 => (Member::User(user), from),
                member => (member, user),
            };
        }
        let member =
            if self.random.percent(40) { Member::Device(self.device()) } else { Member::User(self.user()) };
        (member, self.user())
    }

    fn about_user(&mut self, event: &mut NaiveEvent, event_type: &str) {
        event_type.clone_into(&mut event.event_type);
        event.user_id = Some(self.user());
        if self.random.percent(15) {
            event.anonymous_id = Some(self.device());
        }
        self.put_traits(event, 50, 20);
    }

    fn about_member(&mut self, event: &mut NaiveEvent, event_type: &str, name: &str) {
        let (member, user) = self.pair(name == "from");
        self.remember((member.clone(), user.clone()));
        event_type.clone_into(&mut event.event_type);
        event.user_id = Some(user);
        if self.random.percent(10) {
            event.anonymous_id = Some(self.device());
        }
        let member = match member {
            Member::User(id) => json!({ "kind": "user", "id": id }),
            Member::Device(id) => json!({ "kind": "anonymous", "id": id }),
        };
        let mut properties = Map::new();
        properties.insert(name.to_owned(), member);
        event.properties = Some(Value::Object(properties));
        self.put_traits(event, 5, 5);
    }

    fn put_traits(&mut self, event: &mut NaiveEvent, plain: u64, once: u64) {
        let mut context = Map::new();
        if self.random.percent(plain) {
            context.insert("traits".to_owned(), self.traits(true));
        }
        if self.random.percent(once) {
            context.insert("traitsOnce".to_owned(), self.traits(true));
        }
        if self.random.percent(10) {
            context.insert("locale".to_owned(), json!("de-AT"));
        }
        if !context.is_empty() {
            event.context = Some(Value::Object(context));
        }
    }

    /// An object of traits, empty now and then, with a null in it now and then.
    fn traits(&mut self, nulls: bool) -> Value {
        let mut traits = Map::new();
        for name in ["plan", "city", "age", "tags"] {
            if !self.random.percent(45) {
                continue;
            }
            let value = match name {
                _ if nulls && self.random.percent(20) => Value::Null,
                "age" => json!(self.random.below(4)),
                "tags" => json!([{ "b": self.random.below(2), "a": true }]),
                _ => json!(self.random.pick(&["", "x", "y", "z"])),
            };
            traits.insert(name.to_owned(), value);
        }
        Value::Object(traits)
    }
}
