#![expect(clippy::indexing_slicing, reason = "tests know their bytes")]

use super::*;
use crate::storage::sim::{FaultKind, FaultPlan, OpKind, OpMask, SimDisk};
use crate::storage::write_file_atomic;

const NAME: &str = "seg-1.idx";
const LEN: u64 = 5 * BLOCK_BYTES + 100;
const BODY: Body = Body { start: 24, len: LEN, crcs_at: 0 };

/// Checksums and then blocks.
fn sound() -> Vec<u8> {
    let body: Vec<u8> = (0..LEN).map(|at| (at * 31 % 251).to_le_bytes()[0]).collect();
    let mut file: Vec<u8> =
        body.chunks(4096).flat_map(|block| crc32fast::hash(block).to_le_bytes()).collect();
    file.extend_from_slice(&body);
    file
}

/// Makes the file anew, or cannot.
#[derive(Debug)]
struct Maker {
    bytes: Option<Vec<u8>>,
    made: Arc<AtomicU64>,
}

impl Remake for Maker {
    fn remake(&self, _: &Error) -> Result<Option<Arc<[u8]>>> {
        self.made.fetch_add(1, Ordering::Relaxed);
        Ok(self.bytes.clone().map(Into::into))
    }
}

/// The blocks of the file on a disk, and how often they were made anew.
fn blocks(disk: &SimDisk, bytes: Option<Vec<u8>>) -> (Blocks, Arc<AtomicU64>) {
    let made = Arc::new(AtomicU64::new(0));
    let remake = Maker { bytes, made: Arc::clone(&made) };
    let source =
        DerivedSource { disk: Arc::new(disk.clone()), name: NAME.to_owned(), remake: Some(Arc::new(remake)) };
    let map = disk.open(NAME, Access::Read).unwrap().map_whole().unwrap();
    (Blocks::of_file(source, map, BODY), made)
}

fn disk_with(bytes: &[u8]) -> SimDisk {
    let disk = SimDisk::default();
    write_file_atomic(&disk, NAME, bytes).unwrap();
    disk
}

fn reads(disk: &SimDisk) -> usize {
    disk.op_log().iter().filter(|op| op.kind == OpKind::Read).count()
}

#[test]
fn a_block_is_read_by_pread_before_its_mapping_and_once_only() {
    let (disk, whole) = (disk_with(&sound()), sound());
    let (blocks, made) = blocks(&disk, None);
    let before = reads(&disk);
    assert_eq!(blocks.get(4090, 20).unwrap(), &whole[24 + 4090..24 + 4110]);
    let after = reads(&disk);
    assert!(after > before, "the blocks are read from the file");
    for (start, len) in [(0_u32, 10_u32), (4000, 200), (8000, 100), (0, 0)] {
        let (from, to) = ((24 + start) as usize, (24 + start + len) as usize);
        let (start, len) = (start.into(), len.into());
        assert_eq!(blocks.get(start, len).unwrap(), &whole[from..to]);
    }
    assert_eq!(reads(&disk), after, "what was checked is not read again");
    assert_eq!(blocks.get(LEN - 1, 1).unwrap(), &whole[whole.len() - 1..]);
    assert!(blocks.get(LEN - 1, 2).is_err() && blocks.get(LEN * 9, 1).is_err());
    blocks.check_all().unwrap();
    assert_eq!(made.load(Ordering::Relaxed), 0);
}

#[test]
fn a_bad_sector_is_answered_from_bytes_made_anew() {
    let (disk, whole) = (disk_with(&sound()), sound());
    let (blocks, made) = blocks(&disk, Some(sound()));
    // Opening works, reading does not.
    let ops = OpMask::of(OpKind::Read);
    disk.fail(FaultPlan { after_ops: 1, kind: FaultKind::Eio, sticky: true, ops });
    for start in (0..LEN - 8).step_by(777) {
        let at = usize::try_from(24 + start).unwrap();
        assert_eq!(blocks.get(start, 8).unwrap(), &whole[at..at + 8]);
    }
    assert_eq!(made.load(Ordering::Relaxed), 1, "made once");
}

#[test]
fn a_damaged_block_is_answered_from_bytes_made_anew_and_sound_ones_stay() {
    let whole = sound();
    for at in [24, 24 + 4096, 24 + 3 * 4096 + 5, whole.len() - 1, 0, 13] {
        let mut damaged = whole.clone();
        damaged[at] ^= 4;
        let disk = disk_with(&damaged);
        let (remade, made) = blocks(&disk, Some(whole.clone()));
        let (lost, tries) = blocks(&disk, None);
        let mut errors = 0;
        for start in (0..LEN - 8).step_by(500) {
            let from = usize::try_from(24 + start).unwrap();
            assert_eq!(remade.get(start, 8).unwrap(), &whole[from..from + 8]);
            match lost.get(start, 8) {
                Ok(bytes) => assert_eq!(bytes, &whole[from..from + 8]),
                Err(error) => {
                    assert!(matches!(&error, Error::Corrupt { file, .. } if file == NAME), "{error}");
                    errors += 1;
                }
            }
        }
        assert!((1..12).contains(&errors), "one block of six is lost: {errors} errors");
        assert_eq!((made.load(Ordering::Relaxed), tries.load(Ordering::Relaxed)), (1, 1));
    }
}

#[test]
fn another_file_under_the_name_does_not_vouch_for_the_mapping() {
    let mut damaged = sound();
    damaged[24 + 10] ^= 1;
    let disk = disk_with(&damaged);
    let (blocks, _) = blocks(&disk, None);
    write_file_atomic(&disk, NAME, &sound()).unwrap();
    assert!(matches!(blocks.get(0, 20), Err(Error::Corrupt { .. })));
    assert_eq!(blocks.get(5000, 4).unwrap(), &sound()[5024..5028]);
}

#[test]
fn a_file_that_was_removed_is_read_on_through_its_mapping() {
    let disk = disk_with(&sound());
    let (blocks, _) = blocks(&disk, None);
    disk.remove(NAME).unwrap();
    assert_eq!(blocks.get(9000, 4).unwrap(), &sound()[9024..9028]);
}
