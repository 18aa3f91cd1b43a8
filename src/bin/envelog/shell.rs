//! `completions` and `man`: the tool itself as a shell and a reader of manuals want it.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::{Args, CommandFactory as _, ValueEnum};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::args::Cli;
use crate::failure::{Failure, Outcome};

pub(crate) const COMPLETIONS_EXAMPLES: &str = "Examples:
  envelog completions bash > envelog.bash
  envelog completions zsh > _envelog
  envelog completions fish > envelog.fish";

pub(crate) const MAN_EXAMPLES: &str = "Examples:
  envelog man > envelog.1
  envelog man --dir man1";

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell that is to complete the tool's command lines.
    #[arg(value_enum)]
    shell: ShellChoice,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ShellChoice {
    Bash,
    Zsh,
    Fish,
}

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Write a page for the tool and one for each command into this directory, which is made where it is missing.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Writes a completion script to standard output.
pub(crate) fn completions(cli: &Cli, arguments: &CompletionsArgs) -> Outcome {
    without_store_or_project(cli)?;
    let shell = match arguments.shell {
        ShellChoice::Bash => Shell::Bash,
        ShellChoice::Zsh => Shell::Zsh,
        ShellChoice::Fish => Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "envelog", &mut script);
    write(&script)
}

/// Writes the manual page of the tool to standard output, or all pages into a directory.
pub(crate) fn man(cli: &Cli, arguments: &ManArgs) -> Outcome {
    without_store_or_project(cli)?;
    // The help of the tool is in the pages.
    let command = Cli::command().disable_help_subcommand(true);
    let Some(directory) = &arguments.dir else {
        let mut page = Vec::new();
        let rendered = Man::new(command).render(&mut page);
        rendered.map_err(|error| Failure::io("the manual page", &error))?;
        return write(&page);
    };
    let written = fs::create_dir_all(directory).and_then(|()| clap_mangen::generate_to(command, directory));
    written.map_err(|error| Failure::io(&directory.display().to_string(), &error))
}

/// Refuses what names a store or something in it.
fn without_store_or_project(cli: &Cli) -> Outcome {
    let reason = "what is written is about the tool and no store";
    cli.without_store(reason)?;
    cli.without_project(reason)
}

fn write(bytes: &[u8]) -> Outcome {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| Failure::stdout(&error))
}
