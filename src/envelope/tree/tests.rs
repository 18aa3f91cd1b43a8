use std::fmt::Write as _;

use proptest::prelude::*;
use serde_json::Value as Json;

use super::*;
use crate::envelope::address::{AddressHasher, IpHashing, ProjectHasher};
use crate::envelope::json::Reader;
use crate::envelope::value::arbitrary::{check as property, json, same, text, wide};
use crate::envelope::{Number, Value};
use crate::error::Result;
use crate::limits::Limits;

mod hostile;
mod limits;
mod scrub;

fn build_with(text: &str, limits: &Limits, hasher: Option<&ProjectHasher>) -> Result<Vec<u8>> {
    let mut builder = TreeBuilder::new(limits);
    let mut writer = builder.begin("properties", hasher);
    Reader::new(text.as_bytes())?.value_into(&mut writer)?;
    let span = writer.finish()?;
    Ok(builder.tree(span).to_vec())
}

fn build(text: &str) -> Vec<u8> {
    build_with(text, &wide(), None).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn print(tree: &[u8]) -> String {
    ValueRef::new(tree).to_string()
}

#[test]
fn a_value_is_these_bytes() {
    let cases: &[(&str, &[u8])] = &[
        ("null", &[0xc0]),
        ("false", &[0xc1]),
        ("true", &[0xc2]),
        ("0", &[0x00]),
        ("63", &[0x3f]),
        ("64", &[0xc8, 64]),
        ("-1", &[0xd0, 1]),
        ("256", &[0xc9, 0, 1]),
        ("18446744073709551615", &[0xcf, 255, 255, 255, 255, 255, 255, 255, 255]),
        ("-9223372036854775808", &[0xd7, 0, 0, 0, 0, 0, 0, 0, 0x80]),
        ("253.79", &[0xd9, 3, 0x23, 0x63]),
        ("-0.5", &[0xe0, 1, 5]),
        ("1e25", &[0xd8, 50, 1]),
        ("-18446744073709551615", &[0xe7, 0, 255, 255, 255, 255, 255, 255, 255, 255]),
        (
            "184467440737095516161",
            &[0xe8, 0, 21, 0x18, 0x44, 0x67, 0x44, 0x07, 0x37, 0x09, 0x55, 0x16, 0x16, 0x10],
        ),
        ("\"\"", &[0x40]),
        ("\"ab\"", &[0x42, b'a', b'b']),
        ("[]", &[0xf0]),
        ("[1]", &[0xf1, 1, 1]),
        ("[1,2,3,4,5]", &[0xf5, 5, 5, 1, 2, 3, 4, 5]),
        ("{}", &[0xf8]),
        ("{\"b\":1,\"a\":[]}", &[0xfa, 6, 1, b'a', 0xf0, 1, b'b', 1]),
    ];
    for (text, bytes) in cases {
        assert_eq!(build(text), *bytes, "{text}");
        assert_eq!(check(bytes).unwrap().to_string(), print(bytes), "{text}");
        assert!(same(&serde_json::from_str(&print(bytes)).unwrap(), &serde_json::from_str(text).unwrap()));
    }
    let medium = build(&format!("\"{}\"", "x".repeat(64 + 259)));
    assert_eq!(medium[..3], [0x81, 3, b'x']);
    let long = build(&format!("\"{}\"", "x".repeat(64 + 0x4000)));
    assert_eq!((long[0], long.len(), long.last()), (0xc3, 2 + 64 + 0x4000, Some(&0xff)));
}

#[test]
fn the_worked_example_of_the_format_document_holds() {
    let tree = build(r#"{"ip":null,"n":[1,-2],"amount":253.79}"#);
    let bytes = b"\xfb\x16\x06amount\xd9\x03\x23\x63\x02ip\xc0\x01n\xf2\x03\x01\xd0\x02";
    assert_eq!(tree, bytes);
}

#[test]
fn a_large_object_has_a_table_of_every_eighth_entry() {
    let text = |count: usize| {
        let entries: Vec<_> = (0..count).map(|index| format!("\"{index:02}\":{}", index % 10)).collect();
        format!("{{{}}}", entries.join(","))
    };
    let walked = build(&text(16));
    assert_eq!(walked[..4], [0xfd, 64, 16, 2]);
    let indexed = build(&text(17));
    assert_eq!(indexed[..8], [0xfd, 4 * 17 + 4, 17, 32, 0, 64, 0, 2]);
}

#[test]
fn json_goes_in_and_comes_out() {
    property(1_500, &json(), |json| {
        let text = json.to_string();
        let tree = build(&text);
        prop_assert_eq!(check(&tree).unwrap().as_tree(), &tree[..]);
        let printed = print(&tree);
        let read: Json = serde_json::from_str(&printed).unwrap();
        prop_assert!(same(&read, &json), "{} became {}", text, printed);
        prop_assert_eq!(build(&printed), &tree[..]);
        prop_assert!(tree.len() <= text.len(), "{} bytes for {}", tree.len(), text);
        prop_assert!(tree.len() <= printed.len(), "{} bytes for {}", tree.len(), printed);
        Ok(())
    });
}

#[test]
fn a_tree_is_never_longer_than_its_json() {
    let big = |len: usize| format!("\"{}\"", "s".repeat(len));
    let object = |count: usize, key_len: usize, value: &str| {
        let entries: Vec<_> = (0..count).map(|index| format!("\"{index:0key_len$}\":{value}")).collect();
        format!("{{{}}}", entries.join(","))
    };
    let mut texts = vec![];
    for len in [0, 63, 64, 127, 255, 256, 16_447, 16_448, 70_000] {
        for count in [1, 2, 3, 4, 5, 6, 16, 17] {
            texts.push(format!("[{}]", vec![big(len); count].join(",")));
            texts.push(object(count, 2, &big(len)));
            texts.push(object(count, 256, &big(len)));
        }
    }
    for count in [1, 4, 5, 16, 17, 33, 200, 9_000] {
        texts.push(format!("[{}]", vec!["1"; count].join(",")));
        texts.extend([4, 130, 256].map(|key_len| object(count, key_len, "1")));
    }
    for (open, close) in [("[", "]"), ("[1,", "]"), ("[1,1,", ",1]"), ("{\"\":", "}")] {
        texts.push(format!("{}{}{}", open.repeat(120), big(300), close.repeat(120)));
        texts.push(format!("{}{}{}", open.repeat(120), big(20_000), close.repeat(120)));
    }
    for number in
        ["64", "-1", "-63", "999", "0.5", "5e-324", "1e-400", "1e300", "12345678901234567890123", "65536"]
    {
        texts.push(number.to_owned());
    }
    for text in texts {
        let tree = build(&text);
        assert!(tree.len() <= text.len(), "{} bytes for {} of {:.60}", tree.len(), text.len(), text);
        assert!(check(&tree).is_ok(), "{text:.60}");
        assert_eq!(build(&print(&tree)), tree);
    }
}

#[test]
fn the_order_of_keys_and_the_spelling_of_numbers_do_not_matter() {
    property(500, &(json(), any::<u64>()), |(json, seed)| {
        let mut shuffled = String::new();
        scramble(&json, seed, &mut shuffled);
        prop_assert_eq!(build(&shuffled), build(&json.to_string()), "{}", shuffled);
        Ok(())
    });
}

/// Writes the same value with keys in another order, more space and other escapes.
fn scramble(json: &Json, seed: u64, out: &mut String) {
    match json {
        Json::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            let turn = usize::try_from(seed % 7).unwrap() % entries.len().max(1);
            entries.rotate_left(turn);
            if seed.is_multiple_of(2) {
                entries.reverse();
            }
            out.push_str(" { ");
            for (index, (key, value)) in entries.into_iter().enumerate() {
                out.push_str(if index > 0 { " , " } else { "" });
                out.push('"');
                for unit in key.encode_utf16() {
                    let _ = write!(out, "\\u{unit:04x}");
                }
                out.push_str("\" : ");
                scramble(value, seed / 3, out);
            }
            out.push_str(" } ");
        }
        Json::Array(list) => {
            out.push_str("\n[\t");
            for (index, value) in list.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                scramble(value, seed / 5, out);
            }
            out.push(']');
        }
        Json::Number(number) if number.is_i64() || number.is_u64() => write!(out, "{number}.0e+0").unwrap(),
        other => out.push_str(&other.to_string()),
    }
}

