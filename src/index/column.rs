//! A column: one number for each ordinal, in blocks of [`BLOCK`], each found without reading its neighbours.
//!
//! Number `i` of a block is `base + unit * (slope * i / 1024 + code)`, where `code` is packed with the block's width.
//! Where a block has exceptions, a code of all ones says that the number stands among those, in full.
//!
//! ```text
//! block entry:  base 8 | slope 8 | data offset 8 | exceptions 2 | width 1 | unit 1 | zero 4
//! block data:   packed codes, up to a whole byte | exceptions: place 2, number 8 each, by rising place
//! column:       entries | data of all blocks | 8 zero bytes
//! ```
//!
//! The slope takes out what grows evenly, as offsets and most timestamps do; exceptions keep a few late events from
//! widening the codes of all others.

use super::BLOCK;
use super::bits::{self, SLACK};
use crate::format::bytes::{ByteReader, ByteWriter};

/// Bytes of a block entry.
pub(super) const ENTRY_LEN: usize = 32;
/// Bytes of an exception.
pub(super) const EXCEPTION_LEN: usize = 10;
/// Units of a code, by the number that stands for each.
const UNITS: [i64; 5] = [1, 8, 1_000, 1_000_000, 1_000_000_000];

/// What a column holds, which decides how it is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Numbers of things.
    Numbers,
    /// Offsets of frames.
    Offsets,
    /// Timestamps.
    Times,
}

/// How the numbers of a block are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    base: i64,
    slope: u64,
    data: u64,
    exceptions: u16,
    width: u8,
    unit: u8,
}

impl Entry {
    /// The entry of no block.
    pub(super) const NOTHING: Self = Self { base: 0, slope: 0, data: 0, exceptions: 0, width: 64, unit: 0 };

    /// The number at a place, from the block's data with slack; `None` where it stands for an exception.
    #[inline]
    pub(super) fn get(&self, data: &[u8], at: usize) -> Option<i64> {
        let (byte, shift) = self.place(at);
        let word = u64::from_le_bytes(*data.get(byte..)?.first_chunk()?);
        self.code(word, shift).map(|code| self.number(at, code))
    }

