//! How a command ends that did not do what it was asked.

use std::fmt;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use envelog::{Store, VerifyLevel};

/// The result of a command.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The store refused.
    Store(envelog::Error),
    /// The command line makes no sense.
    Usage(String),
    /// Anything else, told in a sentence.
    Message(String),
    /// Damage was found, and told already.
    Damaged,
    /// Whoever read standard output has gone, which is no error: `envelog events | head`.
    ReaderGone,
}

impl Failure {
    /// The failure of reading or writing what `name` stands for.
    pub(crate) fn io(name: &str, error: &io::Error) -> Self {
        Self::Message(format!("{name}: {error}"))
    }

    /// The failure of writing to standard output.
    pub(crate) fn stdout(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::ReaderGone,
            _ => Self::io("standard output", error),
        }
    }

    /// What there is to say about it.
    pub(crate) fn text(&self) -> Option<String> {
        match self {
            Self::Store(error) => Some(in_words_of_the_tool(&error.to_string())),
            Self::Usage(text) | Self::Message(text) => Some(text.clone()),
            Self::Damaged | Self::ReaderGone => None,
        }
    }

    /// Whether it is damage that quarantine helps against and whose error does not say so.
    pub(crate) const fn asks_for_quarantine(&self) -> bool {
        matches!(self, Self::Store(envelog::Error::Gap { .. }))
    }

    /// Whether something of the store is damaged or missing.
    pub(crate) fn is_damage(&self) -> bool {
        use envelog::Error::{Corrupt, Gap, MissingSegment};
        matches!(self, Self::Store(Corrupt { .. } | Gap { .. } | MissingSegment { .. }))
    }

    /// As damage, and told, where it is that there is no store in a directory that has the segments of one and no list
    /// of them: what `verify` calls damage is damage to every command.
    pub(crate) fn judged(self, store: Option<&Path>) -> Self {
        let Self::Store(envelog::Error::NotFound { .. }) = &self else { return self };
        let report = store.map(|directory| Store::verify(directory, VerifyLevel::Quick));
        match report {
            Some(Ok(report)) if report.is_damaged() => self.as_damage(),
            _ => self,
        }
    }

    /// Tells it now, and ends as a command does that met damage.
    pub(crate) fn as_damage(&self) -> Self {
        if let Some(text) = self.text() {
            tell(format_args!("envelog: {text}"));
        }
        Self::Damaged
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Store(_) if self.is_damage() => ExitCode::from(3),
            Self::Store(_) | Self::Message(_) => ExitCode::FAILURE,
            Self::Usage(_) => ExitCode::from(2),
            Self::Damaged => ExitCode::from(3),
            Self::ReaderGone => ExitCode::SUCCESS,
        }
    }
}

impl From<envelog::Error> for Failure {
    fn from(error: envelog::Error) -> Self {
        Self::Store(error)
    }
}

/// The library's advice as what the command line has for it.
pub(crate) fn in_words_of_the_tool(text: &str) -> String {
    text.replace("open with on_corruption(Quarantine)", "use --on-corruption quarantine")
}

/// Writes a line to standard error. Where nobody can read it, nothing is lost.
pub(crate) fn tell(text: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{text}");
}
