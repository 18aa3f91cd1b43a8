//! Keyed hashes of message ids.

use std::hash::Hasher as _;

use siphasher::sip::SipHasher24;

use crate::format::keys::EventKeys;

/// Longest id that is hashed in one piece.
const SHORT: usize = 111;
const PREFIX: usize = 17;
/// Stands between project and id, so that a message id never has the hash of a user id or a device id.
const KIND: u8 = 2;
/// Hashed to tell runs of one hasher from those of another.
const CHECK: &[u8] = b"envelog ids";

/// SipHash-2-4 of a project id, the byte 2 and a message id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct MessageHash(u64);

impl MessageHash {
    pub(crate) const fn new(raw: u64) -> Self {
        Self(raw)
    }

    pub(crate) const fn get(self) -> u64 {
        self.0
    }
}

/// Hashes message ids under a store's key.
#[derive(Clone, Copy)]
pub(crate) struct MessageHasher {
    key: [u8; 16],
    /// Bits of a hash that count: all of them, but in tests of collisions.
    mask: u64,
}

impl std::fmt::Debug for MessageHasher {
    /// Not the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MessageHasher").finish_non_exhaustive()
    }
}

impl MessageHasher {
    /// The hasher of the store with this key; the first `bits` of a hash count, at most 64.
    pub(crate) fn new(key: [u8; 16], bits: u32) -> Self {
        let mask = u64::MAX.checked_shl(64u32.saturating_sub(bits)).unwrap_or(0);
        Self { key, mask }
    }

    /// The hash of an id in a project.
    #[inline]
    pub(crate) fn hash(&self, project_id: &[u8; 16], message_id: &str) -> MessageHash {
        let id = message_id.as_bytes();
        let hasher = SipHasher24::new_with_key(&self.key);
        let mut short = [0u8; PREFIX + SHORT];
        let len = PREFIX + id.len();
        // One piece is faster than three; the hash is the same.
        if let Some((prefix, text)) =
            short.get_mut(..len).and_then(|short| short.split_first_chunk_mut::<PREFIX>())
        {
            let (project, tail) = prefix.split_at_mut(project_id.len());
            project.copy_from_slice(project_id);
            tail.fill(KIND);
            text.copy_from_slice(id);
            return MessageHash(hasher.hash(short.get(..len).unwrap_or(&short)) & self.mask);
        }
        let mut hasher = hasher;
        hasher.write(project_id);
        hasher.write(&[KIND]);
        hasher.write(id);
        MessageHash(hasher.finish() & self.mask)
    }

    /// The hash of an event's message id, if it has one.
    pub(crate) fn of(&self, keys: &EventKeys<'_>) -> Option<MessageHash> {
        keys.message_id.map(|id| self.hash(&keys.project_id, id))
    }

    /// Tells runs of this hasher from those of another.
    pub(crate) fn check(&self) -> u32 {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write(CHECK);
        if self.mask != u64::MAX {
            hasher.write_u64(self.mask);
        }
        let [a, b, c, d, ..] = hasher.finish().to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_depends_on_project_and_id_whatever_the_length() {
        let hasher = MessageHasher::new([3; 16], 64);
        let mut seen = std::collections::BTreeSet::new();
        for len in 1..256 {
            let id = "m".repeat(len);
            for project in [[1; 16], [2; 16]] {
                let mut bytes = project.to_vec();
                bytes.push(KIND);
                bytes.extend_from_slice(id.as_bytes());
                let whole = SipHasher24::new_with_key(&[3; 16]).hash(&bytes);
                assert_eq!(hasher.hash(&project, &id).get(), whole, "length {len}");
                assert!(seen.insert(whole));
            }
        }
    }

    #[test]
    fn a_shortened_hash_is_another_hasher() {
        let (whole, short) = (MessageHasher::new([3; 16], 64), MessageHasher::new([3; 16], 3));
        assert_ne!(whole.check(), short.check());
        assert_eq!(short.hash(&[1; 16], "m").get() << 3, 0);
        assert_eq!(MessageHasher::new([3; 16], 0).hash(&[1; 16], "m").get(), 0);
    }
}
