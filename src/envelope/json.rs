//! Strict JSON.
pub(crate) mod write;
use super::tree::{Kind, TreeWriter};
use crate::Result;
/// A pull parser over one JSON text.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> { text: &'a str, at: usize, base: usize }
/// The raw text of one value that was skipped, syntax checked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RawValue<'a> { text: &'a str, base: usize }
impl<'a> RawValue<'a> {
    /// A reader of the value, offsets as in the first text.
    pub(crate) fn reader(self) -> Reader<'a> { todo!() }
    pub(crate) fn as_str(self) -> &'a str { self.text }
}
impl<'a> Reader<'a> {
    /// Checks the UTF-8.
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self> { todo!() }
    /// The kind of the value that comes next.
    pub(crate) fn peek(&mut self) -> Result<Kind> { todo!() }
    pub(crate) fn begin_object(&mut self) -> Result<()> { todo!() }
    /// The next key, or none when the object ends (its brace is then taken).
    pub(crate) fn next_key<'s>(&mut self, scratch: &'s mut String) -> Result<Option<&'s str>> where 'a: 's { todo!() }
    pub(crate) fn string<'s>(&mut self, scratch: &'s mut String) -> Result<&'s str> where 'a: 's { todo!() }
    pub(crate) fn null(&mut self) -> Result<()> { todo!() }
    pub(crate) fn bool(&mut self) -> Result<bool> { todo!() }
    pub(crate) fn number_text(&mut self) -> Result<&'a str> { todo!() }
    pub(crate) fn skip_value(&mut self) -> Result<RawValue<'a>> { todo!() }
    pub(crate) fn value_into(&mut self, writer: &mut TreeWriter<'_>) -> Result<()> { todo!() }
    /// Only white space may follow.
    pub(crate) fn end(&mut self) -> Result<()> { todo!() }
}
