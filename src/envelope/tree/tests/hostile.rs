//! Bytes that no builder wrote.

use super::*;

/// Calls every accessor at every place that can be reached.
fn read_all(value: ValueRef<'_>, budget: &mut usize) {
    let Some(left) = budget.checked_sub(1) else { return };
    *budget = left;
    let _ = (value.kind(), value.as_bool(), value.as_str(), value.as_i64(), value.as_u64(), value.as_f64());
    let _ = (value.as_number().map(|number| number.to_string()), value.len(), value.is_empty());
    let _ = (value.get(""), value.get("a"), value.get("zz"), value.get_index(3), value.get_path("a.b"));
    assert!(value.as_f64().is_none_or(f64::is_finite));
    for (key, value) in value.entries() {
        let _ = key.len();
        read_all(value, budget);
    }
    for element in value.elements() {
        read_all(element, budget);
    }
}

/// Holds of any bytes: reading ends, and what passes the check is what a builder would write.
fn endure(bytes: &[u8]) {
    let value = ValueRef::new(bytes);
    read_all(value, &mut 2_000);
    let mut json = Vec::new();
    value.write_json(&mut json);
    assert!(serde_json::from_slice::<serde::de::IgnoredAny>(&json).is_ok());
    let _ = value.to_value();
    let _ = value.deserialize::<Json>();
    if check(bytes).is_ok() {
        assert_eq!(build(&String::from_utf8(json).unwrap()), bytes);
    }
}

#[test]
fn damaged_trees_are_refused_or_are_other_trees() {
    let damage = (any::<prop::sample::Index>(), any::<u8>(), 0..4_u8);
    property(3_000, &(json(), prop::collection::vec(damage, 1..4)), |(json, damages)| {
        let mut bytes = build(&json.to_string());
        for (at, byte, how) in damages {
            let at = at.index(bytes.len().max(1));
            match how {
                0 if at < bytes.len() => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 if at < bytes.len() => drop(bytes.remove(at)),
                3 => bytes.truncate(at),
                _ => {}
            }
        }
        endure(&bytes);
        Ok(())
    });
}

#[test]
fn any_bytes_are_endured() {
    let tag = prop::sample::select((0xc0..=0xff).collect::<Vec<u8>>());
    let bytes = prop::collection::vec(prop_oneof![any::<u8>(), tag, 0..6_u8], 0..60);
    property(20_000, &bytes, |bytes| {
        endure(&bytes);
        Ok(())
    });
}

#[test]
fn every_tree_of_two_bytes_that_passes_is_one_a_builder_writes() {
    for one in 0..=255_u8 {
        endure(&[one]);
        for two in 0..=255_u8 {
            endure(&[one, two]);
            endure(&[0xf1, 2, one, two]);
        }
    }
}

#[test]
fn a_value_has_one_form() {
    let cases: &[(&[u8], &str)] = &[
        (&[], "nothing"),
        (&[0xc0, 0xc0], "a second value"),
        (&[0xc4], "a reserved tag"),
        (&[0xc8, 63], "a small integer in two bytes"),
        (&[0xc9, 200, 0], "an integer with a zero on top"),
        (&[0xd0, 0], "minus zero"),
        (&[0xd7, 1, 0, 0, 0, 0, 0, 0, 0x80], "an integer below 64 bits"),
        (&[0xd8, 1, 10], "a mantissa with a zero"),
        (&[0xd8, 0, 100], "an integer as a decimal"),
        (&[0xd8, 2, 7], "an integer with an exponent"),
        (&[0xd9, 1, 5, 0], "a mantissa with a zero on top"),
        (&[0xd8, 0x81, 0, 5], "an exponent in too many bytes"),
        (&[0xd8, 0xea, 4, 2], "a number beyond the floats"),
        (&[0xe8, 0, 2, 0x12], "few digits"),
        (&[0xe8, 0, 21, 0x18, 0x44, 0x67, 0x44, 0x07, 0x37, 0x09, 0x55, 0x16, 0x16, 0x11], "padding"),
        (&[0xe8, 0, 21, 0x18, 0x44, 0x67, 0x44, 0x07, 0x37, 0x09, 0x55, 0x16, 0x1a, 0x10], "no digit"),
        (&[0xe8, 0, 21, 0x18, 0x44, 0x67, 0x44, 0x07, 0x37, 0x09, 0x55, 0x16, 0x16, 0x00], "a last zero"),
        (&[0x41, 0xff], "no UTF-8"),
        (&[0x42, b'a'], "a cut string"),
        (&[0xc3, b'a', 0xff], "a short string with an end mark"),
        (&[0xf1, 0, 1], "a short list without length"),
        (&[0xf1, 2, 1], "a wrong length"),
        (&[0xf2, 1, 1], "too few elements"),
        (&[0xf5, 4, 4, 1, 1, 1, 1], "a short list in the long form"),
        (&[0xf5, 0x85, 0, 5, 1, 1, 1, 1, 1], "a length in too many bytes"),
        (&[0xf6, 1, 1], "a list tag beyond the last"),
        (&[0xfe], "an object tag beyond the last"),
        (&[0xfa, 6, 1, b'b', 1, 1, b'a', 1], "keys out of order"),
        (&[0xfa, 6, 1, b'a', 1, 1, b'a', 1], "a key twice"),
        (&[0xf9, 3, 1, 0xff, 1], "a key that is no UTF-8"),
        (&[0xf9, 4, 0x81, 0, b'a', 1], "a key length in too many bytes"),
    ];
    for (bytes, what) in cases {
        assert!(check(bytes).is_err(), "{what}");
        endure(bytes);
    }
    let mut table = build(
        &serde_json::to_string(
            &(10..30).map(|n| (n.to_string(), 1)).collect::<std::collections::BTreeMap<_, _>>(),
        )
        .unwrap(),
    );
    assert!(check(&table).is_ok());
    table[3] += 1;
    assert!(check(&table).is_err(), "an offset that points elsewhere");
    endure(&table);
}

#[test]
fn nesting_does_not_use_the_stack() {
    let nested = |depth: usize| {
        let mut bytes = [0xf1, 0].repeat(depth);
        bytes.push(0);
        bytes
    };
    endure(&nested(1_000_000));
    assert!(check(&nested(1_000_000)).is_err());
    let text = format!("{}1{}", "[".repeat(128), "]".repeat(128));
    assert!(check(&build(&text)).is_ok());
}
