//! The table of goals: for each operation the ratio to the best store, or to the one that the goal names.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use anyhow::{Result, ensure};

use crate::measure::Spent;
use crate::result::{Measured, Results};
use crate::{peers, raw};

/// What a row compares.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Figure {
    /// Units a second by the clock: more is better.
    Rate,
    /// Nanoseconds of the thread for a unit: less is better.
    Cpu,
    /// Nanoseconds by the clock for a unit: less is better.
    Wall,
    /// A named figure: less is better.
    Named(&'static str),
    /// A named figure of envelog alone, of which more is better.
    OurShare(&'static str),
    /// Bytes on the disk for an event: less is better.
    Disk,
}

impl Figure {
    fn of(self, measured: &Measured) -> Option<f64> {
        let Spent { wall_ns, thread_ns, .. } = measured.spent;
        let units = measured.units.max(1) as f64;
        match self {
            Self::Rate => Some(units * 1e9 / wall_ns.max(1) as f64),
            Self::Cpu => Some(thread_ns as f64 / units),
            Self::Wall => Some(wall_ns as f64 / units),
            Self::Named(name) | Self::OurShare(name) => measured.figures.get(name).copied(),
            Self::Disk => measured.disk.map(|disk| disk.bytes() as f64 / units),
        }
    }

    const fn is_more_better(self) -> bool {
        matches!(self, Self::Rate | Self::OurShare(_))
    }

    fn shown(self, value: f64) -> String {
        match self {
            Self::Rate => format!("{}/s", short(value)),
            Self::Named("rss_anon_bytes") => format!("{:.0} MiB", value / f64::from(1 << 20)),
            Self::OurShare(_) => format!("{value:.2}"),
            Self::Disk => format!("{value:.0} B"),
            Self::Cpu | Self::Wall | Self::Named(_) => time(value),
        }
    }
}

fn short(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{:.2}M", value / 1e6),
        value if value >= 1e4 => format!("{:.0}k", value / 1e3),
        value if value >= 1e3 => format!("{:.1}k", value / 1e3),
        _ => format!("{value:.0}"),
    }
}

fn time(nanos: f64) -> String {
    match nanos {
        nanos if nanos >= 1e6 => format!("{:.1} ms", nanos / 1e6),
        nanos if nanos >= 1e4 => format!("{:.0} us", nanos / 1e3),
        nanos if nanos >= 1e3 => format!("{:.1} us", nanos / 1e3),
        _ => format!("{nanos:.0} ns"),
    }
}

