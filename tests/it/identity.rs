//! Identity: a naive model of its rules, a table of cases by hand, and random histories; the store is held to all three.

pub(crate) mod cases;
pub(crate) mod histories;
mod kept;
mod many;
mod model;
pub(crate) mod naive;
pub(crate) mod store;
mod stories;
