//! Addresses become tokens: which keys hold them, how they are read, and what is stored instead.
//!
//! The stored form is the token `iph1:<key id>:<32 hex>`, 46 bytes. With [`IpHashing::Keyed`] the hex digits are
//! the first 16 bytes of `HMAC-SHA-256(project key, family | octets)`, where the project key is
//! `HMAC-SHA-256(secret, "ip" | project id)`, the family is one byte (4, 6, or 0 for text that is no address) and
//! the key id is the first 4 bytes of `HMAC-SHA-256(secret, "id")` in hex.

mod find;
mod key;
mod parse;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::HashMap;
use hmac::{Hmac, KeyInit, Mac};
use parking_lot::RwLock;
use sha2::{Digest, Sha256};
use uuid::Uuid;

pub(crate) use key::{KeyClass, classify_key, classify_key_bytes};

/// How an address is hashed before it is stored.
///
/// What is stored in place of an address is a token of 46 bytes, `iph1:<key id>:<32 hex digits>`. HMAC is that of RFC
/// 2104, SHA-256 that of FIPS 180-4.
///
/// # Examples
///
/// ```
/// use envelog::{IpHashing, Options, Uuid};
///
/// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
/// let token = |hashing| {
///     let store = Options::new().ip_hashing(hashing).open_in_memory()?;
///     let shop = store.scope(org, project, "billing");
///     let ack = shop.track("order.placed").context("ip", "203.0.113.7").append()?;
///     let event = store.project(project).get(ack.position)?.expect("appended above");
///     // The key says what the value is now.
///     Ok::<_, envelog::Error>(event.context().unwrap().get("ipHash").unwrap().as_str().unwrap().to_owned())
/// };
/// // The key is random here, so that another store has another token.
/// assert_ne!(token(IpHashing::Keyed)?, token(IpHashing::Keyed)?);
/// assert_eq!(token(IpHashing::Keyed)?.len(), 46);
/// // The same in every store.
/// assert_eq!(token(IpHashing::PlainSha256)?, token(IpHashing::PlainSha256)?);
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum IpHashing {
    /// HMAC-SHA-256 with a key of the project's own, cut to 16 bytes. The hash cannot be undone without the
    /// store's secret, and one address has unrelated hashes in two projects.
    #[default]
    Keyed,
    /// SHA-256 of the address in its canonical text form (IPv6 as in RFC 5952), cut to 16 bytes, for literal
    /// compatibility with systems that hash so. It hides nothing from whoever tries: all IPv4 addresses are hashed in
    /// minutes.
    PlainSha256,
}

/// The name of a hashing key inside a token: eight characters that say nothing about the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct KeyId([u8; KEY_ID_BYTES]);

impl KeyId {
    /// Stands where [`IpHashing::PlainSha256`] made the token. Never equal to a keyed id, which is hex.
    pub(crate) const PLAIN: Self = Self(*b"unsalted");

    /// The id of a secret.
    pub(crate) fn of_secret(secret: &[u8]) -> Self {
        let mut id = [0; KEY_ID_BYTES];
        let mac = keyed(secret).chain_update(b"id").finalize().into_bytes();
        write_hex(&mac, &mut id);
        Self(id)
    }

    /// Reads an id as [`KeyId::as_str`] gives it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let id = Self(text.as_bytes().try_into().ok()?);
        (id == Self::PLAIN || id.0.iter().all(|byte| is_hex(*byte))).then_some(id)
    }

    /// The eight characters.
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

const TOKEN_PREFIX: &[u8] = b"iph1:";
const KEY_ID_BYTES: usize = 8;
const HASH_BYTES: usize = 16;
const KEY_ID_AT: usize = TOKEN_PREFIX.len();
const HEX_AT: usize = KEY_ID_AT + KEY_ID_BYTES + 1;
/// Bytes of a token.
pub(crate) const TOKEN_BYTES: usize = HEX_AT + 2 * HASH_BYTES;
const _: () = assert!(TOKEN_BYTES == 46);

/// The key id of a well-formed token that stands at the start of `text`; more may follow.
fn token_key_id(text: &[u8]) -> Option<KeyId> {
    let token = text.get(..TOKEN_BYTES)?;
    let id = token.strip_prefix(TOKEN_PREFIX)?.get(..KEY_ID_BYTES)?;
    let hex = token.get(HEX_AT..)?;
    let well_formed = token.get(HEX_AT - 1) == Some(&b':') && hex.iter().all(|byte| is_hex(*byte));
    if well_formed { KeyId::parse(std::str::from_utf8(id).ok()?) } else { None }
}

