//! Arbitrary JSON for tests, and a runner that prints its seed.

use std::fmt::Debug;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use serde_json::{Map, Value as Json};

use crate::limits::Limits;

/// Runs a property. The seed is printed on failure and taken from `ENVELOG_SEED` where that is set.
pub(crate) fn check<S: Strategy>(
    cases: u32,
    strategy: &S,
    property: impl Fn(S::Value) -> Result<(), TestCaseError>,
) where
    S::Value: Debug,
{
    let given = std::env::var("ENVELOG_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes).unwrap();
        u64::from_le_bytes(bytes)
    });
    let config =
        Config { cases, rng_seed: RngSeed::Fixed(seed), failure_persistence: None, ..Config::default() };
    if let Err(error) = TestRunner::new(config).run(strategy, property) {
        panic!("replay with ENVELOG_SEED={seed}: {error}");
    }
}

/// Any JSON value that `serde_json` holds: integers of 64 bits and floats.
pub(crate) fn json() -> impl Strategy<Value = Json> {
    let scalar = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        (-300_i64..300).prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        (-1_000_000_i32..1_000_000).prop_map(|cents| Json::from(f64::from(cents) / 100.0)),
        any::<f64>().prop_map(Json::from),
        text().prop_map(Json::String),
    ];
    scalar.prop_recursive(6, 200, 24, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..24).prop_map(Json::Array),
            prop::collection::vec((text(), inner), 0..40)
                .prop_map(|entries| Json::Object(entries.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Texts of all lengths that matter to the tree, with and without escapes.
pub(crate) fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "[a-z]{0,12}",
        4 => any::<String>(),
        2 => "\\PC{0,80}",
        1 => (50_usize..300).prop_map(|len| "x".repeat(len)),
    ]
}

/// Equality of JSON by value: 1 and 1.0 are one number.
///
/// `serde_json` reads floats to the last bit but one, so that much is allowed here; the tests of numbers are exact.
pub(crate) fn same(one: &Json, two: &Json) -> bool {
    match (one, two) {
        (Json::Number(one), Json::Number(two)) => {
            one == two || (one.is_f64() || two.is_f64()) && is_close(one.as_f64(), two.as_f64())
        }
        (Json::Array(one), Json::Array(two)) => {
            one.len() == two.len() && one.iter().zip(two).all(|(one, two)| same(one, two))
        }
        (Json::Object(one), Json::Object(two)) => {
            one.len() == two.len()
                && one.iter().all(|(key, value)| two.get(key).is_some_and(|other| same(value, other)))
        }
        _ => one == two,
    }
}

/// Limits that no test but those of limits meets.
pub(crate) fn wide() -> Limits {
    Limits {
        depth_max: 128,
        keys_max: 100_000,
        key_bytes_max: 100_000,
        string_bytes_max: 1 << 20,
        ..Limits::default()
    }
}

fn is_close(one: Option<f64>, two: Option<f64>) -> bool {
    let (Some(one), Some(two)) = (one, two) else { return false };
    // Adding zero takes the sign of a zero away.
    (one + 0.0).to_bits().abs_diff((two + 0.0).to_bits()) <= 2
}
