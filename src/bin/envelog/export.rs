//! `export`: envelopes out again, as they would go in.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::args::{Cli, FormatChoice};
use crate::failure::{Failure, Outcome, tell};
use crate::filters::{Filters, PersonFilters};
use crate::merged::{self, Merged};
use crate::output::{Format, Output, grouped};
use crate::reading;

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// File to write instead of standard output. It appears when it is complete.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file if it is there already.
    #[arg(long, requires = "output")]
    force: bool,
    /// Add seq and receivedAt to every envelope; an import accepts them and gives new ones.
    #[arg(long)]
    meta: bool,
    #[command(flatten)]
    filters: Filters,
    #[command(flatten)]
    person: PersonFilters,
}

/// Writes the envelopes of one project or of all.
pub(crate) fn run(cli: &Cli, arguments: &ExportArgs) -> Outcome {
    if !matches!(cli.format, FormatChoice::Auto | FormatChoice::Ndjson) {
        return Err(Failure::Usage("an export is NDJSON; events has the other forms".to_owned()));
    }
    let mut target = match &arguments.output {
        Some(path) => Target::File(NewFile::beside(path, cli.store()?, arguments.force)?),
        None => Target::Stdout(Output::new(Format::Ndjson)),
    };
    let store = reading::open(cli)?;
    let projects = merged::projects(cli, &store)?;
    let views = merged::views(&projects)?;
    let queries = views.iter().map(|view| arguments.person.query(arguments.filters.query(view.events())));
    let mut events = Merged::of(cli, queries, false)?;
    let mut line = Vec::new();
    let mut count = 0;
    while let Some(event) = events.next()? {
        line.clear();
        if arguments.meta {
            event.to_json_with_meta(&mut line);
        } else {
            event.to_json(&mut line);
        }
        target.line(&line)?;
        count += 1;
    }
    target.end(count)?;
    if count == 0 {
        arguments.person.tell_nobody(&views)?;
    }
    Ok(())
}

/// Where the lines go.
enum Target {
    Stdout(Output),
    File(NewFile),
}

impl Target {
    fn line(&mut self, line: &[u8]) -> Outcome {
        match self {
            Self::Stdout(output) => output.line(line),
            Self::File(file) => file.line(line),
        }
    }

    fn end(self, events: i128) -> Outcome {
        match self {
            Self::Stdout(mut output) => output.flush(),
            Self::File(file) => {
                let name = file.name();
                file.put_in_place()?;
                tell(format_args!("{} events are in {name}", grouped(events)));
                Ok(())
            }
        }
    }
}

/// A file that is written under another name first, and removed if it is not completed.
struct NewFile {
    path: PathBuf,
    temporary: PathBuf,
    out: BufWriter<File>,
    replaces: bool,
    is_in_place: bool,
}

impl NewFile {
    /// Begins a file that will stand at the path, which is free unless it may be replaced.
    fn beside(path: &Path, store: &Path, replaces: bool) -> Outcome<Self> {
        let refused = |reason: &str| Err(Failure::Message(format!("{}: {reason}", path.display())));
        let Some(name) = path.file_name() else { return refused("this is no name of a file") };
        match path.metadata() {
            Ok(metadata) if !metadata.is_file() => {
                return refused("it is there and is no regular file; leave -o away and redirect the output");
            }
            Ok(_) if !replaces => return refused("the file is there already; --force replaces it"),
            _ => {}
        }
        // A link is kept, and what it leads to is replaced.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = directory.unwrap_or(Path::new("."));
        if is_inside(directory, store) {
            return Err(Failure::Message("the export would stand in the store's directory".to_owned()));
        }
        let name = path.file_name().unwrap_or(name).to_string_lossy();
        let temporary = directory.join(format!(".{name}.{}.tmp", std::process::id()));
        let file = OpenOptions::new().write(true).create_new(true).open(&temporary);
        let file = file.map_err(|error| Failure::io(&path.display().to_string(), &error))?;
        let out = BufWriter::with_capacity(256 * 1024, file);
        Ok(Self { path, temporary, out, replaces, is_in_place: false })
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn line(&mut self, line: &[u8]) -> Outcome {
        let written = self.out.write_all(line).and_then(|()| self.out.write_all(b"\n"));
        written.map_err(|error| Failure::io(&self.name(), &error))
    }

    /// Makes the content durable and gives the file its name.
    fn put_in_place(mut self) -> Outcome {
        let done = self.out.flush().and_then(|()| self.out.get_ref().sync_all()).and_then(|()| {
            if !self.replaces && self.path.exists() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            fs::rename(&self.temporary, &self.path)
        });
        self.is_in_place = done.is_ok();
        done.map_err(|error| Failure::io(&self.name(), &error))
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.is_in_place {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Whether a directory is the store's or lies below it.
fn is_inside(directory: &Path, store: &Path) -> bool {
    match (fs::canonicalize(directory), fs::canonicalize(store)) {
        (Ok(directory), Ok(store)) => directory.starts_with(store),
        _ => false,
    }
}
