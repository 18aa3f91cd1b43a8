//! Writing JSON.
/// Writes a string with its quotes and the least escapes.
pub(crate) fn write_string(out: &mut Vec<u8>, text: &str) { todo!() }
/// Writes an integer.
pub(crate) fn write_u64(out: &mut Vec<u8>, value: u64) { todo!() }
