use std::sync::Arc;

use super::*;
use crate::format::frame::{FrameFlags, FrameKind};
use crate::log::open::{LogOptions, open_writer};
use crate::log::{OnCorruption, Placed, Rolled, Segment};
use crate::storage::sim::SimDisk;
use crate::storage::{ManualClock, SeededEntropy, TimeSource};

/// Frames that were folded, by seq and body.
type Frames = Arc<Mutex<Vec<(u64, Vec<u8>)>>>;

/// What was folded, in order: frames and rolls.
#[derive(Default)]
struct Recorder {
    frames: Frames,
    rolls: Arc<Mutex<Vec<Rolled>>>,
}

impl Fold for Recorder {
    type Decisions = u64;
    type Hint = ();

    fn apply<'a>(
        &mut self,
        frames: impl Iterator<Item = Placed<'a>>,
        hints: &[()],
        show: impl FnOnce(),
        notes: &mut Vec<(Seq, FoldNotes)>,
    ) {
        for (frame, ()) in frames.zip(hints) {
            if frame.kind == FrameKind::Event {
                self.frames.lock().push((frame.seq.get(), frame.body.to_vec()));
                if frame.body.starts_with(b"note") {
                    notes.push((frame.seq, 7));
                }
            }
        }
        show();
    }

    fn rolled(&mut self, rolled: Rolled, _next: &Arc<Segment>) {
        self.rolls.lock().push(rolled);
    }
}

struct Open;

impl RollGate for Open {
    fn pass(&self) -> Result<()> {
        Ok(())
    }
}

fn start(disk: &SimDisk, level: Durability) -> (Log<Recorder>, Frames, OpenedFacts) {
    let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(5));
    let options = LogOptions {
        segment_bytes_max: 4096,
        header_len: crate::format::segment::HEADER_LEN_SMALL,
        create: true,
        on_corruption: OnCorruption::Fail,
    };
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let opened = open_writer(&disk, &*entropy, &options).unwrap();
    let mut bodies = Vec::new();
    for segment in opened.sealed.iter().chain(opened.tail.iter().map(|tail| &tail.segment)) {
        let first = u32::try_from(segment.first_offset()).unwrap();
        for item in segment.scan(first, segment.committed()) {
            let (_, _, frame) = item.unwrap();
            if frame.kind() == FrameKind::Event {
                bodies.push((frame.seq().get(), frame.body().to_vec()));
            }
        }
    }
    let facts = OpenedFacts { bodies, clean: opened.report.clean };
    let manifest = Arc::new(ManifestFile::new(disk, opened.manifest.clone()));
    let marks = Arc::new(Marks::new(Seq::new(opened.next_seq.get() - 1)));
    let fold = Recorder::default();
    let frames = Arc::clone(&fold.frames);
    let parts = Parts {
        fold,
        decisions: 0,
        gate: Box::new(Open),
        clock: TimeSource::Host(Arc::new(ManualClock::new(chrono::DateTime::from_timestamp_nanos(1_000)))),
        entropy,
        marks,
        level,
        segment_bytes_max: options.segment_bytes_max,
    };
    (Log::start(opened, manifest, parts).unwrap(), frames, facts)
}

struct OpenedFacts {
    bodies: Vec<(u64, Vec<u8>)>,
    clean: bool,
}

fn draft(body: &[u8]) -> Draft<'_> {
    Draft {
        kind: FrameKind::Event,
        flags: FrameFlags::default(),
        keys: b"keys",
        body,
        body_crc: crc32fast::hash(body),
    }
}

const LEVELS: [Durability; 3] =
    [Durability::Buffered, Durability::Interval { ms: 1, bytes: 1000 }, Durability::Synced];

