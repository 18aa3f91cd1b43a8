//! `bench`: how fast the store is on this machine and this disk, and how many bytes an event takes.

mod figures;
mod ground;
mod queries;
mod writing;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use envelog::{Durability, Options, Store, sample};

use crate::args::Cli;
use crate::failure::{Outcome, tell};
use crate::output::{Cell, Column, Format, List, Output};
use figures::Samples;
use ground::Ground;

pub(crate) const EXAMPLES: &str = "Examples:
  envelog bench --events 2000
  envelog bench --events 2000 --durability synced --dir .";

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// Events that are stored at each level, one a call and again in batches.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(100..=1_000_000_000))]
    events: u64,
    /// Directory on the disk to measure [default: the one that the store's directory is in, else the current one].
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Measure only these levels of durability; all three where none is named.
    #[arg(long, value_enum, value_name = "LEVEL", value_delimiter = ',')]
    durability: Vec<LevelChoice>,
}

/// What is measured: how much of what it stores survives a power loss when a call returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LevelChoice {
    /// Nothing yet: the store syncs when it is closed.
    Buffered,
    /// All but the last 100 ms or 16 MiB: the store syncs in the background.
    Interval,
    /// Everything: each call waits for a sync.
    Synced,
}

/// Time between two syncs at the level `interval`, in milliseconds.
const SYNC_INTERVAL_MS: u64 = 100;
/// Bytes after which such a sync does not wait for its time.
const SYNC_INTERVAL_BYTES: u64 = 16 * 1024 * 1024;

/// Bytes that an event has in the log, about.
const EVENT_BYTES: u64 = 500;
const SEGMENT_BYTES_MIN: u64 = 1024 * 1024;
/// The segments that a store has where nothing else is asked for.
const SEGMENT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// For people the level stands behind the name.
const TABLE: &[Column] = &[
    Column { name: "name", title: "what" },
    Column { name: "batch", title: "events a call" },
    Column { name: "calls", title: "calls" },
    Column { name: "eventsPerSecond", title: "events a second" },
    Column { name: "p50Micros", title: "p50 us" },
    Column { name: "p99Micros", title: "p99 us" },
    Column { name: "maxMicros", title: "max us" },
    Column { name: "bytesPerEvent", title: "bytes an event" },
];

/// On a narrow terminal: the whole is in the forms for programs.
const TABLE_NARROW: &[Column] = &[
    Column { name: "name", title: "what" },
    Column { name: "batch", title: "a call" },
    Column { name: "eventsPerSecond", title: "events/s" },
    Column { name: "p50Micros", title: "p50 us" },
    Column { name: "p99Micros", title: "p99 us" },
    Column { name: "bytesPerEvent", title: "bytes" },
];

const COLUMNS: &[Column] = &[
    Column { name: "name", title: "what" },
    Column { name: "level", title: "level" },
    Column { name: "batch", title: "events a call" },
    Column { name: "calls", title: "calls" },
    Column { name: "eventsPerSecond", title: "events a second" },
    Column { name: "p50Micros", title: "p50 us" },
    Column { name: "p99Micros", title: "p99 us" },
    Column { name: "maxMicros", title: "max us" },
    Column { name: "bytesPerEvent", title: "bytes an event" },
];

