//! What can go wrong: where, what, and what to do next. Never a payload, an id or an address.

use std::borrow::Cow;
use std::{fmt, io};

use crate::types::{Position, Seq};

/// The result of a call on the store.
///
/// # Examples
///
/// ```
/// /// A function of the host that passes the store's errors on.
/// fn place_order(shop: &envelog::Scope, user: &str) -> envelog::Result<envelog::Position> {
///     Ok(shop.track("order.placed").user(user).append()?.position)
/// }
/// let store = envelog::Store::in_memory()?;
/// # let shop = store.scope(envelog::Uuid::from_u128(1), envelog::Uuid::from_u128(2), "billing");
/// assert_eq!(place_order(&shop, "u_1")?.seq.get(), 1);
/// # Ok::<(), envelog::Error>(())
/// ```
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call did not do what it was asked.
///
/// Each says where, what, and what to do next. No variant holds anything of an envelope but the names of its fields,
/// so that an error can be logged as it is.
///
/// # Examples
///
/// ```
/// use envelog::{Error, Store, Uuid};
///
/// let store = Store::in_memory()?;
/// let shop = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing");
/// let answer = match shop.track("order.placed").user(" ").append() {
///     Ok(ack) => format!("stored at {}", ack.position),
///     // The caller's to mend, and said in words that are safe to send back.
///     Err(Error::Invalid { field, reason }) => format!("{field} {reason}"),
///     // Nothing was stored: the same call may succeed when there is room.
///     Err(Error::NoSpace { .. }) => "try again later".to_owned(),
///     Err(other) => return Err(other),
/// };
/// assert_eq!(answer, "userId must not be blank");
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another process, or another handle of this one, has the store open: for writing, or for reading where this call
    /// asked for writing.
    #[error(
        "the store is locked: somebody else writes to it, or reads it while it has no writer; close it there, or wait, and open again"
    )]
    Locked,
    /// There is no store in the directory.
    #[error("no store found at {path}: {reason}")]
    NotFound {
        /// The directory that was asked for.
        path: String,
        /// What was looked for and not found.
        reason: Cow<'static, str>,
    },
    /// The file was written by a later version, or is no file of a store.
    #[error("{file}: {reason}; nothing was changed, use a version of envelog that knows this format")]
    UnsupportedFormat {
        /// The file's name in the store's directory.
        file: String,
        /// What is unknown about it.
        reason: Cow<'static, str>,
    },
    /// Bytes that were once durable do not read back as they were written.
    #[error("{file}: damaged at offset {offset}: {reason}; {}", what_to_do(file))]
    Corrupt {
        /// The file's name in the store's directory.
        file: String,
        /// Where in the file, in bytes.
        offset: u64,
        /// The seq expected there, where it is known.
        seq: Option<Seq>,
        /// What was found.
        reason: Cow<'static, str>,
    },
    /// A segment that the manifest lists, or that a frame or the manifest says was durable, is not there.
    #[error(
        "the file of segment {segment} is missing; restore it, or open with on_corruption(Quarantine) to go on without it"
    )]
    MissingSegment {
        /// The segment's number.
        segment: u32,
    },
    /// The disk or a quota is full. Nothing of the call was stored; appends resume when there is room.
    #[error("no space left for {file}; nothing of this call was stored, free space and try again")]
    NoSpace {
        /// The file that could not grow.
        file: String,
    },
    /// A sync failed. What the call wrote may or may not survive; everything up to `durable` does.
    #[error(
        "sync failed: everything up to seq {durable} is durable, the outcome of this call is unknown; open the store anew"
    )]
    SyncFailed {
        /// The last seq that is known to be durable.
        durable: Seq,
    },
    /// An earlier sync failed or a writer panicked; the store reads on and takes no more appends.
    #[error("the store stopped taking appends after an earlier failure; close it and open it anew")]
    Poisoned,
    /// The operating system refused an operation.
    #[error("{op} of {file} failed: {source}")]
    Io {
        /// What was tried: `open`, `write`, `sync`, `rename` ...; `spawn` where a thread could not be started.
        op: &'static str,
        /// The file's name in the store's directory, or the directory's path; for `spawn` the thread.
        file: String,
        /// The operating system's answer.
        source: io::Error,
    },
    /// An event, the traits of an identify, a batch or a cursor's state does not fit. Nothing was stored.
    #[error("{what} is too large: {bytes} bytes, at most {bytes_max} are allowed")]
    TooLarge {
        /// What was measured.
        what: &'static str,
        /// Its size in bytes.
        bytes: u64,
        /// The limit in bytes.
        bytes_max: u64,
    },
    /// A field of an envelope, or an argument, breaks a rule. The value is never quoted. Nothing was stored.
    #[error("{field}: {reason}")]
    Invalid {
        /// The field by its JSON name, nested ones as a path such as `properties.items[3].sku`.
        field: Cow<'static, str>,
        /// The rule that is broken.
        reason: Cow<'static, str>,
    },
    /// One envelope of a batch is bad; nothing of the batch was stored.
    #[error("envelope {index} of the batch: {}; nothing of the batch was stored", without_end(source))]
    InBatch {
        /// Its place in the batch, from 0.
        index: usize,
        /// What is wrong with it.
        source: Box<Error>,
    },
    /// The message id was used before with other content. Nothing was stored.
    #[error("messageId was used before with other content, {first}; nothing was stored")]
    IdConflict {
        /// Where the first use is.
        first: FirstUse,
    },
    /// The position was never durable, and what stood there is gone since an unclean end.
    #[error(
        "seq {to} of that epoch is not stored: an unclean end took back all of the epoch from seq {from} on; append the event again if it is missed"
    )]
    TakenBack {
        /// First seq of the epoch that was lost.
        from: Seq,
        /// The seq that was asked for: `from` or behind it. It need not be the last one that was lost, and whether an
        /// event ever stood there is not known any more.
        to: Seq,
    },
    /// Records are missing here: a damaged range was set aside, or cannot be read.
    #[error("seqs {from} to {to} are damaged and missing here; a backup of the store may have them")]
    Gap {
        /// First seq that is missing.
        from: Seq,
        /// Last seq that is missing.
        to: Seq,
    },
    /// A sign-up, an alias or an unlink would break a rule of identity, as things stand. Nothing was stored.
    ///
    /// Only the calls for these acts are refused; an envelope that states the same is stored, and listed by
    /// [`View::identity_conflicts`](crate::View::identity_conflicts).
    #[error("{rule}; nothing was stored")]
    Identity {
        /// The rule.
        rule: IdentityRule,
    },
    /// The store was opened for reading only.
    #[error("the store is open for reading only")]
    ReadOnly,
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

