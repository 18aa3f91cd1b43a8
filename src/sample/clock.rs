//! Spreads the events over the span of time, more by day than by night.

use super::random::Random;

/// Times in rising order, in milliseconds since 1970.
#[derive(Debug, Clone)]
pub(super) struct Clock {
    start_ms: u64,
    /// The part of the span that consists of whole days and so has a daily rhythm.
    whole_days_ms: u64,
    elapsed_ms: u64,
    step_ms: u64,
    /// What a step leaves over, in parts of a millisecond of which `parts` make one.
    rest: u64,
    rest_sum: u64,
    parts: u64,
}

const DAY_MS: u64 = 24 * HOUR_MS;
const HOUR_MS: u64 = 3_600_000;

/// The minutes of a day, in UTC, by which 0, 1, 2 .. 24 of 24 equal parts of its events have happened.
const MINUTE_BY_SHARE: [u64; 25] = [
    0, 130, 330, 420, 475, 520, 560, 600, 640, 680, 720, 755, 790, 830, 870, 910, 950, 990, 1025, 1060, 1095,
    1130, 1170, 1230, 1440,
];

impl Clock {
    /// A clock for `events` times from `start_ms` on, all before `start_ms + span_ms`.
    pub(super) fn new(start_ms: u64, span_ms: u64, events: u64) -> Self {
        let parts = events.max(1);
        Self {
            start_ms,
            whole_days_ms: span_ms / DAY_MS * DAY_MS,
            elapsed_ms: 0,
            step_ms: span_ms / parts,
            rest: span_ms % parts,
            rest_sum: 0,
            parts,
        }
    }

    /// The mean distance of two times.
    pub(super) const fn step_ms(&self) -> u64 {
        self.step_ms
    }

    /// The next time.
    pub(super) fn next(&mut self, random: &mut Random) -> u64 {
        let time = self.elapsed_ms + random.below(self.step_ms.min(DAY_MS));
        self.elapsed_ms += self.step_ms;
        self.rest_sum += self.rest;
        if self.rest_sum >= self.parts {
            self.rest_sum -= self.parts;
            self.elapsed_ms += 1;
        }
        self.start_ms + if time < self.whole_days_ms { with_daily_rhythm(time) } else { time }
    }
}

/// Moves a time within its day so that evenly spread times follow the daily rhythm. Keeps their order.
fn with_daily_rhythm(time_ms: u64) -> u64 {
    let in_day = time_ms % DAY_MS;
    let share = (in_day / HOUR_MS) as usize;
    let (from, until) = (MINUTE_BY_SHARE[share], MINUTE_BY_SHARE[share + 1]);
    time_ms - in_day + from * 60_000 + (until - from) * (in_day % HOUR_MS) / 60
}
