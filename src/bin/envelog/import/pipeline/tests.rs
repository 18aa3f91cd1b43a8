use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::*;

/// Puts in whatever there is room for, and takes one out, until all came out or a worker is lost.
fn outputs(workers: usize, inputs: usize, work: impl Fn(usize) -> usize + Sync) -> (Vec<usize>, bool) {
    let work = &work;
    let mut inputs = 0..inputs;
    let mut outputs = Vec::new();
    let is_lost = thread::scope(|scope| {
        let mut pipeline = Pipeline::start(scope, workers, work).unwrap();
        let is_lost = loop {
            while pipeline.has_room() {
                let Some(input) = inputs.next() else { break };
                pipeline.put(input);
            }
            match pipeline.take() {
                Ok(Some(output)) => outputs.push(output),
                Ok(None) => break false,
                Err(WorkerLost) => break true,
            }
        };
        pipeline.end();
        is_lost
    });
    (outputs, is_lost)
}

#[test]
fn what_comes_out_is_in_the_order_put_in_however_long_each_takes() {
    for workers in [0, 1, 2, 3, 8] {
        let work = |input: usize| {
            thread::sleep(Duration::from_micros(if input.is_multiple_of(7) { 2_000 } else { 10 }));
            input * 10
        };
        let (outputs, is_lost) = outputs(workers, 200, work);
        assert!(outputs.into_iter().eq((0..200).map(|input| input * 10)), "{workers} workers");
        assert!(!is_lost);
    }
}

#[test]
fn several_workers_are_at_work_at_the_same_time() {
    let barrier = std::sync::Barrier::new(3);
    let (outputs, _) = outputs(3, 30, |input| {
        barrier.wait();
        input
    });
    assert_eq!(outputs.len(), 30);
}

#[test]
fn a_worker_that_panics_is_told_after_all_that_came_before_and_nothing_hangs() {
    for (workers, bad) in [(1, 0), (1, 20), (2, 0), (2, 21), (8, 50)] {
        let (outputs, is_lost) = outputs(workers, 1_000, |input| {
            assert_ne!(input, bad, "as the test wants it");
            input
        });
        assert!(is_lost);
        assert!(outputs.into_iter().eq(0..bad), "{workers} workers, {bad}");
    }
}

#[test]
fn the_end_does_not_wait_for_what_nobody_takes_out() {
    let made = AtomicUsize::new(0);
    let work = |input: usize| {
        made.fetch_add(1, Ordering::Relaxed);
        input
    };
    thread::scope(|scope| {
        let mut pipeline = Pipeline::start(scope, 2, &work).unwrap();
        let mut put = 0;
        while pipeline.has_room() {
            pipeline.put(put);
            put += 1;
        }
        assert_eq!(put, 2 * DEPTH, "no more than so many are under way");
        assert_eq!(pipeline.take(), Ok(Some(0)));
        assert!(pipeline.has_room() && !pipeline.is_empty());
        pipeline.end();
    });
    assert!((1..=2 * DEPTH).contains(&made.load(Ordering::Relaxed)));
}
