//! Which keys hold addresses.

/// What a key of an object says about the value below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyClass {
    /// Nothing is known of it.
    Plain,
    /// It holds an address, which is stored as a token under the key with `Hash` appended.
    Address,
    /// It is an address key with `Hash` appended and holds tokens.
    Token,
}

/// The longest known key, `cfConnectingIpHash`, without separators.
const KEY_BYTES_MAX: usize = 18;

/// Tells whether a key is known to hold an address; letter case, `_`, `-` and `$` are ignored.
pub(crate) fn classify_key(key: &str) -> KeyClass {
    classify_key_bytes(key.as_bytes())
}

/// As [`classify_key`].
#[inline]
pub(crate) fn classify_key_bytes(bytes: &[u8]) -> KeyClass {
    // The first and the last two bytes decide nearly every ordinary key.
    let (Some(first), Some(&[before, last])) = (bytes.first(), bytes.last_chunk()) else {
        return KeyClass::Plain;
    };
    if !(BEGINS[usize::from(*first)] && ENDS[usize::from(last)] && is_end(before, last)) {
        return KeyClass::Plain;
    }
    let mut folded = [0_u8; KEY_BYTES_MAX];
    let mut count = 0;
    for byte in bytes {
        if matches!(byte, b'_' | b'-' | b'$') {
            continue;
        }
        let Some(place) = folded.get_mut(count) else { return KeyClass::Plain };
        *place = byte.to_ascii_lowercase();
        count += 1;
    }
    let folded = folded.get(..count).unwrap_or_default();
    match folded.strip_suffix(b"hash") {
        Some(stem) if is_address_key(stem) => KeyClass::Token,
        None if is_address_key(folded) => KeyClass::Address,
        _ => KeyClass::Plain,
    }
}

/// The bytes that an address key may begin with.
const BEGINS: [bool; 256] = any_of(b"icusrhxftICUSRHXFT_-$");
/// The bytes that an address key, or one with `Hash` behind it, may end with.
const ENDS: [bool; 256] = any_of(b"ps46rdhPSRDH_-$");

const fn any_of(bytes: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut at = 0;
    while at < bytes.len() {
        table[bytes[at] as usize] = true;
        at += 1;
    }
    table
}

/// The ends of ip, ipAddress, ipv4, ipv6, remoteAddr, x-forwarded-for, forwarded and Hash.
const PAIRS: [[u8; 2]; 8] = [*b"ip", *b"ss", *b"v4", *b"v6", *b"dr", *b"or", *b"ed", *b"sh"];

/// Tells whether an address key, or one with `Hash` behind it, may end with these two bytes.
fn is_end(before: u8, last: u8) -> bool {
    let is_separator = |byte| matches!(byte, b'_' | b'-' | b'$');
    let pair = [before.to_ascii_lowercase(), last.to_ascii_lowercase()];
    is_separator(before) || is_separator(last) || PAIRS.contains(&pair)
}

fn is_address_key(folded: &[u8]) -> bool {
    matches!(
        folded,
        b"ip"
            | b"ipaddress"
            | b"ipv4"
            | b"ipv6"
            | b"clientip"
            | b"userip"
            | b"sourceip"
            | b"requestip"
            | b"remoteaddr"
            | b"remoteaddress"
            | b"remoteip"
            | b"hostip"
            | b"xforwardedfor"
            | b"xrealip"
            | b"forwarded"
            | b"cfconnectingip"
            | b"trueclientip"
    )
}
