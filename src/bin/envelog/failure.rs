//! How a command ends that did not do what it was asked.

use std::fmt;
use std::io::{self, Write as _};
use std::process::ExitCode;

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
            Self::Store(error) => Some(error.to_string()),
            Self::Usage(text) | Self::Message(text) => Some(text.clone()),
            Self::Damaged | Self::ReaderGone => None,
        }
    }

    /// Whether it is damage that quarantine helps against; of the damaged file the error itself says so.
    pub(crate) fn asks_for_quarantine(&self) -> bool {
        use envelog::Error::{Corrupt, Gap, MissingSegment};
        match self {
            Self::Store(Gap { .. } | MissingSegment { .. }) => true,
            Self::Store(error @ Corrupt { .. }) => error.to_string().contains("Quarantine"),
            _ => false,
        }
    }

    /// Whether something of the store is damaged or missing.
    pub(crate) fn is_damage(&self) -> bool {
        use envelog::Error::{Corrupt, Gap, MissingSegment};
        matches!(self, Self::Store(Corrupt { .. } | Gap { .. } | MissingSegment { .. }))
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

/// Writes a line to standard error. Where nobody can read it, nothing is lost.
pub(crate) fn tell(text: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{text}");
}
