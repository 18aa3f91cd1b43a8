//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use envelog::OnCorruption;
use uuid::Uuid;

use crate::failure::{Failure, Outcome};
use crate::filters::{Filters, PersonFilters};

/// An embedded event store: product events in; counts, timelines and profiles out.
///
/// Data goes to standard output: tables on a terminal, one JSON object a line into a pipe.
/// Everything else goes to standard error. Exit codes: 0, 1 after an error, 2 for a wrong command line.
#[derive(Debug, Parser)]
#[command(name = "envelog", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// Directory of the store.
    #[arg(long, global = true, value_name = "DIR", env = "ENVELOG_STORE")]
    store: Option<PathBuf>,
    /// Project to read; may be left out where the store has only one.
    #[arg(long, global = true, value_name = "UUID")]
    pub(crate) project: Option<Uuid>,
    /// Form of the output.
    #[arg(long, global = true, value_enum, value_name = "FORMAT", default_value_t = FormatChoice::Auto)]
    pub(crate) format: FormatChoice,
    /// What to do where something of the store is damaged.
    #[arg(long, global = true, value_enum, value_name = "POLICY", default_value_t = CorruptionChoice::Fail)]
    on_corruption: CorruptionChoice,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// The directory of the store.
    pub(crate) fn store(&self) -> Outcome<&PathBuf> {
        let message = "no store was named; use --store DIR or set ENVELOG_STORE";
        self.store.as_ref().ok_or_else(|| Failure::Usage(message.to_owned()))
    }

    /// What happens where something of the store is damaged.
    pub(crate) fn on_corruption(&self) -> OnCorruption {
        match self.on_corruption {
            CorruptionChoice::Fail => OnCorruption::Fail,
            CorruptionChoice::Quarantine => OnCorruption::Quarantine,
        }
    }

    /// Refuses `--project` where it would have no effect.
    pub(crate) fn without_project(&self, reason: &str) -> Outcome {
        match self.project {
            Some(_) => Err(Failure::Usage(format!("--project has no effect here: {reason}"))),
            None => Ok(()),
        }
    }
}

/// How data is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FormatChoice {
    /// Tables on a terminal, NDJSON into a pipe.
    Auto,
    /// Tables for people.
    Table,
    /// One JSON object a line.
    Ndjson,
}

/// What is done about damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CorruptionChoice {
    /// Stop and say where it is.
    Fail,
    /// Go on without what is damaged. Import moves it to the store's directory quarantine for good; commands that read
    /// change nothing.
    Quarantine,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Store the envelopes of an NDJSON file, one a line, plain or gzip.
    ///
    /// The rejects file has a JSON object for each line that was not stored: line number, length in bytes, field and
    /// reason. It never has the line itself, which may hold addresses; the line number finds it in the input.
    ///
    /// The exit code is 0 where some lines were refused and others stored; the summary counts them. It is 1 where all
    /// lines were refused.
    Import(ImportArgs),
    /// Count events, or distinct users.
    Count(CountArgs),
    /// Add up a numeric property.
    Sum(SumArgs),
    /// List events in the order in which they were stored.
    Events(EventsArgs),
    /// List what a user did, newest first.
    Timeline(TimelineArgs),
    /// Show what is known of a user.
    Profile(ProfileArgs),
    /// List all profiles of the project.
    Profiles(ProfilesArgs),
    /// Show what the store holds and how large it is.
    Stats,
    /// Store a generated shop's half year and ask it a few questions.
    Demo(DemoArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// File to read, or - for standard input. Gzip is recognised by its first bytes.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// When events are made durable. With all three they are when the import has ended; the default is the fastest.
    #[arg(long, value_enum, default_value_t = DurabilityChoice::Buffered)]
    pub(crate) durability: DurabilityChoice,
    /// Where to write why lines were refused [default: FILE.rejects.ndjson, or rejects.ndjson for standard input].
    ///
    /// The rejects of an earlier import, or an empty file, are replaced, and removed where this import has none. Any
    /// other file that is there already is refused before anything is imported.
    #[arg(long, value_name = "FILE")]
    pub(crate) rejects: Option<PathBuf>,
    /// Most envelopes that are stored at once.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) batch: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DurabilityChoice {
    /// At the end of the import; what is stored before survives the end of the process.
    Buffered,
    /// Every 100 ms in the background.
    Interval,
    /// At every batch.
    Synced,
}

#[derive(Debug, Args)]
pub(crate) struct CountArgs {
    /// Count by this.
    #[arg(long, value_enum)]
    pub(crate) by: Option<By>,
    /// Count distinct users instead of events.
    #[arg(long)]
    pub(crate) users: bool,
    #[command(flatten)]
    pub(crate) filters: Filters,
    #[command(flatten)]
    pub(crate) person: PersonFilters,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum By {
    /// The event type.
    Type,
    /// The month of the timestamp, in UTC.
    Month,
    /// The day of the timestamp, in UTC.
    Day,
    /// The module.
    Module,
}

#[derive(Debug, Args)]
pub(crate) struct SumArgs {
    /// Name of the property, or names joined by points, such as amount or cart.total.
    pub(crate) property: String,
    /// Add up by this.
    #[arg(long, value_enum)]
    pub(crate) by: Option<By>,
    #[command(flatten)]
    pub(crate) filters: Filters,
    #[command(flatten)]
    pub(crate) person: PersonFilters,
}

#[derive(Debug, Args)]
pub(crate) struct EventsArgs {
    /// Start with the event that was stored last.
    #[arg(long)]
    pub(crate) newest: bool,
    /// Most events to list [default: 50 in a table, all as NDJSON].
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    #[command(flatten)]
    pub(crate) filters: Filters,
    #[command(flatten)]
    pub(crate) person: PersonFilters,
}

#[derive(Debug, Args)]
pub(crate) struct TimelineArgs {
    /// The userId, or with --device the anonymousId.
    pub(crate) user: String,
    /// The id is an anonymousId.
    #[arg(long)]
    pub(crate) device: bool,
    /// Most events to list.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) limit: usize,
    /// Start with the newest event, which is the default.
    #[arg(long, conflicts_with = "oldest")]
    pub(crate) newest: bool,
    /// Start with the oldest event.
    #[arg(long)]
    pub(crate) oldest: bool,
    /// Go on where a page ended, in that page's direction.
    ///
    /// The token has the direction; --newest or --oldest may be left out, and is refused where it is the other one.
    #[arg(long, value_name = "TOKEN")]
    pub(crate) after: Option<String>,
    #[command(flatten)]
    pub(crate) filters: Filters,
}

#[derive(Debug, Args)]
pub(crate) struct ProfileArgs {
    /// The userId, or with --device the anonymousId.
    pub(crate) user: String,
    /// The id is an anonymousId.
    #[arg(long)]
    pub(crate) device: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ProfilesArgs {
    /// Most profiles to list.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Keep the store in this directory, which must be empty or missing, instead of a temporary one.
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
