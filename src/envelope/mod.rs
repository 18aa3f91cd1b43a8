//! What an event is: the envelope, the rules it must keep, and what is stored of it.

pub(crate) mod address;
