//! Sample data: a seeded generator of a shop's envelopes, as one JSON text each.
//!
//! Demo, benchmarks and tests share it. The same [`Options`] give the same bytes on every machine. Which bytes
//! they are may change from one release to the next; this module is not covered by semantic versioning.
//!
//! There are 60 event types with Zipf frequencies (exponent 1.35), sent by the modules analytics, billing, links,
//! messaging, profiles and support; 2 % `identify` with 3 to 8 traits; users with Zipf frequencies (exponent 1),
//! each with one device; 1 % late events, an hour to four days behind the others, which come in time order.
//! Addresses come from the ranges that are set aside for documentation. The same user id occurs in several
//! projects and means another person in each.
//!
//! ```
//! use envelog::sample::{Generator, Options};
//!
//! let mut generator = Generator::new(Options { seed: 7, events: 1_000, ..Options::default() });
//! let mut line = String::new();
//! while generator.next_line(&mut line) {
//!     assert!(line.starts_with("{\"orgId\":"));
//!     line.clear();
//! }
//! ```

mod catalogue;
mod clock;
mod random;
mod render;
mod sessions;
mod text;
mod zipf;

use std::time::Duration;

use uuid::Uuid;

use catalogue::{EVENT_TYPES, EventType, IDENTIFY};
use clock::Clock;
use random::{Random, mix_with};
use render::Renderer;
use sessions::Sessions;
use zipf::Zipf;

/// What to generate. The default is a million full envelopes of four projects and 100,000 users over half a year.
///
/// # Examples
///
/// ```
/// use envelog::sample::{Generator, Options};
///
/// let options = Options { events: 100, users: 10, message_ids: true, ..Options::default() };
/// let lines: Vec<String> = Generator::new(options.clone()).collect();
/// assert_eq!(lines.len(), 100);
/// assert!(lines.iter().all(|line| line.contains("\"messageId\":")));
/// // The same options give the same bytes.
/// assert!(Generator::new(options).eq(lines));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Another seed gives other data: 1.
    pub seed: u64,
    /// Number of envelopes: 1,000,000.
    pub events: u64,
    /// Number of projects, at least 1; two belong to one organisation: 4.
    pub projects: u32,
    /// Number of users of each project, at least 1: 100,000.
    pub users: u32,
    /// Which fields the envelopes have: all.
    pub shape: Shape,
    /// Time of the first event, in seconds since 1970, up to the year 2200; late ones may lie before it:
    /// 2024-01-01T00:00:00Z.
    pub start: u64,
    /// The time over which the events spread, up to 50 years: 182 days.
    pub span: Duration,
    /// Whether every envelope has a `messageId` of its own: no.
    pub message_ids: bool,
    /// Whether users act in sessions, from the first page by way of the cart to the order, instead of doing
    /// anything at any time: no. The event types then have other frequencies, and no user is as frequent as the
    /// first ones are otherwise.
    pub sessions: bool,
}

impl Options {
    /// The half year of one shop: 200,000 events of 2,000 users in sessions, so that a funnel, a timeline and a
    /// profile have something to tell.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::sample::{Generator, Options, project_id};
    ///
    /// let options = Options { events: 500, ..Options::shop() };
    /// let project = project_id(0).to_string();
    /// assert!(Generator::new(options).all(|line| line.contains(&project)));
    /// ```
    pub fn shop() -> Self {
        Self { events: 200_000, projects: 1, users: 2_000, sessions: true, ..Self::default() }
    }

    /// The ids of the projects, each with the id of its organisation, the organisation first.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::sample::{Options, org_id, project_id};
    ///
    /// let ids = Options { projects: 3, ..Options::default() }.project_ids();
    /// assert_eq!(ids, [0, 1, 2].map(|project| (org_id(project), project_id(project))));
    /// ```
    pub fn project_ids(&self) -> Vec<(Uuid, Uuid)> {
        (0..self.projects.max(1)).map(|project| (org_id(project), project_id(project))).collect()
    }

    fn within_bounds(mut self) -> Self {
        self.projects = self.projects.max(1);
        self.users = self.users.max(1);
        self.start = self.start.min(START_MAX);
        self.span = self.span.min(SPAN_MAX);
        self
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 1,
            events: 1_000_000,
            projects: 4,
            users: 100_000,
            shape: Shape::Full,
            start: 1_704_067_200,
            span: Duration::from_hours(182 * 24),
            message_ids: false,
            sessions: false,
        }
    }
}

