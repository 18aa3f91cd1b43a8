//! A filter that knows most hashes that are not in a run: a Bloom filter of one cache line a hash.
//!
//! Hashes in rising order fall into lines in rising order, so that a run is written with its filter in one pass and no
//! memory.

/// Bytes of a line.
pub(super) const LINE: usize = 64;
/// Bits of the filter for each hash.
const BITS_PER_HASH: u64 = 14;
/// Bits that a hash sets, each chosen by nine bits of a word.
const PROBES: u32 = 7;
const PROBE_BITS: u32 = 9;

const _: () = assert!(1 << PROBE_BITS == LINE * 8 && PROBES * PROBE_BITS <= 64);

/// A line's bytes.
pub(super) type Line = [u8; LINE];

/// Lines of a filter for so many hashes.
pub(super) const fn lines(hashes: u64) -> u64 {
    hashes.saturating_mul(BITS_PER_HASH).div_ceil(LINE as u64 * 8)
}

/// The line of a hash among so many; the upper half of the hash as a fraction.
#[inline]
pub(super) fn line_of(hash: u64, lines: u64) -> u64 {
    let product = u128::from(hash) * u128::from(lines);
    u64::try_from(product >> 64).unwrap_or(0)
}

/// The bits of a hash in its line.
#[inline]
pub(super) fn bits_of(hash: u64) -> impl Iterator<Item = u64> {
    // The multiplier is 2^64 divided by the golden ratio; it spreads the lower half of the hash over the word.
    let word = hash.rotate_left(32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (0..PROBES).map(move |probe| (word >> (1 + probe * PROBE_BITS)) & ((1 << PROBE_BITS) - 1))
}

/// Enters a hash into its line.
pub(super) fn insert(line: &mut Line, hash: u64) {
    for bit in bits_of(hash) {
        if let Some(cell) = usize::try_from(bit / 8).ok().and_then(|byte| line.get_mut(byte)) {
            *cell |= 1 << (bit % 8);
        }
    }
}

/// The bits of a hash as a line of its own, to be compared with the lines of several filters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pattern([u64; LINE / 8]);

impl Pattern {
    #[inline]
    pub(super) fn of(hash: u64) -> Self {
        let mut words = [0; LINE / 8];
        for bit in bits_of(hash) {
            if let Some(word) = usize::try_from(bit / 64).ok().and_then(|word| words.get_mut(word)) {
                *word |= 1 << (bit % 64);
            }
        }
        Self(words)
    }

    /// Whether the hash may have been entered into a line, its own, of which these are the words.
    ///
    /// All are looked at, found or not: nearly every answer is the same then and is foreseen, and the processor asks for
    /// the lines of several filters at a time.
    #[inline]
    pub(super) fn may_be_in(&self, words: impl Iterator<Item = u64>) -> bool {
        self.0.iter().zip(words).fold(0, |missed, (bits, word)| missed | (bits & !word)) == 0
    }
}

/// The words of a line as it stands in a file.
#[inline]
pub(super) fn words(line: &Line) -> impl Iterator<Item = u64> {
    line.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may_hold(line: &Line, hash: u64) -> bool {
        Pattern::of(hash).may_be_in(words(line))
    }

    fn spread(n: u64) -> u64 {
        let mixed = (n ^ (n >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) ^ (mixed >> 31)
    }

    #[test]
    fn every_hash_is_found_few_others_are_and_lines_rise_with_hashes() {
        let mut filter = vec![[0; LINE]; usize::try_from(lines(20_000)).unwrap()];
        let count = filter.len() as u64;
        let at = |hash| usize::try_from(line_of(hash, count)).unwrap();
        let mut hashes: Vec<u64> = (1..=20_000).map(spread).collect();
        hashes.sort_unstable();
        assert!(hashes.is_sorted_by_key(|hash| at(*hash)));
        for hash in &hashes {
            insert(&mut filter[at(*hash)], *hash);
        }
        assert!(hashes.iter().all(|hash| may_hold(&filter[at(*hash)], *hash)));
        let wrong = (20_001..=120_000).map(spread).filter(|hash| may_hold(&filter[at(*hash)], *hash)).count();
        assert!(wrong < 500, "{wrong} of 100,000 hashes were taken for known ones");
        assert!(wrong > 50, "a filter of this size cannot be that good");
    }
}
