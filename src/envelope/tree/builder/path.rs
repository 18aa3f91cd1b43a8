//! The path of a value in errors: names of keys and places in lists, never values.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::{Entry, TreeWriter};
use crate::error::Error;

impl TreeWriter<'_> {
    /// An error at the value that is in work.
    #[cold]
    pub(crate) fn fault(&self, reason: impl Into<Cow<'static, str>>) -> Error {
        Error::invalid(self.path(), reason)
    }

    /// The error of a key that an object, the innermost one, has twice.
    #[cold]
    pub(super) fn duplicate(&self, entry: &Entry) -> Error {
        let mut path = self.path_of(self.core.levels.len().saturating_sub(1));
        push_key(&mut path, entry.given_key_in(&self.core.out));
        Error::invalid(path, "key occurs twice")
    }

    /// An error at the innermost object, whose next key is at fault.
    #[cold]
    pub(super) fn fault_above(&self, reason: impl Into<Cow<'static, str>>) -> Error {
        Error::invalid(self.path_of(self.core.levels.len().saturating_sub(1)), reason)
    }

    /// The path of the value in work, such as `properties.items[3].sku`.
    fn path(&self) -> String {
        self.path_of(self.core.levels.len())
    }

    /// The path through the `depth` outermost containers.
    fn path_of(&self, depth: usize) -> String {
        let mut path = self.root.to_owned();
        for (index, level) in self.core.levels.iter().enumerate().take(depth) {
            let Some(last) = level.count.checked_sub(1) else { break };
            if !level.is_object {
                // Writing to a string does not fail.
                let _ = write!(path, "[{last}]");
                continue;
            }
            let inner = self.core.levels.get(index + 1);
            let end = inner.map_or(self.core.entries.len(), |inner| inner.first_entry);
            if let Some(entry) = end.checked_sub(1).and_then(|last| self.core.entries.get(last)) {
                push_key(&mut path, entry.given_key_in(&self.core.out));
            }
        }
        path
    }
}

/// Appends a key: `.key` where it reads as a word, else `["key"]` with escapes.
fn push_key(path: &mut String, key: &[u8]) {
    let key = String::from_utf8_lossy(key);
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '$');
    if !key.is_empty() && key.chars().all(is_word) {
        path.push('.');
        path.push_str(&key);
    } else {
        let _ = write!(path, "[\"{}\"]", key.escape_debug());
    }
}
