//! Opening a store: the log is made whole, and what is derived from it is believed, rebuilt or folded anew.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use parking_lot::Mutex;

use super::decide::{Decisions, Organisations};
use super::fold::StoreFold;
use super::options::Options;
use super::people::StagedFacts;
use super::repeats::MessageIds;
use super::seal::{SealGate, SealQueue, Sealer};
use super::writer::Writer;
use super::{Inner, Store};
use crate::dedupe::MessageHasher;
use crate::envelope::Acceptor;
use crate::envelope::address::{AddressHasher, KeyId};
use crate::error::{Error, Result};
use crate::format::manifest::Manifest;
use crate::format::names::SECRET;
use crate::log::manifest_file::ManifestFile;
use crate::log::open::LogOptions;
use crate::log::{Log, Parts, RecoveryReport};
use crate::storage::{self, Disk};
use crate::trace;

mod folded;
mod ids;
mod rebuild;
mod tail;

use folded::Folded;

/// Bytes of a secret that the store makes for itself.
const SECRET_BYTES: usize = 32;
/// Longest secret that is read from a file.
const SECRET_BYTES_MAX: u64 = 4096;

/// Opens the directory of a store, or makes it.
///
/// # Errors
///
/// [`Error::Invalid`] for an empty path, which would be the directory of the process to some calls and nothing to others;
/// [`Error::NotFound`] and [`Error::Io`].
pub(super) fn open_directory(path: &Path, create: bool) -> Result<Arc<dyn Disk>> {
    if path.as_os_str().is_empty() {
        return Err(Error::invalid("path", "must not be empty"));
    }
    Ok(Arc::new(storage::DirDisk::open(path, create)?))
}

/// Opens for writing.
pub(super) fn open_writer(disk: Arc<dyn Disk>, options: Options) -> Result<Store> {
    let _span = trace::span!(OPEN, "open", store = trace::shown(disk.describe()), writer = true);
    let watch = trace::Stopwatch::start();
    let opened = crate::log::open::open_writer(&disk, &*options.entropy, &log_options(&options))?;
    let manifest = Arc::new(ManifestFile::new(Arc::clone(&disk), opened.manifest.clone()));
    let secret = secret(&*disk, &options)?;
    let hasher = hasher(&secret, &options, &manifest)?;
    let limits = Arc::new(options.limits.clone());

    let queue = Arc::new(SealQueue::default());
    let hasher_of_ids = MessageHasher::new(opened.manifest.hash_key, options.id_hash_bits);
    let ids = MessageIds::new(options.dedupe, options.on_id_conflict, hasher_of_ids).map(Arc::new);
    let on_corruption = options.on_corruption;
    let folded = Folded::of(&opened, &disk, &manifest, &limits, on_corruption, Some(&queue), ids.as_deref())?;
    let report = folded.report;
    let Folded { state, active, recent, jobs, .. } = folded;
    let Some(active) = active else { return Err(Error::ReadOnly) };
    let fold = StoreFold {
        active,
        state: Arc::clone(&state),
        queue: Arc::clone(&queue),
        segment_bytes_max: options.segment_bytes(),
    };
    let parts = Parts {
        fold,
        decisions: Decisions {
            organisations: Organisations::default(),
            recent,
            staged_facts: StagedFacts::default(),
        },
        gate: Box::new(SealGate(Arc::clone(&queue))),
        clock: options.clock.clone(),
        entropy: Arc::clone(&options.entropy),
        marks: Arc::clone(&state.marks),
        level: options.durability,
        segment_bytes_max: options.segment_bytes(),
    };
    let epoch = manifest.current().epoch();
    let log = Arc::new(Log::start(opened, Arc::clone(&manifest), parts)?);
    for job in jobs {
        queue.push(job);
    }
    let sealer = Sealer {
        disk: Arc::clone(&disk),
        manifest: Arc::clone(&manifest),
        marks: Arc::clone(&state.marks),
        state: Arc::clone(&state),
        queue: Arc::clone(&queue),
        ids: ids.clone(),
    };
    let thread = std::thread::Builder::new()
        .name("envelog-seal".to_owned())
        .spawn(trace::inherit(move || sealer.run()))
        .map_err(|error| Error::io("spawn", "the sealer", error))?;
    let writer = Writer {
        log,
        acceptor: Acceptor::new(options.limits.clone(), hasher),
        limits,
        clock: options.clock,
        entropy: options.entropy,
        state: Arc::clone(&state),
        ids,
        epoch,
        queue,
        sealer: Mutex::new(Some(thread)),
        workspaces: Mutex::new(Vec::new()),
        signing_in: Mutex::new(()),
        was_told: AtomicBool::new(false),
    };
    tell(&report, watch);
    Ok(Store { inner: Arc::new(Inner { state, disk, report, writer: Some(writer), manifest, _lock: None }) })
}