/// Which fields an envelope has.
///
/// # Examples
///
/// ```
/// use envelog::sample::{Generator, Options, Shape};
///
/// let first = |shape| Generator::new(Options { events: 1, shape, ..Options::default() }).next().unwrap();
/// assert!(first(Shape::Full).contains("\"context\":"));
/// assert!(!first(Shape::Sparse).contains("\"context\":"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// All: mostly 500 to 650 bytes of JSON without a `messageId`.
    Full,
    /// The required ones and `userId`, whose texts have at most 40 bytes together for up to a million
    /// users, so that a frame has at most 128.
    /// There is no `identify` among them, which would need traits.
    Sparse,
}

const START_MAX: u64 = 7_258_118_400;
const SPAN_MAX: Duration = Duration::from_hours(50 * 366 * 24);
const TYPE_EXPONENT_MILLI: u64 = 1_350;
const USER_EXPONENT_MILLI: u64 = 1_000;
const IDENTIFY_PER_MILLE: u64 = 20;
const LATE_PER_MILLE: u64 = 10;
const LATE_HOURS_MAX: u64 = 96;
const HOUR_MS: u64 = 3_600_000;
/// The time after which an absent user's next event has another session id.
const SESSION_MS: u64 = 30 * 60 * 1_000;
const PRODUCTS: u64 = 1_000;
/// The most products in a cart.
const CART_MAX: usize = 3;

/// The id of the organisation that the project with this number belongs to, the same for every seed.
///
/// # Examples
///
/// ```
/// use envelog::sample::org_id;
///
/// assert_eq!(org_id(0), org_id(1));
/// assert_ne!(org_id(1), org_id(2));
/// ```
pub fn org_id(project: u32) -> Uuid {
    stable_id(5, u64::from(project / 2))
}

/// The id of the project with this number, from 0 on, the same for every seed.
///
/// # Examples
///
/// ```
/// use envelog::sample::project_id;
///
/// assert_ne!(project_id(0), project_id(1));
/// assert_eq!(project_id(0).get_version_num(), 4);
/// ```
pub fn project_id(project: u32) -> Uuid {
    stable_id(6, u64::from(project))
}

/// The id of a user by rank; 0 is the most frequent one of every project.
///
/// # Examples
///
/// ```
/// use envelog::sample::{Generator, Options, user_id};
///
/// let frequent = user_id(0);
/// let mut lines = Generator::new(Options { events: 1_000, users: 10, ..Options::default() });
/// assert!(lines.any(|line| line.contains(&frequent)));
/// ```
pub fn user_id(rank: u32) -> String {
    format!("user_{rank:0digits$}", digits = render::USER_DIGITS)
}

/// The names of all event types but `identify`, the most frequent first.
///
/// # Examples
///
/// ```
/// use envelog::{EventType, sample::event_types};
///
/// assert_eq!(event_types().len(), 60);
/// assert!(event_types().all(EventType::follows_convention));
/// ```
pub fn event_types() -> impl ExactSizeIterator<Item = &'static str> {
    EVENT_TYPES.iter().map(|kind| kind.name)
}

/// A UUID of version 4 that looks random and never changes.
fn stable_id(salt: u64, number: u64) -> Uuid {
    let upper = mix_with(salt, number) & !0xf000 | 0x4000;
    let lower = mix_with(salt + 100, number) & (u64::MAX >> 2) | 1 << 63;
    Uuid::from_u64_pair(upper, lower)
}

/// What happens in one event, before it is put into words.
#[derive(Debug)]
struct Scene {
    kind: &'static EventType,
    /// Milliseconds since 1970.
    time_ms: u64,
    project: usize,
    user: usize,
    /// A hash that stands for the session.
    session: u64,
    product: u32,
    /// The products in the cart, of which `items`, at least one, count.
    cart: [u32; CART_MAX],
    items: usize,
    /// Random bits for everything else.
    details: u64,
}

/// Generates the envelopes, one after the other.
///
/// # Examples
///
/// ```
/// use envelog::Store;
/// use envelog::sample::{Generator, Options};
///
/// let store = Store::in_memory()?;
/// let mut batch = store.batch();
/// for line in Generator::new(Options { events: 1_000, ..Options::shop() }) {
///     batch.push_json(line.as_bytes())?;
/// }
/// assert_eq!(batch.commit()?.len(), 1_000);
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Debug)]
pub struct Generator {
    random: Random,
    clock: Clock,
    course: Course,
    renderer: Renderer,
    left: u64,
}

