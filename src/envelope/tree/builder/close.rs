//! Ending a container: the keys in order, the header in its place.

use super::{Entry, GROUP, HEADER_ROOM, Level, TreeBuilder, TreeWriter, layout, narrow};
use crate::envelope::json::{COPY_BYTES, append};
use crate::error::Result;

impl TreeWriter<'_> {
    pub(super) fn end_container(&mut self, is_object: bool) -> Result<()> {
        let core = &mut *self.core;
        let end = narrow(core.out.len());
        let Some(level) = core.levels.last().copied() else {
            return Err(self.fault("a container was ended that was not begun"));
        };
        if level.is_object != is_object || level.has_key {
            return Err(self.fault("a container was ended in the wrong place"));
        }
        core.offsets.clear();
        if is_object && level.count > 0 {
            if let Some(last) = core.entries.last_mut() {
                last.end = end;
            }
            if !level.is_sorted {
                return self.end_unsorted(level);
            }
            core.note_offsets(level);
        }
        core.end_in_place(level);
        core.leave(level);
        Ok(())
    }

    /// Ends an object whose keys did not come in order: sorts the entries and moves them.
    fn end_unsorted(&mut self, level: Level) -> Result<()> {
        let core = &mut *self.core;
        if core.move_few(level) {
            core.leave(level);
            return Ok(());
        }
        self.end_any(level)
    }

    /// As [`TreeWriter::end_unsorted`], for any number of entries and any keys.
    fn end_any(&mut self, level: Level) -> Result<()> {
        let core = &mut *self.core;
        let out = &core.out;
        let entries = core.entries.get_mut(level.first_entry..).unwrap_or_default();
        entries.sort_unstable_by(|one, two| {
            let by_prefix = one.prefix.cmp(&two.prefix);
            let by_key = by_prefix.then_with(|| one.key_in(out).cmp(two.key_in(out)));
            by_key.then(one.is_renamed.cmp(&two.is_renamed))
        });
        let mut dropped = 0;
        for index in 1..entries.len() {
            let Some([one, two]) = entries.get_mut(index - 1..=index) else { break };
            if one.prefix != two.prefix || one.key_in(out) != two.key_in(out) {
                continue;
            }
            // Equal names come with the renamed one last. One of each kind: the renamed one, which was hashed
            // here, is kept. Two of a kind: the same key twice.
            if one.is_renamed || !two.is_renamed {
                let duplicate = *two;
                return Err(self.duplicate(&duplicate));
            }
            one.is_dropped = true;
            dropped += 1;
        }
        core.notes.address_key_dropped |= dropped > 0;
        core.move_entries(level, level.count - dropped);
        core.leave(level);
        Ok(())
    }
}

impl TreeBuilder {
    /// Notes the offsets of the table of an object whose entries are in order.
    fn note_offsets(&mut self, level: Level) {
        if layout::table_offsets(level.count) == 0 {
            return;
        }
        let body = narrow(level.start + HEADER_ROOM);
        let entries = self.entries.get(level.first_entry..).unwrap_or_default();
        let starts = entries.iter().skip(GROUP).step_by(GROUP);
        self.offsets.extend(starts.map(|entry| entry.start.saturating_sub(body)));
    }

    /// Writes the header of a container in front of its entries.
    fn end_in_place(&mut self, level: Level) {
        let body = level.start + HEADER_ROOM;
        let len = self.out.len().saturating_sub(body);
        if let Some(header) = layout::few_header(level.is_object, level.count, len)
            && let Some(place) = self.out.get_mut(level.start..body)
        {
            place.copy_from_slice(&header);
            return;
        }
        self.moved.clear();
        layout::put_header(&mut self.moved, level.is_object, level.count, len, &self.offsets);
        let header_len = self.moved.len();
        if header_len > HEADER_ROOM {
            self.out.resize(level.start + header_len + len, 0);
            self.out.copy_within(body..body + len, level.start + header_len);
        } else {
            // Only an empty container has a shorter one.
            self.out.truncate(level.start + header_len + len);
        }
        if let Some(place) = self.out.get_mut(level.start..level.start + header_len) {
            place.copy_from_slice(&self.moved);
        }
    }

    /// Writes the header and the entries of a small object in their order, and tells whether the first bytes of the
    /// keys decide it. Else nothing is written.
    fn move_few(&mut self, level: Level) -> bool {
        let entries = self.entries.get(level.first_entry..).unwrap_or_default();
        if entries.len() > SMALL_MAX {
            return false;
        }
        let end = self.out.len();
        // Room behind the last entry as behind the others.
        self.out.extend_from_slice(&[0; COPY_BYTES]);
        self.moved.clear();
        let (mut order, mut previous, mut is_decided) = (small_order(entries), None, true);
        for _ in entries {
            let Some(entry) = entries.get((order & 0xff) as usize) else { break };
            is_decided &= previous != Some(entry.prefix);
            let tail = self.out.get(entry.start as usize..).unwrap_or_default();
            append(tail, entry.end.saturating_sub(entry.start) as usize, &mut self.moved);
            previous = Some(entry.prefix);
            order >>= 8;
        }
        if !is_decided {
            self.out.truncate(end);
            return false;
        }
        self.out.truncate(level.start);
        layout::put_header(&mut self.out, level.is_object, level.count, self.moved.len(), &self.offsets);
        self.out.extend_from_slice(&self.moved);
        true
    }

    /// Writes the header and the sorted entries of an object, but for the dropped ones, of which `count` stay.
    fn move_entries(&mut self, level: Level, count: usize) {
        self.moved.clear();
        let has_table = layout::table_offsets(count) > 0;
        let entries = self.entries.get(level.first_entry..).unwrap_or_default();
        for (index, entry) in entries.iter().filter(|entry| !entry.is_dropped).enumerate() {
            if has_table && index > 0 && index.is_multiple_of(GROUP) {
                self.offsets.push(narrow(self.moved.len()));
            }
            self.moved.extend_from_slice(entry.bytes_in(&self.out));
        }
        self.out.truncate(level.start);
        layout::put_header(&mut self.out, level.is_object, count, self.moved.len(), &self.offsets);
        self.out.extend_from_slice(&self.moved);
    }

    fn leave(&mut self, level: Level) {
        self.entries.truncate(level.first_entry);
        self.levels.pop();
    }
}

/// Most entries that are put in order without a sort.
const SMALL_MAX: usize = 8;

/// The indexes of few entries in the order of the first eight bytes of their keys, one in each byte from the low end.
///
/// The place of an entry is the count of those before it: the same steps for any keys, and so nothing to mispredict.
fn small_order(entries: &[Entry]) -> u64 {
    // No key begins with 0xff, which UTF-8 does not have: what is not used stays behind the entries.
    let mut prefixes = [u64::MAX; SMALL_MAX];
    for (prefix, entry) in prefixes.iter_mut().zip(entries) {
        *prefix = entry.prefix;
    }
    let mut places = [7_u32, 6, 5, 4, 3, 2, 1, 0];
    for later in 1..SMALL_MAX {
        for earlier in 0..later {
            let is_behind = u32::from(prefixes[earlier] <= prefixes[later]);
            places[later] += is_behind;
            places[earlier] -= is_behind;
        }
    }
    (0..).zip(places).fold(0, |order, (index, place)| order | index << (8 * place))
}
