//! The command line tool: events in; counts, timelines and profiles out.
//!
//! Data goes to standard output, everything else to standard error. The exit code is 0, also for an empty answer, 1
//! after an error, 2 for a command line that makes no sense and 3 where something of the store is damaged. Reading
//! commands change nothing in the store's directory.

mod acts;
mod args;
mod bench;
mod counts;
mod demo;
mod events;
mod examples;
mod export;
mod failure;
mod filters;
mod identity;
mod import;
mod input;
mod merged;
mod output;
mod people;
mod progress;
mod reading;
mod rejects;
mod secret;
mod shell;
mod stats;
mod summary;
mod tail;
mod time;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use envelog::OnCorruption;

use args::{Cli, Command};
use failure::{Outcome, tell};

fn main() -> ExitCode {
    let cli = Cli::of_the_process();
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let failure = failure.judged(cli.store().ok().map(PathBuf::as_path));
            if let Some(text) = failure.text() {
                tell(format_args!("envelog: {text}"));
            }
            if failure.asks_for_quarantine() && cli.on_corruption() == OnCorruption::Fail {
                tell(format_args!("envelog: --on-corruption quarantine goes on without what is damaged"));
            }
            failure.exit_code()
        }
    }
}

fn run(cli: &Cli) -> Outcome {
    cli.check_format()?;
    match &cli.command {
        Command::Import(arguments) => import::run(cli, arguments),
        Command::Export(arguments) => export::run(cli, arguments),
        Command::Count(arguments) => counts::count(cli, arguments),
        Command::Sum(arguments) => counts::sum(cli, arguments),
        Command::Events(arguments) => events::events(cli, arguments),
        Command::Timeline(arguments) => events::timeline(cli, arguments),
        Command::Tail(arguments) => tail::run(cli, arguments),
        Command::Profile(arguments) => people::profile(cli, arguments),
        Command::Profiles(arguments) => people::profiles(cli, arguments),
        Command::Traits => people::traits(cli),
        Command::SignUp(arguments) => acts::sign_up(cli, arguments),
        Command::Alias(arguments) => acts::alias(cli, arguments),
        Command::Unlink(arguments) => acts::unlink(cli, arguments),
        Command::Explain(arguments) => identity::explain(cli, arguments),
        Command::Conflicts => identity::conflicts(cli),
        Command::Stats(arguments) => stats::run(cli, arguments),
        Command::Demo(arguments) => demo::run(cli, arguments),
        Command::Verify(arguments) => verify::run(cli, arguments),
        Command::Bench(arguments) => bench::run(cli, arguments),
        Command::Completions(arguments) => shell::completions(cli, arguments),
        Command::Man(arguments) => shell::man(cli, arguments),
    }
}
