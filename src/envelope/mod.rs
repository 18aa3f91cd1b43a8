//! What an event is: the envelope, the rules it must keep, and what is stored of it.

pub(crate) mod address;
mod event_type;
mod notes;
mod time;

pub use event_type::EventType;
pub use notes::{Note, Notes};
