//! `stats`: what the store holds and how large it is.

use std::fs;
use std::path::Path;

use chrono::{DateTime, Utc};
use clap::Args;
use envelog::{Period, Store};

use crate::args::Cli;
use crate::counts::period_name;
use crate::failure::Outcome;
use crate::merged;
use crate::output::{Cell, Column, Format, Output, Shape, bytes_for_people, grouped};
use crate::reading;

#[derive(Debug, Args)]
pub(crate) struct StatsArgs {
    /// A row for each segment instead; on a narrow terminal with days instead of times.
    #[arg(long, conflicts_with = "types")]
    segments: bool,
    /// A row for each event type of each project instead; --project shows one project's. On a narrow terminal with days
    /// instead of times, and of several projects without.
    #[arg(long)]
    types: bool,
}

const TABLE: &[Column] =
    &[Column { name: "name", title: "the store has" }, Column { name: "value", title: "" }];

const COLUMNS: &[Column] = &[
    Column { name: "events", title: "" },
    Column { name: "projects", title: "" },
    Column { name: "segments", title: "" },
    Column { name: "sealedSegments", title: "" },
    Column { name: "logBytes", title: "" },
    Column { name: "indexBytes", title: "" },
    Column { name: "profileBytes", title: "" },
    Column { name: "diskBytes", title: "" },
    Column { name: "visible", title: "" },
    Column { name: "durable", title: "" },
    Column { name: "wasClosed", title: "" },
    Column { name: "projectIds", title: "" },
];

const SEGMENTS: &[Column] = &[
    Column { name: "segment", title: "segment" },
    Column { name: "baseSeq", title: "first seq" },
    Column { name: "events", title: "events" },
    Column { name: "bytes", title: "bytes" },
    Column { name: "sealed", title: "sealed" },
    Column { name: "first", title: "first event (UTC)" },
    Column { name: "last", title: "last event (UTC)" },
];

/// On a narrow terminal: the whole is in the forms for programs.
const SEGMENTS_NARROW: &[Column] = &[
    Column { name: "segment", title: "segment" },
    Column { name: "events", title: "events" },
    Column { name: "bytes", title: "size" },
    Column { name: "sealed", title: "sealed" },
    Column { name: "first", title: "first (UTC)" },
    Column { name: "last", title: "last (UTC)" },
];

/// The project is only in the table of a store that has several.
const TYPES: &[Column] = &[
    Column { name: "projectId", title: "project" },
    Column { name: "eventType", title: "event" },
    Column { name: "count", title: "events" },
    Column { name: "first", title: "first (UTC)" },
    Column { name: "last", title: "last (UTC)" },
];

/// On a narrow terminal an id that is broken cannot be copied, and a type that is broken not be read.
const TYPES_SHAPE: Shape =
    Shape { is_cut: false, first: None, known: None, then: &[], breaks: &["projectId"] };

/// Writes the figures of the store.
pub(crate) fn run(cli: &Cli, arguments: &StatsArgs) -> Outcome {
    if !arguments.types {
        cli.without_project("the figures are of the whole store")?;
    }
    let store = reading::open(cli)?;
    let mut output = Output::new(Format::of(cli.format));
    if arguments.types {
        return types(cli, &store, &mut output);
    }
    if arguments.segments {
        return segments(&store, &mut output);
    }
    let disk = disk_bytes(cli.store()?);
    if output.format().is_for_people() {
        table(&store, disk, &mut output)
    } else {
        row(&store, disk, &mut output)
    }
}

fn table(store: &Store, disk: u64, output: &mut Output) -> Outcome {
    let stats = store.stats()?;
    let number = |count: u64| grouped(i128::from(count));
    let mut rows = vec![
        ("events", number(stats.events)),
        ("projects", number(stats.projects)),
        ("segments", format!("{}, {} of them sealed", stats.segments, stats.sealed_segments)),
        ("log", bytes_for_people(stats.log_bytes)),
        ("indexes", bytes_for_people(stats.index_bytes)),
        ("profiles", bytes_for_people(stats.profile_bytes)),
        ("bytes on disk", bytes_for_people(disk)),
        ("last seq", number(stats.visible.get())),
        ("closed cleanly", yes_or_no(store.recovery().clean).to_owned()),
    ];
    if let Some(bytes) = stats.log_bytes.checked_div(stats.events) {
        rows.push(("log for each event", format!("{} bytes", number(bytes))));
    }
    let mut list = output.list(TABLE);
    for (name, value) in &rows {
        list.row(&[Cell::Text(name), Cell::Text(value)])?;
    }
    for project in store.projects()? {
        list.row(&[Cell::Text("project"), Cell::Text(&project.to_string())])?;
    }
    list.end()
}

