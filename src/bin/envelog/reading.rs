//! A store that is open for reading, and the project that is asked.

use std::fmt::Write as _;

use envelog::{Project, Store};
use uuid::Uuid;

use crate::args::Cli;
use crate::failure::{Failure, Outcome, tell};
use crate::output::grouped;

/// Projects that an error message lists.
const PROJECTS_LISTED_MAX: usize = 20;

/// Opens the store for reading, and says so where it was not closed. No file is changed.
pub(crate) fn open(cli: &Cli) -> Outcome<Store> {
    let store = Store::open_read_only(cli.store()?)?;
    let recovery = store.recovery();
    if !recovery.clean {
        tell(format_args!(
            "envelog: the store was not closed; the end of its log was read anew, with {} valid frames",
            grouped(i128::from(recovery.frames_kept))
        ));
    }
    if !recovery.rebuilt.is_empty() {
        let files = grouped(recovery.rebuilt.len() as i128);
        tell(format_args!(
            "envelog: {files} damaged or missing index and profile files were read anew from the log"
        ));
    }
    Ok(store)
}

/// The project that was named, or the only one.
pub(crate) fn project(cli: &Cli, store: &Store) -> Outcome<Project> {
    let projects = store.projects()?;
    match (cli.project, projects.as_slice()) {
        (_, []) => Err(Failure::Message("the store has no events".to_owned())),
        (Some(id), known) if known.contains(&id) => Ok(store.project(id)),
        (Some(_), known) => {
            Err(Failure::Message(format!("the store has no such project; {}", listed(known))))
        }
        (None, [only]) => Ok(store.project(*only)),
        (None, known) => {
            Err(Failure::Usage(format!("name one of the projects with --project UUID; {}", listed(known))))
        }
    }
}

fn listed(projects: &[Uuid]) -> String {
    let mut text = format!("it has {}:", projects.len());
    for id in projects.iter().take(PROJECTS_LISTED_MAX) {
        let _ = write!(text, "\n  {id}");
    }
    if projects.len() > PROJECTS_LISTED_MAX {
        text.push_str("\n  ..");
    }
    text
}
