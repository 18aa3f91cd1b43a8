//! Clock and randomness, which come in from outside so that tests decide them.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Utc};

use crate::error::{Error, Result};

/// What tells a store the time, in place of the system's clock: see [`Options::clock`](crate::Options::clock).
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicI64, Ordering};
///
/// use envelog::{Clock, DateTime, Options, Utc, Uuid};
///
/// /// The time of a simulation that the host runs, in its milliseconds.
/// #[derive(Debug)]
/// struct Simulated(AtomicI64);
///
/// impl Clock for Simulated {
///     fn now(&self) -> DateTime<Utc> {
///         DateTime::from_timestamp_millis(self.0.load(Ordering::Relaxed)).unwrap_or_default()
///     }
/// }
///
/// let clock = Arc::new(Simulated(AtomicI64::new(1_500)));
/// let store = Options::new().clock(clock).open_in_memory()?;
/// let scope = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing");
/// scope.track("order.placed").user("u_1").append()?;
///
/// let event = store.project(Uuid::from_u128(2)).timeline("u_1", 1)?.remove(0);
/// assert_eq!(event.timestamp().timestamp_millis(), 1_500);
/// # Ok::<(), envelog::Error>(())
/// ```
pub trait Clock: fmt::Debug + Send + Sync {
    /// The time now, which a store keeps to the nanosecond. It may step back, be called by several threads at a time,
    /// and is called for every append: it should be quick, and must not call the store.
    fn now(&self) -> DateTime<Utc>;
}

/// A clock that stands still until it is set, for a host's tests.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use envelog::{ManualClock, Options, Uuid};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let clock = Arc::new(ManualClock::new("2026-03-01T12:00:00Z".parse()?));
/// let store = Options::new().clock(clock.clone()).open_in_memory()?;
/// let scope = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing");
/// scope.track("order.placed").user("u_1").append()?;
/// clock.advance(Duration::from_mins(1));
/// scope.track("order.paid").user("u_1").append()?;
///
/// let view = store.project(Uuid::from_u128(2)).view()?;
/// let times: Vec<_> = view.timeline("u_1").iter().map(|event| event.unwrap().timestamp()).collect();
/// assert_eq!(times[1] - times[0], chrono::TimeDelta::seconds(60));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ManualClock {
    /// Nanoseconds since 1970.
    now: AtomicI64,
    #[cfg(any(test, feature = "testing"))]
    step: AtomicI64,
}

impl ManualClock {
    /// A clock at `now` that stands still.
    ///
    /// It keeps nanoseconds, from the year 1677 to 2262; a time outside of that is as far as it goes.
    pub fn new(now: DateTime<Utc>) -> Self {
        Self {
            now: AtomicI64::new(nanos(now)),
            #[cfg(any(test, feature = "testing"))]
            step: AtomicI64::new(0),
        }
    }

    /// Sets the time, forwards or back.
    pub fn set(&self, now: DateTime<Utc>) {
        // Relaxed: the number stands for itself; nothing else is ordered by it.
        self.now.store(nanos(now), Ordering::Relaxed);
    }

    /// Moves the time forwards, at most to where its range ends.
    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_nanos()).unwrap_or(i64::MAX);
        let later = |now: i64| Some(now.saturating_add(by));
        // Relaxed: as for `set`.
        let _ = self.now.fetch_update(Ordering::Relaxed, Ordering::Relaxed, later);
    }

    /// Makes every reading move the time by `nanos` after it is taken. For tests.
    #[cfg(any(test, feature = "testing"))]
    pub fn set_step(&self, nanos: i64) {
        self.step.store(nanos, Ordering::Relaxed);
    }

    fn read(&self) -> i64 {
        #[cfg(any(test, feature = "testing"))]
        return self.now.fetch_add(self.step.load(Ordering::Relaxed), Ordering::Relaxed);
        #[cfg(not(any(test, feature = "testing")))]
        self.now.load(Ordering::Relaxed)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_nanos(self.read())
    }
}

/// Nanoseconds since 1970; a time that is outside their range, years 1677 to 2262, is as far as it goes.
fn nanos(time: DateTime<Utc>) -> i64 {
    let outside = if time.timestamp() < 0 { i64::MIN } else { i64::MAX };
    time.timestamp_nanos_opt().unwrap_or(outside)
}

/// Where a store takes the time from. The system's clock is read without a step through calendar time.
#[derive(Debug, Clone, Default)]
pub(crate) enum TimeSource {
    /// The operating system's clock.
    #[default]
    System,
    /// The host's.
    Host(Arc<dyn Clock>),
}

impl TimeSource {
    /// The time now, in nanoseconds since 1970-01-01T00:00:00Z. It may step back.
    #[inline]
    pub(crate) fn now(&self) -> i64 {
        match self {
            Self::System => system_nanos(),
            Self::Host(clock) => nanos(clock.now()),
        }
    }
}

fn system_nanos() -> i64 {
    let now = SystemTime::now();
    match now.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |nanos| -nanos),
    }
}

/// What gives random bytes for ids, salts and keys.
#[cfg_attr(not(any(test, feature = "testing")), expect(unreachable_pub, reason = "public for tests alone"))]
pub trait Entropy: fmt::Debug + Send + Sync {
    /// Fills `out` with random bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where the operating system has none to give.
    fn fill(&self, out: &mut [u8]) -> Result<()>;
}

