//! Foreign forms: real calls of Segment's libraries, `CloudEvents` there and back, and the JSON Schema of the envelope.

mod checker;
mod cloudevents;
mod schema;
mod segment;
mod segment_calls;

use std::io::Read as _;

use envelog::Uuid;

use crate::real_input::reference;

const ORG: Uuid = Uuid::from_u128(0x0000_0001_0000_4000_8000_0000_0000_0001);
const PROJECT: Uuid = Uuid::from_u128(0x0000_0002_0000_4000_8000_0000_0000_0002);

/// The lines of the real calls.
fn calls() -> Option<Vec<String>> {
    let file = std::fs::File::open(reference("segment-calls.ndjson.gz")?).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    Some(text.lines().map(str::to_owned).collect())
}
