//! Reads an address as headers and SDKs write it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The address that `text` is, without brackets, port and zone; an IPv4 address mapped into IPv6 is the IPv4 one.
pub(super) fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    if let Some(v4) = dotted(text.as_bytes()) {
        return Some(IpAddr::V4(v4));
    }
    if let Some(rest) = text.strip_prefix('[') {
        let (host, after) = rest.split_once(']')?;
        if !after.is_empty() && !after.strip_prefix(':').is_some_and(is_port) {
            return None;
        }
        return bare(host);
    }
    if let Some((host, port)) = text.split_once(':')
        && is_port(port)
        && let Some(v4) = dotted(host.as_bytes())
    {
        return Some(IpAddr::V4(v4));
    }
    bare(text)
}

/// An address without brackets and port; it may have a zone.
fn bare(text: &str) -> Option<IpAddr> {
    if let Some(v4) = dotted(text.as_bytes()) {
        return Some(IpAddr::V4(v4));
    }
    let host = text.split_once('%').map_or(text, |(host, _zone)| host);
    host.parse::<Ipv6Addr>().ok().map(canonical)
}

/// Four decimal numbers up to 255 with dots between, none with a zero before it: what the standard library takes.
fn dotted(text: &[u8]) -> Option<Ipv4Addr> {
    const LONGEST: usize = "255.255.255.255".len();
    if text.len() > LONGEST {
        return None;
    }
    let (mut octets, mut dots) = ([0_u8; 4], 0);
    // The digits of the octet so far, and their value.
    let (mut digits, mut value) = (0, 0_u32);
    for &byte in text {
        if byte == b'.' {
            *octets.get_mut(dots)? = octet(digits, value)?;
            dots += 1;
            (digits, value) = (0, 0);
        } else {
            let digit = u32::from(byte.wrapping_sub(b'0'));
            if digit > 9 || digits > 2 || (digits > 0 && value == 0) {
                return None;
            }
            value = value * 10 + digit;
            digits += 1;
        }
    }
    *octets.get_mut(dots)? = octet(digits, value)?;
    (dots == 3).then(|| Ipv4Addr::from_octets(octets))
}

/// The octet that so many digits make.
fn octet(digits: u32, value: u32) -> Option<u8> {
    if digits > 0 { u8::try_from(value).ok() } else { None }
}

pub(super) fn canonical(v6: Ipv6Addr) -> IpAddr {
    v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4)
}

fn is_port(text: &str) -> bool {
    matches!(text.len(), 1..=5) && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dotted_numbers_are_read_as_the_standard_library_reads_them() {
        let parts = [
            "",
            "0",
            "00",
            "01",
            "1",
            "9",
            "10",
            "99",
            "100",
            "199",
            "255",
            "256",
            "999",
            "1000",
            "-1",
            "a",
            " 1",
            "25600000000",
            "99999999999",
        ];
        let agree = |text: &str| assert_eq!(dotted(text.as_bytes()), text.parse().ok(), "{text}");
        for one in parts {
            for two in parts {
                for place in 0..4 {
                    let mut octets = ["7"; 4];
                    octets[place] = one;
                    octets[(place + 1) % 4] = two;
                    agree(&octets.join("."));
                }
                agree(&format!("{one}.{two}"));
                agree(&format!("1.{one}.{two}"));
                agree(&format!("1.2.3.{one}.{two}"));
                agree(&format!("1.2.3.4{one}"));
                agree(&format!("1..{one}.{two}"));
            }
        }
    }
}