/// What a ratio is taken to.
#[derive(Debug, Clone, Copy, PartialEq)]
enum To {
    /// The best of the stores.
    Best,
    /// The store that the goal names; the best one where it did not run.
    Store(&'static str),
    /// The machine's limit of the same run.
    Raw,
    /// Nothing: the figure itself is held against the goal.
    Itself,
}

/// A row of the goals. Floor and goal are ratios in favour of envelog: 8 means eight times as fast, also for times.
struct Goal {
    title: &'static str,
    task: &'static str,
    figure: Figure,
    to: To,
    floor: f64,
    goal: f64,
}

const fn goal(title: &'static str, task: &'static str, figure: Figure, to: To, held: [f64; 2]) -> Goal {
    Goal { title, task, figure, to, floor: held[0], goal: held[1] }
}

use Figure::{Cpu, Disk, Named, OurShare, Rate, Wall};
use To::{Best, Itself, Raw, Store};

const P50: Figure = Named("p50_ns");
const P99: Figure = Named("p99_ns");
const MEMORY: Figure = Named("rss_anon_bytes");
const SHARE: Figure = OurShare("with_over_without");

/// The figures of `Itself` are floor and goal in the unit of the figure.
const GOALS: &[Goal] = &[
    goal("append, not synced, 1 a call", "append_1", Rate, Store("fjall"), [8.0, 16.0]),
    goal("append, not synced, 1,000 a batch", "append_1000", Rate, Store("rocksdb"), [8.0, 15.0]),
    goal("NDJSON in", "import", Rate, Store("rocksdb"), [4.0, 5.5]),
    goal("NDJSON in, to a borrowed parse alone", "import", Rate, Raw, [0.4, 0.55]),
    goal("durable, 1 a commit", "durable_1", Rate, Store("fjall"), [1.0, 1.0]),
    goal("durable, 1 a commit, to raw write and sync", "durable_1", Rate, Raw, [0.9, 1.0]),
    goal("durable, 100 a commit", "durable_100", Rate, Store("rocksdb"), [2.3, 3.2]),
    goal("durable, 100 a commit, to raw write and sync", "durable_100", Rate, Raw, [0.6, 0.6]),
    goal("durable, 10,000 a commit", "durable_10000", Rate, Store("rocksdb"), [6.0, 10.0]),
    goal("durable, 8 threads", "threads_8", Rate, Store("rocksdb"), [2.0, 2.3]),
    goal("durable, 64 threads", "threads_64", Rate, Store("rocksdb"), [3.5, 5.0]),
    goal("durable, tickets", "tickets", Rate, Itself, [1.5e6, 3e6]),
    goal("unique message ids, not synced, 1 sealed segment", "ids_buffered_1", Rate, Itself, [0.8e6, 1.5e6]),
    goal(
        "unique message ids, not synced, 100 sealed segments",
        "ids_buffered_100",
        Rate,
        Itself,
        [0.8e6, 1.5e6],
    ),
    goal("with message ids to without, durable, 1 sealed segment", "ids_synced_1", SHARE, Itself, [0.5, 0.8]),
    goal(
        "with message ids to without, durable, 100 sealed segments",
        "ids_synced_100",
        SHARE,
        Itself,
        [0.5, 0.8],
    ),
    goal("by type, 8 %, an event", "type_8", Cpu, Store("redb"), [7.0, 12.0]),
    goal("by type, 0.14 %, an event", "type_014", Cpu, Store("lmdb"), [6.0, 12.0]),
    goal("newest 50 of a user, p50", "newest_50", P50, Store("lmdb"), [5.0, 10.0]),
    goal("newest 50 of a user, p99", "newest_50", P99, Store("lmdb"), [3.0, 5.0]),
    goal("count of a type", "count_type", Cpu, Store("lmdb"), [100.0, 400.0]),
    goal("count of a type in a month", "count_month", Cpu, Store("lmdb"), [20.0, 100.0]),
    goal("sum of a property of one type", "sum_type", Cpu, Best, [5.0, 10.0]),
    goal("scan everything, sum a property, an event", "sum_all", Cpu, Store("lmdb"), [4.0, 6.0]),
    goal("profile get", "profile", Cpu, Store("lmdb"), [2.0, 4.0]),
    goal("identify, 1 a call", "identify", Rate, Store("fjall"), [3.0, 5.0]),
    goal("open after close", "open_closed", Wall, Itself, [5e6, 1e6]),
    goal("open after kill -9", "open_killed", Wall, Itself, [120e6, 60e6]),
    goal("disk, an event", "append_1000", Disk, Store("sqlite"), [1.0 / 0.95, 1.1]),
    goal("memory of ingest that no file backs", "append_1000", MEMORY, Itself, [104_857_600.0, 67_108_864.0]),
    goal("append at 200,000/s offered, p50", "latency", P50, Itself, [f64::INFINITY, f64::INFINITY]),
    goal("append at 200,000/s offered, p99", "latency", P99, Itself, [f64::INFINITY, f64::INFINITY]),
    goal("append at 200,000/s offered, p99.9", "latency", Named("p999_ns"), Itself, [50e3, 10e3]),
    goal("append at 200,000/s offered, longest", "latency", Named("max_ns"), Itself, [5e6, 5e6]),
];

/// Whether a row is as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// The goal is reached.
    Goal,
    /// The floor is.
    Floor,
    /// Not even that.
    Missed,
}