/// Measures, and writes a row for each figure.
pub(crate) fn run(cli: &Cli, arguments: &BenchArgs) -> Outcome {
    cli.without_project("the events that are measured with have projects of their own")?;
    let parent = match (&arguments.dir, cli.store().ok()) {
        (Some(directory), _) => directory.clone(),
        (None, Some(store)) => beside(store),
        (None, None) => PathBuf::from("."),
    };
    let ground = Ground::new(&parent, arguments.events)?;
    tell(format_args!("envelog: measuring in {}, which is removed at the end", ground.path().display()));
    let levels = match arguments.durability.as_slice() {
        [] => LevelChoice::value_variants().to_vec(),
        levels => levels.to_vec(),
    };
    let mut output = Output::new(Format::of(cli.format));
    let form = match output.format() {
        _ if output.is_narrow() => Form::Narrow,
        format if format.is_for_people() => Form::People,
        _ => Form::Programs,
    };
    let mut rows = Rows { list: output.list(form.columns()), form };
    rows.latency("write of 48 KiB and fdatasync", &writing::raw(&ground)?)?;
    // So small that most events have an index and a profile also where they are few.
    let segment_bytes =
        arguments.events.saturating_mul(EVENT_BYTES).clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX);
    let mut last: Option<&str> = None;
    for choice in levels {
        // One store at a time takes room.
        if let Some(name) = last.take() {
            ground.clear(name)?;
        }
        let (level, name) = level(choice);
        let path = ground.place(name);
        let store = Options::new().durability(level).segment_bytes_max(segment_bytes).open(&path)?;
        let mut events = writing::Events::new(arguments.events);
        rows.append(name, 1, &writing::singles(&store, &mut events, &ground)?)?;
        rows.append(name, writing::BATCH_EVENTS, &writing::batches(&store, &mut events, &ground)?)?;
        store.close()?;
        last = Some(name);
    }
    let Some(path) = last.map(|name| ground.place(name)) else { return rows.list.end() };
    rows.latency("open after close", &queries::open(&path, &ground)?)?;
    let store = Store::open_read_only(&path)?;
    for (name, samples) in queries::all(&store, &ground)? {
        rows.latency(name, &samples)?;
    }
    let stats = store.stats()?;
    for (name, bytes) in
        [("log", stats.log_bytes), ("indexes", stats.index_bytes), ("profiles", stats.profile_bytes)]
    {
        rows.bytes(name, figures::ratio(bytes, stats.events))?;
    }
    rows.list.end()
}

/// The directory that a store's directory is in.
fn beside(store: &std::path::Path) -> PathBuf {
    match store.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn level(choice: LevelChoice) -> (Durability, &'static str) {
    match choice {
        LevelChoice::Buffered => (Durability::Buffered, "buffered"),
        LevelChoice::Interval => {
            (Durability::Interval { ms: SYNC_INTERVAL_MS, bytes: SYNC_INTERVAL_BYTES }, "interval")
        }
        LevelChoice::Synced => (Durability::Synced, "synced"),
    }
}

/// The events that are measured with: those of a shop of several projects and many users.
fn sample_options(events: u64) -> sample::Options {
    let users = u32::try_from(events / 20).unwrap_or(u32::MAX).clamp(10, 100_000);
    sample::Options { events, users, ..sample::Options::default() }
}

/// Whom the figures are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Programs,
    People,
    /// People whose terminal has little room.
    Narrow,
}

impl Form {
    const fn columns(self) -> &'static [Column] {
        match self {
            Self::Programs => COLUMNS,
            Self::People => TABLE,
            Self::Narrow => TABLE_NARROW,
        }
    }
}

/// The figures on their way out.
struct Rows<'o> {
    list: List<'o>,
    form: Form,
}

impl Rows<'_> {
    fn append(&mut self, level: &str, batch: usize, samples: &Samples) -> Outcome {
        let batch = batch as u64;
        let rate = crate::progress::per_second(samples.count() * batch, samples.seconds());
        let cells = [Cell::Count(batch), Cell::Count(samples.count()), Cell::Count(rate)];
        self.row("append", Some(level), cells, samples.times(), Cell::Missing)
    }

    fn latency(&mut self, name: &str, samples: &Samples) -> Outcome {
        let cells = [Cell::Missing, Cell::Count(samples.count()), Cell::Missing];
        self.row(name, None, cells, samples.times(), Cell::Missing)
    }

    fn bytes(&mut self, name: &str, bytes: f64) -> Outcome {
        self.row(name, None, [Cell::Missing; 3], [Cell::Missing; 3], Cell::Float(bytes))
    }

    fn row(
        &mut self,
        name: &str,
        level: Option<&str>,
        [batch, calls, rate]: [Cell<'_>; 3],
        [p50, p99, max]: [Cell<'_>; 3],
        bytes: Cell<'_>,
    ) -> Outcome {
        let of_level = level.map_or_else(|| name.to_owned(), |level| format!("{name}, {level}"));
        let of_level = Cell::Text(&of_level);
        match self.form {
            Form::Programs => self.list.row(&[
                Cell::Text(name),
                Cell::maybe(level),
                batch,
                calls,
                rate,
                p50,
                p99,
                max,
                bytes,
            ]),
            Form::People => self.list.row(&[of_level, batch, calls, rate, p50, p99, max, bytes]),
            Form::Narrow => self.list.row(&[of_level, batch, rate, p50, p99, bytes]),
        }
    }
}
