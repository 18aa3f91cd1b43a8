//! Every limit, in one place. The README's table is held to this file by a test.

use std::time::Duration;

/// What an envelope, a profile row and a cursor may measure. Part of [`Options`](crate::Options).
///
/// Lengths are bytes of UTF-8. The defaults are the documented limits; a host may lower any of them down to 1, and
/// raise them to what the format has room for, which is said where it is little: else 64 MiB, and 1,000,000 for a
/// number of things. What an event and a cursor may measure must fit into a segment. An opening with a limit out of
/// its range is [`Error::Invalid`](crate::Error::Invalid).
///
/// The limits hold for what is appended from now on. What was stored under others stays as it is.
///
/// # Examples
///
/// ```
/// use envelog::{Error, Limits, Options, Uuid};
///
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("data");
/// let mut limits = Limits::default();
/// limits.string_bytes_max = 1_000;
/// let store = Options::new().limits(limits).open(path)?;
///
/// let desk = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "support");
/// let refused = desk.track("ticket.opened").property("text", "help ".repeat(300)).append();
/// assert!(matches!(refused, Err(Error::Invalid { field, .. }) if field == "properties.text"));
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Longest `module`: 64 bytes (the format holds 255).
    pub module_bytes_max: usize,
    /// Longest `eventType`: 128 bytes (the format holds 255).
    pub event_type_bytes_max: usize,
    /// Longest `userId`: 256 bytes (the format holds 16,384).
    pub user_id_bytes_max: usize,
    /// Longest `anonymousId`: 256 bytes (the format holds 16,384).
    pub anonymous_id_bytes_max: usize,
    /// Longest `messageId`: 128 bytes (the format holds 255).
    pub message_id_bytes_max: usize,
    /// Deepest nesting of `properties` and `context`, each object or list one level: 32 (at most 64).
    pub depth_max: usize,
    /// Most object keys in `properties` and `context` together, at all depths: 1,000.
    pub keys_max: usize,
    /// Longest object key, as it is stored: 256 bytes. A key that holds an address is stored with `Hash` behind it.
    pub key_bytes_max: usize,
    /// Longest string value: 64 KiB.
    pub string_bytes_max: usize,
    /// Longest encoded event, keys and body: 256 KiB. Whatever this says, an event must fit into a segment, and a
    /// frame holds 64 MiB at most.
    pub event_bytes_max: usize,
    /// How far a given `timestamp` may be ahead of the store's clock: 24 hours. Times that the store stamps are not
    /// held to it.
    pub future_skew_max: Duration,
    /// Most traits of one identify, those of `traitsOnce` included, and of a profile row before it is flagged: 512.
    /// Unset traits of a row do not count.
    pub traits_max: usize,
    /// Most encoded bytes of the traits of one identify, and of names and values of a row before it is flagged: 64
    /// KiB.
    pub traits_bytes_max: usize,
    /// Most members that a user has places for, devices and merged users: 1,000 (at most 1,024). Members have places
    /// by the first fact that joins them; the others stay what they are.
    pub members_max: usize,
    /// Longest cursor state: 64 KiB.
    pub cursor_state_bytes_max: usize,
    /// Longest cursor name: 128 bytes (the format holds 255).
    pub cursor_name_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            module_bytes_max: 64,
            event_type_bytes_max: 128,
            user_id_bytes_max: 256,
            anonymous_id_bytes_max: 256,
            message_id_bytes_max: 128,
            depth_max: 32,
            keys_max: 1_000,
            key_bytes_max: 256,
            string_bytes_max: 64 * KIB,
            event_bytes_max: 256 * KIB,
            future_skew_max: Duration::from_hours(24),
            traits_max: 512,
            traits_bytes_max: 64 * KIB,
            members_max: 1_000,
            cursor_state_bytes_max: 64 * KIB,
            cursor_name_bytes_max: 128,
        }
    }
}

const KIB: usize = 1024;
const MIB: u64 = 1024 * 1024;

/// Most bytes that a limit of [`Limits`] may be raised to: no frame is longer.
pub(crate) const LIMIT_BYTES_MAX: usize = 64 * KIB * KIB;
/// Most facts of identity of one kind that a row keeps on one end: the least in their order. Part of the format.
pub(crate) const IDENTITY_FACTS_MAX: usize = 1_024;
/// Most things that a limit of [`Limits`] may be raised to.
pub(crate) const LIMIT_COUNT_MAX: usize = 1_000_000;

/// Default of [`Options::segment_bytes_max`](crate::Options::segment_bytes_max).
pub(crate) const SEGMENT_BYTES_DEFAULT: u64 = 64 * MIB;
/// The same for a store in memory.
pub(crate) const SEGMENT_BYTES_IN_MEMORY: u64 = 8 * MIB;
/// Smallest segment a host may ask for.
pub(crate) const SEGMENT_BYTES_MIN: u64 = MIB;
/// Largest segment: offsets and ordinals are `u32`.
pub(crate) const SEGMENT_BYTES_MAX: u64 = 1024 * MIB;
/// Smallest segment of all, for tests.
pub(crate) const SEGMENT_BYTES_MIN_TESTING: u64 = 4 * 1024;
/// First window of zeros that a new segment's file gets.
pub(crate) const FILL_WINDOW_BYTES_MIN: u64 = 256 * 1024;
/// Largest window of zeros.
pub(crate) const FILL_WINDOW_BYTES_MAX: u64 = 8 * MIB;
/// Rolled segments that may wait for their index before an append waits.
pub(crate) const UNSEALED_ROLLED_MAX: usize = 2;
