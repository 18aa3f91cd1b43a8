//! The keys of a cursor frame; the body is the cursor's state.
//!
//! ```text
//! offset size
//!      0    1  scope        0 the store, 1 a project
//!      1    1  name length  1 ..= 255
//!      2    6  zeros
//!      8   16  project id   zeros where the scope is the store
//!     24    .  name         UTF-8
//! ```

use super::bytes::{ByteReader, ByteWriter};

/// Which cursor: its scope and name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct CursorKeys<'a> {
    pub(crate) project_id: Option<[u8; 16]>,
    pub(crate) name: &'a str,
}

impl<'a> CursorKeys<'a> {
    /// Appends the encoded keys; `None`, and nothing appended, where the name is empty or too long.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) -> Option<()> {
        let name_len = u8::try_from(self.name.len()).ok().filter(|len| *len > 0)?;
        out.put(&[u8::from(self.project_id.is_some()), name_len, 0, 0, 0, 0, 0, 0]);
        out.put(&self.project_id.unwrap_or_default());
        out.put(self.name.as_bytes());
        Some(())
    }

    /// Reads keys back; `None` where the bytes are no cursor keys.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = ByteReader::new(bytes);
        let [scope, name_len, zeros @ ..] = reader.array::<8>()?;
        let project_id: [u8; 16] = reader.array()?;
        let name = std::str::from_utf8(reader.rest()).ok()?;
        let project_id = match scope {
            0 if project_id == [0; 16] => None,
            1 => Some(project_id),
            _ => return None,
        };
        (zeros == [0; 6] && name_len > 0 && name.len() == usize::from(name_len))
            .then_some(Self { project_id, name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursor_keys_come_back_as_they_went_in() {
        for keys in [
            CursorKeys { project_id: None, name: "relay" },
            CursorKeys { project_id: Some([9; 16]), name: "crm" },
        ] {
            let mut bytes = Vec::new();
            keys.encode(&mut bytes).unwrap();
            assert_eq!(CursorKeys::parse(&bytes), Some(keys));
            bytes.pop();
            assert_eq!(CursorKeys::parse(&bytes), None);
        }
        assert_eq!(CursorKeys { project_id: None, name: "" }.encode(&mut Vec::new()), None);
    }
}