#[test]
fn what_was_appended_is_folded_and_stands_in_the_log_after_closing() {
    for level in LEVELS {
        let disk = SimDisk::default();
        let (log, frames, _) = start(&disk, level);
        for n in 0..200u32 {
            let body = n.to_le_bytes();
            let appended = log
                .append(&[draft(&body), draft(b"note")], &[(); 2], |_| Ok(true), |count, _| *count += 1)
                .unwrap()
                .unwrap();
            assert_eq!(appended.notes, [(appended.first.next(), 7)]);
        }
        assert_eq!(log.inner.stage.lock().decisions, 200);
        log.close(|| ()).unwrap();
        assert!(matches!(log.append(&[draft(b"late")], &[()], |_| Ok(true), |_, _| ()), Err(Error::Closed)));
        let folded = frames.lock().clone();
        assert_eq!(folded.len(), 400);
        drop(log);

        let (log, _, facts) = start(&disk, level);
        assert!(facts.clean, "{level:?}");
        assert_eq!(facts.bodies, folded, "{level:?}");
        drop(log);
    }
}

#[test]
fn what_was_acknowledged_survives_a_kill_at_every_level() {
    for level in LEVELS {
        let disk = SimDisk::default();
        let (log, frames, _) = start(&disk, level);
        for n in 0..100u32 {
            log.append(&[draft(&n.to_le_bytes())], &[()], |_| Ok(true), |_, _| ()).unwrap();
        }
        let killed = disk.kill();
        let folded = frames.lock().clone();
        std::mem::forget(log);
        let (_log, _, facts) = start(&killed, level);
        assert!(!facts.clean);
        assert_eq!(facts.bodies, folded, "{level:?}");
    }
}

#[test]
fn tickets_share_syncs_and_come_back_in_order() {
    let disk = SimDisk::default();
    let (log, frames, _) = start(&disk, Durability::Synced);
    let bodies: Vec<[u8; 4]> = (0..500u32).map(u32::to_le_bytes).collect();
    let pending: Vec<_> = bodies
        .iter()
        .map(|body| log.submit(&[draft(body)], &[()], |_| Ok(true), |_, _| ()).unwrap().unwrap())
        .collect();
    for ticket in pending {
        log.wait(ticket).unwrap();
    }
    let folded: Vec<Vec<u8>> = frames.lock().iter().map(|(_, body)| body.clone()).collect();
    assert!(folded.iter().eq(bodies.iter()), "every body once, in order");
}

#[test]
fn threads_that_append_at_once_all_get_their_own_seqs() {
    for level in LEVELS {
        let disk = SimDisk::default();
        let (log, frames, _) = start(&disk, level);
        std::thread::scope(|scope| {
            for thread in 0..4u8 {
                let log = &log;
                scope.spawn(move || {
                    for n in 0..100u8 {
                        log.append(&[draft(&[thread, n])], &[()], |_| Ok(true), |_, _| ()).unwrap();
                    }
                });
            }
        });
        let frames = frames.lock();
        assert_eq!(frames.len(), 400);
        assert!(frames.is_sorted_by(|a, b| a.0 < b.0));
        for thread in 0..4u8 {
            let mine: Vec<u8> =
                frames.iter().filter(|(_, body)| body[0] == thread).map(|(_, body)| body[1]).collect();
            assert!(mine.is_sorted(), "a thread's own appends keep their order");
        }
    }
}

#[test]
fn a_refused_check_stores_nothing() {
    let disk = SimDisk::default();
    let (log, frames, _) = start(&disk, Durability::Synced);
    let refused = log.append(&[draft(b"x")], &[()], |_| Err(Error::invalid("x", "no")), |_, _| ());
    assert!(matches!(refused, Err(Error::Invalid { .. })));
    assert!(frames.lock().is_empty());
    let too_large = vec![0; 5000];
    assert!(matches!(
        log.append(&[draft(&too_large)], &[()], |_| Ok(true), |_, _| ()),
        Err(Error::TooLarge { .. })
    ));
    assert!(log.append(&[draft(b"z")], &[()], |_| Ok(false), |_, _| ()).unwrap().is_none());
    assert!(log.submit(&[draft(b"z")], &[()], |_| Ok(false), |_, _| ()).unwrap().is_none());
    let appended = log.append(&[draft(b"y")], &[()], |_| Ok(true), |_, _| ()).unwrap();
    assert_eq!(appended.unwrap().first, Seq::new(1));
}
