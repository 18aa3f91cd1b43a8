//! Append-only lists that one thread writes and any number of threads read, without locks and in safe code.
//!
//! A chunk is allocated once and never moves, so that a reader needs no more than a load. What was never written
//! reads as zero. Every store is a Release and every load an Acquire: whoever sees an entry that was written later
//! sees the ones that it points to as well.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Rows in a chunk of [`Rows`].
const CHUNK_ROWS: usize = 4096;
/// Items in the first chunk of a [`List`]; each further one is twice as long.
const FIRST_CHUNK: usize = 16;
const LIST_CHUNKS: usize = 24;

type Chunk<const N: usize> = Box<[[AtomicU64; N]]>;

/// Rows of `N` words under fixed numbers, in chunks of one size.
#[derive(Debug)]
pub(super) struct Rows<const N: usize> {
    chunks: Box<[OnceLock<Chunk<N>>]>,
}

impl<const N: usize> Rows<N> {
    /// Room for `rows` rows; memory is taken as they are written.
    pub(super) fn with_capacity(rows: usize) -> Self {
        Self { chunks: (0..rows.div_ceil(CHUNK_ROWS)).map(|_| OnceLock::new()).collect() }
    }

    /// The rows that there is room for.
    pub(super) fn capacity(&self) -> usize {
        self.chunks.len() * CHUNK_ROWS
    }

    /// The row's cells, or `None` where nothing was written near it.
    #[inline]
    pub(super) fn row(&self, at: usize) -> Option<&[AtomicU64; N]> {
        self.chunks.get(at / CHUNK_ROWS)?.get()?.get(at % CHUNK_ROWS)
    }

    /// One word of a row, zero where it was never written.
    #[inline]
    pub(super) fn word(&self, at: usize, word: usize) -> u64 {
        self.row(at).and_then(|row| row.get(word)).map_or(0, |cell| cell.load(Ordering::Acquire))
    }

    /// The row's cells for the one writer, or `None` beyond the capacity.
    #[inline]
    pub(super) fn row_for_writing(&self, at: usize) -> Option<&[AtomicU64; N]> {
        let chunk = self
            .chunks
            .get(at / CHUNK_ROWS)?
            .get_or_init(|| (0..CHUNK_ROWS).map(|_| std::array::from_fn(|_| AtomicU64::new(0))).collect());
        chunk.get(at % CHUNK_ROWS)
    }

    /// Writes a whole row. Beyond the capacity nothing happens.
    #[inline]
    pub(super) fn set(&self, at: usize, words: [u64; N]) {
        if let Some(row) = self.row_for_writing(at) {
            for (cell, word) in row.iter().zip(words) {
                cell.store(word, Ordering::Release);
            }
        }
    }
}

/// A number that can be loaded and stored atomically.
pub(super) trait Cell {
    type Number: Copy + Default;
    fn zero() -> Self;
    fn load(&self) -> Self::Number;
    fn store(&self, number: Self::Number);
}

impl Cell for AtomicU32 {
    type Number = u32;

    fn zero() -> Self {
        Self::new(0)
    }

    #[inline]
    fn load(&self) -> u32 {
        Self::load(self, Ordering::Acquire)
    }

    #[inline]
    fn store(&self, number: u32) {
        Self::store(self, number, Ordering::Release);
    }
}

impl Cell for AtomicU64 {
    type Number = u64;

    fn zero() -> Self {
        Self::new(0)
    }

    #[inline]
    fn load(&self) -> u64 {
        Self::load(self, Ordering::Acquire)
    }

    #[inline]
    fn store(&self, number: u64) {
        Self::store(self, number, Ordering::Release);
    }
}

/// A list of numbers, in chunks that double: small where it is short, and for up to 268 million items.
#[derive(Debug)]
pub(super) struct List<C> {
    chunks: [OnceLock<Box<[C]>>; LIST_CHUNKS],
}

impl<C: Cell> List<C> {
    pub(super) fn new() -> Self {
        Self { chunks: std::array::from_fn(|_| OnceLock::new()) }
    }

    /// Chunk and place in it.
    #[inline]
    const fn place(at: usize) -> (usize, usize) {
        let chunk = (at / FIRST_CHUNK + 1).ilog2() as usize;
        (chunk, at - FIRST_CHUNK * ((1 << chunk) - 1))
    }

    /// The number at a place, zero where none was written.
    #[inline]
    pub(super) fn get(&self, at: usize) -> C::Number {
        let (chunk, place) = Self::place(at);
        self.chunks
            .get(chunk)
            .and_then(OnceLock::get)
            .and_then(|chunk| chunk.get(place))
            .map_or_else(C::Number::default, C::load)
    }

    /// Writes the number at a place.
    #[inline]
    pub(super) fn set(&self, at: usize, number: C::Number) {
        let (chunk, place) = Self::place(at);
        if let Some(cells) = self.chunks.get(chunk) {
            let cells = cells.get_or_init(|| (0..FIRST_CHUNK << chunk).map(|_| C::zero()).collect());
            if let Some(cell) = cells.get(place) {
                cell.store(number);
            }
        }
    }

    /// Copies the numbers from `at` on into `out`.
    pub(super) fn copy(&self, at: usize, out: &mut [C::Number]) {
        let mut done = 0;
        while done < out.len() {
            let (chunk, place) = Self::place(at + done);
            let cells = self.chunks.get(chunk).and_then(OnceLock::get).map_or(&[][..], |cells| &**cells);
            let cells = cells.get(place..).unwrap_or_default();
            if cells.is_empty() {
                break;
            }
            for (number, cell) in out.iter_mut().skip(done).zip(cells) {
                *number = cell.load();
            }
            done += cells.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_gives_back_every_number_and_zero_elsewhere() {
        let list = List::<AtomicU32>::new();
        for at in 0..5000 {
            assert_eq!(list.get(at), 0);
            list.set(at, u32::try_from(at).unwrap() + 1);
        }
        for at in 0..5000 {
            assert_eq!(list.get(at), u32::try_from(at).unwrap() + 1);
        }
        for at in [0, 1, 15, 16, 17, 47, 48, 4000] {
            let mut out = [0; 300];
            list.copy(at, &mut out);
            for (step, number) in out.iter().enumerate() {
                assert_eq!(*number, u32::try_from(at + step).unwrap() + 1, "at {at}");
            }
        }
    }

    #[test]
    fn rows_keep_their_words_and_ignore_what_is_beyond_their_capacity() {
        let rows = Rows::<2>::with_capacity(CHUNK_ROWS + 1);
        assert_eq!(rows.capacity(), 2 * CHUNK_ROWS);
        for at in [0, 1, CHUNK_ROWS - 1, CHUNK_ROWS, rows.capacity(), usize::MAX] {
            rows.set(at, [at as u64, 7]);
        }
        assert_eq!(rows.word(CHUNK_ROWS, 0), CHUNK_ROWS as u64);
        assert_eq!(rows.word(CHUNK_ROWS, 1), 7);
        assert_eq!(rows.word(2, 1), 0);
        assert_eq!(rows.word(rows.capacity(), 1), 0);
        assert!(rows.row(usize::MAX).is_none());
    }
}
