//! `tail`: the events that were stored last, and those that this command stores itself.

mod follow;

use clap::Args;
use envelog::{EventQuery, Project, Seq, Store, View};

use crate::args::Cli;
use crate::events::Listing;
use crate::failure::Outcome;
use crate::filters::{Filters, PersonFilters};
use crate::merged::{self, Merged};
use crate::output::{Format, Output};
use crate::reading;
use crate::secret::SecretArgs;

#[derive(Debug, Args)]
pub(crate) struct TailArgs {
    /// Most events to list.
    #[arg(short = 'n', long = "limit", value_name = "N", default_value_t = 10)]
    limit: u64,
    /// Then store the envelopes of standard input, one a line, and list each when it is stored.
    ///
    /// They survive the end of the process as they are listed, and a power loss once the command has ended. A line that
    /// is no envelope is told on standard error by its number and the reason; the exit code is 1 where all are none.
    /// Filters and --project choose what is listed, and every envelope is stored. Following a store that another
    /// process writes is not there yet.
    #[arg(short, long)]
    follow: bool,
    #[command(flatten)]
    secret: SecretArgs,
    #[command(flatten)]
    filters: Filters,
    #[command(flatten)]
    person: PersonFilters,
}

impl TailArgs {
    fn query<'v>(&self, view: &'v View) -> EventQuery<'v> {
        self.person.query(self.filters.query(view.events()))
    }
}

/// Lists the newest events in the order in which they were stored.
pub(crate) fn run(cli: &Cli, arguments: &TailArgs) -> Outcome {
    if arguments.follow {
        return follow::run(cli, arguments);
    }
    let store = reading::open(cli)?;
    let mut output = Output::new(Format::of(cli.format));
    let mut listing = listing(cli, &store, &mut output)?;
    let projects = merged::projects(cli, &store)?;
    let is_empty = !newest(cli, arguments, &projects, &mut listing)?;
    listing.end()?;
    if is_empty && arguments.limit > 0 {
        arguments.person.tell_nobody(&merged::views(&projects)?)?;
    }
    Ok(())
}

/// A list that names the projects where there may be several: programs always see them.
fn listing<'o>(cli: &Cli, store: &Store, output: &'o mut Output) -> Outcome<Listing<'o>> {
    let is_of_several = cli.project.is_none() && store.projects()?.len() > 1;
    let names_projects = is_of_several || !output.format().is_for_people();
    Ok(if names_projects { Listing::with_projects(output) } else { Listing::new(output) })
}

/// Lists the newest events: finds the first of them from the end, and goes on from there, so that nothing is kept.
/// Returns whether there are any.
fn newest(cli: &Cli, arguments: &TailArgs, projects: &[Project], listing: &mut Listing<'_>) -> Outcome<bool> {
    let views = merged::views(projects)?;
    let mut first = None;
    let mut backwards = Merged::of(cli, views.iter().map(|view| arguments.query(view)), true)?;
    for _ in 0..arguments.limit {
        let Some(event) = backwards.next()? else { break };
        first = Some(event.seq());
    }
    let Some(first) = first else { return Ok(false) };
    let to_the_end = first..Seq::new(u64::MAX);
    let queries = views.iter().map(|view| arguments.query(view).seq_range(to_the_end.clone()));
    let mut events = backwards.again(queries, false)?;
    while let Some(event) = events.next()? {
        listing.add(&event)?;
    }
    Ok(true)
}
