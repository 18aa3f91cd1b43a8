//! Opening a store: the log is made whole, and what is derived from it is believed, rebuilt or folded anew.

use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use super::derive::{Derived, first_offset};
use super::fold::{Decisions, StoreFold, fact_of, index_frame};
use super::handle::{SegmentHandle, Segments};
use super::options::Options;
use super::seal::{SealGate, SealJob, SealQueue, Sealer};
use super::state::ReadState;
use super::writer::Writer;
use super::{Inner, Store};
use crate::envelope::Acceptor;
use crate::envelope::address::{AddressHasher, KeyId};
use crate::error::{Error, Result};
use crate::format::manifest::SealedSegment;
use crate::format::names::SECRET;
use crate::index::{ActiveWriter, SealedIndex};
use crate::log::manifest_file::ManifestFile;
use crate::log::open::{LogOptions, OpenedLog, TailSegment};
use crate::log::{Log, Marks, Parts, Placed, Rolled, Segment};
use crate::profile::{ProfileMap, Run};
use crate::storage::{self, Disk, MapWriter};
use crate::types::Seq;

/// Bytes of a secret that the store makes for itself.
const SECRET_BYTES: usize = 32;
/// Longest secret that is read from a file.
const SECRET_BYTES_MAX: u64 = 4096;

/// Opens for writing.
pub(super) fn open_writer(disk: Arc<dyn Disk>, options: Options) -> Result<Store> {
    let opened = crate::log::open::open_writer(&disk, &*options.entropy, &log_options(&options))?;
    let manifest = Arc::new(ManifestFile::new(Arc::clone(&disk), opened.manifest.clone()));
    let secret = secret(&*disk, &options)?;
    let hasher = hasher(&secret, &options, &manifest)?;
    let limits = Arc::new(options.limits.clone());

    let folded = Folded::of(&opened, &disk, &manifest, &limits, true)?;
    let Folded { state, active, jobs, .. } = folded;
    let Some(active) = active else { return Err(Error::ReadOnly) };
    let report = opened.report.clone();
    let queue = Arc::new(SealQueue::default());
    let fold = StoreFold {
        active,
        state: Arc::clone(&state),
        queue: Arc::clone(&queue),
        segment_bytes_max: options.segment_bytes_max,
    };
    let parts = Parts {
        fold,
        decisions: Decisions::default(),
        gate: Box::new(SealGate(Arc::clone(&queue))),
        clock: Arc::clone(&options.clock),
        entropy: Arc::clone(&options.entropy),
        marks: Arc::clone(&state.marks),
        level: options.durability,
        segment_bytes_max: options.segment_bytes_max,
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
    };
    let thread = std::thread::Builder::new()
        .name("envelog-seal".to_owned())
        .spawn(move || sealer.run())
        .map_err(|error| Error::io("spawn", "the sealer", error))?;
    let writer = Writer {
        log,
        acceptor: Acceptor::new(options.limits.clone(), hasher),
        limits,
        clock: options.clock,
        state: Arc::clone(&state),
        epoch,
        queue,
        sealer: Mutex::new(Some(thread)),
        workspaces: Mutex::new(Vec::new()),
    };
    Ok(Store { inner: Arc::new(Inner { state, disk, report, writer: Some(writer), manifest, _lock: None }) })
}

/// Opens for reading; nothing is changed.
pub(super) fn open_reader(disk: Arc<dyn Disk>, options: Options) -> Result<Store> {
    let opened = crate::log::open::open_reader(&disk, &log_options(&options))?;
    let manifest = Arc::new(ManifestFile::new(Arc::clone(&disk), opened.manifest.clone()));
    let limits = Arc::new(options.limits);
    let folded = Folded::of(&opened, &disk, &manifest, &limits, false)?;
    let inner = Inner {
        state: folded.state,
        disk,
        report: opened.report,
        writer: None,
        manifest,
        _lock: Some(opened.lock),
    };
    Ok(Store { inner: Arc::new(inner) })
}