/// Where a message id was used before with other content.
///
/// # Examples
///
/// ```
/// use envelog::{Error, FirstUse, Store, Uuid};
///
/// let store = Store::in_memory()?;
/// let shop = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing");
/// let first = shop.track("order.placed").user("u_1").message_id("m_1").append()?.position;
/// let Err(Error::IdConflict { first: at }) = shop.track("order.placed").user("u_2").message_id("m_1").append() else {
///     panic!()
/// };
/// assert_eq!(at, FirstUse::Stored(first));
/// assert_eq!(at.to_string(), format!("at position {first}"));
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FirstUse {
    /// In an event that is stored there.
    Stored(Position),
    /// In an earlier one of the same batch, of which nothing was stored: its place in the batch, from 0.
    InBatch(usize),
}

impl fmt::Display for FirstUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stored(position) => write!(f, "at position {position}"),
            Self::InBatch(index) => write!(f, "by envelope {index} of the batch"),
        }
    }
}

/// A rule of identity that a fact or a command broke.
///
/// # Examples
///
/// ```
/// use envelog::{Error, IdentityRule, PersonRef, Store, Uuid};
///
/// let store = Store::in_memory()?;
/// let shop = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "shop");
/// shop.alias(PersonRef::Anonymous("tablet"), "ben").append()?;
///
/// let Err(Error::Identity { rule }) = shop.alias(PersonRef::Anonymous("tablet"), "cleo").append() else { panic!() };
/// assert_eq!(rule, IdentityRule::BoundToAnother);
/// assert_eq!(rule.to_string(), "the member belongs to another user");
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum IdentityRule {
    /// A sign-up, or the making of an anonymous user, of a user who was identified before.
    AlreadyIdentified,
    /// The user has no place for another member; see [`Limits::members_max`](crate::Limits::members_max).
    NoPlace,
    /// The member belongs to another user: a device that people share, say.
    BoundToAnother,
    /// The member was unlinked from this user; only an alias joins the two again.
    Unlinked,
    /// An alias from a user who was identified before: two identified users are never merged.
    CannotMergeIdentified,
    /// An alias onto a user who is, at that moment, below the one that it is from.
    Cycle,
    /// An unlink of a member that does not belong to this user directly.
    NotBound,
}

