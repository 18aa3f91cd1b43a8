//! The tasks: what one process does with one store.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::latency;
use crate::measure::{Disk, MemoryWatch, Spent, percentile, spent};
use crate::peer::{Level, Peer, View as _, Visited};
use crate::peers::envelog::Envelog;
use crate::peers::{self, Visitor};
use crate::result::Measured;
use crate::{raw, workload};

/// Tasks that begin with an empty directory and leave nothing.
pub const FRESH: &[&str] = &[
    "append_1",
    "import",
    "durable_1",
    "durable_100",
    "durable_10000",
    "threads_8",
    "threads_64",
    "identify",
    "killed",
];

/// Tasks on the store that [`FILL`] leaves.
pub const FILLED: &[&str] = &[
    "open_closed",
    "type_8",
    "type_014",
    "newest_50",
    "count_type",
    "count_month",
    "sum_type",
    "sum_all",
    "profile",
];

/// Appends all events, 1,000 a batch, and leaves the store.
pub const FILL: &str = "append_1000";

/// Opens the store that `killed` has left.
pub const AFTER_KILL: &str = "open_killed";

/// Tasks that only envelog has.
pub const OURS: &[&str] =
    &["tickets", "ids_buffered_1", "ids_buffered_100", "ids_synced_1", "ids_synced_100", "latency"];

/// The tasks that have a limit of the machine.
pub const RAW: &[&str] = &["import", "durable_1", "durable_100", "durable_10000"];

/// Events before a kill: a little less than a full segment of envelog.
const KILLED_EVENTS: u64 = 100_000;

/// What a child is to do.
#[derive(Debug, Clone)]
pub struct Order {
    /// The store.
    pub peer: String,
    /// The task.
    pub task: String,
    /// Events of a filled store.
    pub events: u64,
    /// Where its files are.
    pub directory: PathBuf,
}

/// Does it.
pub fn run(order: &Order) -> Result<Measured> {
    let mut measured = if order.peer == raw::NAME {
        raw_task(order)?
    } else if OURS.contains(&order.task.as_str()) {
        latency::run(order)?
    } else {
        peers::with(&order.peer, order).with_context(|| format!("no store is called {}", order.peer))??
    };
    measured.peer.clone_from(&order.peer);
    measured.task.clone_from(&order.task);
    Ok(measured)
}

/// What was spent on so many units.
pub fn on(spent: Spent, units: u64) -> Measured {
    Measured { spent, units, ..Measured::default() }
}

fn raw_task(order: &Order) -> Result<Measured> {
    if order.task == "import" {
        let lines: Vec<String> = workload::lines(order.events).collect();
        return Ok(on(raw::parse(&lines)?, lines.len() as u64));
    }
    let (commits, commit) = durable_size(&order.task)?;
    let events = (commits * commit as u64).min(order.events);
    let (spent, events) = raw::write_and_sync(&order.directory, events, commit)?;
    Ok(on(spent, events))
}

/// Commits of a durable task, and the events of one.
fn durable_size(task: &str) -> Result<(u64, usize)> {
    Ok(match task {
        "durable_1" => (3_000, 1),
        "durable_100" => (1_000, 100),
        "durable_10000" => (50, 10_000),
        _ => bail!("no task is called {task}"),
    })
}

impl Visitor for &Order {
    type Output = Result<Measured>;

    fn visit<P: Peer>(self) -> Result<Measured> {
        match self.task.as_str() {
            FILL => self.append::<P>(1_000, true),
            "append_1" => self.append::<P>(1, false),
            "import" => self.import::<P>(),
            "threads_8" => self.threads::<P>(8),
            "threads_64" => self.threads::<P>(64),
            "identify" => self.identify::<P>(),
            "killed" => self.fill_and_wait::<P>(),
            AFTER_KILL | "open_closed" => self.reopen::<P>(),
            task if task.starts_with("durable_") => self.durable::<P>(),
            _ => self.read::<P>(),
        }
    }
}

impl Order {
    fn open<P: Peer>(&self, level: Level) -> Result<P> {
        P::open(&self.directory, level)
    }