/// How events come about.
#[derive(Debug)]
enum Course {
    Independent(Independent),
    Sessions(Box<Sessions>),
}

impl Generator {
    /// A generator at its first envelope. It needs about 10 bytes of memory for each user, and some 40 while it is
    /// made.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::sample::{Generator, Options};
    ///
    /// let mut lines = Generator::new(Options { events: 2, ..Options::default() });
    /// assert!(lines.next().is_some_and(|line| line.starts_with("{\"orgId\":")));
    /// assert_eq!(lines.count(), 1);
    /// ```
    pub fn new(options: Options) -> Self {
        let options = options.within_bounds();
        let mut random = Random::new(mix_with(options.seed, 7));
        let salt = random.next();
        let span_ms = u64::try_from(options.span.as_millis()).unwrap_or(u64::MAX);
        let clock = Clock::new(options.start * 1_000, span_ms, options.events);
        let course = if options.sessions {
            let sessions = Sessions::new(salt, &options, clock.step_ms(), &mut random);
            Course::Sessions(Box::new(sessions))
        } else {
            Course::Independent(Independent::new(salt, &options))
        };
        Self { random, clock, course, renderer: Renderer::new(&options, salt), left: options.events }
    }

    /// Appends the next envelope to `out` as JSON on one line without its end, or returns false after the last one.
    ///
    /// Allocates nothing but room in `out`.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::sample::{Generator, Options};
    ///
    /// let mut generator = Generator::new(Options { events: 2, ..Options::default() });
    /// let mut line = String::new();
    /// assert!(generator.next_line(&mut line));
    /// assert!(line.ends_with('}'));
    /// line.clear();
    /// assert!(generator.next_line(&mut line));
    /// assert!(!generator.next_line(&mut line));
    /// ```
    pub fn next_line(&mut self, out: &mut String) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        let time_ms = self.clock.next(&mut self.random);
        let mut scene = match &mut self.course {
            Course::Independent(independent) => independent.next(time_ms, &mut self.random),
            Course::Sessions(sessions) => sessions.next(time_ms, &mut self.random),
        };
        if self.random.happens(LATE_PER_MILLE) {
            let hours = 1 + self.random.below(LATE_HOURS_MAX);
            let behind = hours * HOUR_MS + self.random.below(HOUR_MS);
            scene.time_ms = scene.time_ms.saturating_sub(behind);
        }
        self.renderer.render(&scene, out);
        true
    }
}

/// The envelopes that are left, each a text of its own; [`Generator::next_line`] saves the allocation.
impl Iterator for Generator {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let mut line = String::with_capacity(768);
        self.next_line(&mut line).then_some(line)
    }
}

/// Events of any type by any user at any time.
#[derive(Debug)]
struct Independent {
    types: Zipf,
    people: Zipf,
    projects: u64,
    identifies: bool,
    salt: u64,
}

impl Independent {
    fn new(salt: u64, options: &Options) -> Self {
        Self {
            types: Zipf::new(u32::try_from(EVENT_TYPES.len()).unwrap_or(1), TYPE_EXPONENT_MILLI),
            people: Zipf::new(options.users, USER_EXPONENT_MILLI),
            projects: u64::from(options.projects),
            identifies: options.shape == Shape::Full,
            salt,
        }
    }

    fn next(&self, time_ms: u64, random: &mut Random) -> Scene {
        let kind = if self.identifies && random.happens(IDENTIFY_PER_MILLE) {
            &IDENTIFY
        } else {
            &EVENT_TYPES[self.types.draw(random)]
        };
        let user = self.people.draw(random);
        let product = popular_product(random);
        Scene {
            kind,
            time_ms,
            project: usize::try_from(random.below(self.projects)).unwrap_or(0),
            user,
            session: mix_with(self.salt ^ user as u64, time_ms / SESSION_MS),
            product,
            cart: [product, popular_product(random), popular_product(random)],
            items: 1 + random.index(CART_MAX),
            details: random.next(),
        }
    }
}

/// A product; those with low numbers are the more popular.
fn popular_product(random: &mut Random) -> u32 {
    let product = random.below(PRODUCTS).min(random.below(PRODUCTS));
    u32::try_from(product).unwrap_or(0)
}

#[cfg(test)]
mod tests;
