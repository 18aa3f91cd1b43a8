//! The command line of `import`.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use clap::{Args, ValueEnum};
use envelog::Dedupe;
use uuid::Uuid;

use crate::secret::SecretArgs;
use crate::time::parse_time;

const EXAMPLES: &str = "\
Examples:
  envelog import events.ndjson
  envelog import events.ndjson --dry-run
  envelog import events.ndjson --rejects refused.ndjson --restart
  envelog import - --durability synced < events.ndjson
  envelog import calls.ndjson --format segment --org $ORG --project $PROJECT";

/// Store the envelopes of an NDJSON file, one a line, plain or compressed with gzip or zstd.
///
/// The rejects file has a JSON object for each line that was not stored: line number, length in bytes, field and reason.
/// It never has the line itself, which may hold addresses; the line number finds it in the input. Names of keys are kept
/// as they are, in the store and in the reasons, so an address must not be used as a name.
///
/// An import that was interrupted or killed before it told its end goes on where it stopped when the same command is
/// given again: no line is stored twice, none is missing. The store remembers the file by its path, its size and its
/// first 64 KiB. Standard input and pipes do not resume. A file whose import has ended is imported anew, from its first line.
///
/// With --format segment the lines are calls of Segment's libraries, or batches of them, and with --format cloudevents
/// events in the JSON form of that name, version 1.0. What is refused of a batch is named by its call, counted from 0;
/// the other calls are stored together.
///
/// The exit code is 0 where some lines were refused and others stored; the summary counts them. It is 1 where all
/// lines were refused, and where the import was interrupted.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ImportArgs {
    /// File to read, or - for standard input. Gzip and zstd are recognised by their first bytes.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Read and check every line, and store nothing.
    ///
    /// Where there is a store it is opened for reading, so that the organisations of its projects are checked as well.
    /// No messageId is looked up. The summary has wouldStore in place of stored: how many lines an import would take,
    /// those included whose messageId was used before, which an import counts as duplicates or rejects as conflicts. The
    /// first 20 rejects are told on standard error; with --rejects they all go to that file.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// When events are made durable. With all three they are when the import has ended; the default is the fastest.
    #[arg(long, value_enum, default_value_t = DurabilityChoice::Buffered)]
    pub(crate) durability: DurabilityChoice,
    /// Where to write why lines were refused [default: FILE.rejects.ndjson, or rejects.ndjson for standard input].
    ///
    /// The rejects of an earlier import, or an empty file, are replaced, and removed where this import has none. Any
    /// other file that is there already is refused before anything is imported.
    #[arg(long, value_name = "FILE")]
    pub(crate) rejects: Option<PathBuf>,
    /// Forget an unfinished import of the file and begin with its first line. What is stored of it is stored
    /// again, but for what has a messageId.
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) restart: bool,
    /// Whether lines whose messageId was stored before store nothing. A line whose messageId was stored with other content
    /// is refused then.
    #[arg(long, value_enum, default_value_t = DedupeChoice::All)]
    pub(crate) dedupe: DedupeChoice,
    /// Most envelopes that are stored at once.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) batch: u32,
    /// Organisation of lines that name none; with --project and --format segment or cloudevents.
    #[arg(long, value_name = "UUID")]
    pub(crate) org: Option<Uuid>,
    /// When Segment calls were received that do not say so: a time, or now.
    ///
    /// It takes part in finding out when a call happened, and is that time of a call that has none, which is refused
    /// otherwise. Without it a file that is imported again has the same times.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) received_at: Option<DateTime<Utc>>,
    /// Hash addresses wherever they stand in a text, in a URL or a sentence too, not only below a key that holds one.
    #[arg(long)]
    pub(crate) scrub_text: bool,
    #[command(flatten)]
    pub(crate) secret: SecretArgs,
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DedupeChoice {
    /// In everything that is stored.
    All,
    /// Nowhere: what is repeated is stored again. The next opening that looks ids up reads them from the log.
    Off,
}

impl From<DedupeChoice> for Dedupe {
    fn from(choice: DedupeChoice) -> Self {
        match choice {
            DedupeChoice::All => Self::All,
            DedupeChoice::Off => Self::Off,
        }
    }
}
