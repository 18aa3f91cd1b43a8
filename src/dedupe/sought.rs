//! What is looked for.

use super::filter::Pattern;
use super::hash::MessageHash;

/// A hash with what is compared wherever it is looked for, made once for all these places.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sought {
    pub(super) hash: MessageHash,
    pub(super) pattern: Pattern,
}

impl Sought {
    #[inline]
    pub(crate) fn of(hash: MessageHash) -> Self {
        Self { hash, pattern: Pattern::of(hash.get()) }
    }
}
