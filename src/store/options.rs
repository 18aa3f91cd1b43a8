//! How a store is opened: plain data with documented defaults, checked once, in `open`.

use std::path::Path;
use std::sync::Arc;

use super::Store;
use crate::envelope::IpHashing;
use crate::error::{Error, Result};
use crate::format::segment;
use crate::limits::{
    Limits, SEGMENT_BYTES_DEFAULT, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN, SEGMENT_BYTES_MIN_TESTING,
};
use crate::log::{Durability, OnCorruption};
use crate::storage::{Clock, Entropy, OsEntropy, SystemClock};

/// How a store is opened. Every option has a default; `Options::new().open("data")` is `Store::open("data")`.
///
/// # Examples
///
/// ```
/// use envelog::{Durability, Options};
///
/// # fn main() -> envelog::Result<()> {
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("data");
/// let store = Options::new().durability(Durability::Buffered).segment_bytes_max(1 << 20).open(path)?;
/// store.close()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Options {
    pub(crate) durability: Durability,
    pub(crate) segment_bytes_max: u64,
    pub(crate) header_len: u32,
    pub(crate) create: bool,
    pub(crate) on_corruption: OnCorruption,
    pub(crate) limits: Limits,
    pub(crate) ip_hashing: IpHashing,
    pub(crate) scrub_text: bool,
    pub(crate) secret: Option<Vec<u8>>,
    pub(crate) clock: Arc<dyn Clock>,
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
            segment_bytes_max: SEGMENT_BYTES_DEFAULT,
            header_len: segment::HEADER_LEN,
            create: true,
            on_corruption: OnCorruption::default(),
            limits: Limits::default(),
            ip_hashing: IpHashing::default(),
            scrub_text: false,
            secret: None,
            clock: Arc::new(SystemClock),
            entropy: Arc::new(OsEntropy),
        }
    }

    /// What an acknowledgement means. Default: [`Durability::Synced`].
    pub fn durability(mut self, level: Durability) -> Self {
        self.durability = level;
        self
    }

    /// Bytes of a segment, 1 MiB to 1 GiB. Default: 64 MiB. Holds for segments that are begun from now on.
    pub fn segment_bytes_max(mut self, bytes: u64) -> Self {
        self.segment_bytes_max = bytes;
        self
    }

    /// Whether `open` makes a store where there is none. Default: true.
    pub fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// What happens where bytes that were durable do not read back. Default: [`OnCorruption::Fail`].
    pub fn on_corruption(mut self, policy: OnCorruption) -> Self {
        self.on_corruption = policy;
        self
    }

    /// What envelopes, profiles and cursors may measure. Default: [`Limits::default`].
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How addresses are hashed. Default: [`IpHashing::Keyed`].
    pub fn ip_hashing(mut self, mode: IpHashing) -> Self {
        self.ip_hashing = mode;
        self
    }

    /// Whether addresses are also looked for inside other text, such as a URL or a sentence. Default: false.
    pub fn scrub_text(mut self, scrub: bool) -> Self {
        self.scrub_text = scrub;
        self
    }

    /// The secret that addresses are hashed with. Default: 32 random bytes in the store's file `SECRET`.
    ///
    /// With another secret than last time, new addresses get other tokens; old tokens are kept as they are.
    pub fn secret(mut self, secret: impl Into<Vec<u8>>) -> Self {
        self.secret = Some(secret.into());
        self
    }

    /// The clock that stamps events. For tests.
    #[cfg(any(test, feature = "testing"))]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Where random bytes come from. For tests.
    #[cfg(any(test, feature = "testing"))]
    pub fn entropy(mut self, entropy: Arc<dyn Entropy>) -> Self {
        self.entropy = entropy;
        self
    }

    /// Segments of a few KiB with a short header. For tests.
    #[cfg(any(test, feature = "testing"))]
    pub fn tiny_segments(mut self, bytes: u64) -> Self {
        self.segment_bytes_max = bytes;
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
    /// range, [`Error::NoSpace`], [`Error::Io`].
    pub fn open(self, path: impl AsRef<Path>) -> Result<Store> {
        self.check()?;
        let disk = crate::storage::DirDisk::open(path.as_ref(), self.create)?;
        super::open::open_writer(Arc::new(disk), self)
    }

    /// Opens the store in a directory for reading; no file is changed, not even on a store that ended uncleanly.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] while a writer has it, else as [`Options::open`].
    pub fn open_read_only(self, path: impl AsRef<Path>) -> Result<Store> {
        let disk = crate::storage::DirDisk::open(path.as_ref(), false)?;
        super::open::open_reader(Arc::new(disk), self)
    }

    /// Opens the store on a simulated disk for writing. For tests.
    ///
    /// # Errors
    ///
    /// As [`Options::open`].
    #[cfg(any(test, feature = "testing"))]
    pub fn open_on(self, disk: &crate::storage::sim::SimDisk) -> Result<Store> {
        self.check()?;
        super::open::open_writer(Arc::new(disk.clone()) as Arc<dyn crate::storage::Disk>, self)
    }

    /// Opens the store on a simulated disk for reading. For tests.
    ///
    /// # Errors
    ///
    /// As [`Options::open_read_only`].
    #[cfg(any(test, feature = "testing"))]
    pub fn open_read_only_on(self, disk: &crate::storage::sim::SimDisk) -> Result<Store> {
        super::open::open_reader(Arc::new(disk.clone()) as Arc<dyn crate::storage::Disk>, self)
    }

    fn check(&self) -> Result<()> {
        let tiny = self.header_len != segment::HEADER_LEN;
        let min = if tiny { SEGMENT_BYTES_MIN_TESTING } else { SEGMENT_BYTES_MIN };
        if !(min..=SEGMENT_BYTES_MAX).contains(&self.segment_bytes_max) {
            return Err(Error::invalid("segment_bytes_max", "must be 1 MiB to 1 GiB"));
        }
        if let Durability::Interval { ms: 0, .. } = self.durability {
            return Err(Error::invalid("durability.ms", "must be at least 1"));
        }
        if self.secret.as_ref().is_some_and(|secret| secret.len() < 16) {
            return Err(Error::invalid("secret", "must have at least 16 bytes"));
        }
        let limits = &self.limits;
        for (field, value, max) in [
            ("limits.module_bytes_max", limits.module_bytes_max, 255),
            ("limits.event_type_bytes_max", limits.event_type_bytes_max, 255),
            ("limits.message_id_bytes_max", limits.message_id_bytes_max, 255),
            ("limits.user_id_bytes_max", limits.user_id_bytes_max, 16_384),
            ("limits.anonymous_id_bytes_max", limits.anonymous_id_bytes_max, 16_384),
            ("limits.cursor_name_bytes_max", limits.cursor_name_bytes_max, 255),
            ("limits.depth_max", limits.depth_max, 64),
        ] {
            if value == 0 || value > max {
                return Err(Error::invalid(field, format!("must be 1 to {max}")));
            }
        }
        Ok(())
    }
}
