use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::envelope::value::arbitrary::{check, json, wide};
use crate::envelope::{Number, Object, Value};
use crate::limits::Limits;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Unit;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Wrapper(u16);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Shape {
    Point,
    Circle(f64),
    Line(i32, i32),
    Rect { w: u8, h: Option<u8> },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
enum Tagged {
    Empty,
    Full { name: String },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(i64),
    Text(String),
    Map(BTreeMap<String, bool>),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Everything {
    unit: (),
    unit_struct: Unit,
    wrapper: Wrapper,
    numbers: (i8, i16, i32, i64, u8, u16, u32, u64),
    floats: (f32, f64),
    text: String,
    character: char,
    option: Option<Box<Everything>>,
    shapes: Vec<Shape>,
    by_number: BTreeMap<i32, bool>,
    by_flag: BTreeMap<bool, char>,
    by_wrapper: BTreeMap<u8, Shape>,
    tagged: Vec<Tagged>,
    untagged: Vec<Untagged>,
    #[serde(flatten)]
    rest: HashMap<String, Vec<u8>>,
}

fn everything() -> Everything {
    let inner = Everything {
        unit: (),
        unit_struct: Unit,
        wrapper: Wrapper(9),
        numbers: (i8::MIN, i16::MIN, i32::MIN, i64::MIN, u8::MAX, u16::MAX, u32::MAX, u64::MAX),
        floats: (0.1, 253.79),
        text: "é\"\n".into(),
        character: '😀',
        option: None,
        shapes: vec![Shape::Point, Shape::Circle(1.0), Shape::Line(-1, 2), Shape::Rect { w: 1, h: None }],
        by_number: [(-5, true), (70, false)].into(),
        by_flag: [(true, 't')].into(),
        by_wrapper: [(3, Shape::Point)].into(),
        tagged: vec![Tagged::Empty, Tagged::Full { name: "n".into() }],
        untagged: vec![
            Untagged::Number(-3),
            Untagged::Text("t".into()),
            Untagged::Map([("k".into(), true)].into()),
        ],
        rest: [("extra".to_owned(), vec![0, 255])].into(),
    };
    Everything { option: Some(Box::new(inner.clone())), ..inner }
}

/// The value by way of `serde_json`'s text, which is what a host would have sent.
fn through_text(value: &impl Serialize) -> Value {
    let text = serde_json::to_vec(value).unwrap();
    Value::from_json(&text, &wide()).unwrap()
}

#[test]
fn host_types_become_what_serde_json_makes_of_them() {
    let everything = everything();
    let value = Value::from_serialize(&everything).unwrap();
    assert_eq!(value, through_text(&everything));
    assert_eq!(value.deserialize::<Everything>().unwrap(), everything);
    assert_eq!(Value::from_serialize(&value).unwrap(), value);
    assert_eq!(serde_json::from_str::<Value>(&value.to_string()).unwrap(), value);
}

#[test]
fn trees_deserialize_as_values_do() {
    let everything = everything();
    let limits = Limits::default();
    let mut builder = crate::envelope::tree::TreeBuilder::new(&limits);
    let mut writer = builder.begin("properties", None);
    super::ser::serialize_into(&everything, &mut writer).unwrap();
    let span = writer.finish().unwrap();
    let value = crate::envelope::ValueRef::new(builder.tree(span));
    assert_eq!(value.deserialize::<Everything>().unwrap(), everything);
    assert_eq!(serde_json::to_string(&value).unwrap(), value.to_string());
}

#[test]
fn strings_are_borrowed() {
    #[derive(Deserialize)]
    struct Page<'a> {
        url: &'a str,
        #[serde(borrow)]
        title: Cow<'a, str>,
    }
    let value = Value::from(Object::from([("url", "u"), ("title", "t")]));
    let page: Page<'_> = value.deserialize().unwrap();
    assert_eq!((page.url, &*page.title), ("u", "t"));
    assert_eq!(page.url.as_ptr(), value.get("url").and_then(Value::as_str).unwrap().as_ptr());
}

#[test]
fn any_json_passes_both_ways() {
    check(500, &json(), |json| {
        let value = Value::from_serialize(&json).unwrap();
        prop_assert_eq!(&value, &through_text(&json));
        let back: Json = value.deserialize().unwrap();
        prop_assert_eq!(&Value::from_serialize(&back).unwrap(), &value);
        prop_assert_eq!(value.deserialize::<Value>().unwrap(), value);
        Ok(())
    });
}

#[test]
fn integers_of_128_bits_keep_their_digits() {
    for wide in [i128::MIN, -1, 0, i128::from(u64::MAX) + 1, i128::from(u64::MAX) * 1000, i128::MAX] {
        let value = Value::from_serialize(&wide).unwrap();
        assert_eq!(value.to_string().parse(), Ok(wide));
        assert_eq!(value.deserialize::<i128>().unwrap(), wide);
    }
    let value = Value::from_serialize(&u128::MAX).unwrap();
    assert_eq!(value.deserialize::<u128>().unwrap(), u128::MAX);
    assert!(value.deserialize::<i128>().is_err());
    assert_eq!(Value::from(1.5).deserialize::<Number>().unwrap(), Number::from(1.5));
}

#[test]
fn what_has_no_json_form_is_refused_by_path() {
    #[derive(Serialize)]
    struct Order {
        items: Vec<BTreeMap<&'static str, f64>>,
    }
    let order = Order { items: vec![[("price", 1.0)].into(), [("price", f64::NAN)].into()] };
    let error = Value::from_serialize(&order).unwrap_err().to_string();
    assert_eq!(error, "value.items[1].price: is not a finite number");
    let keyed: BTreeMap<&str, BTreeMap<Vec<u8>, u8>> = [("a", [(vec![1], 2)].into())].into();
    let error = Value::from_serialize(&keyed).unwrap_err().to_string();
    assert_eq!(error, "value.a: a key of an object must be a string, an integer or a boolean");
    let mut deep = Json::Null;
    for _ in 0..129 {
        deep = Json::Array(vec![deep]);
    }
    let error = Value::from_serialize(&deep).unwrap_err().to_string();
    assert!(error.ends_with("is nested deeper than 128 levels"), "{error}");
}

#[test]
fn what_does_not_fit_the_type_is_refused_by_path_and_without_its_value() {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Order {
        items: Vec<Item>,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct Item {
        sku: String,
        amount: u8,
        shape: Option<Shape>,
    }
    for (text, expected) in [
        (
            r#"{"items":[{"sku":"canary","amount":"canary"}]}"#,
            "value.items[0].amount: expected u8, found string",
        ),
        (
            r#"{"items":[{"sku":"canary","amount":777}]}"#,
            "value.items[0].amount: expected u8, found another integer",
        ),
        (r#"{"items":[{"sku":"canary"}]}"#, "value.items[0].amount: is missing"),
        (r#"{"items":[],"more":"canary"}"#, "value.more: unknown field, expected one of `items`"),
        (
            r#"{"items":[{"sku":"s","amount":1,"shape":"canary"}]}"#,
            "value.items[0].shape: unknown variant, expected one of `Point` `Circle` `Line` `Rect`",
        ),
        (
            r#"{"items":[{"sku":"s","amount":1,"shape":{"Line":[1,2,3]}}]}"#,
            "value.items[0].shape.Line: expected 2 elements, found more",
        ),
    ] {
        let value = Value::from_json(text.as_bytes(), &Limits::default()).unwrap();
        let error = value.deserialize::<Order>().unwrap_err().to_string();
        assert_eq!(error, expected);
    }
    let error = Value::from("canary").deserialize::<std::net::IpAddr>().unwrap_err().to_string();
    assert!(!error.contains("canary"), "{error}");
}

#[test]
fn a_type_that_recurses_is_stopped() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Nest(Vec<Nest>);
    let mut value = Value::List(vec![]);
    for _ in 0..1_000 {
        value = Value::List(vec![value]);
    }
    assert!(
        value.deserialize::<Nest>().unwrap_err().to_string().ends_with("is nested deeper than 128 levels")
    );
}
