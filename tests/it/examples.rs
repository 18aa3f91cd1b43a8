//! The examples do what they say.

#[expect(dead_code, reason = "the tests call what its main calls")]
#[path = "../../examples/axum_ingest.rs"]
mod axum_ingest;
#[expect(dead_code, reason = "the tests call what its main calls")]
#[path = "../../examples/typed_events.rs"]
mod typed_events;

mod http;
mod typed;

use std::process::Command;

/// The example's output; cargo has built it with this test, and builds it where only this test was asked for.
fn output_of(example: &str) -> String {
    let features = if cfg!(feature = "cli") { "cli,testing" } else { "testing" };
    let output = Command::new(env!("CARGO"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["run", "--quiet", "--offline", "--profile", "test", "--features", features])
        .args(["--example", example])
        .output()
        .unwrap();
    assert!(output.status.success(), "{example}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn assert_says(example: &str, parts: &[&str]) {
    let said = output_of(example);
    for part in parts {
        assert!(said.contains(part), "{example} does not say {part:?}:\n{said}");
    }
}

#[test]
fn quickstart_counts_and_shows_a_timeline_and_a_profile() {
    let said = ["2 orders of 2 users, 6100 cents", "product.viewed (analytics)", "\"plan\":\"pro\""];
    assert_says("quickstart", &said);
}

#[test]
fn messaging_template_sends_each_text_once() {
    let said = [
        "to u_1: Hello Ada, your team plan renews soon. somebody says hi.",
        "to u_2: Hello Grace, your pro plan renews soon. the cat says hi.",
        "run 1: 2 messages",
        "run 2: 0 messages",
    ];
    assert_says("messaging_template", &said);
}

#[test]
fn support_timeline_shows_two_pages_and_what_went_wrong() {
    let said = ["customer since 20", "page 1, newest first", "page 2, newest first", "payment.failed"];
    assert_says("support_timeline", &said);
}

#[test]
fn typed_events_come_back_typed() {
    assert_says("typed_events", &["u_1: CatalogueOpened", "does not fit: event ", "4200 cents in euros"]);
}