    /// Ready events, made line by line so that no memory is left over that the store would find free.
    fn ready<P: Peer>(peer: &P, events: u64) -> Result<Vec<P::Ready>> {
        let mut ready = Vec::with_capacity(usize::try_from(events)?);
        let mut generator = envelog::sample::Generator::new(workload::options(events));
        let mut line = String::new();
        while generator.next_line(&mut line) {
            ready.push(peer.ready(&line)?);
            line.clear();
        }
        Ok(ready)
    }

    fn append<P: Peer>(&self, batch: usize, is_sized: bool) -> Result<Measured> {
        let peer: P = self.open(Level::Buffered)?;
        let ready = Self::ready(&peer, self.events)?;
        let watch = MemoryWatch::begin()?;
        let (spent, ()) = spent(|| ready.chunks(batch).try_for_each(|events| peer.append(events)))?;
        let settling = Instant::now();
        peer.settle()?;
        let mut measured = on(spent, self.events);
        measured.figures.insert("settle_ms".to_owned(), settling.elapsed().as_secs_f64() * 1e3);
        measured.figures.insert("rss_anon_bytes".to_owned(), watch.end()? as f64);
        let used = peer.bytes_used()?;
        peer.close()?;
        if is_sized {
            measured.disk = Some(Disk::of(&self.directory, used)?);
        }
        Ok(measured)
    }

    fn import<P: Peer>(&self) -> Result<Measured> {
        let peer: P = self.open(Level::Buffered)?;
        let lines: Vec<String> = workload::lines(self.events).collect();
        let watch = MemoryWatch::begin()?;
        let (spent, ()) = spent(|| lines.chunks(1_000).try_for_each(|lines| peer.import(lines)))?;
        let mut measured = on(spent, self.events);
        measured.figures.insert("rss_anon_bytes".to_owned(), watch.end()? as f64);
        peer.close()?;
        Ok(measured)
    }

    fn durable<P: Peer>(&self) -> Result<Measured> {
        let (commits, commit) = durable_size(&self.task)?;
        let peer: P = self.open(Level::Durable)?;
        let ready = Self::ready(&peer, (commits * commit as u64).min(self.events))?;
        let (spent, ()) = spent(|| ready.chunks(commit).try_for_each(|events| peer.append(events)))?;
        peer.close()?;
        Ok(on(spent, ready.len() as u64))
    }

    fn threads<P: Peer>(&self, threads: usize) -> Result<Measured> {
        let peer: P = self.open(Level::Durable)?;
        let ready = Self::ready(&peer, 12_800.min(self.events))?;
        let (spent, ()) = spent(|| {
            std::thread::scope(|scope| {
                let append = |events: &[P::Ready]| events.chunks(1).try_for_each(|event| peer.append(event));
                let running: Vec<_> = ready
                    .chunks(ready.len().div_ceil(threads))
                    .map(|events| scope.spawn(move || append(events)))
                    .collect();
                running.into_iter().try_for_each(|thread| thread.join().expect("no panic"))
            })
        })?;
        peer.close()?;
        Ok(on(spent, ready.len() as u64))
    }

    fn identify<P: Peer>(&self) -> Result<Measured> {
        let peer: P = self.open(Level::Buffered)?;
        let lines = workload::identifies((self.events / 10).max(100));
        let ready = lines.iter().map(|line| peer.ready(line)).collect::<Result<Vec<_>>>()?;
        let (spent, ()) = spent(|| ready.chunks(1).try_for_each(|event| peer.append(event)))?;
        peer.close()?;
        Ok(on(spent, ready.len() as u64))
    }

    /// Appends, says so, and waits to be killed.
    fn fill_and_wait<P: Peer>(&self) -> Result<Measured> {
        let peer: P = self.open(Level::Buffered)?;
        let ready = Self::ready(&peer, KILLED_EVENTS.min(self.events))?;
        ready.chunks(100).try_for_each(|events| peer.append(events))?;
        println!("ready");
        std::io::stdout().flush()?;
        std::thread::sleep(Duration::from_mins(10));
        bail!("nobody came to kill this process")
    }

    /// Opens what is there, counts what was kept, and closes.
    fn reopen<P: Peer>(&self) -> Result<Measured> {
        let (spent, peer) = spent(|| self.open::<P>(Level::Buffered))?;
        let mut measured = on(spent, 1);
        let kept = peer.view().and_then(|view| view.events())?;
        measured.figures.insert("kept".to_owned(), kept as f64);
        peer.close()?;
        Ok(measured)
    }

