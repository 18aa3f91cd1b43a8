//! The command line.

use std::env;
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, PossibleValuesParser, Resettable, TypedValueParser, ValueParser};
use clap::parser::ValueSource;
use clap::{
    Arg, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum, value_parser,
};
use envelog::OnCorruption;
use uuid::Uuid;

use crate::acts::{AliasArgs, SignUpArgs, UnlinkArgs};
use crate::bench::{self, BenchArgs};
use crate::examples;
use crate::export::ExportArgs;
use crate::failure::{Failure, Outcome};
use crate::filters::{Filters, PersonFilters, property_path};
use crate::identity::{self, ExplainArgs};
use crate::import::ImportArgs;
use crate::people::{ProfileArgs, ProfilesArgs};
use crate::shell::{self, CompletionsArgs, ManArgs};
use crate::stats::StatsArgs;
use crate::tail::TailArgs;
use crate::verify::{self, VerifyArgs};

/// An embedded event store: product events in; counts, timelines and profiles out.
///
/// Data goes to standard output: tables on a terminal, one JSON object a line into a pipe.
/// Everything else goes to standard error.
///
/// Exit codes: 0, 1 after an error, 2 for a wrong command line, 3 where something of the store is damaged. An empty answer,
/// such as that of a user who is not there, is an answer and ends with 0.
#[derive(Debug, Parser)]
#[command(name = "envelog", version, arg_required_else_help = true, after_help = examples::TOP)]
pub(crate) struct Cli {
    /// Directory of the store.
    #[arg(long, global = true, value_name = "DIR", value_parser = directory(), env = "ENVELOG_STORE", hide_env_values = true)]
    store: Option<PathBuf>,
    /// The command line has the directory, and not only the environment.
    #[arg(skip)]
    is_store_given: bool,
    /// Project that is asked or written to; may be left out where the store has only one.
    #[arg(long, global = true, value_name = "UUID")]
    pub(crate) project: Option<Uuid>,
    /// Form of the output.
    #[arg(long, global = true, value_name = "FORMAT", default_value = "auto", value_parser = formats(FormatChoice::OF_OUTPUT))]
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
    /// The command line of this process; one that makes no sense ends it.
    pub(crate) fn of_the_process() -> Self {
        let mut command = Self::command();
        if env::args_os().nth(1).is_none() {
            // A store in the environment would count as an argument, and the help would be missing.
            command.clone().mut_arg("store", |store| store.env(Resettable::Reset)).get_matches();
        }
        let matches = command.get_matches_mut();
        let mut cli =
            Self::from_arg_matches(&matches).unwrap_or_else(|error| error.format(&mut command).exit());
        cli.is_store_given = matches.value_source("store") == Some(ValueSource::CommandLine);
        cli
    }

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

    /// Refuses the forms that only the lines of an import have.
    pub(crate) fn check_format(&self) -> Outcome {
        if FormatChoice::OF_OUTPUT.contains(&self.format) || matches!(self.command, Command::Import(_)) {
            return Ok(());
        }
        let message =
            "segment and cloudevents are forms of the lines that import reads, and not of an output";
        Err(Failure::Usage(message.to_owned()))
    }

    /// Refuses `--store` where it would have no effect. The environment may have one for other commands.
    pub(crate) fn without_store(&self, reason: &str) -> Outcome {
        if self.is_store_given {
            return Err(Failure::Usage(format!("--store has no effect here: {reason}")));
        }
        Ok(())
    }

    /// Refuses `--project` where it would have no effect.
    pub(crate) fn without_project(&self, reason: &str) -> Outcome {
        match self.project {
            Some(_) => Err(Failure::Usage(format!("--project has no effect here: {reason}"))),
            None => Ok(()),
        }
    }
}

/// Reads the name of a directory.
fn directory() -> ValueParser {
    let parser = OsStringValueParser::new().try_map(|text| {
        if text.is_empty() {
            return Err("it is empty; name a directory, here or in ENVELOG_STORE");
        }
        Ok(PathBuf::from(text))
    });
    ValueParser::new(parser)
}

/// `--project` of a command that refuses it: the help does not offer it.
fn no_project() -> Arg {
    Arg::new("project").long("project").value_parser(value_parser!(Uuid)).hide(true)
}

/// `--store` of a command that refuses it: the help does not offer it.
fn no_store() -> Arg {
    Arg::new("store").long("store").value_parser(directory()).hide(true)
}

/// `--format` of a command that has only some: the help offers those, and the command tells why it refuses another.
fn format_of(offered: &'static [FormatChoice]) -> Arg {
    let format = Arg::new("format").long("format").value_name("FORMAT");
    format.help("Form of the output").value_parser(formats(offered))
}

/// `--project` of an import, which lines of one form need.
fn project_of_import() -> Arg {
    let project = Arg::new("project").long("project").value_name("UUID").value_parser(value_parser!(Uuid));
    project.help("Project of lines that name none; with --org and --format segment or cloudevents")
}

/// `--format` of an import: what its lines are, or the form of its summary.
fn format_of_import() -> Arg {
    let format = format_of(FormatChoice::value_variants()).default_value("auto");
    format.help("What the lines are, if no envelopes: segment or cloudevents; else the form of the summary")
}

