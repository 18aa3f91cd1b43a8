//! Tests of the rules; each file below has one theme.

mod identifying;
mod privacy;
mod refusals;
mod round_trips;
mod taking;

use super::*;
use crate::envelope::address::{IpHashing, KeyId};

const ORG: &str = "5b8f1f4f-7b8e-4e9d-9d9b-3f6a2c1d0e4f";
const PROJECT: &str = "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d";
/// 2024-03-14T00:00:00Z.
const NOW: Nanos = Nanos::new(1_710_374_400_000_000_000);

fn secret() -> Vec<u8> {
    (0..32).collect()
}

fn hasher() -> AddressHasher {
    AddressHasher::new(&secret(), &[], IpHashing::Keyed, false)
}

fn acceptor() -> Acceptor {
    Acceptor::new(Limits::default(), hasher())
}

/// A line of JSON with the required fields and `more`, which begins with a comma or is empty.
fn line(more: &str) -> String {
    typed_line("order.placed", more)
}

fn typed_line(event_type: &str, more: &str) -> String {
    format!(
        r#"{{"orgId":"{ORG}","projectId":"{PROJECT}","module":"analytics","eventType":"{event_type}","timestamp":"2024-03-13T10:21:14Z"{more}}}"#
    )
}

fn accept_line(line: &str) -> Result<Accepted> {
    let acceptor = acceptor();
    acceptor.accept_json(line.as_bytes(), NOW, &mut acceptor.scratch())
}

fn accept_envelope(envelope: &Envelope) -> Result<Accepted> {
    let acceptor = acceptor();
    acceptor.accept(envelope, NOW, &mut acceptor.scratch())
}

fn envelope() -> Envelope {
    Envelope::new(ORG.parse().unwrap(), PROJECT.parse().unwrap(), "analytics", "order.placed")
}

fn json_of(value: Option<ValueRef<'_>>) -> String {
    let mut out = Vec::new();
    value.unwrap().write_json(&mut out);
    String::from_utf8(out).unwrap()
}
