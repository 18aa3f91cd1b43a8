//! A store without a writer: segments made frame by frame on a simulated disk.

use std::sync::Arc;

use crate::envelope::tree::TreeBuilder;
use crate::envelope::{Object, codec};
use crate::format::frame::{self, FrameFlags, FrameHeader, FrameKind};
use crate::format::keys::EventKeys;
use crate::format::manifest::{EpochStart, GapRange, SealedSegment};
use crate::format::segment::{HEADER_LEN_SMALL, SegmentHeader};
use crate::index::{ActiveWriter, Origin, SealedIndex, seal};
use crate::limits::Limits;
use crate::log::OnCorruption;
use crate::log::segment::Segment;
use crate::profile::ProfileMap;
use crate::storage::sim::{SimDisk, SimOptions};
use crate::storage::{Disk, MapWriter, fill_zeros};
use crate::store::handle::{SegmentHandle, Segments, Snapshot};
use crate::store::view::View;
use crate::types::{Epoch, Nanos, SegmentId, Seq};

pub(super) const HASH_KEY: [u8; 16] = *b"a key of 16 byte";
const STORE_ID: [u8; 16] = [3; 16];

/// The segment that is written.
struct Active {
    segment: Arc<Segment>,
    header: SegmentHeader,
    map: MapWriter,
    index: ActiveWriter,
    crcs: crc32fast::Hasher,
    end: u64,
}

/// The writing side.
pub(super) struct Lab {
    pub(super) disk: SimDisk,
    segment_bytes: u64,
    handles: Vec<Arc<SegmentHandle>>,
    active: Option<Active>,
    next_segment: SegmentId,
    pub(super) next_seq: Seq,
    pub(super) epochs: Vec<EpochStart>,
    pub(super) gaps: Vec<GapRange>,
    trees: TreeBuilder,
    buffer: Vec<u8>,
    keys: Vec<u8>,
    body: Vec<u8>,
}

impl Lab {
    pub(super) fn new(segment_bytes: u64) -> Self {
        let options = SimOptions { file_capacity_bytes: segment_bytes, ..SimOptions::default() };
        Self {
            disk: SimDisk::new(options),
            segment_bytes,
            handles: Vec::new(),
            active: None,
            next_segment: SegmentId::FIRST,
            next_seq: Seq::new(1),
            epochs: vec![EpochStart { epoch: Epoch::FIRST, first_seq: Seq::new(1) }],
            gaps: Vec::new(),
            trees: TreeBuilder::new(&Limits::default()),
            buffer: Vec::new(),
            keys: Vec::new(),
            body: Vec::new(),
        }
    }

    fn active(&mut self) -> &mut Active {
        if self.active.is_none() {
            let header = SegmentHeader {
                store_id: STORE_ID,
                id: self.next_segment,
                epoch: Epoch::FIRST,
                salt: 7,
                base_seq: self.next_seq,
                header_len: HEADER_LEN_SMALL,
            };
            self.next_segment = self.next_segment.next();
            let file = self.disk.create(&format!("seg-{}.log", header.id)).unwrap();
            file.write_at(0, &header.encode()).unwrap();
            let start = u64::from(HEADER_LEN_SMALL);
            fill_zeros(&*file, start, self.segment_bytes).unwrap();
            let (mut writer, map) = file.map_log(start, start, self.segment_bytes).unwrap();
            writer.set_limit(self.segment_bytes).unwrap();
            let segment = Arc::new(Segment::checked(Arc::new(self.disk.clone()), file, header, map));
            let index = ActiveWriter::new(HASH_KEY, self.segment_bytes);
            self.handles
                .push(Arc::new(SegmentHandle::active(Arc::clone(&segment), Arc::clone(index.index()))));
            let crcs = crc32fast::Hasher::new();
            self.active = Some(Active { segment, header, map: writer, index, crcs, end: start });
        }
        self.active.as_mut().unwrap()
    }

    /// Whether another event of `bytes` fits into the segment, a roll frame behind it.
    fn fits(&mut self, bytes: usize) -> bool {
        let segment_bytes = self.segment_bytes;
        self.active().end + bytes as u64 + 1024 < segment_bytes
    }

