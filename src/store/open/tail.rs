//! Indexing what stands in an unsealed segment.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use crate::dedupe::{MessageHash, MessageHasher, Recent};
use crate::error::Result;
use crate::format::keys::EventKeys;
use crate::index::{ActiveWriter, IdHashes};
use crate::log::Placed;
use crate::log::open::TailSegment;
use crate::log::segment::Scan;
use crate::profile::ProfileMap;
use crate::store::derive::first_offset;
use crate::store::fold::{event_keys, index_frame};
use crate::types::Seq;

/// Frames whose index entries are brought near together.
const NEAR: usize = 16;
/// Frames that are read before they are indexed.
const HANDFUL: usize = 32 * NEAR;
/// Handfuls that wait between the two threads, at most.
const HANDFULS: usize = 4;
/// A tail up to this length, in bytes, is indexed before a second thread is at work.
const ALONE_BYTES_MAX: u64 = 1024 * 1024;

/// What hashes ids.
pub(super) struct Hashers {
    pub(super) key: [u8; 16],
    /// None where message ids are not looked up.
    pub(super) messages: Option<MessageHasher>,
}

/// A frame with what is known of it before it is indexed.
struct Read<'a> {
    frame: Placed<'a>,
    event: Option<EventKeys<'a>>,
    hashes: IdHashes,
    message: Option<MessageHash>,
}

/// The index and the profiles that take what a tail holds.
pub(super) struct TailFold<'a> {
    pub(super) writer: &'a mut ActiveWriter,
    pub(super) profiles: &'a mut ProfileMap,
    pub(super) recent: &'a mut Recent,
}

impl TailFold<'_> {
    /// Indexes the frames of a tail segment and applies its facts; gives the seq of its last frame.
    ///
    /// Reading and hashing is as much work as indexing: where there is much of it, one thread does the one and
    /// another the other. Both look at memory only, so that no order of operations on the disk depends on them.
    pub(super) fn take(&mut self, tail: &TailSegment, hashers: &Hashers) -> Result<Option<u64>> {
        let first = first_offset(&tail.segment);
        let base_seq = tail.segment.base_seq();
        let is_long = tail.end.saturating_sub(u64::from(first)) > ALONE_BYTES_MAX;
        if is_long && tail.segment.is_all_checked() {
            tail.segment.enter_pages();
            let scan = tail.segment.scan(first, tail.end);
            if let Some(taken) = self.take_from_thread(scan, base_seq, hashers) {
                return taken;
            }
        }
        let mut scan = tail.segment.scan(first, tail.end);
        let mut last = None;
        while let Some(handful) = read(&mut scan, hashers) {
            last = self.index(&handful?, base_seq).or(last);
        }
        Ok(last)
    }

    /// The same with the reading in another thread; `None` where there is no thread to be had.
    fn take_from_thread(
        &mut self,
        mut scan: Scan<'_>,
        base_seq: Seq,
        hashers: &Hashers,
    ) -> Option<Result<Option<u64>>> {
        thread::scope(|scope| {
            let (sender, handfuls) = sync_channel(HANDFULS);
            let reader = thread::Builder::new().name("envelog-read".to_owned());
            reader.spawn_scoped(scope, move || send_all(&mut scan, hashers, &sender)).ok()?;
            let mut last = None;
            for handful in handfuls {
                match handful {
                    Ok(handful) => last = self.index(&handful, base_seq).or(last),
                    Err(error) => return Some(Err(error)),
                }
            }
            Some(Ok(last))
        })
    }

    /// Indexes frames and gives the seq of the last of them.
    fn index(&mut self, handful: &[Read<'_>], base_seq: Seq) -> Option<u64> {
        let mut last = None;
        for near in handful.chunks(NEAR) {
            for read in near {
                self.writer.prefetch_entries(&read.hashes);
            }
            for read in near {
                self.writer.prefetch_slots(&read.hashes);
            }
            for Read { frame, event, hashes, message } in near {
                self.profiles.apply_all(index_frame(
                    self.writer,
                    frame,
                    event.as_ref().map(Into::into),
                    hashes,
                ));
                if let Some(hash) = message {
                    self.recent.insert(base_seq, *hash, frame.seq);
                }
                last = Some(frame.seq.get());
            }
        }
        last
    }
}

/// Sends all frames of a scan, until an error or until nobody takes them.
fn send_all<'a>(scan: &mut Scan<'a>, hashers: &Hashers, sender: &SyncSender<Result<Vec<Read<'a>>>>) {
    while let Some(handful) = read(scan, hashers) {
        let is_last = handful.is_err();
        if sender.send(handful).is_err() || is_last {
            return;
        }
    }
}

/// The next frames of a scan; `None` at its end.
fn read<'a>(scan: &mut Scan<'a>, hashers: &Hashers) -> Option<Result<Vec<Read<'a>>>> {
    let mut handful = Vec::new();
    for item in scan.take(HANDFUL) {
        let (_, offset, view) = match item {
            Ok(item) => item,
            Err(error) => return Some(Err(error)),
        };
        let (seq, kind) = (view.seq(), view.kind());
        let frame = Placed { seq, kind, offset, keys: view.keys(), body: view.body() };
        let event = event_keys(&frame);
        let hashes = event.as_ref().map_or_else(IdHashes::default, |keys| IdHashes::of(&hashers.key, keys));
        let message = event.as_ref().and_then(|keys| hashers.messages.as_ref()?.of(keys));
        if handful.is_empty() {
            handful.reserve_exact(HANDFUL);
        }
        handful.push(Read { frame, event, hashes, message });
    }
    (!handful.is_empty()).then_some(Ok(handful))
}
