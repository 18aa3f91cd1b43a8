//! Draws ranks with Zipf frequencies.

use super::random::Random;

/// Ranks `0..n`, rank `k` drawn in proportion to `1 / (k + 1)^exponent`.
///
/// Walker's alias method: two table reads a draw for any `n`. The tables are computed with integers alone, because
/// the last bits of a floating-point power differ from one platform to the next and would change the data.
#[derive(Debug, Clone)]
pub(super) struct Zipf {
    columns: Vec<Column>,
}

/// One column of the alias table: below `limit` it stands for its own rank, from there on for `other`.
#[derive(Debug, Clone, Copy)]
struct Column {
    limit: u32,
    other: u32,
}

impl Zipf {
    /// A sampler of `ranks` ranks, at least one, with an exponent given in thousandths.
    pub(super) fn new(ranks: u32, exponent_milli: u64) -> Self {
        let ranks = ranks.max(1);
        let weights: Vec<u64> = (1..=u64::from(ranks)).map(|rank| weight(rank, exponent_milli)).collect();
        let total: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
        let mut scaled: Vec<u128> =
            weights.iter().map(|weight| u128::from(*weight) * u128::from(ranks)).collect();
        let mut columns: Vec<Column> =
            (0..ranks).map(|rank| Column { limit: u32::MAX, other: rank }).collect();

        let (mut small, mut large): (Vec<usize>, Vec<usize>) =
            (0..scaled.len()).partition(|rank| scaled[*rank] < total);
        while let (Some(low), Some(&high)) = (small.pop(), large.last()) {
            columns[low] = Column {
                limit: u32::try_from((scaled[low] << 32) / total).unwrap_or(u32::MAX),
                other: u32::try_from(high).unwrap_or(0),
            };
            scaled[high] -= total - scaled[low];
            if scaled[high] < total {
                large.pop();
                small.push(high);
            }
        }
        Self { columns }
    }

    /// The next rank.
    pub(super) fn draw(&self, random: &mut Random) -> usize {
        let rank = random.index(self.columns.len());
        let column = self.columns[rank];
        if random.next() >> 32 < u64::from(column.limit) { rank } else { column.other as usize }
    }
}

/// `2^40 / rank^exponent`, rounded down, at least 1.
fn weight(rank: u64, exponent_milli: u64) -> u64 {
    let mut power = ONE;
    for _ in 0..exponent_milli / 1_000 {
        power *= u128::from(rank);
    }
    // The fraction of the exponent, bit by bit from one half down: rank^(1/2), rank^(1/4) and so on.
    let mut root = u128::from(rank) << FRACTION_BITS;
    let mut rest = exponent_milli % 1_000;
    for _ in 0..EXPONENT_BITS {
        root = (root << FRACTION_BITS).isqrt();
        rest *= 2;
        if rest >= 1_000 {
            rest -= 1_000;
            power = (power * root) >> FRACTION_BITS;
        }
        if rest == 0 {
            break;
        }
    }
    u64::try_from((ONE << 40) / power).unwrap_or(u64::MAX).max(1)
}

const FRACTION_BITS: u32 = 32;
const EXPONENT_BITS: u32 = 24;
const ONE: u128 = 1 << FRACTION_BITS;
