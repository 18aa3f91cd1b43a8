//! serde on both sides.