fn log_options(options: &Options) -> LogOptions {
    LogOptions {
        segment_bytes_max: options.segment_bytes_max,
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

/// The hasher of addresses. A key that was not used last time retires the one that was.
fn hasher(secret: &[u8], options: &Options, manifest: &ManifestFile) -> Result<AddressHasher> {
    let current = manifest.current();
    let key_of = |bytes: &[u8; 8]| std::str::from_utf8(bytes).ok().and_then(KeyId::parse);
    let known: Vec<KeyId> =
        current.retired_address_keys.iter().chain([&current.address_key]).filter_map(key_of).collect();
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

/// What readers see of an opened log, and what a writer goes on with.
struct Folded {
    state: Arc<ReadState>,
    /// The index of the active segment.
    active: Option<ActiveWriter>,
    /// Rolled segments that are to be sealed.
    jobs: Vec<SealJob>,
}

impl Folded {
    fn of(
        opened: &OpenedLog,
        disk: &Arc<dyn Disk>,
        manifest: &ManifestFile,
        limits: &Arc<crate::limits::Limits>,
        repair: bool,
    ) -> Result<Self> {
        let current = manifest.current();
        let derived = Derived { disk, manifest, hash_key: current.hash_key };
        let mut handles = Vec::with_capacity(opened.sealed.len() + opened.tail.len());
        for segment in &opened.sealed {
            let listed = current.segments.iter().find(|listed| listed.id == segment.id());
            let Some(footer) = listed else { continue };
            let index = sealed_index(&derived, segment, footer, repair)?;
            handles.push(Arc::new(SegmentHandle::sealed(Arc::clone(segment), Arc::new(index))));
        }
        let mut profiles = profiles(&derived, &opened.sealed, limits, repair)?;

        let mut active = None;
        let mut jobs = Vec::new();
        let mut last_seq = opened.next_seq.get().saturating_sub(1);
        for (at, tail) in opened.tail.iter().enumerate() {
            let is_last = at + 1 == opened.tail.len();
            let capacity = opened.active.as_ref().filter(|_| is_last).map_or(tail.end, MapWriter::capacity);
            let mut writer = ActiveWriter::new(current.hash_key, capacity);
            last_seq = fold_tail(tail, &mut writer, &mut profiles)?.unwrap_or(last_seq);
            let index = Arc::clone(writer.index());
            handles.push(Arc::new(SegmentHandle::active(Arc::clone(&tail.segment), Arc::clone(&index))));
            if is_last && opened.active.is_some() {
                active = Some(writer);
            } else if opened.active.is_some() {
                let last_seq = Seq::new(last_seq);
                let rolled = Rolled { segment: Arc::clone(&tail.segment), end: tail.end, last_seq };
                jobs.push(SealJob { rolled, index, frozen: profiles.freeze(last_seq) });
            }
        }
        let visible = Seq::new(opened.next_seq.get().saturating_sub(1));
        let state = ReadState {
            marks: Arc::new(Marks::new(visible)),
            segments: RwLock::new(Arc::new(Segments::new(handles))),
            profiles: Mutex::new(profiles),
            epochs: current.epochs.clone().into(),
            gaps: current.gaps.clone().into(),
            hash_key: current.hash_key,
        };
        Ok(Self { state: Arc::new(state), active, jobs })
    }
}

/// Indexes the frames of a tail segment and applies its facts; gives the seq of its last frame.
fn fold_tail(
    tail: &TailSegment,
    writer: &mut ActiveWriter,
    profiles: &mut ProfileMap,
) -> Result<Option<u64>> {
    let mut last = None;
    for item in tail.segment.scan(first_offset(&tail.segment), tail.end) {
        let (_, offset, frame) = item?;
        let (kind, seq) = (frame.kind(), frame.seq());
        let placed = Placed { seq, kind, offset, keys: frame.keys(), body: frame.body() };
        if let Some(fact) = index_frame(writer, &placed, None) {
            profiles.apply(&fact);
        }
        last = Some(seq.get());
    }
    Ok(last)
}

/// The index of a sealed segment: the listed file, or one made anew where that is missing, stale or damaged.
fn sealed_index(
    derived: &Derived<'_>,
    segment: &Arc<Segment>,
    footer: &SealedSegment,
    repair: bool,
) -> Result<SealedIndex> {
    match derived.open_index(footer) {
        Ok(Some(index)) => return Ok(index),
        Ok(None) | Err(Error::Corrupt { .. } | Error::UnsupportedFormat { .. }) => {}
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    if !repair {
        return derived.index_in_memory(segment, footer);
    }
    let (listed, index) = derived.rebuild_index(segment, footer)?;
    derived.disk.sync_dir()?;
    derived.manifest.update(|manifest| {
        if let Some(entry) = manifest.segments.iter_mut().find(|entry| entry.id == footer.id) {
            entry.index = Some(listed);
        }
    })?;
    Ok(index)
}

/// The profiles of all sealed segments: the listed runs, and folds of the segments that no believed run covers.
fn profiles(
    derived: &Derived<'_>,
    sealed: &[Arc<Segment>],
    limits: &Arc<crate::limits::Limits>,
    repair: bool,
) -> Result<ProfileMap> {
    let current = derived.manifest.current();
    let mut runs: Vec<Arc<Run>> = Vec::new();
    let mut doubted = Vec::new();
    for listed in &current.runs {
        match derived.open_run(listed) {
            Ok(run) => runs.push(Arc::new(run)),
            Err(Error::Corrupt { .. } | Error::UnsupportedFormat { .. }) => doubted.push(listed.number),
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                doubted.push(listed.number);
            }
            Err(error) => return Err(error),
        }
    }
    let is_covered = |runs: &[Arc<Run>], footer: &SealedSegment| {
        runs.iter().any(|run| run.first_seq() <= footer.base_seq && footer.last_seq() <= run.last_seq())
    };
    let mut loose = ProfileMap::new(Vec::new(), derived.hash_key, Arc::clone(limits));
    let mut made = Vec::new();
    for segment in sealed {
        let Some(footer) = current.segments.iter().find(|listed| listed.id == segment.id()) else { continue };
        if is_covered(&runs, footer) {
            continue;
        }
        for item in segment.scan(first_offset(segment), footer.end) {
            let (_, _, frame) = item?;
            if let Some(fact) = fact_of(frame.kind(), frame.seq(), frame.keys(), frame.body()) {
                loose.apply(&fact);
            }
        }
        if repair {
            let frozen = loose.freeze(footer.last_seq());
            let (listed, run) = derived.write_run(footer.base_seq, footer.last_seq(), &frozen.delta)?;
            derived.disk.sync_dir()?;
            derived.manifest.update(|manifest| {
                manifest.next_run = listed.number + 1;
                let at = manifest.runs.partition_point(|old| old.first_seq < listed.first_seq);
                manifest.runs.insert(at, listed);
            })?;
            made.push(Arc::new(run));
            loose = ProfileMap::new(Vec::new(), derived.hash_key, Arc::clone(limits));
        }
    }
    if repair && !doubted.is_empty() {
        derived.manifest.update(|manifest| manifest.runs.retain(|run| !doubted.contains(&run.number)))?;
        for number in doubted {
            derived.remove_run(number);
        }
    }
    runs.append(&mut made);
    runs.sort_by_key(|run| run.first_seq());
    Ok(loose.with_runs(runs))
}
