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

/// The byte of a line that a bit is in, and the bit in it.
#[inline]
fn byte_of(bit: u64) -> (usize, u8) {
    (usize::try_from(bit / 8).unwrap_or(usize::MAX), 1 << (bit % 8))
}

/// Enters a hash into its line.
pub(super) fn insert(line: &mut Line, hash: u64) {
    for (byte, bit) in bits_of(hash).map(byte_of) {
        if let Some(cell) = line.get_mut(byte) {
            *cell |= bit;
        }
    }
}

/// Whether a hash may have been entered into this line, which is its own.
///
/// All bits are looked at, found or not: nearly every answer is the same then and is foreseen, and the processor asks
/// for the lines of several runs at a time.
#[inline]
pub(super) fn may_hold(line: &Line, hash: u64) -> bool {
    let missing = |(byte, bit): (usize, u8)| !line.get(byte).copied().unwrap_or(0) & bit;
    bits_of(hash).map(byte_of).fold(0, |missed, probe| missed | missing(probe)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

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