/// The median of the rounds and how far they are apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Median {
    /// The store.
    pub peer: String,
    /// The median.
    pub value: f64,
    /// Half of the distance from the least to the greatest, in parts of the median.
    pub spread: f64,
}

/// A row of the report.
#[derive(Debug)]
pub struct Row {
    /// The operation.
    pub title: &'static str,
    /// All stores' medians, envelog's first.
    pub medians: Vec<Median>,
    /// Figures as they are shown, in the order of the medians.
    pub shown: Vec<String>,
    /// The machine's limit, as it is shown.
    pub limit: Option<String>,
    /// The store of the best median but envelog's.
    pub best: Option<usize>,
    /// What the ratio is taken to.
    pub to: String,
    /// In favour of envelog: above one it is better.
    pub ratio: Option<f64>,
    /// As they are shown.
    pub floor: String,
    /// As it is shown.
    pub goal: String,
    /// Whether the row is as it should be, if there is something to compare with.
    pub held: Option<Held>,
}

/// The rows of what was measured. Fails where two stores gave different answers.
pub fn rows(results: &Results) -> Result<Vec<Row>> {
    same_answers(results)?;
    Ok(GOALS.iter().filter_map(|goal| row(results, goal)).collect())
}

fn same_answers(results: &Results) -> Result<()> {
    let answers = || results.measured.iter().filter_map(|measured| Some((measured, measured.answer?)));
    for (measured, answer) in answers() {
        let first = answers().find(|(first, _)| first.task == measured.task);
        ensure!(
            first.is_some_and(|(_, first)| first == answer),
            "{} gave another answer to {} than others: the work is not the same",
            measured.peer,
            measured.task
        );
    }
    Ok(())
}

fn median(results: &Results, peer: &str, task: &str, figure: Figure) -> Option<Median> {
    let of = |measured: &&Measured| measured.peer == peer && measured.task == task;
    let mut values: Vec<f64> =
        results.measured.iter().filter(of).filter_map(|measured| figure.of(measured)).collect();
    values.sort_by(f64::total_cmp);
    let (least, greatest) = (*values.first()?, *values.last()?);
    let half = values.len() / 2;
    let middle = values[half];
    let value = if values.len().is_multiple_of(2) { f64::midpoint(values[half - 1], middle) } else { middle };
    let spread = if value > 0.0 { (greatest - least) / 2.0 / value } else { 0.0 };
    Some(Median { peer: peer.to_owned(), value, spread })
}

fn row(results: &Results, goal: &Goal) -> Option<Row> {
    let names: BTreeSet<&str> = results.measured.iter().map(|measured| measured.peer.as_str()).collect();
    let others = names.into_iter().filter(|name| ![peers::OURS, raw::NAME].contains(name));
    let figure = goal.figure;
    let medians: Vec<Median> = std::iter::once(peers::OURS)
        .chain(others)
        .filter_map(|name| median(results, name, goal.task, figure))
        .collect();
    let ours = medians.first().filter(|median| median.peer == peers::OURS)?.value;
    let is_better = |a: f64, b: f64| if figure.is_more_better() { a > b } else { a < b };
    let best = (1..medians.len())
        .reduce(|best, at| if is_better(medians[at].value, medians[best].value) { at } else { best });
    let limit = median(results, raw::NAME, goal.task, figure);
    let named = |name: &str| medians.iter().find(|median| median.peer == name);
    let rival = match goal.to {
        Best => best.map(|at| &medians[at]),
        Store(name) => named(name).or(best.map(|at| &medians[at])),
        Raw => limit.as_ref(),
        Itself => None,
    };
    let ratio =
        rival.map(|rival| if figure.is_more_better() { ours / rival.value } else { rival.value / ours });
    let held = |is_reached: &dyn Fn(f64) -> bool| match (is_reached(goal.goal), is_reached(goal.floor)) {
        (true, _) => Held::Goal,
        (_, true) => Held::Floor,
        _ => Held::Missed,
    };
    let held = match goal.to {
        Itself if goal.goal.is_infinite() => None,
        Itself if figure.is_more_better() => Some(held(&|bound| ours >= bound)),
        Itself => Some(held(&|bound| ours <= bound)),
        _ => ratio.map(|ratio| held(&|bound| ratio >= bound)),
    };
    let bound = |value: f64| match goal.to {
        Itself if value.is_infinite() => String::new(),
        Itself => figure.shown(value),
        _ => times(value),
    };
    Some(Row {
        title: goal.title,
        shown: medians.iter().map(|median| figure.shown(median.value)).collect(),
        limit: limit.as_ref().map(|limit| figure.shown(limit.value)),
        best,
        to: rival.map(|rival| rival.peer.clone()).unwrap_or_default(),
        ratio,
        floor: bound(goal.floor),
        goal: bound(goal.goal),
        held,
        medians,
    })
}

