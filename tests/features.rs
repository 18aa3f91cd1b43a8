//! Says that most tests need features, where they were not asked for.

#[test]
#[cfg_attr(
    not(all(feature = "cli", feature = "testing")),
    ignore = "most tests are left out; run `cargo test --all-features`"
)]
fn every_test_is_built() {}
