//! The error inside serde: a path that grows on the way out, and a reason without values.

use std::borrow::Cow;
use std::fmt::{self, Display, Write as _};

use serde::de::{Expected, Unexpected};

use crate::error::Error;

/// Why something could not be serialized or deserialized.
#[derive(Debug)]
pub(crate) enum Fault {
    /// An error that knows its place.
    Placed(Error),
    /// One whose path is still being put together, innermost part last.
    Open { path: String, reason: Cow<'static, str> },
}

impl Fault {
    pub(super) fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Open { path: String::new(), reason: reason.into() }
    }

    /// The same fault, seen from the object that has the value at fault under `key`.
    pub(super) fn under_key(self, key: &str) -> Self {
        self.under(format_args!(".{key}"))
    }

    /// The same fault, seen from the list that has the value at fault at `index`.
    pub(super) fn under_index(self, index: usize) -> Self {
        self.under(format_args!("[{index}]"))
    }

    fn under(self, part: fmt::Arguments<'_>) -> Self {
        match self {
            Self::Placed(error) => Self::Placed(error),
            Self::Open { path, reason } => Self::Open { path: format!("{part}{path}"), reason },
        }
    }

    /// The error of the whole call on a value called `root`.
    pub(super) fn into_error(self, root: &str) -> Error {
        match self {
            Self::Placed(error) => error,
            Self::Open { path, reason } => Error::invalid(format!("{root}{path}"), reason),
        }
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Placed(error) => Display::fmt(error, f),
            Self::Open { path, reason } => write!(f, "{path}: {reason}"),
        }
    }
}

impl std::error::Error for Fault {}

impl serde::ser::Error for Fault {
    fn custom<T: Display>(_: T) -> Self {
        Self::new("its Serialize refused the value")
    }
}

impl serde::de::Error for Fault {
    fn custom<T: Display>(_: T) -> Self {
        Self::new("its Deserialize refused the value")
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("expected {expected}, found {}", kind_of(&unexpected)))
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("expected {expected}, found another {}", kind_of(&unexpected)))
    }

    fn invalid_length(len: usize, expected: &dyn Expected) -> Self {
        Self::new(format!("expected {expected}, found {len} elements"))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format!("unknown variant, expected {}", one_of(expected)))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format!("unknown field, expected {}", one_of(expected))).under_key(field)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new("is missing").under_key(field)
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new("key occurs twice").under_key(field)
    }
}

/// What was found, without its value.
fn kind_of(unexpected: &Unexpected<'_>) -> &'static str {
    match unexpected {
        Unexpected::Bool(_) => "boolean",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "integer",
        Unexpected::Float(_) => "number",
        Unexpected::Char(_) | Unexpected::Str(_) => "string",
        Unexpected::Bytes(_) => "bytes",
        Unexpected::Unit | Unexpected::Option => "null",
        Unexpected::Seq => "list",
        Unexpected::Map => "object",
        _ => "value",
    }
}

fn one_of(names: &[&str]) -> String {
    let mut list = String::from("one of");
    for name in names {
        // Writing to a string does not fail.
        let _ = write!(list, " `{name}`");
    }
    list
}