#[test]
fn every_entry_is_found_and_nothing_else() {
    property(
        500,
        &(prop::collection::btree_map(text(), 0_u32..1_000_000, 0..200), text()),
        |(map, absent)| {
            let tree = build(&serde_json::to_string(&map).unwrap());
            let object = ValueRef::new(&tree);
            prop_assert_eq!(object.len(), map.len());
            for (key, value) in &map {
                prop_assert_eq!(object.get(key).and_then(|value| value.as_u64()), Some(u64::from(*value)));
            }
            prop_assert_eq!(object.get(&absent).is_some(), map.contains_key(&absent));
            let entries: Vec<_> =
                object.entries().map(|(key, value)| (key.to_owned(), value.as_i64())).collect();
            let expected: Vec<_> =
                map.into_iter().map(|(key, value)| (key, Some(i64::from(value)))).collect();
            prop_assert_eq!(entries, expected);
            Ok(())
        },
    );
}

#[test]
fn scalars_are_read_in_place() {
    let tree = build(
        r#"{"s":"text","i":-70000,"u":18446744073709551615,"f":9.75,"b":true,"n":null,"l":[1,[2]],"h":1e40}"#,
    );
    let value = ValueRef::new(&tree);
    let get = |key| value.get(key).unwrap();
    assert_eq!(get("s").as_str(), Some("text"));
    assert_eq!(
        (get("i").as_i64(), get("i").as_u64(), get("i").as_f64()),
        (Some(-70_000), None, Some(-70_000.0))
    );
    assert_eq!((get("u").as_i64(), get("u").as_u64()), (None, Some(u64::MAX)));
    assert_eq!((get("f").as_i64(), get("f").as_f64()), (None, Some(9.75)));
    assert_eq!(get("f").as_number(), Some(Number::from(9.75)));
    assert_eq!(get("h").as_f64(), Some(1e40));
    assert_eq!(get("b").as_bool(), Some(true));
    assert!(get("n").is_null());
    assert_eq!(
        get("l").get_index(1).and_then(|inner| inner.get_index(0)).and_then(|two| two.as_i64()),
        Some(2)
    );
    assert_eq!((get("s").as_i64(), get("i").as_str(), get("l").get("x")), (None, None, None));
    let kinds = ["s", "i", "f", "b", "n", "l"].map(|key| get(key).kind());
    assert_eq!(kinds, [Kind::String, Kind::Number, Kind::Number, Kind::Bool, Kind::Null, Kind::List]);
}

