//! Reads an address as headers and SDKs write it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The address that `text` is, without brackets, port and zone; an IPv4 address mapped into IPv6 is the IPv4 one.
pub(super) fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    if let Some(rest) = text.strip_prefix('[') {
        let (host, after) = rest.split_once(']')?;
        if !after.is_empty() && !after.strip_prefix(':').is_some_and(is_port) {
            return None;
        }
        return bare(host);
    }
    if let Some((host, port)) = text.split_once(':')
        && is_port(port)
        && let Ok(v4) = host.parse::<Ipv4Addr>()
    {
        return Some(IpAddr::V4(v4));
    }
    bare(text)
}

/// An address without brackets and port; it may have a zone.
fn bare(text: &str) -> Option<IpAddr> {
    if let Ok(v4) = text.parse::<Ipv4Addr>() {
        return Some(IpAddr::V4(v4));
    }
    let host = text.split_once('%').map_or(text, |(host, _zone)| host);
    host.parse::<Ipv6Addr>().ok().map(canonical)
}

pub(super) fn canonical(v6: Ipv6Addr) -> IpAddr {
    v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4)
}

fn is_port(text: &str) -> bool {
    matches!(text.len(), 1..=5) && text.bytes().all(|byte| byte.is_ascii_digit())
}
