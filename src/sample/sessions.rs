//! Users who go through the shop step by step, from the first page to the order or out of the door.

use super::catalogue::{EVENT_TYPES, EventType, IDENTIFY};
use super::random::{Random, mix_with};
use super::zipf::Zipf;
use super::{CART_MAX, Options, Scene, Shape};

/// How a session goes on: after this event, each of those with its chance in a hundred; for the rest it ends.
const CHAIN: &[(&str, &[(&str, u64)])] = &[
    (
        "home.viewed",
        &[
            ("catalog.viewed", 35),
            ("search.performed", 25),
            ("product.viewed", 10),
            ("promo.viewed", 8),
            ("account.viewed", 4),
        ],
    ),
    (
        "catalog.viewed",
        &[("product.viewed", 50), ("filter.applied", 20), ("search.performed", 10), ("catalog.viewed", 5)],
    ),
    (
        "search.performed",
        &[("product.viewed", 55), ("filter.applied", 12), ("search.performed", 10), ("catalog.viewed", 8)],
    ),
    ("filter.applied", &[("product.viewed", 60), ("catalog.viewed", 15), ("filter.applied", 10)]),
    (
        "product.viewed",
        &[
            ("product.viewed", 22),
            ("catalog.viewed", 14),
            ("cart.item_added", 15),
            ("review.viewed", 10),
            ("image.zoomed", 8),
            ("search.performed", 6),
            ("wishlist.item_added", 5),
            ("compare.viewed", 3),
        ],
    ),
    ("review.viewed", &[("product.viewed", 30), ("catalog.viewed", 20), ("cart.item_added", 18)]),
    ("image.zoomed", &[("product.viewed", 45), ("cart.item_added", 18)]),
    ("wishlist.item_added", &[("catalog.viewed", 40), ("product.viewed", 30)]),
    ("compare.viewed", &[("product.viewed", 50), ("cart.item_added", 25)]),
    ("cart.item_added", &[("cart.viewed", 58), ("product.viewed", 20), ("catalog.viewed", 10)]),
    ("cart.viewed", &[("checkout.started", 62), ("product.viewed", 15), ("cart.item_removed", 7)]),
    ("cart.item_removed", &[("catalog.viewed", 40), ("product.viewed", 20)]),
    ("checkout.started", &[("shipping.entered", 78), ("coupon.applied", 10)]),
    ("coupon.applied", &[("shipping.entered", 85)]),
    ("shipping.entered", &[("payment.entered", 88)]),
    ("payment.entered", &[("order.placed", 87), ("payment.failed", 8)]),
    ("payment.failed", &[("payment.entered", 50), ("chat.started", 20)]),
    ("order.placed", &[("payment.succeeded", 92)]),
    ("payment.succeeded", &[("email.sent", 80), ("invoice.created", 15)]),
    ("promo.viewed", &[("product.viewed", 45), ("catalog.viewed", 30)]),
    ("account.viewed", &[("catalog.viewed", 40), ("ticket.opened", 6), ("address.changed", 5)]),
    ("link.clicked", &[("product.viewed", 60), ("home.viewed", 20)]),
    ("email.opened", &[("email.clicked", 45), ("home.viewed", 10)]),
    ("email.clicked", &[("product.viewed", 70), ("promo.viewed", 15)]),
    ("chat.started", &[("product.viewed", 20), ("ticket.opened", 30)]),
];

/// How a session begins; the chances make a hundred.
const ENTRANCES: &[(&str, u64)] = &[
    ("home.viewed", 35),
    ("catalog.viewed", 20),
    ("search.performed", 15),
    ("product.viewed", 15),
    ("link.clicked", 8),
    ("email.opened", 7),
];

/// Of a hundred users, so many never put anything into a cart ..
const LOOKERS_PERCENT: u64 = 30;
/// .. and so many more never get past the payment.
const HESITANT_PERCENT: u64 = 20;
/// Of a thousand sessions of known users, so many begin with a further `identify`.
const IDENTIFY_AGAIN_PER_MILLE: u64 = 70;
const USER_EXPONENT_MILLI: u64 = 600;
/// The mean time between two events of a session.
const PACE_MS: u64 = 90_000;
const OPEN_MAX: u64 = 4_096;

/// The place of an event type in `EVENT_TYPES`, or its length for `identify`.
type Step = usize;
const IDENTIFY_STEP: Step = EVENT_TYPES.len();

/// All sessions, of which some are open at any time and move on in turn.
#[derive(Debug)]
pub(super) struct Sessions {
    open: Vec<Session>,
    begun: u64,
    people: Zipf,
    entrances: Vec<(Step, u64)>,
    chain: Vec<Vec<(Step, u64)>>,
    salt: u64,
    projects: u64,
    /// Which users have a profile, project by project.
    identified: Vec<bool>,
    identify_again: bool,
    users: usize,
}

#[derive(Debug, Clone)]
struct Session {
    step: Step,
    id: u64,
    project: usize,
    user: usize,
    product: u32,
    cart: [u32; CART_MAX],
    items: usize,
}

