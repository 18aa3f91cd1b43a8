use super::*;
use crate::error::Error;
use crate::format::manifest::DerivedFile;
use crate::index::layout::RULES;

const MIX: Mix = Mix { frames: 300, projects: 2, types: 5, users: 20, late: 20, others: 10, step: 1_000_000 };

fn refused(file: &IndexFile, listed: &DerivedFile, origin: &Origin) -> bool {
    let opened = SealedIndex::from_bytes(file.bytes.clone(), NAME, listed, origin);
    matches!(opened, Err(Error::Corrupt { .. }))
}

#[test]
fn an_index_of_another_store_segment_or_state_is_refused() {
    let frames = frames(&mut Random::from_env(), MIX);
    let (file, origin) = (built(&frames), origin_of(&frames));
    assert!(!refused(&file, &file.listed, &origin));
    for other in [
        Origin { store_id: [4; 16], ..origin },
        Origin { segment: SegmentId::new(4), ..origin },
        Origin { base_seq: Seq::new(1002), ..origin },
        Origin { frames: origin.frames + 1, ..origin },
        Origin { frames: origin.frames - 1, ..origin },
        Origin { crc_of_crcs: origin.crc_of_crcs ^ 1, ..origin },
    ] {
        assert!(refused(&file, &file.listed, &other), "{other:?}");
    }
    for other in [
        DerivedFile { len: file.listed.len + 1, ..file.listed },
        DerivedFile { crc: file.listed.crc ^ 1, ..file.listed },
        DerivedFile { rules: RULES + 1, ..file.listed },
    ] {
        assert!(refused(&file, &other, &origin), "{other:?}");
    }
}

#[test]
fn an_index_that_is_ahead_or_behind_is_not_sealed() {
    let frames = frames(&mut Random::from_env(), MIX);
    let writer = active_of(&frames);
    let origin = origin_of(&frames);
    assert!(seal(writer.index(), &Origin { frames: origin.frames + 1, ..origin }).is_none());
    assert!(seal(writer.index(), &Origin { frames: origin.frames - 1, ..origin }).is_none());
}