/// Opens for reading; nothing is changed.
pub(super) fn open_reader(disk: Arc<dyn Disk>, options: Options) -> Result<Store> {
    let _span = trace::span!(OPEN, "open", store = trace::shown(disk.describe()), writer = false);
    let watch = trace::Stopwatch::start();
    let opened = crate::log::open::open_reader(&disk, &log_options(&options))?;
    let manifest = Arc::new(ManifestFile::new(Arc::clone(&disk), opened.manifest.clone()));
    let limits = Arc::new(options.limits);
    let folded = Folded::of(&opened, &disk, &manifest, &limits, options.on_corruption, None, None)?;
    tell(&folded.report, watch);
    let inner = Inner {
        state: folded.state,
        disk,
        report: folded.report,
        writer: None,
        manifest,
        _lock: Some(opened.lock),
    };
    Ok(Store { inner: Arc::new(inner) })
}

/// Tells what opening found and did.
fn tell(report: &RecoveryReport, watch: trace::Stopwatch) {
    for file in &report.quarantined {
        trace::warn!(OPEN, file = file.as_str(); "a file was put into quarantine");
    }
    for gap in &report.gaps {
        let (from, to) = (gap.start().get(), gap.end().get());
        trace::warn!(OPEN, from = from, to = to; "events are missing: a damaged range was given up");
    }
    for header in &report.damaged_headers {
        let (file, reason) = (header.file.as_str(), header.reason.as_str());
        trace::warn!(OPEN, file = file, reason = reason; "one copy of a segment's header is damaged");
    }
    for rebuilt in &report.rebuilt {
        let (file, reason) = (rebuilt.file.as_str(), rebuilt.reason.as_str());
        trace::warn!(OPEN, file = file, reason = reason; "a derived file was made anew from the log");
    }
    if !report.clean && !report.created {
        trace::warn!(
            OPEN, frames_kept = report.frames_kept, frames_dropped = report.frames_dropped,
            bytes_scanned = report.bytes_scanned;
            "the last writer did not close the store, and its log was recovered"
        );
    }
    trace::info!(
        OPEN, created = report.created, clean = report.clean, frames_kept = report.frames_kept,
        took_ms = watch.millis();
        "the store is open"
    );
}

fn log_options(options: &Options) -> LogOptions {
    LogOptions {
        segment_bytes_max: options.segment_bytes(),
        header_len: options.header_len,
        create: options.create,
        on_corruption: options.on_corruption,
    }
}

/// The secret for address hashing: the host's, or the one in the store's own file, which is made where it is missing.
fn secret(disk: &dyn Disk, options: &Options) -> Result<Vec<u8>> {
    if let Some(secret) = &options.secret {
        return Ok(secret.clone());
    }
    match storage::read_file(disk, SECRET, SECRET_BYTES_MAX)? {
        Some(secret) if secret.len() == SECRET_BYTES => Ok(secret),
        Some(_) => Err(Error::Corrupt {
            file: SECRET.to_owned(),
            offset: 0,
            seq: None,
            reason: "it does not have 32 bytes".into(),
        }),
        None => {
            let mut secret = vec![0; SECRET_BYTES];
            options.entropy.fill(&mut secret)?;
            storage::write_file_atomic(disk, SECRET, &secret)?;
            Ok(secret)
        }
    }
}

/// The keys of address tokens that a store has had, the present one included.
fn known_keys(manifest: &Manifest) -> Vec<KeyId> {
    let key_of = |bytes: &[u8; 8]| std::str::from_utf8(bytes).ok().and_then(KeyId::parse);
    manifest.retired_address_keys.iter().chain([&manifest.address_key]).filter_map(key_of).collect()
}

/// A hasher whose tokens are thrown away: it knows the tokens to keep, and that is all that counts.
pub(super) fn checking_hasher(options: &Options, store: Option<&Store>) -> AddressHasher {
    let known = store.map(|store| known_keys(&store.inner.manifest.current())).unwrap_or_default();
    let secret = options.secret.as_deref().unwrap_or(&[0; SECRET_BYTES]);
    AddressHasher::new(secret, &known, options.ip_hashing, options.scrub_text)
}

/// The hasher of addresses. A key that was not used last time retires the one that was.
fn hasher(secret: &[u8], options: &Options, manifest: &ManifestFile) -> Result<AddressHasher> {
    let current = manifest.current();
    let known = known_keys(&current);
    let hasher = AddressHasher::new(secret, &known, options.ip_hashing, options.scrub_text);
    let key: [u8; 8] = hasher.key_id().as_str().as_bytes().try_into().unwrap_or_default();
    if key != current.address_key {
        manifest.update(|manifest| {
            let retired = std::mem::replace(&mut manifest.address_key, key);
            manifest.retired_address_keys.push(retired);
            manifest.retired_address_keys.retain(|old| *old != key && *old != [0; 8]);
            manifest.retired_address_keys.sort_unstable();
            manifest.retired_address_keys.dedup();
        })?;
    }
    Ok(hasher)
}
