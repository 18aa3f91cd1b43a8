//! stub
use std::sync::Arc;
use super::report::RecoveryReport;
use super::segment::Segment;
use crate::format::manifest::Manifest;
use crate::storage::{Disk, Lock, MapWriter};
use crate::types::{Nanos, Seq};
pub(crate) struct TailSegment { pub(crate) segment: Arc<Segment>, pub(crate) end: u64, pub(crate) frames: u32, pub(crate) file_len: u64 }
pub(crate) struct OpenedLog {
    pub(crate) disk: Arc<dyn Disk>, pub(crate) lock: Option<Lock>, pub(crate) manifest: Manifest,
    pub(crate) sealed: Vec<Arc<Segment>>, pub(crate) tail: Vec<TailSegment>, pub(crate) active: Option<MapWriter>,
    pub(crate) next_seq: Seq, pub(crate) last_received_at: Nanos, pub(crate) clean: bool, pub(crate) report: RecoveryReport,
}