impl Sessions {
    /// Sessions of which so many are open at a time that one moves on every 90 seconds, given events every `step_ms`.
    pub(super) fn new(salt: u64, options: &Options, step_ms: u64, random: &mut Random) -> Self {
        let (projects, users) = (options.projects as usize, options.users as usize);
        let mut sessions = Self {
            open: Vec::new(),
            begun: 0,
            people: Zipf::new(options.users, USER_EXPONENT_MILLI),
            entrances: steps(ENTRANCES),
            chain: (0..=IDENTIFY_STEP).map(chain_after).collect(),
            salt,
            projects: u64::from(options.projects),
            // In the sparse shape nobody is ever identified.
            identified: vec![options.shape == Shape::Sparse; users * projects],
            identify_again: options.shape == Shape::Full,
            users,
        };
        for _ in 0..(PACE_MS / step_ms.max(1)).clamp(2, OPEN_MAX) {
            let session = sessions.begin(random);
            sessions.open.push(session);
        }
        sessions
    }

    /// What happens at `time_ms`: one of the open sessions moves on.
    pub(super) fn next(&mut self, time_ms: u64, random: &mut Random) -> Scene {
        let turn = random.index(self.open.len());
        let session = &mut self.open[turn];
        session.enter(random);
        let scene = session.scene(time_ms, random);
        let next = follow(&self.chain[session.step], random).filter(|step| session.dares(*step, self.salt));
        match next {
            Some(step) => session.step = step,
            None if session.step == IDENTIFY_STEP => session.step = enter_shop(&self.entrances, random),
            None => self.open[turn] = self.begin(random),
        }
        scene
    }

    fn begin(&mut self, random: &mut Random) -> Session {
        let user = self.people.draw(random);
        let project = usize::try_from(random.below(self.projects)).unwrap_or(0);
        let known = std::mem::replace(&mut self.identified[project * self.users + user], true);
        let step = if !known || (self.identify_again && random.happens(IDENTIFY_AGAIN_PER_MILLE)) {
            IDENTIFY_STEP
        } else {
            enter_shop(&self.entrances, random)
        };
        self.begun += 1;
        Session {
            step,
            id: mix_with(self.salt, self.begun),
            project,
            user,
            product: super::popular_product(random),
            cart: [0; CART_MAX],
            items: 0,
        }
    }
}

impl Session {
    /// Takes in what the event of this step changes.
    fn enter(&mut self, random: &mut Random) {
        match event_type(self.step).name {
            "product.viewed" => self.product = super::popular_product(random),
            "cart.item_added" => {
                self.cart[self.items % CART_MAX] = self.product;
                self.items = (self.items + 1).min(CART_MAX);
            }
            "cart.item_removed" => self.items = self.items.saturating_sub(1),
            _ => {}
        }
    }

    /// Whether this user ever takes such a step.
    fn dares(&self, step: Step, salt: u64) -> bool {
        let temper = mix_with(salt, self.user as u64) % 100;
        match event_type(step).name {
            "cart.item_added" => temper >= LOOKERS_PERCENT,
            "order.placed" => temper >= LOOKERS_PERCENT + HESITANT_PERCENT,
            "cart.viewed" | "checkout.started" => self.items > 0,
            _ => true,
        }
    }

    fn scene(&self, time_ms: u64, random: &mut Random) -> Scene {
        let mut cart = self.cart;
        if self.items == 0 {
            cart[0] = self.product;
        }
        Scene {
            kind: event_type(self.step),
            time_ms,
            project: self.project,
            user: self.user,
            session: self.id,
            product: self.product,
            cart,
            items: self.items.max(1),
            details: random.next(),
        }
    }
}

fn event_type(step: Step) -> &'static EventType {
    EVENT_TYPES.get(step).unwrap_or(&IDENTIFY)
}

fn steps(named: &[(&str, u64)]) -> Vec<(Step, u64)> {
    let step = |name: &str| EVENT_TYPES.iter().position(|kind| kind.name == name);
    named.iter().filter_map(|(name, percent)| Some((step(name)?, *percent))).collect()
}

fn chain_after(step: Step) -> Vec<(Step, u64)> {
    let name = event_type(step).name;
    CHAIN.iter().find(|(from, _)| *from == name).map_or_else(Vec::new, |(_, next)| steps(next))
}

fn enter_shop(entrances: &[(Step, u64)], random: &mut Random) -> Step {
    follow(entrances, random).unwrap_or(0)
}

/// One of `steps` by its chance, or none.
fn follow(steps: &[(Step, u64)], random: &mut Random) -> Option<Step> {
    let mut left = random.below(100);
    for (step, percent) in steps {
        if left < *percent {
            return Some(*step);
        }
        left -= percent;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_of_the_story_is_an_event_type() {
        let known = |name: &str| EVENT_TYPES.iter().any(|kind| kind.name == name);
        for (from, next) in CHAIN {
            assert!(known(from), "{from}");
            assert!(next.iter().map(|(_, percent)| percent).sum::<u64>() <= 100, "{from}");
        }
        for (name, _) in CHAIN.iter().flat_map(|(_, next)| *next).chain(ENTRANCES) {
            assert!(known(name), "{name}");
        }
        assert_eq!(ENTRANCES.iter().map(|(_, percent)| percent).sum::<u64>(), 100);
    }
}