/// The key id of a text that is nothing but a well-formed token.
fn whole_token(text: &str) -> Option<KeyId> {
    if text.len() == TOKEN_BYTES { token_key_id(text.as_bytes()) } else { None }
}

/// Where the first token at or after `from` begins, whatever its key; it is [`TOKEN_BYTES`] long.
pub(crate) fn find_token(text: &str, from: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = from;
    loop {
        at += bytes.get(at..)?.iter().position(|byte| *byte == b'i')?;
        if token_key_id(bytes.get(at..)?).is_some() {
            return Some(at);
        }
        at += 1;
    }
}

fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// Writes as many hex digits of `bytes` as `out` has room for.
fn write_hex(bytes: &[u8], out: &mut [u8]) {
    let (fours, _) = bytes.as_chunks::<4>();
    let (eights, _) = out.as_chunks_mut::<8>();
    for (digits, four) in eights.iter_mut().zip(fours) {
        *digits = hex_digits(*four);
    }
}

/// The eight hex digits of four bytes, all at once.
fn hex_digits(bytes: [u8; 4]) -> [u8; 8] {
    const ONES: u64 = 0x0101_0101_0101_0101;
    // Each byte into two places, then one nibble into each: the high one first.
    let bytes = u64::from(u32::from_le_bytes(bytes));
    let pairs = (bytes | bytes << 16) & 0x0000_ffff_0000_ffff;
    let places = (pairs | pairs << 8) & 0x00ff_00ff_00ff_00ff;
    let nibbles = (places >> 4 | places << 8) & (ONES * 0x0f);
    // Nibbles above nine reach 0x10 with six added, and are letters then.
    let letters = (nibbles + ONES * 6) >> 4 & ONES;
    (nibbles + ONES * u64::from(b'0') + letters * u64::from(b'a' - b'0' - 10)).to_le_bytes()
}

/// HMAC-SHA-256 under a key of any length.
fn keyed(key: &[u8]) -> Hmac<Sha256> {
    // A key is padded to one block, a longer one hashed first (RFC 2104, section 2).
    let mut block = [0_u8; 64];
    if key.len() > block.len() {
        for (place, byte) in block.iter_mut().zip(Sha256::digest(key)) {
            *place = byte;
        }
    } else {
        for (place, byte) in block.iter_mut().zip(key) {
            *place = *byte;
        }
    }
    Hmac::new(&block.into())
}

/// Turns the addresses of every project into tokens. Shared by all writers of a store.
pub(crate) struct AddressHasher {
    secret: Box<[u8]>,
    rules: Arc<Rules>,
    projects: RwLock<HashMap<Uuid, ProjectHasher>>,
}

/// What holds for all projects.
struct Rules {
    mode: IpHashing,
    scrub_text: bool,
    /// Key id of the tokens that are made.
    current: KeyId,
    /// Key ids whose tokens are kept, the current one apart.
    known: Vec<KeyId>,
}

/// Projects whose keys are kept ready; more than a store has, unless someone makes up project ids.
const PROJECTS_CACHED_MAX: usize = 4096;

impl AddressHasher {
    /// A hasher with the present secret. `retired` names the keys whose tokens are still to be kept as they are;
    /// their secrets are not needed.
    pub(crate) fn new(secret: &[u8], retired: &[KeyId], mode: IpHashing, scrub_text: bool) -> Self {
        let own = KeyId::of_secret(secret);
        let current = match mode {
            IpHashing::Keyed => own,
            IpHashing::PlainSha256 => KeyId::PLAIN,
        };
        let mut known = retired.to_vec();
        known.push(own);
        known.retain(|id| *id != current);
        known.sort_unstable();
        known.dedup();
        Self {
            secret: secret.into(),
            rules: Arc::new(Rules { mode, scrub_text, current, known }),
            projects: RwLock::new(HashMap::new()),
        }
    }

    /// The key id of the tokens that this hasher makes.
    pub(crate) fn key_id(&self) -> KeyId {
        self.rules.current
    }

    /// The hasher of one project; made once and cloned from then on.
    pub(crate) fn for_project(&self, project: Uuid) -> ProjectHasher {
        if let Some(hasher) = self.projects.read().get(&project) {
            return hasher.clone();
        }
        let key = keyed(&self.secret).chain_update(b"ip").chain_update(project.as_bytes()).finalize();
        let mac = keyed(&key.into_bytes());
        let hasher = ProjectHasher { state: Arc::new(ProjectState { rules: Arc::clone(&self.rules), mac }) };
        let mut projects = self.projects.write();
        if projects.len() >= PROJECTS_CACHED_MAX {
            projects.clear();
        }
        projects.insert(project, hasher.clone());
        hasher
    }
}

