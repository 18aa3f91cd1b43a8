//! A thread that waits for ever is a failure with a name, not a run without an end.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// No call of a store takes so many minutes, however slow the machine: nothing in these tests is large.
const GRACE_MINUTES: u32 = 5;

/// What a thread does, and how often it began something.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress(Arc<Mutex<(u64, &'static str)>>);

impl Progress {
    pub(crate) fn begin(&self, call: &'static str) {
        let mut now = self.0.lock().unwrap();
        *now = (now.0 + 1, call);
    }

    fn now(&self) -> (u64, &'static str) {
        *self.0.lock().unwrap()
    }
}

/// A thread whose end is waited for as long as it makes progress.
pub(crate) struct Watched<T> {
    thread: JoinHandle<()>,
    told: mpsc::Receiver<T>,
    progress: Progress,
}

impl<T: Send + 'static> Watched<T> {
    pub(crate) fn start(body: impl FnOnce(&Progress) -> T + Send + 'static) -> Self {
        let (progress, (tell, told)) = (Progress::default(), mpsc::channel());
        let thread = std::thread::spawn({
            let progress = progress.clone();
            move || drop(tell.send(body(&progress)))
        });
        Self { thread, told, progress }
    }

    /// What the thread gives; panics as it does, and where one call of it does not return.
    pub(crate) fn join(self) -> T {
        let (mut before, mut minutes) = (self.progress.now(), 0);
        loop {
            match self.told.recv_timeout(Duration::from_mins(1)) {
                Ok(given) => {
                    self.thread.join().unwrap();
                    return given;
                }
                Err(RecvTimeoutError::Disconnected) => match self.thread.join() {
                    Err(panic) => std::panic::resume_unwind(panic),
                    Ok(()) => unreachable!("a thread that ends has told what it gives"),
                },
                Err(RecvTimeoutError::Timeout) => {
                    let now = self.progress.now();
                    minutes = if now == before { minutes + 1 } else { 0 };
                    assert!(
                        minutes < GRACE_MINUTES,
                        "`{}`, call {} of its thread, has not returned for {minutes} minutes: it waits for what \
                         nobody does",
                        now.1,
                        now.0
                    );
                    before = now;
                }
            }
        }
    }
}

/// Makes one call, which panics where it does not return.
pub(crate) fn returns<T: Send + 'static>(call: &'static str, body: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = Watched::start(move |progress| {
        progress.begin(call);
        body()
    });
    thread.join()
}
