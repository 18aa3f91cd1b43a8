//! Finds addresses inside other text: URLs, sentences, log lines. A best effort, which errs on the side of finding.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::parse::canonical;

/// An address and the bytes of the text that it takes.
pub(super) struct Found {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) address: IpAddr,
}

/// Longest text form of an IPv6 address.
const V6_BYTES_MAX: usize = 45;

/// The first address at or after `from`.
pub(super) fn next_address(text: &str, from: usize) -> Option<Found> {
    let bytes = text.as_bytes();
    let mut at = from;
    loop {
        // A run holds nothing but characters of addresses; every address lies inside one.
        at += bytes.get(at..)?.iter().position(|byte| in_run(*byte))?;
        let run = bytes.get(at..)?;
        let end = at + run.iter().position(|byte| !in_run(*byte)).unwrap_or(run.len());
        let start = if is_percent_escape(bytes, at) { end.min(at + 2) } else { at };
        let found = match (v6_in(text, start, end), v4_in(text, start, end)) {
            (Some(v6), Some(v4)) => Some(if v4.start < v6.start { v4 } else { v6 }),
            (v6, v4) => v6.or(v4),
        };
        if found.is_some() {
            return found;
        }
        at = end;
    }
}

fn in_run(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || byte == b':' || byte == b'.'
}

/// Tells whether the two bytes at `at` are the digits of an escape such as `%20`.
fn is_percent_escape(bytes: &[u8], at: usize) -> bool {
    let digits = bytes.get(at..at.saturating_add(2)).unwrap_or_default();
    at > 0
        && bytes.get(at - 1) == Some(&b'%')
        && digits.len() == 2
        && digits.iter().all(u8::is_ascii_hexdigit)
}

/// An IPv6 address that takes a whole run, or all of it after its first colon.
fn v6_in(text: &str, start: usize, end: usize) -> Option<Found> {
    let bytes = text.as_bytes();
    let run = text.get(start..end)?;
    if run.bytes().filter(|byte| *byte == b':').count() < 2
        || bytes.get(end).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
    {
        return None;
    }
    let inside_word = start > 0
        && bytes.get(start - 1).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
        && !is_percent_escape(bytes, start.saturating_sub(2));
    let after_colon = run.find(':').map(|colon| start + colon + 1);
    let whole = (!inside_word).then_some(start);
    [whole, after_colon].into_iter().flatten().find_map(|start| {
        let run = text.get(start..end)?;
        let trimmed = run.trim_end_matches('.');
        // A colon after an address is punctuation, two of them belong to it.
        let trimmed = match trimmed.strip_suffix(':') {
            Some(cut) if !cut.ends_with(':') => cut,
            _ => trimmed,
        };
        if trimmed.len() > V6_BYTES_MAX || trimmed.bytes().filter(|byte| *byte == b':').count() < 2 {
            return None;
        }
        let v6: Ipv6Addr = trimmed.parse().ok()?;
        // `::` alone is punctuation far more often than the address of nobody.
        (!v6.is_unspecified()).then(|| Found { start, end: start + trimmed.len(), address: canonical(v6) })
    })
}

/// The first four dotted numbers of a run that no fifth follows.
fn v4_in(text: &str, start: usize, end: usize) -> Option<Found> {
    let bytes = text.as_bytes();
    let mut at = start;
    while at < end {
        let run = bytes.get(at..end)?;
        at += run.iter().position(u8::is_ascii_digit)?;
        let run = bytes.get(at..end)?;
        let stop = at + run.iter().position(|byte| !is_dotted(*byte)).unwrap_or(run.len());
        let trimmed = text.get(at..stop)?.trim_end_matches('.');
        if let Ok(v4) = trimmed.parse::<Ipv4Addr>() {
            return Some(Found { start: at, end: at + trimmed.len(), address: IpAddr::V4(v4) });
        }
        at = stop;
    }
    None
}

fn is_dotted(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b'.'
}
