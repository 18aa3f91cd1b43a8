//! What an event is: the envelope, the rules it must keep, and what is stored of it.

pub(crate) mod address;
mod event_type;
mod notes;
mod time;

pub use event_type::EventType;
pub use notes::{Note, Notes};
mod bridge;
pub(crate) mod json;
mod number;
pub(crate) mod tree;
mod value;

pub use number::Number;
pub use tree::{Kind, ListIter, ObjectIter, ValueRef};
pub use value::{Object, Value};
