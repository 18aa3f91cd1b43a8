//! How a store is opened: plain data with documented defaults, checked once, in `open`.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Store;
use super::repeats::{Dedupe, OnIdConflict};
use crate::envelope::IpHashing;
use crate::error::{Error, Result};
use crate::format::segment;
use crate::limits::{
    IDENTITY_FACTS_MAX, LIMIT_BYTES_MAX, LIMIT_COUNT_MAX, Limits, SEGMENT_BYTES_DEFAULT,
    SEGMENT_BYTES_IN_MEMORY, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN, SEGMENT_BYTES_MIN_TESTING,
};
use crate::log::{Durability, OnCorruption, frame_room};
use crate::storage::{Clock, Entropy, MemoryDisk, OsEntropy, TimeSource};

/// How long an opening that waits for the lock sleeps between two attempts.
const LOCK_RETRY_AFTER: Duration = Duration::from_millis(10);
/// Shortest secret that a host may give, in bytes.
const SECRET_BYTES_MIN: usize = 16;
/// Bytes of a secret that is made for a store in memory.
const SECRET_BYTES: usize = 32;
/// What the keys of a cursor take beside its state, in bytes, at most: a project, a name and their lengths.
const CURSOR_KEYS_BYTES_MAX: usize = 512;

/// How a store is opened. Every option has a default; `Options::new().open("data")` is `Store::open("data")`.
///
/// Nothing of it is kept in the store: every opening says anew what it wants, and any option may differ from last time.
/// What is stored already stays as it is: options hold for what comes after.
///
/// | option | default | range | what another value than last time does |
/// |---|---|---|---|
/// | [`durability`](Self::durability) | `Synced` | `ms` from 1 | holds for appends from now on |
/// | [`segment_bytes_max`](Self::segment_bytes_max) | 64 MiB; in memory 8 MiB | 1 MiB to 1 GiB | holds for segments begun from now on |
/// | [`create`](Self::create) | true | | |
/// | [`lock_timeout`](Self::lock_timeout) | none | | |
/// | [`on_corruption`](Self::on_corruption) | `Fail` | | what was set aside stays a gap |
/// | [`limits`](Self::limits) | [`Limits::default`] | see there | events that break a new limit stay readable |
/// | [`ip_hashing`](Self::ip_hashing) | `Keyed` | | tokens that are stored stay as they are |
/// | [`scrub_text`](Self::scrub_text) | false | | what is stored stays as it is |
/// | [`secret`](Self::secret) | random, kept in the store | from 16 bytes | the same address gets another token |
/// | [`dedupe`](Self::dedupe) | `All` | | what is looked up from now on is what is stored, whatever was said before |
/// | [`on_id_conflict`](Self::on_id_conflict) | `Refuse` | | holds for appends from now on |
/// | [`clock`](Self::clock) | the system's | | times of receipt never fall, whatever the clock says |
///
/// They are checked when the store is opened: one out of its range is [`Error::Invalid`], with the option's name, and
/// nothing was changed.
///
/// # Examples
///
/// ```
/// use envelog::{Durability, Error, Options};
///
/// # fn main() -> envelog::Result<()> {
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("data");
/// let options = Options::new().durability(Durability::Buffered);
/// let error = options.clone().segment_bytes_max(4096).open(&path).unwrap_err();
/// assert!(matches!(error, Error::Invalid { field, .. } if field == "segment_bytes_max"));
///
/// let store = options.segment_bytes_max(1 << 20).open(&path)?;
/// store.close()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing is opened before `open`"]
pub struct Options {
    pub(crate) durability: Durability,
    /// `None` for the default, which is another one in memory.
    segment_bytes_max: Option<u64>,
    pub(crate) header_len: u32,
    pub(crate) create: bool,
    lock_timeout: Duration,
    pub(crate) on_corruption: OnCorruption,
    pub(crate) limits: Limits,
    pub(crate) ip_hashing: IpHashing,
    pub(crate) scrub_text: bool,
    pub(crate) secret: Option<Vec<u8>>,
    pub(crate) dedupe: Dedupe,
    pub(crate) on_id_conflict: OnIdConflict,
    /// Bits of the hash of a message id that count.
    pub(crate) id_hash_bits: u32,
    pub(crate) clock: TimeSource,
    pub(crate) entropy: Arc<dyn Entropy>,
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

impl Options {
    /// The defaults.
    pub fn new() -> Self {
        Self {
            durability: Durability::default(),
            segment_bytes_max: None,
            header_len: segment::HEADER_LEN,
            create: true,
            lock_timeout: Duration::ZERO,
            on_corruption: OnCorruption::default(),
            limits: Limits::default(),
            ip_hashing: IpHashing::default(),
            scrub_text: false,
            secret: None,
            dedupe: Dedupe::default(),
            on_id_conflict: OnIdConflict::default(),
            id_hash_bits: u64::BITS,
            clock: TimeSource::default(),
            entropy: Arc::new(OsEntropy),
        }
    }

