//! Which row: the project, what kind of thing the row is about, and its id.
//!
//! Encoded, keys sort by project, kind and id: project id 16 bytes | kind 1 byte | id.

use std::fmt;
use std::sync::Arc;

use crate::envelope::fact::MemberKind;
use crate::format::cursor::CursorKeys;

/// What a row is about; the numbers are those on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum RowKind {
    User = 1,
    Device = 2,
    /// A cursor of a project.
    Cursor = 3,
    /// A cursor of the store; its project id is zeros.
    StoreCursor = 4,
}

impl RowKind {
    const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::User),
            2 => Some(Self::Device),
            3 => Some(Self::Cursor),
            4 => Some(Self::StoreCursor),
            _ => None,
        }
    }

    /// Whether rows of this kind are profiles, not cursors.
    pub(crate) const fn is_person(self) -> bool {
        matches!(self, Self::User | Self::Device)
    }
}

/// A person of a project by one of the two kinds of ids, which are separate name spaces.
///
/// Where a person is asked for, a `&str` means a user. `Debug` shows the length of the id and not the id.
///
/// # Examples
///
/// ```
/// use envelog::PersonRef;
///
/// assert_eq!(PersonRef::from("u_1"), PersonRef::User("u_1"));
/// assert_ne!(PersonRef::User("u_1"), PersonRef::Anonymous("u_1"));
/// assert_eq!(PersonRef::Anonymous("device_1").id(), "device_1");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PersonRef<'a> {
    /// An identified user, by `userId`.
    User(&'a str),
    /// An anonymous device, by `anonymousId`.
    Anonymous(&'a str),
}

impl<'a> PersonRef<'a> {
    /// The id without its kind.
    pub const fn id(&self) -> &'a str {
        match *self {
            Self::User(id) | Self::Anonymous(id) => id,
        }
    }

    /// The person of a kind and an id.
    pub(crate) const fn of(kind: MemberKind, id: &'a str) -> Self {
        match kind {
            MemberKind::User => Self::User(id),
            MemberKind::Anonymous => Self::Anonymous(id),
        }
    }

    /// The kind of the id.
    pub(crate) const fn kind(self) -> MemberKind {
        match self {
            Self::User(_) => MemberKind::User,
            Self::Anonymous(_) => MemberKind::Anonymous,
        }
    }

    pub(crate) const fn row_kind(self) -> RowKind {
        match self {
            Self::User(_) => RowKind::User,
            Self::Anonymous(_) => RowKind::Device,
        }
    }
}

impl<'a> From<&'a str> for PersonRef<'a> {
    fn from(user_id: &'a str) -> Self {
        Self::User(user_id)
    }
}

impl<'a> From<&'a String> for PersonRef<'a> {
    fn from(user_id: &'a String) -> Self {
        Self::User(user_id)
    }
}

impl fmt::Debug for PersonRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => write!(f, "User({} bytes)", id.len()),
            Self::Anonymous(id) => write!(f, "Anonymous({} bytes)", id.len()),
        }
    }
}

/// Bytes of a key before the id.
pub(crate) const PREFIX_LEN: usize = 17;

/// Appends the encoded key of a row.
pub(crate) fn put_key(out: &mut Vec<u8>, project_id: [u8; 16], kind: RowKind, id: &str) {
    out.reserve(PREFIX_LEN + id.len());
    out.extend_from_slice(&project_id);
    out.push(kind as u8);
    out.extend_from_slice(id.as_bytes());
}

/// The encoded key of a person's row.
pub(crate) fn person_key(project_id: [u8; 16], person: PersonRef<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    put_key(&mut out, project_id, person.row_kind(), person.id());
    out
}

/// The encoded key of a cursor's row.
pub(crate) fn cursor_key(cursor: CursorKeys<'_>) -> Vec<u8> {
    let kind = if cursor.project_id.is_some() { RowKind::Cursor } else { RowKind::StoreCursor };
    let mut out = Vec::new();
    put_key(&mut out, cursor.project_id.unwrap_or_default(), kind, cursor.name);
    out
}

/// The parts of an encoded key; `None` where the bytes are no key.
pub(crate) fn split_key(key: &[u8]) -> Option<([u8; 16], RowKind, &str)> {
    let (project_id, rest) = key.split_first_chunk()?;
    let (kind, id) = rest.split_first()?;
    Some((*project_id, RowKind::from_byte(*kind)?, std::str::from_utf8(id).ok()?))
}

/// The project and the person of an encoded key; `None` where it is no person's.
pub(crate) fn person_of(key: &[u8]) -> Option<([u8; 16], PersonRef<'_>)> {
    match split_key(key)? {
        (project_id, RowKind::User, id) => Some((project_id, PersonRef::User(id))),
        (project_id, RowKind::Device, id) => Some((project_id, PersonRef::Anonymous(id))),
        _ => None,
    }
}

/// The kind of row that an encoded key is for.
pub(crate) fn kind_of(key: &[u8]) -> Option<RowKind> {
    RowKind::from_byte(*key.get(PREFIX_LEN - 1)?)
}

/// An owned, encoded key. It sorts as its bytes do.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RowKey(Arc<[u8]>);

impl RowKey {
    pub(crate) fn new(key: &[u8]) -> Self {
        Self(key.into())
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for RowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RowKey({:?}, {} bytes)", kind_of(&self.0), self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_by_project_kind_and_id_and_come_back() {
        let (a, b) = ([1; 16], [2; 16]);
        let keys = [
            cursor_key(CursorKeys { project_id: None, name: "z" }),
            person_key(a, PersonRef::User("u")),
            person_key(a, PersonRef::User("u_1")),
            person_key(a, PersonRef::User("u_2")),
            person_key(a, PersonRef::Anonymous("a")),
            cursor_key(CursorKeys { project_id: Some(a), name: "crm" }),
            person_key(b, PersonRef::User("a")),
        ];
        assert!(keys.is_sorted_by(|a, b| a < b));
        assert_eq!(split_key(&keys[4]), Some((a, RowKind::Device, "a")));
        assert_eq!(split_key(&keys[0]), Some(([0; 16], RowKind::StoreCursor, "z")));
        assert_eq!(kind_of(&keys[5]), Some(RowKind::Cursor));
        assert_eq!(split_key(&keys[4][..16]), None);
        assert_eq!(split_key(&[9; 20]), None);
    }

    #[test]
    fn debug_of_a_person_and_of_a_key_shows_no_id() {
        let person = PersonRef::User("secret-id");
        assert!(!format!("{person:?}").contains("secret"));
        assert!(!format!("{:?}", RowKey::new(&person_key([0; 16], person))).contains("secret"));
    }
}