fn row(store: &Store, disk: u64, output: &mut Output) -> Outcome {
    let stats = store.stats()?;
    let projects: Vec<String> = store.projects()?.iter().map(|id| format!("\"{id}\"")).collect();
    let projects = format!("[{}]", projects.join(","));
    let mut list = output.list(COLUMNS);
    list.row(&[
        Cell::Count(stats.events),
        Cell::Count(stats.projects),
        Cell::Count(stats.segments),
        Cell::Count(stats.sealed_segments),
        Cell::Count(stats.log_bytes),
        Cell::Count(stats.index_bytes),
        Cell::Count(stats.profile_bytes),
        Cell::Count(disk),
        Cell::Count(stats.visible.get()),
        Cell::Count(stats.durable.get()),
        truth(store.recovery().clean),
        Cell::Json(&projects),
    ])?;
    list.end()
}

fn segments(store: &Store, output: &mut Output) -> Outcome {
    if output.is_narrow() {
        return segments_narrow(store, output);
    }
    let is_for_people = output.format().is_for_people();
    let mut list = output.list(SEGMENTS);
    for segment in store.segments()? {
        list.row(&[
            Cell::Count(segment.id.into()),
            Cell::Count(segment.base_seq.get()),
            Cell::Count(segment.events),
            Cell::Count(segment.bytes),
            match (is_for_people, segment.sealed) {
                (true, sealed) => Cell::Text(yes_or_no(sealed)),
                (false, sealed) => truth(sealed),
            },
            Cell::maybe_time(segment.first),
            Cell::maybe_time(segment.last),
        ])?;
    }
    list.end()
}

fn segments_narrow(store: &Store, output: &mut Output) -> Outcome {
    let day = |time: Option<DateTime<Utc>>| time.map(|time| period_name(Period::Day, time));
    let mut list = output.list(SEGMENTS_NARROW);
    for segment in store.segments()? {
        list.row(&[
            Cell::Count(segment.id.into()),
            Cell::Count(segment.events),
            Cell::Text(&bytes_for_people(segment.bytes)),
            Cell::Text(yes_or_no(segment.sealed)),
            Cell::maybe(day(segment.first).as_deref()),
            Cell::maybe(day(segment.last).as_deref()),
        ])?;
    }
    list.end()
}

const fn yes_or_no(is_so: bool) -> &'static str {
    if is_so { "yes" } else { "no" }
}

fn types(cli: &Cli, store: &Store, output: &mut Output) -> Outcome {
    let projects = merged::projects(cli, store)?;
    let is_narrow = output.is_narrow();
    let is_of_one = projects.len() < 2;
    let from = usize::from(output.format().is_for_people() && is_of_one);
    let until = if is_narrow && !is_of_one { TYPES.len() - 2 } else { TYPES.len() };
    let mut list = output.shaped_list(TYPES.get(from..until).unwrap_or_default(), TYPES_SHAPE);
    for project in projects {
        let id = project.id().to_string();
        for each in project.event_types()? {
            let [first_day, last_day] = [each.first, each.last].map(|time| period_name(Period::Day, time));
            let [first, last] = if is_narrow {
                [Cell::Text(&first_day), Cell::Text(&last_day)]
            } else {
                [Cell::Time(each.first), Cell::Time(each.last)]
            };
            let cells = [Cell::Text(&id), Cell::Text(&each.name), Cell::Count(each.events), first, last];
            list.row(cells.get(from..until).unwrap_or_default())?;
        }
    }
    list.end()
}

const fn truth(is_so: bool) -> Cell<'static> {
    Cell::Json(if is_so { "true" } else { "false" })
}

/// Bytes of the files in the directory; those that cannot be looked at are passed over.
fn disk_bytes(directory: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    let files = entries.flatten().filter_map(|entry| entry.metadata().ok()).filter(fs::Metadata::is_file);
    files.map(|metadata| metadata.len()).sum()
}
