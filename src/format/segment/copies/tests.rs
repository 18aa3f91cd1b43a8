#![expect(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "tests know their bytes")]

use super::*;
use crate::types::{Epoch, Seq};

const NAME: &str = "seg-5.log";

fn header(header_len: u32) -> SegmentHeader {
    SegmentHeader {
        store_id: [3; 16],
        id: SegmentId::new(5),
        epoch: Epoch::new(2),
        salt: 0x1122_3344_5566_7788,
        base_seq: Seq::new(1000),
        header_len,
    }
}

/// A header of either length, its page, and where its copies stand.
fn pages() -> [(SegmentHeader, Vec<u8>, [usize; 2]); 2] {
    [HEADER_LEN_SMALL, HEADER_LEN].map(|len| (header(len), header(len).encode(), [0, len as usize - 512]))
}

fn read(page: &[u8], expected: &SegmentHeader) -> Result<Identity, Error> {
    Identity::read(NAME, page, |found| found.store_id == expected.store_id && found.id == expected.id)
}

fn states(page: &[u8], expected: &SegmentHeader) -> [HeaderCopy; 2] {
    let found = read(page, expected).unwrap();
    assert_eq!(found.header, *expected);
    [found.first, found.second]
}

/// The states with `state` at one of the two places.
fn with(place: usize, state: HeaderCopy) -> [HeaderCopy; 2] {
    let mut states = [HeaderCopy::Whole; 2];
    states[place] = state;
    states
}

#[test]
fn either_copy_is_enough_and_every_flipped_bit_of_the_other_is_noticed() {
    for (header, page, places) in pages() {
        assert_eq!(states(&page, &header), [HeaderCopy::Whole; 2]);
        for (place, at) in places.into_iter().enumerate() {
            for byte in 0..FIXED_LEN {
                for bit in 0..8 {
                    let mut flipped = page.clone();
                    flipped[at + byte] ^= 1 << bit;
                    let expected = with(place, HeaderCopy::Damaged);
                    assert_eq!(states(&flipped, &header), expected, "byte {byte} bit {bit} of copy {place}");
                }
            }
            let mut junk = page.clone();
            junk[at..at + 512].fill(0xAA);
            assert_eq!(states(&junk, &header), with(place, HeaderCopy::Damaged));
            let mut zeros = page.clone();
            zeros[at..at + 512].fill(0);
            assert_eq!(states(&zeros, &header), with(place, HeaderCopy::Unsynced));
        }
    }
}

#[test]
fn a_write_torn_in_any_way_is_never_taken_for_damage() {
    for (header, page, places) in pages() {
        for first in (0..=FIXED_LEN).step_by(8) {
            for second in (0..=FIXED_LEN).step_by(8) {
                let mut torn = page.clone();
                torn[places[0] + first..places[0] + FIXED_LEN].fill(0);
                torn[places[1] + second..places[1] + FIXED_LEN].fill(0);
                let state = |kept| if kept == FIXED_LEN { HeaderCopy::Whole } else { HeaderCopy::Unsynced };
                let expected = [state(first), state(second)];
                if expected.contains(&HeaderCopy::Whole) {
                    assert_eq!(states(&torn, &header), expected);
                } else {
                    assert!(read(&torn, &header).is_err());
                    assert!(is_torn_page(&torn, header.store_id, header.id, header.header_len));
                }
            }
        }
        for len in 0..page.len() {
            let short = &page[..len];
            let found = read(short, &header).map(|found| found.first);
            let is_torn = is_torn_page(short, header.store_id, header.id, header.header_len);
            assert!(is_torn || matches!(found, Ok(HeaderCopy::Whole)), "{len}");
        }
    }
}

#[test]
fn a_page_of_which_one_copy_is_damaged_and_the_other_missing_is_not_a_torn_one() {
    for (header, page, places) in pages() {
        for (damaged, missing) in [(places[0], places[1]), (places[1], places[0])] {
            let mut page = page.clone();
            page[damaged + 20] ^= 1;
            page[missing..missing + FIXED_LEN].fill(0);
            assert!(matches!(read(&page, &header), Err(Error::Corrupt { offset: 0, .. })));
            assert!(!is_torn_page(&page, header.store_id, header.id, header.header_len));
        }
    }
}

#[test]
fn a_copy_of_another_segment_counts_for_nothing() {
    for (header, page, places) in pages() {
        let others = [
            SegmentHeader { id: SegmentId::new(6), ..header },
            SegmentHeader { store_id: [4; 16], ..header },
        ];
        for other in others {
            for (place, at) in places.into_iter().enumerate() {
                let mut mixed = page.clone();
                mixed[at..at + FIXED_LEN].copy_from_slice(&other.encode_fixed());
                assert_eq!(states(&mixed, &header), with(place, HeaderCopy::Damaged));
            }
            assert!(matches!(read(&other.encode(), &header), Err(Error::Corrupt { .. })));
        }
    }
}

#[test]
fn the_first_of_two_whole_copies_counts_and_the_other_was_an_earlier_try() {
    for (header, page, places) in pages() {
        let earlier = SegmentHeader { salt: 9, ..header };
        let mut mixed = page;
        mixed[places[1]..places[1] + FIXED_LEN].copy_from_slice(&earlier.encode_fixed());
        assert_eq!(states(&mixed, &header), [HeaderCopy::Whole, HeaderCopy::Unsynced]);
    }
}

#[test]
fn a_whole_copy_of_a_later_version_is_refused_and_a_flipped_version_is_damage() {
    for (header, page, places) in pages() {
        let mut later = header.encode_fixed();
        later[8] = 2;
        let crc = crc32fast::hash(&later[..60]).to_le_bytes();
        later[60..].copy_from_slice(&crc);
        for at in places {
            let mut mixed = page.clone();
            mixed[at..at + FIXED_LEN].copy_from_slice(&later);
            if at > 0 {
                // Behind a copy that can be read nobody asks for the second.
                assert_eq!(states(&mixed, &header), with(1, HeaderCopy::Damaged));
                mixed[..FIXED_LEN].fill(0);
            }
            assert!(matches!(read(&mixed, &header), Err(Error::UnsupportedFormat { .. })));
        }
        let mut flipped = page;
        flipped[8] = 2;
        assert_eq!(states(&flipped, &header), with(0, HeaderCopy::Damaged));
    }
}

#[test]
fn a_header_that_is_quoted_in_a_frame_is_no_second_copy() {
    let header = header(HEADER_LEN_SMALL);
    let mut page = vec![0; HEADER_LEN as usize];
    let at = second_at(HEADER_LEN);
    page[at..at + FIXED_LEN].copy_from_slice(&header.encode_fixed());
    assert!(matches!(read(&page, &header), Err(Error::Corrupt { .. })));
}