#[test]
fn a_builder_builds_the_same_again_without_growing() {
    let text = r#"{"b":{"y":[1,2,3,4,5,6],"x":"é"},"a":1.5,"c":[{"k":"v"},{"z":1,"a":2}]}"#;
    let expected = build(text);
    let mut builder = TreeBuilder::new(&wide());
    for _ in 0..3 {
        builder.reset();
        let mut spans = vec![];
        for root in ["properties", "context"] {
            let mut writer = builder.begin(root, None);
            Reader::new(text.as_bytes()).unwrap().value_into(&mut writer).unwrap();
            spans.push(writer.finish().unwrap());
        }
        for span in spans {
            assert_eq!(builder.tree(span), expected);
        }
    }
}

#[test]
fn a_tree_that_failed_leaves_nothing_behind() {
    let mut builder = TreeBuilder::new(&wide());
    let mut first = builder.begin("properties", None);
    Reader::new(b"{\"a\":1}").unwrap().value_into(&mut first).unwrap();
    let first = first.finish().unwrap();
    for bad in ["{\"b\":{\"c\":[1,2", "{\"x\":1,\"x\":2}", "{\"x\":{\"y\":1e999}}"] {
        let mut writer = builder.begin("context", None);
        assert!(Reader::new(bad.as_bytes()).unwrap().value_into(&mut writer).is_err());
    }
    let mut second = builder.begin("context", None);
    Reader::new(b"{\"a\":2}").unwrap().value_into(&mut second).unwrap();
    let second = second.finish().unwrap();
    assert_eq!(
        (print(builder.tree(first)), print(builder.tree(second))),
        ("{\"a\":1}".into(), "{\"a\":2}".into())
    );
}

#[test]
fn a_producer_that_goes_wrong_is_told() {
    let misuse: &[fn(&mut TreeWriter<'_>) -> Result<()>] = &[
        |writer| writer.key("a"),
        |writer| writer.null().and_then(|()| writer.null()),
        |writer| writer.begin_object().and_then(|()| writer.null()),
        |writer| writer.begin_object().and_then(|()| writer.end_list()),
        |writer| writer.begin_list().and_then(|()| writer.key("a")),
        |writer| writer.end_object(),
        |writer| {
            writer.begin_object()?;
            writer.key("a")?;
            writer.end_object()
        },
        |writer| {
            writer.begin_object()?;
            writer.key("a")?;
            writer.key("b")
        },
    ];
    for wrong in misuse {
        let mut builder = TreeBuilder::new(&wide());
        assert!(wrong(&mut builder.begin("properties", None)).is_err());
    }
    let mut builder = TreeBuilder::new(&wide());
    assert!(builder.begin("properties", None).finish().is_err());
    let mut open = builder.begin("properties", None);
    open.begin_list().unwrap();
    assert!(open.finish().is_err());
}

#[test]
fn values_and_trees_say_the_same() {
    property(500, &json(), |json| {
        let tree = build(&json.to_string());
        let value = ValueRef::new(&tree).to_value();
        prop_assert_eq!(value.to_string(), print(&tree));
        let mut builder = TreeBuilder::new(&wide());
        let mut writer = builder.begin("properties", None);
        value.push(&mut writer).unwrap();
        let pushed = writer.finish().unwrap();
        prop_assert_eq!(builder.tree(pushed), &tree[..]);
        prop_assert_eq!(Value::from_json(json.to_string().as_bytes(), &wide()).unwrap(), value);
        Ok(())
    });
}