impl IdentityRule {
    /// The rule's name, as JSON has it: `boundToAnother`, say.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::IdentityRule;
    ///
    /// assert_eq!(IdentityRule::BoundToAnother.as_str(), "boundToAnother");
    /// ```
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AlreadyIdentified => "alreadyIdentified",
            Self::NoPlace => "noPlace",
            Self::BoundToAnother => "boundToAnother",
            Self::Unlinked => "unlinked",
            Self::CannotMergeIdentified => "cannotMergeIdentified",
            Self::Cycle => "cycle",
            Self::NotBound => "notBound",
        }
    }
}

impl fmt::Display for IdentityRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AlreadyIdentified => "the user is identified already",
            Self::NoPlace => "the user has no place for another member",
            Self::BoundToAnother => "the member belongs to another user",
            Self::Unlinked => "the member was unlinked from this user, only an alias joins them again",
            Self::CannotMergeIdentified => "an identified user cannot be merged into another one",
            Self::Cycle => "the user belongs to the one that it would be joined to",
            Self::NotBound => "the member does not belong to this user directly",
        })
    }
}

/// What is wrong with one envelope of a batch. That nothing was stored is told of the batch.
fn without_end(source: &Error) -> String {
    let mut text = source.to_string();
    if let Some(rest) = text.strip_suffix("; nothing was stored") {
        text.truncate(rest.len());
    }
    text
}

/// What helps against damage in a file.
fn what_to_do(file: &str) -> &'static str {
    if ["seg-", "profiles-", "ids-"].iter().any(|ours| file.starts_with(ours)) {
        "restore a backup, or open with on_corruption(Quarantine) to lose only the damaged range"
    } else {
        "restore a backup of this file"
    }
}

impl Error {
    /// An [`Error::Invalid`].
    pub(crate) fn invalid(field: impl Into<Cow<'static, str>>, reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Invalid { field: field.into(), reason: reason.into() }
    }

    /// The error of an operation on a file: [`Error::NoSpace`] where the medium is full, else [`Error::Io`].
    pub(crate) fn io(op: &'static str, file: impl Into<String>, source: io::Error) -> Self {
        let file = file.into();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Self::NoSpace { file }
            }
            _ => Self::Io { op, file, source },
        }
    }

    /// The same error once more, for another caller who waits for the same thing.
    pub(crate) fn summary(&self) -> Self {
        match self {
            Self::NoSpace { file } => Self::NoSpace { file: file.clone() },
            Self::SyncFailed { durable } => Self::SyncFailed { durable: *durable },
            Self::Io { op, file, source } => {
                let source = source.raw_os_error().map_or_else(
                    || io::Error::new(source.kind(), source.to_string()),
                    io::Error::from_raw_os_error,
                );
                Self::Io { op, file: file.clone(), source }
            }
            Self::Corrupt { file, offset, seq, reason } => {
                Self::Corrupt { file: file.clone(), offset: *offset, seq: *seq, reason: reason.clone() }
            }
            _ => Self::Poisoned,
        }
    }
}
