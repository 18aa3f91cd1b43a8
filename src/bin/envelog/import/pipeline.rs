//! Several threads do the same work on one thing after another, and what they make comes out in the order put in.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, Scope, ScopedJoinHandle};

/// Things that a worker has at a time: waiting for it, in its hands, and waiting to be taken.
const DEPTH: usize = 3;

/// Workers that take turns: the nth thing goes to the worker n modulo their number, and is taken from there in turn.
/// So the order needs no numbers, and nothing waits for a lock.
pub(crate) struct Pipeline<'scope, I, O> {
    workers: Vec<Worker<'scope, I, O>>,
    /// Things that were put in, and taken out, since the start.
    put: usize,
    taken: usize,
}

struct Worker<'scope, I, O> {
    todo: SyncSender<I>,
    done: Receiver<O>,
    thread: ScopedJoinHandle<'scope, ()>,
}

/// A worker panicked; what it worked on is lost.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct WorkerLost;

impl<'scope, I: Send + 'scope, O: Send + 'scope> Pipeline<'scope, I, O> {
    /// Starts so many workers, at least one.
    pub(crate) fn start<'env>(
        scope: &'scope Scope<'scope, 'env>,
        workers: usize,
        work: &'scope (impl Fn(I) -> O + Sync),
    ) -> io::Result<Self> {
        let worker = |_| {
            let (todo, todo_of_worker) = sync_channel(DEPTH);
            let (done_by_worker, done) = sync_channel(DEPTH);
            let thread = Builder::new().name("envelog-import".to_owned()).spawn_scoped(scope, move || {
                for input in todo_of_worker {
                    if done_by_worker.send(work(input)).is_err() {
                        return;
                    }
                }
            })?;
            Ok(Worker { todo, done, thread })
        };
        let workers = (0..workers.max(1)).map(worker).collect::<io::Result<_>>()?;
        Ok(Self { workers, put: 0, taken: 0 })
    }
}

impl<I, O> Pipeline<'_, I, O> {
    /// Whether something can be put in without waiting.
    pub(crate) fn has_room(&self) -> bool {
        self.put - self.taken < self.workers.len() * DEPTH
    }

    /// Whether all that was put in has been taken out.
    pub(crate) fn is_empty(&self) -> bool {
        self.put == self.taken
    }

    /// Puts the next thing in. Where its worker is lost, taking it out tells.
    pub(crate) fn put(&mut self, input: I) {
        if let Some(worker) = self.workers.get(self.put % self.workers.len()) {
            let _ = worker.todo.send(input);
        }
        self.put += 1;
    }

    /// Takes out what was made of the next thing, when it is made; none where nothing is under way.
    pub(crate) fn take(&mut self) -> Result<Option<O>, WorkerLost> {
        if self.is_empty() {
            return Ok(None);
        }
        let worker = self.workers.get(self.taken % self.workers.len()).ok_or(WorkerLost)?;
        let output = worker.done.recv().map_err(|_| WorkerLost)?;
        self.taken += 1;
        Ok(Some(output))
    }

    /// Ends the workers, after what they have in their hands. What was not taken out is dropped.
    pub(crate) fn end(self) {
        // All channels are closed before any thread is waited for. A scope panics where a thread did that nobody
        // joined; who takes out what the thread had is told.
        let threads: Vec<_> = self.workers.into_iter().map(|worker| worker.thread).collect();
        for thread in threads {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
