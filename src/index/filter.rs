//! A filter that knows most ids that are not in a segment: a Bloom filter of one cache line an id.

/// Bytes of a block.
pub(super) const LINE: usize = 64;
/// Bits of the filter for each id.
const BITS_PER_ID: usize = 10;
/// Bits that an id sets, each chosen by nine bits of a word.
const PROBES: u32 = 7;
const PROBE_BITS: u32 = 9;

const _: () = assert!(1 << PROBE_BITS == LINE * 8 && PROBES * PROBE_BITS <= 64);

/// Bytes of a filter for `ids` ids.
pub(super) const fn len(ids: usize) -> usize {
    (ids * BITS_PER_ID).div_ceil(LINE * 8) * LINE
}

/// Where the block of a hash begins in a filter of `len` bytes.
#[inline]
pub(super) fn line_of(hash: u64, len: usize) -> usize {
    let lines = (len / LINE) as u64;
    let line = ((hash >> 32) * lines) >> 32;
    usize::try_from(line).unwrap_or(usize::MAX).saturating_mul(LINE)
}

/// The bits of a hash in its block.
#[inline]
fn bits_of(hash: u64) -> impl Iterator<Item = (usize, u8)> {
    // The multiplier is 2^64 divided by the golden ratio; it spreads the lower half of the hash over the word.
    let word = hash.rotate_left(32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (0..PROBES).map(move |probe| {
        let bit = (word >> (1 + probe * PROBE_BITS)) & ((1 << PROBE_BITS) - 1);
        let byte = usize::try_from(bit / 8).unwrap_or(usize::MAX);
        (byte, 1 << (bit % 8))
    })
}

/// Enters a hash into a filter of [`len`] bytes.
pub(super) fn insert(filter: &mut [u8], hash: u64) {
    let line = line_of(hash, filter.len());
    for (byte, bit) in bits_of(hash) {
        if let Some(cell) = filter.get_mut(line + byte) {
            *cell |= bit;
        }
    }
}

/// Whether a hash may be in the filter, from its block.
#[inline]
pub(super) fn may_hold(line: &[u8; LINE], hash: u64) -> bool {
    bits_of(hash).all(|(byte, bit)| line.get(byte).is_some_and(|cell| cell & bit != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(n: u64) -> u64 {
        let mixed = (n ^ (n >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) ^ (mixed >> 31)
    }

    fn holds(filter: &[u8], hash: u64) -> bool {
        let line = line_of(hash, filter.len());
        may_hold(filter[line..line + LINE].try_into().unwrap(), hash)
    }

    #[test]
    fn every_id_is_found_and_few_others_are() {
        let mut filter = vec![0; len(20_000)];
        for n in 1..=20_000 {
            insert(&mut filter, spread(n));
        }
        assert!((1..=20_000).all(|n| holds(&filter, spread(n))));
        let wrong = (20_001..=120_000).filter(|n| holds(&filter, spread(*n))).count();
        assert!(wrong < 2_500, "{wrong} of 100,000 ids were taken for known ones");
        assert!(wrong > 100, "a filter of this size cannot be that good");
    }
}
