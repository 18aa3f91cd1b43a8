//! Keyed hashes of ids, which derived files hold instead of the ids.

use siphasher::sip::SipHasher24;
use std::hash::Hasher as _;

use crate::format::keys::EventKeys;

/// Longest id that is hashed in one piece.
const SHORT: usize = 111;
const PREFIX: usize = 17;

/// What an id names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(crate) enum IdKind {
    /// The `userId` of an envelope.
    User = 0,
    /// The `anonymousId` of an envelope.
    Device = 1,
}

impl IdKind {
    pub(crate) const ALL: [Self; 2] = [Self::User, Self::Device];
}

/// SipHash-2-4 of a project id, a kind and an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct IdHash(u64);

impl IdHash {
    pub(crate) const fn new(raw: u64) -> Self {
        Self(raw)
    }

    pub(crate) const fn get(self) -> u64 {
        self.0
    }
}

/// The hashes of an event's ids, for those that it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct IdHashes {
    pub(super) user: Option<IdHash>,
    pub(super) device: Option<IdHash>,
}

impl IdHashes {
    /// The hashes of the ids among `keys` under the store's key.
    pub(crate) fn of(key: &[u8; 16], keys: &EventKeys<'_>) -> Self {
        let hash = |kind, id: Option<&str>| id.map(|id| id_hash(key, &keys.project_id, kind, id));
        Self { user: hash(IdKind::User, keys.user_id), device: hash(IdKind::Device, keys.anonymous_id) }
    }
}

/// The hash of an id under the store's key: SipHash-2-4 over the project id, the kind as one byte, and the id.
pub(crate) fn id_hash(key: &[u8; 16], project_id: &[u8; 16], kind: IdKind, id: &str) -> IdHash {
    let id = id.as_bytes();
    let hasher = SipHasher24::new_with_key(key);
    let mut short = [0u8; PREFIX + SHORT];
    let len = PREFIX + id.len();
    // One piece is faster than three; the hash is the same.
    if let Some((prefix, text)) =
        short.get_mut(..len).and_then(|short| short.split_first_chunk_mut::<PREFIX>())
    {
        let (project, tail) = prefix.split_at_mut(project_id.len());
        project.copy_from_slice(project_id);
        tail.fill(kind as u8);
        text.copy_from_slice(id);
        return IdHash(hasher.hash(short.get(..len).unwrap_or(&short)));
    }
    let mut hasher = hasher;
    hasher.write(project_id);
    hasher.write(&[kind as u8]);
    hasher.write(id);
    IdHash(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

    /// SipHash-2-4 as its authors describe it, written anew.
    fn reference(key: &[u8; 16], bytes: &[u8]) -> u64 {
        fn round(v: &mut [u64; 4]) {
            v[0] = v[0].wrapping_add(v[1]);
            v[1] = v[1].rotate_left(13) ^ v[0];
            v[0] = v[0].rotate_left(32);
            v[2] = v[2].wrapping_add(v[3]);
            v[3] = v[3].rotate_left(16) ^ v[2];
            v[0] = v[0].wrapping_add(v[3]);
            v[3] = v[3].rotate_left(21) ^ v[0];
            v[2] = v[2].wrapping_add(v[1]);
            v[1] = v[1].rotate_left(17) ^ v[2];
            v[2] = v[2].rotate_left(32);
        }
        let half = |at: usize| u64::from_le_bytes(key[at..at + 8].try_into().unwrap());
        let (k0, k1) = (half(0), half(8));
        let mut v = [
            k0 ^ 0x736f_6d65_7073_6575,
            k1 ^ 0x646f_7261_6e64_6f6d,
            k0 ^ 0x6c79_6765_6e65_7261,
            k1 ^ 0x7465_6462_7974_6573,
        ];
        let mut padded = bytes.to_vec();
        padded.resize(bytes.len() / 8 * 8 + 7, 0);
        padded.push(bytes.len().to_le_bytes()[0]);
        for chunk in padded.chunks(8) {
            let word = u64::from_le_bytes(chunk.try_into().unwrap());
            v[3] ^= word;
            round(&mut v);
            round(&mut v);
            v[0] ^= word;
        }
        v[2] ^= 0xff;
        for _ in 0..4 {
            round(&mut v);
        }
        v[0] ^ v[1] ^ v[2] ^ v[3]
    }

    #[test]
    fn hashes_are_siphash_2_4_of_project_kind_and_id_at_every_length() {
        // The published vector for the bytes 0 to 14 under the key 0 to 15.
        let vector: Vec<u8> = (0..15).collect();
        assert_eq!(reference(&KEY, &vector), 0xa129_ca61_49be_45e5);
        for len in 0..300 {
            let id = "x".repeat(len);
            for kind in IdKind::ALL {
                let mut bytes = vec![7; 16];
                bytes.push(kind as u8);
                bytes.extend_from_slice(id.as_bytes());
                let hash = id_hash(&KEY, &[7; 16], kind, &id);
                assert_eq!(hash.get(), reference(&KEY, &bytes), "length {len}");
            }
        }
    }
}
