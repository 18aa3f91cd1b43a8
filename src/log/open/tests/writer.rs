//! A writer of logs for tests: plain, slow, and knowing what was promised.

use std::sync::Arc;

use crate::error::Result;
use crate::format::frame::{self, FrameFlags, FrameHeader, FrameKind};
use crate::format::manifest::{Manifest, State};
use crate::format::names::FileName;
use crate::format::segment::{HEADER_LEN_SMALL, Roll, SegmentHeader, Slot};
use crate::log::manifest_file;
use crate::log::open::{LogOptions, OpenedLog, TailSegment, filled_len, open_reader, open_writer};
use crate::log::report::OnCorruption;
use crate::storage::sim::SimDisk;
use crate::storage::{self, Access, Disk, File, SeededEntropy};
use crate::types::{Nanos, SegmentId, Seq};

pub(in crate::log) const SEGMENT_BYTES: u64 = 16 * 1024;

/// How many frames an unsealed segment has.
pub(in crate::log) fn frame_count(tail: &TailSegment) -> usize {
    tail.segment.scan(u32::try_from(tail.segment.first_offset()).unwrap(), tail.end).count()
}

/// The generation of the newer watermark slot of a segment, 0 where none was written yet.
pub(in crate::log) fn slot_generation(tail: &TailSegment) -> u64 {
    let header = tail.segment.header();
    let mut page = vec![0; header.header_len as usize];
    tail.segment.file().unwrap().read_at(0, &mut page).unwrap();
    Slot::newest(&page, header.seed()).map_or(0, |slot| slot.generation)
}

pub(in crate::log) fn options() -> LogOptions {
    LogOptions {
        segment_bytes_max: SEGMENT_BYTES,
        header_len: HEADER_LEN_SMALL,
        create: true,
        on_corruption: OnCorruption::Fail,
    }
}

pub(in crate::log) fn quarantine() -> LogOptions {
    LogOptions { on_corruption: OnCorruption::Quarantine, ..options() }
}

pub(in crate::log) fn arc(disk: &SimDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

pub(in crate::log) fn open(disk: &SimDisk, options: &LogOptions) -> Result<OpenedLog> {
    open_writer(&arc(disk), &SeededEntropy::new(disk.ops()), options)
}

pub(in crate::log) fn read(disk: &SimDisk, options: &LogOptions) -> Result<OpenedLog> {
    open_reader(&arc(disk), options)
}

/// One frame as a test sees it; roll and close frames have no content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::log) struct Item {
    pub(in crate::log) seq: u64,
    pub(in crate::log) content: Option<u64>,
}

/// Where a frame was written.
#[derive(Debug, Clone, Copy)]
pub(in crate::log) struct Spot {
    pub(in crate::log) segment: SegmentId,
    pub(in crate::log) offset: u64,
    pub(in crate::log) end: u64,
}

pub(in crate::log) struct Writer {
    pub(in crate::log) disk: SimDisk,
    pub(in crate::log) manifest: Manifest,
    pub(in crate::log) header: SegmentHeader,
    file: Arc<dyn File>,
    at: u64,
    next: u64,
    pub(in crate::log) durable: u64,
    slot: u64,
    next_id: SegmentId,
    /// Everything since the log was opened, frame by frame.
    pub(in crate::log) items: Vec<Item>,
    pub(in crate::log) spots: Vec<Spot>,
    /// Number of items at the end of each batch.
    pub(in crate::log) batch_ends: Vec<usize>,
    pub(in crate::log) content: u64,
    opened: Option<OpenedLog>,
}

impl Writer {
    /// A writer of a new store.
    pub(in crate::log) fn create() -> Self {
        let disk = SimDisk::default();
        let opened = open(&disk, &options()).unwrap();
        Self::go_on(&disk, opened)
    }

