//! `stats`: what the store holds and how large it is.

use std::fs;
use std::path::Path;

use envelog::Store;

use crate::args::Cli;
use crate::failure::Outcome;
use crate::output::{Cell, Column, Format, Output, bytes_for_people, grouped};
use crate::reading;

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

/// Writes the figures of the store.
pub(crate) fn run(cli: &Cli) -> Outcome {
    cli.without_project("the figures are of the whole store")?;
    let directory = cli.store()?;
    let store = reading::open(cli)?;
    let disk = disk_bytes(directory);
    match Format::of(cli.format) {
        Format::Table => table(&store, disk),
        Format::Ndjson => ndjson(&store, disk),
    }
}

fn table(store: &Store, disk: u64) -> Outcome {
    let stats = store.stats()?;
    let number = |count: u64| grouped(i128::from(count));
    let mut rows = vec![
        ("events", number(stats.events)),
        ("projects", number(stats.projects)),
        ("segments", format!("{}, {} of them sealed", stats.segments, stats.sealed_segments)),
        ("log", bytes_for_people(stats.log_bytes)),
        ("indexes", bytes_for_people(stats.index_bytes)),
        ("profiles", bytes_for_people(stats.profile_bytes)),
        ("files on disk", bytes_for_people(disk)),
        ("last seq", number(stats.visible.get())),
        ("closed cleanly", if store.recovery().clean { "yes" } else { "no" }.to_owned()),
    ];
    if let Some(bytes) = stats.log_bytes.checked_div(stats.events) {
        rows.push(("log for each event", format!("{} bytes", number(bytes))));
    }
    let mut output = Output::new(Format::Table);
    let mut list = output.list(TABLE);
    for (name, value) in &rows {
        list.row(&[Cell::Text(name), Cell::Text(value)])?;
    }
    for project in store.projects()? {
        list.row(&[Cell::Text("project"), Cell::Text(&project.to_string())])?;
    }
    list.end()
}

fn ndjson(store: &Store, disk: u64) -> Outcome {
    let stats = store.stats()?;
    let projects: Vec<String> = store.projects()?.iter().map(|id| format!("\"{id}\"")).collect();
    let projects = format!("[{}]", projects.join(","));
    let was_closed = if store.recovery().clean { "true" } else { "false" };
    let mut output = Output::new(Format::Ndjson);
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
        Cell::Json(was_closed),
        Cell::Json(&projects),
    ])?;
    list.end()
}

/// Bytes of the files in the directory; those that cannot be looked at are passed over.
fn disk_bytes(directory: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    let files = entries.flatten().filter_map(|entry| entry.metadata().ok()).filter(fs::Metadata::is_file);
    files.map(|metadata| metadata.len()).sum()
}
