//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use envelog::OnCorruption;
use uuid::Uuid;

use crate::bench::{self, BenchArgs};
use crate::examples;
use crate::export::ExportArgs;
use crate::failure::{Failure, Outcome};
use crate::filters::{Filters, PersonFilters, property_path};
use crate::import::ImportArgs;
use crate::shell::{self, CompletionsArgs, ManArgs};
use crate::stats::StatsArgs;
use crate::tail::TailArgs;
use crate::verify::{self, VerifyArgs};

/// An embedded event store: product events in; counts, timelines and profiles out.
///
/// Data goes to standard output: tables on a terminal, one JSON object a line into a pipe.
/// Everything else goes to standard error.
///
/// Exit codes: 0, 1 after an error, 2 for a wrong command line, 3 where something of the store is damaged.
#[derive(Debug, Parser)]
#[command(name = "envelog", version, arg_required_else_help = true, after_help = examples::TOP)]
pub(crate) struct Cli {
    /// Directory of the store.
    #[arg(long, global = true, value_name = "DIR", env = "ENVELOG_STORE", hide_env_values = true)]
    store: Option<PathBuf>,
    /// Project to read; may be left out where the store has only one.
    #[arg(long, global = true, value_name = "UUID")]
    pub(crate) project: Option<Uuid>,
    /// Form of the output.
    #[arg(long, global = true, value_enum, value_name = "FORMAT", default_value_t = FormatChoice::Auto)]
    pub(crate) format: FormatChoice,
    /// What to do where something of the store is damaged.
    ///
    /// A command that stops at damage ends with 3. One that went on without what is damaged ends as it would otherwise,
    /// and tells on standard error what its answer is without.
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
    /// One JSON array of all objects.
    Json,
    /// Fields separated by commas, names first, JSON text where a field is an object.
    Csv,
    /// A table for a document: as wide as it is.
    Markdown,
}

/// What is done about damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CorruptionChoice {
    /// Stop and say where it is.
    Fail,
    /// Go on without what is damaged. Commands that write move files that cannot be used as they are to the store's
    /// directory quarantine for good; of a damaged place inside a sealed file they leave the file where it is, and reads
    /// pass over it. Commands that read change nothing.
    Quarantine,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Import(ImportArgs),
    /// Write the envelopes again as NDJSON, in the order in which they were stored.
    ///
    /// Without --project it is the whole store. Importing the output into a store with the same secret and exporting it
    /// from there gives the same bytes: addresses were hashed when they were stored and stay the same tokens, and all
    /// other text is as it was given.
    #[command(after_help = examples::EXPORT)]
    Export(ExportArgs),
    /// Count events, or distinct users.
    #[command(after_help = examples::COUNT)]
    Count(CountArgs),
    /// Add up a numeric property.
    #[command(after_help = examples::SUM)]
    Sum(SumArgs),
    /// List events in the order in which they were stored.
    ///
    /// In CSV a cell is what the event has: a program that takes one which begins with = + - or @ for a formula must be
    /// told to read text.
    #[command(after_help = examples::EVENTS)]
    Events(EventsArgs),
    /// List what a user did, newest first.
    #[command(after_help = examples::TIMELINE)]
    Timeline(TimelineArgs),
    /// List the events that were stored last, and go on with those that are stored now.
    ///
    /// Without --project they are of the whole store.
    #[command(after_help = examples::TAIL)]
    Tail(TailArgs),
    /// Show what is known of a user.
    #[command(after_help = examples::PROFILE)]
    Profile(ProfileArgs),
    /// List all profiles of the project.
    #[command(after_help = examples::PROFILES)]
    Profiles(ProfilesArgs),
    /// List the names of traits, what kinds of values they have and how many profiles have them.
    #[command(after_help = examples::TRAITS)]
    Traits,
    /// Show what the store holds and how large it is.
    #[command(after_help = examples::STATS)]
    Stats(StatsArgs),
    /// Store a generated shop's half year and ask it a few questions.
    #[command(after_help = examples::DEMO)]
    Demo(DemoArgs),
    /// Check every file of the store, whether it opens or not, and list all that is wrong.
    ///
    /// Nothing is changed. A finding is damage, or about a derived file that the store makes anew from its log, or a note:
    /// what a crash left, what was given up before, files that are not the store's. The exit code is 3 where there is
    /// damage, and 0 where there is none.
    #[command(after_help = verify::EXAMPLES)]
    Verify(VerifyArgs),
    /// Measure how fast the store is on this disk, and how many bytes an event takes there.
    ///
    /// Generated events are stored in a directory of their own, which is removed at the end. The figures are of this
    /// machine at this moment.
    #[command(after_help = bench::EXAMPLES)]
    Bench(BenchArgs),
    /// Write a script that completes the tool's command lines in a shell.
    #[command(after_help = shell::COMPLETIONS_EXAMPLES)]
    Completions(CompletionsArgs),
    /// Write the tool's manual page.
    #[command(after_help = shell::MAN_EXAMPLES)]
    Man(ManArgs),
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
    /// Name of the property, or names joined by points, such as amount, cart.total or properties.amount.
    #[arg(value_parser = property_path)]
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
    /// Most events to list [default: 50 in a table or Markdown, else all].
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
    /// Only profiles in this state.
    #[arg(long, value_enum)]
    pub(crate) state: Option<StateChoice>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StateChoice {
    /// Devices that nothing has tied to a user.
    Anonymous,
    /// Users.
    Identified,
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