/// The operating system's randomness.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct OsEntropy;

impl Entropy for OsEntropy {
    fn fill(&self, out: &mut [u8]) -> Result<()> {
        getrandom::fill(out).map_err(|error| {
            let source = error.raw_os_error().map_or_else(
                || io::Error::other("the operating system gives no randomness"),
                io::Error::from_raw_os_error,
            );
            Error::io("read", "the system's randomness", source)
        })
    }
}

#[cfg(any(test, feature = "testing"))]
mod testing {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::{Entropy, Result};

    /// The step of the `SplitMix64` sequence (Steele, Lea and Flood, 2014).
    const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

    const fn mix(state: u64) -> u64 {
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A small deterministic generator (`SplitMix64`): the same seed, the same numbers.
    #[derive(Debug, Clone)]
    pub struct SimRng(u64);

    impl SimRng {
        /// The generator of `seed`.
        pub const fn new(seed: u64) -> Self {
            Self(seed)
        }

        /// The seed of this run of the tests: `ENVELOG_SEED` if it is set to a number, else a random one. A test
        /// prints it, so that what it found can be found again.
        pub fn seed_of_run() -> u64 {
            if let Some(seed) = std::env::var("ENVELOG_SEED").ok().and_then(|seed| seed.parse().ok()) {
                return seed;
            }
            let mut bytes = [0; 8];
            // Without randomness the same run is made each time, which is a test as well.
            let _ = super::OsEntropy.fill(&mut bytes);
            u64::from_le_bytes(bytes)
        }

        /// The next 64 bits.
        pub const fn next_u64(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(GOLDEN_GAMMA);
            mix(self.0)
        }

        /// A number below `bound`, or 0 if `bound` is 0.
        pub const fn below(&mut self, bound: u64) -> u64 {
            let random = self.next_u64();
            if bound == 0 { 0 } else { random % bound }
        }

        /// Whether a thing of this probability, in thousandths, happens.
        pub const fn chance(&mut self, per_mille: u64) -> bool {
            self.below(1000) < per_mille
        }
    }

    /// Randomness that a seed decides.
    #[derive(Debug)]
    pub struct SeededEntropy(AtomicU64);

    impl SeededEntropy {
        /// The randomness of `seed`.
        pub const fn new(seed: u64) -> Self {
            Self(AtomicU64::new(seed))
        }
    }

    impl Entropy for SeededEntropy {
        fn fill(&self, out: &mut [u8]) -> Result<()> {
            for chunk in out.chunks_mut(8) {
                let state = self.0.fetch_add(GOLDEN_GAMMA, Ordering::Relaxed).wrapping_add(GOLDEN_GAMMA);
                for (to, from) in chunk.iter_mut().zip(mix(state).to_le_bytes()) {
                    *to = from;
                }
            }
            Ok(())
        }
    }
}
#[cfg(any(test, feature = "testing"))]
pub use testing::{SeededEntropy, SimRng};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_clock_tells_a_time_of_this_century() {
        let year_2024 = 1_704_067_200_000_000_000;
        assert!(TimeSource::System.now() > year_2024);
    }

    #[test]
    fn manual_clock_stands_still_until_it_is_moved() {
        let at = DateTime::from_timestamp_nanos;
        let clock = Arc::new(ManualClock::new(at(100)));
        let source = TimeSource::Host(Arc::<ManualClock>::clone(&clock));
        assert_eq!((source.now(), source.now()), (100, 100));
        clock.advance(Duration::from_nanos(30));
        assert_eq!(source.now(), 130);
        clock.set(at(5));
        clock.set_step(10);
        assert_eq!((source.now(), source.now(), source.now()), (5, 15, 25));
    }

    #[test]
    fn a_time_that_a_store_cannot_hold_is_as_far_as_it_goes() {
        let clock = ManualClock::new(DateTime::<Utc>::MAX_UTC);
        clock.advance(Duration::MAX);
        let source = TimeSource::Host(Arc::new(clock));
        assert_eq!(source.now(), i64::MAX);
        let clock = ManualClock::new(DateTime::<Utc>::MIN_UTC);
        assert_eq!(TimeSource::Host(Arc::new(clock)).now(), i64::MIN);
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
        let bytes = |seed| {
            let entropy = SeededEntropy::new(seed);
            let mut out = [0; 21];
            entropy.fill(&mut out).expect("seeded entropy never fails");
            let mut more = [0; 21];
            entropy.fill(&mut more).expect("seeded entropy never fails");
            assert_ne!(out, more);
            out
        };
        assert_eq!(bytes(7), bytes(7));
        assert_ne!(bytes(7), bytes(8));
    }

    #[test]
    fn rng_is_split_mix_64() {
        // The first outputs for seed 0, from the reference implementation.
        let mut rng = SimRng::new(0);
        assert_eq!(rng.next_u64(), 0xe220_a839_7b1d_cdaf);
        assert_eq!(rng.next_u64(), 0x6e78_9e6a_a1b9_65f4);
        assert_eq!(rng.below(0), 0);
        assert!((0..100).all(|_| rng.below(3) < 3));
    }

    #[test]
    fn os_entropy_fills_all_of_the_buffer() {
        let mut out = [0; 64];
        OsEntropy.fill(&mut out).expect("the system has randomness");
        assert!(out.chunks(16).all(|chunk| chunk.iter().any(|byte| *byte != 0)));
    }
}
