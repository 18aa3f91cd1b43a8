//! An id of a person, owned.

use std::fmt;

use crate::envelope::fact::MemberKind;
use crate::identity::MemberId;
use crate::profile::PersonRef;

/// An id of a person that answers carry: what a [`PersonRef`] borrows. `Debug` shows the length of the id, not the id.
///
/// # Examples
///
/// ```
/// use envelog::{PersonId, PersonRef};
///
/// let device = PersonId::Anonymous("device_1".to_owned());
/// assert_eq!(device.as_ref(), PersonRef::Anonymous("device_1"));
/// assert_eq!(device.to_string(), "anonymous device_1");
/// assert_eq!(PersonId::from(PersonRef::User("u_1")).id(), "u_1");
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PersonId {
    /// A user, by `userId`.
    User(String),
    /// A device, by `anonymousId`.
    Anonymous(String),
}

impl PersonId {
    /// The same, borrowed, as reading calls take it.
    pub fn as_ref(&self) -> PersonRef<'_> {
        match self {
            Self::User(id) => PersonRef::User(id),
            Self::Anonymous(id) => PersonRef::Anonymous(id),
        }
    }

    /// The id without its kind.
    pub fn id(&self) -> &str {
        self.as_ref().id()
    }

    pub(super) fn of(member: &MemberId) -> Self {
        match member.kind {
            MemberKind::User => Self::User(member.id.as_ref().to_owned()),
            MemberKind::Anonymous => Self::Anonymous(member.id.as_ref().to_owned()),
        }
    }
}

impl From<PersonRef<'_>> for PersonId {
    fn from(person: PersonRef<'_>) -> Self {
        match person {
            PersonRef::User(id) => Self::User(id.to_owned()),
            PersonRef::Anonymous(id) => Self::Anonymous(id.to_owned()),
        }
    }
}

impl<'a> From<&'a PersonId> for PersonRef<'a> {
    fn from(person: &'a PersonId) -> Self {
        person.as_ref()
    }
}

impl fmt::Display for PersonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => write!(f, "user {id}"),
            Self::Anonymous(id) => write!(f, "anonymous {id}"),
        }
    }
}

impl fmt::Debug for PersonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.as_ref(), f)
    }
}
