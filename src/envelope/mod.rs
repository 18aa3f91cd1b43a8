//! What an event is: the envelope, the rules it must keep, and what is stored of it.

mod accept;
pub(crate) mod address;
mod bridge;
mod builder;
pub(crate) mod codec;
mod event_type;
pub(crate) mod fact;
pub(crate) mod json;
mod notes;
mod number;
pub(crate) mod time;
pub(crate) mod tree;
mod value;

pub use accept::Accepted;
pub(crate) use accept::{Acceptor, Scratch, is_no_id};
pub use address::IpHashing;
pub use builder::Envelope;
pub use event_type::EventType;
pub(crate) use fact::{Digest16, body_digest, same_body};
pub use notes::{Note, Notes};
pub use number::Number;
pub use tree::{Kind, ListIter, ObjectIter, ValueRef};
pub use value::{Object, Value};