    /// What an acknowledgement means. Default: [`Durability::Synced`].
    ///
    /// Openings of one store may differ in it. A store that is open for reading takes no notice of it.
    pub fn durability(mut self, level: Durability) -> Self {
        self.durability = level;
        self
    }

    /// Bytes of a segment, 1 MiB to 1 GiB. Default: 64 MiB, and 8 MiB for a store in memory.
    ///
    /// A batch must fit into a segment. Small ones are sealed sooner, so that an opening after a crash has less to read;
    /// large ones make fewer files. Holds for segments that are begun from now on: the one at hand is filled to the
    /// size that it was begun with or to this one, whichever is larger.
    pub fn segment_bytes_max(mut self, bytes: u64) -> Self {
        self.segment_bytes_max = Some(bytes);
        self
    }

    /// Whether `open` makes a store where there is none, with its directory and those above it. Default: true.
    ///
    /// A directory that is not empty and holds no store is never made one.
    pub fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// How long opening waits while someone else has the store locked, before it is [`Error::Locked`]. Default: not at
    /// all.
    ///
    /// For a host that is started again while its last run is still closing. Nobody is served in order: whoever comes
    /// first after the lock is let go has it.
    pub fn lock_timeout(mut self, timeout: Duration) -> Self {
        self.lock_timeout = timeout;
        self
    }

    /// What happens where bytes that were durable do not read back. Default: [`OnCorruption::Fail`].
    ///
    /// A range that an opening with [`OnCorruption::Quarantine`] set aside stays a gap, whatever later openings say.
    pub fn on_corruption(mut self, policy: OnCorruption) -> Self {
        self.on_corruption = policy;
        self
    }

    /// What envelopes, profiles and cursors may measure. Default: [`Limits::default`].
    ///
    /// Limits are for what is appended: events that were taken under others stay, and stay readable.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How addresses are hashed. Default: [`IpHashing::Keyed`].
    ///
    /// Tokens that are stored stay as they are; the same address in events of both modes has two.
    pub fn ip_hashing(mut self, mode: IpHashing) -> Self {
        self.ip_hashing = mode;
        self
    }

    /// Whether addresses are also looked for inside other text, such as a URL or a sentence. Default: false.
    ///
    /// It costs a look at every string that is appended. What is stored stays as it is.
    pub fn scrub_text(mut self, scrub: bool) -> Self {
        self.scrub_text = scrub;
        self
    }

    /// The secret that addresses are hashed with, at least 16 bytes. Default: 32 random bytes in the store's file
    /// `SECRET`; for a store in memory, random ones that are gone with it.
    ///
    /// With another secret than last time, new addresses get other tokens; old tokens are kept as they are.
    pub fn secret(mut self, secret: impl Into<Vec<u8>>) -> Self {
        self.secret = Some(secret.into());
        self
    }

    /// How far back a `messageId` is looked up, so that a retry stores nothing. Default: [`Dedupe::All`].
    ///
    /// What is looked up is looked up exactly, after any crash and whatever earlier openings said. Where they looked up
    /// less, opening reads what it needs of the log to make up for it; [`Store::recovery`] tells. A store that is open
    /// for reading takes no notice of it.
    pub fn dedupe(mut self, dedupe: Dedupe) -> Self {
        self.dedupe = dedupe;
        self
    }

    /// What happens to an event whose `messageId` was used before with other content. Default: [`OnIdConflict::Refuse`].
    ///
    /// It means nothing with [`Dedupe::Off`].
    pub fn on_id_conflict(mut self, policy: OnIdConflict) -> Self {
        self.on_id_conflict = policy;
        self
    }

    /// The clock that stamps events and says when they were received. Default: the operating system's.
    ///
    /// Times of receipt never fall within a store: while the clock is behind the last one, that one is used again.
    /// Waiting and background syncs go by the system's own time. For tests there is
    /// [`ManualClock`](crate::ManualClock).
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = TimeSource::Host(clock);
        self
    }

    /// Where random bytes come from. For tests.
    #[cfg(any(test, feature = "testing"))]
    pub fn entropy(mut self, entropy: Arc<dyn Entropy>) -> Self {
        self.entropy = entropy;
        self
    }

