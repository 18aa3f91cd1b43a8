//! Hashes and a small number for each, in open addressing: 12 bytes a slot.

use super::hash::MessageHash;

/// Slots of the smallest table that holds anything.
const SLOTS_MIN: usize = 64;

/// A hash in two halves, so that a slot has no padding, and a number plus 1: 0 is a free slot.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    hash: [u32; 2],
    number: u32,
}

const _: () = assert!(size_of::<Slot>() == 12);

/// Numbers by hash. A hash may stand there several times.
///
/// (T1) At most three quarters of the slots are taken, so that every probe ends.
/// (T2) From the slot of a hash to each of its entries no slot is free.
#[derive(Debug, Default)]
pub(crate) struct IdTable {
    slots: Vec<Slot>,
    len: usize,
}

impl IdTable {
    /// Takes everything out. A table that grew beyond `slots_max` slots gives its memory back.
    pub(crate) fn clear(&mut self, slots_max: usize) {
        if self.slots.len() > slots_max {
            self.slots = Vec::new();
        } else if self.len > 0 {
            self.slots.fill(Slot::default());
        }
        self.len = 0;
    }

    /// Adds a number below `u32::MAX`.
    pub(crate) fn insert(&mut self, hash: MessageHash, number: u32) {
        if (self.len + 1) * 4 > self.slots.len() * 3 {
            self.grow();
        }
        self.put(Slot { hash: halves(hash), number: number.saturating_add(1) });
        self.len += 1;
    }

    /// The numbers of a hash, in no order.
    #[inline]
    pub(crate) fn get(&self, hash: MessageHash) -> impl Iterator<Item = u32> {
        let wanted = halves(hash);
        let mut at = self.slot_of(wanted);
        std::iter::from_fn(move || {
            // Ends by (T1).
            loop {
                let slot = self.slots.get(at)?;
                let number = slot.number.checked_sub(1)?;
                at = self.after(at);
                if slot.hash == wanted {
                    return Some(number);
                }
            }
        })
    }

    fn grow(&mut self) {
        let slots = vec![Slot::default(); (self.slots.len() * 2).max(SLOTS_MIN)];
        for slot in std::mem::replace(&mut self.slots, slots) {
            if slot.number != 0 {
                self.put(slot);
            }
        }
    }

    fn put(&mut self, slot: Slot) {
        let mut at = self.slot_of(slot.hash);
        // Ends by (T1).
        while let Some(place) = self.slots.get_mut(at) {
            if place.number == 0 {
                *place = slot;
                return;
            }
            at = self.after(at);
        }
    }

    /// Where probing begins: the upper half of the hash as a fraction of the table.
    #[inline]
    fn slot_of(&self, [_, upper]: [u32; 2]) -> usize {
        let slot = (u64::from(upper) * self.slots.len() as u64) >> 32;
        usize::try_from(slot).unwrap_or(usize::MAX)
    }

    #[inline]
    fn after(&self, at: usize) -> usize {
        if at + 1 == self.slots.len() { 0 } else { at + 1 }
    }
}

fn halves(hash: MessageHash) -> [u32; 2] {
    let half = |bits: u64| u32::try_from(bits & u64::from(u32::MAX)).unwrap_or(0);
    [half(hash.get()), half(hash.get() >> 32)]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn spread(n: u64) -> MessageHash {
        MessageHash::new((n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    #[test]
    fn every_entry_is_found_and_no_other_is() {
        for modulo in [1, 7, 10_000] {
            let mut table = IdTable::default();
            let mut plain: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
            for n in 0..2_000_u32 {
                let key = u64::from(n) % modulo;
                table.insert(spread(key), n);
                plain.entry(key).or_default().push(n);
            }
            for key in 0..3_000 {
                let mut found: Vec<u32> = table.get(spread(key)).collect();
                found.sort_unstable();
                assert_eq!(found, plain.get(&key).cloned().unwrap_or_default(), "{modulo} {key}");
            }
        }
    }

    #[test]
    fn hashes_at_the_end_of_the_table_wrap_around() {
        let mut table = IdTable::default();
        assert_eq!(table.get(MessageHash::new(u64::MAX)).count(), 0);
        for n in 0..40 {
            table.insert(MessageHash::new(u64::MAX - u64::from(n)), n);
        }
        for n in 0..40 {
            assert_eq!(table.get(MessageHash::new(u64::MAX - u64::from(n))).collect::<Vec<_>>(), [n]);
        }
        table.clear(usize::MAX);
        assert_eq!(table.get(MessageHash::new(u64::MAX)).count(), 0);
        table.insert(MessageHash::new(5), 6);
        table.clear(0);
        assert_eq!(table.get(MessageHash::new(5)).count(), 0);
    }
}