/// Reads the name of a form. Those that are not offered are read too, for the command to tell why it refuses them.
fn formats(offered: &'static [FormatChoice]) -> ValueParser {
    let values = FormatChoice::value_variants()
        .iter()
        .filter_map(move |choice| Some(choice.to_possible_value()?.hide(!offered.contains(choice))));
    ValueParser::new(PossibleValuesParser::new(values).try_map(|name| FormatChoice::from_str(&name, false)))
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
    /// Of an import's lines: calls of Segment's libraries, and batches of them. They belong to --org and --project.
    Segment,
    /// Of an import's lines: events in the JSON form of cloudevents 1.0. Those whose sources name no project belong to --org and
    /// --project.
    #[value(name = "cloudevents")]
    CloudEvents,
}

impl FormatChoice {
    /// The forms of the output, which are those of all commands but one.
    const OF_OUTPUT: &[Self] =
        &[Self::Auto, Self::Table, Self::Ndjson, Self::Json, Self::Csv, Self::Markdown];
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
    #[command(args = [project_of_import(), format_of_import()])]
    Import(ImportArgs),
    /// Write the envelopes again as NDJSON, in the order in which they were stored.
    ///
    /// Without --project it is the whole store. Importing the output into a new store with the same secret and exporting
    /// it from there gives the same bytes: addresses were hashed when they were stored and stay the same tokens, and all
    /// other text is as it was given. Where a messageId stands on more than one event, which a store that looks ids up
    /// takes only once, that needs import --dedupe off.
    #[command(after_help = examples::EXPORT, arg = format_of(&[FormatChoice::Ndjson]).default_value("ndjson"))]
    Export(ExportArgs),
    /// Count events, or distinct users.
    #[command(after_help = examples::COUNT)]
    Count(CountArgs),
    /// Add up a numeric property.
    #[command(after_help = examples::SUM)]
    Sum(SumArgs),
    /// List events in the order in which they were stored.
    ///
    /// A table on a terminal has as much of the properties as has room, or none; the other forms have all.
    ///
    /// In CSV a cell is what the event has: a program that takes one which begins with = + - or @ for a formula must be
    /// told to read text.
    #[command(after_help = examples::EVENTS)]
    Events(EventsArgs),
    /// List what a user did, newest first.
    ///
    /// Of a user who is not there nothing is listed, which is told on standard error and is no error: the exit code is 0.
    /// A table on a terminal has as much of the properties as has room, or none; the other forms have all.
    #[command(after_help = examples::TIMELINE)]
    Timeline(TimelineArgs),
    /// List the events that were stored last, and go on with those that are stored now.
    ///
    /// Without --project they are of the whole store.
    #[command(after_help = examples::TAIL)]
    Tail(TailArgs),
    Profile(ProfileArgs),
    Profiles(ProfilesArgs),
    /// List the names of traits, what kinds of values they have and how many profiles have them.
    #[command(after_help = examples::TRAITS)]
    Traits,
    SignUp(SignUpArgs),
    Alias(AliasArgs),
    Unlink(UnlinkArgs),
    Explain(ExplainArgs),
    /// List the facts of identity that have no effect, because a rule forbids it.
    ///
    /// They are stored: an alias or an unlink can bring about what they ask for. A table has the rules in words, the other
    /// forms have their names.
    #[command(after_help = identity::CONFLICTS_EXAMPLES)]
    Conflicts,
    /// Show what the store holds and how large it is.
    #[command(after_help = examples::STATS)]
    Stats(StatsArgs),
    /// Store a generated shop's half year and ask it a few questions.
    ///
    /// The store is a temporary one, or that of --keep; it is never the one that the environment names.
    #[command(
        after_help = examples::DEMO,
        args = [no_store(), no_project(), format_of(&[FormatChoice::Table, FormatChoice::Markdown, FormatChoice::Ndjson])],
    )]
    Demo(DemoArgs),
    /// Check every file of the store, whether it opens or not, and list all that is wrong.
    ///
    /// Nothing is changed. A finding is damage, or about a derived file that the store makes anew from its log, or a note:
    /// what a crash left, what was given up before, files that are not the store's. The exit code is 3 where there is
    /// damage, and 0 where there is none. The bytes checked are those that were read, some of them
    /// twice; stats tells the bytes on disk.
    #[command(after_help = verify::EXAMPLES, arg = no_project())]
    Verify(VerifyArgs),
    /// Measure how fast the store is on this disk, and how many bytes an event takes there.
    ///
    /// Generated events are stored in a directory of their own, which is removed at the end. The figures are of this
    /// machine at this moment.
    #[command(after_help = bench::EXAMPLES, arg = no_project())]
    Bench(BenchArgs),
    /// Write a script that completes the tool's command lines in a shell.
    #[command(after_help = shell::COMPLETIONS_EXAMPLES, args = [no_store(), no_project()])]
    Completions(CompletionsArgs),
    /// Write the tool's manual page.
    #[command(after_help = shell::MAN_EXAMPLES, args = [no_store(), no_project()])]
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
    #[arg(long, visible_alias = "anonymous")]
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
