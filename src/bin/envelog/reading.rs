//! A store that is open for reading, and the project that is asked.

use std::fmt::Write as _;

use envelog::{Error, EventRef, OnCorruption, Options, PersonRef, Project, Store, View};
use uuid::Uuid;

use crate::args::Cli;
use crate::failure::{Failure, Outcome, tell};
use crate::output::grouped;

/// Projects that an error message lists.
const PROJECTS_LISTED_MAX: usize = 20;

/// Opens the store for reading, and says so where it was not closed. No file is changed.
pub(crate) fn open(cli: &Cli) -> Outcome<Store> {
    let store = Options::new().on_corruption(cli.on_corruption()).open_read_only(cli.store()?)?;
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
    tell_damage(&store);
    Ok(store)
}

/// Says what of the store is missing because it is damaged, and what was moved away for it.
pub(crate) fn tell_damage(store: &Store) {
    let gaps = store.gaps();
    if !gaps.is_empty() {
        let missing: u64 = gaps.iter().map(|gap| gap.end().get() - gap.start().get() + 1).sum();
        let missing = grouped(i128::from(missing));
        tell(format_args!(
            "envelog: {missing} seqs of the store are lost to damage; no answer has their events"
        ));
    }
    for file in &store.recovery().quarantined {
        tell(format_args!("envelog: {file} was damaged and is now in the store's directory quarantine"));
    }
}

/// The event, or none for a damaged range that answers may be without, which is told.
pub(crate) fn or_gap<'v>(cli: &Cli, event: envelog::Result<EventRef<'v>>) -> Outcome<Option<EventRef<'v>>> {
    match event {
        Err(gap @ Error::Gap { .. }) if cli.on_corruption() == OnCorruption::Quarantine => {
            tell(format_args!("envelog: {gap}"));
            Ok(None)
        }
        event => Ok(Some(event?)),
    }
}

/// Says so where nobody has the id that was asked for. The answer is empty then, which is no error.
pub(crate) fn tell_nobody(views: &[View], person: PersonRef<'_>) -> Outcome {
    for view in views {
        if view.activity(person)?.is_some() {
            return Ok(());
        }
    }
    let field = if matches!(person, PersonRef::User(_)) { "userId" } else { "anonymousId" };
    tell(format_args!("envelog: nobody has this {field}"));
    Ok(())
}

/// The project that was named, or the only one. In a store without events every project is there, and is empty.
pub(crate) fn project(cli: &Cli, store: &Store) -> Outcome<Project> {
    let projects = store.projects()?;
    match (cli.project, projects.as_slice()) {
        (id, []) => Ok(store.project(id.unwrap_or_default())),
        (Some(id), known) if known.contains(&id) => Ok(store.project(id)),
        (Some(_), known) => {
            Err(Failure::Message(format!("the store has no such project; {}", listed(known))))
        }
        (None, [only]) => Ok(store.project(*only)),
        (None, known) => Err(ambiguous(known)),
    }
}

/// The failure of a command line that names none of several projects.
pub(crate) fn ambiguous(known: &[Uuid]) -> Failure {
    Failure::Usage(format!("name one of the projects with --project UUID; {}", listed(known)))
}

pub(crate) fn listed(projects: &[Uuid]) -> String {
    let mut text = format!("it has {}:", projects.len());
    for id in projects.iter().take(PROJECTS_LISTED_MAX) {
        let _ = write!(text, "\n  {id}");
    }
    if projects.len() > PROJECTS_LISTED_MAX {
        text.push_str("\n  ..");
    }
    text
}