fn times(ratio: f64) -> String {
    match ratio {
        ratio if ratio >= 100.0 => format!("{ratio:.0} x"),
        ratio if ratio >= 10.0 => format!("{ratio:.1} x"),
        _ => format!("{ratio:.2} x"),
    }
}

/// The tables, as a section of a README.
pub fn markdown(results: &Results, rows: &[Row]) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{} events, {} round{} interleaved, medians. A ratio above 1 is in favour of envelog.\n",
        results.events,
        results.rounds,
        if results.rounds == 1 { "" } else { "s" }
    );
    out.push_str("| operation | envelog | best of the others | ratio | to | limit | floor | goal | held |\n");
    out.push_str("|---|---|---|---|---|---|---|---|---|\n");
    for row in rows {
        let best = row.best.map(|at| format!("{} ({})", row.shown[at], row.medians[at].peer));
        let held = row.held.map_or("", |held| match held {
            Held::Goal => "goal",
            Held::Floor => "floor",
            Held::Missed => "**no**",
        });
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {held} |",
            row.title,
            row.shown[0],
            best.unwrap_or_default(),
            row.ratio.map(times).unwrap_or_default(),
            row.to,
            row.limit.as_deref().unwrap_or_default(),
            row.floor,
            row.goal,
        );
    }
    every_figure(&mut out, rows);
    guarantees(&mut out, results);
    out
}

/// Every store's median, with half of the distance between the least and the greatest round.
fn every_figure(out: &mut String, rows: &[Row]) {
    // As the rows have them, so that a report may be made by a program that was built without one of the stores.
    let mut names: Vec<&str> = Vec::new();
    for median in rows.iter().flat_map(|row| &row.medians) {
        if !names.contains(&median.peer.as_str()) {
            names.push(&median.peer);
        }
    }
    let _ = writeln!(out, "\n| operation | {} |", names.join(" | "));
    let _ = writeln!(out, "|---|{}", "---|".repeat(names.len()));
    for row in rows {
        let _ = write!(out, "| {} |", row.title);
        for name in &names {
            let cell =
                row.medians.iter().position(|median| median.peer == *name).map_or_else(String::new, |at| {
                    format!("{} (+-{:.0} %)", row.shown[at], row.medians[at].spread * 100.0)
                });
            let _ = write!(out, " {cell} |");
        }
        out.push('\n');
    }
}

/// What each store promises, and what was there after the kill.
fn guarantees(out: &mut String, results: &Results) {
    out.push_str(
        "\n| store | not synced: kept after kill -9 | after a power loss | durable: after kill -9 | ",
    );
    out.push_str("after a power loss | found after the kill |\n|---|---|---|---|---|---|\n");
    for (name, [kill, power, durable_kill, durable_power]) in &results.promises {
        let kept = median(results, name, "open_killed", Named("kept"));
        let kept = kept.map(|kept| format!("{:.0} events", kept.value)).unwrap_or_default();
        let _ = writeln!(out, "| {name} | {kill} | {power} | {durable_kill} | {durable_power} | {kept} |");
    }
}