impl fmt::Debug for AddressHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AddressHasher").field("mode", &self.rules.mode).finish_non_exhaustive()
    }
}

/// Turns the addresses of one project into tokens. Cheap to clone.
#[derive(Clone)]
pub(crate) struct ProjectHasher {
    state: Arc<ProjectState>,
}

struct ProjectState {
    rules: Arc<Rules>,
    /// HMAC under the project's key, before the first byte.
    mac: Hmac<Sha256>,
}

impl ProjectHasher {
    /// Replaces what `out` holds by the text that is stored for `text` below an address key.
    ///
    /// A comma list goes element by element and comes out joined by `, `. An element is trimmed; an empty one and
    /// the token of a known or retired key stay, anything else is hashed, text that is no address as bytes. Tells
    /// whether that was done to a token, of a key that is not known here.
    pub(crate) fn token_text(&self, text: &str, out: &mut String) -> bool {
        out.clear();
        let mut is_foreign = false;
        for (index, element) in text.split(',').enumerate() {
            if index > 0 {
                out.push_str(", ");
            }
            let element = element.trim();
            if element.is_empty() {
                continue;
            }
            match whole_token(element) {
                Some(id) if self.knows(id) => {
                    out.push_str(element);
                    continue;
                }
                Some(_) => is_foreign = true,
                None => {}
            }
            self.push_token(parse::address(element), element, out);
        }
        is_foreign
    }

    /// Tells whether the host asked for addresses inside other text to be found.
    #[inline]
    pub(crate) fn scrubs_text(&self) -> bool {
        self.state.rules.scrub_text
    }

    /// Replaces what `out` holds by `text` with every address inside it turned into a token, where the host asked
    /// for that; `false` where there is nothing to replace, and `out` then holds nothing of use.
    ///
    /// Four dotted numbers up to 255 are an address here, also where they are meant as a version.
    pub(crate) fn scrub_text(&self, text: &str, out: &mut String) -> bool {
        if !self.state.rules.scrub_text {
            return false;
        }
        out.clear();
        let mut kept = 0;
        while let Some(found) = find::next_address(text, kept) {
            out.push_str(text.get(kept..found.start).unwrap_or_default());
            self.push_token(Some(found.address), "", out);
            kept = found.end;
        }
        out.push_str(text.get(kept..).unwrap_or_default());
        kept > 0
    }

    /// Tells whether tokens of a key are kept here.
    fn knows(&self, id: KeyId) -> bool {
        let rules = &self.state.rules;
        id == rules.current || rules.known.contains(&id)
    }

    /// Appends the token of an address, or of `text` where that is none.
    fn push_token(&self, address: Option<IpAddr>, text: &str, out: &mut String) {
        let rules = &self.state.rules;
        let mut token = [b':'; TOKEN_BYTES];
        let (head, hex) = token.split_at_mut(HEX_AT);
        for (place, byte) in head.iter_mut().zip(TOKEN_PREFIX.iter().chain(&rules.current.0)) {
            *place = *byte;
        }
        match rules.mode {
            IpHashing::Keyed => write_hex(&self.keyed_hash(address, text), hex),
            IpHashing::PlainSha256 => write_hex(&plain_hash(address, text), hex),
        }
        out.push_str(std::str::from_utf8(&token).unwrap_or_default());
    }

    fn keyed_hash(&self, address: Option<IpAddr>, text: &str) -> [u8; 32] {
        let mut mac = self.state.mac.clone();
        match address {
            Some(IpAddr::V4(v4)) => {
                let [a, b, c, d] = v4.octets();
                mac.update(&[4, a, b, c, d]);
            }
            Some(IpAddr::V6(v6)) => {
                mac.update(&[6]);
                mac.update(&v6.octets());
            }
            None => {
                mac.update(&[0]);
                mac.update(text.as_bytes());
            }
        }
        mac.finalize().into_bytes().into()
    }
}

fn plain_hash(address: Option<IpAddr>, text: &str) -> [u8; 32] {
    match address {
        Some(address) => Sha256::digest(address.to_string()).into(),
        None => Sha256::digest(text).into(),
    }
}

impl fmt::Debug for ProjectHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProjectHasher").field("mode", &self.state.rules.mode).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