    fn read<P: Peer>(&self) -> Result<Measured> {
        let peer: P = self.open(Level::Buffered)?;
        let view = peer.view()?;
        let projects = workload::projects();
        let project = projects[0];
        let each = |visit: &dyn Fn(envelog::Uuid) -> Result<[u64; 2]>| -> Result<[u64; 2]> {
            projects.iter().try_fold([0, 0], |[a, b], project| {
                let [c, d] = visit(*project)?;
                Ok([a + c, b.wrapping_add(d)])
            })
        };
        let of_type = |event_type: &'static str| {
            each(&|project| {
                let Visited { events, times } = view.visit_type(project, event_type)?;
                Ok([events, times])
            })
        };
        let (frequent, [from, until]) = (workload::frequent_type(), workload::MONTH);
        match self.task.as_str() {
            "type_8" => repeated(5, true, || of_type(frequent)),
            "type_014" => repeated(20, true, || of_type(workload::rare_type())),
            "count_type" => repeated(50, false, || Ok([view.count(project, frequent)?, 0])),
            "count_month" => {
                repeated(50, false, || Ok([view.count_between(project, frequent, from, until)?, 0]))
            }
            "sum_type" => repeated(10, false, || {
                each(&|project| {
                    let sum = view.sum_type(project, workload::PRICED_TYPE, workload::AMOUNT)?;
                    Ok([sum.count, sum.total.cast_unsigned()])
                })
            }),
            "sum_all" => {
                let mut measured = repeated(3, false, || {
                    let sum = view.sum_all(&projects, workload::AMOUNT)?;
                    Ok([sum.count, sum.total.cast_unsigned()])
                })?;
                measured.units *= self.events;
                Ok(measured)
            }
            "newest_50" => one_by_one(&workload::people(self.events, 2_000, false), |project, user| {
                let Visited { events, times } = view.newest(project, user, 50)?;
                Ok([events, times])
            }),
            "profile" => one_by_one(&workload::people(self.events, 2_000, true), |project, user| {
                let len = view.trait_len(project, user, workload::TRAIT)?;
                Ok([u64::from(len.is_some()), len.unwrap_or_default() as u64])
            }),
            task => bail!("no task is called {task}"),
        }
    }
}

/// Asks once to make the pages hot, then so many times; the least time counts. A unit is an event where `by_event`, else
/// a call.
fn repeated(times: u32, by_event: bool, ask: impl Fn() -> Result<[u64; 2]>) -> Result<Measured> {
    let answer = ask()?;
    let mut least: Option<Spent> = None;
    for _ in 0..times {
        let (spent, again) = spent(&ask)?;
        anyhow::ensure!(again == answer, "the same question got two answers");
        if least.is_none_or(|least| spent.thread_ns < least.thread_ns) {
            least = Some(spent);
        }
    }
    let mut measured = on(least.unwrap_or_default(), if by_event { answer[0].max(1) } else { 1 });
    measured.answer = Some(answer);
    Ok(measured)
}

/// Asks for each of the people, once to make the pages hot and once to measure.
fn one_by_one(
    people: &[(envelog::Uuid, String)],
    ask: impl Fn(envelog::Uuid, &str) -> Result<[u64; 2]>,
) -> Result<Measured> {
    let all = |times: &mut Vec<u64>| -> Result<[u64; 2]> {
        let mut sum = [0_u64; 2];
        for (project, user) in people {
            let begin = Instant::now();
            let [events, other] = ask(*project, user)?;
            times.push(u64::try_from(begin.elapsed().as_nanos())?);
            sum = [sum[0] + events, sum[1].wrapping_add(other)];
        }
        Ok(sum)
    };
    all(&mut Vec::new())?;
    let mut times = Vec::with_capacity(people.len());
    let (spent, answer) = spent(|| all(&mut times))?;
    times.sort_unstable();
    let mut measured = on(spent, people.len() as u64);
    measured.answer = Some(answer);
    measured.figures = BTreeMap::from([("p50_ns", 0.5), ("p99_ns", 0.99)])
        .into_iter()
        .map(|(name, part)| (name.to_owned(), percentile(&times, part) as f64))
        .collect();
    Ok(measured)
}

/// Opens envelog itself, for what only it is asked.
pub fn ours(directory: &Path, level: Level) -> Result<Envelog> {
    Envelog::open(directory, level)
}