    #[inline]
    pub(super) fn parse(bytes: &[u8; ENTRY_LEN]) -> Option<Self> {
        let mut reader = ByteReader::new(bytes);
        Some(Self {
            base: reader.i64()?,
            slope: reader.u64()?,
            data: reader.u64()?,
            exceptions: reader.u16()?,
            width: reader.u8()?.min(64),
            unit: reader.u8()?,
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.put_i64(self.base);
        out.put_u64(self.slope);
        out.put_u64(self.data);
        out.put_u16(self.exceptions);
        out.put_u8(self.width);
        out.put_u8(self.unit);
        out.put_u32(0);
    }

    /// Where the block's data begins, and how long that of a block of `numbers` is, slack included.
    pub(super) fn data(&self, numbers: usize) -> (u64, usize) {
        (
            self.data,
            bits::packed_len(numbers, self.width) + usize::from(self.exceptions) * EXCEPTION_LEN + SLACK,
        )
    }

    /// Where the eight bytes with code `at` begin, from the start of the data, and its first bit in them.
    #[inline]
    pub(super) fn place(&self, at: usize) -> (usize, u32) {
        bits::place(self.width, at)
    }

    /// The code in a word that was read at its [`Entry::place`]; `None` where it stands for an exception.
    #[inline]
    pub(super) fn code(&self, word: u64, shift: u32) -> Option<u64> {
        let mask = bits::mask(self.width);
        let code = (word >> shift) & mask;
        (self.exceptions == 0 || code != mask).then_some(code)
    }

    /// The number at a place whose code is known.
    #[inline]
    pub(super) fn number(&self, at: usize, code: u64) -> i64 {
        let unit = UNITS.get(usize::from(self.unit)).copied().unwrap_or(1);
        let steps = rise(self.slope, at).wrapping_add(code);
        self.base.wrapping_add(unit.wrapping_mul(steps.cast_signed()))
    }

    /// Where the exceptions begin, from the start of the data, and how long they are.
    pub(super) fn exceptions(&self, numbers: usize) -> (usize, usize) {
        (bits::packed_len(numbers, self.width), usize::from(self.exceptions) * EXCEPTION_LEN)
    }

    /// Reads a whole block, from its data with slack.
    pub(super) fn fill(&self, data: &[u8], out: &mut [i64]) -> Option<()> {
        let (start, len) = self.exceptions(out.len());
        for (at, number) in out.iter_mut().enumerate() {
            *number = self.number(at, bits::unpack(data, self.width, at)?);
        }
        for exception in data.get(start..start.checked_add(len)?)?.as_chunks::<EXCEPTION_LEN>().0 {
            let (place, number) = exception_of(*exception);
            *out.get_mut(place)? = number;
        }
        Some(())
    }
}

/// What the slope adds at a place.
#[inline]
fn rise(slope: u64, at: usize) -> u64 {
    slope.wrapping_mul(at as u64) >> 10
}

fn exception_of(bytes: [u8; EXCEPTION_LEN]) -> (usize, i64) {
    let [a, b, number @ ..] = bytes;
    (usize::from(u16::from_le_bytes([a, b])), i64::from_le_bytes(number))
}

/// The exception at a place, among those of a block.
pub(super) fn exception(exceptions: &[u8], at: usize) -> Option<i64> {
    let list = exceptions.as_chunks::<EXCEPTION_LEN>().0;
    let found = list.binary_search_by_key(&at, |bytes| exception_of(*bytes).0).ok()?;
    list.get(found).map(|bytes| exception_of(*bytes).1)
}

/// The bytes of a column.
pub(super) fn encode(numbers: &[i64], shape: Shape) -> Vec<u8> {
    let blocks = numbers.len().div_ceil(BLOCK);
    let mut entries = Vec::with_capacity(blocks * ENTRY_LEN + numbers.len() * 4);
    let mut data = Vec::with_capacity(numbers.len() * 4);
    for block in numbers.chunks(BLOCK) {
        let start = (blocks * ENTRY_LEN + data.len()) as u64;
        encode_block(block, shape, start, &mut entries, &mut data);
    }
    entries.append(&mut data);
    entries.put(&[0; SLACK]);
    entries
}

fn encode_block(numbers: &[i64], shape: Shape, start: u64, entries: &mut Vec<u8>, data: &mut Vec<u8>) {
    let unit = unit_of(numbers, shape);
    let divisor = UNITS.get(usize::from(unit)).copied().unwrap_or(1);
    let first = numbers.iter().copied().min().unwrap_or(0);
    // Differences of timestamps of hostile events may not fit; they are taken modulo 2^64, as `number` does.
    let steps: Vec<u64> = numbers
        .iter()
        .map(|number| number.wrapping_sub(first).cast_unsigned() / divisor.cast_unsigned())
        .collect();
    let slope = if shape == Shape::Numbers { 0 } else { slope_of(&steps) };
    let residual = |at: usize, step: u64| step.wrapping_sub(rise(slope, at)).cast_signed();

    let mut all = Spread::EMPTY;
    let mut in_order = Spread::EMPTY;
    let mut late = 0usize;
    let mut greatest = 0;
    for (at, step) in steps.iter().enumerate() {
        let residual = residual(at, *step);
        all.widen(residual);
        if *step < greatest {
            late += 1;
        } else {
            greatest = *step;
            in_order.widen(residual);
        }
    }
    // An exception's code is all ones, so that the greatest code must be less.
    let narrow = bits::width_of(in_order.size().saturating_add(1));
    let saves = shape == Shape::Times
        && late > 0
        && bits::packed_len(numbers.len(), narrow) + late * EXCEPTION_LEN
            < bits::packed_len(numbers.len(), bits::width_of(all.size()));
    let (spread, width) = if saves { (in_order, narrow) } else { (all, bits::width_of(all.size())) };

    let entry = Entry {
        base: first.wrapping_add(divisor.wrapping_mul(spread.min)),
        slope,
        data: start,
        exceptions: if saves { u16::try_from(late).unwrap_or(u16::MAX) } else { 0 },
        width,
        unit,
    };
    entry.encode(entries);
    let mut greatest = 0;
    let mut is_late = |step: u64| {
        let late = step < greatest;
        greatest = greatest.max(step);
        late
    };
    let mut exceptions = Vec::new();
    bits::pack(
        data,
        width,
        steps.iter().enumerate().map(|(at, step)| {
            if saves && is_late(*step) {
                exceptions.put_u16(u16::try_from(at).unwrap_or(u16::MAX));
                exceptions.put_i64(numbers.get(at).copied().unwrap_or(0));
                bits::mask(width)
            } else {
                residual(at, *step).wrapping_sub(spread.min).cast_unsigned()
            }
        }),
    );
    data.put(&exceptions);
}

/// The range of some residuals.
#[derive(Clone, Copy)]
struct Spread {
    min: i64,
    max: i64,
}

impl Spread {
    const EMPTY: Self = Self { min: i64::MAX, max: i64::MIN };

    fn widen(&mut self, residual: i64) {
        self.min = self.min.min(residual);
        self.max = self.max.max(residual);
    }

    /// The greatest code; the widest where nothing is in the range or the range is too wide for a difference.
    fn size(self) -> u64 {
        self.max.checked_sub(self.min).filter(|size| *size >= 0).map_or(u64::MAX, i64::cast_unsigned)
    }
}

/// The unit that divides all differences of a block.
fn unit_of(numbers: &[i64], shape: Shape) -> u8 {
    let candidates: &[u8] = match shape {
        Shape::Numbers => &[],
        Shape::Offsets => &[1],
        Shape::Times => &[4, 3, 2],
    };
    let first = numbers.first().copied().unwrap_or(0);
    let divides = |unit: &u8| {
        let divisor = UNITS.get(usize::from(*unit)).copied().unwrap_or(1);
        numbers
            .iter()
            .all(|number| number.checked_sub(first).is_some_and(|difference| difference % divisor == 0))
    };
    candidates.iter().copied().find(divides).unwrap_or(0)
}

/// By how much the running maximum rises over a whole block, from where the first events stand.
fn slope_of(steps: &[u64]) -> u64 {
    let Some(last) = steps.len().checked_sub(1).filter(|last| *last > 0) else { return 0 };
    let greatest = steps.iter().copied().max().unwrap_or(0);
    let start = steps.first().copied().unwrap_or(0);
    let slope = u128::from(greatest.saturating_sub(start)) * BLOCK as u128 / last as u128;
    // Beyond this the rise of a whole block could overflow.
    u64::try_from(slope).ok().filter(|slope| *slope < 1 << 53).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(numbers: &[i64], shape: Shape) -> usize {
        let bytes = encode(numbers, shape);
        for (no, block) in numbers.chunks(BLOCK).enumerate() {
            let entry = bytes[no * ENTRY_LEN..].first_chunk().unwrap();
            let entry = Entry::parse(entry).unwrap();
            let (start, len) = entry.data(block.len());
            let data = &bytes[usize::try_from(start).unwrap()..][..len];
            let mut out = vec![0; block.len()];
            entry.fill(data, &mut out).unwrap();
            assert_eq!(out, block, "block {no} in bulk");
            for (at, number) in block.iter().enumerate() {
                let (byte, shift) = entry.place(at);
                let word = u64::from_le_bytes(*data[byte..].first_chunk().unwrap());
                let read = entry.get(data, at).unwrap_or_else(|| {
                    let (start, len) = entry.exceptions(block.len());
                    exception(&data[start..start + len], at).unwrap()
                });
                assert_eq!(entry.code(word, shift).map_or(read, |code| entry.number(at, code)), read);
                assert_eq!(read, *number, "block {no} at {at}");
            }
        }
        bytes.len()
    }

    #[test]
    fn numbers_of_every_kind_come_back() {
        let mut state = 7u64;
        let mut random = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state >> 11
        };
        for len in [0, 1, 2, 1023, 1024, 1025, 3000] {
            for shape in [Shape::Numbers, Shape::Offsets, Shape::Times] {
                check(&vec![5; len], shape);
                check(&(0..len).map(|_| i64::try_from(random() % 1000).unwrap()).collect::<Vec<_>>(), shape);
                check(&(0..len).map(|_| (random() << 11).cast_signed()).collect::<Vec<_>>(), shape);
                check(
                    &(0..len).map(|at| if at % 2 == 0 { i64::MAX } else { i64::MIN }).collect::<Vec<_>>(),
                    shape,
                );
                check(
                    &(0..len)
                        .map(|at| if at == 3 { i64::MIN } else { i64::try_from(at).unwrap() })
                        .collect::<Vec<_>>(),
                    shape,
                );
            }
        }
    }

    #[test]
    fn times_with_a_few_late_ones_are_narrow() {
        let day = 86_400_000_000_000;
        let numbers: Vec<i64> = (0..2048)
            .map(|at| {
                let time = 1_700_000_000_000_000_000 + at * 15_000_000_000 + (at * 7919 % 1000) * 1_000_000;
                if at % 100 == 99 { time - 3 * day } else { time }
            })
            .collect();
        let len = check(&numbers, Shape::Times);
        assert!(len < 2048 * 2, "{len} bytes for 2048 timestamps");
    }
}
