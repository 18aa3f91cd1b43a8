//! A small generator of random numbers, so that a seed gives the same data on every machine and in every release.

/// `SplitMix64` (Steele, Lea, Flood 2014): one addition and one mix a number.
#[derive(Debug, Clone)]
pub(super) struct Random {
    state: u64,
}

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Scrambles `value`. The map is one to one, so different values stay different.
pub(super) const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// Scrambles the pair of `value` and `salt`; for one salt the map is one to one.
pub(super) const fn mix_with(salt: u64, value: u64) -> u64 {
    mix(value ^ mix(salt.wrapping_add(STEP)))
}

/// The entry of `list` that `hash` stands for. The list must not be empty.
pub(super) fn chosen<T: Copy>(list: &[T], hash: u64) -> T {
    list[scale(hash, list.len())]
}

/// Maps the upper half of `bits` evenly onto `0..len`.
fn scale(bits: u64, len: usize) -> usize {
    let wide = u128::from(bits >> 32) * (len as u128);
    usize::try_from(wide >> 32).unwrap_or(0)
}

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 random bits.
    pub(super) const fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(STEP);
        mix(self.state)
    }

    /// A number in `0..bound`, or 0 when `bound` is 0. The bound must be below 2^32.
    pub(super) const fn below(&mut self, bound: u64) -> u64 {
        ((self.next() >> 32) * bound) >> 32
    }

    /// An index into a list of `len` entries.
    pub(super) fn index(&mut self, len: usize) -> usize {
        scale(self.next(), len)
    }

    /// Whether something with this chance in a thousand happens.
    pub(super) const fn happens(&mut self, per_mille: u64) -> bool {
        self.below(1_000) < per_mille
    }

    /// One entry of `list`, each as likely as the others. The list must not be empty.
    pub(super) fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.index(list.len())]
    }
}