    /// Appends an event; the segment is sealed before if it is full.
    pub(super) fn append(
        &mut self,
        keys: &EventKeys<'_>,
        properties: Option<&Object>,
        context: Option<&Object>,
    ) -> Seq {
        self.trees.reset();
        let mut tree = |root, object: Option<&Object>| {
            let object = object?;
            let mut writer = self.trees.begin(root, None);
            object.push(&mut writer).unwrap();
            Some(writer.finish().unwrap())
        };
        let (properties, context) = (tree("properties", properties), tree("context", context));
        self.body.clear();
        let bytes = |span| Some(self.trees.tree(span?));
        codec::encode(&mut self.body, bytes(properties), bytes(context)).unwrap();
        let body = std::mem::take(&mut self.body);
        let seq = self.append_frame(FrameKind::Event, Some(keys), &body);
        self.body = body;
        seq
    }

    /// Appends a frame that is no event.
    pub(super) fn append_other(&mut self) -> Seq {
        self.append_frame(FrameKind::Cursor, None, b"")
    }

    fn append_frame(&mut self, kind: FrameKind, keys: Option<&EventKeys<'_>>, body: &[u8]) -> Seq {
        if kind != FrameKind::Roll && !self.fits(body.len() + 1024) {
            self.seal();
        }
        self.active();
        let seq = self.next_seq;
        self.next_seq = seq.next();
        let mut encoded = std::mem::take(&mut self.keys);
        encoded.clear();
        if let Some(keys) = keys {
            keys.encode(&mut encoded).unwrap();
        }
        let header = FrameHeader {
            seq,
            received_at: Nanos::new(1_800_000_000_000_000_000 + i64::try_from(seq.get()).unwrap()),
            durable_lag: 0,
            kind,
            flags: FrameFlags::ALONE,
        };
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let active = self.active();
        let crc = frame::encode(
            &header,
            &encoded,
            (body, crc32fast::hash(body)),
            active.header.seed(),
            &mut buffer,
        )
        .unwrap();
        let offset = u32::try_from(active.end).unwrap();
        active.map.write(active.end, &buffer).unwrap();
        active.end += buffer.len() as u64;
        active.map.publish(active.end);
        active.crcs.update(&crc.to_le_bytes());
        match keys {
            Some(keys) => active.index.push_event(offset, keys),
            None => active.index.push_other(offset),
        }
        (self.buffer, self.keys) = (buffer, encoded);
        seq
    }

    /// Ends the active segment and gives it its index.
    pub(super) fn seal(&mut self) {
        if self.active.is_none() {
            return;
        }
        self.append_frame(FrameKind::Roll, None, b"");
        let Active { segment, header, map, index, crcs, end } = self.active.take().unwrap();
        drop(map);
        let origin = Origin {
            store_id: STORE_ID,
            segment: header.id,
            base_seq: header.base_seq,
            frames: index.index().frames(),
            crc_of_crcs: crcs.finalize(),
        };
        let made = seal(index.index(), &origin).unwrap();
        let sealed = SealedIndex::from_bytes(made.bytes, "seg.idx", &made.listed, &origin).unwrap();
        let listed = SealedSegment {
            id: header.id,
            epoch: header.epoch,
            base_seq: header.base_seq,
            frames: origin.frames,
            end,
            crc_of_crcs: origin.crc_of_crcs,
            index: Some(made.listed),
        };
        // Opened anew, so that its frames are checked when they are read.
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        drop(segment);
        let opened = Arc::new(Segment::sealed(&disk, STORE_ID, &listed, OnCorruption::Fail).unwrap().0);
        *self.handles.last_mut().unwrap() = Arc::new(SegmentHandle::sealed(opened, Arc::new(sealed)));
    }

    /// Leaves out some seqs, as quarantine does, between two segments.
    pub(super) fn lose(&mut self, seqs: u64) {
        self.seal();
        let from = self.next_seq;
        self.next_seq = from.plus(seqs);
        self.gaps.push(GapRange { from, to: Seq::new(from.get() + seqs - 1) });
    }

    pub(super) fn segments(&self) -> usize {
        self.handles.len()
    }

    pub(super) fn snapshot(&self, visible: Seq) -> Snapshot {
        Snapshot {
            segments: Arc::new(Segments::new(self.handles.clone())),
            visible,
            profiles: ProfileMap::new(Vec::new(), HASH_KEY, Arc::new(Limits::default())),
            people: Arc::default(),
            epochs: self.epochs.clone().into(),
            gaps: self.gaps.clone().into(),
            hash_key: HASH_KEY,
        }
    }

    /// A view of a project that sees everything.
    pub(super) fn view(&self, project_id: [u8; 16]) -> View {
        self.view_until(Seq::new(self.next_seq.get() - 1), project_id)
    }

    pub(super) fn view_until(&self, visible: Seq, project_id: [u8; 16]) -> View {
        View::new(self.snapshot(visible), project_id)
    }
}
