//! Appends, and beside them what the disk can do at best.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::time::{Duration, Instant};

use envelog::sample::Generator;
use envelog::{Envelope, Store};

use super::figures::Samples;
use super::ground::Ground;
use crate::failure::{Failure, Outcome};

/// Events of a batch.
pub(super) const BATCH_EVENTS: usize = 1_000;
/// The longest that single appends are measured at one level: each may wait for the disk.
const SINGLES_TIME_MAX: Duration = Duration::from_secs(3);
/// Bytes of a raw write, as many as some hundred events that share a sync have.
const RAW_BYTES: usize = 48 * 1024;
const RAW: &str = "raw";
const RAW_WRITES: u64 = 200;
const RAW_TIME_MAX: Duration = Duration::from_secs(2);

/// Envelopes, made before they are appended, so that making them takes no part in the time.
pub(super) struct Events {
    generator: Generator,
    line: String,
    /// How many are to be appended in each way.
    wanted: u64,
}

impl Events {
    pub(super) fn new(events: u64) -> Self {
        let generator = Generator::new(super::sample_options(events.saturating_mul(2)));
        Self { generator, line: String::new(), wanted: events }
    }

    fn take(&mut self, count: usize) -> Outcome<Vec<Envelope>> {
        let mut envelopes = Vec::with_capacity(count);
        while envelopes.len() < count {
            self.line.clear();
            if !self.generator.next_line(&mut self.line) {
                break;
            }
            envelopes.push(Envelope::from_json(self.line.as_bytes())?);
        }
        Ok(envelopes)
    }
}

/// Appends one event a call.
pub(super) fn singles(store: &Store, events: &mut Events, ground: &Ground) -> Outcome<Samples> {
    let mut samples = Samples::default();
    let start = Instant::now();
    'all: while samples.count() < events.wanted {
        let left = events.wanted - samples.count();
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(BATCH_EVENTS);
        for envelope in &events.take(count)? {
            ground.go_on()?;
            let call = Instant::now();
            store.append(envelope)?;
            samples.add(call.elapsed());
            if start.elapsed() > SINGLES_TIME_MAX {
                break 'all;
            }
        }
    }
    Ok(samples)
}

/// Appends batches.
pub(super) fn batches(store: &Store, events: &mut Events, ground: &Ground) -> Outcome<Samples> {
    let mut samples = Samples::default();
    for _ in 0..events.wanted.div_ceil(BATCH_EVENTS as u64) {
        let envelopes = events.take(BATCH_EVENTS)?;
        if envelopes.len() < BATCH_EVENTS && samples.count() > 0 {
            break;
        }
        ground.go_on()?;
        let call = Instant::now();
        store.append_batch(&envelopes)?;
        samples.add(call.elapsed());
    }
    Ok(samples)
}

/// Writes over zeros and syncs, without a store.
pub(super) fn raw(ground: &Ground) -> Outcome<Samples> {
    let path = ground.place(RAW);
    let failed = |error: std::io::Error| Failure::io(&path.display().to_string(), &error);
    let file = File::options().read(true).write(true).create_new(true).open(&path).map_err(failed)?;
    let zeros = vec![0; RAW_BYTES];
    let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(RAW_BYTES).collect();
    let place = |number: u64| number * RAW_BYTES as u64;
    for number in 0..RAW_WRITES {
        file.write_all_at(&zeros, place(number)).map_err(failed)?;
    }
    file.sync_all().map_err(failed)?;
    let mut samples = Samples::default();
    let start = Instant::now();
    for number in 0..RAW_WRITES {
        ground.go_on()?;
        let call = Instant::now();
        file.write_all_at(&bytes, place(number)).and_then(|()| file.sync_data()).map_err(failed)?;
        samples.add(call.elapsed());
        if start.elapsed() > RAW_TIME_MAX {
            break;
        }
    }
    ground.clear(RAW)?;
    Ok(samples)
}