    /// Goes on in a log that was opened.
    pub(in crate::log) fn go_on(disk: &SimDisk, opened: OpenedLog) -> Self {
        let mut manifest = opened.manifest.clone();
        if manifest.state != State::Open {
            manifest.state = State::Open;
            manifest_file::write(disk, &manifest).unwrap();
        }
        let active = opened.tail.last().unwrap();
        let header = *active.segment.header();
        Self {
            disk: disk.clone(),
            manifest,
            header,
            file: active.segment.file().unwrap(),
            at: active.end,
            next: opened.next_seq.get(),
            durable: opened.next_seq.get() - 1,
            slot: slot_generation(active),
            next_id: opened.next_segment,
            items: Vec::new(),
            spots: Vec::new(),
            batch_ends: Vec::new(),
            content: 0,
            opened: Some(opened),
        }
    }

    pub(in crate::log) fn frame(&mut self, kind: FrameKind, flags: FrameFlags, body: &[u8]) {
        let header = FrameHeader {
            seq: Seq::new(self.next),
            received_at: Nanos::new(i64::try_from(self.next).unwrap() * 10),
            durable_lag: u32::try_from(self.next - self.durable).unwrap(),
            kind,
            flags,
        };
        let mut out = Vec::new();
        frame::encode(&header, b"", (body, crc32fast::hash(body)), self.header.seed(), &mut out).unwrap();
        self.file.write_at(self.at, &out).unwrap();
        let is_content = kind == FrameKind::Event;
        let content = is_content.then(|| u64::from_le_bytes(*body.first_chunk().unwrap()));
        self.items.push(Item { seq: self.next, content });
        let end = self.at + out.len() as u64;
        self.spots.push(Spot { segment: self.header.id, offset: self.at, end });
        self.at = end;
        self.next += 1;
        if flags.has(FrameFlags::BATCH_LAST) {
            self.batch_ends.push(self.items.len());
        }
    }

    /// Appends a batch of `count` events, `extra` bytes longer than the shortest; they are not synced.
    pub(in crate::log) fn batch(&mut self, count: usize, extra: usize) {
        for at in 0..count {
            let mut flags = FrameFlags::default();
            if at == 0 {
                flags = flags.with(FrameFlags::BATCH_FIRST);
            }
            if at + 1 == count {
                flags = flags.with(FrameFlags::BATCH_LAST);
            }
            self.content += 1;
            let mut body = self.content.to_le_bytes().to_vec();
            body.resize(8 + extra, 0xAB);
            self.frame(FrameKind::Event, flags, &body);
        }
    }

    /// Whether the active segment has room for so many bytes and its last frames.
    pub(in crate::log) fn has_room(&self, bytes: u64) -> bool {
        self.at + bytes + 80 <= SEGMENT_BYTES
    }

    /// Makes everything durable.
    pub(in crate::log) fn sync(&mut self) {
        self.file.sync().unwrap();
        self.durable = self.next - 1;
    }

    /// Writes a watermark slot. It is not synced.
    pub(in crate::log) fn put_slot(&mut self) {
        self.slot += 1;
        let slot = Slot { generation: self.slot, durable: Seq::new(self.durable), end: self.at };
        self.file.write_at(slot.offset(), &slot.encode(self.header.seed())).unwrap();
    }

    /// Ends the segment and begins the next; the frames are synced if `synced`, and the next header with them.
    pub(in crate::log) fn roll(&mut self, synced: bool) {
        let roll = Roll { next_id: self.next_id, next_seq: Seq::new(self.next + 1) };
        // Prepared ahead: the next file and its zeros are durable before anything names it.
        let name = FileName::Segment(self.next_id).to_string();
        let next = self.disk.create(&name).unwrap();
        let first = u64::from(self.header.header_len);
        storage::fill_zeros(&*next, 0, filled_len(first, SEGMENT_BYTES)).unwrap();
        next.sync().unwrap();
        self.disk.sync_dir().unwrap();
        self.frame(FrameKind::Roll, FrameFlags::ALONE, &roll.encode());
        if synced {
            self.sync();
            self.put_slot();
        }
        self.header = SegmentHeader {
            id: self.next_id,
            salt: self.header.salt.wrapping_mul(31).wrapping_add(7),
            base_seq: roll.next_seq,
            ..self.header
        };
        next.write_at(0, &self.header.encode()).unwrap();
        if synced {
            next.sync().unwrap();
        }
        // A later sync covers the last segment only, so the one before must not be left behind.
        self.file.sync().unwrap();
        self.file = next;
        self.at = first;
        self.slot = 0;
        self.next_id = self.next_id.next();
    }