    /// How many bits of the hash of a message id count, so that different ids have the same one. For tests.
    #[cfg(any(test, feature = "testing"))]
    pub fn id_hash_bits(mut self, bits: u32) -> Self {
        self.id_hash_bits = bits;
        self
    }

    /// Segments of a few KiB with a short header. For tests.
    #[cfg(any(test, feature = "testing"))]
    pub fn tiny_segments(mut self, bytes: u64) -> Self {
        self.segment_bytes_max = Some(bytes);
        self.header_len = segment::HEADER_LEN_SMALL;
        self
    }

    /// Opens the store in a directory for writing, or makes one there.
    ///
    /// When this returns, everything that was durable is visible; [`Store::recovery`] tells what was found.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] while another writer has it, [`Error::NotFound`], [`Error::UnsupportedFormat`],
    /// [`Error::Corrupt`] and [`Error::MissingSegment`] with nothing changed, [`Error::Invalid`] for an option out of
    /// range and for an empty path, [`Error::NoSpace`], [`Error::Io`].
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Error, Options};
    ///
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("data");
    /// assert!(matches!(Options::new().create(false).open(&path), Err(Error::NotFound { .. })));
    ///
    /// let store = Options::new().open(&path)?;
    /// assert!(store.recovery().created);
    /// assert!(matches!(Options::new().open(&path), Err(Error::Locked)));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn open(self, path: impl AsRef<Path>) -> Result<Store> {
        self.check()?;
        let disk = super::open::open_directory(path.as_ref(), self.create)?;
        self.retry(|| super::open::open_writer(Arc::clone(&disk), self.clone()))
    }

    /// Opens the store in a directory for reading; no file is changed, not even on a store that ended uncleanly.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] while a writer has it, else as [`Options::open`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use envelog::{Error, Options, Store};
    ///
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("data");
    /// let writer = Store::open(&path)?;
    /// let patient = Options::new().lock_timeout(Duration::from_millis(20));
    /// assert!(matches!(patient.clone().open_read_only(&path), Err(Error::Locked)));
    ///
    /// writer.close()?;
    /// let (one, other) = (patient.clone().open_read_only(&path)?, patient.open_read_only(&path)?);
    /// assert_eq!(one.visible(), other.visible());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn open_read_only(self, path: impl AsRef<Path>) -> Result<Store> {
        self.check()?;
        let disk = super::open::open_directory(path.as_ref(), false)?;
        self.retry(|| super::open::open_reader(Arc::clone(&disk), self.clone()))
    }

    /// Opens a new store that is in memory only; see [`Store::in_memory`].
    ///
    /// [`create`](Self::create), [`lock_timeout`](Self::lock_timeout) and [`on_corruption`](Self::on_corruption) mean
    /// nothing to it. Every [`durability`](Self::durability) is taken, and none of them waits for a disk.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for an option out of range; [`Error::Io`] where the system gives no memory, thread or
    /// randomness.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Options, Uuid};
    ///
    /// let store = Options::new().scrub_text(true).open_in_memory()?;
    /// let shop = store.scope(Uuid::from_u128(1), Uuid::from_u128(2), "billing");
    /// let ack = shop.track("ticket.opened").property("text", "I am at 203.0.113.7").append()?;
    /// let event = store.project(Uuid::from_u128(2)).get(ack.position)?.expect("appended above");
    /// assert!(event.property("text").unwrap().as_str().unwrap().starts_with("I am at iph1:"));
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn open_in_memory(mut self) -> Result<Store> {
        self.segment_bytes_max.get_or_insert(SEGMENT_BYTES_IN_MEMORY);
        self.check()?;
        self.create = true;
        if self.secret.is_none() {
            let mut secret = vec![0; SECRET_BYTES];
            self.entropy.fill(&mut secret)?;
            self.secret = Some(secret);
        }
        super::open::open_writer(Arc::new(MemoryDisk::new()), self)
    }

    /// Opens the store on a simulated disk for writing. For tests.
    ///
    /// # Errors
    ///
    /// As [`Options::open`].
    #[cfg(any(test, feature = "testing"))]
    pub fn open_on(self, disk: &crate::storage::sim::SimDisk) -> Result<Store> {
        self.check()?;
        let disk: Arc<dyn crate::storage::Disk> = Arc::new(disk.clone());
        self.retry(|| super::open::open_writer(Arc::clone(&disk), self.clone()))
    }

    /// Opens the store on a simulated disk for reading. For tests.
    ///
    /// # Errors
    ///
    /// As [`Options::open_read_only`].
    #[cfg(any(test, feature = "testing"))]
    pub fn open_read_only_on(self, disk: &crate::storage::sim::SimDisk) -> Result<Store> {
        self.check()?;
        let disk: Arc<dyn crate::storage::Disk> = Arc::new(disk.clone());
        self.retry(|| super::open::open_reader(Arc::clone(&disk), self.clone()))
    }

    /// The bytes of a segment that is begun from now on.
    pub(super) fn segment_bytes(&self) -> u64 {
        self.segment_bytes_max.unwrap_or(SEGMENT_BYTES_DEFAULT)
    }

    /// Opens, again and again while someone else has the lock and there is time left.
    fn retry(&self, open: impl Fn() -> Result<Store>) -> Result<Store> {
        let begin = Instant::now();
        loop {
            match open() {
                Err(Error::Locked) => {
                    let left = self.lock_timeout.saturating_sub(begin.elapsed());
                    if left.is_zero() {
                        return Err(Error::Locked);
                    }
                    std::thread::sleep(left.min(LOCK_RETRY_AFTER));
                }
                opened => return opened,
            }
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        let tiny = self.header_len != segment::HEADER_LEN;
        let min = if tiny { SEGMENT_BYTES_MIN_TESTING } else { SEGMENT_BYTES_MIN };
        if !(min..=SEGMENT_BYTES_MAX).contains(&self.segment_bytes()) {
            return Err(Error::invalid("segment_bytes_max", "must be 1 MiB to 1 GiB"));
        }
        if let Durability::Interval { ms: 0, .. } = self.durability {
            return Err(Error::invalid("durability.ms", "must be at least 1"));
        }
        if self.secret.as_ref().is_some_and(|secret| secret.len() < SECRET_BYTES_MIN) {
            return Err(Error::invalid("secret", format!("must have at least {SECRET_BYTES_MIN} bytes")));
        }
        self.check_limits()?;
        // Segments of a few KiB are for tests, which append what fits.
        if tiny { Ok(()) } else { self.check_room() }
    }

    fn check_limits(&self) -> Result<()> {
        let limits = &self.limits;
        for (field, value, max) in [
            ("limits.module_bytes_max", limits.module_bytes_max, 255),
            ("limits.event_type_bytes_max", limits.event_type_bytes_max, 255),
            ("limits.message_id_bytes_max", limits.message_id_bytes_max, 255),
            ("limits.user_id_bytes_max", limits.user_id_bytes_max, 16_384),
            ("limits.anonymous_id_bytes_max", limits.anonymous_id_bytes_max, 16_384),
            ("limits.cursor_name_bytes_max", limits.cursor_name_bytes_max, 255),
            ("limits.depth_max", limits.depth_max, 64),
            ("limits.keys_max", limits.keys_max, LIMIT_COUNT_MAX),
            ("limits.key_bytes_max", limits.key_bytes_max, LIMIT_BYTES_MAX),
            ("limits.string_bytes_max", limits.string_bytes_max, LIMIT_BYTES_MAX),
            ("limits.event_bytes_max", limits.event_bytes_max, LIMIT_BYTES_MAX),
            ("limits.traits_max", limits.traits_max, LIMIT_COUNT_MAX),
            ("limits.traits_bytes_max", limits.traits_bytes_max, LIMIT_BYTES_MAX),
            ("limits.members_max", limits.members_max, IDENTITY_FACTS_MAX),
            ("limits.cursor_state_bytes_max", limits.cursor_state_bytes_max, LIMIT_BYTES_MAX),
        ] {
            if value == 0 || value > max {
                return Err(Error::invalid(field, format!("must be 1 to {max}")));
            }
        }
        Ok(())
    }

    /// Whether the longest event and the longest cursor find room in a segment.
    fn check_room(&self) -> Result<()> {
        let limits = &self.limits;
        let room = frame_room(self.segment_bytes(), self.header_len);
        let cursor_bytes = limits.cursor_state_bytes_max.saturating_add(CURSOR_KEYS_BYTES_MAX);
        for (field, bytes) in [
            ("limits.event_bytes_max", limits.event_bytes_max),
            ("limits.cursor_state_bytes_max", cursor_bytes),
        ] {
            if bytes as u64 > room {
                let reason = "is more than a segment of segment_bytes_max can hold; lower it or raise that";
                return Err(Error::invalid(field, reason));
            }
        }
        Ok(())
    }
}
