//! A page of atomic words that several processes share.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Access;
use super::map::Memory;

/// The first words of a file, mapped shared, for atomic loads and stores by any number of threads and processes.
///
/// The words are little-endian in the file. Fences between them are the caller's.
#[derive(Debug, Clone)]
pub(crate) struct Words {
    inner: Arc<WordsInner>,
}

pub(super) struct WordsInner {
    memory: Arc<Memory>,
    count: usize,
    writable: bool,
}

impl WordsInner {
    /// The bytes of the file that are words.
    pub(super) fn bytes(&self) -> u64 {
        self.count as u64 * 8
    }
}

impl fmt::Debug for WordsInner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} words", self.count)
    }
}

impl Words {
    pub(super) fn new(memory: Arc<Memory>, access: Access, count: usize) -> Self {
        let writable = memory.writable && access == Access::ReadWrite;
        Self { inner: Arc::new(WordsInner { memory, count, writable }) }
    }

    pub(super) fn inner(&self) -> &Arc<WordsInner> {
        &self.inner
    }

    /// Loads word `index`, before all loads and stores that follow; 0 if there is no such word.
    #[inline]
    pub(crate) fn load_acquire(&self, index: usize) -> u64 {
        self.load(index, Ordering::Acquire)
    }

    /// Loads word `index` in no particular order; 0 if there is no such word.
    #[inline]
    pub(crate) fn load_relaxed(&self, index: usize) -> u64 {
        self.load(index, Ordering::Relaxed)
    }

    /// Stores word `index`, after all loads and stores that come before.
    ///
    /// Nothing is stored where there is no such word, or through a handle opened for reading.
    #[inline]
    pub(crate) fn store_release(&self, index: usize, value: u64) {
        self.store(index, value, Ordering::Release);
    }

    /// Stores word `index` in no particular order, under the rules of [`Words::store_release`].
    #[inline]
    pub(crate) fn store_relaxed(&self, index: usize, value: u64) {
        self.store(index, value, Ordering::Relaxed);
    }

    #[inline]
    fn load(&self, index: usize, ordering: Ordering) -> u64 {
        if index >= self.inner.count {
            return 0;
        }
        self.inner.memory.word(index).map_or(0, |word| u64::from_le(word.load(ordering)))
    }

    #[inline]
    fn store(&self, index: usize, value: u64, ordering: Ordering) {
        if !self.inner.writable || index >= self.inner.count {
            return;
        }
        #[cfg(any(test, feature = "testing"))]
        let _closed = self.inner.memory.gate.as_ref().map(super::sim::Gate::close);
        if let Some(word) = self.inner.memory.word(index) {
            word.store(value.to_le(), ordering);
        }
    }
}