    /// Closes the store.
    pub(in crate::log) fn close(mut self) -> Self {
        self.frame(FrameKind::Close, FrameFlags::ALONE, b"");
        self.sync();
        self.put_slot();
        self.sync();
        self.manifest.state = State::Closed(Seq::new(self.next - 1));
        manifest_file::write(&self.disk, &self.manifest).unwrap();
        self.opened = None;
        self
    }

    /// Lets the lock go without closing, as a process that dies does, and returns the disk.
    pub(in crate::log) fn die(&mut self) -> SimDisk {
        self.opened = None;
        self.disk.clone()
    }

    pub(in crate::log) fn name_of(&self, item: usize) -> String {
        FileName::Segment(self.spots[item].segment).to_string()
    }

    /// Zeros the bytes of an item in its file.
    pub(in crate::log) fn wipe(&self, item: usize) {
        let spot = self.spots[item];
        let name = self.name_of(item);
        let mut bytes = self.disk.file_bytes(&name).unwrap();
        bytes[usize::try_from(spot.offset).unwrap()..usize::try_from(spot.end).unwrap()].fill(0);
        self.disk.set_file_bytes(&name, &bytes);
    }

    /// Flips a bit in the body of an item.
    pub(in crate::log) fn damage(&self, item: usize) {
        flip(&self.disk, &self.name_of(item), self.spots[item].offset + 33);
    }
}

pub(in crate::log) fn flip(disk: &SimDisk, name: &str, offset: u64) {
    let mut bytes = disk.file_bytes(name).unwrap();
    bytes[usize::try_from(offset).unwrap()] ^= 4;
    disk.set_file_bytes(name, &bytes);
}

/// All frames of a log that is open, sealed ones included.
pub(in crate::log) fn items(opened: &OpenedLog) -> Vec<Item> {
    let sealed = opened.sealed.iter().map(|segment| (segment, segment.committed()));
    let tail = opened.tail.iter().map(|tail| (&tail.segment, tail.end));
    let mut items = Vec::new();
    for (segment, end) in sealed.chain(tail) {
        let from = u32::try_from(segment.first_offset()).unwrap();
        for read in segment.scan(from, end) {
            let (ordinal, offset, view) = read.unwrap();
            assert_eq!(view.seq(), segment.seq_of(ordinal));
            assert_eq!(segment.frame(ordinal, offset).unwrap().seq(), view.seq());
            let is_content = view.kind() == FrameKind::Event;
            let content = is_content.then(|| u64::from_le_bytes(*view.body().first_chunk().unwrap()));
            items.push(Item { seq: view.seq().get(), content });
        }
    }
    items
}

/// Every file of the disk with its bytes, the lock file aside.
pub(in crate::log) fn everything(disk: &SimDisk) -> Vec<(String, Vec<u8>)> {
    let names = disk.names().into_iter().filter(|name| name != "LOCK");
    names.map(|name| (name.clone(), disk.file_bytes(&name).unwrap())).collect()
}

/// Rewrites the manifest.
pub(in crate::log) fn change_manifest(disk: &SimDisk, change: impl FnOnce(&mut Manifest)) {
    let mut manifest = manifest_file::read(disk).unwrap().unwrap();
    change(&mut manifest);
    manifest_file::write(disk, &manifest).unwrap();
}

/// The bytes of a file, read as a process would.
pub(in crate::log) fn is_there(disk: &SimDisk, name: &str) -> bool {
    disk.open(name, Access::Read).is_ok()
}
