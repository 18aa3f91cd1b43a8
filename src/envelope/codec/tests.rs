use proptest::prelude::*;

use super::*;

fn encoded(properties: Option<&[u8]>, context: Option<&[u8]>) -> Vec<u8> {
    let mut out = b"before".to_vec();
    encode(&mut out, properties, context).unwrap();
    out.split_off(6)
}

fn trees(bytes: &[u8]) -> Result<[Option<Vec<u8>>; 2], &'static str> {
    let body = decode(bytes)?;
    Ok([body.properties, body.context].map(|tree| tree.map(|tree| tree.as_tree().to_vec())))
}

/// A reader of the documented bytes that knows nothing of bincode.
fn read_by_hand(bytes: &[u8]) -> Option<[Option<Vec<u8>>; 2]> {
    let mut rest = bytes;
    let mut take = |count: usize| {
        let (taken, left) = rest.split_at_checked(count)?;
        rest = left;
        Some(taken)
    };
    let mut fields = [None, None];
    for field in &mut fields {
        match take(1)? {
            [0] => {}
            [1] => {
                let len = match take(1)?[0] {
                    251 => u64::from(u16::from_le_bytes(take(2)?.try_into().unwrap())),
                    252 => u64::from(u32::from_le_bytes(take(4)?.try_into().unwrap())),
                    253 => u64::from_le_bytes(take(8)?.try_into().unwrap()),
                    254.. => return None,
                    short => u64::from(short),
                };
                *field = Some(take(usize::try_from(len).unwrap())?.to_vec());
            }
            _ => return None,
        }
    }
    rest.is_empty().then_some(fields)
}

#[test]
fn the_bytes_are_pinned() {
    assert_eq!(encoded(None, None), [0, 0]);
    assert_eq!(encoded(Some(b"abc"), None), [1, 3, b'a', b'b', b'c', 0]);
    assert_eq!(encoded(None, Some(b"")), [0, 1, 0]);
    assert_eq!(encoded(Some(&[7; 250]), Some(b"x"))[..3], [1, 250, 7]);
    assert_eq!(encoded(Some(&[7; 251]), None)[..5], [1, 251, 251, 0, 7]);
    assert_eq!(encoded(Some(&vec![7; 0x1_0000]), None)[..7], [1, 252, 0, 0, 1, 0, 7]);
}

#[test]
fn a_length_that_is_not_the_shortest_is_refused() {
    assert_eq!(trees(&[1, 1, b'x', 0]), Ok([Some(b"x".to_vec()), None]));
    assert!(trees(&[1, 251, 1, 0, b'x', 0]).is_err());
    assert!(trees(&[1, 252, 1, 0, 0, 0, b'x', 0]).is_err());
    assert!(trees(&[1, 253, 1, 0, 0, 0, 0, 0, 0, 0, b'x', 0]).is_err());
}

#[test]
fn a_length_beyond_the_record_is_refused() {
    for bytes in [
        &[1, 5, b'x', 0][..],
        &[1, 253, 255, 255, 255, 255, 255, 255, 255, 255],
        &[1, 253, 0, 0, 0, 128, 0, 0, 0, 0, 0],
        &[1, 254, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[1, 255],
        &[2, 0],
        &[0],
        &[],
        &[0, 0, 0],
    ] {
        assert!(trees(bytes).is_err(), "{bytes:?}");
        assert!(check(bytes).is_err(), "{bytes:?}");
    }
}

#[test]
fn every_prefix_of_a_record_is_refused() {
    let bytes = encoded(Some(&[1; 300]), Some(&[2; 10]));
    assert!(trees(&bytes).is_ok());
    for end in 0..bytes.len() {
        assert!(trees(&bytes[..end]).is_err(), "{end}");
    }
}

proptest! {
    #[test]
    fn an_independent_reader_reads_the_same(properties in prop::option::of(prop::collection::vec(any::<u8>(), 0..600)), context in prop::option::of(prop::collection::vec(any::<u8>(), 0..300))) {
        let bytes = encoded(properties.as_deref(), context.as_deref());
        let expected = [properties, context];
        prop_assert_eq!(read_by_hand(&bytes), Some(expected.clone()));
        prop_assert_eq!(trees(&bytes), Ok(expected));
    }

    #[test]
    fn hostile_bytes_give_the_same_answer_to_both_readers(mut bytes in prop::collection::vec(prop_oneof![any::<u8>(), 0..3_u8, 249..=255_u8], 0..40)) {
        let by_hand = read_by_hand(&bytes);
        if let Ok(fields) = trees(&bytes) {
            prop_assert_eq!(by_hand, Some(fields));
        }
        let _ = check(&bytes);
        bytes.push(0);
        let _ = trees(&bytes);
    }
}
