//! serde on both sides: host types into trees and values, and trees and values into host types.
//!
//! Enums, options, maps and bytes follow the conventions of `serde_json`. Messages of host code are not passed on,
//! since they may quote values; the path of the field is.

mod de;
mod fault;
mod ser;
mod value;

#[cfg(test)]
mod tests;
